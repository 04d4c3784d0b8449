//! The book in a SQLite file: WAL, `synchronous=FULL`, one writer, a few readers.

mod farewell;
#[cfg(test)]
mod faults;
mod guards;
mod load;
mod provisioned;
mod record;
mod row;
mod save;
mod views;
mod words;
mod writing;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use credits::{Answer, Changes, Command, Epoch, OpenLeg, Wanted};
use model::{Instant, UnixTime};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::Error;
use crate::sqlite::row::Packed;
use crate::sqlite::writing::{Faults, Writing, failed};

/// How long a statement waits for another process's write; below the storekeeper's patience.
const BUSY: Duration = Duration::from_millis(1_500);
/// Connections for reading.
const READERS: u32 = 2;
/// Pages in the log before they are moved into the file: 16 MiB.
const CHECKPOINT_PAGES: &str = "4000";
/// Page cache of a connection, KiB.
const CACHE_KIB: &str = "-16000";
/// Orphans settled by one round of statements.
const SETTLED_AT_ONCE: usize = 200;

/// A SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteFile {
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
    faults: Faults,
}

impl SqliteFile {
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
        Ok(Self { writer, readers, path: path.to_owned(), faults: Faults::default() })
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

    pub(crate) async fn commit(
        &self,
        batch: &[Command],
        now: UnixTime,
    ) -> Result<Vec<Answer>, Error> {
        let mut writing = Writing::begin(&self.writer, &self.faults).await?;
        let mut page = load::page(&mut writing, &Wanted::of(batch)).await?;
        let (answers, changes) = page.commit(batch, now);
        save::changes(&mut writing, &page, &changes, now).await?;
        writing.commit().await?;
        Ok(answers)
    }

    pub(crate) async fn begin_epoch(&self, node: &str) -> Result<Epoch, Error> {
        const BEGIN: &str = "
INSERT INTO node (name, epoch, settled_below) VALUES ($1, 1, 0)
ON CONFLICT (name) DO UPDATE SET epoch = node.epoch + 1 RETURNING epoch";
        let mut writing = Writing::begin(&self.writer, &self.faults).await?;
        let begun = sqlx::query_scalar::<_, i64>(BEGIN).bind(node);
        let number = begun.fetch_one(writing.next_statement()?).await;
        let number = number.map_err(|error| failed(&error))?;
        writing.commit().await?;
        let number = u64::try_from(number).map_err(|_| row::corrupt("an epoch is negative"))?;
        Ok(Epoch { node: node.to_owned(), number })
    }

    pub(crate) async fn beat(&self, epoch: &Epoch, at: Instant) -> Result<(), Error> {
        const BEAT: &str = "
INSERT INTO heartbeat (node, epoch, counter, clock_micros)
SELECT value ->> 0, value ->> 1, 1, value ->> 2 FROM json_each($1) WHERE true
ON CONFLICT (node, epoch) DO UPDATE SET counter = heartbeat.counter + 1,
    clock_micros = excluded.clock_micros";
        let beat = Packed::default().text(&epoch.node).count(epoch.number).count(at.micros);
        let mut writing = Writing::begin(&self.writer, &self.faults).await?;
        writing.write(BEAT, std::iter::once(beat)).await?;
        writing.commit().await
    }

    /// Fences every other epoch and settles their legs, all in one transaction: a failure leaves
    /// every leg open, so that a retry still returns them all.
    pub(crate) async fn settle(
        &self,
        current: &Epoch,
        now: UnixTime,
    ) -> Result<Vec<OpenLeg>, Error> {
        const FENCE: &str = "
UPDATE node SET settled_below = MAX(node.settled_below, CASE
    WHEN node.name = fence.value ->> 0 THEN fence.value ->> 1 ELSE node.epoch + 1 END)
FROM json_each($1) AS fence";
        let mut writing = Writing::begin(&self.writer, &self.faults).await?;
        let fence = Packed::default().text(&current.node).count(current.number);
        writing.write(FENCE, std::iter::once(fence)).await?;
        let (heartbeats, orphans) = views::left_behind(writing.next_statement()?, current).await?;
        for round in orphans.chunks(SETTLED_AT_ONCE) {
            let legs = round.iter().map(|leg| leg.call).collect();
            let wanted = Wanted { legs, ..Wanted::default() };
            let mut page = load::page(&mut writing, &wanted).await?;
            let mut changes = Changes::default();
            for leg in round {
                let heartbeat = heartbeats.get(&leg.epoch).copied();
                // One whose rows contradict each other stays open, for a person to look at: it must
                // not keep the others from being settled and the node from starting.
                let _ = page.settle(leg.call, heartbeat, now, &mut changes);
            }
            save::changes(&mut writing, &page, &changes, now).await?;
            farewell::owe(&mut writing, round, now).await?;
        }
        writing.commit().await?;
        Ok(orphans)
    }
}
