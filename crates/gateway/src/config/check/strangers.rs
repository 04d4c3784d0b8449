//! `[strangers]`: when sources off the allow-list are banned.

use std::time::Duration;

use super::super::file;
use super::Checker;

impl Checker<'_> {
    pub(super) fn patience(&mut self, written: &file::Strangers) -> sip::Patience {
        let requests = self.within("strangers.requests", written.requests, 0..=10_000);
        let window = self.within("strangers.window_secs", written.window_secs, 1..=3_600);
        let ban = self.within("strangers.ban_secs", written.ban_secs, 1..=86_400);
        let secs = |secs: u32| Duration::from_secs(secs.into());
        sip::Patience { requests, window: secs(window), ban: secs(ban) }
    }
}
