//! Calls that we place (RFC 3261 §13.2): INVITE by one address of the trunk after the other, until
//! one answers.

use std::collections::VecDeque;

use bytes::Bytes;
use model::{CallId, Instant, TrunkId, limits};

use crate::answer::Departure;
use crate::dialog::{Dialog, Draft, Id};
use crate::endpoint::{Dial, Endpoint, Event, Failure};
use crate::locate::Targets;
use crate::message::wire::{self, Body, Lines, Value};
use crate::message::{Message, Method, Name, header};
use crate::session::attempt::{Abandoned, Attempt, Open, Stage};
use crate::session::invite::description;
use crate::session::prack::Order;
use crate::timers::Alarm;
use crate::transaction::client_invite::{Aim, Placed, State};
use crate::transaction::{Key, Row};
use crate::transport::Flow;
use crate::trouble::Trouble;
use crate::trunk::outgoing::{self, Ends};
use crate::trunk::redirect;

impl Endpoint {
    /// Places a call.
    pub(crate) fn dial(&mut self, dial: Dial, now: Instant) {
        let call = dial.call;
        let known = self.calls.contains_key(&call) || self.dialled.contains_key(&call);
        if known || self.unplaced.contains_key(&call) {
            tracing::warn!(%call, "call was dialled twice");
            return;
        }
        let many = self.calls.len() + self.attempts.len() + self.unplaced.len();
        if many >= limits::CALLS || self.is_full() {
            return self.failed(call, Failure::unsent(Trouble::Crowded));
        }
        match self.targets(dial.trunk) {
            Targets::Known(ways) => self.try_ways(dial, ways, now),
            Targets::Asked => {
                self.unplaced.insert(call, dial);
            }
            Targets::Nowhere => {
                let trouble = self.nowhere(dial.trunk);
                self.failed(call, Failure::unsent(trouble));
            }
        }
    }

    /// The ways to a trunk are known now, or known not to be: its calls that wait for that leave.
    pub(crate) fn located(&mut self, trunk: TrunkId, now: Instant) {
        let waiting = self.unplaced.iter().filter(|(_, dial)| dial.trunk == trunk);
        let waiting: Vec<_> = waiting.map(|(call, _)| *call).collect();
        for call in waiting {
            if let Some(dial) = self.unplaced.remove(&call) {
                self.dial(dial, now);
            }
        }
    }

    /// Tries one way after the other, among those that lead to an address of the trunk: from
    /// elsewhere we would not hear an answer.
    fn try_ways(&mut self, dial: Dial, ways: Vec<Flow>, now: Instant) {
        let own = |flow: &Flow| self.trunks.owns(dial.trunk, flow.peer.ip());
        let ways = ways.into_iter().filter(own).collect();
        self.try_next(dial, ways, now);
    }

    /// Sends INVITE to the next address; without one the call has failed.
    pub(crate) fn try_next(&mut self, dial: Dial, mut rest: VecDeque<Flow>, now: Instant) {
        let call = dial.call;
        let begun = rest.pop_front().and_then(|flow| self.begin_attempt(dial, flow, rest, now));
        if begun.is_none() {
            self.failed(call, Failure::unsent(Trouble::NoAddress));
        }
    }

    fn begin_attempt(
        &mut self,
        dial: Dial,
        flow: Flow,
        rest: VecDeque<Flow>,
        now: Instant,
    ) -> Option<()> {
        let trunk = self.trunks.active(dial.trunk)?;
        let mut ends = Ends::write(&dial, trunk.outbound.as_ref()?, trunk.trusted)?;
        if let Some(contact) = self.bound_at(trunk.id, flow) {
            ends.uri = outgoing::at_contact(&dial.called, contact)?;
        }
        let id = Id::placed(&self.chance.call_id(), &self.chance.tag());
        let mut template = Dialog::placed(&ends, id, flow);
        let (call, trunk) = (dial.call, dial.trunk);
        let patience = Some(now + dial.patience);
        let interval = match self.settings.session_secs {
            0 => 0,
            secs => secs.max(limits::MIN_SE_SECS),
        };
        let ends = ends.lines;
        let (raised, progressed, asked) = (false, false, None);
        let open = Open { dial, ends, interval, raised, rest, patience, progressed, asked };
        let serial = self.next_serial();
        let invite = self.invite(serial, &mut template, (&open, &Lines::new()), now)?;
        self.trunks.hold(trunk);
        self.emit(Event::Dialled { call, sip_call_id: template.id.call_id.to_string() });
        let stage = Stage::Open(Box::new(open));
        // What comes next goes by the same stream.
        let sent = self.placed.row(invite).filter(|row| row.flow.listener == flow.listener);
        template.flow = sent.map_or(flow, |row| row.flow);
        let (known, credentials) = (Box::default(), Lines::new());
        let legs = Vec::new();
        let attempt = Attempt { call, trunk, invite, template, legs, known, credentials, stage };
        self.tags.insert(attempt.template.id.local_tag.clone(), call);
        self.lay(serial, attempt);
        self.dialled.insert(call, serial);
        Some(())
    }

    /// Sends the INVITE of an attempt; returns its transaction.
    pub(crate) fn invite(
        &mut self,
        attempt: u64,
        template: &mut Dialog,
        (open, credentials): (&Open, &Lines),
        now: Instant,
    ) -> Option<u64> {
        let flow = template.flow;
        let mut extra = open.ends.clone();
        extra.append(credentials);
        extra.append(&self.words.offer(flow.listener));
        extra.append(&self.reliability_lines(open.dial.trunk));
        if open.interval > 0 {
            extra.push("Session-Expires", &Value::shown(open.interval));
            let least = if open.raised { open.interval } else { limits::MIN_SE_SECS };
            extra.push("Min-SE", &Value::shown(least));
        }
        let draft = template.draft_within(Method::Invite.name(), open.dial.max_forwards)?;
        let trunk = open.dial.trunk;
        let body = open.dial.offer.clone();
        Some(self.place((Aim::Attempt(attempt), trunk, flow), &draft, &extra, &body, now))
    }

    /// Sends the INVITE once more, with what was learnt: the same call to the peer, one number
    /// further.
    fn invite_again(&mut self, serial: u64, mut attempt: Attempt, now: Instant) {
        let trunk = attempt.trunk;
        let about = (Method::Invite.name(), &*attempt.template.target);
        let credentials = self.vouch(trunk, Some(&mut attempt.known), about);
        if let Stage::Open(open) = &attempt.stage {
            let sent = self.invite(serial, &mut attempt.template, (open, &credentials), now);
            attempt.invite = sent.unwrap_or(attempt.invite);
        }
        attempt.credentials = credentials;
        self.lay(serial, attempt);
    }

    /// Sends an INVITE; returns its transaction.
    pub(crate) fn place(
        &mut self,
        (aim, trunk, flow): (Aim, TrunkId, Flow),
        draft: &Draft<'_>,
        extra: &Lines,
        body: &Bytes,
        now: Instant,
    ) -> u64 {
        let branch = self.chance.branch();
        let departure = self.depart(flow, Some(trunk), |endpoint, flow| {
            let via = endpoint.via(flow, &branch);
            let lines = [&via, &draft.lines, extra, &endpoint.words.user_agent];
            wire::request(Method::Invite.name(), &draft.uri, &lines, Body::sdp(body))
        });
        let Departure { flow, request, fallback } = departure;
        let serial = self.next_serial();
        let key = Key::client(&branch);
        let state = State::start(now, self.is_reliable(flow.listener));
        let row =
            Placed { key, flow, aim, trunk, request: request.clone(), fallback, ack: None, state };
        self.timers.shift(Alarm::Placed(serial), None, row.due());
        self.placed.insert(serial, row);
        self.trunks.hold(trunk);
        self.streams.board(flow.connection, serial);
        self.transmit(flow, request);
        serial
    }

    /// A provisional answer came.
    pub(crate) fn progressed(
        &mut self,
        serial: u64,
        status: u16,
        (answer, payload): (&Message<'_>, &Bytes),
        now: Instant,
    ) {
        let Some(mut attempt) = self.lift(serial) else { return };
        match &attempt.stage {
            Stage::Open(_) => {
                self.progress((serial, &mut attempt), status, (answer, payload), now);
            }
            Stage::Abandoned(abandoned) if abandoned.until.is_none() => {
                let left = self.cancel(attempt.invite, *abandoned, now);
                attempt.stage = Stage::Abandoned(left);
            }
            Stage::Abandoned(_) | Stage::Answered => {}
        }
        self.lay(serial, attempt);
    }

    fn progress(
        &mut self,
        (serial, attempt): (u64, &mut Attempt),
        status: u16,
        (answer, payload): (&Message<'_>, &Bytes),
        now: Instant,
    ) {
        if let Stage::Open(open) = &mut attempt.stage {
            open.patience = None;
            open.progressed |= status > 100;
        }
        let order = match status {
            ..=100 => Order::Unnumbered,
            _ => self.acknowledge_provisional((serial, attempt), answer, now),
        };
        if order == Order::Out {
            return;
        }
        let tag = answer.first(Name::To).and_then(header::NameAddr::read);
        let tag = tag.and_then(|to| to.tag());
        let body = description(answer, payload).ok().flatten();
        if let Some(leg) = tag.filter(|_| status > 100).and_then(|tag| attempt.leg(tag)) {
            leg.agreed |= order == Order::Next && body.is_some();
            leg.early = body.clone().or(leg.early.take());
        }
        self.emit(Event::Progress { call: attempt.call, status, body });
    }

    /// A refusal came; it is acknowledged already.
    pub(crate) fn refused(&mut self, serial: u64, status: u16, answer: &Message<'_>, now: Instant) {
        let Some(mut attempt) = self.lift(serial) else { return };
        self.give_up_early(&mut attempt.stage, 487, now);
        let mut open = match attempt.stage {
            Stage::Open(open) => open,
            Stage::Abandoned(_) | Stage::Answered => return self.trunks.release(attempt.trunk),
        };
        let known = (attempt.trunk, &mut *attempt.known);
        let least = answer.first(Name::MinSe).and_then(header::seconds).map(|(secs, _)| secs);
        let raised = least.filter(|least| status == 422 && *least > open.interval && !open.raised);
        if let Some(least) = raised {
            (open.interval, open.raised) = (least, true);
        }
        if raised.is_some() || self.learn_challenge(known, status, answer, false) {
            attempt.stage = Stage::Open(open);
            return self.invite_again(serial, attempt, now);
        }
        self.trunks.release(attempt.trunk);
        self.undial(attempt.call, &attempt.template);
        if status == 503 && !open.rest.is_empty() {
            // Another address may take it (RFC 3263 §4.3).
            return self.try_next(open.dial, open.rest, now);
        }
        let allowed = self.trunks.active(attempt.trunk).and_then(|trunk| trunk.outbound.as_ref());
        let hosts = allowed.map_or(&[][..], |outbound| &outbound.redirect_hosts);
        let (contacts, foreign) = match status {
            300..=399 => redirect::contacts(answer, hosts),
            _ => (Vec::new(), 0),
        };
        for _ in 0..foreign {
            self.count(crate::endpoint::Counted::ForeignContact);
        }
        let failure = Failure {
            status,
            answered: true,
            progressed: open.progressed,
            trouble: None,
            q850: answer.all(Name::Reason).find_map(header::q850),
            retry_after_secs: answer.first(Name::RetryAfter).and_then(header::leading_number),
            contacts,
        };
        self.failed(attempt.call, failure);
    }

    /// The alarm of an attempt: its address has been silent too long, or it was cancelled and
    /// nothing more came.
    pub(crate) fn attempt_due(&mut self, serial: u64, now: Instant) {
        let Some(mut attempt) = self.attempts.remove(&serial) else { return };
        match attempt.stage {
            Stage::Open(open) => {
                // It may have been heard nevertheless: what comes of it is ended.
                let left = Abandoned { q850: None, until: None, hush: None };
                attempt.stage = Stage::Abandoned(left);
                self.undial(attempt.call, &attempt.template);
                self.hush(attempt.invite);
                self.lay(serial, attempt);
                self.silent(*open, Trouble::Silent, now);
            }
            Stage::Abandoned(abandoned @ Abandoned { until: None, .. }) => {
                self.hush(attempt.invite);
                attempt.stage = Stage::Abandoned(Abandoned { hush: None, ..abandoned });
                self.lay(serial, attempt);
            }
            Stage::Abandoned(Abandoned { until: Some(_), .. }) => {
                self.trunks.release(attempt.trunk);
                self.forget_placed(attempt.invite);
            }
            Stage::Answered => self.lay(serial, attempt),
        }
    }

    /// The transaction of an attempt is over.
    pub(crate) fn attempt_over(
        &mut self,
        serial: u64,
        (invite, trouble): (u64, Trouble),
        now: Instant,
    ) {
        if self.attempts.get(&serial).is_none_or(|attempt| attempt.invite != invite) {
            // Another INVITE of it is on its way.
            return;
        }
        let Some(mut attempt) = self.lift(serial) else { return };
        self.give_up_early(&mut attempt.stage, 487, now);
        self.trunks.release(attempt.trunk);
        match attempt.stage {
            Stage::Open(open) => {
                self.undial(attempt.call, &attempt.template);
                self.silent(*open, trouble, now);
            }
            Stage::Abandoned(_) | Stage::Answered => {}
        }
    }

    /// Nothing came from an address.
    fn silent(&mut self, open: Open, trouble: Trouble, now: Instant) {
        if !open.rest.is_empty() {
            return self.try_next(open.dial, open.rest, now);
        }
        self.failed(open.dial.call, Failure::unsent(trouble));
    }

    pub(crate) fn failed(&mut self, call: CallId, failure: Failure) {
        self.emit(Event::Failed { call, failure: Box::new(failure) });
    }
}

impl Failure {
    /// Nothing could be sent, or nothing came back.
    pub(crate) const fn unsent(trouble: Trouble) -> Self {
        Self {
            status: trouble.status(),
            answered: false,
            progressed: false,
            trouble: Some(trouble),
            q850: None,
            retry_after_secs: None,
            contacts: Vec::new(),
        }
    }
}
