//! Where trunks are that registered with us: calls of ours go there (RFC 3261 §10.3), by the
//! connection that they registered by as long as it is open (after RFC 5626).

use std::time::Duration;

use model::{Instant, TrunkId};

use crate::connection::ConnectionId;
use crate::endpoint::{Endpoint, Event};
use crate::message::uri::Uri;
use crate::timers::Alarm;
use crate::transport::{self, Flow};

/// Most contacts of one trunk.
pub(crate) const CONTACTS: usize = 4;

/// One contact of a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Its URI as it was written, which names it.
    pub(crate) contact: Box<str>,
    /// The registration that set it last.
    pub(crate) call_id: Box<str>,
    pub(crate) cseq: u32,
    /// Preference, thousandths.
    pub(crate) quality: u32,
    /// Where it registered from.
    pub(crate) flow: Flow,
    pub(crate) until: Instant,
}

/// The contacts of one trunk, best first, and of those the latest; never none.
#[derive(Debug)]
pub(crate) struct Bindings(Vec<Binding>);

impl Bindings {
    fn due(&self) -> Option<Instant> {
        self.0.iter().map(|binding| binding.until).min()
    }
}

impl Endpoint {
    /// Returns a trunk's contacts, best first.
    pub(crate) fn bound(&self, trunk: TrunkId) -> &[Binding] {
        self.bindings.get(&trunk).map_or(&[], |bindings| &bindings.0)
    }

    /// Returns the ways to a trunk that registers with us; `None` if it does not.
    pub(crate) fn bound_ways(&self, trunk: TrunkId) -> Option<Vec<Flow>> {
        self.trunks.active(trunk)?.registers.as_ref()?;
        let bound = self.bound(trunk).iter();
        Some(bound.filter_map(|binding| self.way_to(trunk, binding)).collect())
    }

    /// Returns the contact that is reached by a way.
    pub(crate) fn bound_at(&self, trunk: TrunkId, way: Flow) -> Option<&str> {
        let mut bound = self.bound(trunk).iter();
        let here = bound.find(|binding| self.way_to(trunk, binding) == Some(way))?;
        Some(&here.contact)
    }

    /// Replaces a trunk's contacts, and tells if it has become known, or unknown. `status` says why.
    pub(crate) fn bind(&mut self, trunk: TrunkId, mut list: Vec<Binding>, status: u16) {
        // Stable: of equals, the latest stays first.
        list.sort_by_key(|binding| std::cmp::Reverse(binding.quality));
        let registered = !list.is_empty();
        let before = self.bindings.remove(&trunk);
        let known = before.is_some();
        self.timers.shift(Alarm::Binding(trunk), before.and_then(|before| before.due()), None);
        if registered {
            let bindings = Bindings(list);
            self.timers.shift(Alarm::Binding(trunk), None, bindings.due());
            self.bindings.insert(trunk, bindings);
        }
        if known != registered {
            self.emit(Event::Registered { trunk, registered, status });
        }
    }

    /// Forgets the contacts of trunks that register no more.
    pub(crate) fn unbind_strangers(&mut self) {
        let mut known: Vec<_> = self.bindings.keys().copied().collect();
        let registers = |trunk| self.trunks.active(trunk).is_some_and(|t| t.registers.is_some());
        known.retain(|trunk| !registers(*trunk));
        for trunk in known {
            self.bind(trunk, Vec::new(), 200);
        }
    }

    /// Some contacts of a trunk have run out.
    pub(crate) fn binding_due(&mut self, trunk: TrunkId, now: Instant) {
        self.keep_bindings(trunk, |binding| binding.until > now);
    }

    /// Whether a trunk is reached by a connection.
    pub(crate) fn is_bound_to(&self, connection: ConnectionId) -> bool {
        let mut all = self.bindings.values().flat_map(|bindings| &bindings.0);
        all.any(|binding| binding.flow.connection == Some(connection))
    }

    /// A connection is gone: contacts that are reached by it alone are gone with it.
    pub(crate) fn bindings_lost(&mut self, connection: ConnectionId) {
        if !self.is_bound_to(connection) {
            return;
        }
        let trunks: Vec<_> = self.bindings.keys().copied().collect();
        for trunk in trunks {
            let reached = |binding: &Binding| self.way_to(trunk, binding).is_some();
            let left: Vec<_> = self.bound(trunk).iter().filter(|b| reached(b)).cloned().collect();
            if left.len() < self.bound(trunk).len() {
                self.bind(trunk, left, 408);
            }
        }
    }

    fn keep_bindings(&mut self, trunk: TrunkId, keep: impl Fn(&Binding) -> bool) {
        let left = self.bound(trunk).iter().filter(|binding| keep(binding)).cloned().collect();
        self.bind(trunk, left, 408);
    }

    /// Returns the way to a contact: by its connection; else to its address, if that is one of the
    /// trunk's; else to where it registered from, which behind NAT is the only way.
    fn way_to(&self, trunk: TrunkId, binding: &Binding) -> Option<Flow> {
        let flow = binding.flow;
        if self.is_on_a_stream(flow) {
            return Some(flow);
        }
        let default = transport::default_port(self.transport(flow.listener));
        let address = Uri::read(&binding.contact).and_then(|uri| uri.address(default));
        let own = address.filter(|address| {
            self.trunks.owns(trunk, address.ip()) && address.is_ipv4() == flow.peer.is_ipv4()
        });
        match own {
            Some(address) => Some(Flow::to(flow.listener, address)),
            None => (!self.is_reliable(flow.listener)).then_some(flow),
        }
    }
}

impl Binding {
    /// Returns how long it stands, seconds.
    pub(crate) fn left(&self, now: Instant) -> u64 {
        let left = self.until.micros.saturating_sub(now.micros);
        Duration::from_micros(left).as_secs()
    }
}
