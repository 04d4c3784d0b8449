//! Whether a trunk lives, asked by OPTIONS outside any dialog: any answer but 408 and 503 is life;
//! down after three misses in a row, back after two answers.

use std::time::Duration;

use model::{Instant, TrunkId};

use crate::answer::Question;
use crate::dialog::{Dialog, HOPS, Id};
use crate::endpoint::{Endpoint, Event};
use crate::locate::Targets;
use crate::message::Method;
use crate::timers::Alarm;
use crate::transaction::client::Purpose;
use crate::trunk::outgoing::Ends;

/// Misses in a row that take a trunk down.
const MISSES: u8 = 3;
/// Answers in a row that bring it back.
const ANSWERS: u8 = 2;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// When a trunk is looked at again whose address is still being looked up.
const LOOK_UP: Duration = Duration::from_secs(1);

/// What is known of one trunk.
#[derive(Debug)]
pub(crate) struct Health {
    interval: Duration,
    up: bool,
    /// How often in a row it was found otherwise.
    against: u8,
    /// The question that is on its way.
    asked: Option<u64>,
    due: Instant,
}

impl Health {
    /// Takes the outcome of one question; returns the new state if it changed.
    fn note(&mut self, answered: bool) -> Option<bool> {
        if answered == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = if self.up { MISSES } else { ANSWERS };
        if self.against < enough {
            return None;
        }
        self.against = 0;
        self.up = answered;
        Some(answered)
    }
}

impl Endpoint {
    /// Watches the trunks that want it, and no others.
    pub(crate) fn watch_trunks(&mut self, now: Instant) {
        let wanted = self.trunks.outbounds().filter_map(|(trunk, outbound)| {
            let secs = outbound.options_secs.filter(|secs| *secs > 0)?;
            Some((trunk, Duration::from_secs(u64::from(secs))))
        });
        let wanted: std::collections::BTreeMap<_, _> = wanted.collect();
        let known: Vec<_> = self.health.keys().copied().collect();
        for trunk in known.into_iter().filter(|trunk| !wanted.contains_key(trunk)) {
            self.shift_health(trunk, None);
        }
        for (trunk, interval) in wanted {
            match self.health.get_mut(&trunk) {
                Some(health) => health.interval = interval,
                None => {
                    let jitter = Duration::from_millis(u64::from(self.chance.up_to(1_000)));
                    let (up, against, asked, due) = (true, 0, None, now + jitter);
                    let health = Health { interval, up, against, asked, due };
                    self.shift_health(trunk, Some(health));
                }
            }
        }
    }

    /// It is time to ask, or an answer has been waited for long enough.
    pub(crate) fn health_due(&mut self, trunk: TrunkId, now: Instant) {
        let Some(health) = self.health.get_mut(&trunk) else { return };
        if let Some(serial) = health.asked.take() {
            self.forget_asked(serial);
            return self.judge(trunk, false, now);
        }
        match self.targets(trunk) {
            Targets::Known(ways) => {
                let asked = ways.first().copied().and_then(|flow| self.probe(trunk, flow, now));
                match asked {
                    Some(serial) => self.await_health(trunk, Some(serial), now + PATIENCE),
                    None => self.judge(trunk, false, now),
                }
            }
            Targets::Asked => self.await_health(trunk, None, now + LOOK_UP),
            Targets::Nowhere => self.judge(trunk, false, now),
        }
    }

    /// The final answer to an OPTIONS.
    pub(crate) fn probed(&mut self, trunk: TrunkId, status: u16, now: Instant) {
        let Some(health) = self.health.get_mut(&trunk) else { return };
        health.asked = None;
        self.judge(trunk, !matches!(status, 408 | 503), now);
    }

    fn probe(&mut self, trunk: TrunkId, flow: crate::transport::Flow, now: Instant) -> Option<u64> {
        let mut ends = Ends::of(self.trunks.active(trunk)?.outbound.as_ref()?, None)?;
        if let Some(contact) = self.bound_at(trunk, flow) {
            ends.uri = contact.to_owned();
        }
        let id = Id::placed(&self.chance.call_id(), &self.chance.tag());
        let dialog = Dialog::placed(&ends, id, flow);
        let method = Method::Options;
        let draft = dialog.written(method.name(), 1, HOPS)?;
        let question =
            Question { method, purpose: Purpose::Health(trunk), trunk: Some(trunk), flow };
        let extra = self.words.offer(flow.listener);
        Some(self.ask(question, &draft, &extra, now))
    }

    fn judge(&mut self, trunk: TrunkId, answered: bool, now: Instant) {
        let Some(health) = self.health.get_mut(&trunk) else { return };
        let (changed, interval) = (health.note(answered), health.interval);
        self.await_health(trunk, None, now + interval);
        if let Some(up) = changed {
            self.emit(Event::Reachable { trunk, up });
        }
    }

    fn await_health(&mut self, trunk: TrunkId, asked: Option<u64>, due: Instant) {
        if let Some(health) = self.health.remove(&trunk) {
            self.timers.shift(Alarm::Health(trunk), Some(health.due), None);
            self.shift_health(trunk, Some(Health { asked, due, ..health }));
        }
    }

    /// Puts a trunk under watch, or takes it off.
    fn shift_health(&mut self, trunk: TrunkId, health: Option<Health>) {
        if let Some(before) = self.health.remove(&trunk) {
            self.timers.shift(Alarm::Health(trunk), Some(before.due), None);
            if let Some(serial) = before.asked {
                self.forget_asked(serial);
            }
        }
        if let Some(health) = health {
            self.timers.shift(Alarm::Health(trunk), None, Some(health.due));
            self.health.insert(trunk, health);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_misses_take_a_trunk_down_and_two_answers_bring_it_back() {
        let (interval, due) = (PATIENCE, Instant::START);
        let mut health = Health { interval, up: true, against: 0, asked: None, due };
        let told: Vec<_> =
            [false, false, true, false, false, false, false, true, false, true, true]
                .into_iter()
                .map(|answered| health.note(answered))
                .collect();
        let mut expected = vec![None; 11];
        expected[5] = Some(false);
        expected[10] = Some(true);
        assert_eq!(told, expected);
    }
}
