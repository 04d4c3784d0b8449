//! Calling out: policies and who they are given to, groups, an organization's own lists of
//! destinations (domain.md §3).

use std::collections::{BTreeMap, BTreeSet};

use model::policy::{DestinationRule, Group, OrganizationOutbound, OutboundPolicy, UserOutbound};
use model::record::Provision;
use model::{Country, E164, GroupId, OrganizationId};

use super::check::{Names, Reading};
use super::shape::{self, File, Text};

/// Returns the groups that users may be in: all that is stored and all that the file declares.
pub(super) fn groups_known(stored: &Provision, file: &File) -> BTreeMap<GroupId, OrganizationId> {
    let mut groups: BTreeMap<_, _> =
        stored.groups.iter().map(|group| (group.id, group.organization)).collect();
    for group in &file.groups {
        let organization = group.organization.get_ref();
        let id = id(organization, group.name.get_ref());
        groups.insert(id, OrganizationId::from_name(organization));
    }
    groups
}

/// Groups of two organizations may have one name.
fn id(organization: &str, name: &str) -> GroupId {
    GroupId::from_name(&format!("{organization}/{name}"))
}

impl Reading<'_> {
    /// Reads the groups.
    pub(super) fn groups(&mut self, shapes: &[shape::Group]) -> Vec<Group> {
        let (mut names, mut ranks) = (Names::default(), BTreeSet::new());
        shapes.iter().filter_map(|shape| self.group(shape, &mut names, &mut ranks)).collect()
    }

    fn group(
        &mut self,
        shape: &shape::Group,
        names: &mut Names,
        ranks: &mut BTreeSet<(OrganizationId, u32)>,
    ) -> Option<Group> {
        let organization = self.organization_named("group.organization", &shape.organization);
        let name = shape.name.get_ref();
        let fits = self.check_name("group.name", &shape.name, name);
        let policy = self.policy("group.outbound_policy", shape.outbound_policy.as_ref());
        let (organization, owner) = (organization?, shape.organization.get_ref());
        fits?;
        self.only_once("group.name", &shape.name, &format!("{owner}/{name}"), names)?;
        let rank = *shape.rank.get_ref();
        if !ranks.insert((organization, rank)) {
            let message =
                format!("a second group of {owner} with the rank {rank}; each has its own");
            self.problem("group.rank", &shape.rank, message);
        }
        Some(Group { id: id(owner, name), name: name.clone(), organization, rank, policy: policy? })
    }

    /// Reads what an organization says of calls out.
    pub(super) fn organization_outbound(
        &mut self,
        shape: &shape::Organization,
    ) -> Option<OrganizationOutbound> {
        let country = self.home("organization.country", shape.country.as_ref());
        let policy = self.policy("organization.outbound_policy", shape.outbound_policy.as_ref());
        let denied = self.destinations("organization.deny", &shape.deny, false);
        let allowed = self.destinations("organization.allow", &shape.allow, true);
        let rules: BTreeSet<DestinationRule> = denied.into_iter().chain(allowed).collect();
        Some(OrganizationOutbound {
            country: country?,
            policy: policy?,
            premium_allowed: shape.premium_allowed,
            satellite_allowed: shape.satellite_allowed,
            destinations: rules.into_iter().collect(),
        })
    }

    /// Reads what is said of one user's calls out.
    pub(super) fn user_outbound(&mut self, shape: &shape::User) -> Option<UserOutbound> {
        let country = self.home("user.country", shape.country.as_ref());
        let policy = self.policy("user.outbound_policy", shape.outbound_policy.as_ref());
        let read = shape.groups.iter().map(|name| self.group_named(name, &shape.organization));
        let groups: Vec<Option<GroupId>> = read.collect();
        let groups: Option<BTreeSet<GroupId>> = groups.into_iter().collect();
        Some(UserOutbound {
            country: country?,
            policy: policy?,
            groups: groups?.into_iter().collect(),
        })
    }

    fn group_named(&mut self, name: &Text, organization: &Text) -> Option<GroupId> {
        let (name_text, owner) = (name.get_ref(), organization.get_ref());
        let id = id(owner, name_text);
        if self.groups.contains_key(&id) {
            return Some(id);
        }
        let message = format!(
            "{name_text:?} is no group of {owner}; declare it with [[group]] in this file or apply \
             it before"
        );
        self.problem("user.groups", name, message);
        None
    }

    /// A country that has a numbering plan, or none.
    pub(super) fn home(&mut self, key: &str, at: Option<&Text>) -> Option<Option<Country>> {
        let Some(at) = at else { return Some(None) };
        let known = at.get_ref().parse::<Country>().ok();
        let known = known.filter(|country| model::numbering::plan(*country).is_some());
        if known.is_none() {
            let message = format!(
                "{:?} is not a country; write its two capital letters, like IT (ISO 3166-1)",
                at.get_ref()
            );
            self.problem(key, at, message);
        }
        known.map(Some)
    }

    fn policy(&mut self, key: &str, at: Option<&Text>) -> Option<Option<OutboundPolicy>> {
        let Some(at) = at else { return Some(None) };
        let known = at.get_ref().parse::<OutboundPolicy>();
        if let Err(error) = known {
            self.problem(key, at, format!("{:?} is {error}", at.get_ref()));
        }
        known.ok().map(Some)
    }

    /// Prefixes of one list; the same prefix on the other is lawful: there, denying wins.
    pub(super) fn destinations(
        &mut self,
        key: &str,
        list: &[Text],
        allow: bool,
    ) -> Vec<DestinationRule> {
        let mut rules = Vec::new();
        for at in list {
            match prefix(at.get_ref()) {
                Some(prefix) => rules.push(DestinationRule { prefix, allow }),
                None => {
                    let message = format!(
                        "{:?} is not a prefix; write + and digits, like +4420, or + for every \
                         number",
                        at.get_ref()
                    );
                    self.problem(key, at, message);
                }
            }
        }
        rules
    }
}

/// `+4420`, visual separators allowed; `+` alone is every number.
fn prefix(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+')?;
    if digits.is_empty() {
        return Some(String::new());
    }
    text.parse::<E164>().ok().map(|number| number.digits().to_owned())
}
