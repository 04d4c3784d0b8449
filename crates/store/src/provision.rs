//! What applying a change to the provisioning means, for every kind of store.

use std::collections::{BTreeMap, BTreeSet};

use model::policy::Group;
use model::record::{Meeting, NumberType, Organization, Provision, ServiceNumber, TariffRow, User};
use model::{Guards, OrganizationId};

use crate::Error;

/// Inserts or replaces everything of `change` in `current`, tariffs of the named organizations
/// (or the list price) whole. Returns `None` if nothing differs; else the provision with its
/// revision one higher. Records are in order of their ids, tariffs in order of their scope and
/// prefixes.
///
/// # Errors
/// [`Error::Invalid`] tells which record to change, and how.
pub(crate) fn merge(current: &Provision, change: &Provision) -> Result<Option<Provision>, Error> {
    for new in &change.organizations {
        let old = current.organizations.iter().find(|old| old.id == new.id);
        if let Some(old) = old.filter(|old| old.currency != new.currency) {
            return Err(Error::Invalid(format!(
                "organization {} keeps its currency {}: its account cannot become {}; create \
                 another organization",
                old.name, old.currency, new.currency
            )));
        }
    }
    let scopes: BTreeSet<_> = change.tariffs.iter().map(|row| row.organization).collect();
    let kept = current.tariffs.iter().filter(|row| !scopes.contains(&row.organization));
    let mut tariffs: Vec<TariffRow> = kept.chain(&change.tariffs).cloned().collect();
    tariffs.sort_by(|a, b| tariff_key(a).cmp(&tariff_key(b)));
    let mut merged = Provision {
        revision: current.revision,
        organizations: upsert(&current.organizations, &change.organizations, |row| row.id),
        groups: upsert(&current.groups, &change.groups, |row| row.id),
        users: upsert(&current.users, &change.users, |row| row.id),
        numbers: upsert(&current.numbers, &change.numbers, |row| row.id),
        meetings: upsert(&current.meetings, &change.meetings, |row| row.id),
        tariffs,
        guards: Guards {
            budgets: upsert(&current.guards.budgets, &change.guards.budgets, |row| row.subject),
            suspensions: current.guards.suspensions.clone(),
            screens: upsert(&current.guards.screens, &change.guards.screens, |row| row.subject),
        },
    };
    if merged == *current {
        return Ok(None);
    }
    check_unique(&merged)?;
    check_names(&merged)?;
    merged.revision += 1;
    Ok(Some(merged))
}

/// What makes a tariff row the same price list line as another.
pub(crate) fn tariff_key(row: &TariffRow) -> (Option<OrganizationId>, impl Ord + Clone + use<'_>) {
    let place = (row.currency, row.kind, &row.number_prefix, &row.caller_prefix);
    (row.organization, place)
}

fn upsert<T: Clone, K: Ord>(old: &[T], new: &[T], key: impl Fn(&T) -> K) -> Vec<T> {
    let rows: BTreeMap<K, &T> = old.iter().chain(new).map(|row| (key(row), row)).collect();
    rows.into_values().cloned().collect()
}

fn check_unique(all: &Provision) -> Result<(), Error> {
    let organizations = all.organizations.iter().map(|row| row.name.clone());
    unique(organizations, |name| format!("two organizations are named {name}: rename one"))?;
    let users = all.users.iter().map(|row| row.name.clone());
    unique(users, |name| format!("two users are named {name}: rename one"))?;
    let meetings = all.meetings.iter().map(|row| row.name.clone());
    unique(meetings, |name| format!("two meetings are named {name}: rename one"))?;
    let numbers = all.numbers.iter().map(|row| row.did.full());
    unique(numbers, |did| format!("number {did} is there twice: remove one"))?;
    let mut ids = BTreeMap::new();
    for meeting in &all.meetings {
        if let Some(other) = ids.insert(&meeting.conference_id, &meeting.name) {
            return Err(Error::Invalid(format!(
                "meetings {other} and {} have the same conference ID: give one of them another",
                meeting.name
            )));
        }
    }
    let tariffs = all.tariffs.iter().map(|row| (scope(all, row.organization), tariff_key(row)));
    unique(tariffs, |(scope, _)| {
        format!(
            "the tariff of {scope} has two rows for the same currency, number type and prefixes: \
             remove one"
        )
    })
}

fn check_names(all: &Provision) -> Result<(), Error> {
    let organizations: BTreeMap<_, &Organization> =
        all.organizations.iter().map(|row| (row.id, row)).collect();
    let users: BTreeMap<_, &User> = all.users.iter().map(|row| (row.id, row)).collect();
    let meetings: BTreeMap<_, &Meeting> = all.meetings.iter().map(|row| (row.id, row)).collect();
    for user in &all.users {
        known(organizations.contains_key(&user.organization), || {
            format!("user {} names an organization", user.name)
        })?;
    }
    check_groups(all, &organizations)?;
    for meeting in &all.meetings {
        known(users.contains_key(&meeting.organizer), || {
            format!("meeting {} names an organizer", meeting.name)
        })?;
    }
    for number in &all.numbers {
        let ServiceNumber { did, dedicated_to, bound_to, .. } = number;
        known(dedicated_to.is_none_or(|id| organizations.contains_key(&id)), || {
            format!("number {} is dedicated to an organization", did.full())
        })?;
        known(bound_to.is_none_or(|id| meetings.contains_key(&id)), || {
            format!("number {} is bound to a meeting", did.full())
        })?;
    }
    check_default(&all.numbers)?;
    for row in &all.tariffs {
        let Some(id) = row.organization else { continue };
        let owner = organizations.get(&id);
        known(owner.is_some(), || "a tariff names an organization".to_owned())?;
        if let Some(owner) = owner.filter(|owner| owner.currency != row.currency) {
            return Err(Error::Invalid(format!(
                "the tariff of {} has a row in {}: write it in {}",
                owner.name, row.currency, owner.currency
            )));
        }
    }
    Ok(())
}

/// The bridge's default number is one, toll and shared (domain.md §7.9, §8).
fn check_default(numbers: &[ServiceNumber]) -> Result<(), Error> {
    let mut defaults = numbers.iter().filter(|number| number.is_default);
    let Some(first) = defaults.next() else { return Ok(()) };
    if let Some(second) = defaults.next() {
        return Err(Error::Invalid(format!(
            "numbers {} and {} are both the default: apply one of them with default = false",
            first.did.full(),
            second.did.full()
        )));
    }
    if first.number_type != NumberType::Toll || first.dedicated_to.is_some() {
        return Err(Error::Invalid(format!(
            "number {} cannot be the default: it must be toll, and no organization's alone",
            first.did.full()
        )));
    }
    Ok(())
}

fn check_groups(
    all: &Provision,
    organizations: &BTreeMap<OrganizationId, &Organization>,
) -> Result<(), Error> {
    let groups: BTreeMap<_, &Group> = all.groups.iter().map(|row| (row.id, row)).collect();
    for group in &all.groups {
        known(organizations.contains_key(&group.organization), || {
            format!("group {} names an organization", group.name)
        })?;
    }
    let names = all.groups.iter().map(|row| (row.organization, row.name.clone()));
    unique(names, |(_, name)| format!("two groups are named {name}: rename one"))?;
    let ranks = all.groups.iter().map(|row| (row.organization, row.rank));
    unique(ranks, |(_, rank)| format!("two groups have the rank {rank}: give one another"))?;
    for user in &all.users {
        for id in &user.outbound.groups {
            let own = groups.get(id).is_some_and(|group| group.organization == user.organization);
            known(own, || format!("user {} names a group of their organization", user.name))?;
        }
    }
    Ok(())
}

fn scope(all: &Provision, organization: Option<OrganizationId>) -> String {
    let owner = all.organizations.iter().find(|row| Some(row.id) == organization);
    owner.map_or_else(|| "the list price".to_owned(), |owner| owner.name.clone())
}

fn known(is_known: bool, what: impl Fn() -> String) -> Result<(), Error> {
    if is_known {
        return Ok(());
    }
    Err(Error::Invalid(format!("{} that does not exist: add it, or name another", what())))
}

fn unique<K: Ord + Clone>(
    keys: impl Iterator<Item = K>,
    tell: impl Fn(&K) -> String,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(key.clone()) {
            return Err(Error::Invalid(tell(&key)));
        }
    }
    Ok(())
}
