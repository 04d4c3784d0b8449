//! The rows that a batch concerns, all by one statement.

use credits::{Account, End, Hold, Leg, OPEN_HOLDS, OpenLeg, Over, Page, Running, Terms, Wanted};
use model::{AccountId, HoldId, Money};

use crate::Error;
use crate::sql::record::{maybe_instant, maybe_rate, unpack_cdr};
use crate::sql::row::{Fields, Packed, argument, corrupt, keys};
use crate::sql::words::{CLASSES, ENDS, HOLD_STATES};
use crate::sql::writing::Writing;

/// $1 accounts, $2 legs, $3 holds, $4 purchases, $5 most open holds of a leg, which are its newest.
const LOAD: &str = "
SELECT json_array('account', id, granted, captured, expired, held, credit_limit, burn_per_sec,
    entries, version)
FROM account WHERE id IN (
    SELECT value ->> 0 FROM json_each($1)
    UNION SELECT account FROM leg WHERE call IN (SELECT value ->> 0 FROM json_each($2))
    UNION SELECT paid_by FROM cdr WHERE call IN (SELECT value ->> 0 FROM json_each($2)))
UNION ALL
SELECT json_array('leg', call, node, epoch, dialog, answered_micros, account, class, rate,
    funded_secs, captured, cdr, next_sequence)
FROM leg WHERE call IN (SELECT value ->> 0 FROM json_each($2))
UNION ALL
SELECT json_array('over', call, ended, paid_by, used_micros, captured)
FROM cdr WHERE call IN (SELECT value ->> 0 FROM json_each($2))
UNION ALL
SELECT json_array('hold', hold.leg, hold.sequence, hold.account, hold.from_secs, hold.until_secs,
    hold.wanted_secs, hold.covers_secs, hold.amount, hold.state, hold.captured, hold.placed)
FROM leg JOIN hold ON hold.leg = leg.call AND hold.sequence >= leg.next_sequence - $5
    AND hold.state = 'open'
WHERE leg.call IN (SELECT value ->> 0 FROM json_each($2))
UNION ALL
SELECT json_array('hold', hold.leg, hold.sequence, hold.account, hold.from_secs, hold.until_secs,
    hold.wanted_secs, hold.covers_secs, hold.amount, hold.state, hold.captured, hold.placed)
FROM json_each($3) AS asked
JOIN hold ON hold.leg = asked.value ->> 0
    AND hold.sequence = CAST(asked.value ->> 1 AS BIGINT)
UNION ALL
SELECT json_array('bought', lot.account, lot.reference, lot.amount)
FROM json_each($4) AS asked
JOIN lot ON lot.account = asked.value ->> 0 AND lot.reference = asked.value ->> 1
UNION ALL
SELECT json_array('node', name, settled_below) FROM node";

/// Locks the accounts that a batch concerns, in the order of their ids, before anything is read of
/// them. $1 accounts, $2 legs.
const LOCK: &str = "
SELECT json_array(id) FROM account WHERE id IN (
    SELECT value ->> 0 FROM json_each($1)
    UNION SELECT account FROM leg WHERE call IN (SELECT value ->> 0 FROM json_each($2))
    UNION SELECT paid_by FROM cdr WHERE call IN (SELECT value ->> 0 FROM json_each($2)))
ORDER BY id FOR UPDATE";

/// Columns of an open leg, for [`open_leg`].
pub(crate) const OPEN_LEGS: &str = "
SELECT json_array(call, node, epoch, dialog, answered_micros, account, class, rate, funded_secs,
    captured, cdr, next_sequence)
FROM leg ORDER BY call";

/// Loads the page of a batch.
pub(crate) async fn page(writing: &mut Writing, wanted: &Wanted) -> Result<Page, Error> {
    let bought = wanted.bought.iter();
    let bought = bought.map(|(account, text)| Packed::default().text(account).text(text));
    let holds = wanted.holds.iter();
    let holds = holds.map(|hold| Packed::default().text(hold.leg).int(hold.sequence));
    let (accounts, legs) = (keys(wanted.accounts.iter()), keys(wanted.legs.iter()));
    writing.lock(LOCK, &[accounts.as_str().into(), legs.as_str().into()]).await?;
    let most = i64::try_from(OPEN_HOLDS).unwrap_or(i64::MAX);
    let arguments = [
        accounts.into(),
        legs.into(),
        argument(holds).into(),
        argument(bought).into(),
        most.into(),
    ];
    let rows = writing.next_statement()?.rows(LOAD, &arguments).await?;
    let mut page = Page::default();
    for row in rows {
        let mut row = Fields::read(&row)?;
        put(&mut page, &row.text()?, &mut row)?;
    }
    give_holds(&mut page);
    match page.accounts.values().all(Account::is_sound) {
        true => Ok(page),
        false => Err(corrupt("an account is overdrawn")),
    }
}

/// Reads an open leg, all but its next sequence.
pub(crate) fn open_leg(row: &mut Fields) -> Result<OpenLeg, Error> {
    let (call, node, number) = (row.parse()?, row.text()?, row.int()?);
    let (dialog, answered) = (row.text()?, maybe_instant(row)?);
    let (account, class) = (row.maybe_parse::<AccountId>()?, row.maybe_word(CLASSES)?);
    let rate = row.maybe_nested()?.map(|mut rate| maybe_rate(&mut rate)).transpose()?.flatten();
    let terms = match (account, class, rate) {
        (Some(account), Some(class), Some(rate)) => Some(Terms { account, rate, class }),
        (None, None, None) => None,
        _ => return Err(corrupt("the terms of a leg are incomplete")),
    };
    Ok(OpenLeg {
        call,
        epoch: credits::Epoch { node, number },
        dialog,
        answered,
        terms,
        funded_secs: row.int()?,
        captured: row.money()?,
        cdr: Box::new(unpack_cdr(&mut row.nested()?)?),
    })
}

/// Reads a hold.
pub(crate) fn hold(row: &mut Fields) -> Result<Hold, Error> {
    Ok(Hold {
        id: HoldId { leg: row.parse()?, sequence: row.int()? },
        account: row.parse()?,
        from_secs: row.int()?,
        until_secs: row.int()?,
        wanted_secs: row.int()?,
        covers_secs: row.int()?,
        amount: row.money()?,
        state: row.word(HOLD_STATES)?,
        captured: row.money()?,
        placed: row.time()?,
    })
}

/// Reads an account.
pub(crate) fn account(row: &mut Fields) -> Result<Account, Error> {
    Ok(Account {
        id: row.parse()?,
        granted: row.money()?,
        captured: row.money()?,
        expired: row.money()?,
        held: row.money()?,
        limit: row.money()?,
        burn_per_sec: row.money()?,
        entries: row.int()?,
        version: row.int()?,
    })
}

fn put(page: &mut Page, kind: &str, row: &mut Fields) -> Result<(), Error> {
    match kind {
        "account" => {
            let account = account(row)?;
            page.accounts.insert(account.id, account);
        }
        "leg" => {
            let leg = open_leg(row)?;
            let running = Running { next: row.int()?, leg, holds: Vec::new() };
            page.legs.insert(running.leg.call, Leg::Open(Box::new(running)));
        }
        "over" => {
            let over = over(row)?;
            page.legs.insert(over.call, Leg::Over(over));
        }
        "hold" => {
            let hold = hold(row)?;
            page.holds.insert(hold.id, hold);
        }
        "bought" => {
            let (account, reference): (AccountId, String) = (row.parse()?, row.text()?);
            page.bought.insert((account, reference), row.money()?);
        }
        _ => {
            page.settled_below.insert(row.text()?, row.int()?);
        }
    }
    Ok(())
}

fn over(row: &mut Fields) -> Result<Over, Error> {
    let (call, end): (_, End) = (row.parse()?, row.word(ENDS)?);
    let account = row.maybe_parse()?;
    let (used_micros, charge): (u64, Money) = (row.int()?, row.money()?);
    Ok(Over { call, end, account, used_micros, charge })
}

/// Hands every open hold to its leg, oldest first.
fn give_holds(page: &mut Page) {
    let open = page.holds.values().filter(|hold| hold.state == credits::HoldState::Open);
    for hold in open {
        if let Some(Leg::Open(running)) = page.legs.get_mut(&hold.id.leg) {
            running.holds.push(*hold);
        }
    }
}
