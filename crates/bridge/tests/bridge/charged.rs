//! Calls that credits pay for.

use crate::carrier::Carrier;
use crate::provision::BOUND;
use crate::world::{World, money, secs};

#[test]
fn a_call_to_a_bound_number_is_held_answered_seated_and_charged() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    assert_eq!(world.held(), money("0.30"));
    carrier.establish(&mut world);
    let call = world.call();
    assert!(world.is_seated(call));
    world.pass(secs(42));
    carrier.bye(&mut world);
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.connected_micros), (money("0.42"), 42_000_000));
    assert_eq!(cdr.ending.label, "caller_hung_up");
    assert_eq!((world.held(), world.available()), (money("0.00"), money("4.58")));
}
