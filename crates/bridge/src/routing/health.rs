//! What is known of the trunks that calls leave by: whether they live, whether they know us,
//! whether they asked for rest, and how many calls of ours they have.

use std::collections::BTreeMap;
use std::time::Duration;

use model::record::Trunk;
use model::{Instant, Outbound, TrunkId};

use super::Skip;
use crate::bucket::Bucket;

/// Longest rest that a Retry-After gets; a carrier that says more is asked again after it.
pub const REST_MAX: Duration = Duration::from_secs(300);

/// What is known of one trunk.
#[derive(Debug, Clone, Default)]
struct State {
    /// Nobody has said that it is up, or somebody has.
    down: bool,
    registered: bool,
    rests_until: Option<Instant>,
    /// What keeps us from reaching it.
    trouble: Option<sip::Trouble>,
    live: u32,
    rate: Bucket,
}

/// What is known of every trunk; bounded by the number of trunks ever configured. A trunk of which
/// nothing is known is up, and does not know us.
#[derive(Debug, Clone, Default)]
pub struct Health {
    trunks: BTreeMap<TrunkId, State>,
}

impl Health {
    /// Takes what OPTIONS told ([`sip::endpoint::Event::Reachable`]).
    pub fn reachable(&mut self, trunk: TrunkId, up: bool) {
        self.state(trunk).down = !up;
    }

    /// Takes what became of a registration, ours with the trunk or the trunk's with us ([`sip::endpoint::Event::Registered`]).
    pub fn registered(&mut self, trunk: TrunkId, registered: bool) {
        self.state(trunk).registered = registered;
    }

    /// Takes what keeps us from reaching a trunk, or that nothing does any more
    /// ([`sip::endpoint::Event::Troubled`]); returns whether that is new.
    pub fn troubled(&mut self, trunk: TrunkId, trouble: Option<sip::Trouble>) -> bool {
        let state = self.state(trunk);
        std::mem::replace(&mut state.trouble, trouble) != trouble
    }

    /// Returns what keeps us from reaching a trunk, as far as that was last tried.
    #[must_use]
    pub fn trouble(&self, trunk: TrunkId) -> Option<sip::Trouble> {
        self.trunks.get(&trunk).and_then(|state| state.trouble)
    }

    /// Takes the failure of a call that we placed: 503 with Retry-After keeps the next ones away for
    /// so long, [`REST_MAX`] at most (RFC 3261 §21.5.4).
    pub fn failed(&mut self, trunk: TrunkId, failure: &sip::endpoint::Failure, now: Instant) {
        if let (503, true, Some(secs)) =
            (failure.status, failure.answered, failure.retry_after_secs)
        {
            let rest = Duration::from_secs(secs.into()).min(REST_MAX);
            let state = self.state(trunk);
            state.rests_until = state.rests_until.max(Some(now + rest));
        }
    }

    /// Counts a call that is placed now. Each is followed by one [`Self::ended`].
    pub fn began(&mut self, trunk: &Trunk, now: Instant) {
        let limits = trunk.outbound.as_ref().map(|outbound| &outbound.routing);
        let rate = limits.and_then(|routing| routing.calls_per_second);
        let state = self.state(trunk.id);
        state.live += 1;
        if let Some(rate) = rate {
            state.rate.take(rate, now);
        }
    }

    /// A call that was counted is no longer with the trunk: it is over, or tried by another.
    pub fn ended(&mut self, trunk: TrunkId) {
        let state = self.state(trunk);
        state.live = state.live.saturating_sub(1);
    }

    /// Returns how many calls of ours the trunk has.
    #[must_use]
    pub fn live(&self, trunk: TrunkId) -> u32 {
        self.trunks.get(&trunk).map_or(0, |state| state.live)
    }

    /// Whether a call may be placed by the trunk now.
    ///
    /// # Errors
    /// Why not.
    pub fn carries(&self, trunk: &Trunk, outbound: &Outbound, now: Instant) -> Result<(), Skip> {
        let routing = &outbound.routing;
        let unknown = State::default();
        let state = self.trunks.get(&trunk.id).unwrap_or(&unknown);
        if routing.suspended {
            return Err(Skip::Suspended);
        }
        if state.down && outbound.options_secs.is_some() {
            return Err(Skip::Down);
        }
        let registers = outbound.register_secs.is_some() || trunk.registers.is_some();
        if !state.registered && registers {
            return Err(Skip::Unregistered);
        }
        if let Some(until) = state.rests_until.filter(|until| *until > now) {
            return Err(Skip::Resting { until });
        }
        if routing.calls_max.is_some_and(|most| state.live >= most) {
            return Err(Skip::Full);
        }
        if routing.calls_per_second.is_some_and(|rate| !state.rate.has(rate, now)) {
            return Err(Skip::Rate);
        }
        Ok(())
    }

    fn state(&mut self, trunk: TrunkId) -> &mut State {
        self.trunks.entry(trunk).or_default()
    }
}

#[cfg(test)]
mod tests {
    use model::outbound::Routing;
    use sip::endpoint::Failure;

    use super::*;
    use crate::sample;

    #[test]
    fn a_trunk_is_down_from_the_news_of_it_until_the_news_that_it_is_back() {
        let trunk = trunk(|outbound| outbound.options_secs = Some(30));
        let mut health = Health::default();
        assert_eq!(carries(&health, &trunk, 0), Ok(()));
        health.reachable(trunk.id, false);
        assert_eq!(carries(&health, &trunk, 0), Err(Skip::Down));
        health.reachable(trunk.id, true);
        assert_eq!(carries(&health, &trunk, 0), Ok(()));
        health.reachable(trunk.id, false);
        let unasked = self::trunk(|_| ());
        assert_eq!(carries(&health, &unasked, 0), Ok(()), "it is asked no longer");
    }

    #[test]
    fn a_trunk_that_wants_us_registered_carries_nothing_before() {
        let trunk = trunk(|outbound| outbound.register_secs = Some(600));
        let mut health = Health::default();
        assert_eq!(carries(&health, &trunk, 0), Err(Skip::Unregistered));
        health.registered(trunk.id, true);
        assert_eq!(carries(&health, &trunk, 0), Ok(()));
        health.registered(trunk.id, false);
        assert_eq!(carries(&health, &trunk, 0), Err(Skip::Unregistered));
    }

    #[test]
    fn a_trunk_that_registers_with_us_carries_nothing_before() {
        let password = model::Secret::new("p".into());
        let credentials = model::Credentials { realm: "r".into(), user: "u".into(), password };
        let registers = model::Registrar { credentials, expiry_min_secs: 60, expiry_max_secs: 600 };
        let trunk = Trunk { registers: Some(registers), ..trunk(|_| ()) };
        let mut health = Health::default();
        assert_eq!(carries(&health, &trunk, 0), Err(Skip::Unregistered));
        health.registered(trunk.id, true);
        assert_eq!(carries(&health, &trunk, 0), Ok(()));
    }

    #[test]
    fn a_503_with_a_time_to_come_back_is_a_rest_and_its_length_is_bounded() {
        let trunk = trunk(|_| ());
        let mut health = Health::default();
        health.failed(trunk.id, &failure(503, Some(30)), at(0));
        assert!(matches!(carries(&health, &trunk, 29), Err(Skip::Resting { .. })));
        assert_eq!(carries(&health, &trunk, 30), Ok(()));
        health.failed(trunk.id, &failure(503, Some(u32::MAX)), at(100));
        assert!(matches!(carries(&health, &trunk, 399), Err(Skip::Resting { .. })));
        assert_eq!(carries(&health, &trunk, 400), Ok(()));
    }

    #[test]
    fn other_failures_and_a_shorter_rest_change_nothing() {
        let trunk = trunk(|_| ());
        let mut health = Health::default();
        health.failed(trunk.id, &failure(503, None), at(0));
        health.failed(trunk.id, &failure(480, Some(60)), at(0));
        let silent = Failure { answered: false, ..failure(503, Some(60)) };
        health.failed(trunk.id, &silent, at(0));
        assert_eq!(carries(&health, &trunk, 0), Ok(()));
        health.failed(trunk.id, &failure(503, Some(60)), at(0));
        health.failed(trunk.id, &failure(503, Some(5)), at(1));
        assert!(matches!(carries(&health, &trunk, 59), Err(Skip::Resting { .. })));
    }

    #[test]
    fn limits_of_calls_at_once_and_calls_a_second_hold() {
        let trunk = trunk(|outbound| {
            outbound.routing =
                Routing { calls_max: Some(2), calls_per_second: Some(1), ..Routing::default() };
        });
        let mut health = Health::default();
        health.began(&trunk, at(0));
        assert_eq!(carries(&health, &trunk, 0), Err(Skip::Rate));
        assert_eq!(carries(&health, &trunk, 1), Ok(()));
        health.began(&trunk, at(1));
        assert_eq!((carries(&health, &trunk, 5), health.live(trunk.id)), (Err(Skip::Full), 2));
        health.ended(trunk.id);
        assert_eq!((carries(&health, &trunk, 5), health.live(trunk.id)), (Ok(()), 1));
    }

    #[test]
    fn a_suspended_trunk_carries_nothing() {
        let trunk = trunk(|outbound| outbound.routing.suspended = true);
        assert_eq!(carries(&Health::default(), &trunk, 0), Err(Skip::Suspended));
    }

    fn trunk(change: impl FnOnce(&mut Outbound)) -> Trunk {
        let mut trunk = sample::way_out("carrier");
        trunk.outbound.as_mut().map(change);
        trunk
    }

    fn carries(health: &Health, trunk: &Trunk, secs: u64) -> Result<(), Skip> {
        health.carries(trunk, trunk.outbound.as_ref().unwrap(), at(secs))
    }

    fn failure(status: u16, retry_after_secs: Option<u32>) -> Failure {
        Failure {
            status,
            answered: true,
            progressed: false,
            trouble: None,
            q850: None,
            retry_after_secs,
            contacts: Vec::new(),
        }
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }
}
