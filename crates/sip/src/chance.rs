//! Tags, branches and identifiers, from the seed that we were given.

use std::hash::{DefaultHasher, Hash, Hasher};

use model::CallId;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The generator.
#[derive(Debug)]
pub(crate) struct Chance {
    generator: ChaCha12Rng,
    secret: [u64; 2],
}

impl Chance {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut generator = ChaCha12Rng::from_seed(seed);
        let secret = [generator.next_u64(), generator.next_u64()];
        Self { generator, secret }
    }

    /// Names a call.
    pub(crate) fn call(&mut self) -> CallId {
        CallId(u128::from(self.generator.next_u64()) << 64 | u128::from(self.generator.next_u64()))
    }

    /// Makes a Call-ID (RFC 3261 §8.1.1.4).
    pub(crate) fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.generator.next_u64(), self.generator.next_u64())
    }

    /// Makes a tag: 64 bits, twice what RFC 3261 §19.3 asks for.
    pub(crate) fn tag(&mut self) -> String {
        format!("{:016x}", self.generator.next_u64())
    }

    /// Makes a branch with the cookie of RFC 3261 §8.1.1.7.
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{:016x}{:08x}", self.generator.next_u64(), self.generator.next_u32())
    }

    /// Makes a client nonce (RFC 7616 §3.4).
    pub(crate) fn nonce(&mut self) -> String {
        format!("{:016x}", self.generator.next_u64())
    }

    /// Returns any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Returns a number up to and including `most`, close enough to even for jitter.
    pub(crate) fn up_to(&mut self, most: u32) -> u32 {
        match most.checked_add(1) {
            Some(values) => self.generator.next_u32() % values,
            None => self.generator.next_u32(),
        }
    }

    /// Makes the tag of an answer that leaves no state: the same for a repeated request, and not to
    /// be foretold (RFC 3261 §8.2.7).
    pub(crate) fn stateless_tag(&self, of: impl Hash) -> String {
        format!("{:016x}", self.stateless_number(of))
    }

    /// Returns a number that is the same for a repeated request.
    pub(crate) fn stateless_number(&self, of: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        of.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stateless_tag_repeats_and_other_tags_do_not() {
        let mut chance = Chance::new([7; 32]);
        assert_eq!(chance.stateless_tag("a"), chance.stateless_tag("a"));
        assert_ne!(chance.stateless_tag("a"), chance.stateless_tag("b"));
        assert_ne!(chance.tag(), chance.tag());
        assert!((0..100).all(|_| chance.up_to(3) <= 3));
    }
}
