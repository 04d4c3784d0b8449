//! Why a trunk does not carry a call, in words.

use std::fmt;

use model::Instant;

/// Why a trunk is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// None of its prefixes begins the number, or the number is barred there.
    Destination,
    /// It carries the calls of other organizations.
    Organization,
    /// The operator has suspended it.
    Suspended,
    /// It does not answer OPTIONS.
    Down,
    /// We are not registered there.
    Unregistered,
    /// It asked to be left alone until then.
    Resting {
        /// The end of its Retry-After.
        until: Instant,
    },
    /// It has its most calls.
    Full,
    /// It has begun its most calls of this second.
    Rate,
    /// It may show none of the numbers that could be the caller.
    Caller,
    /// A number cannot be written in its format.
    Format,
}

impl Skip {
    /// Returns the reason in words that say what to do about it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Destination => "does not take this destination (prefixes, barred)",
            Self::Organization => "does not carry this organization's calls (organizations)",
            Self::Suspended => "is suspended",
            Self::Down => "is down: no answer to OPTIONS",
            Self::Unregistered => "is not registered, or we are not with it",
            Self::Resting { .. } => "asked to be left alone: 503 with Retry-After",
            Self::Full => "has its most calls (calls_max)",
            Self::Rate => "has begun its most calls of this second (calls_per_second)",
            Self::Caller => {
                "may show neither the bridge's default number nor a toll number of the \
                 organization (callers)"
            }
            Self::Format => "cannot be given the number in its format (international_prefix)",
        }
    }

    /// Returns the reason's name, for tables and programs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Destination => "other_destinations",
            Self::Organization => "other_organizations",
            Self::Suspended => "suspended",
            Self::Down => "down",
            Self::Unregistered => "unregistered",
            Self::Resting { .. } => "resting",
            Self::Full => "full",
            Self::Rate => "busy",
            Self::Caller => "no_caller",
            Self::Format => "no_format",
        }
    }

    /// Whether the same call may find the trunk ready a little later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Down | Self::Unregistered | Self::Resting { .. } | Self::Full | Self::Rate => {
                true
            }
            Self::Destination
            | Self::Organization
            | Self::Suspended
            | Self::Caller
            | Self::Format => false,
        }
    }
}

/// A trunk that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub trunk: String,
    /// Why.
    pub why: Skip,
}

/// No trunk carries the call now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoute {
    /// Every trunk that calls may leave by, by its name.
    pub skipped: Vec<Skipped>,
}

impl NoRoute {
    /// Whether the same call may find a way a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.skipped.iter().any(|skipped| skipped.why.is_passing())
    }
}

/// The reason for `explain`.
impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.skipped.is_empty() {
            return f.write_str("no route: no trunk is configured for calls out");
        }
        f.write_str("no route")?;
        tell(&self.skipped, f)
    }
}

/// Writes who was passed over and why.
pub(super) fn tell(skipped: &[Skipped], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    skipped.iter().try_for_each(|Skipped { trunk, why }| write!(f, "; {trunk} {}", why.words()))
}
