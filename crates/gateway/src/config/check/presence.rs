//! `[presence]`: how long participants may stay where nobody seems to be.

use std::time::Duration;

use super::super::file;
use super::Checker;

/// The longest of these limits: a week.
const LONGEST: u32 = 604_800;

impl Checker<'_> {
    pub(super) fn presence(&mut self, written: &file::Presence) -> bridge::Presence {
        bridge::Presence {
            alone: self.limit("presence.alone_secs", written.alone_secs),
            all_silent: self.limit("presence.all_silent_secs", written.all_silent_secs),
            silent: self.limit("presence.silent_secs", written.silent_secs),
            stay: self.secs("presence.stay_secs", written.stay_secs, 2..=300),
            leg: self.limit("presence.leg_secs", written.leg_secs),
        }
    }

    /// A time that 0 stands for having none of.
    fn limit(&mut self, key: &str, written: u32) -> Option<Duration> {
        match written {
            0 => None,
            secs => Some(self.secs(key, secs, 5..=LONGEST)),
        }
    }
}
