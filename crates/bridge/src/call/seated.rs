//! In the meeting: heard and hearing, and metered if credits pay.

use std::time::Duration;

use media::Prompt;
use model::Instant;

use crate::call::file::File;
use crate::call::identifying::lost;
use crate::call::leaving::{self, Wire};
use crate::call::line::{Confirmed, Line};
use crate::call::parting::Parting;
use crate::call::vigil::Vigil;
use crate::call::{Signal, State, earlier};
use crate::desk::Errand;
use crate::ending::Cause;
use crate::meter::{Audience, Meter, Verdict};
use crate::output::Note;
use crate::turn::{Effect, Turn};

/// What a caller hears on the way in, to a meeting of their own number.
pub(crate) const WELCOME: [Prompt; 2] = [Prompt::Welcome, Prompt::Joining];
/// What a caller hears on the way in, after keying in the conference ID.
pub(crate) const JOINING: [Prompt; 1] = [Prompt::Joining];

/// Where a seated leg is.
#[derive(Debug)]
enum Place {
    /// Outside: neither ACK nor RTP has come. This is said on the way in.
    Outside(&'static [Prompt]),
    /// In its meeting's room.
    Room(Vigil),
}

/// A participant.
#[derive(Debug)]
pub(crate) struct Seated {
    line: Line,
    /// Runs if credits pay.
    meter: Option<Meter>,
    place: Place,
}

impl Seated {
    /// Gives the leg its seat; it enters the room once somebody has confirmed it.
    pub(crate) fn sit(
        line: Line,
        meter: Option<Meter>,
        greeting: &'static [Prompt],
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        let mut seated = Self { line, meter, place: Place::Outside(greeting) };
        let number_type = file.number.as_ref().map(|number| number.number_type);
        turn.note(Note::Seated { number_type, charged: seated.meter.is_some() });
        seated.enter(file, turn);
        State::Seated(Box::new(seated))
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        match signal {
            Signal::Wake => return self.wake(file, turn),
            Signal::Stored(Errand::Roll, outcome) => {
                let verdict = self.meter.as_mut().map(|meter| meter.rolled(&outcome, file, turn));
                if verdict == Some(Verdict::Fenced) {
                    return leaving::end(Cause::Fenced, now, Wire::Bye, file, turn);
                }
                self.measure(file, turn);
            }
            Signal::Standing => self.measure(file, turn),
            Signal::Cut { at, overrun } => return self.cut(at, overrun, file, turn),
            Signal::Line(news) => match self.line.learn(news, file, turn) {
                Ok(confirmed) => self.confirmed(confirmed, file, turn),
                Err(over) => return over,
            },
            Signal::Tone(tone) => self.tone(tone, file, turn),
            Signal::Digit(key) => {
                turn.note(Note::Digit);
                if let Place::Room(vigil) = &mut self.place {
                    vigil.pressed(key, file, turn);
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
            | Signal::Withdrawn(_)
            | Signal::Played(_)
            | Signal::Closed(_) => {}
        }
        State::Seated(Box::new(self))
    }

    pub(crate) fn due(&self, file: &File, limits: (Duration, Duration)) -> Option<Instant> {
        let meter = self.meter.as_ref().map(|meter| meter.due(file));
        let vigil = match &self.place {
            Place::Outside(_) => None,
            Place::Room(vigil) => vigil.due(),
        };
        earlier(earlier(meter, vigil), self.line.due(limits))
    }

    /// Whether a 1 is waited for.
    pub(crate) const fn asks(&self) -> bool {
        match &self.place {
            Place::Outside(_) => false,
            Place::Room(vigil) => vigil.asks(),
        }
    }

    /// Enters the room, once, if the leg is confirmed and has media.
    fn enter(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        let Place::Outside(greeting) = self.place else { return };
        let Some(host) = file.host.clone() else { return };
        if !self.line.is_confirmed() || !file.open {
            return;
        }
        self.place = Place::Room(Vigil::begin(file, turn));
        turn.media(media::Command::Seat { call: file.call, room: host.meeting.id });
        let mut prompts = greeting.to_vec();
        if turn.conferences.is_silent(host.meeting.id) {
            prompts.push(Prompt::FirstParticipant);
        }
        turn.say(file, &prompts, true);
        turn.effects.push(Effect::Enter);
        self.measure(file, turn);
    }

    fn confirmed(&mut self, confirmed: Confirmed, file: &mut File, turn: &mut Turn<'_>) {
        match (confirmed, &self.meter) {
            (Confirmed::Opened, Some(meter)) => meter.tell(file, turn),
            (Confirmed::Opened, None) | (Confirmed::Plain, _) => {}
        }
        self.enter(file, turn);
    }

    fn wake(mut self, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now.mono;
        if self.meter.is_some() && Meter::is_overdue(file, now) {
            let overrun = now.since(file.funded_until());
            return self.cut(now, overrun, file, turn);
        }
        self.line.wake(file, turn);
        self.measure(file, turn);
        if let Place::Room(vigil) = &mut self.place
            && let Some(cause) = vigil.wake(file, turn)
        {
            return Parting::send_off(self.line, cause, file, turn);
        }
        State::Seated(Box::new(self))
    }

    fn measure(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        let audience = match self.place {
            Place::Outside(_) => Audience::Busy,
            Place::Room(_) => Audience::Seated,
        };
        if let Some(meter) = &mut self.meter {
            let certain = self.line.certain(turn.now.mono);
            meter.wake((audience, certain), file, turn);
        }
    }

    /// Somebody came or left: told unless something more important is being said.
    fn tone(&mut self, tone: Prompt, file: &mut File, turn: &mut Turn<'_>) {
        if matches!(self.place, Place::Room(_)) && file.speaking_until <= turn.now.mono {
            turn.whisper(file, tone);
        }
    }

    /// The paid time ended on the media plane's tick. A later slice may have crossed the news of
    /// it on the way: then the leg goes on.
    fn cut(self, at: Instant, overrun: Duration, file: &mut File, turn: &mut Turn<'_>) -> State {
        let Some(meter) = &self.meter else { return State::Seated(Box::new(self)) };
        let until = file.funded_until();
        if at < until {
            return State::Seated(Box::new(self));
        }
        let cause = meter.cause();
        turn.note(Note::Cut { overrun });
        turn.note(Note::CutSignalled { after: turn.now.mono.since(until) });
        file.because(format!("cut: paid time ended at {} s ({})", file.funded_secs, cause.label()));
        leaving::end(cause, turn.now.mono, Wire::Bye, file, turn)
    }
}
