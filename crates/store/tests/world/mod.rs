//! An organization with credit, and legs that spend it.

use credits::{Answer, Class, Command, Epoch, OpenLeg, Terms};
use model::policy::Decision;
use model::record::{
    CallType, Capability, Cdr, Ending, NumberType, Organization, Provision, Received, Withheld,
};
use model::{
    AccountId, CallId, Currency, HoldId, Instant, Money, OrganizationId, Rate, RateVersion,
    SecondsRule, UnixTime,
};
use store::Store;

pub(crate) fn now() -> UnixTime {
    at(1_800_000_000)
}

pub(crate) fn at(secs: i64) -> UnixTime {
    UnixTime { micros: secs * 1_000_000 }
}

pub(crate) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// 0.60 a minute by the second: a centime each.
pub(crate) fn rate() -> Rate {
    Rate {
        version: RateVersion(u64::MAX - 1),
        fee: Money::ZERO,
        per_minute: "0.60".parse().unwrap(),
        initial_secs: 1,
        subsequent_secs: 1,
        minimum: Money::ZERO,
        rounding: SecondsRule::Nearest,
    }
}

pub(crate) fn organization(name: &str) -> Organization {
    Organization {
        id: OrganizationId::from_name(name),
        name: name.to_owned(),
        currency: Currency::parse("EUR").unwrap(),
        time_zone: String::new(),
        dial_out: model::DialOutRules { enabled: false, press_one: false, ring_secs: 30 },
        payg_needs_credits_licence: false,
        outbound: Default::default(),
    }
}

pub(crate) fn payer(name: &str) -> AccountId {
    OrganizationId::from_name(name).account()
}

/// Gives each organization an account with 10.00 on it.
pub(crate) async fn funded(store: &Store, names: &[&str]) {
    let organizations = names.iter().map(|name| organization(name)).collect();
    store.apply(&Provision { organizations, ..Provision::default() }).await.unwrap();
    for name in names {
        let answer = one(store, top_up(name, "first", "10.00")).await;
        assert!(matches!(answer, Answer::Stands(_)), "{answer:?}");
    }
}

pub(crate) async fn one(store: &Store, command: Command) -> Answer {
    store.commit(&[command], now()).await.unwrap().remove(0)
}

pub(crate) fn epoch() -> Epoch {
    Epoch { node: "n1".to_owned(), number: 1 }
}

pub(crate) fn leg(call: u128, payer: Option<&str>) -> OpenLeg {
    let terms = payer.map(|name| Terms {
        account: self::payer(name),
        rate: rate(),
        class: Class::TollFree,
    });
    OpenLeg {
        call: CallId(call),
        epoch: epoch(),
        dialog: format!("dialog-{call}"),
        answered: None,
        terms,
        funded_secs: 0,
        captured: Money::ZERO,
        cdr: Box::new(cdr(call, payer)),
    }
}

pub(crate) fn cdr(call: u128, payer: Option<&str>) -> Cdr {
    Cdr {
        call: CallId(call),
        call_type: CallType::In,
        sip_call_id: format!("{call}@carrier.example"),
        trunk: "carrier".to_owned(),
        attempts: Vec::new(),
        caller: Some("+14155550123".parse().unwrap()),
        withheld: Some(Withheld::Sealed { key: "1f".to_owned(), text: "00ff".to_owned() }),
        vouched: model::Vouched::Partial,
        called: Some("+18005550100".parse().unwrap()),
        number_type: Some(NumberType::TollFree),
        meeting: None,
        organizer: None,
        organization: payer.map(OrganizationId::from_name),
        capability: if payer.is_some() { Capability::Credits } else { Capability::Included },
        account: payer.map(self::payer),
        invited: now(),
        answered: Some(now()),
        connected_micros: 0,
        billed_secs: 0,
        rate: payer.map(|_| rate()),
        fee: Money::ZERO,
        charge: Money::ZERO,
        currency: Currency::parse("EUR"),
        ending: Ending {
            label: "caller_hung_up".into(),
            released_by: "caller".into(),
            sip_status: 200,
            q850: 16,
        },
        received: Received { sip_status: None, q850: Some(16) },
        reasons: vec!["licence: pay per minute".to_owned()],
        decision: Some(Decision {
            allowed: false,
            rule: "policy: domestic only".to_owned(),
            version: "provisioning 1".to_owned(),
        }),
    }
}

pub(crate) fn top_up(name: &str, reference: &str, amount: &str) -> Command {
    let (account, reference) = (payer(name), reference.to_owned());
    Command::TopUp { account, reference, amount: money(amount), at: now() }
}

pub(crate) fn place(call: u128, name: &str, wanted_secs: u32) -> Command {
    let hold = HoldId { leg: CallId(call), sequence: 0 };
    Command::Place { hold, leg: Box::new(leg(call, Some(name))), covers_secs: 0, wanted_secs }
}

pub(crate) fn answered(call: u128, payer: Option<&str>, secs: u64) -> Command {
    let answered = Some(Instant { micros: secs * 1_000_000 });
    Command::Answered { leg: Box::new(OpenLeg { answered, ..leg(call, payer) }) }
}

pub(crate) fn roll(call: u128, sequence: u32, used_secs: u64, wanted_secs: u32) -> Command {
    let hold = HoldId { leg: CallId(call), sequence };
    Command::Roll { hold, epoch: epoch(), used_micros: used_secs * 1_000_000, wanted_secs }
}

pub(crate) fn close(call: u128, name: &str, used_secs: u64) -> Command {
    let used_micros = used_secs * 1_000_000;
    let cdr = Cdr { connected_micros: used_micros, ..cdr(call, Some(name)) };
    Command::Close { used_micros, cdr: Box::new(cdr) }
}

pub(crate) fn release(call: u128, name: &str) -> Command {
    Command::Release { cdr: Box::new(cdr(call, Some(name))) }
}

/// The invariants of charging.md that can be seen from outside: 1 to 3, 9 and 15.
pub(crate) async fn sound(store: &Store) {
    let (open, cdrs) = (store.open_legs().await.unwrap(), store.cdrs(10_000).await.unwrap());
    for view in store.accounts().await.unwrap() {
        let id = view.organization.account();
        let entries = store.entries(id, at(0), at(9_000_000_000)).await.unwrap();
        let mut balance = 0;
        for (entry, number) in entries.iter().zip(1..) {
            balance += entry.amount.micros();
            assert_eq!((entry.number, entry.balance.micros()), (number, balance));
        }
        let lots: i64 = view.lots.iter().map(|lot| lot.amount.micros()).sum();
        assert_eq!(lots, view.granted.micros());
        assert_eq!(balance, view.granted.micros() - view.captured.micros());
        assert_eq!(view.available.micros(), balance - view.held.micros());
        assert!(!view.available.is_negative() && !view.held.is_negative());
        let own = |cdr: &&Cdr| cdr.account == Some(id);
        let charged: i64 = cdrs.iter().filter(own).map(|cdr| cdr.charge.micros()).sum();
        let live: i64 = open
            .iter()
            .filter(|leg| leg.terms.as_ref().is_some_and(|terms| terms.account == id))
            .map(|leg| leg.captured.micros())
            .sum();
        assert_eq!(charged + live, view.captured.micros());
        if open.is_empty() {
            assert_eq!((view.held, view.burn_per_sec), (Money::ZERO, Money::ZERO));
        }
    }
}
