//! The recordings: those built in, replaced by those of the configured folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

use media::{Library, LibraryBuilder, Prompt};

/// Why the recordings of a folder cannot be used.
#[derive(Debug)]
pub(crate) enum PromptsError {
    /// A file or folder cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A recording is wrong or missing.
    Unusable(media::prompt::PromptError),
}

impl std::fmt::Display for PromptsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unusable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PromptsError {}

/// Loads every recording. `folder` holds `LANGUAGE/NAME.wav`; a file of another name is left alone.
///
/// # Errors
/// [`PromptsError`] names the file.
pub(crate) fn load(folder: Option<&Path>) -> Result<Library, PromptsError> {
    let mut builder = LibraryBuilder::embedded().map_err(PromptsError::Unusable)?;
    if let Some(folder) = folder {
        for language in languages(folder)? {
            add_language(&mut builder, &folder.join(&language), &language)?;
        }
    }
    builder.build().map_err(PromptsError::Unusable)
}

/// Returns the names of the folders inside, in order.
fn languages(folder: &Path) -> Result<Vec<String>, PromptsError> {
    let unreadable = |error| PromptsError::Unreadable(folder.to_owned(), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

fn add_language(
    builder: &mut LibraryBuilder,
    folder: &Path,
    language: &str,
) -> Result<(), PromptsError> {
    for prompt in Prompt::ALL {
        let path = folder.join(format!("{}.wav", prompt.name()));
        match fs::read(&path) {
            Ok(wav) => builder.add(language, prompt, &wav).map_err(PromptsError::Unusable)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(PromptsError::Unreadable(path, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_folder_the_built_in_recordings_serve() {
        assert!(load(None).is_ok());
    }

    #[test]
    fn a_broken_recording_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("en-US")).unwrap();
        fs::write(folder.path().join("en-US/welcome.wav"), b"not a recording").unwrap();
        let told = load(Some(folder.path())).unwrap_err().to_string();
        assert!(told.contains("welcome"), "{told}");
    }

    #[test]
    fn a_language_that_lacks_a_recording_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("it-IT")).unwrap();
        let embedded =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/prompts/en-US/welcome.wav");
        fs::copy(embedded, folder.path().join("it-IT/welcome.wav")).unwrap();
        let told = load(Some(folder.path())).unwrap_err().to_string();
        assert!(told.contains("it-IT"), "{told}");
    }
}
