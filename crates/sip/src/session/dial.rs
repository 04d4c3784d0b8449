//! Calls that we place (RFC 3261 §13.2).

use model::{CallId, Instant};

use crate::endpoint::{Dial, Endpoint, Event, Failure, Output};

impl Endpoint {
    /// Places a call.
    pub(crate) fn dial(&mut self, dial: Dial, _now: Instant) {
        let failure = Failure {
            status: 503,
            answered: false,
            progressed: false,
            q850: None,
            retry_after_secs: None,
            contacts: Vec::new(),
        };
        let event = Event::Failed { call: dial.call, failure: Box::new(failure) };
        self.outputs.push_back(Output::Event(event));
    }

    /// Gives up a call that has no final answer.
    pub(crate) fn abandon(&mut self, _call: CallId, _q850: Option<u8>, _now: Instant) {}
}
