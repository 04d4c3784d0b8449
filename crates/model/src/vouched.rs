//! What is known of a calling number's truth (RFC 8224, ATIS-1000074).

/// Who vouches for the caller's number, from best to worst; one closed set for CDRs, `explain` and a
/// trunk's rules. Only a trusted trunk is believed; of others no more is known than whether a
/// signature came along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vouched {
    /// Verified; its carrier knows the caller and that the number is theirs.
    Full,
    /// Verified; its carrier knows the caller, not the number.
    Partial,
    /// Verified; its carrier is a gateway and knows where the call came in.
    Gateway,
    /// Verified, nothing said of what its carrier knows.
    Passed,
    /// An Identity header came, and nobody has verified it.
    Signed,
    /// The trunk says that there was nothing to verify.
    Unvalidated,
    /// Nothing is said at all.
    #[default]
    Nothing,
    /// Verified, and wrong.
    Failed,
}

impl Vouched {
    /// Every value with its word.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("passed_a", Self::Full),
        ("passed_b", Self::Partial),
        ("passed_c", Self::Gateway),
        ("passed", Self::Passed),
        ("signed", Self::Signed),
        ("unvalidated", Self::Unvalidated),
        ("nothing", Self::Nothing),
        ("failed", Self::Failed),
    ];

    /// Returns its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("nothing", |(word, _)| word)
    }

    /// Reads what a trusted trunk says: `verstat` of the caller's number
    /// (`TN-Validation-Passed-A`), and the attestation where it stands apart (`A`).
    #[must_use]
    pub fn read(verstat: Option<&str>, attestation: Option<&str>, signed: bool) -> Self {
        let verstat = verstat.unwrap_or_default().to_ascii_lowercase();
        let (outcome, own) = match verstat.strip_prefix("tn-validation-passed") {
            Some(rest) => ("passed", rest.strip_prefix('-')),
            None => (verstat.as_str(), None),
        };
        match outcome {
            "passed" => match own.or(attestation).map(str::trim) {
                Some("a" | "A") => Self::Full,
                Some("b" | "B") => Self::Partial,
                Some("c" | "C") => Self::Gateway,
                Some(_) | None => Self::Passed,
            },
            outcome if outcome.starts_with("tn-validation-failed") => Self::Failed,
            "no-tn-validation" => Self::Unvalidated,
            _ if signed => Self::Signed,
            _ => Self::Nothing,
        }
    }
}

/// What a trunk's rule does with callers of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallerRule {
    /// They come in.
    #[default]
    Allow,
    /// They come in, and the record says so.
    Tag,
    /// They are refused by code.
    Refuse,
}

/// A trunk's rules about callers; whom none is about comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerRules {
    /// By what is known of the number's truth.
    pub vouched: Vec<(Vouched, CallerRule)>,
    /// Callers who withhold their number.
    pub anonymous: CallerRule,
}

impl CallerRules {
    /// Returns the rule about a number's truth.
    #[must_use]
    pub fn about(&self, vouched: Vouched) -> CallerRule {
        let own = self.vouched.iter().find(|(value, _)| *value == vouched);
        own.map(|(_, rule)| *rule).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carriers_write_is_read() {
        let read = |verstat: &str, attestation| Vouched::read(Some(verstat), attestation, true);
        assert_eq!(read("TN-Validation-Passed-A", None), Vouched::Full);
        assert_eq!(read("tn-validation-passed", Some("B")), Vouched::Partial);
        assert_eq!(read("TN-Validation-Passed-C", Some("A")), Vouched::Gateway);
        assert_eq!(read("TN-Validation-Passed", None), Vouched::Passed);
        assert_eq!(read("TN-Validation-Failed-A", Some("A")), Vouched::Failed);
        assert_eq!(read("No-TN-Validation", None), Vouched::Unvalidated);
        assert_eq!(read("anything", Some("A")), Vouched::Signed);
        assert_eq!(Vouched::read(None, Some("A"), false), Vouched::Nothing, "nobody verified it");
    }

    #[test]
    fn every_value_has_a_word_of_its_own() {
        for (word, value) in Vouched::WORDS {
            assert_eq!(value.word(), word);
        }
    }
}
