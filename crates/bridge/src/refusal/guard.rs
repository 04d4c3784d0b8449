//! The named noes that guard against fraud, abuse and overload.

use media::Prompt;

use super::{CALL, PAYER, Row, row};

/// Why a guard turns a call away, or ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// The organization's, or the organizer's, calls out at once are used up.
    BudgetConcurrent,
    /// Their calls out in a minute are used up.
    BudgetRate,
    /// What their calls out may cost in an hour is spent.
    BudgetHour,
    /// What their calls out may cost in a day is spent.
    BudgetDay,
    /// What their calls to the country may cost in a day is spent.
    BudgetCountry,
    /// Calls to the country wait for somebody's approval.
    CountryUnapproved,
    /// Somebody denied calls to the country.
    CountryDenied,
    /// The call has had its longest time.
    MaxDuration,
    /// The organization is out of service.
    OrganizationSuspended,
    /// The user is out of service.
    UserSuspended,
    /// The service number is out of service.
    NumberSuspended,
    /// The trunk is out of service.
    TrunkSuspended,
    /// The number's, or the organization's, list denies the caller.
    CallerDenied,
    /// The caller's line is of a class that is refused.
    LineDenied,
    /// The node has more to do than it can: new calls are refused for the live ones' sake.
    Overloaded,
    /// Callers like this one have used up much time without naming a meeting.
    Unidentified,
    /// Too many conference IDs were guessed for this one to be looked up.
    Guessing,
    /// What the meeting may cost is spent.
    MeetingSpend,
}

impl Guard {
    /// Every one of them.
    pub const ALL: [Self; 18] = [
        Self::BudgetConcurrent,
        Self::BudgetRate,
        Self::BudgetHour,
        Self::BudgetDay,
        Self::BudgetCountry,
        Self::CountryUnapproved,
        Self::CountryDenied,
        Self::MaxDuration,
        Self::OrganizationSuspended,
        Self::UserSuspended,
        Self::NumberSuspended,
        Self::TrunkSuspended,
        Self::CallerDenied,
        Self::LineDenied,
        Self::Overloaded,
        Self::Unidentified,
        Self::Guessing,
        Self::MeetingSpend,
    ];

    /// Returns its row of the table.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::BudgetConcurrent => Row { label: "budget_concurrent", transient: true, ..PAYER },
            Self::BudgetRate => Row { label: "budget_rate", transient: true, ..PAYER },
            Self::BudgetHour => Row { label: "budget_hour", ..PAYER },
            Self::BudgetDay => Row { label: "budget_day", ..PAYER },
            Self::BudgetCountry => Row { label: "budget_country", ..PAYER },
            Self::CountryUnapproved => Row { label: "country_unapproved", ..PAYER },
            Self::CountryDenied => Row { label: "country_denied", ..PAYER },
            Self::MaxDuration => row("max_duration", (480, 16), Prompt::Goodbye, false),
            Self::OrganizationSuspended => Row { label: "organization_suspended", ..PAYER },
            Self::UserSuspended => Row { label: "user_suspended", ..PAYER },
            Self::NumberSuspended => Row { label: "number_suspended", ..CALL },
            Self::TrunkSuspended => Row { label: "trunk_suspended", ..CALL },
            Self::CallerDenied => Row { label: "caller_denied", ..PAYER },
            Self::LineDenied => Row { label: "line_denied", ..PAYER },
            Self::Overloaded => {
                Row { retry_after: true, ..row("overloaded", (503, 42), Prompt::TryLater, true) }
            }
            Self::Unidentified => Row { label: "unidentified_budget", transient: true, ..CALL },
            Self::Guessing => row("guessing", (480, 41), Prompt::TryLater, true),
            Self::MeetingSpend => Row { label: "meeting_spend", transient: true, ..PAYER },
        }
    }

    /// Returns what a person can do about it, in words.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::BudgetConcurrent => {
                "as many calls out as the budget allows live at once: wait for one to end, or raise concurrent \
                 in [[budget]]"
            }
            Self::BudgetRate => {
                "calls out came faster than the budget allows: wait a minute, or raise per_minute in [[budget]]"
            }
            Self::BudgetHour => {
                "what calls out may cost in an hour is spent: look who called where, then wait, or raise \
                 spend_hour in [[budget]]"
            }
            Self::BudgetDay => {
                "what calls out may cost in a day is spent: look who called where, then wait, or raise \
                 spend_day in [[budget]]"
            }
            Self::BudgetCountry => {
                "what calls to this country may cost in a day is spent: look who called there, then wait, or \
                 raise country_day in [[budget]]"
            }
            Self::CountryUnapproved => {
                "a first call to this country waits for an approval: tollgate approve ORGANIZATION COUNTRY"
            }
            Self::CountryDenied => {
                "calls to this country are denied: tollgate suspended tells who denied them, tollgate \
                 approve ORGANIZATION COUNTRY takes it back"
            }
            Self::MaxDuration => {
                "the call had its longest time: call again, or raise max_minutes in [[budget]]"
            }
            Self::OrganizationSuspended => {
                "the organization is suspended or stopped: tollgate suspended says why, tollgate resume ends it"
            }
            Self::UserSuspended => {
                "the user is suspended or stopped: tollgate suspended says why, tollgate resume ends it"
            }
            Self::NumberSuspended => {
                "the number is suspended or stopped: tollgate suspended says why, tollgate resume ends it"
            }
            Self::TrunkSuspended => {
                "the trunk is suspended or stopped: tollgate suspended says why, tollgate resume ends it"
            }
            Self::CallerDenied => {
                "the list of callers denies this one: see deny_callers in [[screen]]"
            }
            Self::LineDenied => {
                "lines of this class are refused here: see deny_lines in [[screen]]"
            }
            Self::Overloaded => "the node is overloaded: try again shortly",
            Self::Unidentified => {
                "callers like this one used up the time that may pass without a conference ID: see [abuse]"
            }
            Self::Guessing => {
                "too many wrong conference IDs today: give meetings IDs of one digit more"
            }
            Self::MeetingSpend => {
                "what the meeting may cost is spent: raise spend_cap in [[meeting]], or end other calls of it"
            }
        }
    }
}
