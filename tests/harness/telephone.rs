//! What telephones that others wrote have in common.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;

use super::phone::Sound;

/// How one calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    /// By datagrams, audio in clear.
    Plain,
    /// By TLS, audio by SRTP or not at all; with the authority that signs the gateway.
    Secured(&'a Path),
}

impl Way<'_> {
    /// Returns the transport as a URI names it.
    pub(crate) fn transport(self) -> &'static str {
        match self {
            Self::Plain => "udp",
            Self::Secured(_) => "tls",
        }
    }
}

/// A telephone that speaks a tone as long as it is in a call.
pub(crate) trait Telephone: Debug {
    /// Calls a number at a listener.
    fn dial(&mut self, number: &str, target: SocketAddr);

    /// Presses keys.
    fn press(&mut self, keys: &str);

    /// Ends the call.
    fn hang_up(&mut self);

    /// Returns what it has heard in its call, which is over.
    fn heard(&self) -> Sound;
}
