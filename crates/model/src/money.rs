//! Money in millionths of a currency, and what a rate is made of.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use thiserror::Error;

/// How many millionths make one unit of a currency.
const MICROS: i64 = 1_000_000;

/// An exact amount in millionths of its account's currency. Never a float, never a bare integer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    micros: i64,
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("not a decimal amount like 12.50")]
    Malformed,
    /// Finer than a millionth.
    #[error("more than 6 decimals")]
    TooFine,
    /// Beyond what an account can hold.
    #[error("too large")]
    TooLarge,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self { micros: 0 };

    /// Makes an amount from millionths.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Returns the amount in millionths.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// Returns the amount as a decimal number of currency units.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.micros, 6)
    }

    /// Makes an amount from a decimal number of currency units.
    ///
    /// # Errors
    /// [`MoneyError::TooFine`] beyond six decimals, [`MoneyError::TooLarge`] beyond 64 bits.
    pub fn from_decimal(units: Decimal) -> Result<Self, MoneyError> {
        let micros = units.checked_mul(Decimal::from(MICROS)).ok_or(MoneyError::TooLarge)?;
        if !micros.fract().is_zero() {
            return Err(MoneyError::TooFine);
        }
        micros.to_i64().map(Self::from_micros).ok_or(MoneyError::TooLarge)
    }

    /// Returns the sum, or `None` on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.micros.checked_add(other.micros) {
            Some(micros) => Some(Self { micros }),
            None => None,
        }
    }

    /// Returns the difference, or `None` on overflow.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.micros.checked_sub(other.micros) {
            Some(micros) => Some(Self { micros }),
            None => None,
        }
    }

    /// Whether the amount is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.micros < 0
    }
}

/// Units with at least two decimals and no more than needed: `1.50`, `0.004167`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.to_decimal().normalize();
        if shown.scale() < 2 {
            shown.rescale(2);
        }
        fmt::Display::fmt(&shown, f)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let units = Decimal::from_str_exact(text.trim()).map_err(|_| MoneyError::Malformed)?;
        Self::from_decimal(units)
    }
}

/// An ISO 4217 code in three capital letters. Amounts of different currencies are never added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code; `None` unless it is three capital letters.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// Returns the three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How whole billed seconds come from connected microseconds (charging.md, "Price").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecondsRule {
    /// Half a second and more counts as one.
    #[default]
    Nearest,
    /// Any started second counts.
    Up,
    /// Only full seconds count.
    Down,
}

/// Which edition of a rate priced a call: derived from the rate's content, so equal versions mean
/// equal prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateVersion(pub u64);

/// What a leg costs. Pinned when the call starts (domain.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Which edition this is.
    pub version: RateVersion,
    /// Charged once per answered leg.
    pub fee: Money,
    /// Currency units per minute; may be finer than a millionth.
    pub per_minute: Decimal,
    /// Seconds billed at once at the start; at least 1.
    pub initial_secs: u32,
    /// Seconds billed at once afterwards; at least 1.
    pub subsequent_secs: u32,
    /// The least an answered leg costs, fee included.
    pub minimum: Money,
    /// How connected time becomes whole seconds.
    pub rounding: SecondsRule,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_survives_its_text() {
        for text in ["0.00", "12.50", "0.004167", "-3.10", "9000000.000001"] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_amount_finer_than_a_millionth_is_refused() {
        assert_eq!("0.0000001".parse::<Money>(), Err(MoneyError::TooFine));
        assert_eq!("ten".parse::<Money>(), Err(MoneyError::Malformed));
        assert_eq!("99999999999999".parse::<Money>(), Err(MoneyError::TooLarge));
    }

    #[test]
    fn a_currency_is_three_capitals() {
        assert_eq!(Currency::parse("EUR").unwrap().to_string(), "EUR");
        assert_eq!(Currency::parse("eur"), None);
        assert_eq!(Currency::parse("EURO"), None);
    }
}
