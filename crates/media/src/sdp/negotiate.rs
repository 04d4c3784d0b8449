//! What we take of an offer, and what follows from it for the leg.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::parse::{Address, Line};
use super::{Local, SdpError, Srtp};
use crate::command::{Direction, Flow};
use crate::srtp::Security;

/// Lowest port that media may be sent to (reliability.md S33).
const LOWEST_PORT: u16 = 1024;
/// Length of packets where the peer asks for none, or for one that we do not make, milliseconds.
const PTIME: u32 = 20;

/// Returns the index of the line that we take: the first that is protected, else the first.
///
/// # Errors
/// [`SdpError::NoCommonCodec`], or that no line has the protection that is wanted.
pub(super) fn choose(lines: &[Line], srtp: Srtp<'_>) -> Result<usize, SdpError> {
    let takes = |line: &&(usize, &Line)| protects(line.1, srtp).is_ok();
    let lines: Vec<_> = lines.iter().enumerate().filter(|(_, line)| speaks(line)).collect();
    let first = lines.first().ok_or(SdpError::NoCommonCodec)?;
    let protected = lines.iter().find(|line| takes(line) && secures(line.1, srtp));
    if let Some((index, _)) = protected.or_else(|| lines.iter().find(takes)) {
        return Ok(*index);
    }
    protects(first.1, srtp).map(|()| first.0)
}

/// Whether a line is audio in a codec of ours, and not given up.
pub(super) fn speaks(line: &Line) -> bool {
    line.media.eq_ignore_ascii_case("audio")
        && (is_plain(line) || is_protected(line))
        && line.port != 0
        && line.ports == 1
        && !line.codecs.is_empty()
}

/// Whether a line has the protection that is wanted.
///
/// # Errors
/// [`SdpError::Unprotected`], [`SdpError::Unprotectable`].
pub(super) fn protects(line: &Line, srtp: Srtp<'_>) -> Result<(), SdpError> {
    let keyed = !line.cryptos.is_empty();
    match srtp {
        Srtp::Off if is_protected(line) => Err(SdpError::Unprotectable),
        Srtp::Optional(_) if is_protected(line) && !keyed => Err(SdpError::Unprotectable),
        Srtp::Mandatory(_) if is_plain(line) || !keyed => Err(SdpError::Unprotected),
        Srtp::Off | Srtp::Optional(_) | Srtp::Mandatory(_) => Ok(()),
    }
}

/// Whether media of a line would be protected.
fn secures(line: &Line, srtp: Srtp<'_>) -> bool {
    srtp.keys().is_some() && !line.cryptos.is_empty()
}

fn is_plain(line: &Line) -> bool {
    line.transport.eq_ignore_ascii_case("RTP/AVP")
}

fn is_protected(line: &Line) -> bool {
    line.transport.eq_ignore_ascii_case("RTP/SAVP")
}

/// Returns both keys: the first of theirs that we can use, and ours of the same suite.
fn security(line: &Line, srtp: Srtp<'_>) -> Option<Security> {
    let (keys, crypto) = (srtp.keys()?, line.cryptos.first()?);
    let outbound = keys.of(crypto.keying.suite()).clone();
    Some(Security { inbound: crypto.keying.clone(), outbound })
}

/// Returns what a leg does under the peer's line.
///
/// # Errors
/// [`SdpError::ForbiddenAddress`], or [`SdpError::Malformed`] when the line has no address.
pub(super) fn flow(line: &Line, local: &Local<'_>) -> Result<Flow, SdpError> {
    let codec = *line.codecs.first().ok_or(SdpError::NoCommonCodec)?;
    let ip = match line.address {
        Address::Absent => return Err(SdpError::Malformed { offset: line.offset }),
        Address::Foreign => return Err(SdpError::ForbiddenAddress),
        Address::Ip(ip) => ip,
    };
    let remote = SocketAddr::new(ip, line.port);
    // The hold of RFC 2543: nothing is sent, neither RTP nor RTCP (RFC 3264 §8.4).
    let nowhere = ip.is_unspecified();
    if !nowhere && !permitted(remote, local) {
        return Err(SdpError::ForbiddenAddress);
    }
    Ok(Flow {
        codec,
        ptime: Duration::from_millis(ptime(line).into()),
        digits_in: line.digits.filter(|_| local.events),
        comfort_noise: line.comfort_noise,
        remote,
        remote_rtcp: rtcp(line, ip).filter(|to| !nowhere && permitted(*to, local)),
        direction: direction(line.direction, nowhere),
        held: nowhere || matches!(line.direction, Direction::SendOnly | Direction::Inactive),
        sources: local.media.to_vec(),
        security: security(line, local.srtp),
    })
}

/// Turns the peer's direction into ours (RFC 3264 §6.1).
fn direction(theirs: Direction, nowhere: bool) -> Direction {
    match (theirs, nowhere) {
        (Direction::SendRecv, false) => Direction::SendRecv,
        (Direction::RecvOnly, false) => Direction::SendOnly,
        (Direction::SendRecv, true) | (Direction::SendOnly, _) => Direction::RecvOnly,
        (Direction::RecvOnly, true) | (Direction::Inactive, _) => Direction::Inactive,
    }
}

/// Returns the length of our packets in milliseconds: what they ask for if it is 10 to 60 in tens,
/// else 20, and never above what they can take.
fn ptime(line: &Line) -> u32 {
    let makes = |ptime: &u32| (10..=60).contains(ptime) && ptime.is_multiple_of(10);
    let asked = line.ptime.filter(makes).unwrap_or(PTIME);
    let most = line.maxptime.map_or(60, |most| most.clamp(10, 60) / 10 * 10);
    asked.min(most)
}

/// Returns where RTCP goes: where `a=rtcp` says, else one port above (RFC 3605). RTCP that we may
/// not send there is not sent; the call does not depend on it.
fn rtcp(line: &Line, ip: IpAddr) -> Option<SocketAddr> {
    match line.rtcp {
        None => Some(SocketAddr::new(ip, line.port.checked_add(1)?)),
        Some((port, None)) => Some(SocketAddr::new(ip, port)),
        Some((port, Some(Address::Ip(elsewhere)))) => Some(SocketAddr::new(elsewhere, port)),
        Some((_, Some(Address::Absent | Address::Foreign))) => None,
    }
}

/// Whether media may go there (reliability.md S33).
fn permitted(remote: SocketAddr, local: &Local<'_>) -> bool {
    let ip = remote.ip();
    remote.port() >= LOWEST_PORT
        && is_unicast(ip)
        && (local.loopback || !ip.is_loopback())
        && ip.is_ipv4() == local.address.is_ipv4()
        && !is_ours(remote, local)
        && local.media.iter().any(|prefix| prefix.contains(ip))
}

/// Whether an address is a single host's beyond this link, or loopback.
fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        // "This network", 0.0.0.0/8, and the reserved 240.0.0.0/4 with broadcast in it.
        IpAddr::V4(ip) if matches!(ip.octets()[0], 0 | 240..=255) => false,
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// Whether media would come back to us. Where loopback is allowed, peers share our address, and
/// only the leg's own ports are ours.
fn is_ours(remote: SocketAddr, local: &Local<'_>) -> bool {
    let leg = local.address.port();
    let own_port = remote.port() == leg || Some(remote.port()) == leg.checked_add(1);
    remote.ip() == local.address.ip() && (!local.loopback || own_port)
}
