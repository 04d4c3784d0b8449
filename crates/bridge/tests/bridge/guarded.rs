//! Guards: budgets of calls out, people and numbers out of service, callers that are not wanted. A
//! second costs a cent.

use std::collections::BTreeSet;
use std::sync::Arc;

use bridge::outbound::Options;
use bridge::refusal::Guard;
use bridge::{Directory, Input, Load, Refusal};
use media::Prompt;
use model::policy::DestinationRule;
use model::record::{Provision, Trunk};
use model::{Allowance, Budget, Guards, Screen, Standing, Subject, Suspension};

use crate::callee::Callee;
use crate::carrier::{Carrier, field};
use crate::provision::{self, BOUND};
use crate::world::{World, money, secs};

const NUMBER: &str = "+390112345678";
const OTHER: &str = "+390112345679";

#[test]
fn a_spent_budget_cuts_the_call_with_goodbye_and_costs_the_cap_at_most() {
    let mut world = budget(|allowance| allowance.spend_hour = money("0.60"));
    world.order(&[NUMBER], plain());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.pass(secs(50));
    assert_eq!(world.state(call), Some("seated"));
    world.order(&[OTHER], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::BudgetHour), "a hard stop for new calls");
    world.pass(secs(60));
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    assert_eq!(world.said(call).last(), Some(&Prompt::Goodbye));
    let cdrs = world.book.cdrs(9);
    let cdr = cdrs.iter().find(|cdr| cdr.call == call).unwrap();
    assert_eq!(cdr.ending.label, "budget_hour");
    assert_eq!(cdr.charge, money("0.60"), "the cap, and not a cent more");
    let refused = cdrs.iter().find(|cdr| cdr.call != call).unwrap();
    let told = refused.reasons.iter().any(|why| why.contains("spend_hour"));
    assert!(told, "whoever reads the record knows what to do: {:?}", refused.reasons);
    world.pass(secs(3700));
    world.sent.clear();
    world.order(&[OTHER], plain());
    Callee::rung(&mut world);
}

#[test]
fn the_longest_call_is_ended_inside_its_time() {
    let mut world = budget(|allowance| allowance.max_secs = 60);
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.pass(secs(70));
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("max_duration", money("0.60")));
    world.is_at_rest();
}

#[test]
fn calls_at_once_are_counted_until_they_are_over() {
    let mut world = budget(|allowance| allowance.concurrent = 1);
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    world.order(&[OTHER], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::BudgetConcurrent));
    callee.answer(&mut world, "486 Busy Here", None);
    world.expect("ACK");
    world.sent.clear();
    world.order(&[OTHER], plain());
    Callee::rung(&mut world);
}

#[test]
fn an_organizers_own_budget_binds_beside_the_organizations() {
    let mut provision = provision::standard();
    let mut own = Budget::of(Subject::User(provision.users[0].id));
    own.allowance.per_minute = 1;
    provision.guards = Guards { budgets: vec![own], ..Guards::default() };
    let mut world = funded(provision);
    world.order(&[NUMBER], plain());
    Callee::rung(&mut world);
    world.order(&[OTHER], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::BudgetRate));
}

#[test]
fn a_suspended_organizer_gets_no_new_call_and_a_stopped_one_loses_the_live_one() {
    let mut world = funded(provision::standard());
    world.order(&[NUMBER], plain());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.pass(secs(10));
    let ada = Subject::User(provision::standard().users[0].id);
    stand(&mut world, ada, Standing::Suspended);
    world.order(&[OTHER], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::UserSuspended));
    assert_eq!(world.state(call), Some("seated"), "who is in stays");
    stand(&mut world, ada, Standing::Stopped);
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    let cdrs = world.book.cdrs(9);
    let cdr = cdrs.iter().find(|cdr| cdr.call == call).unwrap();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("user_suspended", money("0.10")));
    world.is_at_rest();
}

#[test]
fn callers_are_turned_away_by_number_trunk_and_list() {
    let number = provision::standard().numbers.iter().find(|n| n.did.full() == BOUND).unwrap().id;
    let trunk = Subject::Trunk(provision::trunk_in().id);
    for (subject, label) in
        [(Subject::Number(number), "number_suspended"), (trunk, "trunk_suspended")]
    {
        let mut world = funded(provision::standard());
        stand(&mut world, subject, Standing::Suspended);
        Carrier::invite(&mut world, "one", BOUND);
        world.expect("SIP/2.0 480");
        assert_eq!(world.cdr().ending.label, label);
    }
    let mut provision = provision::standard();
    let rule = DestinationRule { prefix: String::new(), allow: false };
    provision.guards.screens.push(Screen {
        subject: Subject::Organization(provision::organization().id),
        callers: vec![rule],
        anonymous_refused: true,
        lines_refused: Vec::new(),
    });
    let mut world = funded(provision);
    Carrier::invite(&mut world, "one", BOUND);
    world.expect("SIP/2.0 403");
    assert_eq!(world.cdr().ending.label, "caller_denied");
}

#[test]
fn an_overloaded_node_refuses_new_calls_at_once_and_serves_the_live_ones() {
    let mut world = funded(provision::standard());
    let mut live = Carrier::invite(&mut world, "live", BOUND);
    live.establish(&mut world);
    let busy = |queued| Input::Load(Load::Waiting(queued));
    world.input(busy(512));
    let mut waits = BTreeSet::new();
    for n in 0..40 {
        Carrier::invite(&mut world, &format!("new{n}"), BOUND);
        let refused = world.expect("SIP/2.0 503");
        let secs: u32 = field(&refused, "Retry-After").parse().unwrap();
        assert!((5..=30).contains(&secs), "{secs}");
        waits.insert(secs);
    }
    assert!(waits.len() > 5, "they do not all return at once: {waits:?}");
    world.order(&[NUMBER], plain());
    assert_eq!(world.refused(), Refusal::Guard(Guard::Overloaded));
    live.bye(&mut world);
    world.expect("SIP/2.0 200");
    world.input(busy(0));
    Carrier::invite(&mut world, "later", BOUND).establish(&mut world);
}

pub(crate) fn stand(world: &mut World, subject: Subject, standing: Standing) {
    let mut provision = provision::standard();
    let (reason, since) = ("fraud".to_owned(), world.now.unix);
    provision.guards.suspensions.push(Suspension { subject, standing, reason, since });
    let directory = Directory::new(provision, trunks()).unwrap();
    world.input(Input::Directory(Arc::new(directory)));
}

pub(crate) fn trunks() -> Vec<Trunk> {
    vec![provision::trunk_in(), provision::way_out("first", 10, 1)]
}

pub(crate) fn plain() -> Options {
    Options { press_one: Some(false), ..Options::default() }
}

pub(crate) fn budget(change: impl FnOnce(&mut Allowance)) -> World {
    let mut provision = provision::standard();
    let mut budget = Budget::of(Subject::Organization(provision::organization().id));
    change(&mut budget.allowance);
    provision.guards = Guards { budgets: vec![budget], ..Guards::default() };
    funded(provision)
}

pub(crate) fn funded(provision: Provision) -> World {
    let mut world = World::set_trunks(provision, trunks(), |_| ());
    world.top_up("50.00");
    world
}
