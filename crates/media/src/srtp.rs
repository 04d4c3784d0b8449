//! SRTP and SRTCP (RFC 3711, RFC 7714): packets are sealed and opened where they lie.
//!
//! Forged, replayed and too old packets are dropped and change nothing (reliability.md S22). Only an
//! authentic packet moves an index, so that nobody can push a stream out of step.

mod cipher;
mod keying;
mod window;

use crate::srtp::cipher::Cipher;
pub(crate) use crate::srtp::keying::Crypto;
pub use crate::srtp::keying::{Keying, Suite};
use crate::srtp::window::Windows;

/// Bytes that sealing may add: a tag, and the index of a report.
pub const OVERHEAD: usize = 16 + 4;
/// Longest packet that is opened, bytes.
pub(crate) const LONGEST: usize = 1_500;
/// The header of an RTP packet without sources and extension.
const HEADER: usize = 12;
/// What of a report is never encrypted: its first header and SSRC.
const REPORT_HEADER: usize = 8;

/// The keys of one leg, as SDP has them (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// The peer's: opens what comes.
    pub inbound: Keying,
    /// Ours: seals what goes.
    pub outbound: Keying,
}

/// The state of both directions of one leg.
#[derive(Debug)]
pub struct Guard {
    security: Security,
    open_rtp: Cipher,
    open_rtcp: Cipher,
    seal_rtp: Cipher,
    seal_rtcp: Cipher,
    packets: Windows,
    reports: Windows,
    /// Index of the newest packet that left.
    sent: Option<u64>,
    /// Index of the next report.
    report: u32,
    /// Packets that were forged, replayed or too old.
    pub(crate) refused: u64,
}

impl Guard {
    /// Derives the keys of both directions.
    #[must_use]
    pub fn new(security: Security) -> Self {
        let (inbound, outbound) = (&security.inbound, &security.outbound);
        Self {
            open_rtp: Cipher::rtp(inbound),
            open_rtcp: Cipher::rtcp(inbound),
            seal_rtp: Cipher::rtp(outbound),
            seal_rtcp: Cipher::rtcp(outbound),
            packets: Windows::default(),
            reports: Windows::default(),
            sent: None,
            report: 0,
            refused: 0,
            security,
        }
    }

    /// Takes new keys. A direction whose key stays goes on counting: under one key no index may come
    /// twice.
    pub(crate) fn renew(&mut self, security: Security) {
        if security.inbound != self.security.inbound {
            self.open_rtp = Cipher::rtp(&security.inbound);
            self.open_rtcp = Cipher::rtcp(&security.inbound);
            self.packets = Windows::default();
            self.reports = Windows::default();
        }
        if security.outbound != self.security.outbound {
            self.seal_rtp = Cipher::rtp(&security.outbound);
            self.seal_rtcp = Cipher::rtcp(&security.outbound);
            self.sent = None;
            self.report = 0;
        }
        self.security = security;
    }

    /// Seals the packet of ours in the first `length` bytes of `space`, which has [`OVERHEAD`] more,
    /// and returns its new length. Packets are sealed in the order of their sequence numbers.
    ///
    /// # Panics
    /// If the space is shorter than that.
    pub fn seal(&mut self, space: &mut [u8], length: usize) -> usize {
        let sequence = u16::from_be_bytes([space[2], space[3]]);
        let index = match self.sent {
            None => u64::from(sequence),
            // Ours come in order: a smaller number is the next round.
            Some(last) => {
                let round = (last >> 16) + u64::from(sequence <= last as u16);
                round << 16 | u64::from(sequence)
            }
        };
        self.sent = Some(index);
        self.seal_rtp.seal_packet(space, (HEADER, length), index)
    }

    /// Seals the report of ours in the first `length` bytes of `space`, which has [`OVERHEAD`] more,
    /// and returns its new length.
    ///
    /// # Panics
    /// If the space is shorter than that.
    pub fn seal_report(&mut self, space: &mut [u8], length: usize) -> usize {
        let index = self.report;
        self.report = (index + 1) & cipher::INDEX;
        self.seal_rtcp.seal_report(space, (REPORT_HEADER, length), index)
    }

    /// Opens a packet of the peer's; `None` if it is not authentic, or came before.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let opened = self.open_packet(packet);
        self.refused += u64::from(opened.is_none());
        packet.get(..opened?)
    }

    /// Opens a report of the peer's; `None` if it is not authentic, or came before.
    pub fn open_report<'a>(&mut self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let opened = self.open_control(packet);
        self.refused += u64::from(opened.is_none());
        packet.get(..opened?)
    }

    fn open_packet(&mut self, packet: &mut [u8]) -> Option<usize> {
        let header = header(packet)?;
        let sequence = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
        let ssrc = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
        let index = self.packets.guess(ssrc, sequence)?;
        if !self.packets.is_new(ssrc, index) {
            return None;
        }
        let length = self.open_rtp.open_packet(packet, header, index)?;
        self.packets.take(ssrc, index);
        Some(length)
    }

    fn open_control(&mut self, packet: &mut [u8]) -> Option<usize> {
        let ssrc = u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?);
        let index = u64::from(self.open_rtcp.report_index(packet)?);
        if !self.reports.is_new(ssrc, index) {
            return None;
        }
        let length = self.open_rtcp.open_report(packet, REPORT_HEADER)?;
        self.reports.take(ssrc, index);
        Some(length)
    }
}

/// Returns the length of an RTP header with its sources and extension.
fn header(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let sources = HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 == 0 {
        return Some(sources);
    }
    let words = packet.get(sources + 2..sources + 4)?;
    Some(sources + 4 + 4 * usize::from(u16::from_be_bytes(words.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITES: [Suite; 2] = [Suite::AesCm128HmacSha1Tag80, Suite::AeadAes128Gcm];

    #[test]
    fn what_one_side_seals_the_other_opens_over_many_rounds_of_numbers() {
        for suite in SUITES {
            let (mut ours, mut theirs) = pair(suite);
            // From just before a round's end, every 1 000th packet lost, through two more rounds.
            for n in 0..140_000_u32 {
                let sequence = (65_000 + n) as u16;
                let (mut space, length) = packet(sequence);
                let sealed = ours.seal(&mut space, length);
                if n % 1_000 == 999 {
                    continue;
                }
                let opened = theirs.open(&mut space[..sealed]).expect("authentic");
                assert_eq!(opened, &packet(sequence).0[..length]);
            }
            assert_eq!(theirs.refused, 0);
        }
    }

    #[test]
    fn a_sealed_packet_hides_its_payload_and_nothing_of_its_header() {
        for suite in SUITES {
            let (mut ours, _) = pair(suite);
            let (mut space, length) = packet(7);
            let sealed = ours.seal(&mut space, length);
            assert_eq!(space[..12], packet(7).0[..12]);
            assert_ne!(space[12..length], packet(7).0[12..length]);
            assert_eq!(sealed - length, if suite == Suite::AeadAes128Gcm { 16 } else { 10 });
        }
    }

    #[test]
    fn forged_cut_and_replayed_packets_change_nothing() {
        for suite in SUITES {
            let (mut ours, mut theirs) = pair(suite);
            let (mut space, length) = packet(100);
            let sealed = ours.seal(&mut space, length);
            for bit in 0..sealed * 8 {
                let mut forged = space;
                forged[bit / 8] ^= 1 << (bit % 8);
                assert!(theirs.open(&mut forged[..sealed]).is_none(), "bit {bit}");
            }
            for cut in 0..sealed {
                assert!(theirs.open(&mut { space }[..cut]).is_none(), "{cut} bytes");
            }
            assert!(theirs.open(&mut { space }[..sealed]).is_some());
            assert!(theirs.open(&mut { space }[..sealed]).is_none(), "a replay");
            assert_eq!(theirs.refused, (sealed * 8 + sealed + 1) as u64);
        }
    }

    #[test]
    fn a_packet_that_was_overtaken_is_opened_once_and_one_too_old_never() {
        let (mut ours, mut theirs) = pair(Suite::AesCm128HmacSha1Tag80);
        let sealed: Vec<_> = (0..300_u16)
            .map(|sequence| {
                let (mut space, length) = packet(sequence);
                let length = ours.seal(&mut space, length);
                space[..length].to_vec()
            })
            .collect();
        let mut open = |n: usize| theirs.open(&mut sealed[n].clone()).is_some();
        assert!(open(250));
        assert!(open(200));
        assert!(!open(200));
        assert!(!open(100));
        assert!(open(299));
    }

    #[test]
    fn reports_are_sealed_opened_and_not_replayed() {
        for suite in SUITES {
            let (mut ours, mut theirs) = pair(suite);
            for n in 0..5_u8 {
                let mut space = [n; 96];
                space[..8].copy_from_slice(&[0x80, 201, 0, 13, 0, 0, 0, 9]);
                let plain = space;
                let sealed = ours.seal_report(&mut space, 56);
                assert_ne!(space[8..56], plain[8..56]);
                let mut forged = space;
                forged[20] ^= 1;
                assert!(theirs.open_report(&mut forged[..sealed]).is_none());
                let mut replay = space;
                assert_eq!(theirs.open_report(&mut space[..sealed]).unwrap(), &plain[..56]);
                assert!(theirs.open_report(&mut replay[..sealed]).is_none());
            }
        }
    }

    #[test]
    fn a_key_that_stays_goes_on_and_a_new_one_begins_anew() {
        let (mut ours, mut theirs) = pair(Suite::AesCm128HmacSha1Tag80);
        let pass = |ours: &mut Guard, theirs: &mut Guard, sequence| {
            let (mut space, length) = packet(sequence);
            let sealed = ours.seal(&mut space, length);
            theirs.open(&mut space[..sealed]).is_some()
        };
        assert!(pass(&mut ours, &mut theirs, 65_535));
        assert!(pass(&mut ours, &mut theirs, 0));
        theirs.renew(theirs.security.clone());
        assert!(pass(&mut ours, &mut theirs, 1));
        let new = keying(Suite::AesCm128HmacSha1Tag80, 77);
        ours.renew(Security { outbound: new.clone(), ..ours.security.clone() });
        assert!(!pass(&mut ours, &mut theirs, 2));
        theirs.renew(Security { inbound: new, ..theirs.security.clone() });
        assert!(pass(&mut ours, &mut theirs, 3));
    }

    #[test]
    fn random_bytes_open_nothing() {
        let (_, mut theirs) = pair(Suite::AeadAes128Gcm);
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = [0_u8; 60];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
            let length = (state >> 32) as usize % 61;
            assert!(theirs.open(&mut { bytes }[..length]).is_none());
            assert!(theirs.open_report(&mut bytes[..length]).is_none());
        }
    }

    fn keying(suite: Suite, seed: u8) -> Keying {
        Keying::new(suite, std::array::from_fn(|n| seed.wrapping_mul(31).wrapping_add(n as u8)))
    }

    fn pair(suite: Suite) -> (Guard, Guard) {
        let (one, other) = (keying(suite, 1), keying(suite, 2));
        let theirs = Security { inbound: one.clone(), outbound: other.clone() };
        (Guard::new(Security { inbound: other, outbound: one }), Guard::new(theirs))
    }

    fn packet(sequence: u16) -> ([u8; 220], usize) {
        let mut space = [0x55; 220];
        let [high, low] = sequence.to_be_bytes();
        space[..12].copy_from_slice(&[0x80, 0, high, low, 0, 0, high, low, 1, 2, 3, 4]);
        (space, 172)
    }
}
