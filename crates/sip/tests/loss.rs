//! Calls over a network that loses, doubles and reorders (reliability.md F10–F13), theirs and ours:
//! each is set up once or fails once, every one ends once, nothing is left, and all are released in
//! time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

#[path = "loss/callers.rs"]
mod callers;
#[path = "loss/phones.rs"]
mod phones;
#[path = "loss/world.rs"]
mod world;

use callers::Callers;
use model::Outbound;
use phones::Phones;
use world::{CALLS, World};

const SEEDS: u64 = 40;

#[test]
fn five_percent_loss_sets_up_every_call() {
    assert_eq!(theirs(5), CALLS * SEEDS);
    assert_eq!(ours(5), CALLS * SEEDS);
}

#[test]
fn ten_percent_loss_sets_up_every_call() {
    assert_eq!(theirs(10), CALLS * SEEDS);
    assert_eq!(ours(10), CALLS * SEEDS);
}

#[test]
fn thirty_percent_loss_sets_up_nearly_every_call() {
    for answered in [theirs(30), ours(30)] {
        assert!(answered * 100 >= CALLS * SEEDS * 95, "{answered}");
    }
}

/// Returns how many of their calls are answered.
fn theirs(loss: u64) -> u64 {
    let run = |seed| World::new(Callers::new(), None, seed, loss).run().answered();
    (0..SEEDS).map(run).sum()
}

/// Returns how many of ours are.
fn ours(loss: u64) -> u64 {
    let routes = Some(Outbound::to("192.0.2.1"));
    let run = |seed| World::new(Phones::default(), routes.clone(), seed, loss).run().answered();
    (0..SEEDS).map(run).sum()
}
