//! The payer is certain: the first hold is placed before the answer.

use credits::{Answer, Command, Terms};
use model::{HoldId, Instant};

use crate::admission;
use crate::call::announcing::Announcing;
use crate::call::file::{File, Payer};
use crate::call::identifying::Identifying;
use crate::call::leaving::{self, Wire};
use crate::call::line::Prepared;
use crate::call::seated::{Seated, WELCOME};
use crate::call::{Signal, State};
use crate::cap;
use crate::desk::Errand;
use crate::ending::Cause;
use crate::input::StoreOutcome;
use crate::meter::Meter;
use crate::refusal::Refusal;
use crate::turn::Turn;

/// A caller who hears ringing.
#[derive(Debug)]
pub(crate) struct Ringing {
    prepared: Prepared,
    terms: Terms,
    give_up: Instant,
}

impl Ringing {
    /// Rings, and asks the book for the first slice.
    pub(crate) fn begin(
        prepared: Prepared,
        terms: Terms,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        let give_up = turn.now.mono + turn.settings.ring_limit;
        let command = match place(file, &terms, 0, turn) {
            Ok(command) => command,
            Err(refusal) => return leaving::refuse(refusal, file, turn),
        };
        turn.sip(sip::Command::Ring { call: file.call });
        turn.ask((file.call, Errand::Place), command, Some(give_up));
        State::Ringing(Box::new(Self { prepared, terms, give_up }))
    }

    pub(crate) fn step(self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        match signal {
            Signal::Stored(Errand::Place, outcome) => self.placed(&outcome, file, turn),
            Signal::Wake if self.give_up <= turn.now.mono => {
                leaving::refuse(Refusal::StoreUnavailable, file, turn)
            }
            Signal::Cancelled => {
                leaving::end(Cause::Cancelled, turn.now.mono, Wire::Told, file, turn)
            }
            Signal::HungUp(q850) => {
                let cause = Cause::CallerHungUp(q850);
                leaving::end(cause, turn.now.mono, Wire::Told, file, turn)
            }
            Signal::Lost(_) => leaving::end(Cause::PeerGone, turn.now.mono, Wire::Told, file, turn),
            Signal::HangUp => leaving::turn_away(Cause::OperatorHungUp, file, turn),
            Signal::CloseDown(_) => leaving::refuse(Refusal::Draining, file, turn),
            Signal::Stored(
                Errand::Open | Errand::Answered | Errand::Roll | Errand::End | Errand::Inquire,
                _,
            )
            | Signal::Wake
            | Signal::Line(_)
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::Withdrawn(_)
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Cut { .. }
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => State::Ringing(Box::new(self)),
        }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.give_up
    }

    fn placed(self, outcome: &StoreOutcome, file: &mut File, turn: &mut Turn<'_>) -> State {
        let funded_secs = match (funded(outcome, &self.terms), outcome) {
            (Ok(funded_secs), _) => funded_secs,
            // Nothing is held: there is time to tell why.
            (Err(refusal), StoreOutcome::Answered(Answer::Refused { .. })) => {
                return Announcing::refuse(refusal, self.prepared, file, turn);
            }
            (Err(refusal), _) => return leaving::refuse(refusal, file, turn),
        };
        file.payer = Payer::Credits(self.terms);
        (file.funded_secs, file.asked_secs) = (funded_secs, 0);
        file.asking_secs = None;
        let line = self.prepared.answer(file, turn);
        let meter = Meter::start(file, turn);
        note_answered(file, turn);
        match file.host {
            Some(_) => Seated::sit(line, Some(meter), &WELCOME, file, turn),
            None => Identifying::begin(line, Some(meter), file, turn),
        }
    }
}

/// Returns the command for the first hold, which must cover the time already served.
///
/// # Errors
/// The refusal if the meeting's cap does not carry it.
pub(crate) fn place(
    file: &mut File,
    terms: &Terms,
    covers_secs: u32,
    turn: &Turn<'_>,
) -> Result<Command, Refusal> {
    let first = file.outgoing.as_ref().map(|outgoing| outgoing.first_secs);
    let wanted = first.unwrap_or(turn.settings.slice_secs);
    let wanted_secs = cap::fits(file, covers_secs, wanted, turn).map_err(Refusal::Guard)?;
    file.held = true;
    file.asking_secs = Some(wanted_secs);
    Ok(Command::Place {
        hold: HoldId { leg: file.call, sequence: 0 },
        leg: Box::new(file.leg(&turn.settings.epoch, Some(terms.clone()), turn.now)),
        covers_secs,
        wanted_secs,
    })
}

/// Returns the paid seconds that a first hold gave, or why it gave none.
pub(crate) fn funded(outcome: &StoreOutcome, terms: &Terms) -> Result<u32, Refusal> {
    match outcome {
        StoreOutcome::Answered(Answer::Funded { funded_secs, standing, .. }) => {
            let carries = admission::carries(terms.class, standing);
            if carries { Ok(*funded_secs) } else { Err(Refusal::InsufficientCredit) }
        }
        StoreOutcome::Answered(Answer::Refused { refusal, .. }) => {
            Err(admission::unfunded(*refusal))
        }
        StoreOutcome::Answered(Answer::Closed { .. } | Answer::Noted | Answer::Stands(_))
        | StoreOutcome::Unknown => Err(Refusal::StoreUnavailable),
    }
}

/// Has the book note the answer, with the dialog and the CDR as they are. That of a call of ours is
/// noted at once: until then the book has no dialog that it could be ended by after a crash. It is
/// asked for as long as the leg lives: what is not noted costs nothing after a crash
/// ([`credits::settle`]).
pub(crate) fn note_answered(file: &File, turn: &mut Turn<'_>) {
    let leg = file.leg(&turn.settings.epoch, file.terms().cloned(), turn.now);
    let command = Command::Answered { leg: Box::new(leg) };
    let may_wait = file.outgoing.is_none();
    turn.ask_when((file.call, Errand::Answered), command, None, may_wait);
}

/// Has the book keep a row of an answered leg without a hold, so that a crash can still end it.
/// The call does not wait for it; it is asked for as long as the leg lives.
pub(crate) fn note_open(file: &File, turn: &mut Turn<'_>) {
    let leg = file.leg(&turn.settings.epoch, None, turn.now);
    let command = Command::Open { leg: Box::new(leg) };
    turn.ask((file.call, Errand::Open), command, None);
}
