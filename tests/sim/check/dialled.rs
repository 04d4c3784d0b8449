//! What must hold of calls out when everybody is gone: every order is answered once, every callee who
//! answered is ended, and their time is paid for.

use std::collections::BTreeMap;

use credits::HoldState;
use model::record::Cdr;
use model::{CallId, Money};

use super::{CRASH, DEAD, SLACK};
use crate::callee::{Leg, Over};
use crate::world::{Tally, World};

/// Longest time from an answer that nobody wants to its BYE, µs (RFC 3261 §17: 32 s of repeats).
const UNWANTED: u64 = 35_000_000;
/// From a restart to the last BYE of an orphan, µs.
const FAREWELL: u64 = 40_000_000;
/// Before a crash, how long an answer may be unknown to a book that is well, µs.
const UNKNOWN: u64 = 3_000_000;

/// Counts what happened at the trunks.
pub(super) fn tally(world: &World, cdrs: &[Cdr], tally: &mut Tally) {
    let mut count = |what: &str| *tally.entry(what.to_owned()).or_default() += 1;
    for leg in world.calls.carriers.iter().flat_map(|carrier| &carrier.legs) {
        match leg.over {
            Some(_) if !is_wanted(world, leg) => count("trunk: unwanted answer ended"),
            Some((_, Over::Ended)) => count("trunk: ended by us"),
            Some((_, Over::HungUp(_))) => count("trunk: hung up there"),
            Some((_, Over::NoAck(_))) => count("trunk: no ack"),
            Some((_, Over::Vanished)) => count("trunk: vanished"),
            None => count("trunk: unanswered"),
        }
    }
    for cdr in cdrs.iter().filter(|cdr| cdr.decision.is_some()) {
        match (cdr.trunk.as_str(), cdr.answered.is_some(), cdr.ending.label.as_ref()) {
            ("second", true, _) => count("called: by the second trunk"),
            (_, true, "node_crashed") => count("called: crashed when answered"),
            (_, false, "node_crashed") => count("called: crashed before the answer"),
            _ => {}
        }
    }
}

/// Checks all of it.
///
/// # Errors
/// What does not hold.
pub(super) fn at_rest(world: &World, cdrs: &[Cdr]) -> Result<(), String> {
    every_order_is_answered(world)?;
    for cdr in cdrs.iter().filter(|cdr| cdr.decision.is_some() || cdr.number_type.is_none()) {
        money_follows_policy(world, cdr)?;
    }
    let by_call: BTreeMap<CallId, &Cdr> = cdrs.iter().map(|cdr| (cdr.call, cdr)).collect();
    for (call, dialog) in &world.calls.dialogs {
        let found = by_call.get(call).ok_or(format!("answered call {call} has no CDR"))?;
        connected_is_true(world, found, dialog)?;
    }
    let legs = world.calls.carriers.iter().flat_map(|carrier| &carrier.legs);
    for leg in legs.filter(|leg| leg.answered.is_some()) {
        nobody_is_left(world, leg)?;
    }
    Ok(())
}

fn every_order_is_answered(world: &World) -> Result<(), String> {
    for (request, given) in &world.calls.given {
        let survived = world.crashed.len() == given.life;
        if survived && given.told.is_none() {
            return Err(format!("order {request} was never answered"));
        }
        let joined = given.calls.iter().filter(|call| world.calls.seated.contains(call)).count();
        if joined > 1 {
            return Err(format!("{joined} numbers of order {request} joined"));
        }
    }
    Ok(())
}

/// Invariant 17, and that nothing unanswered costs anything.
fn money_follows_policy(world: &World, cdr: &Cdr) -> Result<(), String> {
    let case = world.keeper.book.case(&cdr.call.to_string());
    let holds = case.map(|case| case.holds).unwrap_or_default();
    let call = cdr.call;
    let called = world.calls.asked.contains(&call) || cdr.decision.is_some();
    if !called {
        return Ok(()); // a call in
    }
    if holds.iter().any(|hold| hold.state == HoldState::Open) {
        return Err(format!("call {call} is over and has an open hold"));
    }
    let yes = cdr.decision.as_ref().is_some_and(|decision| decision.allowed);
    if !yes && !holds.is_empty() {
        return Err(format!("refused call {call} had a hold"));
    }
    if cdr.answered.is_none() && (cdr.charge != Money::ZERO || cdr.connected_micros != 0) {
        return Err(format!("unanswered call {call} costs {}", cdr.charge));
    }
    Ok(())
}

/// Invariant 14: what the wire saw is what is metered.
fn connected_is_true(world: &World, cdr: &Cdr, dialog: &str) -> Result<(), String> {
    let mine = |id: &str, tag: &str| dialog.contains(id) && dialog.contains(tag);
    let truth = world.calls.truths.iter().find(|((id, tag), _)| mine(id, tag));
    let Some((_, truth)) = truth else {
        return Err(format!("nobody saw the answer of call {}", cdr.call));
    };
    if cdr.ending.label == "node_crashed" {
        return crash_is_charged(world, cdr, truth.answered);
    }
    let crashed = !world.crashed.is_empty();
    let Some(seen) = truth.connected().filter(|_| !crashed) else { return Ok(()) };
    if cdr.answered.is_none() {
        return Err(format!("answered call {} is recorded as unanswered", cdr.call));
    }
    let label = cdr.ending.label.as_ref();
    let orderly = !matches!(label, "peer_gone" | "session_expired" | "no_ack");
    let least = seen.saturating_sub(if orderly { SLACK } else { DEAD });
    let metered = cdr.connected_micros;
    if !(least..=seen + SLACK).contains(&metered) {
        let call = cdr.call;
        return Err(format!("{call} ({label}): metered {metered} µs, the wire saw {seen}"));
    }
    Ok(())
}

/// Invariant 8, by the wire: the time until the crash is metered but for two seconds.
fn crash_is_charged(world: &World, cdr: &Cdr, answered: Option<u64>) -> Result<(), String> {
    let (Some(answered), [crash]) = (answered, &world.crashed[..]) else { return Ok(()) };
    let seen = crash.saturating_sub(answered);
    let plausible = seen.saturating_sub(CRASH)..=seen + CRASH;
    if is_calm(world) && !plausible.contains(&cdr.connected_micros) {
        let (call, metered) = (cdr.call, cdr.connected_micros);
        return Err(format!("{call}: crashed, metered {metered} µs, the wire saw {seen}"));
    }
    Ok(())
}

/// Whoever answered was ended by BYE, or ended it, and the node knew.
fn nobody_is_left(world: &World, leg: &Leg) -> Result<(), String> {
    let (Some(answered), Some((at, over))) = (leg.answered, leg.over) else {
        return Err(format!("{} ({}) is still there", leg.number, leg.call_id));
    };
    let name = format!("{} ({} {})", leg.number, leg.call_id, leg.tag);
    let wanted = is_wanted(world, leg);
    let crash = world.crashed.iter().copied().find(|crash| (answered..at).contains(crash));
    if let Some(crash) = crash.or(world.crashed.last().copied().filter(|crash| *crash < answered)) {
        return orphan(world, leg, (&name, wanted), crash.max(answered));
    }
    let ended = world.calls.ended.contains(&(leg.call_id.clone(), leg.tag.clone()));
    match over {
        Over::NoAck(_) => Err(format!("{name} never had an ACK")),
        Over::HungUp(200..300) | Over::Vanished | Over::Ended if wanted => Ok(()),
        Over::HungUp(status) if wanted && !ended => {
            Err(format!("{name} was forgotten: BYE had {status}"))
        }
        Over::HungUp(_) | Over::Vanished | Over::Ended => {
            let late = !wanted && at > answered + UNWANTED;
            if late { Err(format!("{name} was not wanted and stayed")) } else { Ok(()) }
        }
    }
}

/// A leg that a crash left behind: a book that is well and knew it has it ended.
fn orphan(
    world: &World,
    leg: &Leg,
    (name, wanted): (&str, bool),
    crash: u64,
) -> Result<(), String> {
    let Some((at, over)) = leg.over else { return Ok(()) };
    let known = leg.acked.is_none_or(|acked| acked + UNKNOWN < crash) || !wanted;
    let left = at > crash + FAREWELL && over != Over::Ended;
    if is_calm(world) && known && left && world.plan.crashes_apart() {
        return Err(format!("{name} was left behind by the crash: {over:?}"));
    }
    Ok(())
}

/// Whether the store did its work all the time.
fn is_calm(world: &World) -> bool {
    let plan = &world.plan;
    plan.failing == 0 && plan.unanswered == 0 && plan.outages.is_empty()
}

/// Whether the call took this leg as its own.
fn is_wanted(world: &World, leg: &Leg) -> bool {
    let mut dialogs = world.calls.dialogs.values();
    dialogs.any(|dialog| dialog.contains(&leg.call_id) && dialog.contains(&leg.tag))
}
