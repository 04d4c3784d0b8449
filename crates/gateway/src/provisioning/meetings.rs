//! `[[meeting]]`: who rules it and which conference ID its callers key in.

use std::collections::BTreeMap;

use model::record::Meeting;
use model::{MeetingId, Pin, UserId, limits};

use super::check::{Names, Reading, no_range, range};
use super::conference_id::Draw;
use super::shape::{self, Text};

/// Participants at once where nothing is said (domain.md §7).
const PARTICIPANTS: u32 = 1_000;

/// Fewest and most digits of a conference ID.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=16;

/// Stands for the member of a range in a name.
pub(super) const MEMBER: &str = "{}";

/// Conference IDs in use, with who has each.
type Taken = BTreeMap<Pin, String>;

impl Reading<'_> {
    /// Reads the meetings. IDs that the file chooses are known before the first is drawn.
    pub(super) fn meetings(&mut self, shapes: &[shape::Meeting], ids: &mut Draw) -> Vec<Meeting> {
        let single = shapes.iter().filter_map(|shape| shape.conference_id.as_ref());
        let ranges = shapes.iter().filter_map(|shape| shape.conference_ids.as_ref());
        let members = ranges.filter_map(|ids| range(ids.get_ref())).flatten();
        let chosen = single.map(|id| id.get_ref().clone()).chain(members);
        chosen.filter_map(|id| Pin::parse(&id).ok()).for_each(|id| ids.take(id));
        let mut taken = self.taken_by_others(shapes);
        let mut names = Names::default();
        let mut meetings = Vec::new();
        for shape in shapes {
            let dial_out = self.meeting_dial_out(shape);
            let organizer = self.organizer_named("meeting.organizer", &shape.organizer);
            for (name, id) in self.members(shape, &mut names) {
                self.hosts.insert(
                    MeetingId::from_name(&name),
                    UserId::from_name(shape.organizer.get_ref()),
                );
                let id = match id {
                    Some((text, at)) => self.conference_id(&text, at, &name, &mut taken),
                    None => Some(self.kept(&name).unwrap_or_else(|| ids.draw(&name))),
                };
                let participants_max = self.participants_max(shape);
                let cap = shape.spend_cap.as_ref();
                let spend_cap = cap.and_then(|at| self.amount("meeting.spend_cap", Some(at)));
                if let (Some(organizer), Some(conference_id)) = (organizer, id) {
                    meetings.push(Meeting {
                        id: MeetingId::from_name(&name),
                        name,
                        organizer,
                        conference_id,
                        participants_max,
                        announce: shape.announce,
                        spend_cap,
                        dial_out: dial_out.clone(),
                    });
                }
            }
        }
        meetings
    }

    /// The IDs of stored meetings that the file does not give another one.
    fn taken_by_others(&self, shapes: &[shape::Meeting]) -> Taken {
        let renewed = |meeting: &Meeting| {
            let same = |shape: &shape::Meeting| {
                shape.name.get_ref() == &meeting.name && shape.conference_id.is_some()
            };
            shapes.iter().any(same)
        };
        let kept = self.stored.meetings.iter().filter(|meeting| !renewed(meeting));
        kept.map(|meeting| (meeting.conference_id.clone(), meeting.name.clone())).collect()
    }

    /// Returns the name of each meeting that a table declares, with the ID that it chooses.
    fn members<'s>(
        &mut self,
        shape: &'s shape::Meeting,
        names: &mut Names,
    ) -> Vec<(String, Option<(String, &'s Text)>)> {
        let Some(ids) = &shape.conference_ids else {
            let name = self.new_name("meeting.name", &shape.name, names);
            let chosen = shape.conference_id.as_ref().map(|id| (id.get_ref().clone(), id));
            return name.map(|name| (name, chosen)).into_iter().collect();
        };
        let pattern = shape.name.get_ref();
        if let Some(one) = &shape.conference_id {
            let message = "stands beside conference_ids; use one of them".to_owned();
            self.problem("meeting.conference_id", one, message);
        }
        if !pattern.contains(MEMBER) {
            let message =
                format!("with conference_ids the name must hold {MEMBER}: \"room-{MEMBER}\"");
            self.problem("meeting.name", &shape.name, message);
            return Vec::new();
        }
        let Some(members) = range(ids.get_ref()) else {
            self.problem("meeting.conference_ids", ids, no_range(ids.get_ref()));
            return Vec::new();
        };
        let mut named = Vec::new();
        for id in members {
            let name = pattern.replace(MEMBER, &id);
            let fits = self.check_name("meeting.name", &shape.name, &name);
            if fits
                .and_then(|()| self.only_once("meeting.name", &shape.name, &name, names))
                .is_some()
            {
                named.push((name, Some((id, ids))));
            }
        }
        named
    }

    fn conference_id(
        &mut self,
        text: &str,
        at: &Text,
        meeting: &str,
        taken: &mut Taken,
    ) -> Option<Pin> {
        let id = Pin::parse(text).ok().filter(|id| DIGITS.contains(&id.reveal().len()));
        let Some(id) = id else {
            let message = format!(
                "not a conference ID; allowed are {} to {} digits in double quotes, or leave the \
                 key out and one of 9 digits is drawn",
                DIGITS.start(),
                DIGITS.end()
            );
            self.problem("meeting.conference_id", at, message);
            return None;
        };
        let before = taken.insert(id.clone(), meeting.to_owned());
        if let Some(other) = before.filter(|other| other != meeting) {
            let message = format!("{text} is the conference ID of {other} already; each is unique");
            self.problem("meeting.conference_id", at, message);
            return None;
        }
        Some(id)
    }

    /// The ID that the meeting has already.
    fn kept(&self, name: &str) -> Option<Pin> {
        let id = MeetingId::from_name(name);
        let stored = self.stored.meetings.iter().find(|meeting| meeting.id == id);
        stored.map(|meeting| meeting.conference_id.clone())
    }

    fn participants_max(&mut self, shape: &shape::Meeting) -> u32 {
        let Some(most) = &shape.participants_max else {
            return PARTICIPANTS;
        };
        let all = u32::try_from(limits::CALLS).unwrap_or(u32::MAX);
        if !(1..=all).contains(most.get_ref()) {
            let message = format!("{} is out of range; allowed are 1 to {all}", most.get_ref());
            self.problem("meeting.participants_max", most, message);
        }
        *most.get_ref()
    }
}
