//! How a leg ends in the book: closed, released, or settled after a crash.

use model::record::{Capability, Cdr, Ending};
use model::{Instant, Money, UnixTime};

use crate::account::Account;
use crate::command::{CreditRefusal, Terms};
use crate::ledger::{Facts, Outcome, capture, ended};
use crate::leg::{End, Hold, Leg, Over, Running};
use crate::rating::{billed_secs, charge, price_per_sec, units};
use crate::view::HoldState;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;
/// The label of a leg that its node's death ended.
const CRASHED: &str = "node_crashed";

/// Ends an answered leg by its connected time.
pub(crate) fn close(
    facts: Facts,
    used_micros: u64,
    cdr: &Cdr,
    now: UnixTime,
) -> Result<Outcome, CreditRefusal> {
    match facts.leg {
        Some(Leg::Over(over)) if over.end == End::Closed && over.used_micros == used_micros => {
            Ok(Outcome::nothing(ended(&over, facts.account.as_ref())))
        }
        Some(Leg::Over(_)) => Err(CreditRefusal::Conflict),
        Some(Leg::Open(running)) => {
            let last = Last { end: End::Closed, used_micros, cdr: Box::new(cdr.clone()) };
            match running.leg.terms.clone() {
                Some(terms) => charged(facts.account, *running, &terms, last, now),
                None => Ok(free(last)),
            }
        }
        None => Ok(free(Last { end: End::Closed, used_micros, cdr: Box::new(cdr.clone()) })),
    }
}

/// Ends a leg that costs nothing. What was captured already cannot be undone: it is its charge.
pub(crate) fn release(facts: Facts, cdr: &Cdr) -> Result<Outcome, CreditRefusal> {
    let last = Last { end: End::Released, used_micros: 0, cdr: Box::new(cdr.clone()) };
    match facts.leg {
        Some(Leg::Over(over)) if over.end == End::Released => {
            Ok(Outcome::nothing(ended(&over, facts.account.as_ref())))
        }
        Some(Leg::Over(_)) => Err(CreditRefusal::Conflict),
        Some(Leg::Open(running)) => match running.leg.terms.clone() {
            Some(terms) => released(facts.account, *running, &terms, last),
            None => Ok(free(last)),
        },
        None => Ok(free(last)),
    }
}

/// Ends a leg of a dead epoch by that epoch's last heartbeat.
///
/// A leg whose answer was never noted costs nothing, beyond what was captured: its caller may have
/// heard nothing but ringing. The answer is noted right behind the first hold, so a crash alone
/// leaves no more than the time of one transaction unbilled. If the store fails between the two and
/// the node dies before it is back, the leg's first slice is lost, no more, for without the store
/// there is no second one: two faults, of which invariant 14 speaks not. To take the hold for the
/// answer, where one follows the other at once, would close that gap and open a worse one: a node
/// that dies between the two, or after the store committed a hold that was already given up as too
/// late, would have callers charged for calls that were never answered, and that by one fault alone.
/// To answer only once the answer is noted would cost every call a transaction more before its 200 OK.
///
/// # Errors
/// [`CreditRefusal::UnknownAccount`] if the leg's account is not among the facts,
/// [`CreditRefusal::Conflict`] if its holds do not cover the time that they fund.
pub fn settle(
    account: Option<Account>,
    running: Running,
    heartbeat: Option<Instant>,
    now: UnixTime,
) -> Result<Outcome, CreditRefusal> {
    let mut cdr = running.leg.cdr.clone();
    let answered = running.leg.answered;
    let alive = answered.zip(heartbeat).map(|(from, until)| until.since(from).as_micros());
    let mut used_micros = alive.and_then(|micros| u64::try_from(micros).ok()).unwrap_or(0);
    if running.leg.terms.is_some() {
        used_micros = used_micros.min(u64::from(running.leg.funded_secs) * SECOND);
    }
    cdr.connected_micros = used_micros;
    cdr.ending = Ending {
        label: CRASHED.into(),
        released_by: "tollgate".into(),
        sip_status: if answered.is_some() { 200 } else { 503 },
        q850: 41,
    };
    let last = Last { end: End::Settled, used_micros, cdr };
    match running.leg.terms.clone() {
        Some(terms) if answered.is_some() => charged(account, running, &terms, last, now),
        Some(terms) => released(account, running, &terms, last),
        None => Ok(free(Last { cdr: at_list_price(last.cdr), ..last })),
    }
}

/// How a leg ends.
struct Last {
    end: End,
    used_micros: u64,
    cdr: Box<Cdr>,
}

/// Captures charge(used) less what is captured, oldest hold first, and releases the rest.
fn charged(
    account: Option<Account>,
    running: Running,
    terms: &Terms,
    mut last: Last,
    now: UnixTime,
) -> Result<Outcome, CreditRefusal> {
    let mut account = account.ok_or(CreditRefusal::UnknownAccount)?;
    let paid = u64::from(running.leg.funded_secs) * SECOND;
    let billed = billed_secs(terms.rate.rounding, last.used_micros.min(paid));
    // A roll has captured a slice only if its end had passed, so the charge never lies below that;
    // a measurement that runs backwards must not undo a capture.
    let least = running.holds.first().map_or(running.leg.funded_secs, |hold| hold.from_secs);
    let billed = billed.max(least.into());
    let whole = charge(&terms.rate, billed).ok_or(CreditRefusal::BadAmount)?;
    let mut owed = whole.checked_sub(running.leg.captured).ok_or(CreditRefusal::BadAmount)?;
    let (mut holds, mut entries) = (Vec::new(), Vec::new());
    for hold in running.holds {
        let part = owed.min(hold.amount);
        if part == Money::ZERO && hold.amount > Money::ZERO {
            holds.push(let_go(&mut account, hold)?);
            continue;
        }
        let (hold, entry) = capture(&mut account, hold, part, now)?;
        holds.push(hold);
        entries.extend(entry);
        owed = owed.checked_sub(part).ok_or(CreditRefusal::BadAmount)?;
    }
    if owed > Money::ZERO {
        // Rows that contradict themselves: no guess at money, and no other leg suffers for it.
        return Err(CreditRefusal::Conflict);
    }
    attribute(&mut last.cdr, terms);
    last.cdr.charge = whole;
    last.cdr.fee = terms.rate.fee.min(whole);
    last.cdr.billed_secs = units(&terms.rate, billed).ok_or(CreditRefusal::BadAmount)?;
    Ok(Outcome { holds, entries, ..paid_end(account, terms, last, whole)? })
}

/// Gives every open hold back.
fn released(
    account: Option<Account>,
    running: Running,
    terms: &Terms,
    mut last: Last,
) -> Result<Outcome, CreditRefusal> {
    let mut account = account.ok_or(CreditRefusal::UnknownAccount)?;
    let captured = running.leg.captured;
    last.cdr = unpaid(last.cdr);
    if captured > Money::ZERO {
        let until = running.holds.first().map_or(running.leg.funded_secs, |hold| hold.from_secs);
        attribute(&mut last.cdr, terms);
        last.cdr.charge = captured;
        last.cdr.fee = terms.rate.fee.min(captured);
        last.cdr.billed_secs = until.into();
    }
    let mut holds = Vec::new();
    for hold in running.holds {
        holds.push(let_go(&mut account, hold)?);
    }
    Ok(Outcome { holds, ..paid_end(account, terms, last, captured)? })
}

/// Says in the record who paid. A leg that a crash left between its hold and the answer to it had
/// not been told yet.
fn attribute(cdr: &mut Cdr, terms: &Terms) {
    cdr.capability = Capability::Credits;
    cdr.account = Some(terms.account);
    cdr.rate = Some(terms.rate);
}

/// Gives one hold back.
fn let_go(account: &mut Account, hold: Hold) -> Result<Hold, CreditRefusal> {
    account.unhold(hold.amount, Money::ZERO)?;
    Ok(Hold { state: HoldState::Released, captured: Money::ZERO, ..hold })
}

/// The end of a leg that an account stood for.
fn paid_end(
    mut account: Account,
    terms: &Terms,
    last: Last,
    charge: Money,
) -> Result<Outcome, CreditRefusal> {
    account.unburn(price_per_sec(&terms.rate).ok_or(CreditRefusal::BadAmount)?);
    account.version += 1;
    let over = Over {
        call: last.cdr.call,
        end: last.end,
        account: Some(account.id),
        used_micros: last.used_micros,
        charge,
    };
    let nothing = Outcome::nothing(ended(&over, Some(&account)));
    let leg = Some(Leg::Over(over));
    Ok(Outcome { account: Some(account), leg, cdr: Some(last.cdr), ..nothing })
}

/// The end of a leg that nothing was ever held for.
fn free(last: Last) -> Outcome {
    let cdr = unpaid(last.cdr);
    let over = Over {
        call: cdr.call,
        end: last.end,
        account: None,
        used_micros: last.used_micros,
        charge: Money::ZERO,
    };
    let nothing = Outcome::nothing(ended(&over, None));
    Outcome { leg: Some(Leg::Over(over)), cdr: Some(cdr), ..nothing }
}

/// Values the time of a leg that nobody pays for, if its list price is known.
fn at_list_price(mut cdr: Box<Cdr>) -> Box<Cdr> {
    if cdr.capability != Capability::Unattributed || cdr.answered.is_none() {
        return cdr;
    }
    if let Some(rate) = cdr.rate {
        let secs = billed_secs(rate.rounding, cdr.connected_micros);
        cdr.charge = charge(&rate, secs).unwrap_or(Money::ZERO);
        cdr.fee = rate.fee.min(cdr.charge);
        cdr.billed_secs = units(&rate, secs).unwrap_or(secs);
    }
    cdr
}

/// Clears the money of a record that nothing was captured for. An unattributed one keeps its list
/// price; it is on nobody's account.
fn unpaid(mut cdr: Box<Cdr>) -> Box<Cdr> {
    if cdr.capability == Capability::Unattributed {
        return cdr;
    }
    cdr.charge = Money::ZERO;
    cdr.fee = Money::ZERO;
    cdr.billed_secs = 0;
    cdr
}

#[cfg(test)]
mod tests {
    use model::record::CallType;
    use model::{AccountId, CallId, HoldId, Rate, RateVersion, SecondsRule};
    use rust_decimal::Decimal;

    use super::*;
    use crate::command::{Class, Epoch, OpenLeg};
    use crate::page::{Changes, Page};

    #[test]
    fn a_leg_whose_rows_contradict_each_other_is_left_alone_and_the_others_are_settled() {
        let mut page = Page::default();
        for (call, holds) in [(CallId(1), Vec::new()), (CallId(2), vec![hold(CallId(2))])] {
            let running = Running { leg: leg(call), next: 1, holds };
            page.legs.insert(call, Leg::Open(Box::new(running)));
        }
        let id = AccountId(7);
        let (granted, held) = (Money::from_micros(9_000_000), Money::from_micros(600_000));
        page.accounts.insert(id, Account { granted, held, ..Account::empty(id) });
        let mut changes = Changes::default();
        let beat = Some(Instant { micros: 30 * SECOND });
        let settle = |page: &mut Page, call, changes: &mut Changes| {
            page.settle(CallId(call), beat, UnixTime::default(), changes)
        };
        assert_eq!(settle(&mut page, 1, &mut changes), Err(CreditRefusal::Conflict));
        assert!(changes.legs.is_empty() && changes.accounts.is_empty());
        assert_eq!(settle(&mut page, 2, &mut changes), Ok(()));
        assert_eq!(changes.cdrs[0].charge, Money::from_micros(300_000));
    }

    fn hold(call: CallId) -> Hold {
        Hold {
            id: HoldId { leg: call, sequence: 0 },
            account: AccountId(7),
            from_secs: 0,
            until_secs: 60,
            wanted_secs: 60,
            covers_secs: 0,
            amount: Money::from_micros(600_000),
            state: HoldState::Open,
            captured: Money::ZERO,
            placed: UnixTime::default(),
        }
    }

    fn leg(call: CallId) -> OpenLeg {
        let rate = Rate {
            version: RateVersion(1),
            fee: Money::ZERO,
            per_minute: Decimal::new(60, 2),
            initial_secs: 1,
            subsequent_secs: 1,
            minimum: Money::ZERO,
            rounding: SecondsRule::Nearest,
        };
        OpenLeg {
            call,
            epoch: Epoch { node: "n".into(), number: 1 },
            dialog: String::new(),
            answered: Some(Instant::START),
            terms: Some(Terms { account: AccountId(7), rate, class: Class::Toll }),
            funded_secs: 60,
            captured: Money::ZERO,
            cdr: Box::new(record(call)),
        }
    }

    fn record(call: CallId) -> Cdr {
        Cdr {
            call,
            sip_call_id: "a".into(),
            trunk: "t".into(),
            capability: Capability::Credits,
            answered: Some(UnixTime::default()),
            ending: Ending {
                label: "live".into(),
                released_by: "tollgate".into(),
                sip_status: 200,
                q850: 16,
            },
            ..Cdr::begun(call, CallType::In, UnixTime::default())
        }
    }
}
