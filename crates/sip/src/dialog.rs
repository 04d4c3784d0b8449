//! Dialogs (RFC 3261 §12), always as the side that was called.

pub(crate) mod id;
pub(crate) mod record;
pub(crate) mod route_set;

pub(crate) use id::Id;

use crate::message::wire::{Lines, Value};
use crate::message::{Name, Request};
use crate::transport::Flow;
use route_set::{Laid, RouteSet};

/// How far the sequence number jumps for a dialog of an earlier process, so that it is above
/// whatever that one sent after it wrote its record.
pub(crate) const ORPHAN_LEAP: u32 = 1_000;

/// State that both ends agree on (RFC 3261 §12.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialog {
    pub(crate) id: Id,
    /// Our From: the INVITE's To, without a tag.
    pub(crate) local: Box<str>,
    /// Our To: the INVITE's From, with its tag.
    pub(crate) remote: Box<str>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: u32,
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
            remote_cseq: request.cseq,
            target: target.into(),
            routes: RouteSet(routes),
            flow,
        })
    }

    /// Returns the way its requests go.
    pub(crate) fn laid(&self) -> Laid<'_> {
        self.routes.lay(&self.target)
    }

    /// Writes the fields of its next request, and counts it. `None` if a value must not be written;
    /// the lexer lets no such value in.
    pub(crate) fn draft(&mut self, method: &'static str) -> Option<Draft<'_>> {
        self.local_cseq = self.local_cseq.saturating_add(1);
        let laid = self.routes.lay(&self.target);
        let mut lines = Lines::default();
        for route in laid.routes {
            lines.push("Route", &Value::new(route)?);
        }
        lines.push("Max-Forwards", &Value::fixed("70"));
        lines.push("From", &Value::new(format!("{};tag={}", self.local, self.id.local_tag))?);
        lines.push("To", &Value::new(&*self.remote)?);
        lines.push("Call-ID", &Value::new(&*self.id.call_id)?);
        lines.push("CSeq", &Value::new(format!("{} {method}", self.local_cseq))?);
        Some(Draft { uri: Value::new(laid.uri)?, lines })
    }
}
