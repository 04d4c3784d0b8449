//! From a failing story to the smallest one that still fails.

use crate::plan::{Carries, Plan};
use crate::world::{self, Failure, Tally};

/// How many smaller stories are tried.
const TRIES: usize = 120;

/// Runs the story of a seed; on failure returns the report with the smallest failing plan and its
/// trace.
///
/// # Errors
/// The report, ready to print.
pub fn run_seed(seed: u64) -> Result<Tally, String> {
    let plan = Plan::draw(seed);
    let first = match world::run(&plan) {
        Ok(tally) => return Ok(tally),
        Err(first) => first,
    };
    let (plan, failure) = smallest(plan, first);
    let Failure { what, trace } = failure;
    Err(format!(
        "seed {seed}: {what}\nsmallest failing plan: {plan:#?}\ntrace:\n{}",
        trace.join("\n")
    ))
}

fn smallest(mut plan: Plan, mut failure: Failure) -> (Plan, Failure) {
    let mut tries = 0;
    loop {
        let smaller = candidates(&plan).into_iter().find_map(|candidate| {
            tries += 1;
            if tries > TRIES {
                return None;
            }
            world::run(&candidate).err().map(|failure| (candidate, failure))
        });
        match smaller {
            Some((candidate, found)) => (plan, failure) = (candidate, found),
            None => return (plan, failure),
        }
    }
}

fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Plan)| {
        let mut candidate = plan.clone();
        change(&mut candidate);
        if candidate != *plan {
            found.push(candidate);
        }
    };
    for at in 0..plan.callers.len() {
        offer(&|p| {
            p.callers.remove(at);
        });
    }
    for at in 0..plan.calling.orders.len() {
        offer(&|p| {
            p.calling.orders.remove(at);
        });
    }
    offer(&|p| p.calling.listed.clear());
    offer(&|p| p.calling.budget = None);
    for at in 0..plan.crashes.len() {
        offer(&|p| {
            p.crashes.remove(at);
        });
    }
    for at in 0..plan.outages.len() {
        offer(&|p| {
            p.outages.remove(at);
        });
    }
    for at in 0..plan.top_ups.len() {
        offer(&|p| {
            p.top_ups.remove(at);
        });
    }
    offer(&|p| p.jumps.clear());
    offer(&|p| p.loss = 0);
    offer(&|p| p.doubled = 0);
    offer(&|p| p.delay_ms = 0);
    offer(&|p| p.failing = 0);
    offer(&|p| p.unanswered = 0);
    offer(&|p| p.store_ms = 1);
    offer(&|p| p.shards = 1);
    offer(&|p| p.shards = 2.min(p.shards));
    for at in 0..plan.callers.len() {
        offer(&|p| p.callers[at].hold = None);
        offer(&|p| p.callers[at].echo_invite = false);
        offer(&|p| p.callers[at].wrong_ids = 0);
        offer(&|p| p.callers[at].at_ms = 0);
    }
    for (at, order) in plan.calling.orders.iter().enumerate() {
        for callee in 0..order.callees.len() {
            offer(&|p| {
                let callees = &mut p.calling.orders[at].callees;
                if callees.len() > 1 {
                    callees.remove(callee);
                }
            });
            offer(&|p| p.calling.orders[at].callees[callee].fork = None);
            offer(&|p| p.calling.orders[at].callees[callee].reliable = false);
            offer(&|p| p.calling.orders[at].callees[callee].early_media = false);
        }
        offer(&|p| p.calling.orders[at].barred = None);
        offer(&|p| p.calling.orders[at].hung_up_ms = None);
        offer(&|p| p.calling.orders[at].press_one = false);
    }
    offer(&|p| p.calling.trunks = [Carries::Well; 2]);
    found
}
