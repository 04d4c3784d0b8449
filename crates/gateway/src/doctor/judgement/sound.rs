//! What is spoken and heard on the trunk's calls.

use std::net::IpAddr;

use model::Protection;
use model::record::DtmfMode;

use super::{Configured, Finding, mode};
use crate::doctor::facts::{Asked, Facts};

/// Fewer packets than these, in a call of some seconds, are no audio.
const FEW: u32 = 20;

/// Findings about the audio of a call that was answered.
pub(super) fn findings(facts: &Facts, configured: &Configured<'_>) -> Vec<Finding> {
    let mut findings = vec![codecs(facts), dtmf(facts, configured), rtp(facts), rtcp(facts)];
    findings.extend(addresses(facts, configured));
    if configured.trunk.srtp != Protection::Off {
        findings.push(Finding::untested(
            "srtp",
            "The doctor offers plain RTP only; trunk.srtp was not tested.",
        ));
    }
    findings
}

fn codecs(facts: &Facts) -> Finding {
    let topic = "codecs";
    let Some(described) = &facts.accepted.described else {
        return Finding::change(
            topic,
            "Its answer has no SDP for audio.",
            "ask the carrier: an offer in the INVITE has to be answered in the 200",
        );
    };
    let names: Vec<&str> = described.formats.iter().map(|(_, name)| name.as_str()).collect();
    let names = names.join(", ");
    if !described.has("PCMU") && !described.has("PCMA") {
        return Finding::change(
            topic,
            format!("It answers with {names}: neither PCMU nor PCMA."),
            "ask the carrier for G.711",
        );
    }
    let known: Vec<u8> = described.formats.iter().map(|(number, _)| *number).collect();
    let odd: Vec<String> = facts
        .heard
        .payload_types
        .iter()
        .filter(|kind| !known.contains(kind))
        .map(ToString::to_string)
        .collect();
    match odd.is_empty() {
        true => Finding::good(topic, format!("It answers with {names}.")),
        false => Finding::note(
            topic,
            format!(
                "It answers with {names}, but also sends payload types that it did not name: {}.",
                odd.join(", ")
            ),
        ),
    }
}

fn dtmf(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let topic = "dtmf";
    let events = facts.accepted.described.as_ref().is_some_and(|it| it.has("telephone-event"));
    let said = match facts.info {
        Asked::Answered(status @ 200..=299) => format!("INFO (dtmf-relay) is accepted ({status})"),
        Asked::Answered(status) => format!("INFO (dtmf-relay) is refused ({status})"),
        Asked::Silent => "INFO (dtmf-relay) is not answered".to_owned(),
        Asked::Never | Asked::Spared(_) => "INFO could not be tested".to_owned(),
    };
    let agreed =
        if events { "telephone-event is agreed on" } else { "telephone-event is not agreed on" };
    let own = configured.trunk.dtmf;
    let words = format!("{agreed}; {said}. trunk.dtmf is \"{}\".", mode(own));
    let words = format!("{}{}", words[..1].to_uppercase(), &words[1..]);
    match own {
        DtmfMode::Event if !events => Finding::change(
            topic,
            format!("{words} Keys of callers would not be heard."),
            "set dtmf = \"auto\", or \"tone\", on the trunk",
        ),
        DtmfMode::Info if matches!(facts.info, Asked::Answered(300..) | Asked::Silent) => {
            let instead = if events { "event" } else { "tone" };
            Finding::change(
                topic,
                format!("{words} It does not seem to know INFO."),
                format!("set dtmf = \"auto\", or \"{instead}\", on the trunk"),
            )
        }
        DtmfMode::Auto if !events => Finding::note(
            topic,
            format!("{words} Keys come as tones in the audio, or by INFO; both are listened to."),
        ),
        DtmfMode::Tone if events => Finding::note(
            topic,
            format!("{words} Events would be surer: dtmf = \"auto\" listens to both."),
        ),
        DtmfMode::Auto | DtmfMode::Event | DtmfMode::Tone | DtmfMode::Info => {
            Finding::good(topic, words)
        }
    }
}

fn rtp(facts: &Facts) -> Finding {
    let topic = "rtp";
    let (packets, sent) = (facts.heard.packets, facts.sent);
    let proved = facts.heard.about_us > 0;
    match (packets > FEW, sent > 0) {
        (true, true) if proved => {
            let loss = facts.heard.our_loss.map_or(0, |loss| u32::from(loss) * 100 / 256);
            Finding::good(
                topic,
                format!(
                    "Both ways: {packets} packets came, and its reports say that it hears us (loss {loss} %)."
                ),
            )
        }
        (true, true) => Finding::good(
            topic,
            format!(
                "{packets} packets came and {sent} left; no report of its says whether ours arrived, so that way is untested."
            ),
        ),
        (true, false) => Finding::change(
            topic,
            format!(
                "{packets} packets came, but none of ours could leave: its SDP names no address or profile to send to."
            ),
            "ask the carrier for plain RTP in its answer, or see trunk.srtp",
        ),
        (false, _) => {
            let words = if proved {
                format!(
                    "One way: only {packets} packets came, though its reports say that it hears us."
                )
            } else {
                format!("Nothing is heard: {packets} packets came, {sent} left.")
            };
            let range = if facts.foreign_port {
                " (the doctor's port was outside that range, which the firewall may not let through)"
            } else {
                ""
            };
            Finding::change(
                topic,
                words,
                format!(
                    "let UDP through to media.port_first to media.port_last{range}, and look at media.advertised; some test numbers are silent"
                ),
            )
        }
    }
}

fn rtcp(facts: &Facts) -> Finding {
    match (facts.heard.reports, facts.heard.about_us) {
        (0, _) => Finding::note(
            "rtcp",
            "No report came; the test call is short, and some send none. What is lost towards it cannot be known.",
        ),
        (count, 0) => Finding::good("rtcp", format!("{count} reports came, none about our audio.")),
        (count, about) => {
            Finding::good("rtcp", format!("{count} reports came, {about} about our audio."))
        }
    }
}

/// What the gateway would drop: media that leads, or comes from, outside of what the trunk may use.
fn addresses(facts: &Facts, configured: &Configured<'_>) -> Option<Finding> {
    let allowed = |ip: &IpAddr| configured.trunk.media.iter().any(|prefix| prefix.contains(*ip));
    let described = facts.accepted.described.as_ref().and_then(|it| it.address);
    let described = described.map(|address| address.ip());
    let all = described.iter().chain(&facts.heard.sources);
    let outside: std::collections::BTreeSet<IpAddr> =
        all.copied().filter(|ip| !allowed(ip)).collect();
    if !outside.is_empty() {
        let list: Vec<String> = outside.iter().map(ToString::to_string).collect();
        return Some(Finding::change(
            "media addresses",
            format!(
                "Its audio uses {}, outside trunk.media: the gateway refuses or drops it.",
                list.join(", ")
            ),
            "if they are the carrier's, add their prefixes to trunk.media",
        ));
    }
    let loopback = described.is_some_and(|ip| ip.is_loopback()) && !configured.trunk.loopback_media;
    loopback.then(|| {
        Finding::change(
            "media addresses",
            "Its SDP names a loopback address, which the gateway refuses.",
            "ask the carrier; for tests alone there is trunk.loopback_media",
        )
    })
}
