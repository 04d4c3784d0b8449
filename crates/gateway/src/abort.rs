//! A failed assertion on what all calls share stops the process: it restarts and settles
//! (charging.md, "Store, crash, nodes").

/// While it lives, a panic of its thread ends the process.
pub(crate) struct AbortOnPanic(pub(crate) &'static str);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(what = self.0, "panicked; the process stops, restarts and settles");
            std::process::abort();
        }
    }
}
