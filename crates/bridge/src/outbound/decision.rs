//! Whether a number is called: licence, then policy, then limits against fraud, then the route. The
//! credit comes last, and is the book's to say. Pure but for the draw among equal trunks.

use std::collections::VecDeque;

use credits::Class;
use model::policy::Decision;
use model::{E164, Now, Subject, dialled, numbering};
use rand_chacha::ChaCha8Rng;

use crate::admission;
use crate::directory::{Directory, Hosted, Price};
use crate::outbound::limits::{Budgets, Charged};
use crate::outbound::{By, Denied, Options};
use crate::policy::{self, Caller};
use crate::refusal::{Guard, Refusal};
use crate::routing::{self, Health, Route, Wanted};

/// What decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) health: &'a Health,
    pub(crate) budgets: &'a Budgets,
    pub(crate) host: &'a Hosted,
    pub(crate) by: By,
    pub(crate) options: Options,
    /// Whether the meeting has a place left.
    pub(crate) has_place: bool,
    /// How long a first slice is to last.
    pub(crate) slice_secs: u32,
    pub(crate) now: Now,
}

/// What the decision leaves behind, whatever it is.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The number, once it is read.
    pub(crate) called: Option<E164>,
    /// What was decided about it.
    pub(crate) decision: Option<Decision>,
    /// Every step, in words.
    pub(crate) reasons: Vec<String>,
}

/// A call that may be placed if the book holds its first slice.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) called: E164,
    /// At least one.
    pub(crate) routes: VecDeque<Route>,
    /// Whose budgets it is on.
    pub(crate) charged: Charged,
    pub(crate) price: Price,
    pub(crate) class: Class,
    /// How long its first slice may last.
    pub(crate) first_secs: u32,
}

/// Decides about one number as it was typed. `is_called` tells whether the meeting calls it already.
pub(crate) fn decide(
    facts: &Facts<'_>,
    typed: &str,
    is_called: impl Fn(&E164) -> bool,
    chance: &mut ChaCha8Rng,
) -> (Trail, Result<Granted, Denied>) {
    let mut trail = Trail::default();
    let decided = steps(facts, (typed, is_called), chance, &mut trail);
    if let Err(denied) = &decided {
        trail.reasons.push(format!("refused: {}: {}", denied.refusal.label(), denied.message));
    }
    (trail, decided)
}

fn steps(
    facts: &Facts<'_>,
    (typed, is_called): (&str, impl Fn(&E164) -> bool),
    chance: &mut ChaCha8Rng,
    trail: &mut Trail,
) -> Result<Granted, Denied> {
    let host = facts.host;
    trail.reasons.push(asked(facts)?);
    let rule = licence(facts)?;
    trail.reasons.push(format!("allowed: {rule}; organizer {}", host.organizer.name));
    let called = policy(facts, typed, trail)?;
    if is_called(&called) {
        return Err(Refusal::AlreadyCalled.into());
    }
    if !facts.has_place {
        return Err(Refusal::MeetingFull.into());
    }
    let price = facts.directory.dial_out_price(&host.organization, &called);
    let charged = Charged::new(host, numbering::place(&called).country);
    let want = (price.as_ref().map(|price| &price.rate), facts.slice_secs);
    let first_secs = facts.budgets.within(&charged, facts.directory, want, facts.now)?;
    let organization = host.organization.id;
    let wanted = Wanted { called, organization, withheld: facts.options.withheld };
    let plan = routing::plan(facts.directory, facts.health, &wanted, facts.now.mono, chance);
    let plan = plan.map_err(|none| Denied::new(Refusal::NoRoute, none.to_string()))?;
    trail.reasons.push(plan.to_string());
    let price = price.ok_or(Refusal::NoTariff)?;
    trail.reasons.push(price.to_string());
    let routes = plan.routes.into();
    Ok(Granted { called, routes, charged, price, class: class(facts), first_secs })
}

/// Who asks for the call, if they may.
fn asked(facts: &Facts<'_>) -> Result<String, Denied> {
    let by = match facts.by {
        By::Operator => "the operator".to_owned(),
        By::Meeting => "the meeting's own list".to_owned(),
        By::User(user) => {
            let user = facts.directory.user(user);
            let own = user.filter(|user| user.organization == facts.host.organization.id);
            let user = own.ok_or(Refusal::UnknownUser)?;
            let this = Subject::User(user.id);
            if facts.directory.standing(this).is_some() {
                let refusal = Refusal::Guard(Guard::UserSuspended);
                return Err(Denied::new(refusal, facts.directory.told(this)));
            }
            user.name.clone()
        }
    };
    Ok(format!("a call into meeting {}, asked for by {by}", facts.host.meeting.name))
}

fn licence(facts: &Facts<'_>) -> Result<&'static str, Denied> {
    if let Some((guard, subject, _)) = facts.directory.closed(facts.host) {
        return Err(Denied::new(Refusal::Guard(guard), facts.directory.told(subject)));
    }
    if !facts.host.dial_out().enabled {
        return Err(Refusal::DialOutDisabled.into());
    }
    let payg_needs_credits = facts.host.organization.payg_needs_credits_licence;
    let admitted = admission::dial_out(&facts.host.organizer.licences, payg_needs_credits)?;
    Ok(admitted.rule)
}

/// Reads the number by the organizer's country and asks the policy (domain.md §3).
fn policy(facts: &Facts<'_>, typed: &str, trail: &mut Trail) -> Result<E164, Denied> {
    let (decision, decided) = allowed(facts.directory, facts.host, typed);
    trail.decision = Some(decision);
    let (called, rule) = match decided {
        Ok(allowed) => allowed,
        Err((called, denied)) => {
            trail.called = called;
            return Err(denied);
        }
    };
    trail.called = Some(called);
    trail.reasons.push(format!("allowed: {rule}"));
    Ok(called)
}

/// A number with the rule that allows it; else the named no, with the number if it could be read.
pub(crate) type Ruled = Result<(E164, String), (Option<E164>, Denied)>;

/// Reads a number by the organizer's country and asks the policy.
pub(crate) fn allowed(directory: &Directory, host: &Hosted, typed: &str) -> (Decision, Ruled) {
    let terms = directory.outbound_terms(&host.organizer, &host.organization);
    let called = match dialled::read(typed, terms.country) {
        Ok(called) => called,
        Err(misdial) => {
            let denied = Denied::new(Refusal::from(misdial), misdial.to_string());
            return (policy::unread(misdial, &terms), Err((None, denied)));
        }
    };
    let verdict = policy::decide(&called, directory.is_ours(&called), Caller::Meeting, &terms);
    let decision = verdict.decision();
    match verdict.refused {
        None => (decision, Ok((called, verdict.rule))),
        Some(refusal) => (decision, Err((Some(called), Denied::new(refusal, verdict.rule)))),
    }
}

/// The organizer's own leg is the last to be cut.
fn class(facts: &Facts<'_>) -> Class {
    let by_organizer = match facts.by {
        By::Operator | By::Meeting => true,
        By::User(user) => user == facts.host.organizer.id,
    };
    if facts.options.call_me && by_organizer { Class::Organizer } else { Class::DialOut }
}
