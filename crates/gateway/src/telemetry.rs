//! What is measured. The only file that names a metric; `deploy/metrics.md` explains each.
//!
//! Handles are made once and kept. Labels come from small closed sets: never a call, a number, an
//! account or a meeting.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge::routing::Attempt;
use bridge::{LiveCall, Note, StoreOutcome};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use model::record::{NumberType, Trunk};
use model::{Currency, Money};
use store::AccountView;

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

    /// Returns the meters of what the bridge notes.
    pub(crate) fn bridge(&self) -> BridgeMeters {
        BridgeMeters {
            telemetry: self.clone(),
            labelled: BTreeMap::new(),
            states: BTreeMap::new(),
            answer: self
                .histogram("tollgate_bridge_answer_seconds", "From an INVITE to its 200 OK."),
            dial: self.histogram(
                "tollgate_bridge_dial_seconds",
                "From an order to call somebody to the INVITE: policy, route and hold.",
            ),
            reach: self.histogram(
                "tollgate_bridge_reach_seconds",
                "From an order to call somebody to the 200 OK.",
            ),
            overrun: self.histogram(
                "tollgate_media_cut_overrun_seconds",
                "From the end of paid time to the tick that cut the leg.",
            ),
            cut_to_bye: self.histogram(
                "tollgate_bridge_cut_to_bye_seconds",
                "From the end of paid time to the BYE.",
            ),
            began: self.plain("tollgate_bridge_calls_began_total", "INVITEs that became a call."),
            connected: self
                .plain("tollgate_bridge_connected_seconds_total", "Connected time of ended calls."),
            rescues: self.plain(
                "tollgate_bridge_rescues_total",
                "Legs that a top-up or a release saved in their last slice.",
            ),
            digits: self.plain("tollgate_bridge_digits_total", "Keys that callers pressed."),
            faxes: self.plain(
                "tollgate_bridge_faxes_total",
                "Legs taken out of the mix because a fax machine was heard.",
            ),
            captured: self.plain(
                "tollgate_bridge_closed_charges_micros_total",
                "Charges of closed legs, millionths of their currency.",
            ),
            unattributed: self.plain(
                "tollgate_bridge_unattributed_micros_total",
                "Time that nobody pays for, at list price, millionths.",
            ),
            lost: self.plain("tollgate_media_lost_total", "RTP packets missing on closed legs."),
            forged: self.plain(
                "tollgate_media_forged_total",
                "SRTP packets on closed legs that were not authentic or came before.",
            ),
            dropped: self.plain(
                "tollgate_media_dropped_total",
                "RTP packets dropped on closed legs: strangers', malformed, unknown.",
            ),
            unsent: self
                .plain("tollgate_sip_unsent_total", "SIP messages that the network did not take."),
            truncated: self.plain(
                "tollgate_sip_truncated_total",
                "Datagrams longer than a SIP message may be.",
            ),
            overflow: self.plain(
                "tollgate_store_overflow_total",
                "Requests that the full queue of the storekeeper did not take.",
            ),
        }
    }

    /// Returns the meters of streams and certificates.
    pub(crate) fn tls(&self) -> TlsMeters {
        let bytes = |direction| {
            let help = "Bytes of SIP on TCP and TLS connections.";
            let labels = [("direction", direction)];
            self.counter("tollgate_sip_stream_bytes_total", help, &labels)
        };
        TlsMeters { telemetry: self.clone(), received: bytes("in"), sent: bytes("out") }
    }

    /// Returns the meters of the book.
    pub(crate) fn money(&self) -> MoneyMeters {
        MoneyMeters { telemetry: self.clone() }
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

/// Meters of streams and of what TLS shows.
#[derive(Clone)]
pub(crate) struct TlsMeters {
    telemetry: Telemetry,
    received: Counter,
    sent: Counter,
}

impl TlsMeters {
    pub(crate) fn received(&self, bytes: usize) {
        self.received.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Shows until when a listener's certificate holds, seconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(crate) fn shown(&self, listener: SocketAddr, expires: i64) {
        let listener = listener.to_string();
        let help = "When the certificate of a listener expires, seconds since 1970.";
        let labels = [("listener", listener.as_str())];
        let name = "tollgate_sip_certificate_expiry_timestamp_seconds";
        self.telemetry.gauge(name, help, &labels).set(expires as f64);
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

/// Meters of what the bridge notes and of the loop around it.
pub(crate) struct BridgeMeters {
    telemetry: Telemetry,
    /// By name and label value.
    labelled: BTreeMap<(&'static str, Cow<'static, str>), Counter>,
    /// By name of a state.
    states: BTreeMap<&'static str, Gauge>,
    answer: Histogram,
    dial: Histogram,
    reach: Histogram,
    overrun: Histogram,
    cut_to_bye: Histogram,
    began: Counter,
    connected: Counter,
    rescues: Counter,
    digits: Counter,
    faxes: Counter,
    captured: Counter,
    unattributed: Counter,
    lost: Counter,
    dropped: Counter,
    forged: Counter,
    unsent: Counter,
    truncated: Counter,
    overflow: Counter,
}

impl BridgeMeters {
    /// Counts a note.
    pub(crate) fn note(&mut self, note: &Note) {
        match note {
            Note::Sip(counted) => self.sip(*counted),
            Note::CallBegan { call: _ } => self.began.increment(1),
            Note::Answered { after } => self.answer.record(*after),
            Note::Dialled { after } => self.dial.record(*after),
            Note::Reached { after } => self.reach.record(*after),
            Note::DialOut { outcome } => self.labelled(
                "tollgate_bridge_dial_outs_total",
                "Calls of ours that are over or were refused, by outcome.",
                ("outcome", (*outcome).into()),
            ),
            Note::Attempted { trunk, attempt } => self.attempted(trunk, attempt),
            Note::OneWay { trunk, direction } => {
                let help = "Answered legs from which no media ever came, by trunk and direction.";
                let of = [("trunk", trunk.name.as_str()), ("direction", direction.label())];
                let name = "tollgate_bridge_trunk_one_way_total";
                self.telemetry.counter(name, help, &of).increment(1);
            }
            Note::Reachable { trunk, up } => {
                let help = "Whether calls may leave by a trunk, as OPTIONS or REGISTER told.";
                let labels = [("trunk", trunk.name.as_str())];
                let gauge = self.telemetry.gauge("tollgate_bridge_trunk_up", help, &labels);
                gauge.set(if *up { 1.0 } else { 0.0 });
            }
            Note::Seated { number_type, charged } => self.seated(*number_type, *charged),
            Note::Refused(refusal) => self.labelled(
                "tollgate_bridge_refusals_total",
                "Calls turned away, before or after answer, by reason.",
                ("reason", refusal.label().into()),
            ),
            Note::Cut { overrun } => self.overrun.record(*overrun),
            Note::CutSignalled { after } => self.cut_to_bye.record(*after),
            Note::Warned { seconds } => self.labelled(
                "tollgate_bridge_warnings_total",
                "Warnings of the end of credit, by seconds left.",
                ("seconds", seconds.to_string().into()),
            ),
            Note::Rescued => self.rescues.increment(1),
            Note::Digit => self.digits.increment(1),
            Note::Fax => self.faxes.increment(1),
            Note::Overload(over) => self.overloaded(*over),
            Note::CallEnded { call: _, label, connected } => {
                self.connected.increment(connected.as_secs());
                self.labelled(
                    "tollgate_bridge_calls_ended_total",
                    "Calls that are over, by ending.",
                    ("ending", (*label).into()),
                );
            }
            Note::Captured { account: _, charge } => self.captured.increment(micros(*charge)),
            Note::Unattributed { value } => self.unattributed.increment(micros(*value)),
            Note::MediaClosed(stats) => {
                self.lost.increment(stats.lost);
                self.dropped.increment(stats.dropped);
                self.forged.increment(stats.forged);
            }
        }
    }

    /// Shows how many calls live in each state.
    pub(crate) fn live(&mut self, calls: &[LiveCall]) {
        let mut counts: BTreeMap<&'static str, usize> =
            self.states.keys().map(|state| (*state, 0)).collect();
        for call in calls {
            *counts.entry(call.state).or_default() += 1;
        }
        for (state, count) in counts {
            let telemetry = &self.telemetry;
            let gauge = self.states.entry(state).or_insert_with(|| {
                let labels = [("state", state)];
                telemetry.gauge("tollgate_bridge_calls", "Live calls, by state.", &labels)
            });
            gauge.set(whole(count));
        }
    }

    /// Counts messages that the network did not take.
    pub(crate) fn unsent(&self, messages: usize) {
        self.unsent.increment(u64::try_from(messages).unwrap_or(u64::MAX));
    }

    /// Counts a datagram that was too long.
    pub(crate) fn truncated(&self) {
        self.truncated.increment(1);
    }

    /// Counts a request that the full queue did not take.
    pub(crate) fn overflowed(&self) {
        self.overflow.increment(1);
    }

    fn seated(&mut self, number_type: Option<NumberType>, charged: bool) {
        let label = match (number_type, charged) {
            (None, false) => "dial_out_included",
            (None, true) => "dial_out_charged",
            (Some(NumberType::Toll), false) => "toll_included",
            (Some(NumberType::Toll), true) => "toll_charged",
            (Some(NumberType::TollFree), false) => "toll_free_included",
            (Some(NumberType::TollFree), true) => "toll_free_charged",
        };
        self.labelled(
            "tollgate_bridge_seated_total",
            "Legs that took their seat, by number type and payer.",
            ("kind", label.into()),
        );
    }

    fn sip(&mut self, counted: sip::Counted) {
        match counted {
            sip::Counted::Request(method) => self.labelled(
                "tollgate_sip_requests_total",
                "SIP requests, by method.",
                ("method", method.into()),
            ),
            sip::Counted::Response(status) => self.labelled(
                "tollgate_sip_responses_total",
                "Our SIP responses, by status.",
                ("status", status.to_string().into()),
            ),
            sip::Counted::Stranger => self.sip_dropped("stranger"),
            sip::Counted::Malformed => self.sip_dropped("malformed"),
            sip::Counted::Retransmission => self.sip_repeated("in"),
            sip::Counted::Resent => self.sip_repeated("out"),
            sip::Counted::Connected(ours) => {
                self.sip_connection(if ours { "opened" } else { "accepted" })
            }
            sip::Counted::Crowded => self.sip_connection("crowded"),
            sip::Counted::Disconnected(closure) => self.sip_connection(match closure {
                sip::Closure::Ended => "ended",
                sip::Closure::Refused => "refused",
                sip::Closure::TimedOut => "timed_out",
                sip::Closure::Handshake => "handshake_failed",
                sip::Closure::Slow => "slow",
            }),
            // Counted as a refusal.
            sip::Counted::Shed => {}
            sip::Counted::LateAnswer => self.sip_oddity("late_answer"),
            sip::Counted::ForkedAnswer => self.sip_oddity("forked_answer"),
            sip::Counted::ForeignContact => self.sip_oddity("foreign_contact"),
            sip::Counted::ForeignRealm => self.sip_oddity("foreign_realm"),
        }
    }

    fn overloaded(&self, over: bool) {
        let help = "Whether new calls are refused because the node has too much to do.";
        self.telemetry.gauge("tollgate_bridge_overloaded", help, &[]).set(u32::from(over));
    }

    fn sip_oddity(&mut self, kind: &'static str) {
        let help = "Odd answers to calls that we placed, by kind.";
        self.labelled("tollgate_sip_oddities_total", help, ("kind", kind.into()));
    }

    fn sip_dropped(&mut self, reason: &'static str) {
        let help = "Datagrams that were dropped unanswered, by reason.";
        self.labelled("tollgate_sip_dropped_total", help, ("reason", reason.into()));
    }

    fn sip_connection(&mut self, what: &'static str) {
        let help = "What happened to connections that carry SIP.";
        self.labelled("tollgate_sip_connections_total", help, ("event", what.into()));
    }

    fn sip_repeated(&mut self, direction: &'static str) {
        let help = "SIP messages that came or went again, by direction.";
        self.labelled("tollgate_sip_repeated_total", help, ("direction", direction.into()));
    }

    /// Counts under a label. The values come from closed sets, so the table is bounded.
    /// Counts by trunk: their number is that of the configured ones, each call is counted once.
    fn attempted(&self, trunk: &Trunk, attempt: &Attempt) {
        let of = [("trunk", trunk.name.as_str()), ("direction", attempt.direction.label())];
        let [name, direction] = of;
        let outcome = [name, direction, ("outcome", attempt.outcome.label())];
        let help = "Attempts to call that are over, by trunk, direction and outcome.";
        let count = |name, help, labels: &[_]| self.telemetry.counter(name, help, labels);
        count("tollgate_bridge_trunk_attempts_total", help, &outcome).increment(1);
        let help = "Connected time of ended calls, by trunk and direction.";
        let connected = count("tollgate_bridge_trunk_connected_seconds_total", help, &of);
        connected.increment(attempt.connected.as_secs());
        let help = "Calls answered for less than 6 s, by trunk and direction.";
        let short = count("tollgate_bridge_trunk_short_calls_total", help, &of);
        short.increment(attempt.is_short().into());
        if let Some(after) = attempt.post_dial {
            let name = "tollgate_bridge_trunk_post_dial_seconds";
            let help = "From the INVITE to ringing or the answer, by trunk and direction.";
            self.telemetry.histogram_of(name, help, &of).record(after);
        }
    }

    fn labelled(
        &mut self,
        name: &'static str,
        help: &'static str,
        (label, value): (&'static str, Cow<'static, str>),
    ) {
        let telemetry = &self.telemetry;
        let make = || telemetry.counter(name, help, &[(label, &value)]);
        let known = (name, value.clone());
        self.labelled.entry(known).or_insert_with(make).increment(1);
    }
}

/// Meters of the book, summed over the accounts of a currency.
pub(crate) struct MoneyMeters {
    telemetry: Telemetry,
}

impl MoneyMeters {
    /// Shows what the book says. Not on any call's path: handles are looked up.
    pub(crate) fn book(&self, accounts: &[AccountView]) {
        let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
        for account in accounts {
            let sum = sums.entry(account.currency).or_default();
            sum.granted += i128::from(account.granted.micros());
            sum.captured += i128::from(account.captured.micros());
            sum.expired += i128::from(account.expired.micros());
            sum.held += i128::from(account.held.micros());
            sum.available += i128::from(account.available.micros());
            sum.burn += i128::from(account.burn_per_sec.micros());
        }
        for (currency, sums) in sums {
            self.show(currency.code(), sums);
        }
    }

    fn show(&self, currency: &str, sums: Sums) {
        let states = [
            ("granted", sums.granted),
            ("available", sums.available),
            ("held", sums.held),
            ("captured", sums.captured),
            ("expired", sums.expired),
        ];
        for (state, amount) in states {
            let labels = [("state", state), ("currency", currency)];
            let help = "Credit of all accounts of a currency, by state.";
            self.telemetry.gauge("tollgate_credits_amount", help, &labels).set(units(amount));
        }
        let labels = [("currency", currency)];
        let help = "Price per second of all open legs of a currency.";
        self.telemetry
            .gauge("tollgate_credits_burn_per_second", help, &labels)
            .set(units(sums.burn));
        let help = "Captured by the book since it exists, millionths of a currency.";
        self.telemetry
            .counter("tollgate_credits_captured_micros_total", help, &labels)
            .absolute(u64::try_from(sums.captured).unwrap_or(0));
    }
}

/// Millionths, of all accounts of a currency.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    granted: i128,
    captured: i128,
    expired: i128,
    held: i128,
    available: i128,
    burn: i128,
}

/// Turns millionths into units of a currency, for a gauge only.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the counter is exact")]
fn units(micros: i128) -> f64 {
    micros as f64 / 1e6
}

fn micros(amount: Money) -> u64 {
    u64::try_from(amount.micros()).unwrap_or(0)
}

fn whole(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
