//! Whether there is a way to the trunk, and by which transports.

use model::Transport;

use super::{Configured, Finding};
use crate::doctor::facts::{Asked, Facts, Opened};

/// Findings from the outside of any call.
pub(super) fn findings(facts: &Facts, configured: &Configured<'_>) -> Vec<Finding> {
    let mut findings = vec![address(facts, configured)];
    findings.push(stream("tcp", &facts.tcp, facts.transport == Transport::Tcp));
    findings.push(stream("tls", &facts.tls, facts.transport == Transport::Tls));
    findings.push(options(facts, configured));
    if !configured.has_callers {
        findings.push(Finding::change(
            "caller",
            "No number may be shown on this trunk, so the gateway sends no call by it.",
            "set trunk.outbound.callers to the numbers that the carrier has authorized",
        ));
    }
    findings
}

fn address(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let Some(address) = facts.address else {
        let why = facts.nowhere.as_deref().unwrap_or("it has no address");
        return Finding::change(
            "address",
            format!("There is no way to the trunk: {why}."),
            "correct trunk.outbound.host, port and transport, or dns.servers",
        );
    };
    let foreign = |address: &&std::net::SocketAddr| {
        !configured.trunk.signalling.iter().any(|prefix| prefix.contains(address.ip()))
    };
    let foreign: Vec<_> = facts.addresses.iter().filter(foreign).collect();
    let found = format!("It was found at {address} ({}).", word(facts.transport));
    match foreign.first() {
        None => Finding::good("address", found),
        Some(other) => Finding::change(
            "address",
            format!(
                "{found} Of its addresses {other} is outside trunk.signalling: the gateway neither calls it nor hears it."
            ),
            "add the carrier's prefixes to trunk.signalling",
        ),
    }
}

const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    }
}

fn stream(topic: &'static str, opened: &Opened, needed: bool) -> Finding {
    match opened {
        Opened::Untried => Finding::untested(topic, "There was no address to try."),
        Opened::NoListener => {
            Finding::untested(topic, "It was not tried: no listener of ours speaks it.")
        }
        Opened::Open(address) => Finding::good(topic, format!("A connection to {address} opened.")),
        Opened::Failed(address, why) if needed => Finding::change(
            topic,
            format!("No connection to {address} could be opened: {why}."),
            "ask the carrier, or choose another trunk.outbound.transport; for certificates see trunk.tls",
        ),
        // Messages over 1300 bytes go by TCP where it is open, and stay UDP where not.
        Opened::Failed(address, why) => Finding::note(
            topic,
            format!(
                "No connection to {address} could be opened ({why}); the trunk is not configured to need one."
            ),
        ),
    }
}

fn options(facts: &Facts, configured: &Configured<'_>) -> Finding {
    let asked = configured.options_secs.is_some();
    match facts.options {
        Asked::Never | Asked::Spared(_) => {
            Finding::untested("options", "OPTIONS was not sent: there was no way to the trunk.")
        }
        Asked::Answered(408 | 503) if asked => Finding::change(
            "options",
            "OPTIONS is answered as if the trunk were down (408 or 503): the gateway will take it for dead.",
            "ask the carrier, or set trunk.outbound.options_secs = 0",
        ),
        Asked::Answered(status) => {
            Finding::good("options", format!("OPTIONS is answered with {status}: it is reachable."))
        }
        Asked::Silent if asked => Finding::change(
            "options",
            "OPTIONS is not answered: the gateway will take the trunk for dead after three of them.",
            "if calls work, set trunk.outbound.options_secs = 0; else look at the firewall and at the addresses that the carrier admits",
        ),
        Asked::Silent => Finding::note(
            "options",
            "OPTIONS is not answered; trunk.outbound.options_secs = 0 suits that.",
        ),
    }
}
