//! Nobody is there any more. The media plane still owes what it counted, the store its answer; a
//! hold that comes late is given back by the ending that has left already.

use std::sync::Arc;
use std::time::Duration;

use credits::{Answer, Command};
use media::LegStats;
use model::record::Cdr;
use model::{Instant, Money};

use crate::call::file::{File, Payer};
use crate::call::{Signal, State};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::input::StoreOutcome;
use crate::output::Note;
use crate::refusal::Refusal;
use crate::routing::ONE_WAY;
use crate::shield::Fact;
use crate::turn::{Effect, Turn};

/// How long the media plane may take to close a leg.
const MEDIA_PATIENCE: Duration = Duration::from_secs(5);

/// What the media plane owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// Its [`media::Event::Closed`], until then.
    Closed(Instant),
    /// Nothing.
    Nothing,
}

/// What the book owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Book {
    /// It is not asked: whether this was a call at all depends on what the media plane heard.
    Unasked,
    /// Its answer; this is the value of time that nobody pays for.
    Asked(Money),
    /// Nothing.
    Done,
}

/// A call that is over for its caller.
#[derive(Debug)]
pub(crate) struct Leaving {
    cause: Cause,
    media: Owed,
    book: Book,
}

/// Whether the peer must still be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// By BYE.
    Bye,
    /// By CANCEL, or by whatever ends a call of ours that has no answer yet.
    Abandon,
    /// It knows, or is gone.
    Told,
}

/// Refuses an INVITE by code, or gives up a call of ours.
pub(crate) fn refuse(refusal: Refusal, file: &mut File, turn: &mut Turn<'_>) -> State {
    turn.note(Note::Refused(refusal));
    file.because(format!("refused: {}", refusal.label()));
    if let Some(outgoing) = &mut file.outgoing {
        outgoing.denied = Some(refusal.into());
    }
    turn_away(Cause::Refused(refusal), file, turn)
}

/// Ends an unanswered call of our own accord.
pub(crate) fn turn_away(cause: Cause, file: &mut File, turn: &mut Turn<'_>) -> State {
    if file.outgoing.is_some() {
        return end(cause, turn.now.mono, Wire::Abandon, file, turn);
    }
    let row = match cause {
        Cause::Refused(refusal) => Some(refusal.row()),
        Cause::Drained => Some(Refusal::Draining.row()),
        Cause::CallerHungUp(_)
        | Cause::CalleeHungUp(_)
        | Cause::Unreached(..)
        | Cause::NotConfirmed
        | Cause::JoinedElsewhere
        | Cause::MeetingOver
        | Cause::Idle(_)
        | Cause::LegLimit
        | Cause::Cancelled
        | Cause::CreditExhausted
        | Cause::StoreLost
        | Cause::NoAck
        | Cause::SessionExpired
        | Cause::PeerGone
        | Cause::OperatorHungUp
        | Cause::Panicked
        | Cause::Fenced => None,
    };
    let wait = turn.settings.sip.retry_after_secs;
    let wait = wait + turn.draw() % (wait / 2).max(1);
    turn.sip(sip::Command::Refuse {
        call: file.call,
        status: cause.status(&file.trunk.refusal_codes),
        q850: Some(row.map_or(cause.q850(), |row| row.q850)),
        retry_after_secs: row.filter(|row| row.retry_after).map(|_| wait),
    });
    end(cause, turn.now.mono, Wire::Told, file, turn)
}

/// Ends a call; its time counts until then.
pub(crate) fn end(
    cause: Cause,
    until: Instant,
    wire: Wire,
    file: &mut File,
    turn: &mut Turn<'_>,
) -> State {
    let (call, q850) = (file.call, cause.q850());
    match wire {
        Wire::Bye => turn.sip(sip::Command::Bye { call, q850 }),
        Wire::Abandon => turn.sip(sip::Command::Abandon { call, q850: Some(q850) }),
        Wire::Told => {}
    }
    let media = close_media(file, turn);
    let book = Book::Asked(settle(cause, Some(until), file, turn));
    State::Leaving(Box::new(Leaving { cause, media, book }))
}

/// Ends a call whose ACK never came: what it costs depends on whether RTP came.
pub(crate) fn unacknowledged(file: &mut File, turn: &mut Turn<'_>) -> State {
    let media = close_media(file, turn);
    let leaving = Leaving { cause: Cause::NoAck, media, book: Book::Unasked };
    match media {
        Owed::Closed(_) => State::Leaving(Box::new(leaving)),
        Owed::Nothing => leaving.never_was(file, turn),
    }
}

impl Leaving {
    pub(crate) fn step(self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        match signal {
            Signal::Closed(stats) => self.closed(&stats, file, turn),
            Signal::Stored(Errand::End, outcome) => self.answered(&outcome, file, turn),
            Signal::Wake => self.wake(file, turn),
            Signal::Stored(
                Errand::Open | Errand::Place | Errand::Answered | Errand::Roll | Errand::Inquire,
                _,
            )
            | Signal::Cancelled
            | Signal::Line(_)
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::Withdrawn(_)
            | Signal::HungUp(_)
            | Signal::Lost(_)
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Cut { .. }
            | Signal::Standing
            | Signal::Tone(_)
            | Signal::HangUp
            | Signal::CloseDown(_) => State::Leaving(Box::new(self)),
        }
    }

    pub(crate) const fn due(&self) -> Option<Instant> {
        match self.media {
            Owed::Closed(until) => Some(until),
            Owed::Nothing => None,
        }
    }

    fn closed(mut self, stats: &LegStats, file: &mut File, turn: &mut Turn<'_>) -> State {
        turn.note(Note::MediaClosed(*stats));
        if stats.received == 0 && file.connected(turn.now.mono) >= ONE_WAY {
            let trunk = Arc::clone(&file.trunk);
            turn.note(Note::OneWay { trunk, direction: file.direction() });
        }
        self.media = Owed::Nothing;
        match (self.book, stats.last_rtp) {
            (Book::Unasked, None) => self.never_was(file, turn),
            (Book::Unasked, Some(last)) => {
                self.book = Book::Asked(settle(self.cause, Some(last), file, turn));
                self.done()
            }
            (Book::Asked(_) | Book::Done, _) => self.done(),
        }
    }

    fn answered(mut self, outcome: &StoreOutcome, file: &File, turn: &mut Turn<'_>) -> State {
        let value = match self.book {
            Book::Asked(value) => value,
            Book::Unasked | Book::Done => Money::ZERO,
        };
        match (outcome, &file.payer) {
            (StoreOutcome::Answered(Answer::Closed { charge, .. }), Payer::Credits(terms)) => {
                turn.note(Note::Captured { account: terms.account, charge: *charge });
            }
            (StoreOutcome::Answered(Answer::Closed { .. }), Payer::Nobody | Payer::Included) => {
                if value > Money::ZERO {
                    turn.note(Note::Unattributed { value });
                }
            }
            (
                StoreOutcome::Answered(
                    Answer::Funded { .. }
                    | Answer::Noted
                    | Answer::Stands(_)
                    | Answer::Refused { .. },
                )
                | StoreOutcome::Unknown,
                _,
            ) => tracing::error!(call = %file.call, ?outcome, "the book did not close the leg"),
        }
        self.book = Book::Done;
        self.done()
    }

    /// The media plane did not close the leg in time: its port is not used again.
    fn wake(mut self, file: &mut File, turn: &mut Turn<'_>) -> State {
        match self.media {
            Owed::Closed(until) if until <= turn.now.mono => {
                tracing::warn!(call = %file.call, "the media plane did not close the leg");
                self.media = Owed::Nothing;
                match self.book {
                    Book::Unasked => self.never_was(file, turn),
                    Book::Asked(_) | Book::Done => self.done(),
                }
            }
            Owed::Closed(_) | Owed::Nothing => self.done(),
        }
    }

    fn never_was(mut self, file: &mut File, turn: &mut Turn<'_>) -> State {
        self.book = Book::Asked(settle(self.cause, None, file, turn));
        self.done()
    }

    fn done(self) -> State {
        match (self.media, self.book) {
            (Owed::Nothing, Book::Done) => State::Over,
            (Owed::Nothing | Owed::Closed(_), Book::Unasked | Book::Asked(_))
            | (Owed::Closed(_), Book::Done) => State::Leaving(Box::new(self)),
        }
    }
}

fn close_media(file: &File, turn: &mut Turn<'_>) -> Owed {
    if !file.open {
        return Owed::Nothing;
    }
    turn.media(media::Command::Close { call: file.call });
    Owed::Closed(turn.now.mono + MEDIA_PATIENCE)
}

/// Asks the book to end the leg; `None` if it never was a call. Returns the value of time that
/// nobody pays for.
fn settle(cause: Cause, until: Option<Instant>, file: &mut File, turn: &mut Turn<'_>) -> Money {
    let until_or_start = until.unwrap_or(file.started());
    let mut cdr = file.record(cause, until_or_start);
    let connected = file.connected(until_or_start);
    tracing::info!(
        call = %file.call,
        trunk = %file.trunk.name,
        caller = file.caller.as_ref().map(tracing::field::display),
        called = file.called.as_ref().map(tracing::field::display),
        ending = cause.label(),
        connected_secs = connected.as_secs(),
        "a call ended"
    );
    turn.note(Note::CallEnded { call: file.call, label: cause.label(), connected });
    turn.effects.push(Effect::Shield(Fact::Over(cause)));
    note_attempt(cause, until_or_start, file, turn);
    if file.outgoing.is_some() {
        turn.note(Note::DialOut { outcome: cause.label() });
    }
    if until.is_none() {
        (cdr.charge, cdr.fee, cdr.billed_secs) = (Money::ZERO, Money::ZERO, 0);
    }
    let value = if file.payer == Payer::Nobody { cdr.charge } else { Money::ZERO };
    let command = ending(until, file, cdr);
    turn.ask_when((file.call, Errand::End), command, None, !file.held);
    value
}

/// Counts what became of the attempt by the call's present trunk.
pub(super) fn note_attempt(cause: Cause, until: Instant, file: &File, turn: &mut Turn<'_>) {
    if let Some(attempt) = file.attempt(cause, until) {
        turn.note(Note::Attempted { trunk: Arc::clone(&file.trunk), attempt });
    }
}

fn ending(until: Option<Instant>, file: &File, cdr: Cdr) -> Command {
    let charged = matches!(file.payer, Payer::Credits(_)) && file.answered.is_some();
    let cdr = Box::new(cdr);
    match until {
        Some(_) if charged => Command::Close { used_micros: cdr.connected_micros, cdr },
        Some(_) | None => Command::Release { cdr },
    }
}
