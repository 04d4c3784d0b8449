//! What connected time costs (charging.md, "Price"). The one rounding of the house is in here.

use model::{Money, Rate, SecondsRule};

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;
/// Seconds in the minute that prices are quoted for.
const MINUTE: i128 = 60;
/// Decimals that [`Money`] keeps.
const DECIMALS: u32 = 6;

/// Returns the whole seconds that connected microseconds are billed as, before increments.
#[must_use]
pub const fn billed_secs(rule: SecondsRule, micros: u64) -> u64 {
    let (whole, rest) = (micros / SECOND, micros % SECOND);
    let up = match rule {
        SecondsRule::Nearest => rest >= SECOND / 2,
        SecondsRule::Up => rest > 0,
        SecondsRule::Down => false,
    };
    if up { whole + 1 } else { whole }
}

/// Returns the seconds paid for when `secs` are billed: the initial increment, then whole
/// subsequent ones. `None` beyond 64 bits.
#[must_use]
pub fn units(rate: &Rate, secs: u64) -> Option<u64> {
    boundary(rate, increments(rate, secs))
}

/// Returns the charge of an answered leg of `secs` billed seconds, fee included: at least the
/// initial increment, even for 0 s. A leg that never was answered has no charge: do not ask.
/// `None` if the rate has a negative part or the sum leaves 64 bits.
#[must_use]
pub fn charge(rate: &Rate, secs: u64) -> Option<Money> {
    if rate.fee.is_negative() || rate.minimum.is_negative() {
        return None;
    }
    let time = per_minutes(rate, units(rate, secs)?, half_up)?;
    Some(rate.fee.checked_add(time)?.max(rate.minimum))
}

/// Whether `available` covers the first increment at this rate: the organization is *funded* for
/// it (domain.md §4).
#[must_use]
pub fn affords(rate: &Rate, available: Money) -> bool {
    charge(rate, 0).is_some_and(|least| least <= available)
}

/// Returns the price of one second, rounded up to a millionth: what the leg adds to its account's
/// burn. An estimate for warnings and slice lengths; nothing is charged by it.
#[must_use]
pub fn price_per_sec(rate: &Rate) -> Option<Money> {
    per_minutes(rate, 1, up)
}

/// Returns which increment, counted from 1, reaches `secs` from answer.
pub(crate) fn increments(rate: &Rate, secs: u64) -> u64 {
    let (initial, subsequent) = lengths(rate);
    if secs <= initial { 1 } else { 1 + (secs - initial).div_ceil(subsequent) }
}

/// Returns the second at which the given increment ends. `None` beyond 64 bits.
pub(crate) fn boundary(rate: &Rate, increment: u64) -> Option<u64> {
    let (initial, subsequent) = lengths(rate);
    increment.saturating_sub(1).checked_mul(subsequent)?.checked_add(initial)
}

/// An increment is at least a second, whatever the rate says.
fn lengths(rate: &Rate) -> (u64, u64) {
    (u64::from(rate.initial_secs.max(1)), u64::from(rate.subsequent_secs.max(1)))
}

/// `secs · per_minute / 60` in millionths, exact but for the one rounding given.
fn per_minutes(rate: &Rate, secs: u64, rounding: fn(i128, i128) -> Option<i128>) -> Option<Money> {
    let (mantissa, scale) = (rate.per_minute.mantissa(), rate.per_minute.scale());
    if mantissa < 0 {
        return None;
    }
    let mut dividend = mantissa.checked_mul(i128::from(secs))?;
    let mut divisor = MINUTE;
    if scale <= DECIMALS {
        dividend = dividend.checked_mul(10_i128.checked_pow(DECIMALS - scale)?)?;
    } else {
        divisor = divisor.checked_mul(10_i128.checked_pow(scale - DECIMALS)?)?;
    }
    i64::try_from(rounding(dividend, divisor)?).ok().map(Money::from_micros)
}

/// The rounding of every charge; both arguments positive.
fn half_up(dividend: i128, divisor: i128) -> Option<i128> {
    Some(
        dividend / divisor
            + i128::from(dividend % divisor >= divisor.checked_sub(dividend % divisor)?),
    )
}

/// The rounding of burn; both arguments positive.
fn up(dividend: i128, divisor: i128) -> Option<i128> {
    Some(dividend / divisor + i128::from(dividend % divisor > 0))
}

#[cfg(test)]
mod tests {
    use model::RateVersion;
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn sixty_seconds_at_half_a_unit_cost_exactly_half_a_unit() {
        assert_eq!(charge(&rate("0.50", 1, 1), 60), Some(money("0.50")));
        assert_eq!(charge(&rate("0.50", 60, 60), 60), Some(money("0.50")));
        assert_eq!(charge(&rate("0.50", 6, 6), 60), Some(money("0.50")));
    }

    #[test]
    fn whole_seconds_follow_the_rule_of_the_tariff() {
        let micros = [0, 499_999, 500_000, 1_000_000, 1_000_001, 1_500_000];
        let billed = |rule| micros.map(|m| billed_secs(rule, m));
        assert_eq!(billed(SecondsRule::Nearest), [0, 0, 1, 1, 1, 2]);
        assert_eq!(billed(SecondsRule::Up), [0, 1, 1, 1, 2, 2]);
        assert_eq!(billed(SecondsRule::Down), [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn increments_are_paid_whole() {
        let rate = rate("0.60", 30, 6);
        assert_eq!(
            [0, 1, 30, 31, 36, 37].map(|s| units(&rate, s)),
            [30, 30, 30, 36, 36, 42].map(Some)
        );
        assert_eq!(charge(&rate, 31), Some(money("0.36")));
    }

    #[test]
    fn an_answered_leg_costs_at_least_its_initial_increment_and_the_minimum() {
        let mut rate = rate("0.60", 60, 60);
        assert_eq!(charge(&rate, 0), Some(money("0.60")));
        rate.fee = money("0.10");
        assert_eq!(charge(&rate, 0), Some(money("0.70")));
        rate.minimum = money("1.00");
        assert_eq!(charge(&rate, 60), Some(money("1.00")));
        assert_eq!(charge(&rate, 61), Some(money("1.30")));
    }

    #[test]
    fn a_price_finer_than_a_millionth_is_rounded_once_half_up() {
        let fine = rate("0.0000305", 1, 1);
        assert_eq!(charge(&fine, 59), Some(Money::from_micros(30)));
        assert_eq!(charge(&fine, 60), Some(Money::from_micros(31)));
        assert_eq!(price_per_sec(&fine), Some(Money::from_micros(1)));
    }

    #[test]
    fn what_does_not_fit_or_is_negative_has_no_charge() {
        assert_eq!(charge(&rate("79228162514264337593543950335", 60, 60), u64::MAX), None);
        assert_eq!(charge(&rate("9999999999", 1, 1), u64::from(u32::MAX)), None);
        assert_eq!(charge(&rate("-0.01", 60, 60), 60), None);
        assert!(!affords(&rate("-0.01", 60, 60), money("9.00")));
    }

    #[test]
    fn funded_means_that_the_first_increment_fits() {
        assert!(affords(&rate("0.30", 60, 60), money("0.30")));
        assert!(!affords(&rate("0.30", 60, 60), money("0.299999")));
    }

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn rate(per_minute: &str, initial_secs: u32, subsequent_secs: u32) -> Rate {
        Rate {
            version: RateVersion(1),
            fee: Money::ZERO,
            per_minute: Decimal::from_str_exact(per_minute).unwrap(),
            initial_secs,
            subsequent_secs,
            minimum: Money::ZERO,
            rounding: SecondsRule::Nearest,
        }
    }
}
