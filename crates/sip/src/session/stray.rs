//! A 2xx to an INVITE of ours that nothing here knows: an earlier process was calling when it died.
//! The called person has just answered, to nobody.

use model::{Instant, TrunkId};

use crate::dialog::route_set::RouteSet;
use crate::dialog::{Dialog, Id};
use crate::endpoint::{Counted, Endpoint};
use crate::message::wire::Lines;
use crate::message::{Message, Name, header};
use crate::session::bye::Farewell;
use crate::transaction::Key;
use crate::transport::Flow;
use crate::trunk::identity;

impl Endpoint {
    /// Whether it is a 2xx to an INVITE that nothing here knows.
    pub(crate) fn is_stray(&self, answer: &Message<'_>, status: u16) -> bool {
        let method = answer.first(Name::CSeq).and_then(header::cseq).map(|(_, method)| method);
        let via = answer.elements(Name::Via).next().and_then(header::Via::read);
        let key = via.and_then(|via| via.branch()).map(Key::client);
        let unknown = |key: Key| self.placed.find(&key).is_none();
        (200..300).contains(&status) && method == Some("INVITE") && key.is_some_and(unknown)
    }

    /// Acknowledges and ends it, so that the carrier stops billing. All that is needed stands in the
    /// answer itself. It goes to a trunk's own addresses only, and only for a Via that is ours; a
    /// repeated one is treated alike, since nothing is kept of it.
    pub(crate) fn on_stray_answer(
        &mut self,
        answer: &Message<'_>,
        trunk: TrunkId,
        flow: Flow,
        now: Instant,
    ) {
        let Some(dialog) = self.stray(answer, flow) else { return };
        let Some((way, ack)) = self.ack_of(trunk, (&dialog, dialog.local_cseq), &Lines::new())
        else {
            return;
        };
        self.count(Counted::LateAnswer);
        self.transmit(way, ack);
        self.part(Farewell { trunk, dialog, known: None, q850: None }, now);
    }

    fn stray(&self, answer: &Message<'_>, flow: Flow) -> Option<Dialog> {
        let via = answer.elements(Name::Via).next().and_then(header::Via::read)?;
        let ours = self.settings.listeners.get(usize::from(flow.listener))?.advertised;
        if !via.is_by(&ours) {
            return None;
        }
        let (from, to) = (answer.first(Name::From)?, answer.first(Name::To)?);
        let tag = header::NameAddr::read(from)?.tag()?;
        // Of a call that lives, it is an answer repeated too late to mean anything.
        if self.tags.contains_key(tag) {
            return None;
        }
        let remote_tag = header::NameAddr::read(to)?.tag()?;
        let local = from.rfind(";tag=").and_then(|at| from.get(..at))?;
        let (cseq, _) = answer.first(Name::CSeq).and_then(header::cseq)?;
        let template = Dialog {
            id: Id::placed(answer.first(Name::CallId)?, tag),
            local: local.into(),
            remote: to.into(),
            local_cseq: cseq,
            remote_cseq: None,
            target: identity::contact_of(answer)?.into(),
            routes: RouteSet::default(),
            flow,
        };
        let target = template.target.clone();
        Some(template.joined(answer, remote_tag, to, &target))
    }
}
