//! That a call's charge is what its entries sum to and what the price function gives for its time,
//! computed anew from the records (charging.md, invariants 3, 6 and 15).

use credits::{billed_secs, charge, units};
use model::record::{Capability, Cdr};
use model::{Money, Rate};
use store::{Case, EntryKind, HoldState};

/// One claim about a call, and whether the records bear it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// The claim, with its figures.
    pub(super) claim: String,
    /// Whether it is true.
    pub(super) holds: bool,
}

/// Every claim about a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// In the order of the argument.
    pub(super) checks: Vec<Check>,
}

impl Proof {
    /// Checks a call, over or live.
    pub(super) fn of(case: &Case) -> Self {
        let mut proof = Self::default();
        proof.one_fate(case);
        match &case.cdr {
            Some(cdr) => proof.over(case, cdr),
            None => proof.live(case),
        }
        proof
    }

    /// Whether every claim is true.
    pub(super) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    fn claim(&mut self, holds: bool, claim: String) {
        self.checks.push(Check { claim, holds });
    }

    /// What each hold gave is at most what it set aside, and is what the entries name.
    fn one_fate(&mut self, case: &Case) {
        for hold in &case.holds {
            let named = case.entries.iter().filter(|entry| entry.hold == Some(hold.hold));
            let taken = sum(named.map(|entry| entry.amount));
            let slice = hold.hold.sequence;
            let within = hold.captured <= hold.amount && taken == negative(hold.captured);
            if !within {
                let (amount, captured) = (hold.amount, hold.captured);
                self.claim(
                    false,
                    format!("slice {slice}: captured {captured} of {amount}, as its entries say"),
                );
            }
        }
    }

    fn live(&mut self, case: &Case) {
        let charged = entries(case);
        let known = case.open.as_ref().map_or(Money::ZERO, |open| open.captured);
        self.claim(
            charged == Some(known),
            format!("captured so far {known} = sum of the entries {}", shown(charged)),
        );
    }

    fn over(&mut self, case: &Case, cdr: &Cdr) {
        let open = case.holds.iter().filter(|hold| hold.state == HoldState::Open).count();
        self.claim(open == 0, format!("no hold is left open ({open} of {})", case.holds.len()));
        let charged = entries(case);
        match cdr.capability {
            Capability::Credits => {
                self.claim(
                    charged == Some(cdr.charge),
                    format!("charge {} = sum of the entries {}", cdr.charge, shown(charged)),
                );
                self.priced(case, cdr);
            }
            Capability::Included | Capability::Unattributed => {
                let nothing = case.entries.is_empty();
                self.claim(nothing, "no account was charged: there are no entries".to_owned());
                if cdr.capability == Capability::Included {
                    let free = cdr.charge == Money::ZERO;
                    self.claim(free, format!("charge {} = 0.00, being included", cdr.charge));
                }
            }
        }
    }

    /// Recomputes the charge from connected time and the pinned rate.
    fn priced(&mut self, case: &Case, cdr: &Cdr) {
        if cdr.charge == Money::ZERO && cdr.billed_secs == 0 {
            let claim = "charge 0.00: no time was billed, as the call never was one";
            return self.claim(true, claim.to_owned());
        }
        let Some(rate) = cdr.rate else {
            return self.claim(false, "the rate is recorded".to_owned());
        };
        let again = charge(&rate, cdr.billed_secs);
        self.claim(
            again == Some(cdr.charge),
            format!(
                "charge {} = price of {} billed seconds {}",
                cdr.charge,
                cdr.billed_secs,
                shown(again)
            ),
        );
        self.timed(case, cdr, &rate);
    }

    /// Billed seconds come from connected time, but never reach beyond what was paid for.
    fn timed(&mut self, case: &Case, cdr: &Cdr, rate: &Rate) {
        let whole = units(rate, billed_secs(rate.rounding, cdr.connected_micros));
        let paid = case.holds.iter().map(|hold| u64::from(hold.until_secs)).max();
        let due = match (whole, paid) {
            (Some(whole), Some(paid)) => Some(whole.min(paid)),
            (whole, None) => whole,
            (None, Some(_)) => None,
        };
        self.claim(
            due == Some(cdr.billed_secs),
            format!(
                "billed {} s = {} connected microseconds by the tariff's increments, within the \
                 {} s paid for",
                cdr.billed_secs,
                cdr.connected_micros,
                paid.unwrap_or(0)
            ),
        );
    }
}

/// What the call's entries took from the account.
fn entries(case: &Case) -> Option<Money> {
    let captures = case.entries.iter().filter(|entry| entry.kind == EntryKind::Capture);
    Money::ZERO.checked_sub(sum(captures.map(|entry| entry.amount))?)
}

fn sum(mut amounts: impl Iterator<Item = Money>) -> Option<Money> {
    amounts.try_fold(Money::ZERO, Money::checked_add)
}

fn negative(amount: Money) -> Option<Money> {
    Money::ZERO.checked_sub(amount)
}

fn shown(amount: Option<Money>) -> String {
    amount.map_or_else(|| "beyond 64 bits".to_owned(), |amount| amount.to_string())
}
