//! Where datagrams go. No sockets here.

use std::net::SocketAddr;

use crate::message::header::{self, Via};

/// Port of SIP over UDP where a Via names none.
const DEFAULT_PORT: u16 = 5060;

/// A way between one of our sockets and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) listener: u8,
    pub(crate) peer: SocketAddr,
}

/// Returns where an answer goes: always to the address that asked, so that nobody can aim our
/// answers at others; to its source port if it asked for that (RFC 3581), else to the Via's port.
pub(crate) fn reply_address(via: &Via<'_>, source: SocketAddr) -> SocketAddr {
    if via.has_rport() {
        return source;
    }
    SocketAddr::new(source.ip(), via.port.unwrap_or(DEFAULT_PORT))
}

/// Writes a Via element with `received`, and `rport` if it was asked for (RFC 3581 §4).
pub(crate) fn stamp(via: &Via<'_>, source: SocketAddr) -> String {
    let mut stamped = String::with_capacity(via.head.len() + via.parameters.len() + 48);
    stamped.push_str(via.head);
    for piece in header::split(via.parameters, b';').filter(|piece| !piece.is_empty()) {
        let name = piece.split_once('=').map_or(piece, |(name, _)| name).trim_end();
        let ours = name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport");
        if !ours {
            stamped.push(';');
            stamped.push_str(piece);
        }
    }
    stamped.push_str(&format!(";received={}", source.ip().to_canonical()));
    if via.has_rport() {
        stamped.push_str(&format!(";rport={}", source.port()));
    }
    stamped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_back_to_the_address_that_asked() {
        let source = "192.0.2.1:40000".parse().unwrap();
        let to = |via| reply_address(&Via::read(via).unwrap(), source).to_string();
        assert_eq!(to("SIP/2.0/UDP 198.51.100.7:5070;branch=z"), "192.0.2.1:5070");
        assert_eq!(to("SIP/2.0/UDP 198.51.100.7;branch=z"), "192.0.2.1:5060");
        assert_eq!(to("SIP/2.0/UDP 198.51.100.7:5070;rport;maddr=203.0.113.1"), "192.0.2.1:40000");
    }

    #[test]
    fn a_via_is_stamped_once() {
        let via = Via::read("SIP/2.0/UDP a:1;rport=9;branch=z;received=203.0.113.9").unwrap();
        let stamped = stamp(&via, "[2001:db8::1]:77".parse().unwrap());
        assert_eq!(stamped, "SIP/2.0/UDP a:1;branch=z;received=2001:db8::1;rport=77");
    }
}
