//! One write transaction: begun as a writer, so that it never fails half-way for want of the lock.

use crate::Error;
use crate::sql::row::{Packed, argument};
use crate::sql::session::{Argument, Session, Words};

/// What a transaction may write, and whom it keeps out until it ends. SQLite has one writer, which
/// keeps out everybody; PostgreSQL locks what is named here, and account rows as they are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Accounts and legs by their rows; keeps out whoever settles.
    Rows,
    /// Every account and leg: no batch is between its load and its commit meanwhile.
    Book,
    /// What is provisioned, which is read whole, compared and written.
    Provisioning,
    /// Rows that each stand alone.
    Nothing,
}

/// A write transaction. Dropped without a commit, it is rolled back.
pub(crate) struct Writing {
    session: Session,
    faults: Faults,
}

impl Writing {
    pub(super) fn new(session: Session, faults: Faults) -> Self {
        Self { session, faults }
    }

    /// Writes any number of rows by one statement, none by none.
    pub(crate) async fn write(
        &mut self,
        words: impl Into<Words>,
        mut rows: impl Iterator<Item = Packed>,
    ) -> Result<(), Error> {
        match rows.next() {
            Some(first) => {
                let rows = argument(std::iter::once(first).chain(rows));
                self.run(words, &[rows.into()]).await
            }
            None => Ok(()),
        }
    }

    /// Locks rows, where the transaction itself does not keep everybody out.
    pub(crate) async fn lock(
        &mut self,
        sql: &'static str,
        arguments: &[Argument],
    ) -> Result<(), Error> {
        if self.session.is_alone() {
            return Ok(());
        }
        self.run(sql, arguments).await
    }

    /// Runs a statement.
    pub(crate) async fn run(
        &mut self,
        words: impl Into<Words>,
        arguments: &[Argument],
    ) -> Result<(), Error> {
        self.next_statement()?.run(words, arguments).await
    }

    /// Returns the transaction, for one statement.
    pub(crate) fn next_statement(&mut self) -> Result<&mut Session, Error> {
        self.faults.step()?;
        Ok(&mut self.session)
    }

    /// Makes everything durable. An error means that it is not known whether it is.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.faults.step()?;
        self.session.commit().await?;
        self.faults.step()
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
    pub(super) fn step(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Counts down; the step that reaches 1 fails.
    #[cfg(test)]
    pub(super) fn step(&self) -> Result<(), Error> {
        use std::sync::atomic::Ordering::SeqCst;
        let left = self.left.load(SeqCst);
        self.left.store(left.saturating_sub(1), SeqCst);
        if left == 1 { Err(Error::Unavailable("injected".to_owned())) } else { Ok(()) }
    }
}
