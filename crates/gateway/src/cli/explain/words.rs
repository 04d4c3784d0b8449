//! What each ending means, for a person at a help desk.

/// Says what a label of `Ending` means.
pub(super) fn of(label: &str) -> &'static str {
    match label {
        "caller_hung_up" => "the caller hung up",
        _ => "no words for it yet",
    }
}
