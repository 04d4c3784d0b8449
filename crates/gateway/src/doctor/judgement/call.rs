//! How the trunk begins, changes and ends calls.

use model::Reliability;

use super::{Configured, Finding, why_not};
use crate::doctor::facts::{Answer, Asked, Changed, Ending, Facts};

/// Fewer packets than these in a second are what was late, not a stream.
const STRAY: u32 = 5;

/// Findings up to the answer.
pub(super) fn setup(facts: &Facts, configured: &Configured<'_>) -> Vec<Finding> {
    let mut findings = vec![challenge(facts, configured)];
    if facts.ending == Ending::NotCalled {
        let why = why_not(facts);
        findings.push(Finding::untested("answer", why));
        findings.push(Finding::untested("prack", why));
        findings.push(Finding::untested("early media", why));
        return findings;
    }
    findings.push(ending(facts));
    findings.push(prack(facts, configured));
    findings.push(early(facts));
    findings
}

fn challenge(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let topic = "authentication";
    let Some(challenge) = &facts.challenge else {
        return match (&facts.ending, configured.credentials) {
            (Ending::NotCalled | Ending::Silent, _) => {
                Finding::untested(topic, "No call came far enough to be challenged.")
            }
            (_, None) => Finding::good(topic, "It asks for none: it knows us by our address."),
            (_, Some(_)) => Finding::note(
                topic,
                "It asks for none: trunk.outbound.credentials were not needed.",
            ),
        };
    };
    let (status, realm) = (challenge.status, &challenge.realm);
    match &challenge.outcome {
        Answer::Given(hash) => Finding::good(
            topic,
            format!(
                "It challenges with {status} for the realm \"{realm}\"; our answer ({hash}) was accepted."
            ),
        ),
        Answer::NoCredentials => Finding::change(
            topic,
            format!(
                "It challenges with {status} for the realm \"{realm}\", and we have no credentials."
            ),
            "set trunk.outbound.credentials with that realm",
        ),
        Answer::ForeignRealm => Finding::change(
            topic,
            format!(
                "It challenges with {status} for the realm \"{realm}\"; ours are for another, so none were sent."
            ),
            "if the realm is the carrier's, set trunk.outbound.credentials.realm to it",
        ),
        Answer::Unknown => Finding::change(
            topic,
            format!(
                "It challenges with {status} for \"{realm}\" in a way that is not known here: neither MD5 nor SHA-256 with qop=auth."
            ),
            "ask the carrier for MD5 or SHA-256, or for authentication by address",
        ),
        Answer::Rejected => Finding::change(
            topic,
            format!("It challenges with {status} for \"{realm}\" and does not accept our answer."),
            "correct user and password of trunk.outbound.credentials",
        ),
    }
}

fn ending(facts: &Facts) -> Finding {
    let topic = "answer";
    match &facts.ending {
        Ending::Answered(after) => answered(facts, *after),
        Ending::NotCalled => Finding::untested(topic, why_not(facts)),
        Ending::Silent => Finding::change(
            topic,
            "Nothing came in answer to our INVITE.",
            "look at the firewall and at the addresses that the carrier admits (the doctor calls from a port of its own); the gateway moves on after 4 s",
        ),
        Ending::GivenUp { confirmed: true } => Finding::change(
            topic,
            "Nobody answered in time; the call was cancelled, and the trunk confirmed that.",
            "give a test number that answers by itself with --number, or more time with --ring",
        ),
        Ending::GivenUp { confirmed: false } => Finding::change(
            topic,
            "Nobody answered in time; CANCEL was sent, and the trunk never confirmed the end: it may ring on, and an answer would cost until the trunk notices.",
            "ask the carrier what it does with CANCEL",
        ),
        Ending::Refused { status, phrase, cause, contact } => {
            let cause = cause.map_or(String::new(), |cause| format!(", Q.850 cause {cause}"));
            Finding::change(
                topic,
                format!("The call was refused: {status} {phrase}{cause}."),
                refusal(*status, contact.as_deref()),
            )
        }
    }
}

fn answered(facts: &Facts, after: u64) -> Finding {
    let secs = format!("{}.{} s", after / 1_000, after % 1_000 / 100);
    let mut words = format!("It was answered {secs} after the INVITE.");
    if let Some(floor) = facts.interval_too_small {
        words.push_str(&format!(" It wanted a session interval of {floor} s first (422)."));
    }
    if facts.accepted.forks > 0 {
        words.push_str(" Several branches answered; all but the first were ended.");
    }
    match facts.cut_short {
        None => Finding::good("answer", words),
        Some(why) => {
            Finding::note("answer", format!("{words} The examination ended early: {why}."))
        }
    }
}

/// What a refusal asks for.
fn refusal(status: u16, contact: Option<&str>) -> String {
    match status {
        300..=399 => format!(
            "it leads to {}; if that is the carrier's, add its host to trunk.outbound.redirect_hosts",
            contact.unwrap_or("nowhere")
        ),
        401 | 407 => "see authentication".to_owned(),
        403 => "ask the carrier whether it admits our address, this caller and this destination; see trunk.outbound.callers and caller_format".to_owned(),
        404 | 410 | 484 => "look at the number and at trunk.outbound.called_format, strip and add".to_owned(),
        415 | 488 | 606 => "the codecs or the protection did not suit: offered were PCMU and PCMA, in clear; see trunk.srtp".to_owned(),
        420 | 421 => "set trunk.outbound.prack: required after 421, off after 420".to_owned(),
        422 => "raise sip.session_secs".to_owned(),
        486 | 600 | 603 => "give a test number that answers by itself with --number".to_owned(),
        _ => "ask the carrier; the status is what the gateway's calls will get too".to_owned(),
    }
}

fn prack(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let topic = "prack";
    if configured.reliability == Reliability::Off {
        return Finding::untested(topic, "Not offered: trunk.outbound.prack is off.");
    }
    let reliable = facts.provisional.iter().any(|(_, reliable, _)| *reliable);
    match (reliable, facts.prack) {
        (true, Asked::Answered(200..=299)) => {
            Finding::good(topic, "Its provisional answers are reliable, and our PRACK is answered.")
        }
        (true, asked) => Finding::change(
            topic,
            format!("Its provisional answers are reliable, but our PRACK is {}.", told(asked)),
            "set trunk.outbound.prack = \"off\"",
        ),
        (false, _) if matches!(facts.ending, Ending::Refused { status: 420, .. }) => {
            Finding::change(
                topic,
                "It does not know 100rel (420).",
                "set trunk.outbound.prack = \"supported\" or \"off\"",
            )
        }
        (false, _) if facts.provisional.is_empty() => {
            Finding::untested(topic, "No provisional answer but 100 came.")
        }
        (false, _) => Finding::good(
            topic,
            "Its provisional answers are not reliable, which is its choice; PRACK is not used.",
        ),
    }
}

fn early(facts: &Facts) -> Finding {
    let described = facts.provisional.iter().any(|(_, _, described)| *described);
    let statuses: Vec<String> = facts.provisional.iter().map(|(s, ..)| s.to_string()).collect();
    let topic = "early media";
    match (described, facts.early > STRAY) {
        _ if facts.provisional.is_empty() => {
            Finding::untested(topic, "No provisional answer but 100 came.")
        }
        (true, true) => Finding::note(
            topic,
            format!(
                "It sends early media ({}); the gateway lets nobody hear it.",
                statuses.join(", ")
            ),
        ),
        (true, false) => Finding::note(
            topic,
            format!(
                "It describes early media ({}), but none came before the answer.",
                statuses.join(", ")
            ),
        ),
        (false, true) => Finding::note(
            topic,
            "Packets came before the answer, though no provisional answer described them.",
        ),
        (false, false) => Finding::good(
            topic,
            format!("None: it says {} without a description.", statuses.join(", ")),
        ),
    }
}

/// Findings from the answer on.
pub(super) fn during(facts: &Facts, configured: &Configured<'_>) -> Vec<Finding> {
    let mut findings = vec![timer(facts, configured), life(facts, configured)];
    findings.push(hold(facts));
    findings.push(resume(facts));
    findings.push(late(&facts.late_offer));
    findings.push(bye(facts));
    if !facts.theirs.is_empty() {
        let words =
            format!("In the call it sent {} by itself, and got 200.", facts.theirs.join(", "));
        findings.push(Finding::note("its requests", words));
    }
    findings
}

fn timer(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let topic = "session timer";
    if configured.session_secs == 0 {
        return Finding::untested(topic, "Not asked for: sip.session_secs is 0.");
    }
    let updates = facts.accepted.allow.iter().any(|method| method == "UPDATE");
    let by = if updates {
        "its Allow lists UPDATE"
    } else {
        "its Allow does not list UPDATE: refreshes go by re-INVITE"
    };
    match &facts.accepted.session {
        None => Finding::note(
            topic,
            format!("It agrees on none; dead calls are found by silence alone ({by})."),
        ),
        Some(session) => {
            let who = match session.refresher.as_deref() {
                Some("uas") => "the trunk refreshes",
                Some("uac") => "we refresh",
                Some(_) | None => "nobody is named to refresh, so we do",
            };
            Finding::good(topic, format!("It agrees on {} s; {who}; {by}.", session.secs))
        }
    }
}

fn life(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let topic = "proof of life";
    if facts.ping == Asked::Never {
        return Finding::untested(topic, cut(facts));
    }
    let changed = [facts.hold.asked, facts.resume.asked, facts.late_offer.asked];
    let means = [("OPTIONS", facts.ping.is_granted()), ("UPDATE", facts.update.is_granted())];
    let means =
        means.into_iter().chain([("re-INVITE", changed.into_iter().any(Asked::is_granted))]);
    let means: Vec<&str> = means.filter(|(_, works)| *works).map(|(name, _)| name).collect();
    let words =
        format!("In the call OPTIONS is {}, UPDATE is {}", told(facts.ping), told(facts.update));
    if means.is_empty() {
        return Finding::change(
            topic,
            format!(
                "{words}, and no re-INVITE is accepted: a leg that is silent cannot be proved alive, and is ended."
            ),
            format!(
                "raise charging.life_secs ({} s now) and life_held_secs if people are silent on this trunk, or ask the carrier to answer OPTIONS in the call",
                configured.life_secs
            ),
        );
    }
    Finding::good(
        topic,
        format!("{words}: a silent leg is proved alive by {}.", means.join(" or ")),
    )
}

fn hold(facts: &Facts) -> Finding {
    let topic = "hold";
    let Changed { asked, described, packets } = &facts.hold;
    match asked {
        Asked::Never | Asked::Spared(_) => Finding::untested(topic, cut(facts)),
        Asked::Answered(200..=299) => {
            let direction = described.as_ref().map_or("nothing", |it| it.direction.as_str());
            let still = *packets > STRAY;
            let words = format!(
                "Our hold (sendonly) is accepted; it answers {direction} and {}.",
                if still { "sends on" } else { "falls silent" }
            );
            match matches!(direction, "recvonly" | "inactive") {
                true => Finding::good(topic, words),
                false => Finding::note(topic, words),
            }
        }
        asked @ (Asked::Answered(_) | Asked::Silent) => Finding::note(
            topic,
            format!(
                "Our hold (sendonly) is {}; the gateway never puts a trunk on hold itself.",
                told(*asked)
            ),
        ),
    }
}

fn resume(facts: &Facts) -> Finding {
    let topic = "resume";
    let Changed { asked, packets, .. } = &facts.resume;
    match asked {
        Asked::Never | Asked::Spared(_) => Finding::untested(topic, cut(facts)),
        Asked::Answered(200..=299) if *packets > STRAY || facts.heard.packets <= STRAY => {
            Finding::good(topic, "Our resume is accepted, and the audio is as before.")
        }
        Asked::Answered(200..=299) => Finding::change(
            topic,
            "Our resume is accepted, but its audio does not come back.",
            "ask the carrier: audio has to come back after a hold",
        ),
        asked @ (Asked::Answered(_) | Asked::Silent) => {
            Finding::note(topic, format!("Our resume is {}.", told(*asked)))
        }
    }
}

fn late(changed: &Changed) -> Finding {
    let topic = "late offer";
    match (changed.asked, &changed.described) {
        (Asked::Never | Asked::Spared(_), _) => {
            Finding::untested(topic, "The call was over before it could be asked.")
        }
        (Asked::Answered(200..=299), Some(_)) => {
            Finding::good(topic, "A re-INVITE without SDP is answered with an offer.")
        }
        (Asked::Answered(200..=299), None) => Finding::note(
            topic,
            "A re-INVITE without SDP is accepted, but without the offer that it owes.",
        ),
        (asked, _) => Finding::note(
            topic,
            format!("A re-INVITE without SDP is {}; the gateway sends none.", told(asked)),
        ),
    }
}

fn bye(facts: &Facts) -> Finding {
    let topic = "bye";
    match facts.bye {
        Asked::Answered(200..=299) => Finding::good(topic, "Our BYE is answered."),
        Asked::Answered(481) => {
            Finding::note(topic, "Our BYE is answered with 481: it had forgotten the call.")
        }
        Asked::Spared(_) => {
            Finding::note(topic, "The trunk hung up first; what came after could not be tested.")
        }
        Asked::Never => Finding::untested(topic, cut(facts)),
        asked @ (Asked::Answered(_) | Asked::Silent) => Finding::change(
            topic,
            format!("Our BYE is {}: the trunk may charge on.", told(asked)),
            "ask the carrier how it ends calls; compare its bill with the test call",
        ),
    }
}

fn cut(facts: &Facts) -> String {
    match (facts.hung_up, facts.cut_short) {
        (true, _) => "the trunk had hung up before".to_owned(),
        (false, Some(why)) => format!("the examination ended before: {why}"),
        (false, None) => "it was not asked".to_owned(),
    }
}

/// What became of a question, after "is".
fn told(asked: Asked) -> String {
    match asked {
        Asked::Never => "not asked for".to_owned(),
        Asked::Spared(why) => format!("not sent ({why})"),
        Asked::Silent => "not answered".to_owned(),
        Asked::Answered(status @ 200..=299) => format!("accepted ({status})"),
        Asked::Answered(status) => format!("refused ({status})"),
    }
}
