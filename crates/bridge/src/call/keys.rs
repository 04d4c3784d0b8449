//! Presses of keys: by which ways they come, and that each counts once.
//!
//! A press can be told by a telephone-event, by its tone and by an INFO, in any order and by any
//! of them alone. Each way tells every press at most once. So a way that tells a key for the first
//! time since another way told the same key tells the same press, and a way that tells it again
//! tells another press: two quick presses count twice however many ways tell them.

use std::collections::VecDeque;
use std::time::Duration;

use media::Tones;
use model::Instant;
use model::record::DtmfMode;

use crate::call::Key;

/// How far the ways may lie apart: an INFO that was sent again twice (0.5 and 1.5 s after it was
/// sent first) comes within it.
const WINDOW: Duration = Duration::from_secs(2);
/// Presses remembered: more than can be told within the window.
const REMEMBERED: usize = 64;

/// By which way a press was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A telephone-event.
    Event,
    /// Tones in the audio.
    Tone,
    /// SIP INFO.
    Info,
}

impl From<media::Way> for Way {
    fn from(way: media::Way) -> Self {
        match way {
            media::Way::Event => Self::Event,
            media::Way::Tone => Self::Tone,
        }
    }
}

/// The recent presses of a call, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Presses {
    recent: VecDeque<Press>,
}

#[derive(Debug)]
struct Press {
    key: Key,
    at: Instant,
    /// A bit for each way that has told it.
    ways: u8,
}

impl Presses {
    /// Takes what a way tells of a press that began then. Returns whether it counts.
    pub(crate) fn counts(&mut self, key: Key, way: Way, began: Instant, mode: DtmfMode) -> bool {
        if !takes(mode, way) {
            return false;
        }
        let bit = 1 << way as u8;
        let same = self.recent.iter_mut().find(|press| {
            let apart = press.at.since(began).max(began.since(press.at));
            press.key == key && press.ways & bit == 0 && apart <= WINDOW
        });
        if let Some(press) = same {
            press.ways |= bit;
            return false;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(Press { key, at: began, ways: bit });
        true
    }
}

/// Returns which tones are listened to while keys are awaited.
pub(crate) const fn tones(mode: DtmfMode) -> Tones {
    match mode {
        DtmfMode::Auto => Tones::UntilEvent,
        DtmfMode::Tone => Tones::On,
        DtmfMode::Event | DtmfMode::Info => Tones::Off,
    }
}

const fn takes(mode: DtmfMode, way: Way) -> bool {
    match mode {
        DtmfMode::Auto => true,
        DtmfMode::Event => matches!(way, Way::Event),
        DtmfMode::Tone => matches!(way, Way::Tone),
        DtmfMode::Info => matches!(way, Way::Info),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAYS: [(char, Way); 3] = [('e', Way::Event), ('t', Way::Tone), ('i', Way::Info)];

    /// What counts of `way key@millis …`: `e1@0 t1@60`.
    fn counted(mode: DtmfMode, told: &str) -> String {
        let mut presses = Presses::default();
        let count = |word: &str| {
            let (press, millis) = word.split_once('@').unwrap();
            let (way, key) = (press.chars().next().unwrap(), press.as_bytes()[1]);
            let way = WAYS.iter().find(|(letter, _)| *letter == way).unwrap().1;
            let at = Instant::START + Duration::from_secs(60);
            let at = at + Duration::from_millis(millis.parse().unwrap());
            presses.counts(Key(key), way, at, mode).then_some(char::from(key))
        };
        told.split(' ').filter_map(count).collect()
    }

    fn auto(told: &str) -> String {
        counted(DtmfMode::Auto, told)
    }

    #[test]
    fn one_press_by_three_ways_counts_once_in_any_order() {
        let ways = ["e5@0", "t5@60", "i5@300"];
        for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(auto(&format!("{} {} {}", ways[a], ways[b], ways[c])), "5");
        }
    }

    #[test]
    fn two_quick_presses_of_a_key_count_twice() {
        assert_eq!(auto("e1@0 e1@100"), "11");
        assert_eq!(auto("t1@0 t1@80"), "11");
        assert_eq!(auto("i1@0 i1@80"), "11");
        assert_eq!(auto("e1@0 t1@60 i1@90 e1@100 t1@160 i1@190"), "11");
        assert_eq!(auto("e1@0 e1@100 t1@60 t1@160 i1@500 i1@600"), "11");
        assert_eq!(auto("i1@0 e1@10 e1@110 i1@120"), "11");
    }

    #[test]
    fn what_one_way_misses_another_tells() {
        // The event of the second press is lost, the tone of the first.
        assert_eq!(auto("e1@0 t2@300 i1@310 e3@600 t3@660"), "123");
        assert_eq!(auto("e1@0 i1@20 i1@300 e1@600 i1@620"), "111");
    }

    #[test]
    fn the_same_key_after_the_window_is_another_press() {
        assert_eq!(auto("e1@0 i1@1999"), "1");
        assert_eq!(auto("e1@0 i1@2001"), "11");
    }

    #[test]
    fn keys_do_not_stand_for_each_other() {
        assert_eq!(auto("e1@0 t2@20 e2@100 t1@110"), "12");
    }

    #[test]
    fn a_trunk_of_one_way_takes_no_other() {
        let told = "e1@0 t2@100 i3@200";
        assert_eq!(counted(DtmfMode::Event, told), "1");
        assert_eq!(counted(DtmfMode::Tone, told), "2");
        assert_eq!(counted(DtmfMode::Info, told), "3");
        assert_eq!(auto(told), "123");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut presses = Presses::default();
        for nth in 0..1_000 {
            let at = Instant::START + Duration::from_millis(nth);
            assert!(presses.counts(Key(b'7'), Way::Info, at, DtmfMode::Auto));
        }
        assert_eq!(presses.recent.len(), REMEMBERED);
    }
}
