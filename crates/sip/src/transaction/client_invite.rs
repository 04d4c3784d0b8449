//! INVITE client transaction (RFC 3261 §17.1.1 with RFC 6026 §7.2).

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, TrunkId, limits};

use crate::transaction::{Key, Row, Step};
use crate::transport::Flow;

/// What an INVITE of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// A new call: the attempt's serial.
    Attempt(u64),
    /// Nothing new in a live call.
    Change(CallId, Why),
}

/// Why a live call is invited again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// To refresh the session.
    Refresh,
    /// To ask whether the peer lives.
    Life,
}

/// One INVITE of ours.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) key: Key,
    pub(crate) flow: Flow,
    pub(crate) aim: Aim,
    /// Whose allow-list entry must outlive it.
    pub(crate) trunk: TrunkId,
    /// What is sent again, and what ACK and CANCEL are made of; empty once a 2xx came.
    pub(crate) request: Bytes,
    /// Where it goes, and as what, if its connection cannot be had.
    pub(crate) fallback: Option<(Flow, Bytes)>,
    /// The ACK of its 2xx, where that is known before.
    pub(crate) ack: Option<(Flow, Bytes)>,
    pub(crate) state: State,
}

impl Row for Placed {
    fn key(&self) -> &Key {
        &self.key
    }

    fn due(&self) -> Option<Instant> {
        self.state.due()
    }
}

/// Where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing came.
    Calling { interval: Duration, resend: Instant, give_up: Instant },
    /// A 1xx came. In a live call the wait for more has an end; that for a new call's answer is the
    /// session's to end.
    Proceeding { until: Option<Instant> },
    /// A refusal came; its repeats are acknowledged again.
    Completed { ack: Bytes, until: Instant },
    /// A 2xx came; all of them pass to the session, which acknowledges.
    Accepted { until: Instant },
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// 1xx, and how long more is waited for.
    Provisional(Option<Instant>),
    /// 2xx.
    Success,
    /// 3xx–6xx, and its ACK.
    Refusal(Bytes),
    /// Its timer is due.
    Due,
}

impl State {
    /// Starts when the request leaves. What a stream carries is never sent again: timer A is put
    /// off to timer B.
    pub(crate) fn start(now: Instant, reliable: bool) -> Self {
        let (interval, give_up) = (limits::SIP_T1, now + limits::SIP_GIVE_UP);
        let resend = if reliable { give_up } else { now + interval };
        Self::Calling { interval, resend, give_up }
    }

    /// Sends no more repeats; timer B goes on.
    pub(crate) fn hushed(self) -> Self {
        match self {
            Self::Calling { interval, give_up, .. } => {
                Self::Calling { interval, resend: give_up, give_up }
            }
            state @ (Self::Proceeding { .. } | Self::Completed { .. } | Self::Accepted { .. }) => {
                state
            }
        }
    }

    /// Whether no final answer came.
    pub(crate) const fn is_open(&self) -> bool {
        match self {
            Self::Calling { .. } | Self::Proceeding { .. } => true,
            Self::Completed { .. } | Self::Accepted { .. } => false,
        }
    }

    /// Returns when [`Input::Due`] is wanted.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Calling { resend, give_up, .. } => Some(*resend.min(give_up)),
            Self::Proceeding { until } => *until,
            Self::Completed { until, .. } | Self::Accepted { until } => Some(*until),
        }
    }

    /// Takes one input; `request` is what is sent again.
    pub(crate) fn step(self, input: Input, request: &Bytes, now: Instant) -> Step<Self> {
        let later = now + limits::SIP_GIVE_UP;
        match (self, input) {
            (Self::Calling { .. }, Input::Provisional(until)) => {
                Step::stay(Self::Proceeding { until })
            }
            // However often more is promised, the wait has the end that it got first.
            (Self::Proceeding { until }, Input::Provisional(_)) => {
                Step::stay(Self::Proceeding { until })
            }
            (Self::Calling { .. } | Self::Proceeding { .. }, Input::Success) => {
                Step::stay(Self::Accepted { until: later })
            }
            (Self::Calling { .. } | Self::Proceeding { .. }, Input::Refusal(ack)) => {
                Step::send(Self::Completed { ack: ack.clone(), until: later }, ack)
            }
            (Self::Calling { give_up, .. }, Input::Due) if now >= give_up => Step::over(),
            (Self::Calling { interval, resend, give_up }, Input::Due) if now < resend => {
                Step::stay(Self::Calling { interval, resend, give_up })
            }
            (Self::Calling { interval, give_up, .. }, Input::Due) => {
                // Timer A has no ceiling (RFC 3261 §17.1.1.2).
                let interval = interval * 2;
                let state = Self::Calling { interval, resend: now + interval, give_up };
                Step::send(state, request.clone())
            }
            (Self::Proceeding { until: Some(until) }, Input::Due) if now >= until => Step::over(),
            (Self::Proceeding { until }, Input::Due) => Step::stay(Self::Proceeding { until }),
            (Self::Completed { ack, until }, Input::Refusal(_)) => {
                Step::send(Self::Completed { ack: ack.clone(), until }, ack)
            }
            (Self::Completed { until, .. } | Self::Accepted { until }, Input::Due)
                if now >= until =>
            {
                Step::over()
            }
            (
                state @ Self::Completed { .. },
                Input::Provisional(_) | Input::Success | Input::Due,
            )
            | (
                state @ Self::Accepted { .. },
                Input::Provisional(_) | Input::Success | Input::Refusal(_) | Input::Due,
            ) => Step::stay(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    #[test]
    fn an_invite_is_repeated_ever_more_slowly_and_given_up_after_32_seconds() {
        let request = Bytes::from_static(b"INVITE");
        let mut state = State::start(at(0), false);
        let mut sent = Vec::new();
        loop {
            let due = state.due().unwrap();
            let step = state.step(Input::Due, &request, due);
            let Some(next) = step.state else {
                assert_eq!(due, at(32_000));
                break;
            };
            sent.push(due.micros / 1_000);
            state = next;
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
    }

    #[test]
    fn an_invite_that_is_hushed_is_not_repeated_and_waits_as_long() {
        let request = Bytes::from_static(b"INVITE");
        let state = State::start(at(0), false).hushed();
        assert_eq!(state.due(), Some(at(32_000)));
        assert_eq!(state.step(Input::Due, &request, at(32_000)), Step::over());
    }

    #[test]
    fn a_refusal_is_acknowledged_as_often_as_it_comes_for_32_seconds() {
        let request = Bytes::new();
        let ack = Bytes::from_static(b"ACK");
        let proceeding =
            State::start(at(0), false).step(Input::Provisional(None), &request, at(10));
        assert_eq!(proceeding.state, Some(State::Proceeding { until: None }));
        let mut state = proceeding.state.unwrap();
        for millis in [100, 600, 1_600] {
            let step = state.step(Input::Refusal(ack.clone()), &request, at(millis));
            assert_eq!(step.send.as_ref(), Some(&ack));
            state = step.state.unwrap();
        }
        assert_eq!(state.due(), Some(at(32_100)));
        assert_eq!(state.step(Input::Due, &request, at(32_100)), Step::over());
    }

    #[test]
    fn after_a_success_further_ones_pass_for_32_seconds() {
        let request = Bytes::new();
        let state =
            State::start(at(0), false).step(Input::Success, &request, at(50)).state.unwrap();
        assert!(!state.is_open());
        let again = state.step(Input::Success, &request, at(900));
        assert_eq!(again, Step::stay(State::Accepted { until: at(32_050) }));
        assert_eq!(again.state.unwrap().step(Input::Due, &request, at(32_050)), Step::over());
    }
}
