//! ACK: of a refusal it ends the transaction's repeats, of a 200 OK it confirms the call.

use model::{CallId, Instant, limits};

use crate::endpoint::{Counted, Endpoint, Event, Loss};
use crate::receive::Arrival;
use crate::session::Waiting;
use crate::session::invite::description;
use crate::transaction::server_invite;

impl Endpoint {
    /// Takes an ACK. Nothing is ever sent back.
    pub(crate) fn on_ack(&mut self, arrival: &Arrival<'_>) {
        if let Some(serial) = self.invites.find(&arrival.key) {
            self.step_invite(serial, server_invite::Input::Acknowledged, arrival.now);
        }
        let Some(call) = self.dialog_of(arrival) else { return };
        let awaited = |waiting: &Waiting| waiting.cseq == arrival.request.cseq;
        let live = self.live_mut(call).and_then(|live| live.waiting.as_ref());
        if !live.is_some_and(awaited) {
            return self.count(Counted::Retransmission);
        }
        let Some(waiting) = self.watch(call, None) else { return };
        // An answer that cannot be read is none: the bridge ends such a call.
        let answer = description(arrival.request.message, arrival.payload).ok().flatten();
        let answer = answer.filter(|_| waiting.late);
        self.emit(Event::Confirmed { call, answer });
        if let Some(cause) = waiting.bye {
            self.send_bye(call, Some(cause), arrival.now);
        }
    }

    /// The timer of a 200 OK without its ACK: again, or never.
    pub(crate) fn acknowledgement_due(&mut self, call: CallId, now: Instant) {
        let Some(mut waiting) = self.watch(call, None) else { return };
        if now >= waiting.give_up {
            let cause = waiting.bye;
            self.send_bye(call, cause, now);
            return self.emit(Event::Lost { call, loss: Loss::Unacknowledged });
        }
        if now >= waiting.resend {
            waiting.interval = (waiting.interval * 2).min(limits::SIP_T2);
            waiting.resend = now + waiting.interval;
            self.count(Counted::Resent);
            self.transmit(waiting.flow, waiting.response.clone());
        }
        self.watch(call, Some(waiting));
    }
}
