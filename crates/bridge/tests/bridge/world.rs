//! A bridge with a book for its store, a carrier that writes SIP bytes, and a media plane that
//! does as it is told. Time moves only when a test says so.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge::outbound::Options;
use bridge::{
    Bridge, By, DialOut, Directory, Input, Note, Output, Placed, Refusal, Settings, StoreOutcome,
    StoreRequest,
};
use credits::{Book, Command, Epoch};
use media::{LegStats, LibraryBuilder, PortId, Prompt, Silence};
use model::record::{Cdr, Provision, Trunk};
use model::{CallId, Instant, Money, Now, UnixTime, UserId};

use crate::provision;

/// How the store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// It answers at once.
    Up,
    /// It abandons every request.
    Down,
    /// It says nothing until told to.
    Slow,
    /// It commits, and the answer is lost.
    Forgetful,
}

pub(crate) struct World {
    pub(crate) bridge: Bridge,
    pub(crate) book: Book,
    pub(crate) now: Now,
    pub(crate) store: Store,
    pub(crate) waiting: VecDeque<StoreRequest>,
    pub(crate) sent: VecDeque<String>,
    pub(crate) media: Vec<media::Command>,
    pub(crate) notes: Vec<Note>,
    pub(crate) placed: Vec<Placed>,
    pub(crate) drained: bool,
    /// Whose carriers were told that they are over.
    pub(crate) told: Vec<CallId>,
    pub(crate) asked: usize,
    ports: BTreeMap<CallId, PortId>,
    last_rtp: BTreeMap<CallId, Instant>,
    inputs: VecDeque<Input>,
    /// Whether the media plane cuts on time.
    pub(crate) cuts: bool,
    funded: BTreeMap<CallId, Instant>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(provision::standard(), provision::trunk())
    }

    pub(crate) fn with(provision: Provision, trunk: Trunk) -> Self {
        Self::set(provision, trunk, |_| ())
    }

    pub(crate) fn set(
        provision: Provision,
        trunk: Trunk,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::set_trunks(provision, vec![trunk], change)
    }

    /// A world with these trunks.
    pub(crate) fn set_trunks(
        provision: Provision,
        trunks: Vec<Trunk>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let mut book = Book::new();
        for organization in &provision.organizations {
            book.open_account(organization.id, &organization.name, organization.currency);
        }
        book.begin_epoch("node");
        let mut world = Self {
            bridge: Bridge::new(settings),
            book,
            now: Now {
                mono: Instant::START + Duration::from_secs(1000),
                unix: UnixTime { micros: 1_795_000_000_000_000 },
            },
            store: Store::Up,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            media: Vec::new(),
            notes: Vec::new(),
            placed: Vec::new(),
            drained: false,
            told: Vec::new(),
            asked: 0,
            ports: BTreeMap::new(),
            last_rtp: BTreeMap::new(),
            inputs: VecDeque::new(),
            cuts: true,
            funded: BTreeMap::new(),
        };
        let directory = Arc::new(Directory::new(provision, trunks).unwrap());
        world.input(Input::Directory(directory));
        let port = |n: u16| (PortId(n), SocketAddr::from(([198, 51, 100, 1], 4000 + 2 * n)));
        world.input(Input::PortsAdded((0..8).map(port).collect()));
        world
    }

    pub(crate) fn top_up(&mut self, amount: &str) {
        self.asked += 1;
        let command = Command::TopUp {
            account: provision::organization().id.account(),
            reference: format!("wire-{}", self.asked),
            amount: money(amount),
            at: self.now.unix,
        };
        self.book.commit(&[command], self.now.unix);
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.bridge.handle_input(input, self.now);
            self.drain();
        }
    }

    /// Lets time pass, waking the bridge whenever it asks for it and cutting legs on the tick.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            let cut = self.funded.values().copied().min().filter(|_| self.cuts);
            let next = [self.bridge.poll_timeout(), cut].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.advance(at);
            self.cut_due();
            self.bridge.handle_timeout(self.now);
            self.drain();
            while let Some(input) = self.inputs.pop_front() {
                self.bridge.handle_input(input, self.now);
                self.drain();
            }
        }
        self.advance(end);
    }

    pub(crate) fn digits(&mut self, call: CallId, digits: &str) {
        for digit in digits.bytes() {
            self.input(Input::Media(media::Event::Digit { call, digit, way: media::Way::Event }));
        }
    }

    /// RTP comes from the peer.
    pub(crate) fn hear(&mut self, call: CallId) {
        self.last_rtp.insert(call, self.now.mono);
        self.input(Input::Media(media::Event::Heard { call, at: self.now.mono }));
    }

    /// The media plane tells the prompt it plays to this call came to its end.
    pub(crate) fn played(&mut self, call: CallId) {
        let token = self.media.iter().rev().find_map(|command| match command {
            media::Command::Play { call: leg, token, .. } if *leg == call => Some(*token),
            _ => None,
        });
        self.input(Input::Media(media::Event::Played { call, token: token.unwrap() }));
    }

    /// Answers everything that waits in a slow store.
    pub(crate) fn answer_store(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            let answer = self.book.commit(&[request.command], self.now.unix).remove(0);
            let outcome = StoreOutcome::Answered(answer);
            self.input(Input::Stored { request: request.id, outcome });
        }
    }

    /// What was said to a call, in order.
    pub(crate) fn said(&self, call: CallId) -> Vec<Prompt> {
        let said = self.media.iter().filter_map(|command| match command {
            media::Command::Play { call: leg, prompts, .. } if *leg == call => Some(prompts),
            _ => None,
        });
        said.flatten().copied().collect()
    }

    pub(crate) fn is_seated(&self, call: CallId) -> bool {
        let is = |c: &media::Command| matches!(c, media::Command::Seat { call: leg, .. } if *leg == call);
        self.media.iter().any(is)
    }

    /// Orders a call into the meeting; what became of it is in `placed` once decided.
    pub(crate) fn order(&mut self, numbers: &[&str], options: Options) {
        self.asked += 1;
        let order = DialOut {
            request: self.asked as u64,
            meeting: provision::standard().meetings[0].id,
            numbers: numbers.iter().map(|number| (*number).to_owned()).collect(),
            by: By::User(UserId::from_name("ada")),
            options,
        };
        self.input(Input::DialOut(Box::new(order)));
    }

    /// The one call of the newest order.
    pub(crate) fn ordered(&self) -> CallId {
        match &self.placed.last().expect("a decided order").calls[..] {
            [Ok(call)] => *call,
            other => panic!("not one placed call: {other:?}"),
        }
    }

    /// Why the newest order was refused.
    pub(crate) fn refused(&self) -> Refusal {
        match &self.placed.last().expect("a decided order").calls[..] {
            [Err(denied)] => denied.refusal,
            other => panic!("not one refused call: {other:?}"),
        }
    }

    /// What is told of calls of ours that are over.
    pub(crate) fn outcomes(&self) -> Vec<&'static str> {
        let told = self.notes.iter().filter_map(|note| match note {
            Note::DialOut { outcome } => Some(*outcome),
            _ => None,
        });
        told.collect()
    }

    /// The one live call.
    pub(crate) fn call(&self) -> CallId {
        self.bridge.live(self.now).last().expect("a live call").call
    }

    pub(crate) fn live_held(&self, call: CallId) -> Option<Money> {
        self.bridge.live(self.now).into_iter().find(|live| live.call == call)?.held
    }

    pub(crate) fn state(&self, call: CallId) -> Option<&'static str> {
        let live = self.bridge.live(self.now);
        live.into_iter().find(|live| live.call == call).map(|live| live.state)
    }

    /// The call that is identifying.
    pub(crate) fn identifying(&self) -> CallId {
        let live = self.bridge.live(self.now);
        live.iter().find(|live| live.state == "identifying").expect("a caller who identifies").call
    }

    /// Which warnings were given.
    pub(crate) fn warnings(&self) -> Vec<u8> {
        let warned = self.notes.iter().filter_map(|note| match note {
            Note::Warned { seconds } => Some(*seconds),
            _ => None,
        });
        warned.collect()
    }

    /// Whether the peer holds, as media was told by each update.
    pub(crate) fn held_flags(&self) -> Vec<bool> {
        let updates = self.media.iter().filter_map(|command| match command {
            media::Command::Update { flow, .. } => Some(flow.held),
            _ => None,
        });
        updates.collect()
    }

    /// No packets come any more, from now on.
    pub(crate) fn silence(&mut self, call: CallId) {
        let last = Some(self.now.mono);
        self.input(Input::Media(media::Event::Life { call, silence: Silence::Began { last } }));
    }

    /// Forgets what was sent, said and noted so far.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.media.clear();
        self.notes.clear();
    }

    /// Nothing lives, nothing is held, and every alarm that is left is for nothing.
    pub(crate) fn is_at_rest(&mut self) {
        self.pass(secs(60));
        assert!(self.bridge.live(self.now).is_empty());
        assert_eq!(self.held(), Money::ZERO);
        assert!(self.book.open_legs().is_empty());
        let shown = format!("{:?}", self.bridge);
        assert!(shown.contains("calls: 0, live: 0, conferences: 0, owed: 0"), "{shown}");
    }

    /// The one CDR.
    pub(crate) fn cdr(&self) -> Cdr {
        let mut cdrs = self.book.cdrs(9);
        assert_eq!(cdrs.len(), 1, "one CDR");
        cdrs.remove(0)
    }

    pub(crate) fn available(&self) -> Money {
        self.book.account(provision::organization().id).unwrap().available
    }

    pub(crate) fn held(&self) -> Money {
        self.book.account(provision::organization().id).unwrap().held
    }

    pub(crate) fn datagram(&mut self, payload: String) {
        let source = SocketAddr::from(([192, 0, 2, 9], 5060));
        self.input(Input::Datagram { listener: 0, source, payload: payload.into_bytes().into() });
    }

    /// Takes the next message that begins so; those before it are dropped.
    pub(crate) fn expect(&mut self, start: &str) -> String {
        while let Some(message) = self.sent.pop_front() {
            if message.starts_with(start) {
                return message;
            }
        }
        panic!("no {start} was sent");
    }

    fn advance(&mut self, at: Instant) {
        let passed = at.since(self.now.mono);
        self.now.mono = self.now.mono.max(at);
        self.now.unix.micros += i64::try_from(passed.as_micros()).unwrap();
    }

    fn cut_due(&mut self) {
        let is_due = |(_, at): &(&CallId, &Instant)| self.cuts && **at <= self.now.mono;
        let due: Vec<CallId> = self.funded.iter().filter(is_due).map(|(call, _)| *call).collect();
        for call in due {
            self.funded.remove(&call);
            let (at, overrun) = (self.now.mono, Duration::ZERO);
            self.bridge
                .handle_input(Input::Media(media::Event::Cut { call, at, overrun }), self.now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.bridge.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    self.sent.push_back(String::from_utf8(transmit.payload.to_vec()).unwrap());
                }
                Output::Store(request) => self.ask(request),
                Output::Media { shard: _, command } => self.command(command),
                Output::Placed(placed) => self.placed.push(placed),
                Output::Note(note) => self.notes.push(note),
                Output::Connection { .. } | Output::Lookup { .. } => panic!("it is all UDP"),
                Output::Told(call) => self.told.push(call),
                Output::Drained => self.drained = true,
            }
        }
    }

    fn ask(&mut self, request: StoreRequest) {
        let outcome = match self.store {
            Store::Slow => return self.waiting.push_back(request),
            Store::Down => StoreOutcome::Unknown,
            Store::Forgetful => {
                self.book.commit(&[request.command], self.now.unix);
                StoreOutcome::Unknown
            }
            Store::Up => {
                let answer = self.book.commit(&[request.command], self.now.unix).remove(0);
                StoreOutcome::Answered(answer)
            }
        };
        self.inputs.push_back(Input::Stored { request: request.id, outcome });
    }

    fn command(&mut self, command: media::Command) {
        match &command {
            media::Command::Open { call, port, .. } => {
                self.ports.insert(*call, *port);
            }
            media::Command::Fund { call, until } => {
                self.funded.insert(*call, *until);
            }
            media::Command::Close { call } => {
                self.funded.remove(call);
                let port = self.ports.remove(call).expect("an open leg");
                let stats =
                    LegStats { last_rtp: self.last_rtp.remove(call), ..LegStats::default() };
                self.inputs.push_back(Input::Media(media::Event::Closed {
                    call: *call,
                    port,
                    stats,
                }));
            }
            media::Command::Update { .. }
            | media::Command::Play { .. }
            | media::Command::Hush { .. }
            | media::Command::Listen { .. }
            | media::Command::Seat { .. }
            | media::Command::Unseat { .. }
            | media::Command::Release { .. }
            | media::Command::Expect { .. } => {}
        }
        self.media.push(command);
    }
}

pub(crate) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn settings() -> Settings {
    Settings {
        seed: [7; 32],
        epoch: Epoch { node: "node".into(), number: 1 },
        sip: sip::Settings {
            seed: [8; 32],
            listeners: vec![sip::Listener {
                advertised: SocketAddr::from(([198, 51, 100, 1], 5060)),
                transport: model::Transport::Udp,
                keep_alive: true,
            }],
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
            patience: sip::Patience::default(),
        },
        prompts: Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap()),
        calls_max: 100,
        shards: 1,
        slice_secs: 30,
        roll_ahead: secs(15),
        unpaid_limit: secs(90),
        tries: 3,
        digit_pause: secs(10),
        life_limit: secs(20),
        life_limit_held: secs(300),
        announcements: true,
        ring_limit: secs(4),
        presence: bridge::Presence::default(),
        abuse: bridge::Abuse::default(),
    }
}
