//! CANCEL (RFC 3261 §9.2).

use crate::endpoint::Endpoint;
use crate::message::wire::Lines;
use crate::receive::Arrival;
use crate::session::{By, Phase};
use crate::transaction::server_invite::State;

impl Endpoint {
    /// Takes a CANCEL. It is answered without state: a repeated one meets the same transaction.
    pub(crate) fn on_cancel(&mut self, arrival: &Arrival<'_>) {
        let Some(serial) = self.invites.find(&arrival.key) else {
            return self.deny(arrival, 481, &Lines::new());
        };
        let Some(row) = self.invites.row(serial) else { return };
        let id = row.call;
        let open = match row.state {
            State::Proceeding { .. } => true,
            // Too late: it has no effect.
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } => false,
        };
        let tag = row.echo.tag.clone();
        self.reply(arrival.flow, arrival.request.message, (200, &tag), &Lines::new());
        if !open {
            return;
        }
        match self.calls.get_mut(&id).map(|call| &call.phase) {
            Some(Phase::Ringing(_)) => {
                if let Some(gone) = self.remove(id) {
                    self.dismiss(&gone, arrival.now);
                    self.emit(gone.given_up(id));
                }
            }
            Some(Phase::Live(_)) | None => {
                self.answer_invite(serial, 487, &Lines::new(), None, arrival.now);
                if let Some(call) = self.calls.get_mut(&id) {
                    call.asked.take_if(|asked| asked.by == By::Invite(serial));
                }
            }
        }
    }
}
