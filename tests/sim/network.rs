//! A network that loses, doubles, delays and so reorders packets; and the order of all events.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::dice::Dice;
use crate::plan::Plan;

/// A datagram on its way.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Who sent it.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Datagrams in the order in which they arrive.
#[derive(Debug)]
pub struct Network {
    loss: u64,
    doubled: u64,
    delay_micros: u64,
    dice: Dice,
    arriving: BTreeMap<(u64, u64), Packet>,
    sent: u64,
}

impl Network {
    /// Makes the network of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            loss: plan.loss,
            doubled: plan.doubled,
            delay_micros: plan.delay_ms * 1_000,
            dice: Dice::new(plan.seed, 2),
            arriving: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Sends a packet at `now` (µs).
    pub fn send(&mut self, packet: Packet, now: u64) {
        if self.dice.chance(self.loss) {
            return;
        }
        if self.dice.chance(self.doubled) {
            self.enqueue(packet.clone(), now);
        }
        self.enqueue(packet, now);
    }

    /// Returns when the next packet arrives (µs).
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.arriving.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next packet that has arrived by `now` (µs).
    pub fn arrived(&mut self, now: u64) -> Option<Packet> {
        let first = self.arriving.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn enqueue(&mut self, packet: Packet, now: u64) {
        self.sent += 1;
        let at = now + 200 + self.dice.below(self.delay_micros + 1);
        self.arriving.insert((at, self.sent), packet);
    }
}
