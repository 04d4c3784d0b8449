//! Cuts a stream into messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1). Work is linear in
//! what comes, however it is split; what is kept is bounded by one message.

use bytes::{Buf, Bytes, BytesMut};
use model::limits;

use crate::message::{Message, Name, header};

/// What stands on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole message.
    Message(Bytes),
    /// Two line ends: the peer asks whether we live.
    Ping,
    /// The stream cannot be read on: nobody knows where the next message begins.
    Broken {
        /// What was read of the header, if it has an end.
        head: Option<Bytes>,
        /// What answers it.
        status: u16,
    },
}

/// One direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buffer: BytesMut,
    /// Up to here no header ends.
    searched: usize,
    /// Length of the message at the front, once its header is whole.
    length: Option<usize>,
    broken: bool,
}

impl Framer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes what came. Drain [`Self::next`] before the next.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_amid(&self) -> bool {
        !self.is_blank()
    }

    /// Returns what stands next on the stream; `None` until more comes.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        let length = match self.length {
            Some(length) => length,
            None => {
                if let Some(ping) = self.skip_line_ends() {
                    return Some(ping);
                }
                if self.is_blank() {
                    return None;
                }
                let Some(end) = self.find_header_end() else {
                    let endless = self.buffer.len() > limits::SIP_MESSAGE_BYTES;
                    return endless.then(|| self.give_up(None, 513));
                };
                let head = self.buffer.get(..end).unwrap_or_default();
                match body_length(head) {
                    Ok(body) if end.saturating_add(body) <= limits::SIP_MESSAGE_BYTES => end + body,
                    Ok(_) => return Some(self.give_up(Some(end), 513)),
                    Err(NoLength) => return Some(self.give_up(Some(end), 400)),
                }
            }
        };
        self.length = Some(length);
        if self.buffer.len() < length {
            return None;
        }
        let message = self.buffer.split_to(length).freeze();
        (self.length, self.searched) = (None, 0);
        Some(Frame::Message(message))
    }

    /// Whether nothing is there, or a pong, or half a ping.
    fn is_blank(&self) -> bool {
        matches!(self.buffer.as_ref(), b"" | b"\r" | b"\r\n" | b"\r\n\r")
    }

    /// Takes line ends off between messages (RFC 3261 §7.5): two are a ping, one is a pong or
    /// nothing.
    fn skip_line_ends(&mut self) -> Option<Frame> {
        if self.searched > 0 {
            return None;
        }
        loop {
            if self.buffer.starts_with(b"\r\n\r\n") {
                self.buffer.advance(4);
                return Some(Frame::Ping);
            }
            match self.buffer.as_ref() {
                [b'\r', b'\n', other, ..] if *other != b'\r' => self.buffer.advance(2),
                [b'\r', b'\n', b'\r', other, ..] if *other != b'\n' => self.buffer.advance(2),
                [b'\n', ..] => self.buffer.advance(1),
                _ => return None,
            }
        }
    }

    /// Finds the empty line after the header, and returns where the body begins.
    fn find_header_end(&mut self) -> Option<usize> {
        let limit = self.buffer.len().min(limits::SIP_MESSAGE_BYTES);
        let mut from = self.searched;
        while let Some(found) = self.buffer.get(from..limit)?.iter().position(|byte| *byte == b'\n')
        {
            let after = from + found + 1;
            match self.buffer.get(after..limit)? {
                [b'\n', ..] => return Some(after + 1),
                [b'\r', b'\n', ..] => return Some(after + 2),
                [] | [b'\r'] => {
                    self.searched = after - 1;
                    return None;
                }
                _ => from = after,
            }
        }
        self.searched = limit;
        None
    }

    fn give_up(&mut self, end: Option<usize>, status: u16) -> Frame {
        self.broken = true;
        let head = end.map(|end| self.buffer.split_to(end).freeze());
        self.buffer = BytesMut::new();
        Frame::Broken { head, status }
    }
}

/// A header does not say how long its body is, or says it twice.
#[derive(Debug, PartialEq, Eq)]
struct NoLength;

/// Reads Content-Length as the message itself will be read, so that the two never differ.
fn body_length(head: &[u8]) -> Result<usize, NoLength> {
    let message = Message::lex(head).ok_or(NoLength)?;
    let mut lengths = message.all(Name::ContentLength);
    let length = lengths.next().and_then(header::decimal).ok_or(NoLength)?;
    if lengths.next().is_some() {
        return Err(NoLength);
    }
    usize::try_from(length).map_err(|_| NoLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: &str = "BYE sip:h SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nl: 4\r\n\r\nbody";

    #[test]
    fn messages_are_cut_however_they_are_split() {
        let stream = format!("\r\n{BYE}\r\n\r\n{BYE}{BYE}");
        for size in 1..stream.len() {
            let mut framer = Framer::default();
            let mut frames = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                framer.push(chunk);
                frames.extend(std::iter::from_fn(|| framer.next()));
            }
            let message = Frame::Message(Bytes::from_static(BYE.as_bytes()));
            assert_eq!(frames, [message.clone(), Frame::Ping, message.clone(), message], "{size}");
            assert!(!framer.is_amid());
        }
    }

    #[test]
    fn a_single_line_end_is_no_message_and_no_ping() {
        let mut framer = Framer::default();
        framer.push(b"\r\n");
        assert_eq!(framer.next(), None);
        framer.push(BYE.as_bytes());
        assert!(matches!(framer.next(), Some(Frame::Message(_))));
    }

    #[test]
    fn a_message_without_a_sound_length_breaks_the_stream() {
        for lie in ["X: 1", "l: -1", "l: 99999999999999999999", "l: 4\r\nContent-Length: 5", "l: x"]
        {
            let mut framer = Framer::default();
            framer.push(BYE.replace("l: 4", lie).as_bytes());
            assert!(matches!(framer.next(), Some(Frame::Broken { .. })), "{lie}");
            framer.push(BYE.as_bytes());
            assert_eq!(framer.next(), None);
        }
    }

    #[test]
    fn what_is_too_large_is_known_before_it_has_come() {
        let mut framer = Framer::default();
        framer.push(BYE.replace("l: 4", "l: 65530").as_bytes());
        assert!(matches!(framer.next(), Some(Frame::Broken { head: Some(_), status: 513 })));
        let mut endless = Framer::default();
        for _ in 0..70 {
            endless.push(&[b'x'; 1_000]);
            if let Some(frame) = endless.next() {
                return assert_eq!(frame, Frame::Broken { head: None, status: 513 });
            }
        }
        panic!("an endless header was kept");
    }
}
