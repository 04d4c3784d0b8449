//! How long the next slice is: whole increments, shrinking as credit runs low (charging.md,
//! "Holds").

use model::{Money, Rate};

use crate::command::CreditRefusal;
use crate::rating::{boundary, charge, increments};

/// How many slices' worth of time the account's credit is spread over.
const SPREAD: i64 = 4;

/// A stretch of paid time and its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    /// First second, from answer.
    pub(crate) from_secs: u32,
    /// Second it ends at: an increment's end.
    pub(crate) until_secs: u32,
    /// charge(until) − charge(from).
    pub(crate) amount: Money,
}

/// What the slice is for, in seconds from answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// Paid for already; 0 for the first slice.
    pub(crate) from_secs: u32,
    /// It is of no use unless it reaches this.
    pub(crate) least_secs: u32,
    /// How far past `max(from, least)` it should reach.
    pub(crate) wanted_secs: u32,
}

/// Finds the fewest whole increments that reach what is wanted, fewer if credit is short, at least
/// one.
///
/// # Errors
/// [`CreditRefusal::InsufficientCredit`] if `available` does not carry the least slice;
/// [`CreditRefusal::BadAmount`] if the price cannot be told.
pub(crate) fn fit(rate: &Rate, need: Need, available: Money) -> Result<Slice, CreditRefusal> {
    let paid = if need.from_secs == 0 { 0 } else { increments(rate, need.from_secs.into()) };
    let spent = if paid == 0 { Some(Money::ZERO) } else { charge(rate, need.from_secs.into()) };
    let spent = spent.ok_or(CreditRefusal::BadAmount)?;
    let price = |increment: u64| charge(rate, boundary(rate, increment)?)?.checked_sub(spent);
    let served = u64::from(need.from_secs.max(need.least_secs));
    let least = increments(rate, need.least_secs.into()).max(paid + 1);
    let aim = increments(rate, served + u64::from(need.wanted_secs)).max(least);
    if price(least).ok_or(CreditRefusal::BadAmount)? > available {
        return Err(CreditRefusal::InsufficientCredit);
    }
    let affordable = |increment| price(increment).is_some_and(|amount| amount <= available);
    let last = last_that(least, aim, affordable);
    let end = boundary(rate, last).and_then(|end| u32::try_from(end).ok());
    Ok(Slice {
        from_secs: need.from_secs,
        until_secs: end.ok_or(CreditRefusal::BadAmount)?,
        amount: price(last).ok_or(CreditRefusal::BadAmount)?,
    })
}

/// Shortens the wanted length so that every open leg of the account gets its share of what is left.
pub(crate) fn shrink(wanted_secs: u32, available: Money, burn_per_sec: Money) -> u32 {
    let spread = burn_per_sec.micros().saturating_mul(SPREAD);
    if spread <= 0 {
        return wanted_secs;
    }
    let runway = (available.micros() / spread).max(0);
    u32::try_from(runway).unwrap_or(u32::MAX).min(wanted_secs)
}

/// The largest number in `first..=last` that passes; `first` does, and no failing one is followed
/// by a passing one.
fn last_that(first: u64, last: u64, passes: impl Fn(u64) -> bool) -> u64 {
    let (mut good, mut bad) = (first, last.saturating_add(1));
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if passes(middle) { good = middle } else { bad = middle }
    }
    good
}

#[cfg(test)]
mod tests {
    use model::{RateVersion, SecondsRule};
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn a_slice_ends_on_the_first_increment_that_reaches_what_is_wanted() {
        let need = Need { from_secs: 0, least_secs: 0, wanted_secs: 45 };
        let slice = fit(&rate(30, 6), need, money("9.00")).unwrap();
        assert_eq!((slice.until_secs, slice.amount), (48, money("0.48")));
        let next = Need { from_secs: 48, least_secs: 0, wanted_secs: 30 };
        let slice = fit(&rate(30, 6), next, money("9.00")).unwrap();
        assert_eq!((slice.until_secs, slice.amount), (78, money("0.30")));
    }

    #[test]
    fn short_credit_gets_what_it_carries_down_to_one_increment() {
        let need = Need { from_secs: 60, least_secs: 0, wanted_secs: 60 };
        let slice = fit(&rate(6, 6), need, money("0.20")).unwrap();
        assert_eq!((slice.until_secs, slice.amount), (78, money("0.18")));
        let refused = fit(&rate(6, 6), need, money("0.05"));
        assert_eq!(refused, Err(CreditRefusal::InsufficientCredit));
    }

    #[test]
    fn a_first_slice_reaches_past_the_time_already_served() {
        let need = Need { from_secs: 0, least_secs: 40, wanted_secs: 30 };
        let slice = fit(&rate(1, 1), need, money("9.00")).unwrap();
        assert_eq!((slice.from_secs, slice.until_secs), (0, 70));
        let refused = fit(&rate(1, 1), need, money("0.39"));
        assert_eq!(refused, Err(CreditRefusal::InsufficientCredit));
    }

    #[test]
    fn slices_shrink_as_the_runway_gets_shorter() {
        assert_eq!(shrink(60, money("100.00"), money("0.01")), 60);
        assert_eq!(shrink(60, money("1.00"), money("0.01")), 25);
        assert_eq!(shrink(60, money("0.01"), money("0.01")), 0);
        assert_eq!(shrink(60, money("0.00"), Money::ZERO), 60);
    }

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn rate(initial_secs: u32, subsequent_secs: u32) -> Rate {
        Rate {
            version: RateVersion(1),
            fee: Money::ZERO,
            per_minute: Decimal::new(60, 2),
            initial_secs,
            subsequent_secs,
            minimum: Money::ZERO,
            rounding: SecondsRule::Nearest,
        }
    }
}
