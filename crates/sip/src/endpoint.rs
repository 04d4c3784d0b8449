//! The SIP core's four verbs. A dialog is named by the call's [`CallId`] from its INVITE on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{CallId, Instant, Now, Transport, TrunkId, Vouched};

use crate::answer::Words;
use crate::chance::Chance;
use crate::connection::{
    Closure, ConnectionId, ConnectionInput, ConnectionOutput, Record, RecordKind, Unfound,
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

/// What the bridge may ask. A command about a call that is gone is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Replaces the allow-list. Live dialogs of a removed trunk go on until they end.
    Trunks(Vec<Trunk>),
    /// New INVITEs, OPTIONS and REGISTERs get 503 with Retry-After from now on, and our own
    /// registrations are taken back.
    Drain,
    /// New INVITEs get 503 with Retry-After, 5 to 30 s, or no longer do. Nothing of them is kept;
    /// what lies in a dialog is served.
    Overload(bool),
    /// 180 Ringing, without a body.
    Ring {
        /// The call.
        call: CallId,
    },
    /// A final refusal of the INVITE.
    Refuse {
        /// The call.
        call: CallId,
        /// 300–699.
        status: u16,
        /// `Reason: Q.850;cause=…`.
        q850: Option<u8>,
        /// Retry-After, seconds.
        retry_after_secs: Option<u32>,
    },
    /// 200 OK to the INVITE, repeated until ACK.
    Answer {
        /// The call.
        call: CallId,
        /// Our SDP: the answer, or the offer if the INVITE had none.
        body: Bytes,
    },
    /// 200 OK to a re-INVITE or UPDATE announced by [`Event::Offered`].
    AcceptOffer {
        /// The call.
        call: CallId,
        /// Our SDP: the answer, or the offer if theirs was empty.
        body: Bytes,
    },
    /// A final refusal of a re-INVITE or UPDATE: 488, 500…
    RejectOffer {
        /// The call.
        call: CallId,
        /// 400–699.
        status: u16,
    },
    /// Places a call: INVITE leaves by the trunk. Its news is [`Event::Progress`], then exactly one
    /// of [`Event::Accepted`] and [`Event::Failed`].
    Dial(Box<Dial>),
    /// Gives up a call that we placed and that has no final answer yet: CANCEL leaves as soon as it
    /// may (RFC 3261 §9.1), a 2xx that comes nevertheless is acknowledged and ended at once. No news
    /// of the call comes after it, and its [`CallId`] is free for another [`Command::Dial`].
    Abandon {
        /// The call.
        call: CallId,
        /// `Reason: Q.850;cause=…` of the CANCEL.
        q850: Option<u8>,
    },
    /// Ends an answered call. Before the ACK it waits for it, or for 32 s (RFC 3261 §15): until
    /// then news of the call goes on. A call that is not answered is refused with 480.
    Bye {
        /// The call.
        call: CallId,
        /// `Reason: Q.850;cause=…`.
        q850: u8,
    },
    /// Asks the peer in the dialog whether it still knows the call: by OPTIONS, and if the answer
    /// proves nothing by UPDATE, where its Allow lists that.
    Ping {
        /// The call.
        call: CallId,
    },
    /// Sends BYE for a dialog of an earlier process, its CSeq advanced by 1 000.
    EndOrphan {
        /// The call.
        call: CallId,
        /// What [`Endpoint::dialog_record`] gave.
        dialog: String,
    },
}

/// A call that we place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The call, named by the bridge.
    pub call: CallId,
    /// By which trunk; it has an [`model::Outbound`].
    pub trunk: TrunkId,
    /// User part of Request-URI and To, in the trunk's own format: `+390112345678`.
    pub called: String,
    /// Who calls, in the trunk's own format; authorized for the trunk by the bridge.
    pub caller: String,
    /// Shown beside the caller's number.
    pub name: Option<String>,
    /// Whether the caller is withheld: From is anonymous, Privacy: id (RFC 3323, RFC 3325).
    pub withheld: bool,
    /// Our SDP offer.
    pub offer: Bytes,
    /// Hops left (RFC 3261 §20.22).
    pub max_forwards: u8,
    /// How long one address of the trunk may stay without any answer at all before the next one is
    /// tried (RFC 3263 §4.3); after the last one the call has failed.
    pub patience: Duration,
}

/// Why a call that we placed came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The final answer, 300–699; 408 if none came, 503 if nothing could be sent (RFC 3261 §8.1.3.1).
    pub status: u16,
    /// Whether that answer came over the wire.
    pub answered: bool,
    /// Whether a provisional answer other than 100 came before.
    pub progressed: bool,
    /// Cause of its Reason header.
    pub q850: Option<u8>,
    /// Its Retry-After, seconds.
    pub retry_after_secs: Option<u32>,
    /// Where a 3xx leads: user parts or telephone numbers of contacts whose host is one of the
    /// trunk's redirect hosts, best first; others are left out and counted.
    pub contacts: Vec<String>,
}

/// An INVITE that starts a call. 100 Trying has left already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The call, named by us.
    pub call: CallId,
    /// The carrier's Call-ID.
    pub sip_call_id: String,
    /// Who sent it.
    pub trunk: TrunkId,
    /// On which socket.
    pub listener: u8,
    /// From where.
    pub source: SocketAddr,
    /// Dialled user part or telephone number as received, from the trunk's header (from the
    /// Request-URI where that header is missing), its prefix stripped, parameters and visual
    /// separators removed. Empty if there was none.
    pub called: String,
    /// The caller's user part, from P-Asserted-Identity of a trusted trunk, else From; `None` if
    /// anonymous or absent.
    pub caller: Option<String>,
    /// The same where the caller wants it withheld (RFC 3323): for the billing view alone.
    pub withheld: Option<String>,
    /// Who vouches for the caller's number.
    pub vouched: Vouched,
    /// Number parameters as received, lower-case names: `rn`, `npdi`, `cic`, `isup-oli`, `cpc`,
    /// `verstat`.
    pub parameters: Vec<(String, String)>,
    /// The SDP offer, out of a multipart body if need be; `None` is a late offer.
    pub offer: Option<Bytes>,
}

/// Why a dialog is gone without a BYE from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// No ACK within 32 s of the 200 OK. A BYE has left.
    Unacknowledged,
    /// The session timer ran out. A BYE has left.
    SessionExpired,
    /// The peer, or whoever answers for it, said that it does not know the call or cannot be
    /// reached, or said nothing at all (RFC 5057 §5.1: 404, 408, 410, 416, 480–485, 502, 604). A BYE
    /// has left, except after 481.
    PeerGone,
}

/// A key of a telephone, one of `0-9*#A-D` in ASCII. Never shown (reliability.md S8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u8);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*")
    }
}

/// News for the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new call.
    Invited(Box<Invitation>),
    /// CANCEL or a BYE came before our final answer, or the INVITE's Expires passed; 487 has left.
    /// The call is gone here.
    Cancelled {
        /// The call.
        call: CallId,
    },
    /// The ACK of our 200 OK came (once for the INVITE, once for each re-INVITE).
    Confirmed {
        /// The call.
        call: CallId,
        /// The SDP answer, if the INVITE or re-INVITE had no offer.
        answer: Option<Bytes>,
    },
    /// A re-INVITE or UPDATE wants new media. Answer with [`Command::AcceptOffer`] or
    /// [`Command::RejectOffer`]. It is also proof of life.
    Offered {
        /// The call.
        call: CallId,
        /// Their offer; `None` asks for ours.
        offer: Option<Bytes>,
    },
    /// A session refresh without SDP, any other request in the dialog, or a 2xx to one of ours:
    /// proof of life.
    Alive {
        /// The call.
        call: CallId,
    },
    /// [`Command::Ping`] was answered, but by nothing that says whether the peer knows the call:
    /// neither proof of life nor of death (RFC 5057 §5.1).
    Unproven {
        /// The call.
        call: CallId,
    },
    /// An INFO told that a key was pressed; 200 has left.
    Keyed {
        /// The call.
        call: CallId,
        /// The key.
        key: Key,
        /// How long it was held, as far as was said: 10 s at most.
        lasted: Duration,
    },
    /// BYE came; 200 has left. The call is gone here.
    HungUp {
        /// The call.
        call: CallId,
        /// Cause of its Reason header, if it had one.
        q850: Option<u8>,
    },
    /// The dialog ended without the peer's BYE. The call is gone here.
    Lost {
        /// The call.
        call: CallId,
        /// Why.
        loss: Loss,
    },
    /// A provisional answer came to an INVITE of ours, 100 included.
    Progress {
        /// The call.
        call: CallId,
        /// 100–199.
        status: u16,
        /// Its SDP: early media.
        body: Option<Bytes>,
    },
    /// The first 2xx came to an INVITE of ours and was acknowledged; the dialog stands.
    Accepted {
        /// The call.
        call: CallId,
        /// The SDP answer: of the 2xx, else of the reliable provisional answer before it.
        answer: Option<Bytes>,
    },
    /// An INVITE of ours came to nothing. The call is gone here.
    Failed {
        /// The call.
        call: CallId,
        /// Why.
        failure: Box<Failure>,
    },
    /// A trunk that is asked by OPTIONS went down or came back.
    Reachable {
        /// The trunk.
        trunk: TrunkId,
        /// Whether calls may be placed by it.
        up: bool,
    },
    /// A registration changed: ours with the trunk, or the trunk's with us.
    Registered {
        /// The trunk.
        trunk: TrunkId,
        /// Whether the carrier knows us now, or we know where the trunk is.
        registered: bool,
        /// The last answer, its or ours; 408 if none came, or the trunk's registration ran out.
        status: u16,
    },
    /// The BYE of [`Command::EndOrphan`] was answered, or given up.
    OrphanEnded {
        /// The call.
        call: CallId,
        /// Whether the peer answered at all.
        answered: bool,
    },
    /// Something for the meters.
    Counted(Counted),
}

/// Small closed sets for the meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// A request came: its method's name, `OTHER` if unknown to us.
    Request(&'static str),
    /// We answered with this status.
    Response(u16),
    /// A datagram of nobody on the allow-list: dropped.
    Stranger,
    /// An INVITE was refused because the node has too much to do.
    Shed,
    /// Not SIP, or against its grammar.
    Malformed,
    /// A repeated request that was absorbed.
    Retransmission,
    /// We sent a message again.
    Resent,
    /// A connection can carry messages; whether we opened it.
    Connected(bool),
    /// A connection of a trunk's address was closed at once: there are too many.
    Crowded,
    /// A connection is no more.
    Disconnected(Closure),
    /// A 2xx came to an INVITE of ours that was given up: acknowledged and ended.
    LateAnswer,
    /// One INVITE of ours was answered by several: all but the first are acknowledged and ended.
    ForkedAnswer,
    /// A 3xx led to a host that the trunk does not allow.
    ForeignContact,
    /// A request of ours was challenged by a realm that is not the trunk's: no credentials left.
    ForeignRealm,
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
