//! Callers who stay where nobody is: in the menu, alone in a meeting, beyond what it may cost.

use crate::harness::clock::{pause, secs};
use crate::harness::sipp::Call;
use crate::harness::site::{
    BOLT, Site, TOLL_FREE, TOLL_FREE_TO_SUBSCRIBED, TOLL_TO_METERED, TOLL_TO_SUBSCRIBED,
};
use crate::harness::tollgate::Tollgate;

/// Alone for 5 s at most, then 2 s for each of the two questions.
const LONELY: &str = "[presence]\nalone_secs = 5\nstay_secs = 2\n";

#[test]
fn robots_in_the_menu_use_up_their_budget_and_are_refused_by_code() {
    let site = Site::default()
        .with("[charging]", "unpaid_secs", "15")
        .and("[abuse]\ncaller_minutes = 1\ncaller_refuse_minutes = 1\n");
    let tollgate = Tollgate::serve(&site);
    let robot = || Call::new("never-identified.xml", TOLL_FREE, tollgate.sip()).dial();
    let robots = [robot(), robot(), robot(), robot()];
    for robot in robots {
        let trace = robot.sipp.succeed();
        assert!(trace.connected() < 40.0, "released at the limit: {trace:?}");
    }
    let refused = Call::new("toll-free-over-budget.xml", TOLL_FREE_TO_SUBSCRIBED, tollgate.sip());
    let refused = refused.dial_without_phone();
    let id = refused.call_id.clone();
    refused.succeed();
    let book = tollgate.book();
    book.record(&id).assert_ended("unattributed", "unidentified_budget", 480);
    assert_eq!(book.number("SELECT COUNT(*) FROM entry"), 0, "no organization pays for it");
    let labels = ["budget=\"refused\"", "scope=\"caller\""];
    assert!((tollgate.metric("tollgate_bridge_abuse_total", &labels) - 1.0).abs() < 0.5);
    book.assert_settled();
}

#[test]
fn who_is_alone_is_asked_and_sent_off_unless_they_press_one() {
    let tollgate = Tollgate::funded(&Site::default().and(LONELY), BOLT, "5.00");
    let stays = Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).stay(secs(20)).dial();
    let goes = Call::new("never-identified.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    tollgate.wait_seated(2);
    for _ in 0..2 {
        pause(secs(7));
        stays.phone.press("1");
    }
    let (stayed, went) = (stays.sipp.call_id.clone(), goes.sipp.call_id.clone());
    let trace = goes.sipp.succeed();
    assert!((9.0..25.0).contains(&trace.connected()), "{trace:?}");
    stays.sipp.succeed();
    let book = tollgate.book();
    book.record(&stayed).assert_ended("included", "caller_hung_up", 200);
    let record = book.record(&went);
    record.assert_ended("credits", "alone_limit", 200);
    record.assert_charged(record.connected());
    book.assert_settled();
}
