//! The schema: the same migrations as SQLite's. What PostgreSQL says in other words is translated;
//! what only it needs, or says quite differently, is a file in `migrations/postgres`, which takes
//! the place of the shared one with the same number.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr};
use tokio::time::sleep;

use crate::Error;
use crate::postgres::{failed, options};

/// A migration never makes others wait for longer than this: it gives up its place in the queue of
/// a table's lock and tries again.
const LOCK_PATIENCE: &str = "2s";
/// How often it tries.
const ATTEMPTS: u32 = 30;
/// How long it waits in between.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings the schema up to date while others read and write. Returns what was applied.
///
/// # Errors
/// [`Error::Invalid`] if a migration was changed after it was applied; [`Error::Unavailable`] if
/// the role may not, or a lock was never free: nothing of the migration that failed is applied.
pub(crate) async fn migrate(url: &str) -> Result<Vec<i64>, Error> {
    let options = options(url)?.options([("lock_timeout", LOCK_PATIENCE)]);
    let mut connection = options.connect().await.map_err(|error| failed(&error))?;
    let before = applied(&mut connection).await?;
    let mut migrator = Migrator::with_migrations(migrations());
    migrator.set_ignore_missing(true);
    let mut attempts = 1;
    while let Err(error) = migrator.run_direct(None, &mut connection, false).await {
        if attempts == ATTEMPTS || !is_locked(&error) {
            return Err(refused(&error));
        }
        attempts += 1;
        sleep(PAUSE).await;
    }
    let after = applied(&mut connection).await?;
    drop(connection.close().await);
    Ok(after.into_keys().filter(|version| !before.contains_key(version)).collect())
}

/// Refuses a schema that is older than this build. One that is newer has grown by what this build
/// does not ask for: nothing is taken away before the last node that needs it is gone.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Error> {
    let applied = applied(connection).await?;
    for migration in migrations() {
        let version = migration.version;
        match applied.get(&version) {
            Some(checksum) if migration.checksum == *checksum => {}
            Some(_) => return Err(Error::Invalid(changed(version))),
            None => {
                return Err(Error::Invalid(format!(
                    "the schema of the store lacks migration {version} ({}): run `tollgate \
                     migrate --store URL` with the role that owns the tables",
                    migration.description
                )));
            }
        }
    }
    Ok(())
}

/// The checksums of what was applied, by number; empty if there is no schema yet.
async fn applied(connection: &mut PgConnection) -> Result<BTreeMap<i64, Vec<u8>>, Error> {
    const KNOWN: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
    let known = sqlx::query_scalar::<_, bool>(KNOWN).fetch_one(&mut *connection).await;
    if !known.map_err(|error| failed(&error))? {
        return Ok(BTreeMap::new());
    }
    let applied = sqlx::query_as(APPLIED).fetch_all(connection).await;
    Ok(applied.map_err(|error| failed(&error))?.into_iter().collect())
}

fn migrations() -> Vec<Migration> {
    let shared = sqlx::migrate!();
    let own = sqlx::migrate!("migrations/postgres");
    let translated = shared.iter().map(|shared| Migration {
        sql: AssertSqlSafe(translated(shared.sql.as_str())).into_sql_str(),
        // Of the file, so that a better translation is no other migration.
        checksum: Cow::Owned(shared.checksum.to_vec()),
        ..shared.clone()
    });
    let mut by_version: BTreeMap<i64, Migration> =
        translated.map(|migration| (migration.version, migration)).collect();
    by_version.extend(own.iter().map(|own| (own.version, own.clone())));
    by_version.into_values().collect()
}

/// Turns the triggers that refuse a change into PostgreSQL's; all else is the same text.
fn translated(shared: &str) -> String {
    let mut told = String::with_capacity(shared.len());
    let mut rest = shared;
    while let Some(at) = rest.find("CREATE TRIGGER ") {
        let (before, trigger) = rest.split_at(at);
        told.push_str(before);
        let Some((head, tail)) = trigger.split_once("BEGIN SELECT RAISE(ABORT, ") else { break };
        let Some((reason, after)) = tail.split_once("); END;") else { break };
        let (head, condition) = match head.trim_end().split_once(" WHEN ") {
            Some((head, condition)) => (head, format!(" WHEN ({condition})")),
            None => (head.trim_end(), String::new()),
        };
        let each = if head.contains("FOR EACH ROW") { "" } else { " FOR EACH ROW" };
        told.push_str(&format!("{head}{each}{condition}\nEXECUTE FUNCTION refuse({reason});"));
        rest = after;
    }
    told.push_str(rest);
    told
}

/// Whether a batch of calls was in the way: no lock in time, or a deadlock over two tables.
fn is_locked(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

fn refused(error: &MigrateError) -> Error {
    if let MigrateError::VersionMismatch(version) = error {
        return Error::Invalid(changed(*version));
    }
    Error::Unavailable(error.to_string())
}

fn changed(version: i64) -> String {
    format!(
        "migration {version} was applied to the store by a build that had it otherwise: use that \
         build's successor, or restore a backup"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_that_refuses_is_told_in_postgresqls_words() {
        let shared = "CREATE TABLE a (b TEXT);\nCREATE TRIGGER once BEFORE UPDATE ON a \
                      WHEN OLD.b <> 'open'\nBEGIN SELECT RAISE(ABORT, 'it ends once'); END;\n\
                      CREATE TRIGGER never BEFORE DELETE ON a\n\
                      BEGIN SELECT RAISE(ABORT, 'never'); END;\nCREATE INDEX c ON a (b);";
        assert_eq!(
            translated(shared),
            "CREATE TABLE a (b TEXT);\nCREATE TRIGGER once BEFORE UPDATE ON a FOR EACH ROW \
             WHEN (OLD.b <> 'open')\nEXECUTE FUNCTION refuse('it ends once');\n\
             CREATE TRIGGER never BEFORE DELETE ON a FOR EACH ROW\n\
             EXECUTE FUNCTION refuse('never');\nCREATE INDEX c ON a (b);"
        );
    }

    #[test]
    fn every_migration_is_there_once_and_in_order() {
        let versions: Vec<_> = migrations().iter().map(|migration| migration.version).collect();
        assert_eq!(versions[..2], [0, 1], "PostgreSQL's own words come first");
        assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
    }
}
