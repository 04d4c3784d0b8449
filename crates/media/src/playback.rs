//! Prompts on their way to one leg.

use crate::command::Command;
use crate::mix::Frame;
use crate::prompt::{Library, Prompt};

/// A queue of prompts and the place reached in it.
#[derive(Debug)]
pub(crate) struct Playback {
    prompts: [Option<Prompt>; Command::PROMPTS],
    /// The prompt that plays.
    index: usize,
    /// Its next sample.
    position: usize,
    pub(crate) token: u32,
    pub(crate) barge_in: bool,
    pub(crate) over_room: bool,
}

impl Playback {
    /// Starts with the first of at most [`Command::PROMPTS`] prompts.
    pub(crate) fn new(prompts: &[Prompt], token: u32, barge_in: bool, over_room: bool) -> Self {
        let mut queue = [None; Command::PROMPTS];
        for (place, &prompt) in queue.iter_mut().zip(prompts) {
            *place = Some(prompt);
        }
        Self { prompts: queue, index: 0, position: 0, token, barge_in, over_room }
    }

    /// Fills a tick; false when nothing is left, and the frame is then untouched.
    pub(crate) fn read(&mut self, library: &Library, language: u8, frame: &mut Frame) -> bool {
        let mut filled = 0;
        while filled < frame.len() {
            let Some(prompt) = self.prompts.get(self.index).copied().flatten() else { break };
            let samples = library.samples(language, prompt);
            let rest = samples.get(self.position..).unwrap_or_default();
            if rest.is_empty() {
                self.index += 1;
                self.position = 0;
                continue;
            }
            let length = rest.len().min(frame.len() - filled);
            frame[filled..filled + length].copy_from_slice(&rest[..length]);
            filled += length;
            self.position += length;
        }
        if filled > 0 {
            frame[filled..].fill(0);
        }
        filled > 0
    }
}
