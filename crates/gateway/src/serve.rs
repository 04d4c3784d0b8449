//! A running gateway: everything started in order, and ended in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bridge::{Bridge, Directory, Input, Spent};
use credits::{Epoch, Farewell, OpenLeg};
use media::Library;
use model::{CallId, Transport, UnixTime, limits};
use net::Pair;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use store::{ServingLock, Store};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use crate::connections::{self, Connections};
use crate::health::Health;
use crate::listening::{self, Certificates, Listening};
use crate::media_plane::{self, MediaPlane, Plan, Thread};
use crate::signalling::{Ends, Signalling};
use crate::storekeeper::{Discreet, Storekeeper, Timing};
use crate::telemetry::{Telemetry, TlsMeters};
use crate::{clock, prompts, upkeep};

/// Requests to the store on their way. At 1 000 calls a second that is more than its patience.
const REQUESTS: usize = 8_192;
/// Inputs of operators on their way.
const INPUTS: usize = 64;
/// HTTP connections at once.
const CONNECTIONS: usize = 64;
/// How long a carrier may be told that a leg is over: later it has long ended the call itself, and
/// its Call-ID may be another's. An hour, microseconds.
const FAREWELL_MICROS: i64 = 3_600 * 1_000_000;
/// Calls out that are read at once when budgets are rebuilt.
const OUTLAYS: u32 = 2_000;
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
    certificates: Certificates,
    /// Keeps a second gateway off the store.
    _lock: ServingLock,
}

/// What is bound before anything is written.
struct Bound {
    listening: Listening,
    http: tokio::net::TcpListener,
    pairs: Vec<Pair>,
}

/// Starts a gateway on the configured store.
///
/// # Errors
/// What was missing; nothing is left running.
pub(crate) async fn start(config: Config) -> Result<Running> {
    let store = Store::open(&config.store).await.with_context(|| store::shown(&config.store))?;
    start_on(config, store).await
}

/// Starts a gateway on a store that is open already. All that can fail comes before the legs of
/// earlier runs are settled, since what settling returns is needed to end their dialogs.
///
/// # Errors
/// What was missing; nothing is left running.
pub(crate) async fn start_on(config: Config, store: Store) -> Result<Running> {
    let library = Arc::new(prompts::load(config.media.prompts.as_deref())?);
    let (telemetry, health) = (Telemetry::new(), Health::new());
    let bound = bind(&config, telemetry.tls()).await?;
    let lock = store.lock_for_serving().await.context("the store")?;
    let epoch = store.begin_epoch(&config.node.name).await.context("the store")?;
    let provision = store.provision().await.context("the store")?;
    let directory = Arc::new(Directory::new(provision, config.trunks.clone())?);
    let parts = Parts { config, store, library, epoch, telemetry, health };
    let whole = parts.assemble(bound)?;
    parts.settle().await?;
    let owed = parts.farewells().await?;
    let spent = parts.spent().await?;
    let revision = directory.revision();
    whole.inputs.try_send(Input::Spent(Box::new(spent)))?;
    whole.inputs.try_send(Input::Directory(directory))?;
    whole.inputs.try_send(Input::Orphans(owed))?;
    Ok(parts.run(whole, revision, lock))
}

impl Running {
    /// Returns where SIP is listened for, in the order of the configuration.
    pub(crate) fn sip_addresses(&self) -> &[SocketAddr] {
        &self.sip
    }

    /// Loads the certificates of listeners again; no connection is dropped.
    pub(crate) fn reload(&self) {
        self.certificates.reload();
    }

    /// Returns where HTTP is listened for.
    pub(crate) fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Takes no new calls; live ones go on for the configured limit.
    pub(crate) async fn drain(&self) {
        self.drain_within(self.drain_limit).await;
    }

    /// Returns how long live calls may go on while draining.
    pub(crate) const fn drain_limit(&self) -> Duration {
        self.drain_limit
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
}

/// All parts, of which only media and HTTP run.
struct Assembled {
    sip: Vec<SocketAddr>,
    http: SocketAddr,
    inputs: mpsc::Sender<Input>,
    signalling: Signalling,
    keeper: Storekeeper<Discreet>,
    told: mpsc::Receiver<CallId>,
    others: JoinSet<()>,
    certificates: Certificates,
}

impl Parts {
    /// Puts the parts together. HTTP answers from here on, as not ready; media ticks; the loop
    /// waits to be run.
    fn assemble(&self, bound: Bound) -> Result<Assembled> {
        let legs = self.config.node.calls_max;
        let Listening { addresses: sip, datagrams, streams, clients, certificates } =
            bound.listening;
        let http = bound.http.local_addr()?;
        let (storekeeper, requests) = mpsc::channel(REQUESTS);
        let (teller, answers) = mpsc::channel(REQUESTS);
        let (reporter, events) = mpsc::channel(legs.saturating_mul(4).max(1_024));
        let (inputs, input_queue) = mpsc::channel(INPUTS);
        let (queries, query_queue) = mpsc::channel(INPUTS);
        let (orders, order_queue) = mpsc::channel(INPUTS);
        let (teller_of_ends, told) = mpsc::channel(limits::CALLS);
        let ports = media_plane::advertised(&bound.pairs, self.config.media.advertised);
        inputs.try_send(Input::PortsAdded(ports))?;
        let mut seeds = self.seeds()?;
        let bridge = Bridge::new(self.settings(&sip, &mut seeds));
        let plan = self.plan(bound.pairs, &mut seeds);
        let media = MediaPlane::start(plan, &reporter, &self.telemetry)?;
        let transports = self.config.listeners.iter().map(|listener| listener.transport);
        let (connections, streams) = Connections::start(connections::Plan {
            locals: sip.iter().copied().zip(transports).collect(),
            streams,
            clients,
            trunks: self.config.trunks.iter().map(|t| (t.id, t.name.clone())).collect(),
            name_servers: self.config.name_servers.clone(),
            answers: inputs.clone(),
            meters: self.telemetry.tls(),
        });
        let ends = Ends {
            listeners: datagrams,
            connections,
            streams,
            storekeeper,
            answers,
            media,
            events,
            inputs: input_queue,
            queries: query_queue,
            orders: order_queue,
            told: teller_of_ends,
        };
        let signalling = Signalling::new(bridge, ends, self.telemetry.bridge())?;
        let keys = Arc::new(self.config.keys.clone());
        let book = Discreet { store: self.store.clone(), keys };
        let meters = self.telemetry.store();
        let keeper = Storekeeper::new(book, Timing::default(), requests, teller, meters);
        let mut others = JoinSet::new();
        let api = self.api(queries, orders, inputs.clone());
        others.spawn(async move {
            if let Err(error) = api::serve(bound.http, CONNECTIONS, api).await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        Ok(Assembled { sip, http, inputs, signalling, keeper, told, others, certificates })
    }

    /// Settles the legs of earlier runs, of whatever name: the serving lock tells that none lives.
    async fn settle(&self) -> Result<()> {
        let orphans = self.store.settle(&self.epoch, clock::unix()).await.context("the store")?;
        self.telemetry.store().settled(orphans.len());
        self.tell_renamed(&orphans);
        self.tell_unsettled().await;
        self.health.settled();
        let (node, epoch) = (&self.epoch.node, self.epoch.number);
        tracing::info!(node, epoch, settled = orphans.len(), "the gateway started");
        Ok(())
    }

    /// Returns which carriers are to be told that a leg is over: those just settled, and those of
    /// a settlement that a second crash kept from telling. What is owed for too long is dropped.
    async fn farewells(&self) -> Result<Vec<Farewell>> {
        let owed = self.store.farewells().await.context("the store")?;
        let (owed, stale) = in_time(owed, clock::unix());
        for Farewell { call, .. } in &stale {
            tracing::warn!(%call, "a carrier was not told in time that a leg is over; it is dropped");
        }
        let stale: Vec<_> = stale.into_iter().map(|farewell| farewell.call).collect();
        self.store.forget_farewells(&stale).await.context("the store")?;
        let opened = |owed: Farewell| {
            let dialog = self.config.keys.dialog(owed.call, &owed.dialog);
            Farewell { dialog, ..owed }
        };
        Ok(owed.into_iter().map(opened).collect())
    }

    /// Adds up what calls out have cost in the last day, those just settled included, a page at a
    /// time: budgets go on where the last run left them.
    async fn spent(&self) -> Result<Spent> {
        let (mut spent, begun) = (Spent::default(), clock::mono());
        let mut after = (clock::unix().minus(Spent::SPAN), CallId(0));
        let mut calls = 0;
        loop {
            let page = self.store.outlays(after, OUTLAYS).await.context("the store")?;
            let now = clock::now();
            page.iter().for_each(|outlay| spent.count(outlay, now));
            calls += page.len();
            match page.last() {
                Some(last) => after = (last.written, last.call),
                None => break,
            }
        }
        let took_ms = clock::mono().since(begun).as_millis();
        tracing::info!(calls, took_ms, "budgets go on with what was spent in the last day");
        Ok(spent)
    }

    /// Says which legs were settled that another name of this node had left.
    fn tell_renamed(&self, orphans: &[OpenLeg]) {
        let mut others = BTreeMap::<&str, usize>::new();
        for leg in orphans.iter().filter(|leg| leg.epoch.node != self.epoch.node) {
            *others.entry(&leg.epoch.node).or_default() += 1;
        }
        for (node, settled) in others {
            tracing::warn!(node, settled, "legs of another node were settled: nobody else serves");
        }
    }

    /// Names the legs that could not be settled: their rows contradict each other, their holds stand.
    async fn tell_unsettled(&self) {
        let open = self.store.open_legs().await.unwrap_or_default();
        for leg in open.iter().filter(|leg| leg.epoch != self.epoch) {
            let (call, epoch) = (leg.call, leg.epoch.number);
            tracing::error!(%call, node = %leg.epoch.node, epoch, "a leg of an earlier run could not be settled");
        }
    }

    /// Starts the loop, and what is done every second or few beside the calls.
    fn run(self, whole: Assembled, revision: u64, lock: ServingLock) -> Running {
        let Assembled { sip, http, inputs, signalling, keeper, told, mut others, certificates } =
            whole;
        let drain_limit = self.config.drain_limit;
        let health = self.health.clone();
        let (store, meters) = (self.store, self.telemetry.store());
        let trunks = self.config.trunks;
        others.spawn(upkeep::heartbeat(store.clone(), self.epoch, self.health, meters));
        others.spawn(upkeep::directory(store.clone(), trunks, revision, inputs.clone()));
        others.spawn(upkeep::book(store.clone(), self.telemetry.money()));
        others.spawn(upkeep::farewells(store, told));
        others.spawn(self.telemetry.upkeep());
        let storekeeper = tokio::spawn(keeper.run());
        let signalling = tokio::spawn(signalling.run());
        Running {
            sip,
            http,
            health,
            inputs,
            drain_limit,
            signalling,
            storekeeper,
            others,
            certificates,
            _lock: lock,
        }
    }

    /// Returns the generator that every part's seed is drawn from.
    fn seeds(&self) -> Result<ChaCha20Rng> {
        let seed = self.config.node.seed.map_or_else(clock::seed, Ok).context("no entropy")?;
        Ok(generator(seed, &self.epoch))
    }

    fn settings(&self, sip: &[SocketAddr], seeds: &mut ChaCha20Rng) -> bridge::Settings {
        let config = &self.config;
        let listeners = config.listeners.iter().zip(sip).map(|(listener, bound)| {
            let mut advertised = listener.advertised;
            if advertised.port() == 0 {
                advertised.set_port(bound.port());
            }
            let (transport, keep_alive) = (listener.transport, listener.keep_alive);
            sip::Listener { advertised, transport, keep_alive }
        });
        let sip = sip::Settings {
            seed: draw(seeds),
            listeners: listeners.collect(),
            session_secs: config.sip.session_secs,
            banner: config.sip.banner.clone(),
            retry_after_secs: config.sip.retry_after_secs,
            patience: config.patience,
        };
        bridge::Settings {
            seed: draw(seeds),
            epoch: self.epoch.clone(),
            sip,
            prompts: Arc::clone(&self.library),
            calls_max: config.node.calls_max,
            shards: config.media.threads,
            slice_secs: config.charging.slice_secs,
            roll_ahead: config.charging.roll_ahead,
            unpaid_limit: config.charging.unpaid_limit,
            tries: config.charging.tries,
            digit_pause: config.charging.digit_pause,
            life_limit: config.charging.life_limit,
            life_limit_held: config.charging.life_limit_held,
            announcements: config.media.announcements,
            ring_limit: config.charging.ring_limit,
            presence: config.presence,
            abuse: config.abuse,
        }
    }

    fn plan(&self, pairs: Vec<Pair>, seeds: &mut ChaCha20Rng) -> Plan {
        Plan {
            library: Arc::clone(&self.library),
            legs: self.config.node.calls_max,
            pairs,
            threads: self.threads(seeds),
            real_time: self.config.media.real_time,
        }
    }

    /// Media threads take the configured processors in order; where none are configured, ours from
    /// the last on, since the kernel's interrupts prefer the first ones.
    fn threads(&self, seeds: &mut ChaCha20Rng) -> Vec<Thread> {
        let mut cpus = self.config.media.cpus.clone();
        if cpus.is_empty() {
            cpus = net::system::processors().unwrap_or_default();
            cpus.reverse();
        }
        let mut cpus = cpus.iter().copied().cycle();
        let threads = 0..self.config.media.threads;
        threads.map(|_| Thread { seed: draw(seeds), cpu: cpus.next() }).collect()
    }

    fn api(
        &self,
        live: mpsc::Sender<api::LiveQuery>,
        orders: mpsc::Sender<api::OrderQuery>,
        inputs: mpsc::Sender<Input>,
    ) -> api::State {
        let health = self.health.clone();
        api::State {
            metrics: self.telemetry.renderer(),
            ready: Arc::new(move || health.ready()),
            token: self.config.http.token.clone(),
            live,
            orders,
            inputs,
            store: self.store.clone(),
            clock: Arc::new(clock::unix),
        }
    }
}

/// Binds every socket, so that what is missing is known before anything is written.
async fn bind(config: &Config, tls: TlsMeters) -> Result<Bound> {
    let pairs = config.media.ports.pairs();
    let others = other_files(config);
    let files = net::system::allow_files(others + 2 * pairs)?;
    let most = pairs_within(files, others, pairs);
    if most < pairs {
        tracing::warn!(pairs = most, wanted = pairs, "fewer ports: the limit of open files is low");
    }
    let listening = listening::bind(config, tls)?;
    let http = tokio::net::TcpListener::bind(config.http.bind).await;
    let http = http.with_context(|| format!("HTTP on {}", config.http.bind))?;
    let pairs = config.media.ports.bind(config.media.bind, most);
    let pairs = pairs.with_context(|| format!("RTP on {}", config.media.bind))?;
    Ok(Bound { listening, http, pairs })
}

/// Returns how many files are needed beside the port pairs: connections that carry SIP, if any may
/// come, and all else.
pub(crate) fn other_files(config: &Config) -> usize {
    let streams = config.listeners.iter().any(|own| own.transport != Transport::Udp);
    OTHER_FILES + if streams { connections::FILES } else { 0 }
}

/// Returns how many of the wanted port pairs fit into so many files, once the others have theirs.
pub(crate) fn pairs_within(files: usize, others: usize, wanted: usize) -> usize {
    wanted.min(files.saturating_sub(others) / 2)
}

/// A configured seed is mixed with the epoch: call identifiers never repeat in a book, and those of
/// a fresh one can be had again.
fn generator(mut seed: [u8; 32], epoch: &Epoch) -> ChaCha20Rng {
    for (byte, at) in epoch.node.bytes().zip((0..seed.len()).cycle()) {
        seed[at] = seed[at].rotate_left(1) ^ byte;
    }
    let mut generator = ChaCha20Rng::from_seed(seed);
    generator.set_stream(epoch.number);
    generator
}

/// Splits farewells into those that may still be said and those that are owed for too long.
fn in_time(owed: Vec<Farewell>, now: UnixTime) -> (Vec<Farewell>, Vec<Farewell>) {
    let age = |farewell: &Farewell| now.micros.saturating_sub(farewell.since.micros);
    owed.into_iter().partition(|farewell| age(farewell) <= FAREWELL_MICROS)
}

fn draw(seeds: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    seeds.fill_bytes(&mut seed);
    seed
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use credits::Command;
    use model::policy::Decision;
    use model::record::{CallType, Cdr, Provision};
    use model::{Money, OrganizationId, UserId};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn a_configured_seed_gives_other_ids_in_each_life_and_under_each_name() {
        let first = |node: &str, number| {
            draw(&mut generator([7; 32], &Epoch { node: node.to_owned(), number }))
        };
        assert_eq!(first("n1", 1), first("n1", 1));
        assert_ne!(first("n1", 1), first("n1", 2));
        assert_ne!(first("n1", 1), first("n2", 1));
        assert_ne!(first("a", 1), first(&"a".repeat(33), 1));
    }

    #[test]
    fn a_farewell_is_owed_for_an_hour() {
        let owed = |call, micros| Farewell {
            call: CallId(call),
            dialog: "d".to_owned(),
            since: UnixTime { micros },
        };
        let now = UnixTime { micros: 2 * FAREWELL_MICROS };
        let all = vec![owed(1, FAREWELL_MICROS - 1), owed(2, FAREWELL_MICROS), owed(3, i64::MAX)];
        let (said, dropped) = in_time(all, now);
        assert_eq!(said.iter().map(|owed| owed.call.0).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(dropped.iter().map(|owed| owed.call.0).collect::<Vec<_>>(), [1]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_gateway_starts_ready_and_ends_when_told() {
        let mut running = start(config("memory:", 24_000)).await.unwrap();
        assert_eq!(ready(&running).await, "200");
        assert_ne!(running.sip_addresses()[0].port(), 0);
        running.stop().await;
        running.wait().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_draining_gateway_without_calls_ends_before_its_limit() {
        let mut running = start(config("memory:", 24_400)).await.unwrap();
        let begun = clock::mono();
        running.drain().await;
        running.wait().await.unwrap();
        assert!(clock::mono().since(begun) < Duration::from_secs(10));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_gateway_on_the_same_store_refuses_to_start() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("t.sqlite").display());
        let mut first = start(config(&url, 24_800)).await.unwrap();
        assert!(start(config(&url, 25_200)).await.is_err());
        assert_eq!(ready(&first).await, "200");
        first.stop().await;
        first.wait().await.unwrap();
        drop(first);
        let mut next = start(config(&url, 25_600)).await.unwrap();
        next.stop().await;
        next.wait().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_address_that_is_taken_is_named() {
        let mut first = start(config("memory:", 26_000)).await.unwrap();
        let mut second = config("memory:", 26_400);
        second.listeners[0].bind = first.sip_addresses()[0];
        let told = format!("{:#}", start(second).await.err().unwrap());
        assert!(told.contains(&first.sip_addresses()[0].to_string()), "{told}");
        first.stop().await;
        first.wait().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_gateway_that_starts_goes_on_with_what_was_spent_in_the_last_day() {
        let store = Store::open("memory:").await.unwrap();
        let text = "[[organization]]\nname = \"acme\"\ncurrency = \"USD\"\n";
        let plan =
            crate::provisioning::plan(text, &Provision::default(), Vec::new(), [1; 32]).unwrap();
        store.apply(&plan.change).await.unwrap();
        let now = clock::unix();
        for (call, age_secs) in [(1, 60), (2, 2 * 3_600), (3, 26 * 3_600)] {
            let at = now.minus(Duration::from_secs(age_secs));
            let cdr = Box::new(called_out(call, at));
            store.commit(&[Command::Release { cdr }], at).await.unwrap();
        }
        let mut config = config("memory:", 27_200);
        config.http.token = api::Token::parse("sixteen-letters!");
        let mut running = start_on(config, store).await.unwrap();
        let request = "GET /v1/organizations/acme/budgets HTTP/1.0\r\n\
                       Authorization: Bearer sixteen-letters!\r\n";
        let told = answer(&running, request).await;
        assert!(told.contains(r#""limit":"spend_hour","#), "{told}");
        let hour = r#""limit":"spend_hour","most":"100.00","night":null,"spent":"1.00"}"#;
        let day = r#""limit":"spend_day","most":"400.00","night":null,"spent":"2.00"}"#;
        assert!(told.contains(hour) && told.contains(day), "{told}");
        running.stop().await;
        running.wait().await.unwrap();
    }

    /// The record of a call out that ended then and cost one unit.
    fn called_out(call: u128, at: UnixTime) -> Cdr {
        let mut cdr = Cdr::begun(CallId(call), CallType::Out, at);
        cdr.trunk = "carrier".to_owned();
        cdr.called = "+37120000001".parse().ok();
        cdr.organizer = Some(UserId(1));
        cdr.organization = Some(OrganizationId::from_name("acme"));
        cdr.charge = Money::from_micros(1_000_000);
        let decided = Decision { allowed: true, rule: "any".into(), version: "1".into() };
        cdr.decision = Some(decided);
        cdr
    }

    /// A gateway of a few ports from `first` on.
    fn config(store: &str, first: u16) -> Config {
        let last = first + 399;
        let text = format!(
            "[node]\ncalls_max = 10\n[store]\nurl = \"{store}\"\n\
             [[listener]]\nbind = \"127.0.0.1:0\"\n[http]\nbind = \"127.0.0.1:0\"\n\
             [media]\nbind = \"127.0.0.1\"\nport_first = {first}\nport_last = {last}\n"
        );
        Config::parse(Path::new("test.toml"), &text).unwrap()
    }

    /// The status of /readyz.
    async fn ready(running: &Running) -> String {
        let answer = answer(running, "GET /readyz HTTP/1.0\r\n").await;
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    async fn answer(running: &Running, request: &str) -> String {
        let mut stream = TcpStream::connect(running.http_address()).await.unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
