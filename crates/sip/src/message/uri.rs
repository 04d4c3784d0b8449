//! `sip:`, `sips:` and `tel:` addresses (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::message::header;

/// A URI in pieces, all as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uri<'a> {
    /// `sip:` or `sips:`.
    Sip {
        /// Before `@`, without the password, with its own parameters (`;rn=…`).
        user: Option<&'a str>,
        /// Name or address, IPv6 in brackets.
        host: &'a str,
        port: Option<u16>,
        /// After the host, without the headers.
        parameters: &'a str,
    },
    /// `tel:`.
    Tel { number: &'a str, parameters: &'a str },
    /// A scheme that we do not serve.
    Other,
}

impl<'a> Uri<'a> {
    /// Reads a URI; `None` if it is none.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
            return sip(rest);
        }
        if scheme.eq_ignore_ascii_case("tel") {
            let (number, parameters) = rest.split_once(';').unwrap_or((rest, ""));
            return (!number.is_empty()).then_some(Self::Tel { number, parameters });
        }
        let named = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        (named && !scheme.is_empty()).then_some(Self::Other)
    }

    /// Returns the user part or telephone number: parameters taken off, escapes decoded, visual
    /// separators of telephone numbers removed. `Some("")` if it has none.
    ///
    /// `None`: an escape is broken, or hides a control character.
    pub(crate) fn subscriber(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Sip { user, .. } => {
                let user = user.unwrap_or("");
                let bare = user.split_once(';').map_or(user, |(bare, _)| bare);
                let decoded = unescape(bare)?;
                let phone = decoded.starts_with('+') && decoded.chars().all(is_phone_letter);
                Some(if phone { Cow::Owned(digits_of(&decoded)) } else { decoded })
            }
            Self::Tel { number, .. } => Some(Cow::Owned(digits_of(&unescape(number)?))),
            Self::Other => Some(Cow::Borrowed("")),
        }
    }

    /// Returns every parameter, of the user part and of the URI, in that order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (user, own) = match *self {
            Self::Sip { user, parameters, .. } => {
                let user = user.and_then(|user| user.split_once(';')).map_or("", |(_, rest)| rest);
                (user, parameters)
            }
            Self::Tel { parameters, .. } => ("", parameters),
            Self::Other => ("", ""),
        };
        header::named(user).chain(header::named(own))
    }

    /// Whether it is a loose router (RFC 3261 §19.1.1).
    pub(crate) fn is_loose(&self) -> bool {
        self.parameters().any(|(name, _)| name.eq_ignore_ascii_case("lr"))
    }

    /// Returns the socket address, if the host is one.
    pub(crate) fn address(&self, default_port: u16) -> Option<SocketAddr> {
        let Self::Sip { host, port, .. } = *self else { return None };
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address: IpAddr = literal.unwrap_or(host).parse().ok()?;
        Some(SocketAddr::new(address, port.unwrap_or(default_port)))
    }

    /// Whether it hides its owner (RFC 3323 §4.1.1.3).
    pub(crate) fn is_anonymous(&self) -> bool {
        match *self {
            Self::Sip { user, host, .. } => {
                user.is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
                    || host.eq_ignore_ascii_case("anonymous.invalid")
            }
            Self::Tel { .. } | Self::Other => false,
        }
    }
}

fn sip(rest: &str) -> Option<Uri<'_>> {
    let (user, rest) = match rest.split_once('@') {
        Some((userinfo, rest)) => {
            let user = userinfo.split_once(':').map_or(userinfo, |(user, _)| user);
            (Some(user), rest)
        }
        None => (None, rest),
    };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (place, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    let (host, port) = if place.starts_with('[') {
        let end = place.find(']')?;
        place.split_at_checked(end + 1)?
    } else {
        place.find(':').and_then(|colon| place.split_at_checked(colon)).unwrap_or((place, ""))
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(u16::try_from(header::decimal(port)?).ok()?),
        None if port.is_empty() => None,
        None => return None,
    };
    is_host(host).then_some(Uri::Sip { user, host, port, parameters })
}

fn is_host(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[') {
        let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
        return inside.strip_suffix(']').is_some_and(|six| six.bytes().all(hex));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(fits)
}

/// Decodes `%xx`; `None` if an escape is broken or the result holds a control character.
pub(crate) fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        let sound = !text.bytes().any(|byte| byte.is_ascii_control());
        return sound.then_some(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            hex(bytes.next()?)? * 16 + hex(bytes.next()?)?
        } else {
            byte
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (!decoded.chars().any(char::is_control)).then_some(Cow::Owned(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn is_phone_letter(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.' | '(' | ')')
}

fn digits_of(number: &str) -> String {
    number.chars().filter(|letter| !matches!(letter, '-' | '.' | '(' | ')')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_parameters_never_break_the_number() {
        let text = "sip:+14155550123;npdi;rn=+14155550000;cic=+1288@192.0.2.1:5070;user=phone";
        let uri = Uri::read(text).unwrap();
        assert_eq!(uri.subscriber().unwrap(), "+14155550123");
        let names: Vec<_> = uri.parameters().map(|(name, _)| name).collect();
        assert_eq!(names, ["npdi", "rn", "cic", "user"]);
        assert_eq!(uri.address(5060), Some("192.0.2.1:5070".parse().unwrap()));
    }

    #[test]
    fn telephone_numbers_lose_their_separators() {
        let uri = Uri::read("tel:+1-201-555-0123;phone-context=x").unwrap();
        assert_eq!(uri.subscriber().unwrap(), "+12015550123");
        assert_eq!(Uri::read("tel:7042").unwrap().subscriber().unwrap(), "7042");
        assert_eq!(Uri::read("sip:john.doe@gw").unwrap().subscriber().unwrap(), "john.doe");
    }

    #[test]
    fn ipv6_hosts_are_read() {
        let uri = Uri::read("sip:x@[2001:db8::1]:6000;lr").unwrap();
        assert_eq!(uri.address(5060), Some("[2001:db8::1]:6000".parse().unwrap()));
        assert!(uri.is_loose());
        assert_eq!(Uri::read("sips:[2001:db8::1]").unwrap().address(5060).unwrap().port(), 5060);
    }

    #[test]
    fn escapes_are_decoded_and_never_hide_a_control_character() {
        let user = |text| Uri::read(text).unwrap().subscriber().map(Cow::into_owned);
        assert_eq!(user("sip:%2B1415@h").as_deref(), Some("+1415"));
        assert_eq!(
            user("sip:sips%3Auser%40example.com@h").as_deref(),
            Some("sips:user@example.com")
        );
        for text in ["sip:a%0d%0aVia@h", "sip:a%00@h", "sip:a%zz@h", "sip:a%4@h", "sip:a%ff@h"] {
            assert_eq!(user(text), None, "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_uri() {
        for text in ["", "sip:", "sip:a@", "sip:a@b@c", "sip:h:70000", "<sip:h>", "sip:[::1", "h"] {
            assert_eq!(Uri::read(text), None, "{text}");
        }
        assert_eq!(Uri::read("http://example.com"), Some(Uri::Other));
    }

    #[test]
    fn anonymous_callers_are_recognized() {
        assert!(Uri::read("sip:Anonymous@gw.example").unwrap().is_anonymous());
        assert!(Uri::read("sip:x@anonymous.invalid").unwrap().is_anonymous());
        assert!(!Uri::read("sip:+1415@gw.example").unwrap().is_anonymous());
    }
}
