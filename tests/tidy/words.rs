//! Words that code must not hold, or only in named files.

use super::tree::{Breach, File, Tree, line_of};

/// Longest file, lines (house §8). Functions and arguments are clippy's to count.
const LINES_MAX: usize = 700;

/// Crates whose sources know no fractions in binary: money is exact.
const FLOAT_FREE: &[&str] = &["crates/model/src/", "crates/credits/", "crates/store/"];

/// Where `unsafe` may stand: in `net`, and in a test that counts allocations.
const UNSAFE_IN: &[&str] = &["crates/net/", "crates/media/tests/allocation.rs"];

/// Where a clock may be read, and the system call behind it; outside `crates/` tests measure what
/// users would.
const CLOCK_IN: &[&str] = &["crates/gateway/src/clock.rs", "crates/net/src/system.rs"];
const CLOCKS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "clock_gettime",
    "elapsed()",
    "boot_time",
];

/// Where chance enters, and the system call behind it.
const ENTROPY_IN: &[&str] = &["crates/gateway/src/clock.rs", "crates/net/src/system.rs"];
const ENTROPY: &[&str] = &[
    "getrandom",
    "system::entropy",
    "from_os_rng",
    "OsRng",
    "SysRng",
    "thread_rng",
    "from_entropy",
    "RandomState",
];

/// Where the environment may be read.
const ENVIRONMENT_IN: &[&str] = &["crates/gateway/src/config.rs", "crates/gateway/src/config/"];
const ENVIRONMENT: &[&str] = &["env::var", "env::vars", "env::var_os"];

/// What marks work as unfinished, or silences a check.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];
const SILENCED: &[&str] = &["#[allow", "#![allow", "#[ignore", "cfg_attr(not(test), allow"];

/// Endings that say nothing about what a thing is (house §6).
const HOLLOW: &[&str] = &["Manager", "Handler", "Helper", "Service", "Util", "Utils"];
const HOLLOW_FILES: &[&str] = &["common", "util", "utils", "helper", "helpers", "misc"];

/// State machines: every pair of state and input is written out.
const MACHINES: &[&str] =
    &["crates/bridge/src/call/", "crates/sip/src/transaction/", "crates/bridge/src/call.rs"];

/// Checks the length of every source.
pub(crate) fn files_fit_in_one_sitting(tree: &Tree) -> Vec<Breach> {
    let long = tree.rust().filter(|file| file.text.lines().count() > LINES_MAX);
    long.map(|file| Breach::at(file, LINES_MAX, format!("longer than {LINES_MAX} lines"))).collect()
}

/// Checks that functions and arguments have the limits of house §8, for clippy to count.
pub(crate) fn clippy_counts_lines_and_arguments(tree: &Tree) -> Vec<Breach> {
    let clippy = tree.file(".clippy.toml").map(|file| file.text.as_str()).unwrap_or_default();
    let root = tree.file("Cargo.toml").map(|file| file.text.as_str()).unwrap_or_default();
    let wanted = [
        (clippy, "too-many-lines-threshold = 70"),
        (clippy, "too-many-arguments-threshold = 6"),
        (root, "too_many_lines = \"deny\""),
        (root, "unsafe_code = \"deny\""),
        (root, "unwrap_used = \"deny\""),
        (root, "wildcard_enum_match_arm = \"deny\""),
    ];
    let missing = wanted.iter().filter(|(text, line)| !text.contains(line));
    missing.map(|(_, line)| Breach::of(format!("the lints lack: {line}"))).collect()
}

/// Checks that money's crates know no binary fractions.
pub(crate) fn money_knows_no_floats(tree: &Tree) -> Vec<Breach> {
    let sources = tree.rust().filter(|file| within(file, FLOAT_FREE));
    let mut breaches = Vec::new();
    for file in sources {
        for (number, line) in file.code.lines().enumerate() {
            let named = ["f32", "f64"].iter().any(|word| super::tree::has_word(line, word));
            if named || has_fraction(line) {
                breaches.push(Breach::at(file, number, "a float where money is"));
            }
        }
    }
    breaches
}

/// Checks that `unsafe` stands only in `net`.
pub(crate) fn unsafe_stays_in_net(tree: &Tree) -> Vec<Breach> {
    let outside = tree.rust().filter(|file| !within(file, UNSAFE_IN));
    found(outside, &["unsafe"], "unsafe belongs in net")
}

/// Checks that one file reads the clock.
pub(crate) fn one_file_reads_the_clock(tree: &Tree) -> Vec<Breach> {
    let sources = tree.rust().filter(|file| is_source(file) && !within(file, CLOCK_IN));
    found(sources, CLOCKS, "time is an argument; only the clock file reads it")
}

/// Checks that one file draws entropy.
pub(crate) fn one_file_draws_entropy(tree: &Tree) -> Vec<Breach> {
    let sources = tree.rust().filter(|file| is_source(file) && !within(file, ENTROPY_IN));
    found(sources, ENTROPY, "chance is an argument; only the clock file draws it")
}

/// Checks that only the configuration reads the environment.
pub(crate) fn only_the_configuration_reads_the_environment(tree: &Tree) -> Vec<Breach> {
    let sources = tree.rust().filter(|file| is_source(file) && !within(file, ENVIRONMENT_IN));
    found(sources, ENVIRONMENT, "only the configuration reads the environment")
}

/// Checks that no check is silenced.
pub(crate) fn no_check_is_silenced(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        for (number, line) in file.code.lines().enumerate() {
            if let Some(word) = SILENCED.iter().find(|word| line.contains(**word)) {
                breaches.push(Breach::at(file, number, format!("{word} is not ours to use")));
            }
        }
    }
    breaches
}

/// Checks that nothing is left unfinished.
pub(crate) fn nothing_is_left_unfinished(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        for (number, line) in file.code.lines().enumerate() {
            if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
                breaches.push(Breach::at(file, number, format!("{word} is left behind")));
            }
        }
        let promises = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
        for (number, line) in file.text.lines().enumerate() {
            if promises.iter().any(|word| super::tree::has_word(line, word)) {
                breaches.push(Breach::at(file, number, "a promise is left behind"));
            }
        }
    }
    breaches
}

/// Checks that every expected lint says why.
pub(crate) fn every_exception_has_a_reason(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        for opening in ["#[expect(", "#![expect("] {
            for (at, _) in file.code.match_indices(opening) {
                let end = file.code[at..].find(")]").map_or(file.code.len(), |length| at + length);
                if !file.code[at..end].contains("reason") {
                    let line = line_of(&file.text, at);
                    breaches.push(Breach::at(file, line, "an exception without a reason"));
                }
            }
        }
    }
    breaches
}

/// Checks that errors are small enums, not text or anything at all. What the command line says to a
/// person may be text.
pub(crate) fn errors_have_names(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let told = |file: &&File| is_source(file) && !within(file, &["crates/gateway/"]);
    for file in tree.rust().filter(told) {
        for (number, line) in file.code.lines().enumerate() {
            let boxed =
                line.contains("Box<dyn Error") || line.contains("Box<dyn std::error::Error");
            if boxed || line.contains(", String>>") && line.contains("Result<") {
                breaches.push(Breach::at(file, number, "an error without a name"));
            } else if line.contains("Result<") && line.contains(", String> {") {
                breaches.push(Breach::at(file, number, "an error made of text"));
            }
        }
    }
    breaches
}

/// Checks that types and files are named after what they are.
pub(crate) fn names_say_what_things_are(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if HOLLOW_FILES.contains(&stem) {
            breaches.push(Breach::at(file, 0, "a file's name must say what it holds"));
        }
        for (number, line) in file.code.lines().enumerate() {
            let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            for pair in words.windows(2) {
                let declares = ["struct", "enum", "trait", "type", "mod"].contains(&pair[0]);
                let hollow = HOLLOW.iter().any(|ending| pair[1].ends_with(ending));
                if declares && (hollow || HOLLOW_FILES.contains(&pair[1])) {
                    breaches.push(Breach::at(file, number, format!("{} is hollow", pair[1])));
                }
                if pair[0] == "fn" && pair[1].starts_with("get_") {
                    breaches.push(Breach::at(file, number, format!("{}: no get_", pair[1])));
                }
            }
        }
    }
    breaches
}

/// Checks that tests are named as sentences.
pub(crate) fn tests_are_named_as_sentences(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let lines: Vec<_> = file.code.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if !["#[test]", "#[tokio::test"].iter().any(|mark| line.trim().starts_with(mark)) {
                continue;
            }
            let after = lines[number..].iter().find(|line| line.contains("fn "));
            let name = after.and_then(|line| line.split("fn ").nth(1)).unwrap_or_default();
            let name = name.split('(').next().unwrap_or_default();
            if !name.starts_with('$') && !name.contains('_') {
                breaches.push(Breach::at(file, number, format!("{name} is not a sentence")));
            }
        }
    }
    breaches
}

/// Checks that a state machine writes out every pair.
pub(crate) fn state_machines_have_no_catch_all(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust().filter(|file| within(file, MACHINES)) {
        let production = file.code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in production.lines().enumerate() {
            let arm = line.trim_start();
            if arm.starts_with("_ =>") || arm.starts_with("(_, _) =>") {
                breaches.push(Breach::at(file, number, "a catch-all arm in a state machine"));
            }
        }
    }
    breaches
}

fn found<'a>(files: impl Iterator<Item = &'a File>, words: &[&str], why: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files {
        for word in words {
            for line in file.lines_with(word) {
                breaches.push(Breach::at(file, line, format!("{word}: {why}")));
            }
        }
    }
    breaches
}

fn within(file: &File, places: &[&str]) -> bool {
    places.iter().any(|place| file.path.starts_with(place))
}

/// Whether it is part of what ships: `crates/*/src`.
fn is_source(file: &File) -> bool {
    file.path.starts_with("crates/") && file.path.contains("/src/")
}

/// Whether a number with a decimal point stands in the line: digits, a point, a digit; not a range,
/// not a field of a tuple.
fn has_fraction(line: &str) -> bool {
    let characters: Vec<char> = line.chars().collect();
    (1..characters.len().saturating_sub(1)).any(|at| {
        let point = characters[at] == '.' && characters[at + 1].is_ascii_digit();
        if !point || !characters[at - 1].is_ascii_digit() {
            return false;
        }
        let digits = characters[..at].iter().rev().take_while(|c| c.is_ascii_digit() || **c == '_');
        let before = characters[..at - digits.count()].last();
        !before.is_some_and(|c| c.is_alphanumeric() || *c == '.' || *c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Tree) -> Vec<Breach>, path: &str, text: &str) -> usize {
        rule(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_long_file_is_seen() {
        assert_eq!(count(files_fit_in_one_sitting, "tests/a.rs", &"\n".repeat(701)), 1);
        assert_eq!(count(files_fit_in_one_sitting, "tests/a.rs", &"\n".repeat(700)), 0);
    }

    #[test]
    fn a_lint_taken_away_is_seen() {
        assert_eq!(count(clippy_counts_lines_and_arguments, "Cargo.toml", ""), 6);
    }

    #[test]
    fn floats_near_money_are_seen() {
        let credits = |text| count(money_knows_no_floats, "crates/credits/src/a.rs", text);
        assert_eq!(credits("let a = b as f64;"), 1);
        assert_eq!(credits("let a = 0.5;"), 1);
        assert_eq!(credits("let a = pair.0.1; for i in 0..10 { x.0 } // 0.5"), 0);
        assert_eq!(credits("parse(\"0.5\")"), 0);
        assert_eq!(count(money_knows_no_floats, "crates/media/src/a.rs", "let a = 0.5;"), 0);
    }

    #[test]
    fn unsafe_clocks_entropy_and_environment_are_seen_outside_their_files() {
        let path = "crates/gateway/src/main.rs";
        assert_eq!(count(unsafe_stays_in_net, path, "unsafe { x() }"), 1);
        assert_eq!(count(unsafe_stays_in_net, "crates/net/src/udp.rs", "unsafe { x() }"), 0);
        assert_eq!(count(unsafe_stays_in_net, path, "#![deny(unsafe_code)]"), 0);
        let clock = "let a = tokio::time::Instant::now();";
        assert_eq!(count(one_file_reads_the_clock, path, clock), 1);
        assert_eq!(count(one_file_reads_the_clock, "crates/gateway/src/clock.rs", clock), 0);
        assert_eq!(count(one_file_draws_entropy, path, "ChaCha8Rng::from_os_rng()"), 1);
        let environment = only_the_configuration_reads_the_environment;
        assert_eq!(count(environment, path, "std::env::var(\"HOME\")"), 1);
        assert_eq!(count(environment, "crates/gateway/src/config.rs", "env::var(x)"), 0);
    }

    #[test]
    fn what_is_unfinished_or_silenced_is_seen() {
        assert_eq!(count(nothing_is_left_unfinished, "crates/a/src/a.rs", "todo!()"), 1);
        let promise = concat!("// TO", "DO: later");
        assert_eq!(count(nothing_is_left_unfinished, "crates/a/src/a.rs", promise), 1);
        assert_eq!(count(no_check_is_silenced, "tests/a.rs", "#[ignore = \"slow\"]"), 1);
        assert_eq!(count(no_check_is_silenced, "tests/a.rs", "#![allow(dead_code)]"), 1);
        let bare = "#[expect(\n    dead_code,\n)]";
        assert_eq!(count(every_exception_has_a_reason, "tests/a.rs", bare), 1);
        let said = "#[expect(\n    dead_code,\n    reason = \"is used by macros\"\n)]";
        assert_eq!(count(every_exception_has_a_reason, "tests/a.rs", said), 0);
    }

    #[test]
    fn hollow_names_and_errors_are_seen() {
        assert_eq!(count(names_say_what_things_are, "crates/a/src/util.rs", ""), 1);
        assert_eq!(count(names_say_what_things_are, "a.rs", "pub struct CallManager {"), 1);
        assert_eq!(count(names_say_what_things_are, "a.rs", "fn get_balance() {}"), 1);
        assert_eq!(count(names_say_what_things_are, "a.rs", "pub struct ServiceNumber {"), 0);
        let path = "crates/a/src/a.rs";
        assert_eq!(count(errors_have_names, path, "fn a() -> Result<u8, Box<dyn Error>> {"), 1);
        assert_eq!(count(errors_have_names, path, "fn a() -> Result<u8, String> {"), 1);
        assert_eq!(count(errors_have_names, path, "fn a(b: BTreeMap<u8, String>) {"), 0);
    }

    #[test]
    fn short_test_names_and_catch_alls_are_seen() {
        assert_eq!(count(tests_are_named_as_sentences, "a.rs", "#[test]\nfn parses() {}"), 1);
        let sentence = "#[test]\nfn a_hold_ends_once() {}";
        assert_eq!(count(tests_are_named_as_sentences, "a.rs", sentence), 0);
        let machine = "crates/bridge/src/call/ringing.rs";
        assert_eq!(count(state_machines_have_no_catch_all, machine, "        _ => {}"), 1);
        let tested = "#[cfg(test)]\nmod tests { _ => {} }";
        assert_eq!(count(state_machines_have_no_catch_all, machine, tested), 0);
    }
}
