//! Keys by their tones: ITU-T Q.23, received as Q.24 wants it.
//!
//! Every 10 ms a block of 20 ms is looked at. Three blocks in a row that show the same pair of tones
//! are a key if, over all three, both frequencies are within 1.8 % of theirs (measured by their
//! phases: 1.5 % must be taken, 3.5 % must not), the tones are nearly all there is, neither is much
//! louder than the other, and they are steady. So 40 ms of tone are always enough and 20 ms never
//! are. A key goes on until neither or only one of its tones was there for two blocks in a row: a
//! pause of 40 ms always ends it, a gap of 10 ms never does. Most audio costs one block in 20 ms: the
//! one in between is looked at only when a neighbour shows a pair.

use model::limits::TICK_SAMPLES;

use super::bank::{self, Bin, Block, Phasor};
use crate::mix::Frame;

/// The two groups, lower and upper (Q.23).
const HERTZ: [[f64; 4]; 2] = [[697.0, 770.0, 852.0, 941.0], [1_209.0, 1_336.0, 1_477.0, 1_633.0]];
static BINS: [[Bin; 4]; 2] = {
    let [l, h] = HERTZ;
    [
        [Bin::new(l[0]), Bin::new(l[1]), Bin::new(l[2]), Bin::new(l[3])],
        [Bin::new(h[0]), Bin::new(h[1]), Bin::new(h[2]), Bin::new(h[3])],
    ]
};
/// The keys by row (lower tone) and column (upper tone).
const KEYS: [&[u8; 4]; 4] = [b"123A", b"456B", b"789C", b"*0#D"];

/// Samples between blocks.
const HOP: usize = TICK_SAMPLES / 2;
/// Samples from a block back to the one that tells large errors of frequency from small ones.
const STEP: usize = HOP / 2;
/// Largest error of a frequency, as a part of it.
const OFF: f32 = 0.018;
/// The energy of a block of one tone of −37 dBm0, the faintest taken.
const FAINTEST: f32 = 30.0 * 320.0 * 320.0;
/// Least part of a block's energy that both tones have, before their frequencies are known.
const LIKELY: f32 = 0.5;
/// The same of the middle block once they are known, and of those beside it, which may hold only
/// part of the tone.
const PURE: (f32, f32) = (0.93, 0.74);
/// How much louder the upper tone may be (5 dB), and how much the lower (9 dB): ITU-T Q.24 has
/// 4 and 8.
const TWIST: (f32, f32) = (3.2, 8.0);
/// What more of it is likely before the frequencies are known: 3 dB.
const TWIST_LIKELY: f32 = 2.0;
/// Least part of a tone's energy that each of the three blocks has.
const STEADY: f32 = 0.65;
/// Most by which a tone's frequency may change between the blocks, radians a hop: voices glide.
const GLIDE: f32 = 0.25;
/// Part of a tone's energy below which it is gone: −12 dB.
const GONE: f32 = 1.0 / 16.0;
/// Blocks without it that end a key.
const PAUSE: u8 = 2;

/// Hears keys in one leg's audio.
#[derive(Debug)]
pub struct Keys {
    /// The frame before this one.
    before: Frame,
    /// The two blocks before this one, if they show a pair; the older one only if it is the same.
    older: Option<Pair>,
    last: Option<Pair>,
    /// The key that sounds.
    sounding: Option<Sounding>,
}

/// A pair of tones in a block: the strongest of each group.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    row: usize,
    column: usize,
    tones: [Phasor; 2],
    /// Of the block.
    energy: f32,
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    row: usize,
    column: usize,
    energy: [f32; 2],
    missed: u8,
}

impl Default for Keys {
    fn default() -> Self {
        Self { before: [0; TICK_SAMPLES], older: None, last: None, sounding: None }
    }
}

impl Keys {
    /// Takes the next 20 ms; `None` is silence. Returns a key, in ASCII, once it is certain.
    pub fn hear(&mut self, frame: Option<&Frame>) -> Option<u8> {
        let silence = [0; TICK_SAMPLES];
        let frame = frame.unwrap_or(&silence);
        let whole = examine(frame);
        let is_likely = |block: &Option<Block>| block.as_ref().and_then(pair);
        let pair_of_whole = is_likely(&whole);
        let mut heard = None;
        let near = pair_of_whole.is_some() || self.last.is_some() || self.sounding.is_some();
        if near {
            let both = self.joined(frame);
            let between = examine(window(&both, HOP));
            let pair_between = is_likely(&between);
            heard = self.step(between.as_ref(), pair_between, &both, HOP);
            heard = self.step(whole.as_ref(), pair_of_whole, &both, TICK_SAMPLES).or(heard);
        }
        self.before = *frame;
        heard
    }

    /// Whether a key sounds.
    #[must_use]
    pub const fn sounds(&self) -> bool {
        self.sounding.is_some()
    }

    fn joined(&self, frame: &Frame) -> [i16; 2 * TICK_SAMPLES] {
        let mut both = [0; 2 * TICK_SAMPLES];
        both[..TICK_SAMPLES].copy_from_slice(&self.before);
        both[TICK_SAMPLES..].copy_from_slice(frame);
        both
    }

    /// Takes the block at a place of two frames.
    fn step(
        &mut self,
        block: Option<&Block>,
        pair: Option<Pair>,
        both: &[i16; 2 * TICK_SAMPLES],
        place: usize,
    ) -> Option<u8> {
        self.follow(block);
        let (older, last) = (self.older, self.last);
        self.last = pair;
        self.older = last.filter(|last| pair.is_some_and(|pair| pair.is_as(last)));
        let (older, last, pair) = (older?, self.older.and(last)?, pair?);
        if self.sounding.is_some_and(|s| (s.row, s.column) == (pair.row, pair.column)) {
            return None;
        }
        let between = Block::new(window(both, place - STEP));
        if !is_key([older, last, pair], &between) {
            return None;
        }
        let energy = last.tones.map(Phasor::energy);
        self.sounding = Some(Sounding { row: pair.row, column: pair.column, energy, missed: 0 });
        Some(KEYS[pair.row][pair.column])
    }

    /// Looks whether the key that sounds goes on.
    fn follow(&mut self, block: Option<&Block>) {
        let Some(sounding) = &mut self.sounding else { return };
        let bins = [&BINS[0][sounding.row], &BINS[1][sounding.column]];
        let there = block.is_some_and(|block| {
            let energies = bins.map(|bin| block.at(bin).energy()).into_iter();
            energies.zip(sounding.energy).all(|(now, then)| now >= then * GONE)
        });
        sounding.missed = if there { 0 } else { sounding.missed + 1 };
        if sounding.missed >= PAUSE {
            self.sounding = None;
            self.older = None;
            self.last = None;
        }
    }
}

impl Pair {
    fn is_as(&self, other: &Self) -> bool {
        (self.row, self.column) == (other.row, other.column)
    }
}

/// Returns a block unless it is too faint for a key.
fn examine(samples: &Frame) -> Option<Block> {
    Some(Block::new(samples)).filter(|block| block.energy >= FAINTEST)
}

fn window(both: &[i16; 2 * TICK_SAMPLES], place: usize) -> &Frame {
    let samples = both[place..].first_chunk();
    samples.expect("a block begins at most one frame into two")
}

/// Returns the pair of a block that shows one.
fn pair(block: &Block) -> Option<Pair> {
    let strongest = |group: &[Bin; 4]| {
        let tones: [Phasor; 4] = std::array::from_fn(|place| block.at(&group[place]));
        let energies = tones.map(Phasor::energy);
        let mut best = 0;
        for place in 1..4 {
            if energies[place] > energies[best] {
                best = place;
            }
        }
        (best, tones[best], energies[best])
    };
    let (row, lower, low) = strongest(&BINS[0]);
    let (column, upper, high) = strongest(&BINS[1]);
    let likely = low + high >= block.energy * LIKELY
        && high <= low * TWIST.0 * TWIST_LIKELY
        && low <= high * TWIST.1 * TWIST_LIKELY;
    likely.then_some(Pair { row, column, tones: [lower, upper], energy: block.energy })
}

/// Whether three blocks in a row are a key. `between` lies half-way between the last two.
fn is_key(pairs: [Pair; 3], between: &Block) -> bool {
    let [older, middle, newer] = pairs;
    let places = [middle.row, middle.column];
    let mut gains = [0.0; 2];
    for group in 0..2 {
        let place = places[group];
        let Some(gain) = gain(pairs.map(|pair| pair.tones[group]), between, group, place) else {
            return false;
        };
        gains[group] = gain;
    }
    let energy = |pair: Pair, group: usize| pair.tones[group].energy() * gains[group];
    let purity = |pair: Pair| (energy(pair, 0) + energy(pair, 1)) / pair.energy;
    let [low, high] = [energy(middle, 0), energy(middle, 1)];
    let steady = (0..2).all(|group| {
        let energies = pairs.map(|pair| energy(pair, group));
        let most = energies.iter().fold(0.0_f32, |most, &energy| most.max(energy));
        energies.iter().all(|&energy| energy >= most * STEADY)
    });
    purity(middle) >= PURE.0
        && purity(older) >= PURE.1
        && purity(newer) >= PURE.1
        && high <= low * TWIST.0
        && low <= high * TWIST.1
        && low.min(high) >= FAINTEST
        && steady
}

/// Checks a tone's frequency. Returns by how much its energy is more than the window lets see.
fn gain(tones: [Phasor; 3], between: &Block, group: usize, place: usize) -> Option<f32> {
    let turns = &TURNS[group][place];
    let limit = turns.limit;
    let [older, middle, newer] = tones;
    let first = older.angle_to(middle, turns.hop);
    let second = middle.angle_to(newer, turns.hop);
    let fine = between.at(&BINS[group][place]).angle_to(newer, turns.step);
    let glides = (first - second).abs() > GLIDE;
    if glides || first.abs() > limit || second.abs() > limit || fine.abs() > limit * 0.65 {
        return None;
    }
    // Bins of 50 Hz, of which the window hides all but sinc(d) / (1 − d²).
    let bins = (first + second) / 2.0 / std::f32::consts::TAU * (TICK_SAMPLES / HOP) as f32;
    let angle = bins * std::f32::consts::PI;
    let seen = if angle.abs() < 1e-3 { 1.0 } else { angle.sin() / angle / (1.0 - bins * bins) };
    Some(1.0 / (seen * seen))
}

/// By how much a tone of the right frequency turns.
struct Turns {
    hop: Phasor,
    step: Phasor,
    /// The most by which a hop may be off, radians.
    limit: f32,
}

static TURNS: [[Turns; 4]; 2] = {
    let [l, h] = HERTZ;
    [
        [turns(l[0]), turns(l[1]), turns(l[2]), turns(l[3])],
        [turns(h[0]), turns(h[1]), turns(h[2]), turns(h[3])],
    ]
};

const fn turns(hertz: f64) -> Turns {
    let limit = std::f32::consts::TAU * OFF * hertz as f32 * HOP as f32 / 8_000.0;
    Turns { hop: bank::turn(hertz, HOP), step: bank::turn(hertz, STEP), limit }
}
