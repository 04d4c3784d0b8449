//! What an overloaded node answers: the same to INVITEs that it reads and to those that it does not,
//! nothing kept of any; what has begun goes on.

use bytes::Bytes;
use model::Instant;
use sip::{Command, Event, Urgency};

use super::node::Node;
use super::{INVITE, plain, with};

#[test]
fn an_invite_turned_away_unread_gets_the_answer_of_one_that_is_read() {
    let mut node = overloaded();
    for number in 0..100 {
        let unread = INVITE.replace("m1", &format!("m{number}"));
        assert_eq!(node.hear(unread.as_bytes()), [503]);
        let first = node.last.clone();
        // A folded line is left to the lexer.
        let read = unread.replace("Max-Forwards: 70", "Max-Forwards:\r\n 70");
        assert_eq!(node.hear(read.as_bytes()), [503]);
        assert_eq!(node.last, first);
    }
    assert_eq!(node.endpoint.live(), (0, 0));
}

#[test]
fn a_repeat_gets_the_same_answer_and_others_come_back_at_other_times() {
    let mut node = overloaded();
    let mut waits = std::collections::BTreeSet::new();
    for number in 0..200 {
        let text = INVITE.replace("m1", &format!("m{number}"));
        node.hear(text.as_bytes());
        let first = node.last.clone();
        node.hear(text.as_bytes());
        assert_eq!(node.last, first);
        let wait = first.split_once("Retry-After: ").unwrap().1.split_once("\r\n").unwrap().0;
        waits.insert(wait.parse::<u32>().unwrap());
    }
    assert!(waits.iter().all(|wait| (5..=30).contains(wait)), "{waits:?}");
    assert!(waits.len() > 20, "{waits:?}");
}

#[test]
fn whatever_is_not_a_sound_new_invite_is_dealt_with_as_ever() {
    let mut node = overloaded();
    for (text, statuses) in [
        (plain("OPTIONS"), &[200][..]),
        (plain("BYE"), &[481]),
        (plain("ACK"), &[]),
        (plain("SUBSCRIBE"), &[405]),
        (plain("INVITE").replace("t: <sip:b@h>", "t: <sip:b@h>;tag=nobody"), &[481]),
        (plain("INVITE").replace("i: 1\r\n", ""), &[400]),
        (with("INVITE", "To: <sip:c@h>"), &[400]),
        (plain("INVITE").replace("sip:h SIP/2.0", "sip:h SIP/7.0"), &[505]),
    ] {
        assert_eq!(node.hear(text.as_bytes()), statuses, "{text}");
    }
    assert_eq!(node.endpoint.live(), (0, 0));
}

#[test]
fn what_began_before_goes_on() {
    let mut node = Node::new();
    let ringing = INVITE.replace("m1", "rings");
    assert_eq!(node.hear(ringing.as_bytes()), [100]);
    let tag = node.answered_call(&INVITE.replace("m1", "talks"));
    node.order(Command::Overload(true));
    assert_eq!(node.hear(ringing.as_bytes()), [100], "a repeat is absorbed");
    let cancel = ringing.replace("INVITE", "CANCEL").replace("CSeq: 7 INVITE", "CSeq: 7 CANCEL");
    assert_eq!(node.hear(cancel.as_bytes()), [200, 487]);
    let within = |method: &str, number: u32| {
        INVITE
            .replace("m1", "talks")
            .replace("z9hG4bKtalks", &format!("z9hG4bKw{number}"))
            .replace("INVITE", method)
            .replace("CSeq: 7", &format!("CSeq: {number}"))
            .replace("t: <sip:x@h>", &format!("t: <sip:x@h>;tag={tag}"))
    };
    let before = node.events.len();
    assert_eq!(node.hear(within("ACK", 7).as_bytes()), []);
    assert!(matches!(node.events[before..], [Event::Confirmed { .. }]), "{:?}", node.events);
    assert_eq!(node.hear(within("INVITE", 8).as_bytes()), [100]);
    assert_eq!(node.hear(within("BYE", 9).as_bytes()), [200, 487]);
}

#[test]
fn strangers_get_no_503_either() {
    let mut node = overloaded();
    let stranger = "203.0.113.9:5060".parse().unwrap();
    assert_eq!(node.hear_from(stranger, INVITE.as_bytes()), []);
}

#[test]
fn only_new_calls_may_wait() {
    assert_eq!(sip::urgency(INVITE.as_bytes()), Urgency::Low);
    for method in super::INSIDE {
        let inside = super::message(super::INSIDE.iter().position(|m| m == method).unwrap(), "x");
        assert_eq!(sip::urgency(inside.as_bytes()), Urgency::High, "{method}");
    }
}

#[test]
fn a_banned_source_gives_no_work_until_its_ban_is_over() {
    let mut node = Node::new();
    let stranger: std::net::SocketAddr = "203.0.113.9:5060".parse().unwrap();
    for _ in 0..17 {
        assert!(!node.endpoint.shuns(stranger.ip(), Instant::START));
        node.hear_from(stranger, &Bytes::from_static(b"OPTIONS sip:h SIP/2.0\r\n\r\n"));
    }
    assert!(node.endpoint.shuns(stranger.ip(), Instant::START));
}

fn overloaded() -> Node {
    let mut node = Node::new();
    node.order(Command::Overload(true));
    node
}
