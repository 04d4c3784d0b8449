//! Calls of ours over a network that loses, doubles and reorders: each is answered or has failed,
//! exactly once, none is left at the far end without its ACK or its BYE, and all are released in
//! time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{CallId, Instant, Now, Outbound, TrunkId, UnixTime};
use sip::{Command, Dial, Endpoint, Event, Input, Listener, Output, Settings};

const CALLS: u64 = 20;
const SEEDS: u64 = 40;
/// How long a call lasts.
const TALK: Duration = Duration::from_secs(5);

#[test]
fn five_percent_loss_sets_up_every_call() {
    assert_eq!(answered(5), CALLS * SEEDS);
}

#[test]
fn ten_percent_loss_sets_up_every_call() {
    assert_eq!(answered(10), CALLS * SEEDS);
}

#[test]
fn thirty_percent_loss_sets_up_nearly_every_call() {
    let answered = answered(30);
    assert!(answered * 100 >= CALLS * SEEDS * 95, "{answered}");
}

fn answered(loss: u64) -> u64 {
    (0..SEEDS).map(|seed| World::new(seed, loss).run()).sum()
}

#[derive(Clone)]
enum Parcel {
    ToUs(Bytes),
    ToThem(Bytes),
    /// A phone's own timer: it repeats its 200.
    Tick(String),
    /// The bridge dials.
    Dial(u64),
    /// The bridge has talked enough.
    HangUp(u64),
}

/// A phone that rings, is answered, and waits for ACK and BYE.
#[derive(Clone, Default)]
struct Phone {
    invite: String,
    sent: u32,
    acknowledged: bool,
    ended: Option<Instant>,
}

struct World {
    endpoint: Endpoint,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Parcel>,
    order: u64,
    chance: u64,
    loss_percent: u64,
    phones: BTreeMap<String, Phone>,
    accepted: BTreeMap<CallId, u32>,
    failed: BTreeMap<CallId, u32>,
    hung_up: BTreeMap<CallId, Instant>,
}

impl World {
    fn new(seed: u64, loss_percent: u64) -> Self {
        let settings = Settings {
            seed: [1; 32],
            listeners: vec![Listener {
                advertised: "198.51.100.1:5060".parse().unwrap(),
                transport: model::Transport::Udp,
                keep_alive: false,
            }],
            session_secs: 0,
            banner: None,
            retry_after_secs: 5,
            patience: sip::Patience::default(),
        };
        let mut world = Self {
            endpoint: Endpoint::new(settings),
            now: Instant::START,
            queue: BTreeMap::new(),
            order: 0,
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            loss_percent,
            phones: BTreeMap::new(),
            accepted: BTreeMap::new(),
            failed: BTreeMap::new(),
            hung_up: BTreeMap::new(),
        };
        world.feed(Input::Command(Command::Trunks(vec![trunk()])));
        for number in 1..=CALLS {
            world.post(Duration::from_millis(number * 37), Parcel::Dial(number));
        }
        world
    }

    /// Plays to the end; returns how many calls were answered.
    fn run(mut self) -> u64 {
        let end = Instant::START + Duration::from_secs(200);
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
        for number in 1..=CALLS {
            let call = CallId(u128::from(number));
            let accepted = self.accepted.get(&call).copied().unwrap_or(0);
            let failed = self.failed.get(&call).copied().unwrap_or(0);
            assert_eq!(accepted + failed, 1, "exactly one outcome");
        }
        for phone in self.phones.values().filter(|phone| !phone.invite.is_empty()) {
            let called = phone.invite.split_once("sip:+39011").unwrap().1.split_once('@').unwrap();
            let call = CallId(called.0.parse().unwrap());
            let Some(hung_up) = self.hung_up.get(&call) else { continue };
            let ended = phone.ended.expect("the phone hears of the end");
            assert!(ended.since(*hung_up) <= Duration::from_secs(34), "released in 34 s");
        }
        self.accepted.len() as u64
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToUs(payload) => {
                let source = "192.0.2.1:5060".parse().unwrap();
                self.feed(Input::Datagram { listener: 0, source, payload });
            }
            Parcel::ToThem(payload) => self.phone_hears(&String::from_utf8_lossy(&payload)),
            Parcel::Tick(id) => self.phone_repeats(&id),
            Parcel::Dial(number) => self.feed(Input::Command(Command::Dial(Box::new(Dial {
                call: CallId(u128::from(number)),
                trunk: TrunkId::from_name("carrier"),
                called: format!("+39011{number}"),
                caller: "+3902".to_owned(),
                name: None,
                withheld: false,
                offer: Bytes::from_static(b"v=0\r\n"),
                max_forwards: 70,
                patience: Duration::from_secs(32),
            })))),
            Parcel::HangUp(number) => {
                let call = CallId(u128::from(number));
                self.hung_up.insert(call, self.now);
                self.feed(Input::Command(Command::Bye { call, q850: 16 }));
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.endpoint.handle_input(input, now(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => self.send(Parcel::ToThem(transmit.payload)),
                Output::Event(Event::Accepted { call, .. }) => {
                    *self.accepted.entry(call).or_insert(0) += 1;
                    let number = u64::try_from(call.0).unwrap();
                    self.post(TALK, Parcel::HangUp(number));
                }
                Output::Event(Event::Failed { call, .. }) => {
                    *self.failed.entry(call).or_insert(0) += 1;
                }
                Output::Event(_) | Output::Connection { .. } | Output::Lookup { .. } => {}
            }
        }
    }

    fn phone_hears(&mut self, text: &str) {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let id = field("Call-ID: ").to_owned();
        let phone = self.phones.entry(id.clone()).or_default();
        if text.starts_with("INVITE") {
            let first = phone.invite.is_empty();
            text.clone_into(&mut phone.invite);
            if first {
                self.post(Duration::from_millis(50), Parcel::Tick(id));
            }
            let ringing = answer(text, "180 Ringing");
            self.send(Parcel::ToUs(ringing));
        } else if text.starts_with("ACK") {
            phone.acknowledged = true;
        } else if text.starts_with("BYE") {
            phone.ended = phone.ended.or(Some(self.now));
            self.send(Parcel::ToUs(answer(text, "200 OK")));
        }
    }

    /// Sends the 200 until its ACK, for 32 s.
    fn phone_repeats(&mut self, id: &str) {
        let phone = self.phones.get_mut(id).unwrap();
        if phone.acknowledged || phone.ended.is_some() || phone.sent > 10 {
            return;
        }
        let wait = Duration::from_millis(500 << phone.sent.min(3));
        phone.sent += 1;
        let ok = answer(&phone.invite, "200 OK");
        self.send(Parcel::ToUs(ok));
        self.post(wait, Parcel::Tick(id.to_owned()));
    }

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

fn answer(request: &str, status: &str) -> Bytes {
    let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().filter(|line| names.iter().any(|name| line.starts_with(name))) {
        text.push_str(line);
        if line.starts_with("To:") && !line.contains(";tag=") {
            text.push_str(";tag=phone");
        }
        text.push_str("\r\n");
    }
    Bytes::from(text + "Contact: <sip:phone@192.0.2.1>\r\nContent-Length: 0\r\n\r\n")
}

fn now(mono: Instant) -> Now {
    Now { mono, unix: UnixTime::default() }
}

fn trunk() -> Trunk {
    Trunk {
        outbound: Some(Outbound::to("192.0.2.1")),
        ..Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
    }
}
