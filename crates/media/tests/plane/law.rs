//! G.711 once more, slow and obvious: a second opinion, independent of the crate's tables.

use media::command::Codec;

/// The value of a code word, by the formulas of the recommendation.
pub(crate) fn decode(codec: Codec, code: u8) -> i16 {
    let (bits, positive) = match codec {
        Codec::Pcmu => (!code, code & 0x80 != 0),
        Codec::Pcma => (code ^ 0x55, code & 0x80 != 0),
    };
    let segment = i32::from(bits >> 4 & 7);
    let step = i32::from(bits & 15);
    let magnitude = match codec {
        Codec::Pcmu => ((2 * step + 33) * 2_i32.pow(segment as u32) - 33) * 4,
        Codec::Pcma if segment == 0 => (2 * step + 1) * 8,
        Codec::Pcma => (2 * step + 33) * 2_i32.pow(segment as u32 - 1) * 8,
    };
    (if positive { magnitude } else { -magnitude }) as i16
}

/// A code word whose value lies as near as any, on the side of the sign.
pub(crate) fn encode(codec: Codec, sample: i16) -> u8 {
    let side = if sample < 0 { 0 } else { 0x80 };
    (0..=255)
        .filter(|code| code & 0x80 == side)
        .min_by_key(|&code| (i32::from(decode(codec, code)) - i32::from(sample)).abs())
        .expect("each side has 128 code words")
}

/// Half the width of the step in which a sample of that magnitude is coded, and a little.
pub(crate) fn tolerance(sample: i32) -> i32 {
    (sample.abs() + 132) / 32 + 8
}
