//! What an overloaded node does with INVITEs: it turns them away unread. Nothing of them is kept, and
//! a repeat gets the same answer.

use crate::answer::identity;
use crate::endpoint::{Counted, Endpoint};
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Request};
use crate::transaction::Key;
use crate::transport::Flow;
use crate::trunk::Sender;

/// Retry-After, seconds: from, to. Spread, so that they do not all return at once.
const LATER: (u64, u64) = (5, 30);

/// Which of several messages are dealt with first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Whatever belongs to something that has begun, and all but new calls.
    High,
    /// A call that wants to begin.
    Low,
}

/// Returns how urgent a message is. Of two that lie together the caller wants the INVITE dealt with
/// last: nobody sends anything else about it before it is answered (RFC 3261 §9.1).
#[must_use]
pub fn urgency(payload: &[u8]) -> Urgency {
    if !payload.starts_with(INVITE) {
        return Urgency::High;
    }
    let begins = |message: Message<'_>| Request::read(&message).is_ok_and(|r| r.to.tag().is_none());
    let new = Message::glance(payload).is_some_and(begins);
    if new { Urgency::Low } else { Urgency::High }
}

const INVITE: &[u8] = b"INVITE ";
const ACK: &[u8] = b"ACK ";

impl Endpoint {
    /// Turns away an INVITE that wants to begin a call, or drops the ACK of one that was turned away.
    /// Returns whether that is done; everything else is read as ever, and so is what is unusual.
    pub(crate) fn shed_unread(&mut self, flow: Flow, sender: Sender, payload: &[u8]) -> bool {
        let interesting = payload.starts_with(INVITE) || payload.starts_with(ACK);
        if !self.overloaded || !sender.active || !interesting {
            return false;
        }
        let Some(message) = Message::glance(payload) else { return false };
        let Ok(request) = Request::read(&message) else { return false };
        let ours = request.to.tag();
        let known = ours.is_some_and(|tag| request.method != Method::Ack || self.knows(tag));
        if known || self.invites.find(&Key::new(sender.trunk, &request)).is_some() {
            return false;
        }
        self.count(Counted::Request(request.method.name()));
        if request.method == Method::Invite {
            self.shed(flow, &message);
        }
        true
    }

    /// Answers an INVITE with 503 and a time to come back at.
    pub(crate) fn shed(&mut self, flow: Flow, message: &Message<'_>) {
        let spread = self.chance.stateless_number((LATER, identity(message)));
        let secs = LATER.0 + spread % (LATER.1 - LATER.0 + 1);
        let later = Lines::new().with("Retry-After", &Value::shown(secs));
        self.count(Counted::Shed);
        self.reject(flow, message, 503, &later);
    }

    /// Whether a tag is that of a call of ours.
    fn knows(&self, tag: &str) -> bool {
        self.tags.contains_key(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        From: <sip:x@a>;tag=7\r\nTo: <sip:1@h>\r\nCall-ID: id\r\nCSeq: 1 INVITE\r\n\r\n";

    #[test]
    fn only_calls_that_want_to_begin_may_wait() {
        assert_eq!(urgency(TEXT.as_bytes()), Urgency::Low);
        let within = TEXT.replace("<sip:1@h>\r\n", "<sip:1@h>;tag=ours\r\n");
        let broken = TEXT.replace("CSeq: 1 INVITE\r\n", "");
        let others = ["BYE", "ACK", "CANCEL", "SIP/2.0 200 OK"].map(|m| TEXT.replace("INVITE", m));
        for text in [within, broken, String::new()].iter().chain(&others) {
            assert_eq!(urgency(text.as_bytes()), Urgency::High, "{text}");
        }
    }
}
