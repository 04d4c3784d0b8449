//! A network of a test's own, for programs that refuse to work on loopback alone: a namespace with an
//! address, a neighbour that never answers, and a default route.

use std::env;
use std::process::{Command, Stdio};

use super::binary;

/// The address beside loopback.
pub(crate) const ADDRESS: &str = "10.64.0.2";
/// Says to a process that it is inside.
const VARIABLE: &str = "TOLLGATE_TEST_NETWORK";
/// Prepares it, then becomes what is to run there.
const PREPARE: &str = "ip link set lo up && ip link add near type veth peer name far && \
                       ip address add \"$0/24\" dev near && ip link set near up && \
                       ip link set far up && ip route add default dev near && exec \"$@\"";

/// Runs a test again in a network of its own, unless this already is that run: then it returns
/// `false`, and the test has to do its work.
///
/// # Panics
/// If the test fails there.
pub(crate) fn is_outside(test: &str) -> bool {
    if env::var_os(VARIABLE).is_some() {
        return false;
    }
    // Built out here, where cargo has time and what it needs.
    binary::tollgate();
    let inside = Command::new("timeout")
        .args(["--kill-after=5", "100", "unshare", "--map-root-user", "--net"])
        .args(["sh", "-c", PREPARE, ADDRESS])
        .arg(env::current_exe().expect("a running test has a path"))
        .args([test, "--exact", "--nocapture"])
        .env(VARIABLE, ADDRESS)
        .stdin(Stdio::null())
        .output()
        .expect("timeout is there (Debian: coreutils, util-linux, iproute2)");
    let said = String::from_utf8_lossy(&inside.stdout);
    assert!(
        inside.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&inside.stderr)
    );
    true
}
