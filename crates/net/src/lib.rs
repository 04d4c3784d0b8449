//! Sockets and the few system calls around them: it moves datagrams and streams, and never reads
//! what they carry. The only crate with `unsafe`, in `udp` (recvmmsg, sendmmsg) and `system` (clock,
//! affinity, entropy, limits).

pub mod ports;
pub mod resolve;
pub mod system;
pub mod tcp;
pub mod tls;
pub mod udp;

pub use ports::{Pair, PortRange, RangeError};
pub use udp::{Datagram, Inbox, Received, Sent, Socket};
