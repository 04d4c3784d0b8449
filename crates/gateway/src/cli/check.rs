//! `tollgate check`: validates everything that `serve` needs, without starting it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::say;
use crate::config::Config;

/// Checks a configuration file and what it names.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn run(path: &Path) -> Result<()> {
    let config = Config::load(path)?;
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    for remark in config.surroundings(path, &text)? {
        say(remark)?;
    }
    say(format_args!("{}: valid", path.display()))?;
    Ok(())
}
