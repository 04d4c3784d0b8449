//! Our provisional answers, as far as their arrival is made certain (RFC 3262): each is repeated until
//! its PRACK, one at a time. Our SDP may stand in one, and then be agreed on before the answer.

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, Reliability, TrunkId, limits};

use crate::endpoint::{Endpoint, Event, Loss};
use crate::message::wire::{Body, Lines, Value};
use crate::message::{Name, Request, header};
use crate::receive::Arrival;
use crate::session::accept::Refusal;
use crate::session::invite::description;
use crate::session::prack::RELIABLE;
use crate::session::reinvite::Standing;
use crate::session::timer::Terms;
use crate::session::{By, Call, Phase};
use crate::timers::Alarm;
use crate::transport::Flow;
use crate::trunk::identity;

/// Which of our provisional answers the caller acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Certainty {
    /// Those without SDP.
    pub(crate) rung: bool,
    /// Those with SDP.
    pub(crate) spoken: bool,
}

/// A call of the peer's that has no final answer.
#[derive(Debug)]
pub(crate) struct Ringing {
    /// Its transaction.
    pub(crate) invite: u64,
    /// Whether the INVITE brought no offer.
    pub(crate) late: bool,
    pub(crate) terms: Terms,
    pub(crate) certain: Certainty,
    /// Number of our last reliable answer.
    rseq: Option<u32>,
    /// The one that waits for its PRACK.
    reliable: Option<Reliable>,
    /// SDP that leaves after that PRACK.
    next: Option<Bytes>,
    early: Early,
    /// SDP of a 200 OK that waits for the PRACK of what was said before.
    pub(crate) held: Option<Bytes>,
    /// When the caller wants no answer any more (RFC 3261 §13.3.1).
    pub(crate) expires: Option<Instant>,
}

/// How far SDP has come before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    /// None of ours has left.
    Nothing,
    /// Ours has left; whether it came is not known.
    Told,
    /// Ours has come, and answers theirs or is answered.
    Agreed,
}

/// An answer of ours that waits for its PRACK.
#[derive(Debug)]
pub(crate) struct Reliable {
    rseq: u32,
    cseq: u32,
    /// Whether it has SDP.
    speaks: bool,
    flow: Flow,
    response: Bytes,
    interval: Duration,
    resend: Instant,
    give_up: Instant,
}

impl Reliable {
    /// Its number and that of the INVITE, as a PRACK names them.
    pub(crate) const fn numbers(&self) -> (u32, u32) {
        (self.rseq, self.cseq)
    }

    fn due(&self) -> Instant {
        self.resend.min(self.give_up)
    }
}

impl Ringing {
    pub(crate) const fn begin(
        (invite, late): (u64, bool),
        terms: Terms,
        certain: Certainty,
        expires: Option<Instant>,
    ) -> Self {
        let (rseq, reliable, next, held) = (None, None, None, None);
        let early = Early::Nothing;
        Self { invite, late, terms, certain, rseq, reliable, next, early, held, expires }
    }

    /// Whether both sides have agreed on media before the answer.
    pub(crate) fn is_agreed(&self) -> bool {
        self.early == Early::Agreed
    }

    /// Whether SDP of ours waits for its PRACK.
    pub(crate) fn awaits_agreement(&self) -> bool {
        self.reliable.as_ref().is_some_and(|reliable| reliable.speaks)
    }

    /// Returns which offer has no answer that has come.
    pub(crate) const fn standing(&self) -> Standing {
        match (self.early, self.late) {
            (Early::Agreed, _) => Standing::Clear,
            (Early::Told, true) => Standing::Ours,
            (Early::Told, false) | (Early::Nothing, _) => Standing::Theirs,
        }
    }
}

impl Call {
    /// Returns the news that the caller gave up before our answer. Where the bridge has answered
    /// already and the 200 OK was held back, its call is lost.
    pub(crate) fn given_up(&self, call: CallId) -> Event {
        match &self.phase {
            Phase::Ringing(ringing) if ringing.held.is_some() => {
                Event::Lost { call, loss: Loss::Unacknowledged }
            }
            Phase::Ringing(_) | Phase::Live(_) => Event::Cancelled { call },
        }
    }
}

impl Endpoint {
    /// Returns which of our provisional answers an INVITE wants to be certain, as far as the trunk
    /// allows it.
    pub(crate) fn certainty(&self, trunk: TrunkId, request: &Request<'_>) -> Certainty {
        let required = identity::lists(request, Name::Require, RELIABLE);
        let can = required || identity::lists(request, Name::Supported, RELIABLE);
        match self.reliability(trunk) {
            Reliability::Off => Certainty { rung: false, spoken: false },
            Reliability::Supported => Certainty { rung: required, spoken: can },
            Reliability::Required => Certainty { rung: can, spoken: can },
        }
    }

    /// Returns the parts of a call that has no final answer.
    pub(crate) fn ringing_mut(&mut self, call: CallId) -> Option<&mut Ringing> {
        match &mut self.calls.get_mut(&call)?.phase {
            Phase::Ringing(ringing) => Some(ringing),
            Phase::Live(_) => None,
        }
    }

    /// Sends 183 with our SDP.
    pub(crate) fn announce(&mut self, call: CallId, body: Bytes, now: Instant) {
        let Some(ringing) = self.ringing_mut(call) else { return };
        if ringing.certain.spoken {
            return self.tell_reliably(call, 183, Some(body), now);
        }
        if ringing.late {
            // An offer of ours must not be lost on the way (RFC 3261 §13.2.1).
            tracing::warn!(%call, "nothing can be said before the answer");
            return;
        }
        ringing.early = Early::Told;
        if let Some((invite, listener)) = self.ringing(call) {
            let lines = self.words.offer(listener);
            self.answer_invite(invite, 183, &lines, Body::sdp(&body), now);
        }
    }

    /// Sends a provisional answer so that its arrival is known. One at a time: as long as one waits,
    /// no other leaves (RFC 3262 §3). A 180 that would have to wait tells nothing; SDP is sent later.
    pub(crate) fn tell_reliably(
        &mut self,
        id: CallId,
        status: u16,
        body: Option<Bytes>,
        now: Instant,
    ) {
        let first = self.chance.up_to(1 << 16) + 1;
        let Some((invite, listener)) = self.ringing(id) else { return };
        let Some((flow, cseq)) = self.invites.row(invite).map(|row| (row.flow, row.cseq)) else {
            return;
        };
        let Some(ringing) = self.ringing_mut(id) else { return };
        if ringing.reliable.is_some() {
            ringing.next = body.or(ringing.next.take());
            return;
        }
        let rseq = ringing.rseq.map_or(first, |last| last + 1);
        ringing.rseq = Some(rseq);
        let speaks = body.is_some();
        if speaks {
            ringing.early = Early::Told;
        }
        let mut lines = self.words.offer(listener);
        lines.push("Require", &Value::fixed(RELIABLE));
        lines.push("RSeq", &Value::shown(rseq));
        let body = body.as_deref().and_then(Body::sdp);
        let Some(response) = self.answer_invite(invite, status, &lines, body, now) else { return };
        let (interval, give_up) = (limits::SIP_T1, now + limits::SIP_GIVE_UP);
        let resend = now + interval;
        let reliable = Reliable { rseq, cseq, speaks, flow, response, interval, resend, give_up };
        self.await_prack(id, Some(reliable));
    }

    /// The timer of a reliable answer: again, or never.
    pub(crate) fn reliable_due(&mut self, id: CallId, now: Instant) {
        let Some(mut reliable) = self.await_prack(id, None) else { return };
        if now >= reliable.give_up {
            let news = self.calls.get(&id).map(|call| call.given_up(id));
            let refusal = Refusal { status: 504, q850: None, retry_after_secs: None };
            self.refuse_call(id, refusal, now);
            news.into_iter().for_each(|news| self.emit(news));
            return;
        }
        if now >= reliable.resend {
            // RFC 3262 §3: doubled without a ceiling.
            reliable.interval *= 2;
            reliable.resend = now + reliable.interval;
            self.count(crate::endpoint::Counted::Resent);
            self.transmit(reliable.flow, reliable.response.clone());
        }
        self.await_prack(id, Some(reliable));
    }

    /// Takes a PRACK in a dialog.
    pub(crate) fn on_prack(&mut self, arrival: &Arrival<'_>, id: CallId, tag: &str) {
        let rack = arrival.request.message.first(Name::RAck).and_then(header::rack);
        let waiting = self.calls.get_mut(&id).and_then(|call| match &mut call.phase {
            Phase::Ringing(ringing) => ringing.reliable.as_ref().map(Reliable::numbers),
            Phase::Live(live) => live.overtaken.take_if(|numbers| rack == Some(*numbers)),
        });
        if rack.is_none() || rack != waiting {
            return self.serve(arrival, tag, 481, &Lines::new());
        }
        let body = match description(arrival.request.message, arrival.payload) {
            Ok(body) => body,
            Err((status, extra)) => return self.serve(arrival, tag, status, &extra),
        };
        match self.await_prack(id, None) {
            Some(reliable) if reliable.speaks => self.agreed_early(arrival, id, tag, body),
            Some(_) | None => self.serve(arrival, tag, 200, &Lines::new()),
        }
        self.go_on(id, arrival.now);
    }

    /// Our SDP before the answer has come. The PRACK brings the answer to it; or, where it was the
    /// answer itself, perhaps an offer of its own (RFC 3262 §5).
    fn agreed_early(
        &mut self,
        arrival: &Arrival<'_>,
        call: CallId,
        tag: &str,
        body: Option<Bytes>,
    ) {
        let Some(ringing) = self.ringing_mut(call) else { return };
        ringing.early = Early::Agreed;
        let (answer, offer) = if ringing.late { (body, None) } else { (None, body) };
        let Some(offer) = offer else {
            self.serve(arrival, tag, 200, &Lines::new());
            return self.emit(Event::Acknowledged { call, answer });
        };
        self.emit(Event::Acknowledged { call, answer: None });
        match self.admit(arrival, tag) {
            Some(serial) => {
                self.propose(arrival, call, By::Request(serial), Some(offer), Terms::Open);
            }
            None => self.deny(arrival, 500, &Lines::new()),
        }
    }

    /// Sends what waited for a PRACK.
    fn go_on(&mut self, id: CallId, now: Instant) {
        let Some(ringing) = self.ringing_mut(id) else { return };
        let (held, next) = (ringing.held.take(), ringing.next.take());
        if let Some(body) = held {
            self.accept(id, &body, now);
        } else if let Some(body) = next {
            self.tell_reliably(id, 183, Some(body), now);
        }
    }

    /// Puts a reliable answer under the watch of its timer, or takes it off.
    pub(crate) fn await_prack(
        &mut self,
        id: CallId,
        reliable: Option<Reliable>,
    ) -> Option<Reliable> {
        let due = reliable.as_ref().map(Reliable::due);
        let before = std::mem::replace(&mut self.ringing_mut(id)?.reliable, reliable);
        self.timers.shift(Alarm::Reliable(id), before.as_ref().map(Reliable::due), due);
        before
    }
}
