//! Where a trunk is (RFC 3263): by NAPTR, SRV and addresses, as far as the configuration leaves it open.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};
use model::{Outbound, Transport};
use net::resolve::{Answer, Data, Kind, Missing, Names};

/// Most addresses that are looked at.
const MOST: usize = 8;

/// Where it is, and by which transport it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) transport: Transport,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Looks a trunk up.
///
/// # Errors
/// If no name server answers, or none knows it.
pub(super) async fn find(outbound: &Outbound, servers: &[SocketAddr]) -> Result<Found> {
    let transport = outbound.transport.unwrap_or_default();
    let host = outbound.host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, outbound.port.unwrap_or(usual_port(transport)));
        return Ok(Found { transport, addresses: vec![address] });
    }
    let names = Names::new(servers).map_err(anyhow::Error::msg).context("name servers")?;
    if let Some(port) = outbound.port {
        return Ok(Found { transport, addresses: hosts(&names, host, port).await? });
    }
    let (transport, service) = match outbound.transport {
        Some(transport) => (transport, service(transport, host)),
        None => advised(&names, host).await,
    };
    let mut services: Vec<(u16, u16, u16, String)> = Vec::new();
    for answer in names.lookup(&service, Kind::Srv).await.unwrap_or_default() {
        if let Data::Srv(priority, weight, port, target) = answer.data {
            services.push((priority, u16::MAX - weight, port, target));
        }
    }
    services.sort();
    let mut addresses = Vec::new();
    for (_, _, port, target) in services.iter().take(MOST) {
        addresses.extend(hosts(&names, target, *port).await.unwrap_or_default());
    }
    if services.is_empty() {
        addresses = hosts(&names, host, usual_port(transport)).await?;
    }
    if addresses.is_empty() {
        bail!("the name servers know services of {host}, but none of their addresses");
    }
    addresses.truncate(MOST);
    Ok(Found { transport, addresses })
}

/// The port of a transport where none is said.
pub(super) const fn usual_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5_060,
        Transport::Tls => 5_061,
    }
}

fn service(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tcp => format!("_sip._tcp.{host}"),
        Transport::Tls => format!("_sips._tcp.{host}"),
    }
}

/// What NAPTR says; datagrams if it says nothing.
async fn advised(names: &Names, host: &str) -> (Transport, String) {
    let known = names.lookup(host, Kind::Naptr).await.unwrap_or_default();
    best(known).unwrap_or_else(|| (Transport::Udp, service(Transport::Udp, host)))
}

fn best(records: Vec<Answer>) -> Option<(Transport, String)> {
    let read = |answer: Answer| match answer.data {
        Data::Naptr(order, preference, _, services, replacement) => {
            let transport = match services.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => return None,
            };
            Some(((order, preference), transport, replacement))
        }
        Data::Srv(..) | Data::Address(_) => None,
    };
    let best = records.into_iter().filter_map(read).min_by_key(|(rank, ..)| *rank);
    best.map(|(_, transport, replacement)| (transport, replacement))
}

async fn hosts(names: &Names, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    let mut failed = false;
    for kind in [Kind::A, Kind::Aaaa] {
        match names.lookup(host, kind).await {
            Ok(answers) => {
                addresses.extend(answers.iter().filter_map(|answer| match answer.data {
                    Data::Address(ip) => Some(SocketAddr::new(ip, port)),
                    Data::Naptr(..) | Data::Srv(..) => None,
                }))
            }
            Err(Missing::Failed) => failed = true,
            Err(Missing::Nothing(_)) => {}
        }
    }
    match (addresses.is_empty(), failed) {
        (false, _) => Ok(addresses),
        (true, true) => bail!("no name server says where {host} is"),
        (true, false) => bail!("the name servers know no address of {host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_service_that_we_speak_is_chosen() {
        let record = |order, services: &str, replacement: &str| Answer {
            ttl_secs: 60,
            data: Data::Naptr(order, 0, "s".into(), services.into(), replacement.into()),
        };
        let all = vec![
            record(1, "SIP+D2S", "_sip._sctp.h"),
            record(30, "SIP+D2U", "_sip._udp.h"),
            record(20, "SIPS+D2T", "_sips._tcp.h"),
        ];
        assert_eq!(best(all), Some((Transport::Tls, "_sips._tcp.h".to_owned())));
        assert_eq!(best(Vec::new()), None);
    }

    #[tokio::test]
    async fn an_address_needs_no_name_server() {
        let routing = model::Routing::default();
        let mut outbound =
            Outbound { transport: Some(Transport::Tls), routing, ..Outbound::to("[2001:db8::1]") };
        let found = find(&outbound, &[]).await.unwrap();
        assert_eq!(found.addresses, ["[2001:db8::1]:5061".parse().unwrap()]);
        outbound.port = Some(5_099);
        assert_eq!(find(&outbound, &[]).await.unwrap().addresses[0].port(), 5_099);
    }
}
