//! Everything that leaves: answers with and without state, requests, news.

use bytes::Bytes;
use model::{Instant, TrunkId, limits};

use crate::dialog::Draft;
use crate::endpoint::{Counted, Endpoint, Event, Listener, Output, Settings, Transmit};
use crate::message::method::ALLOW;
use crate::message::request::Echo;
use crate::message::wire::{self, Body, Lines, Value};
use crate::message::{Message, Method, Name};
use crate::receive::Arrival;
use crate::timers::Alarm;
use crate::transaction::client::{self, Asked, Purpose};
use crate::transaction::server::{self, Served};
use crate::transaction::server_invite;
use crate::transaction::{Key, Mark, Row};
use crate::transport::{self, Flow};
use crate::trouble::Trouble;

/// Most transactions at once: at a steady rate each call leaves two, for 32 s each.
const TRANSACTIONS: usize = 8 * limits::CALLS;

/// Lines that are the same in every message.
#[derive(Debug)]
pub(crate) struct Words {
    /// `Contact`, by listener.
    contacts: Vec<Lines>,
    /// `Server`, if the operator wants one.
    server: Lines,
    /// `User-Agent`, if the operator wants one.
    pub(crate) user_agent: Lines,
    /// `Allow` and `Supported`.
    abilities: Lines,
}

impl Words {
    pub(crate) fn new(settings: &Settings) -> Self {
        let contact = |own: &Listener| {
            let parameter = transport::parameter(own.transport);
            let uri = format_args!("<sip:{}{parameter}>", own.advertised);
            Lines::default().with("Contact", &Value::shown(uri))
        };
        let banner = |name| match &settings.banner {
            Some(banner) => Lines::default().with(name, &Value::cleaned(banner)),
            None => Lines::default(),
        };
        Self {
            contacts: settings.listeners.iter().map(contact).collect(),
            server: banner("Server"),
            user_agent: banner("User-Agent"),
            abilities: Lines::default()
                .with("Allow", &Value::fixed(ALLOW))
                .with("Supported", &Value::fixed("timer")),
        }
    }

    /// `Allow`, `Supported` and our `Contact` on that listener.
    pub(crate) fn offer(&self, listener: u8) -> Lines {
        let mut lines = self.abilities.clone();
        if let Some(contact) = self.contacts.get(usize::from(listener)) {
            lines.append(contact);
        }
        lines
    }
}

/// A request of ours: what, why, to whom.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) purpose: Purpose,
    pub(crate) trunk: Option<TrunkId>,
    pub(crate) flow: Flow,
}

/// How a request of ours leaves.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) flow: Flow,
    pub(crate) request: Bytes,
    /// Where it goes, and as what, if its connection cannot be had.
    pub(crate) fallback: Option<(Flow, Bytes)>,
}

/// Returns what makes a request itself: a repeat has the same.
pub(crate) fn identity<'a>(message: &'a Message<'_>) -> [&'a str; 4] {
    let names = [Name::Via, Name::CallId, Name::From, Name::CSeq];
    names.map(|name| message.first(name).unwrap_or(""))
}

impl Endpoint {
    pub(crate) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn count(&mut self, what: Counted) {
        self.emit(Event::Counted(what));
    }

    pub(crate) fn transmit(&mut self, flow: Flow, payload: Bytes) {
        let Flow { listener, peer: destination, .. } = flow;
        let connection = self.connect(flow, None);
        let transmit = Transmit { listener, destination, connection, payload };
        self.outputs.push_back(Output::Transmit(transmit));
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// How many transactions live.
    pub(crate) fn transactions(&self) -> usize {
        self.invites.len() + self.served.len() + self.asked.len() + self.placed.len()
    }

    /// Whether the tables take no more.
    pub(crate) fn is_full(&self) -> bool {
        self.transactions() >= TRANSACTIONS
    }

    /// Writes an answer.
    pub(crate) fn written(
        &self,
        status: u16,
        head: &Lines,
        extra: &Lines,
        body: Option<Body<'_>>,
    ) -> Bytes {
        wire::response(status, &[head, extra, &self.words.server], body)
    }

    /// Answers without keeping state: a repeated request gets the same answer again (RFC 3261
    /// §8.2.7). An ACK is never answered.
    pub(crate) fn reject(&mut self, flow: Flow, message: &Message<'_>, status: u16, extra: &Lines) {
        let tag = self.chance.stateless_tag(identity(message));
        self.reply(flow, message, (status, &tag), extra);
    }

    /// Answers without keeping state, under a tag.
    pub(crate) fn reply(
        &mut self,
        flow: Flow,
        message: &Message<'_>,
        (status, tag): (u16, &str),
        extra: &Lines,
    ) {
        let Some(echo) = Echo::new(message, self.origin(flow), tag) else {
            return self.count(Counted::Malformed);
        };
        if status >= 300 {
            tracing::debug!(status, peer = %flow.peer, "request was refused");
        }
        let payload = self.written(status, &echo.head, extra, None);
        self.transmit(Flow { peer: echo.destination, ..flow }, payload);
        self.count(Counted::Response(status));
    }

    /// Answers a request in a dialog, and remembers the answer for its repeats.
    pub(crate) fn serve(&mut self, arrival: &Arrival<'_>, tag: &str, status: u16, extra: &Lines) {
        let Some(serial) = self.admit(arrival, tag) else {
            return self.reject(arrival.flow, arrival.request.message, status, extra);
        };
        self.finish(serial, status, extra, None, arrival.now);
    }

    /// Starts a server transaction; `None` if there is no room for one.
    pub(crate) fn admit(&mut self, arrival: &Arrival<'_>, tag: &str) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        let echo = Echo::new(arrival.request.message, self.origin(arrival.flow), tag)?;
        let serial = self.next_serial();
        let flow = Flow { peer: echo.destination, ..arrival.flow };
        let state = server::State::Trying;
        self.served.insert(serial, Served { key: arrival.key.clone(), flow, echo, state });
        Some(serial)
    }

    /// Answers a served request finally.
    pub(crate) fn finish(
        &mut self,
        serial: u64,
        status: u16,
        extra: &Lines,
        body: Option<Body<'_>>,
        now: Instant,
    ) {
        let Some(row) = self.served.row(serial) else { return };
        let payload = self.written(status, &row.echo.head, extra, body);
        self.count(Counted::Response(status));
        self.step_served(serial, server::Input::Final(payload), now);
    }

    /// Moves a non-INVITE server transaction.
    pub(crate) fn step_served(&mut self, serial: u64, input: server::Input, now: Instant) {
        let Some(mut row) = self.served.take(serial) else { return };
        let (flow, before) = (row.flow, row.due());
        let step = row.state.step(input, self.is_reliable(flow.listener), now);
        let due = step.state.as_ref().and_then(server::State::due);
        self.timers.shift(Alarm::Request(serial), before, due);
        match step.state {
            Some(state) => {
                row.state = state;
                if row.state.due().is_some() {
                    row.echo.spend();
                }
                self.served.put(serial, row);
            }
            None => self.served.close(&row.key),
        }
        if let Some(payload) = step.send {
            self.transmit(flow, payload);
        }
    }

    /// Answers an INVITE: provisionally, or finally.
    pub(crate) fn answer_invite(
        &mut self,
        serial: u64,
        status: u16,
        extra: &Lines,
        body: Option<Body<'_>>,
        now: Instant,
    ) -> Option<Bytes> {
        let echo = &self.invites.row(serial)?.echo;
        let mut lines = echo.head.clone();
        match status {
            100 => lines.append(&echo.timestamp),
            101..=299 => lines.append(&echo.record_route),
            _ => {}
        }
        let payload = self.written(status, &lines, extra, body);
        let input = match status {
            100..=199 => server_invite::Input::Provisional(payload.clone()),
            200..=299 => server_invite::Input::Success(payload.clone()),
            _ => server_invite::Input::Refusal(payload.clone()),
        };
        self.count(Counted::Response(status));
        self.step_invite(serial, input, now);
        Some(payload)
    }

    /// Moves an INVITE server transaction.
    pub(crate) fn step_invite(&mut self, serial: u64, input: server_invite::Input, now: Instant) {
        let Some(mut row) = self.invites.take(serial) else { return };
        let timed = matches!(input, server_invite::Input::Due);
        let (flow, before) = (row.flow, row.due());
        let step = row.state.step(input, self.is_reliable(flow.listener), now);
        let due = step.state.as_ref().and_then(server_invite::State::due);
        self.timers.shift(Alarm::Invite(serial), before, due);
        match step.state {
            Some(state) => {
                row.state = state;
                if row.state.due().is_some() {
                    row.echo.spend();
                }
                self.invites.put(serial, row);
            }
            None => {
                self.invites.close(&row.key);
                if let Some(mark) = row.mark {
                    self.unmark(&mark);
                }
            }
        }
        if let Some(payload) = step.send {
            if timed {
                self.count(Counted::Resent);
            }
            self.transmit(flow, payload);
        }
    }

    /// Forgets an INVITE once both its call and its transaction are gone.
    pub(crate) fn unmark(&mut self, mark: &Mark) {
        let Some(count) = self.marks.get_mut(mark) else { return };
        *count -= 1;
        if *count == 0 {
            self.marks.remove(mark);
        }
    }

    /// Chooses how a request of ours travels, which is written by `write` for a flow.
    pub(crate) fn depart(
        &mut self,
        flow: Flow,
        trunk: Option<TrunkId>,
        write: impl Fn(&Self, Flow) -> Bytes,
    ) -> Departure {
        let (mut flow, mut request, mut fallback) = (flow, write(self, flow), None);
        if let Some(wide) = self.widened(flow, trunk, request.len()) {
            fallback = Some((flow, request));
            (flow, request) = (wide, write(self, wide));
        } else if self.is_on_a_stream(flow) {
            // The connection may have died unnoticed: then a new one is opened.
            fallback = Some((Flow::to(flow.listener, flow.peer), request.clone()));
        }
        flow.connection = self.connect(flow, trunk);
        Departure { flow, request, fallback }
    }

    /// Sends a request of ours; returns its transaction.
    pub(crate) fn ask(
        &mut self,
        question: Question,
        draft: &Draft<'_>,
        extra: &Lines,
        now: Instant,
    ) -> u64 {
        let Question { method, purpose, trunk, flow } = question;
        let branch = self.chance.branch();
        let departure = self.depart(flow, trunk, |endpoint, flow| {
            let via = endpoint.via(flow, &branch);
            let lines = [&via, &draft.lines, extra, &endpoint.words.user_agent];
            wire::request(method.name(), &draft.uri, &lines, None)
        });
        let Departure { flow, request, fallback } = departure;
        let serial = self.next_serial();
        let row = Asked {
            key: Key::client(&branch),
            flow,
            purpose,
            method: method.name(),
            trunk,
            request: request.clone(),
            fallback,
            state: client::State::start(now, self.is_reliable(flow.listener)),
        };
        self.timers.shift(Alarm::Client(serial), None, row.due());
        self.asked.insert(serial, row);
        if let Some(trunk) = trunk {
            self.trunks.hold(trunk);
        }
        self.streams.board(flow.connection, serial);
        self.transmit(flow, request);
        serial
    }

    /// Forgets a request of ours: its answer is not waited for any more.
    pub(crate) fn forget_asked(&mut self, serial: u64) {
        let Some(row) = self.asked.take(serial) else { return };
        self.timers.shift(Alarm::Client(serial), row.due(), None);
        self.asked.close(&row.key);
        self.streams.alight(row.flow.connection, serial);
        if let Some(trunk) = row.trunk {
            self.trunks.release(trunk);
        }
    }

    /// A connection is gone that a request of ours waits on: it is sent once more another way, else
    /// it counts as answered by 503 (RFC 3261 §8.1.3.1).
    pub(crate) fn connection_lost(&mut self, serial: u64, trouble: Trouble, now: Instant) {
        let Some(row) = self.asked.take(serial) else {
            return self.invite_lost(serial, trouble, now);
        };
        let Some((mut flow, request)) = row.fallback else {
            self.asked.put(serial, row);
            if let Some(purpose) = self.step_asked(serial, client::Input::Final, now) {
                self.on_final(purpose, 503, None, now);
            }
            return;
        };
        flow.connection = self.connect(flow, row.trunk);
        let before = row.state.due();
        let state = client::State::start(now, self.is_reliable(flow.listener));
        self.timers.shift(Alarm::Client(serial), Some(before), Some(state.due()));
        let row = Asked { flow, request: request.clone(), fallback: None, state, ..row };
        self.asked.put(serial, row);
        self.streams.board(flow.connection, serial);
        self.transmit(flow, request);
    }

    /// Moves a client transaction; returns its purpose if that was its end.
    pub(crate) fn step_asked(
        &mut self,
        serial: u64,
        input: client::Input,
        now: Instant,
    ) -> Option<Purpose> {
        let mut row = self.asked.take(serial)?;
        let (flow, before) = (row.flow, row.due());
        let step = row.state.step(input, &row.request, now);
        let due = step.state.as_ref().map(client::State::due);
        self.timers.shift(Alarm::Client(serial), before, due);
        if let Some(payload) = step.send {
            self.count(Counted::Resent);
            self.transmit(flow, payload);
        }
        let Some(state) = step.state else {
            self.asked.close(&row.key);
            self.streams.alight(flow.connection, serial);
            if let Some(trunk) = row.trunk {
                self.trunks.release(trunk);
            }
            return Some(row.purpose);
        };
        row.state = state;
        self.asked.put(serial, row);
        None
    }
}
