//! Proof of life: RTP, RTCP, a session refresh, a 2xx to a question (charging.md, "On the leg").
//! Lawful silence is not death: a silent leg is asked. Answers that prove nothing are borne a few
//! times: whoever gives them may be a box on the way whose phone is dead.

use std::time::Duration;

use media::Silence;
use model::{Instant, limits};

/// When a leg last proved that somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pulse {
    last: Instant,
    media: Media,
}

/// What is known of the packets, and of the questions since they stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// Packets come.
    Flows,
    /// None come; the peer is asked once the limit has passed since then: the last proof, or the
    /// last question.
    Silent { since: Instant, unproven: u8 },
    /// The peer was asked then.
    Asked { at: Instant, unproven: u8 },
}

/// What is left after a question that proved nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hope {
    /// The peer is asked again.
    Left,
    /// That was the last question.
    Lost,
}

impl Pulse {
    /// Starts with the answer: the INVITE was proof.
    pub(crate) const fn start(now: Instant) -> Self {
        Self { last: now, media: Media::Flows }
    }

    /// Signalling or a packet proved life.
    pub(crate) fn beat(&mut self, at: Instant) {
        self.last = self.last.max(at);
        self.media = match self.media {
            Media::Flows => Media::Flows,
            Media::Silent { .. } | Media::Asked { .. } => self.silent(),
        };
    }

    /// Media began or ended to be silent.
    pub(crate) fn media(&mut self, silence: Silence, now: Instant) {
        match (silence, self.media) {
            (Silence::Began { last }, Media::Flows) => {
                self.last = self.last.max(last.unwrap_or(self.last));
                self.media = self.silent();
            }
            (Silence::Began { last }, Media::Silent { .. } | Media::Asked { .. }) => {
                self.last = self.last.max(last.unwrap_or(self.last));
            }
            (Silence::Ended, Media::Flows | Media::Silent { .. } | Media::Asked { .. }) => {
                self.last = self.last.max(now);
                self.media = Media::Flows;
            }
        }
    }

    /// Returns when the peer is to be asked.
    pub(crate) fn due(&self, limit: Duration) -> Option<Instant> {
        match self.media {
            Media::Silent { since, .. } => Some(since + limit),
            Media::Flows | Media::Asked { .. } => None,
        }
    }

    /// The peer is being asked.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.media = match self.media {
            Media::Silent { unproven, .. } => Media::Asked { at: now, unproven },
            Media::Asked { at, unproven } => Media::Asked { at, unproven },
            Media::Flows => Media::Flows,
        };
    }

    /// The question was answered, but not in a way that proves anything. If life was proved in
    /// between it does not matter.
    pub(crate) fn unproven(&mut self) -> Hope {
        match self.media {
            Media::Asked { unproven, .. } if unproven + 1 >= ROUNDS => Hope::Lost,
            Media::Asked { at, unproven } => {
                self.media = Media::Silent { since: at, unproven: unproven + 1 };
                Hope::Left
            }
            Media::Flows | Media::Silent { .. } => Hope::Left,
        }
    }

    /// Returns until when life is certain: packets may have stopped without media having told yet.
    pub(crate) fn certain(&self, now: Instant) -> Instant {
        self.last.max(self.last(now).min(now.minus(UNTOLD)))
    }

    /// Returns the last proof as of now.
    pub(crate) fn last(&self, now: Instant) -> Instant {
        match self.media {
            Media::Flows => now,
            Media::Silent { .. } | Media::Asked { .. } => self.last,
        }
    }

    /// No packets come since the last proof.
    const fn silent(&self) -> Media {
        Media::Silent { since: self.last, unproven: 0 }
    }
}

/// Returns the longest that a leg which is asked after `limit` may go on without proof of life: each
/// question is answered as late as it may be.
pub(crate) fn unproven_max(limit: Duration) -> Duration {
    limit + (limit.max(ASKING)) * (u32::from(ROUNDS) - 1) + ASKING
}

/// The longest that one round may take: OPTIONS, UPDATE, and a re-INVITE that is promised an answer,
/// each of them challenged once.
const ASKING: Duration = limits::SIP_GIVE_UP.saturating_mul(2 * (1 + 1 + 2));

/// So many questions in a row may come back without proof: the last of them ends the leg.
const ROUNDS: u8 = 3;

/// How long after the last packet media tells of silence, and a little.
const UNTOLD: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn a_silent_leg_is_asked_after_the_limit_and_again_after_each_proof() {
        let mut pulse = Pulse::start(at(0));
        assert_eq!(pulse.due(LIMIT), None);
        pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
        assert_eq!(pulse.due(LIMIT), Some(at(30)));
        pulse.ask(at(30));
        assert_eq!(pulse.due(LIMIT), None);
        pulse.beat(at(31));
        assert_eq!(pulse.due(LIMIT), Some(at(51)));
    }

    #[test]
    fn death_is_dated_to_the_last_proof() {
        let mut pulse = Pulse::start(at(0));
        pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
        pulse.beat(at(25));
        pulse.ask(at(45));
        assert_eq!(pulse.last(at(60)), at(25));
    }

    #[test]
    fn a_question_that_proves_nothing_is_asked_three_times() {
        let mut pulse = Pulse::start(at(0));
        pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
        for asked in [30, 50] {
            assert_eq!(pulse.due(LIMIT), Some(at(asked)));
            pulse.ask(at(asked));
            assert_eq!(pulse.unproven(), Hope::Left);
        }
        pulse.ask(at(70));
        assert_eq!(pulse.unproven(), Hope::Lost);
        assert_eq!((pulse.last(at(71)), pulse.certain(at(71))), (at(10), at(10)));
    }

    #[test]
    fn a_leg_is_lost_within_the_longest_unproven_time_however_late_the_answers_are() {
        for limit in [6, 20, 300, 7_200].map(Duration::from_secs) {
            let mut pulse = Pulse::start(at(0));
            pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
            let mut now = at(15);
            loop {
                now = now.max(pulse.due(limit).unwrap());
                pulse.ask(now);
                now = now + ASKING;
                if pulse.unproven() == Hope::Lost {
                    break;
                }
            }
            assert_eq!(now.since(at(10)), unproven_max(limit));
        }
    }

    #[test]
    fn a_proof_between_two_questions_begins_the_count_again() {
        let mut pulse = Pulse::start(at(0));
        pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
        for asked in [30, 50] {
            pulse.ask(at(asked));
            assert_eq!(pulse.unproven(), Hope::Left);
        }
        pulse.beat(at(60));
        assert_eq!(pulse.due(LIMIT), Some(at(80)));
        for asked in [80, 100] {
            pulse.ask(at(asked));
            assert_eq!(pulse.unproven(), Hope::Left);
        }
        pulse.ask(at(120));
        assert_eq!(pulse.unproven(), Hope::Lost);
    }

    #[test]
    fn an_answer_that_proves_nothing_does_not_matter_once_packets_come_again() {
        let mut pulse = Pulse::start(at(0));
        pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
        pulse.ask(at(30));
        pulse.media(Silence::Ended, at(31));
        assert_eq!(pulse.unproven(), Hope::Left);
        assert_eq!(pulse.due(LIMIT), None);
    }

    #[test]
    fn packets_that_come_again_need_no_question() {
        let mut pulse = Pulse::start(at(0));
        pulse.media(Silence::Began { last: None }, at(5));
        assert_eq!(pulse.due(LIMIT), Some(at(20)));
        pulse.media(Silence::Ended, at(12));
        assert_eq!(pulse.due(LIMIT), None);
        assert_eq!(pulse.last(at(40)), at(40));
    }

    #[test]
    fn packets_are_proof_only_once_their_end_would_have_been_told() {
        let mut pulse = Pulse::start(at(0));
        assert_eq!(pulse.certain(at(4)), at(0));
        assert_eq!(pulse.certain(at(60)), at(54));
        pulse.media(Silence::Began { last: Some(at(56)) }, at(61));
        assert_eq!(pulse.certain(at(90)), at(56));
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
