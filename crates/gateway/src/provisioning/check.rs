//! From what is written to records: every value is read, every name that a record refers to must
//! be in the file or stored. All problems are collected, each with its line and key.

use std::collections::{BTreeMap, BTreeSet};

use model::record::{Licence, NumberType, Organization, Provision, User};
use model::{Currency, GroupId, MeetingId, OrganizationId, UserId};

use super::conference_id::Draw;
use super::shape::{File, Text, line_of};
use super::{Problem, outbound, shape};

/// Longest name of anything.
const NAME_CHARACTERS: usize = 113;

/// One pass over a file.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    text: &'a str,
    pub(super) stored: &'a Provision,
    currencies: BTreeMap<OrganizationId, Currency>,
    employers: BTreeMap<UserId, OrganizationId>,
    pub(super) hosts: BTreeMap<MeetingId, UserId>,
    /// The groups that users may be in, with their organizations.
    pub(super) groups: BTreeMap<GroupId, OrganizationId>,
    problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    /// Collects what can be referred to: all that is stored and all that the file declares.
    pub(super) fn new(text: &'a str, stored: &'a Provision, file: &File) -> Self {
        let mut currencies: BTreeMap<_, _> =
            stored.organizations.iter().map(|org| (org.id, org.currency)).collect();
        for organization in &file.organizations {
            if let Some(currency) = Currency::parse(organization.currency.get_ref()) {
                let id = OrganizationId::from_name(organization.name.get_ref());
                currencies.insert(id, currency);
            }
        }
        let mut employers: BTreeMap<_, _> =
            stored.users.iter().map(|user| (user.id, user.organization)).collect();
        for user in &file.users {
            let organization = OrganizationId::from_name(user.organization.get_ref());
            employers.insert(UserId::from_name(user.name.get_ref()), organization);
        }
        let hosts = stored.meetings.iter().map(|m| (m.id, m.organizer)).collect();
        let groups = outbound::groups_known(stored, file);
        Self { text, stored, currencies, employers, hosts, groups, problems: Vec::new() }
    }

    /// Reads every record. What could not be read is left out and is among the problems.
    pub(super) fn records(&mut self, file: &File, ids: &mut Draw) -> Provision {
        let organizations = self.organizations(&file.organizations);
        let groups = self.groups(&file.groups);
        let users = self.users(&file.users);
        let meetings = self.meetings(&file.meetings, ids);
        let numbers = self.numbers(&file.numbers);
        let tariffs = self.tariffs(&file.tariffs);
        Provision {
            revision: self.stored.revision,
            organizations,
            groups,
            users,
            numbers,
            meetings,
            tariffs,
            guards: self.guards(file),
        }
    }

    /// Returns what is wrong, in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }

    fn organizations(&mut self, shapes: &[shape::Organization]) -> Vec<Organization> {
        let mut names = Names::default();
        shapes.iter().filter_map(|shape| self.organization(shape, &mut names)).collect()
    }

    fn organization(
        &mut self,
        shape: &shape::Organization,
        names: &mut Names,
    ) -> Option<Organization> {
        let name = self.new_name("organization.name", &shape.name, names);
        let currency = self.currency("organization.currency", &shape.currency);
        let outbound = self.organization_outbound(shape);
        let (name, currency) = (name?, currency?);
        let id = OrganizationId::from_name(&name);
        let before = self.stored.organizations.iter().find(|stored| stored.id == id);
        if let Some(before) = before.filter(|before| before.currency != currency) {
            let message = format!(
                "{name} has an account in {}, whose currency cannot change; declare another \
                 organization for {currency}",
                before.currency
            );
            self.problem("organization.currency", &shape.currency, message);
        }
        let payg_needs_credits_licence = shape.payg_needs_credits_licence;
        let dial_out = self.dial_out_rules(shape);
        let time_zone = self.time_zone(shape.time_zone.as_ref());
        let outbound = outbound?;
        Some(Organization {
            id,
            name,
            currency,
            time_zone: time_zone?,
            dial_out,
            payg_needs_credits_licence,
            outbound,
        })
    }

    fn users(&mut self, shapes: &[shape::User]) -> Vec<User> {
        let mut names = Names::default();
        shapes.iter().filter_map(|shape| self.user(shape, &mut names)).collect()
    }

    fn user(&mut self, shape: &shape::User, names: &mut Names) -> Option<User> {
        let name = self.new_name("user.name", &shape.name, names);
        let organization = self.organization_named("user.organization", &shape.organization);
        let read = shape.licences.iter().filter_map(|sku| self.licence(sku));
        let licences: BTreeSet<Licence> = read.collect();
        let outbound = self.user_outbound(shape);
        let name = name?;
        Some(User {
            id: UserId::from_name(&name),
            name,
            organization: organization?,
            licences: licences.into_iter().collect(),
            toll_free_allowed: shape.toll_free_allowed,
            outbound: outbound?,
        })
    }

    fn licence(&mut self, sku: &Text) -> Option<Licence> {
        match sku.get_ref().as_str() {
            "MCOMEETADV" | "MCOMEETADD" | "ENTERPRISEPREMIUM" => Some(Licence::Subscription),
            "MCOMEETACPEA" => Some(Licence::PayPerMinute),
            "MCOPSTNPP" => Some(Licence::Credits),
            other => {
                let message = format!(
                    "{other:?} is not a licence; allowed are MCOMEETADV, MCOMEETADD, \
                     ENTERPRISEPREMIUM, MCOMEETACPEA and MCOPSTNPP"
                );
                self.problem("user.licences", sku, message);
                None
            }
        }
    }

    /// Reads a name that must not have been read before among its kind.
    pub(super) fn new_name(&mut self, key: &str, name: &Text, names: &mut Names) -> Option<String> {
        let text = name.get_ref();
        self.check_name(key, name, text)?;
        self.only_once(key, name, text, names)?;
        Some(text.clone())
    }

    /// Notes a second record of the same name.
    pub(super) fn only_once(
        &mut self,
        key: &str,
        at: &Text,
        name: &str,
        names: &mut Names,
    ) -> Option<()> {
        let line = self.line(at);
        if let Some(first) = names.0.insert(name.to_owned(), line) {
            let message = format!("{name:?} is declared twice, first in line {first}");
            self.problem(key, at, message);
            return None;
        }
        Some(())
    }

    /// Names go into logs, tables and URLs: no blank, no quote, nothing outside ASCII.
    pub(super) fn check_name(&mut self, key: &str, at: &Text, name: &str) -> Option<()> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.@+".contains(&b);
        let good = !name.is_empty() && name.len() <= NAME_CHARACTERS && name.bytes().all(fits);
        if !good {
            let message = format!(
                "{name:?} is not a name; allowed are 1 to {NAME_CHARACTERS} letters, digits and \
                 - _ . @ +"
            );
            self.problem(key, at, message);
        }
        good.then_some(())
    }

    pub(super) fn currency(&mut self, key: &str, code: &Text) -> Option<Currency> {
        let currency = Currency::parse(code.get_ref());
        if currency.is_none() {
            let message = format!(
                "{:?} is not a currency; write its three capital letters, like USD (ISO 4217)",
                code.get_ref()
            );
            self.problem(key, code, message);
        }
        currency
    }

    pub(super) fn number_type(&mut self, key: &str, text: &Text) -> Option<NumberType> {
        match text.get_ref().as_str() {
            "toll" => Some(NumberType::Toll),
            "toll-free" => Some(NumberType::TollFree),
            other => {
                let message = format!("{other:?} is not a type; allowed are toll and toll-free");
                self.problem(key, text, message);
                None
            }
        }
    }

    pub(super) fn organization_named(&mut self, key: &str, name: &Text) -> Option<OrganizationId> {
        let id = OrganizationId::from_name(name.get_ref());
        if !self.currencies.contains_key(&id) {
            self.unknown(key, name, "organization");
            return None;
        }
        Some(id)
    }

    pub(super) fn organizer_named(&mut self, key: &str, name: &Text) -> Option<UserId> {
        let id = UserId::from_name(name.get_ref());
        if !self.employers.contains_key(&id) {
            self.unknown(key, name, "user");
            return None;
        }
        Some(id)
    }

    /// Returns the currency of an organization's account.
    pub(super) fn currency_of(&self, organization: OrganizationId) -> Option<Currency> {
        self.currencies.get(&organization).copied()
    }

    /// Returns the organization that pays for a meeting.
    pub(super) fn payer_of(&self, meeting: MeetingId) -> Option<OrganizationId> {
        self.hosts.get(&meeting).and_then(|host| self.employers.get(host)).copied()
    }

    fn unknown(&mut self, key: &str, name: &Text, kind: &str) {
        let message = format!(
            "{:?} is no {kind}; declare it with [[{kind}]] in this file or apply it before",
            name.get_ref()
        );
        self.problem(key, name, message);
    }

    /// Notes a problem at a value.
    pub(super) fn problem<T>(&mut self, key: &str, at: &toml::Spanned<T>, message: String) {
        let line = self.line(at);
        self.problems.push(Problem { line, key: key.to_owned(), message });
    }

    /// Notes a problem of the file as a whole.
    pub(super) fn whole(&mut self, key: &str, message: String) {
        self.problems.push(Problem { line: 0, key: key.to_owned(), message });
    }

    fn line<T>(&self, at: &toml::Spanned<T>) -> usize {
        line_of(self.text, at.span().start)
    }
}

/// The names read so far among one kind, with their lines.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, usize>);

/// Most members of a range.
const RANGE_MEMBERS: u32 = 10_000;

/// Says what a range is, where a text is none.
pub(super) fn no_range(text: &str) -> String {
    format!("{text:?} is not a range; write it like 1000-1399, at most {RANGE_MEMBERS} members")
}

/// Reads a range of digits of equal length, `1000-1399`, as its members.
pub(super) fn range(text: &str) -> Option<Vec<String>> {
    let (first, last) = text.split_once('-')?;
    let digits = |end: &str| !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit());
    let width = first.len();
    if !digits(first) || !digits(last) || width != last.len() || width > 9 {
        return None;
    }
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    if last < first || last - first >= RANGE_MEMBERS {
        return None;
    }
    Some((first..=last).map(|member| format!("{member:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_keeps_its_leading_zeros() {
        assert_eq!(range("0998-1001").unwrap(), ["0998", "0999", "1000", "1001"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "1000", "10-9", "9-10", "a-b", "0000-9999-", "000000-999999", "-5-7"] {
            assert!(range(text).is_none(), "{text}");
        }
    }
}
