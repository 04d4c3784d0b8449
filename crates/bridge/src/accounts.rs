//! How the accounts of live charged legs stand: the newest word of the store per account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use credits::Standing;
use model::{AccountId, CallId, Instant};

/// Below this the account is read again each second (charging.md, "On the leg").
const WATCHED: Duration = Duration::from_secs(180);
/// How often a watched account is read.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Account {
    standing: Option<Standing>,
    legs: BTreeSet<CallId>,
    watch: Watch,
}

/// Whether the account's standing is read again, and when.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// There is plenty.
    #[default]
    Off,
    /// It is read then.
    Due(Instant),
    /// The store is asked.
    Asked,
}

/// Accounts with live charged legs.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: BTreeMap<AccountId, Account>,
}

impl Accounts {
    /// Returns how long what is available lasts at the present burn; `None` if nothing burns, or
    /// nothing is known.
    pub(crate) fn runway(&self, account: AccountId) -> Option<Duration> {
        runway(self.accounts.get(&account)?.standing?)
    }

    /// A leg is charged to the account.
    pub(crate) fn join(&mut self, account: AccountId, leg: CallId) {
        self.accounts.entry(account).or_default().legs.insert(leg);
    }

    /// A leg is no longer charged. An account without legs is forgotten.
    pub(crate) fn leave(&mut self, account: AccountId, leg: CallId) {
        if let Some(known) = self.accounts.get_mut(&account) {
            known.legs.remove(&leg);
            if known.legs.is_empty() {
                self.accounts.remove(&account);
            }
        }
    }

    /// Takes a word of the store, if it is the newest, and starts or ends the watch. Returns when
    /// the account is to be read next, if that has changed.
    pub(crate) fn learn(&mut self, standing: Standing, now: Instant) -> Option<Instant> {
        let known = self.accounts.get_mut(&standing.account)?;
        if known.standing.is_none_or(|old| old.version <= standing.version) {
            known.standing = Some(standing);
        }
        let short = known.standing.and_then(runway).is_some_and(|left| left < WATCHED);
        match (known.watch, short) {
            (Watch::Off, true) => {
                known.watch = Watch::Due(now + EVERY);
                Some(now + EVERY)
            }
            (Watch::Due(_), false) => {
                known.watch = Watch::Off;
                None
            }
            (Watch::Off | Watch::Asked, false) | (Watch::Due(_) | Watch::Asked, true) => None,
        }
    }

    /// Whether the account is to be read now; it counts as asked then.
    pub(crate) fn ask(&mut self, account: AccountId, now: Instant) -> bool {
        match self.accounts.get_mut(&account) {
            Some(known) if matches!(known.watch, Watch::Due(at) if at <= now) => {
                known.watch = Watch::Asked;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The store has answered, or not. Returns when to read again, if at all.
    pub(crate) fn answered(&mut self, account: AccountId, now: Instant) -> Option<Instant> {
        let known = self.accounts.get_mut(&account)?;
        let short = known.standing.and_then(runway).is_none_or(|left| left < WATCHED);
        known.watch = if short { Watch::Due(now + EVERY) } else { Watch::Off };
        short.then_some(now + EVERY)
    }

    /// Returns the account's live legs.
    pub(crate) fn legs(&self, account: AccountId) -> Vec<CallId> {
        self.accounts
            .get(&account)
            .into_iter()
            .flat_map(|known| known.legs.iter().copied())
            .collect()
    }

    /// Returns how many accounts have live legs.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }
}

fn runway(standing: Standing) -> Option<Duration> {
    let burn = u64::try_from(standing.burn_per_sec.micros()).ok().filter(|burn| *burn > 0)?;
    let available = u64::try_from(standing.available.micros()).unwrap_or(0);
    let micros = u128::from(available) * 1_000_000 / u128::from(burn);
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use model::Money;

    use super::*;

    const ACCOUNT: AccountId = AccountId(7);

    #[test]
    fn an_old_word_does_not_replace_a_newer_one() {
        let mut accounts = Accounts::default();
        accounts.join(ACCOUNT, CallId(1));
        accounts.learn(standing(5, 900), Instant::START);
        accounts.learn(standing(4, 100), Instant::START);
        assert_eq!(accounts.runway(ACCOUNT), Some(Duration::from_secs(900)));
    }

    #[test]
    fn a_short_account_is_read_each_second_until_it_has_plenty() {
        let mut accounts = Accounts::default();
        accounts.join(ACCOUNT, CallId(1));
        let first = accounts.learn(standing(1, 100), Instant::START).unwrap();
        assert!(!accounts.ask(ACCOUNT, Instant::START));
        assert!(accounts.ask(ACCOUNT, first));
        assert!(!accounts.ask(ACCOUNT, first), "one question at a time");
        accounts.learn(standing(2, 99), first);
        let second = accounts.answered(ACCOUNT, first).unwrap();
        assert_eq!(second.since(first), EVERY);
        accounts.learn(standing(3, 999), first);
        assert!(!accounts.ask(ACCOUNT, second));
    }

    #[test]
    fn an_account_without_legs_is_forgotten() {
        let mut accounts = Accounts::default();
        accounts.join(ACCOUNT, CallId(1));
        accounts.leave(ACCOUNT, CallId(1));
        assert_eq!(accounts.learn(standing(1, 1), Instant::START), None);
        assert_eq!(accounts.len(), 0);
    }

    fn standing(version: u64, runway_secs: i64) -> Standing {
        Standing {
            account: ACCOUNT,
            available: Money::from_micros(runway_secs * 10),
            held: Money::ZERO,
            burn_per_sec: Money::from_micros(10),
            version,
        }
    }
}
