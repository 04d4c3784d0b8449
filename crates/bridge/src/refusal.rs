//! The one table of named noes.

/// Why a call is turned away or a caller sent off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Nobody answers the dialled number.
    UnknownNumber,
    /// The organizer holds no licence for it, or may not use credits.
    NotLicensed,
    /// Toll-free callers are refused for this organizer.
    TollFreeDisabled,
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
    /// The trunk's calls per second are spent.
    TrunkRate,
    /// The trunk's channels are all busy.
    TrunkFull,
    /// No RTP port is free, or the node holds its most calls.
    NodeFull,
    /// The node is draining.
    Draining,
}
