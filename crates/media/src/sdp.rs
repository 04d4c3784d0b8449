//! Offer and answer (RFC 3264) for one audio stream.

use std::net::SocketAddr;

use bytes::Bytes;
use model::IpPrefix;

use crate::command::Flow;

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
    /// Whether loopback addresses are allowed (reliability.md S33).
    pub loopback: bool,
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
}

/// Answers an offer.
///
/// # Errors
/// [`SdpError`]; the call is then refused.
pub fn answer(_offer: &[u8], _local: &Local<'_>) -> Result<Agreed, SdpError> {
    unimplemented!()
}

/// Makes our offer, for an INVITE or re-INVITE that came without one.
#[must_use]
pub fn offer(_local: &Local<'_>) -> Bytes {
    unimplemented!()
}

/// Reads the answer to our [`offer`].
///
/// # Errors
/// [`SdpError`]; the call is then ended.
pub fn accept(_answer: &[u8], _local: &Local<'_>) -> Result<Flow, SdpError> {
    unimplemented!()
}
