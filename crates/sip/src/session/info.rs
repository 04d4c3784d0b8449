//! INFO (RFC 6086) as carriers use it without a package: one press of a key, in a body of
//! `application/dtmf-relay` (`Signal=5`, `Duration=160`) or `application/dtmf` (`5`).
//!
//! The answer is 200 to a press and to no body, which only asks whether the call lives (RFC 2976
//! §2.2); 400 to such a body that names no key; 415 to any other body; 469 to a package, since we
//! asked for none (RFC 6086 §4.2.2). Whether the trunk's keys may come this way is the bridge's to
//! decide, and changes nothing in the answer: there are carriers that end a call on an error to an
//! INFO, and send it beside the telephone-event that already told the key. Nothing of a body is
//! ever shown: its key may be part of a conference ID (reliability.md S8).

use std::time::Duration;

use model::CallId;

use crate::endpoint::{Endpoint, Event, Key};
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Name};
use crate::receive::Arrival;
use crate::session::invite::Refused;

/// The bodies that we read.
const KINDS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];
/// What `Accept` tells.
const ACCEPT: &str = "application/dtmf-relay, application/dtmf";
/// Longest body that is read, bytes.
const LONGEST: usize = 256;
/// Longest press that is believed.
const LONGEST_PRESS: Duration = Duration::from_secs(10);

impl Endpoint {
    /// Takes an INFO in a dialog.
    pub(crate) fn on_info(&mut self, arrival: &Arrival<'_>, call: CallId, tag: &str) {
        match read(arrival.request.message) {
            Ok(press) => {
                self.serve(arrival, tag, 200, &Lines::new());
                if let Some(Press { key, lasted }) = press {
                    self.emit(Event::Keyed { call, key, lasted });
                }
            }
            Err((status, extra)) => self.serve(arrival, tag, status, &extra),
        }
        self.emit(Event::Alive { call });
    }
}

/// One press of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Press {
    key: Key,
    lasted: Duration,
}

/// What a body says, if it is one that tells a key: a flash of the hook is no key.
fn read(message: &Message<'_>) -> Result<Option<Press>, Refused> {
    if message.first(Name::InfoPackage).is_some() {
        return Err((469, Lines::new().with("Recv-Info", &Value::fixed(""))));
    }
    if message.body.is_empty() {
        return Ok(None);
    }
    let kind = message.first(Name::ContentType).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or(kind).trim();
    let plain = message
        .first(Name::ContentEncoding)
        .is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    if !plain || !KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        let accept = Lines::new().with("Accept", &Value::fixed(ACCEPT));
        return Err((415, accept.with("Accept-Encoding", &Value::fixed("identity"))));
    }
    let text = message.body.get(..LONGEST).unwrap_or(message.body);
    let text = std::str::from_utf8(text).unwrap_or("");
    let signal = field(text, "signal").unwrap_or(text).trim();
    let lasted = field(text, "duration").and_then(|millis| millis.trim().parse().ok());
    let lasted = Duration::from_millis(lasted.unwrap_or(0)).min(LONGEST_PRESS);
    if matches!(signal, "!" | "16") {
        return Ok(None);
    }
    let key = key(signal).ok_or((400, Lines::new()))?;
    Ok(Some(Press { key, lasted }))
}

/// Returns the value of a line `name=value`; some write a colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.split(['\r', '\n']).filter_map(|line| line.split_once(['=', ':']));
    let mut named = lines.filter(|(label, _)| label.trim().eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value)
}

/// Reads a key: its letter, or the number of its telephone-event (RFC 4733 table 7).
fn key(text: &str) -> Option<Key> {
    let letter = match text.as_bytes() {
        &[letter] => letter.to_ascii_uppercase(),
        b"10" => b'*',
        b"11" => b'#',
        &[b'1', second @ b'2'..=b'5'] => b'A' + (second - b'2'),
        _ => return None,
    };
    matches!(letter, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D').then_some(Key(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_in_each_way_of_writing_it() {
        for (letter, number) in "0123456789*#ABCD".bytes().zip(0..) {
            let shown = char::from(letter);
            let pressed = Ok(Some((letter, 0)));
            let relay = "application/dtmf-relay";
            assert_eq!(told(relay, &format!("Signal={shown}\r\n")), pressed);
            assert_eq!(told(relay, &format!("signal = {number}\n")), pressed);
            assert_eq!(told("application/dtmf", &shown.to_ascii_lowercase().to_string()), pressed);
            assert_eq!(told("Application/DTMF;charset=utf-8", &format!("{number}\r\n")), pressed);
        }
    }

    #[test]
    fn a_press_lasted_as_long_as_is_said_up_to_ten_seconds() {
        let lasted = |text| told("application/dtmf-relay", text).unwrap().unwrap();
        assert_eq!(lasted("Signal=5\r\nDuration=160\r\n"), (b'5', 160));
        assert_eq!(lasted("Duration: 250\nSignal: 5"), (b'5', 250));
        assert_eq!(lasted("Signal=5\r\nDuration=999999\r\n"), (b'5', 10_000));
        assert_eq!(lasted("Signal=5\r\nDuration=-1\r\n"), (b'5', 0));
    }

    #[test]
    fn what_is_no_key_is_refused_by_what_it_is() {
        assert_eq!(told("application/dtmf-relay", "Signal=16\r\n"), Ok(None));
        assert_eq!(told("application/dtmf-relay", "Signal=!\r\n"), Ok(None));
        assert_eq!(told("", ""), Ok(None));
        for nonsense in ["Signal=\r\n", "Signal=17", "x", "\u{0663}", "55"] {
            assert_eq!(told("application/dtmf-relay", nonsense), Err(400), "{nonsense}");
        }
        assert_eq!(told("application/media_control+xml", "<x/>"), Err(415));
        assert_eq!(told("", "5"), Err(415));
        assert_eq!(told("application/dtmf\r\nContent-Encoding: gzip", "5"), Err(415));
        assert_eq!(told("application/dtmf\r\nInfo-Package: infoDtmf", "5"), Err(469));
    }

    #[test]
    fn a_key_is_never_shown() {
        let shown = format!("{:?}", Press { key: Key(b'7'), lasted: Duration::ZERO });
        assert!(!shown.contains('7') && !shown.contains("55"), "{shown}");
    }

    fn told(kind: &str, body: &str) -> Result<Option<(u8, u128)>, u16> {
        let kind = if kind.is_empty() { String::new() } else { format!("c: {kind}\r\n") };
        let text = format!("INFO sip:h SIP/2.0\r\n{kind}\r\n{body}");
        let message = Message::lex(text.as_bytes()).unwrap();
        let press = read(&message).map_err(|(status, _)| status)?;
        Ok(press.map(|press| (press.key.0, press.lasted.as_millis())))
    }
}
