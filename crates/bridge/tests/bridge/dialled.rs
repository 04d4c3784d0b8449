//! Calls that a meeting places. A second costs a cent.

use std::time::Duration;

use bridge::outbound::Options;
use bridge::{Input, Note, Refusal};
use media::Prompt;
use model::record::{Capability, Licence, Provision};

use crate::callee::{ANSWER, Callee};
use crate::carrier::{Carrier, field};
use crate::provision::{self, BOUND};
use crate::world::{Store, World, money, secs};

const NUMBER: &str = "+390112345678";

#[test]
fn a_called_person_presses_one_is_in_and_pays_from_the_answer_on() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options::default());
    let call = world.ordered();
    assert_eq!(world.held(), money("0.30"), "held before the INVITE leaves");
    let mut callee = Callee::rung(&mut world);
    assert_eq!(callee.user(), NUMBER);
    callee.ring(&mut world);
    world.pass(secs(10));
    callee.pick_up(&mut world);
    assert_eq!(world.state(call), Some("confirming"));
    assert_eq!(world.said(call), [Prompt::PressOne]);
    world.pass(secs(5));
    world.digits(call, "1");
    assert_eq!(world.state(call), Some("seated"));
    assert!(world.is_seated(call));
    world.pass(secs(37));
    callee.bye(&mut world);
    world.expect("SIP/2.0 200");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.connected_micros), (money("0.42"), 42_000_000));
    assert_eq!(
        (cdr.ending.label.as_ref(), cdr.capability),
        ("callee_hung_up", Capability::Credits)
    );
    assert_eq!(cdr.ending.released_by, "callee");
    assert_eq!(cdr.called.as_ref().unwrap().full(), NUMBER);
    assert_eq!(cdr.caller.as_ref().unwrap().full(), provision::SHARED, "the default number");
    assert!(
        world
            .notes
            .iter()
            .any(|note| matches!(note, Note::Seated { number_type: None, charged: true }))
    );
    assert_eq!(world.outcomes(), ["callee_hung_up"]);
    world.is_at_rest();
}

#[test]
fn nobody_presses_one_and_the_leg_is_ended_and_charged_from_its_answer() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options::default());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.digits(call, "90");
    assert_eq!(world.state(call), Some("confirming"), "another key is no 1");
    world.pass(secs(16));
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    assert!(!world.is_seated(call), "voicemail never joins");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.label.as_ref()), (money("0.15"), "not_confirmed"));
    world.is_at_rest();
}

#[test]
fn a_called_person_is_spoken_to_in_the_language_of_their_country() {
    let mut world = World::set_trunks(provision::standard(), trunks(), |settings| {
        let mut builder = media::LibraryBuilder::embedded().unwrap();
        for prompt in Prompt::ALL {
            builder.add("it-IT", prompt, &wav()).unwrap();
        }
        settings.prompts = builder.build().unwrap().into();
    });
    world.top_up("5.00");
    for (number, language) in [(NUMBER, 1), ("+442079460123", 0)] {
        world.forget();
        world.order(&[number], Options::default());
        Callee::rung(&mut world).pick_up(&mut world);
        let opened = world.media.iter().find_map(|command| match command {
            media::Command::Open { language, .. } => Some(*language),
            _ => None,
        });
        assert_eq!(opened, Some(language), "{number}");
    }
}

#[test]
fn without_press_one_the_called_person_is_in_at_once() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    assert_eq!(world.state(call), Some("seated"));
    world.input(Input::HangUp(call));
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    let cdr = world.cdr();
    assert_eq!(
        (cdr.charge, cdr.ending.label.as_ref()),
        (money("0.01"), "operator_hung_up"),
        "an answered leg costs its first increment"
    );
    world.is_at_rest();
}

#[test]
fn busy_refused_and_wrong_numbers_cost_nothing_and_say_why() {
    let answers = [
        ("486 Busy Here", "busy"),
        ("600 Busy Everywhere", "busy"),
        ("480 Temporarily Unavailable", "no_answer"),
        ("404 Not Found", "no_such_number"),
        ("603 Decline", "rejected"),
        ("500 Server Internal Error", "call_failed"),
    ];
    for (status, label) in answers {
        let mut world = funded("5.00");
        world.order(&[NUMBER], Options::default());
        let callee = Callee::rung(&mut world);
        callee.answer(&mut world, status, None);
        world.expect("ACK");
        let cdr = world.cdr();
        assert_eq!((cdr.ending.label.as_ref(), cdr.charge), (label, money("0")), "{status}");
        assert_eq!(cdr.ending.sip_status.to_string(), status[..3]);
        assert_eq!((world.held(), world.available()), (money("0"), money("5.00")));
        world.is_at_rest();
    }
}

#[test]
fn a_call_that_rings_out_is_cancelled_and_costs_nothing() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options { ring: Some(secs(20)), ..Options::default() });
    let callee = Callee::rung(&mut world);
    callee.ring(&mut world);
    world.pass(secs(19));
    assert!(world.book.cdrs(9).is_empty(), "it rings");
    world.pass(secs(2));
    callee.cancelled(&mut world);
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("no_answer", money("0")));
    world.is_at_rest();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_ended_and_costs_nothing() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options { ring: Some(secs(20)), ..Options::default() });
    let callee = Callee::rung(&mut world);
    callee.ring(&mut world);
    world.pass(secs(21));
    let cancel = world.expect("CANCEL");
    callee.reply(&mut world, &cancel, "200 OK");
    callee.answer(&mut world, "200 OK", Some(ANSWER));
    world.expect("ACK");
    let bye = world.expect("BYE");
    callee.reply(&mut world, &bye, "200 OK");
    assert_eq!((world.cdr().charge, world.available()), (money("0"), money("5.00")));
    world.is_at_rest();
}

#[test]
fn a_silent_trunk_is_left_for_the_next_and_its_late_answer_is_ended() {
    let mut world = two_trunks();
    world.order(&[NUMBER], plain());
    let call = world.ordered();
    let first = Callee::rung(&mut world);
    world.sent.clear();
    world.pass(Duration::from_millis(4_100));
    let second = loop {
        let rung = Callee::rung(&mut world);
        if field(&rung.invite, "Call-ID") != field(&first.invite, "Call-ID") {
            break rung;
        }
    };
    second.pick_up(&mut world);
    assert_eq!(world.state(call), Some("seated"));
    world.pass(secs(2));
    first.answer(&mut world, "200 OK", Some(ANSWER));
    world.expect("ACK");
    let bye = world.expect("BYE");
    assert_eq!(field(&bye, "Call-ID"), field(&first.invite, "Call-ID"));
    first.reply(&mut world, &bye, "200 OK");
    assert_eq!(world.state(call), Some("seated"), "the call goes on");
    world.pass(secs(8));
    world.input(Input::HangUp(call));
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.trunk.as_str()), (money("0.10"), "second"));
    assert!(cdr.reasons.iter().any(|why| why.contains("trunk first stayed silent")), "{cdr:?}");
}

#[test]
fn a_failing_trunk_is_left_and_a_busy_person_is_not_called_twice() {
    let mut world = two_trunks();
    world.order(&[NUMBER], plain());
    let first = Callee::rung(&mut world);
    first.answer(&mut world, "503 Service Unavailable", None);
    let second = Callee::rung(&mut world);
    second.answer(&mut world, "486 Busy Here", None);
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.trunk.as_str()), ("busy", "second"));
    let mut world = two_trunks();
    world.order(&[NUMBER], plain());
    Callee::rung(&mut world).answer(&mut world, "486 Busy Here", None);
    assert_eq!(world.cdr().trunk, "first", "busy is busy by any trunk");
}

#[test]
fn a_redirection_is_followed_only_where_the_policy_and_the_price_allow() {
    let redirected = |to: &str| {
        let mut all = trunks();
        all[1].outbound.as_mut().unwrap().redirect_hosts = vec!["192.0.2.10".into()];
        let mut world = World::set_trunks(provision::standard(), all, |_| ());
        world.top_up("5.00");
        world.order(&[NUMBER], plain());
        let callee = Callee::rung(&mut world);
        let contact = format!("Contact: <sip:{to}@192.0.2.10>\r\n");
        callee.answer_with(&mut world, "302 Moved Temporarily", &contact, None);
        world.expect("ACK");
        world
    };
    let mut world = redirected("+390112345679");
    assert_eq!(Callee::rung(&mut world).user(), "+390112345679");
    let mut world = redirected("+39899123456");
    assert!(!world.sent.iter().any(|sent| sent.starts_with("INVITE")));
    let cdr = world.cdr();
    assert_eq!(cdr.ending.label, "destination_premium", "{cdr:?}");
    assert_eq!((cdr.charge, world.available()), (money("0"), money("5.00")));
    world.is_at_rest();
}

#[test]
fn every_trunk_that_fails_is_named_and_the_last_one_says_why() {
    let mut world = two_trunks();
    world.order(&[NUMBER], plain());
    Callee::rung(&mut world).answer(&mut world, "503 Service Unavailable", None);
    Callee::rung(&mut world).answer(&mut world, "500 Server Internal Error", None);
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.sip_status), ("call_failed", 500));
    for said in ["trunk first answered 503", "trunk second answered 500"] {
        assert!(cdr.reasons.iter().any(|why| why.contains(said)), "{said}: {:?}", cdr.reasons);
    }
    assert_eq!(world.available(), money("5.00"));
    world.is_at_rest();
}

#[test]
fn without_credit_nothing_leaves_and_whoever_asked_is_told() {
    let mut world = World::set_trunks(provision::standard(), trunks(), |_| ());
    world.order(&[NUMBER], Options::default());
    assert_eq!(world.refused(), Refusal::InsufficientCredit);
    assert!(!world.sent.iter().any(|sent| sent.starts_with("INVITE")));
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("insufficient_credit", money("0")));
    assert_eq!(world.outcomes(), ["insufficient_credit"]);
    world.is_at_rest();
}

#[test]
fn a_licence_comes_before_everything_and_leaves_no_hold() {
    let mut provision = provision::subscribed(&[Licence::Subscription]);
    provision.tariffs.clear();
    let mut world = World::set_trunks(provision, Vec::new(), |_| ());
    world.top_up("5.00");
    world.order(&["no number"], Options::default());
    assert_eq!(world.refused(), Refusal::NotLicensed);
    let cdr = world.cdr();
    assert_eq!(cdr.ending.label, "not_licensed");
    assert!(cdr.reasons.iter().any(|why| why.contains("asked for by ada")), "{cdr:?}");
    world.is_at_rest();
}

#[test]
fn each_no_has_its_name_in_the_order_licence_policy_route_credit() {
    let refused = |provision: Provision, trunks, typed: &str| {
        let mut world = World::set_trunks(provision, trunks, |_| ());
        world.order(&[typed], Options::default());
        let refusal = world.refused();
        assert_eq!(world.held(), money("0"));
        refusal
    };
    assert_eq!(refused(provision::standard(), Vec::new(), "12"), Refusal::MalformedNumber);
    assert_eq!(refused(provision::standard(), Vec::new(), NUMBER), Refusal::NoRoute);
    let mut unpriced = provision::standard();
    unpriced.tariffs.clear();
    assert_eq!(refused(unpriced, trunks(), NUMBER), Refusal::NoTariff);
    let mut off = provision::standard();
    off.meetings[0].dial_out.enabled = Some(false);
    assert_eq!(refused(off, trunks(), NUMBER), Refusal::DialOutDisabled);
}

#[test]
fn the_same_number_is_called_once_at_a_time() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options::default());
    let callee = Callee::rung(&mut world);
    world.order(&["+39 011 2345678"], Options::default());
    assert_eq!(world.refused(), Refusal::AlreadyCalled);
    callee.answer(&mut world, "486 Busy Here", None);
    world.order(&[NUMBER], Options::default());
    world.ordered();
}

#[test]
fn of_several_numbers_the_first_that_joins_ends_the_others() {
    let mut world = funded("5.00");
    world.order(&[NUMBER, "+390112345679", "+390112345670"], Options::default());
    let calls: Vec<_> = world.placed[0].calls.iter().map(|call| *call.as_ref().unwrap()).collect();
    let rung: Vec<Callee> = (0..3).map(|_| Callee::rung(&mut world)).collect();
    rung[0].ring(&mut world);
    rung[1].pick_up(&mut world);
    rung[2].pick_up(&mut world);
    world.pass(secs(3));
    world.digits(calls[2], "1");
    assert_eq!(world.state(calls[2]), Some("seated"));
    assert_eq!((world.state(calls[0]), world.state(calls[1])), (None, None));
    let cancel = world.sent.iter().find(|sent| sent.starts_with("CANCEL")).unwrap();
    assert_eq!(field(cancel, "Reason"), "Q.850;cause=26");
    let charges: Vec<_> =
        world.book.cdrs(9).iter().map(|cdr| (cdr.ending.label.to_string(), cdr.charge)).collect();
    assert!(charges.contains(&("joined_elsewhere".into(), money("0"))), "{charges:?}");
    assert!(charges.contains(&("joined_elsewhere".into(), money("0.03"))), "{charges:?}");
}

#[test]
fn early_media_opens_the_path_and_is_heard_by_nobody() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    callee.answer(&mut world, "183 Session Progress", Some(ANSWER));
    let opened = |world: &World| {
        world
            .media
            .iter()
            .any(|c| matches!(c, media::Command::Open { call: leg, .. } if *leg == call))
    };
    assert!(opened(&world));
    assert!(!world.is_seated(call));
    assert!(world.said(call).is_empty());
    world.hear(call);
    world.pass(secs(7));
    callee.answer(&mut world, "200 OK", None);
    world.expect("ACK");
    assert!(world.is_seated(call), "the answer's SDP came before it");
    world.pass(secs(5));
    world.input(Input::HangUp(call));
    assert_eq!(world.cdr().charge, money("0.05"), "nothing before the answer counts");
}

#[test]
fn early_media_of_a_call_that_fails_is_closed() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    callee.answer(&mut world, "183 Session Progress", Some(ANSWER));
    callee.answer(&mut world, "480 Temporarily Unavailable", None);
    assert!(world.media.iter().any(|c| matches!(c, media::Command::Close { .. })));
    world.is_at_rest();
}

#[test]
fn an_answer_without_usable_media_is_ended_and_costs_its_first_increment() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    let foreign = ANSWER.replace("192.0.2.9", "203.0.113.9");
    callee.answer(&mut world, "200 OK", Some(&foreign));
    world.expect("ACK");
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.charge), ("media_unacceptable", money("0.01")));
}

#[test]
fn whoever_is_called_when_the_last_leaves_is_not_called_any_more() {
    let mut world = funded("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    world.order(&[NUMBER], Options::default());
    let callee = Callee::rung(&mut world);
    callee.ring(&mut world);
    carrier.bye(&mut world);
    callee.cancelled(&mut world);
    assert_eq!(world.outcomes(), ["meeting_over"]);
    world.is_at_rest();
}

#[test]
fn a_meetings_own_list_is_called_once_when_it_begins() {
    let mut provision = provision::standard();
    let listed = |number: &str| model::ListedCall { numbers: vec![number.into()], press_one: None };
    provision.meetings[0].participants_max = 9;
    provision.meetings[0].dial_out.calls = vec![listed(NUMBER), listed("+390112345679")];
    let mut world = World::set_trunks(provision, trunks(), |_| ());
    world.top_up("5.00");
    Carrier::invite(&mut world, "a", BOUND).establish(&mut world);
    let rung: Vec<Callee> = (0..2).map(|_| Callee::rung(&mut world)).collect();
    assert_eq!((rung[0].user(), rung[1].user()), (NUMBER, "+390112345679"));
    Carrier::invite(&mut world, "b", BOUND).establish(&mut world);
    assert!(!world.sent.iter().any(|sent| sent.starts_with("INVITE")));
    assert!(world.placed.is_empty(), "nobody asked");
}

#[test]
fn a_silent_store_lets_nothing_leave() {
    let mut world = funded("5.00");
    world.store = Store::Slow;
    world.order(&[NUMBER], Options::default());
    world.pass(secs(5));
    assert_eq!(world.refused(), Refusal::StoreUnavailable);
    assert!(!world.sent.iter().any(|sent| sent.starts_with("INVITE")));
    world.store = Store::Up;
    world.answer_store();
    assert_eq!(
        (world.held(), world.cdr().ending.label.as_ref()),
        (money("0"), "store_unavailable")
    );
    world.is_at_rest();
}

#[test]
fn a_call_that_is_hung_up_while_it_rings_is_cancelled() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options::default());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    callee.ring(&mut world);
    world.input(Input::HangUp(call));
    callee.cancelled(&mut world);
    assert_eq!((world.cdr().ending.label.as_ref(), world.held()), ("operator_hung_up", money("0")));
    world.is_at_rest();
}

#[test]
fn a_draining_node_calls_nobody_and_gives_up_what_rings() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], Options::default());
    let callee = Callee::rung(&mut world);
    callee.ring(&mut world);
    world.input(Input::Drain { limit: secs(0) });
    callee.cancelled(&mut world);
    world.order(&["+390112345679"], Options::default());
    assert_eq!(world.refused(), Refusal::Draining);
}

#[test]
fn credit_that_runs_out_cuts_a_called_leg_on_its_last_second() {
    let mut world = funded("0.40");
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.pass(secs(60));
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.label.as_ref()), (money("0.40"), "credit_exhausted"));
}

#[test]
fn a_call_that_rang_when_the_node_died_costs_nothing_and_its_late_answer_is_ended() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    callee.ring(&mut world);
    let epoch = world.book.begin_epoch("node");
    let orphans = world.book.settle(&epoch, world.now.unix);
    assert_eq!(orphans.len(), 1);
    let cdr = world.cdr();
    assert_eq!(
        (cdr.ending.label.as_ref(), cdr.charge, cdr.answered),
        ("node_crashed", money("0"), None)
    );
    assert_eq!((world.held(), world.available()), (money("0"), money("5.00")));
    assert!(world.book.farewells().is_empty(), "there is no dialog to end");
    let mut next = funded("5.00");
    for _ in 0..2 {
        callee.answer(&mut next, "200 OK", Some(ANSWER));
        next.expect("ACK");
        let bye = next.expect("BYE");
        assert_eq!(field(&bye, "Call-ID"), field(&callee.invite, "Call-ID"));
        callee.reply(&mut next, &bye, "200 OK");
    }
    next.is_at_rest();
}

#[test]
fn an_answered_leg_that_a_crash_left_behind_is_charged_and_its_carrier_told() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.pass(secs(12));
    world.book.beat(&credits::Epoch { node: "node".into(), number: 1 }, world.now.mono);
    let epoch = world.book.begin_epoch("node");
    world.book.settle(&epoch, world.now.unix);
    assert_eq!(world.cdr().charge, money("0.12"));
    let mut next = funded("5.00");
    next.input(Input::Orphans(world.book.farewells()));
    let bye = next.expect("BYE");
    assert_eq!(field(&bye, "Call-ID"), field(&callee.invite, "Call-ID"));
}

#[test]
fn of_two_answers_the_first_is_the_call_and_the_other_is_ended() {
    let mut world = funded("5.00");
    world.order(&[NUMBER], plain());
    let call = world.ordered();
    let callee = Callee::rung(&mut world);
    let fork = callee.fork("other");
    callee.pick_up(&mut world);
    fork.answer(&mut world, "200 OK", Some(ANSWER));
    world.expect("ACK");
    let bye = world.expect("BYE");
    assert!(field(&bye, "To").contains("tag=other"), "{bye}");
    assert_eq!(world.state(call), Some("seated"));
}

/// A recording of 20 ms of silence: WAV, 8 kHz, mono, 16 bits.
fn wav() -> Vec<u8> {
    let samples = [0_u8; 320];
    let mut file = b"RIFF".to_vec();
    file.extend((36 + 320_u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    for word in [1_u16, 1] {
        file.extend(word.to_le_bytes());
    }
    for long in [8_000_u32, 16_000] {
        file.extend(long.to_le_bytes());
    }
    for word in [2_u16, 16] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"data");
    file.extend(320_u32.to_le_bytes());
    file.extend(samples);
    file
}

fn plain() -> Options {
    Options { press_one: Some(false), ..Options::default() }
}

fn trunks() -> Vec<model::record::Trunk> {
    vec![provision::trunk_in(), provision::way_out("first", 10, 1)]
}

fn funded(amount: &str) -> World {
    let mut world = World::set_trunks(provision::standard(), trunks(), |_| ());
    world.top_up(amount);
    world
}

fn two_trunks() -> World {
    let mut all = trunks();
    all.push(provision::way_out("second", 11, 2));
    let mut world = World::set_trunks(provision::standard(), all, |_| ());
    world.top_up("5.00");
    world
}
