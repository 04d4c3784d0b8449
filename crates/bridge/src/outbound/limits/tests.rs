//! Budgets by themselves. A second costs a cent.

use std::sync::Arc;

use model::{Allowance, Budget, Guards, NewCountries, Night, RateVersion, SecondsRule, UnixTime};

use super::*;
use crate::refusal::Refusal;
use crate::sample;

/// 2026-11-20, a Friday, at noon UTC, in seconds.
const NOON: i64 = 1_795_176_000;

#[test]
fn calls_at_once_and_in_a_minute_are_bounded_for_each_subject() {
    let (directory, charged) = world(|budget| {
        (budget.allowance.concurrent, budget.allowance.per_minute) = (2, 3);
    });
    let mut budgets = Budgets::default();
    let enter = |budgets: &mut Budgets, call, secs| {
        let decided = may(budgets, &directory, &charged, secs);
        if decided.is_ok() {
            budgets.enter(CallId(call), charged, at(secs).mono);
        }
        decided
    };
    assert_eq!(enter(&mut budgets, 1, 0), Ok(30));
    assert_eq!(enter(&mut budgets, 2, 0), Ok(30));
    assert_eq!(enter(&mut budgets, 3, 1), Err(Guard::BudgetConcurrent));
    over(&mut budgets, CallId(1), Money::ZERO, at(2).mono);
    assert_eq!(enter(&mut budgets, 3, 2), Ok(30));
    over(&mut budgets, CallId(2), Money::ZERO, at(3).mono);
    assert_eq!(enter(&mut budgets, 4, 3), Err(Guard::BudgetRate));
    assert_eq!(enter(&mut budgets, 4, 62), Ok(30));
}

#[test]
fn nobody_calls_on_a_budget_of_no_calls() {
    let (directory, charged) = world(|budget| budget.allowance.concurrent = 0);
    let denied = may(&Budgets::default(), &directory, &charged, 0);
    assert_eq!(denied, Err(Guard::BudgetConcurrent));
}

#[test]
fn what_is_asked_for_counts_at_once_so_that_no_limit_is_overrun_by_calls_that_leave_together() {
    // Three slices of thirty cents fit, and a cent is over.
    let (directory, charged) = world(|budget| budget.allowance.spend_hour = money(91));
    let mut budgets = Budgets::default();
    let mut left = 0;
    for call in 1..=10 {
        if may(&budgets, &directory, &charged, 0).is_ok() {
            budgets.enter(CallId(call), charged, at(0).mono);
            budgets.holds(CallId(call), money(30), Money::ZERO, at(0).mono);
            left += 1;
        }
    }
    assert_eq!(left, 3);
}

#[test]
fn what_is_held_counts_until_the_call_is_over_then_what_it_used() {
    let (directory, charged) = world(|budget| budget.allowance.spend_hour = money(60));
    let mut budgets = Budgets::default();
    budgets.enter(CallId(1), charged, at(0).mono);
    budgets.holds(CallId(1), money(60), Money::ZERO, at(0).mono);
    let may = |budgets: &Budgets, secs| may(budgets, &directory, &charged, secs);
    assert_eq!(may(&budgets, 1), Err(Guard::BudgetHour));
    over(&mut budgets, CallId(1), money(30), at(2).mono);
    assert_eq!(may(&budgets, 3), Ok(30), "half of it is free again");
    budgets.enter(CallId(2), charged, at(4).mono);
    budgets.holds(CallId(2), money(30), money(30), at(5).mono);
    assert_eq!(may(&budgets, 3600), Err(Guard::BudgetHour));
    over(&mut budgets, CallId(2), money(30), at(6).mono);
    assert_eq!(may(&budgets, 3600), Err(Guard::BudgetHour));
    assert_eq!(may(&budgets, 3670), Ok(30), "an hour later");
}

#[test]
fn what_the_book_refused_or_granted_less_of_is_free_again() {
    let (directory, charged) = world(|budget| budget.allowance.spend_day = money(60));
    let mut budgets = Budgets::default();
    budgets.enter(CallId(1), charged, at(0).mono);
    budgets.holds(CallId(1), money(60), Money::ZERO, at(0).mono);
    assert_eq!(may(&budgets, &directory, &charged, 0), Err(Guard::BudgetDay));
    budgets.holds(CallId(1), money(20), money(5), at(1).mono);
    assert_eq!(may(&budgets, &directory, &charged, 1), Ok(30));
    assert_eq!(budgets.uses[&charged.keys()[0]].held, 150_000);
}

#[test]
fn one_country_may_be_spent_and_another_not() {
    let (directory, charged) = world(|budget| budget.allowance.country_day = money(50));
    let mut budgets = Budgets::default();
    budgets.enter(CallId(1), charged, at(1).mono);
    budgets.holds(CallId(1), money(30), Money::ZERO, at(1).mono);
    assert_eq!(may(&budgets, &directory, &charged, 2), Err(Guard::BudgetCountry));
    let elsewhere = Charged { country: "CH".parse().ok(), ..charged };
    assert_eq!(may(&budgets, &directory, &elsewhere, 2), Ok(30));
}

#[test]
fn a_country_that_nobody_approved_is_held_back_if_that_is_wanted_and_a_denied_one_always() {
    let held = world(|budget| {
        (budget.new_countries, budget.approved) = (NewCountries::Held, vec!["CH".parse().unwrap()]);
        budget.denied = vec!["US".parse().unwrap()];
    });
    let open = world(|budget| budget.denied = vec!["IT".parse().unwrap()]);
    let asked = |(directory, charged): &(Directory, Charged), country: &str| {
        let charged = Charged { country: country.parse().ok(), ..*charged };
        may(&Budgets::default(), directory, &charged, 0)
    };
    assert_eq!((asked(&held, "IT"), asked(&held, "CH")), (Ok(30), Ok(30)), "home, and approved");
    assert_eq!(asked(&held, "LV"), Err(Guard::CountryUnapproved));
    assert_eq!(asked(&held, ""), Err(Guard::CountryUnapproved), "a network of no country");
    assert_eq!(asked(&held, "US"), Err(Guard::CountryDenied));
    assert_eq!((asked(&open, "LV"), asked(&open, "")), (Ok(30), Ok(30)));
    assert_eq!(asked(&open, "IT"), Err(Guard::CountryDenied), "even at home");
}

#[test]
fn a_night_is_lower_and_the_day_before_it_does_not_use_it_up() {
    let (directory, charged) = world(|budget| {
        budget.allowance.spend_day = money(1_000);
        let allowance = Allowance { concurrent: 2, spend_day: money(60), ..budget.allowance };
        budget.night = Some(Night { hours: Some((20 * 60, 7 * 60)), days: vec![5, 6], allowance });
    });
    let mut budgets = Budgets::default();
    let mut spend = |call, cents, secs| {
        budgets.enter(CallId(call), charged, at(secs).mono);
        budgets.holds(CallId(call), money(cents), Money::ZERO, at(secs).mono);
        over(&mut budgets, CallId(call), money(cents), at(secs).mono);
        may(&budgets, &directory, &charged, secs)
    };
    let (afternoon, evening, night) = (3 * 3600, 8 * 3600, 10 * 3600);
    assert_eq!(spend(1, 900, afternoon), Ok(30), "an ordinary day");
    assert_eq!(spend(2, 20, evening + 60), Ok(30), "what was spent by day does not count");
    assert_eq!(spend(3, 20, night), Err(Guard::BudgetDay), "of sixty cents forty are spent");
    let denied = budgets.within(&charged, &directory, (Some(&rate()), 30), at(night));
    let told = denied.unwrap_err().message;
    assert_eq!(
        told,
        "the night budget (20:00-07:00, sat, sun UTC) of organization acme is 0.60 EUR in a day: \
         0.40 is spent or held, 30 s more cost 0.30; look who called where, then wait, or raise \
         spend_day in [budget.night]"
    );
    let monday = (2 * 24 + 19) * 3600;
    assert_eq!(may(&budgets, &directory, &charged, monday), Ok(30));
}

#[test]
fn what_earlier_runs_spent_counts_to_its_end_and_attempts_for_their_minute() {
    let (directory, charged) = world(|budget| {
        budget.allowance.spend_hour = money(60);
        budget.allowance.per_minute = 2;
    });
    let now = at(10);
    let outlay = |ago: i64, cents| Outlay {
        call: CallId(1),
        written: UnixTime { micros: now.unix.micros - ago * 1_000_000 },
        organization: charged.organization,
        organizer: charged.organizer,
        called: "+390116543210".parse().unwrap(),
        begun: UnixTime { micros: now.unix.micros - ago * 1_000_000 },
        ended: UnixTime { micros: now.unix.micros - ago * 1_000_000 },
        charge: money(cents),
    };
    let after = |rows: &[Outlay], secs| {
        let mut spent = Spent::default();
        rows.iter().for_each(|row| spent.count(row, now));
        let mut budgets = Budgets::default();
        budgets.recall(spent);
        may(&budgets, &directory, &charged, secs)
    };
    assert_eq!(after(&[outlay(3_500, 20), outlay(3_000, 11)], 10), Err(Guard::BudgetHour));
    assert_eq!(after(&[outlay(3_500, 20), outlay(3_000, 11)], 700), Ok(30), "the older is past");
    assert_eq!(after(&[outlay(3_700, 60)], 10), Ok(30));
    assert_eq!(after(&[outlay(-3_600, 60)], 10), Err(Guard::BudgetHour), "a clock set back");
    assert_eq!(after(&[outlay(5, 0), outlay(50, 0)], 10), Err(Guard::BudgetRate));
    assert_eq!(after(&[outlay(5, 0), outlay(50, 0)], 25), Ok(30));
}

#[test]
fn what_is_spent_held_and_left_is_told() {
    let (directory, charged) = world(|budget| budget.allowance.spend_hour = money(100));
    let mut budgets = Budgets::default();
    budgets.enter(CallId(1), charged, at(0).mono);
    budgets.holds(CallId(1), money(40), money(10), at(1).mono);
    let shown = budgets.views(&directory, None, at(2));
    assert_eq!(shown.len(), 1, "the organizer has no budget of their own");
    assert_eq!(
        (shown[0].name.as_str(), shown[0].organization.as_str()),
        ("organization acme", "acme")
    );
    let of = |key: &str| shown[0].limits.iter().find(|limit| limit.key == key).unwrap();
    assert_eq!(of("concurrent").used, Used::Calls { most: 50, used: 1 });
    assert_eq!(of("per_minute").used, Used::Calls { most: 60, used: 1 });
    let (most, spent, held, left) = (money(100), money(10), money(30), money(60));
    assert_eq!(of("spend_hour").used, Used::Money { most, spent, held, left });
    assert_eq!(of("country_day").country, "IT".parse().ok());
    assert_eq!(budgets.views(&directory, Some(charged.organization), at(2)), shown);
    assert_eq!(budgets.views(&directory, Some(OrganizationId(7)), at(2)), []);
}

#[test]
fn what_a_call_held_counts_until_the_book_has_written_that_it_is_over() {
    let (directory, charged) = world(|budget| {
        (budget.allowance.spend_hour, budget.allowance.concurrent) = (money(60), 1);
    });
    let mut budgets = Budgets::default();
    budgets.enter(CallId(1), charged, at(0).mono);
    budgets.holds(CallId(1), money(60), Money::ZERO, at(0).mono);
    budgets.end(CallId(1), money(10), at(1).mono);
    assert_eq!(may(&budgets, &directory, &charged, 1), Err(Guard::BudgetHour), "no more at once");
    budgets.end(CallId(1), money(50), at(2).mono);
    budgets.leave(CallId(1));
    assert_eq!(may(&budgets, &directory, &charged, 2), Ok(30), "it cost what it cost first");
}

fn over(budgets: &mut Budgets, call: CallId, cost: Money, now: Instant) {
    budgets.end(call, cost, now);
    budgets.leave(call);
}

fn may(
    budgets: &Budgets,
    directory: &Directory,
    charged: &Charged,
    secs: u64,
) -> Result<u32, Guard> {
    let decided = budgets.within(charged, directory, (Some(&rate()), 30), at(secs));
    decided.map_err(|denied| {
        let Refusal::Guard(guard) = denied.refusal else { panic!("{denied:?}") };
        guard
    })
}

fn world(change: impl FnOnce(&mut Budget)) -> (Directory, Charged) {
    let mut provision = sample::provision();
    provision.organizations[0].outbound.country = "IT".parse().ok();
    let mut budget = Budget::of(Subject::Organization(provision.organizations[0].id));
    change(&mut budget);
    provision.guards = Guards { budgets: vec![budget], ..Guards::default() };
    let directory = Directory::new(provision, Vec::new()).unwrap();
    let host = Arc::clone(&directory.hosted_by(sample::organization().id)[0]);
    (directory, Charged::new(&host, "IT".parse().ok()))
}

fn rate() -> Rate {
    Rate {
        version: RateVersion(1),
        fee: Money::ZERO,
        per_minute: "0.60".parse::<Money>().unwrap().to_decimal(),
        initial_secs: 1,
        subsequent_secs: 1,
        minimum: Money::ZERO,
        rounding: SecondsRule::Nearest,
    }
}

/// Cents.
fn money(cents: i64) -> Money {
    Money::from_micros(cents * 10_000)
}

fn at(secs: u64) -> Now {
    let unix = UnixTime { micros: NOON * 1_000_000 }.after(secs * 1_000_000);
    Now { mono: Instant::START + Duration::from_secs(secs), unix }
}
