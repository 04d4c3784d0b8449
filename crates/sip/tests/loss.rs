//! Calls over a network that loses, doubles and reorders (reliability.md F10–F13): each INVITE is
//! one call at most, every call ends once, nothing is left.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{CallId, Instant, Now, UnixTime};
use sip::{Command, Endpoint, Event, Input, Listener, Output, Settings};

const CALLS: usize = 20;
const SEEDS: u64 = 40;

#[test]
fn ten_percent_loss_sets_up_every_call() {
    let answered: usize = (0..SEEDS).map(|seed| World::new(seed, 10).run()).sum();
    assert_eq!(answered, CALLS * usize::try_from(SEEDS).unwrap());
}

#[test]
fn thirty_percent_loss_sets_up_nearly_every_call() {
    let answered: usize = (0..SEEDS).map(|seed| World::new(seed, 30).run()).sum();
    assert!(answered * 100 >= CALLS * usize::try_from(SEEDS).unwrap() * 95, "{answered}");
}

/// What the network carries.
#[derive(Clone)]
enum Parcel {
    ToUs(Bytes),
    ToThem(Bytes),
    /// A caller's own timer.
    Tick(usize),
    /// A caller has talked enough.
    HangUp(usize),
    /// The bridge answers.
    Answer(CallId),
}

/// A caller: asks until it is answered, as RFC 3261 says.
#[derive(Clone)]
struct Caller {
    stage: Stage,
    tag: String,
    sent: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Inviting,
    Ringing,
    Talking,
    Leaving,
    Gone,
}

struct World {
    endpoint: Endpoint,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Parcel>,
    order: u64,
    chance: u64,
    loss_percent: u64,
    callers: Vec<Caller>,
    /// By Call-ID of the caller.
    invited: BTreeMap<String, CallId>,
    ended: BTreeMap<CallId, u32>,
    confirmed: BTreeMap<CallId, u32>,
}

impl World {
    fn new(seed: u64, loss_percent: u64) -> Self {
        let listeners = vec![Listener {
            advertised: "198.51.100.1:5060".parse().unwrap(),
            transport: model::Transport::Udp,
            keep_alive: true,
        }];
        let settings = Settings {
            seed: [1; 32],
            listeners,
            session_secs: 0,
            banner: None,
            retry_after_secs: 5,
            patience: sip::Patience::default(),
        };
        let caller = Caller { stage: Stage::Inviting, tag: String::new(), sent: 0 };
        let mut world = Self {
            endpoint: Endpoint::new(settings),
            now: Instant::START,
            queue: BTreeMap::new(),
            order: 0,
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            loss_percent,
            callers: vec![caller; CALLS],
            invited: BTreeMap::new(),
            ended: BTreeMap::new(),
            confirmed: BTreeMap::new(),
        };
        world.feed(Input::Command(Command::Trunks(vec![trunk()])));
        for number in 0..CALLS {
            world.post(Duration::from_millis(number as u64 * 37), Parcel::Tick(number));
        }
        world
    }

    /// Plays to the end; returns how many callers got through.
    fn run(mut self) -> usize {
        let end = Instant::START + Duration::from_secs(150);
        loop {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = self.endpoint.poll_timeout();
            let Some(at) = next.into_iter().chain(due).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if due == Some(at) {
                self.endpoint.handle_timeout(now(self.now));
                self.drain();
            } else if let Some((_, parcel)) = self.queue.pop_first() {
                self.deliver(parcel);
            }
        }
        assert_eq!(self.endpoint.live(), (0, 0));
        for call in self.invited.values() {
            assert_eq!(self.ended.get(call), Some(&1), "every call ends once");
            assert!(self.confirmed.get(call).copied().unwrap_or(0) <= 1);
        }
        self.callers.iter().filter(|caller| !caller.tag.is_empty()).count()
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToUs(payload) => {
                let source = "192.0.2.1:5060".parse().unwrap();
                self.feed(Input::Datagram { listener: 0, source, payload });
            }
            Parcel::ToThem(payload) => self.caller_hears(&String::from_utf8_lossy(&payload)),
            Parcel::Tick(number) => self.caller_acts(number),
            Parcel::HangUp(number) if self.callers[number].stage == Stage::Talking => {
                self.callers[number].stage = Stage::Leaving;
                self.callers[number].sent = 0;
                self.caller_acts(number);
            }
            Parcel::HangUp(_) => {}
            Parcel::Answer(call) => {
                let body = Bytes::from_static(b"v=0\r\n");
                self.feed(Input::Command(Command::Answer { call, body }));
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.endpoint.handle_input(input, now(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            let event = match output {
                Output::Transmit(transmit) => {
                    self.send(Parcel::ToThem(transmit.payload));
                    continue;
                }
                Output::Event(event) => event,
                Output::Connection { .. } | Output::Lookup { .. } => panic!("it is all UDP"),
            };
            match event {
                Event::Invited(invitation) => {
                    let earlier = self.invited.insert(invitation.sip_call_id, invitation.call);
                    assert_eq!(earlier, None, "an INVITE made a second call");
                    self.post(Duration::from_millis(50), Parcel::Answer(invitation.call));
                }
                Event::Confirmed { call, .. } => *self.confirmed.entry(call).or_insert(0) += 1,
                Event::HungUp { call, .. }
                | Event::Lost { call, .. }
                | Event::Cancelled { call } => *self.ended.entry(call).or_insert(0) += 1,
                Event::Offered { .. }
                | Event::Alive { .. }
                | Event::Unproven { .. }
                | Event::Keyed { .. }
                | Event::Dialled { .. }
                | Event::Progress { .. }
                | Event::Accepted { .. }
                | Event::Failed { .. }
                | Event::Reachable { .. }
                | Event::Troubled { .. }
                | Event::Registered { .. }
                | Event::OrphanEnded { .. }
                | Event::Counted(_) => {}
            }
        }
    }

    /// A caller's timer: send again what is unanswered, or take the next step.
    fn caller_acts(&mut self, number: usize) {
        let caller = &mut self.callers[number];
        caller.sent += 1;
        let wait = Duration::from_millis(500 << caller.sent.min(4).saturating_sub(1));
        let (method, cseq) = match caller.stage {
            Stage::Inviting if caller.sent <= 7 => ("INVITE", 1),
            Stage::Leaving if caller.sent <= 10 => ("BYE", 2),
            Stage::Inviting | Stage::Leaving => {
                caller.stage = Stage::Gone;
                return;
            }
            Stage::Ringing | Stage::Talking | Stage::Gone => return,
        };
        let text = self.request(number, method, cseq, method);
        self.send(Parcel::ToUs(text));
        self.post(wait, Parcel::Tick(number));
    }

    fn caller_hears(&mut self, text: &str) {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let number: usize = field("Call-ID: ").parse().unwrap();
        let caller = &mut self.callers[number];
        if let Some(rest) = text.strip_prefix("BYE ") {
            assert!(rest.starts_with("sip:"));
            caller.stage = Stage::Gone;
            let echoed = text.lines().filter(|line| {
                ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|n| line.starts_with(n))
            });
            let head: String = echoed.map(|line| format!("{line}\r\n")).collect();
            return self.send(Parcel::ToUs(Bytes::from(format!("SIP/2.0 200 OK\r\n{head}\r\n"))));
        }
        if field("CSeq: ").ends_with("BYE") {
            caller.stage = Stage::Gone;
            return;
        }
        let status: u16 = text[8..11].parse().unwrap();
        assert!(status <= 200, "{text}");
        if status == 200 {
            caller.tag = field("To: ").split_once(";tag=").unwrap().1.to_owned();
            let first = matches!(caller.stage, Stage::Inviting | Stage::Ringing);
            if first {
                caller.stage = Stage::Talking;
                self.post(Duration::from_secs(5), Parcel::HangUp(number));
            }
            let ack = self.request(number, "ACK", 1, "ACK");
            self.send(Parcel::ToUs(ack));
        } else if caller.stage == Stage::Inviting {
            caller.stage = Stage::Ringing;
        }
    }

    fn request(&self, number: usize, method: &str, cseq: u32, branch: &str) -> Bytes {
        let tag = &self.callers[number].tag;
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        Bytes::from(format!(
            "{method} sip:1@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}{number}\r\n\
             From: <sip:2@192.0.2.1>;tag=f{number}\r\nTo: <sip:1@198.51.100.1>{tag}\r\n\
             Call-ID: {number}\r\nCSeq: {cseq} {method}\r\nContact: <sip:2@192.0.2.1>\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    }

    /// Gives a datagram to the network.
    fn send(&mut self, parcel: Parcel) {
        let copies = if self.draw(100) < 5 { 2 } else { 1 };
        for _ in 0..copies {
            if self.draw(100) >= self.loss_percent {
                let delay = Duration::from_millis(5 + self.draw(150));
                self.post(delay, parcel.clone());
            }
        }
    }

    fn post(&mut self, delay: Duration, parcel: Parcel) {
        self.order += 1;
        self.queue.insert((self.now + delay, self.order), parcel);
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % below
    }
}

fn now(mono: Instant) -> Now {
    Now { mono, unix: UnixTime::default() }
}

fn trunk() -> Trunk {
    Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
}
