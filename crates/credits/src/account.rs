//! An account: what was granted, and what became of it.

use model::{AccountId, HoldId, Money, UnixTime};

use crate::command::{CreditRefusal, Standing};
use crate::view::{Entry, EntryKind};

/// An account as the book keeps it. Prepaid accounts have no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// Σ top-ups, refunds and adjustments.
    pub granted: Money,
    /// Σ captures.
    pub captured: Money,
    /// Σ forfeited.
    pub expired: Money,
    /// Σ open holds.
    pub held: Money,
    /// How far a post-paid account may go below zero.
    pub limit: Money,
    /// Σ prices per second of its open legs, each rounded up.
    pub burn_per_sec: Money,
    /// Entries so far.
    pub entries: u64,
    /// Grows with every committed change.
    pub version: u64,
}

impl Account {
    /// An account with nothing on it.
    #[must_use]
    pub const fn empty(id: AccountId) -> Self {
        Self {
            id,
            granted: Money::ZERO,
            captured: Money::ZERO,
            expired: Money::ZERO,
            held: Money::ZERO,
            limit: Money::ZERO,
            burn_per_sec: Money::ZERO,
            entries: 0,
            version: 0,
        }
    }

    /// Returns granted − captured − expired: the sum of the account's entries. `None` beyond 64
    /// bits, which no sound account reaches.
    #[must_use]
    pub fn balance(&self) -> Option<Money> {
        self.granted.checked_sub(self.captured)?.checked_sub(self.expired)
    }

    /// Returns what may still be held: the balance less open holds, plus the limit.
    #[must_use]
    pub fn available(&self) -> Option<Money> {
        self.balance()?.checked_sub(self.held)?.checked_add(self.limit)
    }

    /// Whether the account keeps the invariants of charging.md that can be seen on it alone: no
    /// negative sum, no overdraft.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let sums = [self.granted, self.captured, self.expired, self.held, self.limit];
        let whole = !sums.iter().any(|sum| sum.is_negative()) && !self.burn_per_sec.is_negative();
        whole && self.available().is_some_and(|available| !available.is_negative())
    }

    /// Returns what every answer tells about the account.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            account: self.id,
            available: self.available().unwrap_or(Money::ZERO),
            held: self.held,
            burn_per_sec: self.burn_per_sec,
            version: self.version,
        }
    }

    /// Sets `amount` aside.
    pub(crate) fn hold(&mut self, amount: Money) -> Result<(), CreditRefusal> {
        if self.available().is_none_or(|available| amount > available) {
            return Err(CreditRefusal::InsufficientCredit);
        }
        self.held = self.held.checked_add(amount).ok_or(CreditRefusal::BadAmount)?;
        Ok(())
    }

    /// Ends a hold of `held`, of which `captured` is charged.
    pub(crate) fn unhold(&mut self, held: Money, captured: Money) -> Result<(), CreditRefusal> {
        assert!(captured <= held, "no hold is captured beyond its amount");
        self.held = self.held.checked_sub(held).ok_or(CreditRefusal::BadAmount)?;
        self.captured = self.captured.checked_add(captured).ok_or(CreditRefusal::BadAmount)?;
        Ok(())
    }

    /// Adds credit.
    pub(crate) fn grant(&mut self, amount: Money) -> Result<(), CreditRefusal> {
        if amount <= Money::ZERO {
            return Err(CreditRefusal::BadAmount);
        }
        self.granted = self.granted.checked_add(amount).ok_or(CreditRefusal::BadAmount)?;
        self.available().map(|_| ()).ok_or(CreditRefusal::BadAmount)
    }

    /// Counts a leg's price per second in.
    pub(crate) fn burn(&mut self, per_sec: Money) -> Result<(), CreditRefusal> {
        let burn = self.burn_per_sec.checked_add(per_sec).ok_or(CreditRefusal::BadAmount)?;
        self.burn_per_sec = burn;
        Ok(())
    }

    /// Counts a leg's price per second out.
    pub(crate) fn unburn(&mut self, per_sec: Money) {
        let burn = self.burn_per_sec.checked_sub(per_sec).unwrap_or(Money::ZERO);
        self.burn_per_sec = burn.max(Money::ZERO);
    }

    /// Writes the next entry; the sums must be those after it.
    pub(crate) fn entry(&mut self, at: UnixTime, source: Source) -> Result<Entry, CreditRefusal> {
        self.entries += 1;
        let balance = self.balance().ok_or(CreditRefusal::BadAmount)?;
        let (kind, amount, hold, reference) = match source {
            Source::Capture(hold, amount) => {
                let owed = Money::ZERO.checked_sub(amount).ok_or(CreditRefusal::BadAmount)?;
                (EntryKind::Capture, owed, Some(hold), None)
            }
            Source::TopUp(reference, amount) => (EntryKind::TopUp, amount, None, Some(reference)),
        };
        let (account, number) = (self.id, self.entries);
        Ok(Entry { account, number, at, kind, amount, balance, hold, reference })
    }
}

/// What an entry comes from.
pub(crate) enum Source {
    /// A capture of this much from the hold.
    Capture(HoldId, Money),
    /// A purchase of this much.
    TopUp(String, Money),
}
