//! UPDATE (RFC 3311): a change with an offer, a refresh without.

use model::CallId;

use crate::endpoint::{Endpoint, Event};
use crate::message::wire::Lines;
use crate::receive::Arrival;
use crate::session::By;
use crate::session::invite::description;
use crate::session::timer::{self, Terms};
use crate::trunk::identity;

impl Endpoint {
    /// Takes an UPDATE in a dialog.
    pub(crate) fn on_update(&mut self, arrival: &Arrival<'_>, call: CallId, tag: &str) {
        let offer = match description(arrival.request.message, arrival.payload) {
            Ok(offer) => offer,
            Err((status, extra)) => {
                self.serve(arrival, tag, status, &extra);
                return self.emit(Event::Alive { call });
            }
        };
        if offer.is_none() {
            return self.refresh_by_peer(arrival, call, tag);
        }
        match self.examine_change(arrival, call) {
            Ok(terms) => {
                let Some(serial) = self.admit(arrival, tag) else {
                    return self.deny(arrival, 500, &Lines::new());
                };
                self.propose(arrival, call, By::Request(serial), offer, terms);
            }
            Err((status, extra)) => {
                self.serve(arrival, tag, status, &extra);
                self.emit(Event::Alive { call });
            }
        }
    }

    fn refresh_by_peer(&mut self, arrival: &Arrival<'_>, call: CallId, tag: &str) {
        if let Some(call) = self.calls.get_mut(&call) {
            // Whoever sends UPDATE takes it too.
            call.updates = true;
        }
        let terms = Terms::negotiate(&arrival.request, self.settings.session_secs, true);
        match terms {
            Ok(terms) => {
                let mut lines = self.words.offer(arrival.flow.listener);
                terms.write(&mut lines);
                self.serve(arrival, tag, 200, &lines);
                self.wind(call, terms.start(arrival.now));
                let target = identity::contact(&arrival.request).map(Into::into);
                self.retarget(call, target, arrival.flow);
            }
            Err(timer::TooSmall) => self.serve(arrival, tag, 422, &timer::min_se()),
        }
        self.emit(Event::Alive { call });
    }
}
