//! Draining: no new calls; live ones go on for a while, then goodbye and BYE, all charged.

use std::time::Duration;

use model::{CallId, Instant, Now};

use crate::call::{Haste, Signal};
use crate::output::Output;
use crate::{Alarm, Bridge};

/// How long the peers' answers to our BYEs are waited for once nothing else is owed.
const LINGER: Duration = Duration::from_secs(2);

/// How far draining has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The node is open.
    Open,
    /// Live calls may go on until then.
    Draining(Instant),
    /// Callers were told goodbye.
    Ending,
    /// Nothing lives and the store owes nothing; a peer may still owe the answer to a BYE.
    Lingering(Instant),
    /// [`Output::Drained`] has left.
    Closed,
}

impl Closing {
    /// Whether new calls are refused.
    pub(crate) fn is_closing(self) -> bool {
        self != Self::Open
    }
}

impl Bridge {
    /// Begins to drain, or shortens the limit of a drain that has begun.
    pub(crate) fn drain(&mut self, limit: Duration, now: Now) {
        let until = now.mono + limit;
        let until = match self.closing {
            Closing::Open => {
                self.order(sip::Command::Drain, now);
                tracing::info!(live = self.live, limit_secs = limit.as_secs(), "draining began");
                until
            }
            Closing::Draining(before) => before.min(until),
            Closing::Ending if limit.is_zero() => until,
            Closing::Ending | Closing::Lingering(_) | Closing::Closed => return,
        };
        self.closing = Closing::Draining(until);
        if limit.is_zero() {
            self.closing = Closing::Ending;
            self.send_off(Haste::Now, now);
        } else {
            self.alarms.insert((until, Alarm::Closing));
        }
    }

    /// The limit has come.
    pub(crate) fn close_down(&mut self, now: Now) {
        match self.closing {
            Closing::Draining(until) if until <= now.mono => {
                self.closing = Closing::Ending;
                self.send_off(Haste::Goodbye, now);
            }
            Closing::Open
            | Closing::Draining(_)
            | Closing::Ending
            | Closing::Lingering(_)
            | Closing::Closed => {}
        }
    }

    /// Tells the shell once nothing lives and nothing is owed.
    pub(crate) fn close_if_done(&mut self, now: Now) {
        let at_rest = self.calls.is_empty() && self.desk.is_clear();
        let (dialogs, _) = self.endpoint.live();
        match self.closing {
            Closing::Draining(_) | Closing::Ending if at_rest => {
                let until = now.mono + LINGER;
                self.closing = Closing::Lingering(until);
                self.alarms.insert((until, Alarm::Closing));
                self.close_if_done(now);
            }
            Closing::Lingering(until) if at_rest && (dialogs == 0 || until <= now.mono) => {
                self.closing = Closing::Closed;
                self.outputs.push_back(Output::Drained);
            }
            Closing::Open
            | Closing::Draining(_)
            | Closing::Ending
            | Closing::Lingering(_)
            | Closing::Closed => {}
        }
    }

    fn send_off(&mut self, haste: Haste, now: Now) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.step(call, Signal::CloseDown(haste), now);
        }
    }
}
