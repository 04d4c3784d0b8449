//! One shard of the media plane: it receives datagrams, mixes on the tick and says what to send.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use model::{CallId, Instant, MeetingId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use slab::Slab;

pub use crate::batch::{Batch, Outgoing};
use crate::command::{Command, Event, LegStats, PortId, ShardId};
use crate::control::Route;
use crate::handover::{Expected, Handover};
use crate::leg::{Leg, Opening};
use crate::news::News;
use crate::playback::Playback;
use crate::prompt::Library;
use crate::room::Room;

/// No leg on that port.
const FREE: usize = usize::MAX;

/// Legs and rooms of one media thread.
pub struct Worker {
    library: Arc<Library>,
    most: usize,
    legs: Slab<Leg>,
    /// Places of the live legs in `legs`, so that a tick costs what is live.
    live: Vec<usize>,
    /// How many of them were closed since the last tick.
    closing: usize,
    rooms: Slab<Room>,
    by_call: HashMap<CallId, usize>,
    by_meeting: HashMap<MeetingId, usize>,
    by_port: Vec<usize>,
    /// Legs that are given away after the next tick.
    leaving: VecDeque<(CallId, ShardId)>,
    /// Legs that come from other workers.
    expected: Expected,
    chance: ChaCha20Rng,
    news: News,
    ticks: u64,
    ticked: Option<Instant>,
    strays: u64,
}

impl Worker {
    /// Makes a worker for at most `legs` legs on ports below `ports`; all memory is taken here.
    #[must_use]
    pub fn new(library: Arc<Library>, legs: usize, ports: usize, seed: [u8; 32]) -> Self {
        Self {
            library,
            most: legs,
            legs: Slab::with_capacity(legs),
            live: Vec::with_capacity(legs),
            closing: 0,
            rooms: Slab::with_capacity(legs),
            by_call: HashMap::with_capacity(legs),
            by_meeting: HashMap::with_capacity(legs),
            by_port: vec![FREE; ports],
            leaving: VecDeque::with_capacity(legs),
            expected: Expected::default(),
            chance: ChaCha20Rng::from_seed(seed),
            news: News::with_capacity(legs),
            ticks: 0,
            ticked: None,
            strays: 0,
        }
    }

    /// Takes a command. One about a leg that is gone is ignored. An `Open` without a place for it
    /// (the worker is full, the port is unknown or taken, the call is open) opens nothing; unless
    /// the call or the port is in use it is answered by [`Event::Closed`].
    pub fn command(&mut self, command: Command, now: Instant) {
        if let Some(command) = self.expected.keep(command) {
            self.obey(command, now);
        }
    }

    /// Takes one datagram from a port's RTP or RTCP socket.
    pub fn receive(
        &mut self,
        port: PortId,
        rtcp: bool,
        source: SocketAddr,
        payload: &[u8],
        now: Instant,
    ) {
        let at = self.by_port.get(usize::from(port.0)).copied();
        let Some(leg) = at.and_then(|at| self.legs.get_mut(at)) else {
            self.strays += 1;
            return;
        };
        if rtcp {
            let route = Route { destination: source, own_socket: true };
            leg.receive_control(route, payload, now, &mut self.news);
        } else {
            leg.receive(source, payload, now, &mut self.news);
        }
    }

    /// Takes over a leg that another worker has released. It is served from the next tick on, unless
    /// its old worker did that one already. A leg always finds a place.
    pub fn adopt(&mut self, handover: Handover, now: Instant) {
        let Handover { call, leg, tick, ticked, to: _ } = handover;
        let is_there = leg.is_some();
        if let Some(mut leg) = leg {
            leg.arrive((tick, ticked), self.ticks);
            self.place(*leg);
        }
        for command in self.expected.arrived(call, is_there) {
            self.command(command, now);
        }
    }

    /// Lets ticks pass that nobody does. Workers that share a plane's legs count the same ticks, so
    /// that no tick of a leg is left out or done twice when it moves.
    pub const fn leave_out(&mut self, ticks: u64) {
        self.ticks += ticks;
    }

    /// Mixes 20 ms, those from `now` on, and adds what is to be sent to `out`.
    pub fn tick(&mut self, now: Instant, out: &mut Batch) {
        out.reserve(self.most);
        self.ticks += 1;
        self.ticked = Some(now);
        self.bury(now, out);
        for &at in &self.live {
            let leg = &mut self.legs[at];
            if leg.was_served(self.ticks) {
                continue;
            }
            let mut room = leg.room.map(|room| &mut self.rooms[room]);
            if let Some(room) = &mut room {
                room.begin(self.ticks);
            }
            leg.hear(room, now, &mut self.news);
        }
        for &at in &self.live {
            let leg = &mut self.legs[at];
            if leg.was_served(self.ticks) {
                continue;
            }
            let room = leg.room.map(|room| &mut self.rooms[room]);
            leg.speak(room, &self.library, now, out, &mut self.news);
        }
    }

    /// Returns the next event; the queue is bounded by the number of legs.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.news.next()
    }

    /// Returns the next leg that is given away, to be adopted by the worker that it names. Ask after
    /// a tick and after its events were taken: no news of a leg overtakes older news of it.
    #[must_use]
    pub fn poll_handover(&mut self) -> Option<Handover> {
        if !self.news.is_told() {
            return None;
        }
        let (call, to) = self.leaving.pop_front()?;
        let ticked = self.ticked.unwrap_or(Instant::START);
        let leg = self.take_out(call).map(Box::new);
        Some(Handover { to, call, leg, tick: self.ticks, ticked })
    }

    /// Returns the ports that have a leg, for the shell to receive on.
    pub fn ports(&self) -> impl Iterator<Item = PortId> {
        self.live.iter().map(|&at| self.legs[at].port)
    }

    /// Returns how many legs live.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.live.len()
    }

    /// Returns how many rooms live.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Returns how many datagrams came to ports without a leg.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Returns how many digits were dropped because nobody took the events.
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.news.dropped()
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Open { call, port, flow, language, ssrc } => {
                let ticked = self.ticked.unwrap_or(now);
                let chance =
                    u128::from(self.chance.next_u64()) << 64 | u128::from(self.chance.next_u64());
                self.open(Opening { call, port, flow, language, ssrc, chance, ticked }, now);
            }
            Command::Update { call, flow } => self.with(call, |leg| leg.update(flow)),
            Command::Play { call, prompts, token, barge_in, over_room } => self.with(call, |leg| {
                leg.playback = Some(Playback::new(&prompts, token, barge_in, over_room));
            }),
            Command::Hush { call } => self.with(call, |leg| leg.playback = None),
            Command::Listen { call, tones } => self.with(call, |leg| leg.listen(tones)),
            Command::Seat { call, room } => self.seat(call, room),
            Command::Unseat { call } => {
                if let Some(&at) = self.by_call.get(&call) {
                    self.unseat(at);
                }
            }
            Command::Fund { call, until } => self.with(call, |leg| leg.fund(until)),
            Command::Close { call } => self.close(call),
            Command::Release { call, to } => {
                if let Some(&at) = self.by_call.get(&call) {
                    self.unseat(at);
                }
                self.leaving.push_back((call, to));
            }
            Command::Expect { call } => self.expect(call),
        }
    }

    fn with(&mut self, call: CallId, act: impl FnOnce(&mut Leg)) {
        if let Some(&at) = self.by_call.get(&call) {
            act(&mut self.legs[at]);
        }
    }

    fn open(&mut self, opening: Opening, now: Instant) {
        let (call, port) = (opening.call, opening.port);
        let place = self.by_port.get(usize::from(port.0)).copied();
        if self.by_call.contains_key(&call) || place.is_some_and(|at| at != FREE) {
            return;
        }
        if place.is_none() || self.legs.len() >= self.most {
            self.news.answer(Event::Closed { call, port, stats: LegStats::default() });
            return;
        }
        self.place(Leg::open(opening, now));
    }

    fn place(&mut self, leg: Leg) {
        let (call, port) = (leg.call, usize::from(leg.port.0));
        let at = self.legs.insert(leg);
        self.live.push(at);
        self.by_call.insert(call, at);
        self.by_port[port] = at;
    }

    /// Takes a leg out of everything; one that is closing stays to be closed.
    fn take_out(&mut self, call: CallId) -> Option<Leg> {
        let at = *self.by_call.get(&call)?;
        if self.legs[at].closing {
            return None;
        }
        self.unseat(at);
        self.live.retain(|&live| live != at);
        let leg = self.legs.remove(at);
        self.by_call.remove(&call);
        self.by_port[usize::from(leg.port.0)] = FREE;
        Some(leg)
    }

    /// Announces a leg, unless it came before its announcement.
    fn expect(&mut self, call: CallId) {
        let is_leaving = self.leaving.iter().any(|(leaving, _)| *leaving == call);
        if is_leaving || !self.by_call.contains_key(&call) {
            self.expected.announce(call);
        }
    }

    fn close(&mut self, call: CallId) {
        if let Some(&at) = self.by_call.get(&call) {
            self.closing += usize::from(!self.legs[at].closing);
            self.legs[at].closing = true;
        }
    }

    fn seat(&mut self, call: CallId, meeting: MeetingId) {
        let Some(&at) = self.by_call.get(&call) else { return };
        let now_in = self.legs[at].room.map(|room| self.rooms[room].meeting);
        if now_in == Some(meeting) {
            return;
        }
        self.unseat(at);
        let rooms = &mut self.rooms;
        let room =
            *self.by_meeting.entry(meeting).or_insert_with(|| rooms.insert(Room::new(meeting)));
        self.rooms[room].seats += 1;
        self.legs[at].room = Some(room);
    }

    fn unseat(&mut self, at: usize) {
        let Some(room) = self.legs[at].room.take() else { return };
        self.rooms[room].seats -= 1;
        if self.rooms[room].seats == 0 {
            let room = self.rooms.remove(room);
            self.by_meeting.remove(&room.meeting);
        }
    }

    /// Ends the legs that were closed since the last tick.
    fn bury(&mut self, now: Instant, out: &mut Batch) {
        let mut place = 0;
        while self.closing > 0
            && let Some(&at) = self.live.get(place)
        {
            if !self.legs[at].closing {
                place += 1;
                continue;
            }
            self.closing -= 1;
            self.unseat(at);
            self.live.swap_remove(place);
            self.legs[at].report(true, now, out);
            let leg = self.legs.remove(at);
            self.by_call.remove(&leg.call);
            self.by_port[usize::from(leg.port.0)] = FREE;
            self.news.answer(Event::Closed { call: leg.call, port: leg.port, stats: leg.stats() });
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("legs", &self.live.len())
            .field("rooms", &self.rooms.len())
            .field("ticks", &self.ticks)
            .finish_non_exhaustive()
    }
}
