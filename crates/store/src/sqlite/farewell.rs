//! Carriers that are still to be told that a leg is over.

use credits::{Farewell, OpenLeg};
use model::{CallId, UnixTime};

use crate::Error;
use crate::sqlite::SqliteFile;
use crate::sqlite::row::{Fields, Packed, keys};
use crate::sqlite::views::read_all;
use crate::sqlite::writing::Writing;

impl SqliteFile {
    pub(crate) async fn farewells(&self) -> Result<Vec<Farewell>, Error> {
        const READ: &str = "
SELECT json_array(call, dialog, since) FROM farewell ORDER BY since, call";
        let mut reading = self.reading().await?;
        read_all(sqlx::query_scalar(READ).fetch_all(&mut *reading).await, farewell)
    }

    pub(crate) async fn forget_farewells(&self, calls: &[CallId]) -> Result<(), Error> {
        const FORGET: &str = "
DELETE FROM farewell WHERE call IN (SELECT value FROM json_each($1))";
        let mut writing = Writing::begin(&self.writer, &self.faults).await?;
        writing.run(FORGET, keys(calls.iter())).await?;
        writing.commit().await
    }
}

/// Writes who is to be told; a leg without a dialog has nobody.
pub(crate) async fn owe(
    writing: &mut Writing,
    legs: &[OpenLeg],
    since: UnixTime,
) -> Result<(), Error> {
    const OWE: &str = "
INSERT INTO farewell (call, dialog, since)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE true
ON CONFLICT (call) DO NOTHING";
    let owed = legs.iter().filter_map(|leg| Farewell::owed(leg, since));
    let rows = owed.map(|owed| Packed::default().text(owed.call).text(owed.dialog).time(since));
    writing.write(OWE, rows).await
}

fn farewell(row: &mut Fields) -> Result<Farewell, Error> {
    Ok(Farewell { call: row.parse()?, dialog: row.text()?, since: row.time()? })
}
