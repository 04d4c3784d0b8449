//! The doctor's report, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::facts::Facts;
use super::judgement::{Finding, Verdict, is_healthy};

/// Columns of the words.
const WIDTH: usize = 96;

/// Writes the report as text.
///
/// # Errors
/// If nobody reads it any more.
pub(crate) fn write(trunk: &str, findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for Finding { topic, verdict, words, advice } in findings {
        let start = format!("{:<9} {topic}: ", verdict.word());
        wrapped(&format!("{start}{words}"), out)?;
        if let Some(advice) = advice {
            wrapped(&format!("          -> {advice}"), out)?;
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count();
    let (changes, untested) = (count(Verdict::Change), count(Verdict::Untested));
    let verdict = match (is_healthy(findings), untested) {
        (true, 0) => format!("trunk {trunk} is healthy"),
        (true, _) => {
            format!("trunk {trunk} is healthy as far as it was tested; untested: {untested}")
        }
        (false, _) => format!("trunk {trunk}: to change: {changes}; untested: {untested}"),
    };
    writeln!(out, "\n{verdict}")
}

/// Breaks a line at blanks; what follows is indented.
fn wrapped(text: &str, out: &mut impl Write) -> io::Result<()> {
    let indent = text.len() - text.trim_start().len();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in text[indent..].split(' ') {
        if !empty && line.chars().count() + word.chars().count() + 1 > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(13);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(out, "{line}")
}

/// Writes the report for programs.
pub(crate) fn value(trunk: &str, facts: &Facts, findings: &[Finding]) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "topic": finding.topic,
                "verdict": finding.verdict.word(),
                "words": finding.words,
                "advice": finding.advice,
            })
        })
        .collect();
    json!({
        "trunk": trunk,
        "number": facts.number,
        "address": facts.address.map(|address| address.to_string()),
        "healthy": findings.iter().all(|finding| finding["verdict"] != Verdict::Change.word()),
        "findings": findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict, advice: Option<&str>) -> Finding {
        let words = "a word ".repeat(20).trim().to_owned();
        Finding { topic: "hold", verdict, words, advice: advice.map(str::to_owned) }
    }

    #[test]
    fn long_words_are_wrapped_and_the_last_line_sums_up() {
        let findings = [finding(Verdict::Change, Some("set x")), finding(Verdict::Untested, None)];
        let mut out = Vec::new();
        write("carrier", &findings, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("change    hold: a word"), "{text}");
        assert!(text.contains("\n          -> set x\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.ends_with("\ntrunk carrier: to change: 1; untested: 1\n"), "{text}");
    }

    #[test]
    fn what_was_not_tested_is_never_called_healthy_without_saying_so() {
        let mut out = Vec::new();
        write("c", &[finding(Verdict::Untested, None)], &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("as far as it was tested; untested: 1"));
        let value = value("c", &Facts::default(), &[finding(Verdict::Change, None)]);
        assert_eq!(value["healthy"], false);
        assert_eq!(value["findings"][0]["verdict"], "change");
    }
}
