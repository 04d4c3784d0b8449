//! `tollgate trunk doctor` against carriers of good and of bad manners.

use std::process::Output;

use crate::harness::scripted::{Carrier, Manners, POLITE};
use crate::harness::site::Site;
use crate::harness::tollgate::Tollgate;

/// The test number.
const NUMBER: &str = "+390117654321";

#[test]
fn a_polite_carrier_is_found_healthy_by_one_call_that_ends() {
    let carrier = Carrier::with(POLITE);
    let tollgate = Tollgate::prepare(&site(&carrier));
    let output = examine(&tollgate, &["--number", NUMBER, "--yes", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    for (topic, said) in [
        ("options", "200"),
        ("prack", "PRACK is answered"),
        ("early media", "183"),
        ("codecs", "PCMA"),
        ("dtmf", "Telephone-event is agreed on"),
        ("session timer", "the trunk refreshes"),
        ("proof of life", "OPTIONS or UPDATE or re-INVITE"),
        ("hold", "recvonly and falls silent"),
        ("resume", "as before"),
        ("late offer", "with an offer"),
        ("bye", "answered"),
    ] {
        let words = words(&report, topic);
        assert!(words.contains(said), "{topic}: {words}");
    }
    assert!(!report.to_string().contains("7654321"), "the number is masked");
    let asked = carrier.asked();
    let count = |start: &str| asked.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("BYE"), 1, "{asked:#?}");
    assert_eq!(count("ACK"), 4, "each INVITE is acknowledged: {asked:#?}");
}

#[test]
fn a_rude_carrier_is_told_with_what_to_set_and_a_gateway_beside_is_not_disturbed() {
    let rude = Manners {
        options: 0,
        reliable: false,
        events: false,
        info: 501,
        life: 405,
        changes: [488, 415],
        speaks: false,
    };
    let carrier = Carrier::with(rude);
    let site = site(&carrier).with("[[trunk]]", "dtmf", "\"info\"");
    let tollgate = Tollgate::serve(&site);
    let output = examine(&tollgate, &["--number", NUMBER, "--yes"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "set trunk.outbound.options_secs = 0",
        "set dtmf = \"auto\", or \"tone\", on the trunk",
        "raise charging.life_secs",
        "Nothing is heard",
        "Our hold (sendonly) is refused (488)",
        "A re-INVITE without SDP is refused (415)",
        "good bye: Our BYE is answered.",
    ] {
        assert!(flat.contains(wanted), "{wanted} is not said:\n{said}");
    }
    assert!(tollgate.live().is_empty());
}

#[test]
fn nothing_is_called_before_it_is_confirmed() {
    let carrier = Carrier::with(POLITE);
    let tollgate = Tollgate::prepare(&site(&carrier));
    let output = examine(&tollgate, &["--number", NUMBER]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("one real call to +39011765****") && said.contains("--yes"), "{said}");
    let output = examine(&tollgate, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("as far as it was tested"), "{said}");
    assert_eq!(carrier.asked(), ["OPTIONS -"]);
}

fn site(carrier: &Carrier) -> Site {
    Site::default()
        .with("[trunk.outbound]", "host", "\"127.0.0.2\"")
        .with("[trunk.outbound]", "port", &carrier.port().to_string())
        .with("[trunk.outbound]", "callers", "[\"+390110000001\"]")
}

fn examine(tollgate: &Tollgate, more: &[&str]) -> Output {
    tollgate.command(&[&["trunk", "doctor", "carrier"], more].concat())
}

fn words(report: &serde_json::Value, topic: &str) -> String {
    let findings = report["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["topic"] == topic);
    found.expect("a finding")["words"].as_str().expect("words").to_owned()
}
