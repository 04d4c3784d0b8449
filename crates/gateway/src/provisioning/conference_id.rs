//! Conference IDs: random, unique, not sequential (domain.md §7).

use std::collections::BTreeSet;

use model::Pin;
use model::record::Provision;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Digits of a drawn ID.
const DIGITS: usize = 9;

/// How many IDs of nine digits there are.
const ALL: u32 = 1_000_000_000;

/// Draws IDs that nothing else has.
#[derive(Debug)]
pub(super) struct Draw {
    generator: ChaCha20Rng,
    taken: BTreeSet<Pin>,
    drawn: Vec<String>,
}

impl Draw {
    /// Starts with the IDs of what is stored taken.
    pub(super) fn new(seed: [u8; 32], stored: &Provision) -> Self {
        let taken = stored.meetings.iter().map(|meeting| meeting.conference_id.clone()).collect();
        Self { generator: ChaCha20Rng::from_seed(seed), taken, drawn: Vec::new() }
    }

    /// Marks an ID that the file chooses itself.
    pub(super) fn take(&mut self, id: Pin) {
        self.taken.insert(id);
    }

    /// Draws an ID for the meeting of that name.
    pub(super) fn draw(&mut self, meeting: &str) -> Pin {
        self.drawn.push(meeting.to_owned());
        loop {
            let digits = format!("{:0DIGITS$}", self.below_all());
            let id = Pin::parse(&digits).expect("nine digits are a pin");
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }

    /// Returns the names of the meetings drawn for.
    pub(super) fn into_drawn(self) -> Vec<String> {
        self.drawn
    }

    /// A number below [`ALL`], each equally likely: the uneven rest of the range is thrown back.
    fn below_all(&mut self) -> u32 {
        let fair = u32::MAX - u32::MAX % ALL;
        loop {
            let drawn = self.generator.next_u32();
            if drawn < fair {
                return drawn % ALL;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_ids_are_nine_digits_all_different_and_not_sequential() {
        let mut draw = Draw::new([7; 32], &Provision::default());
        let ids: Vec<u32> = (0..2_000).map(|_| draw.draw("m").reveal().parse().unwrap()).collect();
        let different: BTreeSet<u32> = ids.iter().copied().collect();
        assert_eq!(different.len(), ids.len());
        assert!(ids.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1));
        assert!(draw.taken.iter().all(|id| id.reveal().len() == DIGITS));
    }

    #[test]
    fn every_digit_is_equally_likely_whatever_came_before_it() {
        // reliability.md S6. Above these bounds chance alone comes once in ten thousand times: 9 and
        // 99 degrees of freedom.
        const SINGLE: u32 = 34;
        const PAIR: u32 = 158;
        let mut draw = Draw::new([1; 32], &Provision::default());
        let ids: Vec<Pin> = (0..10_000).map(|_| draw.draw("m")).collect();
        let digit = |id: &Pin, place: usize| usize::from(id.reveal().as_bytes()[place] - b'0');
        for place in 0..DIGITS {
            let found = ids.iter().map(|id| digit(id, place));
            let single = chi_square(10, found);
            assert!(single < SINGLE, "digit {place}: {single}");
            let next = ids.windows(2).map(|two| 10 * digit(&two[0], place) + digit(&two[1], place));
            let pair = chi_square(100, next);
            assert!(pair < PAIR, "digit {place} of one ID and the next: {pair}");
        }
        for place in 1..DIGITS {
            let found = ids.iter().map(|id| 10 * digit(id, place - 1) + digit(id, place));
            let pair = chi_square(100, found);
            assert!(pair < PAIR, "digits {place} and the one before: {pair}");
        }
    }

    /// How far counts of equally likely values are off: the sum of (found - expected)² / expected.
    fn chi_square(values: usize, found: impl Iterator<Item = usize>) -> u32 {
        let mut counts = vec![0_u32; values];
        found.for_each(|value| counts[value] += 1);
        let all: u32 = counts.iter().sum();
        let expected = all / u32::try_from(values).unwrap();
        counts.iter().map(|count| count.abs_diff(expected).pow(2)).sum::<u32>() / expected
    }

    #[test]
    fn an_id_that_the_file_chose_is_not_drawn() {
        let mut free = Draw::new([7; 32], &Provision::default());
        let first = free.draw("m");
        let mut barred = Draw::new([7; 32], &Provision::default());
        barred.take(first.clone());
        assert_ne!(barred.draw("m"), first);
    }
}
