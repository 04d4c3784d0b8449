//! A token bucket that holds one second's worth.

use model::Instant;

/// One token in millionths, so that a bucket fills exactly with microseconds.
const TOKEN: u64 = 1_000_000;

/// How much of a rate is left. A new one is full.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    tokens: u64,
    filled: Option<Instant>,
}

impl Bucket {
    /// Takes a token; returns whether there was one.
    pub(crate) fn take(&mut self, rate: u32, now: Instant) -> bool {
        self.tokens = self.level(rate, now);
        self.filled = Some(now);
        let left = self.tokens.checked_sub(TOKEN);
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }

    /// Whether there is a token.
    pub(crate) fn has(&self, rate: u32, now: Instant) -> bool {
        self.level(rate, now) >= TOKEN
    }

    fn level(&self, rate: u32, now: Instant) -> u64 {
        let full = u64::from(rate) * TOKEN;
        let since = self.filled.map_or(u64::MAX, |at| now.micros.saturating_sub(at.micros));
        self.tokens.saturating_add(since.saturating_mul(rate.into())).min(full)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn looking_takes_nothing_and_taking_takes_one() {
        let mut bucket = Bucket::default();
        let at = |millis| Instant::START + Duration::from_millis(millis);
        assert!(bucket.has(1, at(0)) && bucket.has(1, at(0)));
        assert!(bucket.take(1, at(0)));
        assert!(!bucket.has(1, at(999)) && !bucket.take(1, at(999)));
        assert!(bucket.has(1, at(1000)) && bucket.take(1, at(1000)));
    }
}
