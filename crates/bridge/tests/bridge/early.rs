//! Refusals that are told before the answer: nobody pays, nothing is held, and the code leaves within
//! ten seconds whatever happens.

use bridge::{Input, Note};
use media::{Command, PortId, Prompt};
use model::limits;
use model::record::{Licence, Provision, Refusals};

use crate::carrier::{Carrier, OFFER, field};
use crate::provision::{self, BOUND, OWN_FREE, SHARED};
use crate::world::{Store, World, money, secs};

/// What a caller says who can acknowledge what comes before the answer.
const CAN: &str = "Supported: 100rel\r\n";

#[test]
fn a_caller_without_credit_hears_why_and_then_gets_the_code() {
    let mut world = telling();
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    let progress = carrier.spoken_to(&mut world);
    assert!(progress.contains("m=audio"), "{progress}");
    assert_eq!((field(&progress, "Require"), field(&progress, "RSeq")), ("", ""));
    let call = world.call();
    assert_eq!(world.state(call), Some("announcing"));
    assert_eq!(world.said(call), [Prompt::CannotComplete]);
    assert_eq!(world.held(), money("0"));
    assert!(world.book.open_legs().is_empty(), "the book knows of no leg");
    world.pass(secs(2));
    world.played(call);
    let refusal = carrier.refused(&mut world);
    assert!(refusal.starts_with("SIP/2.0 403"), "{refusal}");
    assert_eq!(field(&refusal, "Reason"), "Q.850;cause=21");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.connected_micros, cdr.answered), (money("0"), 0, None));
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.sip_status), ("insufficient_credit", 403));
    assert!(cdr.reasons.iter().any(|reason| reason == "told before the answer"));
    assert!(!world.is_seated(call));
    world.is_at_rest();
}

#[test]
fn a_number_that_does_not_want_it_refuses_by_code_at_once() {
    let mut world = World::new();
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    assert!(world.media.is_empty());
    world.is_at_rest();
}

#[test]
fn a_caller_nobody_is_licensed_for_is_told_too_in_the_language_of_the_number() {
    let mut world = World::with(told(provision::subscribed(&[])), provision::trunk());
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.spoken_to(&mut world);
    let call = world.call();
    let opened = world.media.iter().any(
        |command| matches!(command, Command::Open { call: leg, language: 0, .. } if *leg == call),
    );
    assert!(opened);
    world.played(call);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    assert_eq!(world.cdr().ending.label, "not_licensed");
    world.is_at_rest();
}

#[test]
fn the_code_leaves_within_ten_seconds_though_nobody_says_that_the_sentence_is_over() {
    for cuts in [true, false] {
        let mut world = telling();
        world.cuts = cuts;
        let mut carrier = Carrier::invite(&mut world, "a", BOUND);
        carrier.spoken_to(&mut world);
        world.pass(secs(10));
        assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
        world.is_at_rest();
    }
}

#[test]
fn no_sentence_of_a_refusal_is_longer_than_may_be_told() {
    let library = media::LibraryBuilder::embedded().unwrap().build().unwrap();
    let told = bridge::Refusal::all().filter(|refusal| refusal.is_told_early());
    for refusal in told {
        assert!(library.length(0, refusal.row().prompt) <= secs(9), "{refusal:?}");
    }
}

#[test]
fn a_caller_who_cancels_meanwhile_leaves_nothing_behind() {
    let mut world = telling();
    let carrier = Carrier::invite(&mut world, "a", BOUND);
    world.expect("SIP/2.0 183");
    world.pass(secs(1));
    carrier.cancel(&mut world);
    world.expect("SIP/2.0 487");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.sip_status), ("cancelled", 487));
    assert_eq!(cdr.charge, money("0"));
    assert!(cdr.reasons.iter().any(|reason| reason == "refused: insufficient_credit"));
    world.is_at_rest();
}

#[test]
fn what_is_told_arrives_for_certain_where_the_caller_can_acknowledge_it() {
    let mut world = telling();
    let mut carrier = Carrier::invite_as(&mut world, ("a", BOUND), CAN, Some(OFFER));
    let progress = carrier.spoken_to(&mut world);
    assert_eq!(field(&progress, "Require"), "100rel");
    carrier.prack(&mut world, &progress, None);
    world.expect("SIP/2.0 200");
    let call = world.call();
    world.played(call);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    world.is_at_rest();
}

#[test]
fn a_prack_that_never_comes_holds_no_code_back() {
    let mut world = telling();
    let mut carrier = Carrier::invite_as(&mut world, ("a", BOUND), CAN, Some(OFFER));
    carrier.spoken_to(&mut world);
    world.pass(secs(10));
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    world.is_at_rest();
}

#[test]
fn a_caller_who_brings_no_offer_is_told_once_ours_is_answered() {
    let mut world = telling();
    let mut carrier = Carrier::invite_as(&mut world, ("a", BOUND), CAN, None);
    let progress = carrier.spoken_to(&mut world);
    assert!(progress.contains("m=audio"), "{progress}");
    let call = world.call();
    assert!(world.said(call).is_empty());
    carrier.prack(&mut world, &progress, Some(OFFER));
    world.expect("SIP/2.0 200");
    assert_eq!(world.said(call), [Prompt::CannotComplete]);
    world.played(call);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    world.is_at_rest();
}

#[test]
fn a_caller_who_brings_no_offer_and_cannot_answer_ours_is_refused_by_code() {
    let mut world = telling();
    let mut carrier = Carrier::invite_with(&mut world, "a", BOUND, None);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    assert!(world.media.is_empty());
    world.is_at_rest();
}

#[test]
fn a_caller_who_moves_their_media_meanwhile_is_followed() {
    let mut world = telling();
    let mut carrier = Carrier::invite_as(&mut world, ("a", BOUND), CAN, Some(OFFER));
    let progress = carrier.spoken_to(&mut world);
    carrier.prack(&mut world, &progress, Some(&OFFER.replace("30000", "31000")));
    assert!(world.expect("SIP/2.0 200").contains("m=audio"));
    let moved = world.media.iter().any(
        |command| matches!(command, Command::Update { flow, .. } if flow.remote.port() == 31_000),
    );
    assert!(moved);
    world.pass(secs(10));
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    world.is_at_rest();
}

#[test]
fn whoever_is_told_takes_no_place_in_the_meeting() {
    let mut world = telling();
    for name in ["a", "b", "c"] {
        Carrier::invite(&mut world, name, BOUND).spoken_to(&mut world);
    }
    world.top_up("5.00");
    let mut last = Carrier::invite(&mut world, "d", BOUND);
    last.establish(&mut world);
    assert!(world.bridge.live(world.now).iter().any(|live| live.state == "seated"));
    last.bye(&mut world);
    world.is_at_rest();
}

#[test]
fn a_store_that_may_have_held_something_refuses_by_code_so_that_it_is_given_back_at_once() {
    let mut world = telling();
    world.top_up("5.00");
    world.store = Store::Slow;
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    world.pass(secs(4));
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 480"));
    world.answer_store();
    assert_eq!(world.held(), money("0"));
}

#[test]
fn numbers_of_an_organization_tell_their_callers_as_well_and_unknown_ones_nobody() {
    let mut world = telling();
    let mut carrier = Carrier::invite(&mut world, "a", OWN_FREE);
    carrier.spoken_to(&mut world);
    let call = world.call();
    world.played(call);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    let mut carrier = Carrier::invite(&mut world, "b", "+390119999");
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 404"));
    world.is_at_rest();
}

#[test]
fn an_operator_and_a_closing_node_cut_it_short() {
    let mut world = telling();
    let mut one = Carrier::invite(&mut world, "a", BOUND);
    one.spoken_to(&mut world);
    let call = world.call();
    world.input(Input::HangUp(call));
    assert!(one.refused(&mut world).starts_with("SIP/2.0 480"));
    let mut other = Carrier::invite(&mut world, "b", BOUND);
    other.spoken_to(&mut world);
    world.input(Input::Drain { limit: secs(0) });
    assert!(other.refused(&mut world).starts_with("SIP/2.0 403"));
    assert!(world.held() == money("0"));
}

#[test]
fn only_so_many_are_told_at_once_and_the_rest_are_refused_by_code() {
    let most = limits::EARLY_ANNOUNCEMENTS;
    let mut world = World::set(told(provision::standard()), provision::trunk(), |settings| {
        settings.calls_max = 2 * most;
    });
    let port = |n: u16| (PortId(n), std::net::SocketAddr::from(([198, 51, 100, 1], 9000 + 2 * n)));
    world.input(Input::PortsAdded((100..400).map(port).collect()));
    for n in 0..most {
        Carrier::invite(&mut world, &format!("a{n}"), BOUND).spoken_to(&mut world);
    }
    let mut late = Carrier::invite(&mut world, "late", BOUND);
    assert!(late.refused(&mut world).starts_with("SIP/2.0 403"));
    world.pass(secs(10));
    Carrier::invite(&mut world, "again", BOUND).spoken_to(&mut world);
    let refused = world.notes.iter().filter(|note| matches!(note, Note::Refused(_))).count();
    assert_eq!(refused, most + 2, "each is counted once");
    world.is_at_rest();
}

#[test]
fn callers_who_are_welcome_notice_nothing() {
    let provision = told(provision::subscribed(&[Licence::Subscription]));
    let mut world = World::with(provision, provision::trunk());
    let mut carrier = Carrier::invite_as(&mut world, ("a", SHARED), CAN, Some(OFFER));
    carrier.establish(&mut world);
    assert_eq!(world.state(world.call()), Some("identifying"));
}

fn telling() -> World {
    World::with(told(provision::standard()), provision::trunk())
}

fn told(mut provision: Provision) -> Provision {
    provision.numbers.iter_mut().for_each(|number| number.refusals = Refusals::EarlyMedia);
    provision
}
