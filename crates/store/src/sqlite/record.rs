//! Rates and records of calls as rows.

use model::policy::Decision;
use model::record::{Cdr, Ending};
use model::{Currency, Instant, Rate, RateVersion, Vouched};

use crate::Error;
use crate::sqlite::row::{Fields, Packed, corrupt, word_of};
use crate::sqlite::words::{CAPABILITIES, NUMBER_TYPES, ROUNDINGS};

/// Columns of a rate.
const RATE_COLUMNS: usize = 7;

/// Columns: version, fee, per_minute, initial_secs, subsequent_secs, minimum, rounding.
pub(crate) fn pack_rate(rate: &Rate) -> Packed {
    Packed::default()
        .text(format_args!("{:016x}", rate.version.0))
        .money(rate.fee)
        .text(rate.per_minute)
        .int(rate.initial_secs)
        .int(rate.subsequent_secs)
        .money(rate.minimum)
        .text(word_of(ROUNDINGS, &rate.rounding))
}

/// Reads what [`pack_rate`] wrote; `None` if its first column is null.
pub(crate) fn maybe_rate(row: &mut Fields) -> Result<Option<Rate>, Error> {
    let Some(version) = row.maybe_text()? else {
        for _ in 1..RATE_COLUMNS {
            row.skip()?;
        }
        return Ok(None);
    };
    let version = u64::from_str_radix(&version, 16).map_err(|_| corrupt("a rate version"))?;
    Ok(Some(Rate {
        version: RateVersion(version),
        fee: row.money()?,
        per_minute: row.parse()?,
        initial_secs: row.int()?,
        subsequent_secs: row.int()?,
        minimum: row.money()?,
        rounding: row.word(ROUNDINGS)?,
    }))
}

/// Columns: those of table `cdr` from `call` and `sip_call_id` to `vouched`.
pub(crate) fn pack_cdr(cdr: &Cdr) -> Packed {
    let reasons = serde_json::Value::from(cdr.reasons.clone());
    let rate = cdr.rate.as_ref().map(pack_rate);
    Packed::default()
        .text(cdr.call)
        .text(&cdr.sip_call_id)
        .text(&cdr.trunk)
        .maybe_text(cdr.caller.as_ref().map(model::Did::full))
        .maybe_text(cdr.called.as_ref().map(model::Did::full))
        .maybe_text(cdr.number_type.map(|kind| word_of(NUMBER_TYPES, &kind)))
        .maybe_text(cdr.meeting)
        .maybe_text(cdr.organizer)
        .maybe_text(cdr.organization)
        .text(word_of(CAPABILITIES, &cdr.capability))
        .maybe_text(cdr.account)
        .time(cdr.invited)
        .maybe_int(cdr.answered.map(|time| time.micros))
        .count(cdr.connected_micros)
        .count(cdr.billed_secs)
        .chain(rate.unwrap_or_else(|| Packed::default().nulls(RATE_COLUMNS)))
        .money(cdr.fee)
        .money(cdr.charge)
        .maybe_text(cdr.currency)
        .text(&cdr.ending.label)
        .text(&cdr.ending.released_by)
        .int(cdr.ending.sip_status)
        .int(cdr.ending.q850)
        .text(reasons)
        .maybe_int(cdr.decision.as_ref().map(|decision| decision.allowed.into()))
        .maybe_text(cdr.decision.as_ref().map(|decision| &decision.rule))
        .maybe_text(cdr.decision.as_ref().map(|decision| &decision.version))
        .maybe_text(cdr.withheld.as_ref().map(model::Did::full))
        .text(cdr.vouched.word())
}

/// Reads what [`pack_cdr`] wrote.
pub(crate) fn unpack_cdr(row: &mut Fields) -> Result<Cdr, Error> {
    let mut cdr = Cdr {
        call: row.parse()?,
        sip_call_id: row.text()?,
        trunk: row.text()?,
        caller: row.maybe_parse()?,
        withheld: None,
        vouched: Vouched::Nothing,
        called: row.maybe_parse()?,
        number_type: row.maybe_word(NUMBER_TYPES)?,
        meeting: row.maybe_parse()?,
        organizer: row.maybe_parse()?,
        organization: row.maybe_parse()?,
        capability: row.word(CAPABILITIES)?,
        account: row.maybe_parse()?,
        invited: row.time()?,
        answered: row.maybe_int()?.map(|micros| model::UnixTime { micros }),
        connected_micros: row.int()?,
        billed_secs: row.int()?,
        rate: maybe_rate(row)?,
        fee: row.money()?,
        charge: row.money()?,
        currency: maybe_currency(row)?,
        ending: Ending {
            label: row.text()?.into(),
            released_by: row.text()?.into(),
            sip_status: row.int()?,
            q850: row.int()?,
        },
        reasons: reasons(&row.text()?)?,
        decision: maybe_decision(row)?,
    };
    // A leg that was opened before callers were vouched for has no columns of it, a record nulls.
    if !row.is_over() {
        cdr.withheld = row.maybe_parse()?;
        cdr.vouched = vouched(row.maybe_text()?.as_deref())?;
    }
    Ok(cdr)
}

fn vouched(word: Option<&str>) -> Result<Vouched, Error> {
    let Some(word) = word else { return Ok(Vouched::Nothing) };
    let known = Vouched::WORDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, value)| *value).ok_or_else(|| corrupt("who vouched for a caller"))
}

/// Reads a decision; a leg that was opened before there were any has no columns for one.
fn maybe_decision(row: &mut Fields) -> Result<Option<Decision>, Error> {
    if row.is_over() {
        return Ok(None);
    }
    let (allowed, rule, version) = (row.maybe_int()?, row.maybe_text()?, row.maybe_text()?);
    Ok(match (allowed, rule, version) {
        (Some(allowed), Some(rule), Some(version)) => {
            Some(Decision { allowed: allowed != 0, rule, version })
        }
        (None, None, None) => None,
        _ => return Err(corrupt("a decision is incomplete")),
    })
}

/// Reads a currency's code, if there is one.
pub(crate) fn maybe_currency(row: &mut Fields) -> Result<Option<Currency>, Error> {
    let code = row.maybe_text()?;
    code.map(|code| Currency::parse(&code).ok_or_else(|| corrupt("a currency"))).transpose()
}

/// Reads a reading of a node's clock, if there is one.
pub(crate) fn maybe_instant(row: &mut Fields) -> Result<Option<Instant>, Error> {
    let micros = row.maybe_int()?.map(u64::try_from).transpose();
    Ok(micros.map_err(|_| corrupt("a clock"))?.map(|micros| Instant { micros }))
}

fn reasons(text: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(text).map_err(|_| corrupt("reasons are not a list of texts"))
}

#[cfg(test)]
mod tests {
    use model::record::{Capability, NumberType};
    use model::{CallId, Money, OrganizationId, SecondsRule, UnixTime};

    use super::*;
    use crate::sqlite::row::argument;

    #[test]
    fn a_record_survives_its_row() {
        let mut cdr = cdr();
        assert_eq!(round_trip(&cdr), cdr);
        cdr.rate = None;
        cdr.caller = None;
        cdr.withheld = None;
        cdr.currency = None;
        cdr.answered = None;
        cdr.account = None;
        cdr.decision = None;
        assert_eq!(round_trip(&cdr), cdr);
    }

    fn round_trip(cdr: &Cdr) -> Cdr {
        let written = argument([Packed::default().nested(pack_cdr(cdr))].into_iter());
        let mut rows = Fields::read(&written).unwrap();
        unpack_cdr(&mut rows.nested().unwrap().nested().unwrap()).unwrap()
    }

    fn cdr() -> Cdr {
        let rate = Rate {
            version: RateVersion(u64::MAX),
            fee: Money::from_micros(7),
            per_minute: "0.012345678".parse().unwrap(),
            initial_secs: 60,
            subsequent_secs: 6,
            minimum: Money::from_micros(i64::MAX),
            rounding: SecondsRule::Up,
        };
        Cdr {
            call: CallId(u128::MAX),
            sip_call_id: "a\"b'; DROP TABLE cdr@example".into(),
            trunk: "carrier".into(),
            caller: Some("+14155550123".parse().unwrap()),
            withheld: Some("+14155550124".parse().unwrap()),
            vouched: Vouched::Failed,
            called: Some("local.7042".parse().unwrap()),
            number_type: Some(NumberType::TollFree),
            meeting: Some(model::MeetingId(1)),
            organizer: None,
            organization: Some(OrganizationId(2)),
            capability: Capability::Credits,
            account: Some(model::AccountId(2)),
            invited: UnixTime { micros: -1 },
            answered: Some(UnixTime { micros: 1_700_000_000_000_000 }),
            connected_micros: 61_000_001,
            billed_secs: 66,
            rate: Some(rate),
            fee: Money::from_micros(7),
            charge: Money::from_micros(12),
            currency: Currency::parse("KWD"),
            ending: Ending {
                label: "caller_hung_up".into(),
                released_by: "caller".into(),
                sip_status: 200,
                q850: 16,
            },
            reasons: vec!["licence: \u{2713}".into(), String::new()],
            decision: Some(Decision {
                allowed: true,
                rule: "policy".into(),
                version: "provisioning 3".into(),
            }),
        }
    }
}
