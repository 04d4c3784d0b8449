//! `tollgate calls`: what is live, and what is over.

use std::io::Write;

use anyhow::{Context, Result};
use model::UnixTime;
use model::record::Cdr;
use serde_json::{Value, json};

use super::gateway::Gateway;
use super::place::Place;
use super::shown::{View, iso, json_text, number_type, payer, seconds};
use super::table::Table;

/// Lists live calls, or the records of those that are over
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Lists live calls, asked of the running gateway; numbers are masked
    Live {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the newest call detail records, newest first
    Cdr {
        /// How many
        #[arg(long, default_value_t = 50)]
        last: u32,
        /// Billing view: numbers are not masked
        #[arg(long)]
        full: bool,
        /// As CSV (RFC 4180)
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// If the gateway or the store does not answer.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    match args.verb {
        Verb::Live { json } => {
            let gateway = Gateway::of(&args.place)?;
            live(&gateway.ask("GET", "/v1/calls", None).await?, json, out)
        }
        Verb::Cdr { last, full, csv, json } => {
            let keys = args.place.keys(full)?;
            let cdrs = args.place.open().await?.cdrs(last).await?;
            over(&cdrs, View::of(full, &keys), (csv, json), out)
        }
    }
}

/// What the API shows of a call, in the order of the columns.
const LIVE: [&str; 11] = [
    "call",
    "state",
    "trunk",
    "caller",
    "called",
    "meeting",
    "invited",
    "connected_secs",
    "capability",
    "funded_left_secs",
    "held",
];

fn live(calls: &Value, json: bool, out: &mut impl Write) -> Result<()> {
    if json {
        return Ok(writeln!(out, "{}", json_text(calls))?);
    }
    let calls = calls.as_array().context("the gateway answered something else than a list")?;
    if calls.is_empty() {
        return Ok(writeln!(out, "no live calls")?);
    }
    let mut table = Table::new(&LIVE);
    for call in calls {
        let cell = |key: &&str| match call.get(*key) {
            None | Some(Value::Null) => "-".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(
                other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)),
            ) => other.to_string(),
        };
        table.push(LIVE.iter().map(cell).collect());
    }
    Ok(table.write_text(out)?)
}

fn over(
    cdrs: &[Cdr],
    view: View<'_>,
    (csv, json): (bool, bool),
    out: &mut impl Write,
) -> Result<()> {
    if json {
        let cdrs: Vec<Value> = cdrs.iter().map(|cdr| cdr_json(cdr, view)).collect();
        return Ok(writeln!(out, "{}", json_text(&Value::Array(cdrs)))?);
    }
    let mut table = Table::new(&[
        "call",
        "invited",
        "answered",
        "connected_secs",
        "caller",
        "called",
        "type",
        "capability",
        "billed_secs",
        "charge",
        "currency",
        "ending",
        "sip",
        "vouched",
        "withheld_caller",
        "call_type",
        "trunk",
        "sip_call_id",
        "released_by",
        "q850",
        "received_sip",
        "received_q850",
    ]);
    for cdr in cdrs {
        table.push(row(cdr, view));
    }
    if csv {
        return Ok(table.write_csv(out)?);
    }
    if table.is_empty() {
        return Ok(writeln!(out, "no calls yet")?);
    }
    Ok(table.write_text(out)?)
}

fn row(cdr: &Cdr, view: View<'_>) -> Vec<String> {
    vec![
        cdr.call.to_string(),
        iso(cdr.invited),
        cdr.answered.map_or_else(|| "-".to_owned(), iso),
        seconds(cdr.connected_micros),
        view.number(cdr.caller.as_ref()),
        view.number(cdr.called.as_ref()),
        cdr.number_type.map_or("-", number_type).to_owned(),
        payer(cdr.capability).to_owned(),
        cdr.billed_secs.to_string(),
        cdr.charge.to_string(),
        cdr.currency.map_or_else(|| "-".to_owned(), |currency| currency.to_string()),
        cdr.ending.label.to_string(),
        cdr.ending.sip_status.to_string(),
        cdr.vouched.word().to_owned(),
        view.withheld(cdr).unwrap_or_else(|| "-".to_owned()),
        cdr.call_type.word().to_owned(),
        if cdr.trunk.is_empty() { "-".to_owned() } else { cdr.trunk.clone() },
        cdr.sip_call_id.clone(),
        cdr.ending.released_by.to_string(),
        cdr.ending.q850.to_string(),
        maybe(cdr.received.sip_status),
        maybe(cdr.received.q850),
    ]
}

fn maybe(code: Option<impl ToString>) -> String {
    code.map_or_else(|| "-".to_owned(), |code| code.to_string())
}

/// A call detail record as JSON: money is exact text, times are ISO 8601 in UTC.
pub(super) fn cdr_json(cdr: &Cdr, view: View<'_>) -> Value {
    let rate = cdr.rate.map(|rate| {
        json!({
            "version": format!("{:016x}", rate.version.0),
            "per_minute": rate.per_minute.normalize().to_string(),
            "fee": rate.fee.to_string(),
            "minimum": rate.minimum.to_string(),
            "initial_secs": rate.initial_secs,
            "subsequent_secs": rate.subsequent_secs,
            "rounding": rounding(rate.rounding),
        })
    });
    json!({
        "call": cdr.call.to_string(),
        "call_type": cdr.call_type.word(),
        "sip_call_id": cdr.sip_call_id,
        "trunk": cdr.trunk,
        "attempts": cdr.attempts.iter().map(|attempt| json!({
            "trunk": attempt.trunk,
            "sip_call_id": attempt.sip_call_id,
            "sip_status": attempt.sip_status,
            "q850": attempt.q850,
        })).collect::<Vec<Value>>(),
        "caller": view.number(cdr.caller.as_ref()),
        "withheld_caller": view.withheld(cdr),
        "vouched": cdr.vouched.word(),
        "called": view.number(cdr.called.as_ref()),
        "number_type": cdr.number_type.map(number_type),
        "meeting": cdr.meeting.map(|meeting| meeting.to_string()),
        "organizer": cdr.organizer.map(|organizer| organizer.to_string()),
        "organization": cdr.organization.map(|organization| organization.to_string()),
        "capability": payer(cdr.capability),
        "invited": iso(cdr.invited),
        "answered": cdr.answered.map(iso),
        "ended": cdr.answered.map(|answered| iso(ended(answered, cdr.connected_micros))),
        "connected_micros": cdr.connected_micros,
        "billed_secs": cdr.billed_secs,
        "rate": rate,
        "fee": cdr.fee.to_string(),
        "charge": cdr.charge.to_string(),
        "currency": cdr.currency.map(|currency| currency.to_string()),
        "ending": cdr.ending.label,
        "released_by": cdr.ending.released_by,
        "sip_status": cdr.ending.sip_status,
        "q850": cdr.ending.q850,
        "received": { "sip_status": cdr.received.sip_status, "q850": cdr.received.q850 },
        "reasons": cdr.reasons,
        "decision": cdr.decision.as_ref().map(|decision| {
            json!({
                "allowed": decision.allowed,
                "rule": decision.rule,
                "version": decision.version,
            })
        }),
    })
}

/// As in the provisioning file.
fn rounding(rule: model::SecondsRule) -> &'static str {
    match rule {
        model::SecondsRule::Nearest => "nearest",
        model::SecondsRule::Up => "up",
        model::SecondsRule::Down => "down",
    }
}

/// End time = answer + connected time (charging.md, "Price"), whatever the wall clock did.
pub(super) fn ended(answered: UnixTime, connected_micros: u64) -> UnixTime {
    let connected = i64::try_from(connected_micros).unwrap_or(i64::MAX);
    UnixTime { micros: answered.micros.saturating_add(connected) }
}

#[cfg(test)]
mod tests {
    use model::record::CallType;
    use store::Keys;

    use super::*;

    fn shown(calls: &Value) -> String {
        let mut out = Vec::new();
        live(calls, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn live_calls_are_a_table_with_dashes_for_what_is_unknown() {
        let text = shown(&json!([{ "call": "2a", "state": "seated", "connected_secs": 61 }]));
        let (heading, row) = text.trim_end().split_once('\n').unwrap();
        assert!(heading.starts_with("call  state   trunk"), "{heading}");
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>().join(" "),
            "2a seated - - - - - 61 - - -"
        );
    }

    #[test]
    fn no_calls_are_told_in_words() {
        assert_eq!(shown(&json!([])), "no live calls\n");
    }

    fn cdr() -> Cdr {
        Cdr {
            sip_call_id: "=cmd\r\n@carrier".to_owned(),
            trunk: "carrier".to_owned(),
            caller: "+14155550123".parse().ok(),
            called: "7000".parse().ok(),
            ending: model::record::Ending {
                label: "unknown_number".into(),
                released_by: "tollgate".into(),
                sip_status: 404,
                q850: 1,
            },
            ..Cdr::begun(model::CallId(42), CallType::In, UnixTime { micros: 0 })
        }
    }

    fn records(view: View<'_>, (csv, json): (bool, bool)) -> String {
        let mut out = Vec::new();
        over(&[cdr()], view, (csv, json), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records_are_masked_unless_the_billing_view_is_asked_for() {
        let masked = records(View::Masked, (true, false));
        assert!(masked.contains(",'+1415555****,****,"), "{masked}");
        let full = records(View::Full(&Keys::default()), (true, false));
        assert!(full.contains(",+14155550123,7000,"), "{full}");
        let json = records(View::Masked, (false, true));
        assert!(json.contains("+1415555****") && !json.contains("0123"), "{json}");
    }

    #[test]
    fn what_strangers_write_is_one_inert_cell() {
        let evil = [
            "=1+1", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "a\r\nb", "a\n=1", "\0", "\",=1,\"",
            "\u{9b}2J",
        ];
        for evil in evil {
            let record = Cdr { sip_call_id: evil.to_owned(), trunk: evil.to_owned(), ..cdr() };
            let written = |(csv, json)| {
                let mut out = Vec::new();
                over(std::slice::from_ref(&record), View::Masked, (csv, json), &mut out).unwrap();
                String::from_utf8(out).unwrap()
            };
            let csv = written((true, false));
            let lines: Vec<&str> = csv.split("\r\n").collect();
            assert_eq!((lines.len(), lines[2]), (3, ""), "{csv:?}");
            assert!(!lines.concat().contains(char::is_control), "{csv:?}");
            let cells = lines[1].split(',').map(|cell| cell.trim_start_matches('"'));
            let starts = |cell: &str| cell.starts_with(['=', '@', '+', '-', '\t']);
            let formulas: Vec<&str> = cells.filter(|cell| starts(cell) && *cell != "-").collect();
            assert!(formulas.is_empty() || evil.contains(",=1"), "{formulas:?}");
            assert_eq!(written((false, false)).lines().count(), 2, "{evil:?}");
            let json = written((false, true));
            let read: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(read[0]["sip_call_id"], evil);
            assert!(!json.contains(|c: char| c.is_control() && c != '\n'), "{json:?}");
        }
    }

    #[test]
    fn a_record_of_a_call_that_was_never_answered_has_dashes() {
        let text = records(View::Masked, (false, false));
        let row: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row[2], "-");
        assert_eq!(row[11..15], ["unknown_number", "404", "nothing", "-"]);
        assert_eq!(row[15..17], ["conf_in", "carrier"]);
        assert_eq!(row[row.len() - 4..], ["tollgate", "1", "-", "-"]);
    }

    #[test]
    fn a_withheld_caller_is_shown_in_the_billing_view_alone() {
        let record = || Cdr {
            caller: None,
            withheld: Some(model::record::Withheld::Plain("+14155550199".parse().unwrap())),
            vouched: model::Vouched::Full,
            ..cdr()
        };
        let keys = Keys::default();
        let told = |view| serde_json::to_string(&cdr_json(&record(), view)).unwrap();
        assert!(!told(View::Masked).contains("1415555"), "not even masked");
        assert!(told(View::Masked).contains("\"caller\":\"anonymous\""));
        assert!(told(View::Full(&keys)).contains("\"withheld_caller\":\"+14155550199\""));
        assert!(told(View::Full(&keys)).contains("\"vouched\":\"passed_a\""));
        let cells = |view| row(&record(), view).join(" ");
        assert!(!cells(View::Masked).contains("1415555"));
        assert!(cells(View::Full(&keys)).contains("passed_a +14155550199"));
    }

    #[test]
    fn a_call_ends_its_connected_time_after_its_answer() {
        let answered = UnixTime { micros: 1_000_000 };
        assert_eq!(ended(answered, 61_500_000), UnixTime { micros: 62_500_000 });
    }
}
