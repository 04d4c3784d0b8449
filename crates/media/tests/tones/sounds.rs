//! Dice, noise and oscillators.

use std::f32::consts::TAU;

/// Samples a second.
pub(crate) const RATE: f32 = 8_000.0;
/// The amplitude of a sine of 0 dBm0.
const ZERO: f32 = 22_660.0;

/// A generator that is the same everywhere (SplitMix64).
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Between two numbers.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.roll() >> 40) as f32 / (1 << 24) as f32
    }

    /// One of so many.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.roll() % count as u64) as usize
    }

    /// Noise of a variance of one: the sum of twelve, nearly normal.
    pub(crate) fn noise(&mut self) -> f32 {
        let (one, other) = (self.roll(), self.roll());
        let parts =
            (0..6).map(|part| (one >> (part * 10) & 1_023) + (other >> (part * 10) & 1_023));
        (parts.sum::<u64>() as f32 - 6_138.0) / 1_024.0
    }
}

/// The amplitude of a sine of that level, dBm0.
pub(crate) fn amplitude(level: f32) -> f32 {
    ZERO * 10_f32.powf(level / 20.0)
}

/// An oscillator by rotation: a sine costs four multiplications.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sine {
    re: f32,
    im: f32,
    turn: (f32, f32),
}

impl Sine {
    pub(crate) fn new(hertz: f32, phase: f32) -> Self {
        let mut sine = Self { re: phase.cos(), im: phase.sin(), turn: (1.0, 0.0) };
        sine.tune(hertz);
        sine
    }

    /// Goes on at another frequency, at its old loudness of one.
    pub(crate) fn tune(&mut self, hertz: f32) {
        let angle = TAU * hertz / RATE;
        self.turn = (angle.cos(), angle.sin());
        let size = self.re.hypot(self.im);
        (self.re, self.im) = (self.re / size, self.im / size);
    }

    pub(crate) fn next(&mut self) -> f32 {
        let (cos, sin) = self.turn;
        (self.re, self.im) = (self.re * cos - self.im * sin, self.re * sin + self.im * cos);
        self.im
    }
}
