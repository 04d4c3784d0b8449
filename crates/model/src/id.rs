//! Identifiers. Those of live things come from a core's seeded generator; those of provisioned
//! things from their name. The database never invents one.

use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// Derives the identifier of a provisioned thing from its name, the same in every run
            /// (128-bit FNV-1a), so that applying the same file twice changes nothing.
            #[must_use]
            pub const fn from_name(name: &str) -> Self {
                Self(fnv1a(name.as_bytes()))
            }
        }

        /// 32 lower-case hexadecimal digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u128::from_str_radix(text, 16).map(Self)
            }
        }
    };
}

id!(/// A prepaid account. An organization has one; both carry the same value.
    AccountId);
id!(/// A customer: it pays, and owns users, meetings and an account.
    OrganizationId);
id!(/// A person of an organization; an organizer once they own a meeting.
    UserId);
id!(/// A group of users that policies are given to.
    GroupId);
id!(/// One leg's life from INVITE to the CDR.
    CallId);
id!(/// A durable meeting: conference ID, organizer, settings.
    MeetingId);
id!(/// A service number (DID) on the bridge.
    NumberId);
id!(/// A carrier or PBX that we exchange calls with.
    TrunkId);

impl OrganizationId {
    /// Returns the organization's account.
    #[must_use]
    pub const fn account(self) -> AccountId {
        AccountId(self.0)
    }
}

/// Credit set aside for one slice of one leg. It is also the idempotency key of everything done to
/// that credit (charging.md, "Holds").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId {
    /// The leg whose service is paid.
    pub leg: CallId,
    /// 0 for the first slice, then one more each.
    pub sequence: u32,
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.leg, self.sequence)
    }
}

const fn fnv1a(bytes: &[u8]) -> u128 {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let mut at = 0;
    while at < bytes.len() {
        hash ^= bytes[at] as u128;
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_always_gives_the_same_identifier() {
        assert_eq!(UserId::from_name("ada"), UserId::from_name("ada"));
        assert_ne!(UserId::from_name("ada"), UserId::from_name("adb"));
    }

    #[test]
    fn an_identifier_survives_its_text() {
        let id = CallId(7);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
