//! The conference bridge: who may come in, who pays, who hears whom, who is cut. Sans-IO.

pub mod directory;
pub mod input;
pub mod output;
pub mod refusal;
pub mod settings;
pub mod view;

pub use directory::{Directory, DirectoryError};
pub use input::{Input, StoreOutcome};
pub use output::{Note, Output, StoreRequest};
pub use refusal::Refusal;
pub use settings::Settings;
pub use view::LiveCall;

use model::{Instant, Now};

/// The whole application as one value. Feed it inputs, drain its outputs.
#[derive(Debug)]
pub struct Bridge {}

impl Bridge {
    /// Makes a bridge with no ports and an empty directory.
    #[must_use]
    pub fn new(_settings: Settings) -> Self {
        Self {}
    }

    /// Takes one input. Drain [`Self::poll_output`] before the next.
    pub fn handle_input(&mut self, _input: Input, _now: Now) {
        unimplemented!()
    }

    /// Runs every timer that is due. Drain [`Self::poll_output`] afterwards.
    pub fn handle_timeout(&mut self, _now: Now) {
        unimplemented!()
    }

    /// Returns the next thing for the shell to do.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        unimplemented!()
    }

    /// Returns when [`Self::handle_timeout`] is next needed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Returns every live call, for the operator.
    #[must_use]
    pub fn live(&self, _now: Now) -> Vec<LiveCall> {
        unimplemented!()
    }
}
