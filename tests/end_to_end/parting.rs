//! A carrier that is told late: the BYE of a dead life leaves again in each life until it is
//! answered.

use std::net::{SocketAddr, UdpSocket};

use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::site::{BOLT, MICROS_PER_SEC, Site, TOLL_TO_METERED};
use crate::harness::tollgate::Tollgate;

const CALL: &str = "told-late@127.0.0.2";

#[test]
fn a_bye_that_a_second_death_left_unanswered_leaves_again_in_the_third_life() {
    let mut tollgate = Tollgate::funded(&Site::default(), BOLT, "10.00");
    let carrier = Carrier::call(tollgate.sip());
    let answered = now();
    tollgate.wait_seated(1);
    pause(secs(3));
    tollgate.kill();
    let died = now() - answered;

    tollgate.start();
    let unanswered = carrier.expect("BYE ");
    assert_eq!(owed(&tollgate), 1, "nobody has answered");
    tollgate.kill();

    carrier.forget();
    tollgate.start();
    let bye = carrier.expect("BYE ");
    assert_eq!(field(&bye, "Call-ID"), CALL);
    assert_eq!(field(&bye, "To"), field(&unanswered, "To"), "in the same dialog");
    carrier.reply(&bye);
    wait_for("the end of what is owed", secs(5), || (owed(&tollgate) == 0).then_some(()));

    let book = tollgate.book();
    let record = book.record(CALL);
    record.assert_ended("credits", "node_crashed", 200);
    let error = record.connected() - died.as_secs_f64();
    assert!(error.abs() <= 2.0, "{error} s");
    assert_eq!(record.number("charge"), record.number("billed_secs") * MICROS_PER_SEC);
    assert_eq!((book.records(), book.account(BOLT, "captured")), (1, record.number("charge")));
    book.assert_settled();
    tollgate.stop();
}

/// Counts the carriers that are still to be told.
fn owed(tollgate: &Tollgate) -> i64 {
    tollgate.book().number("SELECT COUNT(*) FROM farewell")
}

/// A carrier's socket with one call in it.
struct Carrier {
    socket: UdpSocket,
    gateway: SocketAddr,
}

impl Carrier {
    /// Calls, and acknowledges the answer.
    fn call(gateway: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.2:0").expect("a free port can be bound");
        socket.set_read_timeout(Some(secs(10))).expect("sockets have timeouts");
        let carrier = Self { socket, gateway };
        carrier.send("INVITE", &format!("<sip:{TOLL_TO_METERED}@127.0.0.1>"));
        let answer = carrier.expect("SIP/2.0 200 ");
        carrier.send("ACK", field(&answer, "To"));
        carrier
    }

    fn send(&self, method: &str, to: &str) {
        let here = self.socket.local_addr().expect("it is bound");
        let (gateway, port) = (self.gateway, here.port());
        let body = match method {
            "INVITE" => {
                "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
                 m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
            }
            _ => "",
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:{TOLL_TO_METERED}@{gateway} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{method}{port}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+390119876543@{here}>;tag=c{port}\r\nTo: {to}\r\n\
             Call-ID: {CALL}\r\nCSeq: 1 {method}\r\nContact: <sip:c@{here}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.send_to(text.as_bytes(), gateway).expect("loopback takes datagrams");
    }

    /// Waits for a message that begins so; others are passed over.
    fn expect(&self, start: &str) -> String {
        let mut buffer = [0; 4_096];
        loop {
            let got = self.socket.recv_from(&mut buffer);
            let (length, _) = got.unwrap_or_else(|error| panic!("no {start}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(start) {
                return text;
            }
        }
    }

    /// Forgets what has come.
    fn forget(&self) {
        self.socket.set_nonblocking(true).expect("sockets can be polled");
        while self.socket.recv_from(&mut [0; 4_096]).is_ok() {}
        self.socket.set_nonblocking(false).expect("sockets can be waited for");
    }

    /// Answers 200 to a request.
    fn reply(&self, request: &str) {
        let echoed = ["Via", "From", "To", "Call-ID", "CSeq"];
        let lines: String =
            echoed.iter().map(|name| format!("{name}: {}\r\n", field(request, name))).collect();
        let text = format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        self.socket.send_to(text.as_bytes(), self.gateway).expect("loopback takes datagrams");
    }
}

/// Returns the value of a header field.
fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}
