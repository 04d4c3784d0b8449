//! Carriers that speak TCP and TLS: the same calls, the same charges; strangers, floods, old TLS and
//! wrong certificates.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::harness::certificates::{Authority, Files};
use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::sipp::Call;
use crate::harness::site::{BOLT, SECOND, Site, TOLL_TO_METERED};
use crate::harness::tls::{self, Peer, TlsRelay};
use crate::harness::tollgate::Tollgate;

/// The name in our certificate.
pub(crate) const NAME: &str = "sip.tollgate.example";

#[test]
fn calls_over_tcp_are_charged_as_over_udp() {
    let tollgate = Tollgate::funded(&over("tcp"), BOLT, "20.00");
    for scenario in ["pay-per-minute.xml", "hold-and-resume.xml", "late-offer.xml"] {
        let call = Call::new(scenario, TOLL_TO_METERED, tollgate.second()).over_tcp();
        charged(&tollgate, call.stay(secs(3)));
    }
    tollgate.wait_idle(secs(3));
    assert!(tollgate.metric("tollgate_sip_connections_total", &["event=\"accepted\""]) >= 3.0);
    tollgate.book().assert_settled();
}

#[test]
fn a_caller_over_tcp_who_hangs_up_while_we_ring_pays_nothing() {
    let tollgate = Tollgate::funded(&over("tcp"), BOLT, "20.00");
    let lock = tollgate.book().lock();
    let call = Call::new("cancel.xml", TOLL_TO_METERED, tollgate.second()).over_tcp();
    let call = call.dial_without_phone();
    let id = call.call_id.clone();
    call.succeed();
    drop(lock);
    let book = tollgate.book();
    book.record(&id).assert_ended("unattributed", "cancelled", 487);
    book.assert_settled();
}

#[test]
fn credit_that_runs_out_over_tcp_ends_the_call_on_its_connection() {
    let tollgate = Tollgate::funded(&over("tcp"), BOLT, "0.05");
    let call = Call::new("credit-runs-out.xml", TOLL_TO_METERED, tollgate.second()).over_tcp();
    let call = call.stay(secs(30)).dial();
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    tollgate.book().record(&id).assert_ended("credits", "credit_exhausted", 200);
    tollgate.book().assert_settled();
}

#[test]
fn a_call_over_tls_lives_through_a_new_certificate() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let files = authority.sign("sip", &[NAME]);
    let tollgate = Tollgate::funded(&secured(&files), BOLT, "20.00");
    let peer = Peer { target: tollgate.second(), name: NAME, side: "127.0.0.2" };
    let relay = TlsRelay::open(peer.clone(), &authority.file, None);
    let call = Call::new("pay-per-minute.xml", TOLL_TO_METERED, relay.address()).over_tcp();
    let call = call.stay(secs(8)).dial();
    tollgate.wait_seated(1);
    let other = Authority::new(folder.path(), "other");
    other.sign("sip", &[NAME]);
    tollgate.reload();
    wait_for("the new certificate", secs(10), || {
        tls::say(&peer, &other.file, None, &options()).ok()
    });
    assert!(tls::say(&peer, &authority.file, None, &options()).is_err(), "the old one is gone");
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    assert_eq!(relay.failure(), None);
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

#[test]
fn a_trunk_that_must_show_a_certificate_is_heard_with_the_right_one_only() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let files = authority.sign("sip", &[NAME]);
    let right = authority.sign("right", &["sbc.carrier.example"]);
    let wrong = authority.sign("wrong", &["sbc.other.example"]);
    let foreign = Authority::new(folder.path(), "foreign").sign("f", &["sbc.carrier.example"]);
    let site = secured(&files)
        .with(SECOND, "client_certificates", "\"required\"")
        .with(SECOND, "client_authority", &quoted(&authority.file.display().to_string()))
        .with("[[trunk]]", "tls", "{ peer = \"sbc.carrier.example\" }");
    let tollgate = Tollgate::serve(&site);
    let peer = Peer { target: tollgate.second(), name: NAME, side: "127.0.0.2" };
    let say = |own: Option<&Files>| tls::say(&peer, &authority.file, own, &options());
    assert!(say(Some(&right)).is_ok_and(|answer| answer.starts_with("SIP/2.0 200 ")));
    for own in [None, Some(&wrong), Some(&foreign)] {
        assert!(say(own).map_or(true, |answer| answer.is_empty()), "{own:?}");
    }
}

#[test]
fn old_tls_and_wrong_names_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let files = authority.sign("sip", &[NAME]);
    let tollgate = Tollgate::serve(&secured(&files));
    let target = tollgate.second();
    let shakes = |version: &str| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-connect", &target.to_string(), "-bind", "127.0.0.2:0", version]);
        client.args(["-cipher", "ALL:@SECLEVEL=0", "-brief"]);
        client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().expect("openssl is installed").success()
    };
    assert!(shakes("-tls1_2") && shakes("-tls1_3"));
    assert!(!shakes("-tls1_1") && !shakes("-tls1"));
    let peer = Peer { target, name: "sip.other.example", side: "127.0.0.2" };
    let refused = tls::say(&peer, &authority.file, None, &options()).unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

#[test]
fn strangers_get_no_byte_over_tcp_and_none_of_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let files = Authority::new(folder.path(), "authority").sign("sip", &[NAME]);
    for site in [over("tcp"), secured(&files)] {
        let tollgate = Tollgate::serve(&site);
        let mut stream = connected("127.0.0.9", tollgate.second());
        stream.set_read_timeout(Some(secs(5))).expect("sockets have timeouts");
        // It may be closed already.
        drop(stream.write_all(options().as_bytes()));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert_eq!(answer, b"");
        let stranger = ["reason=\"stranger\""];
        assert!(tollgate.metric("tollgate_sip_dropped_total", &stranger) > 0.0);
    }
}

#[test]
fn five_thousand_half_open_connections_leave_udp_alone_and_are_reclaimed() {
    let tollgate = Tollgate::serve(&over("tcp"));
    let before = sockets(&tollgate);
    let (quick, slowest) = asked(&tollgate, 20);
    assert_eq!(quick, 20, "{slowest:?}");
    let mut held = Vec::new();
    for number in 0..5_000 {
        let side = if number % 2 == 0 { "127.0.0.2" } else { "127.0.0.9" };
        held.extend(tried(side, tollgate.second()));
        if number % 1_000 == 999 {
            let (answered, slowest) = asked(&tollgate, 20);
            assert_eq!(answered, 20, "after {number}: {slowest:?}");
            assert!(slowest < Duration::from_millis(500), "after {number}: {slowest:?}");
        }
    }
    assert!(held.len() >= 4_000, "{}", held.len());
    let crowded = ["event=\"crowded\""];
    assert!(tollgate.metric("tollgate_sip_connections_total", &crowded) > 1_000.0);
    wait_for("the sockets", secs(20), || (sockets(&tollgate) <= before + 8).then_some(()));
}

/// A second listener of that transport beside the one of datagrams.
pub(crate) fn over(transport: &str) -> Site {
    let site = Site::default().with("[media]", "announcements", "false");
    site.with(SECOND, "transport", &quoted(transport))
}

pub(crate) fn secured(files: &Files) -> Site {
    over("tls").with(SECOND, "certificate", &quoted(&files.certificate.display().to_string())).with(
        SECOND,
        "key",
        &quoted(&files.key.display().to_string()),
    )
}

pub(crate) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn charged(tollgate: &Tollgate, call: Call) {
    let call = call.dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
}

fn options() -> String {
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2:5060;branch=z9hG4bKo;rport\r\n\
     From: <sip:a@127.0.0.2>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n\
     Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        .to_owned()
}

/// Asks by datagrams; returns how many were answered and the longest wait.
fn asked(tollgate: &Tollgate, times: usize) -> (usize, Duration) {
    let socket = UdpSocket::bind("127.0.0.2:0").expect("loopback has free ports");
    socket.set_read_timeout(Some(secs(2))).expect("sockets have timeouts");
    let text = options().replace("SIP/2.0/TCP", "SIP/2.0/UDP");
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    for _ in 0..times {
        let begun = now();
        socket.send_to(text.as_bytes(), tollgate.sip()).expect("loopback takes datagrams");
        if socket.recv(&mut [0; 2_048]).is_ok() {
            answered += 1;
        }
        slowest = slowest.max(now() - begun);
        pause(Duration::from_millis(1));
    }
    (answered, slowest)
}

fn sockets(tollgate: &Tollgate) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", tollgate.pid()));
    files.map_or(0, Iterator::count)
}

fn connected(side: &str, target: SocketAddr) -> TcpStream {
    tried(side, target).expect("the listener accepts")
}

fn tried(side: &str, target: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    let side: Ipv4Addr = side.parse().ok()?;
    socket.bind(&SocketAddr::from((side, 0)).into()).ok()?;
    socket.connect_timeout(&target.into(), secs(2)).ok()?;
    Some(socket.into())
}
