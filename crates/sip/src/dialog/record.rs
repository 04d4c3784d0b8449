//! A dialog as one line of text: what a later process needs to end it. Fields are percent-encoded
//! and separated by blanks.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::dialog::Dialog;
use crate::dialog::id::Id;
use crate::dialog::route_set::RouteSet;
use crate::message::uri::unescape;
use crate::message::wire::Value;
use crate::transport::Flow;

/// First word of a record of a dialog that the peer began, or of which that is not known.
const THEIRS: &str = "d1";
/// First word of one that we began: only in that are challenges answered (S14).
const OURS: &str = "o1";

/// Writes a record; `destination` is where the next request would go, `ours` tells who began it.
pub(crate) fn write(dialog: &Dialog, destination: SocketAddr, ours: bool) -> String {
    let kind = if ours { OURS } else { THEIRS };
    let mut line = format!("{kind} {} {destination} {}", dialog.flow.listener, dialog.local_cseq);
    let id = &dialog.id;
    let fixed = [&id.call_id, &id.local_tag, &id.remote_tag, &dialog.local, &dialog.remote];
    for field in fixed.into_iter().chain([&dialog.target]).chain(&dialog.routes.0) {
        line.push(' ');
        escape(field, &mut line);
    }
    line
}

/// Reads a record, and whether we began the dialog; `None` if it is not one. The dialog's flow leads
/// to the destination.
pub(crate) fn read(line: &str) -> Option<(Dialog, bool)> {
    let mut words = line.split(' ');
    let ours = match words.next()? {
        THEIRS => false,
        OURS => true,
        _ => return None,
    };
    let flow = Flow::to(words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let local_cseq = words.next()?.parse().ok()?;
    let mut field = || -> Option<Box<str>> {
        let text = unescape(words.next()?)?;
        Value::new(text).map(|value| value.text().into())
    };
    let id = Id { call_id: field()?, local_tag: field()?, remote_tag: field()? };
    let (local, remote, target) = (field()?, field()?, field()?);
    let routes: Option<Vec<_>> = words.map(|word| unescape(word).map(Into::into)).collect();
    let routes = RouteSet(routes?);
    let dialog = Dialog { id, local, remote, local_cseq, remote_cseq: None, target, routes, flow };
    Some((dialog, ours))
}

fn escape(text: &str, line: &mut String) {
    // A tab means what a blank means, and only the blank can be read back.
    for byte in text.bytes().map(|byte| if byte == b'\t' { b' ' } else { byte }) {
        if byte.is_ascii_graphic() && byte != b'%' {
            line.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(line, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_and_reads_back_whole() {
        let dialog = Dialog {
            id: Id { call_id: "a%b".into(), local_tag: "l".into(), remote_tag: "".into() },
            local: "\"Zoë B\" <sip:1@h>".into(),
            remote: "<sip:2@h>;tag=r".into(),
            local_cseq: 3,
            remote_cseq: None,
            target: "sip:2@192.0.2.1".into(),
            routes: RouteSet(vec!["<sip:192.0.2.2;lr>".into(), "<sip:p;lr>".into()]),
            flow: Flow::to(1, "[2001:db8::1]:5060".parse().unwrap()),
        };
        for ours in [false, true] {
            let line = write(&dialog, dialog.flow.peer, ours);
            assert!(!line.contains(['\r', '\n']));
            assert_eq!(read(&line), Some((dialog.clone(), ours)));
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for line in ["", "d0 x", "d1 0 nowhere 1", "d1 0 192.0.2.1:1 1 a b c d e%0d%0a f"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
