//! `[abuse]`: what callers may use up who do not say which meeting they want.

use std::time::Duration;

use bridge::{Abuse, Stretch};

use super::super::file;
use super::Checker;

/// The most minutes in an hour: of twenty thousand calls at once.
const MINUTES: u32 = 1_200_000;
/// The most wrong conference IDs.
const WRONG: u32 = 1_000_000;

impl Checker<'_> {
    pub(super) fn abuse(&mut self, written: &file::Abuse) -> Abuse {
        let limits = [
            ("abuse.caller", written.caller_minutes, written.caller_refuse_minutes),
            ("abuse.range", written.range_minutes, written.range_refuse_minutes),
            ("abuse.trunk", written.trunk_minutes, written.trunk_refuse_minutes),
        ];
        let [caller, range, trunk] = limits.map(|limit| self.stretch(limit));
        let mut wrong = |key: &str, written| self.within(key, written, 1..=WRONG);
        let wrong_per_hour_caller =
            wrong("abuse.wrong_per_hour_caller", written.wrong_per_hour_caller);
        let wrong_per_minute_trunk =
            wrong("abuse.wrong_per_minute_trunk", written.wrong_per_minute_trunk);
        let wrong_per_minute_node =
            wrong("abuse.wrong_per_minute_node", written.wrong_per_minute_node);
        Abuse {
            caller,
            range,
            trunk,
            range_digits: self.within("abuse.range_digits", written.range_digits, 1..=9),
            unpaid_limit: self.secs("abuse.unpaid_secs", written.unpaid_secs, 5..=600),
            wrong_per_hour_caller,
            wrong_per_minute_trunk,
            wrong_per_minute_node,
        }
    }

    fn stretch(&mut self, (whose, short, refuse): (&str, u32, u32)) -> Stretch {
        let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
        self.within(&format!("{whose}_minutes"), short, 1..=MINUTES);
        let key = format!("{whose}_refuse_minutes");
        self.within(&key, refuse, 1..=MINUTES);
        if refuse < short {
            self.bad(&key, format!("at least {whose}_minutes ({short}) is allowed"));
        }
        Stretch { short: minutes(short), refuse: minutes(refuse) }
    }
}
