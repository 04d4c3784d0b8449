//! What a leg costs: receiving its packet and its share of a tick, and the mixing alone against a
//! bare loop over the same samples. The figure to compare is the time per element: one leg and tick;
//! fifty of them are a leg and second.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media::command::Codec;
use media::mix::{self, Frame};
use media::tone::{Fax, Keys};
use media::{Batch, Command, Direction, Flow, LibraryBuilder, PortId, Worker};
use model::{CallId, Instant, MeetingId};

const LEGS: u16 = 1_000;

fn address(leg: u16) -> SocketAddr {
    SocketAddr::new([127, 0, 0, 1].into(), 20_000 + 2 * leg)
}

/// A worker with all its legs seated in rooms of a size.
fn seated(room: u16) -> (Worker, Batch) {
    let library = LibraryBuilder::embedded().and_then(LibraryBuilder::build);
    let library = Arc::new(library.expect("the recordings are whole"));
    let mut worker = Worker::new(library, LEGS.into(), LEGS.into(), [1; 32]);
    for leg in 0..LEGS {
        let call = CallId(leg.into());
        let flow = Flow {
            codec: Codec::Pcmu,
            ptime: Duration::from_millis(20),
            digits_in: Some(101),
            comfort_noise: false,
            remote: address(leg),
            remote_rtcp: Some(address(leg)),
            direction: Direction::SendRecv,
            held: false,
            sources: vec!["127.0.0.0/8".parse().expect("a range")],
            security: None,
        };
        let open = Command::Open { call, port: PortId(leg), flow, language: 0, ssrc: leg.into() };
        worker.command(open, Instant::START);
        let room = MeetingId((leg / room).into());
        worker.command(Command::Seat { call, room }, Instant::START);
    }
    (worker, Batch::with_capacity(LEGS.into()))
}

/// Noise in the shape of a packet of each leg; headers are renewed for each tick.
fn packets() -> Vec<[u8; 172]> {
    let noise = |leg: u16, place: usize| ((place * 31 + usize::from(leg) * 17) % 251) as u8;
    (0..LEGS).map(|leg| std::array::from_fn(|place| noise(leg, place))).collect()
}

fn whole_tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive and tick");
    group.throughput(Throughput::Elements(LEGS.into()));
    for room in [3, 50] {
        let (mut worker, mut batch) = seated(room);
        let (mut wires, mut tick, mut now) = (packets(), 0_u32, Instant::START);
        group.bench_function(format!("1000 legs in rooms of {room}, all talking"), |bencher| {
            bencher.iter(|| {
                for (leg, wire) in (0..).zip(&mut wires) {
                    wire[..4].copy_from_slice(&[0x80, 0, (tick >> 8) as u8, tick as u8]);
                    wire[4..8].copy_from_slice(&tick.wrapping_mul(160).to_be_bytes());
                    wire[8..12].copy_from_slice(&u32::from(leg).to_be_bytes());
                    worker.receive(PortId(leg), false, address(leg), wire, now);
                }
                tick = tick.wrapping_add(1);
                now = now + Duration::from_millis(20);
                batch.clear();
                worker.tick(now, &mut batch);
                while worker.poll_event().is_some() {}
                black_box(batch.iter().count())
            });
        });
        let sent = batch.iter().filter(|outgoing| !outgoing.rtcp).count();
        assert_eq!(sent, usize::from(LEGS), "every leg is sent to");
    }
    group.finish();
}

fn mixing(criterion: &mut Criterion) {
    let voice = |leg: usize| std::array::from_fn(|place| ((place * 97 + leg * 31) % 4_001) as i16);
    let frames: Vec<Frame> = (0..50).map(voice).collect();
    let mut heard = vec![mix::QUIET; frames.len()];
    let mut group = criterion.benchmark_group("mix of 50");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("sum once, subtract self", |bencher| {
        bencher.iter(|| {
            let mut sum = [0; 160];
            for frame in black_box(&frames) {
                mix::add(&mut sum, frame);
            }
            for (frame, heard) in frames.iter().zip(&mut heard) {
                mix::without(&sum, frame, heard);
            }
            black_box(&heard);
        });
    });
    group.bench_function("bare loop: sum, and copy back", |bencher| {
        bencher.iter(|| {
            let mut sum = [0_i32; 160];
            for frame in black_box(&frames) {
                for (sum, &sample) in sum.iter_mut().zip(frame) {
                    *sum = sum.wrapping_add(sample.into());
                }
            }
            for (frame, heard) in frames.iter().zip(&mut heard) {
                *heard = *frame;
            }
            black_box((&sum, &heard));
        });
    });
    group.finish();
}

/// What listening for keys and fax machines costs a leg and tick, beside its share of the mix.
fn listening(criterion: &mut Criterion) {
    let noise = |place: usize| ((place * 7_919 + place * place * 31) % 8_001) as i16 - 4_000;
    let voice: Frame = std::array::from_fn(noise);
    let key: Frame = std::array::from_fn(|place| {
        let angle = |hertz: f32| (hertz * place as f32 / 8_000.0 * std::f32::consts::TAU).sin();
        ((angle(770.0) + angle(1_336.0)) * 5_000.0) as i16
    });
    let mut group = criterion.benchmark_group("listening");
    for (name, frame) in [("voice", voice), ("a key", key)] {
        let mut keys = Keys::default();
        group.bench_function(format!("keys, {name}"), |bencher| {
            bencher.iter(|| keys.hear(Some(black_box(&frame))));
        });
        let mut fax = Fax::default();
        group.bench_function(format!("fax, {name}"), |bencher| {
            bencher.iter(|| fax.hear(Some(black_box(&frame))));
        });
    }
    group.finish();
}

criterion_group!(benches, whole_tick, mixing, listening);
criterion_main!(benches);
