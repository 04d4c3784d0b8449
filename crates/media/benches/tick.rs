//! What a leg costs: receiving its packet and its share of a tick, and the mixing alone against a
//! bare loop over the same samples; what SRTP adds to a packet and to a leg, and what listening for
//! keys and fax machines does. The figure to compare is the time per element: one leg and tick;
//! fifty of them are a leg and second. `-- srtp` runs what concerns SRTP alone.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use media::command::Codec;
use media::mix::{self, Frame};
use media::srtp::{Guard, Keying, OVERHEAD, Security, Suite};
use media::tone::{Fax, Keys};
use media::{Batch, Command, Direction, Flow, LibraryBuilder, PortId, Worker};
use model::{CallId, Instant, MeetingId};

const LEGS: u16 = 1_000;

fn address(leg: u16) -> SocketAddr {
    SocketAddr::new([127, 0, 0, 1].into(), 20_000 + 2 * leg)
}

/// A worker with all its legs seated in rooms of a size, under keys of a suite if there is one.
fn seated(room: u16, suite: Option<Suite>) -> (Worker, Batch) {
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
            security: suite.map(|suite| keys(suite, leg).0),
        };
        let open = Command::Open { call, port: PortId(leg), flow, language: 0, ssrc: leg.into() };
        worker.command(open, Instant::START);
        let room = MeetingId((leg / room).into());
        worker.command(Command::Seat { call, room }, Instant::START);
    }
    (worker, Batch::with_capacity(LEGS.into()))
}

/// Counts the legs that a tick sent to.
fn heard(batch: &Batch) -> usize {
    batch.iter().filter(|outgoing| !outgoing.rtcp).count()
}

/// A leg's keys, as its own side and as its peer has them.
fn keys(suite: Suite, leg: u16) -> (Security, Security) {
    let keying = |side: u16| {
        let place = |place: usize| (place * 7 + usize::from(leg * 2 + side) * 13) as u8;
        Keying::new(suite, std::array::from_fn(place))
    };
    let (ours, theirs) = (keying(0), keying(1));
    let peer = Security { inbound: ours.clone(), outbound: theirs.clone() };
    (Security { inbound: theirs, outbound: ours }, peer)
}

/// Renews the header of a leg's packet for a tick.
fn head(wire: &mut [u8], leg: u16, tick: u32) {
    wire[..4].copy_from_slice(&[0x80, 0, (tick >> 8) as u8, tick as u8]);
    wire[4..8].copy_from_slice(&tick.wrapping_mul(160).to_be_bytes());
    wire[8..12].copy_from_slice(&u32::from(leg).to_be_bytes());
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
        let (mut worker, mut batch) = seated(room, None);
        let (mut wires, mut tick, mut now) = (packets(), 0_u32, Instant::START);
        group.bench_function(format!("1000 legs in rooms of {room}, all talking"), |bencher| {
            bencher.iter(|| {
                for (leg, wire) in (0..).zip(&mut wires) {
                    head(wire, leg, tick);
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
        assert!(tick == 0 || heard(&batch) == usize::from(LEGS), "every leg is sent to");
    }
    group.finish();
}

const PROTECTIONS: [(&str, Option<Suite>); 3] = [
    ("plain", None),
    ("AES_CM_128_HMAC_SHA1_80", Some(Suite::AesCm128HmacSha1Tag80)),
    ("AEAD_AES_128_GCM", Some(Suite::AeadAes128Gcm)),
];

/// Sealing a packet and opening it again, beside copying it as often: 160 bytes of audio.
fn packet_under_srtp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("srtp, seal and open a packet");
    group.throughput(Throughput::Elements(1));
    for (name, suite) in PROTECTIONS {
        let mut ends = suite
            .map(|suite| keys(suite, 0))
            .map(|(ours, theirs)| (Guard::new(ours), Guard::new(theirs)));
        let (mut tick, mut space) = (0_u32, [0x55; 172 + OVERHEAD]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                head(&mut space, 7, tick);
                tick = tick.wrapping_add(1);
                let Some((ours, theirs)) = &mut ends else { return black_box(space).len() };
                let sealed = ours.seal(black_box(&mut space), 172);
                theirs.open(&mut space[..sealed]).expect("it is authentic").len()
            });
        });
    }
    group.finish();
}

/// A leg and tick, under keys and without: receiving, mixing, sending. What the peers' sealing costs
/// is left out.
fn leg_under_srtp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("srtp, receive and tick, 1000 legs in rooms of 3");
    group.throughput(Throughput::Elements(LEGS.into()));
    for (name, suite) in PROTECTIONS {
        let (mut worker, mut batch) = seated(3, suite);
        let mut peers: Vec<_> =
            (0..LEGS).map(|leg| suite.map(|suite| Guard::new(keys(suite, leg).1))).collect();
        let (noise, mut tick, mut now) = (packets(), 0_u32, Instant::START);
        let mut sealed = || {
            let mut wires: Vec<[u8; 172 + OVERHEAD]> = vec![[0; 172 + OVERHEAD]; LEGS.into()];
            let mut length = 172;
            for ((leg, wire), peer) in (0..).zip(&mut wires).zip(&mut peers) {
                wire[..172].copy_from_slice(&noise[usize::from(leg)]);
                head(wire, leg, tick);
                length = peer.as_mut().map_or(172, |peer| peer.seal(wire, 172));
            }
            tick = tick.wrapping_add(1);
            (wires, length)
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                &mut sealed,
                |(wires, length)| {
                    for (leg, wire) in (0..).zip(wires) {
                        let packet = &mut wire[..*length];
                        worker.receive(PortId(leg), false, address(leg), packet, now);
                    }
                    now = now + Duration::from_millis(20);
                    batch.clear();
                    worker.tick(now, &mut batch);
                    while worker.poll_event().is_some() {}
                    black_box(batch.iter().count())
                },
                BatchSize::PerIteration,
            );
        });
        let ran = now != Instant::START;
        assert!(!ran || heard(&batch) == usize::from(LEGS), "every leg is sent to");
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

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = whole_tick, packet_under_srtp, leg_under_srtp, mixing, listening
}
criterion_main!(benches);
