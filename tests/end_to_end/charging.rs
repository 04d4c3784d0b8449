//! Money: who is charged, for how long, and what happens when credit ends.

use std::time::Duration;

use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::database;
use crate::harness::sipp::Call;
use crate::harness::site::{
    ACME, BOLT, METERED, MICROS_PER_SEC, Site, TOLL, TOLL_FREE_TO_SUBSCRIBED, TOLL_TO_METERED,
    TOLL_TO_SUBSCRIBED,
};
use crate::harness::tollgate::{Tollgate, expect_success};

#[test]
fn a_toll_call_that_the_subscription_includes_is_never_charged() {
    let tollgate = Tollgate::funded(&Site::default(), ACME, "10.00");
    let call = Call::new("subscription-toll.xml", TOLL_TO_SUBSCRIBED, tollgate.sip());
    let call = call.stay(secs(3)).dial();
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("included", "caller_hung_up", 200);
    assert_eq!(record.number("charge"), 0);
    assert_eq!(book.account(ACME, "captured"), 0);
    assert_eq!(book.number("SELECT COUNT(*) FROM hold"), 0);
    book.assert_settled();
}

#[test]
fn a_call_that_credits_pay_is_charged_for_its_time() {
    let tollgate = Tollgate::funded(&Site::default(), BOLT, "10.00");
    let call = Call::new("pay-per-minute.xml", TOLL, tollgate.sip()).stay(secs(9)).dial();
    call.phone.identify(METERED);
    tollgate.wait_seated(1);
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    assert_eq!(book.account(BOLT, "captured"), record.number("charge"));
    assert_eq!(book.account(ACME, "captured"), 0);
    book.assert_settled();
    assert_explained(&tollgate, &id, "pay-per-minute");
}

#[test]
fn a_call_that_credits_pay_is_charged_in_a_database_as_in_a_file() {
    let site = Site::default().on(&database());
    let mut tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = Call::new("pay-per-minute.xml", TOLL, tollgate.sip()).stay(secs(9)).dial();
    call.phone.identify(METERED);
    tollgate.wait_seated(1);
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    assert_eq!(book.account(BOLT, "captured"), record.number("charge"));
    book.assert_settled();
    assert_explained(&tollgate, &id, "pay-per-minute");
    let mut second = tollgate.spawn_beside();
    let end = wait_for("the end of a second serve", secs(10), || second.try_wait().ok().flatten());
    assert!(!end.success(), "two serve from one database");
    tollgate.stop();
}

#[test]
fn a_toll_free_call_to_a_subscription_is_paid_by_credits() {
    let tollgate = Tollgate::funded(&Site::default(), ACME, "10.00");
    let call = Call::new("pay-per-minute.xml", TOLL_FREE_TO_SUBSCRIBED, tollgate.sip());
    let call = call.stay(secs(4)).dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn several_legs_on_one_balance_are_warned_and_cut_when_it_runs_out() {
    let tollgate = Tollgate::funded(&Site::default(), BOLT, "0.45");
    let dial = || Call::new("credit-runs-out.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    let legs = [dial(), dial(), dial()];
    tollgate.wait_seated(3);
    tollgate.book().assert_sound();
    let mut calls = Vec::new();
    for leg in legs {
        let id = leg.sipp.call_id.clone();
        let trace = leg.sipp.succeed();
        // A receiver may still get what was under way when the mixer stopped; no more follows.
        let packets = leg.phone.packets();
        pause(Duration::from_millis(200));
        assert_eq!(leg.phone.packets(), packets, "audio after the BYE");
        calls.push((id, trace.connected()));
    }
    let book = tollgate.book();
    for (id, seconds) in &calls {
        let record = book.record(id);
        record.assert_ended("credits", "credit_exhausted", 200);
        record.assert_charged(*seconds);
    }
    let left = book.account(BOLT, "granted - captured");
    assert!((0..3 * MICROS_PER_SEC).contains(&left), "{left} millionths are left");
    book.assert_settled();
    wait_for("meters that equal the book", secs(15), || {
        let metered = tollgate.metric("tollgate_credits_captured_micros_total", &[]);
        (metered as i64 == book.account(BOLT, "captured")).then_some(())
    });
    assert!(tollgate.metric("tollgate_bridge_warnings_total", &[]) >= 3.0);
    assert_eq!(tollgate.metric("tollgate_media_cut_overrun_seconds_count", &[]) as i64, 3);
    let late = 3.0 - tollgate.metric("tollgate_media_cut_overrun_seconds_bucket", &["le=\"0.02\""]);
    assert!(late < 1.0, "{late} legs were cut more than a tick late");
}

#[test]
fn a_top_up_rescues_a_call_without_a_gap() {
    let tollgate = Tollgate::funded(&Site::default(), BOLT, "0.16");
    let call = Call::new("top-up-rescue.xml", TOLL_TO_METERED, tollgate.sip());
    let call = call.stay(secs(26)).dial();
    call.phone.wait_answered();
    pause(secs(8));
    tollgate.top_up(BOLT, "5.00", "rescue");
    tollgate.top_up(BOLT, "5.00", "rescue");
    let sound = call.phone.listen(secs(12));
    assert!(sound.longest_gap < Duration::from_millis(500), "{:?}", sound.longest_gap);
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    assert_eq!(book.account(BOLT, "granted"), 5_160_000, "a reference counts once");
    book.assert_settled();
}

/// Asserts that `explain` names the licence and the charge, by either id.
fn assert_explained(tollgate: &Tollgate, sip_call_id: &str, licence: &str) {
    let by_sip = expect_success(&tollgate.command(&["explain", sip_call_id]));
    assert!(by_sip.contains(licence), "{by_sip}");
    let record = tollgate.book().record(sip_call_id);
    let by_ours = expect_success(&tollgate.command(&["explain", record.text("call")]));
    assert_eq!(by_sip, by_ours);
}
