//! What one leg's audio tells beside voices: keys while they are awaited, and fax machines.

use crate::command::Tones;
use crate::mix::Frame;
use crate::tone::{Fax, Keys};

/// The ear of one leg.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    tones: Tones,
    /// Whether the peer has sent a telephone-event under the agreement that holds.
    evented: bool,
    keys: Keys,
    fax: Fax,
    /// Whether a fax machine was told.
    told: bool,
}

/// What was heard in a tick.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// A key, in ASCII.
    pub(crate) key: Option<u8>,
    /// A fax machine, for the first time.
    pub(crate) fax: bool,
}

impl Ear {
    /// Tells which tones are taken for keys.
    pub(crate) fn listen(&mut self, tones: Tones) {
        if self.tones != tones {
            self.tones = tones;
            self.keys = Keys::default();
        }
    }

    /// A telephone-event came.
    pub(crate) fn event(&mut self) {
        self.evented = true;
    }

    /// There is a new agreement: who is behind it has yet to show how it sends keys.
    pub(crate) fn renew(&mut self) {
        self.evented = false;
    }

    /// Takes a tick of the peer's voice, `None` if it is silent. `seated` tells that others hear it.
    pub(crate) fn hear(&mut self, voice: Option<&Frame>, seated: bool) -> Heard {
        let awaited = match self.tones {
            Tones::Off => false,
            Tones::UntilEvent => !self.evented,
            Tones::On => true,
        };
        let key = if awaited { self.keys.hear(voice) } else { None };
        let fax = seated && self.fax.hear(voice) && !self.told;
        self.told |= fax;
        Heard { key, fax }
    }

    /// Whether the voice is to be kept from the others.
    pub(crate) fn mutes(&self) -> bool {
        self.fax.mutes() || self.keys.sounds()
    }
}
