//! `tollgate credits`: what an organization has, buys and spends.

use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use credits::{Answer, Command, CreditRefusal};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::{Money, OrganizationId, UnixTime};
use serde_json::{Value, json};
use store::{AccountView, Entry, EntryKind, Store};

use super::place::Place;
use super::shown::{iso, runway};
use super::table::Table;
use crate::clock;

/// Longest reference of a top-up.
const REFERENCE_CHARACTERS: usize = 64;

/// Shows, adds to or accounts for an organization's credits
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Shows what is available, held and spent; of every organization if none is named
    Show {
        /// The organization's name
        organization: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Adds credit; the same reference counts once, however often it is repeated
    TopUp {
        /// The organization's name
        organization: String,
        /// How much, in the account's currency, like 50.00
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// The purchase's own number, so that a repetition is not a second purchase
        #[arg(long)]
        reference: String,
    },
    /// Lists every entry with the balance after it
    Statement {
        /// The organization's name
        organization: String,
        /// First day or moment (UTC), like 2026-11-01
        #[arg(long, value_parser = moment)]
        from: Option<UnixTime>,
        /// First day or moment that is left out
        #[arg(long, value_parser = moment)]
        until: Option<UnixTime>,
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
/// An unknown organization, an amount that cannot be credited, or the store's error.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let store = args.place.open().await?;
    match args.verb {
        Verb::Show { organization, json } => show(&store, organization.as_deref(), json, out).await,
        Verb::TopUp { organization, amount, reference } => {
            top_up(&store, &organization, &amount, &reference, out).await
        }
        Verb::Statement { organization, from, until, csv, json } => {
            let first = from.unwrap_or(UnixTime { micros: i64::MIN });
            let end = until.unwrap_or(UnixTime { micros: i64::MAX });
            let account = account(&store, &organization).await?;
            let entries = store.entries(account.organization.account(), first, end).await?;
            statement(&account, &entries, (csv, json), out)
        }
    }
}

/// Finds an account by its organization's name.
async fn account(store: &Store, name: &str) -> Result<AccountView> {
    if let Some(account) = store.account(OrganizationId::from_name(name)).await? {
        return Ok(account);
    }
    let known: Vec<String> = store.accounts().await?.into_iter().map(|a| a.name).take(10).collect();
    match known.is_empty() {
        true => bail!("no organization {name:?}: none is provisioned; see `tollgate apply`"),
        false => bail!("no organization {name:?}; there are: {}", known.join(", ")),
    }
}

async fn show(
    store: &Store,
    organization: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> Result<()> {
    let accounts = match organization {
        Some(name) => vec![account(store, name).await?],
        None => store.accounts().await?,
    };
    if json {
        let all: Vec<Value> = accounts.iter().map(account_json).collect();
        let one = organization.and_then(|_| all.first().cloned());
        return Ok(writeln!(out, "{:#}", one.unwrap_or(Value::Array(all)))?);
    }
    let mut table = Table::new(&[
        "organization",
        "currency",
        "available",
        "held",
        "granted",
        "captured",
        "expired",
        "runway",
    ]);
    for account in accounts {
        let lasts = runway(account.available, account.burn_per_sec);
        table.push(vec![
            account.name,
            account.currency.to_string(),
            account.available.to_string(),
            account.held.to_string(),
            account.granted.to_string(),
            account.captured.to_string(),
            account.expired.to_string(),
            lasts.unwrap_or_else(|| "no call burns credit".to_owned()),
        ]);
    }
    Ok(table.write_text(out)?)
}

fn account_json(account: &AccountView) -> Value {
    let lots = account.lots.iter().map(|lot| {
        json!({ "reference": lot.reference, "amount": lot.amount.to_string(), "at": iso(lot.at) })
    });
    json!({
        "organization": account.name,
        "currency": account.currency.code(),
        "available": account.available.to_string(),
        "held": account.held.to_string(),
        "granted": account.granted.to_string(),
        "captured": account.captured.to_string(),
        "expired": account.expired.to_string(),
        "burn_per_sec": account.burn_per_sec.to_string(),
        "lots": lots.collect::<Vec<Value>>(),
    })
}

async fn top_up(
    store: &Store,
    organization: &str,
    amount: &str,
    reference: &str,
    out: &mut impl Write,
) -> Result<()> {
    let amount = creditable(amount)?;
    let visible = reference.bytes().all(|b| b.is_ascii_graphic());
    if !visible || !(1..=REFERENCE_CHARACTERS).contains(&reference.len()) {
        bail!(
            "{reference:?} is not a reference; allowed are 1 to {REFERENCE_CHARACTERS} visible \
             ASCII characters without blanks"
        );
    }
    let before = account(store, organization).await?;
    let now = clock::unix();
    let command = Command::TopUp {
        account: before.organization.account(),
        reference: reference.to_owned(),
        amount,
        at: now,
    };
    let unknown = "it is not known whether the credit was added; repeat with the same reference";
    let answers = store.commit(&[command], now).await.context(unknown)?;
    let currency = before.currency;
    let earlier = before.lots.iter().find(|lot| lot.reference == reference);
    match answers.into_iter().next() {
        Some(Answer::Stands(standing)) => {
            let available = format!("available {} {currency}", standing.available);
            match earlier {
                Some(lot) => writeln!(
                    out,
                    "nothing changed: reference {reference} was credited to {organization} on \
                     {}; {available}",
                    iso(lot.at)
                )?,
                None => {
                    writeln!(out, "credited {amount} {currency} to {organization}; {available}")?;
                }
            }
            Ok(())
        }
        Some(Answer::Refused { refusal, .. }) => {
            let before = earlier.map_or_else(String::new, |lot| {
                format!(" of {} {currency} on {}", lot.amount, iso(lot.at))
            });
            Err(refused(refusal, reference, &before))
        }
        Some(Answer::Funded { .. } | Answer::Closed { .. } | Answer::Noted) | None => {
            bail!("the store answered something else than was asked; nothing is known")
        }
    }
}

/// Reads an amount that can be bought: positive, at most six decimals.
fn creditable(text: &str) -> Result<Money> {
    let amount: Money = text.parse().map_err(|error| anyhow!("{text:?} is refused: {error}"))?;
    if amount <= Money::ZERO {
        bail!("{text} is refused: a top-up is more than zero");
    }
    Ok(amount)
}

fn refused(refusal: CreditRefusal, reference: &str, before: &str) -> anyhow::Error {
    match refusal {
        CreditRefusal::Conflict => anyhow!(
            "reference {reference} was used for another top-up{before}; nothing was added: choose \
             another reference if this is another purchase"
        ),
        CreditRefusal::BadAmount => {
            anyhow!("the amount is refused: the account would hold more than it can count")
        }
        CreditRefusal::UnknownAccount => anyhow!("the organization has no account"),
        CreditRefusal::InsufficientCredit | CreditRefusal::UnknownLeg | CreditRefusal::Fenced => {
            anyhow!("the book refused the top-up: {refusal:?}")
        }
    }
}

fn statement(
    account: &AccountView,
    entries: &[Entry],
    (csv, json): (bool, bool),
    out: &mut impl Write,
) -> Result<()> {
    if json {
        let entries: Vec<Value> = entries.iter().map(entry_json).collect();
        let told = json!({
            "organization": account.name,
            "currency": account.currency.code(),
            "entries": entries,
        });
        return Ok(writeln!(out, "{told:#}")?);
    }
    let mut table =
        Table::new(&["number", "time", "kind", "amount", "balance", "currency", "about"]);
    for entry in entries {
        table.push(vec![
            entry.number.to_string(),
            iso(entry.at),
            kind(entry.kind).to_owned(),
            entry.amount.to_string(),
            entry.balance.to_string(),
            account.currency.to_string(),
            about(entry),
        ]);
    }
    if csv {
        return Ok(table.write_csv(out)?);
    }
    if table.is_empty() {
        return Ok(writeln!(out, "{}: no entries", account.name)?);
    }
    Ok(table.write_text(out)?)
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "number": entry.number,
        "at": iso(entry.at),
        "kind": kind(entry.kind),
        "amount": entry.amount.to_string(),
        "balance": entry.balance.to_string(),
        "call": entry.hold.map(|hold| hold.leg.to_string()),
        "slice": entry.hold.map(|hold| hold.sequence),
        "reference": entry.reference,
    })
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::TopUp => "top_up",
        EntryKind::Capture => "capture",
    }
}

fn about(entry: &Entry) -> String {
    let call = entry.hold.map(|hold| format!("call {} slice {}", hold.leg, hold.sequence));
    let bought = entry.reference.as_ref().map(|reference| format!("reference {reference}"));
    call.or(bought).unwrap_or_default()
}

/// Reads a day (its first moment in UTC) or a moment with its offset.
pub(super) fn moment(text: &str) -> Result<UnixTime> {
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    let at = day.map(|day| day.timestamp()).or_else(|| text.parse::<Timestamp>().ok());
    at.map(|at| UnixTime { micros: at.as_microsecond() })
        .context("write a day like 2026-11-01 or a moment like 2026-11-01T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use model::Currency;
    use model::record::{Organization, Provision};

    use super::*;

    #[test]
    fn only_positive_amounts_of_at_most_six_decimals_can_be_bought() {
        assert_eq!(creditable("50.00").unwrap(), Money::from_micros(50_000_000));
        for (text, why) in [
            ("0", "0 is refused: a top-up is more than zero"),
            ("-5.00", "-5.00 is refused: a top-up is more than zero"),
            ("1.0000001", "\"1.0000001\" is refused: more than 6 decimals"),
            ("ten", "\"ten\" is refused: not a decimal amount like 12.50"),
        ] {
            assert_eq!(creditable(text).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(iso(moment("2026-11-20").unwrap()), "2026-11-20T00:00:00.000Z");
        assert_eq!(iso(moment("2026-11-20T01:00:00+01:00").unwrap()), "2026-11-20T00:00:00.000Z");
        assert!(moment("yesterday").is_err());
    }

    async fn store() -> Store {
        let store = Store::open("memory:").await.unwrap();
        let organization = Organization {
            id: OrganizationId::from_name("acme"),
            name: "acme".to_owned(),
            currency: Currency::parse("EUR").unwrap(),
            time_zone: String::new(),
            dial_out: model::DialOutRules::default(),
            payg_needs_credits_licence: false,
            outbound: Default::default(),
        };
        let provision = Provision { organizations: vec![organization], ..Provision::default() };
        store.apply(&provision).await.unwrap();
        store
    }

    async fn said(store: &Store, (amount, reference): (&str, &str)) -> String {
        let mut out = Vec::new();
        match top_up(store, "acme", amount, reference, &mut out).await {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_reference_counts_once() {
        let store = store().await;
        let first = said(&store, ("20.00", "INV-1")).await;
        assert_eq!(first, "credited 20.00 EUR to acme; available 20.00 EUR\n");
        let again = said(&store, ("20.00", "INV-1")).await;
        assert!(again.starts_with("nothing changed: reference INV-1 was credited"), "{again}");
        assert!(again.ends_with("available 20.00 EUR\n"), "{again}");
        let other = said(&store, ("21.00", "INV-1")).await;
        assert!(
            other.starts_with("reference INV-1 was used for another top-up of 20.00"),
            "{other}"
        );
        let blank = said(&store, ("1.00", "INV 2")).await;
        assert!(blank.contains("is not a reference"), "{blank}");
    }

    #[tokio::test]
    async fn an_unknown_organization_is_told_with_those_that_exist() {
        let error = account(&store().await, "acne").await.unwrap_err();
        assert_eq!(error.to_string(), "no organization \"acne\"; there are: acme");
    }

    #[tokio::test]
    async fn a_statement_has_the_balance_after_each_entry() {
        let store = store().await;
        said(&store, ("20.00", "INV-1")).await;
        said(&store, ("0.50", "INV-2")).await;
        let account = account(&store, "acme").await.unwrap();
        let (first, end) = (UnixTime { micros: i64::MIN }, UnixTime { micros: i64::MAX });
        let of = account.organization.account();
        let entries = store.entries(of, first, end).await.unwrap();
        let mut out = Vec::new();
        statement(&account, &entries, (true, false), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows[0][3..], ["amount", "balance", "currency", "about"]);
        assert_eq!(rows[1][2..], ["top_up", "20.00", "20.00", "EUR", "reference INV-1"]);
        assert_eq!(rows[2][2..], ["top_up", "0.50", "20.50", "EUR", "reference INV-2"]);
    }
}
