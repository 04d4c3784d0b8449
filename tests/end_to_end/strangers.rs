//! Who is no trunk: no byte back, a ban for asking too often, floods that nobody else notices. And
//! what strangers may learn from what trunks are told: no product, no version.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::sipp::Call;
use crate::harness::site::{BOLT, NOBODY, Site, TOLL_TO_METERED, TOLL_TO_SUBSCRIBED};
use crate::harness::tollgate::Tollgate;

/// On loopback, but no trunk's.
const STRANGER: &str = "127.0.0.9";
const TRUNK: &str = "127.0.0.2";

#[test]
fn a_stranger_who_asks_too_often_is_banned_for_a_while_and_the_trunk_never() {
    let site = Site::default().with("[strangers]", "ban_secs", "3");
    let tollgate = Tollgate::serve(&site);
    let (stranger, trunk) = (socket(STRANGER), socket(TRUNK));
    for number in 0..60 {
        send(&stranger, &options("a", number), tollgate.sip());
        assert!(asked(&trunk, &options("a", number), tollgate.sip()).is_some(), "{number}");
    }
    let dropped = |reason| tollgate.metric("tollgate_sip_dropped_total", &[reason]);
    wait_for("the count", secs(5), || (dropped("reason=\"banned\"") == 43.0).then_some(()));
    assert_eq!(dropped("reason=\"stranger\""), 17.0);
    let bans = tollgate.get("/v1/bans").expect("the API is served").body;
    assert!(bans.contains(STRANGER) && !bans.contains(TRUNK), "{bans}");
    assert_eq!(tollgate.metric("tollgate_sip_bans_total", &[]), 1.0);
    let told = tollgate.log().lines().filter(|line| line.contains(STRANGER)).count();
    assert!(told <= 4, "{told} lines of a flood");
    wait_for("the end of the ban", secs(10), || {
        (tollgate.get("/v1/bans")?.body.trim() == "[]").then_some(())
    });
    send(&stranger, &options("a", 99), tollgate.sip());
    wait_for("to be looked at", secs(5), || (dropped("reason=\"stranger\"") == 18.0).then_some(()));
    stranger.set_nonblocking(true).expect("sockets can be");
    assert!(stranger.recv(&mut [0; 100]).is_err(), "a stranger got a byte");
}

#[test]
fn what_is_answered_does_not_tell_which_numbers_there_are() {
    let tollgate = Tollgate::serve(&Site::default());
    let trunk = socket(TRUNK);
    for method in ["OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER", "BYE"] {
        let ask = |number: &str| {
            let text = options(number, 1).replace("OPTIONS", method);
            let answer = asked(&trunk, &text, tollgate.sip()).expect("a trunk is answered");
            // Our tag is of the request; its length is not.
            let tag = answer.rsplit_once(";tag=").and_then(|(_, rest)| rest.get(..16));
            answer.replace(tag.unwrap_or("no tag"), "tag").replace(number, "number")
        };
        assert_eq!(ask(TOLL_TO_METERED), ask(NOBODY), "{method}");
    }
}

#[test]
fn nothing_that_leaves_names_the_product() {
    let tollgate = Tollgate::funded(&Site::default(), BOLT, "10.00");
    let call = Call::new("pay-per-minute.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    let trace = call.sipp.succeed();
    let mut told: Vec<String> = vec![trace.received("SIP/2.0 200").text.clone()];
    let trunk = socket(TRUNK);
    for method in ["OPTIONS", "REGISTER", "BYE", "NEWMETHOD"] {
        let text = options("a", 1).replace("OPTIONS", method);
        told.push(asked(&trunk, &text, tollgate.sip()).expect("a trunk is answered"));
    }
    assert!(told[0].contains("\r\ns=-\r\n") || told[0].contains("\ns=-"), "{}", told[0]);
    for path in ["/healthz", "/nowhere", "/v1/calls"] {
        told.push(http(tollgate.http(), path));
    }
    for text in told {
        let small = text.to_lowercase();
        for name in ["tollgate", "server:", "user-agent:", env!("CARGO_PKG_VERSION"), "hyper"] {
            assert!(!small.contains(name), "{name} is told:\n{text}");
        }
    }
}

#[test]
fn floods_of_rtp_at_one_leg_leave_the_other_conference_alone() {
    let tollgate = Tollgate::funded(&quiet(), BOLT, "10.00");
    let stay = secs(14);
    let dial = |scenario, number| Call::new(scenario, number, tollgate.sip()).stay(stay).dial();
    let flooded = dial("pay-per-minute.xml", TOLL_TO_METERED);
    let one = dial("included-toll.xml", TOLL_TO_SUBSCRIBED);
    let other = dial("included-toll.xml", TOLL_TO_SUBSCRIBED);
    tollgate.wait_seated(3);
    one.phone.speak(440.0);
    let target = flooded.phone.peer();
    let lines = tollgate.log().lines().count();
    let (stranger, same_host) = (socket(STRANGER), socket(TRUNK));
    let sound = std::thread::scope(|scope| {
        for source in [&stranger, &same_host] {
            scope.spawn(move || flood(source, target, secs(3)));
        }
        other.phone.listen(secs(3))
    });
    assert!(sound.level(440.0) > 4_000.0, "{}", sound.level(440.0));
    assert!(sound.longest_gap < Duration::from_millis(500), "{:?}", sound.longest_gap);
    let more = tollgate.log().lines().count() - lines;
    assert!(more < 100, "{more} lines of a flood");
    for call in [flooded, one, other] {
        call.sipp.succeed();
    }
    let dropped = tollgate.metric("tollgate_media_dropped_total", &[]);
    assert!(dropped > 2_000.0, "{dropped}");
    tollgate.wait_idle(secs(5));
    tollgate.book().assert_settled();
}

fn quiet() -> Site {
    Site::default().with("[media]", "announcements", "false")
}

/// Sends some thousand packets a second that look like audio.
fn flood(source: &UdpSocket, target: SocketAddr, time: Duration) {
    let until = now() + time;
    let mut packet = [0x55; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    while now() < until {
        for _ in 0..20 {
            // A full buffer drops it, as a network would.
            drop(source.send_to(&packet, target));
        }
        pause(Duration::from_millis(2));
    }
}

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("loopback has free ports");
    socket.set_read_timeout(Some(secs(5))).expect("sockets have timeouts");
    socket
}

fn send(socket: &UdpSocket, text: &str, target: SocketAddr) {
    socket.send_to(text.as_bytes(), target).expect("loopback takes datagrams");
}

fn asked(socket: &UdpSocket, text: &str, target: SocketAddr) -> Option<String> {
    send(socket, text, target);
    let mut answer = [0; 4_096];
    let length = socket.recv(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// A request of its own each time, which may be repeated.
fn options(user: &str, number: u32) -> String {
    format!(
        "OPTIONS sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{number};rport\r\n\
         From: <sip:a@{TRUNK}>;tag=1\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: o{number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Asks without a token; returns the answer, header and all.
fn http(target: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&target, secs(2)).expect("HTTP is served");
    stream.set_read_timeout(Some(secs(5))).expect("sockets have timeouts");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("it is read");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text is written");
    text
}
