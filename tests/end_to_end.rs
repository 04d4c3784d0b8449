//! The real binary on loopback, called by SIPp with `sipp-scenarios/`: each test asserts on what
//! SIPp saw, and afterwards on records, ledger and metrics.

#[path = "harness/mod.rs"]
mod harness;

#[path = "end_to_end/calling.rs"]
mod calling;
#[path = "end_to_end/carriers.rs"]
mod carriers;
#[path = "end_to_end/charging.rs"]
mod charging;
#[path = "end_to_end/dying.rs"]
mod dying;
#[path = "end_to_end/early.rs"]
mod early;
#[path = "end_to_end/examining.rs"]
mod examining;
#[path = "end_to_end/faults.rs"]
mod faults;
#[path = "end_to_end/interop.rs"]
mod interop;
#[path = "end_to_end/joining.rs"]
mod joining;
#[path = "end_to_end/killing.rs"]
mod killing;
#[path = "end_to_end/living.rs"]
mod living;
#[path = "end_to_end/parting.rs"]
mod parting;
#[path = "end_to_end/places.rs"]
mod places;
#[path = "end_to_end/privacy.rs"]
mod privacy;
#[path = "end_to_end/refusing.rs"]
mod refusing;
#[path = "end_to_end/shielding.rs"]
mod shielding;
#[path = "end_to_end/shipping.rs"]
mod shipping;
#[path = "end_to_end/signalling.rs"]
mod signalling;
#[path = "end_to_end/strangers.rs"]
mod strangers;
#[path = "end_to_end/streamed.rs"]
mod streamed;
#[path = "end_to_end/streams.rs"]
mod streams;
