//! `tollgate trunk`: how the trunks of a running gateway do, and what one does with a test call.

mod doctor;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use super::gateway::Gateway;
use super::place::Place;
use super::table::Table;

/// Shows the trunks of a running gateway, and examines one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// State, live calls, and the last hour: attempts, ASR, NER, ACD, short calls, one-way audio
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    Doctor(doctor::Args),
}

/// Runs the subcommand.
///
/// # Errors
/// If the gateway does not answer, or a trunk cannot be examined from here.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<ExitCode> {
    match args.verb {
        Verb::List { json } => {
            let trunks = Gateway::of(&args.place)?.ask("GET", "/v1/trunks", None).await?;
            list(&trunks, json, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Doctor(order) => doctor::run(&args.place, &order, out).await,
    }
}

/// Columns that a trunk has, then those that each direction has.
const OWN: [&str; 3] = ["name", "group", "state"];
const HOUR: [&str; 6] = ["attempts", "asr_percent", "ner_percent", "acd_secs", "short", "one_way"];

fn list(trunks: &Value, json: bool, out: &mut impl Write) -> Result<()> {
    if json {
        return Ok(writeln!(out, "{trunks:#}")?);
    }
    let trunks = trunks.as_array().context("the gateway answered something else than a list")?;
    let mut table = Table::new(&[
        "trunk",
        "group",
        "state",
        "direction",
        "calls",
        "attempts",
        "asr",
        "ner",
        "acd_secs",
        "short",
        "one_way",
    ]);
    for (trunk, direction) in trunks.iter().flat_map(|trunk| [(trunk, "in"), (trunk, "out")]) {
        if direction == "out" && trunk.get("group").is_none_or(Value::is_null) {
            continue;
        }
        let mut row: Vec<String> = OWN.iter().map(|key| cell(trunk.get(key))).collect();
        row.push(direction.to_owned());
        row.push(cell(trunk.get(format!("calls_{direction}"))));
        let hour = trunk.get(direction);
        row.extend(HOUR.iter().map(|key| cell(hour.and_then(|hour| hour.get(key)))));
        table.push(row);
    }
    let troubled: Vec<String> = trunks.iter().filter_map(trouble).collect();
    if table.is_empty() {
        return Ok(writeln!(out, "no trunk is configured")?);
    }
    table.write_text(out)?;
    for line in troubled {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Says what keeps us from reaching a trunk.
fn trouble(trunk: &Value) -> Option<String> {
    let words = trunk.get("trouble")?.as_str()?;
    Some(format!("{} {words}", cell(trunk.get("name"))))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_direction_of_a_trunk_is_a_row_and_a_dial_in_trunk_has_one() {
        let hour = json!({"attempts": 4, "asr_percent": 75, "ner_percent": 100, "acd_secs": 60,
            "short": 1, "one_way": 0});
        let none = json!({"attempts": 0, "asr_percent": null, "ner_percent": null,
            "acd_secs": null, "short": 0, "one_way": 0});
        let trunk = |name: &str, group: Value, state: &str| {
            json!({"name": name, "group": group, "state": state, "calls_in": 2, "calls_out": 1,
                "in": none, "out": hour})
        };
        let trunks =
            json!([trunk("carrier", json!("a"), "up"), trunk("pbx", Value::Null, "dial_in_only")]);
        let mut out = Vec::new();
        list(&trunks, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows.len(), 4, "{text}");
        assert_eq!(rows[2], ["carrier", "a", "up", "out", "1", "4", "75", "100", "60", "1", "0"]);
        assert_eq!(rows[3][..5], ["pbx", "-", "dial_in_only", "in", "2"]);
    }

    #[test]
    fn what_keeps_us_from_a_trunk_is_told_below_the_table() {
        let trunk = json!({"name": "carrier", "trouble": "could not be trusted: it is old"});
        let mut out = Vec::new();
        list(&json!([trunk, {"name": "pbx", "trouble": null}]), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().last(), Some("carrier could not be trusted: it is old"), "{text}");
    }

    #[test]
    fn no_trunk_is_told_in_words() {
        let mut out = Vec::new();
        list(&json!([]), false, &mut out).unwrap();
        assert_eq!(out, b"no trunk is configured\n");
    }
}
