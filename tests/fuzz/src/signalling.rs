//! SIP, from a trunk and from a stranger, to an endpoint with a call of theirs and one of ours.

#[path = "../../../crates/sip/tests/torture/node.rs"]
#[expect(dead_code, reason = "its other tests use the rest")]
mod node;

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, TrunkId};
use sip::{Command, Dial, Event};

use node::Node;

const INVITE: &str = "INVITE sip:+14155550123@198.51.100.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlive;rport\r\nMax-Forwards: 70\r\n\
    From: <sip:+14155559999@192.0.2.1>;tag=f1\r\nTo: <sip:+14155550123@198.51.100.1>\r\n\
    Call-ID: live\r\nCSeq: 7 INVITE\r\nContact: <sip:a@192.0.2.1>\r\nSupported: timer\r\n\
    Session-Expires: 1800;refresher=uac\r\nContent-Type: application/sdp\r\n\
    Content-Length: 5\r\n\r\nv=0\r\n";

/// The tag of ours in the live call is the same each time: `{tag}` in a message stands for it.
///
/// # Panics
/// If what we send is no sound SIP, names the product, a stranger is answered, or anything is left when all calls are
/// over.
pub fn sip(bytes: &[u8]) {
    overloaded(bytes);
    let mut node = Node::dialling();
    let tag = node.answered_call(INVITE);
    node.order(Command::Dial(Box::new(dial())));
    let asked = node.asked.clone();
    assert_eq!(node.requests.len(), 1, "only our INVITE was sent");
    let bytes = placed(bytes, &tag, &asked);
    let before = node.last.clone();
    assert_eq!(node.hear_from("203.0.113.9:5060".parse().unwrap(), &bytes), []);
    assert_eq!(node.last, before, "a stranger was answered");
    node.hear(&bytes);
    node.hear(&bytes);
    assert!(node.events.len() < 20, "two messages are not that much news");
    node.refuse_all();
    node.pass(Duration::from_secs(1));
    node.refuse_all();
    node.hang_up_all();
    node.order(Command::Abandon { call: CallId(1), q850: None });
    node.order(Command::Bye { call: CallId(1), q850: 16 });
    node.pass(Duration::from_secs(200));
    assert_eq!(node.endpoint.live(), (0, 0));
    assert_eq!(node.endpoint.poll_timeout(), None);
    let begun = |event: &&Event| matches!(event, Event::Invited(_));
    assert!(node.events.iter().filter(begun).count() <= 2);
}

/// What is turned away leaves nothing behind, and a repeat is turned away alike.
fn overloaded(bytes: &[u8]) {
    let mut node = Node::new();
    node.order(Command::Overload(true));
    let statuses = node.hear(bytes);
    let first = node.last.clone();
    assert_eq!(node.endpoint.live(), (0, 0));
    assert_eq!(node.hear(bytes), statuses);
    assert_eq!(node.last, first);
}

/// Puts what only this endpoint knows into a message: its tag, and the fields of its own INVITE.
fn placed(bytes: &[u8], tag: &str, asked: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    let mut text = text.replace("{tag}", tag);
    for line in asked.lines() {
        if let Some((name, value)) = line.split_once(": ") {
            text = text.replace(&format!("{{{name}}}"), value);
        }
    }
    text.into_bytes()
}

fn dial() -> Dial {
    Dial {
        call: CallId(1),
        trunk: TrunkId::from_name("carrier"),
        called: "+390112345678".to_owned(),
        caller: "+390110000001".to_owned(),
        name: None,
        withheld: false,
        offer: Bytes::from_static(b"v=0\r\n"),
        max_forwards: 70,
        patience: Duration::from_secs(4),
    }
}
