//! Tells the operator, now and then, that datagrams come from outside every trunk: a carrier's new
//! address, or a scanner. A flood of them is a line or two every ten seconds.

use std::net::SocketAddr;
use std::time::Duration;

use model::Instant;

/// Shortest time between two lines of a kind.
const PAUSE: Duration = Duration::from_secs(10);

/// What came from strangers since it was last told.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    dropped: Line,
    banned: Line,
}

/// One kind of line.
#[derive(Debug, Default)]
struct Line {
    told: Option<Instant>,
    untold: u64,
}

impl Strangers {
    /// A datagram from `source` was dropped.
    pub(crate) fn dropped(&mut self, source: SocketAddr, now: Instant) {
        if let Some(dropped) = self.dropped.due(now) {
            tracing::warn!(%source, dropped, "datagrams from outside every trunk were dropped: is [[trunk]].signalling right?");
        }
    }

    /// The source is not heard for a while.
    pub(crate) fn banned(&mut self, source: SocketAddr, now: Instant) {
        if let Some(sources) = self.banned.due(now) {
            tracing::warn!(%source, sources, "sources outside every trunk were banned: they ask too often");
        }
    }
}

impl Line {
    /// Returns how many to tell of, if it is time.
    fn due(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now < told + PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_once_in_ten_seconds_with_its_count() {
        let mut line = Line::default();
        let at = |millis| Instant::START + Duration::from_millis(millis);
        assert_eq!(line.due(at(0)), Some(1));
        assert!((1..1_000).all(|n| line.due(at(n)).is_none()));
        assert_eq!(line.due(at(10_000)), Some(1_000));
    }
}
