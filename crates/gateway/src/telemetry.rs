//! What is measured. The only folder that names a metric; `deploy/metrics.md` explains each.
//!
//! Handles are made once and kept. Labels come from small closed sets: never a call, a number, an
//! account or a meeting.

mod calls;
mod media;
mod money;
mod sip;
mod store;
mod streams;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

pub(crate) use calls::BridgeMeters;
pub(crate) use media::{MediaMeters, Moved};
pub(crate) use money::MoneyMeters;
pub(crate) use store::StoreMeters;
pub(crate) use streams::TlsMeters;

/// How often histograms are folded; without it they grow without bound.
const UPKEEP: Duration = Duration::from_secs(5);

const METADATA: Metadata<'static> = Metadata::new("tollgate", Level::INFO, None);

/// From a tenth of a tick to 50 ticks.
const TICK_BUCKETS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1.0];
/// From a commit on a fast disk to the storekeeper's patience.
const STORE_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];
/// From an answering machine to the longest ringing.
const RING_BUCKETS: &[f64] = &[0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 45.0, 60.0, 120.0, 180.0];
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Every metric of one gateway.
#[derive(Clone)]
pub(crate) struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new();
        let buckets = [
            ("tollgate_media_tick_lateness_seconds", TICK_BUCKETS),
            ("tollgate_media_cut_overrun_seconds", TICK_BUCKETS),
            ("tollgate_bridge_cut_to_bye_seconds", TICK_BUCKETS),
            ("tollgate_bridge_answer_seconds", STORE_BUCKETS),
            ("tollgate_bridge_dial_seconds", STORE_BUCKETS),
            ("tollgate_bridge_reach_seconds", RING_BUCKETS),
            ("tollgate_bridge_trunk_post_dial_seconds", RING_BUCKETS),
            ("tollgate_store_request_seconds", STORE_BUCKETS),
            ("tollgate_store_batch_requests", BATCH_BUCKETS),
        ];
        let builder = buckets.into_iter().fold(builder, |builder, (name, bounds)| {
            let matcher = Matcher::Full(name.to_owned());
            builder.set_buckets_for_metric(matcher, bounds).expect("the bounds are not empty")
        });
        Self { recorder: Arc::new(builder.build_recorder()) }
    }

    /// Returns what renders everything in Prometheus' text format.
    pub(crate) fn renderer(&self) -> api::RenderMetrics {
        let handle = self.recorder.handle();
        Arc::new(move || handle.render())
    }

    /// Folds histograms for as long as the gateway runs.
    pub(crate) async fn upkeep(self) {
        let handle = self.recorder.handle();
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    }

    /// Notes how many RTP port pairs are bound.
    pub(crate) fn ports_bound(&self, pairs: usize) {
        self.gauge("tollgate_media_ports", "RTP port pairs that are bound.", &[]).set(whole(pairs));
    }

    fn plain(&self, name: &'static str, help: &'static str) -> Counter {
        self.counter(name, help, &[])
    }

    fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        self.recorder.describe_counter(name.into(), None, help.into());
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Gauge {
        self.recorder.describe_gauge(name.into(), None, help.into());
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    fn histogram(&self, name: &'static str, help: &'static str) -> Histogram {
        self.histogram_of(name, help, &[])
    }

    fn histogram_of(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Histogram {
        self.recorder.describe_histogram(name.into(), None, help.into());
        self.recorder.register_histogram(&key(name, labels), &METADATA)
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

fn whole(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
