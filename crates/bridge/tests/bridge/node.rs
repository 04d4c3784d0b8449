//! What the node as a whole does: limits, draining, operators, crashes of others.

use std::sync::Arc;
use std::time::Duration;

use bridge::{Directory, Input, Note, Refusal};
use media::Prompt;
use model::record::{Licence, Trunk};

use crate::carrier::{Carrier, OFFER, field};
use crate::provision::{self, BOUND, SHARED};
use crate::world::{World, money, secs};

#[test]
fn an_unknown_number_is_404_and_recorded() {
    let mut world = World::new();
    let mut carrier = Carrier::invite(&mut world, "a", "+390119999");
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 404"));
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.q850), ("unknown_number", 1));
    world.is_at_rest();
}

#[test]
fn a_body_that_is_no_sdp_is_400_and_an_offer_we_cannot_take_488() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite_with(&mut world, "a", BOUND, Some("hello"));
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 400"));
    let loopback = OFFER.replace("192.0.2.9", "127.0.0.1");
    let mut carrier = Carrier::invite_with(&mut world, "b", BOUND, Some(&loopback));
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 488"));
    assert_eq!(world.held(), money("0"));
    world.is_at_rest();
}

#[test]
fn a_trunk_beyond_its_channels_is_503_without_a_time_to_come_back() {
    let trunk = Trunk { calls_max: Some(1), ..provision::trunk() };
    let mut world = World::with(provision::standard(), trunk);
    world.top_up("5.00");
    let mut first = Carrier::invite(&mut world, "a", BOUND);
    first.establish(&mut world);
    let mut second = Carrier::invite(&mut world, "b", BOUND);
    let refusal = second.refused(&mut world);
    assert!(refusal.starts_with("SIP/2.0 503"), "{refusal}");
    assert_eq!(field(&refusal, "Retry-After"), "");
    first.bye(&mut world);
    Carrier::invite(&mut world, "c", BOUND).establish(&mut world);
}

#[test]
fn a_trunk_may_answer_refusals_with_codes_of_its_own() {
    let trunk =
        Trunk { refusal_codes: vec![("insufficient_credit".into(), 402)], ..provision::trunk() };
    let mut world = World::with(provision::standard(), trunk);
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 402"));
}

#[test]
fn a_node_without_ports_says_when_to_come_back_and_ports_rest_between_calls() {
    let mut world =
        World::with(provision::subscribed(&[Licence::Subscription]), provision::trunk());
    let mut carriers: Vec<Carrier> =
        (0..8).map(|n| Carrier::invite(&mut world, &format!("a{n}"), SHARED)).collect();
    let mut refused = Carrier::invite(&mut world, "x", SHARED);
    let refusal = loop {
        let response = refused.refused(&mut world);
        if response.starts_with("SIP/2.0 503") {
            break response;
        }
    };
    assert!(!field(&refusal, "Retry-After").is_empty());
    let calls: Vec<_> = world.bridge.live(world.now).into_iter().map(|live| live.call).collect();
    for call in calls {
        world.input(Input::HangUp(call));
    }
    carriers.clear();
    Carrier::invite(&mut world, "y", SHARED);
    assert_eq!(world.notes.iter().filter(|n| **n == Note::Refused(Refusal::NodeFull)).count(), 2);
    world.pass(secs(11));
    Carrier::invite(&mut world, "z", SHARED);
    assert_eq!(world.notes.iter().filter(|n| **n == Note::Refused(Refusal::NodeFull)).count(), 2);
}

#[test]
fn an_operator_ends_a_call_and_it_is_charged() {
    let mut world = World::new();
    world.top_up("5.00");
    Carrier::invite(&mut world, "a", BOUND).establish(&mut world);
    world.pass(secs(3));
    let call = world.call();
    world.input(Input::HangUp(call));
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.label.as_ref()), (money("0.03"), "operator_hung_up"));
}

#[test]
fn draining_lets_calls_go_on_to_the_limit_then_says_goodbye_and_charges() {
    let mut world = World::new();
    world.top_up("5.00");
    Carrier::invite(&mut world, "a", BOUND).establish(&mut world);
    let call = world.call();
    world.input(Input::Drain { limit: secs(20) });
    let mut late = Carrier::invite(&mut world, "b", BOUND);
    let refusal = late.refused(&mut world);
    assert!(refusal.starts_with("SIP/2.0 503"), "{refusal}");
    assert!(!field(&refusal, "Retry-After").is_empty());
    world.pass(secs(19));
    assert_eq!(world.state(call), Some("seated"));
    world.pass(secs(1));
    assert_eq!(world.said(call).last(), Some(&Prompt::Closing));
    assert!(!world.drained);
    world.pass(secs(6));
    let bye = world.expect("BYE");
    Carrier::reply(&mut world, &bye, "200 OK");
    assert!(world.drained);
    let cdr = world.cdr();
    assert_eq!(cdr.ending.label, "drained");
    assert!(cdr.charge > money("0.20") && cdr.charge < money("0.27"), "{}", cdr.charge);
}

#[test]
fn a_second_drain_ends_at_once_still_charged() {
    let mut world = World::new();
    world.top_up("5.00");
    Carrier::invite(&mut world, "a", BOUND).establish(&mut world);
    world.pass(secs(2));
    world.input(Input::Drain { limit: secs(100) });
    world.input(Input::Drain { limit: Duration::ZERO });
    let bye = world.expect("BYE");
    Carrier::reply(&mut world, &bye, "200 OK");
    assert_eq!(world.cdr().charge, money("0.02"));
    assert!(world.drained);
}

#[test]
fn an_idle_node_is_drained_at_once() {
    let mut world = World::new();
    world.input(Input::Drain { limit: secs(60) });
    assert!(world.drained);
}

#[test]
fn the_carrier_of_an_orphan_is_told_that_it_is_over() {
    let mut world = World::new();
    world.top_up("5.00");
    Carrier::invite(&mut world, "a", BOUND).establish(&mut world);
    let leg = world.book.open_legs().remove(0);
    let owed = credits::Farewell::owed(&leg, world.now.unix).unwrap();
    let mut heir = World::new();
    heir.input(Input::Orphans(vec![owed.clone(), owed]));
    let (first, bye) = (heir.expect("BYE"), heir.expect("BYE"));
    assert_eq!(heir.told, []);
    Carrier::reply(&mut heir, &first, "200 OK");
    assert_eq!(heir.told, [leg.call], "it may be forgotten once the carrier has answered");
    heir.pass(secs(33));
    assert_eq!(heir.told, [leg.call; 2], "or once it is given up");
    assert_eq!(field(&bye, "Call-ID"), "a");
    let cseq: u32 = field(&bye, "CSeq").split(' ').next().unwrap().parse().unwrap();
    assert!(cseq >= 1000, "{cseq}");
}

#[test]
fn what_is_provisioned_anew_counts_for_the_next_call_only() {
    let mut world = World::new();
    world.top_up("5.00");
    Carrier::invite(&mut world, "a", BOUND).establish(&mut world);
    let call = world.call();
    let mut provision = provision::standard();
    provision.revision = 2;
    provision.users[0].licences.clear();
    let directory = Directory::new(provision, vec![provision::trunk()]).unwrap();
    world.input(Input::Directory(Arc::new(directory)));
    let mut refused = Carrier::invite(&mut world, "b", BOUND);
    assert!(refused.refused(&mut world).starts_with("SIP/2.0 403"));
    world.pass(secs(100));
    assert_eq!(world.state(call), Some("seated"));
}

#[test]
fn a_stranger_is_not_answered() {
    let mut world = World::new();
    let source = std::net::SocketAddr::from(([203, 0, 113, 7], 5060));
    let payload = b"OPTIONS sip:x SIP/2.0\r\n\r\n".to_vec().into();
    world.input(Input::Datagram { listener: 0, source, payload });
    assert!(world.sent.is_empty());
    assert!(world.notes.contains(&Note::Sip(sip::Counted::Stranger)));
}
