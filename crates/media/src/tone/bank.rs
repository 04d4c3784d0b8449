//! How much of a few frequencies there is in 20 ms of audio, and in which phase.
//!
//! A block is weighted by Hann's window, so that what lies 100 Hz off or more disturbs little, and
//! folded about its middle: the even half meets the cosines, the odd half the sines, and each
//! frequency costs one multiplication a sample. Integers throughout: what is added is exact, and the
//! compiler makes vectors of it.

use model::limits::TICK_SAMPLES;

/// Samples on each side of a block's middle.
const HALF: usize = TICK_SAMPLES / 2;
/// Samples a second.
const RATE: f64 = 8_000.0;
/// One, in the tables of cosines and sines: with the window's weight the sums stay inside `i32`.
const ONE: f64 = 512.0;
/// How far squares are shifted down before they are added.
const SHIFT: u32 = 7;
/// Full circle.
const TURN: f64 = std::f64::consts::TAU;

/// A complex amplitude; its angle is the tone's phase in the middle of the block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Phasor {
    pub(super) re: f32,
    pub(super) im: f32,
}

impl Phasor {
    /// Returns its share of the energy of a block.
    pub(super) fn energy(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    /// Returns the angle from one to another, less what is expected: `turn` is `e` to that angle.
    pub(super) fn angle_to(self, later: Self, turn: Self) -> f32 {
        let by = |a: Self, b: Self| Self {
            re: a.re * b.re + a.im * b.im,
            im: a.im * b.re - a.re * b.im,
        };
        let left = by(by(later, self), turn);
        left.im.atan2(left.re)
    }
}

/// A block, ready to be asked.
#[derive(Debug)]
pub(super) struct Block {
    even: [i16; HALF],
    odd: [i16; HALF],
    /// Of the weighted samples.
    pub(super) energy: f32,
}

/// One frequency.
#[derive(Debug)]
pub(super) struct Bin {
    cosine: [i16; HALF],
    sine: [i16; HALF],
}

impl Block {
    /// Weighs and folds 20 ms.
    pub(super) fn new(samples: &[i16; TICK_SAMPLES]) -> Self {
        let (mut even, mut odd) = ([0; HALF], [0; HALF]);
        let (left, right) = samples.split_at(HALF);
        let mut energy = 0;
        let pairs = left.iter().rev().zip(right).zip(&WINDOW);
        for (((&left, &right), &weight), (even, odd)) in
            pairs.zip(even.iter_mut().zip(odd.iter_mut()))
        {
            let (left, right) = (i32::from(left), i32::from(right));
            let half = |sum: i32| i32::from((sum >> 1) as i16);
            *even = ((half(left + right) * i32::from(weight)) >> 15) as i16;
            *odd = ((half(left - right) * i32::from(weight)) >> 15) as i16;
            let (even, odd) = (i32::from(*even), i32::from(*odd));
            energy += (even * even + odd * odd) >> SHIFT;
        }
        // A pair's squares are twice those of its halves.
        Self { even, odd, energy: energy as f32 * (2 << SHIFT) as f32 }
    }

    /// Returns the amplitude at a frequency, scaled so that a pure tone's energy is the block's.
    pub(super) fn at(&self, bin: &Bin) -> Phasor {
        let dot = |samples: &[i16; HALF], table: &[i16; HALF]| {
            samples.iter().zip(table).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>()
        };
        // A tone of amplitude A sums to A · ONE · Σw / 4 and has an energy of A² · Σw² / 2, where Σw
        // and Σw², over a whole Hann window of N samples, are N / 2 and 3 N / 8.
        const SCALE: f32 = 0.273_861 / ONE as f32;
        let (re, im) = (dot(&self.even, &bin.cosine), dot(&self.odd, &bin.sine));
        Phasor { re: re as f32 * SCALE, im: im as f32 * SCALE }
    }
}

impl Bin {
    /// Makes the tables of a frequency.
    pub(super) const fn new(hertz: f64) -> Self {
        let mut bin = Self { cosine: [0; HALF], sine: [0; HALF] };
        let mut place = 0;
        while place < HALF {
            let angle = TURN * hertz / RATE * (place as f64 + 0.5);
            bin.cosine[place] = round(ONE * cosine(angle));
            bin.sine[place] = round(ONE * cosine(angle - TURN / 4.0));
            place += 1;
        }
        bin
    }
}

/// Returns `e` to the angle by which a frequency turns in some samples.
pub(super) const fn turn(hertz: f64, samples: usize) -> Phasor {
    let angle = TURN * hertz / RATE * samples as f64;
    Phasor { re: cosine(angle) as f32, im: cosine(angle - TURN / 4.0) as f32 }
}

/// Hann's window from its middle outwards; one is 2¹⁵ − 1.
static WINDOW: [i16; HALF] = {
    let mut window = [0; HALF];
    let mut place = 0;
    while place < HALF {
        let angle = TURN * (place as f64 + 0.5) / TICK_SAMPLES as f64;
        window[place] = round(32_767.0 * (0.5 + 0.5 * cosine(angle)));
        place += 1;
    }
    window
};

const fn round(value: f64) -> i16 {
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i16
}

/// A cosine that the compiler can compute: by its series, near zero.
const fn cosine(angle: f64) -> f64 {
    let turns = (angle / TURN) as i64 as f64;
    let mut rest = angle - turns * TURN;
    if rest > TURN / 2.0 {
        rest -= TURN;
    }
    let (mut term, mut sum, mut nth) = (1.0, 1.0, 0.0);
    while nth < 30.0 {
        term *= -rest * rest / ((nth + 1.0) * (nth + 2.0));
        sum += term;
        nth += 2.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, amplitude: f64, first: usize) -> [i16; TICK_SAMPLES] {
        std::array::from_fn(|place| {
            (amplitude * (TURN * hertz / RATE * (first + place) as f64).cos()).round() as i16
        })
    }

    #[test]
    fn the_series_is_the_cosine() {
        for step in -100..10_000 {
            let angle = f64::from(step) * 0.013;
            assert!((cosine(angle) - angle.cos()).abs() < 1e-9, "{angle}");
        }
    }

    #[test]
    fn a_pure_tone_is_all_of_its_block() {
        let bin = Bin::new(1_209.0);
        for amplitude in [300.0, 3_000.0, 32_000.0] {
            let block = Block::new(&tone(1_209.0, amplitude, 7));
            let share = block.at(&bin).energy() / block.energy;
            assert!((0.97..1.03).contains(&share), "{amplitude}: {share}");
        }
    }

    #[test]
    fn another_group_s_tone_is_not_seen() {
        let block = Block::new(&tone(941.0, 20_000.0, 0));
        assert!(block.at(&Bin::new(1_209.0)).energy() < block.energy * 1e-4);
    }

    #[test]
    fn the_phase_tells_how_far_a_frequency_is_off() {
        let (bin, turn) = (Bin::new(1_000.0), turn(1_000.0, 80));
        for off in [-20.0, 0.0, 7.0, 20.0] {
            let at = |first| Block::new(&tone(1_000.0 + off, 5_000.0, first)).at(&bin);
            let hertz = f64::from(at(0).angle_to(at(80), turn)) * RATE / TURN / 80.0;
            assert!((hertz - off).abs() < 0.5, "{off}: {hertz}");
        }
    }

    #[test]
    fn the_loudest_samples_do_not_overflow() {
        let square: [i16; TICK_SAMPLES] =
            std::array::from_fn(|place| if place / 3 % 2 == 0 { i16::MAX } else { i16::MIN });
        for samples in [square, [i16::MIN; TICK_SAMPLES], [i16::MAX; TICK_SAMPLES]] {
            let block = Block::new(&samples);
            assert!(block.energy > 0.0 && block.at(&Bin::new(697.0)).energy().is_finite());
        }
    }
}
