//! How much came in the last stretch of time, in cells: never less than the truth.

use std::collections::VecDeque;
use std::time::Duration;

use model::Instant;

/// Cells of a span.
const CELLS: u64 = 60;

/// A sum over the last minute, hour or day. It is kept by sixtieths of its span, so that an amount
/// counts for at least the span and at most a sixtieth longer.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    cell: Duration,
    cells: VecDeque<(u64, i64)>,
    sum: i64,
}

impl Window {
    /// Makes an empty one.
    pub(crate) fn over(span: Duration) -> Self {
        let cell = Duration::from_micros(micros(span) / CELLS).max(Duration::from_micros(1));
        Self { cell, cells: VecDeque::new(), sum: 0 }
    }

    /// Adds an amount that is not negative.
    pub(crate) fn add(&mut self, amount: i64, now: Instant) {
        self.forget(now);
        if amount <= 0 {
            return;
        }
        self.sum = self.sum.saturating_add(amount);
        let cell = self.at(now);
        match self.cells.back_mut() {
            Some((last, held)) if *last == cell => *held = held.saturating_add(amount),
            Some(_) | None => self.cells.push_back((cell, amount)),
        }
    }

    /// Whether nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns the sum as of now.
    pub(crate) fn sum(&self, now: Instant) -> i64 {
        let cell = self.at(now);
        let gone = self.cells.iter().take_while(|(at, _)| is_past(*at, cell));
        gone.fold(self.sum, |sum, (_, amount)| sum.saturating_sub(*amount))
    }

    fn forget(&mut self, now: Instant) {
        let cell = self.at(now);
        while let Some((at, amount)) = self.cells.front().copied()
            && is_past(at, cell)
        {
            self.cells.pop_front();
            self.sum = self.sum.saturating_sub(amount);
        }
    }

    fn at(&self, now: Instant) -> u64 {
        now.micros / micros(self.cell)
    }
}

const fn is_past(at: u64, cell: u64) -> bool {
    at.saturating_add(CELLS) < cell
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_counts_for_the_whole_span_and_little_longer() {
        let mut window = Window::over(Duration::from_secs(60));
        window.add(5, at(10));
        window.add(7, at(40));
        assert_eq!((window.sum(at(69)), window.sum(at(70))), (12, 12));
        assert_eq!((window.sum(at(72)), window.sum(at(102))), (7, 0));
    }

    #[test]
    fn old_cells_are_forgotten() {
        let mut window = Window::over(Duration::from_secs(60));
        (0..1_000).for_each(|secs| window.add(1, at(secs)));
        assert!(window.cells.len() <= 62, "{}", window.cells.len());
        assert_eq!(window.sum(at(999)), 61);
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
