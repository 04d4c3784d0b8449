//! A call of ours that is allowed: its first hold is placed before anything leaves.

use std::collections::VecDeque;

use credits::Terms;
use model::Instant;

use crate::call::dialing::Dialing;
use crate::call::file::{File, Payer};
use crate::call::leaving::{self, Wire};
use crate::call::ringing::{funded, place};
use crate::call::{Signal, State, Withdrawal};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::input::StoreOutcome;
use crate::refusal::Refusal;
use crate::routing::Route;
use crate::turn::Turn;

/// A call whose payer is asked. Nobody rings yet.
#[derive(Debug)]
pub(crate) struct Reserving {
    /// Names our offers.
    session: u64,
    terms: Terms,
    /// The trunks to try, in order.
    routes: VecDeque<Route>,
    give_up: Instant,
}

impl Reserving {
    /// Takes a port for our offer, and asks the book for the first slice.
    pub(crate) fn begin(
        terms: Terms,
        routes: VecDeque<Route>,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        let Some(port) = turn.ports.take(turn.now.mono) else {
            return leaving::refuse(Refusal::NodeFull, file, turn);
        };
        file.port = Some(port);
        let session = u64::from(turn.draw());
        let give_up = turn.now.mono + turn.settings.ring_limit;
        let command = match place(file, &terms, 0, turn) {
            Ok(command) => command,
            Err(refusal) => return leaving::refuse(refusal, file, turn),
        };
        turn.ask((file.call, Errand::Place), command, Some(give_up));
        State::Reserving(Box::new(Self { session, terms, routes, give_up }))
    }

    pub(crate) fn step(self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        match signal {
            Signal::Stored(Errand::Place, outcome) => self.placed(&outcome, file, turn),
            Signal::Wake if self.give_up <= turn.now.mono => {
                leaving::refuse(Refusal::StoreUnavailable, file, turn)
            }
            Signal::HangUp => leaving::turn_away(Cause::OperatorHungUp, file, turn),
            Signal::CloseDown(_) => leaving::refuse(Refusal::Draining, file, turn),
            Signal::Withdrawn(why) => withdraw(why, Wire::Told, file, turn),
            Signal::Stored(
                Errand::Open | Errand::Answered | Errand::Roll | Errand::End | Errand::Inquire,
                _,
            )
            | Signal::Wake
            | Signal::Cancelled
            | Signal::Line(_)
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::HungUp(_)
            | Signal::Lost(_)
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Cut { .. }
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => State::Reserving(Box::new(self)),
        }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.give_up
    }

    fn placed(self, outcome: &StoreOutcome, file: &mut File, turn: &mut Turn<'_>) -> State {
        match funded(outcome, &self.terms) {
            Err(refusal) => leaving::refuse(refusal, file, turn),
            Ok(funded_secs) => {
                file.payer = Payer::Credits(self.terms);
                (file.funded_secs, file.asked_secs) = (funded_secs, 0);
                file.asking_secs = None;
                Dialing::begin(self.session, self.routes, file, turn)
            }
        }
    }
}

/// Ends a call of ours that is not wanted any more.
pub(crate) fn withdraw(why: Withdrawal, wire: Wire, file: &mut File, turn: &mut Turn<'_>) -> State {
    let cause = match why {
        Withdrawal::JoinedElsewhere => Cause::JoinedElsewhere,
        Withdrawal::MeetingOver => Cause::MeetingOver,
    };
    leaving::end(cause, turn.now.mono, wire, file, turn)
}
