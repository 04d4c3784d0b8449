//! The session keys of one direction and kind, and what they do to a packet.

use std::fmt;

use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use aes_gcm::{AeadInOut, Aes128Gcm};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::keying::{Keying, Suite};

/// Bits of a report's word that are its index; the highest says that it is encrypted.
pub(super) const INDEX: u32 = 0x7fff_ffff;
const ENCRYPTED: u32 = 0x8000_0000;
/// Bytes of the tag of `AES_CM_128_HMAC_SHA1_80`.
const SHORT_TAG: usize = 10;
/// Bytes of the tag of `AEAD_AES_128_GCM`.
const LONG_TAG: usize = 16;
/// Bytes of a report's word.
const WORD: usize = 4;

/// Session keys (RFC 3711 §4.3).
pub(super) enum Cipher {
    /// Counter mode, and a tag over the whole (RFC 3711 §4.1.1, §4.2.1).
    Counter { aes: Aes128, salt: [u8; 14], mac: Hmac<Sha1> },
    /// Both in one (RFC 7714).
    Galois { aead: Aes128Gcm, salt: [u8; 12] },
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(*)")
    }
}

impl Cipher {
    /// Derives the keys for packets.
    pub(super) fn rtp(keying: &Keying) -> Self {
        Self::derive(keying, [0, 1, 2])
    }

    /// Derives the keys for reports.
    pub(super) fn rtcp(keying: &Keying) -> Self {
        Self::derive(keying, [3, 4, 5])
    }

    fn derive(keying: &Keying, [encryption, authentication, salting]: [u8; 3]) -> Self {
        let key: [u8; 16] = derived(keying, encryption);
        match keying.suite {
            Suite::AesCm128HmacSha1Tag80 => {
                let secret: [u8; 20] = derived(keying, authentication);
                let mac = Hmac::new_from_slice(&secret).expect("a MAC takes a key of any length");
                let salt = derived(keying, salting);
                Self::Counter { aes: Aes128::new(&key.into()), salt, mac }
            }
            Suite::AeadAes128Gcm => {
                let salt = derived(keying, salting);
                Self::Galois { aead: Aes128Gcm::new(&key.into()), salt }
            }
        }
    }

    /// Seals a packet of ours with that header and length; returns its new length. The SSRC is read
    /// from the header.
    pub(super) fn seal_packet(
        &self,
        space: &mut [u8],
        (header, length): (usize, usize),
        index: u64,
    ) -> usize {
        let ssrc = [space[8], space[9], space[10], space[11]];
        match self {
            Self::Counter { aes, salt, mac } => {
                counter(aes, salt, ssrc, index, &mut space[header..length]);
                let tag = tag(mac, &space[..length], &round(index));
                space[length..length + SHORT_TAG].copy_from_slice(&tag);
                length + SHORT_TAG
            }
            Self::Galois { aead, salt } => {
                let (header, rest) = space.split_at_mut(header);
                let (body, after) = rest.split_at_mut(length - header.len());
                let nonce = nonce(salt, ssrc, index);
                let tag = aead
                    .encrypt_inout_detached(&nonce.into(), header, body.into())
                    .expect("a packet is short enough");
                after[..LONG_TAG].copy_from_slice(&tag);
                length + LONG_TAG
            }
        }
    }

    /// Opens a packet with that header; returns the length of what it held. Whatever is not authentic
    /// gives nothing.
    pub(super) fn open_packet(
        &self,
        packet: &mut [u8],
        header: usize,
        index: u64,
    ) -> Option<usize> {
        let ssrc: [u8; 4] = packet.get(8..12)?.try_into().ok()?;
        match self {
            Self::Counter { aes, salt, mac } => {
                let length = packet.len().checked_sub(SHORT_TAG)?;
                let (text, theirs) = packet.split_at_mut_checked(length)?;
                let ours = tag(mac, text, &round(index));
                if !bool::from(ours[..].ct_eq(theirs)) {
                    return None;
                }
                counter(aes, salt, ssrc, index, text.get_mut(header..)?);
                Some(length)
            }
            Self::Galois { aead, salt } => {
                let length = packet.len().checked_sub(LONG_TAG)?;
                let (text, tag) = packet.split_at_mut_checked(length)?;
                let (header, body) = text.split_at_mut_checked(header)?;
                let tag: [u8; LONG_TAG] = (&*tag).try_into().ok()?;
                let nonce = nonce(salt, ssrc, index);
                aead.decrypt_inout_detached(&nonce.into(), header, body.into(), &tag.into())
                    .ok()?;
                Some(length)
            }
        }
    }

    /// Seals a report of ours.
    pub(super) fn seal_report(
        &self,
        space: &mut [u8],
        (header, length): (usize, usize),
        index: u32,
    ) -> usize {
        let ssrc = [space[4], space[5], space[6], space[7]];
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Self::Counter { aes, salt, mac } => {
                counter(aes, salt, ssrc, index.into(), &mut space[header..length]);
                space[length..length + WORD].copy_from_slice(&word);
                let tag = tag(mac, &space[..length + WORD], &[]);
                space[length + WORD..length + WORD + SHORT_TAG].copy_from_slice(&tag);
                length + WORD + SHORT_TAG
            }
            Self::Galois { aead, salt } => {
                let (header, rest) = space.split_at_mut(header);
                let (body, after) = rest.split_at_mut(length - header.len());
                let nonce = report_nonce(salt, ssrc, index);
                let tag = aead
                    .encrypt_inout_detached(&nonce.into(), &said(header, word), body.into())
                    .expect("a report is short enough");
                after[..LONG_TAG].copy_from_slice(&tag);
                after[LONG_TAG..LONG_TAG + WORD].copy_from_slice(&word);
                length + LONG_TAG + WORD
            }
        }
    }

    /// Returns the index that a report names.
    pub(super) fn report_index(&self, packet: &[u8]) -> Option<u32> {
        Some(self.word(packet)? & INDEX)
    }

    /// Opens a report; one that is not encrypted is not taken.
    pub(super) fn open_report(&self, packet: &mut [u8], header: usize) -> Option<usize> {
        let word = self.word(packet).filter(|word| word & ENCRYPTED != 0)?;
        let index = word & INDEX;
        let ssrc: [u8; 4] = packet.get(4..8)?.try_into().ok()?;
        match self {
            Self::Counter { aes, salt, mac } => {
                let (text, theirs) =
                    packet.split_at_mut_checked(packet.len().checked_sub(SHORT_TAG)?)?;
                let ours = tag(mac, text, &[]);
                if !bool::from(ours[..].ct_eq(theirs)) {
                    return None;
                }
                let length = text.len().checked_sub(WORD)?;
                counter(aes, salt, ssrc, index.into(), text.get_mut(header..length)?);
                Some(length)
            }
            Self::Galois { aead, salt } => {
                let length = packet.len().checked_sub(WORD + LONG_TAG)?;
                let (text, after) = packet.split_at_mut_checked(length)?;
                let (header, body) = text.split_at_mut_checked(header)?;
                let tag: [u8; LONG_TAG] = after.get(..LONG_TAG)?.try_into().ok()?;
                let nonce = report_nonce(salt, ssrc, index);
                let said = said(header, word.to_be_bytes());
                aead.decrypt_inout_detached(&nonce.into(), &said, body.into(), &tag.into()).ok()?;
                Some(length)
            }
        }
    }

    /// Returns the word that closes a report: it stands before the tag in one suite, after it in the
    /// other.
    fn word(&self, packet: &[u8]) -> Option<u32> {
        let end = match self {
            Self::Counter { .. } => packet.len().checked_sub(SHORT_TAG)?,
            Self::Galois { .. } => packet.len(),
        };
        let word = packet.get(end.checked_sub(WORD)?..end)?;
        Some(u32::from_be_bytes(word.try_into().ok()?))
    }
}

/// Derives a session key (RFC 3711 §4.3.1): one per call, so the key derivation rate is 0.
fn derived<const N: usize>(keying: &Keying, label: u8) -> [u8; N] {
    let mut start = [0; 16];
    start[..keying.salt.len()].copy_from_slice(&keying.salt);
    start[7] ^= label;
    let mut key = [0; N];
    run(&Aes128::new(&keying.key.into()), start, &mut key);
    key
}

/// Encrypts or decrypts in counter mode.
fn counter(aes: &Aes128, salt: &[u8; 14], ssrc: [u8; 4], index: u64, text: &mut [u8]) {
    let mut start = [0; 16];
    start[..14].copy_from_slice(salt);
    blend(&mut start[4..8], &ssrc);
    blend(&mut start[8..14], &index.to_be_bytes()[2..]);
    run(aes, start, text);
}

fn run(aes: &Aes128, start: [u8; 16], text: &mut [u8]) {
    let core = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(aes, &start.into());
    ctr::cipher::StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
}

fn tag(mac: &Hmac<Sha1>, text: &[u8], more: &[u8]) -> [u8; SHORT_TAG] {
    let mut mac = mac.clone();
    mac.update(text);
    mac.update(more);
    let full = mac.finalize().into_bytes();
    let mut tag = [0; SHORT_TAG];
    tag.copy_from_slice(&full[..SHORT_TAG]);
    tag
}

/// The rounds that an index has seen, as the tag covers them.
fn round(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 §8.1.
fn nonce(salt: &[u8; 12], ssrc: [u8; 4], index: u64) -> [u8; 12] {
    let mut nonce = *salt;
    blend(&mut nonce[2..6], &ssrc);
    blend(&mut nonce[6..12], &index.to_be_bytes()[2..]);
    nonce
}

/// RFC 7714 §9.1.
fn report_nonce(salt: &[u8; 12], ssrc: [u8; 4], index: u32) -> [u8; 12] {
    let mut nonce = *salt;
    blend(&mut nonce[2..6], &ssrc);
    blend(&mut nonce[8..12], &index.to_be_bytes());
    nonce
}

/// What a report's tag covers besides its text (RFC 7714 §9.2).
fn said(header: &[u8], word: [u8; WORD]) -> [u8; 12] {
    let mut said = [0; 12];
    said[..header.len()].copy_from_slice(header);
    said[8..].copy_from_slice(&word);
    said
}

fn blend(bytes: &mut [u8], with: &[u8]) {
    for (byte, with) in bytes.iter_mut().zip(with) {
        *byte ^= with;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header and payload of the published example packet.
    const PACKET: &str = "800f1234decafbadcafebabeabababababababababababababababab";
    /// Header and text of the published example report.
    const REPORT: &str = "81c8000bcafebabeabababababababababababababababab";

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        let keying = counter_keying();
        assert_eq!(derived::<16>(&keying, 0)[..], bytes("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(derived::<14>(&keying, 2)[..], bytes("30cbbc08863d8c85d49db34a9ae1"));
        let secret = bytes("cebe321f6ff7716b6fd4ab49af256a156d38baa4");
        assert_eq!(derived::<20>(&keying, 1)[..], secret);
    }

    #[test]
    fn the_key_stream_is_that_of_rfc_3711_b_2() {
        let aes = Aes128::new(&array("2b7e151628aed2a6abf7158809cf4f3c").into());
        let mut stream = [0; 32];
        run(&aes, array("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"), &mut stream);
        let expected = "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab";
        assert_eq!(stream[..], bytes(expected));
    }

    #[test]
    fn known_packets_are_sealed_as_others_seal_them() {
        let counter = "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
        let galois = "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392";
        for (keying, expected) in [(counter_keying(), counter), (galois_keying(), galois)] {
            let cipher = Cipher::rtp(&keying);
            let (mut space, length) = space(PACKET);
            let sealed = cipher.seal_packet(&mut space, (12, length), 0x1234);
            assert_eq!(space[12..sealed], bytes(expected));
            assert_eq!(cipher.open_packet(&mut space[..sealed], 12, 0x1234), Some(length));
            assert_eq!(space[..length], bytes(PACKET));
        }
    }

    #[test]
    fn known_reports_are_sealed_as_others_seal_them() {
        let counter = "7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
        let galois = "c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001";
        for (keying, expected) in [(counter_keying(), counter), (galois_keying(), galois)] {
            let cipher = Cipher::rtcp(&keying);
            let (mut space, length) = space(REPORT);
            let sealed = cipher.seal_report(&mut space, (8, length), 1);
            assert_eq!(space[8..sealed], bytes(expected));
            assert_eq!(cipher.report_index(&space[..sealed]), Some(1));
            assert_eq!(cipher.open_report(&mut space[..sealed], 8), Some(length));
            assert_eq!(space[..length], bytes(REPORT));
        }
    }

    fn counter_keying() -> Keying {
        let random = "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6";
        Keying::new(Suite::AesCm128HmacSha1Tag80, array(random))
    }

    fn galois_keying() -> Keying {
        let random = "000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab0000";
        Keying::new(Suite::AeadAes128Gcm, array(random))
    }

    fn space(hex: &str) -> ([u8; 64], usize) {
        let (mut space, bytes) = ([0; 64], bytes(hex));
        space[..bytes.len()].copy_from_slice(&bytes);
        (space, bytes.len())
    }

    fn array<const N: usize>(hex: &str) -> [u8; N] {
        bytes(hex).try_into().unwrap()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }
}
