//! Time as the cores see it: a value handed in, never read.

use std::ops::Add;
use std::time::Duration;

/// A point on the node's monotonic clock, which counts suspended time. Timers and metering use it.
/// Comparable only within one epoch of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Microseconds since an arbitrary origin.
    pub micros: u64,
}

impl Instant {
    /// The origin of the clock.
    pub const START: Self = Self { micros: 0 };

    /// Returns the time from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }

    /// Returns the moment `before` this one, not before the origin.
    #[must_use]
    pub fn minus(self, before: Duration) -> Self {
        Self { micros: self.micros.saturating_sub(whole_micros(before)) }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self { micros: self.micros.saturating_add(whole_micros(after)) }
    }
}

fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since the Unix epoch, UTC. Records and tariff validity use it; it never ends a hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub micros: i64,
}

impl UnixTime {
    /// Returns the moment so many microseconds later.
    #[must_use]
    pub const fn after(self, micros: u64) -> Self {
        Self { micros: self.micros.saturating_add_unsigned(micros) }
    }

    /// Returns the moment so long before this one.
    #[must_use]
    pub fn minus(self, before: Duration) -> Self {
        Self { micros: self.micros.saturating_sub_unsigned(whole_micros(before)) }
    }

    /// Returns the time from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let passed = self.micros.saturating_sub(earlier.micros);
        Duration::from_micros(u64::try_from(passed).unwrap_or(0))
    }
}

/// Both clocks, read once per wake-up by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For timers and metering.
    pub mono: Instant,
    /// For records.
    pub unix: UnixTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_moment_is_never_negative_time_away() {
        let later = Instant::START + Duration::from_secs(3);
        assert_eq!(later.since(Instant::START), Duration::from_secs(3));
        assert_eq!(Instant::START.since(later), Duration::ZERO);
    }
}
