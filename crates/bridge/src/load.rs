//! How busy the node is, and from when on it takes no new calls for the live ones' sake.
//!
//! Late ticks are what callers would hear, and then it is too late to refuse: the door goes by the
//! work of a tick, which grows with every leg, and foresees what the calls let in since it was
//! measured will add. Lateness alone says little: a processor that others use up is late without a
//! leg of ours, and is no freer for calls that are refused.

use std::time::Duration;

/// So many new calls wait for their turn: they and those after them are refused until none waits.
const WAITING: u32 = 128;
/// So many questions the store has to answer, or so few again, as long as it answers: new calls would
/// wait for it too long. One that is gone is no reason to refuse those that need no credit.
const ASKED: (usize, usize) = (768, 384);
/// So much of a tick is work, or will be, permille: new calls are refused. What is left of it keeps
/// a tick that takes longer than most from making the next one 5 ms late.
const BUSY: u32 = 750;
/// So little: they are taken again.
const IDLE: u32 = 650;
/// Work of a tick, and calls, below which more legs are not foreseen to add up: most of it is not
/// theirs.
const FORESEEN: (u32, usize) = (300, 100);
/// So much work that late ticks are of our own making.
const LOADED: u32 = 400;
/// With that: so many of a thousand ticks begin 5 ms late or more.
const LATE: (u32, u32) = (10, 5);
/// Whatever the work: so many begin half a tick late or more.
const STARVED: (u32, u32) = (500, 250);

/// How busy the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// So many new calls wait for their turn.
    Waiting(u32),
    /// What the mixers did since this was told last; told each [`EVERY`].
    Ticks(Ticks),
}

/// How often the bridge wants to hear of the mixers' ticks.
pub const EVERY: Duration = Duration::from_millis(250);

/// The ticks of the mixer that did worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticks {
    /// How much of a tick its work took in the mean, permille; more than 1000 if that is too much.
    pub busy_permille: u16,
    /// Of a thousand, how many began 5 ms late or more.
    pub late_permille: u16,
    /// Of a thousand, how many began half a tick late or more.
    pub starved_permille: u16,
}

/// Whether new calls are refused.
#[derive(Debug, Default)]
pub(crate) struct Door {
    shut: bool,
    waiting: u32,
    /// Whether the store did not answer what it was asked last.
    silent: bool,
    busy: u32,
    /// Live calls when that was told.
    calls: usize,
    late: Lately,
    starved: Lately,
}

impl Door {
    /// Whether they are.
    pub(crate) const fn is_shut(&self) -> bool {
        self.shut
    }

    /// Takes news of the load at so many live calls.
    pub(crate) fn told(&mut self, load: Load, calls: usize) {
        match load {
            Load::Waiting(waiting) => self.waiting = waiting,
            Load::Ticks(ticks) => {
                (self.busy, self.calls) = (ticks.busy_permille.into(), calls);
                self.late.add(ticks.late_permille);
                self.starved.add(ticks.starved_permille);
            }
        }
    }

    /// The store answered, or did not.
    pub(crate) const fn heard(&mut self, answered: bool) {
        self.silent = !answered;
    }

    /// Opens or shuts at so many live calls and open questions to the store; returns whether that is
    /// news.
    pub(crate) fn weigh(&mut self, calls: usize, asked: usize) -> bool {
        let before = self.shut;
        let limit = |(shuts, opens)| if before { opens } else { shuts };
        let most = if before { ASKED.1 } else { ASKED.0 };
        self.shut = self.waiting >= limit((WAITING, 1))
            || asked >= most && !self.silent
            || self.foreseen(calls) >= limit((BUSY, IDLE))
            || self.busy >= LOADED && self.late.permille() >= limit(LATE)
            || self.starved.permille() >= limit(STARVED);
        self.shut != before
    }

    /// What the work of a tick will be once the calls are heard that came since it was measured.
    fn foreseen(&self, calls: usize) -> u32 {
        if self.busy < FORESEEN.0 || self.calls < FORESEEN.1 || calls <= self.calls {
            return self.busy;
        }
        let [calls, measured] = [calls, self.calls].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        u32::try_from(u64::from(self.busy).saturating_mul(calls) / measured).unwrap_or(u32::MAX)
    }
}

/// A mean of the last two seconds or so, in sixteenths.
#[derive(Debug, Default)]
struct Lately(u32);

impl Lately {
    fn add(&mut self, permille: u16) {
        self.0 = self.0 - self.0 / 8 + u32::from(permille) * 2;
    }

    const fn permille(&self) -> u32 {
        self.0 / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_calls_that_wait_shut_the_door_until_none_does() {
        let mut door = Door::default();
        let mut states = Vec::new();
        for waiting in [127, 128, 1, 0] {
            door.told(Load::Waiting(waiting), 0);
            door.weigh(0, 0);
            states.push(door.is_shut());
        }
        assert_eq!(states, [false, true, true, false]);
    }

    #[test]
    fn work_shuts_the_door_before_a_tick_is_late() {
        // Made up after what was measured: 400 legs more each second, 4.4 µs of work a leg and tick.
        let series = [(2_800, 616), (2_900, 638), (3_000, 660), (3_100, 682), (3_200, 704)];
        let mut door = Door::default();
        for (calls, busy) in series {
            tick(&mut door, (calls, busy, 0, 0));
            assert!(!door.is_shut(), "{calls}");
        }
        tick(&mut door, (3_410, 750, 0, 0));
        assert!(door.is_shut());
        tick(&mut door, (3_000, 660, 0, 0));
        assert!(door.is_shut(), "it opens well below");
        tick(&mut door, (2_950, 649, 0, 0));
        assert!(!door.is_shut());
    }

    #[test]
    fn calls_let_in_since_the_last_news_count_at_once() {
        let mut door = Door::default();
        tick(&mut door, (2_000, 500, 0, 0));
        assert!(!door.weigh(2_999, 0));
        assert!(door.weigh(3_000, 0) && door.is_shut());
        assert!(!door.weigh(2_601, 0));
        assert!(door.weigh(2_599, 0) && !door.is_shut());
    }

    #[test]
    fn a_few_calls_on_an_idle_mixer_are_not_foreseen_to_fill_it() {
        let mut door = Door::default();
        tick(&mut door, (1, 20, 0, 0));
        assert!(!door.weigh(900, 0));
    }

    #[test]
    fn ticks_late_by_our_own_work_shut_the_door_and_those_of_a_busy_machine_do_not() {
        let mut idle = Door::default();
        let mut loaded = Door::default();
        for _ in 0..20 {
            tick(&mut idle, (3, 30, 150, 80));
            tick(&mut loaded, (1_800, 450, 0, 0));
            assert!(!idle.is_shut() && !loaded.is_shut());
        }
        // One of twelve ticks: more than one in a hundred of the last two seconds.
        tick(&mut loaded, (1_800, 450, 83, 0));
        assert!(loaded.is_shut());
        let calm = (0..40).position(|_| {
            tick(&mut loaded, (1_800, 450, 0, 0));
            !loaded.is_shut()
        });
        assert!(calm.is_some_and(|windows| (2..10).contains(&windows)), "{calm:?}");
    }

    #[test]
    fn a_mixer_that_gets_no_processor_shuts_the_door_whatever_its_work() {
        let mut door = Door::default();
        let shut = (0..40).position(|_| {
            tick(&mut door, (3, 30, 900, 800));
            door.is_shut()
        });
        assert!(shut.is_some_and(|windows| (4..12).contains(&windows)), "{shut:?}");
    }

    #[test]
    fn a_store_that_falls_behind_shuts_the_door_and_one_that_is_gone_does_not() {
        let mut door = Door::default();
        assert!(!door.weigh(10, 767));
        assert!(door.weigh(10, 768) && door.is_shut());
        assert!(!door.weigh(10, 384));
        door.heard(false);
        assert!(door.weigh(10, 5_000) && !door.is_shut());
        door.heard(true);
        assert!(door.weigh(10, 5_000) && door.is_shut());
    }

    #[test]
    fn no_load_however_large_overflows() {
        let mut door = Door::default();
        for _ in 0..1_000 {
            tick(&mut door, (usize::MAX, u16::MAX, 1_000, 1_000));
        }
        assert!(door.is_shut());
        door.told(Load::Ticks(Ticks { busy_permille: u16::MAX, ..Ticks::default() }), 0);
        assert!(!door.weigh(usize::from(u16::MAX), 0));
    }

    fn tick(door: &mut Door, (calls, busy_permille, late_permille, starved_permille): Series) {
        let ticks = Ticks { busy_permille, late_permille, starved_permille };
        door.told(Load::Ticks(ticks), calls);
        door.weigh(calls, 0);
    }

    type Series = (usize, u16, u16, u16);
}
