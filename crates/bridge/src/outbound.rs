//! Calls that a meeting places: who asks for them, and what they are told.

pub(crate) mod decision;
pub mod limits;
pub(crate) mod night;
pub(crate) mod orders;
pub(crate) mod window;

use std::fmt;
use std::time::Duration;

use model::{CallId, MeetingId, UserId};

use crate::refusal::Refusal;

/// Most numbers of one order: all ring, the first that joins wins.
pub const NUMBERS_MAX: usize = 8;
/// How long a call may ring.
pub const RING_LIMITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(180));

/// Who asks for a call. The rights are the organizer's, whoever asks (domain.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The operator of the bridge.
    Operator,
    /// The meeting's own provisioning.
    Meeting,
    /// A person of the meeting's organization.
    User(UserId),
}

/// What may differ from what the meeting says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the called person must press 1.
    pub press_one: Option<bool>,
    /// How long it may ring; brought into [`RING_LIMITS`].
    pub ring: Option<Duration>,
    /// Whether it is the organizer who is called: their leg is the last to be cut.
    pub call_me: bool,
    /// Whether the called person is not to see a number.
    pub withheld: bool,
}

/// An order to call somebody into a meeting.
#[derive(Clone, PartialEq, Eq)]
pub struct DialOut {
    /// Comes back in [`Placed`].
    pub request: u64,
    /// Into which meeting.
    pub meeting: MeetingId,
    /// As typed; several ring at once, and the first that joins ends the others.
    pub numbers: Vec<String>,
    /// Who asks.
    pub by: By,
    /// What differs.
    pub options: Options,
}

/// Numbers are not shown: what was typed cannot be masked before it is read.
impl fmt::Debug for DialOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialOut")
            .field("request", &self.request)
            .field("meeting", &self.meeting)
            .field("numbers", &self.numbers.len())
            .field("by", &self.by)
            .field("options", &self.options)
            .finish()
    }
}

/// Why a number is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The named no.
    pub refusal: Refusal,
    /// What a person can change, in words; it repeats no number.
    pub message: String,
}

impl Denied {
    pub(crate) fn new(refusal: Refusal, message: impl Into<String>) -> Self {
        Self { refusal, message: message.into() }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal, refusal.advice())
    }
}

/// What became of an order: decided, paid for, and on its way, or refused. Exactly one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order.
    pub request: u64,
    /// One for each number, in its order.
    pub calls: Vec<Result<CallId, Denied>>,
}
