//! INVITE server transaction (RFC 3261 §17.2.1 with RFC 6026 §7.1).

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, limits};

use crate::message::request::Echo;
use crate::transaction::{Key, Mark, Row, Step};
use crate::transport::Flow;

/// One INVITE of a peer.
#[derive(Debug)]
pub(crate) struct Invite {
    pub(crate) key: Key,
    pub(crate) flow: Flow,
    pub(crate) echo: Echo,
    pub(crate) call: CallId,
    pub(crate) cseq: u32,
    /// Set on the INVITE that started the call.
    pub(crate) mark: Option<Mark>,
    pub(crate) state: State,
}

impl Row for Invite {
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
    /// No final answer; the last provisional one answers repeats.
    Proceeding { last: Bytes },
    /// A refusal is repeated until its ACK.
    Completed { last: Bytes, interval: Duration, resend: Instant, give_up: Instant },
    /// The refusal's ACK came; its repeats are absorbed.
    Confirmed { until: Instant },
    /// 2xx left; repeats of the INVITE are absorbed. The session repeats the 2xx.
    Accepted { until: Instant },
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// The INVITE came again.
    Repeated,
    /// We answer 1xx.
    Provisional(Bytes),
    /// We answer 2xx.
    Success(Bytes),
    /// We answer 3xx–6xx.
    Refusal(Bytes),
    /// An ACK with the INVITE's branch came.
    Acknowledged,
    /// Its timer is due.
    Due,
}

impl State {
    /// Returns when [`Input::Due`] is wanted.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Proceeding { .. } => None,
            Self::Completed { resend, give_up, .. } => Some(*resend.min(give_up)),
            Self::Confirmed { until } | Self::Accepted { until } => Some(*until),
        }
    }

    /// Takes one input. A stream repeats nothing: timer G never runs there, timer I is zero.
    pub(crate) fn step(self, input: Input, reliable: bool, now: Instant) -> Step<Self> {
        match (self, input) {
            (Self::Proceeding { last }, Input::Repeated) => {
                Step::send(Self::Proceeding { last: last.clone() }, last)
            }
            (Self::Proceeding { .. }, Input::Provisional(message)) => {
                Step::send(Self::Proceeding { last: message.clone() }, message)
            }
            (Self::Proceeding { .. }, Input::Success(message)) => {
                Step::send(Self::Accepted { until: now + limits::SIP_GIVE_UP }, message)
            }
            (Self::Proceeding { .. }, Input::Refusal(message)) => {
                let give_up = now + limits::SIP_GIVE_UP;
                let resend = if reliable { give_up } else { now + limits::SIP_T1 };
                let last = message.clone();
                let interval = limits::SIP_T1;
                Step::send(Self::Completed { last, interval, resend, give_up }, message)
            }
            (state @ Self::Proceeding { .. }, Input::Acknowledged | Input::Due) => {
                Step::stay(state)
            }
            (Self::Completed { last, interval, resend, give_up }, Input::Repeated) => {
                let message = last.clone();
                Step::send(Self::Completed { last, interval, resend, give_up }, message)
            }
            (Self::Completed { .. }, Input::Acknowledged) if reliable => Step::over(),
            (Self::Completed { .. }, Input::Acknowledged) => {
                Step::stay(Self::Confirmed { until: now + limits::SIP_T4 })
            }
            (Self::Completed { last, interval, resend, give_up }, Input::Due) => {
                resent(last, interval, (resend, give_up), now)
            }
            (
                state @ (Self::Completed { .. } | Self::Confirmed { .. } | Self::Accepted { .. }),
                Input::Provisional(_) | Input::Success(_) | Input::Refusal(_),
            )
            | (state @ Self::Confirmed { .. }, Input::Repeated | Input::Acknowledged)
            | (state @ Self::Accepted { .. }, Input::Acknowledged) => Step::stay(state),
            // Timer L, begun anew: a peer that goes on repeating must not start a second call when
            // the first is over.
            (Self::Accepted { .. }, Input::Repeated) => {
                Step::stay(Self::Accepted { until: now + limits::SIP_GIVE_UP })
            }
            (Self::Confirmed { until }, Input::Due) if now < until => {
                Step::stay(Self::Confirmed { until })
            }
            (Self::Accepted { until }, Input::Due) if now < until => {
                Step::stay(Self::Accepted { until })
            }
            (Self::Confirmed { .. } | Self::Accepted { .. }, Input::Due) => Step::over(),
        }
    }
}

/// Timers G and H.
fn resent(
    last: Bytes,
    interval: Duration,
    (resend, give_up): (Instant, Instant),
    now: Instant,
) -> Step<State> {
    if now >= give_up {
        return Step::over();
    }
    if now < resend {
        return Step::stay(State::Completed { last, interval, resend, give_up });
    }
    let interval = (interval * 2).min(limits::SIP_T2);
    let message = last.clone();
    Step::send(State::Completed { last, interval, resend: now + interval, give_up }, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    #[test]
    fn a_refusal_is_repeated_until_acknowledged_and_then_forgotten() {
        let start = State::Proceeding { last: Bytes::from_static(b"100") };
        let mut state =
            start.step(Input::Refusal(Bytes::from_static(b"486")), false, at(0)).state.unwrap();
        let mut sent = Vec::new();
        for _ in 0..5 {
            let due = state.due().unwrap();
            sent.push(due.micros / 1000);
            state = state.step(Input::Due, false, due).state.unwrap();
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 11500]);
        let confirmed = state.step(Input::Acknowledged, false, at(12_000)).state.unwrap();
        assert_eq!(confirmed.due(), Some(at(17_000)));
        assert_eq!(confirmed.step(Input::Due, false, at(17_000)), Step::over());
    }

    #[test]
    fn on_a_stream_a_refusal_is_sent_once_and_over_with_its_ack() {
        let start = State::Proceeding { last: Bytes::new() };
        let refusal = Input::Refusal(Bytes::from_static(b"486"));
        let state = start.step(refusal, true, at(0)).state.unwrap();
        assert_eq!(state.due(), Some(at(32_000)));
        assert_eq!(state.step(Input::Acknowledged, true, at(9)), Step::over());
    }

    #[test]
    fn an_invite_repeated_after_the_answer_is_absorbed() {
        let start = State::Proceeding { last: Bytes::new() };
        let state =
            start.step(Input::Success(Bytes::from_static(b"200")), false, at(0)).state.unwrap();
        assert_eq!(state.due(), Some(at(32_000)));
        let step = state.step(Input::Repeated, false, at(31_500));
        assert_eq!(step.send, None);
        assert_eq!(step.state.unwrap().due(), Some(at(63_500)));
    }
}
