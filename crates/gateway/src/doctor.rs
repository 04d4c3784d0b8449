//! `tollgate trunk doctor`: a client of its own calls a trunk once, within a minute, looks at what it
//! does with everything that our calls may need, and says so in words.
//!
//! It is no part of the gateway's own calls: it leaves from ports of its own beside a running
//! gateway, costs no organization anything, and has a SIP of its own, since it asks what the gateway
//! never does and looks at what the gateway overlooks.

mod exchange;
mod facts;
mod judgement;
mod line;
mod locate;
mod message;
mod report;
mod sdp;
mod setup;
mod sound;
mod talk;
mod visit;

pub(crate) use self::judgement::{Configured, is_healthy, judge};
pub(crate) use self::report::{value, write};
pub(crate) use self::visit::{Order, examine};
