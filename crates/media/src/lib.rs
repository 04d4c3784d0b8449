//! Every audio sample: SDP, RTP, jitter, codecs, digits, prompts and the mix, as values driven by
//! packets and ticks. No sockets, no clock, no locks; nothing is allocated in `tick`.

mod batch;
mod codec;
pub mod command;
mod control;
mod digits;
mod ear;
mod handover;
mod jitter;
mod leg;
pub mod mix;
mod news;
mod playback;
pub mod prompt;
mod reception;
mod room;
mod rtcp;
mod rtp;
pub mod sdp;
mod sender;
mod source;
pub mod srtp;
pub mod tone;
mod voice;
pub mod worker;

pub use command::{
    Command, Direction, Event, Flow, LegStats, PortId, ShardId, Silence, Tones, Way,
};
pub use handover::Handover;
pub use prompt::{Library, LibraryBuilder, Prompt};
pub use worker::{Batch, Outgoing, Worker};
