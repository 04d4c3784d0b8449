//! The shield: callers who never name a meeting, and those who guess.

use std::time::Duration;

use bridge::refusal::Guard;
use bridge::shield::{Alarm, Budget, Scope};
use bridge::{Abuse, Note, Refusal, Stretch};
use media::Prompt;
use model::record::{Meeting, Provision};
use model::{CallId, MeetingId, Pin};

use crate::carrier::{Carrier, OFFER, field};
use crate::provision::{self, ID, OWN_FREE, SHARED};
use crate::world::{World, secs};

const ROBOT: &str = "+14155550123";
const REGULAR: &str = "+390119876543";

#[test]
fn a_robot_in_the_menu_gets_less_time_and_is_then_refused_by_code_on_toll_free_numbers() {
    let mut world = world(|abuse| abuse.caller = stretch(60, 150));
    assert!((90..105).contains(&lasted(&mut world, "a", OWN_FREE)), "the usual time");
    assert!((30..45).contains(&lasted(&mut world, "b", OWN_FREE)), "over the first limit");
    assert!((30..45).contains(&lasted(&mut world, "c", OWN_FREE)));
    let mut refused = Carrier::invite(&mut world, "d", OWN_FREE);
    let answer = refused.refused(&mut world);
    assert!(answer.starts_with("SIP/2.0 480"), "{answer}");
    assert!(field(&answer, "Reason").contains("cause=41"), "neutral: {answer}");
    let cdrs = world.book.cdrs(9);
    let cdr = cdrs.iter().find(|cdr| cdr.ending.label == "unidentified_budget").unwrap();
    assert_eq!((cdr.charge.micros(), cdr.answered), (0, None));
    assert!(cdr.reasons.iter().any(|why| why.contains("caller")), "{:?}", cdr.reasons);
    world.pass(secs(1));
    let alarms = alarms(&world);
    let told = |budget| Alarm { budget, scope: Scope::Caller };
    assert_eq!(alarms, [told(Budget::Unidentified), told(Budget::Refused)], "once each");
    assert!((30..45).contains(&lasted(&mut world, "e", SHARED)), "who pays their own call may try");
    world.pass(secs(3_800));
    assert!((90..105).contains(&lasted(&mut world, "f", OWN_FREE)), "an hour later");
    world.is_at_rest();
}

#[test]
fn numbers_of_one_range_share_its_budget_and_others_do_not() {
    let mut world = world(|abuse| abuse.range = stretch(60, 120));
    for (at, id) in ["a", "b"].into_iter().enumerate() {
        let from = format!("+1415555012{at}");
        stay(&mut world, id, OWN_FREE, &from);
    }
    let offer = || Some(OFFER);
    let mut same = Carrier::invite_from(&mut world, "c", OWN_FREE, ("+14155550777", offer()));
    assert!(same.refused(&mut world).starts_with("SIP/2.0 480"));
    let mut other = Carrier::invite_from(&mut world, "d", OWN_FREE, (REGULAR, offer()));
    other.establish(&mut world);
}

#[test]
fn callers_who_name_a_meeting_in_the_end_use_up_nothing() {
    let mut world = world(|abuse| {
        abuse.caller = stretch(30, 60);
        abuse.trunk = stretch(30, 60);
    });
    for id in ["a", "b", "c", "d", "e"] {
        let mut carrier = Carrier::invite(&mut world, id, SHARED);
        carrier.establish(&mut world);
        let call = world.identifying();
        world.pass(secs(20));
        world.digits(call, ID);
        assert_eq!(world.state(call), Some("seated"));
        carrier.bye(&mut world);
        world.pass(secs(1));
    }
    assert_eq!(alarms(&world), []);
}

#[test]
fn every_wrong_id_is_answered_later_than_the_one_before() {
    let mut world = world(|_| ());
    let (_, call) = identifying(&mut world, "a", ROBOT);
    for (wrong, pause) in [(0, 1_000), (1, 2_000)] {
        world.digits(call, "000000000");
        world.pass(Duration::from_millis(pause - 10));
        assert_eq!(unknown(&world, call), wrong);
        world.digits(call, "5");
        world.pass(Duration::from_millis(20));
        assert_eq!(unknown(&world, call), wrong + 1);
    }
    world.digits(call, ID);
    assert_eq!(world.state(call), Some("seated"), "a key in the pause counts for nothing");
}

#[test]
fn over_a_budget_of_wrong_ids_a_call_has_one_try() {
    let mut world = world(|abuse| abuse.wrong_per_hour_caller = 2);
    let (mut first, call) = identifying(&mut world, "a", ROBOT);
    for _ in 0..2 {
        world.digits(call, "000000000");
        world.pass(secs(5));
    }
    first.bye(&mut world);
    assert_eq!(alarms(&world), [Alarm { budget: Budget::WrongIds, scope: Scope::Caller }]);
    let (_, second) = identifying(&mut world, "b", ROBOT);
    world.digits(second, "000000000");
    world.pass(secs(7));
    assert_eq!(world.state(second), Some("identifying"), "the longest pause");
    world.pass(secs(2));
    assert_eq!(world.said(second).last(), Some(&Prompt::TooManyTries));
    world.pass(secs(10));
    let (_, third) = identifying(&mut world, "c", ROBOT);
    world.digits(third, ID);
    assert_eq!(world.state(third), Some("seated"), "a right one is right");
}

#[test]
fn once_too_many_were_guessed_strangers_are_told_to_come_later_and_regulars_get_in() {
    // 3 000 IDs of 4 digits: 3 wrong ones a day.
    let mut world = World::set(crowded(), provision::trunk(), |_| ());
    world.top_up("50.00");
    let (mut regular, call) = identifying(&mut world, "a", REGULAR);
    world.digits(call, "1000");
    assert_eq!(world.state(call), Some("seated"));
    regular.bye(&mut world);
    let (_, guesser) = identifying(&mut world, "b", ROBOT);
    for wrong in ["9000", "9001", "9002"] {
        world.digits(guesser, wrong);
        world.pass(secs(5));
    }
    world.pass(secs(10));
    let guessing = Alarm { budget: Budget::Guessing, scope: Scope::Node };
    assert_eq!(alarms(&world), [guessing]);
    let (_, stranger) = identifying(&mut world, "c", "+14155559999");
    world.digits(stranger, "1000");
    world.pass(secs(9));
    assert_eq!(world.said(stranger).last(), Some(&Prompt::TryLater), "right or wrong");
    assert!(world.notes.contains(&Note::Refused(Refusal::Guard(Guard::Guessing))));
    world.pass(secs(10));
    let (_, call) = identifying(&mut world, "d", REGULAR);
    world.digits(call, "1000");
    assert_eq!(world.state(call), Some("seated"));
    world.pass(secs(25 * 3_600));
    let (_, stranger) = identifying(&mut world, "e", "+14155559999");
    world.digits(stranger, "1000");
    assert_eq!(world.state(stranger), Some("seated"), "a day later");
}

#[test]
fn a_slip_that_is_put_right_is_no_guess() {
    let mut world = World::set(crowded(), provision::trunk(), |_| ());
    world.top_up("50.00");
    for id in ["a", "b", "c", "d", "e"] {
        let (mut carrier, call) = identifying(&mut world, id, REGULAR);
        world.digits(call, "9000");
        world.pass(secs(2));
        world.digits(call, "2000");
        assert_eq!(world.state(call), Some("seated"), "{id}");
        carrier.bye(&mut world);
        world.pass(secs(1));
    }
    assert_eq!(alarms(&world), []);
}

#[test]
fn a_toll_free_number_that_robots_call_scores_high() {
    let mut world = world(|_| ());
    for id in 0..20 {
        stay(&mut world, &format!("r{id}"), OWN_FREE, ROBOT);
    }
    world.pass(secs(60));
    let score = world.notes.iter().rev().find_map(|note| match note {
        Note::Pumping { number, permille } => Some((number.did.full(), *permille)),
        _ => None,
    });
    assert_eq!(score, Some((OWN_FREE.to_owned(), 1_000)));
}

fn world(change: impl FnOnce(&mut Abuse)) -> World {
    let mut world =
        World::set(provision::standard(), provision::trunk(), |set| change(&mut set.abuse));
    world.top_up("100.00");
    world
}

/// 3 000 meetings, 1000 to 3999.
fn crowded() -> Provision {
    let mut provision = provision::standard();
    let model = provision.meetings[0].clone();
    let meetings = (1_000..4_000).map(|id: u32| Meeting {
        id: MeetingId::from_name(&id.to_string()),
        name: id.to_string(),
        conference_id: Pin::parse(&id.to_string()).unwrap(),
        ..model.clone()
    });
    provision.meetings = meetings.collect();
    for number in &mut provision.numbers {
        number.bound_to = None;
    }
    provision
}

fn identifying(world: &mut World, id: &str, from: &str) -> (Carrier, CallId) {
    world.sent.clear();
    let mut carrier = Carrier::invite_from(world, id, SHARED, (from, Some(OFFER)));
    carrier.establish(world);
    let call = world.identifying();
    (carrier, call)
}

/// A caller who says nothing until they are sent off.
fn stay(world: &mut World, id: &str, called: &str, from: &str) {
    let mut carrier = Carrier::invite_from(world, id, called, (from, Some(OFFER)));
    carrier.establish(world);
    world.pass(secs(120));
    let bye = world.expect("BYE");
    Carrier::reply(world, &bye, "200 OK");
}

/// How many seconds a caller who says nothing is borne.
fn lasted(world: &mut World, id: &str, called: &str) -> u64 {
    stay(world, id, called, ROBOT);
    let cdr = world.book.cdrs(99).into_iter().max_by_key(|cdr| cdr.invited).unwrap();
    assert_eq!(cdr.ending.label, "identification_timeout");
    cdr.connected_micros / 1_000_000
}

fn unknown(world: &World, call: CallId) -> usize {
    world.said(call).iter().filter(|prompt| **prompt == Prompt::UnknownConferenceId).count()
}

fn alarms(world: &World) -> Vec<Alarm> {
    let told = world.notes.iter().filter_map(|note| match note {
        Note::Abuse(alarm) => Some(*alarm),
        _ => None,
    });
    told.collect()
}

fn stretch(short: u64, refuse: u64) -> Stretch {
    Stretch { short: secs(short), refuse: secs(refuse) }
}
