//! Calls of ours: an order becomes calls, or refusals with a record each.

use std::sync::Arc;

use credits::{Command, Terms};
use model::record::{CallType, Cdr};
use model::{CallId, Did, E164, Money, Now, limits, numbering};
use rand_chacha::rand_core::Rng;

use crate::Bridge;
use crate::call::file::{File, Outgoing, Payer, micros};
use crate::call::keys::Presses;
use crate::call::reserving::Reserving;
use crate::call::{Call, Signal, State, Withdrawal};
use crate::desk::{Errand, Owner, Question};
use crate::directory::Hosted;
use crate::ending::Cause;
use crate::outbound::decision::{self, Facts, Granted, Trail};
use crate::outbound::{By, Denied, DialOut, NUMBERS_MAX, Options, RING_LIMITS};
use crate::output::{Note, Output};
use crate::refusal::{Guard, Refusal};

/// Most open questions at which a refused number still gets a record.
const RECORDED: usize = 1024;

/// How far a call of ours has come, as its order sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The book is asked.
    Asked,
    /// It is on its way, or answered.
    Left,
    /// The called person is in the meeting.
    Joined,
    /// It is over for the called person.
    Over,
}

/// One number of an order.
struct Item<'a> {
    /// The order's number and the place in it.
    place: (u64, usize),
    typed: &'a str,
    by: By,
    options: Options,
}

impl Bridge {
    /// Takes an order. What becomes of it is told once, by [`Output::Placed`].
    pub(crate) fn dial_out(&mut self, order: &DialOut, now: Now) {
        self.take_order(Some(order.request), order, now);
    }

    /// Calls everybody on a meeting's own list: it has begun.
    pub(crate) fn call_list(&mut self, host: &Hosted, now: Now) {
        for listed in &host.meeting.dial_out.calls {
            let order = DialOut {
                request: 0,
                meeting: host.meeting.id,
                numbers: listed.numbers.clone(),
                by: By::Meeting,
                options: Options { press_one: listed.press_one, ..Options::default() },
            };
            self.take_order(None, &order, now);
        }
    }

    /// A step of a call of ours is over: its order, its trunk and the others learn what changed.
    pub(crate) fn follow(&mut self, id: CallId, (before, after): (Stage, Stage)) {
        if before == after {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let trunk = call.file.trunk.id;
        let meeting = call.file.host.as_ref().map(|host| host.meeting.id);
        let Some(outgoing) = &mut call.file.outgoing else { return };
        let place = outgoing.order;
        match after {
            Stage::Asked => {}
            Stage::Left => self.note_placed(place, Ok(id)),
            Stage::Joined => {
                self.note_placed(place, Ok(id));
                let withdrawn = || Signal::Withdrawn(Withdrawal::JoinedElsewhere);
                let others = self.orders.others(place.0, id).into_iter();
                self.signals.extend(others.map(|other| (other, withdrawn())));
            }
            Stage::Over => {
                if std::mem::take(&mut outgoing.counted) {
                    self.health.ended(trunk);
                }
                let denied = outgoing.denied.take();
                let number = outgoing.number;
                if let Some(meeting) = meeting {
                    self.called.remove(&(meeting, number));
                }
                let denied = denied.unwrap_or_else(|| Refusal::Withdrawn.into());
                self.note_placed(place, Err(denied));
                self.orders.leave(place.0, id);
            }
        }
    }

    /// Counts what a call of ours holds or asks for, if that changed, and what it cost once it is over.
    pub(crate) fn spend(&mut self, id: CallId, changed: bool, now: Now) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(price) = call.file.price else { return };
        let cost = |secs: u64| credits::charge(&price.rate, secs).unwrap_or(Money::ZERO);
        let used = call.file.answered.map_or(Money::ZERO, |_| {
            let connected = micros(call.file.connected(now.mono));
            cost(credits::billed_secs(price.rate.rounding, connected))
        });
        if changed {
            let secs = call.file.bespoken_secs();
            let held = if secs == 0 { Money::ZERO } else { cost(secs.into()) };
            self.budgets.holds(id, held, used, now.mono);
        }
        if !call.state.is_live() {
            self.budgets.end(id, used, now.mono);
        }
        if matches!(call.state, State::Over) {
            self.budgets.leave(id);
        }
    }

    fn take_order(&mut self, request: Option<u64>, order: &DialOut, now: Now) {
        let fits = (1..=NUMBERS_MAX).contains(&order.numbers.len());
        let numbers = if fits { &order.numbers[..] } else { &[] };
        let number = self.orders.take(request, numbers.len().max(1));
        let Some(host) = self.directory.meeting(order.meeting).filter(|_| fits) else {
            let refusal = if fits { Refusal::UnknownMeeting } else { Refusal::MalformedNumber };
            for place in 0..numbers.len().max(1) {
                self.refused(refusal);
                self.note_placed((number, place), Err(refusal.into()));
            }
            return;
        };
        for (place, typed) in numbers.iter().enumerate() {
            let (by, options) = (order.by, order.options);
            self.place(&host, &Item { place: (number, place), typed, by, options }, now);
        }
    }

    fn place(&mut self, host: &Arc<Hosted>, item: &Item<'_>, now: Now) {
        let call =
            CallId(u128::from(self.chance.next_u64()) << 64 | u128::from(self.chance.next_u64()));
        let (trail, decided) = match self.shut() {
            Some(refusal) => (Trail::default(), Err(refusal.into())),
            None => self.decide(host, item, now),
        };
        match decided {
            Ok(granted) => self.begin(call, host, (item, trail, granted), now),
            Err(denied) => {
                self.refused(denied.refusal);
                self.record_refused(call, host, &trail, &denied, now);
                self.note_placed(item.place, Err(denied));
            }
        }
    }

    fn decide(
        &mut self,
        host: &Hosted,
        item: &Item<'_>,
        now: Now,
    ) -> (Trail, Result<Granted, Denied>) {
        let meeting = &host.meeting;
        let facts = Facts {
            directory: &self.directory,
            health: &self.health,
            budgets: &self.budgets,
            host,
            by: item.by,
            options: item.options,
            has_place: self.conferences.has_place(meeting.id, meeting.participants_max),
            slice_secs: self.settings.slice_secs,
            now,
        };
        let called = &self.called;
        let is_called = |number: &_| called.contains(&(meeting.id, *number));
        decision::decide(&facts, item.typed, is_called, &mut self.chance)
    }

    fn begin(
        &mut self,
        id: CallId,
        host: &Arc<Hosted>,
        (item, trail, granted): (&Item<'_>, Trail, Granted),
        now: Now,
    ) {
        let Granted { called, routes, charged, price, class, first_secs } = granted;
        let Some(first) = routes.front() else { return };
        let rules = host.dial_out();
        let ring = item.options.ring.unwrap_or(rules.ring()).clamp(RING_LIMITS.0, RING_LIMITS.1);
        let file = File {
            call: id,
            sip_call_id: id.to_string(),
            caller: Some(first.shown.clone()),
            withheld: None,
            vouched: model::Vouched::Nothing,
            called: Some(Did::E164(called)),
            lines: Vec::new(),
            trunk: Arc::clone(&first.trunk),
            private: false,
            keys: None,
            number: None,
            language: self.language_for(&called),
            invited: now,
            answered: None,
            port: None,
            speaks_early: false,
            open: false,
            host: None,
            outgoing: Some(Outgoing {
                order: item.place,
                number: called,
                press_one: item.options.press_one.unwrap_or(rules.press_one),
                ring,
                dialled: now.mono,
                rang: None,
                withheld: item.options.withheld,
                counted: false,
                first_secs,
                denied: None,
                attempts: Vec::new(),
            }),
            payer: Payer::Nobody,
            held: false,
            funded_secs: 0,
            asked_secs: 0,
            asking_secs: None,
            price: Some(price),
            reasons: trail.reasons,
            decision: trail.decision,
            token: 0,
            speaking_until: now.mono,
            presses: Presses::default(),
            listening: false,
        };
        tracing::info!(call = %id, called = %called, meeting = %host.meeting.name, "a call is placed");
        self.outputs.push_back(Output::Note(Note::CallBegan { call: id }));
        self.calls.insert(id, Call { file, state: State::Over, alarm: None });
        self.orders.join(item.place.0, id);
        self.called.insert((host.meeting.id, called));
        self.budgets.enter(id, charged, now.mono);
        let terms = Terms { account: host.organization.id.account(), rate: price.rate, class };
        self.run(id, now, |_, file, turn| {
            file.host = Some(Arc::clone(host));
            Reserving::begin(terms, routes, file, turn)
        });
        if self.calls.get(&id).is_some_and(|call| call.state.is_live()) {
            self.live += 1;
        } else {
            self.follow(id, (Stage::Asked, Stage::Over));
        }
    }

    /// Returns the language that is spoken where the number leads, if there are recordings of it;
    /// else the first one. A meeting has no language of its own.
    fn language_for(&self, called: &E164) -> u8 {
        let country = numbering::place(called).country;
        let spoken = |tag: &str| {
            let region = tag.split_once('-').map(|(_, region)| region);
            region.zip(country).is_some_and(|(region, country)| region == country.code())
        };
        let found = self.settings.prompts.languages().position(spoken);
        found.and_then(|index| u8::try_from(index).ok()).unwrap_or(0)
    }

    /// Why no call is placed at all just now.
    fn shut(&self) -> Option<Refusal> {
        if self.closing.is_closing() {
            return Some(Refusal::Draining);
        }
        if self.door.is_shut() {
            return Some(Refusal::Guard(Guard::Overloaded));
        }
        let full = self.live >= self.settings.calls_max || self.calls.len() >= limits::CALLS;
        full.then_some(Refusal::NodeFull)
    }

    fn refused(&mut self, refusal: Refusal) {
        self.outputs.push_back(Output::Note(Note::Refused(refusal)));
        let outcome = refusal.label();
        self.outputs.push_back(Output::Note(Note::DialOut { outcome }));
    }

    /// Writes down a number that was not called: who asked, what was decided, nothing charged.
    fn record_refused(
        &mut self,
        call: CallId,
        host: &Hosted,
        trail: &Trail,
        denied: &Denied,
        now: Now,
    ) {
        if self.desk.owed() >= RECORDED {
            return;
        }
        let cdr = Cdr {
            called: trail.called.map(Did::E164),
            meeting: Some(host.meeting.id),
            organizer: Some(host.organizer.id),
            organization: Some(host.organization.id),
            ending: Cause::Refused(denied.refusal).ending(&[], false),
            reasons: trail.reasons.clone(),
            decision: trail.decision.clone(),
            ..Cdr::begun(call, CallType::Out, now.unix)
        };
        let question = Question {
            owner: Owner::Call(call),
            errand: Errand::End,
            command: Command::Release { cdr: Box::new(cdr) },
            may_wait: true,
            patience: None,
        };
        let request = self.desk.ask(question);
        self.outputs.extend(request.map(Output::Store));
    }

    fn note_placed(&mut self, place: (u64, usize), outcome: Result<CallId, Denied>) {
        let placed = self.orders.note(place, outcome);
        self.outputs.extend(placed.map(Output::Placed));
    }
}
