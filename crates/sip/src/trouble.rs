//! What keeps us from reaching a trunk, short of its own answer.

use model::TrunkId;

use crate::connection::Closure;
use crate::endpoint::{Endpoint, Event};

/// Why nothing could be said to a trunk, or nothing came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// No name server answered.
    NameServers,
    /// Its name leads to no address that is the trunk's, or it has not registered with us.
    NoAddress,
    /// Nobody accepts a connection there.
    Refused,
    /// The connection was not open in time.
    TimedOut,
    /// The two do not trust each other.
    Distrusted(Distrust),
    /// The connection ended before an answer came.
    Lost,
    /// It was asked, and is silent.
    Silent,
    /// We have no room for more.
    Crowded,
}

/// Why a TLS handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distrust {
    /// Its certificate is for another name.
    Name,
    /// Its certificate has expired.
    Expired,
    /// Its certificate does not hold yet.
    Early,
    /// Nobody whom we trust has signed its certificate.
    Authority,
    /// It does not take our certificate, or wants one and gets none.
    Ours,
    /// No version or cipher of TLS is common.
    Version,
    /// Something else.
    Other,
}

impl Trouble {
    /// Every one of them.
    pub const ALL: [Self; 14] = [
        Self::NameServers,
        Self::NoAddress,
        Self::Refused,
        Self::TimedOut,
        Self::Distrusted(Distrust::Name),
        Self::Distrusted(Distrust::Expired),
        Self::Distrusted(Distrust::Early),
        Self::Distrusted(Distrust::Authority),
        Self::Distrusted(Distrust::Ours),
        Self::Distrusted(Distrust::Version),
        Self::Distrusted(Distrust::Other),
        Self::Lost,
        Self::Silent,
        Self::Crowded,
    ];

    /// Returns its name: a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NameServers => "name_servers",
            Self::NoAddress => "no_address",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Distrusted(Distrust::Name) => "certificate_name",
            Self::Distrusted(Distrust::Expired) => "certificate_expired",
            Self::Distrusted(Distrust::Early) => "certificate_early",
            Self::Distrusted(Distrust::Authority) => "certificate_authority",
            Self::Distrusted(Distrust::Ours) => "certificate_ours",
            Self::Distrusted(Distrust::Version) => "tls_version",
            Self::Distrusted(Distrust::Other) => "tls_other",
            Self::Lost => "connection_lost",
            Self::Silent => "silent",
            Self::Crowded => "crowded",
        }
    }

    /// Returns what an operator reads of a trunk: a sentence without its subject.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NameServers => "could not be reached: no name server answers for its name",
            Self::NoAddress => {
                "could not be reached: its name leads to none of its addresses, or it is not \
                 registered"
            }
            Self::Refused => "could not be reached: it refuses connections",
            Self::TimedOut => "could not be reached: its connection was not open in time",
            Self::Distrusted(Distrust::Name) => {
                "could not be trusted: its certificate is for another name (tls.peer)"
            }
            Self::Distrusted(Distrust::Expired) => {
                "could not be trusted: its certificate has expired"
            }
            Self::Distrusted(Distrust::Early) => {
                "could not be trusted: its certificate does not hold yet"
            }
            Self::Distrusted(Distrust::Authority) => {
                "could not be trusted: nobody whom we trust has signed its certificate \
                 (tls.authority)"
            }
            Self::Distrusted(Distrust::Ours) => {
                "does not trust us: it refuses our certificate, or wants one (tls.certificate)"
            }
            Self::Distrusted(Distrust::Version) => {
                "could not be trusted: it speaks no version or cipher of TLS that is safe"
            }
            Self::Distrusted(Distrust::Other) => "could not be trusted: the TLS handshake failed",
            Self::Lost => "ended its connection before it answered",
            Self::Silent => "stayed silent",
            Self::Crowded => "was not called: too much is under way here",
        }
    }

    /// Returns the status that stands for it (RFC 3261 §8.1.3.1).
    #[must_use]
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Silent => 408,
            Self::NameServers
            | Self::NoAddress
            | Self::Refused
            | Self::TimedOut
            | Self::Distrusted(_)
            | Self::Lost
            | Self::Crowded => 503,
        }
    }
}

impl From<Closure> for Trouble {
    fn from(closure: Closure) -> Self {
        match closure {
            Closure::Refused => Self::Refused,
            Closure::TimedOut => Self::TimedOut,
            Closure::Handshake(distrust) => Self::Distrusted(distrust),
            Closure::Ended | Closure::Slow => Self::Lost,
        }
    }
}

impl Endpoint {
    /// Tells why a trunk cannot be reached, or that it can be again.
    pub(crate) fn tell_trouble(&mut self, trunk: TrunkId, trouble: Option<Trouble>) {
        self.emit(Event::Troubled { trunk, trouble });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_trouble_has_a_name_of_its_own() {
        let labels: BTreeSet<_> = Trouble::ALL.into_iter().map(Trouble::label).collect();
        assert_eq!(labels.len(), Trouble::ALL.len());
    }
}
