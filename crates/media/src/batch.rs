//! The datagrams of a tick, in memory that is used again.

use std::net::SocketAddr;

use crate::command::PortId;
use crate::control::Route;
use crate::srtp::Guard;
use crate::{rtcp, rtp, sender, srtp};

/// Bytes that one leg can send in a tick: a report, and packets with the samples of a tick and those
/// that waited.
const BYTES: usize = rtcp::LONGEST + 2 * rtp::HEADER + sender::LONGEST + DATAGRAMS * srtp::OVERHEAD;
/// Datagrams that one leg can send in a tick.
const DATAGRAMS: usize = 3;

/// A datagram to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// From which port pair.
    pub port: PortId,
    /// From its RTCP socket rather than its RTP socket.
    pub rtcp: bool,
    /// To whom.
    pub destination: SocketAddr,
    /// The packet.
    pub payload: &'a [u8],
}

/// Datagrams of one tick. The memory comes with [`Batch::with_capacity`], or with the first tick.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    port: PortId,
    rtcp: bool,
    destination: SocketAddr,
    first: usize,
    length: usize,
}

impl Batch {
    /// Takes the memory for the ticks of that many legs.
    #[must_use]
    pub fn with_capacity(legs: usize) -> Self {
        Self { entries: Vec::with_capacity(legs * DATAGRAMS), bytes: vec![0; legs * BYTES] }
    }

    /// Forgets the datagrams, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Returns the datagrams.
    pub fn iter(&self) -> impl Iterator<Item = Outgoing<'_>> {
        self.entries.iter().map(|entry| Outgoing {
            port: entry.port,
            rtcp: entry.rtcp,
            destination: entry.destination,
            payload: &self.bytes[entry.first..entry.first + entry.length],
        })
    }

    /// Makes sure of the memory for that many legs on top of what is there.
    pub(crate) fn reserve(&mut self, legs: usize) {
        self.entries.reserve(legs * DATAGRAMS);
        let needed = self.written() + legs * BYTES;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
    }

    /// Adds an RTP packet, sealed if there is a guard.
    pub(crate) fn rtp(
        &mut self,
        (port, destination): (PortId, SocketAddr),
        header: rtp::Header,
        codes: &[u8],
        guard: Option<&mut Guard>,
    ) {
        let first = self.written();
        let space = &mut self.bytes[first..first + rtp::HEADER + codes.len() + srtp::OVERHEAD];
        let plain = rtp::write(header, codes, space);
        let length = guard.map_or(plain, |guard| guard.seal(space, plain));
        self.entries.push(Entry { port, rtcp: false, destination, first, length });
    }

    /// Adds an RTCP packet, sealed if there is a guard.
    pub(crate) fn rtcp(
        &mut self,
        port: PortId,
        route: Route,
        report: &rtcp::Report<'_>,
        guard: Option<&mut Guard>,
    ) {
        let first = self.written();
        let space = &mut self.bytes[first..first + rtcp::LONGEST + srtp::OVERHEAD];
        let plain = rtcp::write(report, space);
        let length = guard.map_or(plain, |guard| guard.seal_report(space, plain));
        let Route { destination, own_socket } = route;
        self.entries.push(Entry { port, rtcp: own_socket, destination, first, length });
    }

    fn written(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.first + entry.length)
    }
}
