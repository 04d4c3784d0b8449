//! What operators and finance read, each on one snapshot.

use std::collections::BTreeMap;

use credits::{AccountView, Case, Entry, Epoch, Lot, OpenLeg};
use model::record::Cdr;
use model::{AccountId, CallId, HoldId, Instant, OrganizationId, UnixTime};

use crate::Error;
use crate::sql::Database;
use crate::sql::load::{OPEN_LEGS, account, hold, open_leg};
use crate::sql::record::{maybe_currency, unpack_cdr};
use crate::sql::row::{Fields, corrupt};
use crate::sql::session::{Session, Words};
use crate::sql::words::ENTRY_KINDS;

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

/// The newest call of a SIP Call-ID, live ones first. A live leg has it in its record.
macro_rules! by_sip_call_id {
    ($record:literal) => {
        concat!(
            "SELECT json_array(call) FROM (
                SELECT call, 1 AS live, 0 AS written FROM leg WHERE ",
            $record,
            " ->> 1 = $1
                UNION ALL SELECT call, 0, written FROM cdr WHERE sip_call_id = $1
                UNION ALL SELECT cdr.call, 0, cdr.written
                    FROM attempt JOIN cdr ON cdr.call = attempt.call
                    WHERE attempt.sip_call_id = $1) AS found
            ORDER BY live DESC, written DESC, call DESC LIMIT 1"
        )
    };
}

const BY_SIP_CALL_ID: Words =
    Words { sqlite: by_sip_call_id!("cdr"), postgres: by_sip_call_id!("cdr::jsonb") };

impl Database {
    pub(crate) async fn cdrs(&self, most: u32) -> Result<Vec<Cdr>, Error> {
        let mut reading = self.reading().await?;
        const NEWEST: &str = select_cdr!("ORDER BY written DESC, call DESC LIMIT $1");
        reading.read(NEWEST, &[i64::from(most).into()], unpack_cdr).await
    }

    pub(crate) async fn account(&self, of: OrganizationId) -> Result<Option<AccountView>, Error> {
        let mut reading = self.reading().await?;
        const OF: &str = select_account!("WHERE account.id = $1");
        let id = of.account().to_string();
        let mut found = reading.read(OF, &[id.into()], account_view).await?;
        let Some(mut view) = found.pop() else {
            return Ok(None);
        };
        view.lots = lots(&mut reading).await?.remove(&of.account()).unwrap_or_default();
        Ok(Some(view))
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        let mut reading = self.reading().await?;
        const ALL: &str = select_account!("ORDER BY account.id");
        let mut views = reading.read(ALL, &[], account_view).await?;
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
        const OF: &str =
            select_entry!("WHERE account = $1 AND written >= $2 AND written < $3 ORDER BY number");
        let arguments = [account.to_string().into(), from.micros.into(), until.micros.into()];
        self.reading().await?.read(OF, &arguments, entry).await
    }

    pub(crate) async fn open_legs(&self) -> Result<Vec<OpenLeg>, Error> {
        open_legs(&mut self.reading().await?).await
    }

    pub(crate) async fn case(&self, key: &str) -> Result<Option<Case>, Error> {
        let mut reading = self.reading().await?;
        if let Ok(call) = key.parse()
            && let Some(case) = case_of(&mut reading, call).await?
        {
            return Ok(Some(case));
        }
        let calls = reading.read(BY_SIP_CALL_ID, &[key.into()], |row| row.parse()).await?;
        match calls.first() {
            Some(call) => case_of(&mut reading, *call).await,
            None => Ok(None),
        }
    }
}

/// The last heartbeats of all epochs, and the legs that all but the current one left open.
pub(crate) async fn left_behind(
    session: &mut Session,
    current: &Epoch,
) -> Result<(BTreeMap<Epoch, Instant>, Vec<OpenLeg>), Error> {
    const HEARTBEATS: &str = "SELECT json_array(node, epoch, clock_micros) FROM heartbeat";
    let heartbeats = session.read(HEARTBEATS, &[], |row| {
        let epoch = Epoch { node: row.text()?, number: row.int()? };
        Ok((epoch, Instant { micros: row.int()? }))
    });
    let heartbeats = heartbeats.await?.into_iter().collect();
    let mut legs = open_legs(session).await?;
    legs.retain(|leg| leg.epoch != *current);
    Ok((heartbeats, legs))
}

async fn open_legs(session: &mut Session) -> Result<Vec<OpenLeg>, Error> {
    session.read(OPEN_LEGS, &[], open_leg).await
}

async fn case_of(session: &mut Session, call: CallId) -> Result<Option<Case>, Error> {
    const HOLDS: &str = "
SELECT json_array(leg, sequence, account, from_secs, until_secs, wanted_secs, covers_secs, amount,
    state, captured, placed)
FROM hold WHERE leg = $1 ORDER BY sequence";
    const OPEN: &str = "
SELECT json_array(call, node, epoch, dialog, answered_micros, account, class, rate, funded_secs,
    captured, cdr, next_sequence)
FROM leg WHERE call = $1";
    const CDR: &str = select_cdr!("WHERE call = $1");
    const ENTRIES: &str = select_entry!("WHERE hold_leg = $1 ORDER BY number");
    let key = [call.to_string().into()];
    let cdr = session.read(CDR, &key, unpack_cdr).await?.pop();
    let open = session.read(OPEN, &key, open_leg).await?.pop();
    if cdr.is_none() && open.is_none() {
        return Ok(None);
    }
    let holds = session.read(HOLDS, &key, |row| Ok(hold(row)?.view())).await?;
    let entries = session.read(ENTRIES, &key, entry).await?;
    Ok(Some(Case { call, cdr, open, holds, entries }))
}

async fn lots(session: &mut Session) -> Result<BTreeMap<AccountId, Vec<Lot>>, Error> {
    const LOTS: &str = "
SELECT json_array(account, reference, amount, bought) FROM lot ORDER BY account, bought, reference";
    let rows = session.read(LOTS, &[], |row| {
        let account: AccountId = row.parse()?;
        let reference = row.text()?;
        Ok((account, Lot { reference, amount: row.money()?, at: row.time()? }))
    });
    let rows = rows.await?;
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
