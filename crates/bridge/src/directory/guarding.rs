//! The guards of a provision, by subject.

use std::collections::BTreeMap;
use std::time::Duration;

use model::record::Organization;
use model::{
    Allowance, Budget, Guards, Night, OrganizationId, Screen, Standing, Subject, Suspension,
    UnixTime,
};

use crate::directory::{Directory, Hosted};
use crate::outbound::night::Zone;
use crate::refusal::Guard;

/// One set of limits that holds just now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) allowance: &'a Allowance,
    /// The night that it is of, and for how long it has been night.
    pub(crate) night: Option<(&'a Night, Duration)>,
}

impl Bounds<'_> {
    /// How far back it counts, if not for all of a span.
    pub(crate) fn since(&self) -> Option<Duration> {
        self.night.map(|(_, since)| since)
    }
}

/// The guards, found by whom they are about.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    budgets: BTreeMap<Subject, Budget>,
    suspensions: BTreeMap<Subject, Suspension>,
    screens: BTreeMap<Subject, Screen>,
    /// Of organizations whose days are not those of UTC.
    zones: BTreeMap<OrganizationId, Zone>,
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
            zones: BTreeMap::new(),
        }
    }

    /// Gives the organization a budget, if nobody has, and keeps where its days begin.
    pub(super) fn give(&mut self, organization: &Organization) {
        let subject = Subject::Organization(organization.id);
        self.budgets.entry(subject).or_insert_with(|| Budget::of(subject));
        if !organization.time_zone.is_empty() {
            self.zones.insert(organization.id, Zone::named(&organization.time_zone));
        }
    }
}

impl Directory {
    /// Returns the budget of an organization, or of an organizer who has one of their own.
    #[must_use]
    pub fn budget(&self, subject: Subject) -> Option<&Budget> {
        self.guards.budgets.get(&subject)
    }

    /// Returns the limits that hold for a subject at that moment: those of its budget, and at night
    /// those of the night beside them.
    pub(crate) fn bounds(
        &self,
        subject: Subject,
        organization: OrganizationId,
        now: UnixTime,
    ) -> impl Iterator<Item = Bounds<'_>> {
        let budget = self.budget(subject);
        let day = budget.map(|budget| Bounds { budget, allowance: &budget.allowance, night: None });
        let night = budget.and_then(|budget| {
            let night = budget.night.as_ref()?;
            let zone = self.guards.zones.get(&organization);
            let lasted = match zone {
                Some(zone) => zone.night(night, now)?,
                None => Zone::utc().night(night, now)?,
            };
            Some(Bounds { budget, allowance: &night.allowance, night: Some((night, lasted)) })
        });
        day.into_iter().chain(night)
    }

    /// Returns who of an organization has a budget: itself, and organizers with one of their own.
    pub(crate) fn budgets_of(&self, organization: OrganizationId) -> Vec<Subject> {
        let own = |subject: &Subject| match subject {
            Subject::Organization(id) => *id == organization,
            Subject::User(id) => {
                self.user(*id).is_some_and(|user| user.organization == organization)
            }
            Subject::Number(_) | Subject::Trunk(_) => false,
        };
        self.guards.budgets.keys().copied().filter(own).collect()
    }

    /// Returns the kind and the name of a subject.
    pub(crate) fn name_of(&self, subject: Subject) -> String {
        let name = match subject {
            Subject::Organization(id) => self.organization(id).map(|row| row.name.clone()),
            Subject::User(id) => self.user(id).map(|row| row.name.clone()),
            Subject::Number(id) => self.dids.get(&id).map(model::Did::full),
            Subject::Trunk(id) => self.trunk(id).map(|row| row.name.clone()),
        };
        name.map_or_else(|| subject.to_string(), |name| format!("{} {name}", subject.kind()))
    }

    /// Returns in words why a subject is out of service, and what ends it.
    pub(crate) fn told(&self, subject: Subject) -> String {
        let name = self.name_of(subject);
        let Some(row) = self.guards.suspensions.get(&subject) else { return name };
        let standing = match row.standing {
            Standing::Suspended => "suspended",
            Standing::Stopped => "stopped",
        };
        let why = if row.reason.is_empty() { "no reason was given" } else { &row.reason };
        format!("{name} is {standing}: {why}; tollgate resume {name} ends it")
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

    /// Returns why nobody may join the meeting now, nor be called into it: the guard, whom it is
    /// about, and how far they are out of service.
    pub(crate) fn closed(&self, host: &Hosted) -> Option<(Guard, Subject, Standing)> {
        let organization = Subject::Organization(host.organization.id);
        let user = Subject::User(host.organizer.id);
        let guards = [(Guard::OrganizationSuspended, organization), (Guard::UserSuspended, user)];
        let found = guards
            .into_iter()
            .filter_map(|(guard, subject)| Some((guard, subject, self.standing(subject)?)));
        found.max_by_key(|(_, _, standing)| *standing)
    }
}
