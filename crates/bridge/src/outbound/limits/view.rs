//! What of each budget is used and what is left, for the operator.

use model::{Country, Currency, Money, Now, OrganizationId, Subject};

use crate::directory::Directory;
use crate::directory::guarding::Bounds;
use crate::outbound::limits::{Budgets, Key, Limit};

/// Most budgets that are shown at once.
const SHOWN: usize = 1_000;

/// One budget as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetView {
    /// An organization, or an organizer who has a budget of their own.
    pub subject: Subject,
    /// Its kind and its name.
    pub name: String,
    /// The organization's name.
    pub organization: String,
    /// What money is in.
    pub currency: Currency,
    /// Its limits: those of the day, then, at night, those of the night.
    pub limits: Vec<LimitView>,
}

/// One limit of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitView {
    /// Its key in `[[budget]]`.
    pub key: &'static str,
    /// When it is night, if it is a limit of the night.
    pub night: Option<String>,
    /// Which country it is for, if it is for one; only those that were called lately are told.
    pub country: Option<Country>,
    /// How far it is used.
    pub used: Used,
}

/// How far a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// Calls.
    Calls {
        /// As many as may.
        most: u32,
        /// As many as do.
        used: u32,
    },
    /// Money.
    Money {
        /// As much as may.
        most: Money,
        /// What calls have used.
        spent: Money,
        /// What live calls hold, or are asking for, beyond that.
        held: Money,
        /// What is left.
        left: Money,
    },
}

impl Budgets {
    /// Returns the budgets of one organization and of its organizers, or of everybody who has called
    /// out lately, in order.
    pub(crate) fn views(
        &self,
        directory: &Directory,
        organization: Option<OrganizationId>,
        now: Now,
    ) -> Vec<BudgetView> {
        let used = self.uses.keys().filter_map(|key| match key {
            Key::All(subject) => Some(*subject),
            Key::To(..) => None,
        });
        let subjects: Vec<Subject> = match organization {
            None => used.collect(),
            Some(of) => directory.budgets_of(of),
        };
        let shown = subjects.into_iter().filter_map(|subject| self.shown(subject, directory, now));
        shown.take(SHOWN).collect()
    }

    fn shown(&self, subject: Subject, directory: &Directory, now: Now) -> Option<BudgetView> {
        let organization = match subject {
            Subject::Organization(id) => id,
            Subject::User(id) => directory.user(id)?.organization,
            Subject::Number(_) | Subject::Trunk(_) => return None,
        };
        directory.budget(subject)?;
        let bounds = directory.bounds(subject, organization, now.unix);
        let limits = bounds.flat_map(|bounds| self.limits_shown(subject, &bounds, now)).collect();
        let of = directory.organization(organization)?;
        Some(BudgetView {
            subject,
            name: directory.name_of(subject),
            organization: of.name.clone(),
            currency: of.currency,
            limits,
        })
    }

    fn limits_shown(&self, subject: Subject, bounds: &Bounds<'_>, now: Now) -> Vec<LimitView> {
        let used = self.uses.get(&Key::All(subject));
        let night = bounds.night.map(|(night, _)| night.to_string());
        let since = bounds.since();
        let begun = used.map_or(0, |used| used.begun.sum(now.mono, since));
        let calls = |key, most, used| LimitView {
            key,
            night: night.clone(),
            country: None,
            used: Used::Calls { most, used },
        };
        let mut shown = vec![
            calls("concurrent", bounds.allowance.concurrent, used.map_or(0, |used| used.live)),
            calls("per_minute", bounds.allowance.per_minute, u32::try_from(begun).unwrap_or(0)),
        ];
        let [hour, day, _] = self.limits(subject, None, bounds, now.mono);
        let held = used.map_or(0, |used| used.held);
        for limit in [hour, day] {
            shown.push(LimitView {
                key: limit.key.0,
                night: night.clone(),
                country: None,
                used: limit.used(held),
            });
        }
        for (key, used) in self.uses.range(Key::To(subject, None)..) {
            let Key::To(of, country) = key else { break };
            if *of != subject {
                break;
            }
            let [_, _, limit] = self.limits(subject, *country, bounds, now.mono);
            if limit.taken > 0 {
                shown.push(LimitView {
                    key: limit.key.0,
                    night: night.clone(),
                    country: *country,
                    used: limit.used(used.held),
                });
            }
        }
        shown
    }
}

impl Limit {
    fn used(&self, held: i64) -> Used {
        Used::Money {
            most: self.most,
            spent: Money::from_micros(self.taken.saturating_sub(held)),
            held: Money::from_micros(held),
            left: Money::from_micros(self.most.micros().saturating_sub(self.taken).max(0)),
        }
    }
}
