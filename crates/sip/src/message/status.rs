//! Reason phrases. Neutral: the registered name of the code, never why *we* chose it.

use std::borrow::Cow;

/// Returns the phrase of a status code, from rsip's registry; its names are joined words.
pub(crate) fn phrase(status: u16) -> Cow<'static, str> {
    match status {
        100 => Cow::Borrowed("Trying"),
        180 => Cow::Borrowed("Ringing"),
        200 => Cow::Borrowed("OK"),
        469 => Cow::Borrowed("Bad Info Package"),
        481 => Cow::Borrowed("Call/Transaction Does Not Exist"),
        487 => Cow::Borrowed("Request Terminated"),
        503 => Cow::Borrowed("Service Unavailable"),
        other => {
            let registered = rsip::StatusCode::from(other);
            if matches!(registered, rsip::StatusCode::Other(..)) {
                return Cow::Borrowed("Refused");
            }
            Cow::Owned(spaced(&format!("{registered:?}")))
        }
    }
}

fn spaced(joined: &str) -> String {
    let mut words = String::with_capacity(joined.len() + 8);
    for (at, letter) in joined.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_words() {
        assert_eq!(phrase(200), "OK");
        assert_eq!(phrase(488), "Not Acceptable Here");
        assert_eq!(phrase(420), "Bad Extension");
        assert_eq!(phrase(699), "Refused");
    }
}
