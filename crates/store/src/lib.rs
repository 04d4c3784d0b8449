//! Where the book is kept. Each method is one transaction: load rows → `credits::decide` → save
//! rows. It does no arithmetic on money and decides nothing.
//!
//! Deliberately absent: a cache of accounts (another process may top up at any time), values
//! invented by the database, SQL made of data.

#[cfg(test)]
#[path = "../tests/world/cluster.rs"]
mod cluster;
mod copy;
mod guards;
mod memory;
mod postgres;
mod provision;
mod sql;
mod sqlite;
mod withheld;
#[cfg(test)]
#[path = "../tests/world/mod.rs"]
mod world;

#[cfg(test)]
extern crate self as store;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub use crate::copy::{Copied, copy};
pub use crate::guards::{Act, Verb};
pub use crate::withheld::{KeyError, Keys, Unopened};
pub use credits::view::{self, AccountView, Case, Entry, EntryKind, HoldState, HoldView, Lot};

use credits::{Answer, Command, Epoch, Farewell, OpenLeg};
use model::record::{Cdr, Provision};
use model::{AccountId, CallId, Instant, OrganizationId, Outlay, Unapproved, UnixTime};

use crate::memory::Memory;
use crate::postgres::Server;
use crate::sql::{Database, Engine};
use crate::sqlite::SqliteFile;

/// Why the outside failed. Absence is not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is locked or is full.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Another transaction was in the way and the database gave this one up, again and again;
    /// nothing was committed.
    #[error("the store is contended: {0}")]
    Contended(String),
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
    /// A PostgreSQL database.
    Postgres(PostgresStore),
}

/// A handle on a store in memory. It grows with every call and is meant for tests and trials.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Memory>);

/// A handle on a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Database>);

/// A handle on a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresStore(Arc<Database>);

/// The right to serve from a store, until dropped. A second one is refused.
#[derive(Debug)]
pub struct ServingLock {
    _held: Held,
}

/// What the right to serve is held by.
#[derive(Debug)]
#[expect(dead_code, reason = "held to be dropped")]
enum Held {
    Nothing,
    File(File),
    Session(postgres::Watch),
}

impl Store {
    /// Opens `memory:`, `sqlite:PATH` or `postgres://USER@HOST/NAME`. The schema of a file is brought
    /// up to date; that of a database must be ([`Self::migrate`]).
    ///
    /// # Errors
    /// [`Error`] if it cannot be opened, or a server does not keep what it acknowledges.
    pub async fn open(url: &str) -> Result<Self, Error> {
        if url == "memory:" {
            return Ok(Self::Memory(MemoryStore::default()));
        }
        if is_postgres(url) {
            let server = Engine::Postgres(Box::new(Server::open(url).await?));
            return Ok(Self::Postgres(PostgresStore(Arc::new(Database::new(server)))));
        }
        let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) else {
            return Err(Error::Invalid(
                "the URL of a store is sqlite:PATH, postgres://USER@HOST/NAME or memory:"
                    .to_owned(),
            ));
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        let file = Engine::Sqlite(SqliteFile::open(Path::new(path)).await?);
        Ok(Self::Sqlite(SqliteStore(Arc::new(Database::new(file)))))
    }

    /// Brings the schema of a store up to date, also while others use it. Returns the numbers of the
    /// migrations that were applied to a database; a file is brought up to date whenever it is
    /// opened.
    ///
    /// # Errors
    /// [`Error`] if it cannot be opened or changed; a migration is applied whole or not at all.
    pub async fn migrate(url: &str) -> Result<Vec<i64>, Error> {
        if is_postgres(url) {
            return postgres::migrate(url).await;
        }
        Self::open(url).await.map(|_| Vec::new())
    }

    /// Takes the exclusive right to serve, so that a second `serve` refuses to start. Command-line
    /// tools do without.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if another process holds it, or it cannot be taken.
    pub async fn lock_for_serving(&self) -> Result<ServingLock, Error> {
        let held = match self {
            Self::Memory(_) => Held::Nothing,
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                match &database.engine {
                    Engine::Sqlite(file) => Held::File(file.lock()?),
                    Engine::Postgres(server) => Held::Session(server.lock().await?),
                }
            }
        };
        Ok(ServingLock { _held: held })
    }

    /// Commits a batch in one transaction; the answers are in its order. An error means that
    /// nothing was committed, or that it is not known.
    ///
    /// # Errors
    /// [`Error`] as above.
    pub async fn commit(&self, batch: &[Command], now: UnixTime) -> Result<Vec<Answer>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.commit(batch, now)),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.commit(batch, now).await
            }
        }
    }

    /// Reads all that is provisioned.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn provision(&self) -> Result<Provision, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().provision.clone()),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.provision().await
            }
        }
    }

    /// Reads the revision of the provisioning only.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn revision(&self) -> Result<u64, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().provision.revision),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.revision().await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.apply(change).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.act(act).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.acts(most).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.outlays(after, most).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.unapproved(since, most).await
            }
        }
    }

    /// Starts a new epoch of a node and returns it.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn begin_epoch(&self, node: &str) -> Result<Epoch, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.begin_epoch(node)),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.begin_epoch(node).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.beat(epoch, at).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.settle(current, now).await
            }
        }
    }

    /// Reads which carriers are still to be told that a leg is over, longest owed first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn farewells(&self) -> Result<Vec<Farewell>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.farewells()),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.farewells().await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.forget_farewells(calls).await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.cdrs(most).await
            }
        }
    }

    /// Reads an organization's account; `None` if there is no such organization.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn account(&self, of: OrganizationId) -> Result<Option<AccountView>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.account(of)),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.account(of).await
            }
        }
    }

    /// Reads every account.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.accounts()),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.accounts().await
            }
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
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.entries(account, from, until).await
            }
        }
    }

    /// Reads all that is known of a call, by our id (32 hexadecimal digits) or the SIP Call-ID.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn case(&self, key: &str) -> Result<Option<Case>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.case(key)),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.case(key).await
            }
        }
    }

    /// Reads every open leg.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn open_legs(&self) -> Result<Vec<OpenLeg>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.0.lock().book.open_legs()),
            Self::Sqlite(SqliteStore(database)) | Self::Postgres(PostgresStore(database)) => {
                database.open_legs().await
            }
        }
    }
}

/// Whether a URL is that of a store, as far as can be told without opening it.
#[must_use]
pub fn is_url(url: &str) -> bool {
    let is_file = url.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty());
    is_file || url == "memory:" || (is_postgres(url) && postgres::is_url(url))
}

/// Returns a store's URL without what is secret in it.
#[must_use]
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| is_postgres(url)) else {
        return url.to_owned();
    };
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    match place.rsplit_once('@') {
        Some((role, at)) => format!("{scheme}://{}@{at}", role.split(':').next().unwrap_or("")),
        None => format!("{scheme}://{place}"),
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, told) in [
            ("postgres://tollgate:s3cr:et@db.example/book", "postgres://tollgate@db.example/book"),
            ("postgres://db/book?user=a&password=s3cret", "postgres://db/book"),
            ("postgresql://tollgate@/book?host=/run", "postgresql://tollgate@/book"),
            ("sqlite:/var/lib/tollgate/book.sqlite", "sqlite:/var/lib/tollgate/book.sqlite"),
        ] {
            assert_eq!(shown(url), told);
        }
    }
}
