//! A meeting while live: who has a place in it, and who is in its room.

use std::collections::BTreeMap;

use model::{CallId, MeetingId};

/// Whether a participant is in the room yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// A place is kept: the store is asked, or the ACK is awaited.
    Kept,
    /// In the room.
    Present,
}

#[derive(Debug, Default)]
struct Conference {
    roster: BTreeMap<CallId, Presence>,
    /// Whether anybody was in the room yet.
    began: bool,
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
    pub(crate) fn enter(&mut self, meeting: MeetingId, call: CallId) -> (Vec<CallId>, bool) {
        let conference = self.live.entry(meeting).or_default();
        conference.roster.insert(call, Presence::Present);
        let begins = !std::mem::replace(&mut conference.began, true);
        (self.others(meeting, Some(call)), begins)
    }

    /// Whether a call is in the room.
    pub(crate) fn is_present(&self, meeting: MeetingId, call: CallId) -> bool {
        let conference = self.live.get(&meeting);
        conference.and_then(|known| known.roster.get(&call)) == Some(&Presence::Present)
    }

    /// Returns the calls that a place is kept for.
    pub(crate) fn kept(&self, meeting: MeetingId) -> Vec<CallId> {
        self.all(meeting, Presence::Kept)
    }

    /// Takes a call out and returns who is left in the room, if the call had been in it.
    pub(crate) fn leave(&mut self, meeting: MeetingId, call: CallId) -> Vec<CallId> {
        let Some(conference) = self.live.get_mut(&meeting) else { return Vec::new() };
        let was = conference.roster.remove(&call);
        if conference.roster.is_empty() {
            self.live.remove(&meeting);
        }
        match was {
            Some(Presence::Present) => self.others(meeting, None),
            Some(Presence::Kept) | None => Vec::new(),
        }
    }

    /// Returns how many conferences live.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    fn others(&self, meeting: MeetingId, than: Option<CallId>) -> Vec<CallId> {
        let mut present = self.all(meeting, Presence::Present);
        present.retain(|call| Some(*call) != than);
        present
    }

    fn all(&self, meeting: MeetingId, wanted: Presence) -> Vec<CallId> {
        let roster = self.live.get(&meeting).into_iter().flat_map(|known| &known.roster);
        roster.filter(|(_, presence)| **presence == wanted).map(|(call, _)| *call).collect()
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
        assert!(conferences.leave(MEETING, CallId(1)).is_empty());
        assert!(conferences.has_place(MEETING, 1));
    }

    #[test]
    fn the_others_in_the_room_hear_of_who_comes_and_goes() {
        let mut conferences = Conferences::default();
        assert_eq!(conferences.enter(MEETING, CallId(1)), (vec![], true));
        conferences.keep(MEETING, CallId(3));
        assert_eq!(conferences.enter(MEETING, CallId(2)), (vec![CallId(1)], false));
        assert_eq!(conferences.kept(MEETING), [CallId(3)]);
        assert_eq!(conferences.leave(MEETING, CallId(1)), [CallId(2)]);
    }

    #[test]
    fn a_conference_ends_with_its_last_participant() {
        let mut conferences = Conferences::default();
        conferences.enter(MEETING, CallId(1));
        conferences.leave(MEETING, CallId(1));
        assert_eq!(conferences.len(), 0);
    }
}
