//! The only file that reads a clock or entropy.
#![expect(clippy::disallowed_methods, reason = "this is where time comes from")]

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Instant, Now, UnixTime};

/// Reads both clocks. The monotonic one is the time since boot, which counts suspended time
/// (charging.md, "On the leg"), so that every thread of the node reads the same.
#[must_use]
pub(crate) fn now() -> Now {
    Now { mono: mono(), unix: unix() }
}

/// Reads the monotonic clock alone.
#[must_use]
pub(crate) fn mono() -> Instant {
    Instant::START + net::system::boot_time()
}

/// Reads the wall clock alone.
#[must_use]
pub(crate) fn unix() -> UnixTime {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
    UnixTime { micros: i64::try_from(micros).unwrap_or(i64::MAX) }
}

/// Blocks the calling thread until a moment of the monotonic clock. For media threads.
pub(crate) fn sleep_until(moment: Instant) {
    net::system::sleep_until(Duration::from_micros(moment.micros));
}

/// Returns how long the calling thread has worked; waiting for a processor is no work.
pub(crate) fn worked() -> Duration {
    net::system::thread_time()
}

/// Draws a seed from the kernel.
///
/// # Errors
/// If the kernel has none to give.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    net::system::entropy()
}
