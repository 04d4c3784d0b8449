//! Who calls whom, written as a trunk wants it (RFC 3261 §8.1.1, RFC 3323, RFC 3325).
//!
//! Whatever comes in from the bridge may have come from a stranger: nothing that is not part of a
//! number or a user's name reaches the wire (reliability.md S18).

use model::Outbound;

use crate::endpoint::Dial;
use crate::message::wire::{Lines, Value};

/// Longest user part written.
const USER: usize = 64;
/// Longest display name written.
const NAME: usize = 64;

/// The two ends of an INVITE of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Request-URI.
    pub(crate) uri: String,
    /// From, without its tag.
    pub(crate) from: String,
    /// To.
    pub(crate) to: String,
    /// P-Asserted-Identity and Privacy.
    pub(crate) lines: Lines,
}

impl Ends {
    /// Writes them. `trusted` tells whether the trunk may learn who a withheld caller is (RFC 3325
    /// §5). `None` if a number holds what no number holds.
    pub(crate) fn write(dial: &Dial, outbound: &Outbound, trusted: bool) -> Option<Self> {
        let (called, caller) = (user(&dial.called)?, user(&dial.caller)?);
        let hop = host(&outbound.host)?;
        let domain = if outbound.domain.is_empty() { hop.clone() } else { host(&outbound.domain)? };
        let place = match outbound.port.filter(|_| outbound.domain.is_empty()) {
            Some(port) => format!("{hop}:{port}"),
            None => domain.clone(),
        };
        let name = dial.name.as_deref().map(display).unwrap_or_default();
        let mut lines = Lines::new();
        let from = if dial.withheld {
            lines.push("Privacy", &Value::fixed("id"));
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned()
        } else {
            format!("{name}<sip:{caller}@{domain}>")
        };
        if trusted || !dial.withheld {
            lines.push(
                "P-Asserted-Identity",
                &Value::new(format!("{name}<sip:{caller}@{domain}>"))?,
            );
        }
        let to = format!("<sip:{called}@{domain}>");
        Some(Self { uri: format!("sip:{called}@{place}"), from, to, lines })
    }
}

impl Ends {
    /// Writes those of a request about the trunk itself: OPTIONS, REGISTER. `None` if a name holds
    /// what none holds.
    pub(crate) fn of(outbound: &Outbound, own: Option<&str>) -> Option<Self> {
        let hop = host(&outbound.host)?;
        let domain = if outbound.domain.is_empty() { hop } else { host(&outbound.domain)? };
        let party = match own {
            Some(own) => format!("<sip:{}@{domain}>", user(own)?),
            None => format!("<sip:{domain}>"),
        };
        let uri = format!("sip:{domain}");
        Some(Self { uri, from: party.clone(), to: party, lines: Lines::new() })
    }
}

/// Writes the Request-URI of a number at a trunk that registered its contact with us: the contact
/// with the number in front (after RFC 6140 §5.3).
pub(crate) fn at_contact(called: &str, contact: &str) -> Option<String> {
    let (scheme, rest) = contact.split_once(':')?;
    let place = rest.split_once('@').map_or(rest, |(_, place)| place);
    Some(format!("{scheme}:{}@{place}", user(called)?))
}

/// Writes a user part (RFC 3261 §25.1). `None` if it is empty, or holds anything but letters,
/// digits and the marks of numbers and names: a number with something left out is another number.
fn user(text: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+*#-_.".contains(&byte);
    let sound = !text.is_empty() && text.len() <= USER && text.bytes().all(fits);
    sound.then(|| text.replace('#', "%23"))
}

/// Checks a host; an IPv6 address gets its brackets.
pub(crate) fn host(text: &str) -> Option<String> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{text}]"));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (!text.is_empty() && text.bytes().all(fits)).then(|| text.to_owned())
}

/// Writes a display name and the blank behind it; nothing if nothing of it is left. Control
/// characters and percent signs go: no one who decodes it once more finds a line end in it.
fn display(name: &str) -> String {
    let kept = name.chars().filter(|letter| !letter.is_control() && *letter != '%').take(NAME);
    let mut quoted = String::from("\"");
    for letter in kept {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    if quoted.len() == 1 {
        return String::new();
    }
    quoted.push_str("\" ");
    quoted
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use model::{CallId, Reliability, TrunkId};

    use super::*;

    pub(crate) fn outbound(host: &str) -> Outbound {
        Outbound { reliability: Reliability::Supported, ..Outbound::to(host) }
    }

    pub(crate) fn dial() -> Dial {
        Dial {
            call: CallId(1),
            trunk: TrunkId(1),
            called: "+390112345678".to_owned(),
            caller: "+4930123456".to_owned(),
            name: None,
            withheld: false,
            offer: Bytes::new(),
            max_forwards: 70,
            patience: Duration::from_secs(4),
        }
    }

    fn ends(dial: &Dial, trusted: bool) -> Option<Ends> {
        Ends::write(dial, &outbound("192.0.2.1"), trusted)
    }

    #[test]
    fn both_ends_are_written_in_the_trunks_domain() {
        let named = Dial { name: Some("Zoë \"B\"".to_owned()), ..dial() };
        let away = Outbound { domain: "carrier.example".to_owned(), ..outbound("192.0.2.1") };
        let ends = Ends::write(&named, &away, false).unwrap();
        assert_eq!(ends.uri, "sip:+390112345678@carrier.example");
        assert_eq!(ends.from, r#""Zoë \"B\"" <sip:+4930123456@carrier.example>"#);
        assert_eq!(ends.to, "<sip:+390112345678@carrier.example>");
        let six = Outbound { port: Some(5070), ..outbound("2001:db8::1") };
        let ends = Ends::write(&dial(), &six, false).unwrap();
        assert_eq!(ends.uri, "sip:+390112345678@[2001:db8::1]:5070");
        assert_eq!(ends.from, "<sip:+4930123456@[2001:db8::1]>");
    }

    #[test]
    fn a_withheld_caller_is_told_to_trusted_trunks_alone() {
        let withheld = Dial { withheld: true, name: Some("Me".to_owned()), ..dial() };
        for trusted in [false, true] {
            let ends = ends(&withheld, trusted).unwrap();
            assert_eq!(ends.from, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
            let lines = format!("{:?}", ends.lines);
            assert!(lines.contains("Privacy: id"));
            assert_eq!(lines.contains("4930123456"), trusted);
        }
    }

    #[test]
    fn nothing_ends_a_line_or_leaves_its_place() {
        let bad = ["", "1\r\nX: y", "1\0", "1%0d%0aX", "1@evil", "1;lr", "1>", "1\"", "1 2", "é"];
        for text in bad {
            assert_eq!(ends(&Dial { called: text.to_owned(), ..dial() }, true), None, "{text:?}");
            assert_eq!(ends(&Dial { caller: text.to_owned(), ..dial() }, true), None, "{text:?}");
        }
        let name = "A\r\nVia: x%0d%0a\0\" <sip:b@c>\\";
        let ends = ends(&Dial { name: Some(name.to_owned()), ..dial() }, true).unwrap();
        assert!(!ends.from.contains(['\r', '\n', '\0', '%']));
        assert!(ends.from.starts_with(r#""AVia: x0d0a\" <sip:b@c>\\" <sip:+49"#), "{}", ends.from);
    }

    #[test]
    fn a_number_is_called_at_the_contact_that_was_registered() {
        let at = |contact| at_contact("+39011", contact).unwrap();
        assert_eq!(at("sip:pbx@192.0.2.1:5070;ob"), "sip:+39011@192.0.2.1:5070;ob");
        assert_eq!(at("sips:[2001:db8::1]"), "sips:+39011@[2001:db8::1]");
        assert_eq!(at_contact("1@evil", "sip:pbx@192.0.2.1"), None);
    }

    #[test]
    fn the_hash_key_is_escaped() {
        let ends = ends(&Dial { called: "*31#123".to_owned(), ..dial() }, true).unwrap();
        assert_eq!(ends.uri, "sip:*31%23123@192.0.2.1");
    }
}
