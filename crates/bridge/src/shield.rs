//! The shield against callers who do not identify themselves (charging.md, "Payer certain before
//! answer"; reliability.md S7, S13): budgets of unidentified time and of wrong conference IDs, and a
//! score for each toll-free number.
//!
//! Unidentified time is that of calls whose callers never name a meeting, from the answer to the
//! end, in the last hour, by caller, by range of callers and by trunk. What lives counts as it goes;
//! who names a meeting after all has used up nothing. Over the first limit a call has 30 s to
//! identify itself instead of 90; over the second toll-free calls are refused before the answer.

mod caller;
mod guess;
mod pumping;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use model::record::NumberType;
use model::{CallId, Did, Instant, Now, TrunkId, limits};

pub(crate) use caller::Caller;
pub(crate) use guess::{Patience, is_slip, pause};

use self::caller::Range;
use self::guess::Guesses;
use self::pumping::{Ended, Pumping};
use self::table::Table;
use crate::call::file::File;
use crate::ending::Cause;
use crate::output::{Note, Output};
use crate::refusal::{Guard, Refusal};
use crate::settings::{Abuse, Stretch};
use crate::{Alarm as Wake, Bridge};

/// Keys that a table remembers: more than can live at once.
pub(crate) const KEYS: usize = 65_536;
const _: () = assert!(KEYS > limits::CALLS);
const HOUR: Duration = Duration::from_secs(3_600);

/// A budget against abuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Budget {
    /// Unidentified time: calls get 30 s to identify themselves.
    Unidentified,
    /// Much more of it: toll-free calls are refused.
    Refused,
    /// Wrong conference IDs: calls get one try.
    WrongIds,
    /// Wrong conference IDs in a day: strangers' are not looked up any more.
    Guessing,
}

/// Whose budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One number's.
    Caller,
    /// That of all whose number nobody knows.
    Withheld,
    /// A range of numbers'.
    Range,
    /// A trunk's.
    Trunk,
    /// The whole node's.
    Node,
}

/// A budget begins to be used up. Told once until it recovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm {
    /// Which.
    pub budget: Budget,
    /// Whose.
    pub scope: Scope,
}

impl Alarm {
    /// Every one that can be told.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |budget, scopes: &'static [Scope]| {
            scopes.iter().map(move |scope| Self { budget, scope: *scope })
        };
        let time = &[Scope::Caller, Scope::Withheld, Scope::Range, Scope::Trunk];
        of(Budget::Unidentified, time)
            .chain(of(Budget::Refused, time))
            .chain(of(Budget::WrongIds, &[Scope::Caller, Scope::Trunk, Scope::Node]))
            .chain(of(Budget::Guessing, &[Scope::Node]))
    }
}

impl Budget {
    /// Returns the label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unidentified => "unidentified",
            Self::Refused => "refused",
            Self::WrongIds => "wrong_ids",
            Self::Guessing => "guessing",
        }
    }
}

impl Scope {
    /// Returns the label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Withheld => "withheld",
            Self::Range => "range",
            Self::Trunk => "trunk",
            Self::Node => "node",
        }
    }
}

/// What a call tells the shield.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// It was answered, and its caller is to name a meeting.
    Began,
    /// A conference ID was wrong.
    Wrong,
    /// One was right; so many before it were slips.
    Right { slips: u8 },
    /// It is over.
    Over(Cause),
}

/// How far a budget of unidentified time is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Within,
    Short,
    Refused,
}

/// A call whose caller has named no meeting.
#[derive(Debug)]
struct Visit {
    caller: Caller,
    began: Instant,
    wrong: i64,
}

/// Everything that the shield counts. Bounded, and the same for the same calls.
#[derive(Debug)]
pub(crate) struct Shield {
    callers: Table<Option<Did>>,
    ranges: Table<Range>,
    trunks: Table<TrunkId>,
    visits: BTreeMap<CallId, Visit>,
    guesses: Guesses,
    pumping: Pumping,
}

impl Default for Shield {
    fn default() -> Self {
        Self {
            callers: Table::new(HOUR, KEYS),
            ranges: Table::new(HOUR, KEYS),
            trunks: Table::new(HOUR, KEYS),
            visits: BTreeMap::new(),
            guesses: Guesses::default(),
            pumping: Pumping::default(),
        }
    }
}

impl Shield {
    /// Returns how long a caller may take to name a meeting.
    pub(crate) fn unpaid_limit(
        &self,
        file: &File,
        limits: &Abuse,
        usual: Duration,
        now: Instant,
    ) -> Duration {
        match self.level(&Caller::of(file, limits.range_digits), limits, now).0 {
            Level::Within => usual,
            Level::Short | Level::Refused => usual.min(limits.unpaid_limit),
        }
    }

    /// Whether a toll-free call may be answered; else the scope whose budget is used up.
    ///
    /// # Errors
    /// The scope.
    pub(crate) fn answers(&self, file: &File, limits: &Abuse, now: Instant) -> Result<(), Scope> {
        match self.level(&Caller::of(file, limits.range_digits), limits, now) {
            (Level::Within | Level::Short, _) => Ok(()),
            (Level::Refused, scope) => Err(scope),
        }
    }

    /// Decides about the next conference ID of a caller.
    pub(crate) fn patience(
        &self,
        file: &File,
        (limits, bearable): (&Abuse, u64),
        now: Instant,
    ) -> Patience {
        let caller = Caller::of(file, limits.range_digits);
        self.guesses.patience(&caller, (limits, bearable), now)
    }

    /// Takes a fact. Returns the budgets that are used up by it.
    fn take(
        &mut self,
        (call, caller): (CallId, &Caller),
        fact: Fact,
        (limits, bearable): (&Abuse, u64),
        now: Instant,
    ) -> Vec<Alarm> {
        match fact {
            Fact::Began => {
                self.callers.begin(&caller.number, now);
                self.trunks.begin(&caller.trunk, now);
                if let Some(range) = &caller.range {
                    self.ranges.begin(range, now);
                }
                let visit = Visit { caller: caller.clone(), began: now, wrong: 0 };
                self.visits.insert(call, visit);
                self.risen(caller, limits, now)
            }
            Fact::Wrong => match self.visits.get_mut(&call) {
                Some(visit) => {
                    visit.wrong += 1;
                    self.guesses.wrong(caller, (limits, bearable), now)
                }
                None => Vec::new(),
            },
            Fact::Right { slips } => {
                if let Some(visit) = self.visits.remove(&call) {
                    let counted = visit.wrong.saturating_sub(slips.into());
                    self.guesses.settle(visit.wrong, counted, now);
                    self.guesses.right(caller, now);
                    self.leave(&visit, false, now);
                }
                Vec::new()
            }
            Fact::Over(_) => match self.visits.remove(&call) {
                Some(visit) => {
                    self.guesses.settle(visit.wrong, visit.wrong, now);
                    self.leave(&visit, true, now);
                    self.risen(&visit.caller, limits, now)
                }
                None => Vec::new(),
            },
        }
    }

    fn leave(&mut self, visit: &Visit, counts: bool, now: Instant) {
        self.callers.end(&visit.caller.number, visit.began, counts, now);
        self.trunks.end(&visit.caller.trunk, visit.began, counts, now);
        if let Some(range) = &visit.caller.range {
            self.ranges.end(range, visit.began, counts, now);
        }
    }

    /// Returns the worst level of those whom a caller belongs to, and whose it is.
    fn level(&self, caller: &Caller, limits: &Abuse, now: Instant) -> (Level, Scope) {
        let levels = self.levels(caller, limits, now);
        // Of equals the narrowest is named.
        levels
            .into_iter()
            .rev()
            .max_by_key(|(level, _)| *level)
            .unwrap_or((Level::Within, Scope::Node))
    }

    fn levels(&self, caller: &Caller, limits: &Abuse, now: Instant) -> [(Level, Scope); 3] {
        let own = self.callers.total(&caller.number, now);
        let own = match caller.number {
            Some(_) => (level(own, &limits.caller), Scope::Caller),
            // Many share this place, as many share a range.
            None => (level(own, &limits.range), Scope::Withheld),
        };
        let range = caller.range.as_ref().map_or(0, |range| self.ranges.total(range, now));
        let trunk = self.trunks.total(&caller.trunk, now);
        [
            own,
            (level(range, &limits.range), Scope::Range),
            (level(trunk, &limits.trunk), Scope::Trunk),
        ]
    }

    fn risen(&mut self, caller: &Caller, limits: &Abuse, now: Instant) -> Vec<Alarm> {
        let [own, range, trunk] = self.levels(caller, limits, now);
        let rises = [
            (self.callers.rises(&caller.number, own.0 as u8), own),
            (caller.range.as_ref().is_some_and(|of| self.ranges.rises(of, range.0 as u8)), range),
            (self.trunks.rises(&caller.trunk, trunk.0 as u8), trunk),
        ];
        let told =
            rises.into_iter().filter(|(rises, _)| *rises).filter_map(|(_, (level, scope))| {
                let budget = match level {
                    Level::Within => return None,
                    Level::Short => Budget::Unidentified,
                    Level::Refused => Budget::Refused,
                };
                Some(Alarm { budget, scope })
            });
        told.collect()
    }
}

fn level(micros: i64, limit: &Stretch) -> Level {
    let reaches =
        |most: Duration| u128::try_from(micros).is_ok_and(|used| used >= most.as_micros());
    if reaches(limit.refuse) {
        Level::Refused
    } else if reaches(limit.short) {
        Level::Short
    } else {
        Level::Within
    }
}

impl Bridge {
    /// Takes what a call tells the shield.
    pub(crate) fn shielded(&mut self, id: CallId, fact: Fact, now: Now) {
        let Some(call) = self.calls.get(&id) else { return };
        let file = &call.file;
        let limits = &self.settings.abuse;
        let caller = Caller::of(file, limits.range_digits);
        if let Fact::Over(cause) = fact {
            let never = self.shield.visits.contains_key(&id);
            let number = file.number.as_ref().filter(|n| n.number_type == NumberType::TollFree);
            if let (Some(ended), Some(number)) = (ended(cause, never, file, &caller, now), number)
                && self.shield.pumping.count(number, ended)
            {
                self.alarms.insert((now.mono + pumping::EVERY, Wake::Scores));
            }
        }
        let bearable = self.directory.wrong_ids_a_day();
        let alarms = self.shield.take((id, &caller), fact, (limits, bearable), now.mono);
        for alarm in alarms {
            tracing::warn!(
                budget = alarm.budget.label(),
                scope = alarm.scope.label(),
                trunk = %file.trunk.name,
                caller = file.caller.as_ref().map(tracing::field::display),
                "a budget against abuse is used up"
            );
            self.outputs.push_back(Output::Note(Note::Abuse(alarm)));
        }
    }

    /// Tells how much the toll-free numbers look like being pumped.
    pub(crate) fn score(&mut self, now: Now) {
        for (number, permille) in self.shield.pumping.scores(now.mono) {
            self.outputs.push_back(Output::Note(Note::Pumping { number, permille }));
        }
        if !self.shield.pumping.is_empty() {
            self.alarms.insert((now.mono + pumping::EVERY, Wake::Scores));
        }
    }
}

/// Reads what a call's end says about pumping; nothing if it was refused for other reasons.
fn ended(cause: Cause, never: bool, file: &File, caller: &Caller, now: Now) -> Option<Ended> {
    let shut_out = cause == Cause::Refused(Refusal::Guard(Guard::Unidentified));
    let limited = match cause {
        Cause::Idle(_) | Cause::LegLimit => true,
        Cause::Refused(refusal) => {
            let unnamed = [Refusal::IdentificationTimeout, Refusal::UnknownConferenceId];
            shut_out || unnamed.contains(&refusal)
        }
        Cause::CallerHungUp(_)
        | Cause::CalleeHungUp(_)
        | Cause::Unreached(..)
        | Cause::NotConfirmed
        | Cause::JoinedElsewhere
        | Cause::MeetingOver
        | Cause::Cancelled
        | Cause::CreditExhausted
        | Cause::StoreLost
        | Cause::NoAck
        | Cause::SessionExpired
        | Cause::PeerGone
        | Cause::Drained
        | Cause::OperatorHungUp
        | Cause::Panicked
        | Cause::Fenced => false,
    };
    let counts = file.answered.is_some() || shut_out;
    let range = caller.range.clone();
    counts.then_some(Ended { at: now.mono, never: never || shut_out, limited, range })
}
