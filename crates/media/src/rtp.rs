//! RTP packets (RFC 3550 §5.1). The only file that names `rtp-rs`.

use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

/// Bytes of the header that we write.
pub(crate) const HEADER: usize = 12;

/// Payload type of comfort noise (RFC 3389).
pub(crate) const COMFORT_NOISE: u8 = 13;

/// A received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: &'a [u8],
}

/// The header of a packet to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// Reads a packet; `None` when it is not RTP version 2 or its lengths contradict each other.
pub(crate) fn parse(datagram: &[u8]) -> Option<Packet<'_>> {
    let reader = RtpReader::new(datagram).ok()?;
    Some(Packet {
        payload_type: reader.payload_type(),
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        ssrc: reader.ssrc(),
        payload: reader.payload(),
    })
}

/// Whether a datagram on an RTP port is RTCP sent along with it (RFC 5761 §4).
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Writes header and payload to the front of `space`, which must hold both, and returns the length.
pub(crate) fn write(header: Header, payload: &[u8], space: &mut [u8]) -> usize {
    RtpPacketBuilder::new()
        .payload_type(header.payload_type)
        .marked(header.marker)
        .sequence(Seq::from(header.sequence))
        .timestamp(header.timestamp)
        .ssrc(header.ssrc)
        .payload(payload)
        .build_into(space)
        .expect("the space holds the packet and our payload types are below 128")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_survives_the_wire() {
        let mut space = [0; 64];
        let header = Header {
            payload_type: 8,
            marker: true,
            sequence: 65_535,
            timestamp: 7,
            ssrc: 0xdead_beef,
        };
        let length = write(header, &[1, 2, 3], &mut space);
        let packet = parse(&space[..length]).unwrap();
        assert_eq!(packet.payload, [1, 2, 3]);
        assert_eq!((packet.payload_type, packet.sequence), (8, 65_535));
        assert_eq!((packet.timestamp, packet.ssrc), (7, 0xdead_beef));
        assert_eq!(space[1] & 0x80, 0x80);
    }

    #[test]
    fn extension_sources_and_padding_are_not_payload() {
        let mut wire = vec![0xb1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9];
        wire.extend([0xbe, 0xde, 0, 1, 5, 5, 5, 5, 0x41, 0x42, 0, 2]);
        assert_eq!(parse(&wire).unwrap().payload, [0x41, 0x42]);
    }

    #[test]
    fn what_is_not_rtp_is_refused() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0x80; 11]), None);
        assert_eq!(parse(&[0x40; 20]), None);
        let padding_longer_than_the_packet = [0xa0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 9];
        assert_eq!(parse(&padding_longer_than_the_packet), None);
    }
}
