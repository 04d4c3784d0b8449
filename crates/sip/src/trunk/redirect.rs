//! Where a 3xx leads (RFC 3261 §8.1.3.4): only to hosts that the trunk's owner allows.

use crate::message::header::{self, NameAddr};
use crate::message::uri::Uri;
use crate::message::{Message, Name};

/// Most contacts taken from one answer.
const CONTACTS: usize = 8;

/// Returns the numbers or users of a 3xx's contacts at allowed hosts, best first, and how many
/// contacts were left out. A `tel:` contact has no host: it is a number for our own routing, and is
/// taken from a trunk that may redirect at all.
pub(crate) fn contacts(answer: &Message<'_>, hosts: &[String]) -> (Vec<String>, usize) {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut foreign = 0;
    for element in answer.elements(Name::Contact).take(CONTACTS) {
        let allowed = NameAddr::read(element).and_then(|address| {
            let uri = Uri::read(address.uri).filter(|uri| is_allowed(uri, hosts))?;
            let number = uri.subscriber().filter(|number| !number.is_empty())?;
            Some((quality(address.parameters), number.into_owned()))
        });
        match allowed {
            Some(contact) => found.push(contact),
            None => foreign += 1,
        }
    }
    // Stable: equals stay in the answer's order.
    found.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    (found.into_iter().map(|(_, number)| number).collect(), foreign)
}

fn is_allowed(uri: &Uri<'_>, hosts: &[String]) -> bool {
    match uri {
        Uri::Sip { host, .. } => hosts.iter().any(|own| own.eq_ignore_ascii_case(host)),
        Uri::Tel { .. } => !hosts.is_empty(),
        Uri::Other => false,
    }
}

/// Reads `q=0.75` as thousandths; 1 where there is none.
pub(crate) fn quality(parameters: &str) -> u32 {
    let Some(text) = header::parameter(parameters, "q") else { return 1_000 };
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let whole = header::decimal(whole).unwrap_or(0).min(1) * 1_000;
    let digits = rest.bytes().chain(std::iter::repeat(b'0')).take(3);
    let part = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0').min(9)));
    (whole + part).min(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_hosts_are_followed_best_first() {
        let answer = b"SIP/2.0 302 Moved\r\nContact: <sip:+1900@evil.example>;q=1.0, \
            <sip:+3901@Ok.example:5070>;q=0.5\r\nm: <sip:+3902@ok.example>;q=0.75, <tel:+39-03>\r\n\
            m: <sip:%0d%0a@ok.example>\r\n\r\n";
        let answer = Message::lex(answer).unwrap();
        let (found, foreign) = contacts(&answer, &["ok.example".to_owned()]);
        assert_eq!(found, ["+3903", "+3902", "+3901"]);
        assert_eq!(foreign, 2);
        assert_eq!(contacts(&answer, &[]), (Vec::new(), 5));
    }
}
