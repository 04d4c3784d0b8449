//! Requests of the called side before its 2xx, in the dialog that its provisional answer made
//! (RFC 3261 §12.1, RFC 3311 §5.2).

use bytes::Bytes;
use model::{CallId, Instant};

use crate::endpoint::{Endpoint, Event, Failure};
use crate::message::wire::{Body, Lines, Value};
use crate::message::{Method, Name, header};
use crate::receive::{Arrival, objection};
use crate::session::attempt::{Abandoned, EarlyOffer, Leg, Stage};
use crate::session::invite::description;

/// Longest wait that a peer is asked for, seconds (RFC 3311 §5.2).
const WAIT_SECS: u32 = 10;

impl Endpoint {
    /// Finds the INVITE of ours in whose early dialog a request lies.
    pub(crate) fn early_of(&self, arrival: &Arrival<'_>) -> Option<u64> {
        let tag = arrival.request.to.tag()?;
        let serial = *self.dialled.get(self.tags.get(tag)?)?;
        let attempt = self.attempts.get(&serial)?;
        let (own, theirs) = (&attempt.template.id, arrival.request.remote_tag());
        let named = *own.local_tag == *tag && *own.call_id == *arrival.request.call_id;
        let owned = attempt.trunk == arrival.trunk()
            || self.trunks.owns(attempt.trunk, arrival.flow.peer.ip());
        let known = attempt.legs.iter().any(|leg| &*leg.tag == theirs);
        (named && owned && known).then_some(serial)
    }

    /// Takes a request in an early dialog.
    pub(crate) fn inside_early(&mut self, arrival: &Arrival<'_>, serial: u64) {
        let request = &arrival.request;
        let tag = request.to.tag().unwrap_or("").to_owned();
        let leg = self.attempts.get_mut(&serial).and_then(|own| own.leg(request.remote_tag()));
        let Some(leg) = leg.filter(|leg| leg.heard.is_none_or(|last| request.cseq > last)) else {
            // Out of order (RFC 3261 §12.2.2).
            return self.deny(arrival, 500, &Lines::new());
        };
        leg.heard = Some(request.cseq);
        let reliable = self.takes_prack(arrival.trunk());
        let objection = objection(request, (reliable, false));
        match (request.method, objection) {
            (Method::Bye, _) => self.on_early_bye(arrival, serial, &tag),
            (_, Some((status, extra))) => self.serve(arrival, &tag, status, &extra),
            (Method::Update, None) => self.on_early_update(arrival, serial, &tag),
            (Method::Options, None) => {
                let lines = self.words.offer(arrival.flow.listener);
                self.serve(arrival, &tag, 200, &lines);
            }
            (
                Method::Invite
                | Method::Ack
                | Method::Cancel
                | Method::Info
                | Method::Unsupported(_)
                | Method::Unknown,
                None,
            ) => self.deny(arrival, 481, &Lines::new()),
        }
    }

    /// Takes an UPDATE: without an offer there is nothing to agree on. One with an offer is the
    /// bridge's to answer, if our own offer was answered in a provisional answer that we have
    /// acknowledged, and no other waits (RFC 3311 §5.2).
    fn on_early_update(&mut self, arrival: &Arrival<'_>, serial: u64, tag: &str) {
        let offer = match description(arrival.request.message, arrival.payload) {
            Ok(Some(offer)) => offer,
            Ok(None) => {
                let lines = self.words.offer(arrival.flow.listener);
                return self.serve(arrival, tag, 200, &lines);
            }
            Err((status, extra)) => return self.serve(arrival, tag, status, &extra),
        };
        let theirs = arrival.request.remote_tag();
        let wait = self.chance.up_to(WAIT_SECS);
        let Some(attempt) = self.attempts.get_mut(&serial) else { return };
        let agreed = attempt.leg(theirs).is_some_and(|leg| leg.agreed);
        let (call, busy) = match &attempt.stage {
            Stage::Open(open) => (attempt.call, open.asked.is_some()),
            Stage::Abandoned(_) | Stage::Answered => return,
        };
        if !agreed {
            return self.serve(arrival, tag, 491, &Lines::new());
        }
        let update = if busy { None } else { self.admit(arrival, tag) };
        let Some(update) = update else {
            let later = Lines::new().with("Retry-After", &Value::shown(wait));
            return self.serve(arrival, tag, 500, &later);
        };
        if let Some(Stage::Open(open)) = self.attempts.get_mut(&serial).map(|own| &mut own.stage) {
            let listener = arrival.flow.listener;
            open.asked = Some(EarlyOffer { update, tag: theirs.into(), listener });
        }
        self.emit(Event::Offered { call, offer: Some(offer) });
    }

    /// Sends 200 OK to such an UPDATE: from now on its leg has this SDP of ours.
    pub(crate) fn accept_early(&mut self, call: CallId, body: &Bytes, now: Instant) {
        let Some(asked) = self.asked_early(call) else { return };
        let serial = self.dialled.get(&call).copied();
        let attempt = serial.and_then(|serial| self.attempts.get_mut(&serial));
        if let Some(leg) = attempt.and_then(|own| own.leg(&asked.tag)) {
            leg.ours = Some(body.clone());
        }
        let lines = self.words.offer(asked.listener);
        self.finish(asked.update, 200, &lines, Body::sdp(body), now);
    }

    /// Refuses such an UPDATE: what was agreed on before stands.
    pub(crate) fn reject_early(&mut self, call: CallId, status: u16, now: Instant) {
        if let Some(asked) = self.asked_early(call) {
            self.finish(asked.update, status, &Lines::new(), None, now);
        }
    }

    /// An UPDATE that waits for the bridge waits in vain: what it lay in is over, or answered.
    pub(crate) fn give_up_early(&mut self, stage: &mut Stage, status: u16, now: Instant) {
        let asked = match stage {
            Stage::Open(open) => open.asked.take(),
            Stage::Abandoned(_) | Stage::Answered => None,
        };
        if let Some(asked) = asked {
            self.finish(asked.update, status, &Lines::new(), None, now);
        }
    }

    fn asked_early(&mut self, call: CallId) -> Option<EarlyOffer> {
        let serial = *self.dialled.get(&call)?;
        match &mut self.attempts.get_mut(&serial)?.stage {
            Stage::Open(open) => open.asked.take(),
            Stage::Abandoned(_) | Stage::Answered => None,
        }
    }

    /// The called side ends what it has not answered. If nothing else rings, the call has failed.
    fn on_early_bye(&mut self, arrival: &Arrival<'_>, serial: u64, tag: &str) {
        self.serve(arrival, tag, 200, &Lines::new());
        let Some(mut attempt) = self.lift(serial) else { return };
        let gone = |leg: &Leg| &*leg.tag == arrival.request.remote_tag();
        attempt.legs.retain(|leg| !gone(leg));
        if !attempt.legs.is_empty() {
            return self.lay(serial, attempt);
        }
        self.undial(attempt.call, &attempt.template);
        self.give_up_early(&mut attempt.stage, 487, arrival.now);
        let left = Abandoned { q850: None, until: None, hush: None };
        let left = self.cancel(attempt.invite, left, arrival.now);
        attempt.stage = Stage::Abandoned(left);
        let call = attempt.call;
        self.lay(serial, attempt);
        let q850 = arrival.request.message.all(Name::Reason).find_map(header::q850);
        let failure = Failure {
            status: 480,
            answered: true,
            progressed: true,
            trouble: None,
            q850,
            retry_after_secs: None,
            contacts: Vec::new(),
        };
        self.failed(call, failure);
    }
}
