//! Why a budget says no, in words: which budget, what limit, what of it is used, what to change.

use model::{Budget, Country, Money, NewCountries, Subject};

use crate::directory::Directory;
use crate::directory::guarding::Bounds;
use crate::outbound::Denied;
use crate::outbound::limits::{Charged, Limit};
use crate::refusal::{Guard, Refusal};

/// Whom the words are about.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) directory: &'a Directory,
    pub(super) charged: &'a Charged,
    pub(super) subject: Subject,
}

impl Told<'_> {
    /// A limit of money stands in the way of so many seconds that cost so much.
    pub(super) fn money(
        &self,
        limit: &Limit,
        bounds: &Bounds<'_>,
        (secs, price): (u32, i64),
    ) -> Denied {
        let organization = self.directory.organization(self.charged.organization);
        let currency = organization.map(|row| row.currency.to_string()).unwrap_or_default();
        let [taken, price] = [limit.taken, price.max(0)].map(Money::from_micros);
        let (whose, most) = (self.whose(bounds), limit.most);
        let (key, span) = limit.key;
        let why = format!(
            "{whose} is {most} {currency} in {span}: {taken} is spent or held, {secs} s more cost {price}; \
             look who called where, then wait, or raise {key} in {}",
            table(bounds)
        );
        Denied::new(Refusal::Guard(limit.guard), why)
    }

    /// As many calls live as may.
    pub(super) fn concurrent(&self, bounds: &Bounds<'_>, live: u32) -> Denied {
        let why = format!(
            "{} is {} calls out at once: {live} live; wait for one to end, or raise concurrent in {}",
            self.whose(bounds),
            bounds.allowance.concurrent,
            table(bounds)
        );
        Denied::new(Refusal::Guard(Guard::BudgetConcurrent), why)
    }

    /// As many calls have begun in the last minute as may.
    pub(super) fn rate(&self, bounds: &Bounds<'_>, begun: i64) -> Denied {
        let why = format!(
            "{} is {} calls out in a minute: {begun} have begun; wait a minute, or raise per_minute in {}",
            self.whose(bounds),
            bounds.allowance.per_minute,
            table(bounds)
        );
        Denied::new(Refusal::Guard(Guard::BudgetRate), why)
    }

    /// A call has had its time.
    pub(super) fn longest(&self, bounds: &Bounds<'_>) -> Denied {
        let why = format!(
            "{} is {} min for one call: it has had them; call again, or raise max_minutes in {}",
            self.whose(bounds),
            bounds.allowance.max_secs / 60,
            table(bounds)
        );
        Denied::new(Refusal::Guard(Guard::MaxDuration), why)
    }

    /// Whether the country needs nobody's approval, or has it.
    pub(super) fn approved(&self, budget: &Budget) -> Result<(), Denied> {
        let charged = self.charged;
        let known = |country: Country| {
            charged.home == Some(country) || budget.approved.binary_search(&country).is_ok()
        };
        if let Some(country) = charged.country.filter(|country| budget.denied.contains(country)) {
            return Err(self.country_denied(country));
        }
        match budget.new_countries {
            NewCountries::Open => Ok(()),
            NewCountries::Held if charged.country.is_some_and(known) => Ok(()),
            NewCountries::Held => Err(self.unapproved()),
        }
    }

    fn unapproved(&self) -> Denied {
        let name = self.organization();
        let why = match self.charged.country {
            Some(country) => format!(
                "a first call of organization {name} to {country} waits for an approval: tollgate \
                 approve {name} {country}, or POST \
                 /v1/organizations/{name}/countries/{country}/approve"
            ),
            None => format!(
                "organization {name} calls approved countries only, and this network belongs to \
                 none: to call it, unset hold_new_countries in [[budget]]"
            ),
        };
        Denied::new(Refusal::Guard(Guard::CountryUnapproved), why)
    }

    fn country_denied(&self, country: Country) -> Denied {
        let name = self.organization();
        let why = format!(
            "calls of organization {name} to {country} are denied: tollgate suspended tells who denied \
             them, tollgate approve {name} {country} takes it back"
        );
        Denied::new(Refusal::Guard(Guard::CountryDenied), why)
    }

    fn organization(&self) -> &str {
        let organization = self.directory.organization(self.charged.organization);
        organization.map(|row| row.name.as_str()).unwrap_or_default()
    }

    fn whose(&self, bounds: &Bounds<'_>) -> String {
        let name = self.directory.name_of(self.subject);
        match bounds.night {
            None => format!("the budget of {name}"),
            Some((night, _)) => {
                let organization = self.directory.organization(self.charged.organization);
                let zone = organization.map(|row| row.time_zone.as_str()).unwrap_or_default();
                let zone = if zone.is_empty() { "UTC" } else { zone };
                format!("the night budget ({night} {zone}) of {name}")
            }
        }
    }
}

fn table(bounds: &Bounds<'_>) -> &'static str {
    if bounds.night.is_some() { "[budget.night]" } else { "[[budget]]" }
}
