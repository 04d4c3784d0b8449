//! Calls that a meeting places: who is called, who is in, what it costs.

use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::sipp::{Call, Dialled, row_to_be_called_on};
use crate::harness::site::{BOLT, Site};
use crate::harness::tollgate::{Tollgate, expect_success};

/// Whom the meeting calls.
const CALLEE: &str = "+390117654321";

#[test]
fn a_called_person_presses_one_and_is_charged_from_the_answer() {
    let (site, callee) = awaited("callee-answers.xml");
    let tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = tollgate.dial("metered", &order(CALLEE, ""));
    tollgate.wait_for_call(&call, "confirming");
    pause(secs(1));
    callee.phone.press("1");
    tollgate.wait_for_call(&call, "seated");
    pause(secs(4));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    let invite = &trace.received("INVITE").text;
    assert!(invite.starts_with(&format!("INVITE sip:{CALLEE}@127.0.0.2")), "{invite}");
    assert!(invite.contains("+390110000001"), "the default number calls: {invite}");
    let shown = tollgate.wait_for_call(&call, "over");
    assert_eq!(shown["called"], "+39011765****");
    let book = tollgate.book();
    let record = book.record(&call);
    record.assert_ended("credits", "operator_hung_up", 200);
    let seconds = record.number("charge") / 10_000;
    assert!((5..=9).contains(&seconds), "{seconds} s");
    assert_eq!(tollgate.metric("tollgate_bridge_dial_outs_total", &[]), 1.0);
    book.assert_settled();
    let explained = expect_success(&tollgate.command(&["explain", &call]));
    for said in ["dialled by trunk carrier", "confirmed by 1", "pay-per-minute"] {
        assert!(explained.contains(said), "{said} is not explained:\n{explained}");
    }
}

#[test]
fn nobody_presses_one_and_the_time_is_charged_all_the_same() {
    let (site, callee) = awaited("callee-answers.xml");
    let tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = tollgate.dial("metered", &order(CALLEE, ""));
    callee.sipp.succeed();
    tollgate.wait_for_call(&call, "over");
    let book = tollgate.book();
    let record = book.record(&call);
    record.assert_ended("credits", "not_confirmed", 200);
    assert_eq!(record.number("charge"), 150_000, "15 s");
    assert_eq!((book.account(BOLT, "captured"), book.records()), (150_000, 1));
    book.assert_settled();
}

#[test]
fn a_busy_person_costs_nothing_and_the_command_says_why() {
    let (site, callee) = awaited("callee-busy.xml");
    let tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let order = ["dial", "metered", CALLEE, "--by", "bob@bolt.example", "--wait"];
    let output = tollgate.command(&order);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("busy"), "{said}");
    callee.sipp.succeed();
    let book = tollgate.book();
    let busy = "SELECT COUNT(*) FROM cdr WHERE label = 'busy' AND sip_status = 486 AND charge = 0";
    assert_eq!(book.number(busy), 1);
    assert_eq!((book.account(BOLT, "captured"), book.records()), (0, 1));
    book.assert_settled();
}

#[test]
fn a_call_that_nobody_answers_is_cancelled() {
    let (site, callee) = awaited("callee-never-answers.xml");
    let tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = tollgate.dial("metered", &order(CALLEE, r#","ring_secs":5"#));
    callee.sipp.succeed();
    tollgate.wait_for_call(&call, "over");
    let book = tollgate.book();
    book.record(&call).assert_ended("credits", "no_answer", 408);
    assert_eq!(book.account(BOLT, "captured"), 0);
    book.assert_settled();
}

#[test]
fn a_call_that_credit_does_not_cover_never_leaves() {
    let (site, callee) = awaited("callee-answers.xml");
    let tollgate = Tollgate::serve(&site);
    let answer = tollgate.order("metered", &order(CALLEE, ""));
    assert_eq!(answer.status, 402, "{}", answer.body);
    assert!(answer.body.contains("insufficient_credit"), "{}", answer.body);
    let book = tollgate.book();
    wait_for("its record", secs(5), || {
        let refused = "SELECT COUNT(*) FROM cdr WHERE label = 'insufficient_credit'";
        (book.number(refused) == 1).then_some(())
    });
    book.assert_settled();
    drop(callee);
}

/// A site whose trunk leads to SIPp, which waits there.
fn awaited(scenario: &'static str) -> (Site, Dialled) {
    let (first, phone) = row_to_be_called_on("127.0.0.2");
    let mut site = Site::default()
        .with("[trunk.outbound]", "host", "\"127.0.0.2\"")
        .with("[trunk.outbound]", "port", &first.to_string())
        .with("[trunk.outbound]", "callers", "[\"+390110000001\"]");
    let shared = "number = \"+390110000001\"\ntype";
    site.provision =
        site.provision.replace(shared, "number = \"+390110000001\"\ndefault = true\ntype");
    (site, Call::awaited(scenario).wait_on(first, phone))
}

fn order(number: &str, more: &str) -> String {
    format!(r#"{{"number":"{number}","by":"bob@bolt.example"{more}}}"#)
}
