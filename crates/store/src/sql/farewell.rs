//! Carriers that are still to be told that a leg is over.

use credits::{Farewell, OpenLeg};
use model::{CallId, UnixTime};

use crate::Error;
use crate::sql::Database;
use crate::sql::row::{Fields, Packed, keys};
use crate::sql::writing::{Claim, Writing};

impl Database {
    pub(crate) async fn farewells(&self) -> Result<Vec<Farewell>, Error> {
        const READ: &str = "
SELECT json_array(call, dialog, since) FROM farewell ORDER BY since, call";
        self.reading().await?.read(READ, &[], farewell).await
    }

    pub(crate) async fn forget_farewells(&self, calls: &[CallId]) -> Result<(), Error> {
        const FORGET: &str = "
DELETE FROM farewell WHERE call IN (SELECT value ->> 0 FROM json_each($1))";
        let mut writing = self.begin(Claim::Nothing).await?;
        writing.run(FORGET, &[keys(calls.iter()).into()]).await?;
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
SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT)
FROM json_each($1) WHERE true
ON CONFLICT (call) DO NOTHING";
    let owed = legs.iter().filter_map(|leg| Farewell::owed(leg, since));
    let rows = owed.map(|owed| Packed::default().text(owed.call).text(owed.dialog).time(since));
    writing.write(OWE, rows).await
}

fn farewell(row: &mut Fields) -> Result<Farewell, Error> {
    Ok(Farewell { call: row.parse()?, dialog: row.text()?, since: row.time()? })
}
