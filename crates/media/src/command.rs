//! What the bridge asks of the media plane, and what it hears back.

use std::net::SocketAddr;
use std::time::Duration;

use model::{CallId, Instant, IpPrefix, MeetingId};

use crate::prompt::Prompt;
use crate::srtp::Security;

/// An RTP port pair that the shell bound, by its place in the shell's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

/// One of the workers that share the media plane's legs, by its place among them. Legs of one room
/// are on one worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u8);

/// A G.711 law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// µ-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
}

/// Which way audio flows, as seen by us (RFC 3264 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We only send: the peer listens to music of ours, say.
    SendOnly,
    /// We only receive.
    RecvOnly,
    /// Neither; RTCP goes on.
    Inactive,
}

/// What offer and answer agreed on for one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// What we send; what we accept is either law by its static payload type.
    pub codec: Codec,
    /// Length of the packets that we send: 10 to 60 ms.
    pub ptime: Duration,
    /// Payload type of telephone-event in packets to us, if agreed.
    pub digits_in: Option<u8>,
    /// Payload type of comfort noise is 13 always; whether the peer offered it.
    pub comfort_noise: bool,
    /// Where our packets go, from its SDP, until a source is learned.
    pub remote: SocketAddr,
    /// Where RTCP goes; `None` when the peer multiplexes or has none.
    pub remote_rtcp: Option<SocketAddr>,
    /// Which way.
    pub direction: Direction,
    /// Whether the peer put us on hold (sendonly, inactive or 0.0.0.0).
    pub held: bool,
    /// Where its media may come from.
    pub sources: Vec<IpPrefix>,
    /// The keys of a protected leg.
    pub security: Option<Security>,
}

/// Which tones in a leg's audio are taken for keys. A new leg has them off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tones {
    /// None.
    #[default]
    Off,
    /// All, until the peer shows by its first telephone-event that it sends keys that way. Without
    /// telephone-events in the agreement: all.
    UntilEvent,
    /// All.
    On,
}

/// By which way media heard a press of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A telephone-event (RFC 4733).
    Event,
    /// Tones in the audio (ITU-T Q.23).
    Tone,
}

/// Something the bridge asks. A command about a leg that is gone is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Opens a leg on a port: from the next tick on a packet leaves every ptime. Without a place for
    /// it [`Event::Closed`] follows at once.
    Open {
        /// The leg.
        call: CallId,
        /// Its port.
        port: PortId,
        /// What was agreed.
        flow: Flow,
        /// Language of its prompts, as in [`crate::Library::language`].
        language: u8,
        /// SSRC and sequence start, drawn by the bridge.
        ssrc: u32,
    },
    /// Takes a new agreement; the source is learned anew.
    Update {
        /// The leg.
        call: CallId,
        /// What was agreed.
        flow: Flow,
    },
    /// Plays prompts one after another to this leg alone, instead of what it played before.
    Play {
        /// The leg.
        call: CallId,
        /// What to say; at most [`Command::PROMPTS`].
        prompts: Vec<Prompt>,
        /// Comes back in [`Event::Played`].
        token: u32,
        /// Whether a digit stops it.
        barge_in: bool,
        /// Whether the leg still hears its room underneath (a whispered warning).
        over_room: bool,
    },
    /// Stops what is played; no [`Event::Played`] comes.
    Hush {
        /// The leg.
        call: CallId,
    },
    /// Tells which tones of the leg are taken for keys: those only while digits are awaited.
    Listen {
        /// The leg.
        call: CallId,
        /// Which.
        tones: Tones,
    },
    /// Lets the leg hear, and be heard in, a room. A room exists while it has legs.
    Seat {
        /// The leg.
        call: CallId,
        /// The room is the meeting's.
        room: MeetingId,
    },
    /// Takes the leg out of its room; it stays open.
    Unseat {
        /// The leg.
        call: CallId,
    },
    /// Sets the paid time: from the first tick at or after it the leg neither hears nor is heard,
    /// and sends nothing. A later one moves it. Without it the leg has no end.
    Fund {
        /// The leg.
        call: CallId,
        /// On the node's monotonic clock.
        until: Instant,
    },
    /// Closes the leg and frees its port; [`Event::Closed`] follows.
    Close {
        /// The leg.
        call: CallId,
    },
    /// Takes the leg out of its room, and gives it to another worker after the next tick. That one is told by
    /// [`Command::Expect`]; everything else about the leg goes there too from now on.
    Release {
        /// The leg.
        call: CallId,
        /// To whom.
        to: ShardId,
    },
    /// Announces a leg that another worker releases. What is said about it before it is there is
    /// done when it comes.
    Expect {
        /// The leg.
        call: CallId,
    },
}

impl Command {
    /// Most prompts in one [`Command::Play`].
    pub const PROMPTS: usize = 16;

    /// Returns the leg that it is about.
    #[must_use]
    pub const fn call(&self) -> CallId {
        match self {
            Self::Open { call, .. }
            | Self::Update { call, .. }
            | Self::Play { call, .. }
            | Self::Hush { call }
            | Self::Listen { call, .. }
            | Self::Seat { call, .. }
            | Self::Unseat { call }
            | Self::Fund { call, .. }
            | Self::Close { call }
            | Self::Release { call, .. }
            | Self::Expect { call } => *call,
        }
    }
}

/// Whether a leg shows signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nothing valid came (RTP or RTCP) for 5 s; `last` is the last packet, if any ever came.
    Began {
        /// When the last valid packet came.
        last: Option<Instant>,
    },
    /// Packets come again.
    Ended,
}

/// News from the media plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed: one of `0-9*#A-D`, in ASCII. Exactly once a press and way.
    Digit {
        /// The leg.
        call: CallId,
        /// The key.
        digit: u8,
        /// By which way it came.
        way: Way,
    },
    /// A fax machine is at the other end: the leg is out of the mix from here on. Told once a leg.
    Fax {
        /// The leg.
        call: CallId,
    },
    /// Somebody in a room speaks. Told at most once in [`Event::SPOKE_EVERY`] of a leg.
    Spoke {
        /// The leg.
        call: CallId,
        /// When.
        at: Instant,
    },
    /// The prompts of that [`Command::Play`] came to their end.
    Played {
        /// The leg.
        call: CallId,
        /// From the command.
        token: u32,
    },
    /// The first valid RTP packet from the peer came.
    Heard {
        /// The leg.
        call: CallId,
        /// When.
        at: Instant,
    },
    /// Life or its absence, told when it changes.
    Life {
        /// The leg.
        call: CallId,
        /// Which.
        silence: Silence,
    },
    /// The paid time ended on this tick: nothing was mixed for the leg after `at`.
    Cut {
        /// The leg.
        call: CallId,
        /// The tick that silenced it.
        at: Instant,
        /// How long after the end of paid time that tick came.
        overrun: Duration,
    },
    /// The leg is closed and its port free.
    Closed {
        /// The leg.
        call: CallId,
        /// The port, to rest before its next use.
        port: PortId,
        /// What was counted.
        stats: LegStats,
    },
}

impl Event {
    /// How rarely a voice is told: a leg whose voice was told may have gone on for so long without
    /// another word of it.
    pub const SPOKE_EVERY: Duration = Duration::from_secs(30);
}

/// What was counted on one leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LegStats {
    /// Valid RTP packets from the peer.
    pub received: u64,
    /// Lost, by sequence numbers.
    pub lost: u64,
    /// Packets dropped: strangers, malformed, unknown payload types.
    pub dropped: u64,
    /// Packets sent.
    pub sent: u64,
    /// Interarrival jitter of RFC 3550 §6.4.1, microseconds, at the end.
    pub jitter_micros: u32,
    /// When the last valid RTP packet came.
    pub last_rtp: Option<Instant>,
    /// Protected packets that were not authentic, or came before; those dropped count them too.
    pub forged: u64,
}
