//! SIP as values: messages, transactions, dialogs and sessions, driven by datagrams, streams
//! and time. No sockets, no clock, no SDP: bodies are opaque bytes.
//!
//! Deliberately absent: registrations of others than trunks that are set up for it (405), REFER, Replaces, and 3xx inside a dialog:
//! nobody moves a call of ours, or has one placed. In a dialog a next hop that is not written as an
//! address of the trunk is replaced by the address that the peer's own requests come from.

mod answer;
mod chance;
pub mod connection;
mod dialog;
pub mod endpoint;
mod locate;
mod message;
mod receive;
mod response;
mod session;
mod shed;
mod timers;
mod transaction;
mod transport;
mod trouble;
mod trunk;

pub use connection::{
    Closure, ConnectionId, ConnectionInput, ConnectionOutput, Record, RecordData, RecordKind,
    Unfound,
};
pub use endpoint::{
    Command, Counted, Dial, Endpoint, Event, Failure, Input, Invitation, Key, Listener, Loss,
    Output, Settings, Transmit,
};
pub use shed::{Urgency, urgency};
pub use transport::strangers::{Ban, Patience};
pub use trouble::{Distrust, Trouble};
pub use trunk::digest::{Challenged, Unanswerable};
