//! Media that a peer moves where it answers us: in the 2xx to a re-INVITE of ours, and before the answer
//! to a call that we place.

use bridge::Note;
use bridge::outbound::Options;
use media::Command;
use model::record::Trunk;
use model::{CallId, Outbound, Reliability};

use crate::callee::{ANSWER, Callee};
use crate::carrier::{Carrier, OFFER};
use crate::provision::{self, BOUND};
use crate::world::{World, money, secs};

const NUMBER: &str = "+390112345678";

#[test]
fn a_peer_that_answers_our_question_for_life_from_elsewhere_is_followed() {
    let (mut world, _) = questioned();
    let invite = world.expect("INVITE");
    Carrier::reply_with(&mut world, &invite, "200 OK", &OFFER.replace("30000", "40000"));
    world.expect("ACK");
    assert_eq!(ports(&world), [40_000]);
    assert_eq!(world.state(world.call()), Some("seated"));
}

#[test]
fn a_peer_that_answers_as_before_changes_nothing() {
    let (mut world, _) = questioned();
    let invite = world.expect("INVITE");
    Carrier::reply_with(&mut world, &invite, "200 OK", OFFER);
    world.expect("ACK");
    assert!(ports(&world).is_empty());
    assert_eq!(world.state(world.call()), Some("seated"));
}

#[test]
fn an_answer_that_cannot_be_read_leaves_the_session_as_it_was_and_is_counted() {
    let (mut world, _) = questioned();
    let invite = world.expect("INVITE");
    Carrier::reply_with(&mut world, &invite, "200 OK", "hello");
    world.expect("ACK");
    assert!(ports(&world).is_empty());
    assert!(world.notes.contains(&Note::Sip(sip::Counted::NoAnswer)));
    assert_eq!(world.state(world.call()), Some("seated"));
}

#[test]
fn an_answer_that_cannot_be_followed_ends_the_call_which_is_charged_until_then() {
    let (mut world, _) = questioned();
    let invite = world.expect("INVITE");
    let elsewhere = OFFER.replace("192.0.2.9", "127.0.0.1");
    Carrier::reply_with(&mut world, &invite, "200 OK", &elsewhere);
    world.expect("ACK");
    let bye = world.expect("BYE");
    Carrier::reply(&mut world, &bye, "200 OK");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.q850), ("media_unacceptable", 65));
    assert_eq!(cdr.charge, money("0.20"));
    world.is_at_rest();
}

#[test]
fn a_called_person_who_is_refreshed_and_has_moved_is_followed() {
    let (mut world, callee, call) = dialled(Reliability::Off);
    callee.answer_with(
        &mut world,
        "200 OK",
        "Session-Expires: 100;refresher=uac\r\n",
        Some(ANSWER),
    );
    world.expect("ACK");
    world.digits(call, "1");
    world.pass(secs(50));
    let invite = world.expect("INVITE");
    callee.reply_with(&mut world, &invite, &ANSWER.replace("30000", "41000"));
    world.expect("ACK");
    assert_eq!(ports(&world), [41_000]);
    assert_eq!(world.state(call), Some("seated"));
}

#[test]
fn a_called_person_may_move_before_the_answer_once_agreed_and_is_met_there() {
    let (mut world, mut callee, call) = dialled(Reliability::Supported);
    let certain = "Require: 100rel\r\nRSeq: 1\r\n";
    callee.answer_with(&mut world, "183 Session Progress", certain, Some(ANSWER));
    let prack = world.expect("PRACK");
    callee.reply(&mut world, &prack, "200 OK");
    callee.update(&mut world, &ANSWER.replace("30000", "42000"));
    let answer = world.expect("SIP/2.0 200");
    assert!(answer.contains("m=audio") && answer.contains("UPDATE"), "{answer}");
    assert_eq!(ports(&world), [42_000]);
    callee.update(&mut world, "v=0\r\no=c 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n");
    world.expect("SIP/2.0 488");
    assert_eq!(ports(&world), [42_000], "what was agreed on stands");
    callee.answer(&mut world, "200 OK", Some(ANSWER));
    world.expect("ACK");
    assert_eq!(world.state(call), Some("confirming"));
    let last = ports(&world).last().copied();
    assert_eq!(last, Some(42_000), "the 200 OK repeats what is over");
    world.pass(secs(20));
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("not_confirmed", money("0.15")));
    world.is_at_rest();
}

/// A seated caller from whom no packets come, and who takes no OPTIONS: our re-INVITE is on its way.
fn questioned() -> (World, CallId) {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.silence(call);
    world.pass(secs(20));
    let options = world.expect("OPTIONS");
    Carrier::reply(&mut world, &options, "501 Not Implemented");
    (world, call)
}

/// A call that was placed, and its phone.
fn dialled(reliability: Reliability) -> (World, Callee, CallId) {
    let way = provision::way_out("one", 21, 1);
    let outbound = way.outbound.clone().map(|outbound| Outbound { reliability, ..outbound });
    let trunks = vec![provision::trunk_in(), Trunk { outbound, ..way }];
    let mut world = World::set_trunks(provision::standard(), trunks, |settings| {
        settings.sip.session_secs = 100;
    });
    world.top_up("5.00");
    world.order(&[NUMBER], Options::default());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    (world, callee, call)
}

/// Where media was told to send anew.
fn ports(world: &World) -> Vec<u16> {
    let updates = world.media.iter().filter_map(|command| match command {
        Command::Update { flow, .. } => Some(flow.remote.port()),
        _ => None,
    });
    updates.collect()
}
