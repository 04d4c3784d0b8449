//! What is done every second or few, beside the calls: the heartbeat, the directory, the book's
//! meters, farewells that were said.

use std::sync::Arc;
use std::time::Duration;

use bridge::{Directory, Input};
use credits::Epoch;
use model::record::Trunk;
use model::{CallId, limits};
use store::Store;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::abort::AbortOnPanic;
use crate::clock;
use crate::health::Health;
use crate::telemetry::{MoneyMeters, StoreMeters};

/// Charging.md, "Store, crash, nodes": a crash costs at most two of these.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How soon an applied change is noticed.
const RELOAD: Duration = Duration::from_secs(1);
/// How often the book is read for its meters.
const BOOK: Duration = Duration::from_secs(5);

/// Farewells forgotten in one transaction.
const FAREWELLS: usize = 256;

/// Writes the heartbeat of an epoch once a second.
pub(crate) async fn heartbeat(store: Store, epoch: Epoch, health: Health, meters: StoreMeters) {
    let _abort = AbortOnPanic("the heartbeat");
    let mut ticks = every(HEARTBEAT);
    loop {
        ticks.tick().await;
        let beat = timeout(limits::STORE_PATIENCE, store.beat(&epoch, clock::mono())).await;
        let failed = match beat {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        meters.beat(failed.is_none());
        if health.store(failed.is_none()) {
            match failed {
                None => tracing::info!("the store takes the heartbeat again"),
                Some(error) => tracing::error!(error, "the store does not take the heartbeat"),
            }
        }
    }
}

/// Hands the bridge a new directory whenever the provisioning has changed.
pub(crate) async fn directory(
    store: Store,
    trunks: Vec<Trunk>,
    mut revision: u64,
    inputs: mpsc::Sender<Input>,
) {
    let mut ticks = every(RELOAD);
    loop {
        ticks.tick().await;
        match store.revision().await {
            Ok(newest) if newest != revision => {
                if let Some(directory) = load(&store, &trunks).await {
                    revision = directory.revision();
                    tracing::info!(revision, "the provisioning changed");
                    // The loop is gone only when the process ends.
                    drop(inputs.send(Input::Directory(directory)).await);
                } else {
                    revision = newest;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the revision could not be read"),
        }
    }
}

/// Shows the sums of the book every few seconds.
pub(crate) async fn book(store: Store, meters: MoneyMeters) {
    let mut ticks = every(BOOK);
    loop {
        ticks.tick().await;
        match store.accounts().await {
            Ok(accounts) => meters.book(&accounts),
            Err(error) => tracing::debug!(%error, "the accounts could not be read"),
        }
    }
}

/// Forgets farewells once they were said. While the store fails they are kept in mind: said again
/// after a crash, a farewell does no harm.
pub(crate) async fn farewells(store: Store, mut told: mpsc::Receiver<CallId>) {
    let mut done = Vec::new();
    while told.recv_many(&mut done, FAREWELLS).await > 0 {
        while let Err(error) = store.forget_farewells(&done).await {
            tracing::debug!(%error, "farewells could not be forgotten yet");
            tokio::time::sleep(RELOAD).await;
        }
        done.clear();
    }
}

/// Reads the provisioning and indexes it off the loop; `None` if it cannot be used, and what was
/// in force stays.
async fn load(store: &Store, trunks: &[Trunk]) -> Option<Arc<Directory>> {
    let provision = store.provision().await.inspect_err(|error| {
        tracing::warn!(%error, "the provisioning could not be read");
    });
    let (provision, trunks) = (provision.ok()?, trunks.to_vec());
    let built =
        tokio::task::spawn_blocking(move || Directory::new(provision, trunks)).await.ok()?;
    let built = built.inspect_err(|error| {
        tracing::error!(%error, "the provisioning cannot be used; the former one stays in force");
    });
    built.ok().map(Arc::new)
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
