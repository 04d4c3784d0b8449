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

/// Every live conference; each ends when its last participant leaves.
#[derive(Debug, Default)]
pub(crate) struct Conferences {
    live: BTreeMap<MeetingId, BTreeMap<CallId, Presence>>,
}

impl Conferences {
    /// Whether one more participant fits.
    pub(crate) fn has_place(&self, meeting: MeetingId, most: u32) -> bool {
        let taken = self.live.get(&meeting).map_or(0, BTreeMap::len);
        u32::try_from(taken).is_ok_and(|taken| taken < most)
    }

    /// Whether nobody is in the room yet.
    pub(crate) fn is_silent(&self, meeting: MeetingId) -> bool {
        self.others(meeting, None).is_empty()
    }

    /// Keeps a place for a call.
    pub(crate) fn keep(&mut self, meeting: MeetingId, call: CallId) {
        self.live.entry(meeting).or_default().entry(call).or_insert(Presence::Kept);
    }

    /// Notes that a call is in the room and returns the others there.
    pub(crate) fn enter(&mut self, meeting: MeetingId, call: CallId) -> Vec<CallId> {
        self.live.entry(meeting).or_default().insert(call, Presence::Present);
        self.others(meeting, Some(call))
    }

    /// Takes a call out and returns who is left in the room, if the call had been in it.
    pub(crate) fn leave(&mut self, meeting: MeetingId, call: CallId) -> Vec<CallId> {
        let Some(roster) = self.live.get_mut(&meeting) else { return Vec::new() };
        let was = roster.remove(&call);
        if roster.is_empty() {
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
        let roster = self.live.get(&meeting).into_iter().flatten();
        let present = roster.filter(|(_, presence)| **presence == Presence::Present);
        present.map(|(call, _)| *call).filter(|call| Some(*call) != than).collect()
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
        assert!(conferences.enter(MEETING, CallId(1)).is_empty());
        conferences.keep(MEETING, CallId(3));
        assert_eq!(conferences.enter(MEETING, CallId(2)), [CallId(1)]);
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
