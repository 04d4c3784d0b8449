//! Sessions: what the methods do to a call, one method a file. Bodies are opaque.

pub(crate) mod abandon;
pub(crate) mod accept;
pub(crate) mod ack;
pub(crate) mod answered;
pub(crate) mod attempt;
pub(crate) mod bye;
pub(crate) mod cancel;
pub(crate) mod challenge;
pub(crate) mod dial;
pub(crate) mod early;
pub(crate) mod info;
pub(crate) mod invite;
pub(crate) mod life;
pub(crate) mod options;
pub(crate) mod prack;
pub(crate) mod reinvite;
pub(crate) mod reliable;
pub(crate) mod renew;
pub(crate) mod stray;
pub(crate) mod timer;
pub(crate) mod update;

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, TrunkId, limits};

use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::message::wire::Lines;
use crate::timers::Alarm;
use crate::transaction::Mark;
use crate::transport::Flow;
use crate::trunk::digest::Authentication;
use reliable::Ringing;
use timer::{Clock, Terms};

/// A call from its INVITE to its end.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) trunk: TrunkId,
    pub(crate) dialog: Dialog,
    /// The INVITE that started it, if the peer sent it.
    pub(crate) mark: Option<Mark>,
    /// What was challenged in it; `None` where the peer began it: then nothing is answered (S14).
    pub(crate) known: Option<Box<Authentication>>,
    /// Whether the peer's Allow lists UPDATE.
    pub(crate) updates: bool,
    /// A change of the session that the bridge has not answered.
    pub(crate) asked: Option<Renegotiation>,
    pub(crate) phase: Phase,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The INVITE has no final answer.
    Ringing(Box<Ringing>),
    /// 200 OK has left.
    Live(Box<Live>),
}

/// An answered call. Its parts come and go independently.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// A 200 OK without its ACK.
    pub(crate) waiting: Option<Waiting>,
    /// A PRACK that the 200 OK overtook: the numbers of the answer that it acknowledges.
    pub(crate) overtaken: Option<(u32, u32)>,
    /// The session timer.
    pub(crate) clock: Option<Clock>,
    /// Whether a question for life is on its way.
    pub(crate) asking: bool,
    /// A re-INVITE of ours that has no final answer.
    pub(crate) renewing: Option<u64>,
    /// Our SDP that stands.
    pub(crate) sdp: Bytes,
}

impl Live {
    /// Whether no 200 OK of ours waits for its ACK, and no re-INVITE of ours for its answer.
    pub(crate) const fn is_settled(&self) -> bool {
        self.waiting.is_none() && self.renewing.is_none()
    }
}

/// A 200 OK that is repeated until its ACK (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) response: Bytes,
    pub(crate) flow: Flow,
    pub(crate) cseq: u32,
    /// Whether it answers the INVITE that started the call: only that one holds a BYE back.
    pub(crate) initial: bool,
    /// Whether the ACK brings the SDP answer.
    pub(crate) late: bool,
    /// The cause of a BYE that leaves once the ACK is here.
    pub(crate) bye: Option<u8>,
    interval: Duration,
    resend: Instant,
    give_up: Instant,
}

impl Waiting {
    pub(crate) fn new(response: Bytes, flow: Flow, cseq: u32, late: bool, now: Instant) -> Self {
        Self {
            response,
            flow,
            cseq,
            initial: true,
            late,
            bye: None,
            interval: limits::SIP_T1,
            resend: now + limits::SIP_T1,
            give_up: now + limits::SIP_GIVE_UP,
        }
    }

    /// Watches the answer to a re-INVITE.
    pub(crate) fn again(response: Bytes, flow: Flow, cseq: u32, late: bool, now: Instant) -> Self {
        Self { initial: false, ..Self::new(response, flow, cseq, late, now) }
    }

    pub(crate) fn due(&self) -> Instant {
        self.resend.min(self.give_up)
    }
}

/// A change of the session that the bridge has to answer.
#[derive(Debug)]
pub(crate) struct Renegotiation {
    pub(crate) by: By,
    pub(crate) cseq: u32,
    /// Whether it brought no offer, so that ours is asked for.
    pub(crate) late: bool,
    /// The peer's new Contact.
    pub(crate) target: Option<Box<str>>,
    /// Where it came from.
    pub(crate) flow: Flow,
    pub(crate) terms: Terms,
}

/// Which transaction carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A re-INVITE's.
    Invite(u64),
    /// An UPDATE's or a PRACK's.
    Request(u64),
}

impl Endpoint {
    /// Returns an answered call's parts.
    pub(crate) fn live_mut(&mut self, call: CallId) -> Option<&mut Live> {
        match &mut self.calls.get_mut(&call)?.phase {
            Phase::Live(live) => Some(live),
            Phase::Ringing(_) => None,
        }
    }

    /// Puts a 200 OK under the watch of its timer, or takes it off.
    pub(crate) fn watch(&mut self, call: CallId, waiting: Option<Waiting>) -> Option<Waiting> {
        let due = waiting.as_ref().map(Waiting::due);
        let before = std::mem::replace(&mut self.live_mut(call)?.waiting, waiting);
        let from = before.as_ref().map(Waiting::due);
        self.timers.shift(Alarm::Acknowledgement(call), from, due);
        before
    }

    /// Forgets a call, its timers and names.
    pub(crate) fn remove(&mut self, id: CallId) -> Option<Call> {
        self.await_prack(id, None);
        self.watch(id, None);
        self.wind(id, None);
        self.decided(id);
        let call = self.calls.remove(&id)?;
        self.tags.remove(&call.dialog.id.local_tag);
        self.streams.unbind(call.dialog.flow, id);
        self.trunks.release(call.trunk);
        if let Some(mark) = &call.mark {
            self.unmark(mark);
        }
        Some(call)
    }

    /// Answers 487 to whatever an ended call had not answered (RFC 3261 §15.1.2).
    pub(crate) fn dismiss(&mut self, call: &Call, now: Instant) {
        let begun = match &call.phase {
            Phase::Ringing(ringing) => Some(By::Invite(ringing.invite)),
            Phase::Live(_) => None,
        };
        for pending in call.asked.as_ref().map(|asked| asked.by).into_iter().chain(begun) {
            match pending {
                By::Invite(serial) => {
                    self.answer_invite(serial, 487, &Lines::new(), None, now);
                }
                By::Request(serial) => self.finish(serial, 487, &Lines::new(), None, now),
            }
        }
    }
}
