//! `[[budget]]` and `[[screen]]`: what calling out may cost, and which callers are taken.

use std::collections::BTreeSet;

use jiff::tz::TimeZoneDatabase;
use model::{
    Allowance, Budget, Did, Guards, Money, NewCountries, Night, NumberId, Screen, Subject,
};
use toml::Spanned;

use super::check::Reading;
use super::shape::{self, File, Text};

/// Longest call that a budget may allow, minutes: a day.
const MINUTES_MAX: u32 = 1440;

impl Reading<'_> {
    /// Reads the guards.
    pub(super) fn guards(&mut self, file: &File) -> Guards {
        let mut seen = BTreeSet::new();
        let budgets = file.budgets.iter().filter_map(|shape| self.budget(shape, &mut seen));
        let mut budgets: Vec<Budget> = budgets.collect();
        budgets.sort_by_key(|row| row.subject);
        let mut seen = BTreeSet::new();
        let screens = file.screens.iter().filter_map(|shape| self.screen(shape, &mut seen));
        let mut screens: Vec<Screen> = screens.collect();
        screens.sort_by_key(|row| row.subject);
        Guards { budgets, suspensions: Vec::new(), screens }
    }

    fn budget(&mut self, shape: &shape::Budget, seen: &mut BTreeSet<Subject>) -> Option<Budget> {
        let subject = match (&shape.organization, &shape.user) {
            (Some(at), None) => {
                let id = self.organization_named("budget.organization", at)?;
                self.once("budget.organization", at, Subject::Organization(id), seen)
            }
            (None, Some(at)) => {
                let id = self.organizer_named("budget.user", at)?;
                self.once("budget.user", at, Subject::User(id), seen)
            }
            (Some(at), Some(_)) => self.either("budget.organization", at, "user"),
            (None, None) => self.nobody("budget", "user"),
        };
        let allowance = self.allowance(shape);
        let night = match (&shape.night, &allowance) {
            (Some(at), Some(day)) => self.night(at, day).map(Some),
            (Some(_), None) => None,
            (None, _) => Some(None),
        };
        let countries = shape.countries.iter();
        let countries: BTreeSet<_> =
            countries.filter_map(|at| self.home("budget.countries", Some(at)).flatten()).collect();
        let (subject, allowance, night) = (subject?, allowance?, night?);
        let stored = self.stored.guards.budgets.iter().find(|row| row.subject == subject);
        // What people decided about countries while the node ran survives the file.
        let denied = stored.map_or_else(Vec::new, |row| row.denied.clone());
        let decided = stored.into_iter().flat_map(|row| row.approved.iter().copied());
        let approved: BTreeSet<_> = countries.into_iter().chain(decided).collect();
        Some(Budget {
            subject,
            allowance,
            new_countries: match shape.hold_new_countries {
                true => NewCountries::Held,
                false => NewCountries::Open,
            },
            approved: approved.into_iter().filter(|country| !denied.contains(country)).collect(),
            denied,
            night,
        })
    }

    fn allowance(&mut self, shape: &shape::Budget) -> Option<Allowance> {
        let usual = Allowance::default();
        let spend_hour = shape.spend_hour.as_ref();
        let spend_hour = self.spending("budget.spend_hour", spend_hour, usual.spend_hour);
        let spend_day =
            self.spending("budget.spend_day", shape.spend_day.as_ref(), usual.spend_day);
        let country_day =
            self.spending("budget.country_day", shape.country_day.as_ref(), usual.country_day);
        let longest = shape.max_minutes.as_ref();
        let max_secs = self.longest("budget.max_minutes", longest, usual.max_secs);
        Some(Allowance {
            concurrent: shape.concurrent.unwrap_or(usual.concurrent),
            per_minute: shape.per_minute.unwrap_or(usual.per_minute),
            spend_hour: spend_hour?,
            spend_day: spend_day?,
            country_day: country_day?,
            max_secs: max_secs?,
        })
    }

    /// Reads a night: none of its limits may be above the day's.
    fn night(&mut self, at: &Spanned<shape::Night>, day: &Allowance) -> Option<Night> {
        let shape = at.get_ref();
        let hours = match &shape.hours {
            Some(at) => self.hours(at).map(Some),
            None => Some(None),
        };
        let days: BTreeSet<u8> = shape.days.iter().filter_map(|at| self.day(at)).collect();
        if shape.hours.is_none() && shape.days.is_empty() {
            let message = "it says no time; write hours = \"20:00-07:00\", or days = [\"sat\", \
                           \"sun\"], or both";
            self.problem("budget.night", at, message.to_owned());
        }
        let concurrent = self.fewer("concurrent", shape.concurrent.as_ref(), day.concurrent);
        let per_minute = self.fewer("per_minute", shape.per_minute.as_ref(), day.per_minute);
        let spend_hour = self.less("spend_hour", shape.spend_hour.as_ref(), day.spend_hour);
        let spend_day = self.less("spend_day", shape.spend_day.as_ref(), day.spend_day);
        let country_day = self.less("country_day", shape.country_day.as_ref(), day.country_day);
        let longest = shape.max_minutes.as_ref();
        let max_minutes = self.fewer("max_minutes", longest, day.max_secs / 60);
        let read = self.longest("budget.night.max_minutes", longest, day.max_secs);
        let allowance = Allowance {
            concurrent: concurrent?,
            per_minute: per_minute?,
            spend_hour: spend_hour?,
            spend_day: spend_day?,
            country_day: country_day?,
            max_secs: max_minutes.and(read)?,
        };
        if allowance == *day {
            let message = "no limit of it is lower than the day's; write at least one, like \
                           concurrent = 2, or leave the night out";
            self.problem("budget.night", at, message.to_owned());
        }
        Some(Night { hours: hours?, days: days.into_iter().collect(), allowance })
    }

    fn fewer(&mut self, key: &str, at: Option<&Spanned<u32>>, day: u32) -> Option<u32> {
        let Some(at) = at else { return Some(day) };
        let night = *at.get_ref();
        if night > day {
            let message = format!("{night} is above the day's {day}; a night's limits are lower");
            self.problem(&format!("budget.night.{key}"), at, message);
        }
        (night <= day).then_some(night)
    }

    fn less(&mut self, key: &str, at: Option<&Text>, day: Money) -> Option<Money> {
        let named = format!("budget.night.{key}");
        let night = self.spending(&named, at, day)?;
        if let Some(at) = at.filter(|_| night > day) {
            let message = format!("{night} is above the day's {day}; a night's limits are lower");
            self.problem(&named, at, message);
        }
        (night <= day).then_some(night)
    }

    /// Reads `20:00-07:00`.
    fn hours(&mut self, at: &Text) -> Option<(u16, u16)> {
        let text = at.get_ref();
        let read = text.split_once('-').and_then(|(from, until)| {
            Some((minute(from.trim())?, minute(until.trim())?))
                .filter(|(from, until)| from != until)
        });
        if read.is_none() {
            let message = format!(
                "{text:?} is no time of the day; write it like \"20:00-07:00\", from and until not \
                 the same; whole days go into days"
            );
            self.problem("budget.night.hours", at, message);
        }
        read
    }

    fn day(&mut self, at: &Text) -> Option<u8> {
        let known = Night::DAYS.iter().position(|day| *day == at.get_ref().as_str());
        if known.is_none() {
            let message = format!(
                "{:?} is no day; write one of {}",
                at.get_ref(),
                Night::DAYS.map(|day| format!("{day:?}")).join(", ")
            );
            self.problem("budget.night.days", at, message);
        }
        known.and_then(|day| u8::try_from(day).ok())
    }

    /// Reads the name of a time zone.
    pub(super) fn time_zone(&mut self, at: Option<&Text>) -> Option<String> {
        let Some(at) = at else { return Some(String::new()) };
        let known = TimeZoneDatabase::bundled().get(at.get_ref()).ok();
        if known.is_none() {
            let message = format!(
                "{:?} is no time zone; write its name in the IANA database, like \"Europe/Rome\"",
                at.get_ref()
            );
            self.problem("organization.time_zone", at, message);
        }
        known.and_then(|zone| zone.iana_name().map(str::to_owned))
    }

    fn screen(&mut self, shape: &shape::Screen, seen: &mut BTreeSet<Subject>) -> Option<Screen> {
        let subject = match (&shape.organization, &shape.number) {
            (Some(at), None) => {
                let id = self.organization_named("screen.organization", at)?;
                self.once("screen.organization", at, Subject::Organization(id), seen)
            }
            (None, Some(at)) => {
                let id = self.number_named(at)?;
                self.once("screen.number", at, Subject::Number(id), seen)
            }
            (Some(at), Some(_)) => self.either("screen.organization", at, "number"),
            (None, None) => self.nobody("screen", "number"),
        };
        let denied = self.destinations("screen.deny_callers", &shape.deny_callers, false);
        let allowed = self.destinations("screen.allow_callers", &shape.allow_callers, true);
        let callers: BTreeSet<_> = denied.into_iter().chain(allowed).collect();
        let lines = shape.deny_lines.iter().filter_map(|at| self.line_class(at));
        let lines_refused: BTreeSet<String> = lines.collect();
        Some(Screen {
            subject: subject?,
            callers: callers.into_iter().collect(),
            anonymous_refused: !shape.anonymous,
            lines_refused: lines_refused.into_iter().collect(),
        })
    }

    fn once(
        &mut self,
        key: &str,
        at: &Text,
        subject: Subject,
        seen: &mut BTreeSet<Subject>,
    ) -> Option<Subject> {
        if !seen.insert(subject) {
            self.problem(key, at, format!("a second one of {:?}; write one", at.get_ref()));
            return None;
        }
        Some(subject)
    }

    fn either(&mut self, key: &str, at: &Text, other: &str) -> Option<Subject> {
        self.problem(key, at, format!("{other} is there too; name one of the two"));
        None
    }

    fn nobody(&mut self, key: &str, other: &str) -> Option<Subject> {
        let message = format!("a [[{key}]] names an organization or a {other}");
        self.whole(key, message);
        None
    }

    fn number_named(&mut self, at: &Text) -> Option<NumberId> {
        let did = at.get_ref().parse::<Did>().ok().map(|did| did.full());
        if did.is_none() {
            let message = format!("{:?} is not a number; write it as in [[number]]", at.get_ref());
            self.problem("screen.number", at, message);
        }
        did.map(|did| NumberId::from_name(&did))
    }

    fn spending(&mut self, key: &str, at: Option<&Text>, usual: Money) -> Option<Money> {
        match at {
            Some(_) => self.amount(key, at),
            None => Some(usual),
        }
    }

    /// Reads minutes into seconds.
    fn longest(&mut self, key: &str, at: Option<&Spanned<u32>>, usual: u32) -> Option<u32> {
        let Some(at) = at else { return Some(usual) };
        let minutes = *at.get_ref();
        if (1..=MINUTES_MAX).contains(&minutes) {
            return Some(minutes * 60);
        }
        let message = format!("{minutes} is out of range; allowed are 1 to {MINUTES_MAX} minutes");
        self.problem(key, at, message);
        None
    }

    fn line_class(&mut self, at: &Text) -> Option<String> {
        let text = at.get_ref();
        let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !good {
            let message = format!("{text:?} is no class; write an isup-oli value or a cpc word");
            self.problem("screen.deny_lines", at, message);
        }
        good.then(|| text.clone())
    }
}

/// Reads `07:30` as minutes of a day.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse::<u16>().ok() } else { None }
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
