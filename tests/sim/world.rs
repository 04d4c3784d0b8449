//! The story told: real cores, simulated network, store and clocks, one event after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bridge::{Bridge, Input, Output, Spent};
use bytes::Bytes;
use credits::{Command, Epoch};
use media::{Batch, Library, PortId};
use model::{CallId, Instant, Money, Now, UnixTime};

use crate::caller::{Caller, header, is_request, method_of, status_of};
use crate::check::{self, Truth};
use crate::model_price::PlainRate;
use crate::network::{Network, Packet};
use crate::plan::{Plan, Whence};
use crate::plane::Plane;
use crate::scene;
use crate::storekeeper::Keeper;

mod ordering;

pub use ordering::{Calls, Given};

const TICK: u64 = 20_000;
const BEAT: u64 = 1_000_000;
/// A story that is not over by then hangs, µs.
const END: u64 = 900_000_000;
/// Steps in one moment that mean that a timer is never satisfied.
const STUCK: u32 = 10_000;
/// Time after the last caller for timers to run out, µs.
const REST: u64 = 120_000_000;
/// How long the node is away after a crash, µs.
const RESTART: u64 = 1_500_000;
/// The calendar at the start: 2026-01-01T00:00:00Z, µs.
const NEW_YEAR: i64 = 1_767_225_600_000_000;

/// What happened in a story, for the count of what all stories together covered.
pub type Tally = BTreeMap<String, u64>;

/// What went wrong, and what had happened by then.
#[derive(Debug)]
pub struct Failure {
    /// Which invariant, in words.
    pub what: String,
    /// The story so far.
    pub trace: Vec<String>,
}

/// One life of the node.
#[derive(Debug)]
struct Node {
    bridge: Bridge,
    plane: Plane,
    epoch: Epoch,
    legs: BTreeMap<PortId, CallId>,
    seated: BTreeSet<CallId>,
    asked: BTreeMap<u64, ()>,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// The story.
    pub plan: Plan,
    /// The store with the book.
    pub keeper: Keeper,
    /// The callers.
    pub callers: Vec<Caller>,
    /// Calls out.
    pub calls: Calls,
    /// What was seen on the wire, by Call-ID.
    pub truths: BTreeMap<String, Truth>,
    /// What every charge is compared with.
    pub reference: PlainRate,
    /// When the node was killed, µs.
    pub crashed: Vec<u64>,
    /// The node is up.
    node: Option<Node>,
    prompts: Arc<Library>,
    network: Network,
    now: u64,
    jumped: i64,
    jumps: u32,
    /// Whether budgets begin anew with each life: a fault.
    forgets: bool,
    next_tick: u64,
    next_beat: u64,
    restart_at: u64,
    batch: Batch,
    trace: Vec<String>,
    paid_until: BTreeMap<CallId, u64>,
}

/// Tells a story to its end.
///
/// # Errors
/// The first invariant that broke, or a panic of a core.
pub fn run(plan: &Plan) -> Result<Tally, Failure> {
    run_against(plan, plan.rate)
}

/// Tells a story, its charges compared with a price of the caller's choice.
///
/// # Errors
/// As [`run`].
pub fn run_against(plan: &Plan, reference: PlainRate) -> Result<Tally, Failure> {
    told(World::new(plan, reference))
}

/// Tells a story in which a node that starts is not told what calls out have cost before.
///
/// # Errors
/// As [`run`].
pub fn run_forgetting(plan: &Plan) -> Result<Tally, Failure> {
    let mut world = World::new(plan, plan.rate);
    world.forgets = true;
    told(world)
}

fn told(mut world: World) -> Result<Tally, Failure> {
    let told = catch_unwind(AssertUnwindSafe(|| world.tell()));
    let what = match told {
        Ok(Ok(())) => return Ok(check::tally(&world)),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            format!("panic: {}", text.unwrap_or_default())
        }
    };
    Err(Failure { what, trace: world.trace })
}

impl World {
    fn new(plan: &Plan, reference: PlainRate) -> Self {
        let callers = plan.callers.iter().zip(0_u8..);
        let mut world = Self {
            keeper: Keeper::new(plan),
            callers: callers.map(|(c, i)| Caller::new(i, c.clone(), scene::GATEWAY)).collect(),
            calls: Calls::new(plan),
            truths: BTreeMap::new(),
            reference,
            crashed: Vec::new(),
            node: None,
            prompts: scene::recordings(),
            network: Network::new(plan),
            now: 0,
            jumped: 0,
            jumps: 0,
            forgets: false,
            next_tick: 0,
            next_beat: 0,
            restart_at: 0,
            batch: Batch::default(),
            trace: Vec::new(),
            paid_until: BTreeMap::new(),
            plan: plan.clone(),
        };
        for owner in scene::provision(plan).organizations {
            world.keeper.book.open_account(owner.id, &owner.name, owner.currency);
        }
        world.top_up("first", plan.credit, scene::acme());
        world.top_up("first", scene::OTHER_CREDIT, scene::other());
        world
    }

    /// Whether the calendar ever jumped.
    #[must_use]
    pub fn jumped(&self) -> bool {
        self.jumps > 0
    }

    /// Returns how many calls of the organization's meetings, placed by them, live.
    #[must_use]
    pub fn called_out(&self) -> usize {
        let Some(node) = &self.node else { return 0 };
        let elsewhere = Some(scene::whence(Whence::Elsewhere));
        let live = node.bridge.live(self.moment()).into_iter();
        live.filter(|live| self.calls.asked.contains(&live.call) && live.meeting != elsewhere)
            .count()
    }

    /// Returns how many legs moved between workers in the node's last life.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.node.as_ref().map_or(0, |node| node.plane.moved)
    }

    fn tell(&mut self) -> Result<(), String> {
        let mut quiet_since = None;
        let mut stuck = 0;
        loop {
            let idle = self.callers.iter().all(Caller::is_gone) && self.calls.is_idle(&self.plan);
            let quiet = *quiet_since.get_or_insert(self.now);
            if !idle {
                quiet_since = None;
            } else if self.now >= quiet + REST {
                break;
            }
            if self.now > END {
                return Err("the story does not end".into());
            }
            let next = self.next_event();
            stuck = if next == self.now { stuck + 1 } else { 0 };
            if stuck > STUCK {
                return Err("something asks for the same moment again and again".into());
            }
            self.now = next;
            self.step()?;
        }
        let live = self.node.as_ref().map_or(0, |n| n.bridge.live(self.moment()).len());
        let legs = self.node.as_ref().map_or(0, |n| n.plane.legs());
        check::at_rest(self, live, legs)
    }

    fn next_event(&self) -> u64 {
        let node = self.node.as_ref();
        let tick = node.filter(|n| n.plane.is_busy()).map(|_| self.next_tick);
        let timer = node.and_then(|n| n.bridge.poll_timeout()).map(|at| at.micros);
        let restart = node.is_none().then_some(self.restart_at);
        let callers = self.callers.iter().filter_map(Caller::next).min();
        let crash = self.plan.crashes.first().map(|ms| ms * 1_000);
        let jump = self.plan.jumps.first().map(|(ms, _)| ms * 1_000);
        let top_up = self.plan.top_ups.first().map(|(ms, _)| ms * 1_000);
        let all = [
            tick,
            timer,
            restart,
            callers,
            self.calls.next(&self.plan),
            crash,
            jump,
            top_up,
            self.network.next(),
            self.keeper.next(),
            Some(self.next_beat),
        ];
        all.into_iter().flatten().min().unwrap_or(self.next_beat).max(self.now)
    }

    fn step(&mut self) -> Result<(), String> {
        self.fate();
        if self.node.is_none() && self.restart_at <= self.now && !self.keeper.is_down(self.now) {
            self.start()?;
        } else if self.node.is_none() && self.restart_at <= self.now {
            self.restart_at = self.now + 500_000;
        }
        if self.next_beat <= self.now {
            self.next_beat = self.now + BEAT;
            if let Some(node) = self.node.as_ref().filter(|_| !self.keeper.is_down(self.now)) {
                self.keeper.book.beat(&node.epoch, Instant { micros: self.now });
            }
        }
        self.tick()?;
        if self
            .node
            .as_ref()
            .is_some_and(|n| n.bridge.poll_timeout().is_some_and(|at| at.micros <= self.now))
        {
            let moment = self.moment();
            if let Some(node) = self.node.as_mut() {
                node.bridge.handle_timeout(moment);
            }
            self.drain()?;
        }
        while let Some(packet) = self.network.arrived(self.now) {
            self.deliver(&packet)?;
        }
        while let Some((answer, line)) = self.keeper.act(self.now, self.unix()) {
            self.say(line);
            check::after_commit(self)?;
            let paid_until = check::paid_until(&self.keeper.book);
            check::never_shortened(&self.paid_until, &paid_until)?;
            self.paid_until = paid_until;
            if let Some((request, outcome)) = answer {
                self.feed(Input::Stored { request, outcome })?;
            }
        }
        let mut out = Vec::new();
        self.call_out(&mut out)?;
        for caller in &mut self.callers {
            if caller.next().is_some_and(|at| at <= self.now) {
                caller.act(self.now, &mut out);
            }
        }
        self.send_all(out);
        Ok(())
    }

    fn fate(&mut self) {
        if self.plan.jumps.first().is_some_and(|(ms, _)| ms * 1_000 <= self.now) {
            let (_, secs) = self.plan.jumps.remove(0);
            self.jumped += secs * 1_000_000;
            self.jumps += 1;
            self.say(format!("the calendar jumps by {secs} s"));
        }
        if self.plan.top_ups.first().is_some_and(|(ms, _)| ms * 1_000 <= self.now) {
            let (ms, amount) = self.plan.top_ups.remove(0);
            self.top_up(&format!("at-{ms}"), amount, scene::acme());
        }
        if self.plan.crashes.first().is_some_and(|ms| ms * 1_000 <= self.now) {
            self.plan.crashes.remove(0);
            if self.node.take().is_some() {
                self.say("the node is killed".into());
                let unix = self.unix();
                self.keeper.crash(unix);
                self.crashed.push(self.now);
                self.restart_at = self.now + RESTART;
            }
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let epoch = self.keeper.book.begin_epoch("sim");
        let unix = self.unix();
        let orphans = self.keeper.book.settle(&epoch, unix);
        check::after_settlement(self, &orphans)?;
        let settings = scene::settings(&self.plan, epoch.clone(), Arc::clone(&self.prompts));
        let lives = (self.plan.seed, epoch.number);
        let plane = Plane::new(self.plan.shards, scene::PORTS, &self.prompts, lives);
        self.say(format!("epoch {} begins, {} orphans", epoch.number, orphans.len()));
        self.node = Some(Node {
            bridge: Bridge::new(settings),
            plane,
            epoch,
            legs: BTreeMap::new(),
            seated: BTreeSet::new(),
            asked: BTreeMap::new(),
        });
        let mut spent = Spent::default();
        let since = (self.moment().unix.minus(Spent::SPAN), CallId(0));
        for outlay in self.keeper.book.outlays(since, usize::MAX) {
            spent.count(&outlay, self.moment());
        }
        if !self.forgets {
            self.feed(Input::Spent(Box::new(spent)))?;
        }
        self.feed(Input::Directory(scene::directory(&self.plan)))?;
        let pairs = (0..scene::PORTS).map(|n| (PortId(n), port_address(n))).collect();
        self.feed(Input::PortsAdded(pairs))?;
        let owed = self.keeper.book.farewells();
        if owed.is_empty() { Ok(()) } else { self.feed(Input::Orphans(owed)) }
    }

    fn tick(&mut self) -> Result<(), String> {
        if self.next_tick > self.now {
            return Ok(());
        }
        self.next_tick = (self.now / TICK + 1) * TICK;
        let Some(node) = self.node.as_mut() else { return Ok(()) };
        self.batch.clear();
        node.plane.tick(Instant { micros: self.now }, &mut self.batch)?;
        let mut packets = Vec::new();
        let mut overrun = None;
        for sent in self.batch.iter() {
            if !sent.rtcp
                && let Some(call) = node.legs.get(&sent.port)
                && (node.seated.contains(call) || self.calls.asked.contains(call))
                && let Some(late) = check::unpaid_audio(&self.paid_until, *call, self.now)
            {
                overrun = Some(format!("leg {call} was served {late} µs past its paid time"));
            }
            let mut source = port_address(sent.port.0);
            source.set_port(source.port() + u16::from(sent.rtcp));
            packets.push(Packet {
                source,
                destination: sent.destination,
                payload: sent.payload.to_vec(),
            });
        }
        for packet in packets {
            self.network.send(packet, self.now);
        }
        if let Some(what) = overrun {
            return Err(what);
        }
        self.media_events()
    }

    fn media_events(&mut self) -> Result<(), String> {
        while let Some(event) = self.node.as_mut().and_then(|n| n.plane.poll_event()) {
            if let media::Event::Cut { call, overrun, .. } = &event {
                self.say(format!("media: {call} cut, overrun {overrun:?}"));
                if overrun.as_micros() > u128::from(TICK) {
                    return Err(format!("leg {call} was cut {overrun:?} late"));
                }
            }
            self.feed(Input::Media(event))?;
        }
        Ok(())
    }

    fn deliver(&mut self, packet: &Packet) -> Result<(), String> {
        if packet.destination == scene::GATEWAY {
            return self.deliver_sip(packet);
        }
        if packet.destination.ip() == scene::GATEWAY.ip() {
            let offset = packet.destination.port().saturating_sub(scene::FIRST_PORT);
            if let Some(node) = self.node.as_mut() {
                let (port, rtcp) = (PortId(offset / 2), offset % 2 == 1);
                let arriving = (port, rtcp, packet.source, packet.payload.clone());
                node.plane.receive(arriving, Instant { micros: self.now });
            }
            return self.media_events();
        }
        let mut out = Vec::new();
        if let Some(caller) = self.callers.iter_mut().find(|c| c.owns(packet.destination)) {
            caller.receive(packet, self.now, &mut out);
        }
        let carriers = &mut self.calls.carriers;
        if let Some(carrier) = carriers.iter_mut().find(|c| c.owns(packet.destination)) {
            carrier.receive(packet, self.now, &mut out);
        }
        self.send_all(out);
        Ok(())
    }

    fn deliver_sip(&mut self, packet: &Packet) -> Result<(), String> {
        if self.node.is_none() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&packet.payload).into_owned();
        self.say(format!("> {}", first_line(&text)));
        if self.is_trunk(packet.source) {
            self.comes_from_trunk(&text);
        } else if is_request(&text) && method_of(&text) == "BYE" {
            self.witness(&text, |truth, now| truth.end(now));
        }
        self.feed(Input::Datagram {
            listener: 0,
            source: packet.source,
            payload: Bytes::copy_from_slice(&packet.payload),
        })
    }

    fn feed(&mut self, input: Input) -> Result<(), String> {
        let moment = self.moment();
        let Some(node) = self.node.as_mut() else { return Ok(()) };
        if let Input::Stored { request, .. } = &input
            && node.asked.remove(request).is_none()
        {
            return Ok(()); // asked by an earlier life
        }
        node.bridge.handle_input(input, moment);
        self.drain()
    }

    fn drain(&mut self) -> Result<(), String> {
        loop {
            let Some(node) = self.node.as_mut() else { return Ok(()) };
            let Some(output) = node.bridge.poll_output() else { break };
            match output {
                Output::Transmit(transmit) => {
                    self.transmit(&transmit)?;
                }
                Output::Store(request) => {
                    if node.asked.insert(request.id, ()).is_some() {
                        return Err(format!("store request id {} was used twice", request.id));
                    }
                    self.asks(&request)?;
                    self.keeper.ask(request, self.now);
                }
                Output::Media { shard, command } => {
                    match &command {
                        media::Command::Open { call, port, .. } => {
                            node.legs.insert(*port, *call);
                        }
                        media::Command::Close { call } => {
                            node.legs.retain(|_, leg| leg != call);
                        }
                        media::Command::Seat { call, .. } => {
                            node.seated.insert(*call);
                            self.calls.seated.insert(*call);
                        }
                        media::Command::Update { .. }
                        | media::Command::Play { .. }
                        | media::Command::Hush { .. }
                        | media::Command::Listen { .. }
                        | media::Command::Unseat { .. }
                        | media::Command::Fund { .. }
                        | media::Command::Release { .. }
                        | media::Command::Expect { .. } => {}
                    }
                    node.plane.command(shard, command)?;
                }
                Output::Note(note) => {
                    if !matches!(note, bridge::Note::Sip(_)) {
                        self.say(format!("note: {note:?}"));
                    }
                }
                Output::Connection { .. } | Output::Lookup { .. } => {
                    return Err("the simulated carrier speaks UDP, from an address".to_owned());
                }
                Output::Placed(placed) => self.placed(&placed)?,
                Output::Told(call) => self.keeper.book.forget_farewells(&[call]),
                Output::Drained => {}
            }
        }
        self.media_events()
    }

    fn transmit(&mut self, transmit: &sip::Transmit) -> Result<(), String> {
        let text = String::from_utf8_lossy(&transmit.payload).into_owned();
        self.say(format!("< {}", first_line(&text)));
        let answer = status_of(&text).is_some_and(|status| (200..300).contains(&status))
            && header(&text, "CSeq").is_some_and(|c| c.starts_with("1 ") && c.ends_with("INVITE"));
        if self.is_trunk(transmit.destination) {
            self.leaves_for_trunk(&text)?;
        } else if answer {
            self.witness(&text, |truth, now| truth.answer(now));
        } else if is_request(&text) && method_of(&text) == "BYE" {
            self.witness(&text, |truth, now| truth.end(now));
        }
        let packet = Packet {
            source: scene::GATEWAY,
            destination: transmit.destination,
            payload: transmit.payload.to_vec(),
        };
        self.network.send(packet, self.now);
        Ok(())
    }

    fn is_trunk(&self, address: SocketAddr) -> bool {
        self.calls.carriers.iter().any(|carrier| carrier.owns(address))
    }

    fn witness(&mut self, text: &str, note: impl Fn(&mut Truth, u64)) {
        if let Some(call_id) = header(text, "Call-ID") {
            note(self.truths.entry(call_id).or_default(), self.now);
        }
    }

    fn top_up(&mut self, reference: &str, micros: i64, whose: model::OrganizationId) {
        if micros == 0 {
            return;
        }
        let command = Command::TopUp {
            account: whose.account(),
            reference: reference.into(),
            amount: Money::from_micros(micros),
            at: self.unix(),
        };
        let unix = self.unix();
        self.keeper.book.commit(&[command], unix);
        self.say(format!("{micros} micros of credit are added"));
    }

    fn send_all(&mut self, packets: Vec<Packet>) {
        for packet in packets {
            self.network.send(packet, self.now);
        }
    }

    fn moment(&self) -> Now {
        Now { mono: Instant { micros: self.now }, unix: self.unix() }
    }

    fn unix(&self) -> UnixTime {
        UnixTime { micros: NEW_YEAR + self.jumped + i64::try_from(self.now).unwrap_or(0) }
    }

    fn say(&mut self, line: String) {
        self.trace.push(format!(
            "{:>11.3} {line}",
            std::time::Duration::from_micros(self.now).as_secs_f64()
        ));
    }
}

fn port_address(pair: u16) -> SocketAddr {
    SocketAddr::new(scene::GATEWAY.ip(), scene::FIRST_PORT + pair * 2)
}

fn first_line(text: &str) -> String {
    let call = header(text, "Call-ID").unwrap_or_default();
    let cseq = header(text, "CSeq").unwrap_or_default();
    let line = text.lines().next().unwrap_or("");
    format!("{line} [{call} {cseq}]")
}
