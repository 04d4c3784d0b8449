//! OPTIONS (RFC 3261 §11): how trunks ask whether we live.

use model::CallId;

use crate::endpoint::{Endpoint, Event};
use crate::message::body::ACCEPT;
use crate::message::wire::{Lines, Value};
use crate::receive::Arrival;

impl Endpoint {
    /// Outside a dialog: 200 whatever the user part, so that nobody learns what numbers exist; 503
    /// while draining.
    pub(crate) fn on_options(&mut self, arrival: &Arrival<'_>) {
        if self.draining {
            let later = self.later();
            return self.deny(arrival, 503, &later);
        }
        let lines = self.capabilities(arrival.flow.listener);
        self.deny(arrival, 200, &lines);
    }

    /// In a dialog: proof of life.
    pub(crate) fn on_options_inside(&mut self, arrival: &Arrival<'_>, call: CallId, tag: &str) {
        let lines = self.capabilities(arrival.flow.listener);
        self.serve(arrival, tag, 200, &lines);
        self.emit(Event::Alive { call });
    }

    fn capabilities(&self, listener: u8) -> Lines {
        self.words.offer(listener).with("Accept", &Value::fixed(ACCEPT))
    }
}
