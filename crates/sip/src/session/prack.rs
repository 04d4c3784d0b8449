//! Reliable provisional answers (RFC 3262): theirs are acknowledged by PRACK, in order; ours are
//! repeated until theirs comes.

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, Reliability, TrunkId, limits};

use crate::answer::Question;
use crate::dialog::{Dialog, HOPS};
use crate::endpoint::{Counted, Endpoint, Event};
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Name, Request, header};
use crate::receive::Arrival;
use crate::session::Phase;
use crate::session::accept::Refusal;
use crate::session::attempt::Attempt;
use crate::timers::Alarm;
use crate::transaction::client::Purpose;
use crate::transport::Flow;
use crate::trunk::identity;

/// The option tag.
pub(crate) const RELIABLE: &str = "100rel";

/// What becomes of a provisional answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is the next one.
    Next,
    /// It came before, or another one is missing: as if it had not come.
    Out,
}

/// A PRACK of ours, as far as it may have to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pracked {
    attempt: u64,
    dialog: Dialog,
    /// The answer's number, and the INVITE's.
    number: u32,
    invited: u32,
}

/// An answer of ours that waits for its PRACK.
#[derive(Debug)]
pub(crate) struct Reliable {
    rseq: u32,
    cseq: u32,
    flow: Flow,
    response: Bytes,
    interval: Duration,
    resend: Instant,
    give_up: Instant,
}

impl Reliable {
    fn due(&self) -> Instant {
        self.resend.min(self.give_up)
    }
}

impl Endpoint {
    /// Whether a trunk's provisional answers are acknowledged.
    pub(crate) fn reliability(&self, trunk: TrunkId) -> Reliability {
        let outbound = self.trunks.active(trunk).and_then(|trunk| trunk.outbound.as_ref());
        outbound.map_or(Reliability::Off, |outbound| outbound.reliability)
    }

    /// Whether a trunk may send PRACK.
    pub(crate) fn takes_prack(&self, trunk: TrunkId) -> bool {
        self.reliability(trunk) != Reliability::Off
    }

    /// Writes what an INVITE of ours says of it.
    pub(crate) fn reliability_lines(&self, trunk: TrunkId) -> Lines {
        let tag = Value::fixed(RELIABLE);
        let both = |tag| {
            let lines = Lines::new().with("Allow", &Value::fixed("PRACK"));
            lines.with("Supported", tag)
        };
        match self.reliability(trunk) {
            Reliability::Off => Lines::new(),
            Reliability::Supported => both(&tag),
            Reliability::Required => both(&tag).with("Require", &tag),
        }
    }

    /// Acknowledges a provisional answer that asks for it.
    pub(crate) fn acknowledge_provisional(
        &mut self,
        (serial, attempt): (u64, &mut Attempt),
        answer: &Message<'_>,
        now: Instant,
    ) -> Order {
        let mut required = answer.elements(Name::Require);
        let asked = required.any(|tag| tag.eq_ignore_ascii_case(RELIABLE));
        let number = answer.first(Name::RSeq).and_then(header::decimal);
        let (Some(number), Some(to)) = (number.filter(|_| asked), answer.first(Name::To)) else {
            return Order::Next;
        };
        let tag = header::NameAddr::read(to).and_then(|to| to.tag()).unwrap_or("");
        let target = identity::contact_of(answer).unwrap_or(&attempt.template.target).to_owned();
        let template = attempt.template.clone();
        let invited = template.local_cseq;
        let Some(leg) = attempt.leg(tag) else { return Order::Out };
        if leg.rseq.is_some_and(|last| last.checked_add(1) != Some(number)) {
            self.count(Counted::Retransmission);
            return Order::Out;
        }
        leg.rseq = Some(number);
        let dialog = template.joined(answer, tag, to, &target);
        self.send_prack(attempt, Pracked { attempt: serial, dialog, number, invited }, now);
        Order::Next
    }

    fn send_prack(&mut self, attempt: &mut Attempt, pracked: Pracked, now: Instant) {
        let Pracked { number, invited, .. } = pracked;
        let dialog = pracked.dialog.clone();
        let Some(leg) = attempt.leg(&dialog.id.remote_tag) else { return };
        leg.cseq = leg.cseq.max(invited).saturating_add(1);
        let (cseq, trunk) = (leg.cseq, attempt.trunk);
        let flow = self.onward(trunk, &dialog);
        let method = Method::PRACK;
        let Some(draft) = dialog.written(method.name(), cseq, HOPS) else { return };
        let rack = Value::shown(format_args!("{number} {invited} INVITE"));
        let mut extra = Lines::new().with("RAck", &rack);
        let about = (method.name(), draft.uri.text());
        extra.append(&self.vouch(trunk, Some(&mut attempt.known), about));
        let purpose = Purpose::Prack(Box::new(pracked));
        let question = Question { method, purpose, trunk: Some(trunk), flow };
        self.ask(question, &draft, &extra, now);
    }

    /// Takes the answer to a PRACK; returns whether it is a challenge that was worth another one.
    pub(crate) fn pracked_again(
        &mut self,
        pracked: &Pracked,
        status: u16,
        answer: &Message<'_>,
        now: Instant,
    ) -> bool {
        let Some(mut attempt) = self.lift(pracked.attempt) else { return false };
        // An INVITE with credentials that brought a provisional answer was taken with them.
        let proved = attempt.credentials != Lines::new();
        let known = (attempt.trunk, &mut *attempt.known);
        let worth = self.learn_challenge(known, status, answer, proved);
        if worth {
            self.send_prack(&mut attempt, pracked.clone(), now);
        }
        self.lay(pracked.attempt, attempt);
        worth
    }

    /// Whether an INVITE wants our provisional answers to be reliable, and the trunk allows it.
    pub(crate) fn wants_reliable(&self, trunk: TrunkId, request: &Request<'_>) -> bool {
        let required = identity::lists(request, Name::Require, RELIABLE);
        let supported = identity::lists(request, Name::Supported, RELIABLE);
        match self.reliability(trunk) {
            Reliability::Off => false,
            Reliability::Supported => required,
            Reliability::Required => required || supported,
        }
    }

    /// Sends 180 Ringing so that its arrival is known. One at a time: as long as one waits, no
    /// other leaves.
    pub(crate) fn ring_reliably(
        &mut self,
        id: CallId,
        (invite, listener): (u64, u8),
        now: Instant,
    ) {
        let Some(row) = self.invites.row(invite) else { return };
        let (flow, cseq) = (row.flow, row.cseq);
        let rseq = self.chance.up_to(1 << 16) + 1;
        let Some(call) = self.calls.get(&id) else { return };
        match &call.phase {
            Phase::Ringing { reliable: None, .. } => {}
            Phase::Ringing { .. } | Phase::Live(_) => return,
        }
        let mut lines = self.words.offer(listener);
        lines.push("Require", &Value::fixed(RELIABLE));
        lines.push("RSeq", &Value::shown(rseq));
        let Some(response) = self.answer_invite(invite, 180, &lines, None, now) else { return };
        let (interval, give_up) = (limits::SIP_T1, now + limits::SIP_GIVE_UP);
        let resend = now + interval;
        let reliable = Reliable { rseq, cseq, flow, response, interval, resend, give_up };
        self.await_prack(id, Some(reliable));
    }

    /// The timer of a reliable answer: again, or never.
    pub(crate) fn reliable_due(&mut self, id: CallId, now: Instant) {
        let Some(mut reliable) = self.await_prack(id, None) else { return };
        if now >= reliable.give_up {
            let refusal = Refusal { status: 504, q850: None, retry_after_secs: None };
            self.refuse_call(id, refusal, now);
            return self.emit(Event::Cancelled { call: id });
        }
        if now >= reliable.resend {
            // RFC 3262 §3: doubled without a ceiling.
            reliable.interval *= 2;
            reliable.resend = now + reliable.interval;
            self.count(Counted::Resent);
            self.transmit(reliable.flow, reliable.response.clone());
        }
        self.await_prack(id, Some(reliable));
    }

    /// Takes a PRACK in a dialog.
    pub(crate) fn on_prack(&mut self, arrival: &Arrival<'_>, id: CallId, tag: &str) {
        let rack = arrival.request.message.first(Name::RAck).and_then(header::rack);
        let waiting = match self.calls.get(&id).map(|call| &call.phase) {
            Some(Phase::Ringing { reliable: Some(reliable), .. }) => {
                Some((reliable.rseq, reliable.cseq))
            }
            Some(Phase::Ringing { reliable: None, .. } | Phase::Live(_)) | None => None,
        };
        if rack.is_none() || rack != waiting {
            return self.serve(arrival, tag, 481, &Lines::new());
        }
        self.await_prack(id, None);
        self.serve(arrival, tag, 200, &Lines::new());
    }

    /// Puts a reliable answer under the watch of its timer, or takes it off.
    pub(crate) fn await_prack(
        &mut self,
        id: CallId,
        reliable: Option<Reliable>,
    ) -> Option<Reliable> {
        let due = reliable.as_ref().map(Reliable::due);
        let before = match &mut self.calls.get_mut(&id)?.phase {
            Phase::Ringing { reliable: slot, .. } => std::mem::replace(slot, reliable),
            Phase::Live(_) => return None,
        };
        self.timers.shift(Alarm::Reliable(id), before.as_ref().map(Reliable::due), due);
        before
    }
}
