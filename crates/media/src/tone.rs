//! Tones in the audio: keys (ITU-T Q.23, Q.24) and fax machines (ITU-T T.30). Pure: frames in,
//! findings out; nothing is allocated.

mod bank;
mod dtmf;
mod fax;

pub use dtmf::Keys;
pub use fax::Fax;
