//! Who knocks without being on the allow-list, how often, and who is not heard any more because of
//! it (reliability.md S5). A ban saves work, it does not protect: strangers get no byte in any case.
//!
//! Whoever sends from an address of a trunk is no stranger here, whatever else is wrong with them: a
//! source address is easily forged on datagrams, and nobody shall have a trunk banned.
//!
//! Both tables are bounded: a flood from forged sources pushes out the oldest entry, at the cost of a
//! look into an ordered table, whatever their number.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use model::{Instant, limits};

use crate::endpoint::{Counted, Endpoint};

/// When a stranger is banned, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many requests or connections are looked at, one more bans their source; 0 bans nobody.
    pub requests: u32,
    /// Within so long from the first one.
    pub window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
}

impl Default for Patience {
    /// 16 in 2 s, 300 s.
    fn default() -> Self {
        let (window, ban) = (Duration::from_secs(2), Duration::from_secs(300));
        Self { requests: 16, window, ban }
    }
}

/// A source that is not heard any more, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// An IPv4 address, or the first address of an IPv6 network of 64 bits.
    pub source: IpAddr,
    /// How long it goes on.
    pub left: Duration,
    /// What came from there meanwhile and was not looked at.
    pub dropped: u64,
}

/// Every stranger that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    counted: Table<u32>,
    /// Each with what was dropped; the moment is the ban's end.
    banned: Table<u64>,
}

/// Entries by source, and in the order of their moments.
#[derive(Debug)]
struct Table<T> {
    entries: BTreeMap<IpAddr, (Instant, T)>,
    order: BTreeSet<(Instant, IpAddr)>,
}

impl Strangers {
    /// Whether a source is banned. Counts what is dropped.
    fn shuns(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.banned.entries.is_empty() {
            return false;
        }
        let source = network(source);
        match self.banned.entries.get_mut(&source) {
            Some((until, dropped)) if now < *until => {
                *dropped += 1;
                true
            }
            Some(_) => {
                self.banned.remove(source);
                false
            }
            None => false,
        }
    }

    /// Counts a request; returns whether it is the one that bans its source.
    fn struck(&mut self, source: IpAddr, patience: Patience, now: Instant) -> bool {
        if patience.requests == 0 {
            return false;
        }
        let source = network(source);
        let begun = self.counted.entries.get_mut(&source);
        let Some((_, count)) = begun.filter(|(since, _)| now < *since + patience.window) else {
            self.counted.put(source, now, 1);
            return false;
        };
        *count += 1;
        if *count <= patience.requests {
            return false;
        }
        self.counted.remove(source);
        self.banned.put(source, now + patience.ban, 0);
        true
    }

    fn bans(&self, now: Instant) -> Vec<Ban> {
        let entries = self.banned.entries.iter();
        let live = entries.filter(|(_, (until, _))| now < *until);
        live.map(|(source, (until, dropped))| Ban {
            source: *source,
            left: until.since(now),
            dropped: *dropped,
        })
        .collect()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<T> Table<T> {
    /// Replaces an entry. A full table lets go of the one whose moment is earliest.
    fn put(&mut self, source: IpAddr, at: Instant, what: T) {
        self.remove(source);
        if self.entries.len() >= limits::STRANGERS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.entries.insert(source, (at, what));
        self.order.insert((at, source));
    }

    fn remove(&mut self, source: IpAddr) {
        if let Some((at, _)) = self.entries.remove(&source) {
            self.order.remove(&(at, source));
        }
    }
}

impl Endpoint {
    /// Whether a source is banned: whatever comes from there need not be handed in. Asked for each
    /// datagram before anything else is done with it, which is noted.
    pub fn shuns(&mut self, source: IpAddr, now: Instant) -> bool {
        self.strangers.shuns(source, now)
    }

    /// Returns every source that is banned, in the order of addresses.
    #[must_use]
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        self.strangers.bans(now)
    }

    /// A request, or a connection, came from outside the allow-list of its listener.
    pub(crate) fn stranger(&mut self, source: IpAddr, now: Instant) {
        if self.strangers.shuns(source, now) {
            return self.count(Counted::Shunned);
        }
        self.count(Counted::Stranger);
        if !self.trunks.meets(source) && self.strangers.struck(source, self.settings.patience, now)
        {
            self.count(Counted::Banned);
        }
    }

    /// Hears everybody again whom the allow-list names by now.
    pub(crate) fn pardon(&mut self) {
        let all: Vec<IpAddr> = self.strangers.banned.entries.keys().copied().collect();
        for source in all.into_iter().filter(|source| self.trunks.meets(*source)) {
            self.strangers.banned.remove(source);
        }
    }
}

/// Bits of an IPv6 address that name a source: whoever has one address of the network has them all.
const PREFIX: u8 = 64;

/// Returns what stands for a source.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        four @ IpAddr::V4(_) => four,
        IpAddr::V6(six) => {
            Ipv6Addr::from_bits(six.to_bits() >> (128 - PREFIX) << (128 - PREFIX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::record::Trunk;
    use model::{Now, Transport, UnixTime};

    use super::*;
    use crate::endpoint::{Command, Event, Input, Listener, Output, Settings};
    use crate::trunk::tests::trunk;

    const PATIENCE: Patience =
        Patience { requests: 16, window: Duration::from_secs(2), ban: Duration::from_secs(300) };

    #[test]
    fn the_seventeenth_request_in_two_seconds_bans_for_five_minutes() {
        let mut strangers = Strangers::default();
        let source = address("192.0.2.9");
        let mut knock = |millis| strangers.struck(source, PATIENCE, at(millis));
        assert!((0..16).all(|n| !knock(n * 100)));
        assert!(knock(1_999));
        assert!(strangers.shuns(source, at(2_000)));
        assert!(!strangers.shuns(address("192.0.2.10"), at(2_000)));
        assert!(strangers.shuns(source, at(301_998)));
        let left = Duration::from_millis(1);
        assert_eq!(strangers.bans(at(301_998)), [Ban { source, left, dropped: 2 }]);
        assert!(!strangers.shuns(source, at(301_999)));
        assert_eq!(strangers.bans(at(301_999)), []);
    }

    #[test]
    fn who_knocks_slowly_is_never_banned() {
        let mut strangers = Strangers::default();
        let source = address("192.0.2.9");
        assert!((0..1_000).all(|n| !strangers.struck(source, PATIENCE, at(n * 125))));
    }

    #[test]
    fn without_patience_to_lose_nobody_is_banned() {
        let mut strangers = Strangers::default();
        let never = Patience { requests: 0, ..PATIENCE };
        assert!((0..1_000).all(|_| !strangers.struck(address("192.0.2.9"), never, at(0))));
    }

    #[test]
    fn addresses_of_one_network_of_64_bits_are_one_source() {
        let mut strangers = Strangers::default();
        for host in 0..17 {
            strangers.struck(address(&format!("2001:db8:0:7::{host:x}")), PATIENCE, at(0));
        }
        assert!(strangers.shuns(address("2001:db8:0:7:ffff::1"), at(1)));
        assert!(!strangers.shuns(address("2001:db8:0:8::1"), at(1)));
    }

    #[test]
    fn a_mapped_address_is_the_one_it_maps() {
        let mut strangers = Strangers::default();
        for _ in 0..17 {
            strangers.struck(address("::ffff:192.0.2.9"), PATIENCE, at(0));
        }
        assert!(strangers.shuns(address("192.0.2.9"), at(1)));
    }

    #[test]
    fn a_million_forged_sources_leave_tables_of_the_same_size_and_the_oldest_goes_first() {
        let mut strangers = Strangers::default();
        let first = address("10.0.0.0");
        for number in 0..1_000_000_u32 {
            let source = std::net::Ipv4Addr::from_bits((10 << 24) + number).into();
            assert!(!strangers.struck(source, PATIENCE, at(u64::from(number) / 1_000)));
        }
        assert_eq!(strangers.counted.entries.len(), limits::STRANGERS);
        assert_eq!(strangers.counted.order.len(), limits::STRANGERS);
        assert!(!strangers.counted.entries.contains_key(&first));
        assert_eq!(strangers.bans(at(1_000)), []);
    }

    #[test]
    fn a_full_table_of_bans_lets_go_of_the_one_that_would_end_first() {
        let mut strangers = Strangers::default();
        let source = |number: usize| -> IpAddr {
            std::net::Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into()
        };
        for number in 0..=limits::STRANGERS {
            for _ in 0..17 {
                strangers.struck(source(number), PATIENCE, at(u64::try_from(number).unwrap()));
            }
        }
        let now = at(10_000);
        assert_eq!(strangers.bans(now).len(), limits::STRANGERS);
        assert!(!strangers.shuns(source(0), now) && strangers.shuns(source(1), now));
    }

    #[test]
    fn an_address_of_a_trunk_is_never_banned_even_where_it_may_not_speak() {
        let bound = Trunk { listener: Some(1), ..trunk("bound", "192.0.2.7/32") };
        let six = Trunk { listener: Some(1), ..trunk("six", "2001:db8::7/128") };
        let mut endpoint = listening(vec![bound, six]);
        let forged = ["192.0.2.7:5060", "[2001:db8::7]:5060", "[2001:db8::8]:5060"];
        for source in forged {
            assert_eq!(knocks(&mut endpoint, source), [Counted::Stranger; 100]);
        }
        assert_eq!(endpoint.bans(at(0)), []);
    }

    #[test]
    fn a_source_that_becomes_a_trunk_is_heard_again() {
        let mut endpoint = listening(Vec::new());
        let counted = knocks(&mut endpoint, "192.0.2.7:5060");
        assert_eq!(counted.iter().filter(|what| **what == Counted::Shunned).count(), 83);
        knocks(&mut endpoint, "192.0.2.9:5060");
        assert!(endpoint.shuns(address("192.0.2.7"), at(1)));
        let trunks = Command::Trunks(vec![trunk("new", "192.0.2.7/32")]);
        endpoint.handle_input(Input::Command(trunks), now());
        assert!(!endpoint.shuns(address("192.0.2.7"), at(1)));
        assert!(endpoint.shuns(address("192.0.2.9"), at(1)));
    }

    fn listening(trunks: Vec<Trunk>) -> Endpoint {
        let advertised = "198.51.100.1:5060".parse().unwrap();
        let transport = Transport::Udp;
        let mut endpoint = Endpoint::new(Settings {
            seed: [1; 32],
            listeners: vec![Listener { advertised, transport, keep_alive: true }; 2],
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
            patience: Patience::default(),
        });
        endpoint.handle_input(Input::Command(Command::Trunks(trunks)), now());
        endpoint
    }

    /// Sends a hundred datagrams to the first listener; returns what was counted.
    fn knocks(endpoint: &mut Endpoint, source: &str) -> Vec<Counted> {
        let source = source.parse().unwrap();
        for _ in 0..100 {
            let payload = Bytes::from_static(b"OPTIONS sip:a SIP/2.0\r\n\r\n");
            endpoint.handle_input(Input::Datagram { listener: 0, source, payload }, now());
        }
        let outputs = std::iter::from_fn(|| endpoint.poll_output());
        outputs
            .map(|output| {
                let Output::Event(Event::Counted(what)) = output else {
                    panic!("a stranger got {output:?}");
                };
                what
            })
            .filter(|what| *what != Counted::Banned)
            .collect()
    }

    fn now() -> Now {
        Now { mono: Instant::START, unix: UnixTime { micros: 0 } }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }
}
