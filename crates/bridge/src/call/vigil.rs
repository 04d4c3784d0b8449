//! Whether somebody is still there: who is alone, or silent, for too long is asked to press 1, and
//! sent off if they do not (domain.md §7.11; reliability.md S13).
//!
//! It looks when a limit could have come at the earliest, and finds out then since when it is
//! quiet: nothing needs to tell it that others came, left or spoke.

use media::Prompt;
use model::Instant;

use crate::call::Key;
use crate::call::file::File;
use crate::ending::{Cause, Idle};
use crate::settings::Presence;
use crate::turn::{Effect, Turn};

/// The watch over one participant in a room.
#[derive(Debug)]
pub(crate) struct Vigil {
    /// When they last pressed 1, or came.
    renewed: Instant,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It looks again then; never if there are no limits.
    Watching(Option<Instant>),
    /// They were asked why they stay, and have until then to press 1. Asked twice at most.
    Asking { idle: Idle, again: bool, until: Instant },
}

impl Vigil {
    /// Begins with the entry into the room.
    pub(crate) fn begin(file: &File, turn: &Turn<'_>) -> Self {
        let now = turn.now.mono;
        let limits = turn.settings.presence;
        let first = [limits.alone, limits.all_silent, limits.silent].into_iter().flatten().min();
        let look = earliest(first.map(|limit| now + limit), end(file, &limits));
        Self { renewed: now, stage: Stage::Watching(look) }
    }

    /// Whether a 1 is waited for.
    pub(crate) const fn asks(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. })
    }

    /// Returns when [`Self::wake`] is next needed.
    pub(crate) const fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Watching(look) => look,
            Stage::Asking { until, .. } => Some(until),
        }
    }

    /// Takes a key: any is a sign of life, 1 renews every limit.
    pub(crate) fn pressed(&mut self, key: Key, file: &mut File, turn: &mut Turn<'_>) {
        turn.effects.push(Effect::Sign);
        if key != Key(b'1') {
            return;
        }
        self.renewed = turn.now.mono;
        match self.stage {
            Stage::Watching(_) => {}
            Stage::Asking { .. } => {
                file.because("pressed 1 to stay");
                self.withdraw(file, turn);
            }
        }
    }

    /// Looks, asks, and returns why the participant is to be sent off, if that is so.
    pub(crate) fn wake(&mut self, file: &mut File, turn: &mut Turn<'_>) -> Option<Cause> {
        let now = turn.now.mono;
        if end(file, &turn.settings.presence).is_some_and(|end| end <= now) {
            return Some(Cause::LegLimit);
        }
        match self.stage {
            Stage::Watching(Some(look)) if look <= now => {
                self.look(file, turn);
                None
            }
            Stage::Watching(_) => None,
            Stage::Asking { idle, .. }
                if self.since(idle, file, turn).1.is_none_or(|at| at > now) =>
            {
                self.withdraw(file, turn);
                None
            }
            Stage::Asking { idle, again, until } if until <= now => {
                if again {
                    file.because("asked twice, and nobody pressed 1 to stay");
                    return Some(Cause::Idle(idle));
                }
                self.ask(idle, true, file, turn);
                None
            }
            Stage::Asking { .. } => None,
        }
    }

    fn look(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let found = [Idle::Alone, Idle::AllSilent, Idle::Silent]
            .map(|idle| self.since(idle, file, turn))
            .into_iter()
            .filter_map(|(idle, at)| Some((at?, idle)))
            .min_by_key(|(at, _)| *at);
        match found {
            // Something else is being said: it is not talked over.
            Some((at, _)) if at <= now && file.speaking_until > now => {
                self.stage = Stage::Watching(Some(file.speaking_until));
            }
            Some((at, idle)) if at <= now => self.ask(idle, false, file, turn),
            Some((at, _)) => {
                let look = earliest(Some(at), end(file, &turn.settings.presence));
                self.stage = Stage::Watching(look);
            }
            None => self.stage = Stage::Watching(end(file, &turn.settings.presence)),
        }
    }

    /// Returns when the limit comes if nothing happens before.
    fn since(&self, idle: Idle, file: &File, turn: &Turn<'_>) -> (Idle, Option<Instant>) {
        let limits = turn.settings.presence;
        let meeting = file.host.as_ref().map(|host| host.meeting.id);
        let quiet = meeting.and_then(|meeting| turn.conferences.quiet(meeting, file.call));
        let (limit, since) = match idle {
            // Who is not alone now cannot have been so for long when it is looked at again.
            Idle::Alone => (limits.alone, quiet.and_then(|quiet| quiet.alone)),
            Idle::AllSilent => (limits.all_silent, quiet.map(|quiet| quiet.room)),
            Idle::Silent => (limits.silent, quiet.map(|quiet| quiet.own)),
        };
        let since = since.unwrap_or(turn.now.mono).max(self.renewed);
        (idle, limit.map(|limit| since + limit))
    }

    fn ask(&mut self, idle: Idle, again: bool, file: &mut File, turn: &mut Turn<'_>) {
        turn.whisper(file, Prompt::StillThere);
        let said = turn.length(file, &[Prompt::StillThere]);
        let until = turn.now.mono + said + turn.settings.presence.stay;
        self.stage = Stage::Asking { idle, again, until };
    }

    /// They stay: the question is taken back if it is still being asked.
    fn withdraw(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        if file.speaking_until > turn.now.mono {
            file.speaking_until = turn.now.mono;
            turn.media(media::Command::Hush { call: file.call });
        }
        self.stage = Stage::Watching(Some(turn.now.mono));
    }
}

/// Returns when the leg has had its longest time.
fn end(file: &File, limits: &Presence) -> Option<Instant> {
    limits.leg.map(|limit| file.started() + limit)
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
