//! A meeting while live: who has a place in it, and who is in its room.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{CallId, Instant, MeetingId, Money};

/// Whether a participant is in the room yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// A place is kept: the store is asked, or the ACK is awaited.
    Kept,
    /// In the room; they came, spoke or pressed a key last then.
    Present(Instant),
}

#[derive(Debug, Default)]
struct Conference {
    roster: BTreeMap<CallId, Presence>,
    /// How many are in the room.
    present: usize,
    /// Since when there is one alone in the room.
    alone: Option<Instant>,
    /// When anybody in the room last came, spoke or pressed a key; `None` before anybody was.
    signed: Option<Instant>,
    spending: Spending,
}

/// What the charged legs of a live conference cost, millionths.
#[derive(Debug, Default)]
struct Spending {
    /// Those that are over.
    past: i64,
    /// The live ones: what each may have been granted, and its price of a second.
    live: BTreeMap<CallId, (i64, i64)>,
    granted: i64,
    burn: i64,
}

/// How quiet it is about a participant: since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quiet {
    /// They are alone.
    pub(crate) alone: Option<Instant>,
    /// Nobody has shown life.
    pub(crate) room: Instant,
    /// They have not.
    pub(crate) own: Instant,
}

/// Every live conference; each ends when its last participant leaves.
#[derive(Debug, Default)]
pub(crate) struct Conferences {
    live: BTreeMap<MeetingId, Conference>,
}

impl Conferences {
    /// Whether one more participant fits.
    pub(crate) fn has_place(&self, meeting: MeetingId, most: u32) -> bool {
        let taken = self.live.get(&meeting).map_or(0, |conference| conference.roster.len());
        u32::try_from(taken).is_ok_and(|taken| taken < most)
    }

    /// Whether nobody is in the room yet.
    pub(crate) fn is_silent(&self, meeting: MeetingId) -> bool {
        self.others(meeting, None).is_empty()
    }

    /// Keeps a place for a call.
    pub(crate) fn keep(&mut self, meeting: MeetingId, call: CallId) {
        self.live.entry(meeting).or_default().roster.entry(call).or_insert(Presence::Kept);
    }

    /// Notes that a call is in the room. Returns the others there, and whether the meeting begins
    /// with it.
    pub(crate) fn enter(
        &mut self,
        meeting: MeetingId,
        call: CallId,
        now: Instant,
    ) -> (Vec<CallId>, bool) {
        let conference = self.live.entry(meeting).or_default();
        let before = conference.roster.insert(call, Presence::Present(now));
        if !matches!(before, Some(Presence::Present(_))) {
            conference.count(conference.present + 1, now);
        }
        let begins = conference.signed.replace(now).is_none();
        (self.others(meeting, Some(call)), begins)
    }

    /// Somebody in the room showed life.
    pub(crate) fn sign(&mut self, meeting: MeetingId, call: CallId, at: Instant) {
        let Some(conference) = self.live.get_mut(&meeting) else { return };
        if let Some(Presence::Present(signed)) = conference.roster.get_mut(&call) {
            *signed = at.max(*signed);
            conference.signed = conference.signed.max(Some(at));
        }
    }

    /// Tells how quiet it is about a call; `None` if it is in no room.
    pub(crate) fn quiet(&self, meeting: MeetingId, call: CallId) -> Option<Quiet> {
        let conference = self.live.get(&meeting)?;
        match conference.roster.get(&call)? {
            Presence::Kept => None,
            Presence::Present(own) => Some(Quiet {
                alone: conference.alone,
                room: conference.signed.unwrap_or(*own),
                own: *own,
            }),
        }
    }

    /// Whether a call is in the room.
    pub(crate) fn is_present(&self, meeting: MeetingId, call: CallId) -> bool {
        let conference = self.live.get(&meeting);
        let presence = conference.and_then(|known| known.roster.get(&call));
        matches!(presence, Some(Presence::Present(_)))
    }

    /// Returns the calls that a place is kept for.
    pub(crate) fn kept(&self, meeting: MeetingId) -> Vec<CallId> {
        self.all(meeting, |presence| presence == Presence::Kept)
    }

    /// Takes a call out and returns who is left in the room, if the call had been in it.
    pub(crate) fn leave(&mut self, meeting: MeetingId, call: CallId, now: Instant) -> Vec<CallId> {
        let Some(conference) = self.live.get_mut(&meeting) else { return Vec::new() };
        let was = conference.roster.remove(&call);
        if matches!(was, Some(Presence::Present(_))) {
            conference.count(conference.present - 1, now);
        }
        if conference.roster.is_empty() {
            self.live.remove(&meeting);
        }
        match was {
            Some(Presence::Present(_)) => self.others(meeting, None),
            Some(Presence::Kept) | None => Vec::new(),
        }
    }

    /// Notes what a live leg may have been granted, and its price of a second.
    pub(crate) fn granted(
        &mut self,
        meeting: MeetingId,
        call: CallId,
        (granted, per_sec): (Money, Money),
    ) {
        if let Some(conference) = self.live.get_mut(&meeting) {
            conference.spending.set(call, Some((granted.micros(), per_sec.micros())));
        }
    }

    /// Notes what a leg cost that is over. Call it before [`Self::leave`].
    pub(crate) fn cost(&mut self, meeting: MeetingId, call: CallId, cost: Money) {
        if let Some(conference) = self.live.get_mut(&meeting) {
            let spending = &mut conference.spending;
            spending.set(call, None);
            spending.past = spending.past.saturating_add(cost.micros());
        }
    }

    /// Returns what the legs of a live conference but this one cost, and may yet cost.
    pub(crate) fn spent_by_others(&self, meeting: MeetingId, than: CallId) -> Money {
        let Some(conference) = self.live.get(&meeting) else { return Money::ZERO };
        let spending = &conference.spending;
        let own = spending.live.get(&than).map_or(0, |(granted, _)| *granted);
        Money::from_micros(spending.past.saturating_add(spending.granted - own))
    }

    /// Returns how long the rest of a cap lasts at the present burn, beyond what legs were granted;
    /// `None` if nothing burns.
    pub(crate) fn runway(&self, meeting: MeetingId, cap: Money) -> Option<Duration> {
        let spending = &self.live.get(&meeting)?.spending;
        let burn = u64::try_from(spending.burn).ok().filter(|burn| *burn > 0)?;
        let used = spending.past.saturating_add(spending.granted);
        let left = u64::try_from(cap.micros().saturating_sub(used)).unwrap_or(0);
        Some(Duration::from_secs(left / burn))
    }

    /// Returns how many conferences live.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    fn others(&self, meeting: MeetingId, than: Option<CallId>) -> Vec<CallId> {
        let mut present = self.all(meeting, |presence| matches!(presence, Presence::Present(_)));
        present.retain(|call| Some(*call) != than);
        present
    }

    fn all(&self, meeting: MeetingId, wanted: fn(Presence) -> bool) -> Vec<CallId> {
        let roster = self.live.get(&meeting).into_iter().flat_map(|known| &known.roster);
        roster.filter(|(_, presence)| wanted(**presence)).map(|(call, _)| *call).collect()
    }
}

impl Spending {
    fn set(&mut self, call: CallId, leg: Option<(i64, i64)>) {
        let before = match leg {
            Some(leg) => self.live.insert(call, leg),
            None => self.live.remove(&call),
        };
        let ((was, burned), (is, burns)) = (before.unwrap_or_default(), leg.unwrap_or_default());
        self.granted = self.granted.saturating_add(is - was);
        self.burn = self.burn.saturating_add(burns - burned);
    }
}

impl Conference {
    fn count(&mut self, present: usize, now: Instant) {
        self.present = present;
        self.alone = (present == 1).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEETING: MeetingId = MeetingId(1);

    #[test]
    fn a_kept_place_counts_but_is_not_heard() {
        let mut conferences = Conferences::default();
        conferences.keep(MEETING, CallId(1));
        assert!(!conferences.has_place(MEETING, 1));
        assert!(conferences.is_silent(MEETING));
        assert!(conferences.leave(MEETING, CallId(1), at(0)).is_empty());
        assert!(conferences.has_place(MEETING, 1));
    }

    #[test]
    fn the_others_in_the_room_hear_of_who_comes_and_goes() {
        let mut conferences = Conferences::default();
        assert_eq!(conferences.enter(MEETING, CallId(1), at(0)), (vec![], true));
        conferences.keep(MEETING, CallId(3));
        assert_eq!(conferences.enter(MEETING, CallId(2), at(0)), (vec![CallId(1)], false));
        assert_eq!(conferences.kept(MEETING), [CallId(3)]);
        assert_eq!(conferences.leave(MEETING, CallId(1), at(0)), [CallId(2)]);
    }

    #[test]
    fn one_is_alone_from_when_the_last_other_left() {
        let mut conferences = Conferences::default();
        let alone = |conferences: &Conferences| {
            conferences.quiet(MEETING, CallId(1)).expect("in the room").alone
        };
        conferences.enter(MEETING, CallId(1), at(5));
        conferences.keep(MEETING, CallId(2));
        assert_eq!(alone(&conferences), Some(at(5)), "a kept place is no company");
        conferences.enter(MEETING, CallId(2), at(6));
        assert_eq!(alone(&conferences), None);
        conferences.leave(MEETING, CallId(2), at(9));
        assert_eq!(alone(&conferences), Some(at(9)));
    }

    #[test]
    fn a_sign_of_one_counts_for_the_room_and_for_them_alone() {
        let mut conferences = Conferences::default();
        conferences.enter(MEETING, CallId(1), at(1));
        conferences.enter(MEETING, CallId(2), at(2));
        conferences.sign(MEETING, CallId(1), at(7));
        conferences.sign(MEETING, CallId(9), at(8));
        let quiet = conferences.quiet(MEETING, CallId(2));
        assert_eq!(quiet, Some(Quiet { alone: None, room: at(7), own: at(2) }));
        assert_eq!(conferences.quiet(MEETING, CallId(9)), None);
    }

    #[test]
    fn what_a_meeting_spends_is_what_is_over_and_what_is_granted() {
        let mut conferences = Conferences::default();
        let money = Money::from_micros;
        for (call, granted) in [(1, 30), (2, 50)] {
            conferences.keep(MEETING, CallId(call));
            conferences.granted(MEETING, CallId(call), (money(granted), money(2)));
        }
        let others = |conferences: &Conferences, call| {
            conferences.spent_by_others(MEETING, CallId(call)).micros()
        };
        assert_eq!((others(&conferences, 1), others(&conferences, 3)), (50, 80));
        let runway = conferences.runway(MEETING, money(100));
        assert_eq!(runway, Some(Duration::from_secs(5)), "20 left, 4 a second");
        conferences.cost(MEETING, CallId(2), money(7));
        conferences.leave(MEETING, CallId(2), at(0));
        assert_eq!((others(&conferences, 1), others(&conferences, 3)), (7, 37));
    }

    #[test]
    fn a_conference_ends_with_its_last_participant() {
        let mut conferences = Conferences::default();
        conferences.enter(MEETING, CallId(1), at(0));
        conferences.leave(MEETING, CallId(1), at(0));
        assert_eq!(conferences.len(), 0);
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
