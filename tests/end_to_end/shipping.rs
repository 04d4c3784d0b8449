//! What is shipped works as it is: the demo, the example files.

use std::path::{Path, PathBuf};

use crate::harness::site::Site;
use crate::harness::tollgate::{Tollgate, expect_success};

/// What the demo proves that no busy machine can excuse: money.
const MONEY: &[&str] =
    &["seconds_agree", "cdr_is_ledger", "recomputed", "account", "late_call_refused"];

#[test]
fn the_demo_tells_its_story_and_its_proof_holds() {
    // What callers hear depends on a machine that is not too busy to play it: two tries.
    let held = (0..2).any(|_| {
        let summary = Tollgate::demonstrate();
        let checks = summary["checks"].as_array().expect("there are checks");
        assert!(checks.len() > MONEY.len(), "{summary:#}");
        for name in MONEY {
            let named = checks.iter().filter(|check| check["name"] == *name);
            assert!(named.clone().count() > 0, "{name}: {summary:#}");
            assert!(named.into_iter().all(|check| check["holds"] == true), "{name}: {summary:#}");
        }
        summary["holds"] == true
    });
    assert!(held, "the proof did not hold twice");
}

#[test]
fn the_example_files_are_valid() {
    let mut empty = Site::default();
    empty.provision.clear();
    let tollgate = Tollgate::prepare(&empty);
    let shipped = |name: &str| config().join(name).to_string_lossy().into_owned();
    for name in ["tollgate.toml", "local.toml", "bench.toml"] {
        expect_success(&tollgate.check(&config().join(name)));
    }
    for provision in ["example-provision.toml", "bench-provision.toml"] {
        let said = expect_success(&tollgate.command(&["apply", &shipped(provision)]));
        assert!(said.contains("revision"), "{said}");
    }
}

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}
