//! Where messages go. No sockets here.

pub(crate) mod framer;
pub(crate) mod strangers;
pub(crate) mod streams;

use std::net::SocketAddr;

use model::{Transport, TrunkId, limits};

use crate::connection::ConnectionId;
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::message::header::{self, Via};
use crate::message::wire::{Lines, Value};

/// A way between one of our sockets and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) listener: u8,
    pub(crate) peer: SocketAddr,
    /// The stream that is meant; `None` on datagrams, or to use any to the peer, or a new one.
    pub(crate) connection: Option<ConnectionId>,
}

impl Flow {
    /// A way to an address, by whatever leads there.
    pub(crate) const fn to(listener: u8, peer: SocketAddr) -> Self {
        Self { listener, peer, connection: None }
    }
}

/// Returns the port of SIP where none is written (RFC 3261 §18.2.2, §19.1.2).
pub(crate) const fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
    }
}

/// Returns the transport's name in a Via.
pub(crate) const fn via_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
    }
}

/// Returns the URI parameter that asks for the transport; nothing asks for UDP.
pub(crate) const fn parameter(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    }
}

impl Endpoint {
    /// Returns how messages travel at a listener.
    pub(crate) fn transport(&self, listener: u8) -> Transport {
        let own = self.settings.listeners.get(usize::from(listener));
        own.map_or(Transport::Udp, |own| own.transport)
    }

    /// Returns where a request came from, and how.
    pub(crate) fn origin(&self, flow: Flow) -> (SocketAddr, Transport) {
        (flow.peer, self.transport(flow.listener))
    }

    /// Whether a listener's messages arrive or fail, so that nothing need be sent again.
    pub(crate) fn is_reliable(&self, listener: u8) -> bool {
        self.transport(listener) != Transport::Udp
    }

    /// Returns where a dialog's next request goes: along its route set if that begins with an
    /// address of the trunk. A name, or an address that is not the trunk's (a private one behind
    /// NAT, or somebody's who shall be flooded), is replaced by where the peer's own requests come
    /// from, which is on the allow-list and reachable.
    pub(crate) fn destination(&self, trunk: TrunkId, dialog: &Dialog) -> SocketAddr {
        let Flow { listener, peer, connection } = dialog.flow;
        let transport = self.transport(listener);
        let fallback = match (transport, connection) {
            // The port that a peer connects from is not one that it listens at.
            (Transport::Tcp | Transport::Tls, Some(ConnectionId::Theirs(_))) => {
                SocketAddr::new(peer.ip(), default_port(transport))
            }
            (Transport::Udp | Transport::Tcp | Transport::Tls, _) => peer,
        };
        dialog
            .laid()
            .address(default_port(transport))
            .filter(|address| self.trunks.owns(trunk, address.ip()))
            // The socket that heard the peer speaks its family alone.
            .filter(|address| address.is_ipv4() == peer.is_ipv4())
            .unwrap_or(fallback)
    }

    /// Returns the way of a dialog's next request: the connection that its last one came by, as long
    /// as that leads to the same host, since peers behind NAT have no other.
    pub(crate) fn onward(&self, trunk: TrunkId, dialog: &Dialog) -> Flow {
        let peer = self.destination(trunk, dialog);
        if let Some(listener) = self.stream_asked_for(trunk, dialog, peer) {
            return Flow::to(listener, peer);
        }
        let same = peer.ip() == dialog.flow.peer.ip();
        let connection = dialog.flow.connection.filter(|_| same);
        Flow { listener: dialog.flow.listener, peer, connection }
    }

    /// Returns the listener of streams that the next hop's URI asks for in a dialog of datagrams: a
    /// peer may hear streams alone, like one whose INVITE was too long for a datagram.
    fn stream_asked_for(&self, trunk: TrunkId, dialog: &Dialog, peer: SocketAddr) -> Option<u8> {
        if self.is_reliable(dialog.flow.listener) {
            return None;
        }
        let laid = dialog.laid();
        let asks = laid.wants_tcp() && laid.address(default_port(Transport::Tcp)) == Some(peer);
        self.listener_for(trunk, Transport::Tcp, peer.ip()).filter(|_| asks)
    }

    /// Whether a flow names a stream that is open.
    pub(crate) fn is_on_a_stream(&self, flow: Flow) -> bool {
        flow.connection.is_some_and(|connection| self.streams.holds(connection))
    }

    /// Returns the stream that a request goes by which is too long for a datagram (RFC 3261
    /// §18.1.1): only to a trunk that calls are placed by and that leaves the transport to us.
    pub(crate) fn widened(&self, flow: Flow, trunk: Option<TrunkId>, bytes: usize) -> Option<Flow> {
        if self.is_reliable(flow.listener) || bytes <= limits::SIP_DATAGRAM_BYTES {
            return None;
        }
        let id = trunk?;
        let outbound = self.trunks.active(id)?.outbound.as_ref()?;
        let open = outbound.transport.is_none();
        let listener = self.listener_for(id, Transport::Tcp, flow.peer.ip()).filter(|_| open)?;
        Some(Flow::to(listener, flow.peer))
    }

    /// Writes the Via of a request of ours.
    pub(crate) fn via(&self, flow: Flow, branch: &str) -> Lines {
        let own = self.settings.listeners.get(usize::from(flow.listener));
        let advertised = own.map_or(flow.peer, |own| own.advertised);
        let transport = via_name(self.transport(flow.listener));
        let via = format_args!("SIP/2.0/{transport} {advertised};branch={branch};rport");
        Lines::default().with("Via", &Value::shown(via))
    }
}

/// Returns where an answer goes: always to the address that asked, so that nobody can aim our
/// answers at others; to its source port if it asked for that (RFC 3581), else to the Via's port.
/// On a stream that is where a new connection goes if the one that asked is gone (RFC 3261 §18.2.2).
pub(crate) fn reply_address(via: &Via<'_>, source: SocketAddr, transport: Transport) -> SocketAddr {
    if via.has_rport() && transport == Transport::Udp {
        return source;
    }
    SocketAddr::new(source.ip(), via.port.unwrap_or(default_port(transport)))
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
        let to = |via| reply_address(&Via::read(via).unwrap(), source, Transport::Udp).to_string();
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
