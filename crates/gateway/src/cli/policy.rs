//! `tollgate policy`: who may call where, asked before anybody dials.

mod review;

use std::io::Write;

use anyhow::{Context, Result};
use bridge::Directory;
use bridge::policy::{self, Caller, Terms};
use model::record::{Organization, Provision, User};
use model::{E164, OutboundPolicy, UnixTime, dialled, numbering};
use serde_json::{Value, json};

use super::credits::moment;
use super::place::Place;
use super::shown::rate;
use super::table::Table;

/// Says whether a number may be called for an organizer, and lists the outbound policies
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Lists the twelve outbound policies
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Decides about a number as a meeting would, without calling it
    Test {
        /// The organization's name
        organization: String,
        /// The number as it would be typed
        number: String,
        /// The organizer's name
        #[arg(long, value_name = "USER")]
        organizer: String,
        /// The user's own call, outside of any meeting
        #[arg(long)]
        own_call: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Tells which past calls of meetings another policy would have refused
    Review {
        /// The organization's name
        organization: String,
        /// The policy, as if it were assigned to the organization, or to --user
        #[arg(long, value_name = "NAME")]
        policy: OutboundPolicy,
        /// One user's meetings only
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// From when on: 2026-10-20 or an ISO 8601 time; 31 days back, if left out
        #[arg(long, value_parser = moment)]
        since: Option<UnixTime>,
        /// Billing view: numbers are not masked
        #[arg(long)]
        full: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// If somebody named does not exist, or the store fails. A refused number is no error.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    match args.verb {
        Verb::List { json } => list(json, out),
        Verb::Test { organization, number, organizer, own_call, json } => {
            let provision = args.place.open().await?.provision().await?;
            let caller = if own_call { Caller::User } else { Caller::Meeting };
            let answer = answer(&provision, (&organization, &organizer), &number, caller)?;
            tell(&answer, json, out)
        }
        Verb::Review { organization, policy, user, since, full, json } => {
            let store = args.place.open().await?;
            let wanted = review::Wanted { organization, policy, user, since, full, json };
            review::run(&store, &wanted, out).await
        }
    }
}

fn list(json: bool, out: &mut impl Write) -> Result<()> {
    let halves = |policy: OutboundPolicy| {
        (format!("{:?}", policy.meetings), format!("{:?}", policy.own_calls))
    };
    if json {
        let rows = OutboundPolicy::all().map(|policy| {
            let (meetings, own_calls) = halves(policy);
            json!({ "name": policy.name(), "meetings": meetings, "own_calls": own_calls })
        });
        return Ok(writeln!(out, "{:#}", Value::from_iter(rows))?);
    }
    let mut table = Table::new(&["name", "meetings", "own calls"]);
    for policy in OutboundPolicy::all() {
        let (meetings, own_calls) = halves(policy);
        table.push(vec![policy.name().to_owned(), meetings, own_calls]);
    }
    Ok(table.write_text(out)?)
}

/// Finds an organization and one of its users by their names.
///
/// # Errors
/// If there is none.
fn named<'a>(
    provision: &'a Provision,
    organization: &str,
    user: &str,
) -> Result<(&'a Organization, &'a User)> {
    let owner = self::organization(provision, organization)?;
    let mut users = provision.users.iter().filter(|known| known.organization == owner.id);
    let known = users.find(|known| known.name == user);
    let known = known.with_context(|| format!("{organization} has no user {user:?}"))?;
    Ok((owner, known))
}

fn organization<'a>(provision: &'a Provision, name: &str) -> Result<&'a Organization> {
    let known = provision.organizations.iter().find(|known| known.name == name);
    known.with_context(|| format!("there is no organization {name:?}; see `tollgate apply`"))
}

/// Answers in the order of the columns: what was asked, what it is, what is decided.
fn answer(
    provision: &Provision,
    (organization, organizer): (&str, &str),
    typed: &str,
    caller: Caller,
) -> Result<Vec<(&'static str, Value)>> {
    let (owner, user) = named(provision, organization, organizer)?;
    let directory = Directory::new(provision.clone(), Vec::new())?;
    let terms = directory.outbound_terms(user, owner);
    let home = terms.country.map(|home| home.to_string());
    let mut said: Vec<(&'static str, Value)> = vec![
        ("organizer", json!(user.name)),
        ("home", json!(home)),
        ("policy", json!(terms.policy.name())),
        ("assigned", json!(terms.source.to_string())),
    ];
    let licence = match caller {
        Caller::Meeting => policy::licence(user, owner),
        Caller::User => Ok("not asked: own calls are not the bridge's"),
    };
    said.push(("licence", json!(licence.unwrap_or_else(|refusal| refusal.label()))));
    match dialled::read(typed, terms.country) {
        Ok(number) => decided(&mut said, &directory, (&number, owner), caller, &terms),
        Err(misdial) => {
            let users_emergency = misdial == model::Misdial::Emergency && caller == Caller::User;
            let allowed = users_emergency && licence.is_ok();
            said.push(("number", Value::Null));
            said.push(("reason", json!(misdial.label())));
            said.push(("allowed", json!(allowed)));
            let rule = match allowed {
                true => "emergency services: users may always call them".to_owned(),
                false => misdial.to_string(),
            };
            said.push(("rule", json!(rule)));
            said.push(("version", json!(policy::version(terms.revision))));
        }
    }
    if let Err(refusal) = licence {
        said.retain(|(key, _)| !["allowed", "refusal", "rule"].contains(key));
        said.push(("allowed", json!(false)));
        said.push(("refusal", json!(refusal.label())));
        said.push(("rule", json!(refusal.advice())));
    }
    Ok(said)
}

fn decided(
    said: &mut Vec<(&'static str, Value)>,
    directory: &Directory,
    (number, owner): (&E164, &Organization),
    caller: Caller,
    terms: &Terms<'_>,
) {
    let verdict = policy::decide(number, directory.is_ours(number), caller, terms);
    let country = verdict.place.country;
    let name = country.and_then(numbering::plan).map(|plan| plan.name);
    said.push(("number", json!(format!("+{}", number.digits()))));
    said.push(("country", json!(country.map(|country| country.to_string()))));
    said.push(("country_name", json!(name)));
    said.push(("class", json!(verdict.place.class.name())));
    said.push(("allowed", json!(verdict.is_allowed())));
    said.push(("refusal", json!(verdict.refused.map(bridge::Refusal::label))));
    said.push(("rule", json!(verdict.rule)));
    said.push(("version", json!(verdict.version)));
    if verdict.is_allowed() && caller == Caller::Meeting {
        let price = directory.dial_out_price(owner, number);
        let price = price.map(|price| rate(&price.rate, &price.currency.to_string()));
        said.push(("price", json!(price.unwrap_or_else(|| "no_tariff".to_owned()))));
    }
}

fn tell(said: &[(&'static str, Value)], json: bool, out: &mut impl Write) -> Result<()> {
    if json {
        let object: serde_json::Map<String, Value> =
            said.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        return Ok(writeln!(out, "{:#}", Value::Object(object))?);
    }
    for (key, value) in said {
        let text = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            other @ (Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
        };
        writeln!(out, "{:<13} {text}", key.replace('_', " "))?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
