//! `tollgate migrate` and `tollgate store copy`: the schema of a store, and its way into a database.

use std::io::Write;

use anyhow::{Context, Result};

use super::place::Place;
use super::table::Table;

/// Brings the schema of the store up to date, also while gateways serve from it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Moves a store
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    verb: StoreVerb,
}

#[derive(Debug, clap::Subcommand)]
enum StoreVerb {
    /// Copies everything from a SQLite file into an empty, migrated PostgreSQL database, compares
    /// every column, then commits. Nobody may serve from either
    Copy {
        /// `sqlite:PATH`
        from: String,
        /// `postgres://USER@HOST/NAME`, by the role that owns the tables
        to: String,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// If the store cannot be reached, or a migration not applied; then nothing of it is.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let url = args.place.url()?;
    let shown = store::shown(&url);
    let applied = store::Store::migrate(&url).await.with_context(|| shown.clone())?;
    match applied.as_slice() {
        [] => writeln!(out, "{shown} is up to date")?,
        some => writeln!(
            out,
            "{shown}: {} migrations applied, up to {}",
            some.len(),
            some[some.len() - 1]
        )?,
    }
    Ok(())
}

/// Runs `tollgate store`.
///
/// # Errors
/// If the database is not empty, or what arrived differs; then nothing is copied.
pub(crate) async fn store(args: StoreArgs, out: &mut impl Write) -> Result<()> {
    let StoreVerb::Copy { from, to } = args.verb;
    let copied = store::copy(&from, &to).await.context("nothing was copied")?;
    let mut table = Table::new(&["table", "rows"]);
    for row in copied {
        table.push(vec![row.table, row.rows.to_string()]);
    }
    table.write_text(out)?;
    writeln!(out, "every column has the same sum in {from} and {}", store::shown(&to))?;
    Ok(())
}
