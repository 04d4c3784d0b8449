//! Identified after the answer: the first hold must cover the time served since.

use std::time::Duration;

use credits::Terms;
use model::Instant;

use crate::call::file::{File, Payer};
use crate::call::identifying::{GRACE, fund, lost};
use crate::call::leaving::{self, Wire};
use crate::call::line::Line;
use crate::call::parting::Parting;
use crate::call::ringing::{funded, note_answered, place};
use crate::call::seated::{JOINING, Seated};
use crate::call::{Signal, State, earlier};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::input::StoreOutcome;
use crate::meter::Meter;
use crate::refusal::Refusal;
use crate::turn::Turn;

/// A caller whose payer is asked.
#[derive(Debug)]
pub(crate) struct Admitting {
    line: Line,
    terms: Terms,
    give_up: Instant,
}

impl Admitting {
    /// Asks the book for the slice from the answer to some time ahead.
    pub(crate) fn begin(line: Line, terms: Terms, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        let give_up = now + turn.settings.ring_limit;
        fund(file, give_up + GRACE, turn);
        // A second for the store's answer.
        let served = now.since(file.started()) + Duration::from_secs(1);
        let covers_secs = u32::try_from(served.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        let command = match place(file, &terms, covers_secs, turn) {
            Ok(command) => command,
            Err(refusal) => return Parting::refuse(line, refusal, file, turn),
        };
        turn.ask((file.call, Errand::Place), command, Some(give_up));
        State::Admitting(Box::new(Self { line, terms, give_up }))
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        match signal {
            Signal::Stored(Errand::Place, outcome) => return self.placed(&outcome, file, turn),
            Signal::Wake => {
                if self.give_up <= now {
                    return Parting::refuse(self.line, Refusal::StoreUnavailable, file, turn);
                }
                self.line.wake(file, turn);
            }
            Signal::Cut { at, .. } if at >= self.give_up => {
                let cause = Cause::Refused(Refusal::StoreUnavailable);
                return leaving::end(cause, now, Wire::Bye, file, turn);
            }
            Signal::Line(news) => {
                if let Err(over) = self.line.learn(news, file, turn) {
                    return over;
                }
            }
            Signal::HungUp(q850) => {
                return leaving::end(Cause::CallerHungUp(q850), now, Wire::Told, file, turn);
            }
            Signal::Lost(loss) => return lost(&self.line, loss, file, turn),
            Signal::HangUp => {
                return leaving::end(Cause::OperatorHungUp, now, Wire::Bye, file, turn);
            }
            Signal::CloseDown(haste) => {
                return Parting::close_down(self.line, haste, file, turn);
            }
            Signal::Stored(
                Errand::Open | Errand::Answered | Errand::Roll | Errand::End | Errand::Inquire,
                _,
            )
            | Signal::Cancelled
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::Withdrawn(_)
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Cut { .. }
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => {}
        }
        State::Admitting(Box::new(self))
    }

    pub(crate) fn due(&self, limits: (Duration, Duration)) -> Option<Instant> {
        earlier(Some(self.give_up), self.line.due(limits))
    }

    fn placed(self, outcome: &StoreOutcome, file: &mut File, turn: &mut Turn<'_>) -> State {
        match funded(outcome, &self.terms) {
            Err(refusal) => Parting::refuse(self.line, refusal, file, turn),
            Ok(funded_secs) => {
                file.payer = Payer::Credits(self.terms);
                (file.funded_secs, file.asked_secs) = (funded_secs, 0);
                file.asking_secs = None;
                let meter = Meter::start(file, turn);
                note_answered(file, turn);
                Seated::sit(self.line, Some(meter), &JOINING, file, turn)
            }
        }
    }
}
