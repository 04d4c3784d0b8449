//! What the doctor saw, as plain data: nothing is judged here.

use std::net::{IpAddr, SocketAddr};

use model::Transport;

/// What became of one question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was not put: the call did not get that far.
    #[default]
    Never,
    /// There was no reason to, or no way; why.
    Spared(&'static str),
    /// A final answer came.
    Answered(u16),
    /// None came in time.
    Silent,
}

impl Asked {
    /// Whether the answer was a 2xx.
    pub(crate) const fn is_granted(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }
}

/// What became of the attempt to open a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Not tried, and why.
    #[default]
    Untried,
    /// We have no listener of that transport.
    NoListener,
    /// It opened, at that address; for TLS after the handshake.
    Open(SocketAddr),
    /// It did not, and why.
    Failed(SocketAddr, String),
}

/// A challenge to our INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// 401 or 407.
    pub(crate) status: u16,
    pub(crate) realm: String,
    pub(crate) outcome: Answer,
}

/// What became of our answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The configuration has no credentials.
    NoCredentials,
    /// They are of another realm.
    ForeignRealm,
    /// Neither MD5 nor SHA-256 with `auth`.
    Unknown,
    /// It was given, with that hash; more than once if a nonce was stale.
    Given(&'static str),
    /// It was given and not accepted.
    Rejected,
}

/// How the INVITE ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There was none: no number, or no way to the trunk.
    #[default]
    NotCalled,
    /// 2xx, so long after the INVITE, milliseconds.
    Answered(u64),
    /// A final refusal: status, words, Q.850 cause, Contact of a 3xx.
    Refused { status: u16, phrase: String, cause: Option<u8>, contact: Option<String> },
    /// It was going on when our patience ended; whether the end was confirmed.
    GivenUp { confirmed: bool },
    /// Nothing came at all.
    Silent,
}

/// A session timer that was agreed on (RFC 4028).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) secs: u32,
    /// `uac` is us, `uas` the trunk.
    pub(crate) refresher: Option<String>,
}

/// What the SDP of an answer or offer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// Where audio goes.
    pub(crate) address: Option<SocketAddr>,
    /// `RTP/AVP`, `RTP/SAVP`.
    pub(crate) profile: String,
    /// Payload types and names, in its order: `PCMA`, `telephone-event`.
    pub(crate) formats: Vec<(u8, String)>,
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    pub(crate) direction: String,
    pub(crate) rtcp_mux: bool,
    /// Where reports go, if not to the port above.
    pub(crate) rtcp_port: Option<u16>,
}

impl Described {
    /// Whether a format is there.
    pub(crate) fn has(&self, format: &str) -> bool {
        self.formats.iter().any(|(_, name)| name.eq_ignore_ascii_case(format))
    }
}

/// A 2xx to the INVITE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) described: Option<Described>,
    pub(crate) session: Option<Session>,
    /// Methods of Allow; empty if there is no such header.
    pub(crate) allow: Vec<String>,
    /// Further 2xx of other branches, which were ended.
    pub(crate) forks: u32,
}

/// What was heard of RTP and RTCP in some part of the call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// RTP packets.
    pub(crate) packets: u32,
    /// Payload types that came, ascending.
    pub(crate) payload_types: Vec<u8>,
    /// The first addresses that packets came from.
    pub(crate) sources: Vec<IpAddr>,
    /// RTCP packets.
    pub(crate) reports: u32,
    /// Reports that said they hear us.
    pub(crate) about_us: u32,
    /// The loss they told of last, in 256ths.
    pub(crate) our_loss: Option<u8>,
}

/// A change of the session by a re-INVITE of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) asked: Asked,
    /// The description that came back.
    pub(crate) described: Option<Described>,
    /// RTP packets in the second after it.
    pub(crate) packets: u32,
}

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The number called, as it may be shown; `None` calls nobody.
    pub(crate) number: Option<String>,
    pub(crate) transport: Transport,
    /// Where the trunk was found; empty if it was not.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The one that was called.
    pub(crate) address: Option<SocketAddr>,
    /// Why there is no way to it.
    pub(crate) nowhere: Option<String>,
    pub(crate) tcp: Opened,
    pub(crate) tls: Opened,
    pub(crate) options: Asked,
    pub(crate) challenge: Option<Challenge>,
    /// Provisional answers but 100: status, whether reliable, whether with SDP.
    pub(crate) provisional: Vec<(u16, bool, bool)>,
    pub(crate) prack: Asked,
    /// RTP packets before the answer.
    pub(crate) early: u32,
    /// The Min-SE of a 422.
    pub(crate) interval_too_small: Option<u32>,
    pub(crate) ending: Ending,
    pub(crate) accepted: Accepted,
    pub(crate) heard: Heard,
    /// Packets of ours that left.
    pub(crate) sent: u32,
    pub(crate) ping: Asked,
    pub(crate) update: Asked,
    pub(crate) info: Asked,
    pub(crate) hold: Changed,
    pub(crate) resume: Changed,
    pub(crate) late_offer: Changed,
    pub(crate) bye: Asked,
    /// The trunk hung up first.
    pub(crate) hung_up: bool,
    /// Other requests of the trunk in the call, by method.
    pub(crate) theirs: Vec<String>,
    /// Why it ended before its time: interrupted, out of time.
    pub(crate) cut_short: Option<&'static str>,
    /// RTP left from outside `media.port_first` to `port_last`: none there was free.
    pub(crate) foreign_port: bool,
}
