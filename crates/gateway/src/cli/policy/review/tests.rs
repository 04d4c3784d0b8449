//! Reviews of calls that lie in a SQLite store.

use credits::Command;
use model::policy::{Decision, MeetingReach};
use model::record::CallType;
use model::{CallId, Currency, OrganizationId};

use super::*;
use crate::cli::policy::tests::stored;

/// A day, microseconds.
const DAY: i64 = 86_400 * 1_000_000;

/// A call of bob's meetings so many days ago; the operator's time, so that its charge stays as it is.
fn record(call: u128, number: &str, days: i64, allowed: bool) -> Cdr {
    let invited = UnixTime { micros: clock::unix().micros - days * DAY };
    Cdr {
        called: number.parse().ok(),
        organizer: Some(UserId::from_name("bob")),
        organization: Some(OrganizationId::from_name("acme")),
        charge: "0.25".parse().unwrap(),
        currency: Currency::parse("EUR"),
        decision: Some(Decision { allowed, rule: "then".into(), version: "then".into() }),
        ..Cdr::begun(CallId(call), CallType::Out, invited)
    }
}

async fn reviewed(change: impl FnOnce(&mut Wanted)) -> Result<String> {
    let (_folder, _place, store) = stored().await;
    let records = [
        record(1, "+390612345678", 2, true),
        record(2, "+442079460000", 3, true),
        record(3, "+81312345678", 4, true),
        record(4, "+442079460000", 5, false),
        record(5, "+442079460000", 40, true),
    ];
    let batch = records.map(|cdr| Command::Release { cdr: Box::new(cdr) });
    store.commit(&batch, clock::unix()).await.unwrap();
    let mut wanted = Wanted {
        organization: "acme".to_owned(),
        policy: "DialoutCPCDomesticPSTNDisabled".parse().unwrap(),
        user: None,
        since: None,
        full: false,
        json: false,
    };
    change(&mut wanted);
    let mut out = Vec::new();
    run(&store, &wanted, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn the_last_month_is_told_with_what_it_cost_and_masked_numbers() {
    let said = reviewed(|_| ()).await.unwrap();
    assert!(said.contains("would have refused 2 of 3 placed call(s)\n"), "{said}");
    assert!(said.ends_with("together they cost 0.50 EUR\n"), "{said}");
    assert!(said.contains("+44207946****") && !said.contains("+390612"), "{said}");
    assert!(said.contains("outbound_policy"), "{said}");
    let json = reviewed(|wanted| (wanted.json, wanted.full) = (true, true)).await.unwrap();
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&read["placed"], &read["would_be_refused"][0]["charge"]),
        (&json!(3), &json!("0.25"))
    );
    let called: Vec<_> = read["would_be_refused"].as_array().unwrap().iter().collect();
    assert!(called.iter().any(|call| call["called"] == "+442079460000"), "{json}");
}

#[tokio::test]
async fn a_longer_time_holds_more_and_a_time_without_calls_nothing() {
    let longer = UnixTime { micros: clock::unix().micros - 60 * DAY };
    let said = reviewed(|wanted| wanted.since = Some(longer)).await.unwrap();
    assert!(said.contains("would have refused 3 of 4 placed call(s)"), "{said}");
    let said = reviewed(|wanted| wanted.since = Some(clock::unix())).await.unwrap();
    assert!(said.ends_with("would have refused 0 of 0 placed call(s)\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let ada = reviewed(|wanted| wanted.user = Some("ada".to_owned())).await.unwrap();
    assert!(ada.contains("0 of 0"), "they were bob's: {ada}");
}

#[tokio::test]
async fn who_is_not_there_is_named() {
    let nobody = reviewed(|wanted| wanted.organization = "nobody".to_owned()).await.unwrap_err();
    assert!(nobody.to_string().contains("there is no organization \"nobody\""), "{nobody}");
    let carl = reviewed(|wanted| wanted.user = Some("carl".to_owned())).await.unwrap_err();
    assert!(carl.to_string().contains("acme has no user \"carl\""), "{carl}");
    assert!("tag:Anything".parse::<OutboundPolicy>().is_err());
}

#[tokio::test]
async fn all_twelve_policies_are_taken_with_and_without_their_tag() {
    let mut most = 0;
    for policy in OutboundPolicy::all() {
        let review = async |name: String| {
            let policy = name.parse().unwrap();
            reviewed(|wanted| wanted.policy = policy).await.unwrap()
        };
        let plain = review(policy.name().to_owned()).await;
        let tagged = review(format!("tag:{}", policy.name())).await;
        let last =
            |text: &str| text.lines().find(|line| line.contains(" of 3 ")).map(str::to_owned);
        assert_eq!(last(&plain), last(&tagged));
        let refused = (0..=3).find(|n| plain.contains(&format!("refused {n} of 3"))).unwrap();
        match policy.meetings {
            MeetingReach::International => assert_eq!(refused, 0, "{plain}"),
            MeetingReach::ZoneA => {}
            MeetingReach::Domestic => assert_eq!(refused, 2, "{plain}"),
            MeetingReach::Disabled => assert_eq!(refused, 3, "{plain}"),
        }
        most = most.max(refused);
    }
    assert_eq!(most, 3, "one of them lets nobody be called");
}
