//! Trunks that calls of ours leave by, and the people behind them: a SIP server written without the
//! house's own `sip`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use crate::caller::{header, is_request, message, method_of, status_of};
use crate::network::Packet;
use crate::plan::{CalleePlan, Calling, Carries};

mod leg;

pub use leg::{Leg, Over};

/// One trunk.
#[derive(Debug)]
pub struct Carrier {
    /// Every leg that it ever carried.
    pub legs: Vec<Leg>,
    carries: Carries,
    host: Ipv4Addr,
    gateway: SocketAddr,
    callees: BTreeMap<String, CalleePlan>,
}

impl Carrier {
    /// Makes the trunk of that place, which reaches every number of the story.
    #[must_use]
    pub fn new(place: u8, calling: &Calling, gateway: SocketAddr) -> Self {
        Self {
            legs: Vec::new(),
            carries: calling.trunks[usize::from(place)],
            host: host(place),
            gateway,
            callees: calling.numbers().map(|(number, plan)| (number, plan.clone())).collect(),
        }
    }

    /// Whether an address is the trunk's.
    #[must_use]
    pub fn owns(&self, address: SocketAddr) -> bool {
        address.ip() == self.host
    }

    /// Whether nothing is going on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.legs.iter().all(Leg::is_gone)
    }

    /// Returns when something is due, µs.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.legs.iter().filter_map(Leg::next).min()
    }

    /// Does what is due at `now` (µs).
    pub fn act(&mut self, now: u64, out: &mut Vec<Packet>) {
        let mut forks = Vec::new();
        for leg in &mut self.legs {
            if leg.next().is_some_and(|at| at <= now) {
                forks.extend(leg.act(now, out));
            }
        }
        for mut fork in forks {
            fork.name(self.legs.len(), self.host);
            fork.pick_up(now, out);
            self.legs.push(fork);
        }
    }

    /// Takes what came from the network.
    pub fn receive(&mut self, packet: &Packet, now: u64, out: &mut Vec<Packet>) {
        if packet.destination.port() != 5060 || self.carries == Carries::Silent {
            return;
        }
        let text = String::from_utf8_lossy(&packet.payload).into_owned();
        let id = header(&text, "Call-ID").unwrap_or_default();
        if !is_request(&text) {
            let tag = message::tag(&header(&text, "From").unwrap_or_default());
            if let Some(leg) = self.legs.iter_mut().find(|leg| leg.is(&id, &tag)) {
                leg.take_response(status_of(&text).unwrap_or(0), now);
            }
            return;
        }
        let tag = message::tag(&header(&text, "To").unwrap_or_default());
        if tag.is_empty() && method_of(&text) == "INVITE" {
            self.invited(&text, &id, now, out);
        } else if tag.is_empty() && method_of(&text) == "CANCEL" {
            self.cancelled(&text, &id, now, out);
        } else if let Some(leg) = self.legs.iter_mut().find(|leg| leg.is(&id, &tag)) {
            leg.take_request(&text, now, out);
        } else if method_of(&text) != "ACK" {
            self.reply(&text, "481 Call/Transaction Does Not Exist", out);
        }
    }

    fn invited(&mut self, invite: &str, id: &str, now: u64, out: &mut Vec<Packet>) {
        if let Some(known) = self.legs.iter().find(|leg| leg.call_id == id) {
            known.repeat(out);
            return;
        }
        let uri = invite.split(' ').nth(1).unwrap_or("");
        let number = uri.trim_start_matches("sip:").split('@').next().unwrap_or("");
        let Some(plan) = self.callees.get(number) else {
            self.reply(invite, "404 Not Found", out);
            return;
        };
        let mut leg = Leg::new(number, plan.clone(), invite, self.gateway);
        leg.name(self.legs.len(), self.host);
        match self.carries {
            Carries::Well => leg.begin(true, now, out),
            Carries::Mute => leg.begin(false, now, out),
            Carries::Unavailable => leg.refuse(503, now, out),
            Carries::Silent => {}
        }
        self.legs.push(leg);
    }

    fn cancelled(&mut self, cancel: &str, id: &str, now: u64, out: &mut Vec<Packet>) {
        self.reply(cancel, "200 OK", out);
        for leg in self.legs.iter_mut().filter(|leg| leg.call_id == id) {
            leg.cancel(now, out);
        }
    }

    fn reply(&self, request: &str, status: &str, out: &mut Vec<Packet>) {
        let payload = message::response(request, status).into_bytes();
        let source = SocketAddr::from((self.host, 5060));
        out.push(Packet { source, destination: self.gateway, payload });
    }
}

/// The address of the trunk of that place.
#[must_use]
pub fn host(place: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 2, 0, place + 1)
}
