//! Where the book is kept. Each method is one transaction: load rows → `credits::decide` → save
//! rows. It does no arithmetic on money and decides nothing.

pub mod view;

pub use view::{AccountView, Case, Entry, EntryKind, HoldState, HoldView, Lot};

use credits::{Answer, Command, Epoch, OpenLeg};
use model::record::{Cdr, Provision};
use model::{AccountId, Instant, OrganizationId, UnixTime};
use thiserror::Error;

/// Why the outside failed. Absence is not an error.
#[derive(Debug, Error)]
pub enum Error {
    /// The database cannot be reached, is locked or is full.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored contradicts itself; a person must look.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
}

/// A store of one of the kinds, chosen by its URL.
#[derive(Debug, Clone)]
pub enum Store {}

impl Store {
    /// Opens `sqlite:PATH` or `memory:` and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error`] if it cannot be opened, or is locked by another `serve`.
    pub async fn open(_url: &str) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Commits a batch in one transaction; the answers are in its order. An error means that
    /// nothing was committed, or that it is not known.
    ///
    /// # Errors
    /// [`Error`] as above.
    pub async fn commit(&self, _batch: &[Command], _now: UnixTime) -> Result<Vec<Answer>, Error> {
        match *self {}
    }

    /// Reads all that is provisioned.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn provision(&self) -> Result<Provision, Error> {
        match *self {}
    }

    /// Reads the revision of the provisioning only.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn revision(&self) -> Result<u64, Error> {
        match *self {}
    }

    /// Inserts or replaces everything in `change`, tariffs of the named scopes whole; deletes
    /// nothing else. Returns the revision, unchanged if nothing differs.
    ///
    /// # Errors
    /// [`Error`] if the store fails; nothing is half-applied.
    pub async fn apply(&self, _change: &Provision) -> Result<u64, Error> {
        match *self {}
    }

    /// Starts a new epoch of a node and returns it.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn begin_epoch(&self, _node: &str) -> Result<Epoch, Error> {
        match *self {}
    }

    /// Writes the heartbeat: the epoch's clock as of now.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn beat(&self, _epoch: &Epoch, _at: Instant) -> Result<(), Error> {
        match *self {}
    }

    /// Settles every leg that older epochs of the node left open (charging.md, "Settlement") and
    /// returns them, so that their carriers get a BYE.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn settle(&self, _current: &Epoch, _now: UnixTime) -> Result<Vec<OpenLeg>, Error> {
        match *self {}
    }

    /// Reads the newest CDRs, newest first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn cdrs(&self, _most: u32) -> Result<Vec<Cdr>, Error> {
        match *self {}
    }

    /// Reads an organization's account; `None` if there is no such organization.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn account(&self, _of: OrganizationId) -> Result<Option<AccountView>, Error> {
        match *self {}
    }

    /// Reads every account.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        match *self {}
    }

    /// Reads an account's entries with `from <= at < until`, oldest first.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn entries(
        &self,
        _account: AccountId,
        _from: UnixTime,
        _until: UnixTime,
    ) -> Result<Vec<Entry>, Error> {
        match *self {}
    }

    /// Reads all that is known of a call, by our id (32 hexadecimal digits) or the SIP Call-ID.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn case(&self, _key: &str) -> Result<Option<Case>, Error> {
        match *self {}
    }

    /// Reads every open leg.
    ///
    /// # Errors
    /// [`Error`] if the store fails.
    pub async fn open_legs(&self) -> Result<Vec<OpenLeg>, Error> {
        match *self {}
    }
}
