//! `[[tariff]]`: what dialling in and out costs.

use std::collections::BTreeSet;

use model::record::{TariffKind, TariffRow};
use model::{Currency, Did, E164, Money, OrganizationId, Rate, RateVersion, SecondsRule};
use toml::Spanned;

use super::check::Reading;
use super::shape::{self, Text};

/// Seconds billed at once where nothing is said (domain.md §5).
const INCREMENT_SECS: u32 = 60;

/// Longest increment: a day.
const INCREMENT_SECS_MAX: u32 = 86_400;

/// What may be priced once only.
type Scope = (Option<OrganizationId>, Currency, TariffKind, String, String);

impl Reading<'_> {
    /// Reads the prices.
    pub(super) fn tariffs(&mut self, shapes: &[shape::Tariff]) -> Vec<TariffRow> {
        let mut scopes = BTreeSet::new();
        shapes.iter().filter_map(|shape| self.tariff(shape, &mut scopes)).collect()
    }

    fn tariff(&mut self, shape: &shape::Tariff, scopes: &mut BTreeSet<Scope>) -> Option<TariffRow> {
        let owner = shape.organization.as_ref();
        let organization = owner.map(|name| self.organization_named("tariff.organization", name));
        let kind = self.tariff_kind(&shape.number_type);
        let ours = kind != Some(TariffKind::DialOut);
        let number_prefix = self.prefix("tariff.number_prefix", shape.number_prefix.as_ref(), ours);
        let caller_prefix =
            self.prefix("tariff.caller_prefix", shape.caller_prefix.as_ref(), false);
        self.no_caller_out(kind, shape.caller_prefix.as_ref());
        let rate = self.rate(shape);
        let organization = match organization {
            None => None,
            Some(found) => Some(found?),
        };
        let row = TariffRow {
            organization,
            currency: self.tariff_currency(shape, organization)?,
            kind: kind?,
            number_prefix: number_prefix?,
            caller_prefix: caller_prefix?,
            rate: rate?,
        };
        let scope = (
            row.organization,
            row.currency,
            row.kind,
            row.number_prefix.clone(),
            row.caller_prefix.clone(),
        );
        if !scopes.insert(scope) {
            let message = "a second price for the same organization, currency, type and prefixes";
            self.problem("tariff.per_minute", &shape.per_minute, message.to_owned());
            return None;
        }
        Some(row)
    }

    fn tariff_kind(&mut self, at: &Text) -> Option<TariffKind> {
        match at.get_ref().as_str() {
            "toll" => Some(TariffKind::Toll),
            "toll-free" => Some(TariffKind::TollFree),
            "dial-out" => Some(TariffKind::DialOut),
            other => {
                let message =
                    format!("{other:?} is not a type; allowed are toll, toll-free and dial-out");
                self.problem("tariff.type", at, message);
                None
            }
        }
    }

    /// Calling out costs the same whoever calls (domain.md §5).
    fn no_caller_out(&mut self, kind: Option<TariffKind>, caller: Option<&Text>) {
        if let Some(at) = caller.filter(|_| kind == Some(TariffKind::DialOut)) {
            let message = "a dial-out is priced by its destination alone; leave the key out";
            self.problem("tariff.caller_prefix", at, message.to_owned());
        }
    }

    /// An organization's tariff is in the currency of its account; list prices name theirs.
    fn tariff_currency(
        &mut self,
        shape: &shape::Tariff,
        organization: Option<OrganizationId>,
    ) -> Option<Currency> {
        let account = organization.and_then(|id| self.currency_of(id));
        let Some(code) = &shape.currency else {
            if account.is_none() {
                let message = "missing; a tariff without an organization is a list price and \
                               names its currency, like currency = \"USD\"";
                self.problem("tariff.currency", &shape.number_type, message.to_owned());
            }
            return account;
        };
        let currency = self.currency("tariff.currency", code)?;
        if let Some(account) = account.filter(|account| *account != currency) {
            let message =
                format!("the account is in {account}; a tariff in {currency} never applies");
            self.problem("tariff.currency", code, message);
            return None;
        }
        Some(currency)
    }

    /// Empty, the start of an international number, or, for our own numbers, of a local string.
    fn prefix(&mut self, key: &str, prefix: Option<&Text>, local: bool) -> Option<String> {
        let Some(at) = prefix.filter(|prefix| !prefix.get_ref().is_empty()) else {
            return Some(String::new());
        };
        let text = at.get_ref();
        let international = text.strip_prefix('+').is_some_and(|d| E164::from_digits(d).is_ok());
        let own = local && !text.starts_with('+') && matches!(text.parse(), Ok(Did::Local(_)));
        if international || own {
            return Some(text.clone());
        }
        let allowed = if local { ", a local string or nothing" } else { " or nothing" };
        let message = format!("{text:?} is not a prefix; write + and digits, like +4420{allowed}");
        self.problem(key, at, message);
        None
    }

    fn rate(&mut self, shape: &shape::Tariff) -> Option<Rate> {
        let per_minute = self.price(&shape.per_minute);
        let fee = self.amount("tariff.fee", shape.fee.as_ref());
        let minimum = self.amount("tariff.minimum", shape.minimum.as_ref());
        let initial_secs = self.increment("tariff.initial_secs", shape.initial_secs.as_ref());
        let subsequent = shape.subsequent_secs.as_ref();
        let subsequent_secs = self.increment("tariff.subsequent_secs", subsequent);
        let rounding = self.rounding(shape.rounding.as_ref());
        let rate = Rate {
            version: RateVersion(0),
            fee: fee?,
            per_minute: per_minute?.parse().ok()?,
            initial_secs: initial_secs?,
            subsequent_secs: subsequent_secs?,
            minimum: minimum?,
            rounding: rounding?,
        };
        Some(Rate { version: version(&rate), ..rate })
    }

    /// A price per minute may be finer than money: up to nine decimals.
    fn price<'t>(&mut self, at: &'t Text) -> Option<&'t str> {
        let text = at.get_ref();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        let good = digits(whole, 6) && digits(fraction, 9);
        if !good {
            let message = format!(
                "{text:?} is not a price; write it like \"0.06\": not negative, at most 999999, at \
                 most 9 decimals"
            );
            self.problem("tariff.per_minute", at, message);
        }
        good.then_some(text.as_str())
    }

    pub(super) fn amount(&mut self, key: &str, at: Option<&Text>) -> Option<Money> {
        let Some(at) = at else {
            return Some(Money::ZERO);
        };
        let most = Money::from_micros(999_999_999_999);
        let read = at.get_ref().parse::<Money>();
        match read {
            Ok(amount) if !amount.is_negative() && amount <= most => Some(amount),
            Ok(_) | Err(_) => {
                let message = format!(
                    "{:?} is not an amount; write it like \"0.10\": not negative, at most \
                     999999.999999, at most 6 decimals",
                    at.get_ref()
                );
                self.problem(key, at, message);
                None
            }
        }
    }

    fn increment(&mut self, key: &str, at: Option<&Spanned<u32>>) -> Option<u32> {
        let Some(at) = at else {
            return Some(INCREMENT_SECS);
        };
        let secs = *at.get_ref();
        let good = (1..=INCREMENT_SECS_MAX).contains(&secs);
        if !good {
            let message =
                format!("{secs} is out of range; allowed are 1 to {INCREMENT_SECS_MAX} seconds");
            self.problem(key, at, message);
        }
        good.then_some(secs)
    }

    fn rounding(&mut self, at: Option<&Text>) -> Option<SecondsRule> {
        let Some(at) = at else {
            return Some(SecondsRule::Nearest);
        };
        match at.get_ref().as_str() {
            "nearest" => Some(SecondsRule::Nearest),
            "up" => Some(SecondsRule::Up),
            "down" => Some(SecondsRule::Down),
            other => {
                let message =
                    format!("{other:?} is not a rounding; allowed are nearest, up and down");
                self.problem("tariff.rounding", at, message);
                None
            }
        }
    }
}

/// Derives a rate's version from its content, the same in every run (64-bit FNV-1a, the top bit
/// cleared so that it fits a signed column).
fn version(rate: &Rate) -> RateVersion {
    let rounding = match rate.rounding {
        SecondsRule::Nearest => "nearest",
        SecondsRule::Up => "up",
        SecondsRule::Down => "down",
    };
    let content = format!(
        "{}|{}|{}|{}|{}|{rounding}",
        rate.fee.micros(),
        rate.per_minute.normalize(),
        rate.initial_secs,
        rate.subsequent_secs,
        rate.minimum.micros(),
    );
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    RateVersion(content.bytes().fold(0xcbf2_9ce4_8422_2325, mix) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_minute: &str) -> Rate {
        Rate {
            version: RateVersion(0),
            fee: Money::ZERO,
            per_minute: per_minute.parse().unwrap(),
            initial_secs: 60,
            subsequent_secs: 60,
            minimum: Money::ZERO,
            rounding: SecondsRule::Nearest,
        }
    }

    #[test]
    fn equal_prices_have_equal_versions_however_they_are_written() {
        assert_eq!(version(&rate("0.06")), version(&rate("0.0600")));
        assert_ne!(version(&rate("0.06")), version(&rate("0.061")));
        let up = Rate { rounding: SecondsRule::Up, ..rate("0.06") };
        assert_ne!(version(&rate("0.06")), version(&up));
    }

    #[test]
    fn a_version_is_the_same_in_every_build_and_fits_a_signed_column() {
        assert_eq!(version(&rate("0.06")), RateVersion(8_246_747_156_902_893_551));
    }
}
