//! What the shell tells of streams and of names, and what it is asked for. A connection is a stream
//! under one name, TCP or TLS as its listener is.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use model::TrunkId;

use crate::trouble::Distrust;

/// Names a connection for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionId {
    /// We opened it; numbered by the endpoint.
    Ours(u64),
    /// A peer opened it; numbered by the shell.
    Theirs(u64),
}

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionInput {
    /// A peer opened it. Nothing is read from it, and no handshake begun, before
    /// [`ConnectionOutput::Admit`].
    Arrived {
        /// At which listener.
        listener: u8,
        /// From where.
        source: SocketAddr,
    },
    /// It can carry messages: TCP is through, the TLS handshake done.
    Ready {
        /// DNS names and URIs of the peer's verified certificate; none without one.
        names: Vec<String>,
    },
    /// Bytes came.
    Received {
        /// Some of them: messages may be split and joined at will.
        payload: Bytes,
    },
    /// It is no more, or never was. Not told of what the endpoint itself closed.
    Closed(Closure),
}

/// Why a connection is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closure {
    /// The peer closed it, or the network did.
    Ended,
    /// It could not be opened.
    Refused,
    /// It took too long to open.
    TimedOut,
    /// The TLS handshake failed, its certificate above all.
    Handshake(Distrust),
    /// The peer reads too slowly: what waits to be written is too much.
    Slow,
}

/// What the shell shall do with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionOutput {
    /// Open it. What is sent meanwhile waits for it.
    Open {
        /// From the address of which listener, and with its transport.
        listener: u8,
        /// To where.
        destination: SocketAddr,
        /// For which trunk: its certificates are used and asked for.
        trunk: Option<TrunkId>,
        /// The name that the peer's certificate must have, TLS only.
        name: String,
    },
    /// Read from it; on a TLS listener, begin the handshake.
    Admit,
    /// Close it once everything sent is written.
    Close,
}

/// What is asked of the name servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
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
pub struct Record {
    /// How long it holds, seconds.
    pub ttl_secs: u32,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordData {
    /// NAPTR (RFC 3403 §4.1).
    Naptr {
        /// Lowest first.
        order: u16,
        /// Lowest first among equal orders.
        preference: u16,
        /// `s` leads to SRV records.
        flags: String,
        /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
        services: String,
        /// Where to look next.
        replacement: String,
    },
    /// SRV (RFC 2782).
    Srv {
        /// Lowest first.
        priority: u16,
        /// Share among equal priorities.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: String,
    },
    /// A or AAAA.
    Address(IpAddr),
}

/// Why there are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfound {
    /// The name has none of that kind, and for how long that holds, seconds, if it was said
    /// (RFC 2308).
    Nothing {
        /// How long.
        ttl_secs: Option<u32>,
    },
    /// No name server answered, or none could.
    Failed,
}
