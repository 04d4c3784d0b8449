//! What the endpoint tells the bridge.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::{CallId, TrunkId, Vouched};

use crate::connection::Closure;
use crate::trouble::Trouble;

/// News for the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new call.
    Invited(Box<Invitation>),
    /// CANCEL or a BYE came before our final answer, or the INVITE's Expires passed; 487 has left.
    /// The call is gone here.
    Cancelled {
        /// The call.
        call: CallId,
    },
    /// The ACK of our 200 OK came (once for the INVITE, once for each re-INVITE).
    Confirmed {
        /// The call.
        call: CallId,
        /// The SDP answer, if the INVITE or re-INVITE had no offer.
        answer: Option<Bytes>,
    },
    /// Our 183 was acknowledged by PRACK.
    Acknowledged {
        /// The call.
        call: CallId,
        /// The SDP answer, if the INVITE had no offer.
        answer: Option<Bytes>,
    },
    /// A re-INVITE or UPDATE wants new media, or before the answer a PRACK or UPDATE, theirs or that
    /// of a person whom we call (RFC 3311 §5.2). Answer with [`crate::Command::AcceptOffer`] or
    /// [`crate::Command::RejectOffer`]. It is also proof of life.
    Offered {
        /// The call.
        call: CallId,
        /// Their offer; `None` asks for ours.
        offer: Option<Bytes>,
    },
    /// A session refresh without SDP, any other request in the dialog, or a 2xx to one of ours:
    /// proof of life.
    Alive {
        /// The call.
        call: CallId,
    },
    /// A re-INVITE of ours, which repeats our SDP that stands, was answered by a 2xx with this SDP.
    Agreed {
        /// The call.
        call: CallId,
        /// Their answer.
        answer: Bytes,
    },
    /// [`crate::Command::Ping`] was answered, but by nothing that says whether the peer knows the call:
    /// neither proof of life nor of death (RFC 5057 §5.1).
    Unproven {
        /// The call.
        call: CallId,
    },
    /// An INFO told that a key was pressed; 200 has left.
    Keyed {
        /// The call.
        call: CallId,
        /// The key.
        key: Key,
        /// How long it was held, as far as was said: 10 s at most.
        lasted: Duration,
    },
    /// BYE came; 200 has left. The call is gone here.
    HungUp {
        /// The call.
        call: CallId,
        /// Cause of its Reason header, if it had one.
        q850: Option<u8>,
    },
    /// The dialog ended without the peer's BYE. The call is gone here.
    Lost {
        /// The call.
        call: CallId,
        /// Why.
        loss: Loss,
    },
    /// An INVITE of ours leaves, by the next address of its trunk. One that is sent again with
    /// credentials, or another session interval, is the same to the peer and no news.
    Dialled {
        /// The call.
        call: CallId,
        /// Its Call-ID on the wire.
        sip_call_id: String,
    },
    /// A provisional answer came to an INVITE of ours, 100 included.
    Progress {
        /// The call.
        call: CallId,
        /// 100–199.
        status: u16,
        /// Its SDP: early media.
        body: Option<Bytes>,
    },
    /// The first 2xx came to an INVITE of ours and was acknowledged; the dialog stands.
    Accepted {
        /// The call.
        call: CallId,
        /// The SDP answer: of the 2xx, else of the reliable provisional answer before it.
        answer: Option<Bytes>,
    },
    /// An INVITE of ours came to nothing. The call is gone here.
    Failed {
        /// The call.
        call: CallId,
        /// Why.
        failure: Box<Failure>,
    },
    /// A trunk that is asked by OPTIONS went down or came back.
    Reachable {
        /// The trunk.
        trunk: TrunkId,
        /// Whether calls may be placed by it.
        up: bool,
    },
    /// Something keeps us from reaching a trunk, or does no longer.
    Troubled {
        /// The trunk.
        trunk: TrunkId,
        /// What.
        trouble: Option<Trouble>,
    },
    /// A registration changed: ours with the trunk, or the trunk's with us.
    Registered {
        /// The trunk.
        trunk: TrunkId,
        /// Whether the carrier knows us now, or we know where the trunk is.
        registered: bool,
        /// The last answer, its or ours; 408 if none came, or the trunk's registration ran out.
        status: u16,
    },
    /// The BYE of [`crate::Command::EndOrphan`] was answered, or given up.
    OrphanEnded {
        /// The call.
        call: CallId,
        /// Whether the peer answered at all.
        answered: bool,
    },
    /// Something for the meters.
    Counted(Counted),
}

/// An INVITE that starts a call. 100 Trying has left already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The call, named by us.
    pub call: CallId,
    /// The carrier's Call-ID.
    pub sip_call_id: String,
    /// Who sent it.
    pub trunk: TrunkId,
    /// On which socket.
    pub listener: u8,
    /// From where.
    pub source: SocketAddr,
    /// Dialled user part or telephone number as received, from the trunk's header (from the
    /// Request-URI where that header is missing), its prefix stripped, parameters and visual
    /// separators removed. Empty if there was none.
    pub called: String,
    /// The caller's user part, from P-Asserted-Identity of a trusted trunk, else From; `None` if
    /// anonymous or absent.
    pub caller: Option<String>,
    /// The same where the caller wants it withheld (RFC 3323): for the billing view alone.
    pub withheld: Option<String>,
    /// Who vouches for the caller's number.
    pub vouched: Vouched,
    /// Number parameters as received, lower-case names: `rn`, `npdi`, `cic`, `isup-oli`, `cpc`,
    /// `verstat`.
    pub parameters: Vec<(String, String)>,
    /// The SDP offer, out of a multipart body if need be; `None` is a late offer.
    pub offer: Option<Bytes>,
    /// Whether our SDP before the answer will be acknowledged (RFC 3262).
    pub acknowledges: bool,
}

/// Why a call that we placed came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The final answer, 300–699; 408 if none came, 503 if nothing could be sent (RFC 3261 §8.1.3.1).
    pub status: u16,
    /// Whether that answer came over the wire.
    pub answered: bool,
    /// Whether a provisional answer other than 100 came before.
    pub progressed: bool,
    /// Why there was none.
    pub trouble: Option<Trouble>,
    /// Cause of its Reason header.
    pub q850: Option<u8>,
    /// Its Retry-After, seconds.
    pub retry_after_secs: Option<u32>,
    /// Where a 3xx leads: user parts or telephone numbers of contacts whose host is one of the
    /// trunk's redirect hosts, best first; others are left out and counted.
    pub contacts: Vec<String>,
}

/// Why a dialog is gone without a BYE from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// No ACK within 32 s of the 200 OK. A BYE has left.
    Unacknowledged,
    /// The session timer ran out. A BYE has left.
    SessionExpired,
    /// The peer, or whoever answers for it, said that it does not know the call or cannot be
    /// reached, or said nothing at all (RFC 5057 §5.1: 404, 408, 410, 416, 480–485, 502, 604). A BYE
    /// has left, except after 481.
    PeerGone,
}

/// A key of a telephone, one of `0-9*#A-D` in ASCII. Never shown (reliability.md S8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u8);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*")
    }
}

/// Small closed sets for the meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// A request came: its method's name, `OTHER` if unknown to us.
    Request(&'static str),
    /// We answered with this status.
    Response(u16),
    /// A datagram of nobody on the allow-list: dropped.
    Stranger,
    /// A source off the allow-list is banned from now on.
    Banned,
    /// A banned source knocked: dropped.
    Shunned,
    /// An INVITE was refused because the node has too much to do.
    Shed,
    /// Not SIP, or against its grammar.
    Malformed,
    /// A repeated request that was absorbed.
    Retransmission,
    /// We sent a message again.
    Resent,
    /// A connection can carry messages; whether we opened it.
    Connected(bool),
    /// A connection of a trunk's address was closed at once: there are too many.
    Crowded,
    /// A connection is no more.
    Disconnected(Closure),
    /// A 2xx came to an INVITE of ours that was given up: acknowledged and ended.
    LateAnswer,
    /// One INVITE of ours was answered by several: all but the first are acknowledged and ended.
    ForkedAnswer,
    /// A 3xx led to a host that the trunk does not allow.
    ForeignContact,
    /// The 2xx to a re-INVITE of ours had no SDP, or none that can be read: the session goes on as
    /// it was.
    NoAnswer,
    /// A request of ours was challenged by a realm that is not the trunk's: no credentials left.
    ForeignRealm,
}
