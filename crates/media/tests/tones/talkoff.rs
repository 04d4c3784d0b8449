//! Two hours of speech and music: no digit is in them.

use std::thread;

use crate::listening::{BOTH, Coded, heard};
use crate::sounds::{Dice, RATE, Sine, amplitude};

/// Pieces that are heard at once, one a thread.
const PIECES: u64 = 2;
/// Seconds of each kind in each piece: with two kinds, two hours in all for each law.
const SECS: usize = 1_800;

/// A vocal tract of three formants over a pulse train with jitter, now and then a breath: vowels
/// that glide into each other.
struct Speaker {
    dice: Dice,
    formants: [Formant; 3],
    targets: [f32; 3],
    now: [f32; 3],
    pitch: f32,
    pitch_target: f32,
    phase: f32,
    level: f32,
    level_target: f32,
    voiced: bool,
    left: usize,
}

/// A resonator of two poles.
#[derive(Clone, Copy, Default)]
struct Formant {
    a: f32,
    b: f32,
    gain: f32,
    last: f32,
    before: f32,
}

/// First three formants of vowels, Hz (after Peterson and Barney, rounded).
const VOWELS: [[f32; 3]; 10] = [
    [270.0, 2_290.0, 3_010.0],
    [390.0, 1_990.0, 2_550.0],
    [530.0, 1_840.0, 2_480.0],
    [660.0, 1_720.0, 2_410.0],
    [730.0, 1_090.0, 2_440.0],
    [570.0, 840.0, 2_410.0],
    [440.0, 1_020.0, 2_240.0],
    [300.0, 870.0, 2_240.0],
    [640.0, 1_190.0, 2_390.0],
    [490.0, 1_350.0, 1_690.0],
];

impl Formant {
    fn tune(&mut self, hertz: f32, width: f32) {
        let radius = (-std::f32::consts::PI * width / RATE).exp();
        self.a = 2.0 * radius * (std::f32::consts::TAU * hertz / RATE).cos();
        self.b = -radius * radius;
        self.gain = (1.0 - radius) * 2.0;
    }

    fn pass(&mut self, sample: f32) -> f32 {
        let next = self.gain * sample + self.a * self.last + self.b * self.before;
        self.before = self.last;
        self.last = next;
        next
    }
}

impl Speaker {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            formants: [Formant::default(); 3],
            targets: VOWELS[0],
            now: VOWELS[0],
            pitch: 120.0,
            pitch_target: 120.0,
            phase: 0.0,
            level: 0.0,
            level_target: 0.5,
            voiced: true,
            left: 0,
        }
    }

    /// Chooses the next sound: 40 to 250 ms of a vowel, a breath or silence, at a child's, a
    /// woman's or a man's pitch for a while.
    fn turn(&mut self) {
        let dice = &mut self.dice;
        self.left = dice.between(320.0, 2_000.0) as usize;
        let tall = dice.between(0.95, 1.25);
        self.targets = VOWELS[dice.below(VOWELS.len())].map(|hertz| (hertz * tall).min(3_400.0));
        if dice.below(12) == 0 {
            self.pitch = dice.between(80.0, 380.0);
        }
        self.pitch_target = (self.pitch * dice.between(0.8, 1.25)).clamp(70.0, 420.0);
        self.voiced = dice.below(6) != 0;
        self.level_target = if dice.below(8) == 0 { 0.0 } else { dice.between(0.2, 1.0) };
    }

    /// The tract moves every 5 ms.
    fn glide(&mut self) {
        for (at, formant) in self.formants.iter_mut().enumerate() {
            self.now[at] += (self.targets[at] - self.now[at]) * 0.12;
            formant.tune(self.now[at], 50.0 + 30.0 * at as f32);
        }
        self.pitch += (self.pitch_target - self.pitch) * 0.05;
        self.level += (self.level_target - self.level) * 0.2;
    }

    fn next(&mut self, at: usize) -> f32 {
        if self.left == 0 {
            self.turn();
        }
        self.left -= 1;
        if at.is_multiple_of(40) {
            self.glide();
        }
        self.phase += self.pitch / RATE;
        let mut source = 0.0;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            source = if self.voiced { 40.0 } else { 0.0 };
        }
        if !self.voiced {
            source = self.dice.noise() * 2.0;
        }
        let [one, two, three] = &mut self.formants;
        let out = one.pass(source) + 0.6 * two.pass(source) + 0.3 * three.pass(source);
        (out * self.level * 9_000.0).clamp(-32_000.0, 32_000.0)
    }
}

/// Notes on the piano's keys, up to four at once, each with harmonics and an envelope, some gliding.
struct Band {
    dice: Dice,
    voices: Vec<Note>,
    left: usize,
}

struct Note {
    partials: Vec<(Sine, f32)>,
    hertz: f32,
    glide: f32,
    level: f32,
    fade: f32,
}

impl Band {
    fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), voices: Vec::new(), left: 0 }
    }

    /// Strikes a chord of an instrument: the darker it is, the faster its harmonics fall.
    fn strike(&mut self) {
        let dice = &mut self.dice;
        self.left = dice.between(600.0, 6_000.0) as usize;
        self.voices.clear();
        for _ in 0..1 + dice.below(4) {
            let hertz = 440.0 * 2_f32.powf((dice.below(48) as f32 - 29.0) / 12.0);
            let fall = dice.between(0.45, 0.9);
            let count = ((3_600.0 / hertz) as usize).clamp(1, 10);
            let partial = |nth: usize| {
                (Sine::new(hertz * (nth + 1) as f32, nth as f32), fall.powi(nth as i32))
            };
            let glide = if dice.below(5) == 0 { dice.between(0.98, 1.02) } else { 1.0 };
            self.voices.push(Note {
                partials: (0..count).map(partial).collect(),
                hertz,
                glide,
                level: amplitude(dice.between(-26.0, -13.0)),
                fade: dice.between(0.9990, 1.0),
            });
        }
    }

    fn next(&mut self, at: usize) -> f32 {
        if self.left == 0 {
            self.strike();
        }
        self.left -= 1;
        let mut sum = 0.0;
        for note in &mut self.voices {
            if at.is_multiple_of(80) {
                note.level *= note.fade.powi(80);
                note.hertz = (note.hertz * note.glide).clamp(60.0, 1_500.0);
                for (nth, (sine, _)) in note.partials.iter_mut().enumerate() {
                    sine.tune((note.hertz * (nth + 1) as f32).min(3_900.0));
                }
            }
            for (sine, share) in &mut note.partials {
                sum += sine.next() * *share * note.level;
            }
        }
        sum.clamp(-32_000.0, 32_000.0)
    }
}

/// Plays a piece of one kind by both laws and returns what was taken for digits.
fn taken(seed: u64, kind: usize) -> String {
    let length = SECS * RATE as usize;
    let samples: Vec<f32> = if kind == 0 {
        let mut speaker = Speaker::new(seed);
        (0..length).map(|at| speaker.next(at)).collect()
    } else {
        let mut band = Band::new(seed);
        (0..length).map(|at| band.next(at)).collect()
    };
    let loud = samples.iter().map(|sample| sample * sample).sum::<f32>() / length as f32;
    assert!(loud.sqrt() > 500.0, "there is something to hear: {}", loud.sqrt());
    BOTH.map(|codec| heard(&Coded::new(codec), samples.iter().copied())).concat()
}

#[test]
fn two_hours_of_speech_and_music_hold_no_digit() {
    let pieces: Vec<_> = (0..PIECES)
        .map(|piece| {
            thread::spawn(move || [0, 1].map(|kind| taken(piece * 2 + kind as u64 + 11, kind)))
        })
        .collect();
    for piece in pieces {
        let [speech, music] = piece.join().unwrap();
        assert_eq!((speech.as_str(), music.as_str()), ("", ""), "false digits");
    }
}
