//! One write transaction: begun as a writer, so that it never fails half-way for want of the lock.

use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::Error;
use crate::sqlite::row::{Packed, argument};

/// Result codes of SQLite that mean "not a lawful database": CORRUPT, NOTADB.
const BROKEN: [i64; 2] = [11, 26];
/// Result code of SQLite for a violated constraint or a trigger's ABORT.
const CONSTRAINT: i64 = 19;

/// A write transaction. Dropped without a commit, it is rolled back.
pub(crate) struct Writing {
    transaction: Transaction<'static, Sqlite>,
    faults: Faults,
}

impl Writing {
    /// Takes the database's one write lock.
    pub(crate) async fn begin(writer: &SqlitePool, faults: &Faults) -> Result<Self, Error> {
        faults.step()?;
        let transaction = writer.begin_with("BEGIN IMMEDIATE").await;
        let transaction = transaction.map_err(|error| failed(&error))?;
        Ok(Self { transaction, faults: faults.clone() })
    }

    /// Writes any number of rows by one statement, none by none.
    pub(crate) async fn write(
        &mut self,
        sql: &'static str,
        mut rows: impl Iterator<Item = Packed>,
    ) -> Result<(), Error> {
        match rows.next() {
            Some(first) => self.run(sql, argument(std::iter::once(first).chain(rows))).await,
            None => Ok(()),
        }
    }

    /// Runs a statement with one argument.
    pub(crate) async fn run(&mut self, sql: &'static str, argument: String) -> Result<(), Error> {
        let connection = self.next_statement()?;
        let done = sqlx::query(sql).bind(argument).execute(connection).await;
        done.map(|_| ()).map_err(|error| failed(&error))
    }

    /// Returns the connection, for one statement.
    pub(crate) fn next_statement(&mut self) -> Result<&mut SqliteConnection, Error> {
        self.faults.step()?;
        Ok(&mut self.transaction)
    }

    /// Makes everything durable. An error means that it is not known whether it is.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.faults.step()?;
        self.transaction.commit().await.map_err(|error| failed(&error))?;
        self.faults.step()
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

/// Lets a test fail the n-th statement; nothing otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    pub(crate) left: std::sync::Arc<std::sync::atomic::AtomicU32>,
}

impl Faults {
    #[cfg(not(test))]
    fn step(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Counts down; the step that reaches 1 fails.
    #[cfg(test)]
    fn step(&self) -> Result<(), Error> {
        use std::sync::atomic::Ordering::SeqCst;
        let left = self.left.load(SeqCst);
        self.left.store(left.saturating_sub(1), SeqCst);
        if left == 1 { Err(Error::Unavailable("injected".to_owned())) } else { Ok(()) }
    }
}
