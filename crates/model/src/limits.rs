//! Every bound in the house that is not the operator's to set, in one place.

use std::time::Duration;

/// Largest SIP message read, bytes (reliability.md S19).
pub const SIP_MESSAGE_BYTES: usize = 65_535;
/// Longest header line, bytes.
pub const SIP_LINE_BYTES: usize = 8_192;
/// Most header fields in one message.
pub const SIP_HEADERS: usize = 128;
/// Most parts of a multipart body, and how deep they nest.
pub const BODY_PARTS: usize = 8;
/// Nesting of multipart bodies.
pub const BODY_DEPTH: usize = 2;
/// Most media lines in an SDP.
pub const SDP_MEDIA: usize = 16;
/// Most formats on one media line.
pub const SDP_FORMATS: usize = 64;
/// Most connections at once that carry SIP, opened or accepted.
pub const CONNECTIONS: usize = 4_096;
/// Most of them that one address may have opened.
pub const CONNECTIONS_PER_SOURCE: usize = 256;
/// Most sources off the allow-list that are counted, and as many that are banned.
pub const STRANGERS: usize = 4_096;
/// How long a message on a stream may take from its first byte to its last, and a new connection
/// until its first message is whole (reliability.md S20).
pub const HEADER: Duration = Duration::from_secs(10);
/// How long a connection may be silent that carries no dialog.
pub const IDLE: Duration = Duration::from_secs(120);
/// How long a connection may take to open.
pub const CONNECT: Duration = Duration::from_secs(4);
/// Longest request sent as a datagram where a stream may carry it, bytes (RFC 3261 §18.1.1).
pub const SIP_DATAGRAM_BYTES: usize = 1_300;
/// Round-trip estimate of RFC 3261 §17.1.1.1.
pub const SIP_T1: Duration = Duration::from_millis(500);
/// Longest retransmission interval of RFC 3261 §17.1.2.2.
pub const SIP_T2: Duration = Duration::from_secs(4);
/// Longest time a message stays in the network.
pub const SIP_T4: Duration = Duration::from_secs(5);
/// When an unanswered or unacknowledged message is given up: 64 × T1.
pub const SIP_GIVE_UP: Duration = Duration::from_secs(32);
/// Shortest session interval accepted, seconds (RFC 4028 §4).
pub const MIN_SE_SECS: u32 = 90;
/// Length of a mixer tick.
pub const TICK: Duration = Duration::from_millis(20);
/// Samples in a tick at 8 kHz.
pub const TICK_SAMPLES: usize = 160;
/// How long a freed RTP port rests before the next leg gets it.
pub const PORT_REST: Duration = Duration::from_secs(10);
/// Most callers at once who are refused and told why before the answer. Each holds a port pair and
/// a leg of the media plane for some seconds; whoever comes beyond is refused by code.
pub const EARLY_ANNOUNCEMENTS: usize = 100;
/// When a store request is given up by the storekeeper.
pub const STORE_PATIENCE: Duration = Duration::from_secs(2);
/// Most media threads in one node. At some 4 000 legs each, half of them use up the ports of an
/// address.
pub const MEDIA_THREADS: u8 = 16;
/// Most live calls in one node, whatever the configuration says.
pub const CALLS: usize = 20_000;
/// Digits kept of what a caller keys in one go.
pub const DIGITS: usize = 32;
/// Most INVITEs of one call of ours that its record lists; the last one is always among them.
pub const ATTEMPTS: usize = 32;
