//! The allow-list. Whoever is not on it gets no byte back (reliability.md S1).

pub(crate) mod binding;
pub(crate) mod digest;
pub(crate) mod guard;
pub(crate) mod identity;
pub(crate) mod nonce;
pub(crate) mod options;
pub(crate) mod outgoing;
pub(crate) mod redirect;
pub(crate) mod register;
pub(crate) mod registrar;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use model::record::Trunk;
use model::{Credentials, Outbound, TrunkId};

/// Who sent a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) trunk: TrunkId,
    /// Whether it may start calls. One that was taken off the list may only finish those it has.
    pub(crate) active: bool,
}

/// The trunks, and those removed ones that still have something to finish.
#[derive(Debug, Default)]
pub(crate) struct AllowList {
    active: Vec<Trunk>,
    retired: Vec<Trunk>,
    /// Calls and client transactions a trunk has.
    busy: BTreeMap<TrunkId, usize>,
}

impl AllowList {
    /// Replaces the list.
    pub(crate) fn replace(&mut self, trunks: Vec<Trunk>) {
        let old = std::mem::replace(&mut self.active, trunks);
        let changed = |trunk: &Trunk| !self.active.contains(trunk);
        self.retired.extend(old.into_iter().filter(changed));
        let busy = &self.busy;
        self.retired.retain(|trunk| busy.contains_key(&trunk.id));
    }

    /// Returns who sends from that address to that listener, showing a certificate of those names,
    /// if anyone we know.
    pub(crate) fn sender(&self, address: IpAddr, listener: u8, names: &[String]) -> Option<Sender> {
        let known = |trunk: &&Trunk| may_send(trunk, address, listener) && may_be(trunk, names);
        if let Some(trunk) = self.active.iter().find(known) {
            return Some(Sender { trunk: trunk.id, active: true });
        }
        let trunk = self.retired.iter().find(known)?;
        Some(Sender { trunk: trunk.id, active: false })
    }

    /// Whether anyone may open a connection from that address to that listener.
    pub(crate) fn admits(&self, address: IpAddr, listener: u8) -> bool {
        let mut both = self.active.iter().chain(&self.retired);
        both.any(|trunk| may_send(trunk, address, listener))
    }

    /// Whether a trunk has that address, or one of its network, whatever the listener.
    pub(crate) fn meets(&self, address: IpAddr) -> bool {
        let both = self.active.iter().chain(&self.retired);
        both.flat_map(|trunk| &trunk.signalling).any(|prefix| prefix.meets(address))
    }

    /// Returns whose address that is, at that listener.
    pub(crate) fn owner(&self, address: IpAddr, listener: u8) -> Option<TrunkId> {
        let mut both = self.active.iter().chain(&self.retired);
        both.find(|trunk| may_send(trunk, address, listener)).map(|trunk| trunk.id)
    }

    /// Returns the name that a peer's certificate must have: the trunk's, else the name that its
    /// address was found by (RFC 5922 §7.1), else the address.
    pub(crate) fn certificate_name(&self, id: Option<TrunkId>, peer: SocketAddr) -> String {
        let mut both = self.active.iter().chain(&self.retired);
        let trunk = both.find(|trunk| Some(trunk.id) == id);
        let own = trunk.and_then(|trunk| trunk.tls_peer.clone());
        let dialled = trunk.and_then(|trunk| trunk.outbound.as_ref()).map(|to| to.host.clone());
        own.or(dialled).unwrap_or_else(|| peer.ip().to_string())
    }

    /// Returns every active trunk.
    pub(crate) fn ids(&self) -> Vec<TrunkId> {
        self.active.iter().map(|trunk| trunk.id).collect()
    }

    /// Returns an active trunk.
    pub(crate) fn active(&self, id: TrunkId) -> Option<&Trunk> {
        self.active.iter().find(|trunk| trunk.id == id)
    }

    /// Returns the active trunks that calls of ours leave by.
    pub(crate) fn outbounds(&self) -> impl Iterator<Item = (TrunkId, &Outbound)> {
        self.active.iter().filter_map(|trunk| Some((trunk.id, trunk.outbound.as_ref()?)))
    }

    /// Returns what answers the challenges of an active trunk.
    pub(crate) fn credentials(&self, id: TrunkId) -> Option<&Credentials> {
        self.active(id)?.outbound.as_ref()?.credentials.as_ref()
    }

    /// Whether an address is one of the trunk's, for signalling.
    pub(crate) fn owns(&self, id: TrunkId, address: IpAddr) -> bool {
        let mut both = self.active.iter().chain(&self.retired);
        both.any(|trunk| trunk.id == id && trunk.signalling.iter().any(|p| p.contains(address)))
    }

    /// Notes that a trunk has one more call or client transaction.
    pub(crate) fn hold(&mut self, id: TrunkId) {
        *self.busy.entry(id).or_insert(0) += 1;
    }

    /// Notes that it has one less.
    pub(crate) fn release(&mut self, id: TrunkId) {
        let Some(count) = self.busy.get_mut(&id) else { return };
        *count -= 1;
        if *count == 0 {
            self.busy.remove(&id);
            self.retired.retain(|trunk| trunk.id != id);
        }
    }
}

/// Whether a certificate is the trunk's; one that asks for none takes any.
fn may_be(trunk: &Trunk, names: &[String]) -> bool {
    trunk
        .tls_peer
        .as_ref()
        .is_none_or(|own| names.iter().any(|name| name.eq_ignore_ascii_case(own)))
}

fn may_send(trunk: &Trunk, address: IpAddr, listener: u8) -> bool {
    trunk.listener.is_none_or(|own| own == listener)
        && trunk.signalling.iter().any(|prefix| prefix.contains(address))
}

#[cfg(test)]
pub(crate) mod tests {

    use super::*;

    pub(crate) fn trunk(name: &str, prefix: &str) -> Trunk {
        Trunk::new(name, &[prefix.parse().unwrap()])
    }

    #[test]
    fn a_trunk_is_known_by_address_and_listener() {
        let mut list = AllowList::default();
        let bound = Trunk { listener: Some(1), ..trunk("a", "192.0.2.0/24") };
        list.replace(vec![bound]);
        let address = "192.0.2.7".parse().unwrap();
        assert!(list.sender(address, 1, &[]).is_some());
        assert_eq!(list.sender(address, 0, &[]), None);
        assert_eq!(list.sender("192.0.3.7".parse().unwrap(), 1, &[]), None);
    }

    #[test]
    fn a_removed_trunk_may_finish_what_it_has() {
        let mut list = AllowList::default();
        let (id, address) = (TrunkId::from_name("a"), "192.0.2.7".parse().unwrap());
        list.replace(vec![trunk("a", "192.0.2.0/24")]);
        list.hold(id);
        list.replace(vec![]);
        assert_eq!(list.sender(address, 0, &[]), Some(Sender { trunk: id, active: false }));
        list.release(id);
        assert_eq!(list.sender(address, 0, &[]), None);
    }
}
