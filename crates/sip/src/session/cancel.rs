//! CANCEL (RFC 3261 §9.2).

use crate::endpoint::{Endpoint, Event};
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
        self.answer_invite(serial, 487, &Lines::new(), None, arrival.now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &mut call.phase {
            Phase::Ringing { .. } => {
                self.remove(id);
                self.emit(Event::Cancelled { call: id });
            }
            Phase::Live(live) => {
                live.asked.take_if(|asked| asked.by == By::Invite(serial));
            }
        }
    }
}
