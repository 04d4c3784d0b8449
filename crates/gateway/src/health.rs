//! Whether the node takes new calls, for `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the parts of the gateway tell of themselves. Shared by all of them.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    settled: AtomicBool,
    draining: AtomicBool,
    store_gone: AtomicBool,
}

impl Health {
    /// Nothing is settled yet.
    pub(crate) fn new() -> Self {
        Self { flags: Arc::default() }
    }

    /// The legs of earlier runs are settled and signalling is open.
    pub(crate) fn settled(&self) {
        self.flags.settled.store(true, Ordering::Relaxed);
    }

    /// No new calls from now on.
    pub(crate) fn draining(&self) {
        self.flags.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the store took our last heartbeat. Returns whether that is news.
    pub(crate) fn store(&self, taken: bool) -> bool {
        self.flags.store_gone.swap(!taken, Ordering::Relaxed) == taken
    }

    /// Says why new calls are not served, if they are not.
    ///
    /// # Errors
    /// The reason.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if set(&self.flags.draining) {
            return Err("draining".to_owned());
        }
        if !set(&self.flags.settled) {
            return Err("settling the legs of an earlier run".to_owned());
        }
        if set(&self.flags.store_gone) {
            return Err("the store does not answer".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_once_settled_and_while_its_store_answers() {
        let health = Health::new();
        assert!(health.ready().is_err());
        health.settled();
        assert_eq!(health.ready(), Ok(()));
        assert!(health.store(false));
        assert!(!health.store(false));
        assert!(health.ready().is_err());
        assert!(health.store(true));
        assert_eq!(health.ready(), Ok(()));
    }

    #[test]
    fn a_draining_node_is_not_ready() {
        let health = Health::new();
        health.settled();
        health.draining();
        assert_eq!(health.ready(), Err("draining".to_owned()));
    }
}
