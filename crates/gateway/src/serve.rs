//! A running gateway: everything started in order, and ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bridge::{Bridge, Directory, Input};
use credits::Epoch;
use media::Library;
use net::{Pair, Socket};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use store::{ServingLock, Store};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use crate::health::Health;
use crate::media_plane::{self, MediaPlane, Plan};
use crate::signalling::{Ends, Signalling};
use crate::storekeeper::{Storekeeper, Timing};
use crate::telemetry::Telemetry;
use crate::{clock, prompts, upkeep};

/// Asked for on SIP sockets, bytes: a second of a busy trunk.
const SIP_BUFFER: usize = 4 << 20;
/// Requests to the store on their way. At 1 000 calls a second that is more than its patience.
const REQUESTS: usize = 8_192;
/// Inputs of operators on their way.
const INPUTS: usize = 64;
/// HTTP connections at once.
const CONNECTIONS: usize = 64;
/// Files beside sockets of calls: the database, HTTP, logs.
const OTHER_FILES: usize = 256;

/// A gateway that serves.
pub(crate) struct Running {
    sip: Vec<SocketAddr>,
    http: SocketAddr,
    health: Health,
    inputs: mpsc::Sender<Input>,
    drain_limit: Duration,
    signalling: JoinHandle<()>,
    storekeeper: JoinHandle<()>,
    /// What ends with the gateway, whatever it does.
    others: JoinSet<()>,
    /// Keeps a second gateway off the store.
    _lock: ServingLock,
}

/// What is bound before anything is written.
struct Bound {
    listeners: Vec<Socket>,
    http: tokio::net::TcpListener,
    pairs: Vec<Pair>,
}

/// Starts a gateway on the configured store.
///
/// # Errors
/// What was missing; nothing is left running.
pub(crate) async fn start(config: Config) -> Result<Running> {
    let store = Store::open(&config.store).await.with_context(|| config.store.clone())?;
    start_on(config, store).await
}

/// Starts a gateway on a store that is open already.
///
/// # Errors
/// What was missing; nothing is left running.
pub(crate) async fn start_on(config: Config, store: Store) -> Result<Running> {
    let library = Arc::new(prompts::load(config.media.prompts.as_deref())?);
    let bound = bind(&config).await?;
    let lock = store.lock_for_serving().context("the store")?;
    let telemetry = Telemetry::new();
    let health = Health::new();
    let epoch = store.begin_epoch(&config.node.name).await.context("the store")?;
    let orphans = store.settle(&epoch, clock::unix()).await.context("the store")?;
    telemetry.store().settled(orphans.len());
    let provision = store.provision().await.context("the store")?;
    let directory = Directory::new(provision, config.trunks.clone())?;
    tracing::info!(
        node = epoch.node,
        epoch = epoch.number,
        settled = orphans.len(),
        revision = directory.revision(),
        ports = bound.pairs.len(),
        "the gateway started"
    );
    let revision = directory.revision();
    let first = [Input::Directory(Arc::new(directory)), Input::Orphans(orphans)];
    let parts = Parts { config, store, library, epoch, telemetry, health, revision };
    parts.run(bound, first, lock)
}

impl Running {
    /// Returns where SIP is listened for, in the order of the configuration.
    pub(crate) fn sip_addresses(&self) -> &[SocketAddr] {
        &self.sip
    }

    /// Returns where HTTP is listened for.
    pub(crate) fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Takes no new calls; live ones go on for the configured limit.
    pub(crate) async fn drain(&self) {
        self.drain_within(self.drain_limit).await;
    }

    /// Ends at once; everything is charged.
    pub(crate) async fn stop(&self) {
        self.drain_within(Duration::ZERO).await;
    }

    /// Waits until no call lives and everything is written.
    ///
    /// # Errors
    /// If a part failed.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        (&mut self.signalling).await.context("the loop")?;
        (&mut self.storekeeper).await.context("the storekeeper")?;
        self.others.abort_all();
        tracing::info!("the gateway ended");
        Ok(())
    }

    async fn drain_within(&self, limit: Duration) {
        self.health.draining();
        tracing::info!(limit_secs = limit.as_secs(), "the gateway drains");
        // The loop is gone if it drained before.
        drop(self.inputs.send(Input::Drain { limit }).await);
    }
}

/// What is known once the store is open.
struct Parts {
    config: Config,
    store: Store,
    library: Arc<Library>,
    epoch: Epoch,
    telemetry: Telemetry,
    health: Health,
    revision: u64,
}

impl Parts {
    fn run(self, bound: Bound, first: [Input; 2], lock: ServingLock) -> Result<Running> {
        let legs = self.config.node.calls_max;
        let sip: Vec<SocketAddr> = bound.listeners.iter().map(Socket::local).collect();
        let http = bound.http.local_addr()?;
        let (storekeeper, requests) = mpsc::channel(REQUESTS);
        let (teller, answers) = mpsc::channel(REQUESTS);
        let (reporter, events) = mpsc::channel(legs.saturating_mul(4).max(1_024));
        let (inputs, input_queue) = mpsc::channel(INPUTS);
        let (queries, query_queue) = mpsc::channel(INPUTS);
        let ports = media_plane::advertised(&bound.pairs, self.config.media.advertised);
        let mut seeds = self.seeds()?;
        let bridge = Bridge::new(self.settings(&sip, &mut seeds));
        let media = MediaPlane::start(
            self.plan(bound.pairs, &mut seeds),
            reporter,
            self.telemetry.media(),
        )?;
        for input in [Input::PortsAdded(ports)].into_iter().chain(first) {
            inputs.try_send(input)?;
        }
        let ends = Ends {
            listeners: bound.listeners,
            storekeeper,
            answers,
            media,
            events,
            inputs: input_queue,
            queries: query_queue,
        };
        let signalling = Signalling::new(bridge, ends, self.telemetry.bridge())?;
        let (book, meters) = (self.store.clone(), self.telemetry.store());
        let keeper = Storekeeper::new(book, Timing::default(), requests, teller, meters);
        let storekeeper = tokio::spawn(keeper.run());
        let signalling = tokio::spawn(signalling.run());
        self.health.settled();
        let api = self.api(queries, inputs.clone());
        let drain_limit = self.config.drain_limit;
        let health = self.health.clone();
        let others = self.others(bound.http, api, inputs.clone());
        Ok(Running {
            sip,
            http,
            health,
            inputs,
            drain_limit,
            signalling,
            storekeeper,
            others,
            _lock: lock,
        })
    }

    /// Starts what ends with the gateway.
    fn others(
        self,
        http: tokio::net::TcpListener,
        api: api::State,
        inputs: mpsc::Sender<Input>,
    ) -> JoinSet<()> {
        let mut others = JoinSet::new();
        others.spawn(async move {
            if let Err(error) = api::serve(http, CONNECTIONS, api).await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        let (store, meters) = (self.store, self.telemetry.store());
        others.spawn(upkeep::heartbeat(store.clone(), self.epoch, self.health, meters));
        let trunks = self.config.trunks;
        others.spawn(upkeep::directory(store.clone(), trunks, self.revision, inputs));
        others.spawn(upkeep::book(store, self.telemetry.money()));
        others.spawn(self.telemetry.upkeep());
        others
    }

    /// Returns the generator that every part's seed is drawn from.
    fn seeds(&self) -> Result<ChaCha20Rng> {
        let seed = self.config.node.seed.map_or_else(clock::seed, Ok).context("no entropy")?;
        Ok(ChaCha20Rng::from_seed(seed))
    }

    fn settings(&self, sip: &[SocketAddr], seeds: &mut ChaCha20Rng) -> bridge::Settings {
        let config = &self.config;
        let listeners = config.listeners.iter().zip(sip).map(|(listener, bound)| {
            let mut advertised = listener.advertised;
            if advertised.port() == 0 {
                advertised.set_port(bound.port());
            }
            sip::Listener { advertised }
        });
        let sip = sip::Settings {
            seed: draw(seeds),
            listeners: listeners.collect(),
            session_secs: config.sip.session_secs,
            banner: config.sip.banner.clone(),
            retry_after_secs: config.sip.retry_after_secs,
        };
        bridge::Settings {
            seed: draw(seeds),
            epoch: self.epoch.clone(),
            sip,
            prompts: Arc::clone(&self.library),
            calls_max: config.node.calls_max,
            slice_secs: config.charging.slice_secs,
            roll_ahead: config.charging.roll_ahead,
            unpaid_limit: config.charging.unpaid_limit,
            tries: config.charging.tries,
            digit_pause: config.charging.digit_pause,
            life_limit: config.charging.life_limit,
            life_limit_held: config.charging.life_limit_held,
            announcements: config.media.announcements,
            ring_limit: config.charging.ring_limit,
        }
    }

    fn plan(&self, pairs: Vec<Pair>, seeds: &mut ChaCha20Rng) -> Plan {
        Plan {
            library: Arc::clone(&self.library),
            legs: self.config.node.calls_max,
            pairs,
            seed: draw(seeds),
            cpu: self.config.media.cpus.first().copied(),
            real_time: self.config.media.real_time,
        }
    }

    fn api(&self, live: mpsc::Sender<api::LiveQuery>, inputs: mpsc::Sender<Input>) -> api::State {
        let health = self.health.clone();
        api::State {
            metrics: self.telemetry.renderer(),
            ready: Arc::new(move || health.ready()),
            token: self.config.http.token.clone(),
            live,
            inputs,
            store: self.store.clone(),
        }
    }
}

/// Binds every socket, so that what is missing is known before anything is written.
async fn bind(config: &Config) -> Result<Bound> {
    let pairs = config.media.ports.pairs();
    let files = net::system::allow_files(2 * pairs + OTHER_FILES)?;
    let most = pairs.min(files.saturating_sub(OTHER_FILES) / 2);
    if most < pairs {
        tracing::warn!(pairs = most, wanted = pairs, "fewer ports: the limit of open files is low");
    }
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        let bound = Socket::bind(listener.bind, Some(SIP_BUFFER));
        listeners.push(bound.with_context(|| format!("SIP on {}", listener.bind))?);
    }
    let http = tokio::net::TcpListener::bind(config.http.bind).await;
    let http = http.with_context(|| format!("HTTP on {}", config.http.bind))?;
    let pairs = config.media.ports.bind(config.media.bind, most);
    let pairs = pairs.with_context(|| format!("RTP on {}", config.media.bind))?;
    Ok(Bound { listeners, http, pairs })
}

fn draw(seeds: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    seeds.fill_bytes(&mut seed);
    seed
}
