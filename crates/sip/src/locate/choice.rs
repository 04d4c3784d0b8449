//! From a name to addresses (RFC 3263 §4): NAPTR chooses the transport, SRV host and port, A and
//! AAAA the address. A pure search: questions out, answers in.

use std::net::{IpAddr, SocketAddr};

use model::Transport;

use super::Place;
use crate::chance::Chance;
use crate::connection::{Record, RecordData, RecordKind, Unfound};
use crate::transport::default_port;

/// Most services, hosts and addresses that one name may lead to.
const MOST: usize = 8;

/// One address to try, with its place among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    /// Lowest first.
    pub(crate) priority: u32,
    /// Share among equal priorities.
    pub(crate) weight: u16,
}

/// A question: its number, the name, what of it.
pub(crate) type Question = (u64, String, RecordKind);

/// Where a search stands.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More is asked.
    Asking(Search, Vec<Question>),
    /// The addresses, and how long they hold; none if the name leads nowhere.
    Done { hops: Vec<Hop>, ttl_secs: Option<u32> },
    /// The name servers are silent.
    Failed,
}

/// A search that is under way.
#[derive(Debug)]
pub(crate) struct Search {
    host: String,
    port: Option<u16>,
    spoken: Vec<Transport>,
    /// Without NAPTR: the transport that was set, or those that we speak.
    wanted: Vec<Transport>,
    open: Vec<(u64, Aim)>,
    last: u64,
    /// Whether SRV records were found.
    served: bool,
    hops: Vec<Hop>,
    ttl_secs: Option<u32>,
    negative_secs: Option<u32>,
    failed: bool,
}

/// What an open question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Services,
    Hosts { transport: Transport, rank: u32 },
    Addresses { transport: Transport, port: u16, priority: u32, weight: u16 },
}

impl Search {
    /// Begins; questions are numbered from `first` on.
    pub(crate) fn begin(place: &Place, first: u64) -> (Self, Vec<Question>) {
        let wanted = place.transport.map_or_else(|| place.spoken.clone(), |one| vec![one]);
        let mut search = Self {
            host: place.host.clone(),
            port: place.port,
            spoken: place.spoken.clone(),
            wanted,
            open: Vec::new(),
            last: first.saturating_sub(1),
            served: false,
            hops: Vec::new(),
            ttl_secs: None,
            negative_secs: None,
            failed: false,
        };
        let questions = match (place.port, place.transport) {
            // A port that is set leaves nothing to SRV (RFC 3263 §4.2).
            (Some(_), _) => search.ask_host(),
            (None, Some(transport)) => vec![search.ask_hosts(transport, 0, None)],
            (None, None) => {
                let name = search.host.clone();
                vec![search.ask(name, RecordKind::Naptr, Aim::Services)]
            }
        };
        (search, questions)
    }

    /// Takes an answer; further questions are numbered after `last`.
    pub(crate) fn step(
        mut self,
        id: u64,
        answer: Result<Vec<Record>, Unfound>,
        last: u64,
    ) -> Progress {
        self.last = last;
        let Some(at) = self.open.iter().position(|(open, _)| *open == id) else {
            return Progress::Asking(self, Vec::new());
        };
        let (_, aim) = self.open.remove(at);
        let records = match answer {
            Ok(records) => records,
            Err(Unfound::Nothing { ttl_secs }) => {
                self.negative_secs = least(self.negative_secs, ttl_secs);
                Vec::new()
            }
            Err(Unfound::Failed) => {
                self.failed = true;
                Vec::new()
            }
        };
        for record in &records {
            self.ttl_secs = least(self.ttl_secs, Some(record.ttl_secs));
        }
        let mut questions = match aim {
            Aim::Services => self.on_services(&records),
            Aim::Hosts { transport, rank } => self.on_hosts(&records, transport, rank),
            Aim::Addresses { transport, port, priority, weight } => {
                let addresses = records.iter().filter_map(address);
                let hop = |ip| {
                    let address = SocketAddr::new(ip, port);
                    Hop { transport, address, priority, weight }
                };
                let room = MOST.saturating_sub(self.hops.len());
                self.hops.extend(addresses.map(hop).take(room));
                Vec::new()
            }
        };
        if self.open.is_empty() && !self.served && self.hops.is_empty() && aim_is_service(aim) {
            // No SRV either: the name itself (RFC 3263 §4.2).
            questions = self.ask_host();
        }
        self.progress(questions)
    }

    fn progress(mut self, questions: Vec<Question>) -> Progress {
        if !self.open.is_empty() {
            return Progress::Asking(self, questions);
        }
        if self.hops.is_empty() && self.failed {
            return Progress::Failed;
        }
        self.hops.sort_by_key(|hop| hop.priority);
        let ttl_secs = if self.hops.is_empty() { self.negative_secs } else { self.ttl_secs };
        Progress::Done { hops: self.hops, ttl_secs }
    }

    /// NAPTR: services that we speak, in order (RFC 3263 §4.1).
    fn on_services(&mut self, records: &[Record]) -> Vec<Question> {
        let mut services: Vec<_> = records.iter().filter_map(service).collect();
        services.retain(|(_, transport, _)| self.spoken.contains(transport));
        services.sort();
        services.truncate(MOST);
        if services.is_empty() {
            let wanted = std::mem::take(&mut self.wanted);
            return (0..).zip(wanted).map(|(at, one)| self.ask_hosts(one, at, None)).collect();
        }
        let mut questions = Vec::new();
        for (rank, (_, transport, replacement)) in (0..).zip(services) {
            questions.push(self.ask_hosts(transport, rank, Some(replacement)));
        }
        questions
    }

    /// SRV: hosts by priority and weight.
    fn on_hosts(&mut self, records: &[Record], transport: Transport, rank: u32) -> Vec<Question> {
        let mut questions = Vec::new();
        for record in records.iter().take(MOST) {
            let RecordData::Srv { priority, weight, port, target } = &record.data else { continue };
            self.served = true;
            if target.is_empty() {
                // "Decidedly not available" (RFC 2782).
                continue;
            }
            let priority = rank << 16 | u32::from(*priority);
            let aim = Aim::Addresses { transport, port: *port, priority, weight: *weight };
            questions.push(self.ask(target.clone(), RecordKind::A, aim));
            questions.push(self.ask(target.clone(), RecordKind::Aaaa, aim));
        }
        questions
    }

    /// The host's own addresses, by the first transport that may be.
    fn ask_host(&mut self) -> Vec<Question> {
        let spoken = self.wanted.first().or(self.spoken.first()).copied();
        let transport = spoken.unwrap_or(Transport::Udp);
        let port = self.port.unwrap_or(default_port(transport));
        let aim = Aim::Addresses { transport, port, priority: 0, weight: 0 };
        let host = self.host.clone();
        vec![self.ask(host.clone(), RecordKind::A, aim), self.ask(host, RecordKind::Aaaa, aim)]
    }

    fn ask_hosts(
        &mut self,
        transport: Transport,
        rank: u32,
        replacement: Option<String>,
    ) -> Question {
        let prefix = match transport {
            Transport::Udp => "_sip._udp.",
            Transport::Tcp => "_sip._tcp.",
            Transport::Tls => "_sips._tcp.",
        };
        let name = replacement.unwrap_or_else(|| format!("{prefix}{}", self.host));
        self.ask(name, RecordKind::Srv, Aim::Hosts { transport, rank })
    }

    fn ask(&mut self, name: String, kind: RecordKind, aim: Aim) -> Question {
        self.last += 1;
        self.open.push((self.last, aim));
        (self.last, name, kind)
    }
}

/// Orders addresses to try: by priority, equals drawn by weight (RFC 2782), so that each has its
/// share of being first.
pub(crate) fn drawn(hops: &[Hop], chance: &mut Chance) -> Vec<Hop> {
    let mut left = hops.to_vec();
    let mut order = Vec::with_capacity(left.len());
    while let Some(first) = left.iter().map(|hop| hop.priority).min() {
        let equals = || left.iter().enumerate().filter(|(_, hop)| hop.priority == first);
        let total: u32 = equals().map(|(_, hop)| u32::from(hop.weight)).sum();
        let mark = chance.up_to(total);
        let mut sum = 0;
        let chosen = equals().find(|(_, hop)| {
            sum += u32::from(hop.weight);
            sum >= mark
        });
        let Some((at, _)) = chosen else { break };
        order.push(left.remove(at));
    }
    order
}

const fn aim_is_service(aim: Aim) -> bool {
    match aim {
        Aim::Services | Aim::Hosts { .. } => true,
        Aim::Addresses { .. } => false,
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match record.data {
        RecordData::Address(address) => Some(address),
        RecordData::Naptr { .. } | RecordData::Srv { .. } => None,
    }
}

/// Reads a NAPTR record that leads to SRV records: its place, transport and next name.
fn service(record: &Record) -> Option<((u16, u16), Transport, String)> {
    let RecordData::Naptr { order, preference, flags, services, replacement } = &record.data else {
        return None;
    };
    let is = |name: &str| services.eq_ignore_ascii_case(name);
    let transport = if is("SIP+D2U") {
        Transport::Udp
    } else if is("SIP+D2T") {
        Transport::Tcp
    } else if is("SIPS+D2T") {
        Transport::Tls
    } else {
        return None;
    };
    let leads = flags.eq_ignore_ascii_case("s") && !replacement.is_empty();
    leads.then(|| ((*order, *preference), transport, replacement.clone()))
}

fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
