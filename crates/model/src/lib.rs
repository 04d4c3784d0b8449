//! The words of the house: identifiers, numbers, money, time and records. No behaviour lives here
//! beyond what makes a value valid; no I/O, no clock, no generator.

pub mod dial_out;
pub mod id;
pub mod limits;
pub mod money;
pub mod number;
pub mod outbound;
pub mod prefix;
pub mod record;
pub mod time;

pub use dial_out::{DialOutRules, ListedCall, MeetingDialOut};
pub use id::{AccountId, CallId, HoldId, MeetingId, NumberId, OrganizationId, TrunkId, UserId};
pub use money::{Currency, Money, MoneyError, Rate, RateVersion, SecondsRule};
pub use number::{Did, E164, LocalNumber, NumberError, Pin};
pub use outbound::{
    CallerRange, Credentials, Failover, NumberStyle, Outbound, Reliability, Routing, Secret,
    Transport,
};
pub use prefix::{IpPrefix, PrefixError};
pub use time::{Instant, Now, UnixTime};
