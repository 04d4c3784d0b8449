//! Meters of the storekeeper.

use std::time::Duration;

use bridge::StoreOutcome;
use metrics::{Counter, Gauge, Histogram};

use super::{Telemetry, whole};

impl Telemetry {
    /// Returns the meters of the storekeeper.
    pub(crate) fn store(&self) -> StoreMeters {
        StoreMeters {
            latency: self.histogram(
                "tollgate_store_request_seconds",
                "From a request of the bridge to its answer.",
            ),
            batch: self.histogram("tollgate_store_batch_requests", "Requests in a transaction."),
            unknown: self.counter(
                "tollgate_store_unknown_total",
                "Requests that the store did not answer in time, or failed on.",
                &[],
            ),
            up: self.gauge("tollgate_store_up", "Whether the store takes our heartbeat.", &[]),
            orphans: self.counter(
                "tollgate_store_orphans_settled_total",
                "Legs of a crashed run that were settled at start.",
                &[],
            ),
            panics: self.counter(
                "tollgate_store_panics_total",
                "Transactions that a fault of ours ended.",
                &[],
            ),
        }
    }
}

/// Meters of the storekeeper.
#[derive(Clone)]
pub(crate) struct StoreMeters {
    latency: Histogram,
    batch: Histogram,
    unknown: Counter,
    up: Gauge,
    orphans: Counter,
    panics: Counter,
}

impl StoreMeters {
    pub(crate) fn began(&self, requests: usize) {
        self.batch.record(whole(requests));
    }

    pub(crate) fn answered(&self, after: Duration, outcome: &StoreOutcome) {
        self.latency.record(after);
        match outcome {
            StoreOutcome::Answered(_) => {}
            StoreOutcome::Unknown => self.unknown.increment(1),
        }
    }

    pub(crate) fn beat(&self, taken: bool) {
        self.up.set(if taken { 1.0 } else { 0.0 });
    }

    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    pub(crate) fn settled(&self, legs: usize) {
        self.orphans.increment(u64::try_from(legs).unwrap_or(u64::MAX));
    }
}
