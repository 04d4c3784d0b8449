//! Ports on loopback that no other test of this run gets, below those that the system hands out.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::proxy::Proxy;

const ALL: Range<u16> = 14_000..32_000;
/// Those of the run that another run has begun, beside it: a port that is planned by one must not be
/// taken by the other before it is bound.
const BESIDE: Range<u16> = 6_000..14_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns the first, even one of `count` ports in a row that are free.
///
/// # Panics
/// If there is no such row.
pub(crate) fn row(count: u16) -> u16 {
    let count = count.next_multiple_of(2);
    let Range { start, end } = if Proxy::is_wanted() { BESIDE } else { ALL };
    let span = u32::from(end - start);
    let seed = process::id() % 36 * 500;
    for _ in 0..1_000 {
        let offset = NEXT.fetch_add(count.into(), Ordering::Relaxed);
        // Rows follow each other all the way round: none lies over one that is planned already.
        let Ok(place) = u16::try_from((seed + offset) % span) else { continue };
        let first = start + place;
        if end - first >= count && (first..first + count).all(free) {
            return first;
        }
    }
    panic!("no {count} ports in a row are free");
}

/// Returns such a row with a socket bound at an address and an offset into it.
///
/// # Panics
/// If there is no such row.
pub(crate) fn row_with_socket(count: u16, address: &str, offset: u16) -> (u16, UdpSocket) {
    // Another process may take a port between the look and the binding.
    let mut tries = (0..20).map(|_| row(count));
    let bound = |first| Some((first, UdpSocket::bind((address, first + offset)).ok()?));
    tries.find_map(bound).expect("a free port can be bound")
}

fn free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
