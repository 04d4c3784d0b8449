//! INVITE outside a dialog: a new call, or a refusal before there is one.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, limits};

use crate::dialog::Dialog;
use crate::endpoint::{Counted, Endpoint, Event, Invitation};
use crate::message::body::{self, ACCEPT, Unusable};
use crate::message::header::Via;
use crate::message::request::Echo;
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Name, Request, header};
use crate::receive::Arrival;
use crate::session::reliable::Ringing;
use crate::session::timer::{self, Terms};
use crate::session::{Call, Phase};
use crate::timers::Alarm;
use crate::transaction::Mark;
use crate::transaction::server_invite::{Invite, State};
use crate::transport::Flow;
use crate::trunk::identity::{self, Identity};

/// Why an INVITE is refused before it is a call.
pub(crate) type Refused = (u16, Lines);

impl Endpoint {
    /// Takes an INVITE of an active trunk that matches no transaction.
    pub(crate) fn on_invite(&mut self, arrival: &Arrival<'_>) {
        if self.overloaded {
            return self.shed(arrival.flow, arrival.request.message);
        }
        let mark = Mark::new(arrival.trunk(), &arrival.request);
        if self.marks.contains_key(&mark) {
            // The same call by another way, or after its transaction is forgotten.
            self.count(Counted::Retransmission);
            return self.deny(arrival, 482, &Lines::new());
        }
        if self.draining || self.calls.len() >= limits::CALLS || self.is_full() {
            let later = self.later();
            return self.deny(arrival, 503, &later);
        }
        let admitted = self.examine(arrival);
        match admitted {
            Ok(admitted) => self.begin(arrival, mark, admitted),
            Err((status, extra)) => self.deny(arrival, status, &extra),
        }
    }

    /// Retry-After of a node that takes no calls, with jitter so that they do not all return at
    /// once.
    pub(crate) fn later(&mut self) -> Lines {
        let least = self.settings.retry_after_secs;
        let secs = least.saturating_add(self.chance.up_to(least / 2));
        Lines::new().with("Retry-After", &Value::shown(secs))
    }

    /// Reads all that may be wrong with it, before anything is kept.
    fn examine(&mut self, arrival: &Arrival<'_>) -> Result<Admitted, Refused> {
        let request = &arrival.request;
        if let Some(hops) = request.message.first(Name::MaxForwards) {
            match header::decimal(hops) {
                Some(0) => return Err((483, Lines::new())),
                Some(1..=255) => {}
                Some(_) | None => return Err((400, Lines::new())),
            }
        }
        let taken = [Name::Replaces, Name::Join];
        if taken.into_iter().any(|name| request.message.first(name).is_some()) {
            // Nobody takes a call over, or joins one, by signalling (S11): none matches (RFC 3891 §3,
            // RFC 3911 §4).
            return Err((481, Lines::new()));
        }
        if self.is_loop(request) {
            return Err((482, Lines::new()));
        }
        let offer = description(request.message, arrival.payload)?;
        let updates = identity::lists(request, Name::Allow, "UPDATE");
        let terms = Terms::negotiate(request, self.settings.session_secs, updates)
            .map_err(|timer::TooSmall| (422, timer::min_se()))?;
        let malformed = || (400, Lines::new());
        let trunk = self.trunks.active(arrival.trunk()).ok_or_else(malformed)?;
        let identity = Identity::read(request, trunk).ok_or_else(malformed)?;
        let target = identity::contact(request).ok_or_else(malformed)?;
        let tag = self.chance.tag();
        let dialog = Dialog::new(request, target, &tag, arrival.flow).ok_or_else(malformed)?;
        let echo =
            Echo::new(request.message, self.origin(arrival.flow), &tag).ok_or_else(malformed)?;
        Ok(Admitted { offer, updates, terms, identity, dialog, echo })
    }

    /// Whether a request passed us before (S12): one of its Vias is ours.
    fn is_loop(&self, request: &Request<'_>) -> bool {
        let vias = request.message.elements(Name::Via).filter_map(Via::read);
        let mut places = vias.filter_map(|via| via.sent_by.parse::<SocketAddr>().ok());
        places.any(|place| self.settings.listeners.iter().any(|own| own.advertised == place))
    }

    fn begin(&mut self, arrival: &Arrival<'_>, mark: Mark, admitted: Admitted) {
        let Admitted { offer, updates, terms, identity, dialog, echo } = admitted;
        let (id, invite) = (self.chance.call(), self.next_serial());
        let row = Invite {
            key: arrival.key.clone(),
            flow: Flow { peer: echo.destination, ..arrival.flow },
            echo,
            call: id,
            cseq: arrival.request.cseq,
            mark: Some(mark.clone()),
            state: State::Proceeding { last: Bytes::new() },
        };
        self.invites.insert(invite, row);
        self.marks.insert(mark.clone(), 2);
        self.tags.insert(dialog.id.local_tag.clone(), id);
        self.trunks.hold(arrival.trunk());
        self.streams.bind(arrival.flow, id);
        let certain = self.certainty(arrival.trunk(), &arrival.request);
        let expires = expiry(arrival);
        self.timers.shift(Alarm::Invitation(id), None, expires);
        let ringing = Ringing::begin((invite, offer.is_none()), terms, certain, expires);
        let (mark, phase) = (Some(mark), Phase::Ringing(Box::new(ringing)));
        let trunk = arrival.trunk();
        let call = Call { trunk, dialog, mark, known: None, updates, asked: None, phase };
        self.calls.insert(id, call);
        self.answer_invite(invite, 100, &Lines::new(), None, arrival.now);
        let acknowledges = certain.spoken;
        let invitation = Invitation { acknowledges, ..invitation(arrival, id, identity, offer) };
        self.emit(Event::Invited(Box::new(invitation)));
    }

    /// The time that the INVITE gave us is over without a final answer (RFC 3261 §13.3.1).
    pub(crate) fn invitation_due(&mut self, call: CallId, now: Instant) {
        let Some(gone) = self.remove(call) else { return };
        self.dismiss(&gone, now);
        self.emit(gone.given_up(call));
    }

    /// Takes the watch off an INVITE that gets its final answer.
    pub(crate) fn decided(&mut self, call: CallId) {
        let before = self.ringing_mut(call).and_then(|ringing| ringing.expires.take());
        self.timers.shift(Alarm::Invitation(call), before, None);
    }
}

/// Returns when the caller wants no answer any more; one that cannot be read is none.
fn expiry(arrival: &Arrival<'_>) -> Option<Instant> {
    let secs = arrival.request.message.first(Name::Expires).and_then(header::decimal)?;
    Some(arrival.now + Duration::from_secs(secs.into()))
}

/// What an INVITE turned out to be.
struct Admitted {
    offer: Option<Bytes>,
    updates: bool,
    terms: Terms,
    identity: Identity,
    dialog: Dialog,
    echo: Echo,
}

fn invitation(
    arrival: &Arrival<'_>,
    call: CallId,
    identity: Identity,
    offer: Option<Bytes>,
) -> Invitation {
    Invitation {
        call,
        sip_call_id: arrival.request.call_id.to_owned(),
        trunk: arrival.trunk(),
        listener: arrival.flow.listener,
        source: arrival.flow.peer,
        called: identity.called,
        caller: identity.caller,
        withheld: identity.withheld,
        vouched: identity.vouched,
        parameters: identity.parameters,
        offer,
        acknowledges: false,
    }
}

/// Returns the SDP of a message, as a part of its datagram.
///
/// # Errors
/// 415 with what we accept, or 513.
pub(crate) fn description(
    message: &Message<'_>,
    payload: &Bytes,
) -> Result<Option<Bytes>, Refused> {
    match body::sdp(message) {
        Ok(found) => Ok(found.filter(|sdp| !sdp.is_empty()).map(|sdp| payload.slice_ref(sdp))),
        Err(unusable @ Unusable::Unsupported) => {
            let accept = Lines::new().with("Accept", &Value::fixed(ACCEPT));
            let accept = accept.with("Accept-Encoding", &Value::fixed("identity"));
            Err((unusable.status(), accept))
        }
        Err(unusable @ Unusable::TooLarge) => Err((unusable.status(), Lines::new())),
    }
}
