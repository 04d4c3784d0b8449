//! What carriers do: repeat, cancel, forget, hold, offer late, fall silent.

use std::time::Duration;

use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::relay::{Relay, Weather};
use crate::harness::sipp::Call;
use crate::harness::site::{BOLT, Site, TOLL_TO_METERED};
use crate::harness::tollgate::Tollgate;

/// A site whose organization pays for every second of the calls below.
fn funded(site: &Site) -> Tollgate {
    Tollgate::funded(site, BOLT, "20.00")
}

#[test]
fn a_caller_who_hangs_up_while_we_ring_pays_nothing() {
    let tollgate = funded(&Site::default());
    // The call rings for as long as the book cannot be written.
    let lock = tollgate.book().lock();
    let call = Call::new("cancel.xml", TOLL_TO_METERED, tollgate.sip()).dial_without_phone();
    let id = call.call_id.clone();
    call.succeed();
    drop(lock);
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("unattributed", "cancelled", 487);
    assert_eq!(record.number("charge"), 0);
    wait_for("the release of the hold", secs(20), || {
        (book.number("SELECT COUNT(*) FROM hold WHERE state = 'open'") == 0).then_some(())
    });
    assert_eq!(book.account(BOLT, "captured"), 0);
    book.assert_settled();
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    charged_once("cancel-crossing-answer.xml", secs(3));
}

#[test]
fn an_invite_repeated_before_ack_is_one_call_and_one_charge() {
    charged_once("invite-repeated-before-ack.xml", secs(2));
}

#[test]
fn an_invite_repeated_after_ack_is_one_call_and_one_charge() {
    charged_once("invite-repeated-after-ack.xml", secs(2));
}

#[test]
fn time_on_hold_is_charged_and_the_call_resumes() {
    charged_once("hold-and-resume.xml", secs(4));
}

#[test]
fn an_invite_without_sdp_gets_our_offer() {
    charged_once("late-offer.xml", secs(4));
}

#[test]
fn a_200_that_is_never_acknowledged_costs_nothing_if_no_audio_came() {
    let tollgate = funded(&Site::default().with("[charging]", "life_secs", "60"));
    let call = Call::new("no-ack.xml", TOLL_TO_METERED, tollgate.sip()).dial_without_phone();
    let id = call.call_id.clone();
    let trace = call.succeed();
    assert!((30.0..34.5).contains(&trace.connected()), "{}", trace.connected());
    assert!(trace.count("SIP/2.0 200") > 5, "the 200 is repeated until ACK");
    let record = tollgate.book().record(&id);
    assert_eq!((record.text("label"), record.number("charge")), ("no_ack", 0));
    assert_eq!(tollgate.book().account(BOLT, "captured"), 0);
    tollgate.book().assert_settled();
}

#[test]
fn a_200_that_is_never_acknowledged_is_charged_up_to_the_last_packet_of_audio() {
    let tollgate = funded(&Site::default().with("[charging]", "life_secs", "60"));
    let call = Call::new("no-ack.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    call.phone.wait_answered();
    pause(secs(10));
    call.phone.hush();
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "no_ack", 200);
    record.assert_charged(10.0);
    tollgate.book().assert_settled();
}

#[test]
fn a_caller_who_is_gone_is_charged_up_to_the_last_sign_of_life() {
    let tollgate = funded(&Site::default().with("[charging]", "life_secs", "6"));
    let call = Call::new("bye-lost.xml", TOLL_TO_METERED, tollgate.sip()).stay(secs(4)).dial();
    let id = call.sipp.call_id.clone();
    call.phone.wait_answered();
    pause(Duration::from_millis(4_000));
    call.phone.hush();
    call.sipp.succeed();
    tollgate.wait_idle(secs(50));
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "peer_gone", 200);
    record.assert_charged(4.0);
    tollgate.book().assert_settled();
}

#[test]
fn a_silent_caller_who_answers_options_stays() {
    let tollgate = funded(&Site::default().with("[charging]", "life_secs", "6"));
    let call = Call::new("silent-but-alive.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    call.phone.wait_answered();
    pause(secs(1));
    call.phone.hush();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    assert!(trace.connected() > 6.0, "{}", trace.connected());
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn a_session_that_is_not_refreshed_ends_at_its_expiry() {
    let tollgate = funded(&Site::default());
    let call = Call::new("session-timer-expiry.xml", TOLL_TO_METERED, tollgate.sip());
    let call = call.limit(secs(110)).dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    assert!((58.0..92.0).contains(&trace.connected()), "{}", trace.connected());
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "session_expired", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn calls_through_a_network_that_loses_5_percent_are_set_up_released_and_charged_once() {
    lossy(Weather { lost: 5, repeated: 5, overtaken: 5 }, 12, 12);
}

#[test]
fn calls_through_a_network_that_loses_10_percent_are_set_up_released_and_charged_once() {
    lossy(Weather { lost: 10, repeated: 5, overtaken: 5 }, 12, 12);
}

#[test]
fn calls_through_a_network_that_loses_30_percent_are_released_and_charged_once() {
    lossy(Weather { lost: 30, repeated: 5, overtaken: 10 }, 20, 19);
}

/// Calls through bad weather; so many of them must be set up (reliability.md F10), and all of them
/// must be over, with one charge each, 34 s after their end.
fn lossy(weather: Weather, calls: u64, good: usize) {
    let tollgate = funded(&Site::default());
    let relays: Vec<_> =
        (1..=calls).map(|seed| Relay::open(tollgate.sip(), "127.0.0.2", weather, seed)).collect();
    let dial = |relay: &Relay| {
        let call = Call::new("lossy-network.xml", TOLL_TO_METERED, relay.address());
        call.stay(secs(3)).limit(secs(75)).tolerant().dial()
    };
    let legs: Vec<_> = relays.iter().map(dial).collect();
    let ended = legs.into_iter().filter_map(|leg| leg.sipp.ended()).count();
    assert!(relays.iter().map(Relay::dropped).sum::<u64>() > 0, "the weather was fine");
    assert!(ended >= good, "{ended} of {calls} calls went through");
    tollgate.wait_idle(secs(36));
    let book = tollgate.book();
    let answered = book.number("SELECT COUNT(*) FROM cdr WHERE answered IS NOT NULL");
    assert!(usize::try_from(answered).is_ok_and(|answered| answered >= good), "{answered}");
    book.assert_settled();
}

/// One call that ends by the caller's BYE: one record, one charge, for as long as SIPp saw.
fn charged_once(scenario: &'static str, stay: Duration) {
    let tollgate = funded(&Site::default());
    let call = Call::new(scenario, TOLL_TO_METERED, tollgate.sip()).stay(stay).dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    assert_eq!(book.records(), 1);
    assert_eq!(book.account(BOLT, "captured"), record.number("charge"));
    tollgate.wait_idle(secs(3));
    book.assert_settled();
}
