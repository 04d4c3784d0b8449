//! Mixes, against a slow and obvious mixer, and as tones.

use media::Command;
use media::command::Codec;
use proptest::prelude::*;

use crate::law;
use crate::studio::{DELAY, Studio, decibels, tone};

/// What the slow mixer knows of one leg.
pub(crate) struct Speaker {
    pub(crate) room: Option<u128>,
    /// What it said so far, as the law carries it.
    pub(crate) said: Vec<i16>,
}

impl Speaker {
    /// Its voice in a tick: 160 samples of what it said, late; silence does not count.
    fn voice(&self, tick: usize) -> Vec<i32> {
        let at = |offset: usize| {
            let place = (tick * 160 + offset).checked_sub(DELAY);
            i32::from(place.map_or(0, |place| self.said[place]))
        };
        let voice: Vec<i32> = (0..160).map(at).collect();
        if voice.iter().all(|sample| sample.abs() <= 8) { vec![0; 160] } else { voice }
    }
}

pub(crate) fn slow_mix(speakers: &[Speaker], listener: usize, tick: usize) -> Vec<i32> {
    let mut heard = vec![0; 160];
    for (place, speaker) in speakers.iter().enumerate() {
        if place == listener || speaker.room.is_none() || speaker.room != speakers[listener].room {
            continue;
        }
        for (sum, sample) in heard.iter_mut().zip(speaker.voice(tick)) {
            *sum += sample;
        }
    }
    heard.into_iter().map(|sum| sum.clamp(-32_768, 32_767)).collect()
}

/// A small generator of the test's own.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn moves(studio: &mut Studio, speakers: &mut [Speaker], state: &mut u64) {
    let who = draw(state) as usize % speakers.len();
    match draw(state) % 12 {
        0 => {
            studio.command(Command::Unseat { call: studio.call(who) });
            speakers[who].room = None;
        }
        room @ 1..=3 => {
            studio.seat(who, u128::from(room));
            speakers[who].room = Some(u128::from(room));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_the_others_as_the_slow_mixer_says(seed in any::<u64>(), legs in 2..9_usize) {
        let mut state = seed;
        let mut studio = Studio::new();
        let mut speakers = Vec::new();
        for leg in 0..legs {
            let codec = if leg % 3 == 2 { Codec::Pcma } else { Codec::Pcmu };
            studio.open_with(|flow| flow.codec = codec);
            speakers.push(Speaker { room: None, said: Vec::new() });
        }
        for tick in 0..30 {
            moves(&mut studio, &mut speakers, &mut state);
            for (leg, speaker) in speakers.iter_mut().enumerate() {
                let codec = studio.phones[leg].codec;
                let loud = !draw(&mut state).is_multiple_of(3);
                let codes: Vec<u8> = (0..160)
                    .map(|_| if loud { draw(&mut state) as u8 } else { law::encode(codec, 0) })
                    .collect();
                speaker.said.extend(codes.iter().map(|&code| law::decode(codec, code)));
                studio.send(leg, &codes);
            }
            studio.tick();
            for leg in 0..legs {
                let expected = slow_mix(&speakers, leg, tick);
                let heard = &studio.phones[leg].heard[tick * 160..];
                prop_assert_eq!(heard.len(), 160);
                for (&heard, expected) in heard.iter().zip(expected) {
                    let error = (i32::from(heard) - expected).abs();
                    // What is louder than the law can say is said as loud as it can.
                    let clipped = expected.abs() > 32_000 && i32::from(heard).abs() > 32_000;
                    prop_assert!(clipped || error <= law::tolerance(expected), "{heard} for {expected}");
                }
            }
        }
    }
}

#[test]
fn a_leg_hears_the_others_tones_and_not_its_own() {
    const TONES: [u32; 3] = [450, 950, 1_700];
    let mut studio = Studio::new();
    let phones: Vec<usize> = TONES.iter().map(|_| studio.join(1)).collect();
    let lonely = studio.join(2);
    studio.talk(60, &[phones[0], phones[1], phones[2], lonely], |phone, tick| {
        tone(*TONES.get(phone).unwrap_or(&2_600), tick)
    });
    for &phone in &phones {
        let heard = &studio.phones[phone].heard[10 * 160..];
        for (other, hertz) in TONES.into_iter().enumerate() {
            let level = decibels(heard, hertz);
            if other == phone {
                assert!(level < -45.0, "{phone} hears itself at {level} dB");
            } else {
                assert!(level.abs() < 0.3, "{phone} hears {other} at {level} dB");
            }
        }
        assert!(decibels(heard, 2_600) < -45.0);
    }
    assert!(studio.phones[lonely].heard.iter().all(|&sample| sample == 0));
}

#[test]
fn equal_inputs_make_equal_outputs() {
    let run = || {
        let mut studio = Studio::new();
        let phones: Vec<usize> = (0..5).map(|leg| studio.join(leg % 2)).collect();
        studio.talk(400, &phones, |phone, tick| tone(300 + 100 * phone as u32, tick));
        studio
    };
    let (one, other) = (run(), run());
    for (one, other) in one.phones.iter().zip(&other.phones) {
        assert!(one.packets == other.packets && one.reports == other.reports);
        assert!(!one.reports.is_empty());
    }
    assert_eq!(one.events, other.events);
}
