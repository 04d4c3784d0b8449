//! The media plane: pinned threads that share the legs, as the loop sees them. It decides nothing:
//! every command comes with the thread that it is for.

mod punctuality;
mod shard;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::{io, thread};

use bridge::load::Ticks;
use media::{Command, Library, PortId, ShardId, Worker};
use net::Pair;
use tokio::sync::mpsc;

use crate::abort::AbortOnPanic;
use crate::clock;
use crate::telemetry::Telemetry;
use punctuality::Punctuality;
use shard::{Ends, Shard};

/// Commands on their way, for each leg.
const COMMANDS_PER_LEG: usize = 32;
/// Legs on their way between threads that wait in a queue; more wait with the thread that they leave.
const HANDOVERS: usize = 1_024;

/// What the media plane is given.
pub(crate) struct Plan {
    /// The recordings.
    pub(crate) library: Arc<Library>,
    /// Most legs.
    pub(crate) legs: usize,
    /// Its ports; a [`PortId`] is a place in here. Each is used by the thread that has its leg.
    pub(crate) pairs: Vec<Pair>,
    /// One for each thread, at least one.
    pub(crate) threads: Vec<Thread>,
    /// Whether the threads ask for real-time priority.
    pub(crate) real_time: bool,
}

/// What one thread is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thread {
    /// For its worker.
    pub(crate) seed: [u8; 32],
    /// The processor that it is bound to.
    pub(crate) cpu: Option<usize>,
}

/// The media plane. A [`ShardId`] is a place among its threads.
pub(crate) struct MediaPlane {
    lines: Vec<Line>,
    stopping: Arc<AtomicBool>,
}

/// The way to one thread.
struct Line {
    punctuality: Arc<Punctuality>,
    commands: SyncSender<Command>,
    /// What the thread's queue has no room for yet, in order. The loop reads no datagrams meanwhile:
    /// no flood of requests makes it grow.
    backlog: VecDeque<Command>,
    thread: Option<JoinHandle<()>>,
}

impl MediaPlane {
    /// Starts the threads. Their news goes to `events`.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(crate) fn start(
        plan: Plan,
        events: &mpsc::Sender<media::Event>,
        telemetry: &Telemetry,
    ) -> io::Result<Self> {
        let Plan { library, legs, pairs, threads, real_time } = plan;
        telemetry.ports_bound(pairs.len());
        let pairs: Arc<[Pair]> = pairs.into();
        let (doors, arrivals): (Vec<_>, Vec<_>) =
            threads.iter().map(|_| sync_channel(HANDOVERS)).unzip();
        let waiting = legs.div_ceil(threads.len().max(1)).saturating_mul(COMMANDS_PER_LEG);
        let origin = clock::mono();
        let mut plane = Self { lines: Vec::new(), stopping: Arc::new(AtomicBool::new(false)) };
        for (place, (thread, arrivals)) in threads.into_iter().zip(arrivals).enumerate() {
            let (commands, receiver) = sync_channel(waiting);
            let punctuality = Arc::<Punctuality>::default();
            let ends = Ends {
                commands: receiver,
                arrivals,
                doors: doors.clone(),
                events: events.clone(),
                meters: telemetry.media(place),
                punctuality: Arc::clone(&punctuality),
            };
            let (library, pairs) = (Arc::clone(&library), Arc::clone(&pairs));
            let stop = Arc::clone(&plane.stopping);
            let handle =
                thread::Builder::new().name(format!("media-{place}")).spawn(move || {
                    let _abort = AbortOnPanic("a media thread");
                    prepare(place, thread.cpu, real_time);
                    let worker = Worker::new(library, legs, pairs.len(), thread.seed);
                    Shard::new(worker, pairs, ends, origin).run(&stop);
                })?;
            let (backlog, thread) = (VecDeque::new(), Some(handle));
            plane.lines.push(Line { punctuality, commands, backlog, thread });
        }
        Ok(plane)
    }

    /// Hands a command to a thread; `false` if that has ended.
    #[must_use]
    pub(crate) fn command(&mut self, shard: ShardId, command: Command) -> bool {
        let line = self.lines.get_mut(usize::from(shard.0));
        let line = line.expect("the bridge was told of these threads only");
        line.backlog.push_back(command);
        line.press_on()
    }

    /// Hands over what waits, as far as there is room; `false` if a thread has ended.
    #[must_use]
    pub(crate) fn press_on(&mut self) -> bool {
        self.lines.iter_mut().all(Line::press_on)
    }

    /// Returns how the ticks did since the last time, of the thread that did worst.
    pub(crate) fn ticks(&self) -> Ticks {
        punctuality::worst(self.lines.iter().map(|line| line.punctuality.take()))
    }

    /// Whether commands wait for room.
    pub(crate) fn is_crowded(&self) -> bool {
        self.lines.iter().any(|line| !line.backlog.is_empty())
    }
}

impl Line {
    fn press_on(&mut self) -> bool {
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
}

/// Ends the threads and waits for their last ticks.
impl Drop for MediaPlane {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        for line in &mut self.lines {
            if let Some(thread) = line.thread.take() {
                drop(thread.join());
            }
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
fn prepare(shard: usize, cpu: Option<usize>, real_time: bool) {
    if let Some(cpu) = cpu
        && let Err(error) = net::system::pin(cpu)
    {
        tracing::warn!(shard, cpu, %error, "a media thread could not be bound to its processor");
    }
    if real_time && let Err(error) = net::system::real_time() {
        tracing::warn!(shard, %error, "a media thread got no real-time priority");
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

    const FIRST: ShardId = ShardId(0);
    const SECOND: ShardId = ShardId(1);

    #[test]
    fn packets_leave_every_20_ms_from_open_to_close() {
        let mut stage = Stage::new(22_000, 1);
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
        assert!(stage.plane.command(FIRST, Command::Close { call: CallId(1) }));
        let Some(Event::Closed { call, stats, .. }) = stage.events.blocking_recv() else {
            panic!("no news of the end")
        };
        assert_eq!(call, CallId(1));
        assert!(stats.sent >= 26);
    }

    #[test]
    fn more_commands_than_a_tick_takes_are_kept_in_order() {
        let mut stage = Stage::new(22_800, 1);
        stage.open();
        for _ in 0..10 * COMMANDS_PER_LEG {
            assert!(stage.plane.command(FIRST, Command::Hush { call: CallId(1) }));
        }
        assert!(stage.plane.command(FIRST, Command::Close { call: CallId(1) }));
        assert!(stage.plane.is_crowded());
        while stage.plane.is_crowded() {
            thread_pause();
            assert!(stage.plane.press_on());
        }
        assert!(matches!(stage.events.blocking_recv(), Some(Event::Closed { .. })));
    }

    #[test]
    fn a_leg_does_not_hear_what_came_to_its_port_before_it() {
        let mut stage = Stage::new(22_400, 1);
        for sequence in 0..20 {
            stage.say(sequence);
        }
        stage.open();
        thread_pause();
        assert!(stage.events.try_recv().is_err());
        stage.say(100);
        assert!(matches!(stage.events.blocking_recv(), Some(Event::Heard { .. })));
    }

    #[test]
    fn a_leg_that_moves_between_threads_sends_each_packet_once() {
        let mut stage = Stage::new(23_200, 2);
        let call = CallId(1);
        stage.open();
        let mut last: Option<(u16, u32)> = None;
        let mut here = FIRST;
        for heard in 0..60_u32 {
            let mut packet = [0; 2_000];
            let (length, source) = stage.phone.recv_from(&mut packet).unwrap();
            assert_eq!((length, source), (172, stage.port));
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
            if let Some((before, at)) = last.replace((sequence, timestamp)) {
                assert_eq!(sequence, before.wrapping_add(1));
                let step = timestamp.wrapping_sub(at);
                assert!(step >= 160 && step.is_multiple_of(160), "{step} after {heard} packets");
            }
            if heard % 6 == 5 {
                let there = if here == FIRST { SECOND } else { FIRST };
                assert!(stage.plane.command(here, Command::Release { call, to: there }));
                assert!(stage.plane.command(there, Command::Expect { call }));
                here = there;
            }
        }
        assert!(stage.plane.command(here, Command::Close { call }));
        let Some(Event::Closed { stats, .. }) = stage.events.blocking_recv() else {
            panic!("no news of the end")
        };
        assert!(stats.sent >= 60);
    }

    /// A media plane of one port, and a phone.
    struct Stage {
        plane: MediaPlane,
        events: mpsc::Receiver<Event>,
        port: SocketAddr,
        phone: UdpSocket,
    }

    impl Stage {
        fn new(first: u16, threads: usize) -> Self {
            let localhost: IpAddr = "127.0.0.1".parse().unwrap();
            let pairs = PortRange::new(first, first + 399).unwrap().bind(localhost, 1).unwrap();
            let port = pairs[0].rtp.local();
            let (reporter, events) = mpsc::channel(16);
            let plan = Plan {
                library: Arc::new(crate::prompts::load(None).unwrap()),
                legs: 1,
                pairs,
                threads: vec![Thread { seed: [7; 32], cpu: None }; threads],
                real_time: false,
            };
            let plane = MediaPlane::start(plan, &reporter, &Telemetry::new()).unwrap();
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
                security: None,
            };
            let (call, port) = (CallId(1), PortId(0));
            let open = Command::Open { call, port, flow, language: 0, ssrc: 7 };
            assert!(self.plane.command(FIRST, open));
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
