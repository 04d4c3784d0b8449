//! How meetings call people: the organization's word, each meeting's own, and its list.

use bridge::outbound::{NUMBERS_MAX, RING_LIMITS};
use model::{DialOutRules, ListedCall, MeetingDialOut, Misdial, dialled};
use toml::Spanned;

use super::check::Reading;
use super::shape::{self, Text};

impl Reading<'_> {
    /// Reads what an organization's meetings do.
    pub(super) fn dial_out_rules(&mut self, shape: &shape::Organization) -> DialOutRules {
        let usual = DialOutRules::default();
        let ring_secs = self.ring_secs("organization", shape.dial_out_ring_secs.as_ref());
        DialOutRules {
            enabled: shape.dial_out_allowed.unwrap_or(usual.enabled),
            press_one: shape.dial_out_press_one.unwrap_or(usual.press_one),
            ring_secs: ring_secs.unwrap_or(usual.ring_secs),
        }
    }

    /// Reads what one meeting does.
    pub(super) fn meeting_dial_out(&mut self, shape: &shape::Meeting) -> MeetingDialOut {
        MeetingDialOut {
            enabled: shape.dial_out_allowed,
            press_one: shape.dial_out_press_one,
            ring_secs: self.ring_secs("meeting", shape.dial_out_ring_secs.as_ref()),
            calls: shape.dial_out.iter().map(|listed| self.listed(listed)).collect(),
        }
    }

    fn listed(&mut self, shape: &shape::Listed) -> ListedCall {
        let numbers = shape.numbers.get_ref();
        if !(1..=NUMBERS_MAX).contains(&numbers.len()) {
            let message = format!("{} numbers; allowed are 1 to {NUMBERS_MAX}", numbers.len());
            self.problem("meeting.dial_out.numbers", &shape.numbers, message);
        }
        for number in numbers {
            self.called_number(number);
        }
        let numbers = numbers.iter().map(|number| number.get_ref().clone()).collect();
        ListedCall { numbers, press_one: shape.press_one }
    }

    /// A number without a plus is read when it is called, by the organizer's country then.
    fn called_number(&mut self, number: &Text) {
        match dialled::read(number.get_ref(), None) {
            Ok(_) | Err(Misdial::NoCountry) => {}
            Err(misdial) => {
                self.problem("meeting.dial_out.numbers", number, misdial.to_string());
            }
        }
    }

    fn ring_secs(&mut self, table: &str, secs: Option<&Spanned<u16>>) -> Option<u16> {
        let written = secs?;
        let limits = RING_LIMITS.0.as_secs()..=RING_LIMITS.1.as_secs();
        if !limits.contains(&u64::from(*written.get_ref())) {
            let (least, most) = limits.into_inner();
            let message =
                format!("{} is out of range; allowed are {least} to {most}", written.get_ref());
            self.problem(&format!("{table}.dial_out_ring_secs"), written, message);
        }
        Some(*written.get_ref())
    }
}
