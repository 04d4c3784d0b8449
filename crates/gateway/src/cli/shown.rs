//! How values are shown to people and in JSON, the same in every subcommand.

use jiff::Timestamp;
use model::record::{Capability, Cdr, NumberType};
use model::{Did, Money, Rate, SecondsRule, UnixTime};
use store::Keys;

/// ISO 8601 in UTC with milliseconds; moments outside the calendar are clamped to its edges.
pub(crate) fn iso(moment: UnixTime) -> String {
    let edge = if moment.micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_microsecond(moment.micros).unwrap_or(edge))
}

/// JSON as it is written: a control character that JSON lets stand, but a terminal may obey, is
/// escaped. They stand in strings only, which come from strangers' headers.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for c in format!("{value:#}").chars() {
        match c {
            '\u{7f}'..='\u{9f}' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => text.push(c),
        }
    }
    text
}

/// Whether numbers are shown whole.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    /// The last digits are hidden.
    Masked,
    /// The billing view, with what opens withheld numbers.
    Full(&'a Keys),
}

impl<'a> View<'a> {
    /// `--full` or not.
    pub(crate) fn of(full: bool, keys: &'a Keys) -> Self {
        if full { Self::Full(keys) } else { Self::Masked }
    }

    /// Shows a number; nobody's is `anonymous`.
    pub(crate) fn number(self, number: Option<&Did>) -> String {
        match (self, number) {
            (_, None) => model::record::ANONYMOUS.to_owned(),
            (Self::Masked, Some(number)) => number.to_string(),
            (Self::Full(_), Some(number)) => number.full(),
        }
    }

    /// Shows a number that a call's owner withholds, or why it cannot be shown: in the billing view
    /// alone (reliability.md S25).
    pub(crate) fn withheld(self, cdr: &Cdr) -> Option<String> {
        match (self, cdr.withheld.as_ref()?) {
            (Self::Masked, _) => None,
            (Self::Full(keys), kept) => Some(match keys.open(cdr.call, kept) {
                Ok(number) => number.full(),
                Err(unopened) => unopened.to_string(),
            }),
        }
    }
}

/// Who pays.
pub(crate) fn payer(capability: Capability) -> &'static str {
    match capability {
        Capability::Included => "included",
        Capability::Credits => "credits",
        Capability::Unattributed => "unattributed",
    }
}

/// As in the provisioning file.
pub(crate) fn number_type(number_type: NumberType) -> &'static str {
    match number_type {
        NumberType::Toll => "toll",
        NumberType::TollFree => "toll-free",
    }
}

/// A rate in one line.
pub(crate) fn rate(rate: &Rate, currency: &str) -> String {
    let rounding = match rate.rounding {
        SecondsRule::Nearest => "to the nearest second",
        SecondsRule::Up => "up to a second",
        SecondsRule::Down => "down to a second",
    };
    format!(
        "{} {currency} a minute, fee {}, increments {}/{} s, minimum {}, time rounded {rounding} \
         (version {:016x})",
        rate.per_minute.normalize(),
        rate.fee,
        rate.initial_secs,
        rate.subsequent_secs,
        rate.minimum,
        rate.version.0
    )
}

/// Connected time in seconds, exact: `61.203000`.
pub(crate) fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Whole minutes and seconds that an amount lasts at a burn per second; `None` if nothing burns.
pub(crate) fn runway(available: Money, burn_per_sec: Money) -> Option<String> {
    let secs = available.micros().max(0).checked_div(burn_per_sec.micros())?;
    Some(format!("{} min {:02} s", secs / 60, secs % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc() {
        let moment = UnixTime { micros: 1_795_000_000_250_000 };
        assert_eq!(iso(moment), "2026-11-18T11:06:40.250Z");
    }

    #[test]
    fn a_number_is_masked_unless_asked_for() {
        let number: Did = "+14155550123".parse().unwrap();
        let keys = Keys::default();
        let view = |full| View::of(full, &keys);
        assert_eq!(view(false).number(Some(&number)), "+1415555****");
        assert_eq!(view(true).number(Some(&number)), "+14155550123");
        assert_eq!(view(true).number(None), "anonymous");
    }

    #[test]
    fn nothing_burning_has_no_runway() {
        assert_eq!(
            runway(Money::from_micros(90), Money::from_micros(1)),
            Some("1 min 30 s".into())
        );
        assert_eq!(runway(Money::from_micros(90), Money::ZERO), None);
    }
}
