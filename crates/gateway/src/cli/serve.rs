//! `tollgate serve`: runs the gateway until it is told to stop.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::{logs, serve};

/// Signalling, the storekeeper and HTTP share these; media has threads of its own.
const THREADS: usize = 2;
/// How long endings may take to be written once everybody has to leave. What the store has not
/// taken by then it cannot take; the holds stand, and the next start settles them.
const OVERTIME: Duration = Duration::from_secs(20);

/// Serves. SIGHUP loads the certificates of listeners and trunks again. The first SIGTERM or SIGINT drains, the second ends at once; everything is charged
/// either way, unless the store is gone: then the process ends all the same, with an error.
///
/// # Errors
/// What kept it from starting, or a part that failed.
pub(crate) fn run(path: &Path) -> Result<()> {
    let config = Config::load(path)?;
    logs::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("tollgate")
        .enable_all()
        .build()
        .context("no threads")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<()> {
    let mut stops = Stops::new().context("no signals")?;
    let mut running = serve::start(config).await?;
    tracing::info!(sip = ?running.sip_addresses(), http = %running.http_address(), "listening");
    let mut hangups = signal(SignalKind::hangup()).context("no signals")?;
    loop {
        tokio::select! {
            ended = running.wait() => return ended,
            () = stops.next() => break,
            _ = hangups.recv() => running.reload(),
        }
    }
    running.drain().await;
    let patience = running.drain_limit() + OVERTIME;
    tokio::select! {
        ended = running.wait() => return ended,
        () = stops.next() => running.stop().await,
        () = tokio::time::sleep(patience) => running.stop().await,
    }
    match tokio::time::timeout(OVERTIME, running.wait()).await {
        Ok(ended) => ended,
        Err(_) => bail!("the store did not take every ending: the next start settles those legs"),
    }
}

/// The signals that ask us to stop.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
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
