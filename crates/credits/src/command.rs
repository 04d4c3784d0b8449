//! Everything that is asked of the book, and everything that it answers.

use model::record::Cdr;
use model::{AccountId, CallId, HoldId, Instant, Money, Rate, UnixTime};

/// One life of one node's process. A settled epoch can never roll again (charging.md, "Store,
/// crash, nodes").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// The node's configured name.
    pub node: String,
    /// Grows by one at each start.
    pub number: u64,
}

/// Which legs go first when credit cannot carry all, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A call that we placed.
    DialOut,
    /// Toll-free dial-in.
    TollFree,
    /// Toll dial-in.
    Toll,
    /// The organizer's own leg.
    Organizer,
}

/// On what terms a charged leg is served. Fixed with its first hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who pays.
    pub account: AccountId,
    /// At what price, pinned.
    pub rate: Rate,
    /// Its rank when credit runs short.
    pub class: Class,
}

/// A leg that a crashed epoch left behind, or a live one as the book knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLeg {
    /// Which leg.
    pub call: CallId,
    /// Who served it.
    pub epoch: Epoch,
    /// What `sip` needs to end it from another process; opaque here.
    pub dialog: String,
    /// When its 200 OK left, on the epoch's clock; `None` while it rings.
    pub answered: Option<Instant>,
    /// Its terms, when it is charged.
    pub terms: Option<Terms>,
    /// Seconds from answer that are paid for.
    pub funded_secs: u32,
    /// Captured so far.
    pub captured: Money,
    /// The CDR as far as it was known when the leg was last written; its money is not filled in.
    pub cdr: Box<Cdr>,
}

/// A carrier that is still to be told, by BYE, that a leg of a dead epoch is over: otherwise it goes
/// on billing. Kept from the settlement until it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Which leg.
    pub call: CallId,
    /// What `sip` needs to end it; opaque here.
    pub dialog: String,
    /// When the leg was settled.
    pub since: UnixTime,
}

impl Farewell {
    /// Returns what is owed for a leg; nothing if no dialog of it is known.
    #[must_use]
    pub fn owed(leg: &OpenLeg, since: UnixTime) -> Option<Self> {
        let dialog = leg.dialog.clone();
        (!dialog.is_empty()).then_some(Self { call: leg.call, dialog, since })
    }
}

/// Something asked of the book. Each is idempotent: a replay gives the stored answer (the standing
/// may be newer), other content under the same id is [`CreditRefusal::Conflict`], unchanged.
///
/// What counts as content: of a hold, its leg, epoch, terms, `wanted_secs` and `covers_secs`; of a
/// close, `used_micros`; of a top-up, its amount. A refused command leaves nothing behind, so the
/// same id may be asked again with anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Writes an open leg that needs no credit, so that a crash can still end it.
    Open {
        /// The leg; `terms` is `None`.
        leg: Box<OpenLeg>,
    },
    /// Holds the first slice of a charged leg and writes the open leg; a leg that was opened
    /// without terms gets them now. The slice starts at answer.
    Place {
        /// Sequence 0 of the leg.
        hold: HoldId,
        /// The leg; `terms` is `Some`, `funded_secs` is 0.
        leg: Box<OpenLeg>,
        /// Seconds from answer that the slice must cover to be of use (time already served).
        covers_secs: u32,
        /// Length aimed at; shrinks as credit runs low, ends on an increment.
        wanted_secs: u32,
    },
    /// Notes when the leg was answered, on the epoch's clock, and its newest dialog and CDR draft.
    Answered {
        /// The open leg.
        leg: Box<OpenLeg>,
    },
    /// Holds the next slice and captures those whose end has passed.
    Roll {
        /// The leg and its next sequence.
        hold: HoldId,
        /// The epoch that asks; refused as [`CreditRefusal::Fenced`] once settled.
        epoch: Epoch,
        /// Time certainly served so far, microseconds: until the last proof of life. A measurement, not content: a replay may carry
        /// a newer one, and captures nothing more.
        used_micros: u64,
        /// Length aimed at.
        wanted_secs: u32,
    },
    /// Ends an answered leg: captures `charge(used)` less what is captured, at most what is
    /// funded, releases the rest, writes the CDR with its money filled in. A leg without terms,
    /// or an unknown one, costs nothing; the latter leaves a tombstone.
    Close {
        /// Connected time, microseconds.
        used_micros: u64,
        /// The CDR; `charge`, `fee` and `billed_secs` are filled in by the book.
        cdr: Box<Cdr>,
    },
    /// Ends a leg that costs nothing: releases its holds, if any, and writes the CDR. For an
    /// unknown leg it leaves a tombstone, so that a late [`Command::Place`] is refused as
    /// [`CreditRefusal::UnknownLeg`]. Slices captured before stay captured: they are its charge.
    Release {
        /// The CDR; only that of an unattributed leg keeps the money written in it.
        cdr: Box<Cdr>,
    },
    /// Adds credit as a dated lot.
    TopUp {
        /// Whose.
        account: AccountId,
        /// The operator's reference; one reference counts once.
        reference: String,
        /// How much; positive.
        amount: Money,
        /// When, for the lot.
        at: UnixTime,
    },
    /// Reads an account's standing.
    Inquire {
        /// Whose.
        account: AccountId,
    },
}

/// What an account can carry. Comes with every answer; the newest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub account: AccountId,
    /// Not captured, not expired, not held; plus the credit limit of a post-paid account.
    pub available: Money,
    /// Held for open legs.
    pub held: Money,
    /// Sum of the prices per second of the account's open legs, rounded up.
    pub burn_per_sec: Money,
    /// Grows with every committed change of the account, so that the newest is known.
    pub version: u64,
}

/// The book's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The slice is held.
    Funded {
        /// Which slice.
        hold: HoldId,
        /// Seconds from answer that are now paid for.
        funded_secs: u32,
        /// What the slice set aside.
        amount: Money,
        /// The account afterwards.
        standing: Standing,
    },
    /// The leg is closed or released.
    Closed {
        /// Which leg.
        call: CallId,
        /// Its whole charge.
        charge: Money,
        /// The account afterwards, if one was charged.
        standing: Option<Standing>,
    },
    /// Written; nothing more to say.
    Noted,
    /// The account after a top-up, or as it is.
    Stands(Standing),
    /// No, and why.
    Refused {
        /// Why.
        refusal: CreditRefusal,
        /// The account, if it is known.
        standing: Option<Standing>,
    },
}

/// Why the book says no. A refusal is an answer, not an error; the account is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CreditRefusal {
    /// Available credit is below what the least slice costs.
    InsufficientCredit,
    /// The account does not exist.
    UnknownAccount,
    /// The leg is not open: never placed, or closed.
    UnknownLeg,
    /// The same id came with other content, or out of order.
    Conflict,
    /// The asking epoch has been settled by another.
    Fenced,
    /// The amount is not positive, or sums leave 64 bits.
    BadAmount,
}
