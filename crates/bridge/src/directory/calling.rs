//! What is provisioned for calls out: whose policy holds, which numbers are ours, what a
//! destination costs.

use model::policy::OutboundPolicy;
use model::record::{Organization, TariffKind, User};
use model::{Did, E164};

use super::{Directory, Price, longest};
use crate::policy::{Source, Terms};

impl Directory {
    /// Returns what holds for an organizer: their own policy, else that of their group of the
    /// lowest rank that has one, else their organization's, else the default (domain.md §3).
    #[must_use]
    pub fn outbound_terms<'a>(&self, organizer: &User, of: &'a Organization) -> Terms<'a> {
        let own = organizer.outbound.policy.map(|policy| (policy, Source::User));
        let assigned = own
            .or_else(|| self.groups_policy(organizer))
            .or_else(|| of.outbound.policy.map(|policy| (policy, Source::Organization)));
        let (policy, source) = assigned.unwrap_or((OutboundPolicy::default(), Source::Default));
        Terms {
            policy,
            source,
            country: organizer.outbound.country.or(of.outbound.country),
            organization: &of.outbound,
            revision: self.revision,
        }
    }

    /// Whether a number is one of the bridge's own: calling it would make a loop (reliability.md
    /// S12).
    #[must_use]
    pub fn is_ours(&self, number: &E164) -> bool {
        self.numbers.contains_key(&Did::E164(*number))
    }

    /// Returns the price of calling a destination: longest prefix, an organization's own rows
    /// before the list's, in its currency only; the same whoever calls (domain.md §5).
    #[must_use]
    pub fn dial_out_price(&self, of: &Organization, called: &E164) -> Option<Price> {
        let called = Did::E164(*called).full();
        let find = |scope| {
            let prices = self.tariffs.get(&(scope, TariffKind::DialOut))?;
            longest(prices, &called, "", Some(of.currency))
        };
        find(Some(of.id)).or_else(|| find(None))
    }

    fn groups_policy(&self, organizer: &User) -> Option<(OutboundPolicy, Source)> {
        let groups = organizer.outbound.groups.iter().filter_map(|id| self.groups.get(id));
        let assigned = groups.filter_map(|group| Some((group.rank, group.policy?, &group.name)));
        let (_, policy, name) = assigned.min_by_key(|(rank, ..)| *rank)?;
        Some((policy, Source::Group(name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use model::policy::Group;
    use model::{GroupId, Money, Rate};

    use super::*;
    use crate::directory::DirectoryError;
    use crate::sample;
    use model::record::{Provision, TariffRow};

    #[test]
    fn a_policy_comes_from_the_user_then_the_group_of_lowest_rank_then_the_organization() {
        let mut provision = sample::provision();
        let sources = |provision: &Provision| {
            let directory = Directory::new(provision.clone(), Vec::new()).unwrap();
            let (user, organization) = (&provision.users[0], &provision.organizations[0]);
            let terms = directory.outbound_terms(user, organization);
            (terms.policy.name(), terms.source)
        };
        let default = "DialoutCPCandPSTNInternational";
        assert_eq!(sources(&provision), (default, Source::Default));
        let disabled = "DialoutCPCDisabledPSTNDomestic";
        provision.organizations[0].outbound.policy = disabled.parse().ok();
        assert_eq!(sources(&provision), (disabled, Source::Organization));
        provision.groups =
            vec![group("last", 9, Some("DialoutCPCandPSTNDisabled")), group("first", 1, None)];
        assert_eq!(sources(&provision), (disabled, Source::Organization));
        provision.users[0].outbound.groups = provision.groups.iter().map(|g| g.id).collect();
        let by_rank = ("DialoutCPCandPSTNDisabled", Source::Group("last".to_owned()));
        assert_eq!(sources(&provision), by_rank);
        provision.groups.push(group("middle", 5, Some("DialoutCPCZoneAPSTNDisabled")));
        provision.users[0].outbound.groups.push(GroupId::from_name("middle"));
        let by_rank = ("DialoutCPCZoneAPSTNDisabled", Source::Group("middle".to_owned()));
        assert_eq!(sources(&provision), by_rank);
        provision.users[0].outbound.policy = Some(OutboundPolicy::default());
        assert_eq!(sources(&provision), (default, Source::User));
    }

    #[test]
    fn a_user_of_no_country_is_at_home_with_their_organization() {
        let mut provision = sample::provision();
        provision.organizations[0].outbound.country = "IT".parse().ok();
        let home = |provision: &Provision| {
            let directory = Directory::new(provision.clone(), Vec::new()).unwrap();
            directory.outbound_terms(&provision.users[0], &provision.organizations[0]).country
        };
        assert_eq!(home(&provision), "IT".parse().ok());
        provision.users[0].outbound.country = "CH".parse().ok();
        assert_eq!(home(&provision), "CH".parse().ok());
    }

    #[test]
    fn a_destination_costs_by_its_longest_prefix_and_by_no_tariff_of_dialling_in() {
        let mut provision = sample::provision();
        let called = "+390116543210".parse().unwrap();
        let fee = |provision: &Provision| {
            let directory = Directory::new(provision.clone(), Vec::new()).unwrap();
            let price = directory.dial_out_price(&provision.organizations[0], &called);
            price.map(|price| price.rate.fee.micros())
        };
        assert_eq!(fee(&provision), None);
        provision.tariffs.extend([row("", 1), row("+39011", 3), row("+39", 2)]);
        assert_eq!(fee(&provision), Some(3));
        provision.tariffs.push(row("+39011", 3));
        let twice = Directory::new(provision, Vec::new()).unwrap_err();
        assert!(matches!(twice, DirectoryError::Twice { .. }));
    }

    #[test]
    fn our_own_numbers_are_known() {
        let directory = sample::directory();
        assert!(directory.is_ours(&"+390116543210".parse().unwrap()));
        assert!(!directory.is_ours(&"+390116543211".parse().unwrap()));
    }

    fn group(name: &str, rank: u32, policy: Option<&str>) -> Group {
        Group {
            id: GroupId::from_name(name),
            name: name.to_owned(),
            organization: sample::organization().id,
            rank,
            policy: policy.map(|name| name.parse().unwrap()),
        }
    }

    fn row(prefix: &str, fee: i64) -> TariffRow {
        TariffRow {
            organization: None,
            currency: sample::currency(),
            kind: TariffKind::DialOut,
            number_prefix: prefix.to_owned(),
            caller_prefix: String::new(),
            rate: Rate { fee: Money::from_micros(fee), ..sample::rate() },
        }
    }
}
