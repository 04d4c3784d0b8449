//! What is said, and moved, before an answer or by one: refusals that are told why at nobody's cost,
//! media that follows a peer.

use std::net::{IpAddr, UdpSocket};

use crate::harness::carrier::{CALLEE, Carrier, call, charged_once, explained, funded};
use crate::harness::clock::{pause, secs};
use crate::harness::phone::Phone;
use crate::harness::sipp::{Call, Trace};
use crate::harness::site::{ACME, BOLT, Site, TOLL_FREE_TO_SUBSCRIBED, TOLL_TO_METERED};
use crate::harness::tollgate::Tollgate;

/// Where a scenario moves its media, above its SIP port.
const MOVED: u16 = 16;

#[test]
fn a_caller_nobody_pays_for_is_told_why_and_then_refused_at_no_cost() {
    let tollgate = Tollgate::serve(&telling());
    let dial = Call::new("told-before-refusal.xml", TOLL_FREE_TO_SUBSCRIBED, tollgate.sip());
    let call = dial.dial();
    call.phone.wait_answered();
    pause(secs(1));
    assert!(call.phone.packets() > 25, "{} packets were heard", call.phone.packets());
    let id = call.sipp.call_id.clone();
    told_in_time(&call.sipp.succeed());
    unpaid(&tollgate, &id, "insufficient_credit", 403);
}

#[test]
fn one_who_can_acknowledge_it_is_told_for_certain() {
    let tollgate = Tollgate::serve(&telling());
    let scenario = "told-reliably-before-refusal.xml";
    let call = Call::new(scenario, TOLL_FREE_TO_SUBSCRIBED, tollgate.sip()).dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    told_in_time(&trace);
    assert_eq!(trace.count("SIP/2.0 200"), 1, "of the PRACK alone");
    unpaid(&tollgate, &id, "insufficient_credit", 403);
}

#[test]
fn one_who_hangs_up_meanwhile_leaves_nothing_behind() {
    let tollgate = Tollgate::serve(&telling());
    let scenario = "cancelled-while-told.xml";
    let call = Call::new(scenario, TOLL_FREE_TO_SUBSCRIBED, tollgate.sip()).dial();
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    let explained = unpaid(&tollgate, &id, "cancelled", 487);
    assert!(explained.contains("insufficient_credit"), "{explained}");
}

#[test]
fn a_peer_that_moves_where_it_answers_our_re_invite_is_heard_there() {
    let site = Site::default().with("[charging]", "life_secs", "6");
    let tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let dial = Call::new("moved-by-its-answer.xml", TOLL_TO_METERED, tollgate.sip());
    let call = dial.stay(secs(3)).dial();
    let id = call.sipp.call_id.clone();
    let (first, address) = id[2..].split_once('@').expect("port and address");
    let elsewhere = phone(address, first.parse().expect("a port"));
    call.phone.wait_answered();
    pause(secs(1));
    call.phone.hush();
    elsewhere.wait_answered();
    let trace = call.sipp.succeed();
    assert!(elsewhere.packets() > 100, "{} packets came there", elsewhere.packets());
    tollgate.wait_idle(secs(5));
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    assert_eq!(book.account(BOLT, "captured"), record.number("charge"));
    book.assert_settled();
}

#[test]
fn a_called_person_whose_media_moves_before_the_answer_is_met_there_and_charged_from_the_answer() {
    let carrier = Carrier::new("moving", "127.0.0.11");
    let tollgate = funded(&[&carrier]);
    let place = carrier.address();
    let elsewhere = phone(&place.ip().to_string(), place.port());
    let callee = carrier.plays("callee-moves-before-answer.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(2));
    assert!(elsewhere.packets() > 50, "{} packets came there", elsewhere.packets());
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

/// A site whose toll-free number tells its callers why they are refused.
fn telling() -> Site {
    let mut site = Site::default();
    let (silent, telling) =
        ("\"+39800000002\"\ntype", "\"+39800000002\"\nrefusals = \"early-media\"\ntype");
    assert!(site.provision.contains(silent));
    site.provision = site.provision.replace(silent, telling);
    site
}

/// The refusal came after the sentence, and not later than it may.
fn told_in_time(trace: &Trace) {
    let told = trace.received("SIP/2.0 403").at - trace.received("SIP/2.0 183").at;
    assert!((1.0..10.5).contains(&told), "the code came after {told} s");
}

/// Asserts that a call ended so, unanswered, and cost nobody anything; returns what `explain` says.
fn unpaid(tollgate: &Tollgate, id: &str, label: &str, status: i64) -> String {
    tollgate.wait_idle(secs(5));
    let book = tollgate.book();
    let record = book.record(id);
    record.assert_ended("unattributed", label, status);
    assert_eq!((record.number("charge"), record.number("connected_micros")), (0, 0));
    assert_eq!(record.text("answered"), "");
    assert_eq!((book.account(ACME, "captured"), book.records()), (0, 1));
    book.assert_settled();
    let explained = explained(tollgate, id);
    assert!(explained.contains("told before the answer"), "{explained}");
    explained
}

/// A phone where a scenario moves its media.
fn phone(address: &str, first: u16) -> Phone {
    let address: IpAddr = address.parse().expect("an address");
    Phone::on(UdpSocket::bind((address, first + MOVED)).expect("its row is its own"))
}
