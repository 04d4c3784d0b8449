//! How a media thread's ticks did lately: how late they began, how long they took.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bridge::load::Ticks;
use model::limits;

/// From so much on a tick is late: a quarter of one.
const LATE: Duration = Duration::from_millis(5);
/// From so much on its thread starves: half of one.
const STARVED: Duration = Duration::from_millis(10);

/// Ticks since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Punctuality {
    ticks: AtomicU32,
    late: AtomicU32,
    starved: AtomicU32,
    busy_micros: AtomicU32,
}

impl Punctuality {
    /// A tick began so late, and its work took so long.
    pub(super) fn ticked(&self, late: Duration, busy: Duration) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        if late >= LATE {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        if late >= STARVED {
            self.starved.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u32::try_from(busy.as_micros()).unwrap_or(u32::MAX / 64);
        self.busy_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns how they did since the last time; a thread that did not tick at all has done nothing.
    pub(super) fn take(&self) -> Ticks {
        let taken = |counter: &AtomicU32| u64::from(counter.swap(0, Ordering::Relaxed));
        let [ticks, late, starved, busy] =
            [&self.ticks, &self.late, &self.starved, &self.busy_micros].map(taken);
        // They are not read at one moment: one may be a tick ahead.
        let share = |part: u64, whole: u64| u16::try_from(part * 1_000 / whole.max(1)).ok();
        let permille = |part| share(part, ticks).map_or(1_000, |share| share.min(1_000));
        let tick = u64::try_from(limits::TICK.as_micros()).unwrap_or(u64::MAX);
        Ticks {
            busy_permille: share(busy, ticks * tick).unwrap_or(u16::MAX),
            late_permille: permille(late),
            starved_permille: permille(starved),
        }
    }
}

/// Returns what is worst of any thread.
pub(super) fn worst(threads: impl Iterator<Item = Ticks>) -> Ticks {
    threads.fold(Ticks::default(), |worst, ticks| Ticks {
        busy_permille: worst.busy_permille.max(ticks.busy_permille),
        late_permille: worst.late_permille.max(ticks.late_permille),
        starved_permille: worst.starved_permille.max(ticks.starved_permille),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_told_once_as_shares_of_all() {
        let ticks = Punctuality::default();
        assert_eq!(ticks.take(), Ticks::default());
        for (late, busy) in [(0, 2), (5, 4), (10, 12), (40, 2)] {
            ticks.ticked(Duration::from_millis(late), Duration::from_millis(busy));
        }
        let told = Ticks { busy_permille: 250, late_permille: 750, starved_permille: 500 };
        assert_eq!((ticks.take(), ticks.take()), (told, Ticks::default()));
    }

    #[test]
    fn the_worst_of_each_thread_counts() {
        let one = Ticks { busy_permille: 700, late_permille: 0, starved_permille: 0 };
        let other = Ticks { busy_permille: 100, late_permille: 80, starved_permille: 20 };
        let both = Ticks { busy_permille: 700, late_permille: 80, starved_permille: 20 };
        assert_eq!(worst([one, other].into_iter()), both);
    }
}
