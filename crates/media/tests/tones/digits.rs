//! Every digit once: as short, faint, skewed, off and noisy as ITU-T Q.24 has them, and not those
//! that it refuses.

use crate::listening::{BOTH, Coded, heard};
use crate::sounds::{Dice, Sine, amplitude};

const LETTERS: &[u8; 16] = b"123A456B789C*0#D";
const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// How digits are sent. Levels in dBm0 of the louder tone, errors as parts of the frequency, twist
/// in dB by which the upper tone is louder, noise in dB below the power of the digit.
#[derive(Clone, Copy)]
struct Sender {
    tone: (f32, f32),
    pause: (f32, f32),
    level: (f32, f32),
    error: (f32, f32),
    twist: (f32, f32),
    noise: Option<f32>,
}

const PLAIN: Sender = Sender {
    tone: (0.04, 0.04),
    pause: (0.04, 0.06),
    level: (-20.0, -3.0),
    error: (-0.015, 0.015),
    twist: (-8.0, 4.0),
    noise: None,
};

/// Makes digits at any phase of the frames; returns them and their samples.
fn sent(sender: Sender, count: usize, seed: u64) -> (String, Vec<f32>) {
    let mut dice = Dice(seed);
    let (mut letters, mut samples) = (String::new(), vec![0.0; 400]);
    for _ in 0..count {
        let key = dice.below(16);
        letters.push(char::from(LETTERS[key]));
        let mut pick = |range: (f32, f32)| dice.between(range.0, range.1);
        let (length, pause) = (pick(sender.tone) * 8_000.0, pick(sender.pause) * 8_000.0);
        let (level, twist) = (pick(sender.level), pick(sender.twist));
        let loud = amplitude(level);
        let soft = amplitude(level - twist.abs());
        let (low, high) = if twist > 0.0 { (soft, loud) } else { (loud, soft) };
        let (one, other) = (pick(sender.error), pick(sender.error));
        let (phase, another) = (pick((0.0, 6.0)), pick((0.0, 6.0)));
        let mut lower = Sine::new(LOW[key / 4] * (1.0 + one), phase);
        let mut upper = Sine::new(HIGH[key % 4] * (1.0 + other), another);
        let power = (low * low + high * high) / 2.0;
        let noise = sender.noise.map_or(0.0, |db| (power * 10_f32.powf(-db / 10.0)).sqrt());
        let tone = (0..length as usize).map(|_| lower.next() * low + upper.next() * high);
        let clean: Vec<f32> = tone.chain((0..pause as usize).map(|_| 0.0)).collect();
        samples.extend(clean.into_iter().map(|sample| sample + noise * dice.noise()));
    }
    samples.extend([0.0; 800]);
    (letters, samples)
}

/// How many digits of `sent` are not in `told`, or are there more than once: the cheapest way of
/// making one of the other.
fn wrong(sent: &str, told: &str) -> usize {
    let told = told.as_bytes();
    let mut row: Vec<usize> = (0..=told.len()).collect();
    for (place, letter) in sent.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = place + 1;
        for (column, other) in told.iter().enumerate() {
            let change = corner + usize::from(letter != *other);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row[told.len()]
}

/// Sends digits in strings of 100 and asserts that 99.9 % come, each once.
fn assert_heard(name: &str, sender: Sender, count: usize) {
    for codec in BOTH {
        let coded = Coded::new(codec);
        let mistakes: usize = (0..count / 100)
            .map(|string| {
                let (letters, samples) = sent(sender, 100, string as u64 * 7 + 1);
                wrong(&letters, &heard(&coded, samples.into_iter()))
            })
            .sum();
        assert!(mistakes * 1_000 <= count, "{name} {codec:?}: {mistakes} of {count} wrong");
    }
}

/// Sends digits and asserts that none comes.
fn assert_refused(name: &str, sender: Sender) {
    for codec in BOTH {
        let (_, samples) = sent(sender, 1_000, 3);
        let told = heard(&Coded::new(codec), samples.into_iter());
        assert!(told.len() <= 1, "{name} {codec:?}: {} of 1000 heard", told.len());
    }
}

#[test]
fn digits_of_40_ms_are_heard_once_each() {
    assert_heard("plain", PLAIN, 4_000);
    let even = Sender { error: (0.0, 0.0), twist: (0.0, 0.0), pause: (0.04, 0.04), ..PLAIN };
    assert_heard("even", even, 4_000);
}

#[test]
fn long_digits_are_heard_once_each() {
    let long = Sender { tone: (0.05, 1.0), pause: (0.04, 0.3), ..PLAIN };
    assert_heard("long", long, 1_000);
}

#[test]
fn skewed_digits_are_heard_once_each() {
    assert_heard("upper louder", Sender { twist: (4.0, 4.0), ..PLAIN }, 2_000);
    assert_heard("lower louder", Sender { twist: (-8.0, -8.0), ..PLAIN }, 2_000);
}

#[test]
fn faint_and_loud_digits_are_heard_once_each() {
    let faint = Sender { level: (-25.0, -25.0), twist: (-4.0, 4.0), ..PLAIN };
    assert_heard("-25 dBm0", faint, 2_000);
    let fainter = Sender { level: (-25.0, -25.0), twist: (-8.0, -8.0), ..PLAIN };
    assert_heard("-25 and -33 dBm0", fainter, 2_000);
    assert_heard("0 dBm0", Sender { level: (0.0, 0.0), twist: (-2.0, 2.0), ..PLAIN }, 2_000);
}

#[test]
fn digits_in_noise_are_heard_once_each() {
    let noisy = Sender { noise: Some(15.0), twist: (-4.0, 3.0), ..PLAIN };
    assert_heard("15 dB", noisy, 4_000);
}

#[test]
fn digits_at_the_edge_of_their_frequencies_are_heard_once_each() {
    for edge in [-0.015, 0.015] {
        assert_heard("edge", Sender { error: (edge, edge), ..PLAIN }, 2_000);
    }
}

#[test]
fn what_is_no_digit_is_refused() {
    let long = Sender { tone: (0.1, 0.1), error: (0.0, 0.0), twist: (-2.0, 2.0), ..PLAIN };
    assert_refused("too faint", Sender { level: (-42.0, -42.0), ..long });
    assert_refused("too short", Sender { tone: (0.02, 0.02), ..long });
    assert_refused("upper too loud", Sender { twist: (9.0, 9.0), ..long });
    assert_refused("lower too loud", Sender { twist: (-13.0, -13.0), ..long });
    assert_refused("noise", Sender { noise: Some(0.0), ..long });
    for off in [0.035, 0.045, 0.06] {
        assert_refused("too high", Sender { error: (off, off), ..long });
        assert_refused("too low", Sender { error: (-off, -off), ..long });
    }
}

#[test]
fn a_gap_of_10_ms_does_not_make_two_of_a_digit() {
    for codec in BOTH {
        let coded = Coded::new(codec);
        for first in 0..160 {
            let (mut lower, mut upper) = (Sine::new(770.0, 0.0), Sine::new(1_336.0, 1.0));
            let tone = (0..1_600).map(|at| {
                let sample = (lower.next() + upper.next()) * 5_000.0;
                if (800 + first..880 + first).contains(&at) { 0.0 } else { sample }
            });
            assert_eq!(heard(&coded, tone.chain([0.0; 800])), "5", "{codec:?} gap at {first}");
        }
    }
}
