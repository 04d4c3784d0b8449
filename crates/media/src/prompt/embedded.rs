//! The recordings that are built into the program; `config/prompts/make` makes them.

use super::Prompt;

/// The language of the built-in recordings.
pub(super) const LANGUAGE: &str = "en-US";

macro_rules! recording {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../config/prompts/en-US/",
            $name,
            ".wav"
        ))
    };
}

/// Returns the WAV file of a prompt.
pub(super) const fn wav(prompt: Prompt) -> &'static [u8] {
    match prompt {
        Prompt::Welcome => recording!("welcome"),
        Prompt::EnterConferenceId => recording!("enter-conference-id"),
        Prompt::UnknownConferenceId => recording!("unknown-conference-id"),
        Prompt::TooManyTries => recording!("too-many-tries"),
        Prompt::PressOne => recording!("press-one"),
        Prompt::Joining => recording!("joining"),
        Prompt::FirstParticipant => recording!("first-participant"),
        Prompt::StillThere => recording!("still-there"),
        Prompt::EntryTone => recording!("entry-tone"),
        Prompt::ExitTone => recording!("exit-tone"),
        Prompt::CreditSixtySeconds => recording!("credit-sixty-seconds"),
        Prompt::CreditTenSeconds => recording!("credit-ten-seconds"),
        Prompt::CreditUsedUp => recording!("credit-used-up"),
        Prompt::CannotComplete => recording!("cannot-complete"),
        Prompt::MeetingFull => recording!("meeting-full"),
        Prompt::TryLater => recording!("try-later"),
        Prompt::Closing => recording!("closing"),
        Prompt::Goodbye => recording!("goodbye"),
    }
}
