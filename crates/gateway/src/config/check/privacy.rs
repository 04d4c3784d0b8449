//! `[privacy]`: what seals the numbers that their owners withhold.

use store::Keys;

use super::super::{KEYS_VARIABLE, file, from_environment};
use super::Checker;

/// Where the keys lie.
const KEY: &str = "privacy.keys_file";

impl Checker<'_> {
    /// No keys at all if they are wrong: an error was noted.
    pub(super) fn keys(&mut self, written: file::Privacy) -> Keys {
        let from_file = written.keys_file.map(|path| self.secret(KEY, &path));
        let secret = match from_file {
            Some(text) => text,
            None => from_environment(KEYS_VARIABLE),
        };
        let Some(text) = secret else { return Keys::default() };
        match Keys::parse(&text) {
            Ok(keys) if keys.is_empty() => {
                self.bad(KEY, format!("no key is in it (it comes from {KEY} or {KEYS_VARIABLE})"));
                keys
            }
            Ok(keys) => keys,
            Err(error) => {
                self.bad(KEY, format!("{error} (it comes from {KEY} or {KEYS_VARIABLE})"));
                Keys::default()
            }
        }
    }
}
