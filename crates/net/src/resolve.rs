//! Questions to name servers. What to make of the answers is decided elsewhere; nothing is cached
//! here, since how long an answer holds is part of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

/// How long one server may think.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RFC 3403.
    Naptr,
    /// RFC 2782.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How long it holds, seconds.
    pub ttl_secs: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Order, preference, flags, services, replacement.
    Naptr(u16, u16, String, String, String),
    /// Priority, weight, port, target.
    Srv(u16, u16, u16, String),
    /// An address.
    Address(IpAddr),
}

/// Why there are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The name has none of that kind, and for how long that holds, seconds, if it was said.
    Nothing(Option<u32>),
    /// No server answered, or none could.
    Failed,
}

/// Asks name servers.
#[derive(Debug, Clone)]
pub struct Names {
    resolver: TokioResolver,
}

impl Names {
    /// Asks these servers; the system's where there are none.
    ///
    /// # Errors
    /// [`io::Error`], which says what is wrong with the system's settings.
    pub fn new(servers: &[SocketAddr]) -> io::Result<Self> {
        let builder = if servers.is_empty() {
            Resolver::builder_tokio().map_err(io::Error::other)?
        } else {
            let servers = servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let mut options = ResolverOpts::default();
        options.timeout = PATIENCE;
        options.attempts = 2;
        options.cache_size = 0;
        let resolver = builder.with_options(options).build().map_err(io::Error::other)?;
        Ok(Self { resolver })
    }

    /// Asks for one kind of records of a name, which is taken as it is: no domain is added.
    ///
    /// # Errors
    /// [`Missing`] tells whether anybody knows.
    pub async fn lookup(&self, name: &str, kind: Kind) -> Result<Vec<Answer>, Missing> {
        let whole = format!("{}.", name.trim_end_matches('.'));
        let wanted = match kind {
            Kind::Naptr => RecordType::NAPTR,
            Kind::Srv => RecordType::SRV,
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
        };
        let found = self.resolver.lookup(whole, wanted).await.map_err(|error| missing(&error))?;
        let records = found
            .answers()
            .iter()
            .filter_map(|record| Some(Answer { ttl_secs: record.ttl, data: data(&record.data)? }));
        Ok(records.collect())
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn missing(error: &NetError) -> Missing {
    if let NetError::Dns(DnsError::NoRecordsFound(nothing)) = error {
        return Missing::Nothing(nothing.negative_ttl);
    }
    Missing::Failed
}

/// `None` for a kind that was not asked for: aliases on the way.
fn data(data: &RData) -> Option<Data> {
    if let RData::A(address) = data {
        return Some(Data::Address(IpAddr::V4(address.0)));
    }
    if let RData::AAAA(address) = data {
        return Some(Data::Address(IpAddr::V6(address.0)));
    }
    if let RData::SRV(srv) = data {
        let target = host(&srv.target.to_ascii());
        return Some(Data::Srv(srv.priority, srv.weight, srv.port, target));
    }
    if let RData::NAPTR(naptr) = data {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (flags, services) = (text(&naptr.flags), text(&naptr.services));
        let replacement = host(&naptr.replacement.to_ascii());
        return Some(Data::Naptr(naptr.order, naptr.preference, flags, services, replacement));
    }
    None
}

fn host(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
