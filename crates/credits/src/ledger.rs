//! The only place that says yes or no to money (charging.md, "Holds").
//!
//! `decide` is given the rows that a command concerns and returns those that it changes. It reads
//! no clock and keeps nothing. A refusal changes nothing.

use model::record::{CallType, Cdr};
use model::{HoldId, Money, UnixTime};

use crate::account::{Account, Source};
use crate::command::{Answer, Command, CreditRefusal, Epoch, OpenLeg, Terms};
use crate::ending;
use crate::leg::{Hold, Leg, OPEN_HOLDS, Over, Running, UNSHRUNK_HOLDS};
use crate::rating::price_per_sec;
use crate::slice::{Need, fit, shrink};
use crate::view::{Entry, HoldState, Lot};

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// The rows that a command concerns, as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The account of the leg's terms, or the one that the command names.
    pub account: Option<Account>,
    /// What is known of the leg.
    pub leg: Option<Leg>,
    /// The hold stored under the command's own id, whatever became of it.
    pub hold: Option<Hold>,
    /// What was bought under the command's reference.
    pub bought: Option<Money>,
    /// Whether the asking epoch has been settled by another.
    pub fenced: bool,
}

/// The answer, and the rows to write with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the asker is told once the rows are committed.
    pub answer: Answer,
    /// The account afterwards, if it changed.
    pub account: Option<Account>,
    /// The leg afterwards, if it changed.
    pub leg: Option<Leg>,
    /// Holds placed or ended.
    pub holds: Vec<Hold>,
    /// Lines to append.
    pub entries: Vec<Entry>,
    /// A purchase to write.
    pub lot: Option<Lot>,
    /// The record of the leg, once it is over.
    pub cdr: Option<Box<Cdr>>,
}

impl Outcome {
    /// An answer that changes nothing.
    pub(crate) const fn nothing(answer: Answer) -> Self {
        Self {
            answer,
            account: None,
            leg: None,
            holds: Vec::new(),
            entries: Vec::new(),
            lot: None,
            cdr: None,
        }
    }
}

/// Decides one command on the rows that it concerns.
///
/// # Errors
/// Returns the [`CreditRefusal`]; nothing changes then.
pub fn decide(facts: Facts, command: &Command, now: UnixTime) -> Result<Outcome, CreditRefusal> {
    assert!(facts.account.is_none_or(|account| account.is_sound()), "no account is overdrawn");
    let outcome = match command {
        Command::Open { leg } => open(&facts, leg),
        Command::Place { hold, leg, covers_secs, wanted_secs } => {
            place(facts, leg, Ask { id: *hold, covers: *covers_secs, wanted: *wanted_secs }, now)
        }
        Command::Answered { leg } => answered(facts, leg),
        Command::Roll { hold, epoch, used_micros, wanted_secs } => {
            let ask = Ask { id: *hold, covers: 0, wanted: *wanted_secs };
            roll(facts, ask, (epoch, *used_micros), now)
        }
        Command::Close { used_micros, cdr } => ending::close(facts, *used_micros, cdr, now),
        Command::Release { cdr } => ending::release(facts, cdr),
        Command::TopUp { reference, amount, at, .. } => {
            top_up(facts, reference, *amount, (*at, now))
        }
        Command::Inquire { .. } => {
            let account = facts.account.ok_or(CreditRefusal::UnknownAccount)?;
            Ok(Outcome::nothing(Answer::Stands(account.standing())))
        }
    }?;
    assert!(outcome.account.is_none_or(|account| account.is_sound()), "no account is overdrawn");
    Ok(outcome)
}

/// What a hold is asked for.
#[derive(Clone, Copy)]
struct Ask {
    id: HoldId,
    covers: u32,
    wanted: u32,
}

fn open(facts: &Facts, leg: &OpenLeg) -> Result<Outcome, CreditRefusal> {
    if facts.fenced {
        return Err(CreditRefusal::Fenced);
    }
    match &facts.leg {
        Some(Leg::Open(known)) if same_leg(&known.leg, leg) => Ok(Outcome::nothing(Answer::Noted)),
        Some(Leg::Open(_)) => Err(CreditRefusal::Conflict),
        Some(Leg::Over(_)) => Err(CreditRefusal::UnknownLeg),
        None if leg.terms.is_some() => Err(CreditRefusal::Conflict),
        None => {
            let opened = Running { leg: unpaid(leg), next: 0, holds: Vec::new() };
            let leg = Some(Leg::Open(Box::new(opened)));
            Ok(Outcome { leg, ..Outcome::nothing(Answer::Noted) })
        }
    }
}

fn place(facts: Facts, leg: &OpenLeg, ask: Ask, now: UnixTime) -> Result<Outcome, CreditRefusal> {
    if facts.fenced {
        return Err(CreditRefusal::Fenced);
    }
    let terms = leg.terms.as_ref().ok_or(CreditRefusal::Conflict)?;
    if ask.id.sequence != 0 || ask.id.leg != leg.call {
        return Err(CreditRefusal::Conflict);
    }
    let answered = match facts.leg {
        None => leg.answered,
        Some(Leg::Over(_)) => return Err(CreditRefusal::UnknownLeg),
        Some(Leg::Open(known)) if !same_leg(&known.leg, leg) => {
            return Err(CreditRefusal::Conflict);
        }
        Some(Leg::Open(known)) => match &known.leg.terms {
            Some(placed) if placed != terms => return Err(CreditRefusal::Conflict),
            Some(_) => return replay(facts.account, facts.hold, ask),
            None => known.leg.answered.or(leg.answered),
        },
    };
    let mut account = facts.account.ok_or(CreditRefusal::UnknownAccount)?;
    let price = price_per_sec(&terms.rate).ok_or(CreditRefusal::BadAmount)?;
    account.burn(price)?;
    let running = Running { leg: OpenLeg { answered, ..unpaid(leg) }, next: 0, holds: Vec::new() };
    fund(account, running, (terms, ask), now)
}

fn roll(
    facts: Facts,
    ask: Ask,
    (epoch, used_micros): (&Epoch, u64),
    now: UnixTime,
) -> Result<Outcome, CreditRefusal> {
    if facts.fenced {
        return Err(CreditRefusal::Fenced);
    }
    let Some(Leg::Open(mut running)) = facts.leg else {
        return Err(CreditRefusal::UnknownLeg);
    };
    if running.leg.epoch != *epoch {
        return Err(CreditRefusal::Conflict);
    }
    let terms = running.leg.terms.clone().ok_or(CreditRefusal::Conflict)?;
    if ask.id.sequence < running.next {
        return replay(facts.account, facts.hold, ask);
    }
    if ask.id.sequence > running.next {
        return Err(CreditRefusal::Conflict);
    }
    let mut account = facts.account.ok_or(CreditRefusal::UnknownAccount)?;
    let passed = |hold: &Hold| u64::from(hold.until_secs).saturating_mul(SECOND) <= used_micros;
    let used_up: Vec<Hold> = running.holds.iter().copied().filter(passed).collect();
    running.holds.retain(|hold| !passed(hold));
    if running.holds.len() >= OPEN_HOLDS {
        return Err(CreditRefusal::Conflict);
    }
    let (mut holds, mut entries) = (Vec::new(), Vec::new());
    for hold in used_up {
        let ended = capture(&mut account, hold, hold.amount, now)?;
        holds.push(ended.0);
        entries.extend(ended.1);
        running.leg.captured = sum(running.leg.captured, hold.amount)?;
    }
    let mut outcome = fund(account, *running, (&terms, ask), now)?;
    holds.append(&mut outcome.holds);
    Ok(Outcome { holds, entries, ..outcome })
}

/// Sets the next slice of a leg aside.
fn fund(
    mut account: Account,
    mut running: Running,
    (terms, ask): (&Terms, Ask),
    now: UnixTime,
) -> Result<Outcome, CreditRefusal> {
    let available = account.available().ok_or(CreditRefusal::BadAmount)?;
    let wanted_secs = match running.holds.len() {
        ..UNSHRUNK_HOLDS => shrink(ask.wanted, available, account.burn_per_sec),
        UNSHRUNK_HOLDS.. => ask.wanted,
    };
    let need = Need { from_secs: running.leg.funded_secs, least_secs: ask.covers, wanted_secs };
    let slice = fit(&terms.rate, need, available)?;
    account.hold(slice.amount)?;
    account.version += 1;
    let hold = Hold {
        id: ask.id,
        account: account.id,
        from_secs: slice.from_secs,
        until_secs: slice.until_secs,
        wanted_secs: ask.wanted,
        covers_secs: ask.covers,
        amount: slice.amount,
        state: HoldState::Open,
        captured: Money::ZERO,
        placed: now,
    };
    running.leg.terms = Some(terms.clone());
    running.leg.funded_secs = slice.until_secs;
    running.next = ask.id.sequence.checked_add(1).ok_or(CreditRefusal::Conflict)?;
    running.holds.push(hold);
    let answer = funded(&hold, &account);
    let (account, leg) = (Some(account), Some(Leg::Open(Box::new(running))));
    Ok(Outcome { account, leg, holds: vec![hold], ..Outcome::nothing(answer) })
}

/// Gives the stored answer of a hold that was asked for before.
fn replay(
    account: Option<Account>,
    hold: Option<Hold>,
    ask: Ask,
) -> Result<Outcome, CreditRefusal> {
    let account = account.ok_or(CreditRefusal::UnknownAccount)?;
    match hold {
        Some(hold) if (hold.wanted_secs, hold.covers_secs) == (ask.wanted, ask.covers) => {
            Ok(Outcome::nothing(funded(&hold, &account)))
        }
        Some(_) | None => Err(CreditRefusal::Conflict),
    }
}

fn answered(facts: Facts, leg: &OpenLeg) -> Result<Outcome, CreditRefusal> {
    if facts.fenced {
        return Err(CreditRefusal::Fenced);
    }
    let Some(Leg::Open(mut running)) = facts.leg else {
        return Err(CreditRefusal::UnknownLeg);
    };
    let moved = running.leg.answered.is_some() && running.leg.answered != leg.answered;
    if moved || !same_leg(&running.leg, leg) {
        return Err(CreditRefusal::Conflict);
    }
    running.leg.answered = leg.answered;
    running.leg.dialog.clone_from(&leg.dialog);
    running.leg.cdr.clone_from(&leg.cdr);
    Ok(Outcome { leg: Some(Leg::Open(running)), ..Outcome::nothing(Answer::Noted) })
}

fn top_up(
    facts: Facts,
    reference: &str,
    amount: Money,
    (at, now): (UnixTime, UnixTime),
) -> Result<Outcome, CreditRefusal> {
    let mut account = facts.account.ok_or(CreditRefusal::UnknownAccount)?;
    match facts.bought {
        Some(before) if before == amount => {
            return Ok(Outcome::nothing(Answer::Stands(account.standing())));
        }
        Some(_) => return Err(CreditRefusal::Conflict),
        None => account.grant(amount)?,
    }
    account.version += 1;
    let entry = account.entry(now, Source::TopUp(reference.to_owned(), amount))?;
    let lot = Some(Lot { reference: reference.to_owned(), amount, at });
    let nothing = Outcome::nothing(Answer::Stands(account.standing()));
    Ok(Outcome { account: Some(account), entries: vec![entry], lot, ..nothing })
}

/// Ends a hold with `amount` of it charged; a slice that cost nothing leaves no entry.
pub(crate) fn capture(
    account: &mut Account,
    hold: Hold,
    amount: Money,
    now: UnixTime,
) -> Result<(Hold, Option<Entry>), CreditRefusal> {
    account.unhold(hold.amount, amount)?;
    let entry = if amount > Money::ZERO {
        Some(account.entry(now, Source::Capture(hold.id, amount))?)
    } else {
        None
    };
    Ok((Hold { state: HoldState::Captured, captured: amount, ..hold }, entry))
}

/// Adds amounts that no sound account can push past 64 bits.
pub(crate) fn sum(one: Money, other: Money) -> Result<Money, CreditRefusal> {
    one.checked_add(other).ok_or(CreditRefusal::BadAmount)
}

/// Whether both are the same life of the same leg: what never changes while it is open. A call of
/// ours has no Call-ID on the wire before its INVITE leaves, and another one at each trunk.
fn same_leg(known: &OpenLeg, asked: &OpenLeg) -> bool {
    let named = |leg: &OpenLeg| match leg.cdr.call_type {
        CallType::In => Some(leg.cdr.sip_call_id.clone()),
        CallType::Out => None,
    };
    (known.call, &known.epoch, named(known)) == (asked.call, &asked.epoch, named(asked))
}

/// A leg before its first hold; money in the asker's copy means nothing.
fn unpaid(leg: &OpenLeg) -> OpenLeg {
    OpenLeg { terms: None, funded_secs: 0, captured: Money::ZERO, ..leg.clone() }
}

fn funded(hold: &Hold, account: &Account) -> Answer {
    Answer::Funded {
        hold: hold.id,
        funded_secs: hold.until_secs,
        amount: hold.amount,
        standing: account.standing(),
    }
}

/// Returns what a replayed end answers.
pub(crate) fn ended(over: &Over, account: Option<&Account>) -> Answer {
    let standing = account.filter(|_| over.account.is_some()).map(Account::standing);
    Answer::Closed { call: over.call, charge: over.charge, standing }
}
