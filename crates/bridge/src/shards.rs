//! Which worker of the media plane serves which leg: legs of one conference share one, whose room
//! they hear; the rest are spread.

use std::collections::BTreeMap;

use media::{Command, ShardId};
use model::{CallId, MeetingId};

/// A command and the worker that it is for.
pub(crate) type Addressed = (ShardId, Command);

/// Where a leg is, or is on its way to.
#[derive(Debug, Clone, Copy)]
struct Place {
    shard: ShardId,
    /// The conference that keeps it there.
    meeting: Option<MeetingId>,
}

/// Where a conference lives.
#[derive(Debug, Clone, Copy)]
struct Home {
    shard: ShardId,
    /// Its legs there.
    legs: usize,
}

/// The workers and what each has to do.
#[derive(Debug)]
pub(crate) struct Shards {
    /// Legs of each worker.
    loads: Vec<usize>,
    legs: BTreeMap<CallId, Place>,
    homes: BTreeMap<MeetingId, Home>,
}

impl Shards {
    /// Begins with that many workers, at least one.
    pub(crate) fn new(count: u8) -> Self {
        let loads = vec![0; usize::from(count.max(1))];
        Self { loads, legs: BTreeMap::new(), homes: BTreeMap::new() }
    }

    /// Returns a command with its address, behind what it takes to have the leg there. Nothing if
    /// the leg is gone. `meeting` is the leg's, if known.
    ///
    /// A leg opens where its conference lives, else where the fewest legs are. A conference lives
    /// where its first leg took its seat: where the fewest other legs are, so that a leg that is
    /// alone with its worker stays. A leg that takes its seat elsewhere moves.
    pub(crate) fn route(&mut self, command: Command, meeting: Option<MeetingId>) -> Vec<Addressed> {
        let call = command.call();
        match command {
            Command::Open { .. } => {
                let shard = self.open(call, meeting);
                vec![(shard, command)]
            }
            Command::Seat { room, .. } => self.seat(call, room, command),
            Command::Unseat { .. } => {
                let place = self.legs.get_mut(&call);
                let left = place.map(|place| (place.shard, place.meeting.take()));
                let Some((shard, meeting)) = left else { return Vec::new() };
                self.depart(meeting);
                vec![(shard, command)]
            }
            Command::Update { .. }
            | Command::Play { .. }
            | Command::Hush { .. }
            | Command::Listen { .. }
            | Command::Fund { .. }
            | Command::Close { .. }
            | Command::Release { .. }
            | Command::Expect { .. } => {
                let place = self.legs.get(&call);
                place.map(|place| (place.shard, command)).into_iter().collect()
            }
        }
    }

    /// Forgets a leg that the media plane has closed, or that never was.
    pub(crate) fn forget(&mut self, call: CallId) {
        let Some(place) = self.legs.remove(&call) else { return };
        self.lighten(place.shard);
        self.depart(place.meeting);
    }

    fn open(&mut self, call: CallId, meeting: Option<MeetingId>) -> ShardId {
        self.forget(call);
        let home = meeting.and_then(|meeting| self.homes.get(&meeting));
        let shard = home.map_or_else(|| self.calmest(None), |home| home.shard);
        self.settle(call, Place { shard, meeting });
        shard
    }

    fn seat(&mut self, call: CallId, meeting: MeetingId, command: Command) -> Vec<Addressed> {
        let Some(place) = self.legs.get(&call).copied() else { return Vec::new() };
        if place.meeting == Some(meeting) {
            return vec![(place.shard, command)];
        }
        self.forget(call);
        let home = self.homes.get(&meeting).map(|home| home.shard);
        let shard = home.unwrap_or_else(|| self.calmest(Some(place.shard)));
        self.settle(call, Place { shard, meeting: Some(meeting) });
        if shard == place.shard {
            return vec![(shard, command)];
        }
        let release = Command::Release { call, to: shard };
        vec![(place.shard, release), (shard, Command::Expect { call }), (shard, command)]
    }

    /// Notes where a leg is.
    fn settle(&mut self, call: CallId, place: Place) {
        self.legs.insert(call, place);
        if let Some(load) = self.loads.get_mut(usize::from(place.shard.0)) {
            *load += 1;
        }
        if let Some(meeting) = place.meeting {
            let home = Home { shard: place.shard, legs: 0 };
            self.homes.entry(meeting).or_insert(home).legs += 1;
        }
    }

    /// A leg left its conference, which ends with the last.
    fn depart(&mut self, meeting: Option<MeetingId>) {
        let Some(meeting) = meeting else { return };
        if let Some(home) = self.homes.get_mut(&meeting) {
            home.legs = home.legs.saturating_sub(1);
            if home.legs == 0 {
                self.homes.remove(&meeting);
            }
        }
    }

    fn lighten(&mut self, shard: ShardId) {
        if let Some(load) = self.loads.get_mut(usize::from(shard.0)) {
            *load = load.saturating_sub(1);
        }
    }

    /// Returns the worker with the fewest legs; of equal ones the favoured, then the first.
    fn calmest(&self, favoured: Option<ShardId>) -> ShardId {
        let shards = (0..=u8::MAX).map(ShardId).zip(&self.loads);
        let calmest = shards.min_by_key(|(shard, load)| (**load, Some(*shard) != favoured));
        calmest.map_or(ShardId::default(), |(shard, _)| shard)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use media::command::Codec;
    use media::{Direction, Flow, PortId};

    use super::*;

    const MEETING: MeetingId = MeetingId(1);

    #[test]
    fn legs_without_a_conference_are_spread_and_ties_go_to_the_first() {
        let mut shards = Shards::new(3);
        let opened: Vec<u8> = (0..4).map(|leg| open(&mut shards, leg, None)).collect();
        assert_eq!(opened, [0, 1, 2, 0]);
        shards.forget(CallId(1));
        assert_eq!(open(&mut shards, 9, None), 1);
    }

    #[test]
    fn a_leg_of_a_live_conference_opens_where_it_lives() {
        let mut shards = Shards::new(2);
        assert_eq!(open(&mut shards, 0, Some(MEETING)), 0);
        assert_eq!(open(&mut shards, 1, Some(MEETING)), 0);
        assert_eq!(open(&mut shards, 2, Some(MeetingId(2))), 1);
        assert_eq!(seat(&mut shards, 1, MEETING), [(0, "seat")]);
    }

    #[test]
    fn a_leg_that_takes_its_seat_elsewhere_moves_ahead_of_all_later_commands() {
        let mut shards = Shards::new(2);
        open(&mut shards, 0, None);
        open(&mut shards, 1, None);
        assert_eq!(seat(&mut shards, 0, MEETING), [(0, "seat")]);
        assert_eq!(seat(&mut shards, 1, MEETING), [(1, "release"), (0, "expect"), (0, "seat")]);
        let close = shards.route(Command::Close { call: CallId(1) }, None);
        assert_eq!(names(close), [(0, "close")]);
    }

    #[test]
    fn a_conference_lives_where_the_fewest_other_legs_are_when_it_begins() {
        let mut shards = Shards::new(2);
        for leg in 0..2 {
            open(&mut shards, leg, Some(MEETING));
        }
        for leg in 2..4 {
            assert_eq!(open(&mut shards, leg, None), 1);
        }
        // Its own worker has one other leg, the first has two.
        assert_eq!(seat(&mut shards, 2, MeetingId(2)), [(1, "seat")]);
        shards.forget(CallId(0));
        shards.forget(CallId(1));
        assert_eq!(seat(&mut shards, 3, MeetingId(3)).last(), Some(&(0, "seat")));
    }

    #[test]
    fn a_conference_ends_with_its_last_leg_and_begins_anywhere() {
        let mut shards = Shards::new(2);
        open(&mut shards, 0, Some(MEETING));
        open(&mut shards, 1, None);
        shards.forget(CallId(0));
        assert_eq!(seat(&mut shards, 1, MEETING), [(1, "seat")]);
        shards.forget(CallId(1));
        assert!(shards.homes.is_empty() && shards.legs.is_empty());
        assert_eq!(shards.loads, [0, 0]);
    }

    #[test]
    fn what_is_said_of_a_leg_that_is_gone_goes_nowhere() {
        let mut shards = Shards::new(2);
        assert!(shards.route(Command::Close { call: CallId(1) }, None).is_empty());
        assert!(seat(&mut shards, 1, MEETING).is_empty());
        assert!(shards.homes.is_empty());
    }

    fn open(shards: &mut Shards, leg: u16, meeting: Option<MeetingId>) -> u8 {
        let flow = Flow {
            codec: Codec::Pcmu,
            ptime: Duration::from_millis(20),
            digits_in: None,
            comfort_noise: false,
            remote: SocketAddr::from(([192, 0, 2, 1], 4_000)),
            remote_rtcp: None,
            direction: Direction::SendRecv,
            held: false,
            sources: Vec::new(),
            security: None,
        };
        let call = CallId(leg.into());
        let open = Command::Open { call, port: PortId(leg), flow, language: 0, ssrc: 1 };
        let routed = shards.route(open, meeting);
        assert_eq!(routed.len(), 1);
        routed[0].0.0
    }

    fn seat(shards: &mut Shards, leg: u16, meeting: MeetingId) -> Vec<(u8, &'static str)> {
        let seat = Command::Seat { call: CallId(leg.into()), room: meeting };
        names(shards.route(seat, Some(meeting)))
    }

    fn names(routed: Vec<Addressed>) -> Vec<(u8, &'static str)> {
        let name = |command: &Command| match command {
            Command::Seat { .. } => "seat",
            Command::Release { .. } => "release",
            Command::Expect { .. } => "expect",
            Command::Close { .. } => "close",
            Command::Open { .. }
            | Command::Update { .. }
            | Command::Play { .. }
            | Command::Hush { .. }
            | Command::Listen { .. }
            | Command::Unseat { .. }
            | Command::Fund { .. } => "other",
        };
        routed.iter().map(|(shard, command)| (shard.0, name(command))).collect()
    }
}
