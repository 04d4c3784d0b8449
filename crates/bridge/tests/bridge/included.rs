//! Calls that the subscription pays for.

use model::record::{Capability, Licence};

use crate::carrier::Carrier;
use crate::provision::{self, BOUND, BOUND_FREE};
use crate::world::{Store, World, money, secs};

#[test]
fn an_included_call_is_seated_though_the_store_is_down_and_recorded_when_it_is_back() {
    let mut world = subscribed();
    world.store = Store::Down;
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let call = world.call();
    assert!(world.is_seated(call));
    world.pass(secs(300));
    carrier.bye(&mut world);
    world.pass(secs(60));
    world.store = Store::Up;
    world.pass(secs(10));
    let cdr = world.cdr();
    assert_eq!((cdr.charge, cdr.capability), (money("0"), Capability::Included));
    world.is_at_rest();
}

#[test]
fn an_included_leg_is_in_the_book_for_a_crash_while_it_lives() {
    let mut world = subscribed();
    let mut carrier = Carrier::invite(&mut world, "a", BOUND);
    carrier.establish(&mut world);
    let open = world.book.open_legs();
    assert_eq!((open.len(), open[0].terms.is_none()), (1, true));
    assert!(open[0].dialog.contains("a"), "the dialog is recorded");
    carrier.bye(&mut world);
    assert!(world.book.open_legs().is_empty());
}

#[test]
fn a_toll_free_call_is_refused_while_an_included_toll_call_passes() {
    let mut world = subscribed();
    let mut refused = Carrier::invite(&mut world, "a", BOUND_FREE);
    assert!(refused.refused(&mut world).starts_with("SIP/2.0 403"));
    let mut passed = Carrier::invite(&mut world, "b", BOUND);
    passed.establish(&mut world);
    assert_eq!(world.state(world.call()), Some("seated"));
}

fn subscribed() -> World {
    World::with(provision::subscribed(&[Licence::Subscription]), provision::trunk())
}
