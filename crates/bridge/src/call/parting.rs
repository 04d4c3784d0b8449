//! The caller is told why, or goodbye; BYE leaves at the end of the sentence.

use std::time::Duration;

use media::Prompt;
use model::Instant;

use crate::call::file::{File, Payer};
use crate::call::identifying::{fund, lost};
use crate::call::leaving::{self, Wire};
use crate::call::line::Line;
use crate::call::{Haste, Signal, State};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::output::Note;
use crate::refusal::Refusal;
use crate::turn::Turn;

/// How long after a sentence its end is waited for.
const SLACK: Duration = Duration::from_millis(500);

/// A caller who is being sent off.
#[derive(Debug)]
pub(crate) struct Parting {
    line: Line,
    cause: Cause,
    token: u32,
    until: Instant,
}

impl Parting {
    /// Refuses a caller who was answered, by prompt.
    pub(crate) fn refuse(
        line: Line,
        refusal: Refusal,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        turn.note(Note::Refused(refusal));
        file.because(format!("refused: {}", refusal.label()));
        Self::begin(line, Cause::Refused(refusal), refusal.row().prompt, file, turn)
    }

    /// Ends a participant's call, which nobody refused.
    pub(crate) fn send_off(
        line: Line,
        cause: Cause,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        Self::begin(line, cause, Prompt::Goodbye, file, turn)
    }

    /// Ends a caller's call because the node closes.
    pub(crate) fn close_down(
        line: Line,
        haste: Haste,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        match haste {
            Haste::Goodbye => Self::begin(line, Cause::Drained, Prompt::Closing, file, turn),
            Haste::Now => leaving::end(Cause::Drained, turn.now.mono, Wire::Bye, file, turn),
        }
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        match signal {
            Signal::Played(token) if token == self.token => {
                return leaving::end(self.cause, now, Wire::Bye, file, turn);
            }
            Signal::Wake if self.until <= now => {
                return leaving::end(self.cause, now, Wire::Bye, file, turn);
            }
            Signal::Cut { at, .. } if at >= self.end_of_time(file) => {
                return leaving::end(self.cause, now, Wire::Bye, file, turn);
            }
            Signal::Line(news) => {
                if let Err(over) = self.line.learn(news, file, turn) {
                    return over;
                }
            }
            Signal::HungUp(_) => return leaving::end(self.cause, now, Wire::Told, file, turn),
            Signal::Lost(loss) => return lost(&self.line, loss, file, turn),
            Signal::HangUp | Signal::CloseDown(Haste::Now) => {
                return leaving::end(self.cause, now, Wire::Bye, file, turn);
            }
            Signal::Stored(
                Errand::Open
                | Errand::Place
                | Errand::Answered
                | Errand::Roll
                | Errand::End
                | Errand::Inquire,
                _,
            )
            | Signal::Cancelled
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::Withdrawn(_)
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Wake
            | Signal::Cut { .. }
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_)
            | Signal::CloseDown(Haste::Goodbye) => {}
        }
        State::Parting(Box::new(self))
    }

    pub(crate) const fn due(&self) -> Instant {
        self.until
    }

    fn begin(
        line: Line,
        cause: Cause,
        prompt: Prompt,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        let now = turn.now.mono;
        let until = now + turn.length(file, &[prompt]) + SLACK;
        let said = if file.open { turn.say(file, &[prompt], false) } else { None };
        let Some(token) = said else {
            return leaving::end(cause, now, Wire::Bye, file, turn);
        };
        match file.payer {
            Payer::Nobody => fund(file, until, turn),
            Payer::Included | Payer::Credits(_) => {}
        }
        State::Parting(Box::new(Self { line, cause, token, until }))
    }

    /// Returns when the media plane stops the leg.
    fn end_of_time(&self, file: &File) -> Instant {
        match file.payer {
            Payer::Nobody => self.until,
            Payer::Included => Instant { micros: u64::MAX },
            Payer::Credits(_) => file.funded_until(),
        }
    }
}
