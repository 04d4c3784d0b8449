//! An endpoint, a bad network, and whoever is at its far end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{Instant, Now, Outbound, UnixTime};
use sip::{Command, Endpoint, Event, Input, Listener, Output, Settings};

/// Calls in one world.
pub(crate) const CALLS: u64 = 20;
/// How long a call lasts.
pub(crate) const TALK: Duration = Duration::from_secs(5);
/// When an ended call is released at the latest.
pub(crate) const RELEASE: Duration = Duration::from_secs(34);
/// When everything is over.
const END: Duration = Duration::from_secs(200);

/// The far end, and what the bridge would do.
pub(crate) trait Far {
    /// Something that it has to do at a moment.
    type Turn: Clone;

    /// Plans what it begins with.
    fn begin(&mut self, wire: &mut Wire<Self::Turn>);

    /// Takes a message of ours.
    fn hear(&mut self, text: &str, wire: &mut Wire<Self::Turn>);

    /// Takes a turn; a command is the bridge's.
    fn act(&mut self, turn: Self::Turn, wire: &mut Wire<Self::Turn>) -> Option<Command>;

    /// Takes what the bridge would be told.
    fn learn(&mut self, event: Event, wire: &mut Wire<Self::Turn>);

    /// Asserts that every call is over as it should be.
    fn check(&self);
}

/// What lies between, and when it is.
pub(crate) struct Wire<T> {
    pub(crate) now: Instant,
    queue: BTreeMap<(Instant, u64), Parcel<T>>,
    order: u64,
    chance: u64,
    loss_percent: u64,
}

/// What comes later.
#[derive(Clone)]
enum Parcel<T> {
    ToUs(Bytes),
    ToThem(Bytes),
    Turn(T),
}

impl<T: Clone> Wire<T> {
    /// Gives a datagram of theirs to the network.
    pub(crate) fn send(&mut self, payload: Bytes) {
        self.carry(&Parcel::ToUs(payload));
    }

    /// Plans a turn.
    pub(crate) fn post(&mut self, delay: Duration, turn: T) {
        self.put(delay, Parcel::Turn(turn));
    }

    fn carry(&mut self, parcel: &Parcel<T>) {
        let copies = if self.draw(100) < 5 { 2 } else { 1 };
        for _ in 0..copies {
            if self.draw(100) >= self.loss_percent {
                let delay = Duration::from_millis(5 + self.draw(150));
                self.put(delay, parcel.clone());
            }
        }
    }

    fn put(&mut self, delay: Duration, parcel: Parcel<T>) {
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

/// All three.
pub(crate) struct World<F: Far> {
    endpoint: Endpoint,
    wire: Wire<F::Turn>,
    far: F,
}

impl<F: Far> World<F> {
    pub(crate) fn new(
        mut far: F,
        outbound: Option<Outbound>,
        seed: u64,
        loss_percent: u64,
    ) -> Self {
        let settings = Settings {
            seed: [1; 32],
            listeners: vec![Listener {
                advertised: "198.51.100.1:5060".parse().unwrap(),
                transport: model::Transport::Udp,
                keep_alive: true,
            }],
            session_secs: 0,
            banner: None,
            retry_after_secs: 5,
            patience: sip::Patience::default(),
        };
        let mut wire = Wire {
            now: Instant::START,
            queue: BTreeMap::new(),
            order: 0,
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            loss_percent,
        };
        far.begin(&mut wire);
        let mut world = Self { endpoint: Endpoint::new(settings), wire, far };
        world.feed(Input::Command(Command::Trunks(vec![trunk(outbound)])));
        world
    }

    /// Plays to the end, and returns the far end as it is then.
    pub(crate) fn run(mut self) -> F {
        let end = Instant::START + END;
        loop {
            let next = self.wire.queue.first_key_value().map(|((at, _), _)| *at);
            let due = self.endpoint.poll_timeout();
            let Some(at) = next.into_iter().chain(due).min().filter(|at| *at <= end) else { break };
            self.wire.now = self.wire.now.max(at);
            if due == Some(at) {
                self.endpoint.handle_timeout(self.now());
                self.drain();
            } else if let Some((_, parcel)) = self.wire.queue.pop_first() {
                self.deliver(parcel);
            }
        }
        assert_eq!(self.endpoint.live(), (0, 0));
        self.far.check();
        self.far
    }

    fn deliver(&mut self, parcel: Parcel<F::Turn>) {
        match parcel {
            Parcel::ToUs(payload) => {
                let source = "192.0.2.1:5060".parse().unwrap();
                self.feed(Input::Datagram { listener: 0, source, payload });
            }
            Parcel::ToThem(payload) => {
                self.far.hear(&String::from_utf8_lossy(&payload), &mut self.wire);
            }
            Parcel::Turn(turn) => {
                if let Some(command) = self.far.act(turn, &mut self.wire) {
                    self.feed(Input::Command(command));
                }
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.endpoint.handle_input(input, self.now());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => self.wire.carry(&Parcel::ToThem(transmit.payload)),
                Output::Event(event) => self.far.learn(event, &mut self.wire),
                Output::Connection { .. } | Output::Lookup { .. } => panic!("it is all UDP"),
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.wire.now, unix: UnixTime::default() }
    }
}

/// Returns a header field's value.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let named = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    text.lines().find_map(named).unwrap()
}

/// Answers a request; To gets a tag, if it has none.
pub(crate) fn answer(request: &str, status: &str) -> Bytes {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let value = field(request, name);
        let tag = if name == "To" && !value.contains(";tag=") { ";tag=far" } else { "" };
        text.push_str(&format!("{name}: {value}{tag}\r\n"));
    }
    Bytes::from(text + "Contact: <sip:far@192.0.2.1>\r\nContent-Length: 0\r\n\r\n")
}

fn trunk(outbound: Option<Outbound>) -> Trunk {
    Trunk { outbound, ..Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()]) }
}
