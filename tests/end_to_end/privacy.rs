//! What must not get out: digits, tokens, numbers, and any byte to strangers.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use crate::harness::clock::{pause, secs};
use crate::harness::phone::Phone;
use crate::harness::sipp::Call;
use crate::harness::site::{BOLT, METERED, Site, TOKEN, TOLL, TOLL_TO_SUBSCRIBED, WRONG};
use crate::harness::tollgate::Tollgate;

#[test]
fn logs_at_trace_level_hold_no_digits_no_token_and_no_number_in_full() {
    let site = Site::default().with("[log]", "filter", "\"trace\"");
    let mut tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = Call::new("join.xml", TOLL, tollgate.sip()).stay(secs(16)).dial();
    call.phone.wait_answered();
    pause(secs(1));
    call.phone.press(&format!("{WRONG}#"));
    pause(secs(4));
    call.phone.identify(METERED);
    tollgate.wait_seated(1);
    assert!(!tollgate.live().is_empty());
    call.sipp.succeed();
    let metrics = tollgate.get("/metrics").expect("metrics are served").body;
    tollgate.stop();
    let log = tollgate.log();
    assert!(log.len() > 1_000, "there is a log: {log}");
    for secret in [METERED, WRONG, TOKEN, "390119876543", "390110000001"] {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
}

#[test]
fn a_stranger_gets_no_byte_back() {
    let tollgate = Tollgate::serve(&Site::default());
    let call = Call::new("stranger.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).from("127.0.0.9");
    call.dial_without_phone().succeed();
    let socket = UdpSocket::bind("127.0.0.9:0").expect("a free port can be bound");
    socket.set_read_timeout(Some(Duration::from_millis(1_500))).expect("sockets have timeouts");
    for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "BYE"] {
        let request = request(method, "127.0.0.9");
        socket.send_to(request.as_bytes(), tollgate.sip()).expect("loopback takes datagrams");
    }
    socket.send_to(b"\0\0\0\0", tollgate.sip()).expect("loopback takes datagrams");
    let mut buffer = [0; 2_048];
    assert!(socket.recv_from(&mut buffer).is_err(), "a stranger was answered");
    assert!(tollgate.metric("tollgate_sip_dropped_total", &["reason=\"stranger\""]) >= 6.0);
    assert_eq!(tollgate.book().records(), 0);
}

#[test]
fn audio_and_digits_from_a_stranger_are_not_heard() {
    let tollgate = Tollgate::serve(&Site::default());
    let dial = || Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).stay(secs(9)).dial();
    let (first, second) = (dial(), dial());
    tollgate.wait_seated(2);
    let digits = tollgate.metric("tollgate_bridge_digits_total", &[]);
    let intruder = Phone::intruding("127.0.0.9", first.phone.peer());
    intruder.speak(1_500.0);
    intruder.press("123#");
    pause(secs(2));
    intruder.speak(1_500.0);
    let heard = second.phone.listen(secs(2));
    assert!(heard.level(1_500.0) < 100.0, "{}", heard.level(1_500.0));
    assert_eq!(intruder.packets(), 0, "audio went to a stranger");
    assert!((tollgate.metric("tollgate_bridge_digits_total", &[]) - digits).abs() < 0.5);
    first.sipp.succeed();
    second.sipp.succeed();
}

#[test]
fn a_forged_bye_ends_nothing() {
    let tollgate = Tollgate::serve(&Site::default());
    let call = Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).stay(secs(4)).dial();
    tollgate.wait_seated(1);
    let forged = |from: &str| {
        let text = request("BYE", from);
        text.replace("Call-ID: BYE@", &format!("Call-ID: {}\r\nX: ", call.sipp.call_id))
            .replace("To: <sip:gateway@127.0.0.1>", "To: <sip:gateway@127.0.0.1>;tag=guess")
    };
    let answer = ask_for(&tollgate, &forged("127.0.0.2"));
    assert!(answer.starts_with("SIP/2.0 481 "), "{answer}");
    let stranger = UdpSocket::bind("127.0.0.9:0").expect("a free port can be bound");
    stranger.send_to(forged("127.0.0.9").as_bytes(), tollgate.sip()).expect("loopback works");
    pause(secs(1));
    assert_eq!(tollgate.states(), ["seated"]);
    let trace = call.sipp.succeed();
    assert!(trace.connected() > 3.5);
}

#[test]
fn methods_that_we_do_not_know_are_405_with_allow_and_no_banner() {
    let tollgate = Tollgate::serve(&Site::default());
    for method in ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER"] {
        let answer = ask(&tollgate, method);
        assert!(answer.starts_with("SIP/2.0 405 "), "{method}: {answer}");
        assert!(answer.contains("\r\nAllow: "), "{method}: {answer}");
    }
    let answer = ask(&tollgate, "OPTIONS");
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    for banner in ["\r\nServer:", "\r\nUser-Agent:", "ollgate"] {
        assert!(!answer.contains(banner), "{answer}");
    }
}

#[test]
fn every_socket_is_bound_where_the_configuration_says() {
    let tollgate = Tollgate::serve(&Site::default());
    let sockets = fs::read_dir(format!("/proc/{}/fd", tollgate.pid())).expect("it is running");
    let links = sockets.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inodes: Vec<_> = links
        .filter_map(|link| {
            let name = link.to_string_lossy().into_owned();
            Some(name.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())
        })
        .collect();
    let mut bound = 0;
    for table in ["tcp", "udp", "tcp6", "udp6"] {
        let rows = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        for row in rows.lines().skip(1) {
            let columns: Vec<_> = row.split_whitespace().collect();
            if columns.get(9).is_some_and(|inode| inodes.iter().any(|own| own == inode)) {
                bound += 1;
                // 127.0.0.1, as the kernel writes it on a little-endian machine.
                assert!(columns[1].starts_with("0100007F:"), "{table}: {row}");
            }
        }
    }
    assert!(bound > 3, "SIP, HTTP and RTP: {bound}");
}

/// Sends a request of a kind as the trunk and returns the answer.
fn ask(tollgate: &Tollgate, method: &str) -> String {
    ask_for(tollgate, &request(method, "127.0.0.2"))
}

/// Sends a request as the trunk and returns the answer.
fn ask_for(tollgate: &Tollgate, request: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.2:0").expect("a free port can be bound");
    socket.set_read_timeout(Some(secs(3))).expect("sockets have timeouts");
    socket.send_to(request.as_bytes(), tollgate.sip()).expect("loopback takes datagrams");
    let mut buffer = [0; 4_096];
    let (length, _) = socket.recv_from(&mut buffer).expect("a trunk is answered");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn request(method: &str, from: &str) -> String {
    format!(
        "{method} sip:gateway@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};rport;branch=z9hG4bK-{method}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{from}>;tag=1\r\nTo: <sip:gateway@127.0.0.1>\r\n\
         Call-ID: {method}@{from}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{from}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
