//! What is answered about numbers, without calling them.

use super::*;

const FILE: &str = r#"
[[organization]]
name = "acme"
currency = "EUR"
country = "IT"
deny = ["+39 0549"]

[[group]]
name = "sales"
organization = "acme"
rank = 1
outbound_policy = "tag:DialoutCPCDomesticPSTNDisabled"

[[user]]
name = "ada"
organization = "acme"
licences = ["MCOMEETACPEA"]
groups = ["sales"]

[[user]]
name = "bob"
organization = "acme"
licences = []

[[number]]
number = "+390116543210"
type = "toll"
country = "IT"

[[tariff]]
currency = "EUR"
type = "dial-out"
number_prefix = "+39"
per_minute = "0.02"
"#;

/// A SQLite store with all that, and where the command line finds it.
pub(crate) async fn stored() -> (tempfile::TempDir, Place, store::Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("book.sqlite").display());
    let store = store::Store::open(&url).await.unwrap();
    let empty = Provision::default();
    let plan = crate::provisioning::plan(FILE, &empty, Vec::new(), [9; 32]).unwrap();
    store.apply(&plan.change).await.unwrap();
    (folder, Place { config: None, store: Some(url) }, store)
}

fn asked(user: &str, number: &str, caller: Caller) -> String {
    let stored = Provision::default();
    let plan = crate::provisioning::plan(FILE, &stored, Vec::new(), [9; 32]).unwrap();
    let answer = answer(&plan.change, ("acme", user), number, caller).unwrap();
    let mut out = Vec::new();
    tell(&answer, false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn says(answer: &str, key: &str, value: &str) {
    let line = format!("{key:<13} {value}");
    assert!(answer.lines().any(|said| said.starts_with(&line)), "{key} {value} not in\n{answer}");
}

#[test]
fn an_allowed_number_is_told_with_country_policy_rule_and_price() {
    let answer = asked("ada", "06 12345678", Caller::Meeting);
    says(&answer, "number", "+390612345678");
    says(&answer, "country", "IT");
    says(&answer, "policy", "DialoutCPCDomesticPSTNDisabled");
    says(&answer, "assigned", "of group sales");
    says(&answer, "licence", "dial-out by the organizer's pay-per-minute licence");
    says(&answer, "allowed", "yes");
    says(&answer, "price", "0.02 EUR a minute");
    says(&answer, "version", "provisioning 0, numbering ");
}

#[test]
fn every_refusal_is_told_with_its_name() {
    for (number, refusal) in [
        ("+442079460000", "outbound_policy"),
        ("0549 886377", "destination_denied"),
        ("899 123456", "destination_premium"),
        ("00 881 612345678", "destination_satellite"),
        ("011 6543210", "destination_own_number"),
    ] {
        let answer = asked("ada", number, Caller::Meeting);
        says(&answer, "allowed", "no");
        says(&answer, "refusal", refusal);
    }
    let emergency = asked("ada", "112", Caller::Meeting);
    says(&emergency, "reason", "emergency");
    says(&emergency, "allowed", "no");
    let letters = asked("ada", "1-800-FLOWERS", Caller::Meeting);
    says(&letters, "rule", "letters: write the digits that they stand for");
}

#[test]
fn without_a_licence_nothing_is_allowed() {
    let answer = asked("bob", "06 12345678", Caller::Meeting);
    says(&answer, "allowed", "no");
    says(&answer, "refusal", "not_licensed");
}

#[test]
fn own_calls_follow_the_other_half_of_the_policy_but_emergency_services_are_reached() {
    let answer = asked("ada", "06 12345678", Caller::User);
    says(&answer, "refusal", "outbound_policy");
    says(&asked("ada", "112", Caller::User), "allowed", "yes");
}

#[test]
fn the_list_names_all_twelve() {
    let mut out = Vec::new();
    list(false, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 13, "{text}");
    assert!(text.contains("DialoutCPCZoneAPSTNDomestic"), "{text}");
}

#[tokio::test]
async fn the_stored_policy_answers_own_calls_and_meetings_apart() {
    let (_folder, place, _store) = stored().await;
    let ask = |number: &str, organizer: &str, own_call, json| {
        let verb = Verb::Test {
            organization: "acme".to_owned(),
            number: number.to_owned(),
            organizer: organizer.to_owned(),
            own_call,
            json,
        };
        Args { place: place.clone(), verb }
    };
    let mut out = Vec::new();
    run(ask("06 12345678", "ada", true, true), &mut out).await.unwrap();
    let own: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&own["allowed"], &own["refusal"]), (&json!(false), &json!("outbound_policy")));
    assert_eq!(own["version"].as_str().map(|text| text.starts_with("provisioning 1,")), Some(true));
    out.clear();
    run(ask("06 12345678", "ada", false, true), &mut out).await.unwrap();
    let meeting: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(meeting["allowed"], true, "{meeting}");
    for (organizer, number) in [("nobody", "06 12345678"), ("", "112")] {
        let error = run(ask(number, organizer, false, false), &mut out).await.unwrap_err();
        assert!(error.to_string().contains("acme has no user"), "{error}");
    }
}
