//! `tollgate rates`: what calling a number or a country costs.

use std::io::Write;

use anyhow::{Context, Result, bail};
use model::record::{Organization, Provision, TariffKind, TariffRow};
use model::{Country, E164, numbering};
use serde_json::{Value, json};

use super::place::Place;
use super::shown::rate;
use super::table::Table;

/// Shows what calling a number, or the numbers of a country, costs
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `+390116543210`, or a country: IT
    destination: String,
    #[command(flatten)]
    place: Place,
    /// An organization's prices; the list prices, if left out
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// If the destination or the organization is none, or the store fails.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let provision = args.place.open().await?.provision().await?;
    let owner = match &args.organization {
        Some(name) => {
            let known = provision.organizations.iter().find(|known| known.name == *name);
            Some(known.with_context(|| format!("there is no organization {name:?}"))?)
        }
        None => None,
    };
    let destination = Destination::read(&args.destination)?;
    tell(&destination, &priced(&provision, owner, &destination), args.json, out)
}

/// What is asked about.
enum Destination {
    Number(E164),
    Country(Country),
}

impl Destination {
    fn read(text: &str) -> Result<Self> {
        if let Ok(country) = text.parse::<Country>() {
            if numbering::plan(country).is_none() {
                bail!("there is no country {text}; write its two capital letters (ISO 3166-1)");
            }
            return Ok(Self::Country(country));
        }
        let number = model::dialled::read(text, None).map_err(|misdial| {
            anyhow::anyhow!("{text:?} is neither a country nor a number: {misdial}")
        })?;
        Ok(Self::Number(number))
    }

    fn country(&self) -> Option<Country> {
        match self {
            Self::Number(number) => numbering::place(number).country,
            Self::Country(country) => Some(*country),
        }
    }
}

/// The rows that decide: an organization's own come before all of the list's, the longest prefix
/// of a number is the only one, and a country has those that begin its numbers and those inside.
fn priced<'a>(
    provision: &'a Provision,
    owner: Option<&Organization>,
    destination: &Destination,
) -> Vec<&'a TariffRow> {
    let of = |scope| {
        let rows = provision.tariffs.iter().filter(move |row| {
            row.kind == TariffKind::DialOut
                && row.organization == scope
                && owner.is_none_or(|owner| owner.currency == row.currency)
        });
        fitting(rows.collect(), destination)
    };
    let own = owner.map(|owner| of(Some(owner.id))).unwrap_or_default();
    if own.is_empty() { of(None) } else { own }
}

fn fitting<'a>(mut rows: Vec<&'a TariffRow>, destination: &Destination) -> Vec<&'a TariffRow> {
    rows.sort_by_key(|row| (row.currency, row.number_prefix.len(), &row.number_prefix));
    match destination {
        Destination::Number(number) => {
            let full = format!("+{}", number.digits());
            rows.retain(|row| full.starts_with(&row.number_prefix));
            let longest = |row: &&TariffRow| {
                let same = rows.iter().filter(|other| other.currency == row.currency);
                same.map(|other| other.number_prefix.len()).max() == Some(row.number_prefix.len())
            };
            rows.iter().copied().filter(longest).collect()
        }
        Destination::Country(country) => {
            let code = numbering::plan(*country).map_or("", |plan| plan.code);
            let code = format!("+{code}");
            let inside = |prefix: &str| {
                let number = E164::from_digits(prefix.trim_start_matches('+'));
                number.is_ok_and(|number| numbering::place(&number).country == Some(*country))
            };
            rows.retain(|row| {
                let prefix = row.number_prefix.as_str();
                code.starts_with(prefix) || prefix.starts_with(&code) && inside(prefix)
            });
            rows
        }
    }
}

fn tell(
    destination: &Destination,
    rows: &[&TariffRow],
    json: bool,
    out: &mut impl Write,
) -> Result<()> {
    let country = destination.country();
    let name = country.and_then(numbering::plan).map_or("no country", |plan| plan.name);
    let prefix = |row: &TariffRow| {
        if row.number_prefix.is_empty() {
            "every number".to_owned()
        } else {
            row.number_prefix.clone()
        }
    };
    if json {
        let rows = rows.iter().map(|row| {
            json!({
                "prefix": row.number_prefix,
                "currency": row.currency.to_string(),
                "per_minute": row.rate.per_minute.normalize().to_string(),
                "fee": row.rate.fee.to_string(),
                "version": format!("{:016x}", row.rate.version.0),
            })
        });
        let country = country.map(|country| country.to_string());
        let answer = json!({ "country": country, "rates": Value::from_iter(rows) });
        return Ok(writeln!(out, "{answer:#}")?);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "{name}: no dial-out price; calls there are refused")?);
    }
    let mut table = Table::new(&["destination", "prefix", "price"]);
    for row in rows {
        let price = rate(&row.rate, &row.currency.to_string());
        table.push(vec![name.to_owned(), prefix(row), price]);
    }
    Ok(table.write_text(out)?)
}

#[cfg(test)]
mod tests {
    use crate::cli::policy::tests::stored;

    use super::*;

    async fn told(destination: &str, organization: Option<&str>, json: bool) -> Result<String> {
        let (_folder, place, _store) = stored().await;
        let (destination, organization) = (destination.to_owned(), organization.map(str::to_owned));
        let mut out = Vec::new();
        run(Args { destination, place, organization, json }, &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    #[tokio::test]
    async fn a_number_has_one_price_and_a_country_all_of_its_own() {
        let number = told("+390612345678", None, false).await.unwrap();
        assert!(number.contains("Italy") && number.contains("0.02 EUR a minute"), "{number}");
        assert_eq!(number.lines().count(), 2, "{number}");
        let country = told("IT", Some("acme"), true).await.unwrap();
        let read: Value = serde_json::from_str(&country).unwrap();
        assert_eq!((&read["country"], &read["rates"][0]["prefix"]), (&json!("IT"), &json!("+39")));
        assert_eq!(read["rates"][0]["per_minute"], "0.02");
    }

    #[tokio::test]
    async fn a_country_without_a_price_says_what_that_means() {
        let said = told("JP", None, false).await.unwrap();
        assert!(said.ends_with("no dial-out price; calls there are refused\n"), "{said}");
    }

    #[tokio::test]
    async fn what_is_neither_country_nor_number_nor_organization_is_named() {
        for (destination, organization, named) in
            [("XQ", None, "XQ"), ("0651234", None, "0651234"), ("IT", Some("nobody"), "nobody")]
        {
            let error = told(destination, organization, false).await.unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
