//! Sockets and the few system calls around them: it moves datagrams and never reads what they
//! carry. The only crate with `unsafe`, in `udp` (recvmmsg, sendmmsg) and `system` (clock,
//! affinity, entropy, limits).

pub mod ports;
pub mod system;
pub mod udp;

pub use ports::{Pair, PortRange, RangeError};
pub use udp::{Datagram, Inbox, Received, Sent, Socket};
