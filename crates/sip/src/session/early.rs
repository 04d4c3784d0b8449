//! Requests of the called side before its 2xx, in the dialog that its provisional answer made
//! (RFC 3261 §12.1, RFC 3311 §5.2).

use crate::endpoint::{Endpoint, Failure};
use crate::message::wire::{Lines, Value};
use crate::message::{Method, Name, header};
use crate::receive::{Arrival, objection};
use crate::session::attempt::{Abandoned, Leg, Stage};
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
        // Its answer to our offer came, and is known to have come.
        let agreed = leg.rseq.is_some() && leg.early.is_some();
        let reliable = self.takes_prack(arrival.trunk());
        let objection = objection(request, (reliable, false));
        match (request.method, objection) {
            (Method::Bye, _) => self.on_early_bye(arrival, serial, &tag),
            (_, Some((status, extra))) => self.serve(arrival, &tag, status, &extra),
            (Method::Update, None) => {
                let (status, lines) = self.early_update(arrival, agreed);
                self.serve(arrival, &tag, status, &lines);
            }
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

    /// Answers an UPDATE: without an offer there is nothing to agree on; with one it meets ours, or
    /// it may come again once the call is answered.
    fn early_update(&mut self, arrival: &Arrival<'_>, agreed: bool) -> (u16, Lines) {
        match description(arrival.request.message, arrival.payload) {
            Err(refused) => refused,
            Ok(None) => (200, self.words.offer(arrival.flow.listener)),
            Ok(Some(_)) if agreed => {
                let secs = self.chance.up_to(WAIT_SECS);
                (500, Lines::new().with("Retry-After", &Value::shown(secs)))
            }
            Ok(Some(_)) => (491, Lines::new()),
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
        let left = Abandoned { q850: None, until: None };
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
