//! Writing messages. Only a [`Value`] can be written into a header field, and a `Value` holds no
//! CR, LF or NUL: nothing that a peer sends can add a line to what we send (reliability.md S18).

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use bytes::Bytes;

use crate::message::status;

/// Text that is safe on one header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value<'a>(Cow<'a, str>);

impl<'a> Value<'a> {
    /// Checks a text; `None` if it could end the line.
    pub(crate) fn new(text: impl Into<Cow<'a, str>>) -> Option<Self> {
        let text = text.into();
        (!text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0))).then_some(Self(text))
    }

    /// Takes our own words.
    pub(crate) const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Keeps what is safe of a text: for what the operator wrote.
    pub(crate) fn cleaned(text: &str) -> Value<'static> {
        Value(Cow::Owned(text.chars().filter(|letter| !letter.is_control()).collect()))
    }

    /// Writes anything that shows itself without line ends: numbers and addresses of ours.
    pub(crate) fn shown(value: impl fmt::Display) -> Value<'static> {
        Value::cleaned(&value.to_string())
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Header lines in a row, all of them checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines(String);

impl Lines {
    /// No lines.
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    /// Adds a header field.
    pub(crate) fn push(&mut self, name: &'static str, value: &Value<'_>) {
        self.0.reserve(name.len() + value.0.len() + 4);
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.push_str(&value.0);
        self.0.push_str("\r\n");
    }

    /// Adds a header field, and returns itself.
    pub(crate) fn with(mut self, name: &'static str, value: &Value<'_>) -> Self {
        self.push(name, value);
        self
    }

    /// Adds other lines.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }
}

/// A body and its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Body<'a> {
    /// An SDP, if there are any bytes.
    pub(crate) fn sdp(bytes: &'a [u8]) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self { content_type: "application/sdp", bytes })
    }
}

/// Writes a response.
pub(crate) fn response(status: u16, lines: &[&Lines], body: Option<Body<'_>>) -> Bytes {
    let mut out = String::with_capacity(capacity(lines, body));
    // Writing to a String cannot fail.
    let _ = write!(out, "SIP/2.0 {status} {}\r\n", status::phrase(status));
    finish(out, lines, body)
}

/// Writes a request.
pub(crate) fn request(
    method: &'static str,
    uri: &Value<'_>,
    lines: &[&Lines],
    body: Option<Body<'_>>,
) -> Bytes {
    let mut out = String::with_capacity(capacity(lines, body) + uri.text().len());
    let _ = write!(out, "{method} {} SIP/2.0\r\n", uri.text());
    finish(out, lines, body)
}

fn capacity(lines: &[&Lines], body: Option<Body<'_>>) -> usize {
    let head: usize = lines.iter().map(|lines| lines.0.len()).sum();
    head + body.map_or(0, |body| body.bytes.len()) + 160
}

fn finish(mut out: String, lines: &[&Lines], body: Option<Body<'_>>) -> Bytes {
    for lines in lines {
        out.push_str(&lines.0);
    }
    let Some(body) = body else {
        out.push_str("Content-Length: 0\r\n\r\n");
        return Bytes::from(out);
    };
    let (kind, length) = (body.content_type, body.bytes.len());
    let _ = write!(out, "Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body.bytes);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_end_a_line() {
        for text in ["a\r\nVia: x", "a\nb", "a\rb", "a\0b"] {
            assert_eq!(Value::new(text), None, "{text:?}");
            assert!(!Value::cleaned(text).text().contains(['\r', '\n', '\0']));
        }
    }

    #[test]
    fn what_we_write_is_what_rsip_reads() {
        let lines = Lines::default()
            .with("Via", &Value::fixed("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"))
            .with("Call-ID", &Value::fixed("abc"));
        let written = response(486, &[&lines], Body::sdp(b"v=0\r\n"));
        let read = rsip::Response::try_from(&*written).unwrap();
        assert_eq!(read.status_code, rsip::StatusCode::BusyHere);
        assert_eq!(read.body, b"v=0\r\n");
        assert_eq!(read.headers.iter().count(), 4);
    }
}
