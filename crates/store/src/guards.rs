//! Acts of a person about guards: each changes the provisioning and leaves a line for ever.

use model::{
    Budget, Country, Guards, NewCountries, OrganizationId, Standing, Subject, Suspension, UnixTime,
};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// New calls are refused from now on.
    Suspend,
    /// Live calls end too.
    Stop,
    /// Everything is as before.
    Resume,
    /// An organization's meetings may call a country; the subject must be an organization.
    Approve(Country),
    /// An organization's meetings may not call a country, whatever else is said; likewise.
    Deny(Country),
}

/// One act, and the line that it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: UnixTime,
    /// Who did it.
    pub actor: String,
    /// What.
    pub verb: Verb,
    /// To whom.
    pub subject: Subject,
    /// Why.
    pub reason: String,
}

impl Verb {
    /// Returns the verb in one word, the country after it.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Suspend => "suspend".to_owned(),
            Self::Stop => "stop".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Approve(country) => format!("approve {country}"),
            Self::Deny(country) => format!("deny {country}"),
        }
    }

    /// Reads [`Self::word`].
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "suspend" => Some(Self::Suspend),
            "stop" => Some(Self::Stop),
            "resume" => Some(Self::Resume),
            other => {
                let (verb, country) = other.split_once(' ')?;
                let country = country.parse().ok()?;
                match verb {
                    "approve" => Some(Self::Approve(country)),
                    "deny" => Some(Self::Deny(country)),
                    _ => None,
                }
            }
        }
    }
}

/// Returns the guards after an act.
pub(crate) fn after(current: &Guards, act: &Act) -> Guards {
    let mut guards = current.clone();
    let standing = match act.verb {
        Verb::Suspend => Some(Standing::Suspended),
        Verb::Stop => Some(Standing::Stopped),
        Verb::Resume => None,
        Verb::Approve(country) | Verb::Deny(country) => {
            if let Subject::Organization(organization) = act.subject {
                decide(&mut guards, organization, (country, act.verb));
            }
            return guards;
        }
    };
    let same = |row: &Suspension| {
        row.subject == act.subject && Some(row.standing) == standing && row.reason == act.reason
    };
    if guards.suspensions.iter().any(same) {
        return guards; // said once more: it holds since it was said first
    }
    guards.suspensions.retain(|row| row.subject != act.subject);
    guards.suspensions.extend(standing.map(|standing| Suspension {
        subject: act.subject,
        standing,
        reason: act.reason.clone(),
        since: act.at,
    }));
    guards.suspensions.sort_by_key(|row| row.subject);
    guards
}

/// Whoever approves countries wants the others held back; whoever denies one leaves the others as
/// they are.
fn decide(guards: &mut Guards, organization: OrganizationId, (country, verb): (Country, Verb)) {
    let subject = Subject::Organization(organization);
    let known = guards.budgets.iter().position(|row| row.subject == subject);
    let mut budget = known.map_or_else(|| Budget::of(subject), |at| guards.budgets.remove(at));
    budget.approved.retain(|other| *other != country);
    budget.denied.retain(|other| *other != country);
    if verb == Verb::Approve(country) {
        budget.new_countries = NewCountries::Held;
        budget.approved.push(country);
        budget.approved.sort_unstable();
    } else {
        budget.denied.push(country);
        budget.denied.sort_unstable();
    }
    guards.budgets.push(budget);
    guards.budgets.sort_by_key(|row| row.subject);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_read_as_it_is_written() {
        let italy = "IT".parse().unwrap();
        let of_italy = [Verb::Approve(italy), Verb::Deny(italy)];
        for verb in [Verb::Suspend, Verb::Stop, Verb::Resume].into_iter().chain(of_italy) {
            assert_eq!(Verb::read(&verb.word()), Some(verb));
        }
        assert_eq!(Verb::read("approve"), None);
    }

    #[test]
    fn the_last_word_about_a_country_counts_and_denying_holds_no_other_back() {
        let subject = Subject::Organization(OrganizationId(7));
        let latvia: Country = "LV".parse().unwrap();
        let act = |verb| Act {
            at: UnixTime { micros: 1 },
            actor: "eve".into(),
            verb,
            subject,
            reason: String::new(),
        };
        let denied = after(&Guards::default(), &act(Verb::Deny(latvia)));
        let budget = &denied.budgets[0];
        assert_eq!(
            (budget.denied.as_slice(), budget.new_countries),
            (&[latvia][..], NewCountries::Open)
        );
        let approved = after(&denied, &act(Verb::Approve(latvia)));
        let budget = &approved.budgets[0];
        assert_eq!((budget.approved.as_slice(), budget.denied.len()), (&[latvia][..], 0));
        assert_eq!(after(&approved, &act(Verb::Approve(latvia))), approved, "twice is once");
        let denied = after(&approved, &act(Verb::Deny(latvia)));
        assert_eq!((denied.budgets[0].approved.len(), denied.budgets[0].denied.len()), (0, 1));
    }

    #[test]
    fn the_last_act_about_somebody_is_how_they_stand() {
        let subject = Subject::Organization(OrganizationId(7));
        let act = |verb| Act {
            at: UnixTime { micros: 1 },
            actor: "eve".into(),
            verb,
            subject,
            reason: "fraud".into(),
        };
        let suspended = after(&Guards::default(), &act(Verb::Suspend));
        let stopped = after(&suspended, &act(Verb::Stop));
        assert_eq!(stopped.suspensions.len(), 1);
        assert_eq!(stopped.suspensions[0].standing, Standing::Stopped);
        assert_eq!(after(&stopped, &act(Verb::Resume)), Guards::default());
    }
}
