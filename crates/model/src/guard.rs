//! Guards against fraud and abuse, as they are provisioned: what calling out may cost and how fast,
//! who is suspended, which callers a number takes (reliability.md S5, S10; domain.md §7.11).

use std::fmt;

use crate::policy::DestinationRule;
use crate::{Country, Money, NumberId, OrganizationId, TrunkId, UnixTime, UserId};

/// What a guard is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An organization, with all of its users, meetings and dedicated numbers.
    Organization(OrganizationId),
    /// A user: as an organizer, and as who asks for a call.
    User(UserId),
    /// A service number.
    Number(NumberId),
    /// A trunk.
    Trunk(TrunkId),
}

impl Subject {
    /// Every kind, by its name.
    pub const KINDS: [&str; 4] = ["organization", "user", "number", "trunk"];

    /// Returns the subject of a kind and an id; `None` if the kind is none of [`Self::KINDS`].
    #[must_use]
    pub fn new(kind: &str, id: u128) -> Option<Self> {
        match kind {
            "organization" => Some(Self::Organization(OrganizationId(id))),
            "user" => Some(Self::User(UserId(id))),
            "number" => Some(Self::Number(NumberId(id))),
            "trunk" => Some(Self::Trunk(TrunkId(id))),
            _ => None,
        }
    }

    /// Returns the name of its kind.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::User(_) => "user",
            Self::Number(_) => "number",
            Self::Trunk(_) => "trunk",
        }
    }

    /// Returns its id.
    #[must_use]
    pub const fn id(self) -> u128 {
        match self {
            Self::Organization(OrganizationId(id))
            | Self::User(UserId(id))
            | Self::Number(NumberId(id))
            | Self::Trunk(TrunkId(id)) => id,
        }
    }
}

/// The kind and the id, for a log.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:032x}", self.kind(), self.id())
    }
}

/// What calls out may cost, and how fast they may come (reliability.md S10). Money is in the
/// organization's own currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Most calls at once, those that still ring included.
    pub concurrent: u32,
    /// Most calls in any minute.
    pub per_minute: u32,
    /// Most that calls may cost in any hour.
    pub spend_hour: Money,
    /// Most that calls may cost in any 24 hours.
    pub spend_day: Money,
    /// Most that calls to one country may cost in any 24 hours.
    pub country_day: Money,
    /// Longest call, seconds from its answer.
    pub max_secs: u32,
}

/// What holds where nothing is provisioned: an office's day, not a fraudster's.
impl Default for Allowance {
    fn default() -> Self {
        Self {
            concurrent: 50,
            per_minute: 60,
            spend_hour: Money::from_micros(100_000_000),
            spend_day: Money::from_micros(400_000_000),
            country_day: Money::from_micros(200_000_000),
            max_secs: 4 * 3600,
        }
    }
}

/// What becomes of calls to a country that was not called before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewCountries {
    /// They leave.
    #[default]
    Open,
    /// They are refused until somebody approves the country; the organization's own needs no approval.
    Held,
}

/// The budget of one organization, or of one organizer within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// An organization or a user.
    pub subject: Subject,
    /// How much.
    pub allowance: Allowance,
    /// Countries that were never called. Of a user it says nothing.
    pub new_countries: NewCountries,
    /// The countries that are approved, in order.
    pub approved: Vec<Country>,
}

impl Budget {
    /// What holds for whoever has no budget of their own.
    #[must_use]
    pub fn of(subject: Subject) -> Self {
        let allowance = Allowance::default();
        Self { subject, allowance, new_countries: NewCountries::Open, approved: Vec::new() }
    }
}

/// How far somebody is out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// New calls are refused; live ones go on.
    Suspended,
    /// Live calls end too, charged as far as they came.
    Stopped,
}

/// Somebody is out of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Who.
    pub subject: Subject,
    /// How far.
    pub standing: Standing,
    /// Why, in the words of who did it.
    pub reason: String,
    /// Since when.
    pub since: UnixTime,
}

/// Which callers a number takes, or all numbers that join an organization's meetings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// An organization or a number.
    pub subject: Subject,
    /// Callers by prefix; the longest decides, denying wins among equals.
    pub callers: Vec<DestinationRule>,
    /// Whether callers without a readable number are refused.
    pub anonymous_refused: bool,
    /// Originating line classes that are refused: `isup-oli` values, and `cpc` by its word.
    pub lines_refused: Vec<String>,
}

impl Screen {
    /// Whether a caller's number, digits without the plus, is on the denying side of the list.
    #[must_use]
    pub fn denies(&self, digits: &str) -> bool {
        let matching = self.callers.iter().filter(|rule| digits.starts_with(&rule.prefix));
        let decisive = matching.max_by_key(|rule| (rule.prefix.len(), !rule.allow));
        decisive.is_some_and(|rule| !rule.allow)
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guards {
    /// Budgets, in order of their subjects.
    pub budgets: Vec<Budget>,
    /// Who is out of service, in order.
    pub suspensions: Vec<Suspension>,
    /// Who takes which callers, in order.
    pub screens: Vec<Screen>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_found_again_by_its_kind_and_id() {
        for kind in Subject::KINDS {
            let subject = Subject::new(kind, 7).unwrap();
            assert_eq!((subject.kind(), subject.id()), (kind, 7));
        }
        assert_eq!(Subject::new("meeting", 7), None);
    }

    #[test]
    fn the_longest_prefix_decides_about_a_caller_and_denying_wins_among_equals() {
        let rule = |prefix: &str, allow| DestinationRule { prefix: prefix.into(), allow };
        let screen = Screen {
            subject: Subject::Number(NumberId(1)),
            callers: vec![
                rule("", false),
                rule("39", true),
                rule("3906", false),
                rule("3906", true),
            ],
            anonymous_refused: false,
            lines_refused: Vec::new(),
        };
        assert!(screen.denies("4420") && screen.denies("3906123"));
        assert!(!screen.denies("39011"));
    }
}
