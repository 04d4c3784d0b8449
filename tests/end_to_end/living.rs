//! Callers whose packets stop: what their answers prove, and until when they are charged.

use std::time::Duration;

use crate::harness::book::Record;
use crate::harness::clock::{now, pause, secs};
use crate::harness::sipp::{Call, Trace};
use crate::harness::site::{BOLT, Site, TOLL_TO_METERED};
use crate::harness::tollgate::Tollgate;

/// How long a caller speaks before the packets stop.
const SPOKEN: Duration = Duration::from_secs(3);

#[test]
fn a_caller_whose_answer_says_gone_is_charged_up_to_the_last_packet() {
    let fallen = fall_silent("gone-by-its-answer.xml");
    assert_eq!((fallen.trace.count("OPTIONS "), fallen.trace.count("INVITE ")), (1, 0));
    fallen.assert_gone();
}

#[test]
fn a_caller_whose_answers_prove_nothing_is_charged_up_to_the_last_packet() {
    let fallen = fall_silent("proves-nothing.xml");
    assert_eq!((fallen.trace.count("OPTIONS "), fallen.trace.count("INVITE ")), (3, 3));
    // Three rounds of `life_secs` and the packets before them.
    assert!(fallen.trace.connected() > 18.0, "{}", fallen.trace.connected());
    fallen.assert_gone();
}

#[test]
fn a_silent_caller_who_answers_re_invites_stays_and_is_charged_to_the_end() {
    let fallen = fall_silent("alive-by-re-invite.xml");
    assert_eq!((fallen.trace.count("OPTIONS "), fallen.trace.count("INVITE ")), (2, 2));
    assert!(fallen.trace.connected() > 12.0, "{}", fallen.trace.connected());
    fallen.record.assert_ended("credits", "caller_hung_up", 200);
    fallen.record.assert_charged(fallen.trace.connected());
}

/// A call whose caller spoke for a while and then sent no packet any more.
struct Fallen {
    trace: Trace,
    record: Record,
    spoke: Duration,
}

impl Fallen {
    fn assert_gone(&self) {
        self.record.assert_ended("credits", "peer_gone", 200);
        self.record.assert_charged(self.spoke.as_secs_f64());
    }
}

/// One call, with its record, which is all that the ledger holds.
fn fall_silent(scenario: &'static str) -> Fallen {
    let site = Site::default().with("[charging]", "life_secs", "6");
    let tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = Call::new(scenario, TOLL_TO_METERED, tollgate.sip()).dial();
    call.phone.wait_answered();
    let answered = now();
    pause(SPOKEN);
    call.phone.hush();
    let spoke = now() - answered;
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    tollgate.wait_idle(secs(5));
    let book = tollgate.book();
    let record = book.record(&id);
    assert_eq!((book.records(), book.account(BOLT, "captured")), (1, record.number("charge")));
    book.assert_settled();
    Fallen { trace, record, spoke }
}
