//! One transaction on a PostgreSQL server.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::Error;
use crate::postgres::failed;
use crate::sql::session::{Argument, bound};

/// How long a connection that did nothing wrong may take to roll back.
const ROLLBACK: Duration = Duration::from_secs(2);

/// A transaction. Dropped without a commit, it is rolled back: by a word to the server if it is
/// known to listen, else by closing the connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` once committed.
    connection: Option<PoolConnection<Postgres>>,
    talk: Talk,
}

/// How the talk with the server goes.
#[derive(Debug)]
struct Talk {
    /// Whether the server owes an answer, or has not given one in time.
    is_open: bool,
    /// Whether a statement failed: its COMMIT would be a silent ROLLBACK.
    is_spoiled: bool,
    /// How long any answer may take; the server's own limit is shorter.
    patience: Duration,
}

impl Session {
    /// Begins a transaction by some statements, on a connection that lives: those in the pool are
    /// dead after a restart of the server, and nothing was asked of them yet.
    pub(super) async fn begin(
        pool: &PgPool,
        words: &'static str,
        patience: Duration,
    ) -> Result<Self, Error> {
        let mut attempts = pool.options().get_max_connections();
        loop {
            let connection = pool.acquire().await.map_err(|error| failed(&error))?;
            let talk = Talk { is_open: false, is_spoiled: false, patience };
            let mut session = Self { connection: Some(connection), talk };
            match session.say(words).await {
                Ok(()) => return Ok(session),
                Err(_) if session.talk.is_open && attempts > 0 => attempts -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        arguments: &[Argument],
    ) -> Result<Vec<String>, Error> {
        let query = bound!(sqlx::query(AssertSqlSafe(in_our_words(sql).into_owned())), arguments);
        let (connection, talk) = self.parts()?;
        let rows: Vec<PgRow> = talk.wait(query.fetch_all(connection)).await?;
        // The text of a JSON value is its wire format too.
        let texts = rows.iter().map(|row| row.try_get_unchecked(0)).collect::<Result<_, _>>();
        texts.map_err(|error| failed(&error))
    }

    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        arguments: &[Argument],
    ) -> Result<(), Error> {
        let query = bound!(sqlx::query(AssertSqlSafe(in_our_words(sql).into_owned())), arguments);
        let (connection, talk) = self.parts()?;
        talk.wait(query.execute(connection)).await.map(|_| ())
    }

    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        self.say("COMMIT").await?;
        self.connection = None;
        Ok(())
    }

    /// Runs statements without arguments.
    async fn say(&mut self, words: &'static str) -> Result<(), Error> {
        let (connection, talk) = self.parts()?;
        talk.wait(sqlx::raw_sql(words).execute(connection)).await.map(|_| ())
    }

    fn parts(&mut self) -> Result<(&mut PgConnection, &mut Talk), Error> {
        match &mut self.connection {
            Some(connection) if !self.talk.is_spoiled => Ok((connection, &mut self.talk)),
            Some(_) | None => {
                Err(Error::Unavailable("the transaction has failed before".to_owned()))
            }
        }
    }
}

impl Talk {
    /// Waits for an answer, not for ever.
    async fn wait<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        (self.is_open, self.is_spoiled) = (true, true);
        let Ok(answer) = timeout(self.patience, answer).await else {
            return Err(Error::Unavailable("the server does not answer".to_owned()));
        };
        self.is_open = answer.as_ref().is_err_and(is_deaf);
        self.is_spoiled = answer.is_err();
        answer.map_err(|error| failed(&error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.talk.is_open {
            connection.close_on_drop();
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return connection.close_on_drop() };
        runtime.spawn(async move {
            let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut *connection);
            if !matches!(timeout(ROLLBACK, rollback).await, Ok(Ok(_))) {
                connection.close_on_drop();
            }
        });
    }
}

/// Whether a connection is of no more use: it broke, or the server said that it goes away (class
/// 57P). A server that says no to a statement listens.
fn is_deaf(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().map(|error| error.code());
    code.is_none_or(|code| code.is_none_or(|code| code.starts_with("57P")))
}

/// PostgreSQL's own name for what makes an array of values of any types.
fn in_our_words(sql: &'static str) -> Cow<'static, str> {
    if sql.contains("json_array(") {
        return Cow::Owned(sql.replace("json_array(", "json_build_array("));
    }
    Cow::Borrowed(sql)
}
