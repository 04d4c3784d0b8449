//! Which packets came already: the replay lists of RFC 3711 §3.3.2, for the few sources that a leg
//! can have.

/// Packets behind the newest one that are still taken.
const WINDOW: u64 = u128::BITS as u64;
/// Sources at once: one, and those before it that may come back.
const SOURCES: usize = 4;
/// Half a round of sequence numbers.
const HALF: u16 = 0x8000;

/// What came of each source.
#[derive(Debug)]
pub(super) struct Windows {
    /// The one that was heard last stands first.
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// Index of the newest packet.
    newest: u64,
    /// Bit n: the packet n before the newest came.
    seen: u128,
}

impl Default for Windows {
    /// Takes the memory for all sources: packets take none.
    fn default() -> Self {
        Self { sources: Vec::with_capacity(SOURCES) }
    }
}

impl Windows {
    /// Guesses the 48-bit index of a packet from its sequence number (RFC 3711 §3.3.1); `None` if it
    /// would lie before the first round.
    pub(super) fn guess(&self, ssrc: u32, sequence: u16) -> Option<u64> {
        let Some(source) = self.find(ssrc) else { return Some(u64::from(sequence)) };
        let (round, last) = (source.newest >> 16, source.newest as u16);
        let round = if last < HALF {
            if sequence.wrapping_sub(last) > HALF && sequence > last {
                round.checked_sub(1)?
            } else {
                round
            }
        } else if last - HALF > sequence {
            round + 1
        } else {
            round
        };
        Some(round << 16 | u64::from(sequence))
    }

    /// Whether a packet of that index is neither too old nor known.
    pub(super) fn is_new(&self, ssrc: u32, index: u64) -> bool {
        let Some(source) = self.find(ssrc) else { return true };
        match source.newest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WINDOW && source.seen >> behind & 1 == 0,
        }
    }

    /// Notes an authentic packet.
    pub(super) fn take(&mut self, ssrc: u32, index: u64) {
        let Some(at) = self.sources.iter().position(|source| source.ssrc == ssrc) else {
            self.sources.truncate(SOURCES - 1);
            return self.sources.insert(0, Source { ssrc, newest: index, seen: 1 });
        };
        let front = self.sources.get_mut(..=at).unwrap_or_default();
        front.rotate_right(1);
        let Some(source) = front.first_mut() else { return };
        match index.checked_sub(source.newest) {
            Some(ahead) => {
                let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
                source.seen = source.seen.checked_shl(shift).unwrap_or(0) | 1;
                source.newest = index;
            }
            None => source.seen |= 1 << (source.newest - index),
        }
    }

    fn find(&self, ssrc: u32) -> Option<&Source> {
        self.sources.iter().find(|source| source.ssrc == ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_follows_the_numbers_both_ways() {
        let mut windows = Windows::default();
        assert_eq!(windows.guess(1, 65_530), Some(65_530));
        windows.take(1, 65_530);
        assert_eq!(windows.guess(1, 3), Some(0x1_0003));
        windows.take(1, 0x1_0003);
        assert_eq!(windows.guess(1, 65_535), Some(65_535));
        assert_eq!(windows.guess(1, 40_000), Some(40_000));
        assert_eq!(windows.guess(1, 20_000), Some(0x1_0000 + 20_000));
    }

    #[test]
    fn nothing_lies_before_the_first_round() {
        let mut windows = Windows::default();
        windows.take(1, 5);
        assert_eq!(windows.guess(1, 65_000), None);
    }

    #[test]
    fn sources_have_windows_of_their_own_and_the_longest_unheard_is_forgotten() {
        let mut windows = Windows::default();
        for ssrc in 0..4 {
            windows.take(ssrc, 9);
        }
        windows.take(0, 10);
        windows.take(77, 9);
        assert!(!windows.is_new(0, 10));
        assert!(windows.is_new(1, 9), "forgotten");
        assert!(!windows.is_new(2, 9));
    }
}
