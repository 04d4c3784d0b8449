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
    /// How long a participant may stay where nobody seems to be.
    pub presence: Presence,
    /// What callers without a meeting may use up.
    pub abuse: Abuse,
}

/// What callers may use up who do not say which meeting they want ([`crate::shield`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abuse {
    /// Unidentified time of one number in an hour.
    pub caller: Stretch,
    /// Of one range of numbers; likewise of all whose number nobody knows.
    pub range: Stretch,
    /// Of one trunk.
    pub trunk: Stretch,
    /// So many digits are cut off a number to name its range.
    pub range_digits: u8,
    /// Time to identify oneself, from the end of the first prompt, over the first limit (30 s).
    pub unpaid_limit: Duration,
    /// Wrong conference IDs of one number in an hour: a person calls again later, a robot would not
    /// mind a minute's wait.
    pub wrong_per_hour_caller: u32,
    /// Of one trunk in a minute.
    pub wrong_per_minute_trunk: u32,
    /// Of all in a minute.
    pub wrong_per_minute_node: u32,
}

/// Two limits of unidentified time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Above it calls have less time to identify themselves.
    pub short: Duration,
    /// Above it toll-free calls are refused.
    pub refuse: Duration,
}

impl Default for Abuse {
    fn default() -> Self {
        let minutes = |short: u64, refuse: u64| Stretch {
            short: Duration::from_secs(60 * short),
            refuse: Duration::from_secs(60 * refuse),
        };
        Self {
            caller: minutes(10, 30),
            range: minutes(60, 180),
            trunk: minutes(600, 1_800),
            range_digits: 4,
            unpaid_limit: Duration::from_secs(30),
            wrong_per_hour_caller: 12,
            wrong_per_minute_trunk: 60,
            wrong_per_minute_node: 120,
        }
    }
}

/// How long a participant may stay where nobody seems to be, before they are asked to press 1
/// (domain.md §7.11; reliability.md S13). `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Alone in the meeting.
    pub alone: Option<Duration>,
    /// While nobody in the meeting speaks or presses a key.
    pub all_silent: Option<Duration>,
    /// Without a word or a key of their own, however lively the others are.
    pub silent: Option<Duration>,
    /// How long a 1 is waited for after the question, which is asked twice.
    pub stay: Duration,
    /// From the answer on, whatever happens.
    pub leg: Option<Duration>,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            alone: Some(Duration::from_secs(15 * 60)),
            all_silent: Some(Duration::from_secs(30 * 60)),
            silent: None,
            stay: Duration::from_secs(20),
            leg: Some(Duration::from_secs(24 * 3600)),
        }
    }
}
