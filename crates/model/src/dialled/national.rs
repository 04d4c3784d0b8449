//! Numbers as they are dialled inside a country: its national prefix, and the habits of those
//! countries that have more than one.

use super::Misdial;
use super::written::Digits;
use crate::numbering::Plan;

/// Most digits that cannot be more than a code of the country's own.
const SHORT_DIGITS: usize = 6;

/// Reads digits that were dialled inside a country; returns them with its code.
///
/// # Errors
/// [`Misdial`] where they are no national number, or a local one without its area code.
pub(super) fn whole(plan: &Plan, digits: &str) -> Result<Digits, Misdial> {
    let by_habit = match plan.country.code() {
        "AR" => argentinian(plan, digits),
        "BR" => brazilian(plan, digits),
        "MX" => mexican(plan, digits),
        _ => None,
    };
    if let Some(whole) = by_habit {
        return whole;
    }
    let stripped = digits.strip_prefix(plan.national).filter(|_| !plan.national.is_empty());
    let national = match stripped {
        Some(rest) if plan.has_length(rest.len()) && fits_zero(plan, rest) => rest,
        Some(_) | None if plan.is_bare(digits.len()) && fits_zero(plan, digits) => digits,
        Some(rest) => return Err(misfit(plan, rest)),
        None => return Err(bare_misfit(plan, digits)),
    };
    Digits::of(&[plan.code, national])
}

/// Numbers begin with a 0 in few countries; elsewhere it is a prefix of another one.
fn fits_zero(plan: &Plan, national: &str) -> bool {
    plan.keeps_zero || !national.starts_with('0')
}

/// A national number of the wrong length.
fn misfit(plan: &Plan, national: &str) -> Misdial {
    if national.len() > plan.longest() { Misdial::TooLong } else { Misdial::TooShort }
}

/// Digits without any prefix that are no whole number.
fn bare_misfit(plan: &Plan, digits: &str) -> Misdial {
    if digits.len() <= SHORT_DIGITS {
        Misdial::ShortCode
    } else if plan.national.is_empty() && fits_zero(plan, digits) {
        misfit(plan, digits)
    } else {
        Misdial::NoPrefix
    }
}

/// Area code, `15` and the subscriber's number: a mobile, which has `9` in front of the area code
/// when called by the country code.
fn argentinian(plan: &Plan, digits: &str) -> Option<Result<Digits, Misdial>> {
    let national = digits.strip_prefix('0').unwrap_or(digits);
    let (area, rest) = national.split_at_checked(argentinian_area(national))?;
    let subscriber = rest.strip_prefix("15")?;
    let whole = area.len() + subscriber.len() == 10 && fits_zero(plan, area);
    whole.then(|| Digits::of(&[plan.code, "9", area, subscriber]))
}

/// How many digits an Argentinian area code has: two is Buenos Aires, three the larger cities.
fn argentinian_area(national: &str) -> usize {
    const THREE: [&str; 38] = [
        "220", "221", "223", "230", "236", "237", "249", "260", "261", "263", "264", "266", "280",
        "291", "294", "297", "298", "299", "336", "341", "342", "343", "345", "348", "351", "353",
        "358", "362", "364", "370", "376", "379", "380", "381", "383", "385", "387", "388",
    ];
    if national.starts_with("11") {
        2
    } else if THREE.iter().any(|area| national.starts_with(area)) {
        3
    } else {
        4
    }
}

/// `0`, two digits for the carrier, area code and number: the carrier is our affair.
fn brazilian(plan: &Plan, digits: &str) -> Option<Result<Digits, Misdial>> {
    let (_carrier, national) = digits.strip_prefix('0')?.split_at_checked(2)?;
    let long = plan.has_length(national.len()) && national.len() >= 10;
    let whole = long && fits_zero(plan, national);
    whole.then(|| Digits::of(&[plan.code, national]))
}

/// `01`, `044` and `045` of before 2019 are still written.
fn mexican(plan: &Plan, digits: &str) -> Option<Result<Digits, Misdial>> {
    let old = ["01", "044", "045"].iter().find_map(|prefix| digits.strip_prefix(prefix))?;
    let whole = plan.has_length(old.len()) && fits_zero(plan, old);
    whole.then(|| Digits::of(&[plan.code, old]))
}
