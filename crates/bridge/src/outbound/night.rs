//! When it is night by an organization's clock. The only file of the cores that knows time zones; what
//! is known of them is part of the binary, so that the same moment is night everywhere.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use model::{Night, UnixTime};

/// The longest that a night counts: nothing is limited for longer.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where an organization's days begin.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// Finds a zone by its name in the IANA database; UTC if there is none, as in what was
    /// provisioned by a newer version.
    pub(crate) fn named(name: &str) -> Self {
        let found = TimeZoneDatabase::bundled().get(name);
        if found.is_err() && !name.is_empty() {
            tracing::warn!(name, "a time zone is not known; UTC is taken for it");
        }
        Self(found.unwrap_or(TimeZone::UTC))
    }

    /// UTC.
    pub(crate) const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Returns for how long it has been night, at most a day; `None` by day.
    pub(crate) fn night(&self, night: &Night, now: UnixTime) -> Option<Duration> {
        let now = Timestamp::from_microsecond(now.micros).ok()?;
        if !self.is_night(night, now) {
            return None;
        }
        let begun = |at: &Timestamp| {
            let before = at.checked_sub(SignedDuration::from_micros(1));
            let was_day = before.is_ok_and(|before| !self.is_night(night, before));
            *at <= now && was_day && self.is_night(night, *at)
        };
        let began = self.moments(night, now).into_iter().filter(begun).max();
        let passed = began.map(|began| now.duration_since(began).unsigned_abs());
        Some(passed.map_or(DAY, |passed| passed.min(DAY)))
    }

    fn is_night(&self, night: &Night, at: Timestamp) -> bool {
        let local = self.0.to_datetime(at);
        let day = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        night.covers(day, u16::try_from(minute).unwrap_or(0))
    }

    /// Moments of the last day or two at which a night may have begun: where the clock shows midnight
    /// or the night's hour, once, twice or skipped, and where the clock itself was changed.
    fn moments(&self, night: &Night, now: Timestamp) -> Vec<Timestamp> {
        let today = self.0.to_datetime(now).date();
        let from = night.hours.map(|(from, _)| from);
        let minutes = [Some(0), from];
        let minutes = || minutes.into_iter().flatten();
        let days = [Ok(today), today.yesterday()].into_iter().flatten();
        let shown = days.flat_map(|day| minutes().flat_map(move |at| self.shows(day, at)));
        let soon = now.saturating_add(SignedDuration::from_micros(1)).unwrap_or(now);
        let changes = self.0.preceding(soon).take(2).map(|change| change.timestamp());
        shown.chain(changes).collect()
    }

    /// The moments at which the clock shows that minute of a day.
    fn shows(&self, day: Date, minute: u16) -> impl Iterator<Item = Timestamp> + use<> {
        let part = |of: u16| i8::try_from(of).unwrap_or(0);
        let local = day.at(part(minute / 60), part(minute % 60), 0, 0);
        let at = self.0.to_ambiguous_timestamp(local);
        [at.earlier(), at.later()].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use model::Allowance;

    use super::*;

    const MINUTE: u64 = 60;

    #[test]
    fn a_night_is_told_by_the_clock_on_the_wall_of_the_organization() {
        let office = night(Some((20 * 60, 7 * 60)), &[]);
        assert_eq!(lasted("UTC", &office, "2026-11-20T19:59:59Z"), None);
        assert_eq!(lasted("UTC", &office, "2026-11-20T20:00:00Z"), Some(0));
        assert_eq!(lasted("UTC", &office, "2026-11-21T06:59:59Z"), Some(11 * 3600 - 1));
        assert_eq!(lasted("UTC", &office, "2026-11-21T07:00:00Z"), None);
        assert_eq!(lasted("Europe/Rome", &office, "2026-11-20T19:00:00Z"), Some(0));
        assert_eq!(lasted("Asia/Kolkata", &office, "2026-11-20T14:45:00Z"), Some(15 * MINUTE));
        assert_eq!(lasted("", &office, "2026-11-20T20:00:01Z"), Some(1), "nothing said is UTC");
        assert_eq!(lasted("Mars/Olympus", &office, "2026-11-20T20:00:01Z"), Some(1));
    }

    #[test]
    fn a_weekend_continues_the_night_before_and_counts_a_day_at_most() {
        let office = night(Some((20 * 60, 7 * 60)), &[5, 6]);
        // 2026-11-20 is a Friday.
        assert_eq!(lasted("UTC", &office, "2026-11-21T07:30:00Z"), Some(11 * 3600 + 1800));
        assert_eq!(lasted("UTC", &office, "2026-11-23T06:00:00Z"), Some(24 * 3600));
        assert_eq!(lasted("UTC", &office, "2026-11-23T07:00:00Z"), None);
        let weekend = night(None, &[5, 6]);
        assert_eq!(lasted("Europe/Rome", &weekend, "2026-11-20T23:00:30Z"), Some(30));
        assert_eq!(lasted("Europe/Rome", &weekend, "2026-11-20T22:59:59Z"), None);
    }

    #[test]
    fn the_hour_that_is_skipped_in_spring_neither_hides_a_night_nor_lengthens_it() {
        // Rome, 2026-03-29: 01:59:59+01:00 is followed by 03:00:00+02:00, at 01:00 UTC.
        let late = night(Some((23 * 60, 6 * 60)), &[]);
        assert_eq!(lasted("Europe/Rome", &late, "2026-03-29T03:59:59Z"), Some(6 * 3600 - 1));
        assert_eq!(lasted("Europe/Rome", &late, "2026-03-29T04:00:00Z"), None, "six by the wall");
        let within = night(Some((150, 300)), &[]); // from 02:30, which there is not
        assert_eq!(lasted("Europe/Rome", &within, "2026-03-29T00:59:59Z"), None);
        assert_eq!(lasted("Europe/Rome", &within, "2026-03-29T01:00:00Z"), Some(0));
        assert_eq!(lasted("Europe/Rome", &within, "2026-03-29T01:10:00Z"), Some(10 * MINUTE));
        assert_eq!(lasted("Europe/Rome", &within, "2026-03-29T03:00:00Z"), None);
    }

    #[test]
    fn the_hour_that_comes_twice_in_autumn_is_night_both_times() {
        // Rome, 2026-10-25: 02:59:59+02:00 is followed by 02:00:00+01:00, at 01:00 UTC.
        let late = night(Some((23 * 60, 6 * 60)), &[]);
        assert_eq!(lasted("Europe/Rome", &late, "2026-10-25T04:59:59Z"), Some(8 * 3600 - 1));
        assert_eq!(lasted("Europe/Rome", &late, "2026-10-25T05:00:00Z"), None, "six by the wall");
        let within = night(Some((150, 300)), &[]); // from 02:30, which comes twice
        assert_eq!(lasted("Europe/Rome", &within, "2026-10-25T00:40:00Z"), Some(10 * MINUTE));
        assert_eq!(lasted("Europe/Rome", &within, "2026-10-25T01:10:00Z"), None, "02:10 again");
        assert_eq!(lasted("Europe/Rome", &within, "2026-10-25T01:31:00Z"), Some(MINUTE));
        let until = night(Some((0, 150)), &[]); // until 02:30, which comes twice
        assert_eq!(lasted("Europe/Rome", &until, "2026-10-25T00:40:00Z"), None);
        assert_eq!(lasted("Europe/Rome", &until, "2026-10-25T01:10:00Z"), Some(10 * MINUTE));
    }

    fn night(hours: Option<(u16, u16)>, days: &[u8]) -> Night {
        Night { hours, days: days.to_vec(), allowance: Allowance::default() }
    }

    fn lasted(zone: &str, night: &Night, at: &str) -> Option<u64> {
        let at: Timestamp = at.parse().unwrap();
        let at = UnixTime { micros: at.as_microsecond() };
        Zone::named(zone).night(night, at).map(|lasted| lasted.as_secs())
    }
}
