//! Legs, rates and records for the book's tests.

use credits::{Class, Epoch, OpenLeg, Terms};
use model::record::{CallType, Capability, Cdr, Ending};
use model::{
    AccountId, CallId, Currency, Money, OrganizationId, Rate, RateVersion, SecondsRule, UnixTime,
};

pub(crate) const NOW: UnixTime = UnixTime { micros: 1_800_000_000_000_000 };

pub(crate) fn rate(per_minute: &str, initial_secs: u32, subsequent_secs: u32) -> Rate {
    Rate {
        version: RateVersion(1),
        fee: Money::ZERO,
        per_minute: per_minute.parse().unwrap(),
        initial_secs,
        subsequent_secs,
        minimum: Money::ZERO,
        rounding: SecondsRule::Nearest,
    }
}

pub(crate) fn organization(number: u128) -> OrganizationId {
    OrganizationId(number)
}

pub(crate) fn currency() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub(crate) fn leg(call: u128, epoch: u64, terms: Option<(u128, Rate)>) -> OpenLeg {
    let terms = terms.map(|(payer, rate)| Terms {
        account: AccountId(payer),
        rate,
        class: Class::TollFree,
    });
    OpenLeg {
        call: CallId(call),
        epoch: Epoch { node: "n1".to_owned(), number: epoch },
        dialog: format!("dialog of {call}"),
        answered: None,
        cdr: Box::new(cdr(call, terms.as_ref())),
        terms,
        funded_secs: 0,
        captured: Money::ZERO,
    }
}

pub(crate) fn cdr(call: u128, terms: Option<&Terms>) -> Cdr {
    let account = terms.map(|terms| terms.account);
    Cdr {
        sip_call_id: format!("{call}@carrier.example"),
        trunk: "carrier".to_owned(),
        organization: account.map(|account| OrganizationId(account.0)),
        capability: if terms.is_some() { Capability::Credits } else { Capability::Included },
        account,
        answered: Some(NOW),
        rate: terms.map(|terms| terms.rate),
        ending: Ending {
            label: "caller_hung_up".into(),
            released_by: "caller".into(),
            sip_status: 200,
            q850: 16,
        },
        ..Cdr::begun(CallId(call), CallType::In, NOW)
    }
}
