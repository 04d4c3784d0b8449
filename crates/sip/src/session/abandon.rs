//! Giving up a call that we place: CANCEL, and what may cross it (RFC 3261 §9.1).

use model::{CallId, Instant, limits};

use crate::endpoint::Endpoint;
use crate::message::wire::Lines;
use crate::message::{Method, follow};
use crate::session::accept::reason;
use crate::session::attempt::{Abandoned, Stage};
use crate::timers::Alarm;
use crate::transaction::Row;
use crate::transaction::client::{self, Asked, Purpose};
use crate::transaction::client_invite;

impl Endpoint {
    /// Gives up a call that has no final answer. Nothing more is told of it.
    pub(crate) fn abandon(&mut self, call: CallId, q850: Option<u8>, now: Instant) {
        self.unplaced.remove(&call);
        let Some(serial) = self.dialled.remove(&call) else { return };
        let Some(mut attempt) = self.lift(serial) else { return };
        self.undial(attempt.call, &attempt.template);
        self.give_up_early(&mut attempt.stage, 487, now);
        let hush = match &attempt.stage {
            Stage::Open(open) => open.patience,
            Stage::Abandoned(_) | Stage::Answered => None,
        };
        let left = Abandoned { q850, until: None, hush };
        let heard = self.placed.row(attempt.invite).is_some_and(|row| match row.state {
            client_invite::State::Proceeding { .. } => true,
            // Nothing came: a CANCEL might overtake its INVITE. It leaves with the first 1xx.
            client_invite::State::Calling { .. }
            | client_invite::State::Completed { .. }
            | client_invite::State::Accepted { .. } => false,
        });
        let left = if heard { self.cancel(attempt.invite, left, now) } else { left };
        attempt.stage = Stage::Abandoned(left);
        self.lay(serial, attempt);
    }

    /// Sends CANCEL for an INVITE.
    pub(crate) fn cancel(&mut self, invite: u64, left: Abandoned, now: Instant) -> Abandoned {
        let left = Abandoned { hush: None, ..left };
        let Some(row) = self.placed.row(invite) else { return left };
        let mut extra = Lines::new();
        if let Some(cause) = left.q850 {
            extra.push("Reason", &reason(cause));
        }
        let until = Some(now + limits::SIP_GIVE_UP);
        let Some(request) = follow::cancel(&row.request, &extra) else {
            return Abandoned { until, ..left };
        };
        let (key, flow, trunk) = (row.key.clone(), row.flow, row.trunk);
        let serial = self.next_serial();
        let fallback = None;
        let state = client::State::start(now, self.is_reliable(flow.listener));
        let row = Asked {
            key,
            flow,
            purpose: Purpose::Cancel,
            method: Method::Cancel.name(),
            trunk: Some(trunk),
            request: request.clone(),
            fallback,
            state,
        };
        self.timers.shift(Alarm::Client(serial), None, row.due());
        self.asked.insert(serial, row);
        self.trunks.hold(trunk);
        self.streams.board(flow.connection, serial);
        self.transmit(flow, request);
        Abandoned { until, ..left }
    }
}
