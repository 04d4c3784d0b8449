//! Who may not come in, and what nobody can make us do by signalling or by keys. A second costs a
//! cent.

use std::sync::Arc;

use bridge::{Directory, Input};
use model::policy::DestinationRule;
use model::record::{Provision, ServiceNumber};
use model::{Screen, Standing, Subject};

use crate::callee::Callee;
use crate::carrier::{Carrier, OFFER};
use crate::guarded::{funded, plain, stand, trunks};
use crate::provision::{self, BOUND};
use crate::world::{World, money, secs};

/// The caller of every INVITE that says nothing else.
const CALLER: &str = "<sip:+14155550123@192.0.2.9>";

#[test]
fn the_longest_prefix_of_a_numbers_list_decides_who_is_taken() {
    let rule = |prefix: &str, allow| DestinationRule { prefix: prefix.into(), allow };
    let only_these = vec![rule("", false), rule("1415", true)];
    let but_these = vec![rule("1415", true), rule("1415555", false)];
    for (callers, status) in [(only_these, "SIP/2.0 200"), (but_these, "SIP/2.0 403")] {
        let mut world = screened(|screen| screen.callers = callers);
        invite(&mut world, "one", (CALLER, ""));
        world.expect(status);
        if status.ends_with("403") {
            let cdr = world.cdr();
            assert_eq!(cdr.ending.label, "caller_denied");
            let told = "deny_callers in the [[screen]] of number +390110002 turns the caller away";
            assert!(cdr.reasons.iter().any(|why| why == told), "{:?}", cdr.reasons);
        }
    }
    let mut world = screened(|screen| screen.callers = vec![rule("", false), rule("1415", true)]);
    invite(&mut world, "one", ("<sip:+442071838750@192.0.2.9>", ""));
    world.expect("SIP/2.0 403");
}

#[test]
fn callers_without_a_number_are_taken_unless_the_number_wants_none() {
    let nobody = ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "");
    let withheld = (CALLER, "Privacy: id\r\n");
    for caller in [nobody, withheld] {
        let mut world = screened(|screen| screen.anonymous_refused = true);
        invite(&mut world, "one", caller);
        world.expect("SIP/2.0 4");
        assert_eq!(world.cdr().ending.label, "caller_anonymous");
        let mut world = screened(|_| ());
        invite(&mut world, "one", caller);
        world.expect("SIP/2.0 200");
    }
}

#[test]
fn a_withheld_number_is_still_asked_for_on_the_list() {
    let rule = DestinationRule { prefix: "1415".into(), allow: false };
    let mut world = screened(|screen| screen.callers = vec![rule]);
    invite(&mut world, "one", (CALLER, "Privacy: id\r\n"));
    world.expect("SIP/2.0 403");
    assert_eq!(world.cdr().ending.label, "caller_denied");
}

#[test]
fn lines_of_a_refused_class_are_turned_away() {
    for class in ["isup-oli=27", "cpc=payphone"] {
        let from = format!("<sip:+14155550123@192.0.2.9;{class}>");
        let refused = vec!["27".to_owned(), "payphone".to_owned()];
        let mut world = screened(|screen| screen.lines_refused = refused);
        invite(&mut world, "one", (&from, ""));
        world.expect("SIP/2.0 403");
        assert_eq!(world.cdr().ending.label, "line_denied", "{class}");
        let mut world = screened(|screen| screen.lines_refused = vec!["29".to_owned()]);
        invite(&mut world, "one", (&from, ""));
        world.expect("SIP/2.0 200");
    }
}

#[test]
fn a_stopped_organization_loses_every_live_call_each_charged_as_far_as_it_came() {
    let mut world = funded(provision::standard());
    let mut caller = Carrier::invite(&mut world, "one", BOUND);
    caller.establish(&mut world);
    world.order(&["+390112345678"], plain());
    let callee = Callee::rung(&mut world);
    callee.pick_up(&mut world);
    world.pass(secs(20));
    let acme = Subject::Organization(provision::organization().id);
    stand(&mut world, acme, Standing::Stopped);
    for _ in 0..2 {
        let bye = world.expect("BYE");
        callee.reply(&mut world, &bye, "200 OK");
    }
    for cdr in world.book.cdrs(9) {
        assert_eq!(cdr.ending.label, "organization_suspended");
        assert_eq!(cdr.charge, money("0.20"));
        let told = "organization acme is stopped: fraud; tollgate resume organization acme ends it";
        assert!(cdr.reasons.iter().any(|why| why == told), "{:?}", cdr.reasons);
    }
    Carrier::invite(&mut world, "two", BOUND).refused(&mut world);
    world.order(&["+390112345678"], plain());
    assert_eq!(world.refused().label(), "organization_suspended");
    let directory = Directory::new(provision::standard(), trunks()).unwrap();
    world.input(Input::Directory(Arc::new(directory)));
    Carrier::invite(&mut world, "three", BOUND).establish(&mut world);
}

#[test]
fn a_stopped_number_or_trunk_loses_its_own_calls_alone() {
    let bound = number().id;
    let trunk = provision::trunk_in().id;
    for (subject, label) in
        [(Subject::Number(bound), "number_suspended"), (Subject::Trunk(trunk), "trunk_suspended")]
    {
        let mut world = funded(provision::standard());
        world.order(&["+390112345678"], plain());
        let other = world.ordered();
        Callee::rung(&mut world).pick_up(&mut world);
        Carrier::invite(&mut world, "one", BOUND).establish(&mut world);
        world.pass(secs(5));
        stand(&mut world, subject, Standing::Stopped);
        let bye = world.expect("BYE");
        Carrier::reply(&mut world, &bye, "200 OK");
        assert_eq!(world.cdr().ending.label, label);
        assert_eq!(world.state(other), Some("seated"), "it came by another way");
    }
}

#[test]
fn a_call_that_runs_in_circles_is_refused() {
    let hops = |hops: &str| format!("Max-Forwards: {hops}\r\n");
    let ours = "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-ours\r\n";
    let (none, one) = (hops("0"), hops("1"));
    for (lines, status) in [(none.as_str(), 483), (ours, 482), (one.as_str(), 200)] {
        let mut world = funded(provision::standard());
        invite(&mut world, "one", (CALLER, lines));
        world.expect(&format!("SIP/2.0 {status}"));
        assert_eq!(world.bridge.live(world.now).len(), usize::from(status == 200));
    }
    // The same call once more, by another way.
    let mut world = funded(provision::standard());
    invite(&mut world, "one", (CALLER, ""));
    world.expect("SIP/2.0 200");
    let again =
        text("one", "INVITE", (CALLER, "")).replace("branch=z9hG4bK-one", "branch=z9hG4bK-two");
    world.datagram(again);
    world.expect("SIP/2.0 482");
    assert_eq!(world.bridge.live(world.now).len(), 1);
}

#[test]
fn nobody_dials_through_us_by_keys_by_refer_or_by_taking_a_call_over() {
    let mut world = funded(provision::standard());
    let mut caller = Carrier::invite(&mut world, "one", BOUND);
    let ok = caller.establish(&mut world);
    let call = world.call();
    world.forget();
    world.digits(call, "00390112345678#*9011390112345678#");
    world.pass(secs(5));
    assert!(world.sent.iter().all(|message| !message.starts_with("INVITE")), "keys dial nobody");
    let to = crate::carrier::field(&ok, "To").to_owned();
    let refer = text("one", "REFER", (CALLER, "Refer-To: <sip:+390112345678@192.0.2.10>\r\n"));
    world.datagram(refer.replace(&format!("To: <sip:{BOUND}@198.51.100.1>"), &format!("To: {to}")));
    let no = world.expect("SIP/2.0 405");
    assert!(!crate::carrier::field(&no, "Allow").contains("REFER"));
    for header in ["Replaces", "Join"] {
        let tag = to.split("tag=").nth(1).unwrap();
        let taken = format!("{header}: one;to-tag={tag};from-tag=c-one\r\n");
        invite(&mut world, header, (CALLER, &taken));
        world.expect("SIP/2.0 481");
    }
    world.pass(secs(5));
    assert!(world.sent.iter().all(|message| !message.starts_with("INVITE")));
    assert_eq!(world.state(call), Some("seated"), "the call itself goes on");
    assert_eq!(world.bridge.live(world.now).len(), 1);
}

#[test]
fn whoever_suspended_a_trunk_is_told_with_every_call_that_it_turns_away() {
    let mut world = funded(provision::standard());
    stand(&mut world, Subject::Trunk(provision::trunk_in().id), Standing::Suspended);
    invite(&mut world, "one", (CALLER, ""));
    world.expect("SIP/2.0 480");
    let reasons = world.cdr().reasons;
    let told = "trunk carrier is suspended: fraud; tollgate resume trunk carrier ends it";
    assert!(reasons.iter().any(|why| why == told), "{reasons:?}");
}

fn invite(world: &mut World, id: &str, caller: (&str, &str)) {
    world.datagram(text(id, "INVITE", caller));
}

/// A request to the bound number, from a caller, with more header lines.
fn text(id: &str, method: &str, (from, lines): (&str, &str)) -> String {
    let hops = if lines.contains("Max-Forwards") { "" } else { "Max-Forwards: 70\r\n" };
    let (body, cseq) = if method == "INVITE" { (OFFER, 1) } else { ("", 2) };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let to = format!("<sip:{BOUND}@198.51.100.1>");
    format!(
        "{method} sip:{BOUND}@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{id}\
         \r\n{lines}{hops}From: {from};tag=c-{id}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:c@192.0.2.9:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn number() -> ServiceNumber {
    let numbers = provision::standard().numbers;
    numbers.into_iter().find(|number| number.did.full() == BOUND).unwrap()
}

/// A world whose bound number screens its callers.
fn screened(change: impl FnOnce(&mut Screen)) -> World {
    let mut screen = Screen {
        subject: Subject::Number(number().id),
        callers: Vec::new(),
        anonymous_refused: false,
        lines_refused: Vec::new(),
    };
    change(&mut screen);
    let mut provision: Provision = provision::standard();
    provision.guards.screens.push(screen);
    funded(provision)
}
