//! The media thread: on absolute deadlines of 20 ms it empties the sockets into the worker, ticks
//! it and sends what it says. It never logs, and allocates nothing per packet.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::{io, thread};

use media::{Batch, Command, Library, PortId, Worker};
use model::{Instant, limits};
use net::{Pair, Socket};
use tokio::sync::mpsc;

use crate::abort::AbortOnPanic;
use crate::clock;
use crate::telemetry::{MediaMeters, Moved};

/// Most packets read from one port in one tick: the peer may send bursts, not floods.
const PACKETS: usize = 4;
/// RTCP comes every few seconds: each port is looked at once in so many ticks.
const RTCP_EVERY: u64 = 10;
/// Longest RTP or RTCP packet read, bytes; longer ones are cut short.
const PACKET_BYTES: usize = 1_500;
/// A thread that is further behind leaves ticks out instead of making up for them.
const BEHIND_MAX: u64 = 5;
/// Commands on their way, for each leg.
const COMMANDS_PER_LEG: usize = 32;

/// What a media thread is given.
pub(crate) struct Plan {
    /// The recordings.
    pub(crate) library: Arc<Library>,
    /// Most legs.
    pub(crate) legs: usize,
    /// Its ports; a [`PortId`] is a place in here.
    pub(crate) pairs: Vec<Pair>,
    /// For the worker.
    pub(crate) seed: [u8; 32],
    /// The processor that it is bound to.
    pub(crate) cpu: Option<usize>,
    /// Whether it asks for real-time priority.
    pub(crate) real_time: bool,
}

/// The media plane as the loop sees it. One thread serves every leg; each port belongs to one
/// thread, so that more threads mean more of these.
pub(crate) struct MediaPlane {
    commands: SyncSender<Command>,
    /// What the thread's queue has no room for yet, in order. The loop reads no datagrams meanwhile:
    /// no flood of requests makes it grow.
    backlog: VecDeque<Command>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MediaPlane {
    /// Starts the thread. Its news goes to `events`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start(
        plan: Plan,
        events: mpsc::Sender<media::Event>,
        meters: MediaMeters,
    ) -> io::Result<Self> {
        let (commands, waiting) = sync_channel(plan.legs.saturating_mul(COMMANDS_PER_LEG));
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        meters.bound(plan.pairs.len());
        let thread = thread::Builder::new().name("media".to_owned()).spawn(move || {
            let _abort = AbortOnPanic("the media thread");
            prepare(plan.cpu, plan.real_time);
            let worker = Worker::new(plan.library, plan.legs, plan.pairs.len(), plan.seed);
            Shard::new(worker, plan.pairs, waiting, events, meters).run(&stop);
        })?;
        let backlog = VecDeque::new();
        Ok(Self { commands, backlog, stopping, thread: Some(thread) })
    }

    /// Hands over a command; `false` if the thread has ended.
    #[must_use]
    pub(crate) fn command(&mut self, command: Command) -> bool {
        self.backlog.push_back(command);
        self.press_on()
    }

    /// Hands over what waits, as far as there is room; `false` if the thread has ended.
    #[must_use]
    pub(crate) fn press_on(&mut self) -> bool {
        while let Some(command) = self.backlog.pop_front() {
            match self.commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => {
                    self.backlog.push_front(command);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        true
    }

    /// Whether commands wait for room.
    pub(crate) fn is_crowded(&self) -> bool {
        !self.backlog.is_empty()
    }
}

/// Ends the thread and waits for its last tick.
impl Drop for MediaPlane {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Pairs each port with the address that peers are told.
pub(crate) fn advertised(pairs: &[Pair], address: IpAddr) -> Vec<(PortId, SocketAddr)> {
    let ids = (0..=u16::MAX).map(PortId);
    ids.zip(pairs)
        .map(|(id, pair)| (id, SocketAddr::new(address, pair.rtp.local().port())))
        .collect()
}

/// Binds the thread to its processor and raises its priority, as far as it may.
fn prepare(cpu: Option<usize>, real_time: bool) {
    if let Some(cpu) = cpu
        && let Err(error) = net::system::pin(cpu)
    {
        tracing::warn!(cpu, %error, "the media thread could not be bound to its processor");
    }
    if real_time && let Err(error) = net::system::real_time() {
        tracing::warn!(%error, "the media thread got no real-time priority");
    }
}

/// One thread's share of the media plane.
struct Shard {
    worker: Worker,
    pairs: Vec<Pair>,
    commands: Receiver<Command>,
    events: mpsc::Sender<media::Event>,
    meters: MediaMeters,
    batch: Batch,
    /// Ports with a leg, copied each tick since receiving changes the worker.
    live: Vec<PortId>,
    packet: Box<[u8; PACKET_BYTES]>,
    tick: u64,
}

impl Shard {
    fn new(
        worker: Worker,
        pairs: Vec<Pair>,
        commands: Receiver<Command>,
        events: mpsc::Sender<media::Event>,
        meters: MediaMeters,
    ) -> Self {
        let live = Vec::with_capacity(pairs.len());
        let packet = Box::new([0; PACKET_BYTES]);
        let batch = Batch::default();
        Self { worker, pairs, commands, events, meters, batch, live, packet, tick: 0 }
    }

    fn run(mut self, stop: &AtomicBool) {
        let mut deadline = clock::mono() + limits::TICK;
        while !stop.load(Ordering::Relaxed) {
            clock::sleep_until(deadline);
            let now = clock::mono();
            let moved = self.tick(now);
            self.meters.ticked(now.since(deadline), self.worker.legs(), moved);
            deadline = self.next_deadline(deadline);
        }
    }

    fn tick(&mut self, now: Instant) -> Moved {
        self.tick += 1;
        while let Ok(command) = self.commands.try_recv() {
            self.command(command, now);
        }
        let received = self.receive(now);
        self.batch.clear();
        self.worker.tick(now, &mut self.batch);
        let (sent, unsent) = self.send();
        self.tell();
        Moved { received, sent, unsent }
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
        let mut received = 0;
        for port in &self.live {
            let Some(pair) = self.pairs.get(usize::from(port.0)) else { continue };
            let rtcp = (self.tick + u64::from(port.0)).is_multiple_of(RTCP_EVERY);
            let sockets: [Option<(&Socket, bool)>; 2] =
                [Some((&pair.rtp, false)), rtcp.then_some((&pair.rtcp, true))];
            for (socket, rtcp) in sockets.into_iter().flatten() {
                for _ in 0..PACKETS {
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
        while let Ok(place) = self.events.try_reserve() {
            let Some(event) = self.worker.poll_event() else { break };
            place.send(event);
        }
    }

    /// The next deadline on the grid. Ticks that are due already follow at once, so that no time
    /// is lost; beyond [`BEHIND_MAX`] they are left out.
    fn next_deadline(&self, last: Instant) -> Instant {
        let next = last + limits::TICK;
        let behind = clock::mono().since(next).as_micros() / limits::TICK.as_micros();
        let behind = u64::try_from(behind).unwrap_or(u64::MAX);
        if behind <= BEHIND_MAX {
            return next;
        }
        self.meters.skipped(behind);
        let micros = u64::try_from(limits::TICK.as_micros()).unwrap_or(u64::MAX);
        Instant { micros: next.micros.saturating_add(behind.saturating_mul(micros)) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use media::command::Codec;
    use media::{Direction, Event, Flow};
    use model::CallId;
    use net::PortRange;

    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn packets_leave_every_20_ms_from_open_to_close() {
        let mut stage = Stage::new(22_000);
        stage.open();
        let mut packet = [0; 2_000];
        stage.phone.recv_from(&mut packet).unwrap();
        let begun = clock::mono();
        for _ in 0..25 {
            let (length, source) = stage.phone.recv_from(&mut packet).unwrap();
            assert_eq!((length, source), (172, stage.port));
        }
        let took = clock::mono().since(begun).as_millis();
        assert!((400..700).contains(&took), "25 packets took {took} ms");
        assert!(stage.plane.command(Command::Close { call: CallId(1) }));
        let Some(Event::Closed { call, stats, .. }) = stage.events.blocking_recv() else {
            panic!("no news of the end")
        };
        assert_eq!(call, CallId(1));
        assert!(stats.sent >= 26);
    }

    #[test]
    fn more_commands_than_a_tick_takes_are_kept_in_order() {
        let mut stage = Stage::new(22_800);
        stage.open();
        for _ in 0..10 * COMMANDS_PER_LEG {
            assert!(stage.plane.command(Command::Hush { call: CallId(1) }));
        }
        assert!(stage.plane.command(Command::Close { call: CallId(1) }));
        assert!(stage.plane.is_crowded());
        while stage.plane.is_crowded() {
            thread_pause();
            assert!(stage.plane.press_on());
        }
        assert!(matches!(stage.events.blocking_recv(), Some(Event::Closed { .. })));
    }

    #[test]
    fn a_leg_does_not_hear_what_came_to_its_port_before_it() {
        let mut stage = Stage::new(22_400);
        for sequence in 0..20 {
            stage.say(sequence);
        }
        stage.open();
        thread_pause();
        assert!(stage.events.try_recv().is_err());
        stage.say(100);
        assert!(matches!(stage.events.blocking_recv(), Some(Event::Heard { .. })));
    }

    /// A media plane of one port, and a phone.
    struct Stage {
        plane: MediaPlane,
        events: mpsc::Receiver<Event>,
        port: SocketAddr,
        phone: UdpSocket,
    }

    impl Stage {
        fn new(first: u16) -> Self {
            let localhost: IpAddr = "127.0.0.1".parse().unwrap();
            let pairs = PortRange::new(first, first + 399).unwrap().bind(localhost, 1).unwrap();
            let port = pairs[0].rtp.local();
            let (reporter, events) = mpsc::channel(16);
            let plan = Plan {
                library: Arc::new(crate::prompts::load(None).unwrap()),
                legs: 1,
                pairs,
                seed: [7; 32],
                cpu: None,
                real_time: false,
            };
            let plane = MediaPlane::start(plan, reporter, Telemetry::new().media()).unwrap();
            let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
            phone.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            Self { plane, events, port, phone }
        }

        fn open(&mut self) {
            let flow = Flow {
                codec: Codec::Pcmu,
                ptime: Duration::from_millis(20),
                digits_in: None,
                comfort_noise: false,
                remote: self.phone.local_addr().unwrap(),
                remote_rtcp: None,
                direction: Direction::SendRecv,
                held: false,
                sources: vec!["127.0.0.0/8".parse().unwrap()],
            };
            let (call, port) = (CallId(1), PortId(0));
            let open = Command::Open { call, port, flow, language: 0, ssrc: 7 };
            assert!(self.plane.command(open));
        }

        /// Sends one RTP packet: version 2, PCMU, silence.
        fn say(&self, sequence: u8) {
            let mut packet = [0xff; 172];
            packet[..12].copy_from_slice(&[0x80, 0, 0, sequence, 0, 0, sequence, 0, 1, 2, 3, 4]);
            self.phone.send_to(&packet, self.port).unwrap();
        }
    }

    /// Several ticks.
    fn thread_pause() {
        clock::sleep_until(clock::mono() + Duration::from_millis(200));
    }
}
