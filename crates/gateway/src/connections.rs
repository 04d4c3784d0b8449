//! Between the bridge's connections and lookups and those of the network: names are matched, bytes
//! passed on, and whatever could not be done is told as if it had happened outside.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bridge::Input;
use bytes::Bytes;
use model::{Transport, TrunkId, limits};
use net::resolve::{Answer, Data, Kind, Missing, Names};
use net::tcp::{Call, End, Handle, Told, What};
use net::tls::Fault;
use sip::{
    Closure, ConnectionId, ConnectionInput, ConnectionOutput, Distrust, Record, RecordData,
    RecordKind, Unfound,
};
use tokio::sync::{Semaphore, mpsc};

use crate::listening::{Clients, Stream};
use crate::telemetry::TlsMeters;

/// News of streams that may wait.
const NEWS: usize = 1_024;
/// Sockets beyond those that the endpoint allows: they wait to be refused.
const WAITING: usize = 256;
/// Sockets of streams, both ways.
pub(crate) const FILES: usize = limits::CONNECTIONS + WAITING;
/// Questions to name servers at once.
const QUESTIONS: usize = 64;

/// Every connection, and the name servers.
pub(crate) struct Connections {
    open: BTreeMap<ConnectionId, Handle>,
    /// Names of trunks, for the log.
    trunks: BTreeMap<TrunkId, String>,
    /// For whom those of ours are that are open, and where they lead.
    ours: BTreeMap<ConnectionId, (Option<TrunkId>, SocketAddr)>,
    news: mpsc::Sender<Told>,
    /// Where a connection from each listener leaves, and whether it is TLS.
    locals: Vec<(SocketAddr, Transport)>,
    clients: Clients,
    names: Option<Names>,
    questions: Arc<Semaphore>,
    answers: mpsc::Sender<Input>,
    meters: TlsMeters,
    /// What could not be done, to be told.
    pub(crate) failed: VecDeque<Input>,
}

/// What connections are made of.
pub(crate) struct Plan {
    /// Names of trunks.
    pub(crate) trunks: BTreeMap<TrunkId, String>,
    pub(crate) locals: Vec<(SocketAddr, Transport)>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) clients: Clients,
    pub(crate) name_servers: Vec<SocketAddr>,
    /// Where answers of name servers go.
    pub(crate) answers: mpsc::Sender<Input>,
    pub(crate) meters: TlsMeters,
}

impl Connections {
    /// Starts to accept; returns where the news comes from.
    pub(crate) fn start(plan: Plan) -> (Self, mpsc::Receiver<Told>) {
        let (news, told) = mpsc::channel(NEWS);
        let room = Arc::new(Semaphore::new(FILES));
        let numbers = Arc::new(AtomicUsize::new(1));
        for Stream { listener, socket, server } in plan.streams {
            let (room, numbers) = (Arc::clone(&room), Arc::clone(&numbers));
            let listening = net::tcp::Listening { listener, socket, server, room, numbers };
            tokio::spawn(listening.run(news.clone()));
        }
        let names = Names::new(&plan.name_servers);
        let names = names.inspect_err(|error| {
            tracing::warn!(%error, "name servers cannot be asked: trunks need addresses");
        });
        let connections = Self {
            open: BTreeMap::new(),
            trunks: plan.trunks,
            ours: BTreeMap::new(),
            news,
            locals: plan.locals,
            clients: plan.clients,
            names: names.ok(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            answers: plan.answers,
            meters: plan.meters,
            failed: VecDeque::new(),
        };
        (connections, told)
    }

    /// Turns news of a stream into an input; the peer's address comes with an arrival.
    pub(crate) fn told(&mut self, told: Told) -> (Input, Option<SocketAddr>) {
        let Told { connection, ours, what } = told;
        let connection =
            if ours { ConnectionId::Ours(connection) } else { ConnectionId::Theirs(connection) };
        let mut from = None;
        let input = match what {
            What::Arrived { listener, source, handle } => {
                self.open.insert(connection, handle);
                from = Some(source);
                ConnectionInput::Arrived { listener, source }
            }
            What::Ready { names } => ConnectionInput::Ready { names },
            What::Received(chunk) => {
                self.meters.received(chunk.payload.len());
                ConnectionInput::Received { payload: chunk.payload }
            }
            What::Closed(end) => {
                let ours = self.forget(connection);
                ConnectionInput::Closed(self.closure(end, ours))
            }
        };
        (Input::Connection { connection, input }, from)
    }

    /// Does what the bridge wants done to a connection.
    pub(crate) fn order(&mut self, connection: ConnectionId, output: ConnectionOutput) {
        match output {
            ConnectionOutput::Open { listener, destination, trunk, name } => {
                match self.call(connection, (listener, destination), trunk, &name) {
                    Some(handle) => {
                        self.open.insert(connection, handle);
                        self.ours.insert(connection, (trunk, destination));
                    }
                    None => self.fail(connection, Closure::Handshake(Distrust::Other)),
                }
            }
            ConnectionOutput::Admit => {
                if let Some(handle) = self.open.get_mut(&connection) {
                    handle.admit();
                }
            }
            ConnectionOutput::Close => drop(self.forget(connection)),
        }
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, connection: ConnectionId, payload: Bytes) {
        let Some(handle) = self.open.get(&connection) else {
            return self.fail(connection, Closure::Ended);
        };
        let length = payload.len();
        if handle.send(payload) {
            self.meters.sent(length);
        } else {
            self.forget(connection);
            self.fail(connection, Closure::Slow);
        }
    }

    /// Asks the name servers.
    pub(crate) fn ask(&mut self, id: u64, name: String, kind: RecordKind) {
        let room = Arc::clone(&self.questions).try_acquire_owned();
        let (Some(names), Ok(room)) = (self.names.clone(), room) else {
            let answer = Err(Unfound::Failed);
            return self.failed.push_back(Input::Found { id, answer });
        };
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let answer = names.lookup(&name, asked(kind)).await;
            let answer = answer.map(|found| found.into_iter().map(record).collect());
            let answer = answer.map_err(unfound);
            // The loop is gone at the end only.
            drop(answers.send(Input::Found { id, answer }).await);
            drop(room);
        });
    }

    fn call(
        &self,
        connection: ConnectionId,
        (listener, destination): (u8, SocketAddr),
        trunk: Option<TrunkId>,
        name: &str,
    ) -> Option<Handle> {
        let (local, transport) = *self.locals.get(usize::from(listener))?;
        let client = match transport {
            Transport::Udp | Transport::Tcp => None,
            Transport::Tls => match net::tls::server_name(name) {
                Ok(name) => Some((self.clients.client(trunk)?, name)),
                Err(error) => {
                    tracing::warn!(%destination, %error, "a connection needs a name to be checked");
                    return None;
                }
            },
        };
        let connection = number(connection);
        let call = Call { connection, local, destination, client };
        Some(call.open(self.news.clone()))
    }

    /// Lets go of a connection; returns for whom we opened it, and where it leads.
    fn forget(&mut self, connection: ConnectionId) -> Option<(Option<TrunkId>, SocketAddr)> {
        self.open.remove(&connection);
        self.ours.remove(&connection)
    }

    /// Says in the log why a connection is over, unless that is nothing to look at.
    fn closure(&self, end: End, ours: Option<(Option<TrunkId>, SocketAddr)>) -> Closure {
        let trunk = ours.and_then(|(trunk, _)| self.trunks.get(&trunk?));
        let trunk = trunk.map_or("", String::as_str);
        let peer = ours.map(|(_, peer)| peer);
        match end {
            End::Ended => Closure::Ended,
            End::Refused(error) => {
                tracing::warn!(trunk, ?peer, %error, "a connection could not be opened");
                Closure::Refused
            }
            End::Handshake(fault, error) => {
                let distrust = distrust(fault);
                let why = sip::Trouble::Distrusted(distrust).label();
                tracing::warn!(trunk, ?peer, why, %error, "a TLS handshake failed");
                Closure::Handshake(distrust)
            }
            End::Slow => Closure::Slow,
        }
    }

    fn fail(&mut self, connection: ConnectionId, closure: Closure) {
        let input = ConnectionInput::Closed(closure);
        self.failed.push_back(Input::Connection { connection, input });
    }
}

const fn number(connection: ConnectionId) -> u64 {
    match connection {
        ConnectionId::Ours(number) | ConnectionId::Theirs(number) => number,
    }
}

const fn distrust(fault: Fault) -> Distrust {
    match fault {
        Fault::Name => Distrust::Name,
        Fault::Expired => Distrust::Expired,
        Fault::Early => Distrust::Early,
        Fault::Authority => Distrust::Authority,
        Fault::Ours => Distrust::Ours,
        Fault::Version => Distrust::Version,
        Fault::Other => Distrust::Other,
    }
}

const fn asked(kind: RecordKind) -> Kind {
    match kind {
        RecordKind::Naptr => Kind::Naptr,
        RecordKind::Srv => Kind::Srv,
        RecordKind::A => Kind::A,
        RecordKind::Aaaa => Kind::Aaaa,
    }
}

fn record(answer: Answer) -> Record {
    let data = match answer.data {
        Data::Naptr(order, preference, flags, services, replacement) => {
            RecordData::Naptr { order, preference, flags, services, replacement }
        }
        Data::Srv(priority, weight, port, target) => {
            RecordData::Srv { priority, weight, port, target }
        }
        Data::Address(address) => RecordData::Address(address),
    };
    Record { ttl_secs: answer.ttl_secs, data }
}

const fn unfound(missing: Missing) -> Unfound {
    match missing {
        Missing::Nothing(ttl_secs) => Unfound::Nothing { ttl_secs },
        Missing::Failed => Unfound::Failed,
    }
}
