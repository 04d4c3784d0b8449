//! What a built-in caller hears: whose tones, and which prompts.

use media::{Library, Prompt};

use super::voice::{LOUDNESS, PACKET, decode};

/// Each caller's tone, Hertz. In a window of 800 samples each is exactly on a bin of 10 Hz, so that
/// none leaks into another.
pub(in crate::demo) const TONES: [f32; 3] = [450.0, 610.0, 770.0];

const RATE: f32 = 8_000.0;
const WINDOW: usize = 800;
/// What is listened for, by the first second after the breath: there they differ.
const PROMPTS: [Prompt; 3] =
    [Prompt::CreditSixtySeconds, Prompt::CreditTenSeconds, Prompt::CreditUsedUp];
const SKIPPED: usize = 400;
const TEMPLATE: usize = 8_000;
/// The part of a template that is tried first at every place, since it is cheaper.
const GLANCE: usize = 1_000;
/// A prompt is heard when what came correlates with it this well; two tones beside it leave 0.6.
const LIKENESS: f32 = 0.4;
/// It must also be at least this loud, as a part of its recording's loudness.
const LOUDNESS_MIN: f32 = 0.3;
/// For how many samples a prompt that was heard is not reported again.
const DEAF: usize = 16_000;

/// The ears of one caller.
#[derive(Debug)]
pub(super) struct Ears {
    own: usize,
    templates: Vec<Template>,
    /// The newest samples, as many as a template and a packet have.
    past: Vec<f32>,
    /// Samples of the window so far.
    window: Vec<f32>,
    /// How many samples came.
    samples: usize,
    impression: Impression,
}

/// What was heard in all.
#[derive(Debug, Clone, Default)]
pub(in crate::demo) struct Impression {
    /// In how many windows of 100 ms each caller's tone was heard; one's own among them.
    pub(in crate::demo) windows: [u32; TONES.len()],
    /// Loudest echo of one's own tone while others alone were heard, as a part of its loudness.
    pub(in crate::demo) echo: f32,
}

#[derive(Debug)]
struct Template {
    prompt: Prompt,
    samples: Vec<f32>,
    /// Where its loudest [`GLANCE`] samples begin.
    loudest: usize,
    /// Until how many samples came it is not looked for.
    deaf_until: usize,
}

impl Ears {
    /// Makes ears for the caller whose tone is the given one.
    pub(super) fn new(own: usize, library: &Library) -> Self {
        Self {
            own,
            templates: PROMPTS.iter().map(|prompt| Template::of(*prompt, library)).collect(),
            past: vec![0.0; TEMPLATE + PACKET],
            window: Vec::with_capacity(WINDOW),
            samples: 0,
            impression: Impression::default(),
        }
    }

    /// Returns what was heard so far.
    pub(super) fn impression(&self) -> &Impression {
        &self.impression
    }

    /// Takes the µ-law payload of one packet and returns a prompt whose first second ended
    /// in it.
    pub(super) fn hear(&mut self, codes: &[u8]) -> Option<Prompt> {
        let mut heard = None;
        for codes in codes.chunks(PACKET) {
            for code in codes {
                let sample = f32::from(decode(*code));
                self.past.push(sample);
                self.window.push(sample);
                if self.window.len() == WINDOW {
                    self.impression.judge(&self.window, self.own);
                    self.window.clear();
                }
            }
            self.samples += codes.len();
            self.past.drain(..codes.len());
            let now = self.samples;
            let found = self.templates.iter_mut().find(|t| t.is_in(&self.past, now));
            if let Some(template) = found {
                template.deaf_until = now + DEAF;
                heard = Some(template.prompt);
            }
        }
        heard
    }
}

impl Impression {
    /// Judges a window in which nothing but tones sounds; speech and edges are left aside.
    fn judge(&mut self, window: &[f32], own: usize) {
        let power = window.iter().map(|sample| sample * sample).sum::<f32>() / window.len() as f32;
        let heard = TONES.map(|tone| amplitude(window, tone));
        let tonal: f32 = heard.iter().map(|amplitude| amplitude * amplitude / 2.0).sum();
        let audible = LOUDNESS / 8.0;
        if power < audible * audible / 2.0 || power - tonal > 0.02 * power {
            return;
        }
        for (windows, amplitude) in self.windows.iter_mut().zip(heard) {
            *windows += u32::from(amplitude > audible);
        }
        self.echo = self.echo.max(heard[own] / LOUDNESS);
    }
}

impl Template {
    fn of(prompt: Prompt, library: &Library) -> Self {
        let recorded = library.samples(0, prompt).iter().map(|sample| f32::from(*sample));
        let mut samples: Vec<f32> = recorded.skip(SKIPPED).take(TEMPLATE).collect();
        samples.resize(TEMPLATE, 0.0);
        let energy = |at: &usize| samples[*at..at + GLANCE].iter().map(|s| s * s).sum::<f32>();
        let places = (0..=TEMPLATE - GLANCE).step_by(100);
        let loudest = places.max_by(|a, b| energy(a).total_cmp(&energy(b))).unwrap_or(0);
        Self { prompt, samples, loudest, deaf_until: 0 }
    }

    /// Whether the template ends within the newest packet of what came.
    fn is_in(&self, past: &[f32], now: usize) -> bool {
        if now < self.deaf_until {
            return false;
        }
        let glance = self.loudest..self.loudest + GLANCE;
        (1..=PACKET).any(|lag| {
            let past = &past[lag..lag + TEMPLATE];
            alike(&past[glance.clone()], &self.samples[glance.clone()])
                && alike(past, &self.samples)
        })
    }
}

/// Whether `template` is in `past` at about its own loudness, whatever sounds besides. Another
/// sentence of the same voice comes near, but never that near.
fn alike(past: &[f32], template: &[f32]) -> bool {
    let (mut common, mut energy, mut all) = ([0.0_f32; 8], [0.0_f32; 8], [0.0_f32; 8]);
    for (past, template) in past.chunks_exact(8).zip(template.chunks_exact(8)) {
        for lane in 0..8 {
            common[lane] += past[lane] * template[lane];
            energy[lane] += template[lane] * template[lane];
            all[lane] += past[lane] * past[lane];
        }
    }
    let [common, energy, all] = [common, energy, all].map(|lanes| lanes.iter().sum::<f32>());
    common > LOUDNESS_MIN * energy && common > LIKENESS * (energy * all).sqrt()
}

/// Returns a tone's amplitude in a window (Goertzel).
fn amplitude(window: &[f32], tone: f32) -> f32 {
    let turn = 2.0 * (std::f32::consts::TAU * tone / RATE).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in window {
        (last, before) = (sample + turn * last - before, last);
    }
    let power = last * last + before * before - turn * last * before;
    2.0 * power.max(0.0).sqrt() / window.len() as f32
}

/// Encodes samples as the gateway would, for tests.
#[cfg(test)]
pub(super) fn encoded(samples: &[i16]) -> Vec<u8> {
    // The table of the law, read backwards.
    let nearest = |sample: i16| {
        let distance = |code: &u8| (i32::from(decode(*code)) - i32::from(sample)).abs();
        (0..=255_u8).min_by_key(distance).unwrap()
    };
    samples.iter().map(|sample| nearest(*sample)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::caller::voice::Voice;
    use media::LibraryBuilder;

    fn library() -> Library {
        LibraryBuilder::embedded().unwrap().build().unwrap()
    }

    /// A second of the tones of the given callers, mixed, as payloads.
    fn second_of(speakers: &[usize]) -> Vec<Vec<u8>> {
        let voice = |speaker: &usize| {
            let mut voice = Voice::new(0, TONES[*speaker]);
            voice.speak();
            voice
        };
        let mut voices: Vec<_> = speakers.iter().map(voice).collect();
        let mut packet = Vec::new();
        let mut mix = || {
            let mut sum = [0_i16; PACKET];
            for voice in &mut voices {
                voice.packet(&mut packet);
                sum.iter_mut().zip(&packet[12..]).for_each(|(sum, code)| *sum += decode(*code));
            }
            encoded(&sum)
        };
        (0..50).map(|_| mix()).collect()
    }

    #[test]
    fn the_others_are_told_apart_and_no_echo_is_imagined() {
        let mut ears = Ears::new(0, &library());
        for packet in second_of(&[1, 2]) {
            ears.hear(&packet);
        }
        assert_eq!(ears.impression().windows, [0, 10, 10]);
        assert!(ears.impression().echo < 0.02, "{}", ears.impression().echo);
    }

    #[test]
    fn ones_own_tone_is_an_echo() {
        let mut ears = Ears::new(1, &library());
        for packet in second_of(&[1, 2]) {
            ears.hear(&packet);
        }
        assert!(ears.impression().echo > 0.9);
    }

    #[test]
    fn each_warning_is_known_from_the_other_even_over_tones() {
        let library = library();
        for prompt in PROMPTS {
            let mut ears = Ears::new(0, &library);
            let tones: Vec<u8> = second_of(&[1, 2]).concat();
            let recording = library.samples(0, prompt);
            let mixed: Vec<i16> = [0; 77]
                .iter()
                .chain(recording)
                .enumerate()
                .map(|(at, sample)| sample.saturating_add(decode(tones[at % tones.len()])))
                .collect();
            let heard: Vec<_> =
                encoded(&mixed).chunks(PACKET).filter_map(|p| ears.hear(p)).collect();
            assert_eq!(heard, [prompt]);
        }
    }

    #[test]
    fn no_other_prompt_is_taken_for_a_warning() {
        let library = library();
        for prompt in Prompt::ALL.into_iter().filter(|prompt| !PROMPTS.contains(prompt)) {
            let mut ears = Ears::new(0, &library);
            let codes = encoded(library.samples(0, prompt));
            let heard: Vec<_> =
                codes.chunks(PACKET).filter_map(|packet| ears.hear(packet)).collect();
            assert_eq!(heard, [], "{prompt:?}");
        }
    }
}
