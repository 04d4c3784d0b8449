//! Finds the SDP in a body: the body itself, or a part of a multipart one (RFC 5621).

use model::limits;

use crate::message::header::{self, Name};
use crate::message::lexer::Message;

/// What `Accept` tells.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// Why a body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// 415: nothing in it that we understand, or something that we must understand and do not.
    Unsupported,
    /// 513: a limit of [`limits`] is broken.
    TooLarge,
}

impl Unusable {
    /// Returns the status that answers it.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Unsupported => 415,
            Self::TooLarge => 513,
        }
    }
}

/// Returns the session description in a message, if it has one.
///
/// # Errors
/// [`Unusable`] if there is a body that must be understood and cannot be.
pub(crate) fn sdp<'a>(message: &Message<'a>) -> Result<Option<&'a [u8]>, Unusable> {
    if message.body.is_empty() {
        return Ok(None);
    }
    let encoded = message.first(Name::ContentEncoding);
    if encoded.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Unusable::Unsupported);
    }
    let part = Part {
        content_type: message.first(Name::ContentType).unwrap_or(""),
        disposition: message.first(Name::ContentDisposition).unwrap_or(""),
        bytes: message.body,
    };
    match part.read(0)? {
        Found::Sdp(sdp) => Ok(Some(sdp)),
        Found::Ignorable => Ok(None),
        Found::Foreign if part.is_optional() => Ok(None),
        Found::Foreign => Err(Unusable::Unsupported),
    }
}

/// A body or a part of one.
#[derive(Debug, Clone, Copy)]
struct Part<'h, 'a> {
    content_type: &'h str,
    disposition: &'h str,
    bytes: &'a [u8],
}

enum Found<'a> {
    Sdp(&'a [u8]),
    /// Something else, that its sender lets us ignore.
    Ignorable,
    Foreign,
}

impl<'a> Part<'_, 'a> {
    fn read(&self, depth: usize) -> Result<Found<'a>, Unusable> {
        let (kind, parameters) =
            self.content_type.split_once(';').unwrap_or((self.content_type, ""));
        let kind = kind.trim();
        if kind.eq_ignore_ascii_case("application/sdp") && self.is_session() {
            return Ok(Found::Sdp(self.bytes));
        }
        let multipart = kind.get(..10).is_some_and(|top| top.eq_ignore_ascii_case("multipart/"));
        if !multipart {
            return Ok(if self.is_optional() { Found::Ignorable } else { Found::Foreign });
        }
        if depth == limits::BODY_DEPTH {
            return Err(Unusable::TooLarge);
        }
        match header::parameter(parameters, "boundary") {
            Some(boundary) if !boundary.is_empty() => self.parts(boundary, depth),
            Some(_) | None => Err(Unusable::Unsupported),
        }
    }

    /// Takes the first SDP part. Parts of other kinds are ignored unless they *say* that handling
    /// is required: carriers attach location and ISUP to calls without thinking of us.
    fn parts(&self, boundary: &str, depth: usize) -> Result<Found<'a>, Unusable> {
        let mut found = None;
        for (at, bytes) in Delimited::new(self.bytes, boundary).enumerate() {
            if at == limits::BODY_PARTS {
                return Err(Unusable::TooLarge);
            }
            let (head, bytes) = cut_head(bytes);
            let head = String::from_utf8_lossy(head);
            let part = Part {
                content_type: field(&head, Name::ContentType).unwrap_or("text/plain"),
                disposition: field(&head, Name::ContentDisposition).unwrap_or(""),
                bytes,
            };
            match part.read(depth + 1)? {
                Found::Sdp(sdp) => found = found.or(Some(sdp)),
                Found::Foreign if part.is_required() => return Err(Unusable::Unsupported),
                Found::Foreign | Found::Ignorable => {}
            }
        }
        Ok(found.map_or(Found::Foreign, Found::Sdp))
    }

    fn is_session(&self) -> bool {
        let kind = self.disposition.split_once(';').map_or(self.disposition, |(kind, _)| kind);
        kind.trim().is_empty() || kind.trim().eq_ignore_ascii_case("session")
    }

    fn is_optional(&self) -> bool {
        self.handling().is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }

    fn is_required(&self) -> bool {
        self.handling().is_some_and(|handling| handling.eq_ignore_ascii_case("required"))
    }

    fn handling(&self) -> Option<&str> {
        let (_, parameters) = self.disposition.split_once(';')?;
        header::parameter(parameters, "handling")
    }
}

/// The parts between lines of `--boundary`.
struct Delimited<'a> {
    rest: &'a [u8],
    delimiter: Vec<u8>,
}

impl<'a> Delimited<'a> {
    fn new(body: &'a [u8], boundary: &str) -> Self {
        let mut parts = Self { rest: body, delimiter: format!("--{boundary}").into_bytes() };
        // What stands before the first delimiter is no part.
        let _preamble = parts.until_delimiter();
        parts
    }

    /// Returns what stands before the next delimiter, and moves behind its line.
    fn until_delimiter(&mut self) -> Option<&'a [u8]> {
        let body = self.rest;
        let mut start = 0;
        while let Some(line) = body.get(start..).filter(|line| !line.is_empty()) {
            let length =
                line.iter().position(|byte| *byte == b'\n').map_or(line.len(), |at| at + 1);
            if let Some(tail) = line.get(..length)?.strip_prefix(self.delimiter.as_slice()) {
                let last = tail.starts_with(b"--");
                self.rest = if last { &[] } else { line.get(length..)? };
                let before = body.get(..start)?;
                let before = before.strip_suffix(b"\n").unwrap_or(before);
                return Some(before.strip_suffix(b"\r").unwrap_or(before));
            }
            start += length;
        }
        self.rest = &[];
        None
    }
}

impl<'a> Iterator for Delimited<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.until_delimiter()
    }
}

/// Splits a part at its first blank line.
fn cut_head(part: &[u8]) -> (&[u8], &[u8]) {
    let mut start = 0;
    while let Some(line) = part.get(start..).filter(|line| !line.is_empty()) {
        let length = line.iter().position(|byte| *byte == b'\n').map_or(line.len(), |at| at + 1);
        if line.get(..length).is_some_and(|line| line.trim_ascii().is_empty()) {
            return part.split_at_checked(start).map_or((part, &[]), |(head, tail)| {
                (head, tail.get(length..).unwrap_or_default())
            });
        }
        start += length;
    }
    (part, &[])
}

fn field(head: &str, name: Name) -> Option<&str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(label, _)| Name::read(label.trim()) == name);
    named.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_body_is_the_offer() {
        assert_eq!(read("application/SDP", "", "v=0\r\n"), Ok(Some("v=0\r\n".into())));
        assert_eq!(read("application/sdp;charset=utf-8", "", "v=0"), Ok(Some("v=0".into())));
    }

    #[test]
    fn the_sdp_part_of_a_multipart_body_is_the_offer() {
        let body = "junk\r\n--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\n\
            c: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\no=x\r\n--b1--\r\nmore";
        let read = read("multipart/mixed;boundary=\"b1\"", "", body);
        assert_eq!(read, Ok(Some("v=0\r\no=x".into())));
    }

    #[test]
    fn a_foreign_body_is_unsupported_unless_optional() {
        assert_eq!(read("text/plain", "", "hi"), Err(Unusable::Unsupported));
        assert_eq!(read("text/plain", "render;handling=optional", "hi"), Ok(None));
        assert_eq!(read("", "", "hi"), Err(Unusable::Unsupported));
        let required = "--b\r\nContent-Type: application/isup\r\n\
            Content-Disposition: signal;handling=required\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(read("multipart/mixed;boundary=b", "", required), Err(Unusable::Unsupported));
    }

    #[test]
    fn parts_and_depth_are_limited() {
        let many = "--b\r\n\r\nx\r\n".repeat(limits::BODY_PARTS + 1) + "--b--\r\n";
        assert_eq!(read("multipart/mixed;boundary=b", "", &many), Err(Unusable::TooLarge));
        let deep = "--a\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n\
            Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n--a--";
        assert_eq!(read("multipart/mixed;boundary=a", "", deep), Err(Unusable::TooLarge));
    }

    fn read(kind: &str, disposition: &str, body: &str) -> Result<Option<String>, Unusable> {
        let kind = if kind.is_empty() { String::new() } else { format!("c: {kind}\r\n") };
        let text =
            format!("BYE sip:h SIP/2.0\r\n{kind}Content-Disposition: {disposition}\r\n\r\n{body}");
        let message = Message::lex(text.as_bytes()).unwrap();
        sdp(&message).map(|sdp| sdp.map(|sdp| String::from_utf8_lossy(sdp).into_owned()))
    }
}
