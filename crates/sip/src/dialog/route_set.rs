//! Route sets and the address a request in the dialog is sent to (RFC 3261 §12.2.1.1, §16.12.1.1).

use std::net::SocketAddr;

use crate::message::header::NameAddr;
use crate::message::uri::Uri;

/// The routers between us and the peer, nearest first, each as `<uri>;…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RouteSet(pub(crate) Vec<Box<str>>);

/// Request-URI, Route values, and the URI of the next hop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Laid<'a> {
    pub(crate) uri: &'a str,
    pub(crate) routes: Vec<String>,
    pub(crate) next_hop: &'a str,
}

impl RouteSet {
    /// Lays a request out along the routers. The first may be a strict one, of RFC 2543: then it is
    /// the Request-URI, and the target comes last.
    pub(crate) fn lay<'a>(&'a self, target: &'a str) -> Laid<'a> {
        let first = self.0.first().and_then(|first| NameAddr::read(first)).map(|first| first.uri);
        let Some(first) = first else {
            return Laid { uri: target, routes: Vec::new(), next_hop: target };
        };
        let whole = self.0.iter().map(ToString::to_string);
        if Uri::read(first).is_some_and(|uri| uri.is_loose()) {
            return Laid { uri: target, routes: whole.collect(), next_hop: first };
        }
        let routes = whole.skip(1).chain([format!("<{target}>")]).collect();
        Laid { uri: first, routes, next_hop: first }
    }
}

impl Laid<'_> {
    /// Returns the next hop's address, if it is written as one. Names are not resolved: the caller
    /// falls back to where the peer's own requests come from.
    pub(crate) fn address(&self, default_port: u16) -> Option<SocketAddr> {
        Uri::read(self.next_hop)?.address(default_port)
    }

    /// Whether the next hop's URI asks for TCP (RFC 3261 §19.1.1).
    pub(crate) fn wants_tcp(&self) -> bool {
        let asks = |(name, value): (&str, &str)| {
            name.eq_ignore_ascii_case("transport") && value.eq_ignore_ascii_case("tcp")
        };
        Uri::read(self.next_hop).is_some_and(|uri| uri.parameters().any(asks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_routers_keep_the_target_in_the_request_uri() {
        let set = RouteSet(vec!["<sip:192.0.2.1;lr>".into(), "<sip:p2.example;lr>".into()]);
        let laid = set.lay("sip:peer@198.51.100.1");
        assert_eq!(laid.uri, "sip:peer@198.51.100.1");
        assert_eq!(laid.routes, ["<sip:192.0.2.1;lr>", "<sip:p2.example;lr>"]);
        assert_eq!(laid.address(5060), Some("192.0.2.1:5060".parse().unwrap()));
    }

    #[test]
    fn a_strict_router_takes_the_request_uri() {
        let set = RouteSet(vec!["<sip:192.0.2.1>".into(), "<sip:p2.example;lr>".into()]);
        let laid = set.lay("sip:peer@198.51.100.1");
        assert_eq!(laid.uri, "sip:192.0.2.1");
        assert_eq!(laid.routes, ["<sip:p2.example;lr>", "<sip:peer@198.51.100.1>"]);
    }

    #[test]
    fn without_routers_the_target_is_next() {
        let set = RouteSet::default();
        assert_eq!(set.lay("sip:peer.example").address(5060), None);
    }
}
