//! What a batch changed: one statement a table, all sent at once.

use credits::{Account, Changes, Entry, Hold, Leg, Over, Page, Running};
use model::record::Cdr;
use model::{AccountId, UnixTime};

use crate::Error;
use crate::sql::record::{pack_attempts, pack_cdr, pack_rate};
use crate::sql::row::{Packed, argument, corrupt, keys, word_of};
use crate::sql::session::Words;
use crate::sql::words::{CLASSES, ENDS, ENTRY_KINDS, HOLD_STATES};
use crate::sql::writing::Writing;

/// The writes of a batch, a statement a table. $1 accounts, $2 lots, $3 open legs, $4 ids of legs
/// that are over, $5 holds, $6 entries, $7 records, $8 INVITEs of ours that records are found by too.
macro_rules! accounts {
    () => {
        "UPDATE account SET granted = CAST(new.value ->> 1 AS BIGINT),
    captured = CAST(new.value ->> 2 AS BIGINT), expired = CAST(new.value ->> 3 AS BIGINT),
    held = CAST(new.value ->> 4 AS BIGINT), credit_limit = CAST(new.value ->> 5 AS BIGINT),
    burn_per_sec = CAST(new.value ->> 6 AS BIGINT), entries = CAST(new.value ->> 7 AS BIGINT),
    version = CAST(new.value ->> 8 AS BIGINT)
FROM json_each($1) AS new WHERE account.id = new.value ->> 0"
    };
}
macro_rules! lots {
    () => {
        "INSERT INTO lot (account, reference, amount, bought)
SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS BIGINT)
FROM json_each($2)"
    };
}
macro_rules! legs {
    () => {
        "INSERT INTO leg (call, node, epoch, dialog, answered_micros, account, class, rate, funded_secs,
    captured, next_sequence, cdr)
SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3,
    CAST(value ->> 4 AS BIGINT), value ->> 5, value ->> 6, value ->> 7, CAST(value ->> 8 AS BIGINT),
    CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), value ->> 11
FROM json_each($3) WHERE true
ON CONFLICT (call) DO UPDATE SET dialog = excluded.dialog,
    answered_micros = excluded.answered_micros, account = excluded.account,
    class = excluded.class, rate = excluded.rate, funded_secs = excluded.funded_secs,
    captured = excluded.captured, next_sequence = excluded.next_sequence, cdr = excluded.cdr"
    };
}
macro_rules! legs_over {
    () => {
        "DELETE FROM leg WHERE call IN (SELECT value ->> 0 FROM json_each($4))"
    };
}
macro_rules! holds {
    () => {
        "INSERT INTO hold (leg, sequence, account, from_secs, until_secs, wanted_secs, covers_secs, amount,
    state, captured, placed)
SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 2, CAST(value ->> 3 AS BIGINT),
    CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT),
    CAST(value ->> 7 AS BIGINT), value ->> 8, CAST(value ->> 9 AS BIGINT),
    CAST(value ->> 10 AS BIGINT)
FROM json_each($5) WHERE true
ON CONFLICT (leg, sequence) DO UPDATE SET state = excluded.state, captured = excluded.captured"
    };
}
macro_rules! entries {
    () => {
        "INSERT INTO entry (account, number, written, kind, amount, balance, hold_leg, hold_sequence,
    reference)
SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT), value ->> 3,
    CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), value ->> 6,
    CAST(value ->> 7 AS BIGINT), value ->> 8
FROM json_each($6)"
    };
}
macro_rules! records {
    () => {
        "INSERT INTO cdr (written, ended, paid_by, used_micros, captured, call, sip_call_id, trunk, caller,
    called, number_type, meeting, organizer, organization, capability, account, invited, answered,
    connected_micros, billed_secs, rate_version, rate_fee, rate_per_minute, rate_initial_secs,
    rate_subsequent_secs, rate_minimum, rate_rounding, fee, charge, currency, label, released_by,
    sip_status, q850, reasons, decision_allowed, decision_rule, decision_version,
    withheld_key, vouched, withheld_sealed, call_type, received_status, received_q850, attempts)
SELECT CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2, CAST(value ->> 3 AS BIGINT),
    CAST(value ->> 4 AS BIGINT), value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
    value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
    CAST(value ->> 16 AS BIGINT), CAST(value ->> 17 AS BIGINT), CAST(value ->> 18 AS BIGINT),
    CAST(value ->> 19 AS BIGINT), value ->> 20, CAST(value ->> 21 AS BIGINT), value ->> 22,
    CAST(value ->> 23 AS BIGINT), CAST(value ->> 24 AS BIGINT), CAST(value ->> 25 AS BIGINT),
    value ->> 26, CAST(value ->> 27 AS BIGINT), CAST(value ->> 28 AS BIGINT), value ->> 29,
    value ->> 30, value ->> 31, CAST(value ->> 32 AS BIGINT), CAST(value ->> 33 AS BIGINT),
    value ->> 34, CAST(value ->> 35 AS BIGINT), value ->> 36, value ->> 37, value ->> 38,
    value ->> 39, value ->> 40, value ->> 41, CAST(value ->> 42 AS BIGINT),
    CAST(value ->> 43 AS BIGINT), value ->> 44
FROM json_each($7)"
    };
}
macro_rules! attempts {
    () => {
        "INSERT INTO attempt (sip_call_id, call)
SELECT value ->> 0, value ->> 1 FROM json_each($8) WHERE true
ON CONFLICT (sip_call_id, call) DO NOTHING"
    };
}

/// All sent at once: the way to the database and back costs more than a statement without rows.
const WRITE: Words = Words {
    sqlite: concat!(
        accounts!(),
        ";",
        lots!(),
        ";",
        legs!(),
        ";",
        legs_over!(),
        ";",
        holds!(),
        ";",
        entries!(),
        ";",
        records!(),
        ";",
        attempts!()
    ),
    postgres: concat!(
        "WITH accounts AS (",
        accounts!(),
        "), lots AS (",
        lots!(),
        "), legs AS (",
        legs!(),
        "), legs_over AS (",
        legs_over!(),
        "), holds AS (",
        holds!(),
        "), entries AS (",
        entries!(),
        "), records AS (",
        records!(),
        "), attempts AS (",
        attempts!(),
        ") SELECT"
    ),
};

/// Writes what changed on a page.
pub(crate) async fn changes(
    writing: &mut Writing,
    page: &Page,
    changes: &Changes,
    now: UnixTime,
) -> Result<(), Error> {
    if changes.legs.is_empty() && changes.accounts.is_empty() && changes.cdrs.is_empty() {
        return Ok(());
    }
    let (mut open, mut over) = (Vec::new(), Vec::new());
    for call in &changes.legs {
        match page.legs.get(call) {
            Some(Leg::Open(running)) => open.push(pack_leg(running)),
            Some(Leg::Over(_)) => over.push(call),
            None => return Err(corrupt("a changed leg is not on its page")),
        }
    }
    let accounts = changes.accounts.iter().filter_map(|id| page.accounts.get(id));
    let holds = changes.holds.iter().filter_map(|id| page.holds.get(id));
    let lots = changes.lots.iter().map(|(account, lot)| {
        let key = Packed::default().text(account).text(&lot.reference);
        key.money(lot.amount).time(lot.at)
    });
    let mut cdrs = Vec::new();
    for cdr in &changes.cdrs {
        let Some(Leg::Over(over)) = page.legs.get(&cdr.call) else {
            return Err(corrupt("a record is of an open leg"));
        };
        cdrs.push(pack_end(over, cdr, now));
    }
    let arguments = [
        argument(accounts.map(pack_account)),
        argument(lots),
        argument(open.into_iter()),
        keys(over.into_iter()),
        argument(holds.map(pack_hold)),
        argument(changes.entries.iter().map(pack_entry)),
        argument(cdrs.into_iter()),
        argument(changes.cdrs.iter().flat_map(pack_attempts)),
    ];
    writing.run(WRITE, &arguments.map(Into::into)).await
}

fn pack_account(account: &Account) -> Packed {
    Packed::default()
        .text(account.id)
        .money(account.granted)
        .money(account.captured)
        .money(account.expired)
        .money(account.held)
        .money(account.limit)
        .money(account.burn_per_sec)
        .count(account.entries)
        .count(account.version)
}

fn pack_leg(running: &Running) -> Packed {
    let leg = &running.leg;
    let terms = leg.terms.as_ref();
    Packed::default()
        .text(leg.call)
        .text(&leg.epoch.node)
        .count(leg.epoch.number)
        .text(&leg.dialog)
        .maybe_int(leg.answered.map(|at| i64::try_from(at.micros).unwrap_or(i64::MAX)))
        .maybe_text(terms.map(|terms| terms.account))
        .maybe_text(terms.map(|terms| word_of(CLASSES, &terms.class)))
        .maybe_nested(terms.map(|terms| pack_rate(&terms.rate)))
        .int(leg.funded_secs)
        .money(leg.captured)
        .int(running.next)
        .nested(pack_cdr(&leg.cdr))
}

fn pack_hold(hold: &Hold) -> Packed {
    Packed::default()
        .text(hold.id.leg)
        .int(hold.id.sequence)
        .text(hold.account)
        .int(hold.from_secs)
        .int(hold.until_secs)
        .int(hold.wanted_secs)
        .int(hold.covers_secs)
        .money(hold.amount)
        .text(word_of(HOLD_STATES, &hold.state))
        .money(hold.captured)
        .time(hold.placed)
}

fn pack_entry(entry: &Entry) -> Packed {
    Packed::default()
        .text(entry.account)
        .count(entry.number)
        .time(entry.at)
        .text(word_of(ENTRY_KINDS, &entry.kind))
        .money(entry.amount)
        .money(entry.balance)
        .maybe_text(entry.hold.map(|hold| hold.leg))
        .maybe_int(entry.hold.map(|hold| hold.sequence.into()))
        .maybe_text(entry.reference.as_ref())
}

fn pack_end(over: &Over, cdr: &Cdr, now: UnixTime) -> Packed {
    Packed::default()
        .time(now)
        .text(word_of(ENDS, &over.end))
        .maybe_text(over.account)
        .count(over.used_micros)
        .money(over.charge)
        .chain(pack_cdr(cdr))
}

/// Writes an empty account for each organization that has none.
pub(crate) async fn open_accounts(
    writing: &mut Writing,
    ids: impl Iterator<Item = AccountId>,
) -> Result<(), Error> {
    const OPEN: &str = "
INSERT INTO account (id, granted, captured, expired, held, credit_limit, burn_per_sec, entries,
    version)
SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT),
    CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT),
    CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT)
FROM json_each($1) WHERE true ON CONFLICT (id) DO NOTHING";
    writing.write(OPEN, ids.map(|id| pack_account(&Account::empty(id)))).await
}
