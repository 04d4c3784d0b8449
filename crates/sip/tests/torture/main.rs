//! Messages that are odd, broken or hostile: an answer by the rules or silence, never a panic, a
//! leak or a line that its sender chose (reliability.md S18, S19).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

mod carriers;
mod change;
mod dialling;
mod node;
mod pages;
mod rfc;
mod shedding;
mod walk;

use std::time::Duration;

use change::change;
use node::{Node, SOURCE};
use proptest::prelude::*;

const INVITE: &str = "INVITE sip:+14155550123;npdi;rn=+1415@198.51.100.1;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKm1;rport\r\nRecord-Route: <sip:[2001:db8::1];lr>\r\n\
    Max-Forwards: 70\r\nf: \"A, \\\"B\\\"\" <tel:+1-415-555-9999>;tag=f1\r\nt: <sip:x@h>\r\ni: m1\r\n\
    CSeq: 7 INVITE\r\nm: <sip:a@192.0.2.1>\r\nk: timer\r\nx: 1800;refresher=uac\r\n\
    History-Info: <sip:1@h?Reason=a%3Bb>;index=1\r\nPrivacy: none\r\nReason: Q.850;cause=16\r\n\
    c: multipart/mixed;boundary=b\r\nl: 87\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n\
    Content-Type: text/plain\r\n\r\nhi\r\n--b--\r\n";

/// Requests inside a live call; `{tag}` is ours.
const INSIDE: &[&str] = &["BYE", "UPDATE", "OPTIONS", "INVITE", "ACK", "CANCEL", "INFO"];

#[test]
fn odd_but_valid_messages_are_served() {
    let mut node = Node::new();
    assert_eq!(node.hear(odd_invite().as_bytes()), [100], "{}", node.last);
    assert_eq!(node.hear(INVITE.as_bytes()), [100]);
    let old = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP c.example.com\r\nFrom: sip:a@h\r\n\
        To: sip:b@h\r\nCall-ID: old\r\nCSeq: 1 OPTIONS\r\n\r\n";
    assert_eq!(node.hear(old.as_bytes()), [200]);
    let padded = format!("\r\n\r\n{}trailing octets", old.replace("\r\n\r\n", "\r\nl: 0\r\n\r\n"));
    assert_eq!(node.hear(padded.as_bytes()), [200]);
}

#[test]
fn broken_messages_get_the_answer_of_the_rules_or_none() {
    let cases: &[(&str, &str, &[u16])] = &[
        (
            "no Via",
            "OPTIONS sip:h SIP/2.0\r\nf: a;tag=1\r\nt: b\r\ni: 1\r\nCSeq: 1 OPTIONS\r\n\r\n",
            &[],
        ),
        ("a Via of no sense", &with("OPTIONS", "v: rubbish"), &[]),
        ("no Call-ID", &without("OPTIONS", "i:"), &[400]),
        ("no CSeq", &without("OPTIONS", "CSeq:"), &[400]),
        ("no From", &without("OPTIONS", "f:"), &[400]),
        ("another method in CSeq", &plain("OPTIONS").replace("1 OPTIONS", "1 INVITE"), &[400]),
        (
            "a sequence number too great",
            &plain("OPTIONS").replace("CSeq: 1", "CSeq: 4294967296"),
            &[400],
        ),
        ("two To fields", &with("OPTIONS", "To: <sip:c@h>"), &[400]),
        ("an empty tag", &plain("OPTIONS").replace("t: <sip:b@h>", "t: <sip:b@h>;tag="), &[400]),
        ("a length beyond the datagram", &with("OPTIONS", "l: 9999"), &[400]),
        ("a negative length", &with("OPTIONS", "l: -1"), &[400]),
        ("a bracketed Request-URI", &plain("OPTIONS").replace("sip:h ", "<sip:h> "), &[400]),
        ("blanks in the Request-URI", &plain("OPTIONS").replace("sip:h ", "sip:h; lr "), &[400]),
        ("another version", &plain("OPTIONS").replace("SIP/2.0\r\nv", "SIP/7.0\r\nv"), &[505]),
        (
            "an unknown scheme",
            &plain("OPTIONS").replace("sip:h ", "nobodyKnowsThisScheme:x "),
            &[416],
        ),
        ("an unknown method", &plain("NEWMETHOD"), &[501]),
        ("an unknown extension", &with("OPTIONS", "Require: nothingSupportsThis"), &[420]),
        ("no blank line", &plain("OPTIONS").replace("\r\n\r\n", "\r\n"), &[400]),
        ("a line without a colon", &with("OPTIONS", "rubbish"), &[400]),
        (
            "a quote that never ends",
            &with("OPTIONS", "f2: x").replace("f: <sip:a@h>", "f: \"a <sip:a@h>"),
            &[400],
        ),
        ("a bare CR", &with("OPTIONS", "s: a\rb"), &[400]),
        ("a NUL", &with("OPTIONS", "s: a\0b"), &[400]),
        (
            "too many fields",
            &plain("OPTIONS").replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(200))),
            &[513],
        ),
        ("a line too long", &with("OPTIONS", &format!("X: {}", "y".repeat(9_000))), &[513]),
        ("a broken ACK", &with("ACK", "To: <sip:c@h>"), &[]),
        ("another protocol", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &[]),
        ("an answer to nothing", "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\r\n", &[]),
        ("an answer of no class", "SIP/2.0 4294967301 x\r\n\r\n", &[]),
        ("a keep-alive", "\r\n\r\n", &[]),
    ];
    for (name, text, expected) in cases {
        let mut node = Node::new();
        assert_eq!(node.hear(text.as_bytes()), *expected, "{name}");
        assert_eq!(node.endpoint.live(), (0, 0), "{name}");
    }
}

#[test]
fn a_value_with_a_line_end_in_it_reaches_no_answer() {
    let mut node = Node::new();
    for evil in ["f: <sip:a@h>;tag=1\rX: y", "f: <sip:a@h\0>;tag=1"] {
        let text = without("OPTIONS", "f:").replace("\r\n\r\n", &format!("\r\n{evil}\r\n\r\n"));
        assert_eq!(node.hear(text.as_bytes()), [] as [u16; 0], "{evil:?}");
    }
}

/// A valid INVITE in every odd form that RFC 3261 allows: of RFC 4475 §3.1.1.1, without a tag in To.
fn odd_invite() -> String {
    let pages = pages::Page::read(&pages::folder().join("rfc4475.txt"));
    String::from_utf8(pages[1].bytes("")).unwrap()
}

fn plain(method: &str) -> String {
    format!(
        "{method} sip:h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\n\
         t: <sip:b@h>\r\ni: 1\r\nCSeq: 1 {method}\r\n\r\n"
    )
}

fn with(method: &str, line: &str) -> String {
    plain(method).replace("SIP/2.0\r\nv:", &format!("SIP/2.0\r\n{line}\r\nv:"))
}

fn without(method: &str, start: &str) -> String {
    let text = plain(method);
    text.split_inclusive("\r\n").filter(|line| !line.starts_with(start)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_from_a_trunk_do_harm(
        which in 0..11_usize,
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let mut node = Node::new();
        let tag = node.answered_call(&INVITE.replace("m1", "live"));
        let mut text = message(which, &tag).into_bytes();
        for change in &changes {
            change.apply(&mut text);
        }
        node.hear(&text);
        node.hear(&text);
        node.refuse_all();
        node.pass(Duration::from_secs(1));
        node.refuse_all();
        node.hang_up_all();
        node.pass(Duration::from_secs(200));
        prop_assert_eq!(node.endpoint.live(), (0, 0));
        prop_assert_eq!(node.endpoint.poll_timeout(), None);
    }

    #[test]
    fn no_bytes_at_all_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut node = Node::new();
        node.hear(&bytes);
        prop_assert_eq!(node.endpoint.live(), (0, 0));
    }
}

fn message(which: usize, tag: &str) -> String {
    let Some(method) = INSIDE.get(which) else {
        return match which {
            7 => odd_invite(),
            8 => plain("OPTIONS"),
            9 => {
                "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK0;rport=5060\r\n\
                  f: <sip:b@h>;tag=1\r\nt: <sip:a@h>;tag=2\r\ni: 1\r\nCSeq: 1 BYE\r\nl: 0\r\n\r\n"
                    .to_owned()
            }
            _ => INVITE.to_owned(),
        };
    };
    INVITE
        .replace("INVITE", method)
        .replace("z9hG4bKm1", if *method == "CANCEL" { "z9hG4bKlive" } else { "z9hG4bKm1" })
        .replace("i: m1", "i: live")
        .replace("CSeq: 7", if matches!(*method, "ACK" | "CANCEL") { "CSeq: 7" } else { "CSeq: 8" })
        .replace("t: <sip:x@h>", &format!("t: <sip:x@h>;tag={tag}"))
}

#[test]
fn strangers_get_nothing_whatever_they_send() {
    let mut node = Node::new();
    for text in [&odd_invite(), INVITE, &plain("OPTIONS"), "rubbish", ""] {
        assert_eq!(node.hear_from("203.0.113.9:5060".parse().unwrap(), text.as_bytes()), []);
    }
    assert_ne!(SOURCE, "203.0.113.9:5060");
}

#[test]
fn a_full_node_answers_503_and_keeps_nothing_of_it() {
    let mut node = Node::new();
    let text = |number: usize| INVITE.replace("m1", &format!("m{number}"));
    for number in 0..model::limits::CALLS {
        assert_eq!(node.hear(text(number).as_bytes()), [100]);
    }
    let before = node.endpoint.live();
    assert_eq!(node.hear(text(model::limits::CALLS).as_bytes()), [503]);
    assert_eq!(node.endpoint.live(), before);
    node.refuse_all();
    node.pass(Duration::from_secs(60));
    assert_eq!(node.endpoint.live(), (0, 0));
}
