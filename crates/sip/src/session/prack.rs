//! Reliable provisional answers of the called side (RFC 3262): each is acknowledged by PRACK, in
//! order.

use model::{Instant, Reliability, TrunkId};

use crate::answer::Question;
use crate::dialog::{Dialog, HOPS};
use crate::endpoint::{Counted, Endpoint};
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Name, header};
use crate::session::attempt::Attempt;
use crate::transaction::client::Purpose;
use crate::trunk::identity;

/// The option tag.
pub(crate) const RELIABLE: &str = "100rel";

/// What becomes of a provisional answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It asks for no PRACK.
    Unnumbered,
    /// It is the next one, and is acknowledged.
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

impl Endpoint {
    /// Whether provisional answers are acknowledged with a trunk, either way. One that only calls us
    /// has no setting of its own.
    pub(crate) fn reliability(&self, trunk: TrunkId) -> Reliability {
        let outbound = self.trunks.active(trunk).and_then(|trunk| trunk.outbound.as_ref());
        outbound.map_or(Reliability::default(), |outbound| outbound.reliability)
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
            return Order::Unnumbered;
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
}
