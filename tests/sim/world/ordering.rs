//! Calls out: the orders are given, and what becomes of them is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bridge::outbound::{By, DialOut, Options, Placed};
use bridge::{Input, StoreRequest};
use credits::{Command, HoldState};
use model::{CallId, UserId};

use super::World;
use crate::callee::Carrier;
use crate::caller::{header, is_request, message, method_of, status_of};
use crate::check::Truth;
use crate::network::Packet;
use crate::plan::{OrderPlan, Plan, Whence, number};
use crate::scene;

/// The longest that an order may be without its answer, µs: the store's patience.
const ANSWERED_WITHIN: u64 = 5_100_000;

/// An order that was given.
#[derive(Debug)]
pub struct Given {
    /// The place of its order in the plan.
    pub order: usize,
    /// When, µs.
    pub at: u64,
    /// Crashes before it.
    pub life: usize,
    /// When it was answered, µs.
    pub told: Option<u64>,
    /// What was placed.
    pub calls: Vec<CallId>,
}

/// All that is known of calls out.
#[derive(Debug)]
pub struct Calls {
    /// The trunks that they leave by.
    pub carriers: Vec<Carrier>,
    /// The orders, by their requests.
    pub given: BTreeMap<u64, Given>,
    /// What was seen on the wire of each dialog, by Call-ID and the callee's tag.
    pub truths: BTreeMap<(String, String), Truth>,
    /// What the book was told of the dialog of each answered call.
    pub dialogs: BTreeMap<CallId, String>,
    /// The calls for which a hold was asked.
    pub asked: BTreeSet<CallId>,
    /// The calls that ever had a place in a meeting.
    pub seated: BTreeSet<CallId>,
    /// The dialogs that we ended by BYE.
    pub ended: BTreeSet<(String, String)>,
    rung: BTreeSet<String>,
    next: usize,
    hang_ups: BTreeSet<(u64, CallId)>,
}

impl Calls {
    pub(super) fn new(plan: &Plan) -> Self {
        let carrier = |place| Carrier::new(place, &plan.calling, scene::GATEWAY);
        Self {
            carriers: (0..2).map(carrier).collect(),
            given: BTreeMap::new(),
            truths: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            asked: BTreeSet::new(),
            seated: BTreeSet::new(),
            ended: BTreeSet::new(),
            rung: BTreeSet::new(),
            next: 0,
            hang_ups: BTreeSet::new(),
        }
    }

    /// Whether every order was given and nothing goes on at any trunk.
    pub(super) fn is_idle(&self, plan: &Plan) -> bool {
        self.next == plan.calling.orders.len() && self.carriers.iter().all(Carrier::is_idle)
    }

    pub(super) fn next(&self, plan: &Plan) -> Option<u64> {
        let order = plan.calling.orders.get(self.next).map(|order| order.at_ms * 1_000);
        let hang_up = self.hang_ups.first().map(|(at, _)| *at);
        let carrier = self.carriers.iter().filter_map(Carrier::next).min();
        [order, hang_up, carrier].into_iter().flatten().min()
    }
}

impl World {
    /// Gives the orders that are due, ends what is to be ended, and lets the trunks act.
    pub(super) fn call_out(&mut self, out: &mut Vec<Packet>) -> Result<(), String> {
        while let Some(order) = self.plan.calling.orders.get(self.calls.next).cloned()
            && order.at_ms * 1_000 <= self.now
        {
            let at = self.calls.next;
            self.calls.next += 1;
            self.give(at, &order)?;
        }
        while let Some((at, call)) = self.calls.hang_ups.first().copied()
            && at <= self.now
        {
            self.calls.hang_ups.pop_first();
            self.feed(Input::HangUp(call))?;
        }
        for carrier in &mut self.calls.carriers {
            if carrier.next().is_some_and(|at| at <= self.now) {
                carrier.act(self.now, out);
            }
        }
        Ok(())
    }

    /// An order is answered: once, in time, each number of it.
    pub(super) fn placed(&mut self, placed: &Placed) -> Result<(), String> {
        self.say(format!("placed: {:?}", placed.calls));
        let (now, life) = (self.now, self.crashed.len());
        let Some(given) = self.calls.given.get_mut(&placed.request) else {
            return Err(format!("order {} was never given", placed.request));
        };
        if given.life != life || given.told.is_some() {
            return Err(format!("order {} was answered twice", placed.request));
        }
        if now > given.at + ANSWERED_WITHIN {
            return Err(format!("order {} was answered late", placed.request));
        }
        given.told = Some(now);
        given.calls = placed.calls.iter().filter_map(|call| call.as_ref().ok().copied()).collect();
        let plan = &self.plan.calling.orders[given.order];
        if placed.calls.len() != plan.callees.len() + usize::from(plan.barred.is_some()) {
            return Err(format!("order {} has other numbers", placed.request));
        }
        if plan.barred.is_some() && placed.calls[0].is_ok() {
            return Err(format!("order {} called what is barred", placed.request));
        }
        if plan.whence == Whence::Unlicensed && !given.calls.is_empty() {
            return Err(format!("order {} called without a licence", placed.request));
        }
        if let Some(after) = plan.hung_up_ms {
            let hang_ups = given.calls.iter().map(|call| (now + after * 1_000, *call));
            self.calls.hang_ups.extend(hang_ups);
        }
        Ok(())
    }

    /// Invariant 17: who asks for a hold has a recorded yes.
    pub(super) fn asks(&mut self, request: &StoreRequest) -> Result<(), String> {
        match &request.command {
            Command::Place { leg, .. } if leg.cdr.number_type.is_none() => {
                self.calls.asked.insert(leg.call);
                let decision = leg.cdr.decision.as_ref();
                let yes = decision.is_some_and(|decision| {
                    decision.allowed && !decision.rule.is_empty() && !decision.version.is_empty()
                });
                if !yes {
                    return Err(format!("leg {} asks for money without a yes", leg.call));
                }
            }
            Command::Answered { leg } if self.calls.asked.contains(&leg.call) => {
                self.calls.dialogs.insert(leg.call, leg.dialog.clone());
            }
            Command::Open { .. }
            | Command::Place { .. }
            | Command::Answered { .. }
            | Command::Roll { .. }
            | Command::Close { .. }
            | Command::Release { .. }
            | Command::TopUp { .. }
            | Command::Inquire { .. } => {}
        }
        Ok(())
    }

    /// A message of ours leaves for a trunk: no INVITE without an open hold.
    pub(super) fn leaves_for_trunk(&mut self, text: &str) -> Result<(), String> {
        let id = header(text, "Call-ID").unwrap_or_default();
        if method_of(text) == "BYE" {
            let tag = tag_of(text, "To");
            self.witness_dialled(&id, &tag, Truth::end);
            self.calls.ended.insert((id.clone(), tag));
        }
        if method_of(text) != "INVITE" || !tag_of(text, "To").is_empty() {
            return Ok(());
        }
        if !self.calls.rung.insert(id) {
            return Ok(());
        }
        let uri = text.split(' ').nth(1).unwrap_or("").trim_start_matches("sip:");
        let called = uri.split('@').next().unwrap_or("");
        let book = &self.keeper.book;
        let paid = book.open_legs().into_iter().any(|leg| {
            let called = leg.cdr.called.as_ref().is_some_and(|did| did.full() == called);
            let case = book.case(&leg.call.to_string()).filter(|_| called && leg.terms.is_some());
            let holds = case.map(|case| case.holds).unwrap_or_default();
            holds.iter().any(|hold| hold.state == HoldState::Open)
        });
        if paid { Ok(()) } else { Err(format!("{called} is called without a hold")) }
    }

    /// A message of a trunk arrives.
    pub(super) fn comes_from_trunk(&mut self, text: &str) {
        let id = header(text, "Call-ID").unwrap_or_default();
        if is_request(text) {
            if method_of(text) == "BYE" {
                self.witness_dialled(&id, &tag_of(text, "From"), Truth::end);
            }
        } else if status_of(text).is_some_and(|status| (200..300).contains(&status))
            && header(text, "CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"))
        {
            self.witness_dialled(&id, &tag_of(text, "To"), Truth::answer);
        }
    }

    fn witness_dialled(&mut self, id: &str, tag: &str, note: impl Fn(&mut Truth, u64)) {
        let truth = self.calls.truths.entry((id.to_owned(), tag.to_owned())).or_default();
        note(truth, self.now);
    }

    fn give(&mut self, at: usize, order: &OrderPlan) -> Result<(), String> {
        if self.node.is_none() {
            return Ok(()); // nobody is there to take it
        }
        let request = 1 + u64::try_from(at).unwrap_or(0);
        let life = self.crashed.len();
        let given = Given { order: at, at: self.now, life, told: None, calls: Vec::new() };
        self.calls.given.insert(request, given);
        let barred = order.barred.map(|barred| barred.typed().to_owned());
        let numbers = (0..order.callees.len()).map(|place| typed(at, place));
        let numbers: Vec<_> = barred.into_iter().chain(numbers).collect();
        self.say(format!("order {request}: {} numbers, {:?}", numbers.len(), order.whence));
        let by = match order.whence {
            Whence::Paid if order.call_me => By::User(UserId::from_name("paid")),
            Whence::Paid | Whence::Included | Whence::Elsewhere | Whence::Unlicensed => {
                By::Operator
            }
        };
        self.feed(Input::DialOut(Box::new(DialOut {
            request,
            meeting: scene::whence(order.whence),
            numbers,
            by,
            options: Options {
                press_one: Some(order.press_one),
                ring: Some(Duration::from_secs(order.ring_secs)),
                call_me: order.call_me,
                withheld: false,
            },
        })))
    }
}

/// A number as somebody types it: every other one as they do at home.
fn typed(order: usize, place: usize) -> String {
    let number = number(order, place);
    if place % 2 == 1 { number.replace("+39011", "011 ") } else { number }
}

fn tag_of(text: &str, name: &str) -> String {
    message::tag(&header(text, name).unwrap_or_default())
}
