//! Dialogs (RFC 3261 §12), of calls that came in and of calls that we placed.

pub(crate) mod id;
pub(crate) mod record;
pub(crate) mod route_set;

pub(crate) use id::Id;

use crate::message::wire::{Lines, Value};
use crate::message::{Message, Name, Request};
use crate::transport::Flow;
use crate::trunk::outgoing::Ends;
use route_set::{Laid, RouteSet};

/// How far the sequence number jumps for a dialog of an earlier process, so that it is above
/// whatever that one sent after it wrote its record.
pub(crate) const ORPHAN_LEAP: u32 = 1_000;

/// Hops that a request in a dialog may take (RFC 3261 §8.1.1.6).
pub(crate) const HOPS: u8 = 70;

/// State that both ends agree on (RFC 3261 §12.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialog {
    pub(crate) id: Id,
    /// Our From, without a tag: To of the peer's INVITE, or From of ours.
    pub(crate) local: Box<str>,
    /// Our To, with its tag: From of the peer's INVITE, or To of its answer.
    pub(crate) remote: Box<str>,
    pub(crate) local_cseq: u32,
    /// `None` before the peer's first request.
    pub(crate) remote_cseq: Option<u32>,
    /// The peer's Contact.
    pub(crate) target: Box<str>,
    pub(crate) routes: RouteSet,
    /// The listener, and where the peer's requests come from.
    pub(crate) flow: Flow,
}

/// A request of ours before it has a Via.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) uri: Value<'a>,
    pub(crate) lines: Lines,
}

impl Dialog {
    /// Starts with an INVITE; `None` if its Contact cannot be used.
    pub(crate) fn new(request: &Request<'_>, target: &str, tag: &str, flow: Flow) -> Option<Self> {
        let message = request.message;
        let id = Id {
            call_id: request.call_id.into(),
            local_tag: tag.into(),
            remote_tag: request.remote_tag().into(),
        };
        let routes = message.elements(Name::RecordRoute).map(Into::into).collect();
        Some(Self {
            id,
            local: message.first(Name::To)?.into(),
            remote: message.first(Name::From)?.into(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq),
            target: target.into(),
            routes: RouteSet(routes),
            flow,
        })
    }

    /// Returns the way its requests go.
    pub(crate) fn laid(&self) -> Laid<'_> {
        self.routes.lay(&self.target)
    }

    /// Begins one for an INVITE of ours: no tag of theirs, the Request-URI for a target.
    pub(crate) fn placed(ends: &Ends, id: Id, flow: Flow) -> Self {
        Self {
            id,
            local: ends.from.as_str().into(),
            remote: ends.to.as_str().into(),
            local_cseq: 0,
            remote_cseq: None,
            target: ends.uri.as_str().into(),
            routes: RouteSet::default(),
            flow,
        }
    }

    /// Returns it as an answer to our INVITE makes it (RFC 3261 §12.1.2): Record-Route from the
    /// other end.
    pub(crate) fn joined(self, answer: &Message<'_>, tag: &str, to: &str, target: &str) -> Self {
        let mut routes: Vec<Box<str>> =
            answer.elements(Name::RecordRoute).map(Into::into).collect();
        routes.reverse();
        let id = Id { remote_tag: tag.into(), ..self.id };
        Self { id, remote: to.into(), target: target.into(), routes: RouteSet(routes), ..self }
    }

    /// Writes the fields of its next request, and counts it. `None` if a value must not be written;
    /// the lexer lets no such value in.
    pub(crate) fn draft(&mut self, method: &'static str) -> Option<Draft<'_>> {
        self.draft_within(method, HOPS)
    }

    /// Writes the fields of its next request, which may take so many hops.
    pub(crate) fn draft_within(&mut self, method: &'static str, hops: u8) -> Option<Draft<'_>> {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.written(method, self.local_cseq, hops)
    }

    /// Writes the fields of a request with that number.
    pub(crate) fn written(&self, method: &'static str, cseq: u32, hops: u8) -> Option<Draft<'_>> {
        let laid = self.routes.lay(&self.target);
        let mut lines = Lines::default();
        for route in laid.routes {
            lines.push("Route", &Value::new(route)?);
        }
        lines.push("Max-Forwards", &Value::shown(hops));
        lines.push("From", &Value::new(format!("{};tag={}", self.local, self.id.local_tag))?);
        lines.push("To", &Value::new(&*self.remote)?);
        lines.push("Call-ID", &Value::new(&*self.id.call_id)?);
        lines.push("CSeq", &Value::new(format!("{cseq} {method}"))?);
        Some(Draft { uri: Value::new(laid.uri)?, lines })
    }
}
