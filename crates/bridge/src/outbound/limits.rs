//! Limits against fraud, between the policy and the route: what the calls of an organization and of
//! an organizer may cost, where, and how fast (reliability.md S10).
//!
//! The node counts what it granted itself: the price of every slice that the book held for a call
//! counts until the call is over, then what it used. So the spending of a budget is at most its
//! limit and one slice for each call that lives when it is reached.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Allowance, Budget, CallId, Country, Instant, Money, NewCountries, Subject};

use crate::call::file::File;
use crate::directory::{Directory, Hosted};
use crate::outbound::window::Window;
use crate::refusal::Guard;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Above so many, the accounts of those who have not called for a day are forgotten.
const ACCOUNTS: usize = 16_384;

/// Who answers for a call, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    /// The organization and the organizer.
    subjects: [Subject; 2],
    /// The organization's own country.
    home: Option<Country>,
    /// The destination's; none for networks that belong to none.
    country: Option<Country>,
}

/// What is counted together: all calls of a subject, or those to one country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    All(Subject),
    To(Subject, Option<Country>),
}

/// What one key has used.
#[derive(Debug)]
struct Use {
    live: u32,
    begun: Window,
    hour: Window,
    day: Window,
    /// Price of what live calls were granted and have not used, millionths.
    exposed: i64,
}

/// One live call of ours.
#[derive(Debug)]
struct Live {
    charged: Charged,
    granted: i64,
    used: i64,
}

/// Everybody's use. Bounded by what is provisioned and by the countries.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    uses: BTreeMap<Key, Use>,
    calls: BTreeMap<CallId, Live>,
}

impl Charged {
    /// Names who answers for a meeting's call to a country.
    pub(crate) fn new(host: &Hosted, country: Option<Country>) -> Self {
        let organization = Subject::Organization(host.organization.id);
        Self {
            subjects: [organization, Subject::User(host.organizer.id)],
            home: host.organization.outbound.country,
            country,
        }
    }

    fn keys(&self) -> [Key; 4] {
        let [one, other] = self.subjects;
        let to = |subject| Key::To(subject, self.country);
        [Key::All(one), Key::All(other), to(one), to(other)]
    }
}

impl Budgets {
    /// Decides whether one more call may leave.
    ///
    /// # Errors
    /// The guard that holds it back.
    pub(crate) fn within(
        &self,
        charged: &Charged,
        directory: &Directory,
        now: Instant,
    ) -> Result<(), Guard> {
        for subject in charged.subjects {
            let Some(budget) = directory.budget(subject) else { continue };
            approved(budget, charged)?;
            let allowance = &budget.allowance;
            if let Some(used) = self.uses.get(&Key::All(subject)) {
                if used.live >= allowance.concurrent {
                    return Err(Guard::BudgetConcurrent);
                }
                if used.begun.sum(now) >= i64::from(allowance.per_minute) {
                    return Err(Guard::BudgetRate);
                }
            }
            self.unspent(subject, charged.country, allowance, now)?;
        }
        Ok(())
    }

    /// A call is begun.
    pub(crate) fn enter(&mut self, call: CallId, charged: Charged, now: Instant) {
        if self.uses.len() > ACCOUNTS {
            self.uses.retain(|_, used| used.live > 0 || used.day.sum(now) > 0);
        }
        for key in charged.keys() {
            let used = self.uses.entry(key).or_insert_with(Use::new);
            used.live += 1;
            used.begun.add(1, now);
        }
        self.calls.insert(call, Live { charged, granted: 0, used: 0 });
    }

    /// A call was granted time of this price in all, and has used as much of it.
    pub(crate) fn granted(&mut self, call: CallId, granted: Money, used: Money, now: Instant) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        let before = (live.granted, live.used);
        live.granted = granted.micros().max(live.granted);
        live.used = used.micros().clamp(live.used, live.granted);
        let (more, spent) = (live.granted - before.0, live.used - before.1);
        for key in live.charged.keys() {
            if let Some(used) = self.uses.get_mut(&key) {
                used.exposed += more - spent;
                used.spend(spent, now);
            }
        }
    }

    /// A call is over; it cost this.
    pub(crate) fn leave(&mut self, call: CallId, cost: Money, now: Instant) {
        self.granted(call, Money::ZERO, cost, now);
        let Some(live) = self.calls.remove(&call) else { return };
        for key in live.charged.keys() {
            if let Some(used) = self.uses.get_mut(&key) {
                used.live = used.live.saturating_sub(1);
                used.exposed -= live.granted - live.used;
            }
        }
    }

    /// Returns how many more seconds a live call may be granted. Other calls are not asked.
    ///
    /// # Errors
    /// The guard that ends it with what it was granted.
    pub(crate) fn extension(
        &self,
        file: &File,
        directory: &Directory,
        now: Instant,
    ) -> Result<u32, Guard> {
        let Some(live) = self.calls.get(&file.call) else { return Ok(u32::MAX) };
        let mut most = u32::MAX;
        for subject in live.charged.subjects {
            let Some(budget) = directory.budget(subject) else { continue };
            let allowance = &budget.allowance;
            let left = allowance.max_secs.saturating_sub(file.funded_secs);
            if left == 0 {
                return Err(Guard::MaxDuration);
            }
            most = most.min(left);
            self.unspent(subject, live.charged.country, allowance, now)?;
        }
        Ok(most)
    }

    fn unspent(
        &self,
        subject: Subject,
        country: Option<Country>,
        allowance: &Allowance,
        now: Instant,
    ) -> Result<(), Guard> {
        if let Some(used) = self.uses.get(&Key::All(subject)) {
            if used.hour.sum(now) + used.exposed >= allowance.spend_hour.micros() {
                return Err(Guard::BudgetHour);
            }
            if used.day.sum(now) + used.exposed >= allowance.spend_day.micros() {
                return Err(Guard::BudgetDay);
            }
        }
        if let Some(used) = self.uses.get(&Key::To(subject, country))
            && used.day.sum(now) + used.exposed >= allowance.country_day.micros()
        {
            return Err(Guard::BudgetCountry);
        }
        Ok(())
    }
}

impl Use {
    fn new() -> Self {
        Self {
            live: 0,
            begun: Window::over(MINUTE),
            hour: Window::over(HOUR),
            day: Window::over(DAY),
            exposed: 0,
        }
    }

    fn spend(&mut self, amount: i64, now: Instant) {
        self.hour.add(amount, now);
        self.day.add(amount, now);
    }
}

/// Whether the country needs nobody's approval, or has it.
fn approved(budget: &Budget, charged: &Charged) -> Result<(), Guard> {
    let known = |country: Country| {
        charged.home == Some(country) || budget.approved.binary_search(&country).is_ok()
    };
    match budget.new_countries {
        NewCountries::Open => Ok(()),
        NewCountries::Held if charged.country.is_some_and(known) => Ok(()),
        NewCountries::Held => Err(Guard::CountryUnapproved),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Guards;

    use super::*;
    use crate::sample;

    #[test]
    fn calls_at_once_and_in_a_minute_are_bounded_for_each_subject() {
        let (directory, charged) = world(|allowance| {
            (allowance.concurrent, allowance.per_minute) = (2, 3);
        });
        let mut budgets = Budgets::default();
        let enter = |budgets: &mut Budgets, call, secs| {
            let decided = budgets.within(&charged, &directory, at(secs));
            if decided.is_ok() {
                budgets.enter(CallId(call), charged, at(secs));
            }
            decided
        };
        assert_eq!(enter(&mut budgets, 1, 0), Ok(()));
        assert_eq!(enter(&mut budgets, 2, 0), Ok(()));
        assert_eq!(enter(&mut budgets, 3, 1), Err(Guard::BudgetConcurrent));
        budgets.leave(CallId(1), Money::ZERO, at(2));
        assert_eq!(enter(&mut budgets, 3, 2), Ok(()));
        budgets.leave(CallId(2), Money::ZERO, at(3));
        assert_eq!(enter(&mut budgets, 4, 3), Err(Guard::BudgetRate));
        assert_eq!(enter(&mut budgets, 4, 62), Ok(()));
    }

    #[test]
    fn what_is_granted_counts_until_the_call_is_over_then_what_it_used() {
        let (directory, charged) = world(|allowance| allowance.spend_hour = money(10));
        let mut budgets = Budgets::default();
        budgets.enter(CallId(1), charged, at(0));
        budgets.granted(CallId(1), money(10), Money::ZERO, at(0));
        let may = |budgets: &Budgets, secs| budgets.within(&charged, &directory, at(secs));
        assert_eq!(may(&budgets, 1), Err(Guard::BudgetHour));
        budgets.leave(CallId(1), money(4), at(2));
        assert_eq!(may(&budgets, 3), Ok(()), "six are free again");
        budgets.enter(CallId(2), charged, at(4));
        budgets.granted(CallId(2), money(6), money(6), at(5));
        assert_eq!(may(&budgets, 3600), Err(Guard::BudgetHour));
        budgets.leave(CallId(2), money(6), at(6));
        assert_eq!(may(&budgets, 3600), Err(Guard::BudgetHour));
        assert_eq!(may(&budgets, 3670), Ok(()), "an hour later");
    }

    #[test]
    fn one_country_may_be_spent_and_another_not() {
        let (directory, charged) = world(|allowance| allowance.country_day = money(5));
        let mut budgets = Budgets::default();
        budgets.enter(CallId(1), charged, at(0));
        budgets.leave(CallId(1), money(5), at(0));
        assert_eq!(budgets.within(&charged, &directory, at(1)), Ok(()), "nothing was granted");
        budgets.enter(CallId(2), charged, at(1));
        budgets.granted(CallId(2), money(5), Money::ZERO, at(1));
        let denied = budgets.within(&charged, &directory, at(2));
        assert_eq!(denied, Err(Guard::BudgetCountry));
        let elsewhere = Charged { country: "CH".parse().ok(), ..charged };
        assert_eq!(budgets.within(&elsewhere, &directory, at(2)), Ok(()));
    }

    #[test]
    fn a_country_that_nobody_approved_is_held_back_if_that_is_wanted() {
        let mut provision = sample::provision();
        provision.organizations[0].outbound.country = "IT".parse().ok();
        let subject = Subject::Organization(provision.organizations[0].id);
        let approved = vec!["CH".parse().unwrap()];
        let new_countries = NewCountries::Held;
        let budget = Budget { new_countries, approved, ..Budget::of(subject) };
        provision.guards = Guards { budgets: vec![budget], ..Guards::default() };
        let directory = Directory::new(provision, Vec::new()).unwrap();
        let host = Arc::clone(&directory.hosted_by(sample::organization().id)[0]);
        let may = |country: &str| {
            let charged = Charged::new(&host, country.parse().ok());
            Budgets::default().within(&charged, &directory, at(0))
        };
        assert_eq!((may("IT"), may("CH")), (Ok(()), Ok(())), "home, and approved");
        assert_eq!(may("LV"), Err(Guard::CountryUnapproved));
        assert_eq!(may(""), Err(Guard::CountryUnapproved), "a network of no country");
    }

    fn world(change: impl FnOnce(&mut Allowance)) -> (Directory, Charged) {
        let mut provision = sample::provision();
        let mut budget = Budget::of(Subject::Organization(provision.organizations[0].id));
        change(&mut budget.allowance);
        provision.guards = Guards { budgets: vec![budget], ..Guards::default() };
        let directory = Directory::new(provision, Vec::new()).unwrap();
        let host = Arc::clone(&directory.hosted_by(sample::organization().id)[0]);
        (directory, Charged::new(&host, "IT".parse().ok()))
    }

    fn money(micros: i64) -> Money {
        Money::from_micros(micros)
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
