//! Non-INVITE server transaction (RFC 3261 §17.2.2).

use bytes::Bytes;
use model::{Instant, limits};

use crate::message::request::Echo;
use crate::transaction::{Key, Row, Step};
use crate::transport::Flow;

/// One request of a peer.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) key: Key,
    pub(crate) flow: Flow,
    pub(crate) echo: Echo,
    pub(crate) state: State,
}

impl Row for Served {
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
    /// No answer yet; repeats are absorbed.
    Trying,
    /// Answered; the answer meets repeats.
    Completed { last: Bytes, until: Instant },
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// The request came again.
    Repeated,
    /// We answer finally.
    Final(Bytes),
    /// Its timer is due.
    Due,
}

impl State {
    /// Returns when [`Input::Due`] is wanted.
    pub(crate) const fn due(&self) -> Option<Instant> {
        match self {
            Self::Trying => None,
            Self::Completed { until, .. } => Some(*until),
        }
    }

    /// Takes one input. A stream repeats nothing: there timer J is zero.
    pub(crate) fn step(self, input: Input, reliable: bool, now: Instant) -> Step<Self> {
        match (self, input) {
            (Self::Trying, Input::Repeated | Input::Due) => Step::stay(Self::Trying),
            (Self::Trying, Input::Final(message)) if reliable => Step::last(message),
            (Self::Trying, Input::Final(message)) => {
                let until = now + limits::SIP_GIVE_UP;
                Step::send(Self::Completed { last: message.clone(), until }, message)
            }
            (Self::Completed { last, until }, Input::Repeated) => {
                Step::send(Self::Completed { last: last.clone(), until }, last)
            }
            (Self::Completed { last, until }, Input::Due) if now < until => {
                Step::stay(Self::Completed { last, until })
            }
            (Self::Completed { .. }, Input::Due) => Step::over(),
            (state @ Self::Completed { .. }, Input::Final(_)) => Step::stay(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_meets_every_repeat_for_32_seconds() {
        let start = Instant::START;
        let answer = Bytes::from_static(b"200");
        let state = State::Trying.step(Input::Final(answer.clone()), false, start).state.unwrap();
        let step = state.step(Input::Repeated, false, start);
        assert_eq!(step.send, Some(answer));
        let over = step.state.unwrap().step(Input::Due, false, start + limits::SIP_GIVE_UP);
        assert_eq!(over, Step::over());
    }

    #[test]
    fn on_a_stream_the_answer_is_the_end() {
        let answer = Bytes::from_static(b"200");
        let step = State::Trying.step(Input::Final(answer.clone()), true, Instant::START);
        assert_eq!(step, Step::last(answer));
    }
}
