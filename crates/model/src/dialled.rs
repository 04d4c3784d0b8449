//! A number as a person or a program writes it, read by the numbering plan of a country
//! (domain.md §8): never by a global `00` or `011`, which is Turin's area code.

use thiserror::Error;

use crate::numbering::{self, Class, Plan};
use crate::{Country, E164};

mod national;
mod written;

use written::{Digits, Written};

/// Why what was written cannot be called, in words that say what to write instead. It never
/// repeats the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Misdial {
    /// Nothing, or no digit.
    #[error("there is no number: write + and the country code, like +390116543210")]
    Empty,
    /// Longer than any number.
    #[error("too long: an international number has at most 15 digits")]
    TooLong,
    /// Fewer digits than any number of the country has.
    #[error("too short for a number of its country: a digit or the area code is missing")]
    TooShort,
    /// A character that has no place in a number.
    #[error(
        "a character that has no place in a number: write digits, and + in front of a country code"
    )]
    ForeignCharacter,
    /// Digits of another script, or wide ones.
    #[error("digits of another script: write the digits 0 to 9")]
    ForeignDigits,
    /// Vanity numbers are refused: one letter stands for other digits on other keypads.
    #[error("letters: write the digits that they stand for")]
    Letters,
    /// Service codes are for a telephone.
    #[error("* and # are codes of a telephone, not part of a number")]
    StarOrHash,
    /// An extension cannot be dialled after the answer.
    #[error("an extension: write the number alone, or the direct number of the person")]
    Extension,
    /// `tel:` parameters.
    #[error("a parameter after the number: write the number alone")]
    Parameters,
    /// `;phone-context`: only whole numbers are called.
    #[error("a number in a local context: write + and the whole international number")]
    LocalContext,
    /// `%2B` and the like.
    #[error("%-encoding: write + itself, not %2B")]
    PercentEncoded,
    /// A plus that is not in front.
    #[error("+ belongs in front of the country code, once")]
    MisplacedPlus,
    /// No plus, and nothing tells whose plan to read it by.
    #[error(
        "a number without +, and the organizer's country is not known: write + and the country code"
    )]
    NoCountry,
    /// No plus, no international and no national prefix where the country has one.
    #[error(
        "neither +, nor the prefix of an international or a national call: write + and the country \
         code"
    )]
    NoPrefix,
    /// A national prefix inside an international number.
    #[error(
        "the 0 after the country code is only dialled inside the country: leave it out, or write \
         (0)"
    )]
    PrefixAfterCode,
    /// No country has the code.
    #[error("no country has this code: check the digits after + or the international prefix")]
    UnknownCode,
    /// Emergency services.
    #[error("emergency services are never called from a meeting: use your own telephone")]
    Emergency,
    /// A code of a country's own.
    #[error("short codes cannot be called from a meeting: write the whole number")]
    ShortCode,
}

impl Misdial {
    /// Returns its name for metrics and programs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::TooShort => "too_short",
            Self::ForeignCharacter => "foreign_character",
            Self::ForeignDigits => "foreign_digits",
            Self::Letters => "letters",
            Self::StarOrHash => "star_or_hash",
            Self::Extension => "extension",
            Self::Parameters => "parameters",
            Self::LocalContext => "local_context",
            Self::PercentEncoded => "percent_encoded",
            Self::MisplacedPlus => "misplaced_plus",
            Self::NoCountry => "no_country",
            Self::NoPrefix => "no_prefix",
            Self::PrefixAfterCode => "prefix_after_code",
            Self::UnknownCode => "unknown_code",
            Self::Emergency => "emergency",
            Self::ShortCode => "short_code",
        }
    }
}

/// Reads a number to be called from `home`, the organizer's country: `+…` and `tel:+…` as they
/// are, digits by its international and national prefixes. Blanks and `- . / ( )` are separators;
/// `(0)` after a country code is the national prefix, left out where the country has one.
///
/// # Errors
/// [`Misdial`].
pub fn read(text: &str, home: Option<Country>) -> Result<E164, Misdial> {
    let written = Written::read(text)?;
    let home = home.and_then(numbering::plan);
    if written.plus {
        return international(written, 0);
    }
    let digits = written.digits();
    if is_emergency(digits, home) {
        return Err(Misdial::Emergency);
    }
    let plan = home.ok_or(Misdial::NoCountry)?;
    if let Some(prefix) = international_prefix(plan, digits) {
        return international(written, prefix);
    }
    checked(national::whole(plan, digits)?.text())
}

/// Numbers that mean emergency wherever they are dialled.
const EMERGENCY_ANYWHERE: [&str; 5] = ["000", "110", "112", "911", "999"];

fn is_emergency(digits: &str, home: Option<&Plan>) -> bool {
    EMERGENCY_ANYWHERE.contains(&digits)
        || home.is_some_and(|plan| plan.emergency.contains(&digits))
}

/// Returns the length of the longest international prefix that the digits begin with.
fn international_prefix(plan: &Plan, digits: &str) -> Option<usize> {
    let begins = |prefix: &&&str| {
        let pairs = prefix.bytes().zip(digits.bytes());
        digits.len() > prefix.len() && pairs.into_iter().all(|(p, d)| p == b'x' || p == d)
    };
    plan.international.iter().filter(begins).map(|prefix| prefix.len()).max()
}

/// Reads what follows a plus or an international prefix of so many digits.
fn international(written: Written, prefix: usize) -> Result<E164, Misdial> {
    let whole = written.digits().get(prefix..).unwrap_or_default();
    if whole.is_empty() {
        return Err(Misdial::Empty);
    }
    if whole.starts_with('0') {
        return Err(Misdial::UnknownCode);
    }
    let Some(zero) = written.optional_zero else {
        return international_digits(whole);
    };
    let zero = zero.checked_sub(prefix).ok_or(Misdial::ForeignCharacter)?;
    let plan = country_of(whole).ok_or(Misdial::UnknownCode)?;
    if zero != plan.code.len() {
        return Err(Misdial::ForeignCharacter);
    }
    match plan.national {
        "0" => {
            let national = whole.get(zero + 1..).unwrap_or_default();
            international_digits(Digits::of(&[plan.code, national])?.text())
        }
        "" => international_digits(whole),
        _ => Err(Misdial::PrefixAfterCode),
    }
}

fn international_digits(whole: &str) -> Result<E164, Misdial> {
    if whole.len() > 15 {
        return Err(Misdial::TooLong);
    }
    let Some(plan) = country_of(whole) else {
        return checked(whole);
    };
    let written = whole.get(plan.code.len()..).unwrap_or_default();
    // Until 2019 a 1 stood before the area code of mobiles.
    let old = plan.country.code() == "MX" && written.len() == 11;
    let national = if old { written.strip_prefix('1').unwrap_or(written) } else { written };
    if national.starts_with('0') && !plan.keeps_zero {
        return Err(Misdial::PrefixAfterCode);
    }
    checked(Digits::of(&[plan.code, national])?.text())
}

/// Returns the plan of the country that a whole number belongs to.
fn country_of(whole: &str) -> Option<&'static Plan> {
    let number = E164::from_digits(whole.get(..whole.len().min(15))?).ok()?;
    numbering::place(&number).country.and_then(numbering::plan)
}

/// Makes the number, if its country has numbers of that length.
fn checked(whole: &str) -> Result<E164, Misdial> {
    if whole.len() > 15 {
        return Err(Misdial::TooLong);
    }
    let number = E164::from_digits(whole).map_err(|_| Misdial::UnknownCode)?;
    let place = numbering::place(&number);
    match place.class {
        Class::Emergency => return Err(Misdial::Emergency),
        Class::Unassigned => return Err(Misdial::UnknownCode),
        Class::Ordinary
        | Class::TollFree
        | Class::Premium
        | Class::SharedCost
        | Class::Personal
        | Class::Satellite
        | Class::Short => {}
    }
    let Some(plan) = place.country.and_then(numbering::plan) else {
        return if whole.len() < NETWORK_DIGITS { Err(Misdial::TooShort) } else { Ok(number) };
    };
    let national = whole.len().saturating_sub(plan.code.len());
    if plan.has_length(national) {
        Ok(number)
    } else if national > plan.longest() {
        Err(Misdial::TooLong)
    } else {
        Err(Misdial::TooShort)
    }
}

/// Fewest digits of a number in an international network.
const NETWORK_DIGITS: usize = 8;
