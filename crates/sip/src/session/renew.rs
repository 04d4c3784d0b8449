//! re-INVITEs of ours (RFC 3261 §14.1): they repeat the SDP that stands, to refresh the session of
//! a peer that takes no UPDATE, or to ask whether it lives.

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant};

use crate::endpoint::{Counted, Endpoint, Event};
use crate::message::{Message, Method};
use crate::session::Phase;
use crate::session::invite::description;
use crate::session::life::Way;
use crate::transaction::client_invite::{Aim, Why};
use crate::transport::Flow;
use crate::trunk::identity;

impl Endpoint {
    /// Sends a re-INVITE; returns whether it left. It does not while another change is under way.
    pub(crate) fn renew(&mut self, id: CallId, why: Why, now: Instant) -> bool {
        let Some(mut call) = self.calls.remove(&id) else { return false };
        let sent = match &call.phase {
            Phase::Live(live) if live.is_settled() && call.asked.is_none() => {
                let body = live.sdp.clone();
                let mut extra = self.words.offer(call.dialog.flow.listener);
                if let Some(clock) = &live.clock {
                    extra.append(&clock.line());
                }
                let flow = self.onward(call.trunk, &call.dialog);
                let trunk = call.trunk;
                let known = call.known.as_deref_mut();
                call.dialog.draft(Method::Invite.name()).map(|draft| {
                    let about = (Method::Invite.name(), draft.uri.text());
                    let credentials = self.vouch(trunk, known, about);
                    extra.append(&credentials);
                    let aim = Aim::Change(id, why);
                    let serial = self.place((aim, trunk, flow), &draft, &extra, &body, now);
                    (serial, credentials)
                })
            }
            Phase::Live(_) | Phase::Ringing(_) => None,
        };
        let left = sent.is_some();
        if let (Some((serial, credentials)), Phase::Live(live)) = (sent, &mut call.phase) {
            live.renewing = Some(serial);
            let cseq = call.dialog.local_cseq;
            if let Some(ack) = self.ack_of(call.trunk, (&call.dialog, cseq), &credentials) {
                self.prepare_ack(serial, ack);
            }
        }
        self.calls.insert(id, call);
        left
    }

    /// A 2xx came to a re-INVITE of ours, for the first time or again. Its ACK was written when the
    /// request left, and leaves whatever has become of the call.
    pub(crate) fn renewed(&mut self, serial: u64, first: bool) {
        let ack = self.placed.row(serial).and_then(|row| row.ack.clone());
        if let Some((flow, ack)) = ack {
            self.transmit(flow, ack);
        }
        if !first {
            self.count(Counted::Retransmission);
        }
    }

    /// A 2xx to a re-INVITE of ours answers the SDP that it repeated (RFC 3261 §14.1): whatever
    /// stands in it is what the peer now does.
    pub(crate) fn renewal_answered(
        &mut self,
        call: CallId,
        (answer, payload): (&Message<'_>, &Bytes),
    ) {
        if self.live_mut(call).is_none() {
            return;
        }
        match description(answer, payload) {
            Ok(Some(answer)) => self.emit(Event::Agreed { call, answer }),
            Ok(None) | Err(_) => self.count(Counted::NoAnswer),
        }
    }

    /// The final answer to a re-INVITE of ours, 408 for silence.
    pub(crate) fn renewal_over(
        &mut self,
        (serial, id, why): (u64, CallId, Why),
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        let Some(live) = self.live_mut(id) else { return };
        live.renewing.take_if(|own| *own == serial);
        if let Some(answer) = answer {
            if self.challenged_live(id, status, answer) && self.renew(id, why, now) {
                return;
            }
            let target = identity::contact_of(answer).filter(|_| status < 300);
            if let (Some(target), Some(call)) = (target, self.calls.get_mut(&id)) {
                call.dialog.target = target.into();
            }
        }
        match why {
            Why::Refresh => self.refreshed((id, Method::Invite), status, answer, now),
            Why::Life => self.pinged((id, Way::Invite), status, answer, now),
        }
    }

    /// Returns how long to wait after two changes met (RFC 3261 §14.1): the side that chose the
    /// Call-ID waits longer.
    pub(crate) fn glare(&mut self, id: CallId) -> Duration {
        let ours = self.calls.get(&id).is_some_and(|call| call.mark.is_none());
        let tens =
            u64::from(if ours { 210 + self.chance.up_to(190) } else { self.chance.up_to(200) });
        Duration::from_millis(tens * 10)
    }

    fn prepare_ack(&mut self, serial: u64, ack: (Flow, Bytes)) {
        if let Some(mut row) = self.placed.take(serial) {
            row.ack = Some(ack);
            self.placed.put(serial, row);
        }
    }
}
