//! What must hold of a budget of calls out at every moment, over crashes and restarts: as the book sees
//! it, which knows nothing of budgets.

use credits::HoldState;
use model::UnixTime;
use model::record::Cdr;

use crate::scene;
use crate::world::World;

/// The minute of attempts, µs.
const MINUTE: i64 = 60_000_000;

/// Checks that no more was spent, held, begun or alive than the budget allows. A story is shorter
/// than an hour: everything in it counts.
///
/// # Errors
/// What was too much.
pub(super) fn within(world: &World) -> Result<(), String> {
    let Some(allowed) = scene::allowance(&world.plan) else { return Ok(()) };
    let live = world.called_out();
    if live > usize::try_from(allowed.concurrent).unwrap_or(usize::MAX) {
        return Err(format!("{live} calls out live, the budget is {}", allowed.concurrent));
    }
    // Over a restart the calendar alone tells how long ago a call was: where it jumped, it is wrong.
    if world.jumped() && !world.crashed.is_empty() {
        return Ok(());
    }
    let book = &world.keeper.book;
    let over = book.cdrs(usize::MAX);
    let open = book.open_legs();
    let mut spent: i64 = over.iter().filter(|cdr| is_out(cdr)).map(|cdr| cdr.charge.micros()).sum();
    for leg in open.iter().filter(|leg| is_out(&leg.cdr)) {
        let holds = book.case(&leg.call.to_string()).map(|case| case.holds).unwrap_or_default();
        let held = holds.iter().filter(|hold| hold.state == HoldState::Open);
        spent += leg.captured.micros() + held.map(|hold| hold.amount.micros()).sum::<i64>();
    }
    let most = allowed.spend_hour.micros();
    if spent > most {
        return Err(format!("{spent} is spent or held for calls out, the budget is {most}"));
    }
    if world.jumped() {
        return Ok(());
    }
    let all = over.iter().chain(open.iter().map(|leg| &*leg.cdr));
    let begun = all.filter(|cdr| is_out(cdr)).map(|cdr| cdr.invited).collect();
    let most = usize::try_from(allowed.per_minute).unwrap_or(usize::MAX);
    let begun = densest(begun);
    if begun > most {
        return Err(format!("{begun} calls out began in a minute, the budget is {most}"));
    }
    Ok(())
}

/// Whether it is of a call that the organization's meetings placed and that was let out.
fn is_out(cdr: &Cdr) -> bool {
    let allowed = cdr.decision.as_ref().is_some_and(|decision| decision.allowed);
    allowed && !cdr.trunk.is_empty() && cdr.organization == Some(scene::acme())
}

/// The most moments within less than a minute.
fn densest(mut moments: Vec<UnixTime>) -> usize {
    moments.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (last, at) in moments.iter().enumerate() {
        while moments.get(first).is_some_and(|begin| at.micros - begin.micros >= MINUTE) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_densest_minute_is_found() {
        let at = |secs: i64| UnixTime { micros: secs * 1_000_000 };
        assert_eq!(densest(vec![at(0), at(61), at(62), at(120), at(121), at(200)]), 3);
        assert_eq!(densest(vec![at(60), at(0)]), 1);
        assert_eq!(densest(Vec::new()), 0);
    }
}
