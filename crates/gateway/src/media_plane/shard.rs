//! A media thread: on absolute deadlines of 20 ms it empties the sockets of its legs into the worker,
//! ticks it and sends what it says. It never logs, and allocates nothing per packet.
//!
//! All threads tick on one grid of deadlines and count its ticks alike. A leg that moves leaves at the
//! end of a tick and is there before the next one begins: threads that are on time leave no gap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use media::{Batch, Command, Handover, PortId, Worker};
use model::{Instant, limits};
use net::{Pair, Socket};
use tokio::sync::mpsc;

use super::punctuality::Punctuality;
use crate::clock;
use crate::telemetry::{MediaMeters, Moved};

/// Packets that are read from one port in each tick, whatever comes to the others.
const PACKETS: usize = 4;
/// Most packets read from one port in one tick: what a flood leaves of a peer's audio is found.
const FLOOD: usize = 64;
/// Most of them on all ports together beyond [`PACKETS`] each: a flood costs a twentieth of a tick.
const SPARE: usize = 512;
/// RTCP comes every few seconds: each port is looked at once in so many ticks.
const RTCP_EVERY: u64 = 10;
/// Longest RTP or RTCP packet read, bytes; longer ones are cut short.
const PACKET_BYTES: usize = 1_500;
/// A thread that is further behind leaves ticks out instead of making up for them.
const BEHIND_MAX: u64 = 5;

/// Where one thread's input comes from and its output goes to.
pub(super) struct Ends {
    pub(super) commands: Receiver<Command>,
    /// Legs that other threads give to it.
    pub(super) arrivals: Receiver<Handover>,
    /// The arrivals of every thread, in their order.
    pub(super) doors: Vec<SyncSender<Handover>>,
    pub(super) events: mpsc::Sender<media::Event>,
    pub(super) meters: MediaMeters,
    pub(super) punctuality: Arc<Punctuality>,
}

/// One thread's share of the media plane.
pub(super) struct Shard {
    worker: Worker,
    pairs: Arc<[Pair]>,
    ends: Ends,
    batch: Batch,
    /// Ports with a leg, copied each tick since receiving changes the worker.
    live: Vec<PortId>,
    packet: Box<[u8; PACKET_BYTES]>,
    /// Legs whose new thread had no room for them yet.
    departing: VecDeque<Handover>,
    /// When the plane began: all threads tick at whole ticks from there.
    origin: Instant,
    /// The tick that is done next, counted from there.
    tick: u64,
}

impl Shard {
    pub(super) fn new(worker: Worker, pairs: Arc<[Pair]>, ends: Ends, origin: Instant) -> Self {
        Self {
            worker,
            live: Vec::with_capacity(pairs.len()),
            pairs,
            ends,
            batch: Batch::default(),
            packet: Box::new([0; PACKET_BYTES]),
            departing: VecDeque::new(),
            origin,
            tick: 1,
        }
    }

    pub(super) fn run(mut self, stop: &AtomicBool) {
        // What passed before the thread began was nobody's.
        self.leave_out(self.behind());
        while !stop.load(Ordering::Relaxed) {
            let deadline = self.deadline();
            clock::sleep_until(deadline);
            let now = clock::mono();
            let before = clock::worked();
            let moved = self.tick(now);
            let busy = clock::worked().saturating_sub(before);
            self.ends.punctuality.ticked(now.since(deadline), busy);
            self.ends.meters.ticked(now.since(deadline), self.worker.legs(), moved);
            self.tick += 1;
            // Ticks that are due already follow at once, so that no time is lost.
            let behind = self.behind();
            if behind > BEHIND_MAX {
                self.ends.meters.skipped(behind);
                self.leave_out(behind);
            }
        }
    }

    fn tick(&mut self, now: Instant) -> Moved {
        let adopted = self.adopt(now);
        while let Ok(command) = self.ends.commands.try_recv() {
            self.command(command, now);
        }
        let received = self.receive(now);
        self.batch.clear();
        self.worker.tick(now, &mut self.batch);
        let (sent, unsent) = self.send();
        self.tell();
        self.hand_over();
        Moved { received, sent, unsent, adopted }
    }

    fn adopt(&mut self, now: Instant) -> u64 {
        let mut adopted = 0;
        while let Ok(handover) = self.ends.arrivals.try_recv() {
            self.worker.adopt(handover, now);
            adopted += 1;
        }
        adopted
    }

    fn command(&mut self, command: Command, now: Instant) {
        if let Command::Open { port, .. } = &command {
            self.forget_leftovers(*port);
        }
        self.worker.command(command, now);
    }

    /// Throws away what came to a port between two legs.
    fn forget_leftovers(&mut self, port: PortId) {
        let Some(pair) = self.pairs.get(usize::from(port.0)) else { return };
        for socket in [&pair.rtp, &pair.rtcp] {
            // As many as the socket's buffer can hold.
            for _ in 0..1_000 {
                if !matches!(socket.receive_one(&mut self.packet[..]), Ok(Some(_))) {
                    break;
                }
            }
        }
    }

    fn receive(&mut self, now: Instant) -> u64 {
        self.live.clear();
        self.live.extend(self.worker.ports());
        let (mut received, mut spare) = (0, SPARE);
        for port in &self.live {
            let Some(pair) = self.pairs.get(usize::from(port.0)) else { continue };
            let rtcp = (self.tick + u64::from(port.0)).is_multiple_of(RTCP_EVERY);
            let sockets: [Option<(&Socket, bool)>; 2] =
                [Some((&pair.rtp, false)), rtcp.then_some((&pair.rtcp, true))];
            for (socket, rtcp) in sockets.into_iter().flatten() {
                for number in 0..FLOOD {
                    if number >= PACKETS {
                        let Some(rest) = spare.checked_sub(1) else { break };
                        spare = rest;
                    }
                    let Ok(Some((length, source))) = socket.receive_one(&mut self.packet[..])
                    else {
                        break;
                    };
                    received += 1;
                    let payload = self.packet.get(..length).unwrap_or_default();
                    self.worker.receive(*port, rtcp, source, payload, now);
                }
            }
        }
        received
    }

    fn send(&self) -> (u64, u64) {
        let (mut sent, mut unsent) = (0, 0);
        for outgoing in self.batch.iter() {
            let Some(pair) = self.pairs.get(usize::from(outgoing.port.0)) else { continue };
            let socket = if outgoing.rtcp { &pair.rtcp } else { &pair.rtp };
            match socket.send(outgoing.payload, outgoing.destination) {
                Ok(()) => sent += 1,
                Err(_) => unsent += 1,
            }
        }
        (sent, unsent)
    }

    /// Tells the news. What the loop cannot take yet stays in the worker's bounded queue.
    fn tell(&mut self) {
        while let Ok(place) = self.ends.events.try_reserve() {
            let Some(event) = self.worker.poll_event() else { break };
            place.send(event);
        }
    }

    /// Gives legs to other threads.
    fn hand_over(&mut self) {
        while let Some(handover) =
            self.departing.pop_front().or_else(|| self.worker.poll_handover())
        {
            let door = self.ends.doors.get(usize::from(handover.to().0));
            let door = door.expect("the bridge was told of these threads only");
            match door.try_send(handover) {
                Ok(()) => {}
                Err(TrySendError::Full(handover)) => return self.departing.push_front(handover),
                // The plane ends.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }

    fn deadline(&self) -> Instant {
        let micros = u64::try_from(limits::TICK.as_micros()).unwrap_or(u64::MAX);
        Instant { micros: self.origin.micros.saturating_add(self.tick.saturating_mul(micros)) }
    }

    /// How many whole ticks the next deadline lies behind.
    fn behind(&self) -> u64 {
        let behind = clock::mono().since(self.deadline()).as_micros() / limits::TICK.as_micros();
        u64::try_from(behind).unwrap_or(u64::MAX)
    }

    fn leave_out(&mut self, ticks: u64) {
        self.tick += ticks;
        self.worker.leave_out(ticks);
    }
}
