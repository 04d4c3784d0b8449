//! From what was seen to what it means, in words: pure, and the same for the same facts.

mod call;
mod reach;
mod sound;

use model::record::{DtmfMode, Trunk};
use model::{Credentials, Reliability};

use super::facts::{Ending, Facts};

/// What a finding asks of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as it should be.
    Good,
    /// Worth to know; nothing is to be done.
    Note,
    /// Something is to be changed.
    Change,
    /// It could not be tested, or it was not.
    Untested,
}

impl Verdict {
    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Change => "change",
            Self::Untested => "untested",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// `hold`, `session timer`.
    pub(crate) topic: &'static str,
    pub(crate) verdict: Verdict,
    /// One or two sentences.
    pub(crate) words: String,
    /// What to set, or whom to ask.
    pub(crate) advice: Option<String>,
}

impl Finding {
    fn good(topic: &'static str, words: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Good, words: words.into(), advice: None }
    }

    fn note(topic: &'static str, words: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Note, words: words.into(), advice: None }
    }

    fn untested(topic: &'static str, words: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Untested, words: words.into(), advice: None }
    }

    fn change(topic: &'static str, words: impl Into<String>, advice: impl Into<String>) -> Self {
        let (words, advice) = (words.into(), Some(advice.into()));
        Self { topic, verdict: Verdict::Change, words, advice }
    }
}

/// What the configuration says of the trunk that the findings are about.
#[derive(Debug, Clone)]
pub(crate) struct Configured<'a> {
    pub(crate) trunk: &'a Trunk,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) reliability: Reliability,
    pub(crate) options_secs: Option<u32>,
    /// Whether any number may be shown as the caller.
    pub(crate) has_callers: bool,
    pub(crate) session_secs: u32,
    /// Silence after which a leg is asked for life, seconds.
    pub(crate) life_secs: u64,
}

/// Judges: a finding for each topic, in the order of a call.
pub(crate) fn judge(facts: &Facts, configured: &Configured<'_>) -> Vec<Finding> {
    let mut findings = reach::findings(facts, configured);
    findings.extend(call::setup(facts, configured));
    if !matches!(facts.ending, Ending::Answered(_)) {
        let why = why_not(facts);
        let topics = [
            "codecs",
            "dtmf",
            "rtp",
            "rtcp",
            "session timer",
            "proof of life",
            "hold",
            "resume",
            "late offer",
            "bye",
        ];
        findings.extend(topics.into_iter().map(|topic| Finding::untested(topic, why)));
        return findings;
    }
    findings.extend(sound::findings(facts, configured));
    findings.extend(call::during(facts, configured));
    findings
}

/// Whether something is to be changed.
pub(crate) fn is_healthy(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict != Verdict::Change)
}

/// Why a call was not there to be examined.
fn why_not(facts: &Facts) -> &'static str {
    match (&facts.ending, &facts.number) {
        (Ending::NotCalled, None) => "nobody was called: give a test number with --number",
        (Ending::NotCalled, Some(_)) => "no call left: there was no way to the trunk",
        _ => "the call was not answered",
    }
}

/// What the keys of callers come by, in the words of the configuration.
const fn mode(mode: DtmfMode) -> &'static str {
    match mode {
        DtmfMode::Auto => "auto",
        DtmfMode::Event => "event",
        DtmfMode::Tone => "tone",
        DtmfMode::Info => "info",
    }
}

#[cfg(test)]
mod tests;
