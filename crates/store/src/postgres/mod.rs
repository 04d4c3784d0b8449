//! A PostgreSQL database: durable on COMMIT or not used at all; accounts locked row by row.

mod schema;
mod session;
mod setting;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::sql::writing::Claim;

pub(crate) use crate::postgres::schema::migrate;
pub(crate) use crate::postgres::session::Session;

/// How long a statement of a batch may take, waiting for rows included; below the storekeeper's
/// patience.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The same for a statement that reads or writes a whole table.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// How much later than the server we give up waiting for it.
const GRACE: Duration = Duration::from_millis(300);
/// Connections for writing: the storekeeper's, the heartbeat's, and some for the tools' sake.
const WRITERS: u32 = 4;
/// Connections for reading.
const READERS: u32 = 3;
/// How often the right to serve is looked after.
const WATCH: Duration = Duration::from_secs(1);

/// Session settings: a vanished client or server is noticed in seconds, nobody holds locks for ever.
/// Compiling a statement takes longer than running it.
const SESSION: [(&str, &str); 7] = [
    ("jit", "off"),
    ("statement_timeout", "1500ms"),
    ("lock_timeout", "1500ms"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// What every statement of a batch finds by its keys; the planner would rather read a table that
/// was small when it looked.
const BY_KEYS: [(&str, &str); 3] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];

/// A database on a server.
#[derive(Debug)]
pub(crate) struct Server {
    writers: PgPool,
    readers: PgPool,
    options: PgConnectOptions,
}

impl Server {
    /// Connects to a database whose schema is there already.
    ///
    /// # Errors
    /// [`Error::Invalid`] if commits would not be durable, or the schema is not up to date: the
    /// text says what to change.
    pub(crate) async fn open(url: &str) -> Result<Self, Error> {
        let options = options(url)?;
        let mut first = options.connect().await.map_err(|error| failed(&error))?;
        let commit = setting::durable(&mut first).await?;
        schema::check(&mut first).await?;
        drop(first.close().await);
        // As found, whatever it is changed to later.
        let options = options.options(SESSION).options([("synchronous_commit", commit.as_str())]);
        let pool = |most| {
            PgPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(PATIENCE)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        Ok(Self {
            writers: pool(WRITERS).connect_lazy_with(options.clone().options(BY_KEYS)),
            readers: pool(READERS).connect_lazy_with(options.clone()),
            options,
        })
    }

    /// Begins a transaction that keeps out whom its claim says.
    pub(crate) async fn begin(&self, claim: Claim) -> Result<Session, Error> {
        // The numbers name our advisory locks: 7001 the book, 7002 what is provisioned.
        let (words, patience) = match claim {
            Claim::Rows => ("BEGIN; SELECT pg_advisory_xact_lock_shared(7001)", PATIENCE),
            Claim::Book => (
                "BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '60s';
                 SELECT pg_advisory_xact_lock(7001)",
                LONG_PATIENCE,
            ),
            Claim::Provisioning => (
                "BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '60s';
                 SELECT pg_advisory_xact_lock(7002)",
                LONG_PATIENCE,
            ),
            Claim::Nothing => ("BEGIN", PATIENCE),
        };
        Session::begin(&self.writers, words, patience + GRACE).await
    }

    /// Begins a snapshot.
    pub(crate) async fn reading(&self) -> Result<Session, Error> {
        const READ: &str = "
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '60s'";
        Session::begin(&self.readers, READ, LONG_PATIENCE + GRACE).await
    }

    /// Takes the right to serve, which is a lock of a session of its own: the server takes it back
    /// when that session ends, however its process did.
    pub(crate) async fn lock(&self) -> Result<Watch, Error> {
        let held = locked(&self.options).await?;
        let Some(held) = held else {
            let told = "another serve holds the database (advisory lock 7000): stop it first";
            return Err(Error::Unavailable(told.to_owned()));
        };
        let options = self.options.clone();
        Ok(Watch(tokio::spawn(watch(options, held))))
    }

    /// The writers, for what only a test does.
    #[cfg(test)]
    pub(crate) fn writers(&self) -> &PgPool {
        &self.writers
    }
}

/// Looks after the right to serve: after the server was away it is taken again. Whoever took it
/// meanwhile has fenced this node's legs, so that nothing is charged twice.
#[derive(Debug)]
pub(crate) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(options: PgConnectOptions, mut held: PgConnection) {
    loop {
        sleep(WATCH).await;
        if matches!(timeout(PATIENCE, held.ping()).await, Ok(Ok(()))) {
            continue;
        }
        held = loop {
            if let Ok(Ok(Some(again))) = timeout(PATIENCE, locked(&options)).await {
                break again;
            }
            sleep(WATCH).await;
        };
    }
}

/// Returns a session that has the right to serve, `None` if another one has it.
async fn locked(options: &PgConnectOptions) -> Result<Option<PgConnection>, Error> {
    let mut session = options.connect().await.map_err(|error| failed(&error))?;
    let lock = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock(7000)");
    let locked = lock.fetch_one(&mut session).await.map_err(|error| failed(&error))?;
    Ok(locked.then_some(session))
}

/// Connects for what takes long and is done alone.
pub(crate) async fn connect(url: &str) -> Result<PgConnection, Error> {
    options(url)?.connect().await.map_err(|error| failed(&error))
}

/// Whether a URL can be read.
pub(crate) fn is_url(url: &str) -> bool {
    options(url).is_ok()
}

fn options(url: &str) -> Result<PgConnectOptions, Error> {
    // The URL may hold a password: it is not repeated.
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        Error::Invalid(format!("the URL of the store is not postgres://USER@HOST/NAME: {error}"))
    })?;
    Ok(options.application_name("tollgate").disable_statement_logging())
}

/// Turns a failure of the database into what it means for the asker.
pub(crate) fn failed(error: &sqlx::Error) -> Error {
    let told = error.to_string();
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        // Serialization failure, deadlock.
        Some("40001" | "40P01") => Error::Contended(told),
        // A violated constraint, a value that does not fit, a trigger's no, damaged files.
        Some(code) if code.starts_with("23") || code.starts_with("22") => Error::Corrupt(told),
        Some("P0001" | "XX001" | "XX002") => Error::Corrupt(told),
        Some(_) | None => Error::Unavailable(told),
    }
}
