//! Moves a book from a SQLite file into a PostgreSQL database: every row of every table, compared
//! column by column before anything is committed.

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::postgres::{self, failed};
use crate::{Error, Store, sqlite};

/// Rows that travel together.
const ROWS: i64 = 2_000;
/// Tables that a new schema has rows in: they are replaced.
const SEEDED: [&str; 1] = ["revision"];

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: String,
    /// How many rows it has, here and there.
    pub rows: i64,
}

struct Table {
    name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    is_number: bool,
}

/// Copies everything from a file, `sqlite:PATH`, into a database without rows whose schema is up to
/// date. Nobody may serve from either meanwhile. The role must own the tables, or may at least
/// insert into all of them and delete from `revision`.
///
/// # Errors
/// [`Error::Invalid`] if the file is not there, the database is not empty or its columns are others;
/// [`Error::Corrupt`] if what arrived differs; [`Error`] if either fails. Nothing is copied then.
pub async fn copy(from: &str, to: &str) -> Result<Vec<Copied>, Error> {
    let path = from.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    if !path.is_some_and(|path| Path::new(path).is_file()) {
        return Err(invalid("the first store must be sqlite:PATH, a file that is there"));
    }
    let (source, target) = (Store::open(from).await?, Store::open(to).await?);
    let (Store::Sqlite(file), Store::Postgres(_)) = (&source, &target) else {
        return Err(invalid("the second store must be postgres://USER@HOST/NAME"));
    };
    let _nobody_serves = (source.lock_for_serving().await?, target.lock_for_serving().await?);
    let mut reading = file.0.file_snapshot().await?;
    let mut connection = postgres::connect(to).await?;
    let mut writing = connection.begin().await.map_err(|error| failed(&error))?;
    let tables = tables(&mut reading, &mut writing).await?;
    for table in &tables {
        make_room(&mut writing, table).await?;
    }
    for table in &tables {
        carry(&mut reading, &mut writing, table).await?;
    }
    let mut copied = Vec::new();
    for table in tables {
        let rows = compare(&mut reading, &mut writing, &table).await?;
        copied.push(Copied { table: table.name, rows });
    }
    writing.commit().await.map_err(|error| failed(&error))?;
    Ok(copied)
}

/// Every table of the file, in the order in which they were made: those that others name first.
async fn tables(from: &mut SqliteConnection, to: &mut PgConnection) -> Result<Vec<Table>, Error> {
    const TABLES: &str = "
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
    AND name <> '_sqlx_migrations'
ORDER BY rowid";
    const HERE: &str = "SELECT name FROM pragma_table_info($1) ORDER BY name";
    const THERE: &str = "
SELECT column_name::text, data_type = 'bigint' FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name COLLATE \"C\"";
    let names = sqlx::query_scalar::<_, String>(TABLES).fetch_all(&mut *from).await;
    let mut tables = Vec::new();
    for name in names.map_err(|error| sqlite::failed(&error))? {
        let here = sqlx::query_scalar::<_, String>(HERE).bind(&name).fetch_all(&mut *from).await;
        let here = here.map_err(|error| sqlite::failed(&error))?;
        let there =
            sqlx::query_as::<_, (String, bool)>(THERE).bind(&name).fetch_all(&mut *to).await;
        let there = there.map_err(|error| failed(&error))?;
        if !here.iter().eq(there.iter().map(|(column, _)| column)) {
            return Err(Error::Invalid(format!("table {name} has other columns in the database")));
        }
        let columns = there.into_iter().map(|(name, is_number)| Column { name, is_number });
        tables.push(Table { name, columns: columns.collect() });
    }
    Ok(tables)
}

async fn make_room(to: &mut PgConnection, table: &Table) -> Result<(), Error> {
    let name = &table.name;
    if SEEDED.contains(&name.as_str()) {
        let cleared = sqlx::query(AssertSqlSafe(format!("DELETE FROM \"{name}\"")));
        return cleared.execute(to).await.map(|_| ()).map_err(|error| failed(&error));
    }
    let any = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM \"{name}\")"));
    let any = sqlx::query_scalar::<_, bool>(any).fetch_one(to).await;
    if any.map_err(|error| failed(&error))? {
        return Err(Error::Invalid(format!(
            "the database has rows in {name} already: copy into one that was only migrated"
        )));
    }
    Ok(())
}

async fn carry(
    from: &mut SqliteConnection,
    to: &mut PgConnection,
    table: &Table,
) -> Result<(), Error> {
    let columns: Vec<_> =
        table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let (name, columns) = (&table.name, columns.join(", "));
    let values = table.columns.iter().enumerate().map(|(place, column)| match column.is_number {
        true => format!("CAST(value ->> {place} AS BIGINT)"),
        false => format!("value ->> {place}"),
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let read = format!(
        "SELECT rowid, json_array({columns}) FROM \"{name}\" WHERE rowid > $1 ORDER BY rowid LIMIT $2"
    );
    let write = format!("INSERT INTO \"{name}\" ({columns}) SELECT {values} FROM json_each($1)");
    let mut last = i64::MIN;
    loop {
        let some = sqlx::query_as::<_, (i64, String)>(AssertSqlSafe(read.clone()));
        let some = some.bind(last).bind(ROWS).fetch_all(&mut *from).await;
        let some = some.map_err(|error| sqlite::failed(&error))?;
        let Some((newest, _)) = some.last() else { return Ok(()) };
        last = *newest;
        let rows: Vec<_> = some.into_iter().map(|(_, row)| row).collect();
        let rows = format!("[{}]", rows.join(","));
        let written = sqlx::query(AssertSqlSafe(write.clone())).bind(rows).execute(&mut *to).await;
        written.map_err(|error| failed(&error))?;
    }
}

/// Compares a table here and there: rows, then each column's sum (in two halves, which do not
/// overflow) or length. Returns how many rows there are.
async fn compare(
    from: &mut SqliteConnection,
    to: &mut PgConnection,
    table: &Table,
) -> Result<i64, Error> {
    let name = &table.name;
    let mut rows = 0;
    for Column { name: column, is_number } in &table.columns {
        let (high, low) = match is_number {
            true => (format!("\"{column}\" / 1000000"), format!("\"{column}\" % 1000000")),
            false => (format!("length(\"{column}\")"), format!("\"{column}\" IS NULL")),
        };
        let low = if *is_number { low } else { format!("CASE WHEN {low} THEN 1 ELSE 0 END") };
        let ask = format!(
            "SELECT count(*), CAST(coalesce(sum({high}), 0) AS BIGINT),
                CAST(coalesce(sum({low}), 0) AS BIGINT)
             FROM \"{name}\""
        );
        let here = sqlx::query_as::<_, (i64, i64, i64)>(AssertSqlSafe(ask.clone()));
        let here = here.fetch_one(&mut *from).await.map_err(|error| sqlite::failed(&error))?;
        let there = sqlx::query_as::<_, (i64, i64, i64)>(AssertSqlSafe(ask));
        let there = there.fetch_one(&mut *to).await.map_err(|error| failed(&error))?;
        if here != there {
            return Err(Error::Corrupt(format!(
                "{name}.{column} is {here:?} in the file and {there:?} in the database (rows, sums)"
            )));
        }
        rows = here.0;
    }
    Ok(rows)
}

fn invalid(what: &str) -> Error {
    Error::Invalid(what.to_owned())
}
