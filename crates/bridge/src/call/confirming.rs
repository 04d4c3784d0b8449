//! A call of ours was answered: whoever did is to press 1, so that no voicemail ever joins. The time
//! is paid for like any other.

use std::time::Duration;

use media::Prompt;
use model::Instant;

use crate::call::file::File;
use crate::call::identifying::lost;
use crate::call::leaving::{self, Wire};
use crate::call::line::Line;
use crate::call::parting::Parting;
use crate::call::reserving::withdraw;
use crate::call::seated::{JOINING, Seated};
use crate::call::{Key, Signal, State, earlier};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::meter::{Audience, Meter, Verdict};
use crate::output::Note;
use crate::turn::Turn;

/// How long somebody may take to press 1, from the answer on (domain.md §7).
const LIMIT: Duration = Duration::from_secs(15);
/// How long after the question it is asked again: who says "hello" first may have missed it.
const PAUSE: Duration = Duration::from_secs(2);

/// A called person who has not pressed 1.
#[derive(Debug)]
pub(crate) struct Confirming {
    line: Line,
    meter: Meter,
    /// The question that is being asked.
    asking: Option<u32>,
    /// When it is asked again.
    again: Option<Instant>,
    deadline: Instant,
}

impl Confirming {
    /// Asks for a 1.
    pub(crate) fn begin(line: Line, meter: Meter, file: &mut File, turn: &mut Turn<'_>) -> State {
        let deadline = turn.now.mono + LIMIT;
        let asking = turn.say(file, &[Prompt::PressOne], true);
        State::Confirming(Box::new(Self { line, meter, asking, again: None, deadline }))
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        match signal {
            Signal::Digit(key) => {
                turn.note(Note::Digit);
                self.line.hears(now);
                if key == Key(b'1') {
                    file.because("confirmed by 1");
                    return Seated::sit(self.line, Some(self.meter), &JOINING, file, turn);
                }
            }
            Signal::Wake => return self.wake(file, turn),
            Signal::Played(token) if self.asking == Some(token) => {
                self.asking = None;
                self.again = Some(now + PAUSE);
            }
            Signal::Stored(Errand::Roll, outcome) => {
                if self.meter.rolled(&outcome, file, turn) == Verdict::Fenced {
                    return leaving::end(Cause::Fenced, now, Wire::Bye, file, turn);
                }
            }
            Signal::Cut { at, .. } if at >= file.funded_until() => {
                return leaving::end(self.meter.cause(), now, Wire::Bye, file, turn);
            }
            Signal::Withdrawn(why) => return withdraw(why, Wire::Bye, file, turn),
            Signal::Line(news) => {
                if let Err(over) = self.line.learn(news, file, turn) {
                    return over;
                }
            }
            Signal::HungUp(q850) => {
                return leaving::end(file.hung_up(q850), now, Wire::Told, file, turn);
            }
            Signal::Lost(loss) => return lost(&self.line, loss, file, turn),
            Signal::HangUp => {
                return leaving::end(Cause::OperatorHungUp, now, Wire::Bye, file, turn);
            }
            Signal::CloseDown(haste) => {
                return Parting::close_down(self.line, haste, file, turn);
            }
            Signal::Stored(
                Errand::Open | Errand::Place | Errand::Answered | Errand::End | Errand::Inquire,
                _,
            )
            | Signal::Cancelled
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::Played(_)
            | Signal::Cut { .. }
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => {}
        }
        State::Confirming(Box::new(self))
    }

    pub(crate) fn due(&self, file: &File, limits: (Duration, Duration)) -> Option<Instant> {
        let own = self.again.map_or(self.deadline, |again| again.min(self.deadline));
        let own = own.min(self.meter.due(file));
        earlier(Some(own), self.line.due(limits))
    }

    fn wake(mut self, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        if self.deadline <= now {
            file.because(format!("nobody pressed 1 within {} s", LIMIT.as_secs()));
            return leaving::end(Cause::NotConfirmed, now, Wire::Bye, file, turn);
        }
        if Meter::is_overdue(file, now) {
            return leaving::end(self.meter.cause(), now, Wire::Bye, file, turn);
        }
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            self.asking = turn.say(file, &[Prompt::PressOne], true);
        }
        self.line.wake(file, turn);
        let certain = self.line.certain(now);
        self.meter.wake((Audience::Busy, certain), file, turn);
        State::Confirming(Box::new(self))
    }
}
