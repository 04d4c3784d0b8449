//! What the server promises of a COMMIT, asked before anything is entrusted to it.

use sqlx::PgConnection;

use crate::Error;
use crate::postgres::failed;

/// Refuses a server that may forget what it acknowledged; returns its `synchronous_commit`.
///
/// # Errors
/// [`Error::Invalid`] names the setting, and how to change it.
pub(super) async fn durable(connection: &mut PgConnection) -> Result<String, Error> {
    const ASK: &str = "
SELECT current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('synchronous_commit'), pg_is_in_recovery()";
    let asked = sqlx::query_as::<_, (String, String, String, bool)>(ASK);
    let told = asked.fetch_one(connection).await.map_err(|error| failed(&error))?;
    let (fsync, pages, commit, standby) = told;
    if standby {
        let told = "the server is a standby: name the primary in the URL of the store";
        return Err(Error::Invalid(told.to_owned()));
    }
    for (name, value) in [("fsync", fsync), ("full_page_writes", pages)] {
        if value != "on" {
            return Err(Error::Invalid(format!(
                "the server has {name} = {value}: a crash would lose acknowledged charges; set \
                 {name} = on in postgresql.conf and reload the server"
            )));
        }
    }
    if commit == "off" {
        return Err(Error::Invalid(
            "the server has synchronous_commit = off for this role or database: a crash would \
             lose acknowledged charges; set it to on in postgresql.conf, and look for ALTER ROLE \
             or ALTER DATABASE … SET synchronous_commit"
                .to_owned(),
        ));
    }
    Ok(commit)
}
