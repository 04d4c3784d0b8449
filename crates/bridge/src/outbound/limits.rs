//! Limits against fraud, between the policy and the route: what the calls of an organization and of
//! an organizer may cost, where, and how fast (reliability.md S10).
//!
//! Hold before service: the price of a slice counts from the moment the book is asked for it until it
//! is known that the call did not use it, and a slice that would reach over a limit is not asked for.
//! So what all calls cost together never exceeds a limit, however many leave at once.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{
    CallId, Country, Instant, Money, Now, OrganizationId, Outlay, Rate, Subject, UserId, numbering,
};

use crate::call::file::File;
use crate::directory::guarding::Bounds;
use crate::directory::{Directory, Hosted};
use crate::outbound::Denied;
use crate::outbound::window::Window;
use crate::refusal::Guard;

mod told;
mod view;

pub use view::{BudgetView, LimitView, Used};

use told::Told;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Above so many, the accounts of those who have not called for a day are forgotten.
const ACCOUNTS: usize = 16_384;
/// A slice that a budget cuts shorter than this is not worth asking for, seconds: it would end in
/// the middle of the goodbye.
const REST: u32 = 10;

/// Who answers for a call, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    organization: OrganizationId,
    organizer: UserId,
    /// The organization's own country.
    home: Option<Country>,
    /// The destination's; none for networks that belong to none.
    country: Option<Country>,
}

/// What is counted together: all calls of a subject, or those to one country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    All(Subject),
    To(Subject, Option<Country>),
}

/// What one key has used.
#[derive(Debug, Clone)]
struct Use {
    live: u32,
    begun: Window,
    hour: Window,
    day: Window,
    /// Price of what live calls hold, or are asking for, and have not used, millionths.
    held: i64,
}

/// One live call of ours.
#[derive(Debug, Clone)]
struct Live {
    charged: Charged,
    /// Price of all that it holds or asks for, from its first second.
    held: i64,
    used: i64,
    /// Whether it is over, and the book alone has not said so yet: what it held counts until then,
    /// since a crash would charge it by what the book knows.
    over: bool,
}

/// One limit of money, as it stands for a call.
struct Limit {
    guard: Guard,
    /// Its key, and its span in words.
    key: (&'static str, &'static str),
    most: Money,
    /// What is spent, and what other calls and this one hold.
    taken: i64,
}

/// Everybody's use. Bounded by what is provisioned and by the countries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budgets {
    uses: BTreeMap<Key, Use>,
    calls: BTreeMap<CallId, Live>,
}

/// What calls of earlier runs have cost lately; handed in before anybody calls. A call counts with
/// all of its price until a span after its end, so never less than if the node had run on.
#[derive(Debug, Clone, Default)]
pub struct Spent(Budgets);

impl Spent {
    /// How far back calls count: a day, and what windows count beyond it.
    pub const SPAN: Duration = Duration::from_secs(25 * 3600);

    /// Counts a call that is over, as of now.
    pub fn count(&mut self, outlay: &Outlay, now: Now) {
        let charged = Charged {
            organization: outlay.organization,
            organizer: outlay.organizer,
            home: None,
            country: numbering::place(&outlay.called).country,
        };
        let ago = |at| now.unix.since(at);
        let (begun, ended) = (ago(outlay.begun), ago(outlay.ended));
        for key in charged.keys() {
            let used = self.0.uses.entry(key).or_insert_with(Use::new);
            used.begun.add_past(1, begun, now.mono);
            used.hour.add_past(outlay.charge.micros(), ended, now.mono);
            used.day.add_past(outlay.charge.micros(), ended, now.mono);
        }
    }
}

impl Charged {
    /// Names who answers for a meeting's call to a country.
    pub(crate) fn new(host: &Hosted, country: Option<Country>) -> Self {
        Self {
            organization: host.organization.id,
            organizer: host.organizer.id,
            home: host.organization.outbound.country,
            country,
        }
    }

    const fn subjects(&self) -> [Subject; 2] {
        [Subject::Organization(self.organization), Subject::User(self.organizer)]
    }

    fn keys(&self) -> [Key; 4] {
        let [one, other] = self.subjects();
        let to = |subject| Key::To(subject, self.country);
        [Key::All(one), Key::All(other), to(one), to(other)]
    }
}

impl Budgets {
    /// Takes what earlier runs have spent.
    ///
    /// # Panics
    /// If somebody has called already.
    pub(crate) fn recall(&mut self, spent: Spent) {
        assert!(self.uses.is_empty(), "what was spent is told before anybody calls");
        *self = spent.0;
    }

    /// Decides whether one more call may leave, whose first slice is to last so long. Returns how
    /// long it may last.
    ///
    /// # Errors
    /// The guard that holds it back.
    pub(crate) fn within(
        &self,
        charged: &Charged,
        directory: &Directory,
        (rate, slice_secs): (Option<&Rate>, u32),
        now: Now,
    ) -> Result<u32, Denied> {
        let mut secs = slice_secs;
        for subject in charged.subjects() {
            let told = Told { directory, charged, subject };
            for bounds in directory.bounds(subject, charged.organization, now.unix) {
                told.approved(bounds.budget)?;
                let used = self.uses.get(&Key::All(subject));
                let live = used.map_or(0, |used| used.live);
                if live >= bounds.allowance.concurrent {
                    return Err(told.concurrent(&bounds, live));
                }
                let since = bounds.since();
                let begun = used.map_or(0, |used| used.begun.sum(now.mono, since));
                if begun >= i64::from(bounds.allowance.per_minute) {
                    return Err(told.rate(&bounds, begun));
                }
                secs = secs.min(bounds.allowance.max_secs);
            }
        }
        let price = cost(rate, secs);
        for subject in charged.subjects() {
            let told = Told { directory, charged, subject };
            for bounds in directory.bounds(subject, charged.organization, now.unix) {
                let limits = self.limits(subject, charged.country, &bounds, now.mono);
                let over = |limit: &Limit| limit.taken.saturating_add(price) > limit.most.micros();
                if let Some(limit) = limits.iter().find(|limit| over(limit)) {
                    return Err(told.money(limit, &bounds, (secs, price)));
                }
            }
        }
        Ok(secs)
    }

    /// A call is begun.
    pub(crate) fn enter(&mut self, call: CallId, charged: Charged, now: Instant) {
        if self.uses.len() > ACCOUNTS {
            self.uses.retain(|_, used| used.live > 0 || used.day.sum(now, None) > 0);
        }
        for key in charged.keys() {
            let used = self.uses.entry(key).or_insert_with(Use::new);
            used.live += 1;
            used.begun.add(1, now);
        }
        self.calls.insert(call, Live { charged, held: 0, used: 0, over: false });
    }

    /// A call holds, or asks for, time of this price in all, and has used as much of it.
    pub(crate) fn holds(&mut self, call: CallId, held: Money, used: Money, now: Instant) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        let before = live.held - live.used;
        let spent = used.micros().max(live.used) - live.used;
        live.used += spent;
        live.held = held.micros().max(live.used);
        let after = live.held - live.used;
        for key in live.charged.keys() {
            if let Some(known) = self.uses.get_mut(&key) {
                known.held += after - before;
                known.spend(spent, now);
            }
        }
    }

    /// A call is over; it cost this.
    pub(crate) fn end(&mut self, call: CallId, cost: Money, now: Instant) {
        let Some(live) = self.calls.get(&call).filter(|live| !live.over) else { return };
        let held = Money::from_micros(live.held);
        self.holds(call, held.max(cost), cost, now);
        let Some(live) = self.calls.get_mut(&call) else { return };
        live.over = true;
        for key in live.charged.keys() {
            if let Some(used) = self.uses.get_mut(&key) {
                used.live = used.live.saturating_sub(1);
            }
        }
    }

    /// The book has written that a call is over: nothing of it is held any more.
    pub(crate) fn leave(&mut self, call: CallId) {
        let Some(live) = self.calls.remove(&call) else { return };
        for key in live.charged.keys() {
            if let Some(used) = self.uses.get_mut(&key) {
                used.held -= live.held - live.used;
            }
        }
    }

    /// Returns how many more seconds, of those wanted, a live call may ask for. Other calls may ask
    /// for all.
    ///
    /// # Errors
    /// The guard that ends it with what it was granted.
    pub(crate) fn extension(
        &self,
        file: &File,
        directory: &Directory,
        wanted_secs: u32,
        now: Now,
    ) -> Result<u32, Denied> {
        let Some(live) = self.calls.get(&file.call) else { return Ok(wanted_secs) };
        let charged = &live.charged;
        let lived = now.mono.since(file.invited.mono);
        let mut most = wanted_secs;
        let mut money = Vec::new();
        for subject in charged.subjects() {
            let told = Told { directory, charged, subject };
            for bounds in directory.bounds(subject, charged.organization, now.unix) {
                // The night's longest time is that of calls which began in it.
                if bounds.since().is_none_or(|since| lived <= since) {
                    let left = bounds.allowance.max_secs.saturating_sub(file.funded_secs);
                    if left == 0 {
                        return Err(told.longest(&bounds));
                    }
                    most = most.min(left);
                }
                let limits = self.limits(subject, charged.country, &bounds, now.mono);
                money.extend(limits.map(|limit| (told, bounds, limit)));
            }
        }
        let rate = file.price.as_ref().map(|price| &price.rate);
        let more = |secs: u32| cost(rate, file.funded_secs.saturating_add(secs)) - live.held;
        let over =
            |limit: &Limit, secs| limit.taken.saturating_add(more(secs)) > limit.most.micros();
        let fits = |secs| money.iter().all(|(_, _, limit)| !over(limit, secs));
        let secs = longest(most, fits);
        if secs >= REST.min(most) {
            return Ok(secs);
        }
        let least = REST.min(most);
        let first = money.iter().find(|(_, _, limit)| over(limit, least));
        let denied =
            first.map(|(told, bounds, limit)| told.money(limit, bounds, (least, more(least))));
        denied.map_or(Ok(secs), Err)
    }

    /// The limits of money that hold for one subject's call to a country.
    fn limits(
        &self,
        subject: Subject,
        country: Option<Country>,
        bounds: &Bounds<'_>,
        now: Instant,
    ) -> [Limit; 3] {
        let (all, to) = (Key::All(subject), Key::To(subject, country));
        let since = bounds.since();
        let taken = |key, window: fn(&Use) -> &Window| {
            let used = self.uses.get(&key);
            used.map_or(0, |used| window(used).sum(now, since).saturating_add(used.held))
        };
        let allowed = bounds.allowance;
        [
            Limit {
                guard: Guard::BudgetHour,
                key: ("spend_hour", "an hour"),
                most: allowed.spend_hour,
                taken: taken(all, |used| &used.hour),
            },
            Limit {
                guard: Guard::BudgetDay,
                key: ("spend_day", "a day"),
                most: allowed.spend_day,
                taken: taken(all, |used| &used.day),
            },
            Limit {
                guard: Guard::BudgetCountry,
                key: ("country_day", "a day to one country"),
                most: allowed.country_day,
                taken: taken(to, |used| &used.day),
            },
        ]
    }
}

impl Use {
    fn new() -> Self {
        Self {
            live: 0,
            begun: Window::over(MINUTE),
            hour: Window::over(HOUR),
            day: Window::over(DAY),
            held: 0,
        }
    }

    fn spend(&mut self, amount: i64, now: Instant) {
        self.hour.add(amount, now);
        self.day.add(amount, now);
    }
}

/// What time from the answer on costs, millionths; nothing where nothing is known of the price.
fn cost(rate: Option<&Rate>, secs: u32) -> i64 {
    let charge = rate.and_then(|rate| credits::charge(rate, secs.into()));
    charge.map_or(0, Money::micros)
}

/// The largest number up to `most` that fits, if none that does not is followed by one that does.
fn longest(most: u32, fits: impl Fn(u32) -> bool) -> u32 {
    if fits(most) {
        return most;
    }
    let (mut good, mut bad) = (0, most);
    while bad - good > 1 {
        let between = good + (bad - good) / 2;
        if fits(between) {
            good = between;
        } else {
            bad = between;
        }
    }
    good
}

#[cfg(test)]
mod tests;
