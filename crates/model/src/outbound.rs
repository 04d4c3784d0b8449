//! How calls leave by a trunk: where to, as whom, by which transport.

use std::fmt;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("tr0ub4dor".into())), "Secret(*)");
    }
}
