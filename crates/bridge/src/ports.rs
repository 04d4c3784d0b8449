//! The free list of RTP port pairs. The shell binds them; a freed one rests before its next use.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use media::PortId;
use model::{Instant, limits};

/// A port pair: its id and the advertised address with the even port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) id: PortId,
    pub(crate) address: SocketAddr,
}

/// Which port pairs are free, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    free: VecDeque<Port>,
    resting: VecDeque<(Instant, Port)>,
    used: BTreeMap<PortId, Port>,
}

impl Ports {
    /// Adds port pairs that were bound.
    pub(crate) fn add(&mut self, bound: Vec<(PortId, SocketAddr)>) {
        self.free.extend(bound.into_iter().map(|(id, address)| Port { id, address }));
    }

    /// Takes the port pair that was free longest; `None` if all are used or resting.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Port> {
        while let Some((rested, port)) = self.resting.front().copied()
            && rested <= now
        {
            self.resting.pop_front();
            self.free.push_back(port);
        }
        let port = self.free.pop_front()?;
        self.used.insert(port.id, port);
        Some(port)
    }

    /// Gives back one that was taken, if any, but never used.
    pub(crate) fn put_back(&mut self, port: Option<Port>) {
        if let Some(port) = port.and_then(|port| self.used.remove(&port.id)) {
            self.free.push_front(port);
        }
    }

    /// Gives back one that a leg used: late packets of that leg must not reach the next.
    pub(crate) fn rest(&mut self, port: PortId, now: Instant) {
        if let Some(port) = self.used.remove(&port) {
            self.resting.push_back((now + limits::PORT_REST, port));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_used_port_rests_before_its_next_use() {
        let mut ports = Ports::default();
        ports.add(vec![(PortId(3), "192.0.2.1:4000".parse().unwrap())]);
        let port = ports.take(Instant::START).unwrap();
        assert_eq!(ports.take(Instant::START), None);
        ports.rest(port.id, Instant::START);
        ports.rest(port.id, Instant::START);
        assert_eq!(ports.take(Instant::START + Duration::from_secs(9)), None);
        assert_eq!(ports.take(Instant::START + limits::PORT_REST), Some(port));
    }

    #[test]
    fn an_unused_port_is_free_at_once() {
        let mut ports = Ports::default();
        ports.add(vec![(PortId(3), "192.0.2.1:4000".parse().unwrap())]);
        let port = ports.take(Instant::START).unwrap();
        ports.put_back(Some(port));
        assert_eq!(ports.take(Instant::START), Some(port));
    }
}
