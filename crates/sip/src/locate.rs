//! Where requests outside a dialog go by a trunk (RFC 3263): what is known of the names of trunks,
//! asked for before it is needed and again before it is old, so that no call waits for a name
//! server while the old answer holds.

mod choice;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::{Instant, Outbound, Transport, TrunkId};

use crate::connection::{Record, RecordKind, Unfound};
use crate::endpoint::{Endpoint, Listener, Output};
use crate::timers::Alarm;
use crate::transport::{Flow, default_port};
use crate::trouble::Trouble;
use choice::{Hop, Progress, Search};

/// Shortest and longest time for which an answer is believed, whatever it says of itself.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long it is believed that a name leads nowhere, where nobody says for how long.
const NOWHERE: Duration = Duration::from_secs(30);
/// How long an old answer serves while the name servers are silent.
const STALE: Duration = Duration::from_secs(86_400);
/// When they are asked again that were silent.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known of the ways to a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Targets {
    /// In the order in which they are tried; never empty.
    Known(Vec<Flow>),
    /// The name servers are being asked: [`Endpoint::located`] tells when it is worth asking again.
    Asked,
    /// There is none: the trunk has not registered where it should, is not asked to place calls, its name does not exist, or no address
    /// of it is on its allow-list.
    Nowhere,
}

/// What is asked of the names of one trunk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    host: String,
    port: Option<u16>,
    transport: Option<Transport>,
    /// The transports that we have.
    spoken: Vec<Transport>,
}

/// What is known of a place.
#[derive(Debug)]
struct Known {
    /// Best first before weights are drawn; empty if there is none.
    hops: Vec<Hop>,
    /// Until when it is taken as it is.
    fresh: Instant,
    /// Until when it is better than nothing.
    stale: Instant,
    /// Whether the name servers were silent when they were last asked.
    unanswered: bool,
}

/// The names of trunks.
#[derive(Debug, Default)]
pub(crate) struct Book {
    known: BTreeMap<Place, Known>,
    searches: BTreeMap<Place, Search>,
    /// Whose question it is.
    questions: BTreeMap<u64, Place>,
    asked: u64,
    /// When a place is asked for again.
    due: BTreeSet<(Instant, Place)>,
}

impl Endpoint {
    /// Returns the ways to a trunk, best first; equals are drawn by weight (RFC 2782).
    pub(crate) fn targets(&mut self, trunk: TrunkId) -> Targets {
        if let Some(ways) = self.bound_ways(trunk) {
            return if ways.is_empty() { Targets::Nowhere } else { Targets::Known(ways) };
        }
        let Some(outbound) = self.outbound(trunk) else { return Targets::Nowhere };
        if let Some(hop) = literal(outbound) {
            return self.ways(trunk, &[hop]);
        }
        let place = self.sought(trunk, outbound);
        let now = self.now;
        let hops = match self.book.known.get(&place) {
            Some(known) if now < known.fresh => choice::drawn(&known.hops, &mut self.chance),
            Some(known) if now < known.stale && !known.hops.is_empty() => {
                let hops = choice::drawn(&known.hops, &mut self.chance);
                self.search(place);
                hops
            }
            Some(_) | None => {
                self.search(place);
                return Targets::Asked;
            }
        };
        self.ways(trunk, &hops)
    }

    /// Asks for the names of every trunk that calls may be placed by, before one is.
    pub(crate) fn foresee(&mut self) {
        for trunk in self.trunks.ids() {
            let Some(outbound) = self.outbound(trunk) else { continue };
            if literal(outbound).is_some() {
                continue;
            }
            let place = self.sought(trunk, outbound);
            if !self.book.known.contains_key(&place) {
                self.search(place);
            }
        }
        self.forget_places();
    }

    /// Takes an answer of the name servers.
    pub(crate) fn on_found(&mut self, id: u64, answer: Result<Vec<Record>, Unfound>, now: Instant) {
        let Some(place) = self.book.questions.remove(&id) else { return };
        let Some(search) = self.book.searches.remove(&place) else { return };
        match search.step(id, answer, self.book.asked) {
            Progress::Asking(search, questions) => {
                self.book.searches.insert(place.clone(), search);
                self.put(&place, questions);
            }
            Progress::Done { hops, ttl_secs } => {
                let ttl = ttl_secs.map(|secs| Duration::from_secs(u64::from(secs)));
                let holds = ttl.unwrap_or(NOWHERE).clamp(SHORTEST, LONGEST);
                // A name that leads nowhere is asked for when it is wanted.
                self.learn(place, hops, holds, now);
            }
            Progress::Failed => self.unanswered(place, now),
        }
    }

    /// Some names are getting old.
    pub(crate) fn names_due(&mut self, now: Instant) {
        while let Some((at, place)) = self.book.due.first().cloned().filter(|(at, _)| *at <= now) {
            self.book.due.remove(&(at, place.clone()));
            self.search(place);
        }
        self.set_names_alarm(Some(now));
    }

    /// Returns the listener that a trunk's messages leave by: of its transport, of the address's
    /// family, and the trunk's own if it is bound to one.
    pub(crate) fn listener_for(
        &self,
        trunk: TrunkId,
        transport: Transport,
        address: IpAddr,
    ) -> Option<u8> {
        let bound = self.trunks.active(trunk)?.listener;
        let fits = |(at, own): (usize, &Listener)| {
            let at = u8::try_from(at).ok()?;
            let speaks = own.transport == transport
                && own.advertised.is_ipv4() == address.is_ipv4()
                && bound.is_none_or(|bound| bound == at);
            speaks.then_some(at)
        };
        self.settings.listeners.iter().enumerate().find_map(fits)
    }

    /// Returns how calls leave by a trunk; those that register with us are not looked up.
    fn outbound(&self, trunk: TrunkId) -> Option<&Outbound> {
        let trunk = self.trunks.active(trunk).filter(|trunk| trunk.registers.is_none())?;
        trunk.outbound.as_ref()
    }

    /// Returns why there is no way to a trunk.
    pub(crate) fn nowhere(&self, trunk: TrunkId) -> Trouble {
        let place = self.outbound(trunk).map(|outbound| self.sought(trunk, outbound));
        let known = place.and_then(|place| self.book.known.get(&place));
        match known {
            Some(known) if known.unanswered => Trouble::NameServers,
            Some(_) | None => Trouble::NoAddress,
        }
    }

    fn sought(&self, trunk: TrunkId, outbound: &Outbound) -> Place {
        let bound = self.trunks.active(trunk).and_then(|trunk| trunk.listener).map(usize::from);
        let listeners = self.settings.listeners.iter().enumerate();
        let ours = listeners.filter(|(at, _)| bound.is_none_or(|bound| bound == *at));
        let mut spoken: Vec<Transport> = ours.map(|(_, own)| own.transport).collect();
        spoken.sort();
        spoken.dedup();
        let (host, port) = (outbound.host.to_ascii_lowercase(), outbound.port);
        Place { host, port, transport: outbound.transport, spoken }
    }

    /// Turns addresses into flows; those that we cannot reach, or that are not the trunk's to have,
    /// are left out.
    fn ways(&self, trunk: TrunkId, hops: &[Hop]) -> Targets {
        let way = |hop: &Hop| {
            if !self.trunks.owns(trunk, hop.address.ip()) {
                let address = hop.address;
                tracing::warn!(%address, "an address of a trunk is not in its signalling prefixes");
                return None;
            }
            let listener = self.listener_for(trunk, hop.transport, hop.address.ip())?;
            Some(Flow::to(listener, hop.address))
        };
        let flows: Vec<Flow> = hops.iter().filter_map(way).collect();
        if flows.is_empty() { Targets::Nowhere } else { Targets::Known(flows) }
    }

    /// Begins to ask, unless that is under way.
    fn search(&mut self, place: Place) {
        if self.book.searches.contains_key(&place) {
            return;
        }
        let first = self.book.asked + 1;
        let (search, questions) = Search::begin(&place, first);
        self.book.searches.insert(place.clone(), search);
        self.put(&place, questions);
    }

    fn put(&mut self, place: &Place, questions: Vec<(u64, String, RecordKind)>) {
        for (id, name, kind) in questions {
            self.book.asked = self.book.asked.max(id);
            self.book.questions.insert(id, place.clone());
            self.outputs.push_back(Output::Lookup { id, name, kind });
        }
    }

    fn learn(&mut self, place: Place, hops: Vec<Hop>, holds: Duration, now: Instant) {
        let before = self.book.next();
        if !hops.is_empty() {
            // Asked again in time, so that a call never waits.
            self.book.due.insert((now + holds * 4 / 5, place.clone()));
        }
        let (fresh, stale) = (now + holds, now + holds + STALE);
        self.book.known.insert(place.clone(), Known { hops, fresh, stale, unanswered: false });
        self.set_names_alarm(before);
        self.tell_located(&place, now);
    }

    /// Nobody answered: what was known is kept while it may be, and they are asked again soon.
    fn unanswered(&mut self, place: Place, now: Instant) {
        let before = self.book.next();
        match self.book.known.get(&place) {
            Some(known) if now < known.stale && !known.hops.is_empty() => {
                self.book.due.insert((now + AGAIN, place.clone()));
            }
            Some(_) | None => {
                let (fresh, stale, unanswered) = (now + AGAIN, now + AGAIN, true);
                let known = Known { hops: Vec::new(), fresh, stale, unanswered };
                self.book.known.insert(place.clone(), known);
            }
        }
        self.set_names_alarm(before);
        self.tell_located(&place, now);
    }

    fn tell_located(&mut self, place: &Place, now: Instant) {
        for trunk in self.trunks.ids() {
            let same = self.outbound(trunk).is_some_and(|to| self.sought(trunk, to) == *place);
            if same {
                let nowhere = self.book.known.get(place).is_some_and(|known| known.hops.is_empty());
                let trouble = nowhere.then(|| self.nowhere(trunk));
                self.tell_trouble(trunk, trouble);
                self.located(trunk, now);
            }
        }
    }

    /// Lets go of what no trunk asks for any more.
    fn forget_places(&mut self) {
        let before = self.book.next();
        let wanted: BTreeSet<Place> = self
            .trunks
            .ids()
            .into_iter()
            .filter_map(|trunk| Some(self.sought(trunk, self.outbound(trunk)?)))
            .collect();
        self.book.known.retain(|place, _| wanted.contains(place));
        self.book.due.retain(|(_, place)| wanted.contains(place));
        self.set_names_alarm(before);
    }

    fn set_names_alarm(&mut self, before: Option<Instant>) {
        self.timers.shift(Alarm::Names, before, self.book.next());
    }
}

impl Book {
    fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// A host that is written as an address needs no name server.
fn literal(outbound: &Outbound) -> Option<Hop> {
    let host = outbound.host.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = host.parse().ok()?;
    let transport = outbound.transport.unwrap_or(Transport::Udp);
    let port = outbound.port.unwrap_or(default_port(transport));
    Some(Hop { transport, address: SocketAddr::new(address, port), priority: 0, weight: 0 })
}
