//! Answered: the caller keys in a conference ID. Unpaid unless the payer is certain already, and
//! bounded: by tries, by the pause between digits, by the unpaid limit, and in the media plane.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use credits::Terms;
use media::Prompt;
use model::{Instant, Pin, limits};

use crate::admission::Seat;
use crate::call::admitting::Admitting;
use crate::call::arriving;
use crate::call::file::{File, Payer};
use crate::call::leaving::{self, Wire};
use crate::call::line::{Confirmed, Line};
use crate::call::parting::Parting;
use crate::call::pulse::Hope;
use crate::call::ringing::note_answered;
use crate::call::seated::{JOINING, Seated};
use crate::call::{Key, Signal, State, earlier};
use crate::cap;
use crate::desk::Errand;
use crate::directory::Hosted;
use crate::ending::Cause;
use crate::meter::{Audience, Meter, Verdict};
use crate::output::Note;
use crate::refusal::{Guard, Refusal};
use crate::shield::{self, Fact, Patience};
use crate::turn::{Effect, Turn};

/// How much later than the unpaid limit the media plane ends a leg that was not told goodbye.
pub(crate) const GRACE: Duration = Duration::from_millis(500);
const GREETING: [Prompt; 2] = [Prompt::Welcome, Prompt::EnterConferenceId];
const AGAIN: [Prompt; 2] = [Prompt::UnknownConferenceId, Prompt::EnterConferenceId];

/// What was keyed in so far. Never shown.
#[derive(Default)]
struct Keyed(String);

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Whether the first prompt is still being said: the unpaid limit runs from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    /// It is, and this token comes at its end.
    Saying(u32),
    /// It is not.
    Over,
}

/// A caller who is not identified yet.
#[derive(Debug)]
pub(crate) struct Identifying {
    line: Line,
    /// Runs if the payer was certain before the answer.
    meter: Option<Meter>,
    greeting: Greeting,
    keyed: Keyed,
    /// What was keyed in wrong.
    wrong: Vec<Keyed>,
    /// When the wrong entry is answered, and whether it was the last.
    answer: Option<(Instant, Option<Refusal>)>,
    tries_left: u8,
    /// How long there is to identify oneself, from the end of the first prompt.
    limit: Duration,
    /// When the time to identify oneself is over.
    deadline: Instant,
    /// When a digit is due.
    pause: Option<Instant>,
}

impl Identifying {
    /// Greets the caller who was just answered.
    pub(crate) fn begin(
        line: Line,
        meter: Option<Meter>,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        let greeting = turn.length(file, &GREETING);
        let (usual, now) = (turn.settings.unpaid_limit, turn.now.mono);
        let limit = turn.shield.unpaid_limit(file, &turn.settings.abuse, usual, now);
        if limit < usual {
            file.because(format!("{} s to identify, by budget", limit.as_secs()));
        }
        turn.effects.push(Effect::Shield(Fact::Began));
        let mut identifying = Self {
            line,
            meter,
            greeting: Greeting::Over,
            keyed: Keyed::default(),
            wrong: Vec::new(),
            answer: None,
            tries_left: turn.settings.tries.max(1),
            limit,
            deadline: now + greeting + limit,
            pause: None,
        };
        if file.open {
            identifying.greet(file, turn);
        }
        State::Identifying(Box::new(identifying))
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        match signal {
            Signal::Digit(key) => return self.pressed(key, file, turn),
            Signal::Wake => return self.wake(file, turn),
            Signal::Stored(Errand::Roll, outcome) => {
                let verdict = self.meter.as_mut().map(|meter| meter.rolled(&outcome, file, turn));
                if verdict == Some(Verdict::Fenced) {
                    return leaving::end(Cause::Fenced, now, Wire::Bye, file, turn);
                }
            }
            Signal::Played(token) if self.greeting == Greeting::Saying(token) => {
                self.greeting = Greeting::Over;
            }
            Signal::Cut { at, .. } => return self.cut(at, file, turn),
            Signal::Line(news) => match self.line.learn(news, file, turn) {
                Ok(Confirmed::Opened) => self.greet(file, turn),
                Ok(Confirmed::Plain) => {}
                Err(over) => return over,
            },
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
                Errand::Open | Errand::Place | Errand::Answered | Errand::End | Errand::Inquire,
                _,
            )
            | Signal::Cancelled
            | Signal::Acknowledged(_)
            | Signal::Reply(_)
            | Signal::Withdrawn(_)
            | Signal::Played(_)
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => {}
        }
        State::Identifying(Box::new(self))
    }

    pub(crate) fn due(&self, file: &File, limits: (Duration, Duration)) -> Option<Instant> {
        let meter = self.meter.as_ref().map(|meter| meter.due(file));
        let own = earlier(self.pause, self.answer.map(|(at, _)| at));
        let own = own.map_or(self.deadline, |at| at.min(self.deadline));
        earlier(earlier(Some(own), meter), self.line.due(limits))
    }

    /// Speaks once the leg has media; the media plane bounds the unpaid time as well.
    fn greet(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        match &self.meter {
            Some(meter) => meter.tell(file, turn),
            None => fund(file, self.deadline + GRACE, turn),
        }
        if let Some(token) = turn.say(file, &GREETING, true) {
            self.greeting = Greeting::Saying(token);
        }
    }

    fn pressed(mut self, key: Key, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        turn.note(Note::Digit);
        if matches!(self.greeting, Greeting::Saying(_)) {
            // The key stopped the first prompt: the unpaid limit runs from here.
            self.greeting = Greeting::Over;
            self.deadline = self.deadline.min(now + self.limit);
            if self.meter.is_none() {
                fund(file, self.deadline + GRACE, turn);
            }
        }
        self.line.hears(now);
        if self.answer.is_some() {
            // Nobody has asked for anything yet.
            return State::Identifying(Box::new(self));
        }
        match key.0 {
            b'0'..=b'9' if self.keyed.0.len() < limits::DIGITS => {
                self.keyed.0.push(char::from(key.0));
            }
            b'*' => self.keyed.0.clear(),
            b'#' if !self.keyed.0.is_empty() => return self.entered(file, turn),
            0..=u8::MAX => {}
        }
        let whole =
            file.number.as_ref().is_some_and(|n| self.keyed.0.len() >= turn.directory.id_length(n));
        if whole {
            return self.entered(file, turn);
        }
        self.pause = (!self.keyed.0.is_empty()).then(|| now + turn.settings.digit_pause);
        State::Identifying(Box::new(self))
    }

    /// A conference ID is keyed in whole: it is looked up among those that the number may join, unless
    /// too many were guessed.
    fn entered(mut self, file: &mut File, turn: &mut Turn<'_>) -> State {
        let keyed = std::mem::take(&mut self.keyed);
        self.pause = None;
        let bounds = (&turn.settings.abuse, turn.directory.wrong_ids_a_day());
        let patience = turn.shield.patience(file, bounds, turn.now.mono);
        if patience == Patience::None {
            file.because("a conference ID was not looked up: too many are guessed");
            return self.answer_later(patience, Some(Refusal::Guard(Guard::Guessing)), turn);
        }
        let id = Pin::parse(&keyed.0).ok().zip(file.number.clone());
        match id.and_then(|(id, number)| turn.directory.by_conference_id(&id, &number)) {
            Some(host) => self.identified(&host, file, turn),
            None => self.unknown(keyed, patience, turn),
        }
    }

    fn unknown(mut self, keyed: Keyed, patience: Patience, turn: &mut Turn<'_>) -> State {
        turn.effects.push(Effect::Shield(Fact::Wrong));
        self.wrong.push(keyed);
        self.tries_left = match patience {
            Patience::Usual => self.tries_left - 1,
            Patience::Little | Patience::None => 0,
        };
        let over = (self.tries_left == 0).then_some(Refusal::UnknownConferenceId);
        self.answer_later(patience, over, turn)
    }

    /// The longer the more was wrong: nobody guesses fast.
    fn answer_later(mut self, patience: Patience, over: Option<Refusal>, turn: &Turn<'_>) -> State {
        let wrong = u8::try_from(self.wrong.len()).unwrap_or(u8::MAX);
        self.answer = Some((turn.now.mono + shield::pause(patience, wrong), over));
        State::Identifying(Box::new(self))
    }

    fn identified(self, host: &Arc<Hosted>, file: &mut File, turn: &mut Turn<'_>) -> State {
        let right = host.meeting.conference_id.reveal();
        let slips = self.wrong.iter().filter(|keyed| shield::is_slip(&keyed.0, right)).count();
        let slips = u8::try_from(slips).unwrap_or(u8::MAX);
        turn.effects.push(Effect::Shield(Fact::Right { slips }));
        file.because(format!("identified: meeting {}", host.meeting.name));
        let (seat, price) = match arriving::admit(host, file, turn) {
            Ok(admitted) => admitted,
            Err(refusal) => return Parting::refuse(self.line, refusal, file, turn),
        };
        if self.meter.is_some()
            && let Err(guard) = cap::joins(host, file, turn)
        {
            return Parting::refuse(self.line, Refusal::Guard(guard), file, turn);
        }
        file.host = Some(Arc::clone(host));
        if let Some(meter) = self.meter {
            // The payer was certain before the answer: the terms stay.
            note_answered(file, turn);
            return Seated::sit(self.line, Some(meter), &JOINING, file, turn);
        }
        match (seat, price) {
            (Seat::Credits(class), Some(price)) => {
                let account = host.organization.id.account();
                file.price = Some(price);
                let terms = Terms { account, rate: price.rate, class };
                Admitting::begin(self.line, terms, file, turn)
            }
            (Seat::Included, _) | (Seat::Credits(_), None) => {
                file.payer = Payer::Included;
                file.price = None;
                fund(file, FOREVER, turn);
                note_answered(file, turn);
                Seated::sit(self.line, None, &JOINING, file, turn)
            }
        }
    }

    fn wake(mut self, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        if self.deadline <= now {
            return Parting::refuse(self.line, Refusal::IdentificationTimeout, file, turn);
        }
        self.line.wake(file, turn);
        if let Some(meter) = &mut self.meter {
            if Meter::is_overdue(file, now) {
                return self.cut(now, file, turn);
            }
            let certain = self.line.certain(turn.now.mono);
            meter.wake((Audience::Busy, certain), file, turn);
        }
        if let Some((at, over)) = self.answer
            && at <= now
        {
            self.answer = None;
            if let Some(refusal) = over {
                return Parting::refuse(self.line, refusal, file, turn);
            }
            turn.say(file, &AGAIN, true);
        }
        if self.pause.is_some_and(|at| at <= now) {
            return self.entered(file, turn);
        }
        State::Identifying(Box::new(self))
    }

    /// The media plane ended the unpaid, or the paid, time.
    fn cut(self, at: Instant, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        let Some(meter) = &self.meter else {
            if at < self.deadline {
                return State::Identifying(Box::new(self));
            }
            turn.note(Note::Refused(Refusal::IdentificationTimeout));
            let cause = Cause::Refused(Refusal::IdentificationTimeout);
            return leaving::end(cause, now, Wire::Bye, file, turn);
        };
        if at < file.funded_until() {
            return State::Identifying(Box::new(self));
        }
        let cause = meter.cause();
        leaving::end(cause, now, Wire::Bye, file, turn)
    }
}

/// A moment that does not come.
const FOREVER: Instant = Instant { micros: u64::MAX };

/// Tells media when the leg's time ends.
pub(crate) fn fund(file: &File, until: Instant, turn: &mut Turn<'_>) {
    turn.media(media::Command::Fund { call: file.call, until });
}

/// Ends an answered call whose dialog was lost. It is billed to the last proof of life. A call that
/// was acknowledged once stays a call: that a later re-INVITE is not, means that the peer is gone.
pub(crate) fn lost(line: &Line, loss: sip::Loss, file: &mut File, turn: &mut Turn<'_>) -> State {
    let now = turn.now.mono;
    match loss {
        sip::Loss::Unacknowledged if !line.is_acknowledged() => leaving::unacknowledged(file, turn),
        sip::Loss::SessionExpired => {
            leaving::end(Cause::SessionExpired, now, Wire::Told, file, turn)
        }
        sip::Loss::Unacknowledged | sip::Loss::PeerGone => {
            leaving::end(Cause::PeerGone, line.last_proof(now), Wire::Told, file, turn)
        }
    }
}

/// Takes an answer that proves neither life nor death. Too many in a row end the call, billed to
/// the last proof of life; the peer is told, in case it lives.
pub(crate) fn unproven(line: &mut Line, file: &mut File, turn: &mut Turn<'_>) -> Option<State> {
    match line.unproven() {
        Hope::Left => None,
        Hope::Lost => {
            file.because("ended: no proof of life, and none by asking");
            let last = line.last_proof(turn.now.mono);
            Some(leaving::end(Cause::PeerGone, last, Wire::Bye, file, turn))
        }
    }
}
