//! What callers and their carriers do, over TCP and over TLS.

use std::net::SocketAddr;
use std::thread;

use crate::harness::certificates::Authority;
use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::sipp::Call;
use crate::harness::site::{
    BOLT, NOBODY, SUBSCRIBED, Site, TOLL, TOLL_FREE, TOLL_FREE_TO_SUBSCRIBED, TOLL_TO_METERED,
    TOLL_TO_SUBSCRIBED, WRONG,
};
use crate::harness::tls::{Peer, TlsRelay};
use crate::harness::tollgate::Tollgate;
use crate::streams::{NAME, over, secured};

/// One call.
struct Kind {
    scenario: &'static str,
    number: &'static str,
    stay: u64,
    keys: &'static [&'static str],
    /// Who pays, how it ends, with which status.
    ended: (&'static str, &'static str, i64),
}

const PAID: (&str, &str, i64) = ("credits", "caller_hung_up", 200);
const INCLUDED: (&str, &str, i64) = ("included", "caller_hung_up", 200);

/// Calls that need nothing but credit of the pay-per-minute organization.
const KINDS: &[Kind] = &[
    kind("pay-per-minute.xml", TOLL_TO_METERED, 4, PAID),
    kind("hold-and-resume.xml", TOLL_TO_METERED, 4, PAID),
    kind("late-offer.xml", TOLL_TO_METERED, 4, PAID),
    kind("cancel-crossing-answer.xml", TOLL_TO_METERED, 3, PAID),
    kind("invite-repeated-before-ack.xml", TOLL_TO_METERED, 2, PAID),
    kind("invite-repeated-after-ack.xml", TOLL_TO_METERED, 2, PAID),
    kind("join.xml", TOLL_TO_METERED, 2, PAID),
    kind("subscription-toll.xml", TOLL_TO_SUBSCRIBED, 3, INCLUDED),
    kind("included-toll.xml", TOLL_TO_SUBSCRIBED, 3, INCLUDED),
    kind("several-legs.xml", TOLL_TO_SUBSCRIBED, 5, INCLUDED),
    kind("several-legs.xml", TOLL_TO_SUBSCRIBED, 5, INCLUDED),
    kind("unknown-number.xml", NOBODY, 1, ("unattributed", "unknown_number", 404)),
    kind("toll-free-without-credit.xml", TOLL_FREE_TO_SUBSCRIBED, 1, UNFUNDED),
    kind("never-identified.xml", TOLL, 1, ("unattributed", "identification_timeout", 200)),
    keyed("three-wrong-ids.xml", TOLL, &[WRONG; 3], "unknown_conference_id"),
    keyed("refused-after-identification.xml", TOLL_FREE, &[SUBSCRIBED], "insufficient_credit"),
];
const UNFUNDED: (&str, &str, i64) = ("unattributed", "insufficient_credit", 403);

const fn kind(
    scenario: &'static str,
    number: &'static str,
    stay: u64,
    ended: (&'static str, &'static str, i64),
) -> Kind {
    Kind { scenario, number, stay, keys: &[], ended }
}

const fn keyed(
    scenario: &'static str,
    number: &'static str,
    keys: &'static [&'static str],
    label: &'static str,
) -> Kind {
    Kind { scenario, number, stay: 1, keys, ended: ("unattributed", label, 200) }
}

#[test]
fn calls_of_every_kind_over_tcp_end_as_over_udp() {
    let tollgate = Tollgate::funded(&patient(over("tcp")), BOLT, "20.00");
    every_kind(&tollgate, tollgate.second());
}

#[test]
fn calls_of_every_kind_over_tls_end_as_over_udp() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let files = authority.sign("sip", &[NAME]);
    let tollgate = Tollgate::funded(&patient(secured(&files)), BOLT, "20.00");
    let peer = Peer { target: tollgate.second(), name: NAME, side: "127.0.0.2" };
    let relay = TlsRelay::open(peer, &authority.file, None);
    every_kind(&tollgate, relay.address());
    assert_eq!(relay.failure(), None);
}

#[test]
fn callers_over_tcp_who_are_silent_or_gone_are_found_out() {
    let site = over("tcp").with("[charging]", "life_secs", "6");
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let dial = |scenario| Call::new(scenario, TOLL_TO_METERED, tollgate.second()).over_tcp();
    let silent = dial("silent-but-alive.xml").dial();
    let gone = dial("bye-lost.xml").stay(secs(4)).dial();
    // Our 200 is repeated over streams too (RFC 3261 §13.3.1.4); SIPp does not know that.
    let unacknowledged = dial("no-ack.xml").tolerant().dial_without_phone();
    gone.phone.wait_answered();
    silent.phone.hush();
    pause(secs(4));
    gone.phone.hush();
    let ids = [&silent.sipp.call_id, &gone.sipp.call_id, &unacknowledged.call_id].map(Clone::clone);
    silent.sipp.succeed();
    gone.sipp.succeed();
    let answered = unacknowledged.succeed();
    assert_eq!(answered.count("BYE "), 1);
    tollgate.wait_idle(secs(50));
    let book = tollgate.book();
    let [silent, gone, unacknowledged] = ids.map(|id| book.record(&id));
    silent.assert_ended("credits", "caller_hung_up", 200);
    assert_eq!(gone.text("label"), "peer_gone");
    gone.assert_charged(4.0);
    assert_eq!((unacknowledged.number("charge"), unacknowledged.number("sip_status")), (0, 200));
    book.assert_settled();
}

#[test]
fn a_session_over_tcp_that_is_not_refreshed_ends_at_its_expiry() {
    let tollgate = Tollgate::funded(&over("tcp"), BOLT, "20.00");
    let call = Call::new("session-timer-expiry.xml", TOLL_TO_METERED, tollgate.second()).over_tcp();
    let call = call.limit(secs(110)).dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "session_expired", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn a_top_up_rescues_a_call_over_tcp() {
    let tollgate = Tollgate::funded(&over("tcp"), BOLT, "0.16");
    let call = Call::new("top-up-rescue.xml", TOLL_TO_METERED, tollgate.second()).over_tcp();
    let call = call.stay(secs(20)).dial();
    call.phone.wait_answered();
    pause(secs(8));
    tollgate.top_up(BOLT, "5.00", "rescue");
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn refusals_over_tcp_are_those_over_udp() {
    let strict = Tollgate::serve(&over("tcp").with("[[trunk]]", "loopback_media", "false"));
    refused(&strict, "forbidden-media.xml", TOLL_TO_SUBSCRIBED, ("media_unacceptable", 488));
    let full = Tollgate::serve(&over("tcp").with("[[trunk]]", "calls_max", "1"));
    let first = Call::new("join.xml", TOLL_TO_SUBSCRIBED, full.second()).over_tcp();
    let first = first.stay(secs(4)).dial();
    full.wait_seated(1);
    refused(&full, "trunk-limit.xml", TOLL_TO_SUBSCRIBED, ("trunk_full", 503));
    first.sipp.succeed();
    let locked = Tollgate::funded(&over("tcp"), BOLT, "10.00");
    let lock = locked.book().lock();
    let paid = Call::new("store-unavailable.xml", TOLL_TO_METERED, locked.second()).over_tcp();
    let paid = paid.dial_without_phone();
    let id = paid.call_id.clone();
    paid.succeed();
    drop(lock);
    locked.book().record(&id).assert_ended("unattributed", "store_unavailable", 480);
    wait_for("the release of what was placed late", secs(20), || {
        (locked.book().number("SELECT COUNT(*) FROM hold WHERE state = 'open'") == 0).then_some(())
    });
    locked.book().assert_settled();
}

#[test]
fn a_node_that_drains_refuses_over_tcp_and_ends_its_call_on_the_connection() {
    let site = over("tcp").with("[drain]", "limit_secs", "5");
    let mut tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let live = Call::new("drain.xml", TOLL_TO_METERED, tollgate.second()).over_tcp().dial();
    tollgate.wait_seated(1);
    tollgate.terminate();
    wait_for("a readiness of no", secs(3), || {
        tollgate.get("/readyz").filter(|answer| answer.status == 503)
    });
    let new = Call::new("refused-while-draining.xml", TOLL_TO_METERED, tollgate.second());
    new.over_tcp().dial_without_phone().succeed();
    let id = live.sipp.call_id.clone();
    let trace = live.sipp.succeed();
    assert!(tollgate.ended(secs(15)).success());
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "drained", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

/// A site where digits may take their time.
fn patient(site: Site) -> Site {
    site.with("[charging]", "unpaid_secs", "25")
}

/// Makes all calls at once.
fn every_kind(tollgate: &Tollgate, target: SocketAddr) {
    thread::scope(|scope| {
        let calls: Vec<_> = KINDS
            .iter()
            .map(|kind| (kind.scenario, scope.spawn(move || kind.made(tollgate, target))))
            .collect();
        for (scenario, call) in calls {
            assert!(call.join().is_ok(), "{scenario} went otherwise");
        }
    });
    tollgate.wait_idle(secs(5));
    tollgate.book().assert_settled();
}

impl Kind {
    /// Makes the call and asserts how it ended and what it cost.
    fn made(&self, tollgate: &Tollgate, target: SocketAddr) {
        let call = Call::new(self.scenario, self.number, target).over_tcp();
        let call = call.stay(secs(self.stay));
        // Our 200 is repeated over streams too (RFC 3261 §13.3.1.4); SIPp does not know that.
        let repeated = self.scenario.starts_with("invite-repeated");
        let call = if repeated { call.tolerant().dial() } else { call.dial() };
        if !self.keys.is_empty() {
            call.phone.wait_answered();
        }
        for keys in self.keys {
            pause(secs(1));
            call.phone.press(&format!("{keys}#"));
            pause(secs(3));
        }
        let id = call.sipp.call_id.clone();
        let trace = call.sipp.succeed();
        let record = tollgate.book().record(&id);
        let (capability, label, status) = self.ended;
        record.assert_ended(capability, label, status);
        if capability == "credits" {
            record.assert_charged(trace.connected());
        } else if capability == "included" || status != 200 {
            // Answered time that nobody pays for is valued at list price.
            assert_eq!(record.number("charge"), 0, "{record:?}");
        }
    }
}

fn refused(
    tollgate: &Tollgate,
    scenario: &'static str,
    number: &'static str,
    (label, status): (&str, i64),
) {
    let call = Call::new(scenario, number, tollgate.second()).over_tcp().dial_without_phone();
    let id = call.call_id.clone();
    call.succeed();
    tollgate.book().record(&id).assert_ended("unattributed", label, status);
    tollgate.book().assert_sound();
}
