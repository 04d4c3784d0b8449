//! Meters of the book.

use std::collections::BTreeMap;

use model::Currency;
use store::AccountView;

use super::Telemetry;

impl Telemetry {
    /// Returns the meters of the book.
    pub(crate) fn money(&self) -> MoneyMeters {
        MoneyMeters { telemetry: self.clone() }
    }
}

/// Meters of the book, summed over the accounts of a currency.
pub(crate) struct MoneyMeters {
    telemetry: Telemetry,
}

impl MoneyMeters {
    /// Shows what the book says. Not on any call's path: handles are looked up.
    pub(crate) fn book(&self, accounts: &[AccountView]) {
        let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
        for account in accounts {
            let sum = sums.entry(account.currency).or_default();
            sum.granted += i128::from(account.granted.micros());
            sum.captured += i128::from(account.captured.micros());
            sum.expired += i128::from(account.expired.micros());
            sum.held += i128::from(account.held.micros());
            sum.available += i128::from(account.available.micros());
            sum.burn += i128::from(account.burn_per_sec.micros());
        }
        for (currency, sums) in sums {
            self.show(currency.code(), sums);
        }
    }

    fn show(&self, currency: &str, sums: Sums) {
        let states = [
            ("granted", sums.granted),
            ("available", sums.available),
            ("held", sums.held),
            ("captured", sums.captured),
            ("expired", sums.expired),
        ];
        for (state, amount) in states {
            let labels = [("state", state), ("currency", currency)];
            let help = "Credit of all accounts of a currency, by state.";
            self.telemetry.gauge("tollgate_credits_amount", help, &labels).set(units(amount));
        }
        let labels = [("currency", currency)];
        let help = "Price per second of all open legs of a currency.";
        self.telemetry
            .gauge("tollgate_credits_burn_per_second", help, &labels)
            .set(units(sums.burn));
        let help = "Captured by the book since it exists, millionths of a currency.";
        self.telemetry
            .counter("tollgate_credits_captured_micros_total", help, &labels)
            .absolute(u64::try_from(sums.captured).unwrap_or(0));
    }
}

/// Millionths, of all accounts of a currency.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    granted: i128,
    captured: i128,
    expired: i128,
    held: i128,
    available: i128,
    burn: i128,
}

/// Turns millionths into units of a currency, for a gauge only.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the counter is exact")]
fn units(micros: i128) -> f64 {
    micros as f64 / 1e6
}
