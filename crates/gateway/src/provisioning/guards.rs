//! `[[budget]]` and `[[screen]]`: what calling out may cost, and which callers are taken.

use std::collections::BTreeSet;

use model::{Allowance, Budget, Did, Guards, Money, NewCountries, NumberId, Screen, Subject};

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
        let usual = Allowance::default();
        let spend_hour =
            self.spending("budget.spend_hour", shape.spend_hour.as_ref(), usual.spend_hour);
        let spend_day =
            self.spending("budget.spend_day", shape.spend_day.as_ref(), usual.spend_day);
        let country_day =
            self.spending("budget.country_day", shape.country_day.as_ref(), usual.country_day);
        let max_secs = self.longest(shape, usual.max_secs);
        let countries = shape.countries.iter();
        let countries: BTreeSet<_> =
            countries.filter_map(|at| self.home("budget.countries", Some(at)).flatten()).collect();
        Some(Budget {
            subject: subject?,
            allowance: Allowance {
                concurrent: shape.concurrent.unwrap_or(usual.concurrent),
                per_minute: shape.per_minute.unwrap_or(usual.per_minute),
                spend_hour: spend_hour?,
                spend_day: spend_day?,
                country_day: country_day?,
                max_secs: max_secs?,
            },
            new_countries: match shape.hold_new_countries {
                true => NewCountries::Held,
                false => NewCountries::Open,
            },
            approved: countries.into_iter().collect(),
        })
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

    fn longest(&mut self, shape: &shape::Budget, usual: u32) -> Option<u32> {
        let Some(at) = &shape.max_minutes else { return Some(usual) };
        let minutes = *at.get_ref();
        if (1..=MINUTES_MAX).contains(&minutes) {
            return Some(minutes * 60);
        }
        let message = format!("{minutes} is out of range; allowed are 1 to {MINUTES_MAX} minutes");
        self.problem("budget.max_minutes", at, message);
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
