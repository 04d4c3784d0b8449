//! Header fields: names, and the few values whose inside matters to us.

/// The header fields that we read. Everything else is `Other` and passes unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Allow,
    Authorization,
    CallId,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Diversion,
    Expires,
    From,
    HistoryInfo,
    InfoPackage,
    Identity,
    Join,
    MaxForwards,
    MinExpires,
    MinSe,
    PAssertedIdentity,
    PAttestationIndicator,
    PCalledPartyId,
    Privacy,
    ProxyAuthenticate,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    RemotePartyId,
    Replaces,
    Require,
    RetryAfter,
    Route,
    SessionExpires,
    Supported,
    Timestamp,
    To,
    Via,
    WwwAuthenticate,
    Other,
}

impl Name {
    /// Reads a name in its long or compact form; case does not matter.
    pub(crate) fn read(text: &str) -> Self {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match text.len() {
            1 => compact(text),
            2 if is("To") => Self::To,
            3 if is("Via") => Self::Via,
            4 if is("From") => Self::From,
            4 if is("CSeq") => Self::CSeq,
            4 if is("Join") => Self::Join,
            4 if is("RSeq") => Self::RSeq,
            4 if is("RAck") => Self::RAck,
            5 if is("Allow") => Self::Allow,
            5 if is("Route") => Self::Route,
            6 if is("Min-SE") => Self::MinSe,
            6 if is("Reason") => Self::Reason,
            7 if is("Call-ID") => Self::CallId,
            7 if is("Contact") => Self::Contact,
            7 if is("Require") => Self::Require,
            7 if is("Expires") => Self::Expires,
            7 if is("Privacy") => Self::Privacy,
            8 if is("Replaces") => Self::Replaces,
            8 if is("Identity") => Self::Identity,
            9 if is("Supported") => Self::Supported,
            9 if is("Diversion") => Self::Diversion,
            9 if is("Timestamp") => Self::Timestamp,
            11 if is("Retry-After") => Self::RetryAfter,
            13 if is("Authorization") => Self::Authorization,
            11 if is("Min-Expires") => Self::MinExpires,
            12 => twelve(text),
            14 if is("Content-Length") => Self::ContentLength,
            15 if is("Session-Expires") => Self::SessionExpires,
            15 if is("Remote-Party-ID") => Self::RemotePartyId,
            16 if is("Content-Encoding") => Self::ContentEncoding,
            16 if is("WWW-Authenticate") => Self::WwwAuthenticate,
            18 if is("Proxy-Authenticate") => Self::ProxyAuthenticate,
            17 if is("P-Called-Party-ID") => Self::PCalledPartyId,
            19 if is("P-Asserted-Identity") => Self::PAssertedIdentity,
            19 if is("Content-Disposition") => Self::ContentDisposition,
            23 if is("P-Attestation-Indicator") => Self::PAttestationIndicator,
            _ => Self::Other,
        }
    }

    /// Whether every answer repeats it (RFC 3261 §8.2.6.2).
    pub(crate) const fn is_repeated(self) -> bool {
        matches!(self, Self::Via | Self::From | Self::To | Self::CallId | Self::CSeq)
    }

    /// Whether a message may have it once at most, so that two are an attack or a fault.
    pub(crate) const fn is_single(self) -> bool {
        match self {
            Self::CallId
            | Self::CSeq
            | Self::From
            | Self::To
            | Self::MaxForwards
            | Self::ContentLength
            | Self::ContentType
            | Self::SessionExpires
            | Self::MinSe => true,
            Self::Allow
            | Self::Authorization
            | Self::Contact
            | Self::ContentDisposition
            | Self::ContentEncoding
            | Self::Diversion
            | Self::Expires
            | Self::HistoryInfo
            | Self::InfoPackage
            | Self::MinExpires
            | Self::Identity
            | Self::Join
            | Self::PAssertedIdentity
            | Self::PAttestationIndicator
            | Self::PCalledPartyId
            | Self::Privacy
            | Self::ProxyAuthenticate
            | Self::RAck
            | Self::RSeq
            | Self::Reason
            | Self::RecordRoute
            | Self::RemotePartyId
            | Self::Replaces
            | Self::Require
            | Self::RetryAfter
            | Self::Route
            | Self::Supported
            | Self::Timestamp
            | Self::Via
            | Self::WwwAuthenticate
            | Self::Other => false,
        }
    }
}

fn compact(text: &str) -> Name {
    match text.as_bytes().first().map(u8::to_ascii_lowercase) {
        Some(b'c') => Name::ContentType,
        Some(b'e') => Name::ContentEncoding,
        Some(b'f') => Name::From,
        Some(b'i') => Name::CallId,
        Some(b'k') => Name::Supported,
        Some(b'l') => Name::ContentLength,
        Some(b'm') => Name::Contact,
        Some(b't') => Name::To,
        Some(b'v') => Name::Via,
        Some(b'x') => Name::SessionExpires,
        Some(b'y') => Name::Identity,
        Some(_) | None => Name::Other,
    }
}

fn twelve(text: &str) -> Name {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("Max-Forwards") {
        Name::MaxForwards
    } else if is("Content-Type") {
        Name::ContentType
    } else if is("Record-Route") {
        Name::RecordRoute
    } else if is("History-Info") {
        Name::HistoryInfo
    } else if is("Info-Package") {
        Name::InfoPackage
    } else {
        Name::Other
    }
}

/// Splits a value at a separator that stands outside quoted strings and angle brackets.
pub(crate) fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        match find_outside(whole, separator) {
            Some(at) => {
                let (piece, tail) = whole.split_at_checked(at)?;
                rest = tail.get(1..);
                Some(piece.trim())
            }
            None => {
                rest = None;
                Some(whole.trim())
            }
        }
    })
}

/// Returns the elements of a comma-separated value; empty ones are skipped.
pub(crate) fn elements(text: &str) -> impl Iterator<Item = &str> {
    split(text, b',').filter(|element| !element.is_empty())
}

fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match byte {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if byte == wanted && !bracketed {
            return Some(at);
        } else {
            match byte {
                b'"' if !bracketed => quoted = true,
                b'<' => bracketed = true,
                b'>' => bracketed = false,
                _ => {}
            }
        }
    }
    None
}

/// Looks a parameter up in `a=1;b;c="x"`: `Some("")` if it has no value. The first one wins.
pub(crate) fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<&'a str> {
    named(parameters).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

/// Returns the parameters of `a=1;b;c="x"` as names and values, quotes taken off.
pub(crate) fn named(parameters: &str) -> impl Iterator<Item = (&str, &str)> {
    split(parameters, b';').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (name.trim_end(), unquoted(value.trim_start()))
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// `"Display" <uri>;parameters` or `uri;parameters` (RFC 3261 §20.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameAddr<'a> {
    pub(crate) uri: &'a str,
    pub(crate) parameters: &'a str,
}

impl<'a> NameAddr<'a> {
    /// Reads one element; `None` if brackets or quotes do not match.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let Some(open) = find_open_bracket(text)? else {
            let (uri, parameters) = text.split_once(';').unwrap_or((text, ""));
            let uri = uri.trim_end();
            // With a header in it, it must stand in brackets (RFC 3261 §20.10).
            let sound = !uri.is_empty() && !uri.contains([' ', '\t', '"', '>', ',', '?']);
            return sound.then_some(Self { uri, parameters });
        };
        let (_, inside) = text.split_at_checked(open)?;
        let (uri, rest) = inside.get(1..)?.split_once('>')?;
        let rest = rest.trim_start();
        let parameters = match rest.strip_prefix(';') {
            Some(parameters) => parameters,
            None if rest.is_empty() => "",
            None => return None,
        };
        Some(Self { uri: uri.trim(), parameters })
    }

    /// Whether there is a `tag` that names nothing.
    pub(crate) fn has_empty_tag(&self) -> bool {
        parameter(self.parameters, "tag").is_some_and(str::is_empty)
    }

    /// Returns the `tag`, if there is one and it is not empty.
    pub(crate) fn tag(&self) -> Option<&'a str> {
        parameter(self.parameters, "tag").filter(|tag| !tag.is_empty())
    }
}

/// Where `<` stands outside a quoted display name; `None` if a quote never ends.
fn find_open_bracket(text: &str) -> Option<Option<usize>> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => return Some(Some(at)),
            _ => {}
        }
    }
    if quoted { None } else { Some(None) }
}

/// One element of Via (RFC 3261 §20.42).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Via<'a> {
    /// `SIP/2.0/UDP host:port` as it came.
    pub(crate) head: &'a str,
    /// `host:port` as it came.
    pub(crate) sent_by: &'a str,
    /// Port of `sent_by`.
    pub(crate) port: Option<u16>,
    /// Everything after the first semicolon.
    pub(crate) parameters: &'a str,
}

impl<'a> Via<'a> {
    /// Reads one element.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (head, parameters) = text.split_once(';').unwrap_or((text, ""));
        let head = head.trim();
        let mut pieces = head.splitn(3, '/').map(str::trim);
        let (protocol, version) = (pieces.next()?, pieces.next()?);
        // Whoever speaks another version is told so along its own Via.
        let numbered = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !protocol.eq_ignore_ascii_case("SIP") || !numbered {
            return None;
        }
        let (transport, sent_by) = pieces.next()?.split_once([' ', '\t'])?;
        let sent_by = sent_by.trim();
        if transport.is_empty() || sent_by.is_empty() {
            return None;
        }
        let after_host = match sent_by.strip_prefix('[') {
            Some(inside) => inside.split_once(']')?.1,
            None => sent_by.find(':').and_then(|at| sent_by.get(at..)).unwrap_or(""),
        };
        let port = match after_host.trim().strip_prefix(':') {
            Some(port) => Some(port.trim().parse().ok()?),
            None => None,
        };
        Some(Self { head, sent_by, port, parameters })
    }

    /// Whether it names that host and port as its sender.
    pub(crate) fn is_by(&self, sender: &std::net::SocketAddr) -> bool {
        self.sent_by.parse() == Ok(*sender)
    }

    /// Returns the branch, if there is one.
    pub(crate) fn branch(&self) -> Option<&'a str> {
        parameter(self.parameters, "branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the sender asks for the source port (RFC 3581).
    pub(crate) fn has_rport(&self) -> bool {
        parameter(self.parameters, "rport").is_some()
    }
}

/// Reads `4711 INVITE`; a number above 2^31 − 1 is an error (RFC 3261 §8.1.1.5).
pub(crate) fn cseq(value: &str) -> Option<(u32, &str)> {
    let (number, method) = value.split_once([' ', '\t'])?;
    let number = decimal(number)?;
    (number < 1 << 31).then_some((number, method.trim()))
}

/// Reads `776656 1 INVITE` (RFC 3262 §7.2): the answer's number, and the INVITE's.
pub(crate) fn rack(value: &str) -> Option<(u32, u32)> {
    let mut words = value.split_ascii_whitespace();
    let (number, invited) = (decimal(words.next()?)?, decimal(words.next()?)?);
    (words.next() == Some("INVITE") && words.next().is_none()).then_some((number, invited))
}

/// Reads digits alone: no sign, no blank.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Reads the number that a text begins with: `120 (in a while);duration=60`.
pub(crate) fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    decimal(text.get(..end)?)
}

/// Reads the leading number of `120;refresher=uac`, and its parameters.
pub(crate) fn seconds(value: &str) -> Option<(u32, &str)> {
    let (number, parameters) = value.split_once(';').unwrap_or((value, ""));
    Some((decimal(number.trim())?, parameters))
}

/// Returns the Q.850 cause of a Reason value (RFC 3326).
pub(crate) fn q850(value: &str) -> Option<u8> {
    elements(value).find_map(|element| {
        let (protocol, parameters) = element.split_once(';')?;
        if !protocol.trim().eq_ignore_ascii_case("Q.850") {
            return None;
        }
        u8::try_from(decimal(parameter(parameters, "cause")?)?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_long_compact_and_in_any_case() {
        for text in ["Call-ID", "CALL-id", "i", "I"] {
            assert_eq!(Name::read(text), Name::CallId, "{text}");
        }
        assert_eq!(Name::read("x"), Name::SessionExpires);
        assert_eq!(Name::read("X-Other"), Name::Other);
        assert_eq!(Name::read("P-Asserted-Identity"), Name::PAssertedIdentity);
    }

    #[test]
    fn commas_inside_quotes_and_brackets_do_not_split() {
        let value = r#""Doe, \"J\"" <sip:a,b@h>;x="1,2", <sip:c@h>,, sip:d@h"#;
        let parts: Vec<_> = elements(value).collect();
        assert_eq!(parts, [r#""Doe, \"J\"" <sip:a,b@h>;x="1,2""#, "<sip:c@h>", "sip:d@h"]);
    }

    #[test]
    fn a_name_addr_keeps_uri_parameters_apart_from_its_own() {
        let read = NameAddr::read(r#""<x>" <sip:a@h;lr?h=1>;tag=7;q=1"#).unwrap();
        assert_eq!((read.uri, read.tag()), ("sip:a@h;lr?h=1", Some("7")));
        let bare = NameAddr::read("sip:a@h;tag=9").unwrap();
        assert_eq!((bare.uri, bare.tag()), ("sip:a@h", Some("9")));
        for text in [r#""open <sip:a@h>"#, "<sip:a@h", "<sip:a@h> junk", "Two Words sip:a@h", ""] {
            assert_eq!(NameAddr::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_via_is_read_with_blanks_and_ipv6() {
        let via = Via::read("SIP / 2.0 / UDP  a.example : 4000 ;ttl=16; branch=z9hG4bK.1").unwrap();
        assert_eq!((via.port, via.branch()), (Some(4000), Some("z9hG4bK.1")));
        let six = Via::read("SIP/2.0/UDP [2001:db8::9]:5070;rport").unwrap();
        assert_eq!(
            (six.sent_by, six.port, six.has_rport()),
            ("[2001:db8::9]:5070", Some(5070), true)
        );
        for text in ["SIP/2.0/UDP", "SIP/x/UDP a", "SIP/2.0/UDP a:99999", "", "a"] {
            assert_eq!(Via::read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(cseq("0009  INVITE"), Some((9, "INVITE")));
        assert_eq!(cseq("2147483648 INVITE"), None);
        assert_eq!(cseq("36893488147419103232 REGISTER"), None);
        assert_eq!(cseq("-1 INVITE"), None);
        assert_eq!(rack("776656  1 INVITE"), Some((776_656, 1)));
        assert_eq!(rack("776656 1 BYE"), None);
        assert_eq!(leading_number("120 (soon);duration=9"), Some(120));
        assert_eq!(seconds("1800 ; refresher=uas"), Some((1800, " refresher=uas")));
        assert_eq!(q850("SIP;cause=200, Q.850 ;cause=16;text=\"Bye\""), Some(16));
    }
}
