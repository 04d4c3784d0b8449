//! One transaction of either engine. Every statement takes texts and whole numbers, and gives rows
//! as JSON arrays, so that the rest of the store does not know which engine it talks to.

use sqlx::{Sqlite, Transaction};

use crate::Error;
use crate::postgres;
use crate::sql::row::Fields;
use crate::sqlite;

/// A statement: mostly one text for both engines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl From<&'static str> for Words {
    fn from(both: &'static str) -> Self {
        Self { sqlite: both, postgres: both }
    }
}

/// An argument of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Text(String),
    Int(i64),
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        // PostgreSQL knows no text with NUL in it.
        if text.contains('\0') {
            Self::Text(text.replace('\0', "\u{fffd}"))
        } else {
            Self::Text(text)
        }
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Hands arguments to a query of any engine.
macro_rules! bound {
    ($query:expr, $arguments:expr) => {{
        let mut query = $query;
        for argument in $arguments {
            query = match argument {
                $crate::sql::session::Argument::Text(text) => query.bind(text),
                $crate::sql::session::Argument::Int(number) => query.bind(number),
            };
        }
        query
    }};
}
pub(crate) use bound;

/// A transaction. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub(crate) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(postgres::Session),
}

impl Session {
    /// Whether nobody else can write until this ends.
    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs a query whose only column is a JSON array.
    pub(crate) async fn rows(
        &mut self,
        words: impl Into<Words>,
        arguments: &[Argument],
    ) -> Result<Vec<String>, Error> {
        let words = words.into();
        match self {
            Self::Sqlite(transaction) => {
                let query = bound!(sqlx::query_scalar::<_, String>(words.sqlite), arguments);
                let rows = query.fetch_all(&mut **transaction).await;
                rows.map_err(|error| sqlite::failed(&error))
            }
            Self::Postgres(session) => session.rows(words.postgres, arguments).await,
        }
    }

    /// Runs a query and reads each of its rows.
    pub(crate) async fn read<T>(
        &mut self,
        words: impl Into<Words>,
        arguments: &[Argument],
        read: impl Fn(&mut Fields) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.rows(words, arguments).await?;
        rows.iter().map(|row| read(&mut Fields::read(row)?)).collect()
    }

    /// Runs a statement that gives no rows.
    pub(crate) async fn run(
        &mut self,
        words: impl Into<Words>,
        arguments: &[Argument],
    ) -> Result<(), Error> {
        let words = words.into();
        match self {
            Self::Sqlite(transaction) => {
                let query = bound!(sqlx::query(words.sqlite), arguments);
                let done = query.execute(&mut **transaction).await;
                done.map(|_| ()).map_err(|error| sqlite::failed(&error))
            }
            Self::Postgres(session) => session.run(words.postgres, arguments).await,
        }
    }

    /// Makes everything durable. An error means that it is not known whether it is.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => {
                transaction.commit().await.map_err(|error| sqlite::failed(&error))
            }
            Self::Postgres(session) => session.commit().await,
        }
    }
}
