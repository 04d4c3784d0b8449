//! The reference model of prices, in plain integers: a second, simpler opinion on
//! `credits::rating`. It knows whole-micro prices per minute only.

/// A price in plain integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainRate {
    /// Millionths per answered leg.
    pub fee: i64,
    /// Millionths per minute.
    pub per_minute: i64,
    /// Seconds of the first increment.
    pub initial: u64,
    /// Seconds of each later increment.
    pub subsequent: u64,
    /// Millionths at least.
    pub minimum: i64,
}

/// What a fee for calling somebody is more than one for calling in, millionths.
pub const CALLED: i64 = 20_000;

impl PlainRate {
    /// Returns the price of calling somebody, which is another than that of calling in.
    #[must_use]
    pub fn of_dial_out(self) -> Self {
        Self { fee: self.fee + CALLED, ..self }
    }

    /// Returns what `secs` whole seconds cost, in millionths.
    #[must_use]
    pub fn charge(&self, secs: u64) -> i64 {
        let mut units = self.initial;
        while units < secs {
            units += self.subsequent;
        }
        let sixtieths = i128::from(self.per_minute) * i128::from(units);
        let mut minutes = sixtieths / 60;
        if (sixtieths % 60) * 2 >= 60 {
            minutes += 1;
        }
        let sum = i128::from(self.fee) + minutes;
        i64::try_from(sum.max(i128::from(self.minimum))).expect("prices in a plan are small")
    }

    /// Returns the charge of a connected time in microseconds, seconds by the nearest rule.
    #[must_use]
    pub fn charge_micros(&self, micros: u64) -> i64 {
        self.charge((micros + 500_000) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_seconds_at_fifty_cents_cost_fifty_cents() {
        let rate =
            PlainRate { fee: 0, per_minute: 500_000, initial: 60, subsequent: 60, minimum: 0 };
        assert_eq!(rate.charge(1), 500_000);
        assert_eq!(rate.charge(60), 500_000);
        assert_eq!(rate.charge(61), 1_000_000);
    }
}
