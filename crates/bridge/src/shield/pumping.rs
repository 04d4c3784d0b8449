//! How much the calls of a toll-free number look like pumping: calls that are made to earn a share
//! of what the number's owner pays for them (reliability.md S13).
//!
//! Of the calls of the last hour, at most the newest 256: `never` is the share whose callers named no
//! meeting, `limited` the share that ended at a limit (alone, silent, unidentified), `range` the
//! largest share of one range of callers.
//!
//! `score = min(calls, 20) / 20 · (0.4 · never + 0.4 · limited + 0.2 · range)`

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::record::ServiceNumber;
use model::{Instant, NumberId};

use super::caller::Range;

const HOUR: Duration = Duration::from_secs(3_600);
/// Calls of a number that count.
const CALLS: usize = 256;
/// With fewer calls the score is lower by as much.
const ENOUGH: usize = 20;
/// How often the scores are told.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// A call to a toll-free number that is over.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) at: Instant,
    /// Whether its caller never named a meeting.
    pub(super) never: bool,
    /// Whether a limit ended it.
    pub(super) limited: bool,
    pub(super) range: Option<Range>,
}

#[derive(Debug)]
struct Recent {
    number: Arc<ServiceNumber>,
    calls: VecDeque<Ended>,
    told: u16,
}

/// The toll-free numbers that were called in the last hour.
#[derive(Debug, Default)]
pub(super) struct Pumping {
    numbers: BTreeMap<NumberId, Recent>,
}

impl Pumping {
    /// Counts a call. Returns whether the scores are to be told from now on.
    pub(super) fn count(&mut self, number: &Arc<ServiceNumber>, ended: Ended) -> bool {
        let begins = self.numbers.is_empty();
        let recent = self.numbers.entry(number.id).or_insert_with(|| Recent {
            number: Arc::clone(number),
            calls: VecDeque::new(),
            told: 0,
        });
        if recent.calls.len() == CALLS {
            recent.calls.pop_front();
        }
        recent.calls.push_back(ended);
        begins
    }

    /// Returns the scores that have changed, in thousandths, and forgets numbers that nobody calls.
    pub(super) fn scores(&mut self, now: Instant) -> Vec<(Arc<ServiceNumber>, u16)> {
        let mut changed = Vec::new();
        for recent in self.numbers.values_mut() {
            while recent.calls.front().is_some_and(|call| now.since(call.at) >= HOUR) {
                recent.calls.pop_front();
            }
            let score = score(&recent.calls);
            if score != recent.told {
                recent.told = score;
                changed.push((Arc::clone(&recent.number), score));
            }
        }
        self.numbers.retain(|_, recent| !recent.calls.is_empty());
        changed
    }

    /// Whether no number was called in the last hour.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// Returns the score in thousandths.
fn score(calls: &VecDeque<Ended>) -> u16 {
    let all = calls.len();
    if all == 0 {
        return 0;
    }
    let mut ranges: BTreeMap<&Option<Range>, usize> = BTreeMap::new();
    for call in calls {
        *ranges.entry(&call.range).or_default() += 1;
    }
    let never = calls.iter().filter(|call| call.never).count();
    let limited = calls.iter().filter(|call| call.limited).count();
    let range = ranges.values().copied().max().unwrap_or(0);
    let weighed = (4 * never + 4 * limited + 2 * range) * 100 / all;
    u16::try_from(weighed * all.min(ENOUGH) / ENOUGH).unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use model::TrunkId;
    use model::record::NumberType;

    use super::super::caller::Caller;
    use super::*;
    use crate::sample;

    #[test]
    fn a_robot_in_the_menu_scores_high_whatever_numbers_it_shows() {
        assert_eq!(scored((0..100).map(|_| (true, true, "+14155550123"))), 1_000);
        let numbers: Vec<String> = (0..100).map(|at| format!("+1415{at:03}0000")).collect();
        let spread = scored(numbers.iter().map(|number| (true, true, number.as_str())));
        assert!((800..820).contains(&spread), "{spread}");
    }

    #[test]
    fn a_robot_with_a_conference_id_scores_by_its_lonely_meetings() {
        let score = scored((0..100).map(|_| (false, true, "+14155550123")));
        assert_eq!(score, 600);
    }

    #[test]
    fn a_day_of_one_company_that_calls_in_scores_low() {
        let score = scored((0..200).map(|at| (at % 12 == 0, at % 25 == 0, "+390116543210")));
        assert!((200..300).contains(&score), "{score}");
        let homes: Vec<String> = (0..200).map(|at| format!("+39011{at:03}4321")).collect();
        let score =
            scored(homes.iter().map(|home| (home.ends_with("04321"), false, home.as_str())));
        assert!(score < 60, "{score}");
    }

    #[test]
    fn a_few_calls_say_little_and_an_hour_later_nothing() {
        assert_eq!(scored((0..2).map(|_| (true, true, "+14155550123"))), 100);
        let number = Arc::new(sample::number(NumberType::TollFree));
        let mut pumping = Pumping::default();
        let ended = Ended { at: Instant::START, never: true, limited: true, range: None };
        assert!(pumping.count(&number, ended.clone()));
        assert!(!pumping.count(&number, ended), "they are told already");
        assert_eq!(pumping.scores(Instant::START).len(), 1);
        assert!(pumping.scores(Instant::START).is_empty(), "nothing has changed");
        let later = Instant::START + HOUR;
        assert_eq!(pumping.scores(later), [(number, 0)]);
        assert!(pumping.is_empty());
    }

    fn scored<'a>(calls: impl Iterator<Item = (bool, bool, &'a str)>) -> u16 {
        let number = Arc::new(sample::number(NumberType::TollFree));
        let mut pumping = Pumping::default();
        for (never, limited, caller) in calls {
            let range = Caller::new(caller.parse().ok(), TrunkId(1), 4).range;
            pumping.count(&number, Ended { at: Instant::START, never, limited, range });
        }
        pumping.scores(Instant::START).first().map_or(0, |(_, score)| *score)
    }
}
