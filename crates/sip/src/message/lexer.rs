//! Cuts a datagram into start line, header fields and body: one pass, borrowed, work linear in its
//! length. Whatever is wrong is kept as a [`Fault`], so that an answer can still be addressed.

use std::borrow::Cow;

use model::limits;

use crate::message::header::{self, Name};
use crate::message::method::Method;

/// What is wrong with a message, as the status that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 400.
    Malformed,
    /// 505.
    Version,
    /// 513: a limit of [`limits`] is broken.
    TooLarge,
}

impl Fault {
    /// Returns the status that answers it.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Version => 505,
            Self::TooLarge => 513,
        }
    }
}

/// A request or status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start<'a> {
    Request { method: Method, uri: &'a str },
    Response { status: u16 },
}

/// One header field, unfolded and trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) name: Name,
    pub(crate) value: Cow<'a, str>,
}

/// A message in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) start: Start<'a>,
    pub(crate) headers: Vec<Header<'a>>,
    pub(crate) body: &'a [u8],
    /// The first fault found.
    pub(crate) fault: Option<Fault>,
}

impl<'a> Message<'a> {
    /// Cuts a datagram; `None` if it has no start line of SIP.
    pub(crate) fn lex(datagram: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor { rest: skip_blank_lines(datagram), fault: None };
        if datagram.len() > limits::SIP_MESSAGE_BYTES {
            cursor.rest = cursor.rest.get(..limits::SIP_MESSAGE_BYTES).unwrap_or(cursor.rest);
            cursor.note(Fault::TooLarge);
        }
        let line = cursor.line()?;
        let (start, fault) = start_line(std::str::from_utf8(line).ok()?)?;
        if let Some(fault) = fault {
            cursor.note(fault);
        }
        let headers = header_fields(&mut cursor);
        let mut message = Self { start, headers, body: cursor.rest, fault: cursor.fault };
        message.cut_body();
        message.refuse_doubles();
        Some(message)
    }

    /// Cuts off a datagram only what an answer repeats: Via, From, To, Call-ID and CSeq. `None`
    /// wherever anything is unusual: then it needs [`Self::lex`]. Nothing else of it is looked at.
    pub(crate) fn glance(datagram: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor { rest: datagram, fault: None };
        if datagram.len() > limits::SIP_MESSAGE_BYTES {
            return None;
        }
        let line = cursor.line()?;
        let (start, fault) = start_line(std::str::from_utf8(line).ok()?)?;
        let mut headers = Vec::with_capacity(8);
        for _ in 0..=limits::SIP_HEADERS {
            let line = cursor.line()?;
            match line.first() {
                None => {
                    let mut message = Self { start, headers, body: &[], fault };
                    message.refuse_doubles();
                    return message.fault.is_none().then_some(message);
                }
                Some(b'v' | b'V' | b'f' | b'F' | b't' | b'T' | b'i' | b'I' | b'c' | b'C') => {
                    let field = field(&mut cursor, line)?;
                    if cursor.fault.is_some() || line.len() > limits::SIP_LINE_BYTES {
                        return None;
                    }
                    if field.name.is_repeated() {
                        headers.push(field);
                    }
                }
                // It might go on with one of them.
                Some(b' ' | b'\t') => return None,
                Some(_) => {}
            }
        }
        None
    }

    /// Returns the value of the first field of that name.
    pub(crate) fn first(&self, name: Name) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns every field of that name, top down.
    pub(crate) fn all(&self, name: Name) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |field| field.name == name).map(|field| &*field.value)
    }

    /// Returns the comma-separated elements of every field of that name, top down.
    pub(crate) fn elements(&self, name: Name) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(header::elements)
    }

    /// Content-Length on a datagram: what is beyond it is padding, what it lacks is a fault
    /// (RFC 3261 §18.3).
    fn cut_body(&mut self) {
        let Some(length) = self.first(Name::ContentLength) else { return };
        let length = header::decimal(length).and_then(|length| usize::try_from(length).ok());
        match length.and_then(|length| self.body.get(..length)) {
            Some(body) => self.body = body,
            None => self.fault = self.fault.or(Some(Fault::Malformed)),
        }
    }

    fn refuse_doubles(&mut self) {
        let mut seen = 0_u64;
        for field in self.headers.iter().filter(|field| field.name.is_single()) {
            let bit = 1_u64 << field.name as u32;
            if seen & bit != 0 {
                self.fault = self.fault.or(Some(Fault::Malformed));
            }
            seen |= bit;
        }
    }
}

/// What is left to read.
struct Cursor<'a> {
    rest: &'a [u8],
    fault: Option<Fault>,
}

impl<'a> Cursor<'a> {
    /// Takes a line off, without its end; `None` when nothing is left.
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else {
            return Some(std::mem::take(&mut self.rest));
        };
        let (line, tail) = self.rest.split_at_checked(end)?;
        self.rest = tail.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn note(&mut self, fault: Fault) {
        self.fault = self.fault.or(Some(fault));
    }
}

fn skip_blank_lines(datagram: &[u8]) -> &[u8] {
    let start = datagram.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    start.and_then(|start| datagram.get(start..)).unwrap_or_default()
}

fn start_line(line: &str) -> Option<(Start<'_>, Option<Fault>)> {
    let (first, rest) = line.split_once(' ')?;
    if let Some(version) = first.strip_prefix("SIP/") {
        let status = header::decimal(rest.get(..3)?)?;
        let status = u16::try_from(status).ok().filter(|status| (100..700).contains(status))?;
        let ends = rest.get(3..).is_none_or(|tail| tail.is_empty() || tail.starts_with(' '));
        let sound = version == "2.0" && ends;
        return sound.then_some((Start::Response { status }, None));
    }
    let (uri, version) = rest.trim_end().rsplit_once(' ')?;
    let number = version.get(..4).filter(|start| start.eq_ignore_ascii_case("SIP/"));
    number?;
    if !is_token(first) {
        return None;
    }
    let start = Start::Request { method: Method::read(first), uri: uri.trim() };
    let blanks = uri.is_empty() || uri.contains([' ', '\t']) || uri.bytes().any(is_control);
    let fault = if !version.eq_ignore_ascii_case("SIP/2.0") {
        Some(Fault::Version)
    } else if blanks || rest.ends_with(' ') {
        Some(Fault::Malformed)
    } else {
        None
    };
    Some((start, fault))
}

fn header_fields<'a>(cursor: &mut Cursor<'a>) -> Vec<Header<'a>> {
    let mut fields: Vec<Header<'a>> = Vec::with_capacity(24);
    loop {
        let Some(line) = cursor.line() else {
            // The blank line after the header never came.
            cursor.note(Fault::Malformed);
            return fields;
        };
        if line.is_empty() {
            return fields;
        }
        if line.len() > limits::SIP_LINE_BYTES {
            cursor.note(Fault::TooLarge);
        } else if line.starts_with(b" ") || line.starts_with(b"\t") {
            fold(cursor, fields.last_mut(), line);
        } else if fields.len() == limits::SIP_HEADERS {
            cursor.note(Fault::TooLarge);
            return fields;
        } else {
            match field(cursor, line) {
                Some(field) => fields.push(field),
                None => cursor.note(Fault::Malformed),
            }
        }
    }
}

fn field<'a>(cursor: &mut Cursor<'a>, line: &'a [u8]) -> Option<Header<'a>> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = std::str::from_utf8(name).ok()?.trim_end_matches([' ', '\t']);
    if !is_token(name) {
        return None;
    }
    Some(Header { name: Name::read(name), value: text(cursor, value.get(1..)?) })
}

/// Adds a continuation line to the field above it (RFC 3261 §7.3.1).
fn fold<'a>(cursor: &mut Cursor<'a>, above: Option<&mut Header<'a>>, line: &'a [u8]) {
    let more = text(cursor, line);
    let Some(above) = above else { return cursor.note(Fault::Malformed) };
    if above.value.len() + more.len() >= limits::SIP_LINE_BYTES {
        return cursor.note(Fault::TooLarge);
    }
    let value = above.value.to_mut();
    if !value.is_empty() {
        value.push(' ');
    }
    value.push_str(&more);
}

fn text<'a>(cursor: &mut Cursor<'a>, bytes: &'a [u8]) -> Cow<'a, str> {
    let bytes = bytes.trim_ascii();
    // No early exit: this way the whole line is looked at some bytes at a time.
    if bytes.iter().fold(false, |found, byte| found | is_control(*byte)) {
        cursor.note(Fault::Malformed);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            cursor.note(Fault::Malformed);
            String::from_utf8_lossy(bytes)
        }
    }
}

const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// A token of RFC 3261 §25.1.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_lines_become_one_value() {
        let message = lex("OPTIONS sip:h SIP/2.0\r\nSubject: a\r\n\t b\r\n  c\r\nv: x\r\n\r\n");
        assert_eq!(message.headers.first().unwrap().value, "a b c");
        assert_eq!(message.first(Name::Via), Some("x"));
        assert_eq!(message.fault, None);
    }

    #[test]
    fn a_blank_before_the_colon_changes_no_name() {
        let message = lex("OPTIONS sip:h SIP/2.0\r\nCall-ID \t: 7\r\n\r\n");
        assert_eq!(message.first(Name::CallId), Some("7"));
    }

    #[test]
    fn a_body_is_cut_to_its_length_and_never_longer_than_the_datagram() {
        let padded = lex("BYE sip:h SIP/2.0\r\nl: 3\r\n\r\nabcdef");
        assert_eq!((padded.body, padded.fault), (&b"abc"[..], None));
        for length in ["7", "-1", "9999999999999", "3x", ""] {
            let text = format!("BYE sip:h SIP/2.0\r\nContent-Length: {length}\r\n\r\nabcdef");
            assert_eq!(lex(&text).fault, Some(Fault::Malformed), "{length}");
        }
    }

    #[test]
    fn limits_hold() {
        let many = "X: y\r\n".repeat(limits::SIP_HEADERS + 1);
        let fault = |head: &str| lex(&format!("BYE sip:h SIP/2.0\r\n{head}\r\n")).fault;
        assert_eq!(fault(&many), Some(Fault::TooLarge));
        let long = format!("X: {}\r\n", "y".repeat(limits::SIP_LINE_BYTES));
        assert_eq!(fault(&long), Some(Fault::TooLarge));
        let folded = format!("X: y\r\n{}", " yyyyyyyyyyyyyyy\r\n".repeat(600));
        assert_eq!(fault(&folded), Some(Fault::TooLarge));
        let huge = format!("BYE sip:h SIP/2.0\r\n\r\n{}", "x".repeat(70_000));
        assert_eq!(lex(&huge).fault, Some(Fault::TooLarge));
    }

    #[test]
    fn control_characters_and_foreign_bytes_are_faults() {
        for bytes in [&b"a\0b"[..], b"a\rb", b"a\x7fb", b"a\xff\xfeb", b"a\x1bb"] {
            let mut text = b"BYE sip:h SIP/2.0\r\nSubject: ".to_vec();
            text.extend_from_slice(bytes);
            text.extend_from_slice(b"\r\n\r\n");
            assert_eq!(Message::lex(&text).unwrap().fault, Some(Fault::Malformed));
        }
    }

    #[test]
    fn start_lines_are_told_apart() {
        assert_eq!(lex("SIP/2.0 200 OK\r\n\r\n").start, Start::Response { status: 200 });
        assert_eq!(lex("BYE sip:h SIP/7.0\r\n\r\n").fault, Some(Fault::Version));
        assert_eq!(lex("BYE  sip:h; x SIP/2.0\r\n\r\n").fault, Some(Fault::Malformed));
        for text in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 99 x\r\n\r\n", "BYE"] {
            assert_eq!(Message::lex(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_field_that_may_come_once_is_a_fault_twice() {
        let message = lex("BYE sip:h SIP/2.0\r\ni: 1\r\nCall-ID: 2\r\n\r\n");
        assert_eq!(message.fault, Some(Fault::Malformed));
    }

    #[test]
    fn a_glance_sees_what_an_answer_repeats_and_nothing_else() {
        let text = "INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b\r\n\
            Contact: <sip:a>\r\nSubject: \0\r\nv: SIP/2.0/UDP c\r\nf: sip:x@a;tag=1\r\nTo: sip:h\r\n\
            Call-ID: 7\r\nCSeq: 1 INVITE\r\nContent-Length: 900\r\n\r\nbody";
        let glance = Message::glance(text.as_bytes()).unwrap();
        let names: Vec<Name> = glance.headers.iter().map(|field| field.name).collect();
        let all = [Name::Via, Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
        assert_eq!(names, all);
        let whole = text.replace('\0', "").replace("900", "4");
        let whole = lex(&whole);
        for name in all {
            assert!(glance.all(name).eq(whole.all(name)), "{name:?}");
        }
    }

    #[test]
    fn a_glance_leaves_what_is_unusual_to_the_lexer() {
        let sound =
            "INVITE sip:h SIP/2.0\r\nVia: a\r\nFrom: b\r\nTo: c\r\ni: d\r\nCSeq: 1 INVITE\r\n\r\n";
        assert!(Message::glance(sound.as_bytes()).is_some());
        for (from, to) in [
            ("From: b", "From: b\r\n folded"),
            ("From: b", "From: b\r\nf: b"),
            ("From: b", "From: b\0"),
            ("From: b", "From b"),
            ("sip:h SIP/2.0", "sip:h SIP/3.0"),
            ("INVITE sip:h SIP/2.0\r\n", "INVITE\r\n"),
            ("\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(Message::glance(sound.replacen(from, to, 1).as_bytes()), None, "{from}");
        }
        let many = sound.replace("Via: a", &["X: y"; limits::SIP_HEADERS].join("\r\n"));
        assert_eq!(Message::glance(many.as_bytes()), None);
    }

    fn lex(text: &str) -> Message<'_> {
        Message::lex(text.as_bytes()).unwrap()
    }
}
