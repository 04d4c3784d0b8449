//! Our answers to the INVITE that started a call: 180, 200, 3xx–6xx.

use bytes::Bytes;
use model::{CallId, Instant};

use crate::endpoint::Endpoint;
use crate::message::wire::{Body, Lines, Value};
use crate::session::{Live, Phase, Waiting};

/// A final refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) q850: Option<u8>,
    pub(crate) retry_after_secs: Option<u32>,
}

impl Refusal {
    fn lines(&self) -> Lines {
        let mut lines = Lines::new();
        if let Some(cause) = self.q850 {
            lines.push("Reason", &reason(cause));
        }
        if let Some(secs) = self.retry_after_secs {
            lines.push("Retry-After", &Value::shown(secs));
        }
        lines
    }
}

/// `Q.850;cause=…` (RFC 3326).
pub(crate) fn reason(cause: u8) -> Value<'static> {
    Value::shown(format_args!("Q.850;cause={cause}"))
}

impl Endpoint {
    /// Sends 180 Ringing.
    pub(crate) fn ring_back(&mut self, call: CallId, now: Instant) {
        let Some(ringing) = self.ringing_mut(call) else { return };
        if ringing.certain.rung {
            return self.tell_reliably(call, 180, None, now);
        }
        if let Some((invite, listener)) = self.ringing(call) {
            let lines = self.words.offer(listener);
            self.answer_invite(invite, 180, &lines, None, now);
        }
    }

    /// Refuses the INVITE: the call is gone here, its transaction waits for the ACK.
    pub(crate) fn refuse_call(&mut self, call: CallId, refusal: Refusal, now: Instant) {
        let Some((invite, _)) = self.ringing(call) else { return };
        let status = if (300..700).contains(&refusal.status) { refusal.status } else { 500 };
        self.answer_invite(invite, status, &refusal.lines(), None, now);
        self.remove(call);
    }

    /// Sends 200 OK, and repeats it until the ACK. As long as SDP of ours waits for its PRACK, it
    /// must not leave (RFC 3262 §3).
    pub(crate) fn accept(&mut self, id: CallId, body: &Bytes, now: Instant) {
        self.decided(id);
        let Some(ringing) = self.ringing_mut(id) else { return };
        if ringing.awaits_agreement() {
            ringing.held = Some(body.clone());
            return;
        }
        // What was offered before the answer is agreed on already, or comes with the ACK.
        let (invite, terms) = (ringing.invite, ringing.terms);
        let late = ringing.late && !ringing.is_agreed();
        let overtaken = self.await_prack(id, None).map(|reliable| reliable.numbers());
        let Some(call) = self.calls.get_mut(&id) else { return };
        let flow = call.dialog.flow;
        let sdp = body.clone();
        call.phase = Phase::Live(Box::new(Live { sdp, overtaken, ..Live::default() }));
        let cseq = self.invites.row(invite).map_or(0, |row| row.cseq);
        let way = self.invites.row(invite).map_or(flow, |row| row.flow);
        let mut lines = self.words.offer(flow.listener);
        terms.write(&mut lines);
        let response = self.answer_invite(invite, 200, &lines, Body::sdp(body), now);
        if let Some(response) = response {
            self.watch(id, Some(Waiting::new(response, way, cseq, late, now)));
        }
        self.wind(id, terms.start(now));
    }

    /// Returns the INVITE transaction of an unanswered call, and its listener.
    pub(crate) fn ringing(&self, call: CallId) -> Option<(u64, u8)> {
        let call = self.calls.get(&call)?;
        match &call.phase {
            Phase::Ringing(ringing) => Some((ringing.invite, call.dialog.flow.listener)),
            Phase::Live(_) => None,
        }
    }
}
