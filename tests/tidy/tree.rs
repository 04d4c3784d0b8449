//! The tree as text: what git would hold, and Rust sources with comments and literals told apart.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Something that a rule does not allow, as a sentence with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach(String);

impl Breach {
    /// Makes a breach at a line (counted from 0) of a file.
    pub(crate) fn at(file: &File, line: usize, what: impl fmt::Display) -> Self {
        Self(format!("{}:{}: {what}", file.path, line + 1))
    }

    /// Makes a breach of something that has no line.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One text file; `path` counts from the root, with slashes.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments and the insides of literals blanked, line for line; only for Rust.
    pub(crate) code: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { blank(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// Returns the lines on which `word` stands as a whole word in code.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<usize> {
        let lines = self.code.lines().enumerate();
        lines.filter(|(_, line)| has_word(line, word)).map(|(number, _)| number).collect()
    }

    /// Returns the insides of the string literals with their lines.
    pub(crate) fn literals(&self) -> Vec<(usize, &str)> {
        let pieces = pieces(&self.text).into_iter();
        let literals = pieces.filter(|(kind, _)| *kind == Piece::Literal);
        literals.map(|(_, at)| (line_of(&self.text, at.start), &self.text[at])).collect()
    }
}

/// Every text file of the tree, sorted by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads the working tree, without what is built and what git keeps.
    pub(crate) fn read() -> Self {
        let mut tree = Self::default();
        tree.walk(&root());
        tree.files.sort_by(|left, right| left.path.cmp(&right.path));
        tree
    }

    /// Makes a tree of snippets, to prove that a rule can fail.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new(path, text)).collect() }
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns the files whose path starts so.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.starts_with(prefix))
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    fn walk(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("the tree is readable") {
            let path = entry.expect("the tree is readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == ".git" || name == "target" || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                self.walk(&path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let inside = path.strip_prefix(root()).unwrap_or(&path);
                self.files.push(File::new(&inside.to_string_lossy(), &text));
            }
        }
    }
}

/// Returns the folder that holds `Cargo.lock`.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests lies in the root").to_owned()
}

/// Whether `word` stands in the line with no name character at either side.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let named = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(named) && !after.is_some_and(named)
    })
}

/// Returns the line, counted from 0, of a byte.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Comment,
    Literal,
}

fn blank(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    for (_, at) in pieces(text) {
        for byte in &mut code[at] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(code).expect("whole characters are blanked")
}

/// Finds comments (whole) and the insides of string and character literals.
fn pieces(text: &str) -> Vec<(Piece, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (kind, from, to, next) = if rest.starts_with("//") {
            let to = at + rest.find('\n').unwrap_or(rest.len());
            (Piece::Comment, at, to, to)
        } else if rest.starts_with("/*") {
            let to = at + comment_length(rest);
            (Piece::Comment, at, to, to)
        } else if let Some(hashes) = raw_opening(text, at) {
            let from = at + hashes + 2;
            let close = format!("\"{}", "#".repeat(hashes));
            let to = text[from..].find(&close).map_or(text.len(), |length| from + length);
            (Piece::Literal, from, to, (to + close.len()).min(text.len()))
        } else if let Some(inside) = rest.strip_prefix('"') {
            let to = at + 1 + quoted_length(inside, '"');
            (Piece::Literal, at + 1, to, (to + 1).min(text.len()))
        } else if let Some(length) = character_length(rest) {
            (Piece::Literal, at + 1, at + 1 + length, at + length + 2)
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        found.push((kind, from..to));
        at = next;
    }
    found
}

/// Returns the number of hashes if a raw string opens here.
fn raw_opening(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].chars().next_back();
    let inside_name = before.is_some_and(|c| c.is_alphanumeric() && c != 'b' || c == '_');
    let after = text[at..].strip_prefix('r').filter(|_| !inside_name)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Returns how far the closing quote is, past escapes.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices() {
        if character == quote && !escaped {
            return at;
        }
        escaped = character == '\\' && !escaped;
    }
    rest.len()
}

/// Returns the length inside a character literal; `None` for lifetimes.
fn character_length(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        return Some(quoted_length(inside, '\''));
    }
    inside[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "let a = \"f64 \\\" f64\"; // f64\n/* f64 /* f64 */ f64 */ let b: f64;\n";
        assert_eq!(File::new("a.rs", text).lines_with("f64"), [1]);
        let raw = "let a = r#\"f64\" f64\"#; let b = 'x'; let c = '\\''; fn d<'a>(f: &'a f64) {}";
        assert_eq!(File::new("a.rs", raw).code.matches("f64").count(), 1);
    }

    #[test]
    fn a_literal_is_found_on_its_line() {
        let file = File::new("a.rs", "\n// \"no\"\nlet a = \"yes\";\nlet b = br\"also\";");
        assert_eq!(file.literals(), [(2, "yes"), (3, "also")]);
    }

    #[test]
    fn words_have_edges() {
        assert!(has_word("a: Vec<f64>", "f64"));
        assert!(!has_word("as_f64x", "f64"));
        assert!(has_word("std::time::Instant::now()", "Instant::now"));
        assert!(!has_word("Instant::nowhere()", "Instant::now"));
    }
}
