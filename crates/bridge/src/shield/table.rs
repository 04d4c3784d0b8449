//! A bounded table of what somebody used up in the last stretch of time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Instant;

use crate::outbound::window::Window;

/// What each key used up. Above its bound the key that was silent for longest is forgotten; one with
/// something live never is, so the bound must exceed what can live at once.
#[derive(Debug)]
pub(crate) struct Table<K> {
    span: Duration,
    most: usize,
    uses: BTreeMap<K, Use>,
    /// Keys with nothing live, by when they were last touched.
    idle: BTreeSet<(Instant, K)>,
}

#[derive(Debug)]
struct Use {
    past: Window,
    live: i64,
    /// Sum of the moments at which what lives began, microseconds.
    begun: i128,
    touched: Instant,
    /// The level that was told last.
    level: u8,
}

impl<K: Ord + Clone> Table<K> {
    /// Makes an empty one that remembers for so long, and at most so many keys.
    pub(crate) fn new(span: Duration, most: usize) -> Self {
        Self { span, most, uses: BTreeMap::new(), idle: BTreeSet::new() }
    }

    /// Something begins to use up time.
    pub(crate) fn begin(&mut self, key: &K, now: Instant) {
        let used = self.touch(key, now);
        used.live += 1;
        used.begun += i128::from(now.micros);
        self.rest(key);
    }

    /// What began then is over; it counts if it is kept.
    pub(crate) fn end(&mut self, key: &K, began: Instant, kept: bool, now: Instant) {
        let used = self.touch(key, now);
        used.live -= 1;
        used.begun -= i128::from(began.micros);
        if kept {
            used.past.add(i64::try_from(now.since(began).as_micros()).unwrap_or(i64::MAX), now);
        }
        self.rest(key);
    }

    /// Counts an amount.
    pub(crate) fn add(&mut self, key: &K, amount: i64, now: Instant) {
        self.touch(key, now).past.add(amount, now);
        self.rest(key);
    }

    /// Returns what the key used up, what lives included.
    pub(crate) fn total(&self, key: &K, now: Instant) -> i64 {
        let Some(used) = self.uses.get(key) else { return 0 };
        let live = i128::from(used.live) * i128::from(now.micros) - used.begun;
        used.past.sum(now, None).saturating_add(i64::try_from(live).unwrap_or(i64::MAX))
    }

    /// Notes how far over its budget a key is. Returns whether that is further than was told.
    pub(crate) fn rises(&mut self, key: &K, level: u8) -> bool {
        let Some(used) = self.uses.get_mut(key) else { return false };
        let rises = level > used.level;
        used.level = level;
        rises
    }

    /// Returns the key's use, made if need be and taken out of those that may be forgotten.
    fn touch(&mut self, key: &K, now: Instant) -> &mut Use {
        if let Some(used) = self.uses.get(key) {
            self.idle.remove(&(used.touched, key.clone()));
        } else if self.uses.len() >= self.most
            && let Some((_, oldest)) = self.idle.pop_first()
        {
            self.uses.remove(&oldest);
        }
        let span = self.span;
        let used = self.uses.entry(key.clone()).or_insert_with(|| Use {
            past: Window::over(span),
            live: 0,
            begun: 0,
            touched: now,
            level: 0,
        });
        used.touched = now;
        used
    }

    /// Lets a key be forgotten if nothing of it lives; at once if nothing of it counts.
    fn rest(&mut self, key: &K) {
        let Some(used) = self.uses.get(key) else { return };
        if used.live > 0 {
            return;
        }
        if used.past.is_empty() {
            self.uses.remove(key);
        } else {
            self.idle.insert((used.touched, key.clone()));
        }
    }

    /// Returns how many keys are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_counts_as_it_goes_and_what_is_not_kept_no_more() {
        let mut table = Table::new(Duration::from_secs(3600), 9);
        table.begin(&1, at(10));
        table.begin(&1, at(20));
        assert_eq!(table.total(&1, at(30)), 30_000_000);
        table.end(&1, at(10), true, at(40));
        assert_eq!(table.total(&1, at(50)), 60_000_000);
        table.end(&1, at(20), false, at(60));
        assert_eq!(table.total(&1, at(60)), 30_000_000);
        assert_eq!(table.total(&1, at(40 + 3700)), 0, "an hour later");
    }

    #[test]
    fn who_used_nothing_takes_no_place() {
        let mut table = Table::new(Duration::from_secs(3600), 9);
        table.begin(&1, at(10));
        table.end(&1, at(10), false, at(20));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn the_longest_silent_is_forgotten_and_what_lives_never() {
        let mut table = Table::new(Duration::from_secs(3600), 3);
        table.begin(&1, at(1));
        table.add(&2, 5, at(2));
        table.add(&3, 5, at(3));
        table.add(&2, 5, at(4));
        table.add(&4, 5, at(5));
        let totals = [1, 2, 3, 4].map(|key| table.total(&key, at(5)));
        assert_eq!((totals, table.len()), ([4_000_000, 10, 0, 5], 3));
    }

    #[test]
    fn a_level_is_told_once_until_it_falls_and_rises_again() {
        let mut table = Table::new(Duration::from_secs(60), 3);
        table.add(&1, 5, at(0));
        let told = [1, 1, 2, 2, 0, 1].map(|level| table.rises(&1, level));
        assert_eq!(told, [true, false, true, false, false, true]);
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
