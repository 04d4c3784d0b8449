//! A store that forgets at exit: for tests, and for a first look.

use std::sync::{Mutex, MutexGuard, PoisonError};

use credits::Book;
use model::record::Provision;

use crate::guards::{self, Act};
use crate::{Error, provision};

/// The book and the provisioning behind one lock; nothing waits while it is held.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) book: Book,
    pub(crate) provision: Provision,
    pub(crate) acts: Vec<Act>,
}

impl Memory {
    /// Locks everything. A panic elsewhere leaves no half-written row behind: each change is made
    /// on a page first.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn act(&self, act: &Act) -> u64 {
        let mut kept = self.lock();
        let after = guards::after(&kept.provision.guards, act);
        if after != kept.provision.guards {
            kept.provision.guards = after;
            kept.provision.revision += 1;
        }
        kept.acts.push(act.clone());
        kept.provision.revision
    }

    pub(crate) fn apply(&self, change: &Provision) -> Result<u64, Error> {
        let mut kept = self.lock();
        if let Some(merged) = provision::merge(&kept.provision, change)? {
            for owner in &merged.organizations {
                kept.book.open_account(owner.id, &owner.name, owner.currency);
            }
            kept.provision = merged;
        }
        Ok(kept.provision.revision)
    }
}
