//! Everything that the bridge can ask for.

use std::sync::Arc;
use std::time::Duration;

use model::record::{NumberType, ServiceNumber, Trunk};
use model::{AccountId, CallId, Money};

use crate::outbound::Placed;
use crate::refusal::Refusal;
use crate::routing::{Attempt, Direction};
use crate::shield;

/// One question to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    /// Comes back in [`crate::Input::Stored`].
    pub id: u64,
    /// What is asked. Idempotent by its own ids: a retry repeats it under a new request id.
    pub command: credits::Command,
    /// Whether it may wait for the batching window (rolls) or must commit at once.
    pub may_wait: bool,
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this SIP message.
    Transmit(sip::Transmit),
    /// Do this to a connection that carries SIP.
    Connection {
        /// To which.
        connection: sip::ConnectionId,
        /// What.
        output: sip::ConnectionOutput,
    },
    /// Ask the name servers, and answer by [`crate::Input::Found`].
    Lookup {
        /// Comes back with the answer.
        id: u64,
        /// The name.
        name: String,
        /// What of it.
        kind: sip::RecordKind,
    },
    /// Ask the store.
    Store(StoreRequest),
    /// Tell one worker of the media plane. What is told to one of them is told in order.
    Media {
        /// Which.
        shard: media::ShardId,
        /// What.
        command: media::Command,
    },
    /// An order to call somebody was decided; exactly one for each.
    Placed(Placed),
    /// Count this.
    Note(Note),
    /// The carrier of a leg of a crashed epoch was told that it is over, or could not be reached:
    /// its farewell may be forgotten.
    Told(CallId),
    /// Draining is over: no call lives and nothing is owed by the store.
    Drained,
}

/// Something for the meters and the log; small closed sets only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// From the SIP endpoint.
    Sip(sip::Counted),
    /// An INVITE was turned into a call.
    CallBegan {
        /// Which.
        call: CallId,
    },
    /// A call was answered.
    Answered {
        /// From INVITE to 200 OK.
        after: Duration,
    },
    /// A call of ours has left.
    Dialled {
        /// From the order to the INVITE, policy and hold included.
        after: Duration,
    },
    /// A call of ours was answered.
    Reached {
        /// From the order to the 200 OK.
        after: Duration,
    },
    /// A call of ours is over, or was refused.
    DialOut {
        /// One of [`crate::ending::labels`].
        outcome: &'static str,
    },
    /// An attempt to call by a trunk, or of a trunk to call us, is over.
    Attempted {
        /// The trunk; its name is a metric label.
        trunk: Arc<Trunk>,
        /// What became of it.
        attempt: Attempt,
    },
    /// No media ever came from an answered leg.
    OneWay {
        /// The trunk.
        trunk: Arc<Trunk>,
        /// Which way it was called.
        direction: Direction,
    },
    /// A trunk can be called by, or cannot any more.
    Reachable {
        /// The trunk.
        trunk: Arc<Trunk>,
        /// Whether it can.
        up: bool,
    },
    /// Something keeps us from reaching a trunk that did not before.
    Troubled {
        /// The trunk.
        trunk: Arc<Trunk>,
        /// What.
        trouble: sip::Trouble,
    },
    /// A call took its seat.
    Seated {
        /// Toll or toll-free; `None` if we called.
        number_type: Option<NumberType>,
        /// Whether credits pay.
        charged: bool,
    },
    /// A call was refused, before or after answer.
    Refused(Refusal),
    /// A leg was cut on the tick at which its paid time ended.
    Cut {
        /// How far the tick lay behind.
        overrun: Duration,
    },
    /// BYE left after a cut.
    CutSignalled {
        /// From the end of paid time to the BYE.
        after: Duration,
    },
    /// A caller was warned.
    Warned {
        /// 60 or 10 seconds before the end.
        seconds: u8,
    },
    /// A top-up or release rescued a leg that was final.
    Rescued,
    /// The node began to refuse new calls because it has too much to do, or ceased to.
    Overload(bool),
    /// A budget against abuse begins to be used up.
    Abuse(shield::Alarm),
    /// How much a toll-free number's calls look like pumping has changed.
    Pumping {
        /// The number; it is a metric label.
        number: Arc<ServiceNumber>,
        /// 0 to 1 000.
        permille: u16,
    },
    /// A digit was heard.
    Digit,
    /// A fax machine was heard, and taken out of the mix.
    Fax,
    /// A call is over; its label is one of [`crate::ending::labels`].
    CallEnded {
        /// Which.
        call: CallId,
        /// `caller_hung_up`, `credit_exhausted`, …
        label: &'static str,
        /// Connected time.
        connected: Duration,
    },
    /// The book captured this for a closed leg.
    Captured {
        /// Whose account.
        account: AccountId,
        /// The leg's whole charge.
        charge: Money,
    },
    /// Time nobody pays for was written down.
    Unattributed {
        /// At list price.
        value: Money,
    },
    /// Media counted on a closed leg.
    MediaClosed(media::LegStats),
}
