//! A caller who is refused is told why before the answer, where the dialled number wants that: 183
//! with our media, the refusal's sentence, then its code. Nobody pays for it and nothing is held; it
//! is over within [`LIMIT`] whatever happens.

use std::time::Duration;

use bytes::Bytes;
use model::record::Refusals;
use model::{Instant, limits};

use crate::call::arriving;
use crate::call::file::File;
use crate::call::identifying::fund;
use crate::call::leaving::{self, Wire};
use crate::call::line::Prepared;
use crate::call::news::News;
use crate::call::{Signal, State};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::output::Note;
use crate::refusal::Refusal;
use crate::turn::Turn;

/// Longest time from the 183 to the code.
const LIMIT: Duration = Duration::from_secs(10);
/// How long after a sentence its end is waited for.
const SLACK: Duration = Duration::from_millis(500);

/// A caller who is being refused.
#[derive(Debug)]
pub(crate) struct Announcing {
    prepared: Prepared,
    refusal: Refusal,
    /// The sentence, once there is media to say it.
    token: Option<u32>,
    until: Instant,
}

/// Refuses a caller before any media was prepared for them.
pub(crate) fn refuse(
    refusal: Refusal,
    offer: Option<&Bytes>,
    file: &mut File,
    turn: &mut Turn<'_>,
) -> State {
    if !is_told(refusal, file, turn) {
        return leaving::refuse(refusal, file, turn);
    }
    match arriving::prepare(offer, file, turn) {
        Ok(prepared) => Announcing::begin(refusal, prepared, file, turn),
        Err(_) => leaving::refuse(refusal, file, turn),
    }
}

/// Whether the caller is told why: the number wants it, the refusal has something to tell, media can
/// flow before the answer, and few others are being told.
fn is_told(refusal: Refusal, file: &File, turn: &Turn<'_>) -> bool {
    let wanted = file.number.as_ref().map(|number| number.refusals);
    wanted == Some(Refusals::EarlyMedia)
        && refusal.is_told_early()
        && file.speaks_early
        && turn.settings.announcements
        && turn.announcing < limits::EARLY_ANNOUNCEMENTS
}

impl Announcing {
    /// Refuses a caller for whom media is prepared.
    pub(crate) fn refuse(
        refusal: Refusal,
        prepared: Prepared,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        if is_told(refusal, file, turn) {
            return Self::begin(refusal, prepared, file, turn);
        }
        leaving::refuse(refusal, file, turn)
    }

    fn begin(refusal: Refusal, prepared: Prepared, file: &mut File, turn: &mut Turn<'_>) -> State {
        turn.note(Note::Refused(refusal));
        file.because(format!("refused: {}", refusal.label()));
        file.because("told before the answer");
        prepared.announce(file, turn);
        let until = turn.now.mono + LIMIT;
        let mut announcing = Self { prepared, refusal, token: None, until };
        announcing.say(file, turn);
        State::Announcing(Box::new(announcing))
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        match signal {
            Signal::Played(token) if self.token == Some(token) => return self.over(file, turn),
            Signal::Wake if self.until <= now => return self.over(file, turn),
            Signal::Cut { .. } | Signal::CloseDown(_) => return self.over(file, turn),
            Signal::Acknowledged(Some(answer)) => {
                self.prepared.early(&answer, file, turn);
                self.say(file, turn);
            }
            Signal::Line(News::Offered(offer)) => {
                self.prepared.offered(offer.as_ref(), file, turn);
            }
            Signal::Cancelled | Signal::HungUp(_) => {
                return leaving::end(Cause::Cancelled, now, Wire::Told, file, turn);
            }
            Signal::Lost(_) => return leaving::end(Cause::PeerGone, now, Wire::Told, file, turn),
            Signal::HangUp => return leaving::turn_away(Cause::OperatorHungUp, file, turn),
            Signal::Stored(
                Errand::Open
                | Errand::Place
                | Errand::Answered
                | Errand::Roll
                | Errand::End
                | Errand::Inquire,
                _,
            )
            | Signal::Wake
            | Signal::Acknowledged(None)
            | Signal::Line(
                News::Confirmed(_)
                | News::Agreed(_)
                | News::Alive
                | News::Unproven
                | News::Heard(_)
                | News::Life(_),
            )
            | Signal::Reply(_)
            | Signal::Withdrawn(_)
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => {}
        }
        State::Announcing(Box::new(self))
    }

    pub(crate) const fn due(&self) -> Instant {
        self.until
    }

    /// Says why, once, as soon as there is media. The media plane ends it in time as well.
    fn say(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        if !file.open || self.token.is_some() {
            return;
        }
        let prompts = [self.refusal.row().prompt];
        let said = turn.now.mono + turn.length(file, &prompts) + SLACK;
        self.until = self.until.min(said);
        fund(file, self.until, turn);
        self.token = turn.say(file, &prompts, false);
    }

    /// The sentence is over: the code leaves.
    fn over(self, file: &mut File, turn: &mut Turn<'_>) -> State {
        leaving::turn_away(Cause::Refused(self.refusal), file, turn)
    }
}
