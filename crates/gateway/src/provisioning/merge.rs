//! What is stored together with what the file says, and the difference in words.

use std::collections::BTreeSet;

use model::policy::Group;
use model::record::{Licence, Meeting, Organization, Provision, ServiceNumber, TariffRow, User};
use model::{Guards, OrganizationId, Subject};

/// Returns what will be stored: the file's records replace those of the same id, its tariffs those
/// of the same organization (or the list); everything else stays.
pub(super) fn merge(stored: &Provision, change: &Provision) -> Provision {
    let scopes = scopes(&change.tariffs);
    let kept = stored.tariffs.iter().filter(|row| !scopes.contains(&row.organization));
    Provision {
        revision: stored.revision,
        organizations: joined(&stored.organizations, &change.organizations, |o| o.id),
        groups: joined(&stored.groups, &change.groups, |group| group.id),
        users: joined(&stored.users, &change.users, |user| user.id),
        numbers: joined(&stored.numbers, &change.numbers, |number| number.id),
        meetings: joined(&stored.meetings, &change.meetings, |meeting| meeting.id),
        tariffs: kept.chain(&change.tariffs).cloned().collect(),
        guards: Guards {
            budgets: joined(&stored.guards.budgets, &change.guards.budgets, |row| row.subject),
            suspensions: stored.guards.suspensions.clone(),
            screens: joined(&stored.guards.screens, &change.guards.screens, |row| row.subject),
        },
    }
}

/// Says what differs, one sentence each, in the order of the file.
pub(super) fn news(stored: &Provision, change: &Provision) -> Vec<String> {
    let mut news = Vec::new();
    for new in &change.organizations {
        let old = stored.organizations.iter().find(|old| old.id == new.id);
        news.extend(told("organization", &new.name, old, new, organization_differs));
    }
    for new in &change.groups {
        let old = stored.groups.iter().find(|old| old.id == new.id);
        news.extend(told("group", &new.name, old, new, group_differs));
    }
    for new in &change.users {
        let old = stored.users.iter().find(|old| old.id == new.id);
        news.extend(told("user", &new.name, old, new, user_differs));
    }
    for new in &change.meetings {
        let old = stored.meetings.iter().find(|old| old.id == new.id);
        news.extend(told("meeting", &new.name, old, new, meeting_differs));
    }
    for new in &change.numbers {
        let old = stored.numbers.iter().find(|old| old.id == new.id);
        news.extend(told("number", &new.did.full(), old, new, number_differs));
    }
    let budgets = &change.guards.budgets;
    news.extend(guards_told("budget", &stored.guards.budgets, budgets, |row| row.subject));
    let screens = &change.guards.screens;
    news.extend(guards_told("screen", &stored.guards.screens, screens, |row| row.subject));
    for scope in scopes(&change.tariffs) {
        news.extend(tariffs_told(stored, change, scope));
    }
    news
}

/// Says which guards differ; of whom, by kind and number.
fn guards_told<T: PartialEq>(
    what: &str,
    stored: &[T],
    change: &[T],
    subject: impl Fn(&T) -> Subject,
) -> Vec<String> {
    let differs = |new: &&T| {
        let old = stored.iter().find(|old| subject(old) == subject(new));
        old.is_none_or(|old| old != *new)
    };
    let news = change.iter().filter(differs);
    news.map(|new| format!("set the {what} of {}", subject(new))).collect()
}

/// Says what is allowed but unlikely to be meant.
pub(super) fn warnings(change: &Provision, merged: &Provision) -> Vec<String> {
    let mut warnings = Vec::new();
    let short = change.meetings.iter().filter(|m| m.conference_id.reveal().len() < 7).count();
    if short > 0 {
        warnings.push(format!(
            "{short} conference ID(s) of fewer than 7 digits: easy to guess; leave the key out and \
             one of 9 digits is drawn"
        ));
    }
    for meeting in &change.meetings {
        let organizer = merged.users.iter().find(|user| user.id == meeting.organizer);
        if let Some(organizer) = organizer.filter(|user| !may_host(user)) {
            warnings.push(format!(
                "meeting {}: its organizer {} holds neither MCOMEETADV nor MCOMEETACPEA, so every \
                 caller will be refused",
                meeting.name, organizer.name
            ));
        }
    }
    for organization in &change.organizations {
        let priced = |row: &TariffRow| {
            row.currency == organization.currency
                && row.organization.is_none_or(|scope| scope == organization.id)
        };
        if !merged.tariffs.iter().any(priced) {
            warnings.push(format!(
                "organization {}: no tariff in {}, so calls that credits would pay will be refused",
                organization.name, organization.currency
            ));
        }
    }
    warnings
}

fn may_host(user: &User) -> bool {
    user.licences.iter().any(|licence| match licence {
        Licence::Subscription | Licence::PayPerMinute => true,
        Licence::Credits => false,
    })
}

fn joined<T: Clone, Id: Ord>(stored: &[T], change: &[T], id: impl Fn(&T) -> Id) -> Vec<T> {
    let replaced: BTreeSet<Id> = change.iter().map(&id).collect();
    let kept = stored.iter().filter(|record| !replaced.contains(&id(record)));
    kept.chain(change).cloned().collect()
}

fn scopes(tariffs: &[TariffRow]) -> BTreeSet<Option<OrganizationId>> {
    tariffs.iter().map(|row| row.organization).collect()
}

/// Names what differs between two records of one kind.
type Differs<T> = fn(&T, &T) -> Vec<&'static str>;

fn told<T: PartialEq>(
    kind: &str,
    name: &str,
    old: Option<&T>,
    new: &T,
    differs: Differs<T>,
) -> Option<String> {
    match old {
        None => Some(format!("added {kind} {name}")),
        Some(old) if old == new => None,
        Some(old) => Some(format!("changed {kind} {name}: {}", differs(old, new).join(", "))),
    }
}

fn only(pairs: &[(bool, &'static str)]) -> Vec<&'static str> {
    pairs.iter().filter(|(differs, _)| *differs).map(|(_, key)| *key).collect()
}

fn organization_differs(old: &Organization, new: &Organization) -> Vec<&'static str> {
    let payg = old.payg_needs_credits_licence != new.payg_needs_credits_licence;
    let (before, after) = (&old.outbound, &new.outbound);
    only(&[
        (old.currency != new.currency, "currency"),
        (payg, "payg_needs_credits_licence"),
        (before.country != after.country, "country"),
        (before.policy != after.policy, "outbound_policy"),
        (before.premium_allowed != after.premium_allowed, "premium_allowed"),
        (before.satellite_allowed != after.satellite_allowed, "satellite_allowed"),
        (before.destinations != after.destinations, "allow or deny"),
    ])
}

fn group_differs(old: &Group, new: &Group) -> Vec<&'static str> {
    only(&[(old.rank != new.rank, "rank"), (old.policy != new.policy, "outbound_policy")])
}

fn user_differs(old: &User, new: &User) -> Vec<&'static str> {
    only(&[
        (old.organization != new.organization, "organization"),
        (old.licences != new.licences, "licences"),
        (old.toll_free_allowed != new.toll_free_allowed, "toll_free_allowed"),
        (old.outbound.country != new.outbound.country, "country"),
        (old.outbound.policy != new.outbound.policy, "outbound_policy"),
        (old.outbound.groups != new.outbound.groups, "groups"),
    ])
}

fn meeting_differs(old: &Meeting, new: &Meeting) -> Vec<&'static str> {
    only(&[
        (old.organizer != new.organizer, "organizer"),
        (old.conference_id != new.conference_id, "conference_id"),
        (old.participants_max != new.participants_max, "participants_max"),
        (old.announce != new.announce, "announce"),
        (old.spend_cap != new.spend_cap, "spend_cap"),
    ])
}

fn number_differs(old: &ServiceNumber, new: &ServiceNumber) -> Vec<&'static str> {
    only(&[
        (old.did != new.did, "local"),
        (old.number_type != new.number_type, "type"),
        (old.country != new.country, "country"),
        (old.language != new.language, "language"),
        (old.dedicated_to != new.dedicated_to, "organization"),
        (old.bound_to != new.bound_to, "meeting"),
        (old.is_default != new.is_default, "default"),
        (old.refusals != new.refusals, "refusals"),
    ])
}

/// Tariffs of one scope are replaced whole; their order does not matter.
fn tariffs_told(
    stored: &Provision,
    change: &Provision,
    scope: Option<OrganizationId>,
) -> Option<String> {
    let of = |provision: &Provision| {
        let rows = provision.tariffs.iter().filter(|row| row.organization == scope);
        let mut rows: Vec<TariffRow> = rows.cloned().collect();
        rows.sort_by_key(|row| {
            let prefixes = (row.number_prefix.clone(), row.caller_prefix.clone());
            (row.currency, row.kind, prefixes, row.rate.version)
        });
        rows
    };
    let (old, new) = (of(stored), of(change));
    if old == new {
        return None;
    }
    let known = |id| {
        let mut all = change.organizations.iter().chain(&stored.organizations);
        all.find(|organization| organization.id == id)
    };
    let whose = scope.and_then(known).map_or("the list price", |found| found.name.as_str());
    Some(format!("replaced tariffs of {whose}: {} row(s), {} before", new.len(), old.len()))
}
