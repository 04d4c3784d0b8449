//! The book in a SQL database. Both engines run the same statements: JSON arrays carry any number of
//! rows to the database (`json_each`) and back (`json_array`), and whole numbers are `CAST`.

mod farewell;
#[cfg(test)]
mod faults;
mod guards;
mod load;
mod provisioned;
mod record;
pub(crate) mod row;
mod save;
pub(crate) mod session;
mod views;
mod words;
pub(crate) mod writing;

use credits::{Answer, Changes, Command, Epoch, OpenLeg, Wanted};
use model::{Instant, UnixTime};
use sqlx::{Sqlite, Transaction};

use crate::Error;
use crate::postgres::Server;
use crate::sql::row::{Packed, corrupt};
use crate::sql::session::Session;
use crate::sql::writing::{Claim, Faults, Writing};
use crate::sqlite::SqliteFile;

/// How often a batch is begun again of which a deadlock left nothing.
const REPEATS: u32 = 3;
/// Orphans settled by one round of statements.
const SETTLED_AT_ONCE: usize = 200;

/// A database of either engine.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) engine: Engine,
    faults: Faults,
}

/// Where the rows are.
#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite(SqliteFile),
    Postgres(Box<Server>),
}

impl Database {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, faults: Faults::default() }
    }

    /// Begins a write transaction.
    pub(crate) async fn begin(&self, claim: Claim) -> Result<Writing, Error> {
        self.faults.step()?;
        let session = match &self.engine {
            Engine::Sqlite(file) => Session::Sqlite(file.begin().await?),
            Engine::Postgres(server) => Session::Postgres(server.begin(claim).await?),
        };
        Ok(Writing::new(session, self.faults.clone()))
    }

    /// Begins a snapshot.
    pub(crate) async fn reading(&self) -> Result<Session, Error> {
        Ok(match &self.engine {
            Engine::Sqlite(file) => Session::Sqlite(file.reading().await?),
            Engine::Postgres(server) => Session::Postgres(server.reading().await?),
        })
    }

    /// Begins a snapshot of a file.
    pub(crate) async fn file_snapshot(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        match &self.engine {
            Engine::Sqlite(file) => file.reading().await,
            Engine::Postgres(_) => Err(Error::Invalid("the store is not a file".to_owned())),
        }
    }

    pub(crate) async fn commit(
        &self,
        batch: &[Command],
        now: UnixTime,
    ) -> Result<Vec<Answer>, Error> {
        for _ in 0..REPEATS {
            match self.commit_once(batch, now).await {
                Err(Error::Contended(_)) => {}
                done => return done,
            }
        }
        self.commit_once(batch, now).await
    }

    async fn commit_once(&self, batch: &[Command], now: UnixTime) -> Result<Vec<Answer>, Error> {
        let mut writing = self.begin(Claim::Rows).await?;
        let mut page = load::page(&mut writing, &Wanted::of(batch)).await?;
        let (answers, changes) = page.commit(batch, now);
        save::changes(&mut writing, &page, &changes, now).await?;
        writing.commit().await?;
        Ok(answers)
    }

    pub(crate) async fn begin_epoch(&self, node: &str) -> Result<Epoch, Error> {
        const BEGIN: &str = "
INSERT INTO node (name, epoch, settled_below) VALUES ($1, 1, 0)
ON CONFLICT (name) DO UPDATE SET epoch = node.epoch + 1 RETURNING json_array(epoch)";
        let mut writing = self.begin(Claim::Nothing).await?;
        let begun = writing.next_statement()?.read(BEGIN, &[node.into()], |row| row.int()).await?;
        writing.commit().await?;
        let number = begun.first().copied().ok_or_else(|| corrupt("an epoch is missing"))?;
        Ok(Epoch { node: node.to_owned(), number })
    }

    pub(crate) async fn beat(&self, epoch: &Epoch, at: Instant) -> Result<(), Error> {
        const BEAT: &str = "
INSERT INTO heartbeat (node, epoch, counter, clock_micros)
SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), 1, CAST(value ->> 2 AS BIGINT)
FROM json_each($1) WHERE true
ON CONFLICT (node, epoch) DO UPDATE SET counter = heartbeat.counter + 1,
    clock_micros = excluded.clock_micros";
        let beat = Packed::default().text(&epoch.node).count(epoch.number).count(at.micros);
        let mut writing = self.begin(Claim::Nothing).await?;
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
UPDATE node SET settled_below = CASE
    WHEN node.name <> fence.value ->> 0 THEN node.epoch + 1
    WHEN node.settled_below > CAST(fence.value ->> 1 AS BIGINT) THEN node.settled_below
    ELSE CAST(fence.value ->> 1 AS BIGINT) END
FROM json_each($1) AS fence";
        let mut writing = self.begin(Claim::Book).await?;
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
