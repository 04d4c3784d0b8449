//! Two workers, their phones, and time in ticks. Legs open with the first worker.

use std::collections::{BTreeMap, VecDeque};
use std::f64::consts::TAU;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use media::command::Codec;
use media::{
    Batch, Command, Direction, Event, Flow, Handover, Library, LibraryBuilder, PortId, Prompt,
    ShardId, Worker,
};
use model::{CallId, Instant, MeetingId};

use crate::law;

pub(crate) const TICK: Duration = Duration::from_millis(20);
/// How many samples after it was sent a sample is heard: the margin of the playout, and a tick,
/// since phones send just before one.
pub(crate) const DELAY: usize = 240;

/// Prompts of the test library: each is a constant, as many hundreds as its place, for 50 ms.
pub(crate) fn library() -> Arc<Library> {
    static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
    let build = || {
        let mut builder = LibraryBuilder::default();
        for (place, prompt) in Prompt::ALL.into_iter().enumerate() {
            builder.add("en-US", prompt, &wav(&[level(place); 400])).expect("a recording");
        }
        Arc::new(builder.build().expect("all prompts"))
    };
    LIBRARY.get_or_init(build).clone()
}

/// The level of the prompt at a place of [`Prompt::ALL`].
pub(crate) fn level(place: usize) -> i16 {
    1_000 + 100 * place as i16
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("memory takes it");
    samples.iter().for_each(|&sample| writer.write_sample(sample).expect("memory takes it"));
    writer.finalize().expect("memory takes it");
    bytes.into_inner()
}

/// A peer: what it sends next, and what it got.
pub(crate) struct Phone {
    pub(crate) call: CallId,
    pub(crate) port: PortId,
    /// Whom commands about it go to.
    pub(crate) shard: usize,
    pub(crate) address: SocketAddr,
    pub(crate) codec: Codec,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// Samples heard, in order.
    pub(crate) heard: Vec<i16>,
    /// RTP packets: the tick of each, and the packet.
    pub(crate) packets: Vec<(usize, Vec<u8>)>,
    /// RTCP packets.
    pub(crate) reports: Vec<(usize, Vec<u8>)>,
    /// Where the last RTCP packet went, and whether from the RTCP socket.
    pub(crate) report_route: Option<(SocketAddr, bool)>,
}

/// A datagram on its way to a port: the port, whether RTCP, from whom, what.
type Arriving = (PortId, bool, SocketAddr, Vec<u8>);

/// The second worker, and what lies between the two.
pub(crate) struct Between {
    pub(crate) second: Worker,
    /// Ticks that a leg's way takes beyond the one it always does.
    pub(crate) delay: usize,
    /// Whether each worker reads its commands; they wait for it.
    pub(crate) deaf: [bool; 2],
    /// Whether each worker is held up; it makes up for its ticks later.
    pub(crate) late: [bool; 2],
    owed: [usize; 2],
    unread: [VecDeque<Command>; 2],
    flying: Vec<(usize, Handover)>,
    /// What came for legs that no worker had.
    buffered: Vec<Arriving>,
}

pub(crate) struct Studio {
    pub(crate) worker: Worker,
    pub(crate) between: Between,
    pub(crate) now: Instant,
    pub(crate) ticks: usize,
    pub(crate) phones: Vec<Phone>,
    pub(crate) events: Vec<Event>,
    /// Datagrams to addresses that no phone has.
    pub(crate) strayed: Vec<SocketAddr>,
    batch: Batch,
}

impl Studio {
    pub(crate) fn new() -> Self {
        let mut studio = Self {
            worker: Worker::new(library(), 200, 400, [7; 32]),
            between: Between {
                second: Worker::new(library(), 200, 400, [8; 32]),
                delay: 0,
                deaf: [false; 2],
                late: [false; 2],
                owed: [0; 2],
                unread: [VecDeque::new(), VecDeque::new()],
                flying: Vec::new(),
                buffered: Vec::new(),
            },
            now: Instant { micros: 1_000_000 },
            ticks: 0,
            phones: Vec::new(),
            events: Vec::new(),
            strayed: Vec::new(),
            batch: Batch::with_capacity(200),
        };
        studio.tick();
        studio
    }

    /// Opens a leg with a plain µ-law flow and returns its place among the phones.
    pub(crate) fn open(&mut self) -> usize {
        self.open_with(|_| ())
    }

    /// Opens a leg; its flow can be changed before.
    pub(crate) fn open_with(&mut self, change: impl FnOnce(&mut Flow)) -> usize {
        let place = self.phones.len();
        let mut flow = flow(place);
        change(&mut flow);
        let phone = Phone {
            call: CallId(1_000 + place as u128),
            port: PortId(place as u16),
            shard: 0,
            address: flow.remote,
            codec: flow.codec,
            ssrc: 0x5000_0000 + place as u32,
            sequence: 65_500,
            timestamp: u32::MAX - 4_000,
            heard: Vec::new(),
            packets: Vec::new(),
            reports: Vec::new(),
            report_route: None,
        };
        let (call, port) = (phone.call, phone.port);
        self.phones.push(phone);
        let ssrc = 0x1111_0000 * (place as u32 + 1);
        self.command(Command::Open { call, port, flow, language: 0, ssrc });
        place
    }

    /// Opens a leg and seats it in a room.
    pub(crate) fn join(&mut self, room: u128) -> usize {
        let phone = self.open();
        self.seat(phone, room);
        phone
    }

    pub(crate) fn command(&mut self, command: Command) {
        let phone = self.phones.iter().find(|phone| phone.call == command.call());
        self.tell(phone.map_or(0, |phone| phone.shard), command);
    }

    /// Moves a leg to another worker.
    pub(crate) fn send_over(&mut self, phone: usize, to: usize) {
        let call = self.call(phone);
        self.command(Command::Release { call, to: ShardId(to as u8) });
        self.phones[phone].shard = to;
        self.command(Command::Expect { call });
    }

    fn tell(&mut self, shard: usize, command: Command) {
        self.between.unread[shard].push_back(command);
        self.read(shard);
    }

    /// Lets a worker read its commands, unless it is deaf.
    fn read(&mut self, shard: usize) {
        let worker = if shard == 0 { &mut self.worker } else { &mut self.between.second };
        while !self.between.deaf[shard]
            && let Some(command) = self.between.unread[shard].pop_front()
        {
            worker.command(command, self.now);
        }
    }

    /// Gives a datagram to the worker that has the port; it waits while none has.
    fn deliver(&mut self, (port, rtcp, from, datagram): Arriving) {
        let has = |worker: &Worker| worker.ports().any(|live| live == port);
        let now = self.now + TICK;
        if has(&self.between.second) {
            self.between.second.receive(port, rtcp, from, &datagram, now);
        } else if has(&self.worker) || self.between.flying.is_empty() {
            self.worker.receive(port, rtcp, from, &datagram, now);
        } else {
            self.between.buffered.push((port, rtcp, from, datagram));
        }
    }

    pub(crate) fn seat(&mut self, phone: usize, room: u128) {
        self.command(Command::Seat { call: self.call(phone), room: MeetingId(room) });
    }

    pub(crate) fn update(&mut self, phone: usize, change: impl FnOnce(&mut Flow)) {
        let mut flow = flow(phone);
        change(&mut flow);
        self.command(Command::Update { call: self.call(phone), flow });
    }

    pub(crate) fn call(&self, phone: usize) -> CallId {
        self.phones[phone].call
    }

    /// Sends samples as one packet, from the phone's own address.
    pub(crate) fn say(&mut self, phone: usize, samples: &[i16]) {
        let codec = self.phones[phone].codec;
        let codes: Vec<u8> = samples.iter().map(|&sample| law::encode(codec, sample)).collect();
        self.send(phone, &codes);
    }

    /// Sends code words as one packet, from the phone's own address.
    pub(crate) fn send(&mut self, phone: usize, codes: &[u8]) {
        let phone = &mut self.phones[phone];
        let kind = match phone.codec {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        };
        let packet = rtp(kind, phone.sequence, phone.timestamp, phone.ssrc, codes);
        phone.sequence = phone.sequence.wrapping_add(1);
        phone.timestamp = phone.timestamp.wrapping_add(codes.len() as u32);
        let arriving = (phone.port, false, phone.address, packet);
        self.deliver(arriving);
    }

    /// Lets somebody send any datagram to a phone's port.
    pub(crate) fn inject(&mut self, phone: usize, rtcp: bool, from: &str, datagram: &[u8]) {
        let (port, from) = (self.phones[phone].port, from.parse().expect("an address"));
        self.deliver((port, rtcp, from, datagram.to_vec()));
    }

    /// Moves time by a tick, and gives every phone what is sent to it.
    pub(crate) fn tick(&mut self) {
        self.land();
        self.now = self.now + TICK;
        self.ticks += 1;
        for shard in 0..2 {
            self.read(shard);
            self.between.owed[shard] += 1;
            if self.between.late[shard] {
                continue;
            }
            for _ in 0..std::mem::take(&mut self.between.owed[shard]) {
                self.batch.clear();
                let worker = if shard == 0 { &mut self.worker } else { &mut self.between.second };
                worker.tick(self.now, &mut self.batch);
                self.hear();
                self.ask(shard);
            }
        }
    }

    /// Ends the ways of legs that are there.
    fn land(&mut self) {
        let flying = std::mem::take(&mut self.between.flying);
        let (landed, rest): (Vec<_>, _) = flying.into_iter().partition(|(rest, _)| *rest == 0);
        self.between.flying = rest.into_iter().map(|(rest, leg)| (rest - 1, leg)).collect();
        for (_, leg) in landed {
            let second = leg.to() == ShardId(1);
            let worker = if second { &mut self.between.second } else { &mut self.worker };
            worker.adopt(leg, self.now);
        }
        for arriving in std::mem::take(&mut self.between.buffered) {
            self.deliver(arriving);
        }
    }

    /// Takes a worker's news, and the legs that it gives away.
    fn ask(&mut self, shard: usize) {
        let worker = if shard == 0 { &mut self.worker } else { &mut self.between.second };
        while let Some(event) = worker.poll_event() {
            self.events.push(event);
        }
        while let Some(leg) = worker.poll_handover() {
            self.between.flying.push((self.between.delay, leg));
        }
    }

    /// Gives every phone what is sent to it.
    fn hear(&mut self) {
        let ports: BTreeMap<PortId, usize> =
            self.phones.iter().enumerate().map(|(place, phone)| (phone.port, place)).collect();
        for outgoing in self.batch.iter() {
            let phone = &mut self.phones[ports[&outgoing.port]];
            if outgoing.payload[1] >= 200 {
                phone.report_route = Some((outgoing.destination, outgoing.rtcp));
                phone.reports.push((self.ticks, outgoing.payload.to_vec()));
                continue;
            }
            if outgoing.destination != phone.address {
                self.strayed.push(outgoing.destination);
                continue;
            }
            let codec = if outgoing.payload[1] & 0x7f == 0 { Codec::Pcmu } else { Codec::Pcma };
            let codes = outgoing.payload[12..].iter();
            phone.heard.extend(codes.map(|&code| law::decode(codec, code)));
            phone.packets.push((self.ticks, outgoing.payload.to_vec()));
        }
    }

    /// Lets phones speak for some ticks: `voice` makes each one's samples of a tick.
    pub(crate) fn talk(
        &mut self,
        ticks: usize,
        phones: &[usize],
        voice: impl Fn(usize, usize) -> Vec<i16>,
    ) {
        for tick in 0..ticks {
            for &phone in phones {
                self.say(phone, &voice(phone, tick));
            }
            self.tick();
        }
    }

    /// Forgets what phones heard and what happened.
    pub(crate) fn forget(&mut self) {
        for phone in &mut self.phones {
            phone.heard.clear();
            phone.packets.clear();
            phone.reports.clear();
        }
        self.events.clear();
        self.strayed.clear();
    }

    /// The keys told for a phone.
    pub(crate) fn keys(&self, phone: usize) -> String {
        let call = self.call(phone);
        self.events
            .iter()
            .filter_map(|event| {
                let Event::Digit { call: whose, digit, .. } = event else { return None };
                (*whose == call).then_some(char::from(*digit))
            })
            .collect()
    }
}

/// What the phone at that place agrees on: µ-law, 20 ms, events as 101.
pub(crate) fn flow(place: usize) -> Flow {
    let port = 10_000 + 2 * place as u16;
    Flow {
        codec: Codec::Pcmu,
        ptime: TICK,
        digits_in: Some(101),
        comfort_noise: true,
        remote: SocketAddr::new([192, 0, 2, 1].into(), port),
        remote_rtcp: Some(SocketAddr::new([192, 0, 2, 1].into(), port + 1)),
        direction: Direction::SendRecv,
        held: false,
        sources: vec!["192.0.2.0/24".parse().expect("an address")],
        security: None,
    }
}

pub(crate) fn rtp(kind: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, kind];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// One tick of a tone.
pub(crate) fn tone(hertz: u32, tick: usize) -> Vec<i16> {
    (0..160)
        .map(|offset| {
            let second = (tick * 160 + offset) as f64 / 8_000.0;
            ((second * f64::from(hertz) * TAU).sin() * 6_000.0) as i16
        })
        .collect()
}

/// The level of a frequency in dB against a tone of [`tone`], by the Goertzel algorithm.
pub(crate) fn decibels(samples: &[i16], hertz: u32) -> f64 {
    let turn = 2.0 * (TAU * f64::from(hertz) / 8_000.0).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        let next = f64::from(sample) + turn * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - turn * last * before;
    let amplitude = 2.0 * power.max(0.0).sqrt() / samples.len() as f64;
    20.0 * (amplitude / 6_000.0).max(1e-9).log10()
}
