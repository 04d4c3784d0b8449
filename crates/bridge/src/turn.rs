//! One call's turn: what it may look at, and what it wants done.

use std::time::Duration;

use media::Prompt;
use model::{CallId, Instant, Now};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::accounts::Accounts;
use crate::call::file::File;
use crate::conference::Conferences;
use crate::desk::{Errand, Owner, Question};
use crate::directory::Directory;
use crate::outbound::limits::Budgets;
use crate::output::Note;
use crate::ports::Ports;
use crate::routing::Health;
use crate::settings::Settings;
use crate::shield::{Fact, Shield};

/// Something that a call wants done. Carried out in order once its step is over; discarded if the
/// step panics.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Tell the SIP endpoint.
    Sip(sip::Command),
    /// Tell the media plane.
    Media(media::Command),
    /// Ask the store. A leg's dialog is filled in as the endpoint knows it then.
    Ask(Box<Question>),
    /// Count this.
    Note(Note),
    /// The call is in its meeting's room.
    Enter,
    /// Somebody in the room showed life.
    Sign,
    /// Tell the shield.
    Shield(Fact),
}

/// What a step sees of the world.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) directory: &'a Directory,
    pub(crate) conferences: &'a Conferences,
    pub(crate) accounts: &'a Accounts,
    pub(crate) budgets: &'a Budgets,
    /// How many callers are refused and told why.
    pub(crate) announcing: usize,
    pub(crate) shield: &'a Shield,
    pub(crate) ports: &'a mut Ports,
    pub(crate) health: &'a mut Health,
    pub(crate) chance: &'a mut ChaCha8Rng,
    pub(crate) effects: Vec<Effect>,
}

impl Turn<'_> {
    pub(crate) fn sip(&mut self, command: sip::Command) {
        self.effects.push(Effect::Sip(command));
    }

    pub(crate) fn media(&mut self, command: media::Command) {
        self.effects.push(Effect::Media(command));
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }

    /// Asks the store at once; repeated until `patience`, or for as long as the leg lives. The end of
    /// one is repeated for ever.
    pub(crate) fn ask(
        &mut self,
        (call, errand): (CallId, Errand),
        command: credits::Command,
        patience: Option<Instant>,
    ) {
        let may_wait = matches!(errand, Errand::Roll | Errand::Open | Errand::Answered);
        self.ask_when((call, errand), command, patience, may_wait);
    }

    /// Asks the store, at once or with the next batch.
    pub(crate) fn ask_when(
        &mut self,
        (call, errand): (CallId, Errand),
        command: credits::Command,
        patience: Option<Instant>,
        may_wait: bool,
    ) {
        let owner = Owner::Call(call);
        let question = Question { owner, errand, command, may_wait, patience };
        self.effects.push(Effect::Ask(Box::new(question)));
    }

    /// Says something to the caller instead of what they heard. Returns the token that comes back
    /// at its end; `None` if nothing is announced.
    pub(crate) fn say(
        &mut self,
        file: &mut File,
        prompts: &[Prompt],
        barge_in: bool,
    ) -> Option<u32> {
        self.play(file, prompts, (barge_in, false))
    }

    /// Says something over what the caller hears.
    pub(crate) fn whisper(&mut self, file: &mut File, prompt: Prompt) -> Option<u32> {
        self.play(file, &[prompt], (false, true))
    }

    /// Returns how long something takes to say; nothing if nothing is announced.
    pub(crate) fn length(&self, file: &File, prompts: &[Prompt]) -> Duration {
        if !self.settings.announcements {
            return Duration::ZERO;
        }
        let length = |prompt| self.settings.prompts.length(file.language, prompt);
        prompts.iter().map(|prompt| length(*prompt)).sum()
    }

    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.chance.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn draw(&mut self) -> u32 {
        self.chance.next_u32()
    }

    fn play(
        &mut self,
        file: &mut File,
        prompts: &[Prompt],
        (barge_in, over_room): (bool, bool),
    ) -> Option<u32> {
        if !self.settings.announcements || prompts.is_empty() {
            return None;
        }
        file.token = file.token.wrapping_add(1);
        let (call, token) = (file.call, file.token);
        file.speaking_until = self.now.mono + self.length(file, prompts);
        let prompts = prompts.to_vec();
        self.media(media::Command::Play { call, prompts, token, barge_in, over_room });
        Some(token)
    }
}
