//! Nothing is allocated per packet: an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use media::command::Codec;
use media::srtp::{Keying, Security, Suite};
use media::{
    Batch, Command, Direction, Event, Flow, LibraryBuilder, PortId, Prompt, ShardId, Worker,
};
use model::{CallId, Instant, MeetingId};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "a global allocator is unsafe by its trait; it only counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Only one test counts at a time.
static ALONE: Mutex<()> = Mutex::new(());

const LEGS: u16 = 100;
const PTIMES: [u64; 6] = [10, 20, 30, 40, 50, 60];

fn address(leg: u16, rtcp: u16) -> SocketAddr {
    SocketAddr::new([192, 0, 2, 1].into(), 20_000 + 2 * leg + rtcp)
}

fn open(leg: u16, room: u16) -> [Command; 2] {
    let call = CallId(u128::from(leg));
    let flow = Flow {
        codec: if leg.is_multiple_of(2) { Codec::Pcmu } else { Codec::Pcma },
        ptime: Duration::from_millis(PTIMES[usize::from(leg) % PTIMES.len()]),
        digits_in: Some(101),
        comfort_noise: false,
        remote: address(leg, 0),
        remote_rtcp: Some(address(leg, 1)),
        direction: Direction::SendRecv,
        held: false,
        sources: vec!["192.0.2.0/24".parse().expect("a range")],
        security: None,
    };
    let ssrc = u32::from(leg);
    let open = Command::Open { call, port: PortId(leg), flow, language: 0, ssrc };
    [open, Command::Seat { call, room: MeetingId(u128::from(leg / room)) }]
}

/// Writes an RTP packet over the one before.
fn packet(wire: &mut [u8; 172], kind: u8, tick: u32, leg: u16) {
    wire[..4].copy_from_slice(&[0x80, kind, (tick >> 8) as u8, tick as u8]);
    wire[4..8].copy_from_slice(&(tick * 160).to_be_bytes());
    wire[8..12].copy_from_slice(&u32::from(leg).to_be_bytes());
    for (place, code) in wire[12..].iter_mut().enumerate() {
        *code = (place as u32 * (u32::from(leg) + 3) + tick * 7) as u8;
    }
}

/// Talks for 500 ticks and returns how often memory was asked for meanwhile.
fn talk(worker: &mut Worker, now: &mut Instant, batch: &mut Batch) -> usize {
    let mut wire = [0; 172];
    let report =
        [0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut sent = 0;
    for tick in 0..500 {
        for leg in 0..LEGS {
            let digit = tick % 50 == u32::from(leg) % 50;
            packet(&mut wire, if digit { 101 } else { 0 }, tick, leg);
            worker.receive(PortId(leg), false, address(leg, 0), &wire, *now);
            if tick % 250 == 0 {
                worker.receive(PortId(leg), true, address(leg, 1), &report, *now);
            }
        }
        *now = *now + Duration::from_millis(20);
        batch.clear();
        worker.tick(*now, batch);
        sent += batch.iter().count();
        while worker.poll_event().is_some() {}
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(sent > 35_000, "{sent}");
    allocations
}

/// Moves every leg to another worker; that may allocate.
fn move_all(from: &mut Worker, to: &mut Worker, room: u16, now: &mut Instant, batch: &mut Batch) {
    to.leave_out(500);
    for leg in 0..LEGS {
        let call = CallId(leg.into());
        from.command(Command::Release { call, to: ShardId(1) }, *now);
        to.command(Command::Expect { call }, *now);
        let seat = Command::Seat { call, room: MeetingId(u128::from(leg / room)) };
        to.command(seat, *now);
        to.command(Command::Fund { call, until: *now + Duration::from_secs(60) }, *now);
    }
    *now = *now + Duration::from_millis(20);
    for worker in [&mut *from, &mut *to] {
        batch.clear();
        worker.tick(*now, batch);
        while worker.poll_event().is_some() {}
    }
    while let Some(handover) = from.poll_handover() {
        to.adopt(handover, *now);
    }
    assert_eq!((from.legs(), to.legs()), (0, LEGS.into()));
}

#[test]
fn five_hundred_ticks_of_a_hundred_talking_legs_allocate_nothing() {
    let _alone = ALONE.lock();
    let library = Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap());
    for room in [3, 50] {
        let mut worker = Worker::new(library.clone(), LEGS.into(), LEGS.into(), [1; 32]);
        let mut batch = Batch::with_capacity(LEGS.into());
        let mut now = Instant { micros: 5_000_000 };
        for command in (0..LEGS).flat_map(|leg| open(leg, room)) {
            worker.command(command, now);
        }
        for call in (0..LEGS).step_by(3).map(|leg| CallId(leg.into())) {
            let prompts = vec![Prompt::EnterConferenceId; 2];
            let play = Command::Play { call, prompts, token: 0, barge_in: false, over_room: true };
            worker.command(play, now);
            worker.command(Command::Fund { call, until: now + Duration::from_secs(8) }, now);
        }
        assert_eq!(talk(&mut worker, &mut now, &mut batch), 0, "rooms of {room}");
        let mut other = Worker::new(library.clone(), LEGS.into(), LEGS.into(), [2; 32]);
        move_all(&mut worker, &mut other, room, &mut now, &mut batch);
        assert_eq!(talk(&mut other, &mut now, &mut batch), 0, "moved, rooms of {room}");
    }
}

#[test]
fn protected_legs_allocate_nothing_either() {
    let _alone = ALONE.lock();
    let library = Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap());
    for suite in Suite::ALL {
        let mut sides = [1, 2].map(|seed| {
            let mut worker = Worker::new(library.clone(), LEGS.into(), LEGS.into(), [seed; 32]);
            for leg in 0..LEGS {
                let [mut open, seat] = open(leg, 3);
                if let Command::Open { flow, ssrc, .. } = &mut open {
                    flow.ptime = Duration::from_millis(20);
                    flow.security = Some(mirrored(suite, seed));
                    *ssrc = u32::from(leg) << 8 | u32::from(seed);
                }
                worker.command(open, Instant::START);
                worker.command(seat, Instant::START);
            }
            (worker, Batch::with_capacity(LEGS.into()))
        });
        let mut now = Instant { micros: 5_000_000 };
        let (mut before, mut passed) = (0, 0);
        for tick in 0..400 {
            if tick == 50 {
                before = ALLOCATIONS.load(Ordering::Relaxed);
            }
            now = now + Duration::from_millis(20);
            let [(one, one_says), (other, other_says)] = &mut sides;
            passed += pass(one, one_says, other, now) + pass(other, other_says, one, now);
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{suite:?}");
        assert!(passed > 79_000, "{passed}");
        let (mut worker, _) = sides.into_iter().next().unwrap();
        worker.command(Command::Close { call: CallId(0) }, now);
        worker.tick(now, &mut Batch::default());
        let Some(Event::Closed { stats, .. }) = worker.poll_event() else { panic!("closed") };
        assert!(stats.received > 390 && stats.forged == 0, "{stats:?}");
    }
}

/// Ticks one side, and gives the other what it says.
fn pass(one: &mut Worker, says: &mut Batch, other: &mut Worker, now: Instant) -> usize {
    says.clear();
    one.tick(now, says);
    while one.poll_event().is_some() {}
    for outgoing in says.iter() {
        let from = address(outgoing.port.0, outgoing.rtcp.into());
        other.receive(outgoing.port, outgoing.rtcp, from, outgoing.payload, now);
    }
    says.iter().count()
}

fn mirrored(suite: Suite, seed: u8) -> Security {
    let key = |seed: u8| Keying::new(suite, [seed; Keying::BYTES]);
    Security { inbound: key(3 - seed), outbound: key(seed) }
}
