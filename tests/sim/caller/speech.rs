//! What a caller sends as RTP: digits first, then something that is not silence.

/// Slots of 20 ms before the first digit.
const BEFORE_DIGITS: u64 = 25;
/// Slots from one digit to the next: 100 ms of tone, three end packets, a pause.
const PER_DIGIT: u64 = 10;
/// Slots between two conference IDs.
const BETWEEN_IDS: u64 = 100;

#[derive(Debug, Clone)]
pub(crate) struct Speech {
    ssrc: u32,
    slot: u64,
    sequence: u16,
    presses: Vec<(u64, u8)>,
}

impl Speech {
    pub(crate) fn new(ssrc: u32, keyed: Vec<String>) -> Self {
        let mut presses = Vec::new();
        let mut slot = BEFORE_DIGITS;
        for id in keyed {
            for key in id.bytes() {
                presses.push((slot, key));
                slot += PER_DIGIT;
            }
            slot += BETWEEN_IDS;
        }
        Self { ssrc, slot: 0, sequence: 100, presses }
    }

    /// Makes the packet of the next 20 ms.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let slot = self.slot;
        self.slot += 1;
        self.sequence = self.sequence.wrapping_add(1);
        let pressed = self.presses.iter().rev().find(|(from, _)| *from <= slot && slot < from + 8);
        match pressed {
            Some((from, key)) => {
                let step = slot - from;
                let length = u16::try_from(160 * (step.min(4) + 1)).unwrap_or(800);
                let end = if step >= 5 { 0x80 } else { 0 };
                let mut packet = self.header(101, *from, step == 0);
                packet.extend([event(*key), end | 10]);
                packet.extend(length.to_be_bytes());
                packet
            }
            None => {
                let mut packet = self.header(0, slot, slot == 0);
                packet.extend((0..160).map(|n: u8| if n & 8 == 0 { 0x9e } else { 0x1e }));
                packet
            }
        }
    }

    fn header(&self, payload_type: u8, slot: u64, marker: bool) -> Vec<u8> {
        let stamp = u32::try_from(slot * 160 % (1 << 32)).unwrap_or(0);
        let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet
    }
}

fn event(key: u8) -> u8 {
    match key {
        b'0'..=b'9' => key - b'0',
        b'*' => 10,
        _ => 11,
    }
}
