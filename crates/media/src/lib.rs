//! Every audio sample: SDP, RTP, jitter, codecs, digits, prompts and the mix, as values driven by
//! packets and ticks. No sockets, no clock, no locks; nothing is allocated in `tick`.

pub mod command;
pub mod prompt;
pub mod sdp;
pub mod worker;

pub use command::{Command, Direction, Event, Flow, LegStats, PortId, Silence};
pub use prompt::{Library, LibraryBuilder, Prompt};
pub use worker::{Batch, Outgoing, Worker};
