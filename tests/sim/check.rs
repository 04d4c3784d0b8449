//! The invariants of charging.md, checked from outside: on the book's views, on the wire, and
//! against plain integers.

use std::collections::BTreeMap;

use credits::{Book, HoldState, OpenLeg};
use model::record::{Capability, Cdr};
use model::{CallId, Money};

use crate::model_price::PlainRate;
use crate::plan::End;
use crate::scene;
use crate::world::{Tally, World};

mod budget;
mod dialled;

/// One mixer tick, µs.
const TICK: u64 = 20_000;
/// What a crash may cost a leg, µs (charging.md, "Settlement").
const CRASH: u64 = 2_000_000;
/// How far the wire and the meter may differ on an orderly end, µs.
const SLACK: u64 = 60_000;
/// Most time between the last proof of life and the end of a dead leg, µs.
const DEAD: u64 = 130_000_000;

/// What an observer on the wire saw of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truth {
    /// When the first 200 OK to the INVITE left, µs.
    pub answered: Option<u64>,
    /// When the first BYE came to or left the gateway, µs.
    pub ended: Option<u64>,
}

impl Truth {
    /// The gateway answered.
    pub fn answer(&mut self, now: u64) {
        self.answered.get_or_insert(now);
    }

    /// A BYE passed.
    pub fn end(&mut self, now: u64) {
        if self.answered.is_some() {
            self.ended.get_or_insert(now);
        }
    }

    fn connected(&self) -> Option<u64> {
        Some(self.ended?.saturating_sub(self.answered?))
    }
}

/// Invariant 5: returns by how many µs a packet of now lies beyond the paid time and one tick.
#[must_use]
pub fn unpaid_audio(paid_until: &BTreeMap<CallId, u64>, call: CallId, now: u64) -> Option<u64> {
    let paid = *paid_until.get(&call)?;
    (now > paid + TICK).then(|| now - paid)
}

/// Invariant 11: nothing that is committed, a top-up least of all, shortens granted time.
///
/// # Errors
/// The leg whose paid time moved back.
pub fn never_shortened(
    before: &BTreeMap<CallId, u64>,
    after: &BTreeMap<CallId, u64>,
) -> Result<(), String> {
    let shorter = after.iter().find(|(call, paid)| before.get(call).is_some_and(|b| b > *paid));
    shorter.map_or(Ok(()), |(call, _)| Err(format!("the paid time of leg {call} was shortened")))
}

/// Returns until when the book says that each open charged leg is paid for, µs.
#[must_use]
pub fn paid_until(book: &Book) -> BTreeMap<CallId, u64> {
    let charged = book.open_legs().into_iter().filter(|leg| leg.terms.is_some());
    charged
        .filter_map(|leg| {
            Some((leg.call, leg.answered?.micros + u64::from(leg.funded_secs) * 1_000_000))
        })
        .collect()
}

/// Invariants 1–4, 7 and 12 on the book after each commit: that no account is overdrawn says that no
/// more holds were admitted than its credit carries.
///
/// # Errors
/// The invariant that broke.
pub fn after_commit(world: &World) -> Result<(), String> {
    let book = &world.keeper.book;
    let cases: Vec<_> =
        book.open_legs().iter().filter_map(|leg| book.case(&leg.call.to_string())).collect();
    let holds: Vec<_> = cases.iter().flat_map(|case| &case.holds).collect();
    for view in book.accounts() {
        let m = Money::micros;
        let parts = m(view.available) + m(view.held) + m(view.captured) + m(view.expired);
        let name = &view.name;
        if m(view.granted) != parts {
            return Err(format!("{name}: granted {} is not the sum of its parts", view.granted));
        }
        if view.available.is_negative() || view.held.is_negative() {
            return Err(format!("{name}: overdrawn, available {}", view.available));
        }
        let account = view.organization.account();
        let open = holds.iter().filter(|h| h.account == account && h.state == HoldState::Open);
        let open: i64 = open.map(|h| m(h.amount)).sum();
        if open != m(view.held) {
            return Err(format!("{name}: held {} but open holds {open}", view.held));
        }
    }
    budget::within(world)
}

/// Invariants 8 and 10 after a node settled its earlier life.
///
/// # Errors
/// The invariant that broke.
pub fn after_settlement(world: &World, orphans: &[OpenLeg]) -> Result<(), String> {
    after_commit(world)?;
    let Some(crash) = world.crashed.last().copied() else { return Ok(()) };
    let calm = !world.plan.outages.iter().any(|o| o.from_ms * 1_000 <= crash);
    for leg in orphans {
        let Some(cdr) = cdr_of(world, leg.call) else {
            return Err(format!("settled leg {} has no CDR", leg.call));
        };
        let price = price_of(world, &cdr);
        let funded = price.charge(u64::from(leg.funded_secs));
        if leg.terms.is_some() && cdr.charge.micros() > funded {
            return Err(format!("{}: charged {} beyond what was funded", leg.call, cdr.charge));
        }
        if leg.answered.is_none() && cdr.charge != Money::ZERO {
            return Err(format!("{}: charged {} and never answered", leg.call, cdr.charge));
        }
        let Some(answered) = leg.answered.filter(|_| leg.terms.is_some() && calm) else { continue };
        let used = crash.saturating_sub(answered.micros);
        let least = price.charge_micros(used.saturating_sub(CRASH)).min(funded);
        let most = price.charge_micros(used + CRASH);
        if !(least..=most).contains(&cdr.charge.micros()) {
            let charge = cdr.charge.micros();
            return Err(format!("{}: crash charge {charge} not in {least}..={most}", leg.call));
        }
    }
    Ok(())
}

/// Invariants 6, 9, 12, 14, 15 and 17 when everybody is gone.
///
/// # Errors
/// The invariant that broke.
pub fn at_rest(world: &World, live: usize, legs: usize) -> Result<(), String> {
    let owed = world.keeper.book.farewells();
    if !owed.is_empty() {
        return Err(format!("carriers are still to be told: {owed:?}"));
    }
    if (live, legs) != (0, 0) {
        return Err(format!("at rest {live} calls and {legs} media legs live on"));
    }
    after_commit(world)?;
    let book = &world.keeper.book;
    let open = book.open_legs();
    if !open.is_empty() {
        return Err(format!("at rest {} legs are open in the book", open.len()));
    }
    let cdrs = book.cdrs(usize::MAX);
    let mut sums: BTreeMap<_, i64> = BTreeMap::new();
    for cdr in &cdrs {
        cdr_is_true(world, cdr)?;
        if let Some(account) = cdr.account.filter(|_| cdr.capability == Capability::Credits) {
            *sums.entry(account).or_default() += cdr.charge.micros();
        }
    }
    for view in book.accounts() {
        let sum = sums.get(&view.organization.account()).copied().unwrap_or(0);
        if view.held != Money::ZERO {
            return Err(format!("{}: at rest {} is held", view.name, view.held));
        }
        if view.captured.micros() != sum {
            return Err(format!("{}: captured {} but CDRs say {sum}", view.name, view.captured));
        }
    }
    dialled::at_rest(world, &cdrs)?;
    every_answer_has_one_cdr(world, &cdrs)
}

/// Counts the endings of a story's calls, and what was charged.
#[must_use]
pub fn tally(world: &World) -> Tally {
    let mut tally = Tally::new();
    let cdrs = world.keeper.book.cdrs(usize::MAX);
    dialled::tally(world, &cdrs, &mut tally);
    for cdr in cdrs {
        *tally.entry(cdr.ending.label.to_string()).or_default() += 1;
        *tally.entry(format!("{:?}", cdr.capability)).or_default() += 1;
        if cdr.charge > Money::ZERO {
            *tally.entry("charged".into()).or_default() += 1;
        }
    }
    let heard = world.callers.iter().filter(|caller| caller.heard > 0).count();
    *tally.entry("moved".into()).or_default() += world.moved();
    *tally.entry("heard".into()).or_default() += u64::try_from(heard).unwrap_or(0);
    tally
}

fn every_answer_has_one_cdr(world: &World, cdrs: &[Cdr]) -> Result<(), String> {
    for (call_id, truth) in &world.truths {
        let of_call = cdrs.iter().filter(|cdr| cdr.sip_call_id == *call_id).count();
        // A node killed between 200 OK and its first durable word of the leg knows nothing of it.
        let near_crash = |at: u64| world.crashed.iter().any(|c| c.abs_diff(at) < 5_000_000);
        let excused = truth.answered.is_some_and(near_crash) || !world.crashed.is_empty();
        if of_call > 1 || (of_call == 0 && truth.answered.is_some() && !excused) {
            return Err(format!("{call_id} has {of_call} CDRs"));
        }
    }
    Ok(())
}

fn cdr_is_true(world: &World, cdr: &Cdr) -> Result<(), String> {
    let call_id = &cdr.sip_call_id;
    let case = world.keeper.book.case(&cdr.call.to_string());
    let entries = case.map(|case| case.entries).unwrap_or_default();
    let captured: i64 = -entries.iter().map(|e| e.amount.micros()).sum::<i64>();
    let priced = price_of(world, cdr).charge_micros(cdr.connected_micros);
    let answered = cdr.answered.is_some();
    let never_a_call = cdr.ending.label == "no_ack" && cdr.charge == Money::ZERO;
    let expected = match cdr.capability {
        Capability::Included => 0,
        Capability::Credits | Capability::Unattributed if !answered || never_a_call => 0,
        Capability::Credits | Capability::Unattributed => priced,
    };
    if cdr.charge.micros() != expected && cdr.rate.is_some() {
        return Err(format!("{call_id}: charge {} but the plain price is {expected}", cdr.charge));
    }
    let owed = if cdr.capability == Capability::Credits { cdr.charge.micros() } else { 0 };
    if captured != owed {
        return Err(format!("{call_id}: entries sum to {captured}, the CDR says {owed}"));
    }
    if cdr.account == Some(scene::other().account())
        && captured != 0
        && cdr.meeting.is_none_or(|m| m != model::MeetingId::from_name("elsewhere"))
    {
        return Err(format!("{call_id}: charged to an organization that it never met"));
    }
    connected_is_true(world, cdr)
}

fn connected_is_true(world: &World, cdr: &Cdr) -> Result<(), String> {
    let Some(truth) = world.truths.get(&cdr.sip_call_id) else { return Ok(()) };
    let Some(seen) =
        truth.connected().filter(|_| world.plan.is_crash_free() && world.crashed.is_empty())
    else {
        return Ok(());
    };
    let metered = cdr.connected_micros;
    // Our BYE of a leg that never sent its ACK must wait for 32 s (RFC 3261 §15).
    let acknowledged = !world
        .callers
        .iter()
        .any(|c| c.call_id == cdr.sip_call_id && matches!(c.plan.end, End::NoAck { .. }));
    let label = cdr.ending.label.as_ref();
    let orderly = acknowledged && matches!(label, "caller_hung_up" | "credit_exhausted");
    let least = seen.saturating_sub(if orderly { SLACK } else { DEAD });
    if !(least..=seen + SLACK).contains(&metered) {
        let (id, label) = (&cdr.sip_call_id, &cdr.ending.label);
        return Err(format!("{id} ({label}): metered {metered} µs, the wire saw {seen}"));
    }
    Ok(())
}

/// The plain price of a call: calls out have one of their own.
fn price_of(world: &World, cdr: &Cdr) -> PlainRate {
    let out = cdr.decision.is_some();
    if out { world.reference.of_dial_out() } else { world.reference }
}

fn cdr_of(world: &World, call: CallId) -> Option<Cdr> {
    world.keeper.book.case(&call.to_string())?.cdr
}
