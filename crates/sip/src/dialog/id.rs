//! What names a dialog (RFC 3261 §12).

use crate::message::Request;

/// Call-ID and both tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) call_id: Box<str>,
    pub(crate) local_tag: Box<str>,
    pub(crate) remote_tag: Box<str>,
}

impl Id {
    /// Names what an INVITE of ours may become: no tag of theirs yet.
    pub(crate) fn placed(call_id: &str, tag: &str) -> Self {
        Self { call_id: call_id.into(), local_tag: tag.into(), remote_tag: "".into() }
    }

    /// Whether a request of the peer lies in the dialog: all three must be right (S15).
    pub(crate) fn holds(&self, request: &Request<'_>) -> bool {
        request.call_id == &*self.call_id
            && request.to.tag() == Some(&*self.local_tag)
            && request.remote_tag() == &*self.remote_tag
    }
}
