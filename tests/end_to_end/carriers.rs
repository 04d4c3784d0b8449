//! What carriers do with calls of ours: refuse, challenge, redirect, ring reliably, fork, answer too
//! late, forget.

use std::time::Duration;

use crate::harness::carrier::{
    CALLEE, CREDENTIALS, Carrier, call, charged_once, cost_nothing, explained, funded,
};
use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::sipp::Call;
use crate::harness::site::TOLL_TO_METERED;

const ONE: &str = "127.0.0.11";
const OTHER: &str = "127.0.0.12";
/// A premium-rate number.
const PREMIUM: &str = "+39899123456";
/// How long a trunk may be silent.
const PATIENCE: f64 = 4.0;

#[test]
fn a_trunk_that_cannot_is_left_for_the_next_one_at_once() {
    let (first, second) = pair();
    let tollgate = funded(&[&first, &second]);
    let (first, second) =
        (first.plays("trunk-unavailable.xml"), second.plays("callee-answers.xml"));
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(2));
    tollgate.hang_up(&call);
    let refused = first.sipp.succeed().received("INVITE").at;
    let trace = second.sipp.succeed();
    let after = trace.received("INVITE").at - refused;
    assert!((0.0..0.5).contains(&after), "{after} s");
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
    let explained = explained(&tollgate, &call);
    for said in ["trunk first answered 503", "answered by trunk second"] {
        assert!(explained.contains(said), "{said}: {explained}");
    }
}

#[test]
fn a_silent_trunk_is_left_after_four_seconds_and_its_late_answer_is_ended_unpaid() {
    let (first, second) = pair();
    let tollgate = funded(&[&first, &second]);
    let late = first.plays("trunk-answers-too-late.xml");
    let second = second.plays("callee-answers.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    let late = late.sipp.succeed();
    tollgate.hang_up(&call);
    let trace = second.sipp.succeed();
    let after = trace.received("INVITE").at - late.received("INVITE").at;
    // SIPp may have seen the first INVITE only when it was repeated after 0.5 s.
    assert!((PATIENCE - 0.6..PATIENCE + 0.5).contains(&after), "left after {after} s");
    let ended = late.received("BYE").at - late.sent("SIP/2.0 200").at;
    assert!((0.0..0.5).contains(&ended), "the late answer was ended after {ended} s");
    assert_eq!(trace.count("BYE "), 1);
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_challenge_is_answered_with_the_right_credentials() {
    let carrier = Carrier::new("asking", ONE).and(CREDENTIALS);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("trunk-challenges.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(1));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    let ringing = &trace.sent("SIP/2.0 180").text;
    assert!(ringing.contains("X-Proved: true"), "{ringing}");
    assert!(!trace.received("INVITE").text.contains("Authorization"), "nothing is told unasked");
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_nonce_that_is_too_old_is_replaced_once() {
    let carrier = Carrier::new("asking", ONE).and(CREDENTIALS);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("trunk-forgets-its-nonce.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_carrier_that_wants_longer_sessions_gets_them() {
    let carrier = Carrier::new("patient", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("trunk-wants-longer-sessions.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_redirection_to_a_premium_number_is_refused_and_costs_nothing() {
    let carrier = Carrier::new("leading", ONE).with("redirect_hosts", "[\"127.0.0.11\"]");
    let tollgate = funded(&[&carrier]);
    let callee = carrier.awaits(Call::awaited("trunk-redirects.xml").number(PREMIUM));
    let call = call(&tollgate, CALLEE);
    let trace = callee.sipp.succeed();
    assert_eq!(trace.count("INVITE"), 1);
    let explained = cost_nothing(&tollgate, &call, "destination_premium", 403);
    assert!(explained.contains("redirection refused"), "{explained}");
}

#[test]
fn a_redirection_to_a_host_that_is_not_allowed_goes_nowhere() {
    let carrier = Carrier::new("leading", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.awaits(Call::awaited("trunk-redirects.xml").number("+390117654322"));
    let call = call(&tollgate, CALLEE);
    callee.sipp.succeed();
    cost_nothing(&tollgate, &call, "call_failed", 302);
}

#[test]
fn ringing_that_wants_to_be_acknowledged_is() {
    let carrier = Carrier::new("reliable", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("callee-rings-reliably.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(1));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    assert_eq!(trace.count("PRACK "), 2);
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn what_is_said_before_the_answer_is_heard_by_nobody_and_costs_nothing() {
    let carrier = Carrier::new("early", ONE);
    let tollgate = funded(&[&carrier]);
    let inside = Call::new("join.xml", TOLL_TO_METERED, tollgate.sip()).stay(secs(14)).dial();
    tollgate.wait_seated(1);
    let callee = carrier.plays("callee-early-media.xml");
    let call = call(&tollgate, CALLEE);
    let offer = wait_for("the INVITE", secs(5), || {
        let trace = callee.sipp.so_far();
        (trace.count("INVITE") > 0).then(|| trace.received("INVITE").text.clone())
    });
    callee.phone.speak(700.0);
    callee.phone.speak_to(media_of(&offer));
    pause(secs(1));
    let early = inside.phone.listen(secs(1));
    assert!(early.level(700.0) < 100.0, "early media is heard: {}", early.level(700.0));
    tollgate.wait_seated(2);
    pause(Duration::from_millis(500));
    let heard = inside.phone.listen(secs(1));
    assert!(heard.level(700.0) > 2_000.0, "the callee is not heard: {}", heard.level(700.0));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    let record = tollgate.book().record(&call);
    record.assert_ended("credits", "operator_hung_up", 200);
    record.assert_charged(trace.talked());
    inside.sipp.succeed();
    tollgate.wait_idle(secs(5));
    tollgate.book().assert_settled();
}

#[test]
fn of_two_who_answer_one_is_the_call_and_the_other_is_ended() {
    let carrier = Carrier::new("forking", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("callee-forks.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(2));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    assert_eq!((trace.count("ACK "), trace.count("BYE ")), (2, 2));
    charged_once(&tollgate, &call, "operator_hung_up", 2.0);
}

#[test]
fn an_answer_that_crosses_our_cancel_is_ended_and_costs_nothing() {
    let carrier = Carrier::new("slow", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("callee-answers-while-cancelled.xml");
    let call = call(&tollgate, CALLEE);
    wait_for("ringing", secs(5), || (callee.sipp.so_far().count("INVITE") > 0).then_some(()));
    pause(Duration::from_millis(500));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    assert_eq!((trace.count("CANCEL "), trace.count("BYE ")), (1, 1));
    cost_nothing(&tollgate, &call, "operator_hung_up", 480);
}

#[test]
fn a_bye_of_ours_that_is_lost_is_repeated_and_the_time_charged_once() {
    let carrier = Carrier::new("deaf", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.plays("callee-misses-bye.xml");
    let call = call(&tollgate, CALLEE);
    tollgate.wait_for_call(&call, "seated");
    pause(secs(2));
    tollgate.hang_up(&call);
    let trace = callee.sipp.succeed();
    assert!(trace.count("BYE ") >= 3, "{trace:#?}");
    charged_once(&tollgate, &call, "operator_hung_up", trace.talked());
}

#[test]
fn a_called_person_who_hangs_up_is_charged_until_then() {
    let carrier = Carrier::new("plain", ONE);
    let tollgate = funded(&[&carrier]);
    let callee = carrier.awaits(Call::awaited("callee-hangs-up.xml").stay(secs(3)));
    let call = call(&tollgate, CALLEE);
    let trace = callee.sipp.succeed();
    charged_once(&tollgate, &call, "callee_hung_up", trace.talked());
}

/// Two carriers, the first one asked first.
fn pair() -> (Carrier, Carrier) {
    let first = Carrier::new("first", ONE).with("priority", "1");
    (first, Carrier::new("second", OTHER).with("priority", "2"))
}

/// Returns where an offer wants audio.
fn media_of(offer: &str) -> std::net::SocketAddr {
    let port = offer.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next());
    let port = port.and_then(|port| port.parse().ok()).expect("an offer names a port");
    (std::net::Ipv4Addr::LOCALHOST, port).into()
}
