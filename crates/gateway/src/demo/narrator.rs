//! Tells the story, line by line, with the time since it began.

use std::fmt::Display;
use std::io::{self, Write};

use model::Instant;

use crate::cli::table::Table;
use crate::clock;

/// Where the story is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrator {
    began: Instant,
    /// On the standard error stream, since the standard output is for a machine.
    aside: bool,
}

impl Narrator {
    /// Begins a story now.
    pub(super) fn new(aside: bool) -> Self {
        Self { began: clock::mono(), aside }
    }

    /// Says something that happened just now.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) fn say(&self, text: impl Display) -> io::Result<()> {
        self.say_at(clock::mono(), text)
    }

    /// Says something that happened at the given time.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) fn say_at(&self, at: Instant, text: impl Display) -> io::Result<()> {
        self.show(format_args!("[{:5.1} s] {text}", at.since(self.began).as_secs_f64()))
    }

    /// Shows a line without its time.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) fn show(&self, text: impl Display) -> io::Result<()> {
        if self.aside { writeln!(io::stderr(), "{text}") } else { writeln!(io::stdout(), "{text}") }
    }

    /// Shows a table.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) fn table(&self, table: &Table) -> io::Result<()> {
        if self.aside {
            table.write_text(&mut io::stderr())
        } else {
            table.write_text(&mut io::stdout())
        }
    }
}
