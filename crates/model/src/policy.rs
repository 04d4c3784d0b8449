//! Calling out, as it is provisioned: restriction policies and who they are given to, an
//! organization's own lists, and the decision that a record keeps (domain.md §3).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::{Country, GroupId, OrganizationId};

/// How far calls out of a meeting may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeetingReach {
    /// Any country.
    International,
    /// The countries of Zone A, by destination alone.
    ZoneA,
    /// The organizer's own country.
    Domestic,
    /// Nowhere.
    Disabled,
}

/// How far a user's own calls may go. Meetings do not ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnReach {
    /// Any country.
    International,
    /// The user's own country.
    Domestic,
    /// Nowhere but to emergency services.
    Disabled,
}

/// Why a text names no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not one of the twelve outbound policies; `tollgate policy list` names them")]
pub struct PolicyError;

/// An outbound calling restriction policy: two controls, and exactly twelve ways to set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboundPolicy {
    /// Calls out of the meetings of an organizer, whoever dials.
    pub meetings: MeetingReach,
    /// The user's own calls: stored, shown and answered, without effect on meetings.
    pub own_calls: OwnReach,
}

/// Every policy with its documented name.
const POLICIES: [(&str, MeetingReach, OwnReach); 12] = {
    use MeetingReach as M;
    use OwnReach as O;
    [
        ("DialoutCPCandPSTNInternational", M::International, O::International),
        ("DialoutCPCDomesticPSTNInternational", M::Domestic, O::International),
        ("DialoutCPCDisabledPSTNInternational", M::Disabled, O::International),
        ("DialoutCPCInternationalPSTNDomestic", M::International, O::Domestic),
        ("DialoutCPCInternationalPSTNDisabled", M::International, O::Disabled),
        ("DialoutCPCandPSTNDomestic", M::Domestic, O::Domestic),
        ("DialoutCPCDomesticPSTNDisabled", M::Domestic, O::Disabled),
        ("DialoutCPCDisabledPSTNDomestic", M::Disabled, O::Domestic),
        ("DialoutCPCandPSTNDisabled", M::Disabled, O::Disabled),
        ("DialoutCPCZoneAPSTNInternational", M::ZoneA, O::International),
        ("DialoutCPCZoneAPSTNDomestic", M::ZoneA, O::Domestic),
        ("DialoutCPCZoneAPSTNDisabled", M::ZoneA, O::Disabled),
    ]
};

impl OutboundPolicy {
    /// Returns all twelve, in the order of the documents.
    pub fn all() -> impl Iterator<Item = Self> {
        POLICIES
            .iter()
            .map(|(_, meetings, own_calls)| Self { meetings: *meetings, own_calls: *own_calls })
    }

    /// Returns the documented name, without `tag:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let own = |row: &&(&str, MeetingReach, OwnReach)| {
            (row.1, row.2) == (self.meetings, self.own_calls)
        };
        POLICIES.iter().find(own).map_or("", |row| row.0)
    }
}

/// International for both: what holds where nothing is assigned.
impl Default for OutboundPolicy {
    fn default() -> Self {
        Self { meetings: MeetingReach::International, own_calls: OwnReach::International }
    }
}

/// The documented name to the letter, with or without `tag:`.
impl FromStr for OutboundPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let name = text.strip_prefix("tag:").unwrap_or(text);
        let found = POLICIES.iter().find(|row| row.0 == name).ok_or(PolicyError)?;
        Ok(Self { meetings: found.1, own_calls: found.2 })
    }
}

impl fmt::Display for OutboundPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line of an organization's own list of destinations. The longest prefix decides; where an
/// allowing and a denying line are equally long, the denying one does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DestinationRule {
    /// Beginning of the number, digits without the plus; empty is every number.
    pub prefix: String,
    /// Whether it allows; else it denies.
    pub allow: bool,
}

/// What an organization says of calls out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationOutbound {
    /// Country of its users, where theirs is not told.
    pub country: Option<Country>,
    /// What holds for whoever has no policy of their own or their groups'; `None` is the default.
    pub policy: Option<OutboundPolicy>,
    /// Whether premium-rate numbers may be called.
    pub premium_allowed: bool,
    /// Whether satellite and other international networks may be called.
    pub satellite_allowed: bool,
    /// Its own list.
    pub destinations: Vec<DestinationRule>,
}

/// What is said of one user's calls out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserOutbound {
    /// Where they are at home: how they write numbers, and what is domestic. `None`: their
    /// organization's.
    pub country: Option<Country>,
    /// Their own policy; `None` falls back to their groups', then to their organization's.
    pub policy: Option<OutboundPolicy>,
    /// The groups they are in.
    pub groups: Vec<GroupId>,
}

/// A group of users that policies are given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Derived from the organization's name and its own.
    pub id: GroupId,
    /// Short name, unique within the organization.
    pub name: String,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Which group's policy wins for a user in several: the lowest number. Unique within the
    /// organization.
    pub rank: u32,
    /// The policy; `None` falls back to the next group's.
    pub policy: Option<OutboundPolicy>,
}

/// What was decided about a number to be called, as the record of the call keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it might be called.
    pub allowed: bool,
    /// Which rule said so, in words.
    pub rule: String,
    /// Which state of the rules: provisioning and numbering data.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_twelve_policies_and_each_is_found_by_its_name() {
        let all: BTreeSet<_> = OutboundPolicy::all().collect();
        assert_eq!(all.len(), 12);
        for policy in all {
            assert_eq!(policy.name().parse(), Ok(policy));
            assert_eq!(format!("tag:{policy}").parse(), Ok(policy));
        }
    }

    #[test]
    fn the_default_is_international_for_both() {
        assert_eq!(OutboundPolicy::default().name(), "DialoutCPCandPSTNInternational");
    }

    #[test]
    fn names_are_exact() {
        for name in ["", "tag:", "dialoutcpcandpstninternational", "DialoutCPCZoneA"] {
            assert_eq!(name.parse::<OutboundPolicy>(), Err(PolicyError), "{name}");
        }
    }
}
