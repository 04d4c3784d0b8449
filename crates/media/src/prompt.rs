//! What is said to callers, and the recordings of it.

use std::time::Duration;

/// A recorded sentence. The file of each is `config/prompts/<language>/<name>.wav`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// "Welcome."
    Welcome,
    /// "Please enter the conference ID, followed by the pound key."
    EnterConferenceId,
    /// "That conference ID was not recognised."
    UnknownConferenceId,
    /// "Please check the conference ID and call again. Goodbye."
    TooManyTries,
    /// "You are now joining the meeting."
    Joining,
    /// "You are the first participant."
    FirstParticipant,
    /// A rising tone: someone came.
    EntryTone,
    /// A falling tone: someone left.
    ExitTone,
    /// "One minute of credit remains."
    CreditSixtySeconds,
    /// "Ten seconds of credit remain."
    CreditTenSeconds,
    /// "The organization's credit is used up. Goodbye." At most 5 s.
    CreditUsedUp,
    /// "This call cannot be completed. Goodbye." Neutral: no payer's state is told.
    CannotComplete,
    /// "The meeting is full. Goodbye."
    MeetingFull,
    /// "The service is not available. Please try again later. Goodbye."
    TryLater,
    /// "The service is closing for maintenance. Please call again. Goodbye."
    Closing,
    /// "Goodbye."
    Goodbye,
}

impl Prompt {
    /// Every prompt.
    pub const ALL: [Self; 16] = [
        Self::Welcome,
        Self::EnterConferenceId,
        Self::UnknownConferenceId,
        Self::TooManyTries,
        Self::Joining,
        Self::FirstParticipant,
        Self::EntryTone,
        Self::ExitTone,
        Self::CreditSixtySeconds,
        Self::CreditTenSeconds,
        Self::CreditUsedUp,
        Self::CannotComplete,
        Self::MeetingFull,
        Self::TryLater,
        Self::Closing,
        Self::Goodbye,
    ];

    /// Returns the file's name without `.wav`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::EnterConferenceId => "enter-conference-id",
            Self::UnknownConferenceId => "unknown-conference-id",
            Self::TooManyTries => "too-many-tries",
            Self::Joining => "joining",
            Self::FirstParticipant => "first-participant",
            Self::EntryTone => "entry-tone",
            Self::ExitTone => "exit-tone",
            Self::CreditSixtySeconds => "credit-sixty-seconds",
            Self::CreditTenSeconds => "credit-ten-seconds",
            Self::CreditUsedUp => "credit-used-up",
            Self::CannotComplete => "cannot-complete",
            Self::MeetingFull => "meeting-full",
            Self::TryLater => "try-later",
            Self::Closing => "closing",
            Self::Goodbye => "goodbye",
        }
    }
}

/// Why a recording cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// Not a WAV file of 8 000 Hz, mono, 16-bit PCM.
    #[error("{file}: not a WAV of 8000 Hz, mono, 16-bit PCM")]
    Format {
        /// Which.
        file: String,
    },
    /// A language lacks a recording.
    #[error("{language}: no recording of {name}")]
    Missing {
        /// Which language.
        language: String,
        /// Which prompt.
        name: &'static str,
    },
    /// The goodbye at the end of credit must fit in its paid time.
    #[error("{language}: credit-used-up is longer than 5 s")]
    TooLong {
        /// Which language.
        language: String,
    },
}

/// Collects recordings.
#[derive(Debug, Default)]
pub struct LibraryBuilder {}

impl LibraryBuilder {
    /// Adds or replaces one recording, given as the bytes of a WAV file.
    ///
    /// # Errors
    /// [`PromptError::Format`].
    pub fn add(
        &mut self,
        _language: &str,
        _prompt: Prompt,
        _wav: &[u8],
    ) -> Result<(), PromptError> {
        unimplemented!()
    }

    /// Finishes; every language must be whole.
    ///
    /// # Errors
    /// [`PromptError::Missing`], [`PromptError::TooLong`].
    pub fn build(self) -> Result<Library, PromptError> {
        unimplemented!()
    }
}

/// Every recording, immutable; shared by the bridge (lengths) and the worker (samples).
#[derive(Debug, Clone)]
pub struct Library {}

impl Library {
    /// Returns the index of a language, or that of the first one if it is unknown.
    #[must_use]
    pub fn language(&self, _name: &str) -> u8 {
        unimplemented!()
    }

    /// Returns how long a prompt takes.
    #[must_use]
    pub fn length(&self, _language: u8, _prompt: Prompt) -> Duration {
        unimplemented!()
    }
}
