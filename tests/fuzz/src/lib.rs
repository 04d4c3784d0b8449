//! What must hold whatever bytes come: one function for each kind, which panics if it does not.
#![expect(clippy::unwrap_used, reason = "what cannot go on is a finding")]

mod numbers;
mod plane;
mod signalling;

pub use numbers::e164;
pub use plane::{Protected, rtcp, rtp, sdp, srtp};
pub use signalling::sip;
