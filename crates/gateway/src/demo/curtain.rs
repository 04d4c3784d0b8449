//! The curtain: it falls when a signal comes or the time is over, whatever the stage is doing.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::fs;
use std::future::{Future, pending};
use std::io;
use std::path::PathBuf;
use std::process;
use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// How long the demo may take to end in order once the curtain falls; then it just ends.
const GRACE: Duration = Duration::from_secs(5);

/// Why the curtain fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fall {
    /// SIGTERM or SIGINT came.
    Asked,
    /// The time is over.
    Late,
}

/// Falls once, and is seen by whoever holds it.
#[derive(Debug)]
pub(super) struct Curtain {
    fallen: watch::Receiver<Option<Fall>>,
}

impl Curtain {
    /// Watches for signals, and for the end of the time if there is a limit. After the fall, a
    /// second signal or the end of the grace removes the folder and ends the process.
    ///
    /// # Errors
    /// If signals cannot be watched for.
    pub(super) fn raise(limit: Option<Duration>, folder: PathBuf) -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (teller, fallen) = watch::channel(None);
        tokio::spawn(async move {
            let fall = tokio::select! {
                () = signals.next() => Fall::Asked,
                () = over(limit) => Fall::Late,
            };
            // Whoever looked may be gone: then only the process is left to end.
            teller.send_replace(Some(fall));
            tokio::select! {
                () = signals.next() => {}
                () = sleep(GRACE) => {}
            }
            // What cannot be removed is left to the system's own cleaning.
            drop(fs::remove_dir_all(folder));
            process::exit(1);
        });
        Ok(Self { fallen })
    }

    /// Does something unless the curtain falls first.
    ///
    /// # Errors
    /// Why it fell.
    pub(super) async fn before<T>(&self, act: impl Future<Output = T>) -> Result<T, Fall> {
        tokio::select! {
            done = act => Ok(done),
            fall = self.fall() => Err(fall),
        }
    }

    /// Waits until it falls.
    pub(super) async fn fall(&self) -> Fall {
        let mut fallen = self.fallen.clone();
        match fallen.wait_for(Option::is_some).await {
            Ok(fall) => (*fall).unwrap_or(Fall::Asked),
            // The watch ends with the process only.
            Err(_) => pending().await,
        }
    }
}

/// What the demo waits for, to be named when it waits in vain.
#[derive(Debug, Clone, Default)]
pub(super) struct Awaited(Rc<RefCell<String>>);

impl Awaited {
    /// From here on, this is waited for.
    pub(super) fn set(&self, what: impl Into<String>) {
        self.0.replace(what.into());
    }
}

impl Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.borrow())
    }
}

/// The signals that ask us to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curtain(fallen: Option<Fall>) -> (watch::Sender<Option<Fall>>, Curtain) {
        let (teller, fallen) = watch::channel(fallen);
        (teller, Curtain { fallen })
    }

    #[tokio::test]
    async fn an_act_that_never_ends_ends_with_the_curtain() {
        let (teller, curtain) = curtain(None);
        assert_eq!(curtain.before(async { 7 }).await, Ok(7));
        teller.send(Some(Fall::Late)).unwrap();
        assert_eq!(curtain.before(pending::<()>()).await, Err(Fall::Late));
    }

    #[test]
    fn what_is_waited_for_is_named_by_every_holder() {
        let awaited = Awaited::default();
        awaited.clone().set("the store");
        assert_eq!(awaited.to_string(), "the store");
    }
}
