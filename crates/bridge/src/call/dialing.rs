//! The INVITE of a call of ours has left: one trunk after the other is tried, for as long as it may
//! ring. Nothing that comes before the answer is heard by anybody, or costs anything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::Silence;
use model::{Instant, Transport};

use crate::call::confirming::Confirming;
use crate::call::file::File;
use crate::call::leaving::{self, Wire, note_attempt};
use crate::call::line::Prepared;
use crate::call::news::News;
use crate::call::reserving::withdraw;
use crate::call::ringing::note_answered;
use crate::call::seated::{Seated, WELCOME};
use crate::call::{Reply, Signal, State};
use crate::desk::Errand;
use crate::ending::{Cause, Unreached};
use crate::meter::Meter;
use crate::outbound::Denied;
use crate::outbound::decision;
use crate::output::Note;
use crate::refusal::Refusal;
use crate::routing::{self, Route, Wanted};
use crate::turn::Turn;

/// Redirections that are followed, one after the other.
const REDIRECTIONS: u8 = 3;
/// Hops of our INVITEs (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u8 = 70;
/// No answer from the user (ITU-T Q.850), when it has rung for long enough.
const NO_ANSWER: (u16, u8) = (408, 19);
/// No route to the destination (ITU-T Q.850), when every trunk was passed over.
const NO_ROUTE: (u16, u8) = (503, 3);

/// A call that may be ringing.
#[derive(Debug)]
pub(crate) struct Dialing {
    /// Names our offers; each trunk gets one of its own, since keys are not for everybody.
    session: u64,
    offer: Prepared,
    /// The trunks to try after this one.
    routes: VecDeque<Route>,
    /// Whether packets came, as media last told.
    silence: Option<Silence>,
    /// How often it was redirected.
    redirections: u8,
    give_up: Instant,
}

impl Dialing {
    /// Tries the first trunk.
    pub(crate) fn begin(
        session: u64,
        routes: VecDeque<Route>,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> State {
        turn.note(Note::Dialled { after: turn.now.mono.since(file.invited.mono) });
        let ring = file.outgoing.as_ref().map_or(Duration::ZERO, |outgoing| outgoing.ring);
        let give_up = turn.now.mono + ring;
        let none = Cause::Unreached(Unreached::Failed, NO_ROUTE.0, NO_ROUTE.1);
        next((session, routes, give_up), 0, none, file, turn)
    }

    pub(crate) fn step(mut self, signal: Signal, file: &mut File, turn: &mut Turn<'_>) -> State {
        match signal {
            Signal::Reply(Reply::Accepted(answer)) => {
                return self.accepted(answer.as_ref(), file, turn);
            }
            Signal::Reply(Reply::Failed(failure)) => return self.failed(&failure, file, turn),
            Signal::Reply(Reply::Progress { status, body }) => {
                self.progress(status, body.as_ref(), file, turn);
            }
            Signal::Wake if self.give_up <= turn.now.mono => {
                let cause = Cause::Unreached(Unreached::NoAnswer, NO_ANSWER.0, NO_ANSWER.1);
                return leaving::end(cause, turn.now.mono, Wire::Abandon, file, turn);
            }
            Signal::Withdrawn(why) => return withdraw(why, Wire::Abandon, file, turn),
            Signal::HangUp => return leaving::turn_away(Cause::OperatorHungUp, file, turn),
            Signal::CloseDown(_) => return leaving::turn_away(Cause::Drained, file, turn),
            Signal::HungUp(_) | Signal::Lost(_) => {
                return leaving::end(Cause::PeerGone, turn.now.mono, Wire::Told, file, turn);
            }
            Signal::Line(News::Life(silence)) => self.silence = Some(silence),
            Signal::Line(News::Offered(offer)) => self.offer.offered(offer.as_ref(), file, turn),
            Signal::Stored(
                Errand::Open
                | Errand::Place
                | Errand::Answered
                | Errand::Roll
                | Errand::End
                | Errand::Inquire,
                _,
            )
            | Signal::Wake
            | Signal::Cancelled
            | Signal::Acknowledged(_)
            | Signal::Line(
                News::Confirmed(_)
                | News::Agreed(_)
                | News::Alive
                | News::Unproven
                | News::Heard(_),
            )
            | Signal::Digit(_)
            | Signal::Played(_)
            | Signal::Cut { .. }
            | Signal::Closed(_)
            | Signal::Standing
            | Signal::Tone(_) => {}
        }
        State::Dialing(Box::new(self))
    }

    pub(crate) const fn due(&self) -> Instant {
        self.give_up
    }

    /// It rings, or the network says something meanwhile.
    fn progress(
        &mut self,
        status: u16,
        body: Option<&Bytes>,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) {
        if let Some(outgoing) = file.outgoing.as_mut().filter(|_| status > 100) {
            outgoing.rang.get_or_insert(turn.now.mono);
        }
        if let Some(body) = body.filter(|_| status > 100) {
            self.offer.early(body, file, turn);
        }
    }

    /// The 200 OK came: from here on the time counts.
    fn accepted(self, answer: Option<&Bytes>, file: &mut File, turn: &mut Turn<'_>) -> State {
        let now = turn.now;
        file.answered = Some(now);
        file.heard_back(200, None);
        if let Some(outgoing) = &mut file.outgoing {
            outgoing.rang.get_or_insert(now.mono);
        }
        file.because(format!("answered by trunk {}", file.trunk.name));
        turn.note(Note::Reached { after: now.mono.since(file.invited.mono) });
        let connected = self.offer.connect(answer, self.silence, file, turn);
        let meter = Meter::start(file, turn);
        note_answered(file, turn);
        match connected {
            Err(refusal) => leaving::end(Cause::Refused(refusal), now.mono, Wire::Bye, file, turn),
            Ok(line) if file.outgoing.as_ref().is_some_and(|outgoing| outgoing.press_one) => {
                Confirming::begin(line, meter, file, turn)
            }
            Ok(line) => Seated::sit(line, Some(meter), &WELCOME, file, turn),
        }
    }

    /// This trunk could not: the next one is tried if the failure was the trunk's.
    fn failed(self, failure: &sip::Failure, file: &mut File, turn: &mut Turn<'_>) -> State {
        let named = failure.q850.map_or_else(String::new, |cause| format!(", cause {cause}"));
        let said = match failure.trouble {
            None => format!("answered {}{named}", failure.status),
            Some(trouble) => trouble.words().to_owned(),
        };
        file.because(format!("trunk {} {said}", file.trunk.name));
        if failure.answered {
            file.heard_back(failure.status, failure.q850);
        }
        turn.health.failed(file.trunk.id, failure, turn.now.mono);
        if !failure.contacts.is_empty() {
            return self.redirected(failure, file, turn);
        }
        let why = Unreached::of(failure);
        let cause = Cause::Unreached(why, failure.status, failure.q850.unwrap_or(why.q850()));
        // Once the media path is open it has rung; a trunk that said so is never left.
        if !routing::moves_on(failure, &file.trunk) || file.open {
            return leaving::end(cause, turn.now.mono, Wire::Told, file, turn);
        }
        let redirections = self.redirections;
        next((self.session, self.routes, self.give_up), redirections, cause, file, turn)
    }
}

impl Dialing {
    /// The trunk says where else the person is, at a host that may say so. Wherever that is, it is
    /// decided about anew, and costs what was agreed, or it is not called.
    fn redirected(mut self, failure: &sip::Failure, file: &mut File, turn: &mut Turn<'_>) -> State {
        self.redirections += 1;
        let mut denied = Denied::from(Refusal::NoRoute);
        let contacts = failure.contacts.iter().filter(|_| self.redirections <= REDIRECTIONS);
        for contact in contacts {
            match elsewhere(contact, file, turn) {
                Ok(routes) => {
                    file.because("redirected, and allowed there".to_owned());
                    let none = Cause::Unreached(Unreached::Failed, NO_ROUTE.0, NO_ROUTE.1);
                    let rest = (self.session, routes, self.give_up);
                    return next(rest, self.redirections, none, file, turn);
                }
                Err(no) => {
                    let label = no.refusal.label();
                    file.because(format!("redirection refused: {label}: {}", no.message));
                    denied = no;
                }
            }
        }
        leaving::end(Cause::Refused(denied.refusal), turn.now.mono, Wire::Told, file, turn)
    }
}

/// Decides about a number that a trunk redirects to: policy, route and price as at first.
fn elsewhere(contact: &str, file: &File, turn: &mut Turn<'_>) -> Result<VecDeque<Route>, Denied> {
    let host = file.host.as_ref().ok_or(Refusal::Withdrawn)?;
    let (_, ruled) = decision::allowed(turn.directory, host, contact);
    let (called, _) = ruled.map_err(|(_, denied)| denied)?;
    if turn.directory.dial_out_price(&host.organization, &called) != file.price {
        return Err(Denied::new(Refusal::NoTariff, "it leads to a number of another price"));
    }
    let organization = host.organization.id;
    let withheld = file.outgoing.as_ref().is_some_and(|outgoing| outgoing.withheld);
    let wanted = Wanted { called, organization, withheld };
    let (directory, health) = (turn.directory, &*turn.health);
    let plan = routing::plan(directory, health, &wanted, turn.now.mono, turn.chance);
    let plan = plan.map_err(|none| Denied::new(Refusal::NoRoute, none.to_string()))?;
    Ok(plan.routes.into())
}

/// Tries the next trunk that takes the call; without one the call ends for the reason given.
fn next(
    (session, mut routes, give_up): (u64, VecDeque<Route>, Instant),
    redirections: u8,
    last: Cause,
    file: &mut File,
    turn: &mut Turn<'_>,
) -> State {
    leave(last, file, turn);
    while let Some(route) = routes.pop_front() {
        let Some(outbound) = &route.trunk.outbound else { continue };
        if let Err(why) = turn.health.carries(&route.trunk, outbound, turn.now.mono) {
            file.because(format!("trunk {} passed over: it {}", route.trunk.name, why.words()));
            continue;
        }
        file.private = outbound.transport == Some(Transport::Tls);
        file.trunk = Arc::clone(&route.trunk);
        file.key(turn);
        let Some(Ok(offer)) = file.port.map(|port| Prepared::offer(port, file, session)) else {
            let why = "its media must be protected and its signalling is not";
            file.because(format!("trunk {} passed over: {why}", route.trunk.name));
            continue;
        };
        file.because(format!("dialled by trunk {}", route.trunk.name));
        turn.health.began(&route.trunk, turn.now.mono);
        if let Some(outgoing) = &mut file.outgoing {
            outgoing.counted = true;
            (outgoing.dialled, outgoing.rang) = (turn.now.mono, None);
        }
        turn.sip(sip::Command::Dial(Box::new(dial(&route, &offer, file))));
        file.caller = Some(route.shown);
        let dialing = Dialing { session, offer, routes, silence: None, redirections, give_up };
        return State::Dialing(Box::new(dialing));
    }
    leaving::end(last, turn.now.mono, Wire::Told, file, turn)
}

/// The trunk that was tried has one call less.
fn leave(cause: Cause, file: &mut File, turn: &mut Turn<'_>) {
    note_attempt(cause, turn.now.mono, file, turn);
    if let Some(outgoing) = file.outgoing.as_mut().filter(|outgoing| outgoing.counted) {
        outgoing.counted = false;
        turn.health.ended(file.trunk.id);
    }
}

fn dial(route: &Route, offer: &Prepared, file: &File) -> sip::Dial {
    sip::Dial {
        call: file.call,
        trunk: route.trunk.id,
        called: route.called.clone(),
        caller: route.caller.clone(),
        name: None,
        withheld: route.withheld,
        offer: offer.body(),
        max_forwards: MAX_FORWARDS,
        patience: routing::PATIENCE,
    }
}
