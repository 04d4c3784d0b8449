//! What a trunk may ask for: calls a second and calls at once.

use std::collections::BTreeMap;

use model::record::Trunk;
use model::{Instant, TrunkId};

use crate::bucket::Bucket;
use crate::refusal::Refusal;

#[derive(Debug, Default)]
struct Use {
    live: u32,
    rate: Bucket,
}

/// Every trunk's use; bounded by the number of trunks ever configured.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    trunks: BTreeMap<TrunkId, Use>,
}

impl Gate {
    /// Lets a call in and counts it, or names the limit that it breaks. The rate is a token bucket
    /// that holds one second's worth.
    pub(crate) fn enter(&mut self, trunk: &Trunk, now: Instant) -> Result<(), Refusal> {
        let used = self.trunks.entry(trunk.id).or_default();
        if trunk.calls_per_second.is_some_and(|rate| !used.rate.take(rate, now)) {
            return Err(Refusal::TrunkRate);
        }
        if trunk.calls_max.is_some_and(|most| used.live >= most) {
            return Err(Refusal::TrunkFull);
        }
        used.live += 1;
        Ok(())
    }

    /// Returns how many calls of the trunk live.
    pub(crate) fn live(&self, trunk: TrunkId) -> u32 {
        self.trunks.get(&trunk).map_or(0, |used| used.live)
    }

    /// A call that was let in is no longer live.
    pub(crate) fn leave(&mut self, trunk: TrunkId) {
        if let Some(used) = self.trunks.get_mut(&trunk) {
            used.live = used.live.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample;

    #[test]
    fn a_trunk_gets_its_rate_and_no_more() {
        let trunk = Trunk { calls_per_second: Some(2), ..sample::trunk() };
        let mut gate = Gate::default();
        let mut at = |millis| gate.enter(&trunk, Instant::START + Duration::from_millis(millis));
        assert_eq!([at(0), at(0), at(0)], [Ok(()), Ok(()), Err(Refusal::TrunkRate)]);
        assert_eq!(
            [at(499), at(500), at(501)],
            [Err(Refusal::TrunkRate), Ok(()), Err(Refusal::TrunkRate)]
        );
        assert_eq!([at(9000), at(9000), at(9000)], [Ok(()), Ok(()), Err(Refusal::TrunkRate)]);
    }

    #[test]
    fn a_channel_is_free_again_when_its_call_is_over() {
        let trunk = Trunk { calls_max: Some(1), ..sample::trunk() };
        let mut gate = Gate::default();
        assert_eq!(gate.enter(&trunk, Instant::START), Ok(()));
        assert_eq!(gate.enter(&trunk, Instant::START), Err(Refusal::TrunkFull));
        gate.leave(trunk.id);
        assert_eq!(gate.enter(&trunk, Instant::START), Ok(()));
    }
}
