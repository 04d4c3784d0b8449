//! Offer and answer (RFC 3264) for one audio stream.
//!
//! We speak PCMU and PCMA over RTP/AVP, or RTP/SAVP keyed by SDP (RFC 4568), with telephone-event
//! (RFC 4733) and take comfort noise (RFC 3389). Every other line of an offer is declined, in its place. Only static payload types
//! name the two laws; ICE, bundles and multiplexed RTCP are declined by silence.

mod negotiate;
mod parse;
mod write;

use std::net::SocketAddr;

use bytes::Bytes;
use model::IpPrefix;

use crate::command::Flow;
use crate::srtp::{Crypto, Keying, Suite};

/// Our keys for one call, one for each suite; the same in every offer and answer of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKeys {
    galois: Keying,
    counter: Keying,
}

impl OwnKeys {
    /// Makes the keys of random bytes.
    #[must_use]
    pub fn new(random: [[u8; Keying::BYTES]; 2]) -> Self {
        let [galois, counter] = random;
        Self {
            galois: Keying::new(Suite::AeadAes128Gcm, galois),
            counter: Keying::new(Suite::AesCm128HmacSha1Tag80, counter),
        }
    }

    const fn of(&self, suite: Suite) -> &Keying {
        match suite {
            Suite::AeadAes128Gcm => &self.galois,
            Suite::AesCm128HmacSha1Tag80 => &self.counter,
        }
    }
}

/// Whether media is protected. Keys stand in SDP, so whoever says more than [`Srtp::Off`] has seen
/// to it that the signalling is (reliability.md S21).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Srtp<'a> {
    /// Plain RTP alone.
    #[default]
    Off,
    /// Protected wherever the peer can, else plain. Our offer is RTP/AVP with keys, which a peer that
    /// knows none passes over.
    Optional(&'a OwnKeys),
    /// Protected, or not at all.
    Mandatory(&'a OwnKeys),
}

impl<'a> Srtp<'a> {
    const fn keys(self) -> Option<&'a OwnKeys> {
        match self {
            Self::Off => None,
            Self::Optional(keys) | Self::Mandatory(keys) => Some(keys),
        }
    }
}

/// What we bring to an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local<'a> {
    /// Advertised address and RTP port (even; RTCP is one above).
    pub address: SocketAddr,
    /// Session id of the `o=` line, constant over a call.
    pub session: u64,
    /// Version of the `o=` line; grows by one each time our SDP changes.
    pub version: u64,
    /// Where the trunk's media may live.
    pub media: &'a [IpPrefix],
    /// Whether telephone-events are agreed on.
    pub events: bool,
    /// Whether loopback addresses are allowed (reliability.md S33).
    pub loopback: bool,
    /// Whether media is protected.
    pub srtp: Srtp<'a>,
}

impl Local<'_> {
    /// Payload type of telephone-event in our own offers.
    pub const DIGITS: u8 = 101;
}

/// An answered offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Our SDP.
    pub body: Bytes,
    /// What the leg does from here on.
    pub flow: Flow,
}

/// Why there is no agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Not SDP, or beyond our limits: 400.
    #[error("malformed SDP at byte {offset}")]
    Malformed {
        /// Where reading stopped.
        offset: usize,
    },
    /// No audio line, or no codec that we speak: 488.
    #[error("no common codec")]
    NoCommonCodec,
    /// The media address is loopback, link-local, multicast, broadcast, one of ours, or outside
    /// the trunk's media prefixes; or the port is below 1024: 488 (reliability.md S33).
    #[error("forbidden media address")]
    ForbiddenAddress,
    /// Protection is demanded and the peer brings none that we can do: 488.
    #[error("no common protection: SRTP by SDES over TLS is required here")]
    Unprotected,
    /// The peer demands protection, which is off here, or brings none that we can do: 488.
    #[error("protection is demanded that is not to be had here")]
    Unprotectable,
}

/// Answers an offer. The first line that we can take is taken, at the first codec of theirs that
/// we speak; every other line is declined by port 0.
///
/// # Errors
/// [`SdpError`]; the call is then refused.
pub fn answer(offer: &[u8], local: &Local<'_>) -> Result<Agreed, SdpError> {
    let offer = parse::description(offer)?;
    let chosen = negotiate::choose(&offer.lines, local.srtp)?;
    let flow = negotiate::flow(&offer.lines[chosen], local)?;
    let body = write::answer(&offer, chosen, &flow, local);
    Ok(Agreed { body, flow })
}

/// Makes our offer, for an INVITE or re-INVITE that came without one.
#[must_use]
pub fn offer(local: &Local<'_>) -> Bytes {
    write::offer(local)
}

/// Reads the answer to our [`offer`].
///
/// # Errors
/// [`SdpError`]; the call is then ended.
pub fn accept(answer: &[u8], local: &Local<'_>) -> Result<Flow, SdpError> {
    let answer = parse::description(answer)?;
    let line = answer.lines.first().filter(|line| negotiate::speaks(line));
    let line = line.ok_or(SdpError::NoCommonCodec)?;
    negotiate::protects(line, local.srtp)?;
    let offered = |crypto: &Crypto| write::tag(crypto.keying.suite()) == crypto.tag;
    if line.cryptos.first().is_some_and(|crypto| !offered(crypto)) {
        return Err(SdpError::Unprotectable);
    }
    let mut flow = negotiate::flow(line, local)?;
    // What comes to us bears the number of our offer, whatever they want to receive themselves.
    flow.digits_in = flow.digits_in.map(|_| Local::DIGITS);
    Ok(flow)
}
