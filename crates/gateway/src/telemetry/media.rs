//! Meters of the media threads.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{Telemetry, whole};

impl Telemetry {
    /// Returns the meters of a media thread, by its place among them.
    pub(crate) fn media(&self, shard: usize) -> MediaMeters {
        let shard = shard.to_string();
        let of_shard = [("shard", shard.as_str())];
        let packets = |direction| {
            self.counter(
                "tollgate_media_packets_total",
                "RTP and RTCP packets, by direction.",
                &[("direction", direction)],
            )
        };
        MediaMeters {
            lateness: self.histogram_of(
                "tollgate_media_tick_lateness_seconds",
                "How late the mixer's ticks begin, by media thread.",
                &of_shard,
            ),
            skipped: self.counter(
                "tollgate_media_ticks_skipped_total",
                "Ticks that were left out because the thread was too far behind.",
                &of_shard,
            ),
            adopted: self.counter(
                "tollgate_media_legs_adopted_total",
                "Legs that came from another media thread, to where their conference lives.",
                &of_shard,
            ),
            received: packets("in"),
            sent: packets("out"),
            unsent: self.counter(
                "tollgate_media_unsent_total",
                "RTP and RTCP packets that the network did not take.",
                &[],
            ),
            legs: self.gauge(
                "tollgate_media_legs",
                "Legs that the media thread serves.",
                &of_shard,
            ),
        }
    }
}

/// Meters of a media thread. Nothing here allocates per packet.
#[derive(Clone)]
pub(crate) struct MediaMeters {
    lateness: Histogram,
    skipped: Counter,
    received: Counter,
    sent: Counter,
    unsent: Counter,
    adopted: Counter,
    legs: Gauge,
}

/// What one tick moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) unsent: u64,
    /// Legs from other threads.
    pub(crate) adopted: u64,
}

impl MediaMeters {
    pub(crate) fn ticked(&self, late: Duration, legs: usize, moved: Moved) {
        self.lateness.record(late);
        self.legs.set(whole(legs));
        self.received.increment(moved.received);
        self.sent.increment(moved.sent);
        self.unsent.increment(moved.unsent);
        self.adopted.increment(moved.adopted);
    }

    pub(crate) fn skipped(&self, ticks: u64) {
        self.skipped.increment(ticks);
    }
}
