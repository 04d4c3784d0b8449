//! What is known of a call whatever its state: it becomes the CDR, and survives a panic.

use std::sync::Arc;
use std::time::Duration;

use credits::{OpenLeg, Terms};
use media::sdp::OwnKeys;
use model::Protection;
use model::policy::Decision;
use model::record::{
    Attempted, CallType, Capability, Cdr, Received, ServiceNumber, Trunk, Withheld,
};
use model::{CallId, Did, E164, Instant, Money, Now, Vouched, limits};

use crate::call::keys::Presses;
use crate::directory::{Hosted, Price};
use crate::ending::Cause;
use crate::outbound::Denied;
use crate::ports::Port;
use crate::routing::{Attempt, Direction, Outcome};
use crate::turn::Turn;

/// Who pays, as far as it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payer {
    /// Nobody yet.
    Nobody,
    /// The organizer's subscription.
    Included,
    /// The organization's credits; a hold stands.
    Credits(Terms),
}

/// What is known of a call that we place.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The order that it is part of, and its place there.
    pub(crate) order: (u64, usize),
    /// Whom it calls.
    pub(crate) number: E164,
    /// Whether the called person is to press 1.
    pub(crate) press_one: bool,
    /// How long it may ring, whatever number of trunks are tried.
    pub(crate) ring: Duration,
    /// When the INVITE left by the present trunk.
    pub(crate) dialled: Instant,
    /// When it was first heard to ring there, or was answered.
    pub(crate) rang: Option<Instant>,
    /// Whether the called person is not to see who calls.
    pub(crate) withheld: bool,
    /// Whether it counts among the calls of its trunk.
    pub(crate) counted: bool,
    /// How long its first slice is to last.
    pub(crate) first_secs: u32,
    /// What it was refused for, if it was; told to whoever asked for it.
    pub(crate) denied: Option<Denied>,
    /// The INVITEs that left.
    pub(crate) attempts: Vec<Attempted>,
}

/// A call's file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) call: CallId,
    /// Of the INVITE that came, or that left last; our own id until then.
    pub(crate) sip_call_id: String,
    pub(crate) trunk: Arc<Trunk>,
    /// Whether its signalling is encrypted, so that keys may be told.
    pub(crate) private: bool,
    /// Our keys, if its media may be protected.
    pub(crate) keys: Option<Box<OwnKeys>>,
    pub(crate) caller: Option<Did>,
    /// Who called, where they want it withheld.
    pub(crate) withheld: Option<Did>,
    /// Who vouches for the caller's number.
    pub(crate) vouched: Vouched,
    /// Classes of the caller's line: values of `isup-oli` and `cpc`.
    pub(crate) lines: Vec<String>,
    pub(crate) called: Option<Did>,
    pub(crate) number: Option<Arc<ServiceNumber>>,
    /// Language of the prompts.
    pub(crate) language: u8,
    /// When the INVITE came, or a call of ours was asked for.
    pub(crate) invited: Now,
    /// When the 200 OK left, or came.
    pub(crate) answered: Option<Now>,
    pub(crate) port: Option<Port>,
    /// Whether media can flow before the answer: the INVITE brought an offer, or the arrival of ours
    /// would be known.
    pub(crate) speaks_early: bool,
    /// Whether the media plane knows the leg.
    pub(crate) open: bool,
    /// The meeting in which it has a place.
    pub(crate) host: Option<Arc<Hosted>>,
    /// Stands if the call is ours.
    pub(crate) outgoing: Option<Outgoing>,
    pub(crate) payer: Payer,
    /// Whether a hold was asked for, so that it must be given back at once.
    pub(crate) held: bool,
    /// Seconds from answer that are paid for, if credits pay.
    pub(crate) funded_secs: u32,
    /// Seconds from answer that the book was asked for and has not answered about, at the most.
    pub(crate) asked_secs: u32,
    /// Seconds beyond those that the book is asked for, until it is known what it said: the same
    /// question is asked again in the same words.
    pub(crate) asking_secs: Option<u32>,
    /// List price until somebody pays, then the price of the terms.
    pub(crate) price: Option<Price>,
    pub(crate) reasons: Vec<String>,
    /// What was decided about the number, if we call it.
    pub(crate) decision: Option<Decision>,
    /// Token of the newest announcement.
    pub(crate) token: u32,
    /// When it ends, if nothing stops it.
    pub(crate) speaking_until: Instant,
    /// The keys pressed lately.
    pub(crate) presses: Presses,
    /// Whether media was told that keys are awaited.
    pub(crate) listening: bool,
}

impl File {
    /// Returns when the 200 OK left, or the INVITE's time if none has.
    pub(crate) fn started(&self) -> Instant {
        self.answered.map_or(self.invited.mono, |answered| answered.mono)
    }

    /// Returns the end of paid time; meaningless unless credits pay.
    pub(crate) fn funded_until(&self) -> Instant {
        self.started() + Duration::from_secs(self.funded_secs.into())
    }

    /// Returns the seconds from answer that are paid for, or may yet turn out to be.
    pub(crate) fn bespoken_secs(&self) -> u32 {
        self.funded_secs.saturating_add(self.asking_secs.unwrap_or(0))
    }

    /// Returns the connected time if the call ends then: nothing before the answer, never more
    /// than is paid for.
    pub(crate) fn connected(&self, until: Instant) -> Duration {
        let Some(answered) = self.answered else { return Duration::ZERO };
        let connected = until.since(answered.mono);
        match self.payer {
            Payer::Credits(_) => connected.min(Duration::from_secs(self.funded_secs.into())),
            Payer::Nobody | Payer::Included => connected,
        }
    }

    /// Returns what credits pay for the call if it ends then.
    pub(crate) fn cost(&self, until: Instant) -> Money {
        match (&self.payer, self.answered) {
            (Payer::Credits(terms), Some(_)) => {
                let connected = micros(self.connected(until));
                let secs = credits::billed_secs(terms.rate.rounding, connected);
                credits::charge(&terms.rate, secs).unwrap_or(Money::ZERO)
            }
            (Payer::Credits(_), None) | (Payer::Nobody | Payer::Included, _) => Money::ZERO,
        }
    }

    /// Returns the cause of a BYE that came.
    pub(crate) const fn hung_up(&self, q850: Option<u8>) -> Cause {
        match self.outgoing {
            Some(_) => Cause::CalleeHungUp(q850),
            None => Cause::CallerHungUp(q850),
        }
    }

    /// Draws our keys for the trunk that the call is on, if it wants any and may have them.
    pub(crate) fn key(&mut self, turn: &mut Turn<'_>) {
        let wanted = match self.trunk.srtp {
            Protection::Off => false,
            Protection::Optional | Protection::Mandatory => self.private,
        };
        self.keys = wanted.then(|| Box::new(OwnKeys::new([turn.random(), turn.random()])));
    }

    /// Notes that an INVITE of ours leaves by the present trunk.
    pub(crate) fn dialled(&mut self, sip_call_id: String) {
        self.sip_call_id.clone_from(&sip_call_id);
        let Some(outgoing) = &mut self.outgoing else { return };
        outgoing.attempts.truncate(limits::ATTEMPTS - 1);
        let trunk = self.trunk.name.clone();
        outgoing.attempts.push(Attempted { trunk, sip_call_id, sip_status: None, q850: None });
    }

    /// Notes the final answer to the last INVITE of ours.
    pub(crate) fn heard_back(&mut self, sip_status: u16, q850: Option<u8>) {
        let last = self.outgoing.as_mut().and_then(|outgoing| outgoing.attempts.last_mut());
        if let Some(last) = last {
            (last.sip_status, last.q850) = (Some(sip_status), q850);
        }
    }

    /// Returns what the other side said at the end.
    fn received(&self, cause: Cause) -> Received {
        let last = self.outgoing.as_ref().and_then(|outgoing| outgoing.attempts.last());
        let (sip_status, named) = last.map_or((None, None), |last| (last.sip_status, last.q850));
        Received { sip_status, q850: cause.heard().or(named) }
    }

    /// Returns which way the call goes.
    pub(crate) const fn direction(&self) -> Direction {
        match self.outgoing {
            Some(_) => Direction::Out,
            None => Direction::In,
        }
    }

    const fn call_type(&self) -> CallType {
        match self.direction() {
            Direction::In => CallType::In,
            Direction::Out => CallType::Out,
        }
    }

    /// Returns what became of the attempt by the present trunk; `None` if nothing was attempted by
    /// it, or that is counted already.
    pub(crate) fn attempt(&self, cause: Cause, until: Instant) -> Option<Attempt> {
        let post_dial = match &self.outgoing {
            Some(outgoing) if !outgoing.counted => return None,
            Some(outgoing) => outgoing.rang.map(|at| at.since(outgoing.dialled)),
            None => self.answered.map(|answered| answered.mono.since(self.invited.mono)),
        };
        Some(Attempt {
            direction: self.direction(),
            outcome: Outcome::of(cause, self.answered.is_some()),
            post_dial,
            connected: self.connected(until),
        })
    }

    /// Notes why something was decided.
    pub(crate) fn because(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    pub(crate) const fn capability(&self) -> Capability {
        match self.payer {
            Payer::Nobody => Capability::Unattributed,
            Payer::Included => Capability::Included,
            Payer::Credits(_) => Capability::Credits,
        }
    }

    /// Returns the CDR of a call that ends then. Its charge is the list price of unattributed
    /// time, nothing of included time, and the book's to fill in where credits pay.
    pub(crate) fn record(&self, cause: Cause, until: Instant) -> Cdr {
        let connected = self.connected(until);
        let organization = self.host.as_ref().map(|host| host.organization.id);
        let owner = self.number.as_ref().and_then(|number| number.dedicated_to);
        let mut cdr = Cdr {
            call: self.call,
            call_type: self.call_type(),
            sip_call_id: self.sip_call_id.clone(),
            trunk: self.trunk.name.clone(),
            attempts: self.outgoing.as_ref().map_or(Vec::new(), |own| own.attempts.clone()),
            caller: self.caller.clone(),
            withheld: self.withheld.clone().map(Withheld::Plain),
            vouched: self.vouched,
            called: self.called.clone(),
            number_type: self.number.as_ref().map(|number| number.number_type),
            meeting: self.host.as_ref().map(|host| host.meeting.id),
            organizer: self.host.as_ref().map(|host| host.organizer.id),
            organization: organization.or(owner),
            capability: self.capability(),
            account: self.terms().map(|terms| terms.account),
            invited: self.invited.unix,
            answered: self.answered.map(|answered| answered.unix),
            connected_micros: micros(connected),
            billed_secs: 0,
            rate: None,
            fee: Money::ZERO,
            charge: Money::ZERO,
            currency: self.price.map(|price| price.currency),
            ending: cause.ending(&self.trunk.refusal_codes, self.answered.is_some()),
            received: self.received(cause),
            reasons: self.reasons.clone(),
            decision: self.decision.clone(),
        };
        match self.payer {
            Payer::Included => {}
            Payer::Credits(_) => cdr.rate = self.price.map(|price| price.rate),
            Payer::Nobody => self.value(&mut cdr),
        }
        cdr
    }

    /// Returns the leg as the book keeps it; the dialog is filled in when it leaves.
    pub(crate) fn leg(&self, epoch: &credits::Epoch, terms: Option<Terms>, now: Now) -> OpenLeg {
        OpenLeg {
            call: self.call,
            epoch: epoch.clone(),
            dialog: String::new(),
            answered: self.answered.map(|answered| answered.mono),
            terms,
            funded_secs: 0,
            captured: Money::ZERO,
            cdr: Box::new(self.record(Cause::Fenced, now.mono)),
        }
    }

    pub(crate) const fn terms(&self) -> Option<&Terms> {
        match &self.payer {
            Payer::Credits(terms) => Some(terms),
            Payer::Nobody | Payer::Included => None,
        }
    }

    /// Values time that nobody pays for at list price. An unanswered call has no price.
    fn value(&self, cdr: &mut Cdr) {
        let Some(price) = self.price.filter(|_| self.answered.is_some()) else { return };
        let secs = credits::billed_secs(price.rate.rounding, cdr.connected_micros);
        cdr.rate = Some(price.rate);
        cdr.billed_secs = credits::units(&price.rate, secs).unwrap_or(0);
        cdr.charge = credits::charge(&price.rate, secs).unwrap_or(Money::ZERO);
        cdr.fee = price.rate.fee.min(cdr.charge);
    }
}

/// Returns whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
