//! A SQLite file: WAL, `synchronous=FULL`, one writer, a few readers.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::Error;

/// How long a statement waits for another process's write; below the storekeeper's patience.
const BUSY: Duration = Duration::from_millis(1_500);
/// Connections for reading.
const READERS: u32 = 2;
/// Pages in the log before they are moved into the file: 16 MiB.
const CHECKPOINT_PAGES: &str = "4000";
/// Page cache of a connection, KiB.
const CACHE_KIB: &str = "-16000";
/// Result codes of SQLite that mean "not a lawful database": CORRUPT, NOTADB.
const BROKEN: [i64; 2] = [11, 26];
/// Result code of SQLite for a violated constraint or a trigger's ABORT.
const CONSTRAINT: i64 = 19;

/// A SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteFile {
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
}

impl SqliteFile {
    /// Opens a file, making it if need be, and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("cache_size", CACHE_KIB);
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(BUSY)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let writer = pool().max_connections(1).connect_with(options.clone()).await;
        let writer = writer.map_err(|error| failed(&error))?;
        let migrated = sqlx::migrate!().run(&writer).await;
        migrated.map_err(|error| Error::Unavailable(error.to_string()))?;
        let readers = pool().max_connections(READERS).connect_lazy_with(options);
        Ok(Self { writer, readers, path: path.to_owned() })
    }

    /// Takes the database's one write lock.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(|error| failed(&error))
    }

    /// Begins a snapshot.
    pub(crate) async fn reading(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.readers.begin().await.map_err(|error| failed(&error))
    }

    /// Takes `PATH.lock` for as long as the returned file is open.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".lock");
        let beside = PathBuf::from(beside);
        let shown = beside.display();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&beside);
        let file = file.map_err(|error| Error::Unavailable(format!("{shown}: {error}")))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Unavailable(format!("{shown} is held by another serve")))
            }
            Err(TryLockError::Error(error)) => Err(Error::Unavailable(format!("{shown}: {error}"))),
        }
    }

    /// The writer, for what only a test does.
    #[cfg(test)]
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }
}

/// Turns a failure of the database into what it means for the asker.
pub(crate) fn failed(error: &sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff);
    match code {
        Some(code) if BROKEN.contains(&code) || code == CONSTRAINT => {
            Error::Corrupt(error.to_string())
        }
        Some(_) | None => Error::Unavailable(error.to_string()),
    }
}
