//! A leg on its way from one worker to another, and the commands that run ahead of it.
//!
//! The bridge tells the old worker to release the leg and the new one to expect it; whatever it says
//! about the leg from then on goes to the new worker, which keeps it, in order, until the leg is
//! there. The two workers' queues need no common order: leg and commands may come in either.

use std::collections::BTreeMap;
use std::mem;

use model::{CallId, Instant};

use crate::command::{Command, ShardId};
use crate::leg::Leg;

/// A whole leg between two workers: what it received and not yet played, what it plays, the digits
/// and the stream it sends, its paid time and its counts.
#[derive(Debug)]
pub struct Handover {
    pub(crate) to: ShardId,
    pub(crate) call: CallId,
    /// `None` if it was gone before it could be released: nobody needs to wait for it.
    pub(crate) leg: Option<Box<Leg>>,
    /// The last tick that its old worker did.
    pub(crate) tick: u64,
    /// When that tick began.
    pub(crate) ticked: Instant,
}

impl Handover {
    /// Returns which worker is to have it.
    #[must_use]
    pub const fn to(&self) -> ShardId {
        self.to
    }
}

/// What a worker knows of a leg that is not there.
#[derive(Debug)]
enum Expectation {
    /// It will come; this is to be done then.
    Coming(Vec<Command>),
    /// It will not, and that was known before it was announced.
    Missing,
}

/// Legs that were announced, as many at most as the bridge has on their way.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    legs: BTreeMap<CallId, Expectation>,
}

impl Expected {
    /// Keeps a command about a leg that is on its way; gives back any other.
    pub(crate) fn keep(&mut self, command: Command) -> Option<Command> {
        match self.legs.get_mut(&command.call()) {
            Some(Expectation::Coming(kept)) => {
                keep(kept, command);
                None
            }
            Some(Expectation::Missing) | None => Some(command),
        }
    }

    /// Notes that a leg will come that is not there.
    pub(crate) fn announce(&mut self, call: CallId) {
        match self.legs.remove(&call) {
            Some(Expectation::Missing) => {}
            Some(known @ Expectation::Coming(_)) => {
                self.legs.insert(call, known);
            }
            None => {
                self.legs.insert(call, Expectation::Coming(Vec::new()));
            }
        }
    }

    /// Takes note of a leg's arrival, or that it will not come, and returns what is to be done now.
    pub(crate) fn arrived(&mut self, call: CallId, is_there: bool) -> Vec<Command> {
        match self.legs.remove(&call) {
            Some(Expectation::Coming(kept)) => kept,
            Some(Expectation::Missing) | None => {
                if !is_there {
                    self.legs.insert(call, Expectation::Missing);
                }
                Vec::new()
            }
        }
    }
}

/// Keeps a command after the others. One of a kind is enough between two moves, since the later one
/// replaces the earlier: no peer can make what is kept grow.
fn keep(kept: &mut Vec<Command>, command: Command) {
    let moves = |c: &Command| matches!(c, Command::Release { .. } | Command::Expect { .. });
    if !moves(&command) {
        let since = kept.iter().rposition(moves).map_or(0, |at| at + 1);
        let same = |c: &Command| kind(c) == kind(&command);
        if let Some(at) = kept.iter().skip(since).position(same) {
            drop(kept.remove(since + at));
        }
    }
    kept.push(command);
}

/// What a command decides; a later one of the same kind decides anew.
fn kind(command: &Command) -> mem::Discriminant<Command> {
    let call = command.call();
    let representative = match command {
        Command::Hush { .. } | Command::Play { .. } => Command::Hush { call },
        Command::Seat { .. } | Command::Unseat { .. } => Command::Unseat { call },
        Command::Open { .. }
        | Command::Update { .. }
        | Command::Listen { .. }
        | Command::Fund { .. }
        | Command::Close { .. }
        | Command::Release { .. }
        | Command::Expect { .. } => return mem::discriminant(command),
    };
    mem::discriminant(&representative)
}

#[cfg(test)]
mod tests {
    use model::MeetingId;

    use super::*;

    const CALL: CallId = CallId(7);

    #[test]
    fn what_is_said_of_a_leg_on_its_way_is_kept_in_order() {
        let mut expected = Expected::default();
        assert_eq!(expected.keep(seat(1)), Some(seat(1)));
        expected.announce(CALL);
        assert_eq!(expected.keep(seat(1)), None);
        assert_eq!(expected.keep(Command::Close { call: CALL }), None);
        assert_eq!(
            expected.keep(Command::Close { call: CallId(8) }).map(|c| c.call()),
            Some(CallId(8))
        );
        assert_eq!(expected.arrived(CALL, true), [seat(1), Command::Close { call: CALL }]);
        assert_eq!(expected.keep(seat(2)), Some(seat(2)));
    }

    #[test]
    fn a_leg_that_never_comes_is_not_waited_for() {
        let mut expected = Expected::default();
        assert_eq!(expected.arrived(CALL, false), []);
        expected.announce(CALL);
        assert_eq!(expected.keep(seat(1)), Some(seat(1)));
        assert!(expected.legs.is_empty());
    }

    #[test]
    fn the_newest_of_a_kind_is_enough_until_the_leg_moves_on() {
        let mut expected = Expected::default();
        expected.announce(CALL);
        for room in 1..100 {
            expected.keep(seat(room));
            expected.keep(Command::Hush { call: CALL });
        }
        let on = Command::Release { call: CALL, to: ShardId(2) };
        expected.keep(on.clone());
        expected.keep(Command::Expect { call: CALL });
        expected.keep(seat(500));
        let expect = Command::Expect { call: CALL };
        let hush = Command::Hush { call: CALL };
        assert_eq!(expected.arrived(CALL, true), [seat(99), hush, on, expect, seat(500)]);
    }

    fn seat(room: u128) -> Command {
        Command::Seat { call: CALL, room: MeetingId(room) }
    }
}
