//! Calls that credits pay for. A second costs a cent.

use bridge::{Input, Note, Refusal};
use media::{Prompt, Silence};
use model::record::Capability;

use crate::carrier::{Carrier, field};
use crate::provision::{self, BOUND, BOUND_FREE, OWN_FREE};
use crate::world::{Store, World, money, secs};

#[test]
fn a_call_to_a_bound_number_is_held_answered_seated_and_charged() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    assert_eq!(world.held(), money("0.30"));
    carrier.establish(&mut world);
    let call = world.call();
    assert!(world.is_seated(call));
    assert_eq!(world.live_held(call), Some(money("0.30")));
    world.pass(secs(42));
    carrier.bye(&mut world);
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.connected_micros), (money("0.42"), 42_000_000));
    assert_eq!(
        (cdr.ending.label.as_ref(), cdr.capability),
        ("caller_hung_up", Capability::Credits)
    );
    assert_eq!((world.held(), world.available()), (money("0.00"), money("4.58")));
    assert!(
        world
            .notes
            .contains(&Note::Captured { account: cdr.account.unwrap(), charge: money("0.42") })
    );
    world.is_at_rest();
}

#[test]
fn without_credit_the_call_is_refused_by_code_and_explained() {
    let mut world = World::new();
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    let refusal = carrier.refused(&mut world);
    assert!(refusal.starts_with("SIP/2.0 403"), "{refusal}");
    assert_eq!(field(&refusal, "Reason"), "Q.850;cause=21");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.sip_status), (money("0"), 403));
    assert_eq!(cdr.ending.label, "insufficient_credit");
    assert!(cdr.reasons.iter().any(|reason| reason.contains("pay-per-minute")), "{cdr:?}");
    assert!(cdr.reasons.iter().any(|reason| reason.contains("insufficient_credit")), "{cdr:?}");
    world.is_at_rest();
}

#[test]
fn a_toll_free_call_is_charged_like_a_toll_call() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND_FREE);
    carrier.establish(&mut world);
    world.pass(secs(100));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("1.00"));
}

#[test]
fn credit_that_runs_out_is_warned_of_and_cut_on_its_last_second() {
    let mut world = World::new();
    world.top_up("1.30");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(200));
    let bye = world.expect("BYE");
    assert_eq!(field(&bye, "Reason"), "Q.850;cause=16");
    Carrier::reply(&mut world, &bye, "200 OK");
    let warned: Vec<u8> = world.warnings();
    assert_eq!(warned, [60, 10]);
    let said = world.said(call);
    assert_eq!(said.last(), Some(&Prompt::CreditUsedUp));
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.connected_micros), (money("1.30"), 130_000_000));
    assert_eq!(cdr.ending.label, "credit_exhausted");
    assert_eq!(world.available(), money("0"));
    assert!(world.notes.iter().any(|note| matches!(note, Note::Cut { .. })));
    world.is_at_rest();
}

#[test]
fn a_caller_seated_with_less_than_a_minute_is_warned_at_once() {
    let mut world = World::new();
    world.top_up("0.45");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    assert_eq!(world.warnings(), [60]);
    world.forget();
    world.pass(secs(60));
    assert_eq!(world.warnings(), [10], "not twice");
    assert_eq!(world.cdr().charge, money("0.45"));
}

#[test]
fn a_top_up_before_the_deadline_rescues_the_call_without_a_gap() {
    let mut world = World::new();
    world.top_up("0.60");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.pass(secs(58));
    assert_eq!(world.said(call).last(), Some(&Prompt::CreditUsedUp));
    world.top_up("3.00");
    world.pass(secs(30));
    assert_eq!(world.state(call), Some("seated"));
    assert!(world.notes.contains(&Note::Rescued));
    assert!(world.media.contains(&media::Command::Hush { call }));
    assert!(!world.notes.iter().any(|note| matches!(note, Note::Cut { .. })));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("0.88"));
}

#[test]
fn legs_that_share_a_balance_end_within_one_increment_of_each_other() {
    let mut world = World::new();
    world.top_up("2.00");
    for id in ["a", "b"] {
        Carrier::invite(&mut world, id, BOUND).establish(&mut world);
    }
    world.pass(secs(200));
    let cdrs = world.book.cdrs(9);
    let ends: Vec<u64> = cdrs.iter().map(|cdr| cdr.connected_micros / 1_000_000).collect();
    assert_eq!((ends.len(), ends.iter().sum::<u64>()), (2, 200));
    assert!(ends[0].abs_diff(ends[1]) <= 1, "{ends:?}");
    assert_eq!((world.available(), world.held()), (money("0"), money("0")));
}

#[test]
fn a_caller_who_cancels_while_the_store_is_asked_leaves_no_hold() {
    let mut world = World::new();
    world.top_up("5.00");
    world.store = Store::Slow;
    let carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.cancel(&mut world);
    world.expect("SIP/2.0 487");
    world.store = Store::Up;
    world.answer_store();
    let cdr = world.cdr();
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.sip_status), ("cancelled", 487));
    assert_eq!((world.held(), world.available()), (money("0"), money("5.00")));
    world.is_at_rest();
}

#[test]
fn a_silent_store_refuses_new_paid_calls_within_the_ring_limit() {
    let mut world = World::new();
    world.top_up("5.00");
    world.store = Store::Slow;
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    world.expect("SIP/2.0 180");
    world.pass(secs(5));
    let refusal = carrier.refused(&mut world);
    assert!(refusal.starts_with("SIP/2.0 480"), "{refusal}");
    world.store = Store::Up;
    world.answer_store();
    assert_eq!(world.cdr().ending.label, "store_unavailable");
    assert_eq!(world.held(), money("0"));
}

#[test]
fn a_store_that_abandons_a_first_hold_is_asked_again_with_the_same_question() {
    let mut world = World::new();
    world.top_up("5.00");
    world.store = Store::Forgetful;
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    world.store = Store::Up;
    world.pass(secs(1));
    carrier.establish(&mut world);
    assert_eq!(world.held(), money("0.30"), "held once");
}

#[test]
fn while_the_store_is_down_a_live_call_goes_on_to_what_it_has_paid_for() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.store = Store::Down;
    world.pass(secs(29));
    assert_eq!(world.state(call), Some("seated"));
    assert_eq!(world.said(call).last(), Some(&Prompt::TryLater));
    world.pass(secs(60));
    assert!(world.book.cdrs(9).is_empty(), "the end is owed");
    world.store = Store::Up;
    world.pass(secs(10));
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.label.as_ref()), (money("0.30"), "store_lost"));
    world.is_at_rest();
}

#[test]
fn a_store_that_comes_back_in_time_loses_nobody() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    world.store = Store::Down;
    world.pass(secs(20));
    world.store = Store::Up;
    world.pass(secs(60));
    assert_eq!(world.state(call), Some("seated"));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("0.80"));
}

#[test]
fn a_lost_reply_charges_once() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    world.pass(secs(10));
    world.store = Store::Forgetful;
    world.pass(secs(15));
    carrier.bye(&mut world);
    world.store = Store::Up;
    world.pass(secs(10));
    assert_eq!(world.cdr().charge, money("0.25"));
    assert_eq!(world.available(), money("4.75"));
    world.is_at_rest();
}

#[test]
fn an_answer_that_nobody_acknowledges_costs_nothing_unless_rtp_came() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.answered(&mut world);
    let call = world.call();
    world.pass(secs(10));
    assert!(!world.is_seated(call), "in no room before ACK or RTP");
    world.pass(secs(30));
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.ending.label.as_ref()), (money("0"), "no_ack"));
    assert_eq!(world.available(), money("5.00"));
}

#[test]
fn an_unacknowledged_leg_with_rtp_is_charged_to_its_last_packet() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.answered(&mut world);
    let call = world.call();
    world.pass(secs(7));
    world.hear(call);
    assert!(world.is_seated(call));
    world.pass(secs(40));
    assert_eq!(world.cdr().charge, money("0.07"));
}

#[test]
fn rtcp_alone_takes_an_unacknowledged_leg_into_no_room() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.answered(&mut world);
    let call = world.call();
    for silence in [Silence::Began { last: None }, Silence::Ended] {
        world.pass(secs(5));
        world.input(Input::Media(media::Event::Life { call, silence }));
    }
    assert!(!world.is_seated(call), "such a leg may yet cost nothing");
    world.pass(secs(30));
    assert_eq!(world.cdr().charge, money("0"));
    world.is_at_rest();
}

#[test]
fn a_slice_that_crosses_the_news_of_the_cut_lets_the_leg_go_on() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let (call, answered) = (world.call(), world.now.mono);
    world.pass(secs(20));
    world.forget();
    let at = answered + secs(30);
    let overrun = secs(0);
    world.input(Input::Media(media::Event::Cut { call, at, overrun }));
    assert_eq!(world.state(call), Some("seated"));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("0.20"));
}

#[test]
fn media_that_never_tells_of_the_cut_does_not_make_time_free() {
    let mut world = World::new();
    world.cuts = false;
    world.top_up("0.20");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    world.pass(secs(21));
    world.expect("BYE");
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.connected_micros), (money("0.20"), 20_000_000));
}

#[test]
fn an_own_toll_free_number_is_paid_from_the_answer_on() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", OWN_FREE);
    carrier.establish(&mut world);
    let call = world.call();
    assert_eq!(world.state(call), Some("identifying"));
    assert_eq!(world.held(), money("0.30"));
    world.pass(secs(50));
    world.digits(call, provision::ID);
    assert_eq!(world.state(call), Some("seated"));
    world.pass(secs(10));
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("0.60"));
}

#[test]
fn an_own_toll_free_number_without_credit_is_refused_by_code() {
    let mut world = World::new();
    let mut carrier = Carrier::invite(&mut world, "a", OWN_FREE);
    assert!(carrier.refused(&mut world).starts_with("SIP/2.0 403"));
    assert!(world.notes.contains(&Note::Refused(Refusal::InsufficientCredit)));
}

#[test]
fn an_answer_that_the_store_could_not_note_is_noted_once_it_can() {
    let mut world = World::set(provision::standard(), provision::trunk(), |settings| {
        settings.slice_secs = 60;
    });
    world.top_up("9.00");
    world.store = Store::Slow;
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    world.store = Store::Down;
    world.answer_store();
    carrier.establish(&mut world);
    world.pass(secs(40));
    assert_eq!(world.book.open_legs()[0].answered, None);
    world.store = Store::Up;
    world.pass(secs(7));
    assert!(world.book.open_legs()[0].answered.is_some());
    carrier.bye(&mut world);
    assert_eq!(world.cdr().charge, money("0.47"));
    world.is_at_rest();
}
