//! How each trunk does, by direction: what became of its calls, counted as they end.
//!
//! The meters count for ever; [`Statistics`] keeps the last hour for whoever looks.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Instant, TrunkId};

use crate::ending::{Cause, Unreached};

/// An answered call that is shorter than this is suspicious: false answers, wrong numbers, robots.
pub const SHORT: Duration = Duration::from_secs(6);

/// How long a leg must have been up before no media from it at all counts as one-way audio.
pub(crate) const ONE_WAY: Duration = Duration::from_secs(10);

/// Length of one slot of the last hour, and how many there are.
const SLOT_MICROS: u64 = 300 * 1_000_000;
const SLOTS: u64 = 12;

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The trunk calls us.
    In,
    /// We call by the trunk.
    Out,
}

impl Direction {
    /// Returns its name: a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What became of one attempt to call; a small closed set for meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// The line was busy.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// The called person or their network said no.
    Rejected,
    /// Nobody has the number.
    NoSuchNumber,
    /// Whoever called gave it up.
    Abandoned,
    /// We refused it by rule.
    Refused,
    /// The trunk's name led nowhere.
    Unresolved,
    /// The trunk took no connection, or none that is to be trusted.
    Unconnected,
    /// Nothing came from the trunk.
    Silent,
    /// The network could not.
    Failed,
}

impl Outcome {
    /// Reads it from how a call ended.
    pub(crate) fn of(cause: Cause, answered: bool) -> Self {
        if answered {
            return Self::Answered;
        }
        match cause {
            Cause::Unreached(Unreached::Busy, ..) => Self::Busy,
            Cause::Unreached(Unreached::NoAnswer, ..) => Self::NoAnswer,
            Cause::Unreached(Unreached::Rejected, ..) => Self::Rejected,
            Cause::Unreached(Unreached::NoSuchNumber, ..) => Self::NoSuchNumber,
            Cause::Unreached(Unreached::Unresolved, ..) => Self::Unresolved,
            Cause::Unreached(Unreached::Unconnected, ..) => Self::Unconnected,
            Cause::Unreached(Unreached::Failed, 408, _) => Self::Silent,
            Cause::Refused(_) | Cause::Drained => Self::Refused,
            Cause::Cancelled
            | Cause::CallerHungUp(_)
            | Cause::CalleeHungUp(_)
            | Cause::JoinedElsewhere
            | Cause::MeetingOver
            | Cause::Idle(_)
            | Cause::LegLimit
            | Cause::NotConfirmed
            | Cause::OperatorHungUp => Self::Abandoned,
            Cause::Unreached(Unreached::Failed, ..)
            | Cause::CreditExhausted
            | Cause::StoreLost
            | Cause::NoAck
            | Cause::SessionExpired
            | Cause::PeerGone
            | Cause::Panicked
            | Cause::Fenced => Self::Failed,
        }
    }

    /// Returns its name: a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Rejected => "rejected",
            Self::NoSuchNumber => "no_such_number",
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Unconnected => "unconnected",
            Self::Silent => "silent",
            Self::Failed => "failed",
        }
    }

    /// Whether the network did its part: it brought the call to somebody who decided (ITU-T E.425,
    /// network effectiveness ratio).
    #[must_use]
    pub const fn is_effective(self) -> bool {
        match self {
            Self::Answered
            | Self::Busy
            | Self::NoAnswer
            | Self::Rejected
            | Self::Abandoned
            | Self::Refused => true,
            Self::NoSuchNumber
            | Self::Unresolved
            | Self::Unconnected
            | Self::Silent
            | Self::Failed => false,
        }
    }
}

/// One attempt that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which way it went.
    pub direction: Direction,
    /// What became of it.
    pub outcome: Outcome,
    /// From the INVITE to the first sign that it rings, or to the answer; `None` if neither came.
    pub post_dial: Option<Duration>,
    /// From the answer to the end.
    pub connected: Duration,
}

impl Attempt {
    /// Whether it was answered for less than [`SHORT`].
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.outcome == Outcome::Answered && self.connected < SHORT
    }
}

/// Sums over attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// All attempts.
    pub attempts: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Those in which the network did its part.
    pub effective: u64,
    /// Those that were answered for less than [`SHORT`].
    pub short: u64,
    /// Answered legs from which no media ever came.
    pub one_way: u64,
    /// Connected time of those that were answered.
    pub connected: Duration,
}

impl Figures {
    /// Answer-seizure ratio, whole percent; `None` without an attempt.
    #[must_use]
    pub fn asr_percent(&self) -> Option<u64> {
        (self.answered * 100).checked_div(self.attempts)
    }

    /// Network effectiveness ratio, whole percent; `None` without an attempt.
    #[must_use]
    pub fn ner_percent(&self) -> Option<u64> {
        (self.effective * 100).checked_div(self.attempts)
    }

    /// Average length of an answered call, whole seconds; `None` without one.
    #[must_use]
    pub fn acd_secs(&self) -> Option<u64> {
        self.connected.as_secs().checked_div(self.answered)
    }

    fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.answered += other.answered;
        self.effective += other.effective;
        self.short += other.short;
        self.one_way += other.one_way;
        self.connected += other.connected;
    }
}

/// The last hour of every trunk; bounded by the number of trunks ever configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statistics {
    /// By trunk, direction and slot since start; at most [`SLOTS`] each.
    hours: BTreeMap<(TrunkId, Direction), BTreeMap<u64, Figures>>,
}

impl Statistics {
    /// Counts an attempt that is over.
    pub(crate) fn note(&mut self, trunk: TrunkId, attempt: &Attempt, now: Instant) {
        let answered = attempt.outcome == Outcome::Answered;
        self.slot(trunk, attempt.direction, now).add(&Figures {
            attempts: 1,
            answered: answered.into(),
            effective: attempt.outcome.is_effective().into(),
            short: attempt.is_short().into(),
            one_way: 0,
            connected: if answered { attempt.connected } else { Duration::ZERO },
        });
    }

    /// Counts an answered leg from which nothing was ever heard.
    pub(crate) fn one_way(&mut self, trunk: TrunkId, direction: Direction, now: Instant) {
        self.slot(trunk, direction, now).one_way += 1;
    }

    /// Returns the sums of the last hour, to five minutes.
    pub(crate) fn hour(&self, trunk: TrunkId, direction: Direction, now: Instant) -> Figures {
        let oldest = (now.micros / SLOT_MICROS).saturating_sub(SLOTS - 1);
        let mut sums = Figures::default();
        let slots = self.hours.get(&(trunk, direction));
        slots.into_iter().flat_map(|hour| hour.range(oldest..)).for_each(|(_, f)| sums.add(f));
        sums
    }

    fn slot(&mut self, trunk: TrunkId, direction: Direction, now: Instant) -> &mut Figures {
        let slot = now.micros / SLOT_MICROS;
        let hour = self.hours.entry((trunk, direction)).or_default();
        *hour = hour.split_off(&slot.saturating_sub(SLOTS - 1));
        hour.entry(slot).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn ratios_are_of_all_attempts_and_length_of_the_answered_alone() {
        let mut statistics = Statistics::default();
        let trunk = TrunkId(1);
        for (outcome, secs) in [
            (Outcome::Answered, 100),
            (Outcome::Answered, 5),
            (Outcome::Busy, 0),
            (Outcome::Silent, 0),
        ] {
            statistics.note(trunk, &attempt(outcome, secs), at(10));
        }
        statistics.one_way(trunk, Direction::Out, at(11));
        let hour = statistics.hour(trunk, Direction::Out, at(12));
        assert_eq!((hour.asr_percent(), hour.ner_percent()), (Some(50), Some(75)));
        assert_eq!((hour.acd_secs(), hour.short, hour.one_way), (Some(52), 1, 1));
        let none = statistics.hour(trunk, Direction::In, at(12));
        assert_eq!((none.asr_percent(), none.acd_secs()), (None, None));
    }

    #[test]
    fn what_is_older_than_an_hour_is_forgotten_and_its_memory_freed() {
        let mut statistics = Statistics::default();
        let trunk = TrunkId(1);
        for minute in 0..600 {
            statistics.note(trunk, &attempt(Outcome::Busy, 0), at(minute * 60));
            assert!(statistics.hours[&(trunk, Direction::Out)].len() <= 12);
        }
        assert_eq!(statistics.hour(trunk, Direction::Out, at(599 * 60)).attempts, 60);
        assert_eq!(statistics.hour(trunk, Direction::Out, at(599 * 60 + 3_600)).attempts, 0);
    }

    #[test]
    fn an_ending_is_an_outcome_of_the_trunk() {
        let unreached = |why, status| Outcome::of(Cause::Unreached(why, status, 0), false);
        assert_eq!(unreached(Unreached::Busy, 486), Outcome::Busy);
        assert_eq!(unreached(Unreached::NoAnswer, 408), Outcome::NoAnswer);
        assert_eq!(unreached(Unreached::Failed, 408), Outcome::Silent);
        assert_eq!(unreached(Unreached::Failed, 503), Outcome::Failed);
        assert_eq!(unreached(Unreached::Unresolved, 503), Outcome::Unresolved);
        assert_eq!(unreached(Unreached::Unconnected, 503), Outcome::Unconnected);
        assert_eq!(Outcome::of(Cause::Refused(Refusal::NotLicensed), false), Outcome::Refused);
        assert_eq!(Outcome::of(Cause::Refused(Refusal::NotLicensed), true), Outcome::Answered);
        assert_eq!(Outcome::of(Cause::Cancelled, false), Outcome::Abandoned);
    }

    fn attempt(outcome: Outcome, secs: u64) -> Attempt {
        let connected = Duration::from_secs(secs);
        Attempt { direction: Direction::Out, outcome, post_dial: None, connected }
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
