//! Logs: readable or JSON, on the standard error stream.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process. A second start, of a gateway within a test, changes
/// nothing.
pub(crate) fn start(log: &Log) {
    let Ok(filter) = filter(&log.filter) else { return };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true);
    let started = match log.format {
        LogFormat::Readable => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(started);
}

/// Reads a filter like `info,sip=debug`.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}
