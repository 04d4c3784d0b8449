//! What is provisioned, indexed for admission. Immutable; replaced whole.

use model::record::{Provision, Trunk};

/// Why a provision cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A record names another that does not exist.
    #[error("{what} names {missing}, which does not exist")]
    Dangling {
        /// Which record.
        what: String,
        /// What it names.
        missing: String,
    },
    /// Two records share what must be unique.
    #[error("{what} is there twice")]
    Twice {
        /// Which.
        what: String,
    },
}

/// The read-only facts of admission.
#[derive(Debug, Clone, Default)]
pub struct Directory {}

impl Directory {
    /// Indexes a provision and the configured trunks.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn new(_provision: Provision, _trunks: Vec<Trunk>) -> Result<Self, DirectoryError> {
        unimplemented!()
    }

    /// Returns the revision of the provision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        unimplemented!()
    }
}
