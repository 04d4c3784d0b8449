//! Prepaid credit: what may be held, what is owed. Pure functions over values; no I/O, no clock.
//!
//! `decide` is the only place that says yes or no to money. `store` calls it inside a database
//! transaction; the simulator calls it over a map. Both get the same answer. Requirements:
//! charging.md, domain.md §4–§6.

pub mod command;

pub use command::{Answer, Class, Command, CreditRefusal, Epoch, OpenLeg, Standing, Terms};
