//! Messages as values: our own lexer and URIs in front of rsip's methods and status codes. Nothing
//! below this module may panic on any input, and nothing outside it names rsip.

#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::expect_used,
    clippy::unreachable
)]

pub(crate) mod body;
pub(crate) mod follow;
pub(crate) mod header;
pub(crate) mod lexer;
pub(crate) mod method;
pub(crate) mod request;
pub(crate) mod status;
pub(crate) mod uri;
pub(crate) mod wire;

pub(crate) use header::Name;
pub(crate) use lexer::{Message, Start};
pub(crate) use method::Method;
pub(crate) use request::Request;
