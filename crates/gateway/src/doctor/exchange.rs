//! Requests of the doctor's and their answers; whatever else comes meanwhile is dealt with.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use model::Instant;
use sip::{Challenged, Unanswerable};

use super::facts::{Answer, Asked, Challenge};
use super::locate;
use super::message::{self, Kind, Message, Request};
use super::sdp;
use super::visit::{ALLOW, Visit};
use crate::clock;

/// First interval between repetitions, and the longest (RFC 3261 §17.1.2.2).
pub(super) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// How long after 491 it is tried again (RFC 3261 §14.1: up to 4 s).
const GLARE: Duration = Duration::from_millis(2_200);

impl Visit<'_> {
    /// Waits for an answer to a request of ours until a moment; talks and listens meanwhile, and
    /// answers what the trunk asks.
    pub(super) async fn next(&mut self, until: Instant) -> io::Result<Option<Message>> {
        loop {
            let now = clock::mono();
            if now >= until {
                return Ok(None);
            }
            tokio::select! {
                received = self.line.receive() => {
                    let (message, source) = received?;
                    if source.is_some_and(|source| !self.knows(source)) {
                        continue;
                    }
                    match message.kind() {
                        Some(Kind::Response(status, cseq, method)) => {
                            if self.again(status, cseq, &method, &message).await? {
                                continue;
                            }
                            return Ok(Some(message));
                        }
                        Some(Kind::Request(method)) => {
                            if let Some(answer) = self.serve(&method, &message) {
                                let to = source.unwrap_or(self.address);
                                self.line.send(&answer, to).await?;
                            }
                        }
                        None => {}
                    }
                }
                _ = self.ticks.tick() => self.sound.tick(now),
                _ = self.interrupted.recv() => self.cut("it was interrupted"),
            }
        }
    }

    /// Listens for a while.
    pub(super) async fn listen(&mut self, time: Duration) -> io::Result<()> {
        let until = clock::mono() + time;
        while !self.is_over() && self.next(until).await?.is_some() {}
        Ok(())
    }

    /// Whether nothing new is to be begun.
    pub(super) fn is_over(&mut self) -> bool {
        if clock::mono() >= self.until {
            self.cut("its time was up");
        }
        self.facts.hung_up || self.facts.cut_short.is_some()
    }

    /// Asks, and asks again where a challenge or a collision wants it. Any INVITE is acknowledged,
    /// with an answer of ours where theirs is a late offer.
    pub(super) async fn question(
        &mut self,
        method: &'static str,
        more: &str,
        body: &str,
        patience: Duration,
    ) -> io::Result<(Asked, Option<Message>)> {
        let mut last = (Asked::Silent, None);
        for round in 0..3 {
            let vouched = self.vouch(method);
            let request = self.dialog.request(method, &format!("{vouched}{more}"), body);
            self.pending = (method == "INVITE").then_some(request.cseq);
            let answer = self.ask(&request, patience).await?;
            let Some((status, answer)) = answer else { break };
            if method == "INVITE" {
                self.acknowledge(&request, status, &answer, body.is_empty()).await?;
            }
            if round == 0 && matches!(status, 401 | 407) {
                // What was proved before has only grown old.
                self.known = None;
            }
            let again = match status {
                401 | 407 => self.challenged(status, &answer),
                491 => true,
                _ => false,
            };
            last = (Asked::Answered(status), Some(answer));
            if !again || self.is_over() {
                break;
            }
            if status == 491 {
                self.listen(GLARE).await?;
            }
        }
        self.pending = None;
        Ok(last)
    }

    /// Sends a request, again and again where it may be lost, and waits for its final answer.
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        patience: Duration,
    ) -> io::Result<Option<(u16, Message)>> {
        let end = clock::mono() + patience;
        let (mut pause, mut repeating) = (T1, self.line.is_lossy());
        let mut at = clock::mono() + pause;
        self.send(&request.text).await?;
        loop {
            let until = if repeating { at.min(end) } else { end };
            match self.next(until).await? {
                Some(message) => {
                    let Some(Kind::Response(status, cseq, method)) = message.kind() else {
                        continue;
                    };
                    if cseq != request.cseq || method != request.method {
                        continue;
                    }
                    if status >= 200 {
                        return Ok(Some((status, message)));
                    }
                    repeating = repeating && method != "INVITE";
                }
                None if clock::mono() >= end => return Ok(None),
                None => {
                    self.send(&request.text).await?;
                    pause = (pause * 2).min(T2);
                    at = clock::mono() + pause;
                }
            }
        }
    }

    /// Acknowledges a final answer to an INVITE in the call.
    async fn acknowledge(
        &mut self,
        invite: &Request,
        status: u16,
        answer: &Message,
        late: bool,
    ) -> io::Result<()> {
        if status >= 300 {
            let ack = self.dialog.of_invite("ACK", invite, answer.header("To"));
            return self.send(&ack).await;
        }
        self.dialog.retarget(answer);
        let described = sdp::read(answer.body());
        let body = match &described {
            Some(theirs) if late => self.ours.answer(theirs),
            Some(_) | None => String::new(),
        };
        let mut ack = self.dialog.ack(invite.cseq, &body);
        if !body.is_empty() {
            let typed = "Content-Type: application/sdp\r\nContent-Length: ";
            ack = ack.replacen("Content-Length: ", typed, 1);
        }
        if let Some(theirs) = &described {
            self.sound.follow(theirs);
        }
        self.acknowledged = Some((invite.cseq, ack.clone()));
        self.send(&ack).await
    }

    /// Takes a 401 or 407; returns whether it is worth an answer.
    pub(super) fn challenged(&mut self, status: u16, answer: &Message) -> bool {
        let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let values: Vec<&str> = answer.headers(name).collect();
        let shown = values.iter().find_map(|value| value.split("realm=\"").nth(1));
        let realm = shown.and_then(|rest| rest.split('"').next()).unwrap_or("").to_owned();
        let before = self.known.take();
        let (outcome, known) = match self.credentials() {
            None => (Answer::NoCredentials, None),
            Some(own) => match Challenged::read(values, &own.realm) {
                Err(Unanswerable::Foreign) => (Answer::ForeignRealm, None),
                Err(Unanswerable::Unknown) => (Answer::Unknown, None),
                Ok(known) if before.is_some() && !known.is_stale() => (Answer::Rejected, None),
                Ok(known) => (Answer::Given(known.algorithm()), Some((status, known))),
            },
        };
        self.known = known;
        self.facts.challenge = Some(Challenge { status, realm, outcome });
        self.known.is_some()
    }

    /// Writes the answer to the newest challenge, if there was one.
    pub(super) fn vouch(&mut self, method: &str) -> String {
        let own = self.word();
        let Some(credentials) = self.credentials() else { return String::new() };
        let target = self.dialog.target.clone();
        let Some((status, known)) = &mut self.known else { return String::new() };
        let name = if *status == 407 { "Proxy-Authorization" } else { "Authorization" };
        format!("{name}: {}\r\n", known.answer(credentials, (method, &target), &own))
    }

    /// Sends to where the dialog's next hop is, if that is an address of the trunk; else, and before
    /// there is a dialog, to where the trunk was found.
    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        let next = self.dialog.routes.first().map_or(self.dialog.target.as_str(), String::as_str);
        let next = message::address(message::uri(next), locate::usual_port(self.facts.transport));
        let known = next.filter(|to| self.dialog.is_confirmed() && self.knows(*to));
        let to = known.unwrap_or(self.address);
        self.line.send(text, to).await
    }

    /// Acknowledges a 2xx that comes again, or ends one of another branch; returns whether it was one.
    async fn again(
        &mut self,
        status: u16,
        cseq: u32,
        method: &str,
        message: &Message,
    ) -> io::Result<bool> {
        let Some((known, ack)) = &self.acknowledged else { return Ok(false) };
        let ours = self.dialog.to.contains(&format!("tag={}", message.tag().unwrap_or("")));
        if method != "INVITE" || !(200..300).contains(&status) || cseq != *known {
            return Ok(false);
        }
        let ack = ack.clone();
        match ours {
            true => self.send(&ack).await?,
            false => self.fork(message).await?,
        }
        Ok(true)
    }

    /// Whether an address is the trunk's: nobody else is listened to.
    fn knows(&self, source: SocketAddr) -> bool {
        let known = self.order.trunk.signalling.iter().any(|prefix| prefix.contains(source.ip()));
        known || source.ip() == self.address.ip()
    }

    /// Answers what the trunk asks.
    fn serve(&mut self, method: &str, request: &Message) -> Option<String> {
        if request.header("Call-ID") != Some(self.dialog.call_id.as_str()) {
            let answer = request.answer("481 Call/Transaction Does Not Exist", "", "");
            return (method != "ACK").then_some(answer);
        }
        let contact = format!("Contact: {}\r\n{ALLOW}", self.dialog.contact);
        let timer = request.header("Session-Expires");
        let timer = timer.map_or(String::new(), |it| format!("Session-Expires: {it}\r\n"));
        let answer = match method {
            "ACK" => return None,
            "BYE" => {
                self.facts.hung_up = true;
                self.sound.hush();
                return Some(request.answer("200 OK", "", ""));
            }
            "INVITE" if self.pending.is_some() => request.answer("491 Request Pending", "", ""),
            "INVITE" | "UPDATE" => {
                let body = self.described(method, request.body());
                let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
                request.answer("200 OK", &format!("{contact}{timer}{typed}"), &body)
            }
            "OPTIONS" | "INFO" => request.answer("200 OK", &contact, ""),
            _ => request.answer("405 Method Not Allowed", ALLOW, ""),
        };
        if !self.facts.theirs.iter().any(|one| one == method) && self.facts.theirs.len() < 16 {
            self.facts.theirs.push(method.to_owned());
        }
        Some(answer)
    }

    /// Our side to a description of theirs, or an offer where an INVITE has none.
    fn described(&mut self, method: &str, body: &str) -> String {
        match sdp::read(body) {
            Some(theirs) => {
                self.sound.follow(&theirs);
                self.ours.answer(&theirs)
            }
            None if method == "INVITE" => self.ours.offer("sendrecv"),
            None => String::new(),
        }
    }
}
