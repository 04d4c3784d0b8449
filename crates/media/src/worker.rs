//! One shard of the media plane: it receives datagrams, mixes on the tick and says what to send.

use std::net::SocketAddr;

use model::Instant;

use crate::command::{Command, Event, PortId};
use crate::prompt::Library;
use std::sync::Arc;

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

/// Datagrams of one tick, in memory that is used again.
#[derive(Debug, Default)]
pub struct Batch {}

impl Batch {
    /// Forgets the datagrams, keeps the memory.
    pub fn clear(&mut self) {
        unimplemented!()
    }

    /// Returns the datagrams.
    pub fn iter(&self) -> impl Iterator<Item = Outgoing<'_>> {
        std::iter::empty()
    }
}

/// Legs and rooms of one media thread.
#[derive(Debug)]
pub struct Worker {}

impl Worker {
    /// Makes a worker for at most `legs` legs on ports below `ports`; all memory is taken here.
    #[must_use]
    pub fn new(_library: Arc<Library>, _legs: usize, _ports: usize, _seed: [u8; 32]) -> Self {
        unimplemented!()
    }

    /// Takes a command.
    pub fn command(&mut self, _command: Command, _now: Instant) {
        unimplemented!()
    }

    /// Takes one datagram from a port's RTP or RTCP socket.
    pub fn receive(
        &mut self,
        _port: PortId,
        _rtcp: bool,
        _source: SocketAddr,
        _payload: &[u8],
        _now: Instant,
    ) {
        unimplemented!()
    }

    /// Mixes 20 ms and writes what is to be sent.
    pub fn tick(&mut self, _now: Instant, _out: &mut Batch) {
        unimplemented!()
    }

    /// Returns the next event; the queue is bounded by the number of legs.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        unimplemented!()
    }

    /// Returns the ports that have a leg, for the shell to receive on.
    pub fn ports(&self) -> impl Iterator<Item = PortId> {
        std::iter::empty()
    }

    /// Returns how many legs live.
    #[must_use]
    pub fn legs(&self) -> usize {
        unimplemented!()
    }
}
