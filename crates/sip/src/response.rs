//! Where an answer to a request of ours goes.

use bytes::Bytes;
use model::{Instant, TrunkId, limits};

use crate::endpoint::{Counted, Endpoint};
use crate::message::{Message, Method, Name, follow, header};
use crate::timers::Alarm;
use crate::transaction::client::{self, Purpose};
use crate::transaction::client_invite::{self, Aim, State};
use crate::transaction::{Key, Row};
use crate::transport::Flow;
use crate::trouble::Trouble;

impl Endpoint {
    /// Takes an answer.
    pub(crate) fn on_response(
        &mut self,
        message: &Message<'_>,
        status: u16,
        payload: &Bytes,
        now: Instant,
    ) {
        let branch = message.elements(Name::Via).next().and_then(header::Via::read);
        let Some(key) = branch.and_then(|via| via.branch()).map(Key::client) else { return };
        let method = message.first(Name::CSeq).and_then(header::cseq).map(|(_, method)| method);
        if method == Some("INVITE") {
            if let Some(serial) = self.placed.find(&key) {
                self.on_invite_answer(serial, status, (message, payload), now);
            }
            return;
        }
        // A stray or repeated answer: nothing waits for it.
        let Some(serial) = self.asked.find(&key) else { return };
        if self.asked.row(serial).map(|row| row.method) != method {
            return;
        }
        let input = if status < 200 { client::Input::Provisional } else { client::Input::Final };
        if let Some(purpose) = self.step_asked(serial, input, now) {
            self.on_final(purpose, status, Some(message), now);
        }
    }

    /// The timer of a request of ours.
    pub(crate) fn client_due(&mut self, serial: u64, now: Instant) {
        if let Some(purpose) = self.step_asked(serial, client::Input::Due, now) {
            // Silence counts as 408 (RFC 3261 §8.1.3.1).
            self.on_final(purpose, 408, None, now);
        }
    }

    pub(crate) fn on_final(
        &mut self,
        purpose: Purpose,
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        if answer.is_some_and(|answer| self.asked_again(&purpose, status, answer, now)) {
            return;
        }
        match purpose {
            Purpose::Bye(farewell) => self.on_farewell(farewell, status, answer, now),
            Purpose::Cancel | Purpose::Prack(_) => {}
            Purpose::Health(trunk) => self.probed(trunk, status, now),
            Purpose::Register(trunk) => self.registered(trunk, status, answer, now),
            Purpose::Orphan(orphan) => self.orphan_over(*orphan, status, answer, now),
            Purpose::Ping(call, way) => self.pinged((call, way), status, answer, now),
            Purpose::Refresh(call) => {
                self.refreshed((call, Method::Update), status, answer, now);
            }
        }
    }

    /// An answer to an INVITE of ours. A faulty one is none, unless it refuses: that is acknowledged
    /// whatever else stands in it.
    fn on_invite_answer(
        &mut self,
        serial: u64,
        status: u16,
        (message, payload): (&Message<'_>, &Bytes),
        now: Instant,
    ) {
        let Some(row) = self.placed.row(serial) else { return };
        let (aim, open) = (row.aim, row.state.is_open());
        let refused = matches!(row.state, State::Completed { .. });
        if message.fault.is_some() && status < 300 {
            return self.count(Counted::Malformed);
        }
        let input = match status {
            ..200 => client_invite::Input::Provisional(match aim {
                Aim::Attempt(_) => None,
                Aim::Change(..) => Some(now + limits::SIP_GIVE_UP),
            }),
            200..300 => client_invite::Input::Success,
            300.. => match follow::ack(&row.request, message) {
                Some(ack) => client_invite::Input::Refusal(ack),
                None => return self.count(Counted::Malformed),
            },
        };
        self.step_placed(serial, input, now);
        let attempt = match aim {
            Aim::Attempt(attempt) => attempt,
            Aim::Change(call, why) => {
                if (200..300).contains(&status) && !refused {
                    self.renewed(serial, open);
                }
                if open && (200..300).contains(&status) {
                    self.renewal_answered(call, (message, payload));
                }
                if open && status >= 200 {
                    self.renewal_over((serial, call, why), status, Some(message), now);
                }
                return;
            }
        };
        match status {
            ..200 if open => self.progressed(attempt, status, (message, payload), now),
            200..300 if !refused => self.answered(attempt, (message, payload), now),
            300.. if open => self.refused(attempt, status, message, now),
            _ => self.count(Counted::Retransmission),
        }
    }

    /// The timer of an INVITE of ours.
    pub(crate) fn placed_due(&mut self, serial: u64, now: Instant) {
        self.step_placed(serial, client_invite::Input::Due, now);
    }

    /// Moves an INVITE client transaction.
    pub(crate) fn step_placed(&mut self, serial: u64, input: client_invite::Input, now: Instant) {
        let Some(mut row) = self.placed.take(serial) else { return };
        let timed = matches!(input, client_invite::Input::Due);
        let (flow, before, open) = (row.flow, row.due(), row.state.is_open());
        let step = row.state.step(input, &row.request, now);
        let due = step.state.as_ref().and_then(State::due);
        self.timers.shift(Alarm::Placed(serial), before, due);
        if let Some(payload) = step.send {
            if timed {
                self.count(Counted::Resent);
            }
            self.transmit(flow, payload);
        }
        let Some(state) = step.state else {
            self.close_placed(serial, &row.key, (row.flow, row.trunk));
            return self.placed_over((serial, row.aim, open), Trouble::Silent, now);
        };
        if matches!(state, State::Accepted { .. }) {
            row.request = Bytes::new();
        }
        row.state = state;
        self.placed.put(serial, row);
    }

    /// An INVITE of ours is over; `open` tells that no final answer came.
    fn placed_over(
        &mut self,
        (serial, aim, open): (u64, Aim, bool),
        trouble: Trouble,
        now: Instant,
    ) {
        match aim {
            Aim::Attempt(attempt) => self.attempt_over(attempt, (serial, trouble), now),
            Aim::Change(call, why) if open => {
                self.renewal_over((serial, call, why), trouble.status(), None, now);
            }
            Aim::Change(..) => {}
        }
    }

    /// An INVITE of ours is not sent again: nobody waits for it, and nothing ever came. What comes
    /// nevertheless is dealt with until its transaction ends.
    pub(crate) fn hush(&mut self, serial: u64) {
        let Some(mut row) = self.placed.take(serial) else { return };
        let before = row.due();
        row.state = row.state.hushed();
        row.fallback = None;
        self.timers.shift(Alarm::Placed(serial), before, row.due());
        self.placed.put(serial, row);
    }

    /// Forgets an INVITE of ours.
    pub(crate) fn forget_placed(&mut self, serial: u64) {
        let Some(row) = self.placed.take(serial) else { return };
        self.timers.shift(Alarm::Placed(serial), row.due(), None);
        self.close_placed(serial, &row.key, (row.flow, row.trunk));
    }

    fn close_placed(&mut self, serial: u64, key: &Key, (flow, trunk): (Flow, TrunkId)) {
        self.placed.close(key);
        self.streams.alight(flow.connection, serial);
        self.trunks.release(trunk);
    }

    /// The connection is gone that an INVITE of ours went by: if nothing came yet, it is sent once
    /// more another way, else it counts as answered by 503 (RFC 3261 §8.1.3.1). An answer may still
    /// come to where its Via leads.
    pub(crate) fn invite_lost(&mut self, serial: u64, trouble: Trouble, now: Instant) {
        let Some(mut row) = self.placed.take(serial) else { return };
        if !matches!(row.state, State::Calling { .. }) {
            return self.placed.put(serial, row);
        }
        let before = row.due();
        let Some((mut flow, request)) = row.fallback.take() else {
            self.timers.shift(Alarm::Placed(serial), before, None);
            self.close_placed(serial, &row.key, (row.flow, row.trunk));
            return self.placed_over((serial, row.aim, true), trouble, now);
        };
        flow.connection = self.connect(flow, Some(row.trunk));
        row.state = State::start(now, self.is_reliable(flow.listener));
        (row.flow, row.request) = (flow, request.clone());
        self.timers.shift(Alarm::Placed(serial), before, row.due());
        self.placed.put(serial, row);
        self.streams.board(flow.connection, serial);
        self.transmit(flow, request);
    }
}
