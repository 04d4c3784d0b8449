//! The one table of named noes.

mod guard;

use media::Prompt;

pub use guard::Guard;

/// Why a call is turned away or a caller sent off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Nobody answers the dialled number.
    UnknownNumber,
    /// The organizer holds no licence for it, or may not use credits.
    NotLicensed,
    /// Toll-free callers are refused for this organizer.
    TollFreeDisabled,
    /// The organizer's outbound policy does not reach the destination.
    OutboundPolicy,
    /// The organization's own list denies the destination.
    DestinationDenied,
    /// A premium-rate number, and the organization does not allow those.
    DestinationPremium,
    /// A satellite or other international network, likewise.
    DestinationSatellite,
    /// A shared-cost number, likewise.
    DestinationSharedCost,
    /// A personal number, likewise.
    DestinationPersonal,
    /// A short code.
    DestinationShort,
    /// Emergency services: never from a meeting.
    DestinationEmergency,
    /// One of the bridge's own numbers (reliability.md S12).
    DestinationOwnNumber,
    /// A number that no country has given out.
    DestinationUnassigned,
    /// What is available does not cover the first increment.
    InsufficientCredit,
    /// No tariff row covers the call.
    NoTariff,
    /// Three conference IDs were wrong.
    UnknownConferenceId,
    /// The time to identify oneself is over.
    IdentificationTimeout,
    /// The meeting has its most participants.
    MeetingFull,
    /// The store did not answer.
    StoreUnavailable,
    /// No common codec, or a forbidden media address.
    MediaUnacceptable,
    /// Body that is not SDP.
    MalformedSdp,
    /// No meeting has the name.
    UnknownMeeting,
    /// Who asks for a call is nobody of the meeting's organization.
    UnknownUser,
    /// Nobody is called from this meeting.
    DialOutDisabled,
    /// What is to be called is no number.
    MalformedNumber,
    /// The meeting calls the number already, or it is in.
    AlreadyCalled,
    /// No trunk carries the call now.
    NoRoute,
    /// The call was not wanted any more before it left.
    Withdrawn,
    /// The trunk's rules turn away callers who withhold their number.
    CallerAnonymous,
    /// The caller's number was verified and is not theirs, and the trunk's rules turn such away.
    CallerForged,
    /// Too little vouches for the caller's number by the trunk's rules.
    CallerUnvouched,
    /// A guard against fraud, abuse or overload.
    Guard(Guard),
    /// The trunk's calls per second are spent.
    TrunkRate,
    /// The trunk's channels are all busy.
    TrunkFull,
    /// No RTP port is free, or the node holds its most calls.
    NodeFull,
    /// The node is draining.
    Draining,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its name in CDRs, metrics, `explain` and a trunk's overrides.
    pub label: &'static str,
    /// SIP status of a refused INVITE, unless the trunk says otherwise (domain.md §6).
    pub status: u16,
    /// Q.850 cause in `Reason`, of a refused INVITE or of the BYE after the prompt.
    pub q850: u8,
    /// What a caller who was answered is told. Neutral: the payer's state is not told.
    pub prompt: Prompt,
    /// Whether the same call may succeed a little later.
    pub transient: bool,
    /// Whether the whole node refuses, so that Retry-After is sent (503).
    pub retry_after: bool,
}

/// Licence or credit.
const PAYER: Row = row("", (403, 21), Prompt::CannotComplete, false);
/// One call, payer or store.
const CALL: Row = row("", (480, 41), Prompt::CannotComplete, false);

impl Refusal {
    /// Every refusal but the guards'.
    const PLAIN: [Self; 35] = [
        Self::UnknownNumber,
        Self::NotLicensed,
        Self::TollFreeDisabled,
        Self::OutboundPolicy,
        Self::DestinationDenied,
        Self::DestinationPremium,
        Self::DestinationSatellite,
        Self::DestinationSharedCost,
        Self::DestinationPersonal,
        Self::DestinationShort,
        Self::DestinationEmergency,
        Self::DestinationOwnNumber,
        Self::DestinationUnassigned,
        Self::InsufficientCredit,
        Self::NoTariff,
        Self::UnknownConferenceId,
        Self::IdentificationTimeout,
        Self::MeetingFull,
        Self::StoreUnavailable,
        Self::MediaUnacceptable,
        Self::MalformedSdp,
        Self::UnknownMeeting,
        Self::UnknownUser,
        Self::DialOutDisabled,
        Self::MalformedNumber,
        Self::AlreadyCalled,
        Self::NoRoute,
        Self::Withdrawn,
        Self::CallerAnonymous,
        Self::CallerForged,
        Self::CallerUnvouched,
        Self::TrunkRate,
        Self::TrunkFull,
        Self::NodeFull,
        Self::Draining,
    ];

    /// Returns every refusal.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(Guard::ALL.into_iter().map(Self::Guard))
    }

    /// Returns the refusal's row.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::UnknownNumber => row("unknown_number", (404, 1), Prompt::CannotComplete, false),
            Self::NotLicensed => Row { label: "not_licensed", ..PAYER },
            Self::TollFreeDisabled => Row { label: "toll_free_disabled", ..PAYER },
            Self::OutboundPolicy => Row { label: "outbound_policy", ..PAYER },
            Self::DestinationDenied => Row { label: "destination_denied", ..PAYER },
            Self::DestinationPremium => Row { label: "destination_premium", ..PAYER },
            Self::DestinationSatellite => Row { label: "destination_satellite", ..PAYER },
            Self::DestinationSharedCost => Row { label: "destination_shared_cost", ..PAYER },
            Self::DestinationPersonal => Row { label: "destination_personal", ..PAYER },
            Self::DestinationShort => Row { label: "destination_short", ..PAYER },
            Self::DestinationEmergency => Row { label: "destination_emergency", ..PAYER },
            Self::DestinationOwnNumber => Row { label: "destination_own_number", ..PAYER },
            Self::DestinationUnassigned => Row { label: "destination_unassigned", ..PAYER },
            Self::InsufficientCredit => {
                Row { label: "insufficient_credit", transient: true, ..PAYER }
            }
            Self::NoTariff => Row { label: "no_tariff", ..CALL },
            Self::UnknownConferenceId => {
                row("unknown_conference_id", (480, 16), Prompt::TooManyTries, false)
            }
            Self::IdentificationTimeout => {
                row("identification_timeout", (480, 16), Prompt::Goodbye, false)
            }
            Self::MeetingFull => {
                Row { label: "meeting_full", prompt: Prompt::MeetingFull, transient: true, ..CALL }
            }
            Self::StoreUnavailable => Row {
                label: "store_unavailable",
                prompt: Prompt::TryLater,
                transient: true,
                ..CALL
            },
            Self::MediaUnacceptable => {
                row("media_unacceptable", (488, 65), Prompt::CannotComplete, false)
            }
            Self::MalformedSdp => row("malformed_sdp", (400, 41), Prompt::CannotComplete, false),
            Self::UnknownMeeting => Row { label: "unknown_meeting", ..CALL },
            Self::UnknownUser => Row { label: "unknown_user", ..PAYER },
            Self::DialOutDisabled => Row { label: "dial_out_disabled", ..PAYER },
            Self::MalformedNumber => {
                row("malformed_number", (484, 28), Prompt::CannotComplete, false)
            }
            Self::AlreadyCalled => Row { label: "already_called", transient: true, ..CALL },
            Self::NoRoute => Row { label: "no_route", ..row("", (503, 3), Prompt::TryLater, true) },
            Self::Withdrawn => Row { label: "withdrawn", ..CALL },
            // RFC 5079 §5; RFC 8224 §6.2.2.
            Self::CallerAnonymous => {
                row("caller_anonymous", (433, 21), Prompt::CannotComplete, false)
            }
            Self::CallerForged => row("caller_forged", (438, 21), Prompt::CannotComplete, false),
            Self::CallerUnvouched => Row { label: "caller_unvouched", ..PAYER },
            Self::Guard(guard) => guard.row(),
            Self::TrunkRate => row("trunk_rate", (503, 42), Prompt::TryLater, true),
            Self::TrunkFull => row("trunk_full", (503, 34), Prompt::TryLater, true),
            Self::NodeFull => {
                Row { retry_after: true, ..row("node_full", (503, 42), Prompt::TryLater, true) }
            }
            Self::Draining => {
                Row { retry_after: true, ..row("draining", (503, 41), Prompt::Closing, true) }
            }
        }
    }

    /// Returns what whoever asked for a call of ours can do about it, in words.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UnknownNumber | Self::UnknownConferenceId | Self::IdentificationTimeout => {
                "the number is not one that can be joined; check it"
            }
            Self::NotLicensed => {
                "the organizer's licences allow no such call: assign pay-per-minute, or a \
                 subscription with communications credits"
            }
            Self::TollFreeDisabled => "toll-free callers are refused for this organizer",
            Self::OutboundPolicy => {
                "the organizer's outbound policy does not reach this destination: assign another"
            }
            Self::DestinationDenied => {
                "the organization's list denies this destination: allow a longer prefix of it"
            }
            Self::DestinationPremium => {
                "a premium-rate number: switch premium_allowed on, or allow its range by the \
                 organization's list"
            }
            Self::DestinationSatellite => {
                "a satellite or other international network: switch satellite_allowed on, or allow \
                 its range by the organization's list"
            }
            Self::DestinationSharedCost | Self::DestinationPersonal => {
                "the one who is called sets the price: allow its range by the organization's list"
            }
            Self::DestinationShort => "short codes are not called: write the whole number",
            Self::DestinationEmergency => {
                "emergency services are never called from a meeting: use your own telephone"
            }
            Self::DestinationOwnNumber => "this is a number of the bridge itself: dial in instead",
            Self::DestinationUnassigned => {
                "no country has given this number out: check its first digits"
            }
            Self::InsufficientCredit => {
                "the organization's credit does not cover the first increment: top it up"
            }
            Self::NoTariff => {
                "no dial-out price covers this destination in the organization's currency: add a \
                 tariff"
            }
            Self::MeetingFull => {
                "the meeting has its most participants: wait for one to leave, or raise \
                 participants_max"
            }
            Self::StoreUnavailable => "the store did not answer, nothing was held: try again",
            Self::MediaUnacceptable | Self::MalformedSdp => {
                "the trunk answered with media that cannot be used: see its media prefixes and codecs"
            }
            Self::UnknownMeeting => "no meeting has this name or id: see the provisioning",
            Self::UnknownUser => {
                "who asks is no user of the meeting's organization: name one who is"
            }
            Self::DialOutDisabled => {
                "calls out are switched off for this meeting or its organization: set \
                 dial_out_allowed"
            }
            Self::MalformedNumber => "not a number: write + and the country code",
            Self::AlreadyCalled => "it is being called, or is in: hang that call up first",
            Self::NoRoute => "no trunk carries this call now: see the trunks' prefixes and state",
            Self::Withdrawn => "the call was ended before it left",
            Self::CallerAnonymous | Self::CallerForged | Self::CallerUnvouched => {
                "the trunk's caller_rules turn this caller away"
            }
            Self::Guard(guard) => guard.advice(),
            Self::TrunkRate | Self::TrunkFull => "the trunk has its most calls: try again shortly",
            Self::NodeFull => "the node is full (calls, RTP ports): try again shortly",
            Self::Draining => "the node is being stopped: ask another, or try again later",
        }
    }

    /// Whether a caller may be told why before the answer. Not where the node or the trunk has no
    /// room for it, where no media can be agreed on, and not those against whom we guard: their
    /// calls would last the longer for it.
    #[must_use]
    pub const fn is_told_early(self) -> bool {
        !matches!(
            self,
            Self::Guard(_)
                | Self::CallerForged
                | Self::MediaUnacceptable
                | Self::MalformedSdp
                | Self::TrunkRate
                | Self::TrunkFull
                | Self::NodeFull
                | Self::Draining
        )
    }

    /// Returns the refusal's name: a metric label, a CDR's ending, a key of a trunk's overrides.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// Returns the SIP status for a trunk: its own choice (a final refusal), else the table's.
    #[must_use]
    pub fn status(self, overrides: &[(String, u16)]) -> u16 {
        let own = overrides.iter().find(|(label, _)| label == self.label()).map(|(_, code)| *code);
        own.filter(|code| (300..=699).contains(code)).unwrap_or(self.row().status)
    }
}

const fn row(
    label: &'static str,
    (status, q850): (u16, u8),
    prompt: Prompt,
    transient: bool,
) -> Row {
    Row { label, status, q850, prompt, transient, retry_after: false }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_label_of_its_own() {
        let labels: BTreeSet<_> = Refusal::all().map(Refusal::label).collect();
        assert_eq!(labels.len(), Refusal::all().count());
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(labels.iter().all(|label| !label.is_empty() && label.chars().all(plain)));
    }

    #[test]
    fn licence_and_credit_refusals_are_403_with_cause_21() {
        for refusal in
            [Refusal::NotLicensed, Refusal::TollFreeDisabled, Refusal::InsufficientCredit]
        {
            assert_eq!((refusal.row().status, refusal.row().q850), (403, 21), "{refusal:?}");
        }
    }

    #[test]
    fn what_concerns_a_payer_looks_alike_to_the_caller() {
        for refusal in Refusal::all().filter(|refusal| refusal.row().status == 403) {
            let row = refusal.row();
            assert_eq!((row.q850, row.prompt), (21, Prompt::CannotComplete), "{refusal:?}");
            assert!(!row.retry_after, "{refusal:?}");
        }
        let known = [400, 403, 404, 433, 438, 480, 484, 488, 503];
        assert!(Refusal::all().all(|refusal| known.contains(&refusal.row().status)));
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        for refusal in Refusal::all() {
            let advice = refusal.advice();
            assert!(advice.split(' ').count() >= 4, "{refusal:?}: {advice}");
        }
    }

    #[test]
    fn only_a_refusal_by_the_whole_node_names_a_time_to_come_back() {
        let named: Vec<_> = Refusal::all().filter(|r| r.row().retry_after).collect();
        let overloaded = Refusal::Guard(Guard::Overloaded);
        assert_eq!(named, [Refusal::NodeFull, Refusal::Draining, overloaded]);
        assert!(named.iter().all(|refusal| refusal.row().status == 503));
        assert!(Refusal::all().all(|refusal| refusal.row().status != 603));
    }

    #[test]
    fn a_trunk_may_choose_its_own_codes_but_no_answer() {
        let own = [("no_tariff".to_owned(), 603), ("unknown_number".to_owned(), 200)];
        assert_eq!(Refusal::NoTariff.status(&own), 603);
        assert_eq!(Refusal::UnknownNumber.status(&own), 404);
        assert_eq!(Refusal::NotLicensed.status(&own), 403);
    }
}
