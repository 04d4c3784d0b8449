//! Media's half of a meeting: who hears the sum, and what those who hear the same share.

use model::MeetingId;
use model::limits::TICK_SAMPLES;

use crate::codec::g711;
use crate::command::Codec;
use crate::mix::{self, Frame, Sum};

/// One tick of one room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) meeting: MeetingId,
    /// Legs seated; the room ends with the last.
    pub(crate) seats: usize,
    /// The tick that the rest is about.
    tick: u64,
    sum: Sum,
    /// Legs in the sum.
    voices: usize,
    /// The whole sum, encoded once for all who are not in it.
    shared: [Option<[u8; TICK_SAMPLES]>; 2],
}

impl Room {
    pub(crate) const fn new(meeting: MeetingId) -> Self {
        Self { meeting, seats: 0, tick: 0, sum: [0; TICK_SAMPLES], voices: 0, shared: [None; 2] }
    }

    /// Begins a tick, once for all who ask.
    pub(crate) fn begin(&mut self, tick: u64) {
        if self.tick == tick {
            return;
        }
        self.tick = tick;
        if self.voices > 0 {
            self.sum.fill(0);
            self.voices = 0;
            self.shared = [None; 2];
        }
    }

    /// Adds a leg's voice.
    pub(crate) fn add(&mut self, frame: &Frame) {
        mix::add(&mut self.sum, frame);
        self.voices += 1;
    }

    /// What a leg hears, as samples; `own` is its frame if it is in the sum. False for silence.
    pub(crate) fn hear(&self, own: Option<&Frame>, heard: &mut Frame) -> bool {
        match own {
            Some(_) if self.voices < 2 => return false,
            Some(own) => mix::without(&self.sum, own, heard),
            None if self.voices == 0 => return false,
            None => mix::whole(&self.sum, heard),
        }
        true
    }

    /// What every leg hears that is not in the sum, encoded; `None` for silence.
    pub(crate) fn shared(&mut self, codec: Codec) -> Option<&[u8; TICK_SAMPLES]> {
        if self.voices == 0 {
            return None;
        }
        let sum = &self.sum;
        Some(self.shared[codec as usize].get_or_insert_with(|| {
            let mut heard = mix::QUIET;
            mix::whole(sum, &mut heard);
            let mut codes = [0; TICK_SAMPLES];
            g711::encode(codec, &heard, &mut codes);
            codes
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_voice_hears_silence_and_listeners_share_it() {
        let mut room = Room::new(MeetingId(1));
        let voice = [1_000; TICK_SAMPLES];
        room.begin(1);
        room.add(&voice);
        let mut heard = mix::QUIET;
        assert!(!room.hear(Some(&voice), &mut heard));
        assert!(room.hear(None, &mut heard));
        assert_eq!(heard, voice);
        let mut codes = [0; TICK_SAMPLES];
        g711::encode(Codec::Pcma, &voice, &mut codes);
        assert_eq!(room.shared(Codec::Pcma), Some(&codes));
        assert_ne!(room.shared(Codec::Pcmu), Some(&codes));
    }

    #[test]
    fn nothing_of_the_last_tick_remains() {
        let mut room = Room::new(MeetingId(1));
        room.add(&[5_000; TICK_SAMPLES]);
        assert!(room.shared(Codec::Pcmu).is_some());
        room.begin(1);
        assert!(room.shared(Codec::Pcmu).is_none());
        assert!(!room.hear(None, &mut mix::QUIET.clone()));
    }
}
