//! The conference bridge: who may come in, who pays, who hears whom, who is cut. Sans-IO.
//!
//! [`Bridge`] owns the SIP endpoint and every call. It is driven by [`Input`]s and by time, and
//! answers with [`Output`]s. One call is one state machine; a panic in its step ends that call
//! alone. Deliberately absent: sockets, threads, rows, samples, arithmetic on money.

mod accounts;
mod admission;
mod bucket;
mod call;
mod cap;
mod closing;
mod conference;
mod desk;
pub mod directory;
pub mod ending;
mod gate;
mod guarding;
pub mod input;
pub mod load;
mod meter;
pub mod outbound;
pub mod output;
mod placing;
pub mod policy;
mod ports;
pub mod refusal;
pub mod routing;
#[cfg(test)]
mod sample;
pub mod settings;
mod shards;
pub mod shield;
mod steps;
mod turn;
pub mod view;

pub use directory::{Directory, DirectoryError};
pub use input::{Input, StoreOutcome};
pub use load::Load;
pub use outbound::limits::{BudgetView, LimitView, Spent, Used};
pub use outbound::{By, Denied, DialOut, Placed};
pub use output::{Note, Output, StoreRequest};
pub use refusal::Refusal;
pub use settings::{Abuse, Presence, Settings, Stretch};
pub use sip::{Ban, Urgency, urgency};
pub use view::{LiveCall, TrunkView};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use credits::Farewell;
use model::{AccountId, CallId, E164, Instant, MeetingId, Now, OrganizationId, TrunkId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::accounts::Accounts;
use crate::call::keys::Way;
use crate::call::news::News;
use crate::call::{Call, Key, Reply, Signal};
use crate::closing::Closing;
use crate::conference::Conferences;
use crate::desk::Desk;
use crate::gate::Gate;
use crate::load::Door;
use crate::outbound::limits::Budgets;
use crate::outbound::orders::Orders;
use crate::ports::Ports;
use crate::refusal::Guard;
use crate::routing::{Direction, Health, Skip, Statistics};
use crate::shards::Shards;
use crate::shield::Shield;

/// What a moment is for. Alarms that nothing waits for any more wake for nothing, harmlessly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// A call's own.
    Call(CallId),
    /// An account is to be read.
    Account(AccountId),
    /// A question is to be repeated.
    Repeat(u64),
    /// Draining has come to a limit.
    Closing,
    /// The toll-free numbers' scores are told.
    Scores,
}

/// The whole application as one value. Feed it inputs, drain its outputs.
pub struct Bridge {
    settings: Settings,
    endpoint: sip::Endpoint,
    directory: Arc<Directory>,
    calls: BTreeMap<CallId, Call>,
    /// How many of the calls are live.
    live: usize,
    /// How many of those are refused and told why.
    announcing: usize,
    conferences: Conferences,
    accounts: Accounts,
    gate: Gate,
    /// What is known of the trunks that calls of ours leave by.
    health: Health,
    /// How the trunks did in the last hour.
    statistics: Statistics,
    orders: Orders,
    /// What calls of ours have cost whom.
    budgets: Budgets,
    /// What callers without a meeting have used up.
    shield: Shield,
    /// Whom each meeting is calling, or has called in.
    called: BTreeSet<(MeetingId, E164)>,
    ports: Ports,
    shards: Shards,
    desk: Desk,
    alarms: BTreeSet<(Instant, Alarm)>,
    closing: Closing,
    door: Door,
    chance: ChaCha8Rng,
    /// What the endpoint told and is not dealt with yet; empty between inputs.
    news: VecDeque<sip::Event>,
    /// What calls told each other and is not dealt with yet; empty between inputs.
    signals: VecDeque<(CallId, Signal)>,
    outputs: VecDeque<Output>,
    #[cfg(test)]
    trap: Option<CallId>,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge")
            .field("calls", &self.calls.len())
            .field("live", &self.live)
            .field("conferences", &self.conferences.len())
            .field("owed", &self.desk.owed())
            .field("orders", &self.orders.len())
            .finish_non_exhaustive()
    }
}

impl Bridge {
    /// Makes a bridge with no ports and an empty directory.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            endpoint: sip::Endpoint::new(settings.sip.clone()),
            chance: ChaCha8Rng::from_seed(settings.seed),
            shards: Shards::new(settings.shards),
            settings,
            directory: Arc::new(Directory::default()),
            calls: BTreeMap::new(),
            live: 0,
            announcing: 0,
            conferences: Conferences::default(),
            accounts: Accounts::default(),
            gate: Gate::default(),
            health: Health::default(),
            statistics: Statistics::default(),
            orders: Orders::default(),
            budgets: Budgets::default(),
            shield: Shield::default(),
            called: BTreeSet::new(),
            ports: Ports::default(),
            desk: Desk::default(),
            alarms: BTreeSet::new(),
            closing: Closing::Open,
            door: Door::default(),
            news: VecDeque::new(),
            signals: VecDeque::new(),
            outputs: VecDeque::new(),
            #[cfg(test)]
            trap: None,
        }
    }

    /// Takes one input. Drain [`Self::poll_output`] before the next.
    ///
    /// # Panics
    /// If outputs of the input before are left undrained.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        match input {
            Input::Datagram { listener, source, payload } => {
                self.tell(sip::Input::Datagram { listener, source, payload }, now);
            }
            Input::Connection { connection, input } => {
                self.tell(sip::Input::Connection { connection, input }, now);
            }
            Input::Found { id, answer } => self.tell(sip::Input::Found { id, answer }, now),
            Input::Stored { request, outcome } => self.stored(request, outcome, now),
            Input::Media(event) => self.media(event, now),
            Input::PortsAdded(bound) => self.ports.add(bound),
            Input::Directory(directory) => self.provisioned(directory, now),
            Input::Orphans(owed) => {
                for Farewell { call, dialog, since: _ } in owed {
                    self.order(sip::Command::EndOrphan { call, dialog }, now);
                }
            }
            Input::Spent(spent) => self.budgets.recall(*spent),
            Input::DialOut(order) => self.dial_out(&order, now),
            Input::Load(load) => self.loaded(load),
            Input::HangUp(call) => self.step(call, Signal::HangUp, now),
            Input::Drain { limit } => self.drain(limit, now),
        }
        self.settle_down(now);
    }

    /// Runs every timer that is due. Drain [`Self::poll_output`] afterwards.
    ///
    /// # Panics
    /// If outputs of the input before are left undrained.
    pub fn handle_timeout(&mut self, now: Now) {
        assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.endpoint.handle_timeout(now);
            self.hear();
            self.settle_down(now);
        }
        while let Some((at, alarm)) = self.alarms.first().copied()
            && at <= now.mono
        {
            self.alarms.pop_first();
            self.ring(alarm, now);
            self.settle_down(now);
        }
    }

    /// Returns the next thing for the shell to do.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] is next needed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = self.alarms.first().map(|(at, _)| *at);
        call::earlier(own, self.endpoint.poll_timeout())
    }

    /// Whether a source of datagrams is banned: then what came from there need not be handed in. Each
    /// question counts as one datagram that was dropped.
    pub fn shuns(&mut self, source: IpAddr, now: Now) -> bool {
        self.endpoint.shuns(source, now.mono)
    }

    /// Returns every source that is banned, for the operator, in the order of addresses.
    #[must_use]
    pub fn bans(&self, now: Now) -> Vec<Ban> {
        self.endpoint.bans(now.mono)
    }

    /// Returns every live call, for the operator.
    #[must_use]
    pub fn live(&self, now: Now) -> Vec<LiveCall> {
        let live = self.calls.values().filter(|call| call.state.is_live());
        live.map(|call| view::live(call, now.mono)).collect()
    }

    /// Returns every trunk, for the operator, by name.
    #[must_use]
    pub fn trunks(&self, now: Now) -> Vec<TrunkView> {
        let mut shown: Vec<_> = self
            .directory
            .trunks()
            .iter()
            .map(|trunk| TrunkView {
                name: trunk.name.clone(),
                group: trunk.outbound.as_ref().map(|outbound| outbound.routing.group.clone()),
                state: match &trunk.outbound {
                    None => "dial_in_only",
                    Some(out) => self
                        .health
                        .carries(trunk, out, now.mono)
                        .map_or_else(Skip::label, |()| "up"),
                },
                trouble: self.health.trouble(trunk.id).map(sip::Trouble::words),
                calls_in: self.gate.live(trunk.id),
                calls_out: self.health.live(trunk.id),
                hour_in: self.statistics.hour(trunk.id, Direction::In, now.mono),
                hour_out: self.statistics.hour(trunk.id, Direction::Out, now.mono),
            })
            .collect();
        shown.sort_by(|one, other| one.name.cmp(&other.name));
        shown
    }

    /// Returns how far budgets are used: those of one organization and of its organizers, or those of
    /// everybody who has called out lately, at most 1 000.
    #[must_use]
    pub fn budgets(&self, of: Option<OrganizationId>, now: Now) -> Vec<BudgetView> {
        self.budgets.views(&self.directory, of, now)
    }

    /// Tells of a trunk that can be called by, or cannot any more.
    fn tell_of(&mut self, trunk: TrunkId, up: bool, by: &'static str) {
        let Some(trunk) = self.directory.trunk(trunk) else { return };
        if up {
            tracing::info!(trunk = %trunk.name, by, "a trunk can be called by");
        } else {
            tracing::warn!(trunk = %trunk.name, by, "a trunk cannot be called by");
        }
        self.outputs.push_back(Output::Note(Note::Reachable { trunk, up }));
    }

    /// Tells what keeps us from reaching a trunk, or that nothing does any more.
    fn tell_trouble(&mut self, trunk: TrunkId, trouble: Option<sip::Trouble>) {
        let Some(trunk) = self.directory.trunk(trunk) else { return };
        let Some(trouble) = trouble else {
            return tracing::info!(trunk = %trunk.name, "a trunk can be reached again");
        };
        tracing::warn!(trunk = %trunk.name, why = trouble.label(), "a trunk {}", trouble.words());
        self.outputs.push_back(Output::Note(Note::Troubled { trunk, trouble }));
    }

    /// Deals with all that the endpoint and the calls told each other.
    fn settle_down(&mut self, now: Now) {
        loop {
            if let Some(event) = self.news.pop_front() {
                self.sip(event, now);
            } else if let Some((call, signal)) = self.signals.pop_front() {
                self.step(call, signal, now);
            } else {
                break;
            }
        }
        self.weigh(now);
        self.close_if_done(now);
    }

    fn ring(&mut self, alarm: Alarm, now: Now) {
        match alarm {
            Alarm::Call(call) => {
                if let Some(known) = self.calls.get_mut(&call) {
                    known.alarm = None;
                }
                self.step(call, Signal::Wake, now);
            }
            Alarm::Account(account) => self.inquire(account, now),
            Alarm::Repeat(number) => {
                let request = self.desk.again(number);
                self.outputs.extend(request.map(Output::Store));
            }
            Alarm::Closing => self.close_down(now),
            Alarm::Scores => self.score(now),
        }
    }

    fn sip(&mut self, event: sip::Event, now: Now) {
        match event {
            sip::Event::Invited(invitation) => self.invited(*invitation, now),
            sip::Event::Cancelled { call } => self.step(call, Signal::Cancelled, now),
            sip::Event::Confirmed { call, answer } => {
                self.step(call, Signal::Line(News::Confirmed(answer)), now);
            }
            sip::Event::Offered { call, offer } => {
                self.step(call, Signal::Line(News::Offered(offer)), now);
            }
            sip::Event::Agreed { call, answer } => {
                self.step(call, Signal::Line(News::Agreed(answer)), now);
            }
            sip::Event::Acknowledged { call, answer } => {
                self.step(call, Signal::Acknowledged(answer), now);
            }
            sip::Event::Keyed { call, key, lasted } => {
                let began = now.mono.minus(lasted);
                self.keyed(call, (Key(key.0), Way::Info, began), now);
            }
            sip::Event::Alive { call } => self.step(call, Signal::Line(News::Alive), now),
            sip::Event::Unproven { call } => self.step(call, Signal::Line(News::Unproven), now),
            sip::Event::HungUp { call, q850 } => self.step(call, Signal::HungUp(q850), now),
            sip::Event::Lost { call, loss } => self.step(call, Signal::Lost(loss), now),
            sip::Event::Dialled { call, sip_call_id } => {
                if let Some(known) = self.calls.get_mut(&call) {
                    known.file.dialled(sip_call_id);
                }
            }
            sip::Event::Progress { call, status, body } => {
                self.step(call, Signal::Reply(Reply::Progress { status, body }), now);
            }
            sip::Event::Accepted { call, answer } => {
                self.step(call, Signal::Reply(Reply::Accepted(answer)), now);
            }
            sip::Event::Failed { call, failure } => {
                self.step(call, Signal::Reply(Reply::Failed(failure)), now);
            }
            sip::Event::Reachable { trunk, up } => {
                self.health.reachable(trunk, up);
                self.tell_of(trunk, up, "OPTIONS");
            }
            sip::Event::Troubled { trunk, trouble } => {
                if self.health.troubled(trunk, trouble) {
                    self.tell_trouble(trunk, trouble);
                }
            }
            sip::Event::Registered { trunk, registered, .. } => {
                self.health.registered(trunk, registered);
                self.tell_of(trunk, registered, "REGISTER");
            }
            sip::Event::OrphanEnded { call, answered } => {
                tracing::info!(%call, answered, "the carrier was told that an orphan is over");
                self.outputs.push_back(Output::Told(call));
            }
            sip::Event::Counted(sip::Counted::Shed) => {
                let overloaded = Refusal::Guard(Guard::Overloaded);
                self.outputs.push_back(Output::Note(Note::Refused(overloaded)));
            }
            sip::Event::Counted(counted) => {
                self.outputs.push_back(Output::Note(Note::Sip(counted)))
            }
        }
    }

    fn media(&mut self, event: media::Event, now: Now) {
        match event {
            media::Event::Digit { call, digit, way } => {
                self.keyed(call, (Key(digit), way.into(), now.mono), now);
            }
            media::Event::Fax { call } => self.fax(call),
            media::Event::Spoke { call, at } => {
                // The voice may have gone on for so long without another word of it.
                self.sign(call, at + media::Event::SPOKE_EVERY);
            }
            media::Event::Played { call, token } => self.step(call, Signal::Played(token), now),
            media::Event::Heard { call, at } => self.step(call, Signal::Line(News::Heard(at)), now),
            media::Event::Life { call, silence } => {
                self.step(call, Signal::Line(News::Life(silence)), now);
            }
            media::Event::Cut { call, at, overrun } => {
                self.step(call, Signal::Cut { at, overrun }, now);
            }
            media::Event::Closed { call, port, stats } => {
                self.ports.rest(port, now.mono);
                self.shards.forget(call);
                self.step(call, Signal::Closed(stats), now);
            }
        }
    }

    /// Takes news of the load. An INVITE that meets an overloaded node is refused by the endpoint,
    /// before anything of it is kept.
    fn loaded(&mut self, load: Load) {
        self.door.told(load, self.live);
    }

    /// Looks whether the node still takes calls, or takes them again.
    fn weigh(&mut self, now: Now) {
        if self.door.weigh(self.live, self.desk.pressing()) {
            let over = self.door.is_shut();
            self.order(sip::Command::Overload(over), now);
            self.outputs.push_back(Output::Note(Note::Overload(over)));
        }
    }

    fn provisioned(&mut self, directory: Arc<Directory>, now: Now) {
        let trunks = directory.trunks();
        if trunks != self.directory.trunks() {
            self.order(sip::Command::Trunks(trunks), now);
        }
        tracing::info!(revision = directory.revision(), "a directory was taken");
        self.directory = directory;
        self.end_stopped(now);
    }
}
