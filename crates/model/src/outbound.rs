//! How calls leave by a trunk: where to, as whom, by which transport.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Did, Money, OrganizationId};

/// A transport of SIP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
}

/// Something that must never be shown (reliability.md S24).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Gives it out, to be used and not kept.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(*)")
    }
}

/// What answers a carrier's challenge (RFC 3261 §22, RFC 8760).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The only realm they are used for.
    pub realm: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How a trunk registers with us, so that calls of ours reach it wherever it is (RFC 3261 §10.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    /// What it must prove to know.
    pub credentials: Credentials,
    /// Shortest expiry granted, seconds; what asks for less is refused (423).
    pub expiry_min_secs: u32,
    /// Longest expiry granted, seconds; what asks for more gets this.
    pub expiry_max_secs: u32,
}

/// Whether provisional answers are acknowledged (RFC 3262).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Neither offered nor accepted.
    Off,
    /// Offered, and used where the peer wants it.
    #[default]
    Supported,
    /// Our INVITE requires it.
    Required,
}

/// Whether a trunk's media is protected by SRTP, keyed by SDES. Keys are told only over TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// Never.
    #[default]
    Off,
    /// Where the signalling is protected and the peer can.
    Optional,
    /// Always; whoever cannot is refused.
    Mandatory,
}

/// Calls and requests of ours by a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The next hop: a host name or an address; found by RFC 3263.
    pub host: String,
    /// Its port; `None` lets SRV decide, else the transport's default.
    pub port: Option<u16>,
    /// The transport; `None` lets NAPTR decide, else UDP.
    pub transport: Option<Transport>,
    /// Host part of Request-URI, From and To; the next hop where it is empty.
    pub domain: String,
    /// Answers to its challenges.
    pub credentials: Option<Credentials>,
    /// Whether we register there, and the expiry asked for, seconds.
    pub register_secs: Option<u32>,
    /// How often it is asked by OPTIONS whether it lives, seconds; `None` never.
    pub options_secs: Option<u32>,
    /// Whether provisional answers are acknowledged.
    pub reliability: Reliability,
    /// Hosts that a 3xx may lead to; all others are refused.
    pub redirect_hosts: Vec<String>,
    /// Which calls of ours it gets, and how they are written.
    pub routing: Routing,
}

impl Outbound {
    /// Returns a way out to a host that is not asked whether it lives, with nothing else said.
    #[must_use]
    pub fn to(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            transport: None,
            domain: String::new(),
            credentials: None,
            register_secs: None,
            options_secs: None,
            reliability: Reliability::Off,
            redirect_hosts: Vec::new(),
            routing: Routing::default(),
        }
    }
}

/// Which calls of ours a trunk gets before or after others, and how numbers are written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// The group that it belongs to; a word for people.
    pub group: String,
    /// The group's priority; the lowest is tried first.
    pub priority: u16,
    /// Its share among trunks of equal rank, 1 or more.
    pub weight: u16,
    /// Beginnings of the numbers that it takes, digits without the plus; with none it takes all.
    pub prefixes: Vec<String>,
    /// Beginnings of numbers that it does not take; the longer beginning decides, this one if both
    /// are equally long.
    pub barred: Vec<String>,
    /// What a minute costs us, by beginning of the number; the longest counts. Only compared.
    pub costs: Arc<BTreeMap<String, Money>>,
    /// Whose calls it carries; empty is everybody's.
    pub organizations: Vec<OrganizationId>,
    /// Numbers that may be shown as the caller; with none no call leaves by it.
    pub callers: Vec<CallerRange>,
    /// How the called number is written.
    pub called_style: NumberStyle,
    /// How the calling number is written.
    pub caller_style: NumberStyle,
    /// Taken off the front of a written called number that starts with it.
    pub strip: String,
    /// Put before the written called number, after stripping.
    pub add: String,
    /// After which failures the next trunk is tried.
    pub failover: Failover,
    /// Most calls of ours begun in a second; `None` is no limit.
    pub calls_per_second: Option<u32>,
    /// Most live calls of ours; `None` is no limit.
    pub calls_max: Option<u32>,
    /// Whether no new calls are placed by it for now.
    pub suspended: bool,
}

/// A trunk of weight 1 that takes every number, and may show none as the caller.
impl Default for Routing {
    fn default() -> Self {
        Self {
            group: String::new(),
            priority: 0,
            weight: 1,
            prefixes: Vec::new(),
            barred: Vec::new(),
            costs: Arc::default(),
            organizations: Vec::new(),
            callers: Vec::new(),
            called_style: NumberStyle::default(),
            caller_style: NumberStyle::default(),
            strip: String::new(),
            add: String::new(),
            failover: Failover::default(),
            calls_per_second: None,
            calls_max: None,
            suspended: false,
        }
    }
}

/// How a trunk wants international numbers written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NumberStyle {
    /// `+390112345678`.
    #[default]
    Plus,
    /// `390112345678`.
    Digits,
    /// By the trunk's numbering plan: its own country's numbers with the national prefix, others
    /// with the international one.
    National,
}

/// Numbers that a trunk may show as the caller: one, or all that begin alike.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerRange {
    /// The number as [`crate::Did::full`] gives it, or its beginning.
    pub text: String,
    /// Whether longer numbers that begin so are meant too.
    pub open: bool,
}

impl CallerRange {
    /// Whether a number belongs to it.
    #[must_use]
    pub fn holds(&self, number: &Did) -> bool {
        let full = number.full();
        if self.open { full.starts_with(&self.text) } else { full == self.text }
    }
}

/// The last four characters of a whole number are hidden.
impl fmt::Debug for CallerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.text.chars().count().saturating_sub(4);
        match self.open {
            true => write!(f, "{}*", self.text),
            false => write!(f, "{}****", self.text.chars().take(shown).collect::<String>()),
        }
    }
}

/// After which failures of a trunk the next one is tried. A trunk from which nothing came is always
/// left, one that has said that it rings never is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    /// SIP answers after which the next one is tried.
    pub statuses: Vec<u16>,
    /// Q.850 causes after which it is, whatever the SIP answer.
    pub causes: Vec<u8>,
    /// SIP answers after which it never is, whatever the cause; 6xx not in `statuses` are meant too.
    pub never: Vec<u16>,
}

/// What says of the trunk and not of the called party: busy, wrong and refused numbers are the same
/// by any other trunk.
impl Default for Failover {
    fn default() -> Self {
        Self {
            statuses: vec![408, 500, 502, 503, 504],
            causes: vec![34, 38, 41, 42, 44, 47],
            never: vec![404, 410, 484, 486, 487],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("tr0ub4dor".into())), "Secret(*)");
    }

    #[test]
    fn a_caller_range_holds_one_number_or_all_that_begin_alike() {
        let number: Did = "+390116543210".parse().unwrap();
        let range = |text: &str, open| CallerRange { text: text.into(), open };
        assert!(range("+390116543210", false).holds(&number));
        assert!(!range("+39011654321", false).holds(&number));
        assert!(range("+39011", true).holds(&number));
        assert!(!range("+44", true).holds(&number));
        assert_eq!(format!("{:?}", range("+390116543210", false)), "+39011654****");
    }
}
