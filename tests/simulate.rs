//! Two hundred stories, each from its seed; any one of them by `TOLLGATE_SEED`, more of them by
//! `TOLLGATE_SEEDS`.
#![expect(
    clippy::disallowed_methods,
    reason = "the seed to tell again comes from the person who saw it fail"
)]

use std::io::Write;
use std::panic;

use tollgate_tests::model_price::PlainRate;
use tollgate_tests::plan::{BudgetPlan, Plan};
use tollgate_tests::shrink::run_seed;
use tollgate_tests::world;

/// Stories in the test command.
const SEEDS: u64 = 200;

/// What the stories together must have had, or they prove too little.
const COVERED: &[&str] = &[
    "caller_hung_up",
    "credit_exhausted",
    "node_crashed",
    "charged",
    "Unattributed",
    "heard",
    "moved",
    "budget_concurrent",
    "budget_hour",
    "budget_rate",
    "busy",
    "callee_hung_up",
    "insufficient_credit",
    "alone_limit",
    "meeting_spend",
    "joined_elsewhere",
    "meeting_over",
    "no_answer",
    "not_confirmed",
    "outbound_policy",
    "called: by the second trunk",
    "called: crashed before the answer",
    "called: crashed when answered",
    "trunk: unwanted answer ended",
];

#[test]
fn every_story_keeps_every_invariant() {
    panic::set_hook(Box::new(|_| {})); // a story catches its panics and tells them itself
    let chosen = std::env::var("TOLLGATE_SEED").ok().and_then(|s| s.parse::<u64>().ok());
    let many = std::env::var("TOLLGATE_SEEDS").ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = chosen.map_or(0..many.unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut covered = world::Tally::new();
    for seed in seeds {
        match run_seed(seed) {
            Ok(tally) => {
                for (what, count) in tally {
                    *covered.entry(what).or_default() += count;
                }
            }
            Err(report) => {
                drop(panic::take_hook());
                panic!("{report}");
            }
        }
    }
    drop(panic::take_hook());
    writeln!(std::io::stderr(), "covered: {covered:?}").expect("standard error takes text");
    if chosen.is_none() {
        for what in COVERED {
            assert!(covered.contains_key(*what), "no story had {what}: {covered:?}");
        }
    }
}

#[test]
fn a_price_of_calling_somebody_that_is_off_by_a_cent_is_seen() {
    let failed = (0..40).any(|seed| {
        let mut plan = Plan::draw(seed);
        plan.callers.clear();
        let wrong = PlainRate { fee: plan.rate.fee + 10_000, ..plan.rate };
        world::run_against(&plan, wrong).is_err()
    });
    assert!(failed, "no story noticed a wrong price");
}

#[test]
fn a_price_that_is_off_by_a_cent_is_seen() {
    // The checker must be able to fail: it is given another price than the book's.
    let failed = (0..40).any(|seed| {
        let plan = Plan::draw(seed);
        let wrong = PlainRate { per_minute: plan.rate.per_minute + 10_000, ..plan.rate };
        world::run_against(&plan, wrong).is_err()
    });
    assert!(failed, "no story noticed a wrong price");
}

#[test]
fn a_node_that_forgets_over_a_crash_what_was_spent_is_seen() {
    let plans = (0..60).map(|seed| {
        let mut plan = Plan::draw(seed);
        (plan.crashes, plan.jumps) = (vec![30_000], Vec::new());
        let (per_minute, slices) = if seed % 2 == 0 { (2, 1_000) } else { (1_000, 3) };
        plan.calling.budget = Some(BudgetPlan { concurrent: 50, per_minute, slices, more: 0 });
        plan
    });
    let seen = |plan: &Plan| world::run_forgetting(plan).err().map(|failure| failure.what);
    let seen: Vec<String> = plans.filter_map(|plan| seen(&plan)).collect();
    let tells = |of: &str| seen.iter().any(|what| what.contains(of));
    assert!(tells("began in a minute") && tells("spent or held"), "{seen:?}");
}
