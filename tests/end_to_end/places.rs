//! Where calls of ours go: names, transports, address families, and networks that lose.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::harness::carrier::{
    CALLEE, Carrier, call, charged_once, cost_nothing, explained, order, site,
};
use crate::harness::certificates::Authority;
use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::names::{Has, Names};
use crate::harness::relay::{Relay, Weather};
use crate::harness::sipp::Call;
use crate::harness::site::{BOLT, SECOND, Site, TOLL_TO_METERED};
use crate::harness::tls::TlsFront;
use crate::harness::tollgate::{Tollgate, expect_success};
use crate::streams::{NAME, quoted};

const ONE: &str = "127.0.0.11";
const OTHER: &str = "127.0.0.12";
const HOST: &str = "sip.carrier.test";

#[test]
fn a_name_leads_by_naptr_and_srv_to_the_second_host_when_the_first_is_dead() {
    let carrier = Carrier::new("named", ONE).with("host", &quoted(HOST));
    let port = carrier.address().port();
    let address = Ipv4Addr::new(127, 0, 0, 11);
    let names = Names::serve(vec![
        (HOST, Has::Service(1, "SIP+D2T", "_sip._tcp.carrier.test")),
        (HOST, Has::Service(2, "SIP+D2U", "_sip._udp.carrier.test")),
        ("_sip._udp.carrier.test", Has::Host(20, port, "second.carrier.test")),
        // Nobody is there: the port is of the same row.
        ("_sip._udp.carrier.test", Has::Host(10, port + 18, "first.carrier.test")),
        ("first.carrier.test", Has::Address(address)),
        ("second.carrier.test", Has::Address(address)),
    ]);
    let site = site(&[&carrier]).and(&names.section());
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let callee = carrier.plays("callee-answers.xml");
    let ordered = now();
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    let waited = (now() - ordered).as_secs_f64();
    assert!((4.0..6.5).contains(&waited), "in after {waited} s");
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    let invite = &trace.received("INVITE").text;
    assert!(invite.starts_with(&format!("INVITE sip:{CALLEE}@{HOST} ")), "{invite}");
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_name_that_does_not_exist_is_told_and_costs_nothing() {
    let names = Names::serve(vec![(HOST, Has::Address(Ipv4Addr::new(127, 0, 0, 11)))]);
    let carrier = Carrier::new("lost", ONE).with("host", "\"gone.carrier.test\"");
    let site = site(&[&carrier]).and(&names.section());
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let call = call(&tollgate, CALLEE);
    let explained = cost_nothing(&tollgate, &call, "call_failed", 503);
    assert!(explained.contains("trunk lost could not be reached: its name leads"), "{explained}");
    attempted(&tollgate, "lost", "unresolved");
}

#[test]
fn a_trunk_that_refuses_connections_is_told_apart_from_one_without_an_address() {
    let carrier = Carrier::new("closed", ONE).with("transport", "\"tcp\"");
    let site = site(&[&carrier]).with(SECOND, "transport", "\"tcp\"");
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let call = call(&tollgate, CALLEE);
    let explained = cost_nothing(&tollgate, &call, "call_failed", 503);
    assert!(explained.contains("trunk closed could not be reached: it refuses"), "{explained}");
    attempted(&tollgate, "closed", "unconnected");
    let listed = expect_success(&tollgate.command(&["trunk", "list"]));
    assert!(listed.contains("closed could not be reached: it refuses connections"), "{listed}");
}

#[test]
fn an_invite_that_is_too_long_for_a_datagram_goes_by_tcp() {
    let domain = format!("{}.{}.{}.example", "a".repeat(60), "b".repeat(60), "c".repeat(60));
    let carrier = Carrier::new("wordy", ONE).with("domain", &quoted(&domain));
    let site = site(&[&carrier]).with(SECOND, "transport", "\"tcp\"");
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let callee = carrier.awaits(Call::awaited("callee-answers.xml").over_tcp());
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(1));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    let invite = &trace.received("INVITE").text;
    assert!(invite.len() > 1_300 && invite.contains("SIP/2.0/TCP"), "{invite}");
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_call_by_tcp_is_charged_as_by_udp() {
    let carrier = Carrier::new("streaming", ONE).with("transport", "\"tcp\"");
    let site = site(&[&carrier]).with(SECOND, "transport", "\"tcp\"");
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let callee = Call::awaited("callee-hangs-up.xml").over_tcp().stay(secs(3));
    let callee = carrier.awaits(callee);
    let call = call(&tollgate, CALLEE);
    let trace = callee.sipp.succeed();
    charged_once(&tollgate, &call, "callee_hung_up", trace.talked());
}

#[test]
fn a_call_by_tls_is_charged_as_by_udp_and_goes_to_the_right_certificate_only() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let files = authority.sign("sip", &[NAME]);
    let theirs = authority.sign("sbc", &["sbc.carrier.example"]);
    let trust = quoted(&authority.file.display().to_string());
    let reached = |peer: &str| {
        let carrier = Carrier::new("secure", ONE).with("transport", "\"tls\"");
        let front = TlsFront::open(carrier.address(), &theirs);
        let tls = format!("{{ peer = \"{peer}\", authority = {trust} }}");
        let carrier = carrier.behind(front.address()).known_by("tls", &tls);
        let listener = |name, file: &Path| (name, quoted(&file.display().to_string()));
        let mut site = site(&[&carrier]).with(SECOND, "transport", "\"tls\"");
        for (name, file) in
            [listener("certificate", &files.certificate), listener("key", &files.key)]
        {
            site = site.with(SECOND, name, &file);
        }
        let tollgate = Tollgate::funded(&site, BOLT, "20.00");
        let callee = Call::awaited("callee-answers.xml").over_tcp();
        let callee = carrier.awaits(callee.behind(front.address(), "tls"));
        let call = call(&tollgate, CALLEE);
        (tollgate, callee, call, front)
    };
    let (tollgate, callee, call, _front) = reached("sbc.carrier.example");
    tollgate.wait_for_call(&call, "seated");
    pause(secs(2));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    assert!(trace.received("INVITE").text.contains("SIP/2.0/TLS"));
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
    let (tollgate, callee, call, _front) = reached("sbc.other.example");
    let explained = cost_nothing(&tollgate, &call, "call_failed", 503);
    assert_eq!(callee.sipp.so_far().count("INVITE"), 0, "it went to the wrong one");
    assert!(explained.contains("its certificate is for another name"), "{explained}");
    let log = tollgate.log();
    let named = |line: &&str| line.contains("a TLS handshake failed") && line.contains("secure");
    let told = log.lines().find(named).expect("the log says which trunk");
    assert!(told.contains("sbc.other.example") && told.contains("sbc.carrier.example"), "{told}");
    let troubles = ["trunk=\"secure\"", "reason=\"certificate_name\""];
    assert!(tollgate.metric("tollgate_sip_trunk_troubles_total", &troubles) > 0.0);
}

#[test]
fn what_a_trunk_is_shown_is_loaded_anew_while_a_call_lives() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let files = authority.sign("sip", &[NAME]);
    let theirs = authority.sign("sbc", &["sbc.carrier.example"]);
    let old = Authority::new(folder.path(), "old");
    let ours = old.sign("ours", &["us.carrier.example"]);
    let carrier = Carrier::new("secure", ONE).with("transport", "\"tls\"");
    let front = TlsFront::guarded(carrier.address(), &theirs, &authority.file);
    let file = |file: &Path| quoted(&file.display().to_string());
    let tls = format!(
        "{{ peer = \"sbc.carrier.example\", authority = {}, certificate = {}, key = {} }}",
        file(&authority.file),
        file(&ours.certificate),
        file(&ours.key)
    );
    let carrier = carrier.behind(front.address()).known_by("tls", &tls);
    let site = site(&[&carrier])
        .with(SECOND, "transport", "\"tls\"")
        .with(SECOND, "certificate", &file(&files.certificate))
        .with(SECOND, "key", &file(&files.key));
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let inside = Call::new("pay-per-minute.xml", TOLL_TO_METERED, tollgate.sip());
    let inside = inside.stay(secs(30)).dial();
    tollgate.wait_seated(1);
    let callee = carrier
        .awaits(Call::awaited("callee-answers.xml").over_tcp().behind(front.address(), "tls"));
    let refused = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&refused, "over");
    let explained = explained(&tollgate, &refused);
    assert!(explained.contains("trunk secure does not trust us"), "{explained}");
    authority.sign("ours", &["us.carrier.example"]);
    tollgate.reload();
    let call = wait_for("the new certificate", secs(10), || {
        let call = call(&tollgate, CALLEE);
        let over = || tollgate.wait_for_call(&call, "over");
        wait_for("the call's fate", secs(15), || {
            if tollgate.states().iter().filter(|state| *state == "seated").count() == 2 {
                return Some(Some(call.clone()));
            }
            let shown = tollgate.get(&format!("/v1/calls/{call}"))?;
            shown.body.contains("\"over\"").then(|| {
                over();
                None
            })
        })
    });
    pause(secs(1));
    tollgate.hang_up(&call);
    callee.sipp.succeed();
    inside.sipp.succeed();
    let listed = expect_success(&tollgate.command(&["trunk", "list"]));
    assert!(!listed.contains("does not trust us"), "{listed}");
    tollgate.book().assert_settled();
}

/// Asserts that the trunk's one attempt came to this.
fn attempted(tollgate: &Tollgate, trunk: &str, outcome: &str) {
    let of = [&*format!("trunk=\"{trunk}\""), &*format!("outcome=\"{outcome}\"")];
    let count = tollgate.metric("tollgate_bridge_trunk_attempts_total", &of);
    assert!((count - 1.0).abs() < 0.5, "{trunk} {outcome}: {count}");
}

#[test]
fn a_call_over_ipv6_is_charged_as_over_ipv4() {
    let site = Site::default()
        .six()
        .with(SECOND, "transport", "\"udp\"")
        .with("[[trunk]]", "signalling", "[\"::1\"]")
        .with("[[trunk]]", "media", "[\"::1\"]")
        .with("[media]", "bind", "\"::1\"");
    let tollgate = Tollgate::funded(&site, BOLT, "20.00");
    let call = Call::new("pay-per-minute.xml", TOLL_TO_METERED, tollgate.six()).from("::1");
    let call = call.stay(secs(3)).dial();
    let id = call.sipp.call_id.clone();
    call.phone.wait_answered();
    let trace = call.sipp.succeed();
    let answer = &trace.received("SIP/2.0 200").text;
    assert!(answer.contains("c=IN IP6 ::1"), "{answer}");
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn a_hundred_calls_through_a_network_that_loses_5_percent_are_all_answered_and_charged_once() {
    lossy(5, 100);
}

#[test]
fn a_hundred_calls_through_a_network_that_loses_10_percent_are_all_answered_and_charged_once() {
    lossy(10, 100);
}

#[test]
fn a_hundred_calls_through_a_network_that_loses_30_percent_are_released_and_charged_once() {
    lossy(30, 95);
}

/// A hundred calls through bad weather, each way; so many of them must be answered, and all of them
/// must be over, charged once or not at all, 34 s after the last of them has ended for its callee
/// (reliability.md F10).
fn lossy(lost: u64, good: i64) {
    const CALLS: u32 = 100;
    let weather = Weather { lost, repeated: 5, overtaken: 5 };
    let mut carriers = Vec::new();
    let mut relays = Vec::new();
    for (name, address, priority) in [("first", ONE, "1"), ("second", OTHER, "2")] {
        let carrier = Carrier::new(name, address).with("priority", priority);
        let relay = Relay::before(carrier.address(), weather, lost + u64::from(address == ONE));
        carriers.push(carrier.behind(relay.address()));
        relays.push(relay);
    }
    let mut site = site(&carriers.iter().collect::<Vec<_>>());
    site.ports = 300;
    site.provision +=
        "\n[[budget]]\norganization = \"bolt\"\nconcurrent = 200\nper_minute = 1000\n";
    let tollgate = Tollgate::funded(&site, BOLT, "50.00");
    let callees = carriers.into_iter().zip(&relays).map(|(carrier, relay)| {
        let callee = Call::awaited("callee-hangs-up.xml").tolerant().times(CALLS);
        carrier.awaits(callee.behind(relay.address(), "udp").stay(secs(2)).limit(secs(90)))
    });
    let callees: Vec<_> = callees.collect();
    for number in 0..CALLS {
        let called = format!("+3901176543{number:02}");
        tollgate.dial("metered", &order(&called, ",\"press_one\":false,\"ring_secs\":30"));
    }
    tollgate.wait_idle(secs(75));
    drop(callees);
    assert!(relays.iter().map(Relay::dropped).sum::<u64>() > 0, "the weather was fine");
    let book = tollgate.book();
    book.assert_settled();
    let count = |sql: &str| book.number(&format!("SELECT COUNT(*) FROM cdr WHERE {sql}"));
    assert_eq!(count("1"), i64::from(CALLS));
    let answered = count("answered IS NOT NULL");
    assert!(answered >= good, "{answered} of {CALLS} calls were answered");
    assert_eq!(count("answered IS NULL AND charge > 0"), 0);
    let slow = "answered IS NOT NULL AND connected_micros > 36000000";
    assert_eq!(count(slow), 0, "released within 34 s of the callee's end");
    let charged = book.number("SELECT SUM(charge) FROM cdr");
    assert_eq!(book.account(BOLT, "captured"), charged);
}
