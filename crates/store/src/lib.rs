//! Where the book is kept. Each method is one transaction: load rows → `credits::decide` → save
//! rows. It does no arithmetic on money and decides nothing.
//!
//! Deliberately absent: a cache of accounts (another process may top up at any time), values
//! invented by the database, SQL made at run time.

mod memory;
mod provision;

use std::sync::Arc;

pub use credits::view::{self, AccountView, Case, Entry, EntryKind, HoldState, HoldView, Lot};

use credits::{Answer, Command, Epoch, OpenLeg};
use model::record::{Cdr, Provision};
use model::{AccountId, Instant, OrganizationId, UnixTime};
use thiserror::Error;

use crate::memory::Memory;

/// Why the outside failed. Absence is not an error.
#[derive(Debug, Error)]
pub enum Error {
    /// The database cannot be reached, is locked or is full.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored contradicts itself; a person must look.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// What was asked to be stored contradicts itself or what is there; the text says what to
    /// change.
    #[error("{0}")]
    Invalid(String),
}

/// A store of one of the kinds, chosen by its URL. A clone is the same store.
#[derive(Debug, Clone)]
pub enum Store {
    /// Forgets at exit.
    Memory(MemoryStore),
}

/// A handle on a store in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Memory>);

impl Store {
    /// Opens `sqlite:PATH` or `memory:` and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error`] if it cannot be opened, or is locked by another `serve`.
    pub async fn open(url: &str) -> Result<Self, Error> {
        if url == "memory:" {
            return Ok(Self::Memory(MemoryStore::default()));
        }
        Err(Error::Unavailable(format!("no store at {url}")))
    }

    /// Commits a batch in one transaction; the answers are in its order. An error means that
    /// nothing was committed, or that it is not known.
    ///
    /// # Errors
    /// [`Error`] as above.
    pub async fn commit(&self, batch: &[Command], now: UnixTime) -> Result<Vec<Answer>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.commit(batch, now)),
        }
    }

    /// Reads all that is provisioned.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn provision(&self) -> Result<Provision, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().provision.clone()),
        }
    }

    /// Reads the revision of the provisioning only.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn revision(&self) -> Result<u64, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().provision.revision),
        }
    }

    /// Inserts or replaces everything in `change`, tariffs of the named scopes whole; deletes
    /// nothing else. Every organization gets an account. Returns the revision, unchanged if
    /// nothing differs.
    ///
    /// # Errors
    /// [`Error`] if the store fails or the change contradicts itself; nothing is half-applied.
    pub async fn apply(&self, change: &Provision) -> Result<u64, Error> {
        match self {
            Self::Memory(memory) => memory.0.apply(change),
        }
    }

    /// Starts a new epoch of a node and returns it.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn begin_epoch(&self, node: &str) -> Result<Epoch, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.begin_epoch(node)),
        }
    }

    /// Writes the heartbeat: the epoch's clock as of now.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn beat(&self, epoch: &Epoch, at: Instant) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => {
                memory.0.lock().book.beat(epoch, at);
                Ok(())
            }
        }
    }

    /// Settles every leg that older epochs of the node left open (charging.md, "Settlement") and
    /// returns them as they stood, so that their carriers get a BYE.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn settle(&self, current: &Epoch, now: UnixTime) -> Result<Vec<OpenLeg>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.settle(current, now)),
        }
    }

    /// Reads the newest CDRs, newest first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn cdrs(&self, most: u32) -> Result<Vec<Cdr>, Error> {
        let most_here = usize::try_from(most).unwrap_or(usize::MAX);
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.cdrs(most_here)),
        }
    }

    /// Reads an organization's account; `None` if there is no such organization.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn account(&self, of: OrganizationId) -> Result<Option<AccountView>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.account(of)),
        }
    }

    /// Reads every account.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.accounts()),
        }
    }

    /// Reads an account's entries with `from <= at < until`, oldest first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn entries(
        &self,
        account: AccountId,
        from: UnixTime,
        until: UnixTime,
    ) -> Result<Vec<Entry>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.entries(account, from, until)),
        }
    }

    /// Reads all that is known of a call, by our id (32 hexadecimal digits) or the SIP Call-ID.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn case(&self, key: &str) -> Result<Option<Case>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.case(key)),
        }
    }

    /// Reads every open leg.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn open_legs(&self) -> Result<Vec<OpenLeg>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.open_legs()),
        }
    }
}
