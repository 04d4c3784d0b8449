//! What a built-in caller sends: a tone that is its own, silence, or keys by RFC 4733, one packet
//! every 20 ms.

use std::collections::VecDeque;
use std::f32::consts::TAU;

/// Samples in a packet of 20 ms.
pub(in crate::demo) const PACKET: usize = 160;
/// Payload type of telephone-event in our offers.
pub(super) const DIGITS: u8 = 101;
/// How loud the tone is: about -23 dBFS.
pub(in crate::demo) const LOUDNESS: f32 = 3_200.0;
const RATE: f32 = 8_000.0;
/// How long a key is held and how long the pause after it lasts, in packets.
const HELD: u16 = 5;
const PAUSE: u16 = 4;
/// The end of an event is told three times (RFC 4733 §2.5.1.4).
const ENDS: u16 = 3;

/// One stream of RTP.
#[derive(Debug)]
pub(super) struct Voice {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Hertz.
    tone: f32,
    /// Samples of the tone so far.
    sung: u32,
    speaking: bool,
    /// Keys still to be pressed, and how many packets of the first have left.
    keys: VecDeque<u8>,
    pressed: u16,
}

impl Voice {
    /// Makes a silent voice.
    pub(super) fn new(ssrc: u32, tone: f32) -> Self {
        let (keys, timestamp, sequence) = (VecDeque::new(), ssrc, 1);
        Self { ssrc, sequence, timestamp, tone, sung: 0, speaking: false, keys, pressed: 0 }
    }

    /// Presses keys one after another; the voice pauses meanwhile.
    pub(super) fn press(&mut self, keys: &str) {
        self.keys.extend(keys.bytes().filter_map(event));
    }

    /// Begins to speak, that is to sound the tone.
    pub(super) fn speak(&mut self) {
        self.speaking = true;
    }

    /// Whether keys are still being pressed.
    pub(super) fn is_pressing(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Writes the packet of the next 20 ms.
    pub(super) fn packet(&mut self, packet: &mut Vec<u8>) {
        packet.clear();
        match self.keys.front().copied() {
            Some(key) if self.pressed < HELD + ENDS => self.event(key, packet),
            Some(_) if self.pressed < HELD + ENDS + PAUSE => {
                self.pressed += 1;
                self.audio(false, packet);
            }
            Some(_) => {
                self.keys.pop_front();
                self.pressed = 0;
                self.audio(false, packet);
            }
            None => self.audio(self.speaking, packet),
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(PACKET as u32);
    }

    /// Every packet of an event bears the timestamp of its begin (RFC 4733 §2.2).
    fn event(&mut self, key: u8, packet: &mut Vec<u8>) {
        let begin = self.timestamp.wrapping_sub(u32::from(self.pressed) * PACKET as u32);
        self.pressed += 1;
        self.header(DIGITS, self.pressed == 1, begin, packet);
        let ended = if self.pressed > HELD { 0x80 } else { 0 };
        let duration = self.pressed.min(HELD) * PACKET as u16;
        packet.extend([key, ended | 10]);
        packet.extend(duration.to_be_bytes());
    }

    fn audio(&mut self, sounding: bool, packet: &mut Vec<u8>) {
        self.header(0, false, self.timestamp, packet);
        for _ in 0..PACKET {
            let turn = (self.sung as f32 * self.tone / RATE).fract();
            let sample = if sounding { LOUDNESS * (turn * TAU).sin() } else { 0.0 };
            packet.push(encode(sample as i16));
            self.sung = (self.sung + 1) % RATE as u32;
        }
    }

    fn header(&self, payload_type: u8, marker: bool, timestamp: u32, packet: &mut Vec<u8>) {
        packet.extend([0x80, payload_type | if marker { 0x80 } else { 0 }]);
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
    }
}

/// Returns a key's event number (RFC 4733 §3.2).
fn event(key: u8) -> Option<u8> {
    match key {
        b'0'..=b'9' => Some(key - b'0'),
        b'*' => Some(10),
        b'#' => Some(11),
        _ => None,
    }
}

/// Encodes a sample by the µ-law (ITU-T G.711): the callers do not lean on the code they test.
fn encode(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let segment = 8 - magnitude.leading_zeros() as u16;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !((sign | (segment << 4) | step) as u8)
}

/// Decodes a µ-law code word.
pub(super) fn decode(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i16::from(code & 0x0f) << 3) + 132) << ((code >> 4) & 7);
    if code & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(voice: &mut Voice, count: usize) -> Vec<Vec<u8>> {
        let mut packet = Vec::new();
        let mut next = || {
            voice.packet(&mut packet);
            packet.clone()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_sample_survives_the_law_within_its_step() {
        for sample in (-32_000..32_000_i16).step_by(37) {
            let error = i32::from(decode(encode(sample))) - i32::from(sample);
            assert!(error.abs() <= i32::from(sample.unsigned_abs() / 16) + 8, "{sample}: {error}");
        }
        assert_eq!(encode(0), 0xff);
        assert_eq!(decode(0x00), -32_124);
        assert_eq!(decode(0x80), 32_124);
    }

    #[test]
    fn a_key_is_one_event_with_a_growing_duration_and_three_ends() {
        let mut voice = Voice::new(1_000, 500.0);
        voice.press("7");
        let packets = packets(&mut voice, 9);
        let events: Vec<_> = packets.iter().filter(|packet| packet[1] & 0x7f == DIGITS).collect();
        assert_eq!(events.len(), 8);
        assert!(events.iter().all(|event| event[4..8] == 1_000_u32.to_be_bytes()));
        assert!(events.iter().all(|event| event[12] == 7));
        assert_eq!(events.iter().map(|event| event[13] >> 7).sum::<u8>(), 3);
        assert_eq!(events[0][1], 0x80 | DIGITS);
        assert_eq!(events[7][14..16], 800_u16.to_be_bytes());
    }

    #[test]
    fn all_keys_leave_and_then_the_voice_speaks() {
        let mut voice = Voice::new(5, 500.0);
        voice.press("12#");
        voice.speak();
        let packets = packets(&mut voice, 60);
        assert!(!voice.is_pressing());
        let last = packets.last().unwrap();
        assert_eq!((last.len(), last[1]), (12 + PACKET, 0));
        let peak = last[12..].iter().map(|code| decode(*code).unsigned_abs()).max().unwrap();
        assert!((3_000..3_500).contains(&peak), "{peak}");
        let starts = packets.iter().filter(|packet| packet[1] == 0x80 | DIGITS).count();
        assert_eq!(starts, 3);
    }
}
