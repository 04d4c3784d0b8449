//! SIP as values: messages, transactions, dialogs and sessions, driven by datagrams and time.
//! No sockets, no clock, no SDP: bodies are opaque bytes.

pub mod endpoint;

pub use endpoint::{
    Command, Counted, Endpoint, Event, Input, Invitation, Listener, Loss, Output, Settings,
    Transmit,
};
