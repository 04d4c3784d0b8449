//! SIP as the doctor speaks it: read leniently, written by hand, since it asks what the gateway never
//! does (an offer that is late) and looks at what the gateway overlooks.

use std::net::{IpAddr, SocketAddr};

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    text: String,
}

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An answer to our request of that number and method.
    Response(u16, u32, String),
    /// A request of that method.
    Request(String),
}

/// Long names of headers, by their short ones (RFC 3261 §7.3.3, RFC 4028).
const SHORT: [(&str, &str); 9] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("l", "content-length"),
    ("k", "supported"),
    ("x", "session-expires"),
    ("c", "content-type"),
];

impl Message {
    /// Takes what came.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self { text: String::from_utf8_lossy(bytes).into_owned() }
    }

    /// Returns what it is; `None` if it is no SIP.
    pub(super) fn kind(&self) -> Option<Kind> {
        let mut words = self.text.lines().next()?.split(' ');
        let first = words.next()?;
        if first != "SIP/2.0" {
            return words.next().map(|_| Kind::Request(first.to_owned()));
        }
        let status = words.next()?.parse().ok()?;
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some(Kind::Response(status, number.parse().ok()?, method.trim().to_owned()))
    }

    /// Returns the words after the status.
    pub(super) fn phrase(&self) -> &str {
        self.text.lines().next().and_then(|line| line.splitn(3, ' ').nth(2)).unwrap_or("").trim()
    }

    /// Returns the first header of a name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// Returns every header of a name, as they stand.
    pub(super) fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or("");
        head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            let found = found.trim().to_ascii_lowercase();
            let long = SHORT.iter().find(|(short, _)| *short == found).map(|(_, long)| *long);
            long.unwrap_or(&found).eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns the elements of a list that may stand in several headers.
    pub(super) fn listed(&self, name: &str) -> Vec<String> {
        let mut all = Vec::new();
        for value in self.headers(name) {
            let (mut one, mut inside) = (String::new(), false);
            for c in value.chars() {
                inside = (inside || c == '<') && c != '>';
                match c {
                    ',' if !inside => all.push(std::mem::take(&mut one)),
                    c => one.push(c),
                }
            }
            all.push(one);
        }
        let whole = all.into_iter().map(|one| one.trim().to_owned());
        whole.filter(|one| !one.is_empty()).collect()
    }

    /// Whether a list has an element.
    pub(super) fn lists(&self, name: &str, element: &str) -> bool {
        self.listed(name).iter().any(|one| one.eq_ignore_ascii_case(element))
    }

    /// Returns the body.
    pub(super) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// Returns the tag of To.
    pub(super) fn tag(&self) -> Option<&str> {
        let to = self.header("To")?;
        let after = to.rsplit_once('>').map_or(to, |(_, after)| after);
        after.split(';').find_map(|one| one.trim().strip_prefix("tag="))
    }

    /// Writes an answer of ours.
    pub(super) fn answer(&self, status: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in self.headers(name) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str(&format!("{more}Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

/// Returns the URI of a Contact or Record-Route.
pub(super) fn uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// Returns where a URI leads if its host is written as an address.
pub(super) fn address(uri: &str, port: u16) -> Option<SocketAddr> {
    let rest = uri.split_once(':')?.1;
    let host = rest.split([';', '?']).next()?.rsplit('@').next()?;
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.parse().ok().or_else(|| Some(SocketAddr::new(ip.ok()?, port)))
}

/// One call, or one question outside of any, as we see it.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    /// `SIP/2.0/UDP 192.0.2.1:5060`.
    pub(super) via: String,
    /// Our Contact, with its brackets.
    pub(super) contact: String,
    /// With its tag.
    pub(super) from: String,
    /// With a tag once there is one.
    pub(super) to: String,
    /// Where requests go.
    pub(super) target: String,
    /// The route set.
    pub(super) routes: Vec<String>,
    pub(super) call_id: String,
    /// The number of the last request.
    pub(super) cseq: u32,
    /// Makes branches unique.
    pub(super) token: u32,
}

/// A request of ours.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) cseq: u32,
    /// Its Request-URI.
    pub(super) uri: String,
    pub(super) text: String,
}

impl Dialog {
    /// Learns the peer's tag, contact and route set from an answer (RFC 3261 §12.1.2).
    pub(super) fn learn(&mut self, response: &Message) {
        if let Some(to) = response.header("To") {
            to.clone_into(&mut self.to);
        }
        self.retarget(response);
        self.routes = response.listed("Record-Route");
        self.routes.reverse();
    }

    /// Whether the peer has given its tag.
    pub(super) fn is_confirmed(&self) -> bool {
        self.to.contains(";tag=")
    }

    /// Learns a new contact.
    pub(super) fn retarget(&mut self, message: &Message) {
        if let Some(contact) = message.header("Contact") {
            uri(contact).clone_into(&mut self.target);
        }
    }

    /// Writes the next request: its number counts up.
    pub(super) fn request(&mut self, method: &'static str, more: &str, body: &str) -> Request {
        self.cseq += 1;
        self.numbered(method, self.cseq, more, body)
    }

    /// Writes the ACK of a 2xx to the INVITE of that number (RFC 3261 §13.2.2.4).
    pub(super) fn ack(&self, cseq: u32, body: &str) -> String {
        self.numbered("ACK", cseq, "", body).text
    }

    /// Writes the ACK of a refusal, or CANCEL: of the transaction of an INVITE (RFC 3261 §9.1,
    /// §17.1.1.3).
    pub(super) fn of_invite(&self, method: &str, invite: &Request, to: Option<&str>) -> String {
        let mut text = format!("{method} {} SIP/2.0\r\n", invite.uri);
        let head = invite.text.split("\r\n\r\n").next().unwrap_or("");
        for line in head.lines().skip(1) {
            let name = line.split(':').next().unwrap_or("");
            match (name, to) {
                ("CSeq", _) => text.push_str(&format!("CSeq: {} {method}\r\n", invite.cseq)),
                ("To", Some(to)) => text.push_str(&format!("To: {to}\r\n")),
                ("Via" | "Max-Forwards" | "From" | "To" | "Call-ID" | "Route", _) => {
                    text.push_str(&format!("{line}\r\n"));
                }
                _ => {}
            }
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        text
    }

    fn numbered(&self, method: &'static str, cseq: u32, more: &str, body: &str) -> Request {
        let Self { via, from, to, target, call_id, token, contact, .. } = self;
        let branch = format!("z9hG4bK{token:08x}-{cseq}-{method}");
        let routes: String =
            self.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let contact = match method {
            "INVITE" | "UPDATE" | "OPTIONS" => format!("Contact: {contact}\r\n"),
            _ => String::new(),
        };
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: {via};rport;branch={branch}\r\n\
             Max-Forwards: 70\r\n{routes}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n{contact}{more}Content-Length: {length}\r\n\r\n{body}",
            length = body.len()
        );
        Request { method, cseq, uri: target.clone(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Dialog {
        Dialog {
            via: "SIP/2.0/UDP 192.0.2.1:5060".to_owned(),
            contact: "<sip:doctor@192.0.2.1:5060>".to_owned(),
            from: "<sip:a@h>;tag=1".to_owned(),
            to: "<sip:b@h>".to_owned(),
            target: "sip:b@h".to_owned(),
            routes: Vec::new(),
            call_id: "c".to_owned(),
            cseq: 0,
            token: 7,
        }
    }

    #[test]
    fn short_names_and_lists_over_several_headers_are_read() {
        let text = "SIP/2.0 200 OK\r\nk: timer, 100rel\r\nSupported: path\r\nt: <sip:b@h;x=1>;tag=9\r\n\
                    CSeq: 4 INVITE\r\nRecord-Route: <sip:p1;lr>,<sip:p2,x;lr>\r\n\r\nbody";
        let message = Message::read(text.as_bytes());
        assert_eq!(message.kind(), Some(Kind::Response(200, 4, "INVITE".to_owned())));
        assert!(message.lists("Supported", "100REL") && message.lists("supported", "path"));
        assert_eq!(message.tag(), Some("9"));
        assert_eq!((message.body(), message.phrase()), ("body", "OK"));
        let mut dialog = dialog();
        dialog.learn(&message);
        assert_eq!(dialog.routes, ["<sip:p2,x;lr>", "<sip:p1;lr>"]);
    }

    #[test]
    fn a_cancel_is_of_the_transaction_and_an_acknowledgement_of_an_answer_is_not() {
        let mut dialog = dialog();
        let invite = dialog.request("INVITE", "", "x");
        let cancel = dialog.of_invite("CANCEL", &invite, None);
        assert!(cancel.contains("z9hG4bK00000007-1-INVITE") && cancel.contains("CSeq: 1 CANCEL"));
        assert!(!cancel.contains("Contact"), "{cancel}");
        assert!(dialog.ack(1, "").contains("z9hG4bK00000007-1-ACK"));
    }

    #[test]
    fn a_uri_leads_somewhere_if_its_host_is_an_address() {
        assert_eq!(address("sip:a@192.0.2.7:5070;lr", 5060), "192.0.2.7:5070".parse().ok());
        assert_eq!(address("sip:192.0.2.7", 5060), "192.0.2.7:5060".parse().ok());
        assert_eq!(address("sip:[2001:db8::1]", 5061), "[2001:db8::1]:5061".parse().ok());
        assert_eq!(address("sip:a@sbc.example", 5060), None);
        assert_eq!(uri("\"x\" <sip:a@b;lr>;expires=3"), "sip:a@b;lr");
        assert_eq!(uri("sip:a@b;expires=3"), "sip:a@b");
    }
}
