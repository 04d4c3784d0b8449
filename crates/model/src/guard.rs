//! Guards against fraud and abuse, as they are provisioned: what calling out may cost and how fast,
//! who is suspended, which callers a number takes (reliability.md S5, S10; domain.md §7.11).

use std::fmt;

use crate::policy::DestinationRule;
use crate::{CallId, Country, E164, Money, NumberId, OrganizationId, TrunkId, UnixTime, UserId};

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
    /// The countries that somebody decided are not called, in order; of a user it says nothing.
    pub denied: Vec<Country>,
    /// The lower limits of the night, if it has any.
    pub night: Option<Night>,
}

impl Budget {
    /// What holds for whoever has no budget of their own.
    #[must_use]
    pub fn of(subject: Subject) -> Self {
        let allowance = Allowance::default();
        Self {
            subject,
            allowance,
            new_countries: NewCountries::Open,
            approved: Vec::new(),
            denied: Vec::new(),
            night: None,
        }
    }
}

/// A second, lower set of limits that holds beside the first in hours of little use, by the clock of
/// the organization's time zone (reliability.md S10). Its spending counts from the night's
/// beginning, so that an ordinary day does not use up the night after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Night {
    /// From when until when on every day, minutes of the local day; until is not part of it. The
    /// second may be the smaller one: past midnight.
    pub hours: Option<(u16, u16)>,
    /// Days that are night from midnight to midnight: 0 is Monday, in order.
    pub days: Vec<u8>,
    /// How much.
    pub allowance: Allowance,
}

impl Night {
    /// Days of the week by their names, Monday first.
    pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    /// Minutes of a day.
    pub const MINUTES: u16 = 24 * 60;

    /// Whether it is night on that day of the week (0 is Monday) at that minute of the local day.
    #[must_use]
    pub fn covers(&self, day: u8, minute: u16) -> bool {
        let by_hour = self.hours.is_some_and(|(from, until)| match from < until {
            true => (from..until).contains(&minute),
            false => minute >= from || minute < until,
        });
        by_hour || self.days.contains(&day)
    }
}

/// When it is night, as it is written: `20:00-07:00, sat, sun`.
impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if let Some((from, until)) = self.hours {
            let [from, until] = [from, until].map(|at| (at / 60, at % 60));
            write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, until.0, until.1)?;
            comma = ", ";
        }
        for day in &self.days {
            let name = Self::DAYS.get(usize::from(*day)).copied().unwrap_or("?");
            write!(f, "{comma}{name}")?;
            comma = ", ";
        }
        Ok(())
    }
}

/// A call out that is over, as budgets count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlay {
    /// Which.
    pub call: CallId,
    /// When its record was written: never before its end.
    pub written: UnixTime,
    /// Whose meeting placed it.
    pub organization: OrganizationId,
    /// The meeting's organizer.
    pub organizer: UserId,
    /// Whom it called.
    pub called: E164,
    /// When it was asked for.
    pub begun: UnixTime,
    /// When it ended: for one that was not answered, when it was asked for.
    pub ended: UnixTime,
    /// What it cost.
    pub charge: Money,
}

/// Calls to one country that were refused because nobody has approved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unapproved {
    /// Whose meetings wanted to call.
    pub organization: OrganizationId,
    /// Whom.
    pub called: E164,
    /// When.
    pub at: UnixTime,
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
    fn a_night_may_pass_midnight_and_whole_days_are_night() {
        let night = |hours, days: &[u8]| Night {
            hours,
            days: days.to_vec(),
            allowance: Allowance::default(),
        };
        let office = night(Some((20 * 60, 7 * 60)), &[5, 6]);
        assert!(office.covers(0, 20 * 60) && office.covers(0, 0) && office.covers(0, 7 * 60 - 1));
        assert!(!office.covers(0, 7 * 60) && !office.covers(4, 20 * 60 - 1));
        assert!(office.covers(5, 12 * 60) && office.covers(6, 12 * 60));
        assert_eq!(office.to_string(), "20:00-07:00, sat, sun");
        let early = night(Some((60, 300)), &[]);
        assert!(early.covers(2, 60) && !early.covers(2, 300) && !early.covers(2, 59));
        assert_eq!(night(None, &[6]).to_string(), "sun");
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
