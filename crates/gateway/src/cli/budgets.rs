//! `tollgate budgets` and `approvals`: what of each budget of calls out is left, and which countries
//! wait for somebody's word.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use super::gateway::Gateway;
use super::place::Place;
use super::table::Table;

/// Shows what of each budget is used and left, as the running gateway counts it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The organization's name; without one, everybody who has called out in the last day
    organization: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Lists countries that meetings wanted to call and that nobody has approved or denied
#[derive(Debug, clap::Args)]
pub(crate) struct ApprovalsArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Runs `budgets`.
///
/// # Errors
/// If the gateway does not answer.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let path = match &args.organization {
        Some(name) => format!("/v1/organizations/{}/budgets", escaped(name)),
        None => "/v1/budgets".to_owned(),
    };
    let told = Gateway::of(&args.place)?.ask("GET", &path, None).await?;
    if args.json {
        return Ok(writeln!(out, "{told:#}")?);
    }
    list(&told, out)
}

/// Runs `approvals`.
///
/// # Errors
/// If the gateway does not answer.
pub(crate) async fn approvals(args: ApprovalsArgs, out: &mut impl Write) -> Result<()> {
    let told = Gateway::of(&args.place)?.ask("GET", "/v1/approvals", None).await?;
    if args.json {
        return Ok(writeln!(out, "{told:#}")?);
    }
    waiting(&told, out)
}

fn list(budgets: &Value, out: &mut impl Write) -> Result<()> {
    let mut table = Table::new(&["budget", "limit", "of", "most", "used", "held", "left"]);
    for budget in items(budgets)? {
        let name = cell(budget.get("budget"));
        for limit in budget.get("limits").and_then(Value::as_array).into_iter().flatten() {
            let of = match (limit.get("country"), limit.get("night")) {
                (Some(Value::String(country)), Some(Value::String(_))) => {
                    format!("{country}, night")
                }
                (Some(Value::String(country)), _) => country.clone(),
                (_, Some(Value::String(_))) => "night".to_owned(),
                _ => "-".to_owned(),
            };
            let used = limit.get("spent").or_else(|| limit.get("used"));
            let most = cell(limit.get("most"));
            let [used, held, left] = [used, limit.get("held"), limit.get("left")].map(cell);
            table.push(vec![name.clone(), cell(limit.get("limit")), of, most, used, held, left]);
        }
    }
    if table.is_empty() {
        return Ok(writeln!(out, "nobody has called out in the last day")?);
    }
    Ok(table.write_text(out)?)
}

fn waiting(approvals: &Value, out: &mut impl Write) -> Result<()> {
    let mut table = Table::new(&["organization", "country", "asked", "newest", "to decide"]);
    for row in items(approvals)? {
        let [name, country, asked, newest] =
            ["organization", "country", "asked", "newest"].map(|key| cell(row.get(key)));
        let decide = format!("tollgate approve {name} {country}, or deny");
        table.push(vec![name, country, asked, newest, decide]);
    }
    if table.is_empty() {
        return Ok(writeln!(out, "no country waits for an approval")?);
    }
    Ok(table.write_text(out)?)
}

fn items(told: &Value) -> Result<&Vec<Value>> {
    told.as_array().context("the gateway answered something else than a list")
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    }
}

/// A name as it stands in a path (RFC 3986 §2.1).
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    let bytes = name.bytes();
    bytes
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_limit_is_a_row_with_what_is_left() {
        let told = json!([{"budget": "organization acme", "organization": "acme", "currency": "EUR",
        "limits": [
            {"limit": "concurrent", "night": "20:00-07:00", "country": null, "most": 5, "used": 2,
                "left": 3},
            {"limit": "country_day", "night": null, "country": "LV", "most": "10.00",
                "spent": "2.50", "held": "0.30", "left": "7.20"},
        ]}]);
        let mut out = Vec::new();
        list(&told, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["organization", "acme", "concurrent", "night", "5", "2", "-", "3"]);
        assert_eq!(rows[2][2..], ["country_day", "LV", "10.00", "2.50", "0.30", "7.20"]);
    }

    #[test]
    fn what_waits_is_told_with_what_to_do() {
        let told = json!([{"organization": "acme", "country": "LV", "asked": 2, "newest": "2026"}]);
        let mut out = Vec::new();
        waiting(&told, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("tollgate approve acme LV, or deny"));
        let mut out = Vec::new();
        waiting(&json!([]), &mut out).unwrap();
        assert_eq!(out, b"no country waits for an approval\n");
    }

    #[test]
    fn a_name_is_written_so_that_a_path_holds_it() {
        assert_eq!(escaped("ada@acme.example"), "ada@acme.example");
        assert_eq!(escaped("a b/c?d"), "a%20b%2Fc%3Fd");
    }
}
