//! The doctor's call, up to its answer or its end.

use std::io;
use std::time::Duration;

use model::{Instant, Reliability};

use super::exchange::T1;
use super::facts::{Asked, Ending, Session};
use super::message::{self, Dialog, Kind, Message, Request};
use super::sdp;
use super::visit::{ALLOW, Visit};
use crate::clock;

/// After which a trunk that says nothing at all is given up.
const SILENCE: Duration = Duration::from_secs(8);
/// How long the end of a call that is given up may take to be confirmed.
const CANCELLING: Duration = Duration::from_secs(5);
/// Most INVITEs: challenges, a nonce that is stale, an interval that is too small.
const INVITES: u8 = 4;

/// What is to be done after an INVITE.
enum Next {
    /// It was answered: there is a call.
    Talk,
    /// Once more, with what was learnt.
    Again,
    /// It is over.
    Over,
}

/// An INVITE that has no final answer yet.
struct Pending {
    invite: Request,
    sent: Instant,
    /// When it is given up, if nothing else comes.
    limit: Instant,
    /// It is repeated until something comes.
    repeat_at: Option<Instant>,
    pause: Duration,
    /// CANCEL has left.
    cancelled: bool,
    /// The reliable provisional answers that were acknowledged, by tag and number.
    acknowledged: Vec<(String, u32, String)>,
    prack: Option<u32>,
}

impl Visit<'_> {
    /// Calls; returns whether the call was answered.
    pub(super) async fn invite(&mut self) -> io::Result<bool> {
        let mut least = 0;
        for _ in 0..INVITES {
            match self.attempt(&mut least).await? {
                Next::Talk => return Ok(true),
                Next::Over => return Ok(false),
                Next::Again if self.is_over() => return Ok(false),
                Next::Again => {}
            }
        }
        Ok(false)
    }

    async fn attempt(&mut self, least: &mut u32) -> io::Result<Next> {
        let vouched = self.vouch("INVITE");
        let mut more = format!("{vouched}{ALLOW}Supported: ");
        let reliable = match self.reliability() {
            Reliability::Off => "timer\r\n",
            Reliability::Supported => "timer, 100rel\r\n",
            Reliability::Required => "timer\r\nRequire: 100rel\r\n",
        };
        more.push_str(reliable);
        if self.order.session_secs > 0 {
            let secs = self.order.session_secs.max(*least);
            more.push_str(&format!("Session-Expires: {secs}\r\n"));
            if *least > 0 {
                more.push_str(&format!("Min-SE: {least}\r\n"));
            }
        }
        more.push_str("Content-Type: application/sdp\r\n");
        let offer = self.ours.offer("sendrecv");
        let invite = self.dialog.request("INVITE", &more, &offer);
        let sent = clock::mono();
        let mut pending = Pending {
            sent,
            limit: sent + SILENCE,
            repeat_at: self.line.is_lossy().then_some(sent + T1),
            pause: T1,
            invite,
            cancelled: false,
            acknowledged: Vec::new(),
            prack: None,
        };
        self.send(&pending.invite.text).await?;
        loop {
            let now = clock::mono();
            if now >= pending.limit || (self.is_over() && !pending.cancelled) {
                if !self.give_up(&mut pending).await? {
                    return Ok(Next::Over);
                }
                continue;
            }
            let until = pending.repeat_at.map_or(pending.limit, |at| at.min(pending.limit));
            // A short breath, so that an interruption is seen soon.
            let until = until.min(now + T1);
            match self.next(until).await? {
                Some(message) => {
                    if let Some(next) = self.learn(&mut pending, &message, least).await? {
                        return Ok(next);
                    }
                }
                None => self.repeat(&mut pending).await?,
            }
        }
    }

    async fn repeat(&mut self, pending: &mut Pending) -> io::Result<()> {
        let now = clock::mono();
        if pending.repeat_at.is_some_and(|at| now >= at) {
            self.send(&pending.invite.text).await?;
            pending.pause *= 2;
            pending.repeat_at = Some(now + pending.pause);
        }
        Ok(())
    }

    /// Ends an INVITE whose time is up: by CANCEL, once. Returns whether an end is to be awaited.
    async fn give_up(&mut self, pending: &mut Pending) -> io::Result<bool> {
        let proceeding = pending.repeat_at.is_none() && pending.limit > pending.sent + SILENCE;
        if pending.cancelled || !proceeding {
            // Before any answer there is nothing that may be cancelled (RFC 3261 §9.1).
            self.facts.ending = match pending.cancelled {
                true => Ending::GivenUp { confirmed: false },
                false => Ending::Silent,
            };
            return Ok(false);
        }
        let cancel = self.dialog.of_invite("CANCEL", &pending.invite, None);
        self.send(&cancel).await?;
        pending.cancelled = true;
        pending.limit = clock::mono() + CANCELLING;
        Ok(true)
    }

    async fn learn(
        &mut self,
        pending: &mut Pending,
        message: &Message,
        least: &mut u32,
    ) -> io::Result<Option<Next>> {
        let Some(Kind::Response(status, cseq, method)) = message.kind() else { return Ok(None) };
        if method == "PRACK" && Some(cseq) == pending.prack && status >= 200 {
            self.facts.prack = Asked::Answered(status);
        }
        if method != "INVITE" || cseq != pending.invite.cseq {
            return Ok(None);
        }
        match status {
            0..=199 => {
                self.provisional(pending, status, message).await?;
                Ok(None)
            }
            200..=299 => {
                self.accepted(pending, message).await?;
                Ok(Some(if pending.cancelled { Next::Over } else { Next::Talk }))
            }
            _ => self.refused(pending, status, message, least).await.map(Some),
        }
    }

    async fn provisional(
        &mut self,
        pending: &mut Pending,
        status: u16,
        message: &Message,
    ) -> io::Result<()> {
        pending.repeat_at = None;
        if !pending.cancelled {
            pending.limit = pending.sent + self.order.ring.max(SILENCE + T1);
        }
        if status == 100 {
            return Ok(());
        }
        let described = sdp::read(message.body());
        let number = message.header("RSeq").and_then(|number| number.parse().ok());
        let number: Option<u32> = number.filter(|_| message.lists("Require", "100rel"));
        self.facts.provisional.push((status, number.is_some(), described.is_some()));
        self.facts.provisional.truncate(16);
        let Some((number, tag)) = number.zip(message.tag()) else { return Ok(()) };
        let tag = tag.to_owned();
        let done = pending.acknowledged.iter().find(|(of, n, _)| *of == tag && *n == number);
        if let Some((_, _, text)) = done {
            let text = text.clone();
            return self.send(&text).await;
        }
        // Another branch may have a dialog of its own: each is answered in its own.
        let mut early = self.dialog.clone();
        early.learn(message);
        let rack = format!("RAck: {number} {} INVITE\r\n", pending.invite.cseq);
        let prack = early.request("PRACK", &rack, "");
        self.dialog.cseq = early.cseq;
        pending.prack = Some(prack.cseq);
        self.facts.prack = Asked::Silent;
        pending.acknowledged.push((tag, number, prack.text.clone()));
        self.send_in(early, &prack.text).await
    }

    /// Sends in another dialog than ours.
    async fn send_in(&mut self, other: Dialog, text: &str) -> io::Result<()> {
        let own = std::mem::replace(&mut self.dialog, other);
        let sent = self.send(text).await;
        self.dialog = own;
        sent
    }

    async fn accepted(&mut self, pending: &Pending, message: &Message) -> io::Result<()> {
        self.facts.early = self.sound.heard.packets;
        self.dialog.learn(message);
        let ack = self.dialog.ack(pending.invite.cseq, "");
        self.acknowledged = Some((pending.invite.cseq, ack.clone()));
        self.send(&ack).await?;
        if pending.cancelled {
            // It crossed our CANCEL: somebody is there, and is let go.
            let (asked, _) = self.question("BYE", "", "", CANCELLING).await?;
            self.facts.bye = asked;
            self.facts.ending = Ending::GivenUp { confirmed: asked.is_granted() };
            return Ok(());
        }
        let after = clock::mono().since(pending.sent).as_millis();
        self.facts.ending = Ending::Answered(u64::try_from(after).unwrap_or(u64::MAX));
        let accepted = &mut self.facts.accepted;
        accepted.described = sdp::read(message.body());
        accepted.session = session(message);
        accepted.allow = message.listed("Allow");
        if let Some(theirs) = &accepted.described {
            self.sound.follow(theirs);
        }
        Ok(())
    }

    async fn refused(
        &mut self,
        pending: &Pending,
        status: u16,
        message: &Message,
        least: &mut u32,
    ) -> io::Result<Next> {
        let ack = self.dialog.of_invite("ACK", &pending.invite, message.header("To"));
        self.send(&ack).await?;
        if pending.cancelled {
            self.facts.ending = Ending::GivenUp { confirmed: true };
            return Ok(Next::Over);
        }
        let reason = message.headers("Reason").find(|reason| reason.starts_with("Q.850"));
        let cause = reason.and_then(|reason| reason.split("cause=").nth(1));
        let cause = cause.and_then(|cause| cause.split([';', ' ', ',']).next()?.parse().ok());
        let contact = message.header("Contact").filter(|_| (300..400).contains(&status));
        let contact = contact.map(|contact| message::uri(contact).to_owned());
        let phrase = message.phrase().chars().filter(|c| !c.is_control()).take(80).collect();
        self.facts.ending = Ending::Refused { status, phrase, cause, contact };
        if matches!(status, 401 | 407) && self.challenged(status, message) {
            return Ok(Next::Again);
        }
        let floor =
            message.header("Min-SE").and_then(|it| it.split(';').next()?.trim().parse().ok());
        match floor {
            Some(floor) if status == 422 && floor > self.order.session_secs.max(*least) => {
                *least = floor;
                self.facts.interval_too_small = Some(floor);
                Ok(Next::Again)
            }
            Some(_) | None => Ok(Next::Over),
        }
    }
}

/// Reads the session timer of a 2xx.
fn session(message: &Message) -> Option<Session> {
    let mut words = message.header("Session-Expires")?.split(';').map(str::trim);
    let secs = words.next()?.parse().ok()?;
    let refresher = words.find_map(|word| word.strip_prefix("refresher="));
    Some(Session { secs, refresher: refresher.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_timer_is_read_with_or_without_who_refreshes() {
        let of = |value: &str| {
            session(&Message::read(format!("SIP/2.0 200 OK\r\nx: {value}\r\n\r\n").as_bytes()))
        };
        let told = Session { secs: 1_800, refresher: Some("uas".to_owned()) };
        assert_eq!(of("1800;refresher=uas"), Some(told));
        assert_eq!(of("90"), Some(Session { secs: 90, refresher: None }));
        assert_eq!(of("soon"), None);
    }
}
