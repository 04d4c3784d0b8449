//! The command line: one file a subcommand.

mod apply;
mod budgets;
mod calls;
mod check;
mod credits;
mod dial;
mod explain;
mod gateway;
mod migrate;
mod place;
mod policy;
mod rates;
mod serve;
pub(crate) mod shown;
mod stand;
pub(crate) mod table;
mod trunk;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use store::Verb;

use crate::demo;

/// A SIP conference bridge gateway that meters minutes against prepaid credit.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway until SIGTERM or SIGINT; a second one ends it at once.
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG, env = "TOLLGATE_CONFIG")]
        config: PathBuf,
    },
    /// Validates a configuration file and what it names; tells file, line, key and what is allowed.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG, env = "TOLLGATE_CONFIG")]
        config: PathBuf,
    },
    Apply(apply::Args),
    Migrate(migrate::Args),
    Store(migrate::StoreArgs),
    Credits(credits::Args),
    Calls(calls::Args),
    Dial(dial::Args),
    Policy(policy::Args),
    Rates(rates::Args),
    Explain(explain::Args),
    Trunk(trunk::Args),
    Demo(demo::Args),
    /// Refuses new calls of an organization, user, number or trunk from now on; live ones go on
    Suspend(stand::Args),
    /// The same, and ends live calls within a second, charged as far as they came
    Stop(stand::Args),
    /// Ends a suspension or a stop
    Resume(stand::Args),
    /// Approves calls of an organization's meetings to a country
    ///
    /// From then on its calls to every country that is not approved, and is not its own, are refused.
    Approve(stand::CountryArgs),
    /// Denies calls of an organization's meetings to a country, whatever else allows them
    Deny(stand::CountryArgs),
    Suspended(stand::ListArgs),
    Budgets(budgets::Args),
    Approvals(budgets::ApprovalsArgs),
}

/// Where the configuration is looked for.
const DEFAULT_CONFIG: &str = "config/tollgate.toml";

/// Runs the subcommand that the process was started with.
pub(crate) fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve { config } => serve::run(&config),
        Command::Check { config } => check::run(&config),
        Command::Apply(args) => wait(apply::run(args, &mut io::stdout())),
        Command::Migrate(args) => wait(migrate::run(args, &mut io::stdout())),
        Command::Store(args) => wait(migrate::store(args, &mut io::stdout())),
        Command::Credits(args) => wait(credits::run(args, &mut io::stdout())),
        Command::Calls(args) => wait(calls::run(args, &mut io::stdout())),
        Command::Dial(args) => wait(dial::run(args, &mut io::stdout())),
        Command::Policy(args) => wait(policy::run(args, &mut io::stdout())),
        Command::Rates(args) => wait(rates::run(args, &mut io::stdout())),
        Command::Explain(args) => wait(explain::run(args, &mut io::stdout())),
        Command::Trunk(args) => return told(wait(trunk::run(args, &mut io::stdout()))),
        Command::Demo(args) => demo::run(&args),
        Command::Suspend(args) => wait(stand::run(args, Verb::Suspend, &mut io::stdout())),
        Command::Stop(args) => wait(stand::run(args, Verb::Stop, &mut io::stdout())),
        Command::Resume(args) => wait(stand::run(args, Verb::Resume, &mut io::stdout())),
        Command::Approve(args) => wait(stand::decide(args, Verb::Approve, &mut io::stdout())),
        Command::Deny(args) => wait(stand::decide(args, Verb::Deny, &mut io::stdout())),
        Command::Budgets(args) => wait(budgets::run(args, &mut io::stdout())),
        Command::Approvals(args) => wait(budgets::approvals(args, &mut io::stdout())),
        Command::Suspended(args) => wait(stand::list(args, &mut io::stdout())),
    };
    told(done.map(|()| ExitCode::SUCCESS))
}

/// Says what went wrong, if anything did.
fn told(done: Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell if the standard error stream is closed.
            drop(writeln!(io::stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a short subcommand to its end on this thread.
///
/// # Errors
/// The subcommand's own, or if the kernel gives no event queue.
fn wait<T>(subcommand: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(subcommand)
}

/// Writes a line to the standard output.
///
/// # Errors
/// If nobody reads it any more.
fn say(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
