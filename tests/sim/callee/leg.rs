//! One called person, from the INVITE to the end.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use crate::caller::{header, message, method_of, speech::Speech};
use crate::network::Packet;
use crate::plan::{CalleePlan, Leave, Reply};

const T1: u64 = 500_000;
const T2: u64 = 4_000_000;
const GIVE_UP: u64 = 32_000_000;
/// How long somebody rings whom nobody cancels, µs.
const RINGS: u64 = 180_000_000;
/// How long somebody stays whom nobody ends, µs.
const STAYS: u64 = 150_000_000;

/// How a leg that was answered ended, as its own side sees it. Of two BYEs that cross, the one that
/// comes answers the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// BYE came.
    Ended,
    /// Its own BYE had this answer, 0 for none.
    HungUp(u16),
    /// No ACK came; its own BYE had this answer.
    NoAck(u16),
    /// It stopped.
    Vanished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Ring,
    Decide,
    Fork,
    Repeat,
    GiveUp,
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Proceeding,
    Answered,
    Refusing,
    Talking,
    Hanging,
    Gone,
}

/// One called person.
#[derive(Debug, Clone)]
pub struct Leg {
    /// The number.
    pub number: String,
    /// The INVITE's Call-ID.
    pub call_id: String,
    /// The tag of this side.
    pub tag: String,
    /// When the first 200 left, µs.
    pub answered: Option<u64>,
    /// When the first ACK of it came, µs.
    pub acked: Option<u64>,
    /// When and how it ended after the answer.
    pub over: Option<(u64, Over)>,
    plan: CalleePlan,
    invite: String,
    sip: SocketAddr,
    rtp: SocketAddr,
    gateway: SocketAddr,
    phase: Phase,
    agenda: BTreeSet<(u64, Deed)>,
    interval: u64,
    last: Option<Vec<u8>>,
    acknowledged: bool,
    cseq: u32,
    media: Option<SocketAddr>,
    next_rtp: Option<u64>,
    speech: Speech,
}

impl Leg {
    pub(super) fn new(number: &str, plan: CalleePlan, invite: &str, gateway: SocketAddr) -> Self {
        let keyed = plan.keys.iter().map(|key| char::from(*key).to_string()).collect();
        Self {
            number: number.to_owned(),
            call_id: header(invite, "Call-ID").unwrap_or_default(),
            tag: String::new(),
            answered: None,
            acked: None,
            over: None,
            plan,
            invite: invite.to_owned(),
            sip: gateway,
            rtp: gateway,
            gateway,
            phase: Phase::Proceeding,
            agenda: BTreeSet::new(),
            interval: T1,
            last: None,
            acknowledged: true,
            cseq: 0,
            media: message::media_address(invite),
            next_rtp: None,
            speech: Speech::new(0, keyed),
        }
    }

    /// Gives the leg its own tag and addresses.
    pub(super) fn name(&mut self, place: usize, host: Ipv4Addr) {
        let place = u16::try_from(place).unwrap_or(0);
        self.tag = format!("callee-{}-{place:04}", host.octets()[3]);
        self.sip = SocketAddr::from((host, 5060));
        self.rtp = SocketAddr::from((host, 30_000 + 2 * place));
        let keyed = self.plan.keys.iter().map(|key| char::from(*key).to_string()).collect();
        self.speech = Speech::new(1_000 + u32::from(place), keyed);
    }

    pub(super) fn is(&self, call_id: &str, tag: &str) -> bool {
        self.call_id == call_id && self.tag == tag
    }

    /// Whether there is nothing left to do.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Returns when something is due, µs.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let deed = self.agenda.first().map(|(at, _)| *at);
        [deed, self.next_rtp].into_iter().flatten().min()
    }

    /// The call is on its way; `told` says whether anybody hears of that.
    pub(super) fn begin(&mut self, told: bool, now: u64, out: &mut Vec<Packet>) {
        if told {
            self.last = Some(self.reply("100 Trying", "", ""));
            self.repeat(out);
            self.plan_for(now + self.plan.rings_ms * 1_000, Deed::Ring);
        }
        self.plan_for(now + self.plan.answers_ms * 1_000, Deed::Decide);
        self.plan_for(now + RINGS, Deed::GiveUp);
    }

    pub(super) fn act(&mut self, now: u64, out: &mut Vec<Packet>) -> Option<Self> {
        while self.next_rtp.is_some_and(|at| at <= now) {
            self.speak(out);
        }
        let mut fork = None;
        while let Some((at, deed)) = self.agenda.first().copied()
            && at <= now
        {
            self.agenda.pop_first();
            match deed {
                Deed::Ring => self.ring(now, out),
                Deed::Decide => self.decide(now, out),
                Deed::Fork => fork = Some(self.fork()),
                Deed::Repeat => {
                    self.repeat(out);
                    self.interval = (self.interval * 2).min(T2);
                    self.plan_for(now + self.interval, Deed::Repeat);
                }
                Deed::GiveUp => self.give_up(now, out),
                Deed::Leave => self.leave(now, out),
            }
        }
        fork
    }

    pub(super) fn repeat(&self, out: &mut Vec<Packet>) {
        if let Some(payload) = &self.last {
            out.push(self.packet(payload.clone()));
        }
    }

    pub(super) fn cancel(&mut self, now: u64, out: &mut Vec<Packet>) {
        if self.phase != Phase::Proceeding {
            return;
        }
        if self.plan.crosses { self.pick_up(now, out) } else { self.refuse(487, now, out) }
    }

    pub(super) fn refuse(&mut self, status: u16, now: u64, out: &mut Vec<Packet>) {
        let answer = self.reply(&format!("{status} No"), "", "");
        self.enter(Phase::Refusing, answer, now, out);
        self.next_rtp = None;
    }

    pub(super) fn pick_up(&mut self, now: u64, out: &mut Vec<Packet>) {
        let answer = self.reply("200 OK", "", &message::sdp(self.rtp, "sendrecv"));
        self.enter(Phase::Answered, answer, now, out);
        self.answered = Some(now);
        self.next_rtp.get_or_insert(now);
        if let Some(after) = self.plan.fork.take() {
            self.plan_for(now + after * 1_000, Deed::Fork);
        }
    }

    pub(super) fn take_request(&mut self, text: &str, now: u64, out: &mut Vec<Packet>) {
        let vanished = self.over.is_some_and(|(_, over)| over == Over::Vanished);
        match method_of(text) {
            _ if vanished => {}
            "ACK" => self.take_ack(now),
            "PRACK" => {
                self.acknowledged = true;
                if self.phase == Phase::Proceeding {
                    self.agenda.retain(|(_, deed)| *deed != Deed::Repeat);
                }
                out.push(self.packet(message::response(text, "200 OK").into_bytes()));
            }
            "BYE" => {
                out.push(self.packet(message::response(text, "200 OK").into_bytes()));
                if self.phase == Phase::Hanging {
                    self.over = self.over.map(|(at, over)| (at, said(over, 200)));
                }
                self.end(now, Over::Ended);
            }
            "INVITE" => {
                let body = message::sdp(self.rtp, "sendrecv");
                out.push(self.packet(self.response(text, "200 OK", "", &body)));
            }
            _ => out.push(self.packet(message::response(text, "200 OK").into_bytes())),
        }
    }

    pub(super) fn take_response(&mut self, status: u16, now: u64) {
        if self.phase == Phase::Hanging && status >= 200 {
            self.over = self.over.map(|(at, over)| (at, said(over, status)));
            self.end(now, Over::HungUp(status));
        }
    }

    fn take_ack(&mut self, now: u64) {
        match self.phase {
            Phase::Answered => {
                self.acked = Some(now);
                self.phase = Phase::Talking;
                self.last = None;
                self.agenda.retain(|(_, deed)| *deed == Deed::Fork);
                let stays = match self.plan.leave {
                    Leave::HangUp | Leave::Vanish => self.plan.talk_ms * 1_000,
                    Leave::Stay => STAYS,
                };
                self.plan_for(now + stays, Deed::Leave);
            }
            Phase::Refusing => self.end(now, Over::Ended),
            Phase::Proceeding | Phase::Talking | Phase::Hanging | Phase::Gone => {}
        }
    }

    fn ring(&mut self, now: u64, out: &mut Vec<Packet>) {
        if self.phase != Phase::Proceeding {
            return;
        }
        let sure = if self.plan.reliable { "Require: 100rel\r\nRSeq: 1\r\n" } else { "" };
        let ringing = if self.plan.early_media {
            self.next_rtp = Some(now);
            self.reply("183 Session Progress", sure, &message::sdp(self.rtp, "sendrecv"))
        } else {
            self.reply("180 Ringing", sure, "")
        };
        self.last = Some(ringing);
        self.repeat(out);
        if self.plan.reliable {
            self.acknowledged = false;
            self.plan_for(now + T1, Deed::Repeat);
        }
    }

    fn decide(&mut self, now: u64, out: &mut Vec<Packet>) {
        if self.phase != Phase::Proceeding {
            return;
        }
        match self.plan.reply {
            // The answer waits until SDP that was sent before it has arrived (RFC 3262 §5).
            Reply::Answer if !self.acknowledged => self.plan_for(now + T1, Deed::Decide),
            Reply::Answer => self.pick_up(now, out),
            Reply::Fails(status) => self.refuse(status, now, out),
            Reply::Rings => {}
        }
    }

    fn give_up(&mut self, now: u64, out: &mut Vec<Packet>) {
        match self.phase {
            Phase::Proceeding => self.refuse(408, now, out),
            Phase::Answered => self.hang_up(Over::NoAck(0), now, out),
            Phase::Refusing | Phase::Talking | Phase::Hanging | Phase::Gone => {
                self.end(now, Over::Ended);
            }
        }
    }

    fn leave(&mut self, now: u64, out: &mut Vec<Packet>) {
        match self.plan.leave {
            Leave::HangUp | Leave::Stay => self.hang_up(Over::HungUp(0), now, out),
            Leave::Vanish => self.end(now, Over::Vanished),
        }
    }

    fn hang_up(&mut self, over: Over, now: u64, out: &mut Vec<Packet>) {
        self.over = Some((now, over));
        self.next_rtp = None;
        self.cseq += 1;
        let named = |name| header(&self.invite, name).unwrap_or_default();
        let contact = named("Contact");
        let target = contact.trim_start_matches('<').split('>').next().unwrap_or("").to_owned();
        let (sip, tag, cseq) = (self.sip, &self.tag, self.cseq);
        let bye = format!(
            "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {sip};branch=z9hG4bK-{tag}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} BYE\r\nContent-Length: 0\r\n\r\n",
            named("To"),
            named("From"),
            self.call_id,
        );
        self.enter(Phase::Hanging, bye.into_bytes(), now, out);
    }

    fn fork(&self) -> Self {
        let mut fork = self.clone();
        (fork.answered, fork.acked, fork.over) = (None, None, None);
        (fork.phase, fork.next_rtp) = (Phase::Proceeding, None);
        fork.agenda.clear();
        fork
    }

    fn enter(&mut self, phase: Phase, message: Vec<u8>, now: u64, out: &mut Vec<Packet>) {
        self.phase = phase;
        self.last = Some(message);
        self.interval = T1;
        self.agenda.retain(|(_, deed)| *deed == Deed::Fork);
        self.plan_for(now + T1, Deed::Repeat);
        self.plan_for(now + GIVE_UP, Deed::GiveUp);
        self.repeat(out);
    }

    fn end(&mut self, now: u64, over: Over) {
        if self.answered.is_some() {
            self.over.get_or_insert((now, over));
        }
        self.phase = Phase::Gone;
        self.last = None;
        self.next_rtp = None;
        self.agenda.clear();
    }

    fn speak(&mut self, out: &mut Vec<Packet>) {
        let at = self.next_rtp.unwrap_or(0);
        self.next_rtp = Some(at + 20_000);
        let payload = self.speech.packet();
        if let Some(destination) = self.media {
            out.push(Packet { source: self.rtp, destination, payload });
        }
    }

    fn plan_for(&mut self, at: u64, deed: Deed) {
        self.agenda.insert((at, deed));
    }

    fn reply(&self, status: &str, lines: &str, body: &str) -> Vec<u8> {
        self.response(&self.invite, status, lines, body)
    }

    /// Answers an INVITE.
    fn response(&self, request: &str, status: &str, lines: &str, body: &str) -> Vec<u8> {
        let text = message::response(request, status);
        let to = header(request, "To").unwrap_or_default();
        let tagged =
            if to.contains(";tag=") { to.clone() } else { format!("{to};tag={}", self.tag) };
        let text = text.replace(&format!("To: {to}"), &format!("To: {tagged}"));
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let more = format!(
            "Contact: <sip:callee@{}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK\r\n\
             {lines}{kind}Content-Length: {}\r\n\r\n{body}",
            self.sip,
            body.len()
        );
        text.replace("Content-Length: 0\r\n\r\n", &more).into_bytes()
    }

    fn packet(&self, payload: Vec<u8>) -> Packet {
        Packet { source: self.sip, destination: self.gateway, payload }
    }
}

fn said(over: Over, status: u16) -> Over {
    match over {
        Over::HungUp(_) => Over::HungUp(status),
        Over::NoAck(_) => Over::NoAck(status),
        Over::Ended => Over::Ended,
        Over::Vanished => Over::Vanished,
    }
}
