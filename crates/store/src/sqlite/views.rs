//! What operators and finance read, each on one snapshot.

use std::collections::BTreeMap;

use credits::{AccountView, Case, Entry, Epoch, Lot, OpenLeg};
use model::record::Cdr;
use model::{AccountId, CallId, HoldId, Instant, OrganizationId, UnixTime};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::Error;
use crate::sqlite::SqliteFile;
use crate::sqlite::load::{OPEN_LEGS, account, hold, open_leg};
use crate::sqlite::record::{maybe_currency, unpack_cdr};
use crate::sqlite::row::{Fields, corrupt};
use crate::sqlite::words::ENTRY_KINDS;
use crate::sqlite::writing::failed;

/// The columns of a record after `captured`, as `unpack_cdr` reads them.
macro_rules! select_cdr {
    ($rest:literal) => {
        concat!(
            "SELECT json_array(call, sip_call_id, trunk, caller, called, number_type, meeting, \
             organizer, organization, capability, account, invited, answered, connected_micros, \
             billed_secs, rate_version, rate_fee, rate_per_minute, rate_initial_secs, \
             rate_subsequent_secs, rate_minimum, rate_rounding, fee, charge, currency, label, \
             released_by, sip_status, q850, reasons, decision_allowed, decision_rule, \
             decision_version, withheld_key, vouched, withheld_sealed, call_type, received_status, \
             received_q850, attempts) FROM cdr ",
            $rest
        )
    };
}

/// The columns of an entry, as `entry` reads them.
macro_rules! select_entry {
    ($rest:literal) => {
        concat!(
            "SELECT json_array(account, number, written, kind, amount, balance, hold_leg, \
             hold_sequence, reference) FROM entry ",
            $rest
        )
    };
}

/// The columns of an account, then its organization's name and currency.
macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT json_array(account.id, granted, captured, expired, held, credit_limit, \
             burn_per_sec, entries, version, name, currency) \
             FROM account JOIN organization ON organization.id = account.id ",
            $rest
        )
    };
}

impl SqliteFile {
    pub(crate) async fn cdrs(&self, most: u32) -> Result<Vec<Cdr>, Error> {
        let mut reading = self.reading().await?;
        let query = sqlx::query_scalar(select_cdr!("ORDER BY written DESC, call DESC LIMIT $1"));
        let rows = query.bind(i64::from(most)).fetch_all(&mut *reading).await;
        read_all(rows, unpack_cdr)
    }

    pub(crate) async fn account(&self, of: OrganizationId) -> Result<Option<AccountView>, Error> {
        let mut reading = self.reading().await?;
        let query = sqlx::query_scalar(select_account!("WHERE account.id = $1"));
        let rows = query.bind(of.account().to_string()).fetch_all(&mut *reading).await;
        let mut found = read_all(rows, account_view)?;
        let Some(mut view) = found.pop() else {
            return Ok(None);
        };
        view.lots = lots(&mut reading).await?.remove(&of.account()).unwrap_or_default();
        Ok(Some(view))
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        let mut reading = self.reading().await?;
        let query = sqlx::query_scalar(select_account!("ORDER BY account.id"));
        let mut views = read_all(query.fetch_all(&mut *reading).await, account_view)?;
        let mut lots = lots(&mut reading).await?;
        for view in &mut views {
            view.lots = lots.remove(&view.organization.account()).unwrap_or_default();
        }
        Ok(views)
    }

    pub(crate) async fn entries(
        &self,
        account: AccountId,
        from: UnixTime,
        until: UnixTime,
    ) -> Result<Vec<Entry>, Error> {
        let mut reading = self.reading().await?;
        let query = sqlx::query_scalar(select_entry!(
            "WHERE account = $1 AND written >= $2 AND written < $3 ORDER BY number"
        ));
        let query = query.bind(account.to_string()).bind(from.micros).bind(until.micros);
        read_all(query.fetch_all(&mut *reading).await, entry)
    }

    pub(crate) async fn open_legs(&self) -> Result<Vec<OpenLeg>, Error> {
        open_legs(&mut *self.reading().await?).await
    }

    pub(crate) async fn case(&self, key: &str) -> Result<Option<Case>, Error> {
        let mut reading = self.reading().await?;
        if let Ok(call) = key.parse()
            && let Some(case) = case_of(&mut reading, call).await?
        {
            return Ok(Some(case));
        }
        const BY_SIP_CALL_ID: &str = "
SELECT call FROM (
    SELECT call, 1 AS live, 0 AS written FROM leg WHERE cdr ->> 1 = $1
    UNION ALL SELECT call, 0, written FROM cdr WHERE sip_call_id = $1
    UNION ALL SELECT cdr.call, 0, cdr.written FROM attempt JOIN cdr ON cdr.call = attempt.call
        WHERE attempt.sip_call_id = $1)
ORDER BY live DESC, written DESC, call DESC LIMIT 1";
        let query = sqlx::query_scalar::<_, String>(BY_SIP_CALL_ID).bind(key);
        let call = query.fetch_optional(&mut *reading).await.map_err(|error| failed(&error))?;
        match call.map(|call| call.parse()).transpose() {
            Ok(Some(call)) => case_of(&mut reading, call).await,
            Ok(None) => Ok(None),
            Err(_) => Err(corrupt("a call's id")),
        }
    }

    /// Begins a snapshot.
    pub(crate) async fn reading(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.readers.begin().await.map_err(|error| failed(&error))
    }
}

/// The last heartbeats of all epochs, and the legs that all but the current one left open.
pub(crate) async fn left_behind(
    connection: &mut SqliteConnection,
    current: &Epoch,
) -> Result<(BTreeMap<Epoch, Instant>, Vec<OpenLeg>), Error> {
    const HEARTBEATS: &str = "SELECT node, epoch, clock_micros FROM heartbeat";
    let query = sqlx::query_as::<_, (String, i64, i64)>(HEARTBEATS);
    let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed(&error))?;
    let mut heartbeats = BTreeMap::new();
    for (node, number, micros) in rows {
        let known = u64::try_from(number).ok().zip(u64::try_from(micros).ok());
        let (number, micros) = known.ok_or_else(|| corrupt("a heartbeat is negative"))?;
        heartbeats.insert(Epoch { node, number }, Instant { micros });
    }
    let mut legs = open_legs(connection).await?;
    legs.retain(|leg| leg.epoch != *current);
    Ok((heartbeats, legs))
}

async fn open_legs(connection: &mut SqliteConnection) -> Result<Vec<OpenLeg>, Error> {
    read_all(sqlx::query_scalar(OPEN_LEGS).fetch_all(connection).await, open_leg)
}

async fn case_of(connection: &mut SqliteConnection, call: CallId) -> Result<Option<Case>, Error> {
    const HOLDS: &str = "
SELECT json_array(leg, sequence, account, from_secs, until_secs, wanted_secs, covers_secs, amount,
    state, captured, placed)
FROM hold WHERE leg = $1 ORDER BY sequence";
    const OPEN: &str = "
SELECT json_array(call, node, epoch, dialog, answered_micros, account, class, rate, funded_secs,
    captured, cdr, next_sequence)
FROM leg WHERE call = $1";
    let key = call.to_string();
    let cdr = sqlx::query_scalar(select_cdr!("WHERE call = $1")).bind(&key);
    let cdr = read_all(cdr.fetch_all(&mut *connection).await, unpack_cdr)?.pop();
    let open = sqlx::query_scalar(OPEN).bind(&key).fetch_all(&mut *connection).await;
    let open = read_all(open, open_leg)?.pop();
    if cdr.is_none() && open.is_none() {
        return Ok(None);
    }
    let holds = sqlx::query_scalar(HOLDS).bind(&key).fetch_all(&mut *connection).await;
    let holds = read_all(holds, |row| Ok(hold(row)?.view()))?;
    let entries = sqlx::query_scalar(select_entry!("WHERE hold_leg = $1 ORDER BY number"));
    let entries = read_all(entries.bind(&key).fetch_all(connection).await, entry)?;
    Ok(Some(Case { call, cdr, open, holds, entries }))
}

async fn lots(connection: &mut SqliteConnection) -> Result<BTreeMap<AccountId, Vec<Lot>>, Error> {
    const LOTS: &str = "
SELECT json_array(account, reference, amount, bought) FROM lot ORDER BY account, bought, reference";
    let rows = sqlx::query_scalar(LOTS).fetch_all(connection).await;
    let rows = read_all(rows, |row| {
        let account: AccountId = row.parse()?;
        let reference = row.text()?;
        Ok((account, Lot { reference, amount: row.money()?, at: row.time()? }))
    })?;
    let mut lots: BTreeMap<AccountId, Vec<Lot>> = BTreeMap::new();
    for (account, lot) in rows {
        lots.entry(account).or_default().push(lot);
    }
    Ok(lots)
}

fn account_view(row: &mut Fields) -> Result<AccountView, Error> {
    let account = account(row)?;
    Ok(AccountView {
        organization: OrganizationId(account.id.0),
        name: row.text()?,
        currency: maybe_currency(row)?.ok_or_else(|| corrupt("a currency is missing"))?,
        granted: account.granted,
        captured: account.captured,
        expired: account.expired,
        held: account.held,
        available: account.available().ok_or_else(|| corrupt("an account overflows"))?,
        burn_per_sec: account.burn_per_sec,
        lots: Vec::new(),
    })
}

fn entry(row: &mut Fields) -> Result<Entry, Error> {
    let (account, number, at) = (row.parse()?, row.int()?, row.time()?);
    let (kind, amount, balance) = (row.word(ENTRY_KINDS)?, row.money()?, row.money()?);
    let leg: Option<CallId> = row.maybe_parse()?;
    let sequence = row.maybe_int()?.and_then(|number| u32::try_from(number).ok());
    let hold = leg.zip(sequence).map(|(leg, sequence)| HoldId { leg, sequence });
    let reference = row.maybe_text()?;
    Ok(Entry { account, number, at, kind, amount, balance, hold, reference })
}

/// Reads every row that a query gave, if it did.
pub(crate) fn read_all<T>(
    rows: Result<Vec<String>, sqlx::Error>,
    read: impl Fn(&mut Fields) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let rows = rows.map_err(|error| failed(&error))?;
    rows.iter().map(|row| read(&mut Fields::read(row)?)).collect()
}
