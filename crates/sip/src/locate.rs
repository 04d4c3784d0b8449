//! Where requests outside a dialog go by a trunk (RFC 3263).

use model::{Instant, Transport, TrunkId};

use crate::connection::{Record, Unfound};
use crate::endpoint::Endpoint;
use crate::transport::{Flow, default_port};

/// What is known of the ways to a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Targets {
    /// In the order in which they are tried; never empty.
    Known(Vec<Flow>),
    /// The name servers are being asked: [`Endpoint::located`] tells when it is worth asking again.
    Asked,
    /// There is none: the trunk is not asked to place calls, its name does not exist, or no address
    /// of it is on its allow-list.
    Nowhere,
}

impl Endpoint {
    /// Returns the ways to a trunk, best first.
    pub(crate) fn targets(&mut self, trunk: TrunkId) -> Targets {
        let Some(known) = self.trunks.active(trunk) else { return Targets::Nowhere };
        let Some(outbound) = &known.outbound else { return Targets::Nowhere };
        let transport = outbound.transport.unwrap_or(Transport::Udp);
        let port = outbound.port.unwrap_or(default_port(transport));
        let host = outbound.host.trim_start_matches('[').trim_end_matches(']');
        let Ok(address) = host.parse() else { return Targets::Nowhere };
        match self.listener_for(trunk, transport, address) {
            Some(listener) => Targets::Known(vec![Flow::to(listener, (address, port).into())]),
            None => Targets::Nowhere,
        }
    }

    /// Takes an answer of the name servers.
    pub(crate) fn on_found(
        &mut self,
        _id: u64,
        _answer: Result<Vec<Record>, Unfound>,
        _now: Instant,
    ) {
    }

    /// Returns the listener that a trunk's messages leave by: of its transport, of the address's
    /// family, and the trunk's own if it is bound to one.
    pub(crate) fn listener_for(
        &self,
        trunk: TrunkId,
        transport: Transport,
        address: std::net::IpAddr,
    ) -> Option<u8> {
        let bound = self.trunks.active(trunk)?.listener;
        let fits = |(at, own): (usize, &crate::endpoint::Listener)| {
            let at = u8::try_from(at).ok()?;
            let speaks = own.transport == transport
                && own.advertised.is_ipv4() == address.is_ipv4()
                && bound.is_none_or(|bound| bound == at);
            speaks.then_some(at)
        };
        self.settings.listeners.iter().enumerate().find_map(fits)
    }
}
