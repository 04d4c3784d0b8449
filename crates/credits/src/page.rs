//! The rows that a batch of commands concerns, and the folding of [`decide`] over them. A store
//! loads a page, folds, and writes what changed; the [`crate::Book`] is one page of everything.

use std::collections::{BTreeMap, BTreeSet};

use model::record::Cdr;
use model::{AccountId, CallId, HoldId, Instant, Money, UnixTime};

use crate::account::Account;
use crate::command::{Answer, Command, CreditRefusal, Epoch};
use crate::ending;
use crate::ledger::{Facts, Outcome, decide};
use crate::leg::{Hold, Leg, Running};
use crate::view::{Entry, Lot};

/// Rows as they stand. A row that is absent does not exist.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Accounts.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Legs, open and over.
    pub legs: BTreeMap<CallId, Leg>,
    /// Holds, whatever became of them.
    pub holds: BTreeMap<HoldId, Hold>,
    /// Purchases by account and reference.
    pub bought: BTreeMap<(AccountId, String), Money>,
    /// Per node, the epoch number below which everything is settled.
    pub settled_below: BTreeMap<String, u64>,
}

/// Which rows of a page changed, and the lines to append.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Accounts to write.
    pub accounts: BTreeSet<AccountId>,
    /// Legs to write.
    pub legs: BTreeSet<CallId>,
    /// Holds to write.
    pub holds: BTreeSet<HoldId>,
    /// Entries to append, in order.
    pub entries: Vec<Entry>,
    /// Purchases to append.
    pub lots: Vec<(AccountId, Lot)>,
    /// Records to append.
    pub cdrs: Vec<Cdr>,
}

/// Which rows a batch concerns, as far as its commands tell. The accounts of its legs' terms come
/// on top, once the legs are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Accounts that are named.
    pub accounts: BTreeSet<AccountId>,
    /// Legs.
    pub legs: BTreeSet<CallId>,
    /// Holds, beside every open hold of the legs.
    pub holds: BTreeSet<HoldId>,
    /// Purchases by account and reference.
    pub bought: BTreeSet<(AccountId, String)>,
}

impl Wanted {
    /// Lists what a batch concerns.
    #[must_use]
    pub fn of(batch: &[Command]) -> Self {
        let mut wanted = Self::default();
        for command in batch {
            wanted.legs.extend(leg_of(command));
            wanted.holds.extend(hold_of(command));
            wanted.accounts.extend(named_account(command));
            if let Command::TopUp { account, reference, .. } = command {
                wanted.bought.insert((*account, reference.clone()));
            }
        }
        wanted
    }
}

impl Page {
    /// Folds a batch, in order; the answers are in that order too.
    pub fn commit(&mut self, batch: &[Command], now: UnixTime) -> (Vec<Answer>, Changes) {
        let mut changes = Changes::default();
        let answers = batch.iter().map(|command| self.decide(command, now, &mut changes)).collect();
        (answers, changes)
    }

    /// Settles one leg of a dead epoch by that epoch's last heartbeat. A leg that is not open is
    /// left alone.
    ///
    /// # Errors
    /// [`CreditRefusal`] if the leg's rows contradict each other; nothing changes then.
    pub fn settle(
        &mut self,
        call: CallId,
        heartbeat: Option<Instant>,
        now: UnixTime,
        changes: &mut Changes,
    ) -> Result<(), CreditRefusal> {
        let Some(Leg::Open(running)) = self.legs.get(&call) else {
            return Ok(());
        };
        let payer = running.leg.terms.as_ref().map(|terms| terms.account);
        let account = payer.and_then(|id| self.accounts.get(&id)).copied();
        let outcome = ending::settle(account, Running::clone(running), heartbeat, now)?;
        self.keep(outcome, changes);
        Ok(())
    }

    fn decide(&mut self, command: &Command, now: UnixTime, changes: &mut Changes) -> Answer {
        match decide(self.facts(command), command, now) {
            Ok(outcome) => self.keep(outcome, changes),
            Err(refusal) => {
                let account = self.account_of(command).and_then(|id| self.accounts.get(&id));
                Answer::Refused { refusal, standing: account.map(Account::standing) }
            }
        }
    }

    fn facts(&self, command: &Command) -> Facts {
        let bought = match command {
            Command::TopUp { account, reference, .. } => {
                self.bought.get(&(*account, reference.clone())).copied()
            }
            Command::Open { .. }
            | Command::Place { .. }
            | Command::Answered { .. }
            | Command::Roll { .. }
            | Command::Close { .. }
            | Command::Release { .. }
            | Command::Inquire { .. } => None,
        };
        Facts {
            account: self.account_of(command).and_then(|id| self.accounts.get(&id)).copied(),
            leg: leg_of(command).and_then(|call| self.legs.get(&call)).cloned(),
            hold: hold_of(command).and_then(|id| self.holds.get(&id)).copied(),
            bought,
            fenced: epoch_of(command).is_some_and(|epoch| self.is_settled(epoch)),
        }
    }

    fn is_settled(&self, epoch: &Epoch) -> bool {
        self.settled_below.get(&epoch.node).is_some_and(|below| epoch.number < *below)
    }

    /// The account that a command names, else the one that stands for its leg.
    fn account_of(&self, command: &Command) -> Option<AccountId> {
        named_account(command).or_else(|| self.legs.get(&leg_of(command)?)?.payer())
    }

    fn keep(&mut self, outcome: Outcome, changes: &mut Changes) -> Answer {
        let Outcome { answer, account, leg, holds, entries, lot, cdr } = outcome;
        let payer = account.map(|account| account.id);
        if let Some(account) = account {
            self.accounts.insert(account.id, account);
            changes.accounts.insert(account.id);
        }
        if let Some(leg) = leg {
            changes.legs.insert(leg.call());
            self.legs.insert(leg.call(), leg);
        }
        for hold in holds {
            changes.holds.insert(hold.id);
            self.holds.insert(hold.id, hold);
        }
        changes.entries.extend(entries);
        if let Some((account, lot)) = payer.zip(lot) {
            self.bought.insert((account, lot.reference.clone()), lot.amount);
            changes.lots.push((account, lot));
        }
        changes.cdrs.extend(cdr.map(|cdr| *cdr));
        answer
    }
}

fn leg_of(command: &Command) -> Option<CallId> {
    match command {
        Command::Open { leg } | Command::Place { leg, .. } | Command::Answered { leg } => {
            Some(leg.call)
        }
        Command::Roll { hold, .. } => Some(hold.leg),
        Command::Close { cdr, .. } | Command::Release { cdr } => Some(cdr.call),
        Command::TopUp { .. } | Command::Inquire { .. } => None,
    }
}

fn hold_of(command: &Command) -> Option<HoldId> {
    match command {
        Command::Place { hold, .. } | Command::Roll { hold, .. } => Some(*hold),
        Command::Open { .. }
        | Command::Answered { .. }
        | Command::Close { .. }
        | Command::Release { .. }
        | Command::TopUp { .. }
        | Command::Inquire { .. } => None,
    }
}

fn named_account(command: &Command) -> Option<AccountId> {
    match command {
        Command::Place { leg, .. } => leg.terms.as_ref().map(|terms| terms.account),
        Command::TopUp { account, .. } | Command::Inquire { account } => Some(*account),
        Command::Open { .. }
        | Command::Answered { .. }
        | Command::Roll { .. }
        | Command::Close { .. }
        | Command::Release { .. } => None,
    }
}

fn epoch_of(command: &Command) -> Option<&Epoch> {
    match command {
        Command::Open { leg } | Command::Place { leg, .. } | Command::Answered { leg } => {
            Some(&leg.epoch)
        }
        Command::Roll { epoch, .. } => Some(epoch),
        Command::Close { .. }
        | Command::Release { .. }
        | Command::TopUp { .. }
        | Command::Inquire { .. } => None,
    }
}
