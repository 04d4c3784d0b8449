//! RTP and RTCP port pairs: an even port and the odd one above it (RFC 3550 §11).

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::udp::Socket;

/// A range of UDP ports that starts even and ends odd, so that it is made of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Why two ports do not make a range of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeError {
    /// The first port is odd, or below 1024.
    First,
    /// The last port is even, or not above the first.
    Last,
}

/// The two sockets of one leg.
#[derive(Debug)]
pub struct Pair {
    /// On the even port.
    pub rtp: Socket,
    /// On the odd port above it.
    pub rtcp: Socket,
}

impl PortRange {
    /// Makes a range of the ports from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`RangeError`] names the end that is wrong.
    pub const fn new(first: u16, last: u16) -> Result<Self, RangeError> {
        if first % 2 == 1 || first < 1024 {
            return Err(RangeError::First);
        }
        if last.is_multiple_of(2) || last < first {
            return Err(RangeError::Last);
        }
        Ok(Self { first, last })
    }

    /// Returns how many pairs fit.
    #[must_use]
    pub const fn pairs(self) -> usize {
        (self.last - self.first) as usize / 2 + 1
    }

    /// Binds every pair that is free, at most `most`, and skips those in use.
    ///
    /// # Errors
    /// Anything but an address in use: no such interface, no more file descriptors.
    pub fn bind(self, address: IpAddr, most: usize) -> io::Result<Vec<Pair>> {
        let mut pairs = Vec::with_capacity(most.min(self.pairs()));
        for even in (self.first..=self.last).step_by(2) {
            if pairs.len() >= most {
                break;
            }
            if let Some(pair) = bind_pair(address, even)? {
                pairs.push(pair);
            }
        }
        Ok(pairs)
    }
}

fn bind_pair(address: IpAddr, even: u16) -> io::Result<Option<Pair>> {
    let Some(rtp) = unless_in_use(Socket::bind(SocketAddr::new(address, even), None))? else {
        return Ok(None);
    };
    let rtcp = unless_in_use(Socket::bind(SocketAddr::new(address, even + 1), None))?;
    Ok(rtcp.map(|rtcp| Pair { rtp, rtcp }))
}

fn unless_in_use(bound: io::Result<Socket>) -> io::Result<Option<Socket>> {
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_made_of_pairs() {
        assert_eq!(PortRange::new(10_000, 10_003).map(PortRange::pairs), Ok(2));
        assert_eq!(PortRange::new(10_001, 10_003), Err(RangeError::First));
        assert_eq!(PortRange::new(80, 10_003), Err(RangeError::First));
        assert_eq!(PortRange::new(10_000, 10_002), Err(RangeError::Last));
        assert_eq!(PortRange::new(10_000, 9_999), Err(RangeError::Last));
        assert_eq!(PortRange::new(65_534, 65_535).map(PortRange::pairs), Ok(1));
    }

    #[test]
    fn a_pair_is_an_even_port_and_the_odd_one_above() {
        let pairs = PortRange::new(21_000, 21_199).unwrap().bind(localhost(), 3).unwrap();
        assert_eq!(pairs.len(), 3);
        for pair in &pairs {
            assert_eq!(pair.rtp.local().port() % 2, 0);
            assert_eq!(pair.rtcp.local().port(), pair.rtp.local().port() + 1);
        }
    }

    #[test]
    fn a_pair_with_a_busy_half_is_skipped() {
        let range = PortRange::new(21_200, 21_399).unwrap();
        let busy = range.bind(localhost(), 1).unwrap();
        let Pair { rtp, rtcp } = busy.into_iter().next().unwrap();
        let even = rtp.local().port();
        drop(rtp);
        let others = range.bind(localhost(), 2).unwrap();
        assert!(others.iter().all(|pair| pair.rtp.local().port() != even));
        drop(rtcp);
    }

    #[test]
    fn an_address_that_is_not_ours_is_an_error() {
        let range = PortRange::new(21_400, 21_401).unwrap();
        assert!(range.bind("192.0.2.1".parse().unwrap(), 1).is_err());
    }

    fn localhost() -> IpAddr {
        "127.0.0.1".parse().unwrap()
    }
}
