//! `[charging]`: limits that have to fit each other.

use std::time::Duration;

use bridge::settings::unproven_max;
use credits::{OPEN_HOLDS, UNSHRUNK_HOLDS};

use super::super::{Charging, file};
use super::Checker;

impl Checker<'_> {
    pub(super) fn charging(&mut self, written: &file::Charging) -> Charging {
        let slice_secs = self.within("charging.slice_secs", written.slice_secs, 1..=600);
        if written.roll_ahead_secs >= written.slice_secs {
            let problem = format!("less than charging.slice_secs ({slice_secs}) is allowed");
            self.bad("charging.roll_ahead_secs", problem);
        }
        self.room_for_holds(written);
        Charging {
            slice_secs,
            roll_ahead: self.secs("charging.roll_ahead_secs", written.roll_ahead_secs, 1..=300),
            unpaid_limit: self.secs("charging.unpaid_secs", written.unpaid_secs, 5..=600),
            tries: self.within("charging.tries", written.tries, 1..=10),
            digit_pause: self.secs("charging.digit_pause_secs", written.digit_pause_secs, 1..=60),
            life_limit: self.secs("charging.life_secs", written.life_secs, 6..=3_600),
            life_limit_held: self.secs(
                "charging.life_held_secs",
                written.life_held_secs,
                6..=7_200,
            ),
            ring_limit: self.secs("charging.ring_secs", written.ring_secs, 1..=120),
        }
    }

    /// A leg that nobody proves to be there keeps its slices uncaptured until it is lost. The book
    /// keeps so many and no more; one that lives must not end for want of room.
    fn room_for_holds(&mut self, written: &file::Charging) {
        let (key, limit) = match written.life_held_secs > written.life_secs {
            true => ("charging.life_held_secs", written.life_held_secs),
            false => ("charging.life_secs", written.life_secs),
        };
        // Two are the slice in use and the next.
        let room = u32::try_from(OPEN_HOLDS - UNSHRUNK_HOLDS - 2).unwrap_or(u32::MAX);
        let unproven = unproven_max(Duration::from_secs(limit.into()));
        let least = unproven.as_secs().div_ceil(room.into());
        if u64::from(written.slice_secs) < least {
            let problem = format!(
                "at least {least} is allowed while {key} is {limit}: a silent leg keeps its slices \
                 until it has been asked for life three times"
            );
            self.bad("charging.slice_secs", problem);
        }
    }
}
