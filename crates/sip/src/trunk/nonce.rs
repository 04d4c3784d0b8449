//! Nonces of ours (RFC 7616 §3.3, reliability.md S14): signed, so that none is kept before it was
//! used rightly; believed for a minute; each count of one is taken once.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use model::Instant;
use sha2::{Digest as _, Sha256};

/// How long a nonce may be used.
const AGE: Duration = Duration::from_secs(60);
/// Most used nonces whose counts are known.
const KNOWN: usize = 1_024;
/// Digits of a nonce: when, a random number, the signature.
const DIGITS: [usize; 3] = [16, 16, 32];

/// What is known of them.
#[derive(Debug)]
pub(crate) struct Nonces {
    key: Hmac<Sha256>,
    /// The last count of each used one that is young enough: oldest first.
    counts: BTreeMap<(Instant, u64), u32>,
    /// Of nonces up to this age some counts were forgotten: none of them is taken any more.
    floor: Option<Instant>,
}

impl Nonces {
    /// Makes a key that others cannot know, and that no other process has.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let secret = Sha256::new().chain_update(b"nonces").chain_update(seed).finalize();
        let key = Hmac::new_from_slice(&secret).expect("a MAC takes a key of any length");
        Self { key, counts: BTreeMap::new(), floor: None }
    }

    /// Writes a nonce for `whom` alone.
    pub(crate) fn issue(&self, whom: u128, random: u64, now: Instant) -> String {
        let signature = self.signature(whom, now, random);
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:016x}{random:016x}{signature}", now.micros)
    }

    /// Takes a nonce and its count from who has proved to know the password: `false` if it is not
    /// ours, too old, or was taken with that count or a higher one before.
    pub(crate) fn take(&mut self, nonce: &str, whom: u128, count: u32, now: Instant) -> bool {
        let Some((issued, random)) = self.read(nonce, whom) else { return false };
        let is_young = issued <= now && now < issued + AGE;
        if !is_young || self.floor.is_some_and(|floor| issued <= floor) {
            return false;
        }
        self.forget(now);
        let last = self.counts.entry((issued, random)).or_insert(0);
        if count <= *last {
            return false;
        }
        *last = count;
        true
    }

    fn forget(&mut self, now: Instant) {
        while let Some(((issued, _), _)) = self.counts.first_key_value() {
            let issued = *issued;
            let is_old = issued + AGE <= now;
            if !is_old && self.counts.len() < KNOWN {
                return;
            }
            self.counts.pop_first();
            if !is_old {
                self.floor = Some(issued);
            }
        }
    }

    fn read(&self, nonce: &str, whom: u128) -> Option<(Instant, u64)> {
        let [when, number, signature] = DIGITS;
        if nonce.len() != when + number + signature || !nonce.is_ascii() {
            return None;
        }
        let (when, rest) = nonce.split_at(when);
        let (number, signature) = rest.split_at(number);
        let issued = Instant { micros: u64::from_str_radix(when, 16).ok()? };
        let random = u64::from_str_radix(number, 16).ok()?;
        let signature = u128::from_str_radix(signature, 16).ok()?;
        let mac = self.mac(whom, issued, random);
        mac.verify_truncated_left(&signature.to_be_bytes()).ok()?;
        Some((issued, random))
    }

    fn signature(&self, whom: u128, issued: Instant, random: u64) -> [u8; 16] {
        let whole = self.mac(whom, issued, random).finalize().into_bytes();
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(whole) {
            *to = from;
        }
        half
    }

    fn mac(&self, whom: u128, issued: Instant, random: u64) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        mac.update(&whom.to_be_bytes());
        mac.update(&issued.micros.to_be_bytes());
        mac.update(&random.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }

    #[test]
    fn a_count_is_taken_once_and_only_upwards() {
        let mut nonces = Nonces::new(&[1; 32]);
        let nonce = nonces.issue(7, 1, at(1));
        let taken: Vec<_> =
            [1, 1, 3, 2, 3, 4].map(|count| nonces.take(&nonce, 7, count, at(2))).into();
        assert_eq!(taken, [true, false, true, false, false, true]);
    }

    #[test]
    fn a_nonce_is_believed_for_a_minute() {
        let mut nonces = Nonces::new(&[1; 32]);
        let nonce = nonces.issue(7, 1, at(10));
        assert!(!nonces.take(&nonce, 7, 1, at(9)));
        assert!(nonces.take(&nonce, 7, 1, at(69)));
        assert!(!nonces.take(&nonce, 7, 2, at(70)));
    }

    #[test]
    fn a_nonce_of_somebody_else_is_none() {
        let mut nonces = Nonces::new(&[1; 32]);
        let nonce = nonces.issue(7, 1, at(1));
        assert!(!nonces.take(&nonce, 8, 1, at(1)), "another trunk's");
        assert!(!nonces.take(&nonces.issue(7, 2, at(1)).replace('0', "1"), 7, 1, at(1)));
        assert!(!nonces.take(&Nonces::new(&[2; 32]).issue(7, 1, at(1)), 7, 1, at(1)));
        for text in ["", "0", "é", &"z".repeat(64), &"é".repeat(32)] {
            assert!(!nonces.take(text, 7, 1, at(1)), "{text}");
        }
        assert!(nonces.take(&nonce, 7, 1, at(1)));
    }

    #[test]
    fn counts_are_bounded_and_what_is_forgotten_is_not_taken_again() {
        let mut nonces = Nonces::new(&[1; 32]);
        let first = nonces.issue(7, 1, at(1));
        assert!(nonces.take(&first, 7, 1, at(1)));
        for number in 0..2 * KNOWN as u64 {
            let now = at(2) + Duration::from_micros(number);
            let nonce = nonces.issue(7, number, now);
            assert!(nonces.take(&nonce, 7, 1, now));
        }
        assert!(nonces.counts.len() <= KNOWN);
        assert!(!nonces.take(&first, 7, 2, at(3)));
    }
}
