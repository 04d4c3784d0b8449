//! How calls out of a meeting are placed, as it is provisioned (domain.md §7).

use std::fmt;
use std::time::Duration;

/// What an organization's meetings do unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialOutRules {
    /// Whether anybody is called from its meetings.
    pub enabled: bool,
    /// Whether the called person must press 1, so that no voicemail joins.
    pub press_one: bool,
    /// How long a call may ring, seconds.
    pub ring_secs: u16,
}

impl DialOutRules {
    /// Returns how long a call may ring.
    #[must_use]
    pub fn ring(self) -> Duration {
        Duration::from_secs(self.ring_secs.into())
    }
}

/// On, with 1 to be pressed, 45 s.
impl Default for DialOutRules {
    fn default() -> Self {
        Self { enabled: true, press_one: true, ring_secs: 45 }
    }
}

/// What one meeting says of its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeetingDialOut {
    /// As in [`DialOutRules`]; `None` is the organization's word.
    pub enabled: Option<bool>,
    /// Likewise.
    pub press_one: Option<bool>,
    /// Likewise.
    pub ring_secs: Option<u16>,
    /// Who is called when the meeting begins.
    pub calls: Vec<ListedCall>,
}

impl MeetingDialOut {
    /// Returns what holds for the meeting.
    #[must_use]
    pub fn rules(&self, of_organization: DialOutRules) -> DialOutRules {
        DialOutRules {
            // An organization that calls nobody is not overruled by a meeting of its.
            enabled: of_organization.enabled && self.enabled.unwrap_or(true),
            press_one: self.press_one.unwrap_or(of_organization.press_one),
            ring_secs: self.ring_secs.unwrap_or(of_organization.ring_secs),
        }
    }
}

/// One person of a meeting's list.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedCall {
    /// Their numbers as they are written; all ring, the first that joins ends the others.
    pub numbers: Vec<String>,
    /// Whether they must press 1; `None` is the meeting's word.
    pub press_one: Option<bool>,
}

/// The numbers are only counted.
impl fmt::Debug for ListedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &mut f.debug_struct("ListedCall");
        shown.field("numbers", &self.numbers.len()).field("press_one", &self.press_one).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_may_say_less_than_its_organization_and_nothing_more() {
        let off = DialOutRules { enabled: false, ..DialOutRules::default() };
        let meeting = MeetingDialOut {
            enabled: Some(true),
            ring_secs: Some(20),
            ..MeetingDialOut::default()
        };
        assert!(!meeting.rules(off).enabled);
        assert_eq!(meeting.rules(DialOutRules::default()).ring(), Duration::from_secs(20));
        let quiet = MeetingDialOut { enabled: Some(false), ..MeetingDialOut::default() };
        assert!(!quiet.rules(DialOutRules::default()).enabled);
    }

    #[test]
    fn listed_numbers_are_not_shown() {
        let listed = ListedCall { numbers: vec!["+390116543210".into()], press_one: None };
        assert!(!format!("{listed:?}").contains("3210"));
    }
}
