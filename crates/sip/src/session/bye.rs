//! BYE, theirs and ours (RFC 3261 §15).

use model::{CallId, Instant, TrunkId};

use crate::answer::Question;
use crate::dialog::{Dialog, HOPS, ORPHAN_LEAP, record};
use crate::endpoint::{Endpoint, Event};
use crate::message::wire::Lines;
use crate::message::{Message, Method, Name, header};
use crate::receive::Arrival;
use crate::session::Phase;
use crate::session::accept::{Refusal, reason};
use crate::transaction::client::Purpose;
use crate::trunk::digest::Authentication;

/// A dialog that ends by our BYE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) trunk: TrunkId,
    pub(crate) dialog: Dialog,
    /// What was challenged; `None` where the peer began it.
    pub(crate) known: Option<Box<Authentication>>,
    pub(crate) q850: Option<u8>,
}

/// A dialog of an earlier process that ends by our BYE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) call: CallId,
    pub(crate) dialog: Dialog,
    /// Whose address it leads to.
    pub(crate) trunk: Option<TrunkId>,
    /// What was challenged; `None` where the peer began it.
    pub(crate) known: Option<Box<Authentication>>,
}

impl Endpoint {
    /// Takes a BYE in a dialog. It is honoured whatever else stands in it: a call that its peer has
    /// ended must not go on being charged.
    pub(crate) fn on_bye(&mut self, arrival: &Arrival<'_>, call: CallId, tag: &str) {
        self.serve(arrival, tag, 200, &Lines::new());
        let q850 = arrival.request.message.all(Name::Reason).find_map(header::q850);
        let Some(gone) = self.remove(call) else { return };
        self.dismiss(&gone, arrival.now);
        self.emit(match gone.phase {
            Phase::Live(_) => Event::HungUp { call, q850 },
            Phase::Ringing(_) => gone.given_up(call),
        });
    }

    /// Ends a call for the bridge. An unanswered one is refused, or given up if we placed it; one
    /// whose 200 OK has no ACK yet waits for that.
    pub(crate) fn hang_up(&mut self, id: CallId, q850: u8, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return self.abandon(id, Some(q850), now);
        };
        match &mut call.phase {
            Phase::Ringing(_) => {
                let refusal = Refusal { status: 480, q850: Some(q850), retry_after_secs: None };
                self.refuse_call(id, refusal, now);
            }
            Phase::Live(live) => match &mut live.waiting {
                Some(waiting) if waiting.initial => waiting.bye = Some(q850),
                Some(_) | None => self.send_bye(id, Some(q850), now),
            },
        }
    }

    /// Sends the BYE of a call, which is gone here with it.
    pub(crate) fn send_bye(&mut self, call: CallId, q850: Option<u8>, now: Instant) {
        let Some(trunk) = self.calls.get(&call).map(|call| call.trunk) else { return };
        // The trunk stays known until the BYE's transaction holds it too.
        self.trunks.hold(trunk);
        if let Some(mut gone) = self.remove(call) {
            let (dialog, known) = (gone.dialog.clone(), gone.known.take());
            self.part(Farewell { trunk, dialog, known, q850 }, now);
            self.dismiss(&gone, now);
        }
        self.trunks.release(trunk);
    }

    /// Sends the BYE of a dialog that nothing else is known of any more.
    pub(crate) fn part(&mut self, mut farewell: Farewell, now: Instant) {
        let flow = self.onward(farewell.trunk, &farewell.dialog);
        let trunk = farewell.trunk;
        let mut extra = Lines::new();
        if let Some(cause) = farewell.q850 {
            extra.push("Reason", &reason(cause));
        }
        let method = Method::Bye;
        farewell.dialog.local_cseq = farewell.dialog.local_cseq.saturating_add(1);
        let dialog = farewell.dialog.clone();
        let Some(draft) = dialog.written(method.name(), dialog.local_cseq, HOPS) else { return };
        let about = (method.name(), draft.uri.text());
        extra.append(&self.vouch(trunk, farewell.known.as_deref_mut(), about));
        let purpose = Purpose::Bye(farewell.known.is_some().then(|| Box::new(farewell)));
        let question = Question { method, purpose, trunk: Some(trunk), flow };
        self.ask(question, &draft, &extra, now);
    }

    /// The answer to a BYE: a carrier that challenges it would go on billing.
    pub(crate) fn on_farewell(
        &mut self,
        farewell: Option<Box<Farewell>>,
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        let (Some(mut farewell), Some(answer)) = (farewell, answer) else { return };
        let Some(known) = farewell.known.as_deref_mut() else { return };
        if self.learn_challenge((farewell.trunk, known), status, answer, true) {
            self.part(*farewell, now);
        }
    }

    /// Ends a dialog of an earlier process. The peer may have sent more since the record was
    /// written, but nothing that we did can have gone past the leap in the sequence.
    pub(crate) fn end_orphan(&mut self, call: CallId, line: &str, now: Instant) {
        let Some((mut dialog, ours)) = record::read(line) else {
            tracing::warn!(%call, "dialog record could not be read");
            return self.emit(Event::OrphanEnded { call, answered: false });
        };
        dialog.local_cseq = dialog.local_cseq.saturating_add(ORPHAN_LEAP - 1);
        let trunk = self.trunks.owner(dialog.flow.peer.ip(), dialog.flow.listener);
        let known = ours.then(Box::default);
        self.part_orphan(Orphan { call, dialog, trunk, known }, now);
    }

    fn part_orphan(&mut self, mut orphan: Orphan, now: Instant) {
        let method = Method::Bye;
        orphan.dialog.local_cseq = orphan.dialog.local_cseq.saturating_add(1);
        let Orphan { call, trunk, .. } = orphan;
        let dialog = orphan.dialog.clone();
        let Some(draft) = dialog.written(method.name(), dialog.local_cseq, HOPS) else {
            return self.emit(Event::OrphanEnded { call, answered: false });
        };
        let about = (method.name(), draft.uri.text());
        let extra = match trunk {
            Some(trunk) => self.vouch(trunk, orphan.known.as_deref_mut(), about),
            None => Lines::new(),
        };
        let purpose = Purpose::Orphan(Box::new(orphan));
        let question = Question { method, purpose, trunk, flow: dialog.flow };
        self.ask(question, &draft, &extra, now);
    }

    /// The answer to the BYE of an earlier process's dialog. A challenge is answered where we began
    /// the dialog, once.
    pub(crate) fn orphan_over(
        &mut self,
        mut orphan: Orphan,
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        if let (Some(answer), Some(trunk), Some(known)) =
            (answer, orphan.trunk, orphan.known.as_deref_mut())
            && self.learn_challenge((trunk, known), status, answer, false)
        {
            return self.part_orphan(orphan, now);
        }
        let (call, answered) = (orphan.call, answer.is_some());
        self.emit(Event::OrphanEnded { call, answered });
    }
}
