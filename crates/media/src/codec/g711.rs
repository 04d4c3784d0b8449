//! ITU-T G.711: µ-law and A-law, by tables computed when the crate is compiled.

use crate::command::Codec;

/// The largest magnitude that either law decodes its idle codes to. A frame within it is silence.
pub(crate) const IDLE: i16 = 8;

/// A sample that neither law ever decodes to.
pub(crate) const NEVER: i16 = i16::MIN;

static MU_DECODE: [i16; 256] = mu_decode_table();
static A_DECODE: [i16; 256] = a_decode_table();
/// Indexed by the upper 14 bits of a sample.
static MU_ENCODE: [u8; 1 << 14] = mu_encode_table();
/// Indexed by the upper 12 bits of a sample.
static A_ENCODE: [u8; 1 << 12] = a_encode_table();

impl Codec {
    /// The code word of digital silence.
    pub(crate) const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xff,
            Self::Pcma => 0xd5,
        }
    }

    /// The static payload type (RFC 3551 §6).
    pub(crate) const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The law of a static payload type, if it is one.
    pub(crate) const fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }
}

/// Decodes as many code words as both slices hold.
pub(crate) fn decode(codec: Codec, codes: &[u8], samples: &mut [i16]) {
    let table = match codec {
        Codec::Pcmu => &MU_DECODE,
        Codec::Pcma => &A_DECODE,
    };
    for (sample, &code) in samples.iter_mut().zip(codes) {
        *sample = table[usize::from(code)];
    }
}

/// Encodes as many samples as both slices hold.
pub(crate) fn encode(codec: Codec, samples: &[i16], codes: &mut [u8]) {
    match codec {
        Codec::Pcmu => {
            for (code, &sample) in codes.iter_mut().zip(samples) {
                *code = MU_ENCODE[usize::from(sample as u16 >> 2)];
            }
        }
        Codec::Pcma => {
            for (code, &sample) in codes.iter_mut().zip(samples) {
                *code = A_ENCODE[usize::from(sample as u16 >> 4)];
            }
        }
    }
}

/// G.711 table 2: the code is complemented; sign, three bits of segment, four of step; biased by 33.
const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let step = (bits & 0x0f) as i32;
        let magnitude = ((2 * step + 33) << ((bits >> 4) & 7)) - 33;
        let value = if bits & 0x80 == 0 { magnitude } else { -magnitude };
        table[code] = (value * 4) as i16;
        code += 1;
    }
    table
}

/// G.711 table 1: every second bit is inverted; sign, three bits of segment, four of step.
const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let step = (bits & 0x0f) as i32;
        let magnitude = match (bits >> 4) & 7 {
            0 => 2 * step + 1,
            segment => (2 * step + 33) << (segment - 1),
        };
        let value = if bits & 0x80 == 0 { -magnitude } else { magnitude };
        table[code] = (value * 8) as i16;
        code += 1;
    }
    table
}

const fn mu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        let negative = index >= 1 << 13;
        let magnitude = if negative { !index & 0x1fff } else { index } as u32;
        let biased = if magnitude + 33 > 0x1fff { 0x1fff } else { magnitude + 33 };
        let segment = 26 - biased.leading_zeros();
        let step = (biased >> (segment + 1)) & 0x0f;
        let sign = if negative { 0x80 } else { 0 };
        table[index] = !(sign | (segment << 4) | step) as u8;
        index += 1;
    }
    table
}

const fn a_encode_table() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        let negative = index >= 1 << 11;
        let magnitude = if negative { !index & 0x7ff } else { index } as u32;
        let bits = if magnitude < 32 {
            magnitude
        } else {
            let segment = 28 - magnitude.leading_zeros();
            (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
        };
        let sign = if negative { 0 } else { 0x80 };
        table[index] = (sign | bits) as u8 ^ 0x55;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code words of one law from the quietest to the loudest, each with the lowest magnitude
    /// (14 bits for µ-law, 13 for A-law) that is coded by it: the decision values of G.711.
    fn decisions(codec: Codec) -> Vec<(u8, i32)> {
        let mut rows = Vec::new();
        for segment in 0..8 {
            for step in 0..16 {
                let (mask, lowest) = match (codec, segment) {
                    (Codec::Pcmu, _) => (0xff, (((16 + step) << (segment + 1)) - 33).max(0)),
                    (Codec::Pcma, 0) => (0xd5, 2 * step),
                    (Codec::Pcma, _) => (0xd5, (16 + step) << segment),
                };
                rows.push((mask ^ (segment << 4 | step) as u8, lowest));
            }
        }
        rows
    }

    fn obvious(codec: Codec, sample: i16) -> u8 {
        let shift = match codec {
            Codec::Pcmu => 2,
            Codec::Pcma => 3,
        };
        let magnitude = i32::from(if sample < 0 { !sample } else { sample } >> shift);
        let rows = decisions(codec);
        let (code, _) = rows.iter().rev().find(|(_, lowest)| *lowest <= magnitude).unwrap();
        if sample < 0 { code ^ 0x80 } else { *code }
    }

    #[test]
    fn every_sample_is_coded_by_the_decision_values_of_g711() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for sample in i16::MIN..=i16::MAX {
                let mut code = [0];
                encode(codec, &[sample], &mut code);
                assert_eq!(code[0], obvious(codec, sample), "{codec:?} {sample}");
            }
        }
    }

    #[test]
    fn every_code_word_survives_its_sample_and_none_decodes_to_never() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for code in 0..=255 {
                let mut sample = [0];
                decode(codec, &[code], &mut sample);
                assert_ne!(sample[0], NEVER);
                let mut again = [0];
                encode(codec, &sample, &mut again);
                // µ-law has two zeros; both decode to 0.
                let expected = if (codec, code) == (Codec::Pcmu, 0x7f) { 0xff } else { code };
                assert_eq!(again[0], expected, "{codec:?}");
            }
        }
    }

    #[test]
    fn known_words_have_the_values_of_the_recommendation() {
        let mut samples = [0; 4];
        decode(Codec::Pcmu, &[0xff, 0x80, 0x00, 0xef], &mut samples);
        assert_eq!(samples, [0, 8031 * 4, -8031 * 4, 33 * 4]);
        decode(Codec::Pcma, &[0xd5, 0xaa, 0x2a, 0x55], &mut samples);
        assert_eq!(samples, [8, 4032 * 8, -4032 * 8, -8]);
    }

    #[test]
    fn silence_is_idle() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let mut sample = [0];
            decode(codec, &[codec.silence()], &mut sample);
            assert!(sample[0].abs() <= IDLE);
        }
    }
}
