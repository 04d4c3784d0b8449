//! Whole calls through the bridge: SIP bytes in, SIP bytes out, the book for a store.
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests fail loudly")]

mod callee;
mod capped;
mod carrier;
mod charged;
mod dialled;
mod dialogs;
mod early;
mod guarded;
mod guarded_in;
mod guarded_out;
mod identified;
mod included;
mod injected;
mod moved;
mod node;
mod presence;
mod provision;
mod recorded;
mod shielded;
mod withheld;
mod world;
