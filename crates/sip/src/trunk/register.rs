//! Registrations of ours with carriers that want them (RFC 3261 §10.2): refreshed in time, tried
//! again ever more slowly when refused.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Instant, Outbound, TrunkId};

use crate::answer::Question;
use crate::dialog::{Dialog, HOPS, Id};
use crate::endpoint::{Endpoint, Event};
use crate::locate::Targets;
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Name, header};
use crate::timers::Alarm;
use crate::transaction::client::Purpose;
use crate::transport::{self, Flow};
use crate::trunk::digest::Authentication;
use crate::trunk::outgoing::Ends;

/// First wait after a failure, seconds; it doubles with each further one (RFC 5626 §4.5).
const BACK_OFF_SECS: u32 = 30;
/// Longest wait after a failure, seconds.
const BACK_OFF_MOST_SECS: u32 = 1_800;
/// Longest expiry that a carrier may make us ask for, seconds.
const EXPIRY_MOST_SECS: u32 = 86_400;
/// Shortest time between two registrations, seconds.
const REST_SECS: u32 = 5;

/// One of them.
#[derive(Debug)]
pub(crate) struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    known: Authentication,
    /// The expiry asked for, seconds.
    expiry: u32,
    /// What the bridge was told last.
    told: Option<(bool, u16)>,
    /// Until when the carrier knows us.
    until: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// The request that is on its way.
    asked: Option<u64>,
    /// When to ask next, where none is.
    due: Option<Instant>,
}

impl Endpoint {
    /// Registers with the trunks that want it, and no others.
    pub(crate) fn register_trunks(&mut self, now: Instant) {
        let wanted = self.trunks.outbounds().filter_map(|(trunk, outbound)| {
            Some((trunk, outbound.register_secs.filter(|secs| *secs > 0)?))
        });
        let wanted: BTreeMap<_, _> = wanted.filter(|_| !self.draining).collect();
        let known: Vec<_> = self.registrations.keys().copied().collect();
        for trunk in known.into_iter().filter(|trunk| !wanted.contains_key(trunk)) {
            self.shift_registration(trunk, None);
        }
        for (trunk, expiry) in wanted {
            if self.registrations.contains_key(&trunk) {
                continue;
            }
            let jitter = Duration::from_millis(u64::from(self.chance.up_to(1_000)));
            let registration = Registration {
                call_id: self.chance.call_id(),
                tag: self.chance.tag(),
                cseq: 0,
                known: Authentication::default(),
                expiry,
                told: None,
                until: None,
                failures: 0,
                asked: None,
                due: Some(now + jitter),
            };
            self.shift_registration(trunk, Some(registration));
        }
    }

    /// Takes our registrations back: carriers shall send their calls elsewhere.
    pub(crate) fn take_leave(&mut self, now: Instant) {
        let known: Vec<_> = self.registrations.keys().copied().collect();
        for trunk in known {
            let Some(registration) = self.registrations.get_mut(&trunk) else { continue };
            registration.expiry = 0;
            let asked = registration.asked.take();
            let was = asked.is_some() || registration.until.is_some();
            if let Some(serial) = asked {
                self.forget_asked(serial);
            }
            if was {
                self.register_in(trunk, Duration::ZERO, now);
            } else {
                self.shift_registration(trunk, None);
            }
        }
    }

    /// It is time to register.
    pub(crate) fn registration_due(&mut self, trunk: TrunkId, now: Instant) {
        let Some(mut registration) = self.registrations.remove(&trunk) else { return };
        registration.due = None;
        self.registrations.insert(trunk, registration);
        match self.targets(trunk) {
            Targets::Known(ways) => {
                if ways.first().is_none_or(|flow| !self.register(trunk, *flow, now)) {
                    self.registration_failed(trunk, 503, None, now);
                }
            }
            Targets::Asked => self.register_in(trunk, Duration::from_secs(1), now),
            Targets::Nowhere => self.registration_failed(trunk, 503, None, now),
        }
    }

    /// The final answer to a REGISTER, 408 for silence.
    pub(crate) fn registered(
        &mut self,
        trunk: TrunkId,
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        let Some(mut registration) = self.registrations.remove(&trunk) else { return };
        registration.asked = None;
        let known = (trunk, &mut registration.known);
        let proved = registration.told.is_some_and(|(registered, _)| registered);
        let challenged =
            answer.is_some_and(|answer| self.learn_challenge(known, status, answer, proved));
        let least = answer.and_then(|answer| answer.first(Name::MinExpires));
        let least = least.and_then(header::leading_number);
        let raised = least.filter(|least| {
            let fits = (registration.expiry + 1..=EXPIRY_MOST_SECS).contains(least);
            status == 423 && fits && !self.draining
        });
        registration.expiry = raised.unwrap_or(registration.expiry);
        let granted = answer.and_then(granted).unwrap_or(registration.expiry);
        self.registrations.insert(trunk, registration);
        match status {
            _ if challenged || raised.is_some() => self.register_in(trunk, Duration::ZERO, now),
            _ if self.draining => self.left(trunk, status),
            200..=299 => self.registration_stands(trunk, granted, now),
            _ => self.registration_failed(trunk, status, answer, now),
        }
    }

    fn register(&mut self, trunk: TrunkId, flow: Flow, now: Instant) -> bool {
        let Some(mut registration) = self.registrations.remove(&trunk) else { return false };
        let asked = self.send_register(&mut registration, (trunk, flow), now);
        registration.asked = asked;
        self.registrations.insert(trunk, registration);
        asked.is_some()
    }

    fn send_register(
        &mut self,
        registration: &mut Registration,
        (trunk, flow): (TrunkId, Flow),
        now: Instant,
    ) -> Option<u64> {
        let outbound = self.trunks.active(trunk)?.outbound.as_ref()?;
        let user = user(outbound);
        let ends = Ends::of(outbound, user.as_deref())?;
        let own = self.settings.listeners.get(usize::from(flow.listener))?;
        let parameter = transport::parameter(own.transport);
        let at = user.map(|user| format!("{user}@")).unwrap_or_default();
        let contact = format!("<sip:{at}{}{parameter}>", own.advertised);
        let id = Id::placed(&registration.call_id, &registration.tag);
        let dialog = Dialog::placed(&ends, id, flow);
        registration.cseq = registration.cseq.saturating_add(1);
        let method = Method::REGISTER;
        let draft = dialog.written(method.name(), registration.cseq, HOPS)?;
        let mut extra = Lines::new().with("Contact", &Value::new(contact)?);
        extra.push("Expires", &Value::shown(registration.expiry));
        let about = (method.name(), draft.uri.text());
        extra.append(&self.vouch(trunk, Some(&mut registration.known), about));
        let purpose = Purpose::Register(trunk);
        let question = Question { method, purpose, trunk: Some(trunk), flow };
        Some(self.ask(question, &draft, &extra, now))
    }

    fn registration_stands(&mut self, trunk: TrunkId, granted: u32, now: Instant) {
        let Some(registration) = self.registrations.get_mut(&trunk) else { return };
        registration.failures = 0;
        registration.until = Some(now + Duration::from_secs(u64::from(granted)));
        // Half of a short time, all but a minute of a long one: there is time to try again.
        let wait = (granted / 2).max(granted.saturating_sub(60)).max(REST_SECS);
        self.register_in(trunk, Duration::from_secs(u64::from(wait)), now);
        self.tell_registration(trunk, (true, 200));
    }

    fn registration_failed(
        &mut self,
        trunk: TrunkId,
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        if self.draining {
            return self.left(trunk, status);
        }
        let asked = answer.and_then(|answer| answer.first(Name::RetryAfter));
        let asked = asked.and_then(header::leading_number).unwrap_or(0);
        let jitter = self.chance.up_to(BACK_OFF_SECS / 3);
        let Some(registration) = self.registrations.get_mut(&trunk) else { return };
        let doubled = BACK_OFF_SECS << registration.failures.min(6);
        registration.failures = registration.failures.saturating_add(1);
        let wait = doubled.max(asked).min(BACK_OFF_MOST_SECS) + jitter;
        // Silence and overload leave a binding that stands until it runs out.
        let stands = registration.until.is_some_and(|until| until > now);
        let registered = stands && matches!(status, 408 | 500..=599);
        self.register_in(trunk, Duration::from_secs(u64::from(wait)), now);
        self.tell_registration(trunk, (registered, status));
    }

    /// Nothing more is said to a carrier that we have left.
    fn left(&mut self, trunk: TrunkId, status: u16) {
        self.tell_registration(trunk, (false, status));
        self.shift_registration(trunk, None);
    }

    fn register_in(&mut self, trunk: TrunkId, wait: Duration, now: Instant) {
        if let Some(mut registration) = self.registrations.remove(&trunk) {
            self.timers.shift(Alarm::Registration(trunk), registration.due, None);
            registration.due = Some(now + wait);
            self.shift_registration(trunk, Some(registration));
        }
    }

    fn tell_registration(&mut self, trunk: TrunkId, (registered, status): (bool, u16)) {
        let Some(registration) = self.registrations.get_mut(&trunk) else { return };
        let news = Some((registered, status));
        if std::mem::replace(&mut registration.told, news) != news {
            self.emit(Event::Registered { trunk, registered, status });
        }
    }

    fn shift_registration(&mut self, trunk: TrunkId, registration: Option<Registration>) {
        if let Some(before) = self.registrations.remove(&trunk) {
            self.timers.shift(Alarm::Registration(trunk), before.due, None);
            if let Some(serial) = before.asked {
                self.forget_asked(serial);
            }
        }
        if let Some(registration) = registration {
            self.timers.shift(Alarm::Registration(trunk), None, registration.due);
            self.registrations.insert(trunk, registration);
        }
    }
}

/// Returns whom we register as.
fn user(outbound: &Outbound) -> Option<String> {
    outbound.credentials.as_ref().map(|own| own.user.clone())
}

/// Returns the expiry that a 2xx grants: of its only contact, else of all.
fn granted(answer: &Message<'_>) -> Option<u32> {
    let mut contacts = answer.elements(Name::Contact);
    let only = contacts.next().filter(|_| contacts.next().is_none());
    let own = only.and_then(header::NameAddr::read);
    let own = own.and_then(|contact| header::parameter(contact.parameters, "expires"));
    own.and_then(header::decimal)
        .or_else(|| answer.first(Name::Expires).and_then(header::leading_number))
}
