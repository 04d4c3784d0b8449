//! A whole charged call: INVITE, hold, 200, ACK, BYE, close, with the store's answers fed at once.
//! The figure includes `sip`, the book in memory, and what the carrier's side costs here.
#![expect(dead_code, reason = "the world of the tests is larger than this needs")]
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a bench fails loudly")]

#[path = "../tests/bridge/carrier.rs"]
mod carrier;
#[path = "../tests/bridge/provision.rs"]
mod provision;
#[path = "../tests/bridge/world.rs"]
mod world;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::carrier::Carrier;
use crate::world::{World, secs};

fn charged_call(criterion: &mut Criterion) {
    let mut world = World::new();
    world.top_up("9000000.00");
    let mut number = 0_u64;
    criterion.bench_function("charged call", |bencher| {
        bencher.iter(|| {
            number += 1;
            let mut carrier = Carrier::invite(&mut world, &number.to_string(), provision::BOUND);
            carrier.establish(&mut world);
            carrier.bye(&mut world);
            world.forget();
            // Ports rest, and transactions end.
            world.pass(secs(2));
        });
    });
}

criterion_group!(benches, charged_call);
criterion_main!(benches);
