//! An INVITE of ours from the moment it leaves until its transaction is forgotten: long enough to
//! acknowledge every 2xx that it may bring.

use std::collections::VecDeque;

use bytes::Bytes;
use model::{CallId, Instant, TrunkId};

use crate::dialog::Dialog;
use crate::endpoint::{Dial, Endpoint};
use crate::message::wire::Lines;
use crate::timers::Alarm;
use crate::transport::Flow;
use crate::trunk::digest::Authentication;

/// Most legs that one INVITE may fork into; what comes of further ones is left to die.
pub(crate) const LEGS: usize = 8;

/// One INVITE of ours and what came of it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) call: CallId,
    pub(crate) trunk: TrunkId,
    /// Its present transaction.
    pub(crate) invite: u64,
    /// The dialog that each leg begins with: no tag of theirs yet.
    pub(crate) template: Dialog,
    pub(crate) legs: Vec<Leg>,
    /// What was challenged.
    pub(crate) known: Box<Authentication>,
    /// The credentials in its INVITE: its ACK repeats them (RFC 3261 §22.1).
    pub(crate) credentials: Lines,
    pub(crate) stage: Stage,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The bridge waits for its outcome.
    Open(Box<Open>),
    /// The bridge gave it up, or another address was tried.
    Abandoned(Abandoned),
    /// A 2xx came: it is a call.
    Answered,
}

/// What is only needed until the outcome is known.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) dial: Dial,
    /// P-Asserted-Identity and Privacy.
    pub(crate) ends: Lines,
    /// The session interval that we ask for, seconds; 0 for none.
    pub(crate) interval: u32,
    /// Whether that was raised already, as a 422 wanted.
    pub(crate) raised: bool,
    /// The addresses that are left.
    pub(crate) rest: VecDeque<Flow>,
    /// When the next address is tried; `None` once any answer came.
    pub(crate) patience: Option<Instant>,
    /// Whether a provisional answer other than 100 came.
    pub(crate) progressed: bool,
    /// An UPDATE of the called side that the bridge has not answered.
    pub(crate) asked: Option<EarlyOffer>,
}

/// An offer of the called side before its 2xx.
#[derive(Debug)]
pub(crate) struct EarlyOffer {
    /// Its transaction.
    pub(crate) update: u64,
    /// Whose it is.
    pub(crate) tag: Box<str>,
    /// On which listener it came.
    pub(crate) listener: u8,
}

/// What is left to do for an INVITE that nobody wants any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abandoned {
    /// Cause told in the CANCEL.
    pub(crate) q850: Option<u8>,
    /// When a cancelled INVITE without a final answer is forgotten; `None` before the CANCEL.
    pub(crate) until: Option<Instant>,
    /// When it is not sent again, if nothing came: a repeat brings the answer that a CANCEL has to
    /// wait for, but one to a peer that is silent for long may begin a call that nobody wants.
    pub(crate) hush: Option<Instant>,
}

/// What one tag of the called side stands for.
#[derive(Debug, Default)]
pub(crate) struct Leg {
    pub(crate) tag: Box<str>,
    /// Number of its last reliable provisional answer.
    pub(crate) rseq: Option<u32>,
    /// Number of our last request to it, if there was one after the INVITE.
    pub(crate) cseq: u32,
    /// Number of its last request to us.
    pub(crate) heard: Option<u32>,
    /// Its last SDP in a provisional answer.
    pub(crate) early: Option<Bytes>,
    /// Whether our offer was answered there, and we have acknowledged that.
    pub(crate) agreed: bool,
    /// Our answer to an offer of its own after that: then this stands.
    pub(crate) ours: Option<Bytes>,
    /// The ACK of its 2xx, and its way.
    pub(crate) ack: Option<(Flow, Bytes)>,
}

impl Attempt {
    /// Returns when its alarm is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open(open) => open.patience,
            Stage::Abandoned(abandoned) => abandoned.until.or(abandoned.hush),
            Stage::Answered => None,
        }
    }

    /// Returns a tag's leg, a new one if there is room.
    pub(crate) fn leg(&mut self, tag: &str) -> Option<&mut Leg> {
        if let Some(at) = self.legs.iter().position(|leg| &*leg.tag == tag) {
            return self.legs.get_mut(at);
        }
        if self.legs.len() == LEGS {
            return None;
        }
        self.legs.push(Leg { tag: tag.into(), ..Leg::default() });
        self.legs.last_mut()
    }
}

impl Endpoint {
    /// Takes an attempt out, its alarm off.
    pub(crate) fn lift(&mut self, serial: u64) -> Option<Attempt> {
        let attempt = self.attempts.remove(&serial)?;
        self.timers.shift(Alarm::Attempt(serial), attempt.due(), None);
        Some(attempt)
    }

    /// The bridge waits for it no more.
    pub(crate) fn undial(&mut self, call: CallId, template: &Dialog) {
        self.dialled.remove(&call);
        self.tags.remove(&template.id.local_tag);
    }

    /// Puts an attempt in, its alarm on.
    pub(crate) fn lay(&mut self, serial: u64, attempt: Attempt) {
        self.timers.shift(Alarm::Attempt(serial), None, attempt.due());
        self.attempts.insert(serial, attempt);
    }
}
