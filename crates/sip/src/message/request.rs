//! A request whose mandatory fields are there, and the part of it that every answer repeats.

use std::net::SocketAddr;

use model::Transport;

use crate::message::header::{self, NameAddr, Via};
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Name, Start};
use crate::transport;

/// A request that can be served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) method: Method,
    pub(crate) uri: &'a str,
    pub(crate) via: Via<'a>,
    pub(crate) from: NameAddr<'a>,
    pub(crate) to: NameAddr<'a>,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
}

impl<'a> Request<'a> {
    /// Reads the mandatory fields (RFC 3261 §8.1.1).
    ///
    /// # Errors
    /// The status that answers what is wrong. Whether it *can* be answered is [`Echo::new`]'s to say.
    pub(crate) fn read(message: &'a Message<'a>) -> Result<Self, u16> {
        if let Some(fault) = message.fault {
            return Err(fault.status());
        }
        Self::fields(message).ok_or(400)
    }

    fn fields(message: &'a Message<'a>) -> Option<Self> {
        let Start::Request { method, uri } = message.start else { return None };
        let (cseq, cseq_method) = header::cseq(message.first(Name::CSeq)?)?;
        if Method::read(cseq_method) != method {
            return None;
        }
        let (from, to) = (message.first(Name::From)?, message.first(Name::To)?);
        let (from, to) = (NameAddr::read(from)?, NameAddr::read(to)?);
        if from.has_empty_tag() || to.has_empty_tag() {
            return None;
        }
        let call_id = message.first(Name::CallId)?;
        if call_id.is_empty() || call_id.contains([' ', '\t']) {
            return None;
        }
        let mut vias = message.elements(Name::Via).map(Via::read);
        let via = vias.next()??;
        if vias.any(|via| via.is_none()) {
            return None;
        }
        Some(Self { message, method, uri, via, from, to, call_id, cseq })
    }

    /// Returns the From tag; peers of RFC 2543 have none.
    pub(crate) fn remote_tag(&self) -> &'a str {
        self.from.tag().unwrap_or("")
    }
}

/// What an answer repeats of its request (RFC 3261 §8.2.6.2), kept as finished lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Echo {
    /// Our tag, where the request had none.
    pub(crate) tag: Box<str>,
    /// Via, From, To with our tag, Call-ID, CSeq.
    pub(crate) head: Lines,
    /// Record-Route: in answers that make a dialog.
    pub(crate) record_route: Lines,
    /// Timestamp: in 100 Trying.
    pub(crate) timestamp: Lines,
    /// Where the answer goes.
    pub(crate) destination: SocketAddr,
}

impl Echo {
    /// Lets go of what no further answer needs; a transaction outlives its final answer by half a
    /// minute.
    pub(crate) fn spend(&mut self) {
        self.head = Lines::new();
        self.record_route = Lines::new();
        self.timestamp = Lines::new();
    }

    /// Keeps what an answer repeats. `None`: there is no Via to answer along, or a value holds what
    /// must not be written.
    pub(crate) fn new(
        message: &Message<'_>,
        (source, transport): (SocketAddr, Transport),
        tag: &str,
    ) -> Option<Self> {
        let mut head = Lines::default();
        let mut destination = source;
        for (at, value) in message.all(Name::Via).enumerate() {
            if at > 0 {
                head.push("Via", &Value::new(value)?);
                continue;
            }
            let (stamped, address) = stamp(value, source, transport)?;
            destination = address;
            head.push("Via", &stamped);
        }
        if head == Lines::default() {
            return None;
        }
        if let Some(value) = message.first(Name::From) {
            head.push("From", &Value::new(value)?);
        }
        if let Some(value) = message.first(Name::To) {
            let tagged = NameAddr::read(value).is_some_and(|to| to.tag().is_some());
            let to = if tagged { value.to_owned() } else { format!("{value};tag={tag}") };
            head.push("To", &Value::new(to)?);
        }
        if let Some(value) = message.first(Name::CallId) {
            head.push("Call-ID", &Value::new(value)?);
        }
        if let Some(value) = message.first(Name::CSeq) {
            head.push("CSeq", &Value::new(value)?);
        }
        let record_route = lines(message, Name::RecordRoute, "Record-Route")?;
        let timestamp = lines(message, Name::Timestamp, "Timestamp")?;
        Some(Self { tag: tag.into(), head, record_route, timestamp, destination })
    }
}

fn lines(message: &Message<'_>, name: Name, written: &'static str) -> Option<Lines> {
    let mut lines = Lines::default();
    for value in message.all(name) {
        lines.push(written, &Value::new(value)?);
    }
    Some(lines)
}

/// Writes where the request really came from into its top Via (RFC 3261 §18.2.1, RFC 3581).
fn stamp(
    value: &str,
    source: SocketAddr,
    transport: Transport,
) -> Option<(Value<'static>, SocketAddr)> {
    let mut elements = header::elements(value);
    let via = Via::read(elements.next()?)?;
    let mut stamped = transport::stamp(&via, source);
    for element in elements {
        stamped.push_str(", ");
        stamped.push_str(element);
    }
    Some((Value::new(stamped)?, transport::reply_address(&via, source, transport)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::wire;

    const INVITE: &str = "INVITE sip:1@h SIP/2.0\r\nv: SIP/2.0/UDP a;rport;branch=z9hG4bK1, SIP/2.0/UDP b\r\n\
        Via: SIP/2.0/UDP c\r\nf: <sip:x@a>;tag=7\r\nt: sip:1@h\r\ni: id\r\nCSeq: 1 INVITE\r\n\r\n";

    #[test]
    fn an_answer_repeats_all_vias_and_tags_the_to() {
        let message = Message::lex(INVITE.as_bytes()).unwrap();
        let echo = Echo::new(&message, ("192.0.2.9:5070".parse().unwrap(), Transport::Udp), "ours")
            .unwrap();
        let written = wire::response(180, &[&echo.head], None);
        let written = std::str::from_utf8(&written).unwrap();
        assert!(written.contains(
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.9;rport=5070, SIP/2.0/UDP b\r\n\
             Via: SIP/2.0/UDP c\r\n"
        ));
        assert!(written.contains("To: sip:1@h;tag=ours\r\n"), "{written}");
    }

    #[test]
    fn a_request_without_its_mandatory_fields_is_bad() {
        for missing in ["f: <sip:x@a>;tag=7\r\n", "i: id\r\n", "CSeq: 1 INVITE\r\n"] {
            let text = INVITE.replace(missing, "");
            let message = Message::lex(text.as_bytes()).unwrap();
            assert_eq!(Request::read(&message).err(), Some(400), "{missing}");
        }
        let text = INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
        assert_eq!(Request::read(&Message::lex(text.as_bytes()).unwrap()).err(), Some(400));
    }
}
