//! `tollgate serve`: runs the gateway until it is told to stop.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::{logs, serve};

/// Signalling, the storekeeper and HTTP share these; media has threads of its own.
const THREADS: usize = 2;

/// Serves. The first SIGTERM or SIGINT drains, the second ends at once; everything is charged
/// either way.
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
    let mut asked = 0_u8;
    loop {
        tokio::select! {
            ended = running.wait() => return ended,
            () = stops.next() => {}
        }
        asked = asked.saturating_add(1);
        if asked == 1 {
            running.drain().await;
        } else {
            running.stop().await;
        }
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
