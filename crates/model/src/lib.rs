//! The words of the house: identifiers, numbers, money, time and records. No behaviour lives here
//! beyond what makes a value valid; no I/O, no clock, no generator.

pub mod country;
pub mod dial_out;
pub mod dialled;
pub mod guard;
pub mod id;
pub mod limits;
pub mod money;
pub mod number;
pub mod numbering;
pub mod outbound;
pub mod policy;
pub mod prefix;
pub mod record;
pub mod time;
pub mod vouched;

pub use country::{Country, CountryError};
pub use dial_out::{DialOutRules, ListedCall, MeetingDialOut};
pub use dialled::Misdial;
pub use guard::{
    Allowance, Budget, Guards, NewCountries, Night, Outlay, Screen, Standing, Subject, Suspension,
    Unapproved,
};
pub use id::{
    AccountId, CallId, GroupId, HoldId, MeetingId, NumberId, OrganizationId, TrunkId, UserId,
};
pub use money::{Currency, Money, MoneyError, Rate, RateVersion, SecondsRule};
pub use number::{Did, E164, LocalNumber, NumberError, Pin};
pub use outbound::{
    CallerRange, Credentials, Failover, NumberStyle, Outbound, Protection, Registrar, Reliability,
    Routing, Secret, Transport,
};
pub use policy::{OutboundPolicy, PolicyError};
pub use prefix::{IpPrefix, PrefixError};
pub use time::{Instant, Now, UnixTime};
pub use vouched::{CallerRule, CallerRules, Vouched};
