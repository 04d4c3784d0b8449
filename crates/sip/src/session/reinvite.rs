//! re-INVITE, and our answers to every change of a running session (RFC 3261 §14.2).

use bytes::Bytes;
use model::{CallId, Instant};

use crate::endpoint::{Endpoint, Event};
use crate::message::request::Echo;
use crate::message::wire::{Body, Lines, Value};
use crate::message::{Method, Name};
use crate::receive::Arrival;
use crate::session::invite::{Refused, description};
use crate::session::timer::{self, Terms};
use crate::session::{By, Call, Phase, Renegotiation, Waiting};
use crate::transaction::server_invite::{Invite, State};
use crate::transport::Flow;
use crate::trunk::identity;

/// Longest wait that a peer is asked for when two changes meet, seconds (RFC 3261 §14.2).
const GLARE_SECS: u32 = 10;

/// Which offer has no answer yet (RFC 3261 §14.2, RFC 3311 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// None.
    Clear,
    /// One of theirs.
    Theirs,
    /// One of ours, or the 200 OK of ours that answers theirs is still on the way.
    Ours,
}

impl Call {
    /// Returns what an offer by that method meets.
    fn standing(&self, method: Method) -> Standing {
        match &self.phase {
            Phase::Ringing(_) | Phase::Live(_) if self.asked.is_some() => Standing::Theirs,
            // The INVITE itself has no final answer.
            Phase::Ringing(_) if method == Method::Invite => Standing::Theirs,
            Phase::Ringing(ringing) => ringing.standing(),
            Phase::Live(live) if live.is_settled() => Standing::Clear,
            Phase::Live(_) => Standing::Ours,
        }
    }
}

impl Endpoint {
    /// Takes a re-INVITE.
    pub(crate) fn on_reinvite(&mut self, arrival: &Arrival<'_>, call: CallId, tag: &str) {
        let examined = self
            .examine_change(arrival, call)
            .and_then(|terms| Ok((terms, description(arrival.request.message, arrival.payload)?)));
        let echo = Echo::new(arrival.request.message, self.origin(arrival.flow), tag);
        let Some(echo) = echo.filter(|_| !self.is_full()) else {
            return self.deny(arrival, 500, &Lines::new());
        };
        let serial = self.next_serial();
        let row = Invite {
            key: arrival.key.clone(),
            flow: Flow { peer: echo.destination, ..arrival.flow },
            echo,
            call,
            cseq: arrival.request.cseq,
            mark: None,
            state: State::Proceeding { last: Bytes::new() },
        };
        self.invites.insert(serial, row);
        match examined {
            Ok((terms, offer)) => {
                self.answer_invite(serial, 100, &Lines::new(), None, arrival.now);
                self.propose(arrival, call, By::Invite(serial), offer, terms);
            }
            Err((status, extra)) => {
                self.answer_invite(serial, status, &extra, None, arrival.now);
                self.emit(Event::Alive { call });
            }
        }
    }

    /// Hands a change to the bridge.
    pub(crate) fn propose(
        &mut self,
        arrival: &Arrival<'_>,
        call: CallId,
        by: By,
        offer: Option<Bytes>,
        terms: Terms,
    ) {
        let renegotiation = Renegotiation {
            by,
            cseq: arrival.request.cseq,
            late: offer.is_none(),
            target: identity::contact(&arrival.request).map(Into::into),
            flow: arrival.flow,
            terms,
        };
        if let Some(call) = self.calls.get_mut(&call) {
            call.asked = Some(renegotiation);
        }
        self.emit(Event::Offered { call, offer });
    }

    /// Whether a change can be taken up just now, and the session timer that comes with it.
    pub(crate) fn examine_change(
        &mut self,
        arrival: &Arrival<'_>,
        id: CallId,
    ) -> Result<Terms, Refused> {
        let Some(call) = self.calls.get(&id) else { return Err((481, Lines::new())) };
        match call.standing(arrival.request.method) {
            Standing::Clear => {}
            Standing::Theirs => {
                let secs = self.chance.up_to(GLARE_SECS);
                return Err((500, Lines::new().with("Retry-After", &Value::shown(secs))));
            }
            Standing::Ours => return Err((491, Lines::new())),
        }
        let listed = arrival.request.message.first(Name::Allow).is_some();
        let updates =
            call.updates || listed && identity::lists(&arrival.request, Name::Allow, "UPDATE");
        Terms::negotiate(&arrival.request, self.settings.session_secs, updates)
            .map_err(|timer::TooSmall| (422, timer::min_se()))
    }

    /// Sends 200 OK to a change.
    pub(crate) fn accept_offer(&mut self, id: CallId, body: &Bytes, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return self.accept_early(id, body, now);
        };
        let Some(asked) = call.asked.take() else { return };
        if let Phase::Live(live) = &mut call.phase {
            live.sdp = body.clone();
        }
        let mut lines = self.words.offer(asked.flow.listener);
        asked.terms.write(&mut lines);
        match asked.by {
            By::Invite(serial) => {
                let flow = self.invites.row(serial).map_or(asked.flow, |row| row.flow);
                let response = self.answer_invite(serial, 200, &lines, Body::sdp(body), now);
                if let Some(response) = response {
                    let waiting = Waiting::again(response, flow, asked.cseq, asked.late, now);
                    self.watch(id, Some(waiting));
                }
            }
            By::Request(serial) => self.finish(serial, 200, &lines, Body::sdp(body), now),
        }
        self.wind(id, asked.terms.start(now));
        self.retarget(id, asked.target, asked.flow);
    }

    /// Refuses a change: the session goes on as it was.
    pub(crate) fn reject_offer(&mut self, call: CallId, status: u16, now: Instant) {
        let status = if (400..700).contains(&status) { status } else { 500 };
        let Some(known) = self.calls.get_mut(&call) else {
            return self.reject_early(call, status, now);
        };
        let Some(asked) = known.asked.take() else { return };
        match asked.by {
            By::Invite(serial) => {
                self.answer_invite(serial, status, &Lines::new(), None, now);
            }
            By::Request(serial) => self.finish(serial, status, &Lines::new(), None, now),
        }
    }

    /// Follows the peer to a new Contact (RFC 3261 §12.2.2).
    pub(crate) fn retarget(&mut self, id: CallId, target: Option<Box<str>>, flow: Flow) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let before = std::mem::replace(&mut call.dialog.flow, flow);
        self.streams.unbind(before, id);
        self.streams.bind(flow, id);
        if let Some(target) = target {
            call.dialog.target = target;
        }
    }
}
