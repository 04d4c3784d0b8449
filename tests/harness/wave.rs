//! WAV files: what telephones that others wrote speak, and what they have heard.

use std::fs;
use std::path::Path;

use super::phone::Sound;

/// Samples of a second, as everything here has.
pub(crate) const RATE: u32 = 8_000;
/// Bytes before the samples.
const HEADER: usize = 44;

/// Writes a minute's tone.
pub(crate) fn write_tone(path: &Path, hertz: f64) {
    let samples = RATE * 60;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + samples * 2).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend((samples * 2).to_le_bytes());
    for at in 0..samples {
        let turn = std::f64::consts::TAU * hertz * f64::from(at) / f64::from(RATE);
        #[expect(clippy::cast_possible_truncation, reason = "it lies within ±8 000")]
        file.extend(((8_000.0 * turn.sin()) as i16).to_le_bytes());
    }
    fs::write(path, file).expect("the folder is writable");
}

/// Reads samples of 16 bits.
pub(crate) fn read(path: &Path) -> Sound {
    let bytes = fs::read(path).expect("the file is readable");
    let words = bytes.get(HEADER..).unwrap_or_default().chunks_exact(2);
    Sound::of(words.map(|word| f64::from(i16::from_le_bytes([word[0], word[1]]))).collect())
}
