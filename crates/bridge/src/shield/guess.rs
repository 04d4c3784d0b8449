//! How many wrong conference IDs are borne, of whom, and what then (reliability.md S7).
//!
//! A guess hits with the density of the IDs: 10⁶ live ones of 9 digits are one in 1 000. Whoever may
//! guess G times a day joins G / 1 000 meetings a day. Callers change their numbers, so what bounds
//! G must be the node's own: at most nine tenths of 1 / density wrong IDs are looked up in any
//! 24 hours, here 900, and the expected hits are at most 900 / 1 000 = 0.9 a day. The bound follows
//! the density: a node with 1 000 meetings bears 900 000.
//!
//! Above it an ID is not looked up at all, right or wrong, unless the caller's number has keyed in a
//! right one before: guessers are held off, regular callers are served, and the alarm tells that IDs
//! want a digit more. A slip (one digit wrong, two swapped) that its caller then puts right counts for
//! nothing: there are 89 IDs within a slip of one of 9 digits, so that whoever knows one learns 0.09
//! others by it, once.
//!
//! Below the bound come the budgets of a caller, a trunk and the node: above them each call has one
//! try, and the longest pause before the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Did, Instant, TrunkId};

use super::caller::Caller;
use super::table::Table;
use super::{Alarm, Budget, KEYS, Scope};
use crate::outbound::window::Window;
use crate::settings::Abuse;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Numbers remembered that have keyed in a right ID; who was silent for longest is forgotten.
const KNOWN: usize = 65_536;
/// First pause before a wrong ID is answered; it doubles with each.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(8);

/// How a caller's entries are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As usual.
    Usual,
    /// One try, and a long pause before it is answered.
    Little,
    /// Nothing is looked up.
    None,
}

/// What was keyed in wrong.
#[derive(Debug)]
pub(crate) struct Guesses {
    callers: Table<Did>,
    trunks: Table<TrunkId>,
    node: Table<()>,
    day: Window,
    /// Wrong ones of live calls, which may turn out to be slips.
    pending: i64,
    closed: bool,
    known: Known,
}

/// Numbers that have keyed in a right ID.
#[derive(Debug, Default)]
struct Known {
    last: BTreeMap<Did, Instant>,
    order: BTreeSet<(Instant, Did)>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            callers: Table::new(HOUR, KEYS),
            trunks: Table::new(MINUTE, KEYS),
            node: Table::new(MINUTE, 1),
            day: Window::over(DAY),
            pending: 0,
            closed: false,
            known: Known::default(),
        }
    }
}

impl Guesses {
    /// Decides about the next entry of a caller. `bearable` is how many wrong ones a day are, on a
    /// node with so many IDs.
    pub(crate) fn patience(
        &self,
        caller: &Caller,
        (limits, bearable): (&Abuse, u64),
        now: Instant,
    ) -> Patience {
        let over = |used: i64, most: u32| used >= i64::from(most);
        let own = caller.number.as_ref().map_or(0, |number| self.callers.total(number, now));
        let own = over(own, limits.wrong_per_hour_caller);
        if self.is_spent(bearable, now) {
            let known = caller.number.as_ref().is_some_and(|number| self.known.has(number));
            return if known && !own { Patience::Little } else { Patience::None };
        }
        let of_trunk = self.trunks.total(&caller.trunk, now);
        let of_node = self.node.total(&(), now);
        let many = over(of_trunk, limits.wrong_per_minute_trunk)
            || over(of_node, limits.wrong_per_minute_node);
        if own || many { Patience::Little } else { Patience::Usual }
    }

    /// An entry was wrong. Returns the budgets that are used up by it.
    pub(crate) fn wrong(
        &mut self,
        caller: &Caller,
        (limits, bearable): (&Abuse, u64),
        now: Instant,
    ) -> Vec<Alarm> {
        self.pending += 1;
        self.trunks.add(&caller.trunk, 1, now);
        self.node.add(&(), 1, now);
        let mut alarms = Vec::new();
        let mut tell = |rises: bool, budget, scope| {
            alarms.extend(rises.then_some(Alarm { budget, scope }));
        };
        let level = |used: i64, most: u32| u8::from(used >= i64::from(most));
        if let Some(number) = &caller.number {
            self.callers.add(number, 1, now);
            let over = level(self.callers.total(number, now), limits.wrong_per_hour_caller);
            tell(self.callers.rises(number, over), Budget::WrongIds, Scope::Caller);
        }
        let over = level(self.trunks.total(&caller.trunk, now), limits.wrong_per_minute_trunk);
        tell(self.trunks.rises(&caller.trunk, over), Budget::WrongIds, Scope::Trunk);
        let over = level(self.node.total(&(), now), limits.wrong_per_minute_node);
        tell(self.node.rises(&(), over), Budget::WrongIds, Scope::Node);
        let spent = self.is_spent(bearable, now);
        tell(spent && !self.closed, Budget::Guessing, Scope::Node);
        self.closed = spent;
        alarms
    }

    /// A call with so many wrong entries is over, or has found its meeting; so many of them count.
    pub(crate) fn settle(&mut self, wrong: i64, counted: i64, now: Instant) {
        self.pending -= wrong;
        self.day.add(counted, now);
    }

    /// A caller keyed in a right ID.
    pub(crate) fn right(&mut self, caller: &Caller, now: Instant) {
        if let Some(number) = &caller.number {
            self.known.note(number, now);
        }
    }

    fn is_spent(&self, bearable: u64, now: Instant) -> bool {
        let used = self.day.sum(now, None).saturating_add(self.pending);
        u64::try_from(used).is_ok_and(|used| used >= bearable)
    }
}

impl Known {
    fn has(&self, number: &Did) -> bool {
        self.last.contains_key(number)
    }

    fn note(&mut self, number: &Did, now: Instant) {
        if let Some(before) = self.last.insert(number.clone(), now) {
            self.order.remove(&(before, number.clone()));
        }
        self.order.insert((now, number.clone()));
        if self.last.len() > KNOWN
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.last.remove(&oldest);
        }
    }
}

/// Returns how long after the n-th wrong entry of a call, from 1, it is answered.
pub(crate) fn pause(patience: Patience, wrong: u8) -> Duration {
    match patience {
        Patience::Usual => {
            PAUSE.saturating_mul(1 << u32::from(wrong.saturating_sub(1)).min(8)).min(LONGEST)
        }
        Patience::Little | Patience::None => LONGEST,
    }
}

/// Whether a person who meant the right ID may have keyed in the other by one slip of the finger.
pub(crate) fn is_slip(keyed: &str, right: &str) -> bool {
    let same = keyed.bytes().zip(right.bytes()).take_while(|(one, other)| one == other).count();
    let (keyed, right) = (&keyed.as_bytes()[same..], &right.as_bytes()[same..]);
    match (keyed, right) {
        ([], []) => false,
        ([_, keyed @ ..], []) => keyed.is_empty(),
        ([], [_, right @ ..]) => right.is_empty(),
        ([a, rest @ ..], [b, meant @ ..]) => {
            let swapped = match (rest, meant) {
                ([c, rest @ ..], [d, meant @ ..]) => a == d && b == c && rest == meant,
                ([], _) | (_, []) => false,
            };
            rest == meant || rest == right || keyed == meant || swapped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10⁶ live IDs of 10⁹.
    const BEARABLE: u64 = 900;

    #[test]
    fn ten_thousand_callers_who_change_their_numbers_join_less_than_one_meeting_a_day() {
        let (mut guesses, limits) = (Guesses::default(), Abuse::default());
        let (mut looked_up, mut alarms) = (0_u64, Vec::new());
        for call in 0..10_000_u64 {
            let caller = caller(&format!("+1415{call:07}"));
            let now = at(call * 8);
            let mut wrong = 0;
            for _ in 0..3 {
                match guesses.patience(&caller, (&limits, BEARABLE), now) {
                    Patience::None => break,
                    Patience::Little if wrong > 0 => break,
                    Patience::Usual | Patience::Little => {}
                }
                (looked_up, wrong) = (looked_up + 1, wrong + 1);
                alarms.extend(guesses.wrong(&caller, (&limits, BEARABLE), now));
            }
            guesses.settle(wrong, wrong, now);
        }
        assert!(looked_up * 1_000_000 < 1_000_000_000, "{looked_up} guesses: less than one hit");
        assert_eq!(looked_up, BEARABLE);
        let guessing = Alarm { budget: Budget::Guessing, scope: Scope::Node };
        assert_eq!(alarms.iter().filter(|alarm| **alarm == guessing).count(), 1);
    }

    #[test]
    fn who_has_keyed_in_a_right_id_before_is_served_when_strangers_are_not() {
        let (mut guesses, limits) = (Guesses::default(), Abuse::default());
        let (regular, stranger) = (caller("+390110001"), caller("+390110002"));
        guesses.right(&regular, at(0));
        for _ in 0..BEARABLE {
            guesses.wrong(&stranger, (&limits, BEARABLE), at(1));
        }
        let patience = |who| guesses.patience(who, (&limits, BEARABLE), at(2));
        assert_eq!((patience(&regular), patience(&stranger)), (Patience::Little, Patience::None));
        let withheld = Caller::new(None, TrunkId(1), 4);
        assert_eq!(patience(&withheld), Patience::None);
    }

    #[test]
    fn a_day_later_strangers_are_served_again() {
        let (mut guesses, limits) = (Guesses::default(), Abuse::default());
        let stranger = caller("+390110002");
        for _ in 0..BEARABLE {
            guesses.wrong(&stranger, (&limits, BEARABLE), at(0));
        }
        guesses.settle(900, 900, at(1));
        let patience = |secs| guesses.patience(&stranger, (&limits, BEARABLE), at(secs));
        assert_eq!(patience(86_000), Patience::None);
        assert_eq!(patience(90_000), Patience::Usual);
    }

    #[test]
    fn a_caller_a_trunk_and_the_node_have_budgets_of_their_own() {
        let limits = Abuse {
            wrong_per_hour_caller: 2,
            wrong_per_minute_trunk: 4,
            wrong_per_minute_node: 6,
            ..Abuse::default()
        };
        let mut guesses = Guesses::default();
        let mut wrong = |number: &str, trunk| {
            let caller = Caller::new(number.parse().ok(), TrunkId(trunk), 4);
            guesses.wrong(&caller, (&limits, u64::MAX), at(0))
        };
        let alarm = |scope| Alarm { budget: Budget::WrongIds, scope };
        assert_eq!(wrong("+390110001", 1), []);
        assert_eq!(wrong("+390110001", 1), [alarm(Scope::Caller)]);
        assert_eq!(wrong("+390110001", 1), [], "told once");
        assert_eq!(wrong("+390110002", 1), [alarm(Scope::Trunk)]);
        wrong("+390110003", 2);
        assert_eq!(wrong("+390110004", 2), [alarm(Scope::Node)]);
        let patience = |number: &str, secs| {
            let caller = Caller::new(number.parse().ok(), TrunkId(3), 4);
            guesses.patience(&caller, (&limits, u64::MAX), at(secs))
        };
        assert_eq!(patience("+390110009", 1), Patience::Little, "the node's");
        assert_eq!(patience("+390110009", 70), Patience::Usual);
        assert_eq!(patience("+390110001", 70), Patience::Little, "the caller's, for an hour");
    }

    #[test]
    fn a_slip_is_one_digit_or_two_that_are_swapped() {
        for keyed in ["123456780", "023456789", "123456798", "213456789", "12345678", "1123456789"]
        {
            assert!(is_slip(keyed, "123456789"), "{keyed}");
        }
        for keyed in ["123456789", "123456700", "321456789", "1234567", "987654321", ""] {
            assert!(!is_slip(keyed, "123456789"), "{keyed}");
        }
    }

    #[test]
    fn the_pause_grows_with_every_wrong_entry() {
        let pauses = [1, 2, 3, 9].map(|wrong| pause(Patience::Usual, wrong).as_secs());
        assert_eq!(pauses, [1, 2, 4, 8]);
        assert_eq!(pause(Patience::Little, 1), LONGEST);
    }

    fn caller(number: &str) -> Caller {
        Caller::new(number.parse().ok(), TrunkId(1), 4)
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
