//! Real time, for tests that watch real processes.
#![expect(clippy::disallowed_methods, reason = "real processes are watched in real time")]

use std::thread;
use std::time::{Duration, Instant};

/// Returns the moment.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits.
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// Naming `what`, when `limit` is over.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < until, "waited {limit:?} in vain for {what}");
        pause(Duration::from_millis(40));
    }
}

/// Short for seconds.
pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
