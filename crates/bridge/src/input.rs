//! Everything that can happen to the bridge.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use credits::Farewell;
use media::PortId;
use model::CallId;

use crate::directory::Directory;
use crate::load::Load;
use crate::outbound::DialOut;
use crate::outbound::limits::Spent;

/// What became of a store request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOutcome {
    /// It was committed, or refused by the book.
    Answered(credits::Answer),
    /// It failed, or took too long: it may or may not have been committed.
    Unknown,
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A SIP datagram came.
    Datagram {
        /// On which listener.
        listener: u8,
        /// From whom.
        source: SocketAddr,
        /// The message.
        payload: Bytes,
    },
    /// Something happened to a connection that carries SIP.
    Connection {
        /// To which.
        connection: sip::ConnectionId,
        /// What.
        input: sip::ConnectionInput,
    },
    /// The answer to [`crate::Output::Lookup`]; exactly one for each.
    Found {
        /// The question's.
        id: u64,
        /// The records, or why there are none.
        answer: Result<Vec<sip::Record>, sip::Unfound>,
    },
    /// The answer to [`crate::Output::Store`]; exactly one for each.
    Stored {
        /// The request's id.
        request: u64,
        /// What became of it.
        outcome: StoreOutcome,
    },
    /// News from the media plane.
    Media(media::Event),
    /// RTP port pairs were bound: id, advertised address with the even port.
    PortsAdded(Vec<(PortId, SocketAddr)>),
    /// What is provisioned has changed.
    Directory(Arc<Directory>),
    /// Legs of a crashed epoch have been settled; their carriers get a BYE, and each comes back as
    /// [`crate::Output::Told`].
    Orphans(Vec<Farewell>),
    /// What calls out of earlier runs have cost lately; comes before anybody calls.
    Spent(Box<Spent>),
    /// Somebody is to be called into a meeting; answered by exactly one [`crate::Output::Placed`].
    DialOut(Box<DialOut>),
    /// How busy the node is.
    Load(Load),
    /// The operator ends one call; it is charged.
    HangUp(CallId),
    /// No new calls; live ones may go on for `limit`, then goodbye and BYE. A shorter limit
    /// replaces a longer one; zero ends at once, still charged.
    Drain {
        /// How long live calls may go on.
        limit: Duration,
    },
}
