//! Where the book is kept. Each method is one transaction: load rows → `credits::decide` → save
//! rows. It does no arithmetic on money and decides nothing.
//!
//! Deliberately absent: a cache of accounts (another process may top up at any time), values
//! invented by the database, SQL made at run time.

mod guards;
mod memory;
mod provision;
mod sqlite;
#[cfg(test)]
#[path = "../tests/world/mod.rs"]
mod world;

#[cfg(test)]
extern crate self as store;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub use crate::guards::{Act, Verb};
pub use credits::view::{self, AccountView, Case, Entry, EntryKind, HoldState, HoldView, Lot};

use credits::{Answer, Command, Epoch, Farewell, OpenLeg};
use model::record::{Cdr, Provision};
use model::{AccountId, CallId, Instant, OrganizationId, Outlay, Unapproved, UnixTime};

use crate::memory::Memory;
use crate::sqlite::SqliteFile;

/// Why the outside failed. Absence is not an error.
#[derive(Debug, thiserror::Error)]
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
    /// A SQLite file.
    Sqlite(SqliteStore),
}

/// A handle on a store in memory. It grows with every call and is meant for tests and trials.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Memory>);

/// A handle on a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<SqliteFile>);

/// The right to serve from a store, until dropped. A second one is refused.
#[derive(Debug)]
pub struct ServingLock {
    _file: Option<File>,
}

impl Store {
    /// Opens `sqlite:PATH` or `memory:` and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error`] if it cannot be opened.
    pub async fn open(url: &str) -> Result<Self, Error> {
        if url == "memory:" {
            return Ok(Self::Memory(MemoryStore::default()));
        }
        let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) else {
            let wrong = format!("{url} is not a store: write sqlite:PATH or memory:");
            return Err(Error::Invalid(wrong));
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        Ok(Self::Sqlite(SqliteStore(Arc::new(SqliteFile::open(Path::new(path)).await?))))
    }

    /// Takes the exclusive lock beside the database, so that a second `serve` refuses to start.
    /// Command-line tools do without. Blocks for one system call only.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if another process holds it, or it cannot be taken.
    pub fn lock_for_serving(&self) -> Result<ServingLock, Error> {
        match self {
            Self::Memory(_) => Ok(ServingLock { _file: None }),
            Self::Sqlite(sqlite) => Ok(ServingLock { _file: Some(sqlite.0.lock()?) }),
        }
    }

    /// Commits a batch in one transaction; the answers are in its order. An error means that
    /// nothing was committed, or that it is not known.
    ///
    /// # Errors
    /// [`Error`] as above.
    pub async fn commit(&self, batch: &[Command], now: UnixTime) -> Result<Vec<Answer>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.commit(batch, now)),
            Self::Sqlite(sqlite) => sqlite.0.commit(batch, now).await,
        }
    }

    /// Reads all that is provisioned.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn provision(&self) -> Result<Provision, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().provision.clone()),
            Self::Sqlite(sqlite) => sqlite.0.provision().await,
        }
    }

    /// Reads the revision of the provisioning only.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn revision(&self) -> Result<u64, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().provision.revision),
            Self::Sqlite(sqlite) => sqlite.0.revision().await,
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
            Self::Sqlite(sqlite) => sqlite.0.apply(change).await,
        }
    }

    /// Does something about a guard: who is out of service, which country may be called. The act is
    /// written down with it, for ever. Returns the revision, unchanged if nothing differs.
    ///
    /// # Errors
    /// [`Error`] if the store fails; nothing is half-done.
    pub async fn act(&self, act: &Act) -> Result<u64, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.act(act)),
            Self::Sqlite(sqlite) => sqlite.0.act(act).await,
        }
    }

    /// Reads the newest acts, newest first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn acts(&self, most: u32) -> Result<Vec<Act>, Error> {
        match self {
            Self::Memory(memory) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                Ok(memory.0.lock().acts.iter().rev().take(most).cloned().collect())
            }
            Self::Sqlite(sqlite) => sqlite.0.acts(most).await,
        }
    }

    /// Reads calls out that are over and whose records come after `after`, in the order in which they
    /// were written, at most so many: what budgets are rebuilt from.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn outlays(
        &self,
        after: (UnixTime, CallId),
        most: u32,
    ) -> Result<Vec<Outlay>, Error> {
        match self {
            Self::Memory(memory) => {
                Ok(memory.0.lock().book.outlays(after, usize::try_from(most).unwrap_or(usize::MAX)))
            }
            Self::Sqlite(sqlite) => sqlite.0.outlays(after, most).await,
        }
    }

    /// Reads the newest calls that were refused since then because nobody has approved the country,
    /// newest first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn unapproved(&self, since: UnixTime, most: u32) -> Result<Vec<Unapproved>, Error> {
        match self {
            Self::Memory(memory) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                Ok(memory.0.lock().book.unapproved(since, most))
            }
            Self::Sqlite(sqlite) => sqlite.0.unapproved(since, most).await,
        }
    }

    /// Starts a new epoch of a node and returns it.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn begin_epoch(&self, node: &str) -> Result<Epoch, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.begin_epoch(node)),
            Self::Sqlite(sqlite) => sqlite.0.begin_epoch(node).await,
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
            Self::Sqlite(sqlite) => sqlite.0.beat(epoch, at).await,
        }
    }

    /// Settles every leg that other epochs left open, of whatever node (charging.md, "Settlement"),
    /// and returns them as they stood. The asker serves alone: whoever holds the lock of
    /// [`Self::lock_for_serving`] knows that no other epoch lives. In the same transaction it is
    /// written that their carriers are owed a BYE ([`Self::farewells`]).
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn settle(&self, current: &Epoch, now: UnixTime) -> Result<Vec<OpenLeg>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.settle(current, now)),
            Self::Sqlite(sqlite) => sqlite.0.settle(current, now).await,
        }
    }

    /// Reads which carriers are still to be told that a leg is over, longest owed first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn farewells(&self) -> Result<Vec<Farewell>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.farewells()),
            Self::Sqlite(sqlite) => sqlite.0.farewells().await,
        }
    }

    /// Forgets farewells that were said, or given up. One that is not owed is nothing.
    ///
    /// # Errors
    /// [`Error`] if the store fails; they are then said again at the next start.
    pub async fn forget_farewells(&self, calls: &[CallId]) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => {
                memory.0.lock().book.forget_farewells(calls);
                Ok(())
            }
            Self::Sqlite(sqlite) => sqlite.0.forget_farewells(calls).await,
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
            Self::Sqlite(sqlite) => sqlite.0.cdrs(most).await,
        }
    }

    /// Reads an organization's account; `None` if there is no such organization.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn account(&self, of: OrganizationId) -> Result<Option<AccountView>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.account(of)),
            Self::Sqlite(sqlite) => sqlite.0.account(of).await,
        }
    }

    /// Reads every account.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.accounts()),
            Self::Sqlite(sqlite) => sqlite.0.accounts().await,
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
            Self::Sqlite(sqlite) => sqlite.0.entries(account, from, until).await,
        }
    }

    /// Reads all that is known of a call, by our id (32 hexadecimal digits) or the SIP Call-ID.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn case(&self, key: &str) -> Result<Option<Case>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.case(key)),
            Self::Sqlite(sqlite) => sqlite.0.case(key).await,
        }
    }

    /// Reads every open leg.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn open_legs(&self) -> Result<Vec<OpenLeg>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.open_legs()),
            Self::Sqlite(sqlite) => sqlite.0.open_legs().await,
        }
    }
}
