//! Whole conversations on a virtual clock, written as text: see `ladders/README.md`. A lost
//! datagram is one that a ladder does not mention: what we send goes unanswered, what they send
//! never comes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

mod ladder;

use std::fs;
use std::path::Path;

use ladder::Ladder;

#[test]
fn every_ladder_is_climbed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ladders");
    let mut climbed = 0;
    let mut failures = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "ladder")) {
        let text = fs::read_to_string(file).unwrap();
        for ladder in Ladder::all(&text) {
            climbed += 1;
            if let Err(failure) = ladder.climb() {
                failures.push(format!("{}: {}: {failure}", file.display(), ladder.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(climbed >= 25, "only {climbed} ladders were found");
}
