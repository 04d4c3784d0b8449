//! What a meeting may cost. A second costs a cent, a slice is 30 s.

use bridge::refusal::Guard;
use bridge::{Note, Refusal};
use media::Prompt;
use model::Money;

use crate::carrier::Carrier;
use crate::provision::{self, BOUND, ID, OWN_FREE, SHARED};
use crate::world::{Store, World, money, secs};

#[test]
fn the_legs_of_a_meeting_together_cost_no_more_than_its_cap() {
    let mut world = capped("1.00");
    let calls: Vec<_> = ["a", "b"].map(|id| Carrier::invite(&mut world, id, BOUND)).into();
    for mut carrier in calls {
        carrier.establish(&mut world);
        assert!(world.held() <= money("1.00"));
    }
    for _ in 0..120 {
        world.pass(secs(1));
        assert!(spent(&world) <= money("1.00"), "{} at any moment", spent(&world));
    }
    assert!(world.bridge.live(world.now).is_empty());
    assert_eq!(labels(&world), ["meeting_spend", "meeting_spend"]);
    let told: Vec<_> = world.warnings();
    assert!(told.contains(&60) && told.contains(&10), "{told:?}");
    assert_eq!(spent(&world), money("1.00"), "and no less");
    world.is_at_rest();
}

#[test]
fn legs_that_ask_at_once_cannot_overrun_the_cap() {
    let mut world = capped("0.40");
    world.store = Store::Slow;
    Carrier::invite(&mut world, "a", BOUND);
    Carrier::invite(&mut world, "b", BOUND);
    let mut third = Carrier::invite(&mut world, "c", BOUND);
    let answer = third.refused(&mut world);
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    assert!(world.notes.contains(&Note::Refused(Refusal::Guard(Guard::MeetingSpend))));
    world.store = Store::Up;
    world.answer_store();
    assert_eq!(world.held(), money("0.40"), "30 s for the first, what is left for the second");
}

#[test]
fn what_another_leg_did_not_use_is_used_by_those_who_stay() {
    let mut world = capped("0.60");
    let mut stays = Carrier::invite(&mut world, "a", BOUND);
    stays.establish(&mut world);
    let mut leaves = Carrier::invite(&mut world, "b", BOUND);
    leaves.establish(&mut world);
    world.pass(secs(20));
    leaves.bye(&mut world);
    world.pass(secs(19));
    assert_eq!(world.bridge.live(world.now).len(), 1, "rescued");
    world.pass(secs(60));
    assert!(world.bridge.live(world.now).is_empty());
    assert_eq!(spent(&world), money("0.60"), "20 s and 40 s");
}

#[test]
fn an_identified_caller_is_told_that_the_call_cannot_be_completed() {
    let mut world = capped("0.30");
    let mut first = Carrier::invite(&mut world, "a", BOUND);
    first.establish(&mut world);
    for number in [SHARED, OWN_FREE] {
        let mut carrier = Carrier::invite(&mut world, number, number);
        carrier.establish(&mut world);
        let call = world.identifying();
        world.digits(call, ID);
        assert_eq!(world.said(call).last(), Some(&Prompt::CannotComplete), "{number}");
        world.pass(secs(6));
        let bye = world.expect("BYE");
        Carrier::reply(&mut world, &bye, "200 OK");
    }
}

#[test]
fn a_meeting_that_begins_anew_has_its_cap_again() {
    let mut world = capped("0.20");
    for id in ["a", "b"] {
        let mut carrier = Carrier::invite(&mut world, id, BOUND);
        carrier.establish(&mut world);
        world.pass(secs(30));
        let bye = world.expect("BYE");
        Carrier::reply(&mut world, &bye, "200 OK");
    }
    assert_eq!(spent(&world), money("0.40"));
}

fn capped(cap: &str) -> World {
    let mut provision = provision::standard();
    provision.meetings[0].spend_cap = Some(money(cap));
    let mut world = World::with(provision, provision::trunk());
    world.top_up("50.00");
    world
}

/// What is captured and held.
fn spent(world: &World) -> Money {
    let account = world.book.account(provision::organization().id).unwrap();
    account.captured.checked_add(account.held).unwrap()
}

fn labels(world: &World) -> Vec<String> {
    world.book.cdrs(9).into_iter().map(|cdr| cdr.ending.label.into_owned()).collect()
}
