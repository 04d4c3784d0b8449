//! Rates and records of calls as rows.

use model::policy::Decision;
use model::record::{Attempted, CallType, Cdr, Ending, Received, Withheld};
use model::{Currency, Instant, Rate, RateVersion, Vouched};

use crate::Error;
use crate::sql::row::{Fields, Packed, argument, corrupt, word_of};
use crate::sql::words::{CAPABILITIES, NUMBER_TYPES, ROUNDINGS};

/// Stands for the key of a withheld number that is not kept.
const NO_KEY: &str = "";

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

/// Columns: those of table `cdr` from `call` and `sip_call_id` to `attempts`. A withheld number that
/// nobody has sealed is not written.
pub(crate) fn pack_cdr(cdr: &Cdr) -> Packed {
    let reasons = serde_json::Value::from(cdr.reasons.clone());
    let rate = cdr.rate.as_ref().map(pack_rate);
    let (key, sealed) = match &cdr.withheld {
        None => (None, None),
        Some(Withheld::Sealed { key, text }) => (Some(key.as_str()), Some(text)),
        Some(Withheld::Plain(_) | Withheld::NotKept) => (Some(NO_KEY), None),
    };
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
        .maybe_text(key)
        .text(cdr.vouched.word())
        .maybe_text(sealed)
        .text(cdr.call_type.word())
        .maybe_int(cdr.received.sip_status.map(i64::from))
        .maybe_int(cdr.received.q850.map(i64::from))
        .text(argument(cdr.attempts.iter().map(pack_attempt)))
}

/// Reads what [`pack_cdr`] wrote.
pub(crate) fn unpack_cdr(row: &mut Fields) -> Result<Cdr, Error> {
    let mut cdr = Cdr {
        call: row.parse()?,
        call_type: CallType::In,
        sip_call_id: row.text()?,
        trunk: row.text()?,
        attempts: Vec::new(),
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
        received: Received::default(),
        reasons: reasons(&row.text()?)?,
        decision: maybe_decision(row)?,
    };
    // Before there was the column only a call of ours was decided about, or had no trunk.
    let ours = cdr.decision.is_some() || cdr.trunk.is_empty();
    cdr.call_type = if ours { CallType::Out } else { CallType::In };
    // A leg that was opened before callers were vouched for has no columns of it, a record nulls.
    if !row.is_over() {
        let key = row.maybe_text()?;
        cdr.vouched = vouched(row.maybe_text()?.as_deref())?;
        cdr.withheld = withheld(key, row)?;
    }
    if !row.is_over() {
        newest(&mut cdr, row)?;
    }
    Ok(cdr)
}

/// Reads the last columns, which older legs do not have and older records have nulls in.
fn newest(cdr: &mut Cdr, row: &mut Fields) -> Result<(), Error> {
    cdr.call_type = row.maybe_word(&CallType::WORDS)?.unwrap_or(cdr.call_type);
    cdr.received = Received { sip_status: maybe_small(row)?, q850: maybe_small(row)? };
    let Some(attempts) = row.maybe_text()? else { return Ok(()) };
    let mut attempts = Fields::read(&attempts)?;
    while !attempts.is_over() {
        let mut attempt = attempts.nested()?;
        cdr.attempts.push(Attempted {
            trunk: attempt.text()?,
            sip_call_id: attempt.text()?,
            sip_status: maybe_small(&mut attempt)?,
            q850: maybe_small(&mut attempt)?,
        });
    }
    Ok(())
}

fn pack_attempt(attempt: &Attempted) -> Packed {
    Packed::default()
        .text(&attempt.trunk)
        .text(&attempt.sip_call_id)
        .maybe_int(attempt.sip_status.map(i64::from))
        .maybe_int(attempt.q850.map(i64::from))
}

/// Rows of table `attempt`: the INVITEs that a record is not already found by.
pub(crate) fn pack_attempts(cdr: &Cdr) -> impl Iterator<Item = Packed> {
    let other = |attempt: &&Attempted| attempt.sip_call_id != cdr.sip_call_id;
    let others = cdr.attempts.iter().filter(other);
    others.map(|attempt| Packed::default().text(&attempt.sip_call_id).text(cdr.call))
}

/// Reads a number below 65 536, if there is one.
fn maybe_small<T: TryFrom<i64>>(row: &mut Fields) -> Result<Option<T>, Error> {
    let number = row.maybe_int()?.map(T::try_from).transpose();
    number.map_err(|_| corrupt("a code is out of range"))
}

/// Reads what is kept of a withheld number. A leg from before there were keys has the number in
/// the key's place, and nothing more behind it: it is forgotten.
fn withheld(key: Option<String>, row: &mut Fields) -> Result<Option<Withheld>, Error> {
    let sealed = if row.is_over() { None } else { row.maybe_text()? };
    let kept = |key| sealed.map_or(Withheld::NotKept, |text| Withheld::Sealed { key, text });
    Ok(key.map(kept))
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

    #[test]
    fn a_record_survives_its_row() {
        let mut cdr = cdr();
        assert_eq!(round_trip(&cdr), cdr);
        cdr.rate = None;
        cdr.caller = None;
        cdr.withheld = None;
        cdr.received = Received::default();
        cdr.currency = None;
        cdr.answered = None;
        cdr.account = None;
        cdr.decision = None;
        assert_eq!(round_trip(&cdr), cdr);
    }

    #[test]
    fn a_withheld_number_that_nobody_sealed_is_not_written() {
        let plain = Withheld::Plain("+14155550199".parse().unwrap());
        let cdr = Cdr { withheld: Some(plain), ..cdr() };
        assert!(!written(&cdr).contains("0199"));
        assert_eq!(round_trip(&cdr).withheld, Some(Withheld::NotKept));
    }

    #[test]
    fn a_leg_of_an_older_version_is_read_and_its_withheld_number_forgotten() {
        let mut old: serde_json::Value = serde_json::from_str(&written(&cdr())).unwrap();
        let columns = old[0][0].as_array_mut().unwrap();
        columns.truncate(35);
        columns[33] = "+14155550199".into();
        let read = unpack(&old.to_string());
        assert_eq!((read.withheld, read.vouched), (Some(Withheld::NotKept), Vouched::Failed));
        assert_eq!(
            (read.call_type, read.attempts.len()),
            (CallType::Out, 0),
            "it was decided about"
        );
    }

    fn attempt(sip_call_id: &str, sip_status: Option<u16>, q850: Option<u8>) -> Attempted {
        Attempted { trunk: "carrier".into(), sip_call_id: sip_call_id.into(), sip_status, q850 }
    }

    fn round_trip(cdr: &Cdr) -> Cdr {
        unpack(&written(cdr))
    }

    fn written(cdr: &Cdr) -> String {
        argument([Packed::default().nested(pack_cdr(cdr))].into_iter())
    }

    fn unpack(written: &str) -> Cdr {
        let mut rows = Fields::read(written).unwrap();
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
            call_type: CallType::Out,
            sip_call_id: "a\"b'; DROP TABLE cdr@example".into(),
            trunk: "carrier".into(),
            attempts: vec![
                attempt("first", Some(503), Some(34)),
                attempt("a\"b'; DROP TABLE cdr@example", None, None),
            ],
            caller: Some("+14155550123".parse().unwrap()),
            withheld: Some(Withheld::Sealed { key: "1f2e".into(), text: "00ff".into() }),
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
            received: Received { sip_status: Some(200), q850: Some(16) },
            reasons: vec!["licence: \u{2713}".into(), String::new()],
            decision: Some(Decision {
                allowed: true,
                rule: "policy".into(),
                version: "provisioning 3".into(),
            }),
        }
    }
}
