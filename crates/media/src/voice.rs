//! Whether somebody speaks, told rarely: who was silent for long is asked whether they stay.

use model::Instant;

use crate::command::Event;
use crate::mix::{self, Frame};

/// Louder than this is a voice: -36 dB of full scale. Speech peaks far above it, the noise of a line
/// stays below.
const FAINT: i16 = 512;
/// Ticks in a row that make a voice: a click is shorter.
const RUN: u8 = 3;

/// When the voice of one leg was told last.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    told: Option<Instant>,
    run: u8,
}

impl Voice {
    /// Takes a tick of sound that others hear. Returns whether it is to be told. While it was told
    /// lately nothing is measured.
    pub(crate) fn hear(&mut self, frame: &Frame, now: Instant) -> bool {
        if self.told.is_some_and(|at| now.since(at) < Event::SPOKE_EVERY) {
            return false;
        }
        self.run = if mix::is_idle(frame, FAINT) { 0 } else { self.run + 1 };
        if self.run < RUN {
            return false;
        }
        (self.told, self.run) = (Some(now), 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOUD: Frame = [2_000; mix::QUIET.len()];
    const NOISE: Frame = [300; mix::QUIET.len()];

    #[test]
    fn a_voice_is_told_once_in_its_stretch_however_long_it_goes_on() {
        let mut voice = Voice::default();
        let told = (0..3_500).filter(|tick| voice.hear(&LOUD, at(*tick))).count();
        assert_eq!(told, 3, "at the start, after 30 s and after 60 s");
    }

    #[test]
    fn noise_and_clicks_are_no_voice() {
        let mut voice = Voice::default();
        for tick in 0..500 {
            let frame = if tick % 3 == 0 { &NOISE } else { &LOUD };
            assert!(!voice.hear(frame, at(tick)));
        }
    }

    fn at(tick: u64) -> Instant {
        Instant::START + Duration::from_millis(20 * tick)
    }
}
