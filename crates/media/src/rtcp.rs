//! RTCP packets (RFC 3550 §6). The only file that names `rtcp-types`, which reads what comes in and
//! proves in the tests what goes out. Writing is done here, in place: its builders take memory for
//! each packet, and a tick takes none.

use rtcp_types::{Compound, RtcpPacket, RtcpPacketParser, SenderReport};

use crate::reception::Quality;

/// Bytes of a CNAME: 96 bits in hexadecimal (RFC 7022 §5).
pub(crate) const CNAME: usize = 24;
/// The longest packet that [`write`] makes.
pub(crate) const LONGEST: usize = 28 + 24 + 36 + 8;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// A compound packet: a report, a description and, at the end of a stream, a BYE.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) ssrc: u32,
    /// What was sent; without it the report is a receiver's.
    pub(crate) sent: Option<Sent>,
    /// What was received.
    pub(crate) block: Option<Block>,
    pub(crate) cname: &'a [u8; CNAME],
    pub(crate) bye: bool,
}

/// The sender's part of a sender report (§6.4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// 32.32 seconds. The origin is that of the node's clock, as §4 allows.
    pub(crate) ntp: u64,
    pub(crate) rtp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

/// A report block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) quality: Quality,
    /// The middle of the NTP timestamp of the last sender report, and the time since then in
    /// 1/65536 s; both 0 without one.
    pub(crate) last_report: u32,
    pub(crate) delay: u32,
}

/// What we take from a compound packet that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// The middle of the NTP timestamp, if it is a sender report.
    pub(crate) report: Option<u32>,
}

/// Reads a compound packet; `None` unless it is well formed and begins with a report (A.2).
pub(crate) fn parse(datagram: &[u8]) -> Option<Incoming> {
    Compound::parse(datagram).ok()?;
    let kind = *datagram.get(1)?;
    if kind != SENDER_REPORT && kind != RECEIVER_REPORT {
        return None;
    }
    let words = u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]);
    let first = datagram.get(..4 * (usize::from(words) + 1))?;
    if kind == RECEIVER_REPORT {
        return (first.len() >= 8).then_some(Incoming { report: None });
    }
    if first.len() < SenderReport::MIN_PACKET_LEN {
        return None;
    }
    let report = SenderReport::parse(first).ok()?;
    Some(Incoming { report: Some((report.ntp_timestamp() >> 16) as u32) })
}

/// Writes a compound packet to the front of `space`, at least [`LONGEST`] bytes, and returns its
/// length.
pub(crate) fn write(report: &Report<'_>, space: &mut [u8]) -> usize {
    let mut ink = Ink { space, at: 0 };
    let blocks = u8::from(report.block.is_some());
    match report.sent {
        Some(sent) => {
            ink.header(SENDER_REPORT, blocks, 24 + 24 * u16::from(blocks));
            ink.word(report.ssrc);
            ink.put(&sent.ntp.to_be_bytes());
            for field in [sent.rtp, sent.packets, sent.octets] {
                ink.word(field);
            }
        }
        None => {
            ink.header(RECEIVER_REPORT, blocks, 4 + 24 * u16::from(blocks));
            ink.word(report.ssrc);
        }
    }
    if let Some(block) = report.block {
        let quality = block.quality;
        ink.word(quality.ssrc);
        ink.word(u32::from(quality.fraction_lost) << 24 | (quality.lost & 0x00ff_ffff));
        for field in [quality.highest, quality.jitter, block.last_report, block.delay] {
            ink.word(field);
        }
    }
    // One chunk: SSRC, item CNAME, and two zero bytes that end the list on a word.
    ink.header(DESCRIPTION, 1, 4 + 2 + CNAME as u16 + 2);
    ink.word(report.ssrc);
    ink.put(&[1, CNAME as u8]);
    ink.put(report.cname);
    ink.put(&[0, 0]);
    if report.bye {
        ink.header(BYE, 1, 4);
        ink.word(report.ssrc);
    }
    ink.at
}

struct Ink<'a> {
    space: &'a mut [u8],
    at: usize,
}

impl Ink<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.space[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    /// `body` is the length after the header, a multiple of four.
    fn header(&mut self, kind: u8, count: u8, body: u16) {
        self.put(&[0x80 | count, kind]);
        self.put(&(body / 4).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcp_types::Packet;

    const NAME: [u8; CNAME] = *b"0123456789abcdef01234567";

    fn block() -> Block {
        let quality =
            Quality { ssrc: 77, fraction_lost: 12, lost: 34, highest: 0x0001_0002, jitter: 56 };
        Block { quality, last_report: 78, delay: 90 }
    }

    fn written(report: &Report<'_>) -> Vec<u8> {
        let mut space = [0; LONGEST];
        let length = write(report, &mut space);
        space[..length].to_vec()
    }

    #[test]
    fn a_sender_report_reads_back_as_it_was_written() {
        let sent = Sent { ntp: 0x1122_3344_5566_7788, rtp: 1, packets: 2, octets: 3 };
        let report =
            Report { ssrc: 9, sent: Some(sent), block: Some(block()), cname: &NAME, bye: true };
        let wire = written(&report);
        assert_eq!(wire.len(), LONGEST);
        let packets: Vec<_> = Compound::parse(&wire).unwrap().map(Result::unwrap).collect();
        let [Packet::Sr(first), Packet::Sdes(names), Packet::Bye(bye)] = &packets[..] else {
            panic!("{packets:?}");
        };
        assert_eq!((first.ssrc(), first.ntp_timestamp()), (9, sent.ntp));
        assert_eq!((first.rtp_timestamp(), first.packet_count(), first.octet_count()), (1, 2, 3));
        let about = first.report_blocks().next().unwrap();
        assert_eq!((about.ssrc(), about.fraction_lost(), about.cumulative_lost()), (77, 12, 34));
        assert_eq!(
            (about.extended_sequence_number(), about.interarrival_jitter()),
            (0x0001_0002, 56)
        );
        assert_eq!(about.last_sender_report_timestamp(), 78);
        assert_eq!(about.delay_since_last_sender_report_timestamp(), 90);
        let chunk = names.chunks().next().unwrap();
        let item = chunk.items().next().unwrap();
        assert_eq!((chunk.ssrc(), item.type_(), item.value()), (9, 1, &NAME[..]));
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [9]);
        assert_eq!(parse(&wire), Some(Incoming { report: Some(0x3344_5566) }));
    }

    #[test]
    fn who_sent_nothing_makes_a_receiver_report() {
        let wire = written(&Report { ssrc: 9, sent: None, block: None, cname: &NAME, bye: false });
        let packets: Vec<_> = Compound::parse(&wire).unwrap().map(Result::unwrap).collect();
        assert!(matches!(&packets[..], [Packet::Rr(_), Packet::Sdes(_)]));
        assert_eq!(parse(&wire), Some(Incoming { report: None }));
    }

    #[test]
    fn what_does_not_begin_with_a_report_or_lies_about_its_length_is_refused() {
        let wire = written(&Report { ssrc: 9, sent: None, block: None, cname: &NAME, bye: true });
        assert_eq!(parse(&wire[8..]), None);
        for length in 0..wire.len() {
            assert!(parse(&wire[..length]).is_none() || [8, 44].contains(&length), "{length}");
        }
        assert_eq!(parse(&[0x81, 200, 0, 1, 0, 0, 0, 0]), None);
        assert_eq!(parse(&[0x80, 201, 0, 0]), None);
    }
}
