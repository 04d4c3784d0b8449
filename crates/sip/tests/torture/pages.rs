//! Messages kept as text, each with what is expected of it; the form is told in `rfc4475.txt`.

use std::fs;
use std::path::{Path, PathBuf};

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Section and name.
    pub(crate) title: String,
    /// What is expected, one line each, reasons left out.
    pub(crate) expected: Vec<String>,
    /// The message with its placeholders.
    text: String,
}

impl Page {
    /// Reads every page of a file.
    pub(crate) fn read(file: &Path) -> Vec<Self> {
        let text = fs::read_to_string(file).expect("the pages are there");
        text.split("\n=== ").skip(1).map(Self::of).collect()
    }

    fn of(text: &str) -> Self {
        let (title, rest) = text.split_once('\n').expect("a page has a message");
        let (mut expected, mut message) = (Vec::new(), String::new());
        for line in rest.split('\n') {
            match line.strip_prefix("> ").filter(|_| message.is_empty()) {
                Some(line) => {
                    let wanted = line.split_once(" ; ").map_or(line, |(wanted, _)| wanted);
                    expected.push(wanted.trim().to_owned());
                }
                None => {
                    message.push_str(line);
                    message.push_str("\r\n");
                }
            }
        }
        Self { title: title.to_owned(), expected, text: message }
    }

    /// Returns the message; it answers `asked`, if it is an answer.
    pub(crate) fn bytes(&self, asked: &str) -> Vec<u8> {
        let (head, body) = self.text.split_once("\r\n\r\n").expect("a head ends");
        let body = filled(body, asked, 0);
        let mut bytes = filled(head, asked, body.len());
        bytes.extend(b"\r\n\r\n");
        bytes.extend(body);
        bytes
    }

    /// Returns the same with another method.
    pub(crate) fn with_method(&self, method: &str) -> Self {
        let (own, rest) = self.text.split_once(' ').expect("a request has a method");
        let mut lines: Vec<_> =
            format!("{method} {rest}").split("\r\n").map(String::from).collect();
        for line in lines.iter_mut().filter(|line| line.starts_with("CSeq:")) {
            *line = line.replace(own, method);
        }
        Self { text: lines.join("\r\n"), ..self.clone() }
    }
}

/// Fills the placeholders.
fn filled(text: &str, asked: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        bytes.extend(before.bytes());
        let placeholder = after
            .split_once('}')
            .and_then(|(inside, after)| Some((placed(inside, asked, length)?, after)));
        rest = if let Some((placed, after)) = placeholder {
            bytes.extend(placed);
            after
        } else {
            bytes.push(b'{');
            after
        };
    }
    bytes.extend(rest.bytes());
    bytes
}

fn placed(inside: &str, asked: &str, length: usize) -> Option<Vec<u8>> {
    if inside == "length" {
        return Some(length.to_string().into_bytes());
    }
    if let Some(hex) = inside.strip_prefix("hex ") {
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        return pairs.map(byte).collect();
    }
    if let Some(repeated) = inside.strip_prefix("times ") {
        let (count, piece) = repeated.split_once(' ')?;
        return Some(piece.repeat(count.parse().ok()?).into_bytes());
    }
    let mut fields = asked.lines().filter_map(|line| line.split_once(": "));
    let named = fields.find(|(name, _)| *name == inside);
    named.map(|(_, value)| value.as_bytes().to_vec())
}

/// Returns where the pages lie, seen from any package of the workspace.
pub(crate) fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().find(|folder| folder.join("Cargo.lock").exists());
    root.expect("the root has a lock file").join("crates/sip/tests/torture")
}
