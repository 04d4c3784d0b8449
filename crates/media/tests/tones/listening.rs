//! Samples through a codec into the receiver.

use media::command::Codec;
use media::mix::Frame;
use media::tone::Keys;

pub(crate) const BOTH: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// What a codec makes of each sample.
pub(crate) struct Coded(Vec<i16>);

impl Coded {
    pub(crate) fn new(codec: Codec) -> Self {
        let mut values: Vec<i16> = (0..=255).map(|code| decode(codec, code)).collect();
        values.sort_unstable();
        let mut place = 0;
        let nearest = |sample: i16| {
            let off = |value: i16| (i32::from(value) - i32::from(sample)).abs();
            while place + 1 < values.len() && off(values[place + 1]) <= off(values[place]) {
                place += 1;
            }
            values[place]
        };
        Self((i16::MIN..=i16::MAX).map(nearest).collect())
    }

    pub(crate) fn pass(&self, sample: f32) -> i16 {
        self.0[(sample as i16 as u16 ^ 0x8000) as usize]
    }
}

/// Returns the keys heard in samples.
pub(crate) fn heard(codec: &Coded, samples: impl Iterator<Item = f32>) -> String {
    let (mut keys, mut told) = (Keys::default(), String::new());
    let mut frame: Frame = [0; 160];
    let mut filled = 0;
    for sample in samples {
        frame[filled] = codec.pass(sample);
        filled += 1;
        if filled == frame.len() {
            told.extend(keys.hear(Some(&frame)).map(char::from));
            filled = 0;
        }
    }
    told
}

/// The value of a code word, by the formulas of G.711.
fn decode(codec: Codec, code: u8) -> i16 {
    let (bits, positive) = match codec {
        Codec::Pcmu => (!code, code & 0x80 != 0),
        Codec::Pcma => (code ^ 0x55, code & 0x80 != 0),
    };
    let (segment, step) = (i32::from(bits >> 4 & 7), i32::from(bits & 15));
    let magnitude = match codec {
        Codec::Pcmu => (((2 * step + 33) << segment) - 33) * 4,
        Codec::Pcma if segment == 0 => (2 * step + 1) * 8,
        Codec::Pcma => ((2 * step + 33) << (segment - 1)) * 8,
    };
    (if positive { magnitude } else { -magnitude }) as i16
}
