//! The connections: who may have one, what stands on it, when it is closed, what rides on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use model::{CallId, Instant, Transport, TrunkId, limits};

use crate::connection::{Closure, ConnectionId, ConnectionInput, ConnectionOutput};
use crate::endpoint::{Counted, Endpoint, Output, Transmit};
use crate::message::wire::Lines;
use crate::message::{Message, Method, Start};
use crate::timers::Alarm;
use crate::transport::Flow;
use crate::transport::framer::{Frame, Framer};
use crate::trouble::{Distrust, Trouble};

/// The answer to a ping (RFC 5626 §3.5.1).
const PONG: &[u8] = b"\r\n";
/// A ping of ours.
const PING: &[u8] = b"\r\n\r\n";

/// Every connection that is open or being opened.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<ConnectionId, Stream>,
    /// Those that we opened, by where they lead and for whom.
    ours: BTreeMap<(u8, SocketAddr, Option<TrunkId>), ConnectionId>,
    /// How many each address has opened.
    sources: BTreeMap<IpAddr, usize>,
    opened: u64,
}

/// One of them.
#[derive(Debug)]
struct Stream {
    flow: Flow,
    /// For whom we opened it.
    trunk: Option<TrunkId>,
    /// Of the peer's certificate.
    names: Vec<String>,
    framer: Framer,
    /// Whether a whole message or a ping has come, or we opened it and got through.
    proven: bool,
    /// Client transactions that wait for an answer on it.
    riders: BTreeSet<u64>,
    /// Calls whose dialog it carries.
    calls: BTreeSet<CallId>,
    /// When it has been silent, or unproven, for too long.
    due: Instant,
}

impl Streams {
    /// Whether it carries messages, or soon will.
    pub(crate) fn holds(&self, connection: ConnectionId) -> bool {
        self.open.contains_key(&connection)
    }

    /// Returns the names of a peer's certificate.
    pub(crate) fn names(&self, flow: Flow) -> &[String] {
        let stream = flow.connection.and_then(|connection| self.open.get(&connection));
        stream.map_or(&[], |stream| &stream.names)
    }

    /// Notes that a client transaction waits for an answer.
    pub(crate) fn board(&mut self, connection: Option<ConnectionId>, serial: u64) {
        if let Some(stream) = connection.and_then(|connection| self.open.get_mut(&connection)) {
            stream.riders.insert(serial);
        }
    }

    /// Notes that it waits no more.
    pub(crate) fn alight(&mut self, connection: Option<ConnectionId>, serial: u64) {
        if let Some(stream) = connection.and_then(|connection| self.open.get_mut(&connection)) {
            stream.riders.remove(&serial);
        }
    }

    /// Notes that a dialog lies on it: it is not closed for silence.
    pub(crate) fn bind(&mut self, flow: Flow, call: CallId) {
        let connection = flow.connection;
        if let Some(stream) = connection.and_then(|connection| self.open.get_mut(&connection)) {
            stream.calls.insert(call);
        }
    }

    /// Notes that it lies there no more.
    pub(crate) fn unbind(&mut self, flow: Flow, call: CallId) {
        let connection = flow.connection;
        if let Some(stream) = connection.and_then(|connection| self.open.get_mut(&connection)) {
            stream.calls.remove(&call);
        }
    }

    fn admits(&self, source: IpAddr) -> bool {
        let many = self.sources.get(&source).copied().unwrap_or(0);
        many < limits::CONNECTIONS_PER_SOURCE && self.open.len() < limits::CONNECTIONS
    }

    fn insert(&mut self, connection: ConnectionId, stream: Stream) {
        match connection {
            ConnectionId::Ours(_) => {
                let Flow { listener, peer, .. } = stream.flow;
                self.ours.insert((listener, peer, stream.trunk), connection);
            }
            ConnectionId::Theirs(_) => {
                *self.sources.entry(stream.flow.peer.ip()).or_default() += 1;
            }
        }
        self.open.insert(connection, stream);
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Stream> {
        let stream = self.open.remove(&connection)?;
        match connection {
            ConnectionId::Ours(_) => {
                let Flow { listener, peer, .. } = stream.flow;
                self.ours.remove(&(listener, peer, stream.trunk));
            }
            ConnectionId::Theirs(_) => {
                let source = stream.flow.peer.ip();
                let many = self.sources.get(&source).copied().unwrap_or(0);
                if many > 1 {
                    self.sources.insert(source, many - 1);
                } else {
                    self.sources.remove(&source);
                }
            }
        }
        Some(stream)
    }
}

impl Endpoint {
    /// Returns the connection that a message for a flow goes by, opened if need be; `None` where
    /// datagrams go. A message that cannot be carried since too many are open goes nowhere.
    pub(crate) fn connect(&mut self, flow: Flow, trunk: Option<TrunkId>) -> Option<ConnectionId> {
        if self.transport(flow.listener) == Transport::Udp {
            return None;
        }
        if let Some(connection) = flow.connection.filter(|open| self.streams.holds(*open)) {
            return Some(connection);
        }
        let Flow { listener, peer, .. } = flow;
        let trunk = trunk.or_else(|| self.trunks.owner(peer.ip(), listener));
        if let Some(connection) = self.streams.ours.get(&(listener, peer, trunk)) {
            return Some(*connection);
        }
        self.streams.opened += 1;
        let connection = ConnectionId::Ours(self.streams.opened);
        let due = self.now + limits::CONNECT;
        let flow = Flow { connection: Some(connection), ..flow };
        self.keep(connection, Stream::new(flow, trunk, due));
        let name = self.trunks.certificate_name(trunk, peer);
        let output = ConnectionOutput::Open { listener, destination: peer, trunk, name };
        self.outputs.push_back(Output::Connection { connection, output });
        Some(connection)
    }

    /// Takes what happened to a connection.
    pub(crate) fn on_connection(
        &mut self,
        connection: ConnectionId,
        input: ConnectionInput,
        now: Instant,
    ) {
        match input {
            ConnectionInput::Arrived { listener, source } => {
                self.on_arrival(connection, Flow::to(listener, source), now);
            }
            ConnectionInput::Ready { names } => self.on_ready(connection, names, now),
            ConnectionInput::Received { payload } => self.on_bytes(connection, &payload, now),
            ConnectionInput::Closed(closure) => self.on_closed(connection, closure, now),
        }
    }

    /// Its silence has lasted long enough.
    pub(crate) fn connection_due(&mut self, connection: ConnectionId, now: Instant) {
        let Some(stream) = self.streams.open.get(&connection) else { return };
        let carries = !stream.calls.is_empty() || self.is_bound_to(connection);
        if stream.proven && !stream.framer.is_amid() && carries {
            // A dialog lies on it, or a trunk registered by it: it is kept open, and kept alive, until the network ends it.
            self.send_alive(connection);
            return self.postpone(connection, now);
        }
        if !stream.proven && matches!(connection, ConnectionId::Ours(_)) {
            return self.abandon_connection(connection, Closure::TimedOut, now);
        }
        self.abandon_connection(connection, Closure::Ended, now);
    }

    fn on_arrival(&mut self, connection: ConnectionId, flow: Flow, now: Instant) {
        let source = flow.peer.ip();
        if !self.trunks.admits(source, flow.listener) {
            self.stranger(source, now);
            return self.close(connection);
        }
        if !self.streams.admits(source) {
            self.count(Counted::Crowded);
            return self.close(connection);
        }
        let flow = Flow { connection: Some(connection), ..flow };
        self.keep(connection, Stream::new(flow, None, now + limits::HEADER));
        self.outputs.push_back(Output::Connection { connection, output: ConnectionOutput::Admit });
    }

    fn on_ready(&mut self, connection: ConnectionId, names: Vec<String>, now: Instant) {
        let Some(stream) = self.streams.open.get_mut(&connection) else { return };
        stream.names = names;
        let flow = stream.flow;
        if self.trunks.sender(flow.peer.ip(), flow.listener, self.streams.names(flow)).is_none() {
            // An address of a trunk, but not its certificate.
            self.stranger(flow.peer.ip(), now);
            let closure = Closure::Handshake(Distrust::Name);
            return self.abandon_connection(connection, closure, now);
        }
        let ours = matches!(connection, ConnectionId::Ours(_));
        self.count(Counted::Connected(ours));
        if ours {
            self.prove(connection);
            self.postpone(connection, now);
            let trunk = self.streams.open.get(&connection).and_then(|stream| stream.trunk);
            if let Some(trunk) = trunk {
                self.tell_trouble(trunk, None);
            }
        }
    }

    fn on_bytes(&mut self, connection: ConnectionId, payload: &Bytes, now: Instant) {
        let Some(stream) = self.streams.open.get_mut(&connection) else { return };
        let amid = stream.framer.is_amid();
        stream.framer.push(payload);
        let mut whole = false;
        // A message may close its own connection.
        while let Some(stream) = self.streams.open.get_mut(&connection) {
            let flow = stream.flow;
            let Some(frame) = stream.framer.next() else { break };
            match frame {
                Frame::Message(message) => self.receive(flow, &message, now),
                Frame::Ping => self.send_on(connection, PONG),
                Frame::Broken { head, status } => {
                    self.on_broken(flow, head, status);
                    return self.abandon_connection(connection, Closure::Ended, now);
                }
            }
            whole = true;
            self.prove(connection);
        }
        let still = self.streams.open.get(&connection).is_some_and(|s| s.framer.is_amid());
        // A message that has begun has its time from its first byte, whatever trickles in.
        if whole || !amid || !still {
            self.postpone(connection, now);
        }
    }

    /// Answers what cannot be read on, if it can be answered.
    fn on_broken(&mut self, flow: Flow, head: Option<Bytes>, status: u16) {
        self.count(Counted::Malformed);
        let known = self.trunks.sender(flow.peer.ip(), flow.listener, self.streams.names(flow));
        let Some(head) = head.filter(|_| known.is_some()) else { return };
        let Some(message) = Message::lex(&head) else { return };
        match message.start {
            Start::Request { method, .. } if method != Method::Ack => {
                self.reject(flow, &message, status, &Lines::new());
            }
            Start::Request { .. } | Start::Response { .. } => {}
        }
    }

    fn on_closed(&mut self, connection: ConnectionId, closure: Closure, now: Instant) {
        let Some(stream) = self.forget(connection) else { return };
        let peer = stream.flow.peer;
        if closure != Closure::Ended {
            tracing::warn!(%peer, ?closure, "a connection failed");
        }
        self.count(Counted::Disconnected(closure));
        self.bindings_lost(connection);
        let trouble = Trouble::from(closure);
        if let Some(trunk) = stream.trunk.filter(|_| closure != Closure::Ended || !stream.proven) {
            self.tell_trouble(trunk, Some(trouble));
        }
        for serial in stream.riders {
            self.connection_lost(serial, trouble, now);
        }
    }

    /// Closes a connection, and deals with what rode on it.
    fn abandon_connection(&mut self, connection: ConnectionId, closure: Closure, now: Instant) {
        self.close(connection);
        self.on_closed(connection, closure, now);
    }

    fn close(&mut self, connection: ConnectionId) {
        self.outputs.push_back(Output::Connection { connection, output: ConnectionOutput::Close });
    }

    fn send_on(&mut self, connection: ConnectionId, payload: &'static [u8]) {
        let Some(stream) = self.streams.open.get(&connection) else { return };
        let Flow { listener, peer: destination, .. } = stream.flow;
        let payload = Bytes::from_static(payload);
        let connection = Some(connection);
        let transmit = Transmit { listener, destination, connection, payload };
        self.outputs.push_back(Output::Transmit(transmit));
    }

    fn send_alive(&mut self, connection: ConnectionId) {
        let listener = self.streams.open.get(&connection).map_or(0, |s| s.flow.listener);
        let own = self.settings.listeners.get(usize::from(listener));
        if own.is_some_and(|own| own.keep_alive) {
            self.send_on(connection, PING);
        }
    }

    fn keep(&mut self, connection: ConnectionId, stream: Stream) {
        self.timers.shift(Alarm::Connection(connection), None, Some(stream.due));
        self.streams.insert(connection, stream);
    }

    fn forget(&mut self, connection: ConnectionId) -> Option<Stream> {
        let stream = self.streams.remove(connection)?;
        self.timers.shift(Alarm::Connection(connection), Some(stream.due), None);
        Some(stream)
    }

    fn prove(&mut self, connection: ConnectionId) {
        if let Some(stream) = self.streams.open.get_mut(&connection) {
            stream.proven = true;
        }
    }

    /// Gives a connection its time anew: to end the message that has begun, or to be silent.
    fn postpone(&mut self, connection: ConnectionId, now: Instant) {
        let Some(stream) = self.streams.open.get_mut(&connection) else { return };
        if !stream.proven {
            return;
        }
        let before = stream.due;
        stream.due = now + if stream.framer.is_amid() { limits::HEADER } else { limits::IDLE };
        self.timers.shift(Alarm::Connection(connection), Some(before), Some(stream.due));
    }
}

impl Stream {
    fn new(flow: Flow, trunk: Option<TrunkId>, due: Instant) -> Self {
        Self {
            flow,
            trunk,
            names: Vec::new(),
            framer: Framer::new(),
            proven: false,
            riders: BTreeSet::new(),
            calls: BTreeSet::new(),
            due,
        }
    }
}
