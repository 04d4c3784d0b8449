//! The command line: one file a subcommand.

mod check;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A SIP conference bridge gateway that meters minutes against prepaid credit.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Validates a configuration file and what it names; tells file, line, key and what is allowed.
    Check {
        /// The configuration file.
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
}

/// Where the configuration is looked for.
const DEFAULT_CONFIG: &str = "config/tollgate.toml";

/// Runs the subcommand that the process was started with.
pub(crate) fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { config } => check::run(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if the standard error stream is closed.
            drop(writeln!(io::stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to the standard output.
///
/// # Errors
/// If nobody reads it any more.
fn say(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
