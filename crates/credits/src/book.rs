//! The whole book in memory: the plain reference that the stores are compared with, and the one
//! that the simulator and `memory:` use. It forgets nothing and survives nothing.

use std::collections::BTreeMap;
use std::ops::Bound;

use model::record::Cdr;
use model::{
    AccountId, CallId, Currency, Did, E164, HoldId, Instant, OrganizationId, Outlay, Unapproved,
    UnixTime,
};

use crate::account::Account;
use crate::command::{Answer, Command, Epoch, Farewell, OpenLeg};
use crate::leg::Leg;
use crate::page::{Changes, Page};
use crate::view::{AccountView, Case, Entry, Lot};

/// Accounts, legs, holds, entries and records.
#[derive(Debug, Clone, Default)]
pub struct Book {
    page: Page,
    owners: BTreeMap<AccountId, Owner>,
    entries: BTreeMap<AccountId, Vec<Entry>>,
    lots: BTreeMap<AccountId, Vec<Lot>>,
    cdrs: BTreeMap<(UnixTime, CallId), Cdr>,
    newest_epochs: BTreeMap<String, u64>,
    heartbeats: BTreeMap<Epoch, Instant>,
    farewells: BTreeMap<CallId, Farewell>,
}

/// Whose an account is.
#[derive(Debug, Clone)]
struct Owner {
    organization: OrganizationId,
    name: String,
    currency: Currency,
}

impl Book {
    /// Makes a book with no account.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives an organization its account, empty, unless it has one; its name may change.
    pub fn open_account(&mut self, of: OrganizationId, name: &str, currency: Currency) {
        let id = of.account();
        self.page.accounts.entry(id).or_insert_with(|| Account::empty(id));
        self.owners.insert(id, Owner { organization: of, name: name.to_owned(), currency });
    }

    /// Commits a batch; the answers are in its order.
    pub fn commit(&mut self, batch: &[Command], now: UnixTime) -> Vec<Answer> {
        let (answers, changes) = self.page.commit(batch, now);
        self.write(changes, now);
        answers
    }

    /// Starts a new epoch of a node.
    pub fn begin_epoch(&mut self, node: &str) -> Epoch {
        let newest = self.newest_epochs.entry(node.to_owned()).or_default();
        *newest += 1;
        Epoch { node: node.to_owned(), number: *newest }
    }

    /// Notes the epoch's clock as of now.
    pub fn beat(&mut self, epoch: &Epoch, at: Instant) {
        self.heartbeats.insert(epoch.clone(), at);
    }

    /// Fences every other epoch, of whatever node, settles the legs that they left open and returns
    /// them as they stood; their carriers are owed a farewell. One whose rows contradict each other
    /// stays open, for a person to look at.
    pub fn settle(&mut self, current: &Epoch, now: UnixTime) -> Vec<OpenLeg> {
        for (node, newest) in &self.newest_epochs {
            let fence = if *node == current.node { current.number } else { newest + 1 };
            let below = self.page.settled_below.entry(node.clone()).or_default();
            *below = (*below).max(fence);
        }
        let mut orphans = self.open_legs();
        orphans.retain(|leg| leg.epoch != *current);
        let mut changes = Changes::default();
        for owed in orphans.iter().filter_map(|leg| Farewell::owed(leg, now)) {
            self.farewells.entry(owed.call).or_insert(owed);
        }
        for leg in &orphans {
            let heartbeat = self.heartbeats.get(&leg.epoch).copied();
            let _ = self.page.settle(leg.call, heartbeat, now, &mut changes);
        }
        self.write(changes, now);
        orphans
    }

    /// Returns which carriers are still to be told that a leg is over, longest owed first.
    #[must_use]
    pub fn farewells(&self) -> Vec<Farewell> {
        let mut owed: Vec<_> = self.farewells.values().cloned().collect();
        owed.sort_by_key(|farewell| (farewell.since, farewell.call));
        owed
    }

    /// Forgets farewells that were said, or given up.
    pub fn forget_farewells(&mut self, calls: &[CallId]) {
        for call in calls {
            self.farewells.remove(call);
        }
    }

    /// Returns every open leg, in order of its id.
    #[must_use]
    pub fn open_legs(&self) -> Vec<OpenLeg> {
        self.page.legs.values().filter_map(open).cloned().collect()
    }

    /// Returns an organization's account.
    #[must_use]
    pub fn account(&self, of: OrganizationId) -> Option<AccountView> {
        self.view(self.page.accounts.get(&of.account())?)
    }

    /// Returns every account, in order of its id.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountView> {
        self.page.accounts.values().filter_map(|account| self.view(account)).collect()
    }

    /// Returns an account's entries with `from <= at < until`, oldest first.
    #[must_use]
    pub fn entries(&self, account: AccountId, from: UnixTime, until: UnixTime) -> Vec<Entry> {
        let all = self.entries.get(&account).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|entry| from <= entry.at && entry.at < until).cloned().collect()
    }

    /// Returns the records written last, newest first.
    #[must_use]
    pub fn cdrs(&self, most: usize) -> Vec<Cdr> {
        self.cdrs.values().rev().take(most).cloned().collect()
    }

    /// Returns calls out that are over and whose records come after `after`, in the order in which
    /// they were written, at most so many.
    #[must_use]
    pub fn outlays(&self, after: (UnixTime, CallId), most: usize) -> Vec<Outlay> {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let spent = self.cdrs.range(later).filter_map(|((written, _), cdr)| outlay(*written, cdr));
        spent.take(most).collect()
    }

    /// Returns the newest calls that were refused since then because nobody has approved the
    /// country, newest first.
    #[must_use]
    pub fn unapproved(&self, since: UnixTime, most: usize) -> Vec<Unapproved> {
        let later = self.cdrs.range((since, CallId(0))..).rev();
        let refused = later.filter(|(_, cdr)| cdr.ending.label == "country_unapproved");
        let told = refused.filter_map(|((at, _), cdr)| {
            Some(Unapproved { organization: cdr.organization?, called: called(cdr)?, at: *at })
        });
        told.take(most).collect()
    }

    /// Returns all that is known of a call, by our id (32 hexadecimal digits) or the SIP Call-ID.
    #[must_use]
    pub fn case(&self, key: &str) -> Option<Case> {
        let by_id = key.parse().ok().and_then(|call| self.case_of(call));
        by_id.or_else(|| self.case_of(self.by_sip_call_id(key)?))
    }

    fn by_sip_call_id(&self, key: &str) -> Option<CallId> {
        let over = self.cdrs.values().rev().find(|cdr| cdr.is_named(key));
        let mut live = self.page.legs.values().filter_map(open);
        let live = live.find(|leg| leg.cdr.is_named(key)).map(|leg| leg.call);
        live.or(over.map(|cdr| cdr.call))
    }

    fn case_of(&self, call: CallId) -> Option<Case> {
        let leg = self.page.legs.get(&call)?;
        let all = HoldId { leg: call, sequence: 0 }..=HoldId { leg: call, sequence: u32::MAX };
        let entries = leg.payer().and_then(|account| self.entries.get(&account));
        let entries = entries.map_or(&[][..], Vec::as_slice).iter();
        let own = |entry: &&Entry| entry.hold.is_some_and(|hold| hold.leg == call);
        Some(Case {
            call,
            cdr: self.cdrs.values().find(|cdr| cdr.call == call).cloned(),
            open: open(leg).cloned(),
            holds: self.page.holds.range(all).map(|(_, hold)| hold.view()).collect(),
            entries: entries.filter(own).cloned().collect(),
        })
    }

    fn view(&self, account: &Account) -> Option<AccountView> {
        let owner = self.owners.get(&account.id)?;
        Some(AccountView {
            organization: owner.organization,
            name: owner.name.clone(),
            currency: owner.currency,
            granted: account.granted,
            captured: account.captured,
            expired: account.expired,
            held: account.held,
            available: account.available()?,
            burn_per_sec: account.burn_per_sec,
            lots: self.lots.get(&account.id).cloned().unwrap_or_default(),
        })
    }

    fn write(&mut self, changes: Changes, now: UnixTime) {
        for entry in changes.entries {
            self.entries.entry(entry.account).or_default().push(entry);
        }
        for (account, lot) in changes.lots {
            let lots = self.lots.entry(account).or_default();
            lots.push(lot);
            lots.sort_by(|a, b| (a.at, &a.reference).cmp(&(b.at, &b.reference)));
        }
        for cdr in changes.cdrs {
            self.cdrs.insert((now, cdr.call), cdr);
        }
    }
}

fn open(leg: &Leg) -> Option<&OpenLeg> {
    match leg {
        Leg::Open(running) => Some(&running.leg),
        Leg::Over(_) => None,
    }
}

/// What a call out was, if the record is of one that left.
fn outlay(written: UnixTime, cdr: &Cdr) -> Option<Outlay> {
    let left = cdr.decision.as_ref().is_some_and(|made| made.allowed) && !cdr.trunk.is_empty();
    let (organization, organizer) = cdr.organization.zip(cdr.organizer).filter(|_| left)?;
    Some(Outlay {
        call: cdr.call,
        written,
        organization,
        organizer,
        called: called(cdr)?,
        begun: cdr.invited,
        ended: cdr.answered.unwrap_or(cdr.invited).after(cdr.connected_micros),
        charge: cdr.charge,
    })
}

fn called(cdr: &Cdr) -> Option<E164> {
    match cdr.called {
        Some(Did::E164(number)) => Some(number),
        Some(Did::Local(_)) | None => None,
    }
}
