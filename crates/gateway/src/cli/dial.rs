//! `tollgate dial`: calls somebody into a meeting.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::gateway::Gateway;
use super::place::Place;

/// How often a call that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Calls somebody into a meeting
///
/// The organizer's licence and outbound policy decide, whoever asks; the first slice of the call is
/// paid for before it leaves. Several numbers ring at once: the first that joins ends the others.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The meeting's name, or its id
    meeting: String,
    /// The number as it is dialled in the organizer's country, or `+…`
    #[arg(required = true)]
    numbers: Vec<String>,
    /// The user who asks; without one the operator does
    #[arg(long, value_name = "USER")]
    by: Option<String>,
    /// The called person must press 1 (or need not: --press-one=false)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    press_one: Option<bool>,
    /// How long it may ring
    #[arg(long, value_name = "SECONDS")]
    ring: Option<u16>,
    /// It is the organizer who is called: their leg is the last to be cut
    #[arg(long)]
    call_me: bool,
    /// The called person sees no number
    #[arg(long)]
    withheld: bool,
    /// Waits until the call has joined or is over, and says so
    #[arg(long)]
    wait: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// If the call is refused, the gateway does not answer, or, with `--wait`, nobody joins.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let gateway = Gateway::of(&args.place)?;
    let path = format!("/v1/meetings/{}/dial-outs", segment(&args.meeting));
    let answer = gateway.ask("POST", &path, Some(&order(&args))).await?;
    let placed = match answer.get("calls").and_then(Value::as_array) {
        Some(calls) => calls.clone(),
        None => vec![answer],
    };
    let mut calls = Vec::new();
    for one in &placed {
        match text(one, "call") {
            Some(call) => {
                writeln!(out, "call {call} is on its way")?;
                calls.push(call.to_owned());
            }
            None => writeln!(out, "{}", refusal(one))?,
        }
    }
    if !args.wait {
        return Ok(());
    }
    let mut last = String::new();
    for call in &calls {
        match outcome(&gateway, call).await? {
            Joined::Yes => return Ok(writeln!(out, "call {call} has joined")?),
            Joined::No(why) => {
                writeln!(out, "call {call}: {why}")?;
                last = why;
            }
        }
    }
    bail!("nobody joined: {last}")
}

/// What became of a call.
enum Joined {
    Yes,
    No(String),
}

async fn outcome(gateway: &Gateway, call: &str) -> Result<Joined> {
    loop {
        let shown = gateway.ask("GET", &format!("/v1/calls/{call}"), None).await?;
        match text(&shown, "state").context("a call without a state")? {
            "seated" => return Ok(Joined::Yes),
            "over" => {
                let ending = text(&shown, "ending").unwrap_or_default();
                let reasons = shown.get("reasons").and_then(Value::as_array);
                let last = reasons.and_then(|all| all.last()).and_then(Value::as_str);
                return Ok(Joined::No(format!("{ending}: {}", last.unwrap_or_default())));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

fn order(args: &Args) -> Value {
    let mut order = Map::new();
    match &args.numbers[..] {
        [one] => order.insert("number".to_owned(), json!(one)),
        many => order.insert("numbers".to_owned(), json!(many)),
    };
    let fields = [
        ("by", args.by.as_ref().map(|by| json!(by))),
        ("press_one", args.press_one.map(|on| json!(on))),
        ("ring_secs", args.ring.map(|secs| json!(secs))),
        ("call_me", args.call_me.then_some(Value::Bool(true))),
        ("withheld", args.withheld.then_some(Value::Bool(true))),
    ];
    order.extend(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Object(order)
}

fn refusal(one: &Value) -> String {
    let said = |key| text(one, key).unwrap_or_default();
    format!("refused ({}): {}", said("refusal"), said("hint"))
}

fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key).and_then(Value::as_str)
}

/// A name as one segment of a path (RFC 3986 §2.1).
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn ordered(line: &[&str]) -> Value {
        let line = <Line as clap::Parser>::try_parse_from([&["dial"], line].concat()).unwrap();
        order(&line.args)
    }

    #[test]
    fn only_what_is_said_is_sent() {
        assert_eq!(ordered(&["standup", "+3901"]), json!({ "number": "+3901" }));
        assert_eq!(
            ordered(&["standup", "+3901", "+3902", "--by", "ada", "--press-one", "--ring", "20"]),
            json!({ "numbers": ["+3901", "+3902"], "by": "ada", "press_one": true, "ring_secs": 20 })
        );
        assert_eq!(ordered(&["m", "1", "--press-one=false"])["press_one"], json!(false));
    }

    #[test]
    fn a_name_is_one_segment_of_the_path() {
        assert_eq!(segment("room 1/ü"), "room%201%2F%C3%BC");
    }
}
