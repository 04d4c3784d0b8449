//! Which trunk a call of ours leaves by, and when the next one is tried. Pure.
//!
//! A trunk takes a call if one of its prefixes begins the number. Those whose prefix is the longest
//! come first, then by the priority of their group, then by what a minute costs us, then by their
//! weights and chance. Trunks that cannot carry the call now are skipped, each with a reason.

pub mod format;
mod health;
mod skip;
mod statistics;

pub use health::{Health, REST_MAX};
pub use skip::{NoRoute, Skip, Skipped};
pub use statistics::{Attempt, Direction, Figures, Outcome, SHORT};
pub(crate) use statistics::{ONE_WAY, Statistics};

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::outbound::Routing;
use model::record::Trunk;
use model::{Did, E164, Instant, Money, OrganizationId, Outbound, Subject};
use rand_chacha::rand_core::Rng;

use crate::directory::Directory;

/// How long a trunk may stay without any answer before the next one is tried.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// A call that is to leave.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Whom it is for.
    pub called: E164,
    /// Whose call it is.
    pub organization: OrganizationId,
    /// Whether the called party is not to see who calls.
    pub withheld: bool,
}

/// One way out.
#[derive(Clone, PartialEq, Eq)]
pub struct Route {
    /// By which trunk; it has an [`Outbound`].
    pub trunk: Arc<Trunk>,
    /// The called number in the trunk's own format.
    pub called: String,
    /// The calling number in the trunk's own format; authorized there.
    pub caller: String,
    /// The calling number as it is recorded.
    pub shown: Did,
    /// Whether the caller is withheld.
    pub withheld: bool,
}

/// The called party's number is left out, the caller's is masked.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = &mut f.debug_struct("Route");
        named.field("trunk", &self.trunk.name).field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// Every way out, in the order in which they are tried, and who was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// At least one.
    pub routes: Vec<Route>,
    /// By the name of the trunk.
    pub skipped: Vec<Skipped>,
}

/// Why this way, for `explain`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, route) in self.routes.iter().enumerate() {
            let before = if at == 0 { "route: " } else { ", then " };
            write!(f, "{before}{}", route.trunk.name)?;
        }
        skip::tell(&self.skipped, f)
    }
}

/// Finds the trunks that may carry a call now, best first.
///
/// # Errors
/// [`NoRoute`], with a reason for every trunk that calls may leave by.
pub fn plan(
    directory: &Directory,
    health: &Health,
    wanted: &Wanted,
    now: Instant,
    chance: &mut impl Rng,
) -> Result<Plan, NoRoute> {
    let callers = directory.callers(wanted.organization);
    let mut found = Vec::new();
    let mut skipped = Vec::new();
    for (trunk, outbound) in directory.ways_out() {
        let suspended = directory.standing(Subject::Trunk(trunk.id)).is_some();
        let carried = rank(&outbound.routing, wanted).and_then(|rank| {
            if suspended {
                return Err(Skip::Suspended);
            }
            health.carries(trunk, outbound, now)?;
            Ok((rank, route(trunk, outbound, wanted, &callers)?))
        });
        match carried {
            Ok(way) => found.push(way),
            Err(why) => skipped.push(Skipped { trunk: trunk.name.clone(), why }),
        }
    }
    skipped.sort_by(|one, other| one.trunk.cmp(&other.trunk));
    if found.is_empty() {
        return Err(NoRoute { skipped });
    }
    Ok(Plan { routes: in_order(found, chance), skipped })
}

/// Whether the next trunk is tried after a failure of this one.
///
/// Never once the trunk has said more than 100: somebody may hear it ring. Always if nothing came
/// from it at all. Else as its lists say, of SIP answers and of Q.850 causes.
#[must_use]
pub fn moves_on(failure: &sip::endpoint::Failure, trunk: &Trunk) -> bool {
    let Some(outbound) = &trunk.outbound else { return false };
    let lists = &outbound.routing.failover;
    let listed = lists.statuses.contains(&failure.status);
    if failure.progressed {
        return false;
    }
    if !failure.answered {
        return true;
    }
    if lists.never.contains(&failure.status) || (failure.status >= 600 && !listed) {
        return false;
    }
    listed || failure.q850.is_some_and(|cause| lists.causes.contains(&cause))
}

/// What ways out are compared by, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    prefix: Reverse<usize>,
    priority: u16,
    /// A known cost comes before an unknown one.
    cost: (bool, Money),
}

fn rank(routing: &Routing, wanted: &Wanted) -> Result<Rank, Skip> {
    let digits = wanted.called.digits();
    let longest = |all: &[String]| {
        let matching = all.iter().filter(|prefix| digits.starts_with(prefix.as_str()));
        matching.map(String::len).max()
    };
    let taken = longest(&routing.prefixes).or(routing.prefixes.is_empty().then_some(0));
    let taken = taken.ok_or(Skip::Destination)?;
    if longest(&routing.barred).is_some_and(|barred| barred >= taken) {
        return Err(Skip::Destination);
    }
    let whose = &routing.organizations;
    if !whose.is_empty() && !whose.contains(&wanted.organization) {
        return Err(Skip::Organization);
    }
    let cost = (0..=digits.len()).rev().find_map(|end| routing.costs.get(digits.get(..end)?));
    Ok(Rank {
        prefix: Reverse(taken),
        priority: routing.priority,
        cost: (cost.is_none(), cost.copied().unwrap_or(Money::ZERO)),
    })
}

/// Writes a call the way the trunk wants it, as the first of the callers that it may show.
fn route(
    trunk: &Arc<Trunk>,
    outbound: &Outbound,
    wanted: &Wanted,
    callers: &[Did],
) -> Result<Route, Skip> {
    let routing = &outbound.routing;
    let allowed = |caller: &&Did| routing.callers.iter().any(|range| range.holds(caller));
    let shown = callers.iter().find(allowed).ok_or(Skip::Caller)?;
    Ok(Route {
        called: format::called(&wanted.called, routing, &trunk.plan).ok_or(Skip::Format)?,
        caller: format::caller(shown, routing, &trunk.plan).ok_or(Skip::Format)?,
        shown: shown.clone(),
        withheld: wanted.withheld,
        trunk: Arc::clone(trunk),
    })
}

/// Sorts by rank; among equals the draw goes by weight, again for each place.
fn in_order(mut found: Vec<(Rank, Route)>, chance: &mut impl Rng) -> Vec<Route> {
    found.sort_by_key(|(rank, _)| *rank);
    let mut routes = Vec::with_capacity(found.len());
    for equals in found.chunk_by(|(one, _), (other, _)| one == other) {
        let mut left: Vec<&Route> = equals.iter().map(|(_, route)| route).collect();
        while left.len() > 1 {
            let drawn = draw(&left, chance);
            routes.push(left.remove(drawn).clone());
        }
        routes.extend(left.into_iter().cloned());
    }
    routes
}

fn draw(routes: &[&Route], chance: &mut impl Rng) -> usize {
    let weight = |route: &Route| {
        let outbound = route.trunk.outbound.as_ref();
        outbound.map_or(1, |outbound| u64::from(outbound.routing.weight.max(1)))
    };
    let total: u64 = routes.iter().map(|route| weight(route)).sum();
    // The bias of the remainder is below 2⁻³² for any weights.
    let mut ticket = chance.next_u64() % total;
    for (at, route) in routes.iter().enumerate() {
        match ticket.checked_sub(weight(route)) {
            Some(rest) => ticket = rest,
            None => return at,
        }
    }
    0
}

#[cfg(test)]
mod tests;
