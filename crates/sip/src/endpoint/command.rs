//! What the bridge may ask of the endpoint.

use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{CallId, TrunkId};

/// What the bridge may ask. A command about a call that is gone is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Replaces the allow-list. Live dialogs of a removed trunk go on until they end.
    Trunks(Vec<Trunk>),
    /// New INVITEs, OPTIONS and REGISTERs get 503 with Retry-After from now on, and our own
    /// registrations are taken back.
    Drain,
    /// New INVITEs get 503 with Retry-After, 5 to 30 s, or no longer do. Nothing of them is kept;
    /// what lies in a dialog is served.
    Overload(bool),
    /// 180 Ringing, without a body.
    Ring {
        /// The call.
        call: CallId,
    },
    /// 183 Session Progress with our SDP: something is said before the answer. Its arrival is made
    /// certain if the caller can acknowledge it (RFC 3262). Where the INVITE brought no offer the
    /// body is ours, and leaves only if [`crate::Invitation::acknowledges`].
    Announce {
        /// The call.
        call: CallId,
        /// Our SDP: the answer, or the offer if the INVITE had none.
        body: Bytes,
    },
    /// A final refusal of the INVITE.
    Refuse {
        /// The call.
        call: CallId,
        /// 300–699.
        status: u16,
        /// `Reason: Q.850;cause=…`.
        q850: Option<u8>,
        /// Retry-After, seconds.
        retry_after_secs: Option<u32>,
    },
    /// 200 OK to the INVITE, repeated until ACK. It waits for the PRACK of our SDP, if such a 183
    /// waits for one (RFC 3262 §3).
    Answer {
        /// The call.
        call: CallId,
        /// Our SDP: the answer, or the offer if the INVITE had none.
        body: Bytes,
    },
    /// 200 OK to a re-INVITE, UPDATE or PRACK announced by [`crate::Event::Offered`].
    AcceptOffer {
        /// The call.
        call: CallId,
        /// Our SDP: the answer, or the offer if theirs was empty.
        body: Bytes,
    },
    /// A final refusal of such a change: 488, 500…
    RejectOffer {
        /// The call.
        call: CallId,
        /// 400–699.
        status: u16,
    },
    /// Places a call: INVITE leaves by the trunk. Its news is [`crate::Event::Progress`], then exactly one
    /// of [`crate::Event::Accepted`] and [`crate::Event::Failed`].
    Dial(Box<Dial>),
    /// Gives up a call that we placed and that has no final answer yet: CANCEL leaves as soon as it
    /// may (RFC 3261 §9.1), a 2xx that comes nevertheless is acknowledged and ended at once. No news
    /// of the call comes after it, and its [`CallId`] is free for another [`Command::Dial`].
    Abandon {
        /// The call.
        call: CallId,
        /// `Reason: Q.850;cause=…` of the CANCEL.
        q850: Option<u8>,
    },
    /// Ends an answered call. Before the ACK it waits for it, or for 32 s (RFC 3261 §15): until
    /// then news of the call goes on. A call that is not answered is refused with 480.
    Bye {
        /// The call.
        call: CallId,
        /// `Reason: Q.850;cause=…`.
        q850: u8,
    },
    /// Asks the peer in the dialog whether it still knows the call: by OPTIONS, and if the answer
    /// proves nothing by UPDATE, where its Allow lists that.
    Ping {
        /// The call.
        call: CallId,
    },
    /// Sends BYE for a dialog of an earlier process, its CSeq advanced by 1 000.
    EndOrphan {
        /// The call.
        call: CallId,
        /// What [`crate::Endpoint::dialog_record`] gave.
        dialog: String,
    },
}

/// A call that we place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The call, named by the bridge.
    pub call: CallId,
    /// By which trunk; it has an [`model::Outbound`].
    pub trunk: TrunkId,
    /// User part of Request-URI and To, in the trunk's own format: `+390112345678`.
    pub called: String,
    /// Who calls, in the trunk's own format; authorized for the trunk by the bridge.
    pub caller: String,
    /// Shown beside the caller's number.
    pub name: Option<String>,
    /// Whether the caller is withheld: From is anonymous, Privacy: id (RFC 3323, RFC 3325).
    pub withheld: bool,
    /// Our SDP offer.
    pub offer: Bytes,
    /// Hops left (RFC 3261 §20.22).
    pub max_forwards: u8,
    /// How long one address of the trunk may stay without any answer at all before the next one is
    /// tried (RFC 3263 §4.3); after the last one the call has failed.
    pub patience: Duration,
}
