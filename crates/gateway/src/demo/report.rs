//! What is shown at the end: the calls, the account's statement, the proof; for people or as JSON.

use std::io;

use credits::EntryKind;
use model::Money;
use model::record::Cdr;
use serde_json::{Value, json};

use super::caller::{What, Witness};
use super::narrator::Narrator;
use super::proof::{Check, Evidence};
use super::stage::CURRENCY;
use crate::cli::shown::{iso, number_type, seconds};
use crate::cli::table::Table;

/// Shows everything to people.
///
/// # Errors
/// If nobody reads it any more.
pub(super) fn show(narrator: Narrator, evidence: &Evidence, checks: &[Check]) -> io::Result<()> {
    narrator.show("\nThe call detail records, beside what the callers' own clocks say:\n")?;
    narrator.table(&records(evidence))?;
    narrator.show("\nThe account's statement (captures of one call taken together):\n")?;
    narrator.table(&statement(evidence))?;
    narrator.show("\nThe proof:\n")?;
    for check in checks {
        narrator.show(format_args!(
            "  {}  {}",
            if check.holds { "yes" } else { "NO " },
            check.claim
        ))?;
    }
    Ok(())
}

/// Gives everything to a machine.
pub(super) fn summary(evidence: &Evidence, checks: &[Check]) -> Value {
    let account = &evidence.account;
    json!({
        "holds": holds(checks),
        "checks": checks.iter().map(|check| json!({
            "name": check.name, "claim": check.claim, "holds": check.holds,
        })).collect::<Vec<_>>(),
        "callers": witnesses(evidence).map(|witness| caller(evidence, witness)).collect::<Vec<_>>(),
        "account": {
            "currency": CURRENCY,
            "granted": account.granted.to_string(),
            "captured": account.captured.to_string(),
            "held": account.held.to_string(),
            "available": account.available.to_string(),
            "entries": evidence.entries.len(),
        },
    })
}

/// Whether every check holds.
pub(super) fn holds(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.holds)
}

fn witnesses(evidence: &Evidence) -> impl Iterator<Item = &Witness> {
    evidence.told.witnesses.iter().chain([&evidence.told.late])
}

fn records(evidence: &Evidence) -> Table {
    let mut table = Table::new(&[
        "caller",
        "number",
        "answered (UTC)",
        "connected s",
        "caller's s",
        "billed s",
        "charge",
        "end",
    ]);
    for witness in witnesses(evidence) {
        let Some(cdr) = evidence.cdr(witness) else { continue };
        table.push(vec![
            witness.name.to_owned(),
            kind(cdr).to_owned(),
            cdr.answered.map_or_else(|| "never".to_owned(), iso),
            seconds(cdr.connected_micros),
            counted(witness).map_or_else(String::new, |secs| format!("{secs:.2}")),
            cdr.billed_secs.to_string(),
            format!("{} {CURRENCY}", cdr.charge),
            cdr.ending.label.to_string(),
        ]);
    }
    table
}

/// One line a top-up, and one for all captures of a call between two top-ups.
fn statement(evidence: &Evidence) -> Table {
    let mut table = Table::new(&["when (UTC)", "what", "entries", "amount", "balance"]);
    let mut captures: Vec<(String, usize, Money)> = Vec::new();
    let mut last = None;
    for entry in &evidence.entries {
        match entry.kind {
            EntryKind::TopUp => {
                flush(&mut captures, &mut table);
                let what = format!("top-up {}", entry.reference.as_deref().unwrap_or(""));
                let (at, amount) = (iso(entry.at), format!("+{}", entry.amount));
                table.push(vec![at, what, "1".into(), amount, entry.balance.to_string()]);
            }
            EntryKind::Capture => {
                let leg = entry.hold.map(|hold| hold.leg);
                let whose = witnesses(evidence)
                    .find(|w| evidence.cdr(w).is_some_and(|cdr| Some(cdr.call) == leg));
                let name = whose.map_or("nobody", |witness| witness.name);
                add(&mut captures, name, entry.amount);
            }
        }
        last = Some(entry.balance);
    }
    flush(&mut captures, &mut table);
    let balance = last.unwrap_or(Money::ZERO).to_string();
    table.push(vec![String::new(), "balance".into(), String::new(), String::new(), balance]);
    table
}

fn add(captures: &mut Vec<(String, usize, Money)>, name: &str, amount: Money) {
    let place = captures.iter().position(|(known, ..)| known == name);
    let place = place.unwrap_or_else(|| {
        captures.push((name.to_owned(), 0, Money::ZERO));
        captures.len() - 1
    });
    let (_, count, sum) = &mut captures[place];
    *count += 1;
    *sum = sum.checked_add(amount).unwrap_or(*sum);
}

fn flush(captures: &mut Vec<(String, usize, Money)>, table: &mut Table) {
    for (name, count, amount) in captures.drain(..) {
        let (what, count) = (format!("{name}'s time"), count.to_string());
        table.push(vec![String::new(), what, count, amount.to_string(), String::new()]);
    }
}

fn caller(evidence: &Evidence, witness: &Witness) -> Value {
    let cdr = evidence.cdr(witness);
    let refused = witness.news.iter().find_map(|news| match news.what {
        What::Refused(status) => Some(status),
        What::Answered
        | What::Keyed
        | What::Hears(_)
        | What::Told(_)
        | What::CutOff(_)
        | What::HungUp => None,
    });
    json!({
        "name": witness.name,
        "sip_call_id": witness.sip_call_id,
        "call": cdr.map(|cdr| cdr.call.to_string()),
        "number_type": cdr.map(kind),
        "refused": refused,
        "counted_secs": counted(witness),
        "billed_secs": cdr.map(|cdr| cdr.billed_secs),
        "charge": cdr.map(|cdr| cdr.charge.to_string()),
        "end": cdr.map(|cdr| cdr.ending.label.to_string()),
        "windows_heard": witness.heard.windows,
        "echo": witness.heard.echo,
        "longest_gap_ms": u64::try_from(witness.longest_gap.as_millis()).ok(),
    })
}

/// Seconds from answer to end by the caller's own clock.
fn counted(witness: &Witness) -> Option<f64> {
    witness.connected().map(|(from, until)| until.since(from).as_secs_f64())
}

fn kind(cdr: &Cdr) -> &'static str {
    cdr.number_type.map_or("", number_type)
}
