//! What holds calls of ours back, however many are ordered at once. A second costs a cent, a first
//! slice thirty.

use std::sync::Arc;

use bridge::refusal::Guard;
use bridge::{Denied, Directory, Input, Refusal, Spent};
use model::record::Provision;
use model::{Allowance, Budget, CallId, Guards, NewCountries, Night, Subject, UnixTime};

use crate::callee::Callee;
use crate::guarded::{budget, funded, plain, trunks};
use crate::provision::{self, BOUND};
use crate::world::{Store, World, money, secs};

const NUMBER: &str = "+390112345678";
const LATVIA: &str = "+37120000001";

#[test]
fn of_calls_ordered_at_once_as_many_leave_as_the_budget_has_slices_for() {
    let mut world = budget(|allowance| allowance.spend_hour = money("0.60"));
    world.store = Store::Slow;
    order_three(&mut world);
    let told: Vec<_> = world.placed.iter().map(|placed| placed.calls[0].clone()).collect();
    assert_eq!(told.len(), 1, "two wait for their holds");
    let Err(denied) = &told[0] else { panic!("{told:?}") };
    assert_eq!(denied.refusal, Refusal::Guard(Guard::BudgetHour));
    assert_eq!(
        denied.message,
        "the budget of organization acme is 0.60 EUR in an hour: 0.60 is spent or held, 30 s more \
         cost 0.30; look who called where, then wait, or raise spend_hour in [[budget]]"
    );
    world.store = Store::Up;
    world.answer_store();
    let left = world.sent.iter().filter(|message| message.starts_with("INVITE"));
    assert_eq!(left.count(), 2);
    assert_eq!(world.held(), money("0.60"));
}

#[test]
fn calls_at_once_are_counted_before_the_book_is_asked() {
    let mut world = budget(|allowance| allowance.concurrent = 2);
    world.store = Store::Slow;
    order_three(&mut world);
    assert_eq!(world.refused(), Refusal::Guard(Guard::BudgetConcurrent));
    assert_eq!(world.placed.len(), 1);
}

#[test]
fn live_calls_never_spend_more_than_the_budget_together() {
    let mut world = budget(|allowance| allowance.spend_hour = money("1.65"));
    let callees: Vec<Callee> = (0..3)
        .map(|n| {
            world.order(&[&format!("+39011234567{n}")], plain());
            let callee = Callee::rung(&mut world);
            callee.pick_up(&mut world);
            callee
        })
        .collect();
    world.pass(secs(120));
    for callee in &callees {
        let bye = world.expect("BYE");
        callee.reply(&mut world, &bye, "200 OK");
    }
    let charges: Vec<_> = world.book.cdrs(9).iter().map(|cdr| cdr.charge.micros()).collect();
    let spent: i64 = charges.iter().sum();
    assert!(spent <= money("1.65").micros(), "{charges:?}");
    assert!(spent >= money("1.50").micros(), "what is worth a slice is used: {charges:?}");
    let cdr = world.book.cdrs(1).remove(0);
    assert_eq!(cdr.ending.label, "budget_hour");
    let why = |why: &String| {
        why.starts_with("no more time: budget_hour: the budget of organization acme")
    };
    assert!(cdr.reasons.iter().any(why), "{:?}", cdr.reasons);
    world.is_at_rest();
}

#[test]
fn a_hold_whose_answer_was_lost_stays_counted_and_is_asked_for_in_the_same_words() {
    let mut world = budget(|allowance| allowance.spend_hour = money("0.70"));
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.store = Store::Forgetful;
    world.pass(secs(25));
    world.order(&["+390112345679"], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::BudgetHour), "the second slice may stand");
    world.store = Store::Up;
    world.pass(secs(60));
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    let cdrs = world.book.cdrs(9);
    let cdr = cdrs.iter().find(|cdr| cdr.answered.is_some()).unwrap();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("budget_hour", money("0.70")));
}

#[test]
fn what_was_spent_before_a_restart_is_spent_after_it() {
    let mut before = budget(|allowance| allowance.spend_day = money("0.60"));
    before.order(&[NUMBER], plain());
    let mut callee = Callee::rung(&mut before);
    callee.pick_up(&mut before);
    before.pass(secs(40));
    callee.bye(&mut before);
    let start = (UnixTime { micros: 0 }, CallId(0));
    let outlays = before.book.outlays(start, 9);
    assert_eq!(outlays.len(), 1);
    for (later, is_free) in [(secs(3_600), false), (secs(25 * 3_600), true)] {
        let mut after = budget(|allowance| allowance.spend_day = money("0.60"));
        after.now.unix = before.now.unix.after(u64::try_from(later.as_micros()).unwrap());
        let mut spent = Spent::default();
        outlays.iter().for_each(|outlay| spent.count(outlay, after.now));
        after.input(Input::Spent(Box::new(spent)));
        after.order(&[NUMBER], plain());
        if is_free {
            Callee::rung(&mut after);
        } else {
            assert_eq!(after.refused(), Refusal::Guard(Guard::BudgetDay));
        }
    }
}

#[test]
fn a_first_call_to_a_country_waits_for_an_approval_and_a_denied_one_is_never_called() {
    let held = |change: fn(&mut Budget)| {
        let mut budget = Budget::of(Subject::Organization(provision::organization().id));
        budget.new_countries = NewCountries::Held;
        change(&mut budget);
        let guards = Guards { budgets: vec![budget], ..Guards::default() };
        Provision { guards, ..provision::standard() }
    };
    let mut world = funded(held(|_| ()));
    world.order(&[LATVIA], plain());
    let told = denied(&world);
    assert_eq!(told.refusal, Refusal::Guard(Guard::CountryUnapproved));
    assert!(told.message.contains("tollgate approve acme LV"), "{}", told.message);
    assert_eq!(world.book.unapproved(UnixTime { micros: 0 }, 9).len(), 1, "it waits");
    take(&mut world, held(|budget| budget.approved.push("LV".parse().unwrap())));
    world.order(&[LATVIA], plain());
    Callee::rung(&mut world);
    take(&mut world, held(|budget| budget.denied.push("LV".parse().unwrap())));
    world.order(&["+37120000002"], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::CountryDenied));
    assert!(world.sent.iter().all(|message| !message.starts_with("INVITE")));
}

#[test]
fn a_night_has_its_own_lower_limits() {
    // The world begins on Wednesday 2026-11-18 at 11:06:40 UTC: 06:06:40 in New York.
    let mut provision = provision::standard();
    provision.organizations[0].time_zone = "America/New_York".into();
    let mut budget = Budget::of(Subject::Organization(provision.organizations[0].id));
    let allowance = Allowance { concurrent: 1, ..budget.allowance };
    budget.night = Some(Night { hours: Some((20 * 60, 7 * 60)), days: Vec::new(), allowance });
    provision.guards = Guards { budgets: vec![budget], ..Guards::default() };
    let mut world = funded(provision);
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    world.order(&["+390112345679"], plain());
    let told = denied(&world);
    assert_eq!(told.refusal, Refusal::Guard(Guard::BudgetConcurrent));
    let night = "the night budget (20:00-07:00 America/New_York) of organization acme is 1 calls";
    assert!(told.message.starts_with(night), "{}", told.message);
    callee.answer(&mut world, "486 Busy Here", None);
    world.pass(secs(3_300));
    world.sent.clear();
    for n in 0..2 {
        world.order(&[&format!("+39011234567{n}")], plain());
        Callee::rung(&mut world);
    }
}

#[test]
fn our_own_numbers_are_not_called() {
    let mut world = funded(provision::standard());
    for number in [BOUND, provision::SHARED, provision::OWN_FREE] {
        world.order(&[number], plain());
        assert_eq!(world.refused(), Refusal::DestinationOwnNumber, "{number}");
    }
    assert!(world.sent.is_empty());
}

#[test]
fn without_a_trunk_that_calls_leave_by_nobody_is_called() {
    let mut world = World::with(provision::standard(), provision::trunk_in());
    world.top_up("50.00");
    world.order(&[NUMBER], plain());
    assert_eq!(world.refused(), Refusal::NoRoute);
    assert!(world.sent.is_empty());
    assert_eq!(world.held(), money("0.00"));
}

fn order_three(world: &mut World) {
    for n in 0..3 {
        world.order(&[&format!("+39011234567{n}")], plain());
    }
}

fn denied(world: &World) -> Denied {
    match &world.placed.last().unwrap().calls[..] {
        [Err(denied)] => denied.clone(),
        other => panic!("not one refused call: {other:?}"),
    }
}

fn take(world: &mut World, provision: Provision) {
    let directory = Directory::new(provision, trunks()).unwrap();
    world.input(Input::Directory(Arc::new(directory)));
}
