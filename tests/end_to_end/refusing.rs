//! Named noes, on the wire and in the records.

use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::sipp::Call;
use crate::harness::site::{
    ACME, BOLT, NOBODY, SUBSCRIBED, Site, TOLL_FREE, TOLL_FREE_TO_SUBSCRIBED, TOLL_TO_METERED,
    TOLL_TO_SUBSCRIBED,
};
use crate::harness::tollgate::Tollgate;

#[test]
fn a_number_that_nobody_answers_is_404() {
    let tollgate = Tollgate::serve(&Site::default());
    let call = Call::new("unknown-number.xml", NOBODY, tollgate.sip()).dial_without_phone();
    let id = call.call_id.clone();
    call.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("unattributed", "unknown_number", 404);
    assert_eq!(record.number("charge"), 0);
    tollgate.book().assert_settled();
}

#[test]
fn toll_free_without_credit_is_refused_while_an_included_toll_call_passes_on_the_same_trunk() {
    let tollgate = Tollgate::serve(&Site::default());
    let refused = "toll-free-without-credit.xml";
    let dial = || Call::new(refused, TOLL_FREE_TO_SUBSCRIBED, tollgate.sip()).dial_without_phone();
    dial().succeed();
    let included = Call::new("included-toll.xml", TOLL_TO_SUBSCRIBED, tollgate.sip());
    let included = included.stay(secs(3)).dial();
    tollgate.wait_seated(1);
    let call = dial();
    let id = call.call_id.clone();
    call.succeed();
    included.sipp.succeed();
    let book = tollgate.book();
    book.record(&id).assert_ended("unattributed", "insufficient_credit", 403);
    assert_eq!(book.account(ACME, "captured"), 0);
    let labels = ["reason=\"insufficient_credit\""];
    assert!((tollgate.metric("tollgate_bridge_refusals_total", &labels) - 2.0).abs() < 0.5);
    book.assert_settled();
}

#[test]
fn a_toll_free_caller_whose_payer_has_no_credit_is_sent_off_after_keying_in_the_id() {
    let tollgate = Tollgate::serve(&Site::default());
    let call = Call::new("refused-after-identification.xml", TOLL_FREE, tollgate.sip()).dial();
    call.phone.identify(SUBSCRIBED);
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("unattributed", "insufficient_credit", 200);
    assert_eq!(tollgate.book().account(ACME, "captured"), 0);
    tollgate.book().assert_settled();
}

#[test]
fn media_on_loopback_is_488_unless_the_trunk_allows_it() {
    let site = Site::default().with("[[trunk]]", "loopback_media", "false");
    let tollgate = Tollgate::serve(&site);
    let call = Call::new("forbidden-media.xml", TOLL_TO_SUBSCRIBED, tollgate.sip());
    let call = call.dial_without_phone();
    let id = call.call_id.clone();
    call.succeed();
    tollgate.book().record(&id).assert_ended("unattributed", "media_unacceptable", 488);
}

#[test]
fn a_full_trunk_is_503_without_a_time_to_come_back() {
    let tollgate = Tollgate::serve(&Site::default().with("[[trunk]]", "calls_max", "1"));
    let first = Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).stay(secs(4)).dial();
    tollgate.wait_seated(1);
    let second = Call::new("trunk-limit.xml", TOLL_TO_SUBSCRIBED, tollgate.sip());
    let second = second.dial_without_phone();
    let id = second.call_id.clone();
    second.succeed();
    first.sipp.succeed();
    tollgate.book().record(&id).assert_ended("unattributed", "trunk_full", 503);
    let third = Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).dial();
    third.sipp.succeed();
    tollgate.wait_idle(secs(3));
    tollgate.book().assert_settled();
}

#[test]
fn a_draining_node_refuses_new_calls_and_ends_the_live_one_at_the_limit() {
    let site = Site::default().with("[drain]", "limit_secs", "5");
    let mut tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let live = Call::new("drain.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    tollgate.wait_seated(1);
    assert_eq!(tollgate.get("/readyz").map(|answer| answer.status), Some(200));
    tollgate.terminate();
    wait_for("a readiness of no", secs(3), || {
        tollgate.get("/readyz").filter(|answer| answer.status == 503)
    });
    let new = Call::new("refused-while-draining.xml", TOLL_TO_METERED, tollgate.sip());
    new.dial_without_phone().succeed();
    let id = live.sipp.call_id.clone();
    let trace = live.sipp.succeed();
    assert!((5.0..16.0).contains(&trace.connected()), "{}", trace.connected());
    let status = tollgate.ended(secs(15));
    assert!(status.success(), "{status}");
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "drained", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn a_second_signal_ends_a_draining_node_at_once_and_still_charges() {
    let mut tollgate = Tollgate::funded(&Site::default(), BOLT, "10.00");
    let live = Call::new("drain.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    tollgate.wait_seated(1);
    pause(secs(1));
    tollgate.terminate();
    pause(secs(1));
    tollgate.terminate();
    let status = tollgate.ended(secs(10));
    assert!(status.success(), "{status}");
    let id = live.sipp.call_id.clone();
    let trace = live.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "drained", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn while_the_book_is_locked_paid_calls_are_refused_and_included_ones_pass() {
    let tollgate = Tollgate::funded(&Site::default(), BOLT, "10.00");
    let lock = tollgate.book().lock();
    let paid = Call::new("store-unavailable.xml", TOLL_TO_METERED, tollgate.sip());
    let paid = paid.dial_without_phone();
    let included = Call::new("included-toll.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).dial();
    let (refused, passed) = (paid.call_id.clone(), included.sipp.call_id.clone());
    included.sipp.succeed();
    paid.succeed();
    drop(lock);
    let book = tollgate.book();
    book.record(&refused).assert_ended("unattributed", "store_unavailable", 480);
    book.record(&passed).assert_ended("included", "caller_hung_up", 200);
    wait_for("the release of what was placed late", secs(20), || {
        (book.number("SELECT COUNT(*) FROM hold WHERE state = 'open'") == 0).then_some(())
    });
    assert_eq!(book.account(BOLT, "captured"), 0);
    book.assert_settled();
}
