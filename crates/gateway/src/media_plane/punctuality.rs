//! How many ticks began late lately, of all media threads together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// From so much on a tick is late: half of one.
const LATE: Duration = Duration::from_millis(10);

/// Ticks since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Punctuality {
    ticks: AtomicU32,
    late: AtomicU32,
}

impl Punctuality {
    /// A tick began so late.
    pub(super) fn ticked(&self, late: Duration) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        if late >= LATE {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many of a thousand were late since the last time.
    pub(super) fn take(&self) -> u16 {
        let ticks = self.ticks.swap(0, Ordering::Relaxed);
        let late = self.late.swap(0, Ordering::Relaxed);
        // The two are not read at one moment: late may be a tick ahead.
        let permille = u64::from(late) * 1000 / u64::from(ticks.max(1));
        u16::try_from(permille.min(1000)).unwrap_or(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ticks_are_told_once_as_a_share_of_all() {
        let ticks = Punctuality::default();
        assert_eq!(ticks.take(), 0);
        for millis in [0, 9, 10, 40] {
            ticks.ticked(Duration::from_millis(millis));
        }
        assert_eq!((ticks.take(), ticks.take()), (500, 0));
    }
}
