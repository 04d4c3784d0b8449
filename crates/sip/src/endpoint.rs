//! The SIP core's four verbs. A dialog is named by the call's [`CallId`] from its INVITE on.

mod command;
mod event;

pub use command::{Command, Dial};
pub use event::{Counted, Event, Failure, Invitation, Key, Loss};

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use model::{CallId, Instant, Now, Transport, TrunkId};

use crate::answer::Words;
use crate::chance::Chance;
use crate::connection::{
    ConnectionId, ConnectionInput, ConnectionOutput, Record, RecordKind, Unfound,
};
use crate::dialog::record;
use crate::locate::Book;
use crate::session::Call;
use crate::session::accept::Refusal;
use crate::session::attempt::Attempt;
use crate::timers::{Alarm, Timers};
use crate::transaction::client::Asked;
use crate::transaction::client_invite::Placed;
use crate::transaction::server::{self, Served};
use crate::transaction::server_invite::{self, Invite};
use crate::transaction::{Mark, Table};
use crate::transport::Flow;
use crate::transport::strangers::{Patience, Strangers};
use crate::transport::streams::Streams;
use crate::trunk::AllowList;
use crate::trunk::binding::Bindings;
use crate::trunk::nonce::Nonces;
use crate::trunk::options::Health;
use crate::trunk::register::Registration;

/// A socket that we listen on, by its place in [`Settings::listeners`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Host and port that peers are told in Contact and Via.
    pub advertised: SocketAddr,
    /// How messages travel there.
    pub transport: Transport,
    /// Whether silent connections with a dialog are kept alive (RFC 5626 §3.5.1).
    pub keep_alive: bool,
}

/// What the endpoint is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Seed of tags, branches and call identifiers.
    pub seed: [u8; 32],
    /// The sockets.
    pub listeners: Vec<Listener>,
    /// Session interval asked for where the peer names none, seconds; 0 asks for none (RFC 4028).
    pub session_secs: u32,
    /// Shown in `Server` and `User-Agent`; `None` shows nothing (reliability.md S2).
    pub banner: Option<String>,
    /// Retry-After of a draining node, seconds.
    pub retry_after_secs: u32,
    /// When strangers are banned.
    pub patience: Patience,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// From which socket.
    pub listener: u8,
    /// To whom.
    pub destination: SocketAddr,
    /// On which connection; `None` is a datagram. One that is gone is answered by
    /// [`ConnectionInput::Closed`].
    pub connection: Option<ConnectionId>,
    /// The message.
    pub payload: Bytes,
}

/// Something that happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A datagram came.
    Datagram {
        /// On which socket.
        listener: u8,
        /// From whom.
        source: SocketAddr,
        /// The message.
        payload: Bytes,
    },
    /// Something happened to a connection.
    Connection {
        /// To which.
        connection: ConnectionId,
        /// What.
        input: ConnectionInput,
    },
    /// The answer to [`Output::Lookup`]; exactly one for each.
    Found {
        /// The question's.
        id: u64,
        /// The records, or why there are none.
        answer: Result<Vec<Record>, Unfound>,
    },
    /// The bridge wants something.
    Command(Command),
}

/// Something for the bridge or the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Do this to a connection.
    Connection {
        /// To which.
        connection: ConnectionId,
        /// What.
        output: ConnectionOutput,
    },
    /// Ask the name servers, and answer by [`Input::Found`].
    Lookup {
        /// Comes back with the answer.
        id: u64,
        /// The name.
        name: String,
        /// What of it.
        kind: RecordKind,
    },
    /// Take note.
    Event(Event),
}

/// Every transaction and dialog of this node.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) settings: Settings,
    pub(crate) chance: Chance,
    pub(crate) words: Words,
    pub(crate) trunks: AllowList,
    pub(crate) draining: bool,
    pub(crate) overloaded: bool,
    /// The time of the input that is being dealt with.
    pub(crate) now: Instant,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) timers: Timers,
    pub(crate) streams: Streams,
    pub(crate) strangers: Strangers,
    pub(crate) book: Book,
    pub(crate) serial: u64,
    pub(crate) invites: Table<Invite>,
    pub(crate) served: Table<Served>,
    pub(crate) asked: Table<Asked>,
    pub(crate) placed: Table<Placed>,
    /// Calls to place whose trunk's address is being looked up.
    pub(crate) unplaced: BTreeMap<CallId, Dial>,
    /// The trunks that are asked whether they live.
    pub(crate) health: BTreeMap<TrunkId, Health>,
    /// Our registrations.
    pub(crate) registrations: BTreeMap<TrunkId, Registration>,
    /// Where trunks are that registered with us.
    pub(crate) bindings: BTreeMap<TrunkId, Bindings>,
    pub(crate) nonces: Nonces,
    /// INVITEs of ours that may still bring a 2xx.
    pub(crate) attempts: HashMap<u64, Attempt>,
    /// Those of them that the bridge waits for.
    pub(crate) dialled: HashMap<CallId, u64>,
    pub(crate) calls: HashMap<CallId, Call>,
    /// Calls by our tag.
    pub(crate) tags: HashMap<Box<str>, CallId>,
    /// How many of call and transaction still know an INVITE.
    pub(crate) marks: HashMap<Mark, u8>,
}

impl Endpoint {
    /// Makes an endpoint that knows no trunk yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            chance: Chance::new(settings.seed),
            words: Words::new(&settings),
            nonces: Nonces::new(&settings.seed),
            settings,
            trunks: AllowList::default(),
            draining: false,
            overloaded: false,
            now: Instant::START,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            streams: Streams::default(),
            strangers: Strangers::default(),
            book: Book::default(),
            serial: 0,
            invites: Table::default(),
            served: Table::default(),
            asked: Table::default(),
            placed: Table::default(),
            unplaced: BTreeMap::new(),
            health: BTreeMap::new(),
            registrations: BTreeMap::new(),
            bindings: BTreeMap::new(),
            attempts: HashMap::new(),
            dialled: HashMap::new(),
            calls: HashMap::new(),
            tags: HashMap::new(),
            marks: HashMap::new(),
        }
    }

    /// Takes one input. Drain [`Self::poll_output`] before the next.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        self.now = now.mono;
        match input {
            Input::Datagram { listener, source, payload } => {
                self.receive(Flow::to(listener, source), &payload, now.mono);
            }
            Input::Connection { connection, input } => {
                self.on_connection(connection, input, now.mono);
            }
            Input::Found { id, answer } => self.on_found(id, answer, now.mono),
            Input::Command(command) => self.obey(command, now.mono),
        }
    }

    /// Runs every timer that is due. Drain [`Self::poll_output`] afterwards.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now.mono;
        while let Some((_, alarm)) = self.timers.take(now.mono) {
            self.ring(alarm, now.mono);
        }
    }

    /// Returns the next thing to do.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] is next needed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Returns, as one line of text, what another process needs to end the dialog: Call-ID, tags,
    /// target, route set, CSeq, listener, destination.
    #[must_use]
    pub fn dialog_record(&self, call: CallId) -> Option<String> {
        let call = self.calls.get(&call)?;
        let destination = self.destination(call.trunk, &call.dialog);
        Some(record::write(&call.dialog, destination, call.known.is_some()))
    }

    /// Returns how many dialogs and transactions live, for leak checks.
    #[must_use]
    pub fn live(&self) -> (usize, usize) {
        debug_assert!(self.attempts.len() <= self.placed.len(), "each has a transaction");
        let dialled = self.dialled.len() + self.unplaced.len();
        (self.calls.len() + dialled, self.transactions())
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Trunks(trunks) => {
                self.trunks.replace(trunks);
                self.pardon();
                self.unbind_strangers();
                self.foresee();
                self.watch_trunks(now);
                self.register_trunks(now);
            }
            Command::Drain => {
                self.draining = true;
                self.take_leave(now);
            }
            Command::Overload(over) => self.overloaded = over,
            Command::Ring { call } => self.ring_back(call, now),
            Command::Announce { call, body } => self.announce(call, body, now),
            Command::Refuse { call, status, q850, retry_after_secs } => {
                let refusal = Refusal { status, q850, retry_after_secs };
                self.refuse_call(call, refusal, now);
            }
            Command::Answer { call, body } => self.accept(call, &body, now),
            Command::AcceptOffer { call, body } => self.accept_offer(call, &body, now),
            Command::RejectOffer { call, status } => self.reject_offer(call, status, now),
            Command::Dial(dial) => self.dial(*dial, now),
            Command::Abandon { call, q850 } => self.abandon(call, q850, now),
            Command::Bye { call, q850 } => self.hang_up(call, q850, now),
            Command::Ping { call } => self.ping(call, now),
            Command::EndOrphan { call, dialog } => self.end_orphan(call, &dialog, now),
        }
    }

    fn ring(&mut self, alarm: Alarm, now: Instant) {
        match alarm {
            Alarm::Invite(serial) => self.step_invite(serial, server_invite::Input::Due, now),
            Alarm::Request(serial) => self.step_served(serial, server::Input::Due, now),
            Alarm::Client(serial) => self.client_due(serial, now),
            Alarm::Placed(serial) => self.placed_due(serial, now),
            Alarm::Attempt(serial) => self.attempt_due(serial, now),
            Alarm::Acknowledgement(call) => self.acknowledgement_due(call, now),
            Alarm::Reliable(call) => self.reliable_due(call, now),
            Alarm::Health(trunk) => self.health_due(trunk, now),
            Alarm::Binding(trunk) => self.binding_due(trunk, now),
            Alarm::Registration(trunk) => self.registration_due(trunk, now),
            Alarm::Invitation(call) => self.invitation_due(call, now),
            Alarm::Session(call) => self.session_due(call, now),
            Alarm::Connection(connection) => self.connection_due(connection, now),
            Alarm::Names => self.names_due(now),
        }
    }
}
