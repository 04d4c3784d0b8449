//! The media plane of a story: real workers that tick together, read their commands when they tick,
//! and give legs to each other, sometimes late.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use media::{Batch, Command, Event, Handover, Library, PortId, ShardId, Worker};
use model::{CallId, Instant, MeetingId};

use crate::dice::{Dice, seed_bytes};

/// A datagram for a leg that is on its way: the port, whether RTCP, from whom, what.
type Arriving = (PortId, bool, SocketAddr, Vec<u8>);

/// Workers, and what lies between them and their outside.
#[derive(Debug)]
pub struct Plane {
    workers: Vec<Worker>,
    unread: Vec<VecDeque<Command>>,
    /// Legs on their way, and how many ticks it takes beyond the one it always does.
    flying: Vec<(u64, Handover)>,
    buffered: Vec<Arriving>,
    /// Where the legs of each room sit.
    seats: BTreeMap<CallId, (MeetingId, ShardId)>,
    /// The stream and the last sequence number sent from each port.
    streams: BTreeMap<PortId, ([u8; 4], u16)>,
    dice: Dice,
    /// Legs that moved.
    pub moved: u64,
}

impl Plane {
    /// Makes a plane of some workers.
    #[must_use]
    pub fn new(shards: u8, ports: u16, library: &Arc<Library>, (seed, life): (u64, u64)) -> Self {
        let count = usize::from(ports);
        let worker = |shard: u8| {
            let seed = seed_bytes(seed, 1_000 + life + 100_000 * u64::from(shard));
            Worker::new(Arc::clone(library), count, count, seed)
        };
        Self {
            workers: (0..shards).map(worker).collect(),
            unread: (0..shards).map(|_| VecDeque::new()).collect(),
            flying: Vec::new(),
            buffered: Vec::new(),
            seats: BTreeMap::new(),
            streams: BTreeMap::new(),
            dice: Dice::new(seed, 2_000 + life),
            moved: 0,
        }
    }

    /// Returns how many legs live, those on their way included.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.workers.iter().map(Worker::legs).sum::<usize>() + self.flying.len()
    }

    /// Whether a tick has anything to do.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.legs() > 0 || self.unread.iter().any(|unread| !unread.is_empty())
    }

    /// Takes a command, to be read with the worker's next tick.
    ///
    /// # Errors
    /// If it seats legs of one room with two workers.
    pub fn command(&mut self, shard: ShardId, command: Command) -> Result<(), String> {
        match &command {
            Command::Seat { call, room } => {
                self.seats.insert(*call, (*room, shard));
                let elsewhere = |seat: &(MeetingId, ShardId)| seat.0 == *room && seat.1 != shard;
                if self.seats.values().any(elsewhere) {
                    return Err(format!("room {room} is on two workers, {call} on {shard:?}"));
                }
            }
            Command::Unseat { call } | Command::Close { call } => {
                self.seats.remove(call);
            }
            Command::Open { .. }
            | Command::Update { .. }
            | Command::Play { .. }
            | Command::Listen { .. }
            | Command::Hush { .. }
            | Command::Fund { .. }
            | Command::Release { .. }
            | Command::Expect { .. } => {}
        }
        let unread = self.unread.get_mut(usize::from(shard.0));
        unread.ok_or(format!("there is no worker {shard:?}"))?.push_back(command);
        Ok(())
    }

    /// Takes a datagram to a port.
    pub fn receive(&mut self, (port, rtcp, source, payload): Arriving, now: Instant) {
        let has = |worker: &&mut Worker| worker.ports().any(|live| live == port);
        if let Some(worker) = self.workers.iter_mut().find(has) {
            worker.receive(port, rtcp, source, &payload, now);
        } else if !self.flying.is_empty() {
            self.buffered.push((port, rtcp, source, payload));
        }
    }

    /// Lets every worker do a tick, and adds what they send to `out`.
    ///
    /// # Errors
    /// If a leg's packets are not in order, each once.
    pub fn tick(&mut self, now: Instant, out: &mut Batch) -> Result<(), String> {
        self.land(now);
        let first = usize::try_from(self.dice.below(8)).unwrap_or(0);
        for turn in 0..self.workers.len() {
            let shard = (turn + first) % self.workers.len();
            let (worker, unread) = (&mut self.workers[shard], &mut self.unread[shard]);
            for command in unread.drain(..) {
                worker.command(command, now);
            }
            worker.tick(now, out);
        }
        self.watch(out)
    }

    /// Returns the next event. When there is none, legs that are given away leave.
    pub fn poll_event(&mut self) -> Option<Event> {
        for worker in &mut self.workers {
            if let Some(event) = worker.poll_event() {
                return Some(event);
            }
            while let Some(handover) = worker.poll_handover() {
                self.moved += 1;
                let late = if self.dice.chance(300) { self.dice.between(1, 4) } else { 0 };
                self.flying.push((late, handover));
            }
        }
        None
    }

    fn land(&mut self, now: Instant) {
        for (late, handover) in std::mem::take(&mut self.flying) {
            if late > 0 {
                self.flying.push((late - 1, handover));
            } else if let Some(worker) = self.workers.get_mut(usize::from(handover.to().0)) {
                worker.adopt(handover, now);
            }
        }
        for arriving in std::mem::take(&mut self.buffered) {
            self.receive(arriving, now);
        }
    }

    fn watch(&mut self, out: &Batch) -> Result<(), String> {
        for sent in out.iter().filter(|sent| sent.payload[1] & 0x7f < 72) {
            let sequence = u16::from_be_bytes([sent.payload[2], sent.payload[3]]);
            let stream = [8, 9, 10, 11].map(|at| sent.payload[at]);
            let last = self.streams.insert(sent.port, (stream, sequence));
            if last
                .is_some_and(|(before, last)| before == stream && sequence != last.wrapping_add(1))
            {
                return Err(format!("port {:?} sent {sequence} after {last:?}", sent.port));
            }
        }
        Ok(())
    }
}
