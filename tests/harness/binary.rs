//! The binary under test: beside this test's own executable, built first.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// Returns the path of `tollgate`, built from the sources as they are.
///
/// # Panics
/// If it cannot be built.
pub(crate) fn tollgate() -> &'static PathBuf {
    BUILT.get_or_init(|| {
        let test = env::current_exe().expect("a running test has a path");
        let profile = test.ancestors().nth(2).expect("it lies in TARGET/PROFILE/deps").to_owned();
        let target = profile.parent().expect("PROFILE lies in TARGET");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--package", "gateway", "--bin", "tollgate"]);
        build.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("cargo is there: it built this test");
        assert!(built.success(), "tollgate does not build");
        profile.join("tollgate")
    })
}
