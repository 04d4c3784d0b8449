//! The stream that we send on one leg: a packet every ptime, whatever the tick.

use std::time::Duration;

use model::limits::TICK_SAMPLES;

use crate::command::Codec;
use crate::rtp::Header;

/// Longest packet that we send: 60 ms.
pub(crate) const LONGEST: usize = 480;
/// Samples that can wait for the rest of a packet, and a tick.
const WAITING: usize = LONGEST + TICK_SAMPLES;

/// Sequence, timestamp and the code words that wait for a packet to be full.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) codec: Codec,
    pub(crate) ssrc: u32,
    sequence: u16,
    /// Of the first sample that waits.
    timestamp: u32,
    /// The next packet is the first after a pause.
    marker: bool,
    /// Samples in a packet.
    packet: usize,
    waiting: [u8; WAITING],
    held: usize,
    /// Packets sent.
    pub(crate) packets: u64,
    /// Bytes of payload sent.
    pub(crate) octets: u64,
}

impl Sender {
    /// Starts a stream. The sequence begins with fifteen bits of the SSRC, so that no loss at the
    /// start makes a receiver miscount its rounds (RFC 3711 §3.3.1); the timestamp begins with it.
    pub(crate) fn new(ssrc: u32, codec: Codec, ptime: Duration) -> Self {
        Self {
            codec,
            ssrc,
            sequence: ssrc as u16 & 0x7fff,
            timestamp: ssrc.rotate_left(16),
            marker: true,
            packet: samples(ptime),
            waiting: [0; WAITING],
            held: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// Takes a new codec and ptime.
    pub(crate) fn agree(&mut self, codec: Codec, ptime: Duration) {
        let packet = samples(ptime);
        if codec != self.codec || packet != self.packet {
            self.timestamp = self.timestamp.wrapping_add(self.held as u32);
            self.held = 0;
            self.codec = codec;
            self.packet = packet;
        }
    }

    /// Lets a tick pass unsent: the timestamp goes on.
    pub(crate) fn skip(&mut self) {
        self.timestamp = self.timestamp.wrapping_add((self.held + TICK_SAMPLES) as u32);
        self.held = 0;
        self.marker = true;
    }

    /// Takes the code words of a tick, and hands over each packet that is full.
    pub(crate) fn push(&mut self, codes: &[u8; TICK_SAMPLES], mut send: impl FnMut(Header, &[u8])) {
        if self.held == 0 && self.packet == TICK_SAMPLES {
            let header = self.header();
            send(header, codes);
            return;
        }
        self.waiting[self.held..self.held + TICK_SAMPLES].copy_from_slice(codes);
        self.held += TICK_SAMPLES;
        let mut first = 0;
        while self.held - first >= self.packet {
            let header = self.header();
            send(header, &self.waiting[first..first + self.packet]);
            first += self.packet;
        }
        self.waiting.copy_within(first..self.held, 0);
        self.held -= first;
    }

    /// The timestamp that a sender report names as the present.
    pub(crate) fn present(&self) -> u32 {
        self.timestamp.wrapping_add(self.held as u32)
    }

    fn header(&mut self) -> Header {
        let header = Header {
            payload_type: self.codec.payload_type(),
            marker: self.marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.marker = false;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.packet as u32);
        self.packets += 1;
        self.octets += self.packet as u64;
        header
    }
}

/// Whole tens of milliseconds from 10 to 60, in samples.
fn samples(ptime: Duration) -> usize {
    let tens = ptime.as_millis().clamp(10, 60) as usize / 10;
    tens * 80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of the packets in each of the first six ticks.
    fn packets(millis: u64) -> Vec<Vec<usize>> {
        let mut sender = Sender::new(1, Codec::Pcmu, Duration::from_millis(millis));
        let mut next = None;
        (0..6)
            .map(|_| {
                let mut lengths = Vec::new();
                sender.push(&[0; TICK_SAMPLES], |header, payload| {
                    assert!(next.is_none_or(|next| next == header.timestamp));
                    next = Some(header.timestamp.wrapping_add(payload.len() as u32));
                    lengths.push(payload.len());
                });
                lengths
            })
            .collect()
    }

    #[test]
    fn packets_have_their_length_and_leave_as_soon_as_they_are_full() {
        let none = Vec::new;
        assert_eq!(packets(10), vec![vec![80, 80]; 6]);
        assert_eq!(packets(20), vec![vec![160]; 6]);
        let thirty = [none(), vec![240], vec![240]];
        assert_eq!(packets(30), [thirty.clone(), thirty].concat());
        assert_eq!(
            packets(40),
            [[none(), vec![320]], [none(), vec![320]], [none(), vec![320]]].concat()
        );
        let sixty = [none(), none(), vec![480]];
        assert_eq!(packets(60), [sixty.clone(), sixty].concat());
    }

    #[test]
    fn time_goes_on_while_nothing_is_sent() {
        let mut sender = Sender::new(9, Codec::Pcma, Duration::from_millis(20));
        let mut headers = Vec::new();
        sender.push(&[0; TICK_SAMPLES], |header, _| headers.push(header));
        for _ in 0..50 {
            sender.skip();
        }
        sender.push(&[0; TICK_SAMPLES], |header, _| headers.push(header));
        assert_eq!(headers[1].timestamp.wrapping_sub(headers[0].timestamp), 51 * 160);
        assert_eq!(headers[1].sequence, headers[0].sequence + 1);
        assert!(headers[0].marker && headers[1].marker);
    }
}
