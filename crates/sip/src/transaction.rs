//! Transactions of RFC 3261 §17 with RFC 6026: one machine a file, each a pure step.

pub(crate) mod client;
pub(crate) mod client_invite;
pub(crate) mod key;
pub(crate) mod server;
pub(crate) mod server_invite;

use std::collections::HashMap;

use bytes::Bytes;
use model::Instant;

pub(crate) use key::{Key, Mark};

/// What a machine wants after an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step<S> {
    /// The state that follows; `None` if the transaction is over.
    pub(crate) state: Option<S>,
    /// What to send.
    pub(crate) send: Option<Bytes>,
}

impl<S> Step<S> {
    pub(crate) const fn stay(state: S) -> Self {
        Self { state: Some(state), send: None }
    }

    pub(crate) const fn send(state: S, message: Bytes) -> Self {
        Self { state: Some(state), send: Some(message) }
    }

    /// Ends by sending something.
    pub(crate) const fn last(message: Bytes) -> Self {
        Self { state: None, send: Some(message) }
    }

    pub(crate) const fn over() -> Self {
        Self { state: None, send: None }
    }
}

/// What a table keeps.
pub(crate) trait Row {
    /// What it is found by on the wire.
    fn key(&self) -> &Key;
    /// When its timer is due.
    fn due(&self) -> Option<Instant>;
}

/// Transactions of one kind, by serial number and by key.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: HashMap<u64, T>,
    names: HashMap<Key, u64>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), names: HashMap::new() }
    }
}

impl<T: Row> Table<T> {
    pub(crate) fn insert(&mut self, serial: u64, row: T) {
        self.names.insert(row.key().clone(), serial);
        self.rows.insert(serial, row);
    }

    pub(crate) fn find(&self, key: &Key) -> Option<u64> {
        self.names.get(key).copied()
    }

    pub(crate) fn row(&self, serial: u64) -> Option<&T> {
        self.rows.get(&serial)
    }

    /// Takes a row out; its name stays. [`Self::put`] it back, or [`Self::close`] it.
    pub(crate) fn take(&mut self, serial: u64) -> Option<T> {
        self.rows.remove(&serial)
    }

    /// Puts a taken row back.
    pub(crate) fn put(&mut self, serial: u64, row: T) {
        self.rows.insert(serial, row);
    }

    /// Forgets the name of a taken row.
    pub(crate) fn close(&mut self, key: &Key) {
        self.names.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}
