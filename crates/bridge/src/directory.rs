//! What is provisioned, indexed for admission. Immutable; replaced whole.

mod calling;
pub(crate) mod guarding;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use model::policy::Group;
use model::record::{
    Meeting, NumberType, NumberingPlan, Organization, Provision, ServiceNumber, TariffKind,
    TariffRow, Trunk, User, normalize,
};
use model::{
    Currency, DialOutRules, Did, GroupId, MeetingId, NumberId, OrganizationId, Outbound, Pin, Rate,
    TrunkId, UserId,
};

/// Why a provision cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A record names another that does not exist.
    #[error("{what} names {missing}, which does not exist")]
    Dangling {
        /// Which record.
        what: String,
        /// What it names.
        missing: String,
    },
    /// Two records share what must be unique.
    #[error("{what} is there twice")]
    Twice {
        /// Which.
        what: String,
    },
}

/// A meeting with those who answer for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosted {
    /// The meeting.
    pub meeting: Meeting,
    /// Who rules it.
    pub organizer: User,
    /// Who pays.
    pub organization: Organization,
}

impl Hosted {
    /// Returns how the meeting calls people.
    #[must_use]
    pub fn dial_out(&self) -> DialOutRules {
        self.meeting.dial_out.rules(self.organization.dial_out)
    }
}

/// A price with its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The rate.
    pub rate: Rate,
    /// Its currency.
    pub currency: Currency,
}

/// The rate in words, for `explain`.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, currency } = self;
        write!(
            f,
            "rate {:016x}: {} {currency} a minute, fee {}, increments {}/{} s",
            rate.version.0, rate.per_minute, rate.fee, rate.initial_secs, rate.subsequent_secs
        )
    }
}

/// Prices by number prefix, then caller prefix.
type Prices = BTreeMap<String, BTreeMap<String, Vec<Price>>>;

/// The read-only facts of admission.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    revision: u64,
    trunks: BTreeMap<TrunkId, Arc<Trunk>>,
    numbers: HashMap<Did, Arc<ServiceNumber>>,
    /// What each service number is dialled as.
    dids: BTreeMap<NumberId, Did>,
    /// The bridge's default number.
    default_number: Option<Did>,
    /// Toll numbers of one organization alone, in order.
    own_toll: BTreeMap<OrganizationId, BTreeSet<Did>>,
    meetings: BTreeMap<MeetingId, Arc<Hosted>>,
    conference_ids: HashMap<Pin, MeetingId>,
    /// How many conference IDs there are of each length.
    id_counts: BTreeMap<usize, u64>,
    /// Longest conference ID of each organization, and of all.
    id_lengths: BTreeMap<Option<OrganizationId>, usize>,
    organizations: BTreeMap<OrganizationId, Organization>,
    users: BTreeMap<UserId, User>,
    groups: BTreeMap<GroupId, Group>,
    /// What an organization's meetings are licensed for, for its own toll-free numbers.
    hosts: BTreeMap<OrganizationId, Vec<Arc<Hosted>>>,
    tariffs: BTreeMap<(Option<OrganizationId>, TariffKind), Prices>,
    guards: guarding::Index,
}

impl Directory {
    /// Indexes a provision and the configured trunks.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn new(provision: Provision, trunks: Vec<Trunk>) -> Result<Self, DirectoryError> {
        let mut directory = Self { revision: provision.revision, ..Self::default() };
        for trunk in trunks {
            let what = format!("trunk {}", trunk.name);
            once(directory.trunks.insert(trunk.id, Arc::new(trunk)), what)?;
        }
        directory.guards = guarding::Index::new(provision.guards);
        for organization in provision.organizations {
            directory.guards.give(&organization);
            let what = format!("organization {}", organization.name);
            once(directory.organizations.insert(organization.id, organization), what)?;
        }
        for group in provision.groups {
            let what = format!("group {}", group.name);
            once(directory.groups.insert(group.id, group), what)?;
        }
        directory.add_meetings(provision.users, provision.meetings)?;
        for number in provision.numbers {
            directory.add_number(number)?;
        }
        for row in provision.tariffs {
            directory.add_tariff(row)?;
        }
        Ok(directory)
    }

    /// Returns the revision of the provision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the trunks, by id.
    #[must_use]
    pub fn trunks(&self) -> Vec<Trunk> {
        self.trunks.values().map(|trunk| Trunk::clone(trunk)).collect()
    }

    /// Returns a trunk.
    #[must_use]
    pub fn trunk(&self, id: TrunkId) -> Option<Arc<Trunk>> {
        self.trunks.get(&id).cloned()
    }

    /// Returns the trunks that calls of ours may leave by, by id.
    pub fn ways_out(&self) -> impl Iterator<Item = (&Arc<Trunk>, &Outbound)> {
        self.trunks.values().filter_map(|trunk| Some((trunk, trunk.outbound.as_ref()?)))
    }

    /// Returns the numbers that calls of an organization may show, best first: the bridge's default
    /// number, then the toll numbers that are the organization's alone (domain.md §7.9).
    #[must_use]
    pub fn callers(&self, organization: OrganizationId) -> Vec<Did> {
        let own = self.own_toll.get(&organization).into_iter().flatten();
        self.default_number.iter().chain(own).cloned().collect()
    }

    /// Finds the service number that was dialled: a local string as it is, else read by the plan.
    #[must_use]
    pub fn number(&self, dialled: &str, plan: &NumberingPlan) -> Option<Arc<ServiceNumber>> {
        let exact = dialled.parse::<Did>().ok().and_then(|did| self.numbers.get(&did));
        let found = exact.or_else(|| self.numbers.get(&Did::E164(normalize(dialled, plan)?)));
        found.cloned()
    }

    /// Returns a meeting.
    #[must_use]
    pub fn meeting(&self, id: MeetingId) -> Option<Arc<Hosted>> {
        self.meetings.get(&id).cloned()
    }

    /// Finds a meeting by its conference ID, among those that the number may join. The same work
    /// whether the ID exists, is another organization's, or is nobody's (reliability.md S3).
    #[must_use]
    pub fn by_conference_id(&self, id: &Pin, number: &ServiceNumber) -> Option<Arc<Hosted>> {
        let meeting = self.conference_ids.get(id).copied().unwrap_or(MeetingId(0));
        let hosted = self.meetings.get(&meeting)?;
        let within = number.dedicated_to.is_none_or(|own| own == hosted.organization.id);
        within.then(|| Arc::clone(hosted))
    }

    /// Returns the length at which a conference ID keyed in on the number is whole.
    #[must_use]
    pub fn id_length(&self, number: &ServiceNumber) -> usize {
        self.id_lengths.get(&number.dedicated_to).copied().unwrap_or(usize::MAX)
    }

    /// Returns how many wrong conference IDs may be looked up in a day: guesses at random, at the
    /// length that has most IDs for its digits, then hit less than once ([`crate::shield`]).
    pub(crate) fn wrong_ids_a_day(&self) -> u64 {
        let bearable = self.id_counts.iter().map(|(digits, live)| {
            let digits = u32::try_from(*digits).unwrap_or(u32::MAX);
            10_u64.saturating_pow(digits).saturating_mul(9) / (10 * live)
        });
        bearable.min().unwrap_or(u64::MAX)
    }

    /// Returns an organization.
    #[must_use]
    pub fn organization(&self, id: OrganizationId) -> Option<&Organization> {
        self.organizations.get(&id)
    }

    /// Returns a user.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// Returns the meetings of an organization.
    #[must_use]
    pub fn hosted_by(&self, id: OrganizationId) -> &[Arc<Hosted>] {
        self.hosts.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Returns the price of a call: longest number prefix, then longest caller prefix, an
    /// organization's own rows before the list's, in its currency only (domain.md §5).
    #[must_use]
    pub fn price(
        &self,
        of: Option<&Organization>,
        number: &ServiceNumber,
        caller: Option<&Did>,
    ) -> Option<Price> {
        let (called, caller) = (number.did.full(), caller.map(Did::full).unwrap_or_default());
        let currency = of.map(|organization| organization.currency);
        let find = |scope| {
            let prices = self.tariffs.get(&(scope, number.number_type.into()))?;
            longest(prices, &called, &caller, currency)
        };
        let own = of.and_then(|organization| find(Some(organization.id)));
        own.or_else(|| find(None))
    }

    fn add_meetings(
        &mut self,
        users: Vec<User>,
        meetings: Vec<Meeting>,
    ) -> Result<(), DirectoryError> {
        for user in users {
            let what = format!("user {}", user.name);
            if !self.organizations.contains_key(&user.organization) {
                return Err(dangling(what, "an organization"));
            }
            once(self.users.insert(user.id, user), what)?;
        }
        for meeting in meetings {
            let what = format!("meeting {}", meeting.name);
            let organizer = self.users.get(&meeting.organizer).cloned();
            let organizer = organizer.ok_or_else(|| dangling(what.clone(), "an organizer"))?;
            let organization = self.organizations.get(&organizer.organization).cloned();
            let organization =
                organization.ok_or_else(|| dangling(what.clone(), "an organization"))?;
            let ids = format!("the conference ID of meeting {}", meeting.name);
            once(self.conference_ids.insert(meeting.conference_id.clone(), meeting.id), ids)?;
            let length = meeting.conference_id.reveal().len();
            *self.id_counts.entry(length).or_default() += 1;
            for scope in [None, Some(organization.id)] {
                let longest = self.id_lengths.entry(scope).or_default();
                *longest = length.max(*longest);
            }
            let (id, owner) = (meeting.id, organization.id);
            let hosted = Arc::new(Hosted { meeting, organizer, organization });
            self.hosts.entry(owner).or_default().push(Arc::clone(&hosted));
            once(self.meetings.insert(id, hosted), what)?;
        }
        Ok(())
    }

    fn add_number(&mut self, number: ServiceNumber) -> Result<(), DirectoryError> {
        self.dids.insert(number.id, number.did.clone());
        let what = format!("number {}", number.did);
        if number.dedicated_to.is_some_and(|id| !self.organizations.contains_key(&id)) {
            return Err(dangling(what, "an organization"));
        }
        if let Some(meeting) = number.bound_to {
            let hosted = self.meetings.get(&meeting);
            let hosted = hosted.ok_or_else(|| dangling(what.clone(), "a meeting"))?;
            if number.dedicated_to.is_some_and(|owner| owner != hosted.organization.id) {
                return Err(dangling(what, "a meeting of its organization"));
            }
        }
        if number.number_type == NumberType::Toll {
            match number.dedicated_to {
                Some(owner) => {
                    self.own_toll.entry(owner).or_default().insert(number.did.clone());
                }
                None if number.is_default => {
                    once(
                        self.default_number.replace(number.did.clone()),
                        "the default number".into(),
                    )?;
                }
                None => {}
            }
        }
        once(self.numbers.insert(number.did.clone(), Arc::new(number)), what)
    }

    fn add_tariff(&mut self, row: TariffRow) -> Result<(), DirectoryError> {
        let what = format!("the tariff of {}* from {}*", row.number_prefix, row.caller_prefix);
        if row.organization.is_some_and(|id| !self.organizations.contains_key(&id)) {
            return Err(dangling(what, "an organization"));
        }
        let prices = self.tariffs.entry((row.organization, row.kind)).or_default();
        let of_number = prices.entry(row.number_prefix).or_default();
        let rows = of_number.entry(row.caller_prefix).or_default();
        let twice = rows.iter().any(|price| price.currency == row.currency);
        rows.push(Price { rate: row.rate, currency: row.currency });
        once(twice.then_some(()), what)
    }
}

fn longest(
    prices: &Prices,
    called: &str,
    caller: &str,
    currency: Option<Currency>,
) -> Option<Price> {
    prefixes(called).filter_map(|prefix| prices.get(prefix)).find_map(|of_number| {
        let rows = prefixes(caller).filter_map(|prefix| of_number.get(prefix));
        rows.flatten().find(|price| currency.is_none_or(|own| own == price.currency)).copied()
    })
}

/// Every prefix of a number, longest first, the empty one last. Numbers are ASCII.
fn prefixes(number: &str) -> impl Iterator<Item = &str> {
    (0..=number.len()).rev().filter_map(|end| number.get(..end))
}

fn once<T>(before: Option<T>, what: String) -> Result<(), DirectoryError> {
    match before {
        None => Ok(()),
        Some(_) => Err(DirectoryError::Twice { what }),
    }
}

fn dangling(what: String, missing: &str) -> DirectoryError {
    DirectoryError::Dangling { what, missing: missing.to_owned() }
}

#[cfg(test)]
mod tests {
    use model::Money;
    use model::record::TariffRow;

    use super::*;
    use crate::sample;

    #[test]
    fn a_local_string_is_matched_as_it_is_and_digits_by_the_plan() {
        let mut provision = sample::provision();
        provision.numbers.push(ServiceNumber {
            did: "7042".parse().unwrap(),
            is_default: false,
            refusals: Default::default(),
            ..sample::number(NumberType::Toll)
        });
        let directory = Directory::new(provision, vec![sample::trunk()]).unwrap();
        let plan = NumberingPlan {
            country_code: "39".into(),
            national_prefix: String::new(),
            international_prefix: "00".into(),
        };
        let found = |dialled| directory.number(dialled, &plan).map(|number| number.did.full());
        assert_eq!(found("7042").as_deref(), Some("7042"));
        for dialled in ["+390116543210", "00390116543210", "0116543210"] {
            assert_eq!(found(dialled).as_deref(), Some("+390116543210"), "{dialled}");
        }
        assert_eq!(found("0116543211"), None);
        assert_eq!(found(""), None);
        assert_eq!(found("+\u{0663}"), None);
    }

    #[test]
    fn a_dedicated_number_joins_its_own_organization_only() {
        let directory = sample::directory();
        let id = sample::conference_id();
        let mut number = sample::number(NumberType::Toll);
        assert!(directory.by_conference_id(&id, &number).is_some());
        number.dedicated_to = Some(OrganizationId::from_name("other"));
        assert!(directory.by_conference_id(&id, &number).is_none());
        assert!(directory.by_conference_id(&Pin::parse("1").unwrap(), &number).is_none());
    }

    #[test]
    fn the_longest_number_prefix_wins_then_the_longest_caller_prefix() {
        let rows = [("", "", 1), ("+39", "", 2), ("+39", "+44", 3), ("+390116", "+4477", 4)];
        let prices = |caller: Option<&str>| {
            let directory = priced(&rows.map(|(number, caller, fee)| (None, number, caller, fee)));
            let caller = caller.map(|number| number.parse::<Did>().unwrap());
            fee(&directory, caller.as_ref())
        };
        assert_eq!(prices(None), Some(2));
        assert_eq!(prices(Some("+4420")), Some(3));
        assert_eq!(prices(Some("+447700")), Some(4));
        assert_eq!(prices(Some("+1415")), Some(2));
    }

    #[test]
    fn an_organizations_own_price_comes_before_a_more_precise_list_price() {
        let own = sample::organization().id;
        let directory = priced(&[(None, "+390116543210", "", 1), (Some(own), "", "", 2)]);
        assert_eq!(fee(&directory, None), Some(2));
    }

    #[test]
    fn a_price_in_another_currency_is_no_price() {
        let mut provision = sample::provision();
        provision.tariffs = vec![row(None, "", "", 1)];
        provision.tariffs[0].currency = Currency::parse("USD").unwrap();
        let directory = Directory::new(provision, Vec::new()).unwrap();
        assert_eq!(fee(&directory, None), None);
    }

    #[test]
    fn what_names_the_absent_or_comes_twice_is_refused() {
        let mut provision = sample::provision();
        provision.users[0].organization = OrganizationId::from_name("nobody");
        let error = Directory::new(provision, Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "user ada@acme.example names an organization, which does not exist"
        );
        let mut provision = sample::provision();
        let mut twin = provision.meetings[0].clone();
        (twin.id, twin.name) = (MeetingId(9), "twin".into());
        provision.meetings.push(twin);
        let error = Directory::new(provision, Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the conference ID of meeting twin is there twice");
    }

    fn fee(directory: &Directory, caller: Option<&Did>) -> Option<i64> {
        let number = sample::number(NumberType::Toll);
        let price = directory.price(Some(&sample::organization()), &number, caller)?;
        Some(price.rate.fee.micros())
    }

    fn priced(rows: &[(Option<OrganizationId>, &str, &str, i64)]) -> Directory {
        let mut provision = sample::provision();
        provision.tariffs = rows.iter().map(|(o, n, c, fee)| row(*o, n, c, *fee)).collect();
        Directory::new(provision, Vec::new()).unwrap()
    }

    fn row(of: Option<OrganizationId>, number: &str, caller: &str, fee: i64) -> TariffRow {
        TariffRow {
            organization: of,
            currency: sample::currency(),
            kind: TariffKind::Toll,
            number_prefix: number.into(),
            caller_prefix: caller.into(),
            rate: Rate { fee: Money::from_micros(fee), ..sample::rate() },
        }
    }
}
