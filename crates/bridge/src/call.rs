//! One call: its file, and the state that it is in. One file a state; one arm per state and signal.

pub(crate) mod admitting;
pub(crate) mod announcing;
pub(crate) mod arriving;
pub(crate) mod confirming;
pub(crate) mod dialing;
pub(crate) mod file;
pub(crate) mod identifying;
pub(crate) mod keys;
pub(crate) mod leaving;
pub(crate) mod line;
pub(crate) mod news;
pub(crate) mod parting;
pub(crate) mod pulse;
pub(crate) mod reserving;
pub(crate) mod ringing;
pub(crate) mod seated;
pub(crate) mod vigil;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use media::{LegStats, Prompt, Tones};
use model::Instant;

use crate::call::admitting::Admitting;
use crate::call::announcing::Announcing;
use crate::call::confirming::Confirming;
use crate::call::dialing::Dialing;
use crate::call::file::File;
use crate::call::identifying::Identifying;
use crate::call::leaving::Leaving;
use crate::call::news::News;
use crate::call::parting::Parting;
use crate::call::reserving::Reserving;
use crate::call::ringing::Ringing;
use crate::call::seated::Seated;
use crate::desk::Errand;
use crate::input::StoreOutcome;
use crate::placing::Stage;
use crate::settings::Settings;
use crate::turn::Turn;

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) file: File,
    pub(crate) state: State,
    /// When it is to be woken, as the alarms have it.
    pub(crate) alarm: Option<Instant>,
}

/// Where a call stands.
#[derive(Debug)]
pub(crate) enum State {
    /// The payer is certain; the store is asked for the first hold while the caller hears ringing.
    Ringing(Box<Ringing>),
    /// Refused, and told why before the code.
    Announcing(Box<Announcing>),
    /// A call of ours; the store is asked for its first hold, and nothing has left yet.
    Reserving(Box<Reserving>),
    /// A call of ours; its INVITE has left.
    Dialing(Box<Dialing>),
    /// A call of ours was answered; somebody is to press 1.
    Confirming(Box<Confirming>),
    /// Answered; the caller keys in a conference ID.
    Identifying(Box<Identifying>),
    /// Answered and identified; the store is asked for the first hold.
    Admitting(Box<Admitting>),
    /// Has a place in the meeting.
    Seated(Box<Seated>),
    /// Is told goodbye; then BYE.
    Parting(Box<Parting>),
    /// Nobody is there any more; the store or the media plane still owes an answer.
    Leaving(Box<Leaving>),
    /// Nothing is owed in either direction.
    Over,
}

/// Something that happened to a call.
#[derive(Debug)]
pub(crate) enum Signal {
    /// CANCEL came.
    Cancelled,
    /// What was said before the answer has come, and this SDP answers it if it was our offer.
    Acknowledged(Option<Bytes>),
    /// An answer came to our INVITE.
    Reply(Reply),
    /// The called person is not wanted any more.
    Withdrawn(Withdrawal),
    /// Something was told of the leg's media or life.
    Line(News),
    /// BYE came.
    HungUp(Option<u8>),
    /// The dialog ended without BYE.
    Lost(sip::Loss),
    /// A key was pressed.
    Digit(Key),
    /// An announcement came to its end.
    Played(u32),
    /// The paid time ended on this tick.
    Cut {
        /// The tick.
        at: Instant,
        /// How far it lay behind.
        overrun: Duration,
    },
    /// The media plane closed the leg.
    Closed(LegStats),
    /// The store answered.
    Stored(Errand, StoreOutcome),
    /// The account's standing was read.
    Standing,
    /// Somebody came into or left the room.
    Tone(Prompt),
    /// Time has come.
    Wake,
    /// The operator ends the call.
    HangUp,
    /// The node closes.
    CloseDown(Haste),
}

/// What came of an INVITE of ours so far.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A provisional answer.
    Progress {
        /// 100–199.
        status: u16,
        /// Its SDP.
        body: Option<Bytes>,
    },
    /// A 2xx, with this SDP answer.
    Accepted(Option<Bytes>),
    /// It came to nothing.
    Failed(Box<sip::Failure>),
}

/// Why a called person is not wanted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withdrawal {
    /// Another number of the same order has joined.
    JoinedElsewhere,
    /// Nobody is left in the meeting.
    MeetingOver,
}

/// How a closing node ends its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// The caller is told.
    Goodbye,
    /// At once.
    Now,
}

/// A key. Never shown: it may be part of a conference ID (reliability.md S8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) u8);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*")
    }
}

impl Call {
    /// Returns what media is to be told if keys began or ceased to be awaited.
    pub(crate) fn listen(&mut self) -> Option<media::Command> {
        let awaits = self.file.open && self.state.awaits_keys();
        if awaits == self.file.listening || !self.state.is_live() {
            return None;
        }
        self.file.listening = awaits;
        let tones = if awaits { keys::tones(self.file.trunk.dtmf) } else { Tones::Off };
        Some(media::Command::Listen { call: self.file.call, tones })
    }
}

impl State {
    /// Takes a signal. The state is consumed: if the step panics it is gone, the file is not.
    pub(crate) fn step(self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> Self {
        match self {
            Self::Ringing(state) => state.step(signal, file, turn),
            Self::Announcing(state) => state.step(signal, file, turn),
            Self::Reserving(state) => state.step(signal, file, turn),
            Self::Dialing(state) => state.step(signal, file, turn),
            Self::Confirming(state) => state.step(signal, file, turn),
            Self::Identifying(state) => state.step(signal, file, turn),
            Self::Admitting(state) => state.step(signal, file, turn),
            Self::Seated(state) => state.step(signal, file, turn),
            Self::Parting(state) => state.step(signal, file, turn),
            Self::Leaving(state) => state.step(signal, file, turn),
            Self::Over => Self::Over,
        }
    }

    /// Returns when the call is to be woken.
    pub(crate) fn due(&self, file: &File, settings: &Settings) -> Option<Instant> {
        let limits = (settings.life_limit, settings.life_limit_held);
        match self {
            Self::Ringing(state) => Some(state.due()),
            Self::Announcing(state) => Some(state.due()),
            Self::Reserving(state) => Some(state.due()),
            Self::Dialing(state) => Some(state.due()),
            Self::Confirming(state) => state.due(file, limits),
            Self::Identifying(state) => state.due(file, limits),
            Self::Admitting(state) => state.due(limits),
            Self::Seated(state) => state.due(file, limits),
            Self::Parting(state) => Some(state.due()),
            Self::Leaving(state) => state.due(),
            Self::Over => None,
        }
    }

    /// Returns the state's name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Ringing(_) => "ringing",
            Self::Announcing(_) => "announcing",
            Self::Reserving(_) => "reserving",
            Self::Dialing(_) => "dialing",
            Self::Confirming(_) => "confirming",
            Self::Identifying(_) => "identifying",
            Self::Admitting(_) => "admitting",
            Self::Seated(_) => "seated",
            Self::Parting(_) => "parting",
            Self::Leaving(_) => "leaving",
            Self::Over => "over",
        }
    }

    /// Returns how far a call of ours has come. A call begins as [`Self::Over`], before its first
    /// step.
    pub(crate) const fn stage(&self) -> Stage {
        match self {
            Self::Reserving(_) => Stage::Asked,
            Self::Dialing(_) | Self::Confirming(_) | Self::Parting(_) => Stage::Left,
            Self::Seated(_) => Stage::Joined,
            Self::Ringing(_) | Self::Announcing(_) | Self::Identifying(_) | Self::Admitting(_) => {
                Stage::Asked
            }
            Self::Leaving(_) | Self::Over => Stage::Over,
        }
    }

    /// Whether a key would change something.
    const fn awaits_keys(&self) -> bool {
        match self {
            Self::Identifying(_) | Self::Confirming(_) => true,
            Self::Seated(state) => state.asks(),
            Self::Ringing(_)
            | Self::Announcing(_)
            | Self::Reserving(_)
            | Self::Dialing(_)
            | Self::Admitting(_)
            | Self::Parting(_)
            | Self::Leaving(_)
            | Self::Over => false,
        }
    }

    /// Whether the caller is refused and told why.
    pub(crate) const fn is_announcing(&self) -> bool {
        matches!(self, Self::Announcing(_))
    }

    /// Whether somebody is there.
    pub(crate) const fn is_live(&self) -> bool {
        match self {
            Self::Ringing(_)
            | Self::Announcing(_)
            | Self::Reserving(_)
            | Self::Dialing(_)
            | Self::Confirming(_)
            | Self::Identifying(_)
            | Self::Admitting(_)
            | Self::Seated(_)
            | Self::Parting(_) => true,
            Self::Leaving(_) | Self::Over => false,
        }
    }
}

/// Returns the earlier of two moments that may not come.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (moment, None) | (None, moment) => moment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let shown = format!("{:?}", Signal::Digit(Key(b'7')));
        assert!(!shown.contains('7') && !shown.contains("55"), "{shown}");
    }
}
