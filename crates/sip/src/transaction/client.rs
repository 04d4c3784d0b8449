//! Non-INVITE client transaction (RFC 3261 §17.1.2).

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, TrunkId, limits};

use crate::session::bye::{Farewell, Orphan};
use crate::session::life::Way;
use crate::session::prack::Pracked;
use crate::transaction::{Key, Row, Step};
use crate::transport::Flow;

/// Why we asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The BYE of a call that is gone here, and what is needed to ask again if it is challenged.
    Bye(Option<Box<Farewell>>),
    /// The CANCEL of an INVITE; what matters is the answer to that.
    Cancel,
    /// The BYE of an earlier process's dialog.
    Orphan(Box<Orphan>),
    /// A question for life in the dialog.
    Ping(CallId, Way),
    /// A PRACK.
    Prack(Box<Pracked>),
    /// An OPTIONS that asks whether a trunk lives.
    Health(TrunkId),
    /// A registration of ours.
    Register(TrunkId),
    /// An UPDATE that refreshes the session.
    Refresh(CallId),
}

/// One request of ours.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) key: Key,
    pub(crate) flow: Flow,
    pub(crate) purpose: Purpose,
    pub(crate) method: &'static str,
    /// Whose allow-list entry must outlive it.
    pub(crate) trunk: Option<TrunkId>,
    pub(crate) request: Bytes,
    /// Where it goes, and as what, if its connection cannot be had.
    pub(crate) fallback: Option<(Flow, Bytes)>,
    pub(crate) state: State,
}

impl Row for Asked {
    fn key(&self) -> &Key {
        &self.key
    }

    fn due(&self) -> Option<Instant> {
        Some(self.state.due())
    }
}

/// Where it stands. A final answer ends it: repeats of that answer find nothing and are dropped,
/// which is what Timer K would do with them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing came.
    Trying { interval: Duration, resend: Instant, give_up: Instant },
    /// A 1xx came.
    Proceeding { resend: Instant, give_up: Instant },
}

/// What can happen to it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input {
    /// 1xx.
    Provisional,
    /// 2xx–6xx.
    Final,
    /// Its timer is due.
    Due,
}

impl State {
    /// Starts when the request leaves. What a stream carries is never sent again: timer E is put
    /// off to timer F.
    pub(crate) fn start(now: Instant, reliable: bool) -> Self {
        let (interval, give_up) = (limits::SIP_T1, now + limits::SIP_GIVE_UP);
        let resend = if reliable { give_up } else { now + interval };
        Self::Trying { interval, resend, give_up }
    }

    /// Returns when [`Input::Due`] is wanted.
    pub(crate) fn due(&self) -> Instant {
        match self {
            Self::Trying { resend, give_up, .. } | Self::Proceeding { resend, give_up } => {
                *resend.min(give_up)
            }
        }
    }

    /// Takes one input; `request` is what is sent again.
    pub(crate) fn step(self, input: Input, request: &Bytes, now: Instant) -> Step<Self> {
        match (self, input) {
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::Final) => Step::over(),
            (
                Self::Trying { resend, give_up, .. } | Self::Proceeding { resend, give_up },
                Input::Provisional,
            ) => {
                let resend = if resend < give_up { now + limits::SIP_T2 } else { resend };
                Step::stay(Self::Proceeding { resend, give_up })
            }
            (Self::Trying { give_up, .. } | Self::Proceeding { give_up, .. }, Input::Due)
                if now >= give_up =>
            {
                Step::over()
            }
            (Self::Trying { interval, resend, give_up }, Input::Due) if now < resend => {
                Step::stay(Self::Trying { interval, resend, give_up })
            }
            (Self::Trying { interval, give_up, .. }, Input::Due) => {
                let interval = (interval * 2).min(limits::SIP_T2);
                let state = Self::Trying { interval, resend: now + interval, give_up };
                Step::send(state, request.clone())
            }
            (Self::Proceeding { resend, give_up }, Input::Due) if now < resend => {
                Step::stay(Self::Proceeding { resend, give_up })
            }
            (Self::Proceeding { give_up, .. }, Input::Due) => {
                let state = Self::Proceeding { resend: now + limits::SIP_T2, give_up };
                Step::send(state, request.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_repeated_and_given_up_after_32_seconds() {
        let request = Bytes::from_static(b"BYE");
        let mut state = State::start(Instant::START, false);
        let mut sent = Vec::new();
        loop {
            let due = state.due();
            let step = state.step(Input::Due, &request, due);
            let Some(next) = step.state else {
                assert_eq!(due, Instant::START + limits::SIP_GIVE_UP);
                break;
            };
            sent.push(due.micros / 1_000);
            state = next;
        }
        let expected = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(sent, expected);
    }

    #[test]
    fn on_a_stream_nothing_is_repeated() {
        let state = State::start(Instant::START, true);
        assert_eq!(state.due(), Instant::START + limits::SIP_GIVE_UP);
        let step = state.step(Input::Provisional, &Bytes::new(), Instant::START);
        assert_eq!(step.state.unwrap().due(), Instant::START + limits::SIP_GIVE_UP);
    }

    #[test]
    fn a_provisional_answer_slows_the_repeats() {
        let state = State::start(Instant::START, false);
        let step = state.step(Input::Provisional, &Bytes::new(), Instant::START);
        assert_eq!(step.state.unwrap().due(), Instant::START + limits::SIP_T2);
    }
}
