//! Questions to the store: which are in flight, which are asked again, which wait their turn.
//!
//! A question is abandoned by the storekeeper at 2 s; only here is it repeated, the same command
//! under a new request id. What ends a leg is repeated until it is answered: nothing is lost.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use credits::Command;
use model::{AccountId, CallId, Instant};

use crate::output::StoreRequest;

/// Most endings in flight at once; the rest wait here, so that a store that comes back is not
/// buried. The number of calls bounds how many can wait.
const ENDINGS: usize = 512;
/// First and longest pause before a question is repeated.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What a question is for; with its owner it says where the answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// The leg's row, for a crash.
    Open,
    /// The first hold.
    Place,
    /// The leg's row once answered.
    Answered,
    /// The next hold.
    Roll,
    /// The leg's end and its CDR.
    End,
    /// How an account stands.
    Inquire,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A call.
    Call(CallId),
    /// The watch over an account.
    Account(AccountId),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) owner: Owner,
    pub(crate) errand: Errand,
    pub(crate) command: Command,
    pub(crate) may_wait: bool,
    /// Until when it is repeated if the outcome is unknown; `None` is for as long as somebody wants
    /// the answer.
    pub(crate) patience: Option<Instant>,
}

/// A question that was asked.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) question: Question,
    attempt: u32,
}

/// Every question that is owed an answer.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    asked: u64,
    flying: BTreeMap<u64, Flight>,
    resting: BTreeMap<u64, Flight>,
    queue: VecDeque<Flight>,
    endings: usize,
}

impl Desk {
    /// Takes a question. Returns the request to send, unless it waits its turn.
    pub(crate) fn ask(&mut self, question: Question) -> Option<StoreRequest> {
        self.send(Flight { question, attempt: 0 })
    }

    /// Takes the answer to a request and returns what was asked; `None` if nothing was.
    pub(crate) fn land(&mut self, request: u64) -> Option<Flight> {
        let flight = self.flying.remove(&request)?;
        if flight.question.errand == Errand::End {
            self.endings = self.endings.saturating_sub(1);
        }
        Some(flight)
    }

    /// Puts a question aside to repeat it. Returns its number and when.
    pub(crate) fn rest(&mut self, mut flight: Flight, now: Instant, jitter: u32) -> (u64, Instant) {
        let (first, longest) = PAUSES;
        let pause = first.saturating_mul(1 << flight.attempt.min(8)).min(longest);
        // Up to a quarter longer, so that what failed together is not repeated together.
        let pause = pause + pause / 1024 * (jitter & 0xff);
        flight.attempt += 1;
        self.asked += 1;
        self.resting.insert(self.asked, flight);
        (self.asked, now + pause)
    }

    /// Repeats a question that was put aside. Returns the request to send.
    pub(crate) fn again(&mut self, number: u64) -> Option<StoreRequest> {
        let flight = self.resting.remove(&number)?;
        self.send(flight)
    }

    /// Returns the next request whose turn has come.
    pub(crate) fn next(&mut self) -> Option<StoreRequest> {
        if self.endings >= ENDINGS {
            return None;
        }
        let flight = self.queue.pop_front()?;
        self.send(flight)
    }

    /// Whether the store owes nothing.
    pub(crate) fn is_clear(&self) -> bool {
        self.owed() == 0
    }

    /// Returns how many questions are open.
    pub(crate) fn owed(&self) -> usize {
        self.flying.len() + self.resting.len() + self.queue.len()
    }

    /// Returns how many questions the store has, or shall have as soon as it can.
    pub(crate) fn pressing(&self) -> usize {
        self.flying.len() + self.queue.len()
    }

    fn send(&mut self, flight: Flight) -> Option<StoreRequest> {
        if flight.question.errand == Errand::End {
            if self.endings >= ENDINGS {
                self.queue.push_back(flight);
                return None;
            }
            self.endings += 1;
        }
        self.asked += 1;
        let request = StoreRequest {
            id: self.asked,
            command: flight.question.command.clone(),
            may_wait: flight.question.may_wait,
        };
        self.flying.insert(self.asked, flight);
        Some(request)
    }
}

impl Flight {
    /// Whether a question whose outcome is unknown is worth repeating.
    pub(crate) fn may_repeat(&self, now: Instant) -> bool {
        self.question.patience.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_question_is_the_same_under_a_new_id() {
        let mut desk = Desk::default();
        let first = desk.ask(question(Errand::Roll, None)).unwrap();
        let flight = desk.land(first.id).unwrap();
        assert!(flight.may_repeat(Instant::START));
        let (number, at) = desk.rest(flight, Instant::START, 0);
        assert_eq!(at.since(Instant::START), PAUSES.0);
        let second = desk.again(number).unwrap();
        assert_eq!(second.command, first.command);
        assert_ne!(second.id, first.id);
        assert!(desk.land(second.id).is_some());
        assert!(desk.is_clear());
    }

    #[test]
    fn an_answer_to_nothing_is_nothing() {
        assert!(Desk::default().land(9).is_none());
    }

    #[test]
    fn endings_beyond_the_most_in_flight_wait_their_turn() {
        let mut desk = Desk::default();
        let sent: Vec<_> =
            (0..ENDINGS + 2).filter_map(|_| desk.ask(question(Errand::End, None))).collect();
        assert_eq!((sent.len(), desk.owed()), (ENDINGS, ENDINGS + 2));
        assert!(desk.next().is_none());
        desk.land(sent[0].id);
        assert!(desk.next().is_some());
        assert!(desk.next().is_none());
    }

    #[test]
    fn patience_ends_at_its_moment() {
        let until = Instant::START + Duration::from_secs(1);
        let mut desk = Desk::default();
        let request = desk.ask(question(Errand::Place, Some(until))).unwrap();
        assert!(!desk.land(request.id).unwrap().may_repeat(until));
    }

    fn question(errand: Errand, patience: Option<Instant>) -> Question {
        Question {
            owner: Owner::Call(CallId(1)),
            errand,
            command: Command::Inquire { account: AccountId(1) },
            may_wait: false,
            patience,
        }
    }
}
