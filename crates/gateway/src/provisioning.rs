//! Declarative provisioning: a TOML file against what is stored, checked whole before anything is
//! written. It is pure: the file's text, the stored records and a seed go in, a [`Plan`] or every
//! [`Problem`] comes out. Requirements: domain.md §2, §5, §8; format: `config/example-provision.toml`.

mod check;
mod conference_id;
mod dial_out;
mod guards;
mod meetings;
mod merge;
mod numbers;
mod outbound;
mod shape;
mod tariffs;

use std::collections::BTreeSet;

use model::Pin;
use model::record::{Provision, Trunk};

/// What is wrong with one line of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// From 1; 0 when it concerns the file as a whole.
    pub(crate) line: usize,
    /// Which key: `tariff.per_minute`.
    pub(crate) key: String,
    /// What is wrong, and what is allowed.
    pub(crate) message: String,
}

impl Problem {
    /// Writes `FILE:LINE: KEY: MESSAGE`, as editors and operators read it.
    pub(crate) fn located(&self, file: &str) -> String {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        match self.line {
            0 => format!("{file}: {key}{}", self.message),
            line => format!("{file}:{line}: {key}{}", self.message),
        }
    }
}

/// What applying a file would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Everything that the file says, for `Store::apply`.
    pub(crate) change: Provision,
    /// One sentence for each difference from what is stored; empty when nothing changes.
    pub(crate) news: Vec<String>,
    /// What is allowed but unlikely to be meant.
    pub(crate) warnings: Vec<String>,
    /// The conference ID of every meeting in the file, for whoever invites people.
    pub(crate) conference_ids: Vec<(String, Pin)>,
    /// The meetings whose conference ID was drawn in this run.
    pub(crate) drawn: Vec<String>,
}

/// Reads a file and checks it against what is stored and the configured trunks. `seed` feeds the
/// generator of conference IDs.
///
/// # Errors
/// Every problem found, in the order of the file. Nothing may be written then.
pub(crate) fn plan(
    text: &str,
    stored: &Provision,
    trunks: Vec<Trunk>,
    seed: [u8; 32],
) -> Result<Plan, Vec<Problem>> {
    let shape = shape::parse(text).map_err(|problem| vec![problem])?;
    let mut ids = conference_id::Draw::new(seed, stored);
    let mut read = check::Reading::new(text, stored, &shape);
    let change = read.records(&shape, &mut ids);
    let problems = read.into_problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    let merged = merge::merge(stored, &change);
    let warnings = merge::warnings(&change, &merged);
    bridge::Directory::new(merged, trunks).map_err(|error| {
        let message = format!("together with what is stored already: {error}");
        vec![Problem { line: 0, key: String::new(), message }]
    })?;
    let news = merge::news(stored, &change);
    let shown =
        |meeting: &model::record::Meeting| (meeting.name.clone(), meeting.conference_id.clone());
    let conference_ids = change.meetings.iter().map(shown).collect();
    Ok(Plan { change, news, warnings, conference_ids, drawn: ids.into_drawn() })
}

/// Says which numbers ask for a language without recordings. `recorded` begins with the language
/// that is played instead; where nothing is known of recordings, it is empty.
pub(crate) fn unrecorded(change: &Provision, recorded: &[String]) -> Option<String> {
    let instead = recorded.first()?;
    let known = |name: &str| recorded.iter().any(|known| known.eq_ignore_ascii_case(name));
    let mute = change.numbers.iter().filter(|number| !known(&number.language));
    let languages: BTreeSet<&str> = mute.clone().map(|number| number.language.as_str()).collect();
    (!languages.is_empty()).then(|| {
        let languages: Vec<&str> = languages.into_iter().collect();
        format!(
            "{} number(s) in {}, of which there are no recordings: callers hear {instead} \
             (media.prompts names a folder for more)",
            mute.count(),
            languages.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
