//! What happens in the dialog of a live call.

use media::{Command, Silence};
use model::record::Licence;

use crate::carrier::{Carrier, OFFER, offer};
use crate::provision::{self, BOUND, SHARED};
use crate::world::{World, money, secs};

#[test]
fn hold_and_resume_are_answered_and_charged() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    carrier.reinvite(&mut world, Some(&offer("sendonly")));
    assert!(carrier.answered(&mut world).contains("a=recvonly"));
    carrier.acknowledge(&mut world, None);
    assert_eq!(world.held_flags(), [true]);
    world.pass(secs(5));
    carrier.reinvite(&mut world, Some(OFFER));
    carrier.answered(&mut world);
    carrier.acknowledge(&mut world, None);
    assert_eq!(world.held_flags(), [true, false]);
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("0.05"));
}

#[test]
fn a_re_invite_that_cannot_be_agreed_on_leaves_the_call_as_it_was() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    carrier.reinvite(&mut world, Some(&OFFER.replace("192.0.2.9", "127.0.0.1")));
    world.expect("SIP/2.0 488");
    assert_eq!(world.state(world.call()), Some("seated"));
    assert!(world.held_flags().is_empty());
}

#[test]
fn a_re_invite_without_an_offer_gets_ours_and_takes_theirs_from_the_ack() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    carrier.reinvite(&mut world, None);
    assert!(carrier.answered(&mut world).contains("m=audio"));
    carrier.acknowledge(&mut world, Some(OFFER));
    assert_eq!(world.held_flags(), [false]);
}

#[test]
fn a_late_offer_is_answered_with_ours_and_seated_on_the_ack() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite_with(&mut world, "a", BOUND, None);
    let ok = carrier.answered(&mut world);
    assert!(ok.contains("m=audio"), "{ok}");
    let call = world.call();
    assert!(!world.is_seated(call));
    carrier.acknowledge(&mut world, Some(OFFER));
    assert!(world.is_seated(call));
    let until = world.media.iter().rev().find_map(|command| match command {
        Command::Fund { until, .. } => Some(*until),
        _ => None,
    });
    let opened = world.media.iter().position(|c| matches!(c, Command::Open { .. })).unwrap();
    let told = world.media[opened..].iter().any(|c| matches!(c, Command::Fund { .. }));
    assert!(told && until.is_some(), "media learns the paid time once it knows the leg");
}

#[test]
fn a_late_offer_to_a_shared_number_is_greeted_on_the_ack() {
    let mut world = World::new();
    let mut carrier = Carrier::invite_with(&mut world, "a", SHARED, None);
    carrier.answered(&mut world);
    let call = world.call();
    assert!(world.said(call).is_empty());
    carrier.acknowledge(&mut world, Some(OFFER));
    assert_eq!(world.said(call).len(), 2);
}

#[test]
fn an_ack_without_the_answer_that_is_owed_ends_the_call() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite_with(&mut world, "a", BOUND, None);
    carrier.answered(&mut world);
    carrier.acknowledge(&mut world, None);
    world.expect("BYE");
    assert_eq!(world.cdr().ending.label, "malformed_sdp");
}

#[test]
fn a_silent_peer_that_answers_options_lives_on() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.silence(call);
    world.pass(secs(21));
    let options = world.expect("OPTIONS");
    Carrier::reply(&mut world, &options, "200 OK");
    world.pass(secs(19));
    assert_eq!(world.state(call), Some("seated"));
    world.pass(secs(2));
    world.expect("OPTIONS");
}

#[test]
fn a_peer_that_knows_the_call_no_more_is_billed_to_its_last_proof() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(12));
    world.silence(call);
    world.pass(secs(21));
    let options = world.expect("OPTIONS");
    Carrier::reply(&mut world, &options, "481 Call Does Not Exist");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("peer_gone", money("0.12")));
}

#[test]
fn a_peer_that_answers_nothing_is_billed_to_its_last_proof() {
    let mut world =
        World::with(provision::subscribed(&[Licence::Subscription]), provision::trunk());
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(30));
    world.input(bridge::Input::Media(media::Event::Life {
        call,
        silence: Silence::Began { last: Some(world.now.mono.minus(secs(5))) },
    }));
    world.pass(secs(60));
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.connected_micros), ("peer_gone", 25_000_000));
}

#[test]
fn a_dead_phone_behind_a_box_that_answers_for_it_is_billed_to_its_last_proof() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(12));
    world.silence(call);
    for asked in 1..=3 {
        assert_eq!(world.state(call), Some("seated"), "before question {asked}");
        world.pass(secs(20));
        prove_nothing(&mut world, "503 Service Unavailable");
    }
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("peer_gone", money("0.12")));
    assert!(cdr.reasons.iter().any(|reason| reason.contains("no proof of life")), "{cdr:?}");
    world.is_at_rest();
}

#[test]
fn a_peer_without_options_that_speaks_again_is_counted_from_there() {
    let mut world = World::new();
    world.top_up("9.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    for _ in 0..4 {
        world.silence(call);
        for _ in 0..2 {
            world.pass(secs(20));
            prove_nothing(&mut world, "405 Method Not Allowed");
        }
        world.input(bridge::Input::Media(media::Event::Life { call, silence: Silence::Ended }));
    }
    assert_eq!(world.state(call), Some("seated"));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("1.60"));
}

#[test]
fn a_silent_leg_without_proof_has_nothing_captured_past_its_last_one() {
    let mut world = World::new();
    world.top_up("9.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(35));
    world.silence(call);
    for _ in 0..2 {
        world.pass(secs(20));
        prove_nothing(&mut world, "405 Method Not Allowed");
    }
    let captured = world.book.open_legs()[0].captured;
    assert_eq!(captured, money("0.30"), "the slice that was over by the last packet");
    world.pass(secs(20));
    prove_nothing(&mut world, "405 Method Not Allowed");
    assert_eq!(world.cdr().charge, money("0.35"));
    world.is_at_rest();
}

#[test]
fn a_peer_that_takes_only_re_invites_lives_by_them() {
    let mut world = World::new();
    world.top_up("9.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.silence(call);
    for _ in 0..5 {
        world.pass(secs(20));
        let options = world.expect("OPTIONS");
        Carrier::reply(&mut world, &options, "405 Method Not Allowed");
        let invite = world.expect("INVITE");
        Carrier::reply(&mut world, &invite, "200 OK");
        world.expect("ACK");
    }
    assert_eq!(world.state(call), Some("seated"));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("1.00"));
    world.is_at_rest();
}

#[test]
fn a_peer_whose_call_is_gone_by_its_answer_to_a_re_invite_is_billed_to_its_last_proof() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(12));
    world.silence(call);
    world.pass(secs(21));
    let options = world.expect("OPTIONS");
    Carrier::reply(&mut world, &options, "405 Method Not Allowed");
    let invite = world.expect("INVITE");
    Carrier::reply(&mut world, &invite, "404 Not Found");
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("peer_gone", money("0.12")));
    world.is_at_rest();
}

#[test]
fn a_caller_who_keys_nothing_in_and_proves_nothing_is_gone_too() {
    let mut world = World::set(provision::standard(), provision::trunk(), |settings| {
        settings.unpaid_limit = secs(600);
    });
    let mut carrier = Carrier::invite(&mut world, "a", SHARED);
    carrier.establish(&mut world);
    world.silence(world.call());
    for _ in 0..3 {
        world.pass(secs(20));
        prove_nothing(&mut world, "501 Not Implemented");
    }
    world.expect("BYE");
    assert_eq!(world.cdr().ending.label, "peer_gone");
}

#[test]
fn a_held_peer_may_be_silent_for_five_minutes() {
    let mut world = World::new();
    world.top_up("9.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    carrier.reinvite(&mut world, Some(&offer("inactive")));
    carrier.answered(&mut world);
    carrier.acknowledge(&mut world, None);
    world.silence(call);
    world.sent.clear();
    world.pass(secs(299));
    assert!(!world.sent.iter().any(|message| message.starts_with("OPTIONS")));
    world.pass(secs(2));
    world.expect("OPTIONS");
}

#[test]
fn a_re_invite_that_is_never_acknowledged_does_not_make_the_call_free() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    world.silence(world.call());
    world.pass(secs(15));
    carrier.reinvite(&mut world, Some(OFFER));
    world.expect("SIP/2.0 200");
    world.pass(secs(40));
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.label.as_ref()), (money("0.15"), "peer_gone"));
    world.is_at_rest();
}

#[test]
fn a_repeated_invite_is_one_call_and_one_hold() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    Carrier::invite(&mut world, "a", BOUND);
    assert_eq!((world.bridge.live(world.now).len(), world.held()), (1, money("0.30")));
    carrier.bye(&mut world);
    assert_eq!(world.book.cdrs(9).len(), 1);
}

/// The peer is asked in every way that is open to it without UPDATE, and each answer proves nothing.
fn prove_nothing(world: &mut World, status: &str) {
    let options = world.expect("OPTIONS");
    Carrier::reply(world, &options, status);
    let invite = world.expect("INVITE");
    Carrier::reply(world, &invite, status);
    world.expect("ACK");
}
