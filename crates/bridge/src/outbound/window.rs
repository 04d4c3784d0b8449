//! How much came in the last stretch of time, in cells: never less than the truth.

use std::collections::VecDeque;
use std::time::Duration;

use model::Instant;

/// Cells of a span.
const CELLS: i64 = 60;

/// A sum over the last minute, hour or day. It is kept by sixtieths of its span, so that an amount
/// counts for at least the span and at most a sixtieth longer.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    cell: Duration,
    /// In order. Cells before the clock's origin are negative.
    cells: VecDeque<(i64, i64)>,
    sum: i64,
}

impl Window {
    /// Makes an empty one.
    pub(crate) fn over(span: Duration) -> Self {
        let cell = Duration::from_micros(micros(span).unsigned_abs() / CELLS.unsigned_abs());
        Self { cell: cell.max(Duration::from_micros(1)), cells: VecDeque::new(), sum: 0 }
    }

    /// Adds an amount that is not negative.
    pub(crate) fn add(&mut self, amount: i64, now: Instant) {
        self.add_past(amount, Duration::ZERO, now);
    }

    /// Adds an amount of so long ago, which may be before the clock's origin.
    pub(crate) fn add_past(&mut self, amount: i64, ago: Duration, now: Instant) {
        self.forget(now);
        let cell = self.at(now, ago);
        if amount <= 0 || is_past(cell, self.at(now, Duration::ZERO)) {
            return;
        }
        self.sum = self.sum.saturating_add(amount);
        match self.cells.binary_search_by_key(&cell, |(at, _)| *at) {
            Ok(known) => {
                if let Some((_, held)) = self.cells.get_mut(known) {
                    *held = held.saturating_add(amount);
                }
            }
            Err(place) => self.cells.insert(place, (cell, amount)),
        }
    }

    /// Whether nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns the sum as of now: of the whole span, or of what came since so long ago, and up to a
    /// sixtieth of the span before that.
    pub(crate) fn sum(&self, now: Instant, since: Option<Duration>) -> i64 {
        let cell = self.at(now, Duration::ZERO);
        let first = since.map_or(i64::MIN, |since| self.at(now, since));
        let left_out = |at: i64| is_past(at, cell) || at < first;
        let gone = self.cells.iter().take_while(|(at, _)| left_out(*at));
        gone.fold(self.sum, |sum, (_, amount)| sum.saturating_sub(*amount))
    }

    fn forget(&mut self, now: Instant) {
        let cell = self.at(now, Duration::ZERO);
        while let Some((at, amount)) = self.cells.front().copied()
            && is_past(at, cell)
        {
            self.cells.pop_front();
            self.sum = self.sum.saturating_sub(amount);
        }
    }

    fn at(&self, now: Instant, ago: Duration) -> i64 {
        let now = i64::try_from(now.micros).unwrap_or(i64::MAX);
        now.saturating_sub(micros(ago)).div_euclid(micros(self.cell))
    }
}

const fn is_past(at: i64, cell: i64) -> bool {
    at.saturating_add(CELLS) < cell
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_counts_for_the_whole_span_and_little_longer() {
        let mut window = Window::over(Duration::from_secs(60));
        window.add(5, at(10));
        window.add(7, at(40));
        assert_eq!((sum(&window, 69), sum(&window, 70)), (12, 12));
        assert_eq!((sum(&window, 72), sum(&window, 102)), (7, 0));
    }

    #[test]
    fn old_cells_are_forgotten() {
        let mut window = Window::over(Duration::from_secs(60));
        (0..1_000).for_each(|secs| window.add(1, at(secs)));
        assert!(window.cells.len() <= 62, "{}", window.cells.len());
        assert_eq!(sum(&window, 999), 61);
    }

    #[test]
    fn what_was_before_the_clock_began_counts_as_long_as_it_would_have() {
        let mut window = Window::over(Duration::from_secs(60));
        window.add_past(4, Duration::from_secs(50), at(10));
        window.add_past(3, Duration::from_secs(5), at(10));
        window.add_past(9, Duration::from_secs(62), at(10));
        window.add(1, at(11));
        assert_eq!((sum(&window, 11), sum(&window, 20), sum(&window, 22)), (8, 8, 4));
    }

    #[test]
    fn a_part_of_the_span_is_summed_in_whole_cells() {
        let mut window = Window::over(Duration::from_secs(60));
        (0..10).for_each(|secs| window.add(1, at(secs)));
        let since = |ago| window.sum(at(9), Some(Duration::from_millis(ago)));
        assert_eq!((since(0), since(1), since(1_000), since(100_000)), (1, 2, 2, 10));
    }

    fn sum(window: &Window, secs: u64) -> i64 {
        window.sum(at(secs), None)
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
