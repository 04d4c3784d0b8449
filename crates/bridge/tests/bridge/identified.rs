//! Callers of a shared number, who key in a conference ID.

use bridge::{Note, Refusal};
use media::Prompt;
use model::record::{Capability, Licence};

use crate::carrier::Carrier;
use crate::provision::{self, ID, SHARED};
use crate::world::{Store, World, money, secs};

#[test]
fn a_caller_who_keys_in_the_id_is_charged_from_the_answer() {
    let mut world = World::new();
    world.top_up("5.00");
    let (mut carrier, call) = answered(&mut world);
    assert_eq!(world.said(call), [Prompt::Welcome, Prompt::EnterConferenceId]);
    assert_eq!(world.held(), money("0"), "nothing is held before identification");
    world.pass(secs(20));
    world.digits(call, ID);
    assert_eq!(world.state(call), Some("seated"));
    assert!(world.is_seated(call));
    assert_eq!(world.said(call)[2..], [Prompt::Joining, Prompt::FirstParticipant]);
    world.pass(secs(100));
    carrier.bye(&mut world);
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.capability), (money("1.20"), Capability::Credits));
    world.is_at_rest();
}

#[test]
fn the_pound_key_ends_an_id_and_the_star_key_clears_it() {
    let mut world = World::new();
    world.top_up("5.00");
    let (_, call) = answered(&mut world);
    world.digits(call, "99*1234#");
    world.pass(secs(1));
    assert_eq!(world.said(call)[2..], [Prompt::UnknownConferenceId, Prompt::EnterConferenceId]);
    world.digits(call, ID);
    assert_eq!(world.state(call), Some("seated"));
}

#[test]
fn three_wrong_ids_end_in_a_goodbye_and_one_unattributed_record() {
    let mut world = World::new();
    let (_, call) = answered(&mut world);
    world.pass(secs(6));
    for _ in 0..3 {
        world.digits(call, "000000000");
        world.pass(secs(4));
    }
    assert_eq!(world.state(call), Some("parting"));
    assert_eq!(world.said(call).last(), Some(&Prompt::TooManyTries));
    world.pass(secs(1));
    world.played(call);
    let bye = world.expect("BYE");
    Carrier::reply(&mut world, &bye, "200 OK");
    let cdr = world.cdr();
    assert_eq!(
        (cdr.ending.label.as_ref(), cdr.capability),
        ("unknown_conference_id", Capability::Unattributed)
    );
    assert_eq!((cdr.charge, cdr.account), (money("0.19"), None), "valued at list price");
    assert!(world.notes.contains(&Note::Unattributed { value: money("0.19") }));
    assert!(!cdr.reasons.concat().contains("000000000"), "digits are kept nowhere");
    world.is_at_rest();
}

#[test]
fn a_caller_who_keys_in_nothing_is_sent_off_when_the_unpaid_time_is_over() {
    let mut world = World::new();
    let (_, call) = answered(&mut world);
    world.pass(secs(89));
    assert_eq!(world.state(call), Some("identifying"));
    world.pass(secs(20));
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!(cdr.ending.label, "identification_timeout");
    assert!(cdr.connected_micros < 105_000_000, "{}", cdr.connected_micros);
}

#[test]
fn a_pause_ends_what_is_keyed_in() {
    let mut world = World::new();
    let (_, call) = answered(&mut world);
    world.digits(call, "1234");
    world.pass(secs(9));
    assert_eq!(world.said(call).len(), 2);
    world.pass(secs(3));
    assert_eq!(world.said(call)[2], Prompt::UnknownConferenceId);
}

#[test]
fn a_subscription_joins_toll_callers_for_nothing() {
    let provision = provision::subscribed(&[Licence::Subscription]);
    let mut world = World::with(provision, provision::trunk());
    let (mut carrier, call) = answered(&mut world);
    world.digits(call, ID);
    world.pass(secs(500));
    assert_eq!(world.state(call), Some("seated"));
    carrier.bye(&mut world);
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.capability, cdr.rate), (money("0"), Capability::Included, None));
    assert_eq!(cdr.connected_micros, 500_000_000);
}

#[test]
fn without_credit_an_identified_caller_is_told_neutrally_and_sent_off() {
    let mut world = World::new();
    let (_, call) = answered(&mut world);
    world.digits(call, ID);
    assert_eq!(world.said(call).last(), Some(&Prompt::CannotComplete));
    world.pass(secs(10));
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!(cdr.ending.label, "insufficient_credit");
    assert_eq!((cdr.capability, cdr.account), (Capability::Unattributed, None));
}

#[test]
fn a_full_meeting_admits_nobody_more() {
    let mut world = World::new();
    world.top_up("5.00");
    for id in ["a", "b", "c"] {
        let mut carrier = Carrier::invite(&mut world, id, SHARED);
        carrier.establish(&mut world);
        let call = world.identifying();
        world.digits(call, ID);
    }
    let mut carrier = Carrier::invite(&mut world, "d", SHARED);
    carrier.establish(&mut world);
    let call = world.identifying();
    world.digits(call, ID);
    assert_eq!(world.said(call).last(), Some(&Prompt::MeetingFull));
    assert!(world.notes.contains(&Note::Refused(Refusal::MeetingFull)));
}

#[test]
fn those_in_the_room_hear_who_comes_and_goes() {
    let mut world = World::new();
    world.top_up("5.00");
    let (_, first) = answered(&mut world);
    world.digits(first, ID);
    world.pass(secs(10));
    let mut other = Carrier::invite(&mut world, "b", SHARED);
    other.establish(&mut world);
    let second = world.identifying();
    world.digits(second, ID);
    assert_eq!(world.said(first).last(), Some(&Prompt::EntryTone));
    assert!(!world.said(second).contains(&Prompt::FirstParticipant));
    world.pass(secs(3));
    other.bye(&mut world);
    assert_eq!(world.said(first).last(), Some(&Prompt::ExitTone));
}

#[test]
fn a_silent_store_sends_an_identified_caller_off_and_holds_nothing() {
    let mut world = World::new();
    world.top_up("5.00");
    let (_, call) = answered(&mut world);
    world.store = Store::Slow;
    world.digits(call, ID);
    assert_eq!(world.state(call), Some("admitting"));
    world.pass(secs(5));
    assert_eq!(world.said(call).last(), Some(&Prompt::TryLater));
    world.store = Store::Up;
    world.answer_store();
    world.pass(secs(10));
    assert_eq!(world.cdr().ending.label, "store_unavailable");
    assert_eq!((world.held(), world.available()), (money("0"), money("5.00")));
}

#[test]
fn a_caller_who_hangs_up_while_the_store_is_asked_leaves_no_hold() {
    let mut world = World::new();
    world.top_up("5.00");
    let (mut carrier, call) = answered(&mut world);
    world.store = Store::Slow;
    world.digits(call, ID);
    carrier.bye(&mut world);
    world.store = Store::Up;
    world.answer_store();
    assert_eq!(world.held(), money("0"));
    assert_eq!(world.cdr().capability, Capability::Unattributed);
    world.is_at_rest();
}

#[test]
fn without_announcements_digits_are_waited_for_in_silence() {
    let mut world = World::set(provision::standard(), provision::trunk(), |settings| {
        settings.announcements = false
    });
    world.top_up("5.00");
    let (_, call) = answered(&mut world);
    world.digits(call, ID);
    assert_eq!(world.state(call), Some("seated"));
    assert!(world.said(call).is_empty());
}

fn answered(world: &mut World) -> (Carrier, model::CallId) {
    let mut carrier = Carrier::invite(world, "a", SHARED);
    carrier.establish(world);
    let call = world.identifying();
    (carrier, call)
}
