//! What is said to callers, and the recordings of it.

mod embedded;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

/// Longest goodbye at the end of credit: it lies inside the paid time (charging.md).
const CREDIT_USED_UP: Duration = Duration::from_secs(5);
/// Samples per second of every recording.
const RATE: u32 = 8_000;

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
    /// "You are invited to a meeting. To join, press 1." Said to those whom we call.
    PressOne,
    /// "You are now joining the meeting."
    Joining,
    /// "You are the first participant."
    FirstParticipant,
    /// "Are you still there? To stay in the meeting, press 1."
    StillThere,
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
    pub const ALL: [Self; 18] = [
        Self::Welcome,
        Self::EnterConferenceId,
        Self::UnknownConferenceId,
        Self::TooManyTries,
        Self::PressOne,
        Self::Joining,
        Self::FirstParticipant,
        Self::StillThere,
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
            Self::PressOne => "press-one",
            Self::Joining => "joining",
            Self::FirstParticipant => "first-participant",
            Self::StillThere => "still-there",
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
    /// There must be a language to speak, and its index fits in a byte.
    #[error("there must be 1 to 255 languages of prompts")]
    Languages,
}

/// Collects recordings.
#[derive(Debug, Default)]
pub struct LibraryBuilder {
    /// By language, then by prompt. A `BTreeMap`, so that the indices of languages do not depend on
    /// the order in which a folder was read.
    languages: BTreeMap<String, BTreeMap<Prompt, Arc<[i16]>>>,
}

impl LibraryBuilder {
    /// Starts with the recordings that are built into the program: `en-US`, whole.
    ///
    /// # Errors
    /// [`PromptError::Format`], which a test shows not to happen.
    pub fn embedded() -> Result<Self, PromptError> {
        let mut builder = Self::default();
        for prompt in Prompt::ALL {
            builder.add(embedded::LANGUAGE, prompt, embedded::wav(prompt))?;
        }
        Ok(builder)
    }

    /// Adds or replaces one recording, given as the bytes of a WAV file.
    ///
    /// # Errors
    /// [`PromptError::Format`].
    pub fn add(&mut self, language: &str, prompt: Prompt, wav: &[u8]) -> Result<(), PromptError> {
        let samples = read(wav).ok_or_else(|| PromptError::Format {
            file: format!("{language}/{}.wav", prompt.name()),
        })?;
        self.languages.entry(language.to_owned()).or_default().insert(prompt, samples);
        Ok(())
    }

    /// Finishes; every language must be whole.
    ///
    /// # Errors
    /// [`PromptError::Missing`], [`PromptError::TooLong`], [`PromptError::Languages`].
    pub fn build(self) -> Result<Library, PromptError> {
        if self.languages.is_empty() || self.languages.len() > usize::from(u8::MAX) {
            return Err(PromptError::Languages);
        }
        let shelves =
            self.languages.into_iter().map(|(language, samples)| shelf(language, samples));
        Ok(Library { shelves: shelves.collect::<Result<_, _>>()? })
    }
}

/// Every recording, immutable; shared by the bridge (lengths) and the worker (samples).
#[derive(Debug, Clone)]
pub struct Library {
    /// In alphabetical order of their languages; never empty.
    shelves: Vec<Shelf>,
}

/// The recordings of one language, in the order of [`Prompt::ALL`].
#[derive(Debug, Clone)]
struct Shelf {
    language: String,
    samples: Vec<Arc<[i16]>>,
}

impl Library {
    /// Returns the index of a language, or that of the first one if it is unknown.
    #[must_use]
    pub fn language(&self, name: &str) -> u8 {
        let index = self.shelves.iter().position(|shelf| shelf.language.eq_ignore_ascii_case(name));
        index.and_then(|index| u8::try_from(index).ok()).unwrap_or(0)
    }

    /// Returns the languages in the order of their indices.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.shelves.iter().map(|shelf| shelf.language.as_str())
    }

    /// Returns how long a prompt takes.
    #[must_use]
    pub fn length(&self, language: u8, prompt: Prompt) -> Duration {
        length(self.samples(language, prompt))
    }

    /// Returns a recording: 8 000 samples a second, linear 16 bit. An index that is no language's
    /// means the first one.
    #[must_use]
    pub fn samples(&self, language: u8, prompt: Prompt) -> &[i16] {
        let shelf = self.shelves.get(usize::from(language)).unwrap_or(&self.shelves[0]);
        &shelf.samples[prompt as usize]
    }
}

/// Puts the recordings of one language in order and checks what every language must keep.
fn shelf(language: String, mut found: BTreeMap<Prompt, Arc<[i16]>>) -> Result<Shelf, PromptError> {
    let mut samples = Vec::with_capacity(Prompt::ALL.len());
    for prompt in Prompt::ALL {
        let Some(recording) = found.remove(&prompt) else {
            return Err(PromptError::Missing { language, name: prompt.name() });
        };
        if prompt == Prompt::CreditUsedUp && length(&recording) > CREDIT_USED_UP {
            return Err(PromptError::TooLong { language });
        }
        samples.push(recording);
    }
    Ok(Shelf { language, samples })
}

fn length(samples: &[i16]) -> Duration {
    let micros = samples.len() as u64 * 1_000_000 / u64::from(RATE);
    Duration::from_micros(micros)
}

/// Reads a WAV file, or `None` if it is anything but 8 kHz, mono, 16-bit PCM, whole and not empty.
fn read(wav: &[u8]) -> Option<Arc<[i16]>> {
    let reader = hound::WavReader::new(Cursor::new(wav)).ok()?;
    let wanted = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    // The header's length is believed only as far as there are bytes: it sizes an allocation.
    let announced = usize::try_from(reader.len()).ok()?;
    if reader.spec() != wanted || announced == 0 || announced > wav.len() / 2 {
        return None;
    }
    reader.into_samples::<i16>().collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(seconds: u32, rate: u32) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in 0..seconds * rate {
            writer.write_sample((sample % 100) as i16).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn library() -> Library {
        LibraryBuilder::embedded().unwrap().build().unwrap()
    }

    #[test]
    fn every_built_in_recording_is_heard_and_none_is_clipped() {
        let library = library();
        for prompt in Prompt::ALL {
            let samples = library.samples(0, prompt);
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            let energy: u64 = samples.iter().map(|&s| i64::from(s).pow(2).unsigned_abs()).sum();
            let rms = (energy / samples.len() as u64).isqrt();
            // -26 to -14 dBFS RMS, and a peak at least 0.5 dB below full scale.
            assert!((1_642..=6_538).contains(&rms), "{}: RMS {rms}", prompt.name());
            assert!(peak < 30_900, "{}: peak {peak}", prompt.name());
        }
    }

    #[test]
    fn built_in_recordings_are_short_and_the_last_goodbye_leaves_half_a_second() {
        let library = library();
        for prompt in Prompt::ALL {
            let length = library.length(0, prompt);
            assert!((200..=5_000).contains(&length.as_millis()), "{}: {length:?}", prompt.name());
        }
        assert!(library.length(0, Prompt::CreditUsedUp) <= Duration::from_millis(4_500));
        assert_eq!(library.length(0, Prompt::EntryTone), Duration::from_millis(300));
    }

    #[test]
    fn built_in_recordings_fit_in_a_megabyte_and_a_half() {
        let total: usize = Prompt::ALL.iter().map(|prompt| embedded::wav(*prompt).len()).sum();
        assert!(total <= 1_500_000, "{total} bytes");
    }

    #[test]
    fn the_order_of_all_is_the_order_of_declaration() {
        for (index, prompt) in Prompt::ALL.into_iter().enumerate() {
            assert_eq!(prompt as usize, index);
        }
    }

    #[test]
    fn a_recording_added_later_replaces_the_built_in_one() {
        let mut builder = LibraryBuilder::embedded().unwrap();
        builder.add("en-US", Prompt::Welcome, &wav(2, RATE)).unwrap();
        let library = builder.build().unwrap();
        assert_eq!(library.length(0, Prompt::Welcome), Duration::from_secs(2));
        assert_eq!(library.samples(0, Prompt::Welcome)[99], 99);
    }

    #[test]
    fn languages_are_found_by_name_and_an_unknown_one_is_the_first() {
        let mut builder = LibraryBuilder::embedded().unwrap();
        for prompt in Prompt::ALL {
            builder.add("fr-FR", prompt, &wav(1, RATE)).unwrap();
        }
        let library = builder.build().unwrap();
        assert_eq!(library.languages().collect::<Vec<_>>(), ["en-US", "fr-FR"]);
        assert_eq!(library.language("fr-fr"), 1);
        assert_eq!(library.language("tlh"), 0);
        assert_eq!(library.length(1, Prompt::Goodbye), Duration::from_secs(1));
        assert_eq!(library.samples(9, Prompt::Goodbye), library.samples(0, Prompt::Goodbye));
    }

    #[test]
    fn a_language_that_lacks_a_recording_is_refused() {
        let mut builder = LibraryBuilder::embedded().unwrap();
        builder.add("fr-FR", Prompt::Welcome, &wav(1, RATE)).unwrap();
        let missing =
            PromptError::Missing { language: "fr-FR".to_owned(), name: "enter-conference-id" };
        assert_eq!(builder.build().unwrap_err(), missing);
        assert_eq!(LibraryBuilder::default().build().unwrap_err(), PromptError::Languages);
    }

    #[test]
    fn a_goodbye_longer_than_five_seconds_is_refused() {
        let mut builder = LibraryBuilder::embedded().unwrap();
        builder.add("en-US", Prompt::CreditUsedUp, &wav(6, RATE)).unwrap();
        let long = PromptError::TooLong { language: "en-US".to_owned() };
        assert_eq!(builder.build().unwrap_err(), long);
    }

    #[test]
    fn anything_but_an_eight_kilohertz_mono_recording_is_refused() {
        let whole = wav(1, RATE);
        let mut lying = whole.clone();
        lying[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        let refused =
            [&wav(1, 16_000), &whole[..20], &whole[..200], &lying[..], b"", &wav(0, RATE)];
        for bytes in refused {
            let format = PromptError::Format { file: "en-US/welcome.wav".to_owned() };
            let added = LibraryBuilder::default().add("en-US", Prompt::Welcome, bytes);
            assert_eq!(added, Err(format));
        }
    }
}
