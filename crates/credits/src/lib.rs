//! Prepaid credit: what may be held, what is owed. Pure functions over values; no I/O, no clock.
//!
//! [`decide`] is the only place that says yes or no to money. `store` folds it over the rows of a
//! database transaction (a [`Page`]); the simulator over those of a [`Book`]. Both get the same
//! answer. Requirements: charging.md, domain.md §4–§6.
//!
//! Deliberately absent: the order in which legs are cut when credit cannot carry all (first come,
//! first served; [`Class`] is kept with the terms), consumption and expiry of lots.

mod account;
mod book;
pub mod command;
mod ending;
mod ledger;
mod leg;
mod page;
pub mod rating;
mod slice;
pub mod view;

pub use account::Account;
pub use book::Book;
pub use command::{
    Answer, Class, Command, CreditRefusal, Epoch, Farewell, OpenLeg, Standing, Terms,
};
pub use ending::settle;
pub use ledger::{Facts, Outcome, decide};
pub use leg::{End, Hold, Leg, OPEN_HOLDS, Over, Running, UNSHRUNK_HOLDS};
pub use page::{Changes, Page, Wanted};
pub use rating::{affords, billed_secs, charge, price_per_sec, units};
pub use view::{AccountView, Case, Entry, EntryKind, HoldState, HoldView, Lot};
