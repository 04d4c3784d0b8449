//! The two requests that belong to an INVITE of ours and repeat its fields: ACK of a refusal, and
//! CANCEL. Both are made from the INVITE as it left.

use bytes::Bytes;

use crate::message::wire::{self, Lines, Value};
use crate::message::{Message, Name, Start, header};

/// Writes the ACK of a refusal, whose To it has (RFC 3261 §17.1.1.3). `None` if the refusal has no
/// To that can be written.
pub(crate) fn ack(invite: &[u8], refusal: &Message<'_>) -> Option<Bytes> {
    written(invite, "ACK", refusal.first(Name::To)?, &Lines::new())
}

/// Writes the CANCEL of an INVITE (RFC 3261 §9.1).
pub(crate) fn cancel(invite: &[u8], extra: &Lines) -> Option<Bytes> {
    let message = Message::lex(invite)?;
    written(invite, "CANCEL", message.first(Name::To)?, extra)
}

fn written(invite: &[u8], method: &'static str, to: &str, extra: &Lines) -> Option<Bytes> {
    let message = Message::lex(invite)?;
    let Start::Request { uri, .. } = message.start else { return None };
    let mut lines = Lines::new();
    lines.push("Via", &Value::new(message.first(Name::Via)?)?);
    for route in message.all(Name::Route) {
        lines.push("Route", &Value::new(route)?);
    }
    lines.push("Max-Forwards", &Value::new(message.first(Name::MaxForwards)?)?);
    lines.push("From", &Value::new(message.first(Name::From)?)?);
    lines.push("To", &Value::new(to)?);
    lines.push("Call-ID", &Value::new(message.first(Name::CallId)?)?);
    let (cseq, _) = header::cseq(message.first(Name::CSeq)?)?;
    lines.push("CSeq", &Value::shown(format_args!("{cseq} {method}")));
    Some(wire::request(method, &Value::new(uri)?, &[&lines, extra], None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        Route: <sip:p;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:2@h>;tag=f\r\nTo: <sip:1@h>\r\n\
        Call-ID: c\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn the_ack_of_a_refusal_repeats_the_invite_and_has_the_refusals_tag() {
        let refusal = b"SIP/2.0 486 Busy\r\nTo: <sip:1@h>;tag=t\r\n\r\n";
        let ack = ack(INVITE, &Message::lex(refusal).unwrap()).unwrap();
        let expected = "ACK sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
            Route: <sip:p;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:2@h>;tag=f\r\n\
            To: <sip:1@h>;tag=t\r\nCall-ID: c\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(std::str::from_utf8(&ack).unwrap(), expected);
    }

    #[test]
    fn a_cancel_has_no_tag_of_theirs() {
        let reason = Lines::new().with("Reason", &Value::fixed("Q.850;cause=16"));
        let cancel = cancel(INVITE, &reason).unwrap();
        let text = std::str::from_utf8(&cancel).unwrap();
        assert!(
            text.starts_with("CANCEL sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n")
        );
        assert!(text.contains("To: <sip:1@h>\r\n") && text.contains("CSeq: 7 CANCEL\r\nReason:"));
    }
}
