//! Where a datagram goes: allow-list, lexer, transaction, dialog.

use bytes::Bytes;
use model::{CallId, Instant, TrunkId};

use crate::endpoint::{Counted, Endpoint, Event};
use crate::message::method::ALLOW;
use crate::message::uri::Uri;
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Name, Request, Start};
use crate::session::prack::RELIABLE;
use crate::transaction::{Key, server, server_invite};
use crate::transport::Flow;
use crate::trunk::Sender;

/// The extensions that we understand.
const SUPPORTED: &[&str] = &["timer"];

/// A request on its way to the method that serves it.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) request: Request<'a>,
    pub(crate) flow: Flow,
    pub(crate) sender: Sender,
    pub(crate) key: Key,
    pub(crate) payload: &'a Bytes,
    pub(crate) now: Instant,
}

impl Arrival<'_> {
    /// Who sent it.
    pub(crate) const fn trunk(&self) -> TrunkId {
        self.sender.trunk
    }
}

impl Endpoint {
    /// Takes a datagram.
    pub(crate) fn receive(&mut self, flow: Flow, payload: &Bytes, now: Instant) {
        let names = self.streams.names(flow);
        let Some(sender) = self.trunks.sender(flow.peer.ip(), flow.listener, names) else {
            return self.stranger(flow.peer.ip(), now);
        };
        if payload.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' ')) {
            // A keep-alive of the path, not a message.
            return;
        }
        if self.shed_unread(flow, sender, payload) {
            return;
        }
        let Some(message) = Message::lex(payload) else {
            tracing::debug!(bytes = payload.len(), "datagram was not SIP");
            return self.count(Counted::Malformed);
        };
        match message.start {
            Start::Response { .. } if is_unsound_answer(&message) => self.count(Counted::Malformed),
            Start::Response { status } if self.is_stray(&message, status) => {
                self.on_stray_answer(&message, sender.trunk, flow, now);
            }
            Start::Response { status } => self.on_response(&message, status, payload, now),
            Start::Request { method, .. } => {
                self.count(Counted::Request(method.name()));
                match Request::read(&message) {
                    Ok(request) => {
                        let key = Key::new(sender.trunk, &request);
                        self.on_request(&Arrival { request, flow, sender, key, payload, now });
                    }
                    Err(status) => self.on_unreadable(flow, &message, method, status),
                }
            }
        }
    }

    fn on_unreadable(&mut self, flow: Flow, message: &Message<'_>, method: Method, status: u16) {
        self.count(Counted::Malformed);
        if method != Method::Ack {
            self.reject(flow, message, status, &Lines::new());
        }
    }

    fn on_request(&mut self, arrival: &Arrival<'_>) {
        match arrival.request.method {
            Method::Ack => return self.on_ack(arrival),
            Method::Cancel => return self.on_cancel(arrival),
            Method::Invite => {
                if let Some(serial) = self.invites.find(&arrival.key) {
                    self.count(Counted::Retransmission);
                    return self.step_invite(serial, server_invite::Input::Repeated, arrival.now);
                }
            }
            Method::Bye
            | Method::Options
            | Method::Update
            | Method::Info
            | Method::Unsupported(_)
            | Method::Unknown => {
                if let Some(serial) = self.served.find(&arrival.key) {
                    self.count(Counted::Retransmission);
                    return self.step_served(serial, server::Input::Repeated, arrival.now);
                }
            }
        }
        if arrival.request.to.tag().is_some() {
            self.inside(arrival);
        } else {
            self.outside(arrival);
        }
    }

    /// A request that belongs to no dialog yet.
    fn outside(&mut self, arrival: &Arrival<'_>) {
        if !arrival.sender.active {
            return self.count(Counted::Stranger);
        }
        let reliable = self.takes_prack(arrival.trunk());
        let registers = self.takes_register(arrival.trunk());
        if let Some((status, extra)) = objection(&arrival.request, (reliable, registers)) {
            return self.deny(arrival, status, &extra);
        }
        match arrival.request.method {
            Method::Invite => self.on_invite(arrival),
            Method::Options => self.on_options(arrival),
            Method::Bye | Method::Update | Method::Info | Method::PRACK => {
                self.deny(arrival, 481, &Lines::new());
            }
            Method::REGISTER => self.on_register(arrival),
            // Served before: an ACK or CANCEL starts nothing. The rest has met its objection.
            Method::Ack | Method::Cancel | Method::Unsupported(_) | Method::Unknown => {}
        }
    }

    /// A request with a To tag: it must lie in a dialog of ours, in order, from its own trunk (S15).
    fn inside(&mut self, arrival: &Arrival<'_>) {
        let Some(call) = self.dialog_of(arrival) else {
            if let Some(serial) = self.early_of(arrival) {
                return self.inside_early(arrival, serial);
            }
            let reliable = self.takes_prack(arrival.trunk());
            let objection = objection(&arrival.request, (reliable, false));
            let (status, extra) = objection.unwrap_or((481, Lines::new()));
            return self.deny(arrival, status, &extra);
        };
        let Some(tag) = self.advance(call, arrival.request.cseq) else {
            // Out of order (RFC 3261 §12.2.2).
            return self.deny(arrival, 500, &Lines::new());
        };
        let ends = arrival.request.method == Method::Bye;
        let reliable = self.takes_prack(arrival.trunk());
        let objection = objection(&arrival.request, (reliable, false));
        if let Some((status, extra)) = objection.filter(|_| !ends) {
            self.serve(arrival, &tag, status, &extra);
            return self.emit(Event::Alive { call });
        }
        match arrival.request.method {
            Method::Invite => self.on_reinvite(arrival, call, &tag),
            Method::Update => self.on_update(arrival, call, &tag),
            Method::Info => self.on_info(arrival, call, &tag),
            Method::Bye => self.on_bye(arrival, call, &tag),
            Method::Options => self.on_options_inside(arrival, call, &tag),
            Method::PRACK => self.on_prack(arrival, call, &tag),
            Method::Ack | Method::Cancel | Method::Unsupported(_) | Method::Unknown => {}
        }
    }

    fn takes_register(&self, trunk: TrunkId) -> bool {
        self.trunks.active(trunk).is_some_and(|trunk| trunk.registers.is_some())
    }

    /// Finds the call that a request lies in.
    pub(crate) fn dialog_of(&self, arrival: &Arrival<'_>) -> Option<CallId> {
        let id = *self.tags.get(arrival.request.to.tag()?)?;
        let call = self.calls.get(&id)?;
        // Two trunks may share an address: then the sender goes by the other one's name.
        let address = arrival.flow.peer.ip();
        let owned = call.trunk == arrival.trunk() || self.trunks.owns(call.trunk, address);
        let same = owned && call.dialog.id.holds(&arrival.request);
        same.then_some(id)
    }

    /// Moves the peer's sequence on, and returns our tag; `None` if the request is out of order.
    fn advance(&mut self, call: CallId, cseq: u32) -> Option<String> {
        let dialog = &mut self.calls.get_mut(&call)?.dialog;
        if dialog.remote_cseq.is_some_and(|last| cseq <= last) {
            return None;
        }
        dialog.remote_cseq = Some(cseq);
        Some(dialog.id.local_tag.to_string())
    }

    /// Refuses without keeping state.
    pub(crate) fn deny(&mut self, arrival: &Arrival<'_>, status: u16, extra: &Lines) {
        self.reject(arrival.flow, arrival.request.message, status, extra);
    }
}

/// Whether an answer is broken, or has more Vias than the one that we gave its request and is meant
/// for somebody else (RFC 3261 §8.1.3.3).
fn is_unsound_answer(answer: &Message<'_>) -> bool {
    answer.fault.is_some() || answer.elements(Name::Via).count() != 1
}

/// Returns why a request is refused whatever it asks for (RFC 3261 §8.2.1–§8.2.2), in that order.
/// `reliable` tells whether the trunk may acknowledge provisional answers, `registers` whether it may
/// register.
pub(crate) fn objection(
    request: &Request<'_>,
    (reliable, registers): (bool, bool),
) -> Option<(u16, Lines)> {
    let none = Lines::new();
    match request.method {
        Method::PRACK if reliable => {}
        Method::REGISTER if registers => {}
        Method::Unsupported(_) => {
            return Some((405, none.with("Allow", &Value::fixed(ALLOW))));
        }
        Method::Unknown => return Some((501, none.with("Allow", &Value::fixed(ALLOW)))),
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Update
        | Method::Info => {}
    }
    match Uri::read(request.uri) {
        Some(Uri::Sip { .. } | Uri::Tel { .. }) => {}
        Some(Uri::Other) => return Some((416, none)),
        None => return Some((400, none)),
    }
    let required = request.message.elements(Name::Require);
    let foreign: Vec<_> = required.filter(|tag| !is_supported(tag, reliable)).collect();
    if foreign.is_empty() {
        return None;
    }
    let unsupported = Value::new(foreign.join(", "))?;
    Some((420, none.with("Unsupported", &unsupported)))
}

fn is_supported(tag: &str, reliable: bool) -> bool {
    let reliability = reliable.then_some(&RELIABLE);
    SUPPORTED.iter().chain(reliability).any(|own| own.eq_ignore_ascii_case(tag))
}
