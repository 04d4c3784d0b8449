//! How calls end: one closed set for CDRs, metrics and `explain`.

use std::borrow::Cow;

use model::record::Ending;

use crate::refusal::Refusal;

/// Normal clearing (ITU-T Q.850).
const NORMAL: u8 = 16;
/// Non-selected user clearing (ITU-T Q.850).
const ELSEWHERE: u8 = 26;
/// Temporary failure (ITU-T Q.850).
const TEMPORARY: u8 = 41;
/// Recovery on timer expiry (ITU-T Q.850).
const TIMER: u8 = 102;

/// Why a call that we placed was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Unreached {
    /// The line is busy.
    Busy,
    /// It rang, or could have, and nobody answered.
    NoAnswer,
    /// The called person or their network said no.
    Rejected,
    /// Nobody has the number.
    NoSuchNumber,
    /// The trunk's name leads nowhere, or no name server answers.
    Unresolved,
    /// No connection to the trunk, or none that is to be trusted.
    Unconnected,
    /// The network could not.
    Failed,
}

/// Why a participant was asked whether they stay (domain.md §7.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Idle {
    /// They are alone in the meeting.
    Alone,
    /// Nobody in the meeting says anything.
    AllSilent,
    /// They say nothing themselves.
    Silent,
}

impl Unreached {
    /// Returns the Q.850 cause of an answer that names none.
    pub(crate) const fn q850(self) -> u8 {
        match self {
            Self::Busy => 17,
            Self::NoAnswer => 19,
            Self::Rejected => 21,
            Self::NoSuchNumber => 1,
            Self::Unresolved | Self::Unconnected | Self::Failed => TEMPORARY,
        }
    }

    /// Reads a final answer: ITU-T Q.850 where a cause is named, else the SIP status. A network that
    /// lets nobody answer says 480 or, once it has rung, 408.
    pub(crate) fn of(failure: &sip::Failure) -> Self {
        match (failure.q850, failure.status) {
            (Some(17), _) | (_, 486 | 600) => Self::Busy,
            (Some(18 | 19), _) => Self::NoAnswer,
            (Some(1 | 28), _) | (_, 404 | 410 | 484 | 604) => Self::NoSuchNumber,
            (Some(21), _) | (_, 403 | 603 | 607 | 608) => Self::Rejected,
            (_, 408) if failure.progressed => Self::NoAnswer,
            (_, 480) => Self::NoAnswer,
            (_, _) => failure.trouble.map_or(Self::Failed, Self::kept_from),
        }
    }

    const fn kept_from(trouble: sip::Trouble) -> Self {
        match trouble {
            sip::Trouble::NameServers | sip::Trouble::NoAddress => Self::Unresolved,
            sip::Trouble::Refused
            | sip::Trouble::TimedOut
            | sip::Trouble::Distrusted(_)
            | sip::Trouble::Lost => Self::Unconnected,
            sip::Trouble::Silent | sip::Trouble::Crowded => Self::Failed,
        }
    }
}

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    /// BYE came, with this cause if it named one.
    CallerHungUp(Option<u8>),
    /// BYE came from the person that we called, with this cause if it named one.
    CalleeHungUp(Option<u8>),
    /// A call that we placed was not answered; the SIP status and the Q.850 cause of it.
    Unreached(Unreached, u16, u8),
    /// A call that we placed was answered, and nobody pressed 1.
    NotConfirmed,
    /// Another number that was called for the same person has joined.
    JoinedElsewhere,
    /// Nobody was left in the meeting when it rang.
    MeetingOver,
    /// Nobody seemed to be there, and nobody pressed 1 to stay.
    Idle(Idle),
    /// The leg has had its longest time.
    LegLimit,
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
            Self::CalleeHungUp(_) => "callee_hung_up",
            Self::Unreached(Unreached::Busy, ..) => "busy",
            Self::Unreached(Unreached::NoAnswer, ..) => "no_answer",
            Self::Unreached(Unreached::Rejected, ..) => "rejected",
            Self::Unreached(Unreached::NoSuchNumber, ..) => "no_such_number",
            Self::Unreached(
                Unreached::Unresolved | Unreached::Unconnected | Unreached::Failed,
                ..,
            ) => "call_failed",
            Self::NotConfirmed => "not_confirmed",
            Self::JoinedElsewhere => "joined_elsewhere",
            Self::MeetingOver => "meeting_over",
            Self::Idle(Idle::Alone) => "alone_limit",
            Self::Idle(Idle::AllSilent) => "all_silent_limit",
            Self::Idle(Idle::Silent) => "silent_limit",
            Self::LegLimit => "leg_limit",
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
            Self::CallerHungUp(Some(cause))
            | Self::CalleeHungUp(Some(cause))
            | Self::Unreached(_, _, cause) => cause,
            Self::CallerHungUp(None)
            | Self::CalleeHungUp(None)
            | Self::NotConfirmed
            | Self::MeetingOver
            | Self::Idle(_)
            | Self::LegLimit
            | Self::Cancelled
            | Self::CreditExhausted
            | Self::Drained
            | Self::OperatorHungUp => NORMAL,
            Self::JoinedElsewhere => ELSEWHERE,
            Self::Refused(refusal) => refusal.row().q850,
            Self::StoreLost | Self::Panicked | Self::Fenced => TEMPORARY,
            Self::NoAck | Self::SessionExpired | Self::PeerGone => TIMER,
        }
    }

    /// Returns the Q.850 cause that the other side named in its BYE, if it did.
    pub(crate) const fn heard(self) -> Option<u8> {
        match self {
            Self::CallerHungUp(named) | Self::CalleeHungUp(named) => named,
            Self::Unreached(..)
            | Self::NotConfirmed
            | Self::JoinedElsewhere
            | Self::MeetingOver
            | Self::Idle(_)
            | Self::LegLimit
            | Self::Cancelled
            | Self::Refused(_)
            | Self::CreditExhausted
            | Self::StoreLost
            | Self::NoAck
            | Self::SessionExpired
            | Self::PeerGone
            | Self::Drained
            | Self::OperatorHungUp
            | Self::Panicked
            | Self::Fenced => None,
        }
    }

    /// Returns the SIP status of an INVITE that ends unanswered for this cause.
    pub(crate) fn status(self, refusal_codes: &[(String, u16)]) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(refusal_codes),
            Self::Unreached(_, status, _) => status,
            Self::Cancelled | Self::JoinedElsewhere | Self::MeetingOver => 487,
            Self::Panicked => 500,
            Self::Drained => Refusal::Draining.status(refusal_codes),
            Self::CallerHungUp(_)
            | Self::CalleeHungUp(_)
            | Self::NotConfirmed
            | Self::Idle(_)
            | Self::LegLimit
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
    pub(crate) fn ending(self, refusal_codes: &[(String, u16)], answered: bool) -> Ending {
        let released_by = match self {
            Self::CallerHungUp(_) | Self::Cancelled => "caller",
            Self::CalleeHungUp(_)
            | Self::Unreached(Unreached::Busy | Unreached::NoAnswer | Unreached::Rejected, ..) => {
                "callee"
            }
            Self::NoAck
            | Self::SessionExpired
            | Self::PeerGone
            | Self::Unreached(
                Unreached::NoSuchNumber
                | Unreached::Unresolved
                | Unreached::Unconnected
                | Unreached::Failed,
                ..,
            ) => "network",
            Self::Refused(_)
            | Self::NotConfirmed
            | Self::JoinedElsewhere
            | Self::MeetingOver
            | Self::Idle(_)
            | Self::LegLimit
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
            sip_status: if answered { 200 } else { self.status(refusal_codes) },
            q850: self.q850(),
        }
    }
}

/// Every label that a CDR of ours can end with, for the reference pages.
#[must_use]
pub fn labels() -> Vec<&'static str> {
    let unreached = [
        Unreached::Busy,
        Unreached::NoAnswer,
        Unreached::Rejected,
        Unreached::NoSuchNumber,
        Unreached::Failed,
    ];
    let unreached = unreached.map(|why| Cause::Unreached(why, 480, 0));
    let causes = [
        Cause::CallerHungUp(None),
        Cause::CalleeHungUp(None),
        Cause::NotConfirmed,
        Cause::JoinedElsewhere,
        Cause::MeetingOver,
        Cause::Idle(Idle::Alone),
        Cause::Idle(Idle::AllSilent),
        Cause::Idle(Idle::Silent),
        Cause::LegLimit,
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
    let refused = Refusal::all().map(Refusal::label);
    causes.into_iter().chain(unreached).map(Cause::label).chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_named_cause_says_more_than_the_status() {
        let read = |status, q850, progressed| {
            let failure = sip::Failure {
                status,
                answered: true,
                progressed,
                trouble: None,
                q850,
                retry_after_secs: None,
                contacts: Vec::new(),
            };
            Unreached::of(&failure)
        };
        assert_eq!(read(486, None, true), Unreached::Busy);
        assert_eq!(read(480, Some(17), true), Unreached::Busy);
        assert_eq!(read(480, None, true), Unreached::NoAnswer);
        assert_eq!(
            (read(408, None, true), read(408, None, false)),
            (Unreached::NoAnswer, Unreached::Failed)
        );
        assert_eq!(read(503, Some(1), false), Unreached::NoSuchNumber);
        assert_eq!(read(603, None, true), Unreached::Rejected);
        assert_eq!(read(503, None, false), Unreached::Failed);
    }

    #[test]
    fn every_refusal_is_recorded_by_its_name_and_its_codes() {
        for refusal in Refusal::all() {
            let ending = Cause::Refused(refusal).ending(&[], false);
            let row = refusal.row();
            assert_eq!(
                (ending.label.as_ref(), ending.released_by.as_ref()),
                (row.label, "tollgate")
            );
            assert_eq!((ending.sip_status, ending.q850), (row.status, row.q850), "{refusal:?}");
        }
    }

    #[test]
    fn every_ending_has_a_label_of_its_own() {
        let all = labels();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
