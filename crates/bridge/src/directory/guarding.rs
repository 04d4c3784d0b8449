//! The guards of a provision, by subject.

use std::collections::BTreeMap;

use model::{Budget, Guards, Screen, Standing, Subject, Suspension};

use crate::directory::{Directory, Hosted};
use crate::refusal::Guard;

/// The guards, found by whom they are about.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    budgets: BTreeMap<Subject, Budget>,
    suspensions: BTreeMap<Subject, Suspension>,
    screens: BTreeMap<Subject, Screen>,
}

impl Index {
    /// Indexes them. The approved countries of a budget are put in order.
    pub(super) fn new(guards: Guards) -> Self {
        let budgets = guards.budgets.into_iter().map(|mut budget| {
            budget.approved.sort_unstable();
            (budget.subject, budget)
        });
        Self {
            budgets: budgets.collect(),
            suspensions: guards.suspensions.into_iter().map(|row| (row.subject, row)).collect(),
            screens: guards.screens.into_iter().map(|row| (row.subject, row)).collect(),
        }
    }

    /// Gives the organization a budget, if nobody has.
    pub(super) fn give(&mut self, subject: Subject) {
        self.budgets.entry(subject).or_insert_with(|| Budget::of(subject));
    }
}

impl Directory {
    /// Returns the budget of an organization, or of an organizer who has one of their own.
    #[must_use]
    pub fn budget(&self, subject: Subject) -> Option<&Budget> {
        self.guards.budgets.get(&subject)
    }

    /// Returns which callers a subject takes, if it says so.
    #[must_use]
    pub fn screen(&self, subject: Subject) -> Option<&Screen> {
        self.guards.screens.get(&subject)
    }

    /// Returns how far a subject is out of service; `None` if it is not.
    #[must_use]
    pub fn standing(&self, subject: Subject) -> Option<Standing> {
        self.guards.suspensions.get(&subject).map(|row| row.standing)
    }

    /// Whether anybody is stopped, so that live calls must be looked at.
    #[must_use]
    pub fn stops_anybody(&self) -> bool {
        self.guards.suspensions.values().any(|row| row.standing == Standing::Stopped)
    }

    /// Returns why nobody may join the meeting now, nor be called into it.
    #[must_use]
    pub fn closed(&self, host: &Hosted) -> Option<(Guard, Standing)> {
        let organization = self.standing(Subject::Organization(host.organization.id));
        let organization = organization.map(|standing| (Guard::OrganizationSuspended, standing));
        let user = self.standing(Subject::User(host.organizer.id));
        let user = user.map(|standing| (Guard::UserSuspended, standing));
        organization.into_iter().chain(user).max_by_key(|(_, standing)| *standing)
    }
}
