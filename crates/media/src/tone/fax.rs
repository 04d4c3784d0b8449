//! Fax machines by their tones (ITU-T T.30): one that calls sends 1 100 Hz for half a second every
//! 3.5 s (CNG), one that answers 2 100 Hz for three (CED).

use super::bank::{Bin, Block};
use crate::mix::Frame;

/// The calling tone is 1 100 ± 38 Hz: these are near enough to any of it.
static CALLING: [Bin; 3] = [Bin::new(1_075.0), Bin::new(1_100.0), Bin::new(1_125.0)];
/// The answering tone is 2 100 ± 15 Hz.
static ANSWERING: Bin = Bin::new(2_100.0);
/// Least part of a block's energy that a lone tone has.
const PURE: f32 = 0.85;
/// The energy of a block of a tone of −43 dBm0, the faintest that a fax machine must hear.
const FAINTEST: f32 = 30.0 * 160.0 * 160.0;
/// Ticks of a tone after which others do not hear it any more: 100 ms.
const SUSPECT: u32 = 5;
/// Ticks that the calling tone lasts: 0.5 s ± 15 %, and what a tick at each end may hide.
const CALLING_TICKS: std::ops::RangeInclusive<u32> = 19..=30;
/// Ticks of the answering tone that are enough: 500 ms.
const ANSWERING_TICKS: u32 = 25;
/// Ticks after the last fax tone in which a fax machine is certainly still there: 40 s, the longest
/// for which one tries (T.30, timer T1).
const GIVES_UP: u32 = 2_000;

/// Hears fax machines in one leg's audio.
#[derive(Debug, Default)]
pub struct Fax {
    calling: u32,
    answering: u32,
    /// Whether the answering tone missed a tick: it turns its phase over every 450 ms.
    gap: bool,
    /// Ticks for which the leg is still taken for a fax machine.
    left: u32,
}

impl Fax {
    /// Takes the next 20 ms; `None` is silence. Returns whether a fax machine was heard just now.
    pub fn hear(&mut self, frame: Option<&Frame>) -> bool {
        self.left = self.left.saturating_sub(1);
        let (calling, answering) = frame.map_or((false, false), tones);
        let called = !calling && CALLING_TICKS.contains(&self.calling);
        self.calling = if calling { self.calling.saturating_add(1) } else { 0 };
        if answering {
            self.answering = self.answering.saturating_add(1);
            self.gap = false;
        } else if self.gap || self.answering == 0 {
            self.answering = 0;
        } else {
            self.gap = true;
        }
        let answered = self.answering == ANSWERING_TICKS;
        if called || answered {
            self.left = GIVES_UP;
        }
        called || answered
    }

    /// Whether the leg is to be kept from the others.
    #[must_use]
    pub fn mutes(&self) -> bool {
        let calling = (SUSPECT..=*CALLING_TICKS.end()).contains(&self.calling);
        self.left > 0 || calling || self.answering >= SUSPECT
    }
}

/// Whether a frame is the calling tone, or the answering tone.
fn tones(frame: &Frame) -> (bool, bool) {
    let block = Block::new(frame);
    if block.energy < FAINTEST {
        return (false, false);
    }
    let is = |bin: &Bin| block.at(bin).energy() >= block.energy * PURE;
    (CALLING.iter().any(is), is(&ANSWERING))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// Hears a tone for some milliseconds, and silence after it; returns when a fax was heard.
    fn heard(fax: &mut Fax, hertz: f64, millis: usize, silence: usize) -> Option<usize> {
        let sample = |at: usize| match at {
            at if at < millis * 8 => (TAU * hertz * at as f64 / 8_000.0).sin() * 3_000.0,
            _ => 0.0,
        };
        let mut found = None;
        for tick in 0..(millis + silence) / 20 {
            let frame: Frame = std::array::from_fn(|place| sample(tick * 160 + place) as i16);
            if fax.hear(Some(&frame)) {
                found = found.or(Some(tick * 20));
            }
        }
        found
    }

    #[test]
    fn half_a_second_of_the_calling_tone_is_a_fax_that_calls() {
        for hertz in [1_062.0, 1_080.0, 1_100.0, 1_113.0, 1_138.0] {
            for millis in [430, 500, 570] {
                let mut fax = Fax::default();
                assert!(heard(&mut fax, hertz, millis, 100).is_some(), "{hertz} Hz {millis} ms");
                assert!(fax.mutes());
            }
        }
    }

    #[test]
    fn a_tone_that_goes_on_or_is_short_is_no_fax_that_calls() {
        for millis in [200, 300, 1_000, 5_000] {
            let mut fax = Fax::default();
            assert_eq!(heard(&mut fax, 1_100.0, millis, 500), None, "{millis} ms");
            assert!(!fax.mutes());
        }
        assert_eq!(heard(&mut Fax::default(), 1_200.0, 500, 500), None);
    }

    #[test]
    fn the_answering_tone_is_known_while_it_lasts_though_its_phase_turns() {
        let mut fax = Fax::default();
        assert_eq!(heard(&mut fax, 2_100.0, 3_000, 0), Some(480));
        let mut fax = Fax::default();
        let sample = |at: usize| {
            let phase = if (at / 3_600).is_multiple_of(2) { 0.0 } else { TAU / 2.0 };
            (TAU * 2_100.0 * at as f64 / 8_000.0 + phase).sin() * 3_000.0
        };
        let mut tick = |tick: usize| {
            fax.hear(Some(&std::array::from_fn(|place| sample(tick * 160 + place) as i16)))
        };
        assert!((0..60).any(&mut tick));
    }

    #[test]
    fn others_are_spared_the_tone_and_get_the_leg_back_when_a_fax_would_have_given_up() {
        let mut fax = Fax::default();
        heard(&mut fax, 1_100.0, 200, 0);
        assert!(fax.mutes(), "it may be a fax");
        fax.hear(None);
        assert!(!fax.mutes(), "it was none");
        heard(&mut fax, 1_100.0, 500, 100);
        assert!(fax.mutes());
        for _ in 0..GIVES_UP {
            fax.hear(None);
        }
        assert!(!fax.mutes());
    }
}
