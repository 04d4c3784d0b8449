//! The loop around the bridge (house.md §4): wait, read the clock once, feed inputs, drain outputs.
//! It decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use api::{LiveQuery, OrderQuery};
use bridge::{
    Bridge, Input, Load, Output, Placed, StoreOutcome, StoreRequest, Urgency, load, urgency,
};
use bytes::Bytes;
use model::{CallId, Instant, Now, limits};
use net::tcp::Told;
use net::{Datagram, Inbox, Socket};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::oneshot;

use crate::abort::AbortOnPanic;
use crate::clock;
use crate::connections::Connections;
use crate::media_plane::MediaPlane;
use crate::storekeeper::Stored;
use crate::strangers::Strangers;
use crate::telemetry::BridgeMeters;

/// Datagrams read with one system call.
const DATAGRAMS: usize = 32;
/// Inputs of one source that are taken before the others have their turn.
const BUDGET: usize = 256;
/// New calls that are taken up before what is urgent has its turn again.
const NEW: usize = 32;
/// New calls that may wait; while so many do, nothing is read.
const WAITING: usize = 1_024;
/// How often live calls are counted for the meters.
const CENSUS: Duration = Duration::from_secs(5);

/// Where inputs come from and outputs go to.
pub(crate) struct Ends {
    /// Those of datagrams, each with its place among the bridge's listeners.
    pub(crate) listeners: Vec<(u8, Socket)>,
    pub(crate) connections: Connections,
    pub(crate) streams: Receiver<Told>,
    pub(crate) storekeeper: mpsc::Sender<StoreRequest>,
    pub(crate) answers: Receiver<Stored>,
    pub(crate) media: MediaPlane,
    pub(crate) events: Receiver<media::Event>,
    pub(crate) inputs: Receiver<Input>,
    pub(crate) queries: Receiver<LiveQuery>,
    pub(crate) orders: Receiver<OrderQuery>,
    /// Whose farewell may be forgotten.
    pub(crate) told: mpsc::Sender<CallId>,
}

/// Owns the bridge.
pub(crate) struct Signalling {
    bridge: Bridge,
    meters: BridgeMeters,
    listeners: Vec<Listener>,
    connections: Connections,
    inbox: Box<Inbox<DATAGRAMS>>,
    storekeeper: mpsc::Sender<StoreRequest>,
    told: mpsc::Sender<CallId>,
    media: MediaPlane,
    sources: Sources,
    /// Taken from a source by waiting for it, not yet fed.
    first: Option<Event>,
    /// Who waits for which order to be decided; each is answered once.
    ordered: BTreeMap<u64, oneshot::Sender<Placed>>,
    /// The newest order's number.
    newest_order: u64,
    /// Requests that the storekeeper's queue did not take.
    refused: VecDeque<u64>,
    census: Instant,
    /// New calls that came by datagrams and wait until what is urgent is done.
    waiting: VecDeque<(SocketAddr, Input)>,
    /// Whether the bridge refuses new calls.
    shut: bool,
    /// When the bridge is told of ticks next.
    weighed: Instant,
    /// Whose datagram is being fed, and when.
    heard: Option<(SocketAddr, Instant)>,
    strangers: Strangers,
    drained: bool,
}

struct Listener {
    /// Its place among the bridge's listeners.
    index: u8,
    socket: Socket,
    /// The same socket, as the runtime watches it.
    watched: UdpSocket,
    outbox: Vec<sip::Transmit>,
}

/// Everything that happens outside, but datagrams.
struct Sources {
    streams: Receiver<Told>,
    answers: Receiver<Stored>,
    events: Receiver<media::Event>,
    inputs: Receiver<Input>,
    queries: Receiver<LiveQuery>,
    orders: Receiver<OrderQuery>,
}

enum Event {
    Input(Input),
    Query(LiveQuery),
    Order(OrderQuery),
    Stream(Told),
}

impl Signalling {
    /// Takes over the bridge.
    ///
    /// # Errors
    /// If a socket cannot be watched.
    pub(crate) fn new(bridge: Bridge, ends: Ends, meters: BridgeMeters) -> io::Result<Self> {
        let listeners = ends.listeners.into_iter().map(Listener::new).collect::<io::Result<_>>()?;
        let Ends { answers, events, inputs, queries, orders, streams, .. } = ends;
        Ok(Self {
            bridge,
            meters,
            listeners,
            connections: ends.connections,
            inbox: Box::new(Inbox::new(limits::SIP_MESSAGE_BYTES)),
            storekeeper: ends.storekeeper,
            told: ends.told,
            media: ends.media,
            sources: Sources { streams, answers, events, inputs, queries, orders },
            first: None,
            ordered: BTreeMap::new(),
            newest_order: 0,
            refused: VecDeque::new(),
            census: Instant::START,
            waiting: VecDeque::new(),
            shut: false,
            weighed: Instant::START,
            heard: None,
            strangers: Strangers::default(),
            drained: false,
        })
    }

    /// Works until the bridge is drained.
    pub(crate) async fn run(mut self) {
        let _abort = AbortOnPanic("the bridge");
        while !self.drained {
            let own = self.census.min(self.weighed);
            let due = self.bridge.poll_timeout().map_or(own, |due| due.min(own));
            let mut pause = due.since(clock::mono());
            if !self.waiting.is_empty() {
                pause = Duration::ZERO;
            }
            let mut listeners = &self.listeners[..];
            let crowded = self.media.is_crowded();
            if crowded {
                // Callers wait until the media plane has caught up; it takes commands each tick.
                (pause, listeners) = (pause.min(limits::TICK), &[]);
            }
            self.first = happening(listeners, &mut self.sources, (pause, crowded)).await;
            self.turn(clock::now());
        }
    }

    /// One wake-up.
    fn turn(&mut self, now: Now) {
        assert!(self.media.press_on(), "media threads live as long as the loop");
        if self.bridge.poll_timeout().is_some_and(|due| due <= now.mono) {
            self.bridge.handle_timeout(now);
            self.drain();
        }
        if let Some(event) = self.first.take() {
            self.take(event, now);
        }
        for _ in 0..BUDGET {
            let crowded = self.media.is_crowded();
            let Some(event) = self.sources.poll(crowded) else { break };
            self.take(event, now);
        }
        for listener in 0..self.listeners.len() {
            self.receive(listener, now);
        }
        self.welcome(now);
        while let Some(input) = self.connections.failed.pop_front() {
            self.feed(input, now);
        }
        while let Some(request) = self.refused.pop_front() {
            self.feed(Input::Stored { request, outcome: StoreOutcome::Unknown }, now);
        }
        if now.mono >= self.census {
            self.meters.live(&self.bridge.live(now));
            self.meters.bans(self.bridge.bans(now).len());
            self.census = now.mono + CENSUS;
        }
        if now.mono >= self.weighed {
            self.feed(Input::Load(Load::Ticks(self.media.ticks())), now);
            self.weighed = now.mono + load::EVERY;
        }
        self.flush();
    }

    fn take(&mut self, event: Event, now: Now) {
        match event {
            Event::Input(input) => self.feed(input, now),
            Event::Stream(told) => {
                let (input, source) = self.connections.told(told);
                self.heard = source.map(|source| (source, now.mono));
                self.feed(input, now);
                self.heard = None;
            }
            // Whoever asked may have stopped waiting.
            Event::Query(LiveQuery::Calls(reply)) => drop(reply.send(self.bridge.live(now))),
            Event::Query(LiveQuery::Trunks(reply)) => drop(reply.send(self.bridge.trunks(now))),
            Event::Query(LiveQuery::Bans(reply)) => drop(reply.send(self.bridge.bans(now))),
            Event::Query(LiveQuery::Budgets { of, reply }) => {
                drop(reply.send(self.bridge.budgets(of, now)));
            }
            Event::Order(OrderQuery { mut order, reply }) => {
                self.newest_order += 1;
                order.request = self.newest_order;
                self.ordered.insert(order.request, reply);
                self.feed(Input::DialOut(Box::new(order)), now);
            }
        }
    }

    /// Tells whoever asked what became of their order. They may have stopped waiting.
    fn placed(&mut self, placed: Placed) {
        if let Some(reply) = self.ordered.remove(&placed.request) {
            drop(reply.send(placed));
        }
    }

    fn feed(&mut self, input: Input, now: Now) {
        self.bridge.handle_input(input, now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.bridge.poll_output() {
            match output {
                Output::Transmit(transmit) => self.transmit(transmit),
                Output::Connection { connection, output } => {
                    self.connections.order(connection, output);
                }
                Output::Lookup { id, name, kind } => self.connections.ask(id, name, kind),
                Output::Store(request) => self.ask(request),
                Output::Media { shard, command } => {
                    let taken = self.media.command(shard, command);
                    assert!(taken, "media threads live as long as the loop");
                }
                Output::Placed(placed) => self.placed(placed),
                Output::Note(note) => self.note(&note),
                // One that the queue does not take stays owed, and is said again at the next start.
                Output::Told(call) => drop(self.told.try_send(call)),
                Output::Drained => self.drained = true,
            }
        }
    }

    fn note(&mut self, note: &bridge::Note) {
        self.meters.note(note);
        if let bridge::Note::Overload(over) = note {
            self.shut = *over;
        }
        let (bridge::Note::Sip(counted), Some((source, now))) = (note, self.heard) else { return };
        if *counted == sip::Counted::Stranger {
            self.strangers.dropped(source, now);
        } else if *counted == sip::Counted::Banned {
            self.strangers.banned(source, now);
        }
    }

    fn transmit(&mut self, transmit: sip::Transmit) {
        if let Some(connection) = transmit.connection {
            return self.connections.send(connection, transmit.payload);
        }
        let listener = self.listeners.iter_mut().find(|own| own.index == transmit.listener);
        let listener = listener.expect("the endpoint was told of these listeners only");
        listener.outbox.push(transmit);
    }

    /// A full queue is an answer: nothing is known of the request, since it was not asked.
    fn ask(&mut self, request: StoreRequest) {
        let id = request.id;
        if self.storekeeper.try_send(request).is_err() {
            self.meters.overflowed();
            self.refused.push_back(id);
        }
    }

    /// Reads a listener until it is empty or its budget is used up. New calls wait until all of it
    /// is read: a flood of them does not keep those that live from hanging up.
    fn receive(&mut self, listener: usize, now: Now) {
        let index = self.listeners[listener].index;
        for _ in 0..BUDGET / DATAGRAMS {
            if self.media.is_crowded() || self.waiting.len() >= WAITING {
                return;
            }
            let count = self.listeners[listener].receive(&mut self.inbox);
            let mut urgent = Vec::with_capacity(count);
            for received in self.inbox.iter().take(count) {
                if self.bridge.shuns(received.source.ip(), now) {
                    self.meters.shunned();
                    continue;
                }
                if received.truncated {
                    self.meters.truncated();
                    continue;
                }
                let payload = Bytes::copy_from_slice(received.payload);
                let (source, urgency) = (received.source, urgency(&payload));
                let datagram = Input::Datagram { listener: index, source, payload };
                match urgency {
                    Urgency::High => urgent.push((source, datagram)),
                    Urgency::Low => self.waiting.push_back((source, datagram)),
                }
            }
            for (source, datagram) in urgent {
                self.hear(source, datagram, now);
            }
            if count < DATAGRAMS {
                return;
            }
        }
    }

    /// Takes up new calls, the oldest first. The bridge is told how many still wait; if it refuses
    /// them for it, they get their answers at once.
    fn welcome(&mut self, now: Now) {
        if self.waiting.is_empty() {
            return;
        }
        self.take_up(NEW, now);
        if self.shut {
            self.take_up(WAITING, now);
        }
    }

    fn take_up(&mut self, most: usize, now: Now) {
        let most = most.min(self.waiting.len());
        for (source, datagram) in self.waiting.drain(..most).collect::<Vec<_>>() {
            self.hear(source, datagram, now);
        }
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.feed(Input::Load(Load::Waiting(waiting)), now);
    }

    fn hear(&mut self, source: SocketAddr, datagram: Input, now: Now) {
        self.heard = Some((source, now.mono));
        self.feed(datagram, now);
        self.heard = None;
    }

    fn flush(&mut self) {
        for listener in &mut self.listeners {
            if listener.outbox.is_empty() {
                continue;
            }
            let datagrams: Vec<Datagram<'_>> = listener
                .outbox
                .iter()
                .map(|t| Datagram { destination: t.destination, payload: &t.payload })
                .collect();
            let sent = listener.socket.send_all(&datagrams);
            if sent.dropped > 0 {
                self.meters.unsent(sent.dropped);
            }
            listener.outbox.clear();
        }
    }
}

impl Listener {
    fn new((index, socket): (u8, Socket)) -> io::Result<Self> {
        let watched = UdpSocket::from_std(socket.handle()?)?;
        Ok(Self { index, socket, watched, outbox: Vec::new() })
    }

    /// Fills the inbox and returns how many came. Fewer than it has room for means that the
    /// socket is empty, which the runtime is told by `WouldBlock`.
    fn receive(&self, inbox: &mut Inbox<DATAGRAMS>) -> usize {
        let mut count = 0;
        let outcome = self.watched.try_io(Interest::READABLE, || {
            // A failed read (an ICMP error that was queued, say) is over once it is told.
            count = self.socket.receive(inbox).unwrap_or(0);
            if count < DATAGRAMS { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        drop(outcome);
        count
    }
}

impl Sources {
    /// Returns what has happened, if anything has; streams have to wait while media is crowded.
    fn poll(&mut self, crowded: bool) -> Option<Event> {
        if let Ok(stored) = self.answers.try_recv() {
            return Some(answered(stored));
        }
        if let Ok(event) = self.events.try_recv() {
            return Some(Event::Input(Input::Media(event)));
        }
        if let Ok(input) = self.inputs.try_recv() {
            return Some(Event::Input(input));
        }
        if let Ok(query) = self.queries.try_recv() {
            return Some(Event::Query(query));
        }
        if let Ok(order) = self.orders.try_recv() {
            return Some(Event::Order(order));
        }
        if crowded {
            return None;
        }
        self.streams.try_recv().ok().map(Event::Stream)
    }
}

/// Waits until something happens, at most for a while.
async fn happening(
    listeners: &[Listener],
    sources: &mut Sources,
    (pause, crowded): (Duration, bool),
) -> Option<Event> {
    let readable = std::future::poll_fn(|context| {
        let ready = |listener: &Listener| listener.watched.poll_recv_ready(context).is_ready();
        if listeners.iter().any(ready) { Poll::Ready(()) } else { Poll::Pending }
    });
    let readable = pin!(readable);
    tokio::select! {
        biased;
        Some(stored) = sources.answers.recv() => Some(answered(stored)),
        () = readable => None,
        Some(event) = sources.events.recv() => Some(Event::Input(Input::Media(event))),
        Some(input) = sources.inputs.recv() => Some(Event::Input(input)),
        Some(query) = sources.queries.recv() => Some(Event::Query(query)),
        Some(order) = sources.orders.recv() => Some(Event::Order(order)),
        Some(told) = sources.streams.recv(), if !crowded => Some(Event::Stream(told)),
        () = tokio::time::sleep(pause) => None,
    }
}

fn answered((request, outcome): Stored) -> Event {
    Event::Input(Input::Stored { request, outcome })
}
