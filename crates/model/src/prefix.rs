//! Ranges of IP addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not an address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an address range like 192.0.2.0/24 or 2001:db8::/32")]
pub struct PrefixError;

/// An IPv4 or IPv6 range in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpPrefix {
    address: IpAddr,
    bits: u8,
}

impl IpPrefix {
    /// Whether the address lies inside. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.bits);
                (u64::from(ours.to_bits()) >> shift) == (u64::from(theirs.to_bits()) >> shift)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.bits);
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(ours.to_bits()) == cut(theirs.to_bits())
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether the range holds the address or, of IPv6, any of its network of 64 bits: whoever has one
    /// of those has them all.
    #[must_use]
    pub fn meets(&self, address: IpAddr) -> bool {
        let bits = if self.address.is_ipv6() { self.bits.min(64) } else { self.bits };
        Self { bits, ..*self }.contains(address)
    }
}

/// `192.0.2.0/24`; a bare address is a range of one.
impl FromStr for IpPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| PrefixError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.trim().parse().map_err(|_| PrefixError)?,
            None => most,
        };
        if bits > most {
            return Err(PrefixError);
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_own_and_no_others() {
        let range: IpPrefix = "192.0.2.0/24".parse().unwrap();
        assert!(range.contains("192.0.2.77".parse().unwrap()));
        assert!(range.contains("::ffff:192.0.2.77".parse().unwrap()));
        assert!(!range.contains("192.0.3.1".parse().unwrap()));
        let all: IpPrefix = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        let six: IpPrefix = "2001:db8::/32".parse().unwrap();
        assert!(six.contains("2001:db8::1".parse().unwrap()));
        assert!(!six.contains("2001:db9::1".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "192.0.2.0/33", "host/8", "2001:db8::/129"] {
            assert_eq!(text.parse::<IpPrefix>(), Err(PrefixError), "{text}");
        }
    }
}
