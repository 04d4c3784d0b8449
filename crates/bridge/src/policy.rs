//! Whether a number may be called for an organizer: their outbound policy, the class of the
//! destination, and their organization's own list (domain.md §3, reliability.md S9 and S12). Pure.
//!
//! The order is: emergency and our own numbers, which nothing allows; numbers that nobody has; the
//! organization's list, longest prefix first; the class; the policy. Licence comes before all of
//! this, limits, route and credit after it.

use std::fmt;

use model::numbering::{self, Class, Place};
use model::policy::{Decision, DestinationRule, MeetingReach, OrganizationOutbound, OwnReach};
use model::record::{Organization, User};
use model::{Country, E164, Misdial, OutboundPolicy};

use crate::admission;
use crate::refusal::Refusal;

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A meeting calls: the first half of the policy counts.
    Meeting,
    /// The user calls, outside of any meeting: the second half counts.
    User,
}

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The organizer's own.
    User,
    /// A group's, by its name.
    Group(String),
    /// The organization's.
    Organization,
    /// Nobody has assigned one.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("the organizer's own"),
            Self::Group(name) => write!(f, "of group {name}"),
            Self::Organization => f.write_str("of the organization"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// What holds for one organizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms<'a> {
    /// Their policy.
    pub policy: OutboundPolicy,
    /// Where it comes from.
    pub source: Source,
    /// Where they are at home; `None` makes nothing domestic.
    pub country: Option<Country>,
    /// Their organization's word.
    pub organization: &'a OrganizationOutbound,
    /// Revision of the provisioning that all of this is from.
    pub revision: u64,
}

/// What is decided, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where the number leads.
    pub place: Place,
    /// Nothing, or the named no.
    pub refused: Option<Refusal>,
    /// The rule that said so, in words; it repeats no number.
    pub rule: String,
    /// Which state of the rules: provisioning and numbering data.
    pub version: String,
}

impl Verdict {
    /// Whether the number may be called.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.refused.is_none()
    }

    /// Returns what the record of a call keeps.
    #[must_use]
    pub fn decision(&self) -> Decision {
        Decision {
            allowed: self.is_allowed(),
            rule: self.rule.clone(),
            version: self.version.clone(),
        }
    }
}

/// Decides. `is_ours` tells whether the number is one of the bridge's own (reliability.md S12).
#[must_use]
pub fn decide(number: &E164, is_ours: bool, caller: Caller, terms: &Terms<'_>) -> Verdict {
    let place = numbering::place(number);
    let ruled = ruled(number, place, is_ours, caller, terms);
    let (refused, rule) = match ruled {
        Ok(rule) => (None, rule),
        Err((refusal, rule)) => (Some(refusal), rule),
    };
    Verdict { place, refused, rule, version: version(terms.revision) }
}

/// Returns the rule by which an organizer's licences allow calls out of their meetings (domain.md
/// §2). It is asked before all else.
///
/// # Errors
/// The named no.
pub fn licence(organizer: &User, of: &Organization) -> Result<&'static str, Refusal> {
    let admitted = admission::dial_out(&organizer.licences, of.payg_needs_credits_licence)?;
    Ok(admitted.rule)
}

/// Returns what the record of a call keeps where no number could be read.
#[must_use]
pub fn unread(misdial: Misdial, terms: &Terms<'_>) -> Decision {
    Decision { allowed: false, rule: misdial.to_string(), version: version(terms.revision) }
}

impl From<Misdial> for Refusal {
    fn from(misdial: Misdial) -> Self {
        match misdial {
            Misdial::Emergency => Self::DestinationEmergency,
            Misdial::ShortCode => Self::DestinationShort,
            Misdial::UnknownCode => Self::DestinationUnassigned,
            Misdial::Empty
            | Misdial::TooLong
            | Misdial::TooShort
            | Misdial::ForeignCharacter
            | Misdial::ForeignDigits
            | Misdial::Letters
            | Misdial::StarOrHash
            | Misdial::Extension
            | Misdial::Parameters
            | Misdial::LocalContext
            | Misdial::PercentEncoded
            | Misdial::MisplacedPlus
            | Misdial::NoCountry
            | Misdial::NoPrefix
            | Misdial::PrefixAfterCode => Self::MalformedNumber,
        }
    }
}

/// Names a state of the rules.
#[must_use]
pub fn version(revision: u64) -> String {
    format!("provisioning {revision}, numbering {}", numbering::edition())
}

/// A yes or a named no, each with its rule.
type Ruled = Result<String, (Refusal, String)>;

fn ruled(number: &E164, place: Place, is_ours: bool, caller: Caller, terms: &Terms<'_>) -> Ruled {
    if place.class == Class::Emergency {
        return match caller {
            Caller::User => Ok("emergency services: users may always call them".to_owned()),
            Caller::Meeting => {
                no(Refusal::DestinationEmergency, "emergency services, never from a meeting")
            }
        };
    }
    if is_ours {
        return no(Refusal::DestinationOwnNumber, "one of the bridge's own numbers");
    }
    if place.class == Class::Unassigned {
        return no(Refusal::DestinationUnassigned, "no country has given the number out");
    }
    let listed = listed(number.digits(), &terms.organization.destinations);
    if let Some(rule) = listed.filter(|rule| !rule.allow) {
        let why = format!("denied by the organization's list, +{}", rule.prefix);
        return no(Refusal::DestinationDenied, why);
    }
    let class = class(place.class, listed, terms.organization)?;
    let reach = reach(place, caller, terms)?;
    Ok(match class {
        Some(class) => format!("{class}; {reach}"),
        None => reach,
    })
}

fn no<T>(refusal: Refusal, why: impl Into<String>) -> Result<T, (Refusal, String)> {
    Err((refusal, why.into()))
}

/// The longest line that the number begins with; of two equally long ones the denying.
fn listed<'a>(digits: &str, rules: &'a [DestinationRule]) -> Option<&'a DestinationRule> {
    let fitting = rules.iter().filter(|rule| digits.starts_with(&rule.prefix));
    fitting.max_by_key(|rule| (rule.prefix.len(), !rule.allow))
}

/// Whether the class is called at all; some say why. An allowing line opens a class that is refused
/// otherwise only where it names numbers of that class itself: a country's prefix does not open its
/// premium-rate numbers.
fn class(
    class: Class,
    listed: Option<&DestinationRule>,
    organization: &OrganizationOutbound,
) -> Result<Option<String>, (Refusal, String)> {
    let (refusal, switch) = match class {
        Class::Ordinary | Class::TollFree | Class::Emergency | Class::Unassigned => {
            return Ok(None);
        }
        Class::Premium => (Refusal::DestinationPremium, organization.premium_allowed),
        Class::Satellite => (Refusal::DestinationSatellite, organization.satellite_allowed),
        Class::SharedCost => (Refusal::DestinationSharedCost, false),
        Class::Personal => (Refusal::DestinationPersonal, false),
        Class::Short => (Refusal::DestinationShort, false),
    };
    let name = class.name();
    let opens = |rule: &&DestinationRule| {
        let prefix = E164::from_digits(&rule.prefix);
        rule.allow && prefix.is_ok_and(|prefix| numbering::place(&prefix).class == class)
    };
    if let Some(rule) = listed.filter(opens) {
        return Ok(Some(format!("{name}, allowed by the organization's list, +{}", rule.prefix)));
    }
    if switch {
        return Ok(Some(format!("{name}, allowed by the organization's switch")));
    }
    no(refusal, format!("{name} numbers are refused unless the organization allows them"))
}

/// Whether the policy reaches the destination.
fn reach(place: Place, caller: Caller, terms: &Terms<'_>) -> Ruled {
    let (policy, source) = (terms.policy, &terms.source);
    let domestic = place.country.is_some() && place.country == terms.country;
    let zone_a = place.country.and_then(numbering::plan).is_some_and(|plan| plan.zone_a);
    let (reached, how) = match caller {
        Caller::Meeting => match policy.meetings {
            MeetingReach::International => (true, "meetings may call any country"),
            MeetingReach::ZoneA => (zone_a, "meetings may call the countries of Zone A"),
            MeetingReach::Domestic => (domestic, "meetings may call the organizer's country"),
            MeetingReach::Disabled => (false, "meetings may call nobody"),
        },
        Caller::User => match policy.own_calls {
            OwnReach::International => (true, "the user may call any country"),
            OwnReach::Domestic => (domestic, "the user may call their own country"),
            OwnReach::Disabled => (false, "the user may call emergency services only"),
        },
    };
    let to = place.country.map_or_else(|| "no country".to_owned(), |country| country.to_string());
    let home = terms.country.map_or_else(|| "not told".to_owned(), |home| home.to_string());
    let rule = format!("policy {policy} ({source}): {how}; this one is {to}, home is {home}");
    if reached { Ok(rule) } else { no(Refusal::OutboundPolicy, rule) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITALY: &str = "IT";

    #[test]
    fn the_twelve_policies_reach_what_their_names_say() {
        // Own country in Zone A, another of Zone A, one outside, each for a meeting, then a user.
        let numbers = ["+390116543210", "+442079460000", "+212522123456"];
        for policy in OutboundPolicy::all() {
            let reached = |caller| numbers.map(|number| refused(policy, number, caller).is_none());
            let meeting = match policy.meetings {
                MeetingReach::International => [true, true, true],
                MeetingReach::ZoneA => [true, true, false],
                MeetingReach::Domestic => [true, false, false],
                MeetingReach::Disabled => [false, false, false],
            };
            let own = match policy.own_calls {
                OwnReach::International => [true, true, true],
                OwnReach::Domestic => [true, false, false],
                OwnReach::Disabled => [false, false, false],
            };
            assert_eq!(reached(Caller::Meeting), meeting, "{policy}");
            assert_eq!(reached(Caller::User), own, "{policy}");
        }
    }

    #[test]
    fn zone_a_refuses_even_the_organizers_own_country_outside_of_it() {
        let policy = "DialoutCPCZoneAPSTNInternational".parse().unwrap();
        let organization = OrganizationOutbound::default();
        let terms = Terms { policy, ..terms("MA", &organization) };
        let verdict = decided("+212522123456", false, Caller::Meeting, &terms);
        assert_eq!(verdict.refused, Some(Refusal::OutboundPolicy));
    }

    #[test]
    fn the_north_american_code_is_many_countries() {
        let domestic: OutboundPolicy = "DialoutCPCandPSTNDomestic".parse().unwrap();
        let organization = OrganizationOutbound::default();
        let from = |home, number| {
            let terms = Terms { policy: domestic, ..terms(home, &organization) };
            decided(number, false, Caller::Meeting, &terms).is_allowed()
        };
        assert!(from("US", "+14155550123") && !from("US", "+18765550123"));
        assert!(from("JM", "+18765550123") && !from("JM", "+14165550123"));
        assert!(from("CA", "+14165550123") && !from("CA", "+14155550123"));
        assert!(!from("RU", "+77271234567") && from("KZ", "+77271234567"));
    }

    #[test]
    fn nothing_is_domestic_where_home_is_not_told() {
        let organization = OrganizationOutbound::default();
        let policy = "DialoutCPCandPSTNDomestic".parse().unwrap();
        let terms = Terms { policy, country: None, ..terms(ITALY, &organization) };
        let verdict = decided("+390116543210", false, Caller::Meeting, &terms);
        assert_eq!(verdict.refused, Some(Refusal::OutboundPolicy));
        let abroad = decided("+881612345678", false, Caller::Meeting, &terms);
        assert_eq!(abroad.refused, Some(Refusal::DestinationSatellite));
    }

    #[test]
    fn dear_classes_are_refused_until_the_organization_allows_them() {
        let classes = [
            ("+39899123456", Refusal::DestinationPremium),
            ("+881612345678", Refusal::DestinationSatellite),
            ("+39848123456", Refusal::DestinationSharedCost),
            ("+447012345678", Refusal::DestinationPersonal),
            ("+14255551212", Refusal::DestinationShort),
        ];
        for (number, refusal) in classes {
            assert_eq!(ruled_by(&[], number), Some(refusal), "{number}");
            // A country's or everybody's prefix opens none of them; the range's own does.
            for wide in ["", &number[1..3]] {
                assert_eq!(ruled_by(&[(wide, true)], number), Some(refusal), "{number} {wide}");
            }
            assert_eq!(ruled_by(&[(&number[1..], true)], number), None, "{number}");
        }
        let switched = OrganizationOutbound {
            premium_allowed: true,
            satellite_allowed: true,
            ..OrganizationOutbound::default()
        };
        let by_switch = |number| decided(number, false, Caller::Meeting, &terms(ITALY, &switched));
        assert!(by_switch("+39899123456").is_allowed());
        assert!(by_switch("+881612345678").is_allowed());
        assert!(!by_switch("+39848123456").is_allowed());
    }

    #[test]
    fn the_longest_line_of_the_list_decides_and_denying_wins_a_tie() {
        let number = "+390116543210";
        let denied = Some(Refusal::DestinationDenied);
        assert_eq!(ruled_by(&[("39", false)], number), denied);
        assert_eq!(ruled_by(&[("39", false), ("39011", true)], number), None);
        assert_eq!(ruled_by(&[("39", true), ("39011", false)], number), denied);
        assert_eq!(ruled_by(&[("39011", true), ("39011", false)], number), denied);
        assert_eq!(ruled_by(&[("39011", false), ("39011", true)], number), denied);
        assert_eq!(ruled_by(&[("", false), ("39", true)], number), None);
        assert_eq!(ruled_by(&[("", false), ("39", true)], "+442079460000"), denied);
    }

    #[test]
    fn nothing_allows_emergency_services_or_our_own_numbers_from_a_meeting() {
        let organization = everything_allowed("44999");
        let terms = terms("GB", &organization);
        let emergency = decided("+44999", false, Caller::Meeting, &terms);
        assert_eq!(emergency.refused, Some(Refusal::DestinationEmergency));
        let own = decided("+442079460000", true, Caller::Meeting, &terms);
        assert_eq!(own.refused, Some(Refusal::DestinationOwnNumber));
        assert!(decided("+44999", false, Caller::User, &terms).is_allowed());
        let unassigned = decided("+21012345678", false, Caller::Meeting, &terms);
        assert_eq!(unassigned.refused, Some(Refusal::DestinationUnassigned));
    }

    #[test]
    fn the_list_does_not_widen_the_policy() {
        let organization = everything_allowed("442079460000");
        let policy = "DialoutCPCDomesticPSTNInternational".parse().unwrap();
        let terms = Terms { policy, ..terms(ITALY, &organization) };
        let verdict = decided("+442079460000", false, Caller::Meeting, &terms);
        assert_eq!(verdict.refused, Some(Refusal::OutboundPolicy));
    }

    #[test]
    fn a_verdict_names_the_policy_where_it_comes_from_and_the_state_of_the_rules() {
        let organization = OrganizationOutbound::default();
        let terms = Terms { source: Source::Group("sales".into()), ..terms(ITALY, &organization) };
        let verdict = decided("+442079460000", false, Caller::Meeting, &terms);
        assert_eq!(
            verdict.rule,
            "policy DialoutCPCandPSTNInternational (of group sales): meetings may call any \
             country; this one is GB, home is IT"
        );
        assert!(verdict.version.starts_with("provisioning 7, numbering "), "{}", verdict.version);
        assert!(verdict.decision().allowed);
    }

    fn everything_allowed(prefix: &str) -> OrganizationOutbound {
        let allow = |prefix: &str| DestinationRule { prefix: prefix.to_owned(), allow: true };
        OrganizationOutbound {
            premium_allowed: true,
            satellite_allowed: true,
            destinations: vec![allow(""), allow(prefix)],
            ..OrganizationOutbound::default()
        }
    }

    fn terms<'a>(home: &str, organization: &'a OrganizationOutbound) -> Terms<'a> {
        Terms {
            policy: OutboundPolicy::default(),
            source: Source::Default,
            country: home.parse().ok(),
            organization,
            revision: 7,
        }
    }

    fn decided(number: &str, is_ours: bool, caller: Caller, terms: &Terms<'_>) -> Verdict {
        decide(&number.parse().unwrap(), is_ours, caller, terms)
    }

    fn refused(policy: OutboundPolicy, number: &str, caller: Caller) -> Option<Refusal> {
        let organization = OrganizationOutbound::default();
        decided(number, false, caller, &Terms { policy, ..terms(ITALY, &organization) }).refused
    }

    fn ruled_by(list: &[(&str, bool)], number: &str) -> Option<Refusal> {
        let rule = |(prefix, allow): &(&str, bool)| DestinationRule {
            prefix: (*prefix).to_owned(),
            allow: *allow,
        };
        let destinations = list.iter().map(rule).collect();
        let organization = OrganizationOutbound { destinations, ..OrganizationOutbound::default() };
        decided(number, false, Caller::Meeting, &terms(ITALY, &organization)).refused
    }
}
