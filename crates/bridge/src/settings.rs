//! What the bridge is told once.

use std::sync::Arc;
use std::time::Duration;

use credits::Epoch;
use media::Library;

use crate::call::pulse;

/// Returns the longest that a leg which is asked for life after `limit` without proof may go on
/// before it is lost. Nothing is captured meanwhile: the book must have room for its holds.
#[must_use]
pub fn unproven_max(limit: Duration) -> Duration {
    pulse::unproven_max(limit)
}

/// Everything from the configuration file that decides about calls.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of call ids, SSRCs and jitter.
    pub seed: [u8; 32],
    /// This life of this node.
    pub epoch: Epoch,
    /// For the SIP endpoint.
    pub sip: sip::Settings,
    /// Recordings, for their lengths.
    pub prompts: Arc<Library>,
    /// Most live calls.
    pub calls_max: usize,
    /// Workers of the media plane; at least one.
    pub shards: u8,
    /// Slice aimed at while credit is plenty, seconds (30–60).
    pub slice_secs: u32,
    /// How long before the end of paid time the next slice is asked for (15 s).
    pub roll_ahead: Duration,
    /// Unpaid time to identify oneself, from the end of the first prompt (90 s).
    pub unpaid_limit: Duration,
    /// Conference IDs a caller may try (3).
    pub tries: u8,
    /// Longest pause between two digits (10 s).
    pub digit_pause: Duration,
    /// Silence after which a leg is asked for life (20 s).
    pub life_limit: Duration,
    /// The same while on hold (300 s).
    pub life_limit_held: Duration,
    /// Whether callers are greeted and told what happens; off for load tests.
    pub announcements: bool,
    /// How long ringing may wait for the store before a refusal.
    pub ring_limit: Duration,
}
