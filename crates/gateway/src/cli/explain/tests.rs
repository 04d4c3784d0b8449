//! Explanations of calls that a real book has charged.

use credits::{Answer, Class, Command, Epoch, OpenLeg, Terms};
use model::record::{CallType, Ending, NumberType, Organization};
use model::{CallId, Currency, HoldId, Instant, OrganizationId, Rate, SecondsRule, UnixTime};
use store::Store;

use super::*;

const CALL: CallId = CallId(42);

fn per_second() -> Rate {
    Rate {
        version: model::RateVersion(1),
        fee: Money::from_micros(50_000),
        per_minute: "0.60".parse().unwrap(),
        initial_secs: 1,
        subsequent_secs: 1,
        minimum: Money::ZERO,
        rounding: SecondsRule::Nearest,
    }
}

fn record(label: &'static str, connected_micros: u64) -> Cdr {
    Cdr {
        sip_call_id: "abc@carrier".to_owned(),
        trunk: "carrier".to_owned(),
        caller: "+14155550123".parse().ok(),
        called: "+14255550100".parse().ok(),
        number_type: Some(NumberType::Toll),
        organization: Some(OrganizationId::from_name("acme")),
        capability: Capability::Credits,
        account: Some(OrganizationId::from_name("acme").account()),
        answered: Some(UnixTime { micros: 1_000_000 }),
        connected_micros,
        rate: Some(per_second()),
        currency: Currency::parse("USD"),
        ending: Ending {
            label: label.into(),
            released_by: "caller".into(),
            sip_status: 200,
            q850: 16,
        },
        reasons: vec!["bob@acme.example pays per minute (MCOMEETACPEA)".to_owned()],
        ..Cdr::begun(CALL, CallType::In, UnixTime { micros: 0 })
    }
}

async fn commit(store: &Store, command: Command) {
    let answers = store.commit(&[command], UnixTime { micros: 2_000_000 }).await.unwrap();
    assert!(!matches!(answers[0], Answer::Refused { .. }), "{answers:?}");
}

/// A store with one organization of that credit and one answered leg, 30 s of it held.
async fn answered(credit: &str) -> Store {
    let store = Store::open("memory:").await.unwrap();
    let organization = Organization {
        id: OrganizationId::from_name("acme"),
        name: "acme".to_owned(),
        currency: Currency::parse("USD").unwrap(),
        time_zone: String::new(),
        dial_out: model::DialOutRules::default(),
        payg_needs_credits_licence: false,
        outbound: Default::default(),
    };
    let provision = Provision { organizations: vec![organization], ..Provision::default() };
    store.apply(&provision).await.unwrap();
    let account = OrganizationId::from_name("acme").account();
    let (amount, at) = (credit.parse().unwrap(), UnixTime { micros: 0 });
    commit(&store, Command::TopUp { account, reference: "R".to_owned(), amount, at }).await;
    let epoch = store.begin_epoch("node").await.unwrap();
    commit(&store, placed(account, epoch, None)).await;
    store
}

fn placed(account: model::AccountId, epoch: Epoch, answered: Option<Instant>) -> Command {
    let terms = Terms { account, rate: per_second(), class: Class::Toll };
    let leg = OpenLeg {
        call: CALL,
        epoch,
        dialog: String::new(),
        answered,
        terms: Some(terms),
        funded_secs: 0,
        captured: Money::ZERO,
        cdr: Box::new(record("", 0)),
    };
    let hold = HoldId { leg: CALL, sequence: 0 };
    Command::Place { hold, leg: Box::new(leg), covers_secs: 0, wanted_secs: 30 }
}

async fn closed(used_micros: u64) -> Case {
    let store = answered("100.00").await;
    let cdr = Box::new(record("caller_hung_up", used_micros));
    commit(&store, Command::Close { used_micros, cdr }).await;
    store.case("abc@carrier").await.unwrap().unwrap()
}

fn text(case: &Case) -> String {
    told(case, &Provision::default(), &Proof::of(case), View::Masked).unwrap()
}

#[tokio::test]
async fn a_charged_call_is_explained_and_proved() {
    let said = text(&closed(20_400_000).await);
    for sentence in [
        "SIP Call-ID  abc@carrier",
        "caller       +1415555****",
        "connected    20.400000 s, until 1970-01-01T00:00:21.400Z",
        "bob@acme.example pays per minute (MCOMEETACPEA)",
        "0.6 USD a minute, fee 0.05, increments 1/1 s, minimum 0.00",
        "billed 20 s, charge 0.25 USD (fee 0.05 of it)",
        "caller_hung_up: the caller hung up",
        "yes  charge 0.25 = sum of the entries 0.25",
        "yes  charge 0.25 = price of 20 billed seconds 0.25",
    ] {
        assert!(said.contains(sentence), "{sentence}\n---\n{said}");
    }
    assert!(!said.contains("NO "), "{said}");
}

#[tokio::test]
async fn a_leg_is_not_billed_past_what_it_paid_for() {
    let case = closed(31_900_000).await;
    let proof = Proof::of(&case);
    assert!(proof.holds(), "{proof:#?}");
    assert_eq!(case.cdr.unwrap().billed_secs, 30);
}

#[tokio::test]
async fn a_live_call_is_explained_with_its_open_hold() {
    let case = answered("100.00").await.case(&CALL.to_string()).await.unwrap().unwrap();
    let said = text(&case);
    assert!(said.contains("the call is live, or not yet settled"), "{said}");
    assert!(said.contains("0-30"), "{said}");
    assert!(Proof::of(&case).holds(), "{said}");
}

#[tokio::test]
async fn a_charge_that_differs_from_its_entries_is_told() {
    let mut case = closed(20_400_000).await;
    case.cdr.as_mut().unwrap().charge = Money::from_micros(260_000);
    let said = text(&case);
    assert!(!Proof::of(&case).holds());
    assert!(said.contains("NO   charge 0.26 = sum of the entries 0.25"), "{said}");
    assert!(said.contains("NO   charge 0.26 = price of 20 billed seconds 0.25"), "{said}");
}

#[tokio::test]
async fn seconds_that_differ_from_the_connected_time_are_told() {
    let mut case = closed(20_400_000).await;
    case.cdr.as_mut().unwrap().connected_micros = 10_000_000;
    assert!(!Proof::of(&case).holds());
    assert!(text(&case).contains("NO   billed 20 s"), "{}", text(&case));
}

#[tokio::test]
async fn an_included_call_with_an_entry_is_told() {
    let mut case = closed(20_400_000).await;
    case.cdr.as_mut().unwrap().capability = Capability::Included;
    assert!(text(&case).contains("NO   no account was charged"), "{}", text(&case));
}

#[tokio::test]
async fn numbers_are_whole_only_in_the_billing_view() {
    let case = closed(1_000_000).await;
    let proof = Proof::of(&case);
    assert!(!told_json(&case, &proof, View::Masked).to_string().contains("4155550123"));
    assert!(
        told_json(&case, &proof, View::Full(&store::Keys::default()))
            .to_string()
            .contains("+14155550123")
    );
}

#[test]
fn every_ending_has_words() {
    for label in bridge::ending::labels().into_iter().chain(["node_crashed"]) {
        assert_ne!(words::of(label), words::of(""), "{label}");
    }
}

#[test]
fn every_refusal_is_explained_with_what_to_do_and_the_decision_with_its_versions() {
    for refusal in bridge::Refusal::all() {
        let mut cdr = record(refusal.label(), 0);
        cdr.call_type = CallType::Out;
        cdr.decision = Some(model::policy::Decision {
            allowed: false,
            rule: "a rule".to_owned(),
            version: "provisioning 7, numbering 9".to_owned(),
        });
        let case =
            Case { call: CALL, cdr: Some(cdr), open: None, holds: Vec::new(), entries: Vec::new() };
        let said = text(&case);
        for sentence in [
            format!("  {}: {}\n", refusal.label(), words::of(refusal.label())),
            format!("  what to do: {}\n", refusal.advice()),
            "  decision     refused: a rule; by provisioning 7, numbering 9, rate version "
                .to_owned(),
        ] {
            assert!(said.contains(&sentence), "{sentence}\n---\n{said}");
        }
        assert_ne!(words::of(refusal.label()), words::of(""), "{refusal:?}");
    }
}

#[test]
fn a_call_of_ours_names_every_invite_for_the_carriers_engineer() {
    let mut cdr = record("busy", 0);
    cdr.call_type = CallType::Out;
    let attempt = |trunk: &str, id: &str, sip_status, q850| model::record::Attempted {
        trunk: trunk.to_owned(),
        sip_call_id: id.to_owned(),
        sip_status,
        q850,
    };
    cdr.attempts =
        vec![attempt("main", "a@h", None, None), attempt("spare", "b@h", Some(486), Some(17))];
    cdr.received = model::record::Received { sip_status: Some(486), q850: Some(17) };
    let case =
        Case { call: CALL, cdr: Some(cdr), open: None, holds: Vec::new(), entries: Vec::new() };
    let said = text(&case);
    for sentence in [
        "tried        trunk main: no final answer; its Call-ID a@h",
        "tried        trunk spare: answered 486, cause 17; its Call-ID b@h",
        "heard from the other side: SIP status 486, Q.850 cause 17",
    ] {
        assert!(said.contains(sentence), "{sentence}\n---\n{said}");
    }
}

#[test]
fn no_header_of_a_stranger_adds_a_line_or_steers_the_terminal() {
    let lines = |evil: &str| {
        let mut cdr = record("caller_hung_up", 0);
        cdr.sip_call_id = evil.to_owned();
        cdr.reasons = vec![evil.to_owned()];
        let case =
            Case { call: CALL, cdr: Some(cdr), open: None, holds: Vec::new(), entries: Vec::new() };
        let json = told_json(&case, &Proof::of(&case), View::Masked);
        let said = text(&case);
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
        let json = json_text(&json);
        assert!(!json.contains(|c: char| c.is_control() && c != '\n'), "{json:?}");
        said.lines().count()
    };
    let plain = lines("a");
    for evil in ["a\r\nX-Evil: 1", "a\nb", "\0", "\u{1b}[2J", "%0d%0aX: 1", "\t=1+1", "\u{85}"] {
        assert_eq!(lines(evil), plain, "{evil:?}");
    }
}
