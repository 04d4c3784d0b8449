//! Proof of life: RTP, RTCP, a session refresh, an answer to OPTIONS (charging.md, "On the leg").
//! Lawful silence is not death: a silent leg is asked.

use std::time::Duration;

use media::Silence;
use model::Instant;

/// When a leg last proved that somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pulse {
    last: Instant,
    media: Media,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// Packets come.
    Flows,
    /// None come; the peer is asked once the limit has passed since the last proof.
    Silent,
    /// The peer was asked.
    Asked,
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
            Media::Asked => Media::Silent,
            Media::Flows => Media::Flows,
            Media::Silent => Media::Silent,
        };
    }

    /// Media began or ended to be silent.
    pub(crate) fn media(&mut self, silence: Silence, now: Instant) {
        match (silence, self.media) {
            (Silence::Began { last }, Media::Flows) => {
                self.last = self.last.max(last.unwrap_or(self.last));
                self.media = Media::Silent;
            }
            (Silence::Began { last }, Media::Silent | Media::Asked) => {
                self.last = self.last.max(last.unwrap_or(self.last));
            }
            (Silence::Ended, Media::Flows | Media::Silent | Media::Asked) => {
                self.last = self.last.max(now);
                self.media = Media::Flows;
            }
        }
    }

    /// Returns when the peer is to be asked.
    pub(crate) fn due(&self, limit: Duration) -> Option<Instant> {
        match self.media {
            Media::Silent => Some(self.last + limit),
            Media::Flows | Media::Asked => None,
        }
    }

    /// The peer is being asked.
    pub(crate) fn ask(&mut self) {
        self.media = match self.media {
            Media::Silent | Media::Asked => Media::Asked,
            Media::Flows => Media::Flows,
        };
    }

    /// Returns until when life is certain: packets may have stopped without media having told yet.
    pub(crate) fn certain(&self, now: Instant) -> Instant {
        self.last.max(self.last(now).min(now.minus(UNTOLD)))
    }

    /// Returns the last proof as of now.
    pub(crate) fn last(&self, now: Instant) -> Instant {
        match self.media {
            Media::Flows => now,
            Media::Silent | Media::Asked => self.last,
        }
    }
}

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
        pulse.ask();
        assert_eq!(pulse.due(LIMIT), None);
        pulse.beat(at(31));
        assert_eq!(pulse.due(LIMIT), Some(at(51)));
    }

    #[test]
    fn death_is_dated_to_the_last_proof() {
        let mut pulse = Pulse::start(at(0));
        pulse.media(Silence::Began { last: Some(at(10)) }, at(15));
        pulse.beat(at(25));
        pulse.ask();
        assert_eq!(pulse.last(at(60)), at(25));
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
