//! What operators and finance read. Money is exact; numbers are masked when shown.

use model::record::Cdr;
use model::{AccountId, CallId, Currency, HoldId, Money, OrganizationId, UnixTime};

use crate::command::OpenLeg;

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Whose.
    pub organization: OrganizationId,
    /// The organization's short name.
    pub name: String,
    /// Its currency.
    pub currency: Currency,
    /// Σ top-ups, refunds and adjustments.
    pub granted: Money,
    /// Σ captures.
    pub captured: Money,
    /// Σ forfeited.
    pub expired: Money,
    /// Σ open holds.
    pub held: Money,
    /// granted − captured − expired − held.
    pub available: Money,
    /// Sum of the prices per second of open legs.
    pub burn_per_sec: Money,
    /// Its lots, oldest first.
    pub lots: Vec<Lot>,
}

/// A dated purchase of credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The operator's reference.
    pub reference: String,
    /// How much was bought.
    pub amount: Money,
    /// When.
    pub at: UnixTime,
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Credit was added.
    TopUp,
    /// A slice was charged.
    Capture,
}

/// One immutable line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose account.
    pub account: AccountId,
    /// Grows by one with each entry of the account.
    pub number: u64,
    /// When it was committed.
    pub at: UnixTime,
    /// What it is.
    pub kind: EntryKind,
    /// Signed: top-ups positive, captures negative.
    pub amount: Money,
    /// Sum of the account's entries up to here.
    pub balance: Money,
    /// The hold captured, if it is a capture.
    pub hold: Option<HoldId>,
    /// The operator's reference, if it is a top-up.
    pub reference: Option<String>,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldState {
    /// Set aside.
    Open,
    /// Charged, wholly or in part; the rest given back.
    Captured,
    /// Given back.
    Released,
}

/// One hold with its fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// Which.
    pub hold: HoldId,
    /// Whose credit.
    pub account: AccountId,
    /// First second covered, from answer.
    pub from_secs: u32,
    /// Second it ends at.
    pub until_secs: u32,
    /// Set aside.
    pub amount: Money,
    /// Its fate.
    pub state: HoldState,
    /// What was charged of it.
    pub captured: Money,
    /// When it was placed.
    pub placed: UnixTime,
}

/// All that the book knows of one call, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Our id.
    pub call: CallId,
    /// The CDR, once it is over.
    pub cdr: Option<Cdr>,
    /// The open leg, while it lives (or is not yet settled).
    pub open: Option<OpenLeg>,
    /// Its holds, in order.
    pub holds: Vec<HoldView>,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
}
