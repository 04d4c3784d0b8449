//! Proof of life: the peer is asked whether it still knows the call (charging.md, "On the leg").
//!
//! A 2xx is proof. An answer that the dialog, or its use for this call, is gone ends the call. Any
//! other answer is about the request alone and may come from a box on the way, whose phone is dead:
//! it proves nothing, and the peer is asked in another way.

use model::{CallId, Instant};

use crate::endpoint::{Endpoint, Event};
use crate::message::{Message, Method, Name};
use crate::transaction::client::Purpose;
use crate::transaction::client_invite::Why;

/// In which way a peer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By OPTIONS.
    Options,
    /// By an UPDATE without SDP (RFC 3311), if the peer's Allow lists it.
    Update,
    /// By a re-INVITE with the SDP that stands.
    Invite,
}

impl Way {
    const fn method(self) -> Method {
        match self {
            Self::Options => Method::Options,
            Self::Update => Method::Update,
            Self::Invite => Method::Invite,
        }
    }
}

/// Every way, in the order in which they are tried.
const WAYS: [Way; 3] = [Way::Options, Way::Update, Way::Invite];

/// What a final answer to a request in a dialog says of its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It knows the call.
    Alive,
    /// It does not, or cannot be reached any more.
    Gone,
    /// Neither.
    Nothing,
}

impl Sign {
    /// Reads a status by the table of RFC 5057 §5.1. 405 and 501 take the use of a method away, not
    /// the call: it lives as well without OPTIONS and UPDATE.
    pub(crate) const fn read(status: u16) -> Self {
        match status {
            200..=299 => Self::Alive,
            404 | 408 | 410 | 416 | 480..=485 | 502 | 604 => Self::Gone,
            _ => Self::Nothing,
        }
    }
}

impl Endpoint {
    /// Asks whether the peer still knows the call. Each question that is not already on its way
    /// comes to exactly one of [`Event::Alive`], [`Event::Unproven`] and [`Event::Lost`], unless the
    /// call ends before.
    pub(crate) fn ping(&mut self, call: CallId, now: Instant) {
        let Some(live) = self.live_mut(call) else { return };
        if !std::mem::replace(&mut live.asking, true) {
            self.ask_in_one_of(call, &WAYS, now);
        }
    }

    /// The final answer to a question, 408 for silence.
    pub(crate) fn pinged(
        &mut self,
        (call, way): (CallId, Way),
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        self.learn_update(call, (way.method(), status), answer);
        let Some(live) = self.live_mut(call) else { return };
        live.asking = false;
        match (Sign::read(status), way) {
            (Sign::Alive, Way::Options) => self.emit(Event::Alive { call }),
            (Sign::Alive, Way::Update | Way::Invite) => {
                self.rewind(call, answer, now);
                self.emit(Event::Alive { call });
            }
            (Sign::Gone, Way::Options | Way::Update | Way::Invite) => {
                self.lose_peer(call, status, now)
            }
            (Sign::Nothing, Way::Options | Way::Update | Way::Invite) => {
                live.asking = true;
                let tried = WAYS.iter().position(|one| *one == way).map_or(WAYS.len(), |at| at + 1);
                self.ask_in_one_of(call, WAYS.get(tried..).unwrap_or_default(), now);
            }
        }
    }

    /// Takes note of what an answer tells about UPDATE: its Allow may list it, and the answer to one
    /// may be that it is not served.
    pub(crate) fn learn_update(
        &mut self,
        call: CallId,
        (asked, status): (Method, u16),
        answer: Option<&Message<'_>>,
    ) {
        let (Some(call), Some(answer)) = (self.calls.get_mut(&call), answer) else { return };
        if answer.first(Name::Allow).is_some() {
            let mut listed = answer.elements(Name::Allow);
            call.updates = listed.any(|method| method.eq_ignore_ascii_case("UPDATE"));
        }
        if asked == Method::Update && matches!(status, 405 | 501) {
            call.updates = false;
        }
    }

    /// Asks in the first of these ways that is open; in none, nothing could be proved.
    fn ask_in_one_of(&mut self, call: CallId, ways: &[Way], now: Instant) {
        if ways.iter().any(|way| self.ask_in(call, *way, now)) {
            return;
        }
        if let Some(live) = self.live_mut(call) {
            live.asking = false;
            self.emit(Event::Unproven { call });
        }
    }

    /// Asks in one way; returns whether it is open.
    pub(crate) fn ask_in(&mut self, call: CallId, way: Way, now: Instant) -> bool {
        let Some(known) = self.calls.get(&call) else { return false };
        let mut extra = self.words.offer(known.dialog.flow.listener);
        match way {
            Way::Options => {}
            Way::Invite => {
                // A refresh on its way is met by no other.
                return self.kept_terms(call).is_some() && self.renew(call, Why::Life, now);
            }
            Way::Update => {
                let Some(terms) = self.kept_terms(call).filter(|_| known.updates) else {
                    return false;
                };
                extra.append(&terms);
            }
        }
        self.ask_inside(call, way.method(), Purpose::Ping(call, way), &extra, now)
    }
}
