//! Facts to words.

use super::*;
use crate::doctor::facts::{Accepted, Asked, Changed, Described, Heard, Opened, Session};

fn trunk(dtmf: DtmfMode) -> Trunk {
    let prefixes = vec!["192.0.2.0/24".parse().unwrap()];
    Trunk { dtmf, ..Trunk::new("carrier", &prefixes) }
}

fn judged(facts: &Facts, trunk: &Trunk) -> Vec<Finding> {
    let configured = Configured {
        trunk,
        credentials: None,
        reliability: Reliability::Supported,
        options_secs: Some(30),
        has_callers: true,
        session_secs: 1_800,
        life_secs: 20,
    };
    judge(facts, &configured)
}

fn described(direction: &str) -> Option<Described> {
    Some(Described {
        address: "192.0.2.9:4000".parse().ok(),
        profile: "RTP/AVP".to_owned(),
        formats: vec![(8, "PCMA".to_owned()), (101, "telephone-event".to_owned())],
        direction: direction.to_owned(),
        ..Described::default()
    })
}

/// A call on which nothing is wrong.
fn fine() -> Facts {
    let ok = Asked::Answered(200);
    let changed =
        |direction: &str, packets| Changed { asked: ok, described: described(direction), packets };
    Facts {
        number: Some("+39011765****".to_owned()),
        addresses: vec!["192.0.2.1:5060".parse().unwrap()],
        address: "192.0.2.1:5060".parse().ok(),
        tcp: Opened::NoListener,
        tls: Opened::NoListener,
        options: ok,
        provisional: vec![(183, true, true)],
        prack: ok,
        early: 40,
        ending: Ending::Answered(1_250),
        accepted: Accepted {
            described: described("sendrecv"),
            session: Some(Session { secs: 1_800, refresher: Some("uac".to_owned()) }),
            allow: vec!["INVITE".to_owned(), "UPDATE".to_owned()],
            forks: 0,
        },
        heard: Heard {
            packets: 400,
            payload_types: vec![8],
            sources: vec!["192.0.2.9".parse().unwrap()],
            reports: 2,
            about_us: 1,
            our_loss: Some(0),
        },
        sent: 400,
        ping: ok,
        update: ok,
        info: ok,
        hold: changed("recvonly", 0),
        resume: changed("sendrecv", 50),
        late_offer: changed("sendrecv", 50),
        bye: ok,
        ..Facts::default()
    }
}

fn of<'a>(findings: &'a [Finding], topic: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.topic == topic).unwrap()
}

#[test]
fn a_call_on_which_nothing_is_wrong_is_healthy() {
    let findings = judged(&fine(), &trunk(DtmfMode::Auto));
    assert!(is_healthy(&findings), "{findings:#?}");
    assert!(of(&findings, "rtp").words.starts_with("Both ways"));
    assert!(of(&findings, "answer").words.contains("1.2 s"));
    assert!(of(&findings, "session timer").words.contains("we refresh"));
    assert_eq!(of(&findings, "tcp").verdict, Verdict::Untested);
}

#[test]
fn without_a_call_everything_of_it_is_untested_and_says_why() {
    let facts = Facts { number: None, ending: Ending::NotCalled, ..fine() };
    let findings = judged(&facts, &trunk(DtmfMode::Auto));
    assert!(is_healthy(&findings));
    for topic in ["answer", "prack", "hold", "bye", "rtp"] {
        assert_eq!(of(&findings, topic).verdict, Verdict::Untested);
        assert!(of(&findings, topic).words.contains("--number"), "{topic}");
    }
}

#[test]
fn prack_that_is_not_answered_is_to_be_turned_off() {
    let findings = judged(&Facts { prack: Asked::Silent, ..fine() }, &trunk(DtmfMode::Auto));
    assert!(!is_healthy(&findings));
    assert!(of(&findings, "prack").advice.as_ref().unwrap().contains("prack = \"off\""));
}

#[test]
fn a_mode_of_keys_that_the_trunk_does_not_have_is_to_be_changed() {
    let mut facts = fine();
    let wanted = |facts: &Facts, mode| of(&judged(facts, &trunk(mode)), "dtmf").advice.clone();
    assert_eq!(wanted(&facts, DtmfMode::Event), None);
    facts.info = Asked::Answered(501);
    assert!(wanted(&facts, DtmfMode::Info).unwrap().contains("\"event\""));
    facts.accepted.described.as_mut().unwrap().formats.truncate(1);
    assert!(wanted(&facts, DtmfMode::Event).unwrap().contains("\"tone\""));
    assert!(wanted(&facts, DtmfMode::Info).unwrap().contains("\"tone\""));
    assert_eq!(wanted(&facts, DtmfMode::Auto), None);
}

#[test]
fn audio_from_outside_of_the_prefixes_is_to_be_admitted() {
    let mut facts = fine();
    facts.heard.sources.push("203.0.113.4".parse().unwrap());
    let findings = judged(&facts, &trunk(DtmfMode::Auto));
    assert!(of(&findings, "media addresses").words.contains("203.0.113.4"));
    assert!(!is_healthy(&findings));
}

#[test]
fn without_any_proof_of_life_the_limits_are_to_be_raised() {
    let mut facts = Facts { ping: Asked::Answered(405), update: Asked::Silent, ..fine() };
    let words = of(&judged(&facts, &trunk(DtmfMode::Auto)), "proof of life").words.clone();
    assert!(words.ends_with("by re-INVITE."), "{words}");
    for changed in [&mut facts.hold, &mut facts.resume, &mut facts.late_offer] {
        *changed = Changed { asked: Asked::Answered(488), ..Changed::default() };
    }
    let findings = judged(&facts, &trunk(DtmfMode::Auto));
    assert!(of(&findings, "proof of life").advice.as_ref().unwrap().contains("life_secs (20 s"));
}

#[test]
fn one_way_audio_and_a_bye_that_is_lost_are_told() {
    let mut facts = Facts { bye: Asked::Silent, ..fine() };
    facts.heard.packets = 0;
    let findings = judged(&facts, &trunk(DtmfMode::Auto));
    assert!(of(&findings, "rtp").words.starts_with("One way"));
    assert!(of(&findings, "bye").words.contains("may charge on"));
}

#[test]
fn a_refusal_is_told_with_its_cause_and_what_to_look_at() {
    let ending = Ending::Refused {
        status: 404,
        phrase: "Not Found".to_owned(),
        cause: Some(1),
        contact: None,
    };
    let findings = judged(&Facts { ending, ..fine() }, &trunk(DtmfMode::Auto));
    let answer = of(&findings, "answer");
    assert!(answer.words.contains("404 Not Found, Q.850 cause 1"), "{}", answer.words);
    assert!(answer.advice.as_ref().unwrap().contains("called_format"));
    assert_eq!(of(&findings, "hold").words, "the call was not answered");
}
