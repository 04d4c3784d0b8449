//! What a message belongs to (RFC 3261 §17.2.3).

use model::TrunkId;

use crate::message::{Method, Request};

/// The magic cookie of a branch that is unique (RFC 3261 §8.1.1.7).
const COOKIE: &str = "z9hG4bK";

/// A server transaction's name. The trunk is part of it: two carriers behind private addresses may
/// well choose the same branch and sent-by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    trunk: TrunkId,
    method: &'static str,
    text: Box<str>,
}

impl Key {
    /// Names the transaction of a request; ACK and CANCEL belong to their INVITE's.
    pub(crate) fn new(trunk: TrunkId, request: &Request<'_>) -> Self {
        let method = match request.method {
            Method::Invite | Method::Ack | Method::Cancel => "INVITE",
            Method::Bye
            | Method::Options
            | Method::Update
            | Method::Unsupported(_)
            | Method::Info
            | Method::Unknown => request.method.name(),
        };
        // The cookie alone names nothing: everybody's would be the same.
        let is_unique = |branch: &&str| branch.starts_with(COOKIE) && branch.len() > COOKIE.len();
        let branch = request.via.branch().filter(is_unique);
        let text = match branch {
            Some(branch) => joined(&[branch, request.via.sent_by]),
            None => old_style(request),
        };
        Self { trunk, method, text: text.into() }
    }

    /// Names a client transaction by its branch.
    pub(crate) fn client(branch: &str) -> Self {
        Self { trunk: TrunkId(0), method: "", text: branch.into() }
    }
}

/// Peers of RFC 2543 send no unique branch. The To tag is left out: the ACK has one that the INVITE
/// had not.
fn old_style(request: &Request<'_>) -> String {
    let number = request.cseq.to_string();
    joined(&[request.call_id, request.remote_tag(), &number, request.uri, request.via.sent_by])
}

fn joined(pieces: &[&str]) -> String {
    // A blank stands in none of the pieces.
    pieces.join(" ")
}

/// What makes an INVITE the same call though it came another way: merged requests (RFC 3261
/// §8.2.2.2), and repeats after the transaction is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    trunk: TrunkId,
    call_id: Box<str>,
    from_tag: Box<str>,
    cseq: u32,
}

impl Mark {
    /// Marks an INVITE that starts a call.
    pub(crate) fn new(trunk: TrunkId, request: &Request<'_>) -> Self {
        Self {
            trunk,
            call_id: request.call_id.into(),
            from_tag: request.remote_tag().into(),
            cseq: request.cseq,
        }
    }
}
