//! How calls end: one closed set for CDRs, metrics and `explain`.

use std::borrow::Cow;

use model::record::{Ending, Trunk};

use crate::refusal::Refusal;

/// Normal clearing (ITU-T Q.850).
const NORMAL: u8 = 16;
/// Temporary failure (ITU-T Q.850).
const TEMPORARY: u8 = 41;
/// Recovery on timer expiry (ITU-T Q.850).
const TIMER: u8 = 102;

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    /// BYE came, with this cause if it named one.
    CallerHungUp(Option<u8>),
    /// CANCEL came before the answer.
    Cancelled,
    /// A named no, before or after the answer.
    Refused(Refusal),
    /// The paid time ended and no more credit was available.
    CreditExhausted,
    /// The paid time ended while the store was silent.
    StoreLost,
    /// No ACK came.
    NoAck,
    /// The session timer ran out.
    SessionExpired,
    /// Nobody is there any more.
    PeerGone,
    /// The node was drained.
    Drained,
    /// The operator ended it.
    OperatorHungUp,
    /// A fault of ours in this one call.
    Panicked,
    /// Another process settled this one's epoch.
    Fenced,
}

impl Cause {
    /// Returns the name.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::CallerHungUp(_) => "caller_hung_up",
            Self::Cancelled => "cancelled",
            Self::Refused(refusal) => refusal.label(),
            Self::CreditExhausted => "credit_exhausted",
            Self::StoreLost => "store_lost",
            Self::NoAck => "no_ack",
            Self::SessionExpired => "session_expired",
            Self::PeerGone => "peer_gone",
            Self::Drained => "drained",
            Self::OperatorHungUp => "operator_hung_up",
            Self::Panicked => "panicked",
            Self::Fenced => "fenced",
        }
    }

    /// Returns the Q.850 cause, of our BYE where we send one.
    pub(crate) const fn q850(self) -> u8 {
        match self {
            Self::CallerHungUp(Some(cause)) => cause,
            Self::CallerHungUp(None)
            | Self::Cancelled
            | Self::CreditExhausted
            | Self::Drained
            | Self::OperatorHungUp => NORMAL,
            Self::Refused(refusal) => refusal.row().q850,
            Self::StoreLost | Self::Panicked | Self::Fenced => TEMPORARY,
            Self::NoAck | Self::SessionExpired | Self::PeerGone => TIMER,
        }
    }

    /// Returns the SIP status of an INVITE that ends unanswered for this cause.
    pub(crate) fn status(self, trunk: &Trunk) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(&trunk.refusal_codes),
            Self::Cancelled => 487,
            Self::Panicked => 500,
            Self::Drained => Refusal::Draining.status(&trunk.refusal_codes),
            Self::CallerHungUp(_)
            | Self::CreditExhausted
            | Self::StoreLost
            | Self::NoAck
            | Self::SessionExpired
            | Self::PeerGone
            | Self::OperatorHungUp
            | Self::Fenced => 480,
        }
    }

    /// Returns the record of it.
    pub(crate) fn ending(self, trunk: &Trunk, answered: bool) -> Ending {
        let released_by = match self {
            Self::CallerHungUp(_) | Self::Cancelled => "caller",
            Self::NoAck | Self::SessionExpired | Self::PeerGone => "network",
            Self::Refused(_)
            | Self::CreditExhausted
            | Self::StoreLost
            | Self::Drained
            | Self::OperatorHungUp
            | Self::Panicked
            | Self::Fenced => "tollgate",
        };
        Ending {
            label: Cow::Borrowed(self.label()),
            released_by: Cow::Borrowed(released_by),
            sip_status: if answered { 200 } else { self.status(trunk) },
            q850: self.q850(),
        }
    }
}

/// Every label that a CDR of ours can end with, for the reference pages.
#[must_use]
pub fn labels() -> Vec<&'static str> {
    let causes = [
        Cause::CallerHungUp(None),
        Cause::Cancelled,
        Cause::CreditExhausted,
        Cause::StoreLost,
        Cause::NoAck,
        Cause::SessionExpired,
        Cause::PeerGone,
        Cause::Drained,
        Cause::OperatorHungUp,
        Cause::Panicked,
        Cause::Fenced,
    ];
    let refused = Refusal::ALL.iter().map(|refusal| refusal.label());
    causes.into_iter().map(Cause::label).chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_ending_has_a_label_of_its_own() {
        let all = labels();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
