//! A leg as the book keeps it, and the credit set aside for its slices.

use model::{AccountId, CallId, HoldId, Money, UnixTime};

use crate::command::OpenLeg;
use crate::view::{HoldState, HoldView};

/// Most holds of a leg that are open at once. Two while service is certain: the slice in use and
/// the next. More while nobody has proved that the peer is there: those slices may not be captured,
/// for a leg that turns out dead is billed to its last proof of life only.
pub const OPEN_HOLDS: usize = 64;

/// From so many open holds on a leg's slices shrink no more as credit runs low: short ones would
/// use up the room for its holds, and a leg that lives would end for want of room.
pub const UNSHRUNK_HOLDS: usize = OPEN_HOLDS / 4;

/// What the book knows of a leg id that it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leg {
    /// It lives, or a crash left it behind.
    Open(Box<Running>),
    /// It ended, or was released before it was ever placed (a tombstone).
    Over(Over),
}

impl Leg {
    /// Returns which leg it is.
    #[must_use]
    pub fn call(&self) -> CallId {
        match self {
            Self::Open(running) => running.leg.call,
            Self::Over(over) => over.call,
        }
    }

    /// Returns the account that stands for it, if one does.
    #[must_use]
    pub fn payer(&self) -> Option<AccountId> {
        match self {
            Self::Open(running) => running.leg.terms.as_ref().map(|terms| terms.account),
            Self::Over(over) => over.account,
        }
    }
}

/// An open leg with its open holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// What a crash needs to end it.
    pub leg: OpenLeg,
    /// Sequence of its next hold.
    pub next: u32,
    /// Its open holds, oldest first, at most [`OPEN_HOLDS`].
    pub holds: Vec<Hold>,
}

/// How a leg came to its end in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Answered and charged by the node that served it.
    Closed,
    /// It cost nothing.
    Released,
    /// Its epoch died; the heartbeat decided.
    Settled,
}

/// A leg that has ended: enough to answer a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which.
    pub call: CallId,
    /// How.
    pub end: End,
    /// Who paid, if anybody did.
    pub account: Option<AccountId>,
    /// Connected time it was closed with, microseconds.
    pub used_micros: u64,
    /// Its whole charge.
    pub charge: Money,
}

/// Credit set aside for one slice, with its fate and with what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Which.
    pub id: HoldId,
    /// Whose credit.
    pub account: AccountId,
    /// First second covered, from answer.
    pub from_secs: u32,
    /// Second it ends at.
    pub until_secs: u32,
    /// Length that was asked for.
    pub wanted_secs: u32,
    /// Seconds already served that it had to cover.
    pub covers_secs: u32,
    /// Set aside.
    pub amount: Money,
    /// Its fate.
    pub state: HoldState,
    /// What was charged of it.
    pub captured: Money,
    /// When it was placed.
    pub placed: UnixTime,
}

impl Hold {
    /// Returns what `explain` shows of it.
    #[must_use]
    pub const fn view(&self) -> HoldView {
        HoldView {
            hold: self.id,
            account: self.account,
            from_secs: self.from_secs,
            until_secs: self.until_secs,
            amount: self.amount,
            state: self.state,
            captured: self.captured,
            placed: self.placed,
        }
    }
}
