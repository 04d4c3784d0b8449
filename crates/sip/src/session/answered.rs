//! A 2xx to an INVITE of ours (RFC 3261 §13.2.2.4): the first makes the call, all are acknowledged,
//! and what nobody waits for is ended.

use bytes::Bytes;
use model::{Instant, TrunkId, limits};

use crate::dialog::Dialog;
use crate::endpoint::{Counted, Endpoint, Event};
use crate::message::wire::{self, Lines};
use crate::message::{Message, Method, Name, header};
use crate::session::attempt::{Attempt, Stage};
use crate::session::bye::Farewell;
use crate::session::invite::description;
use crate::session::timer::{Refresher, Terms};
use crate::session::{Call, Live, Phase};
use crate::transport::Flow;
use crate::trunk::identity;

impl Endpoint {
    /// Takes a 2xx of an attempt.
    pub(crate) fn answered(
        &mut self,
        serial: u64,
        (answer, payload): (&Message<'_>, &Bytes),
        now: Instant,
    ) {
        let Some(mut attempt) = self.lift(serial) else { return };
        if let Some(dialog) = self.acknowledge(&mut attempt, answer) {
            attempt = self.take_up(attempt, dialog, (answer, payload), now);
        }
        self.lay(serial, attempt);
    }

    /// Sends the ACK of a 2xx; returns its dialog if it is the first of its leg.
    fn acknowledge(&mut self, attempt: &mut Attempt, answer: &Message<'_>) -> Option<Dialog> {
        let to = answer.first(Name::To)?;
        let tag = header::NameAddr::read(to)?.tag().unwrap_or("");
        let target = identity::contact_of(answer).unwrap_or(&attempt.template.target).to_owned();
        let (template, trunk) = (attempt.template.clone(), attempt.trunk);
        let credentials = attempt.credentials.clone();
        let leg = attempt.leg(tag)?;
        if let Some((flow, ack)) = leg.ack.clone() {
            self.count(Counted::Retransmission);
            self.transmit(flow, ack);
            return None;
        }
        let (said, heard) = (leg.cseq, leg.heard);
        let mut dialog = template.joined(answer, tag, to, &target);
        let (flow, ack) = self.ack_of(trunk, (&dialog, dialog.local_cseq), &credentials)?;
        leg.ack = Some((flow, ack.clone()));
        self.transmit(flow, ack);
        dialog.local_cseq = dialog.local_cseq.max(said);
        dialog.remote_cseq = heard;
        Some(dialog)
    }

    /// Writes the ACK of a 2xx, along the dialog's route set, and with the INVITE's number.
    pub(crate) fn ack_of(
        &mut self,
        trunk: TrunkId,
        (dialog, cseq): (&Dialog, u32),
        credentials: &Lines,
    ) -> Option<(Flow, Bytes)> {
        let mut flow = self.onward(trunk, dialog);
        flow.connection = self.connect(flow, Some(trunk));
        let branch = self.chance.branch();
        let via = self.via(flow, &branch);
        let draft = dialog.written(Method::Ack.name(), cseq, crate::dialog::HOPS)?;
        let lines = [&via, &draft.lines, credentials, &self.words.user_agent];
        Some((flow, wire::request(Method::Ack.name(), &draft.uri, &lines, None)))
    }

    fn take_up(
        &mut self,
        mut attempt: Attempt,
        dialog: Dialog,
        (answer, payload): (&Message<'_>, &Bytes),
        now: Instant,
    ) -> Attempt {
        self.give_up_early(&mut attempt.stage, 491, now);
        let before = std::mem::replace(&mut attempt.stage, Stage::Answered);
        let wanted = match before {
            Stage::Open(open) => Ok(open.dial.offer),
            Stage::Abandoned(_) => Err(Counted::LateAnswer),
            Stage::Answered => Err(Counted::ForkedAnswer),
        };
        let offered = match wanted {
            Ok(offered) => offered,
            Err(counted) => {
                self.count(counted);
                let (trunk, known) = (attempt.trunk, Some(attempt.known.clone()));
                self.part(Farewell { trunk, dialog, known, q850: None }, now);
                return attempt;
            }
        };
        let leg = attempt.legs.iter().find(|leg| leg.tag == dialog.id.remote_tag);
        let body = description(answer, payload).ok().flatten();
        let (sdp, body) = match leg.and_then(|leg| leg.ours.clone()) {
            // What was agreed on since the INVITE's offer was answered stands (RFC 3261 §13.2.1).
            Some(ours) => (ours, None),
            None => (offered, body.or(leg.and_then(|leg| leg.early.clone()))),
        };
        let (id, trunk) = (attempt.call, attempt.trunk);
        let known = Some(attempt.known.clone());
        let mut allowed = answer.elements(Name::Allow);
        let updates = allowed.any(|method| method.eq_ignore_ascii_case("UPDATE"));
        let phase = Phase::Live(Box::new(Live { sdp, ..Live::default() }));
        self.dialled.remove(&id);
        self.tags.insert(dialog.id.local_tag.clone(), id);
        self.trunks.hold(trunk);
        self.streams.bind(dialog.flow, id);
        let asked = None;
        self.calls.insert(id, Call { trunk, dialog, mark: None, known, updates, asked, phase });
        self.wind(id, agreed(answer).start(now));
        self.emit(Event::Accepted { call: id, answer: body });
        attempt
    }
}

/// Reads what a 2xx to our own INVITE or UPDATE says of the session timer (RFC 4028 §7.2). Without
/// a named refresher it is ours to keep alive.
fn agreed(answer: &Message<'_>) -> Terms {
    let Some((secs, rest)) = answer.first(Name::SessionExpires).and_then(header::seconds) else {
        return Terms::Open;
    };
    let theirs = header::parameter(rest, "refresher");
    let theirs = theirs.is_some_and(|who| who.eq_ignore_ascii_case("uas"));
    let refresher = if theirs { Refresher::Peer } else { Refresher::Us };
    Terms::Timed { interval: secs.max(limits::MIN_SE_SECS), refresher, supported: true }
}
