//! `tollgate suspend`, `stop`, `resume`, `approve` and `suspended`: who is out of service.

use std::io::Write;

use anyhow::{Context, Result, bail};
use model::record::Provision;
use model::{Country, Did, NumberId, OrganizationId, Standing, Subject, TrunkId, UserId};
use store::{Act, Verb};

use super::place::Place;
use super::shown::iso;
use crate::clock;

/// Longest reason, characters.
const REASON_CHARACTERS: usize = 200;
/// Acts shown.
const ACTS: u32 = 20;

/// Whom an act is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it is
    #[arg(value_parser = ["organization", "user", "number", "trunk"])]
    kind: String,
    /// Its name, as provisioned or configured
    name: String,
    /// Why; kept with the act
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    place: Place,
}

/// Which country is approved for an organization's meetings, or denied to them.
#[derive(Debug, clap::Args)]
pub(crate) struct CountryArgs {
    /// The organization's name
    organization: String,
    /// Two capital letters, like IT
    country: String,
    /// Why; kept with the act
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Place,
}

/// Lists who is suspended or stopped, and the newest acts
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: Place,
}

/// Runs `suspend`, `stop` or `resume`.
///
/// # Errors
/// If nobody has the name, or the store fails.
pub(crate) async fn run(args: Args, verb: Verb, out: &mut impl Write) -> Result<()> {
    let store = args.place.open().await?;
    let known = store.provision().await?;
    let subject = match args.kind.as_str() {
        "trunk" => {
            let id = TrunkId::from_name(&args.name);
            let trunks = args.place.trunks()?;
            let there = trunks.is_empty() || trunks.iter().any(|trunk| trunk.id == id);
            there.then_some(Subject::Trunk(id))
        }
        kind => provisioned(kind, &args.name, &known),
    };
    let Some(subject) = subject else {
        bail!("no {} is named {:?}: see the provisioning", args.kind, args.name);
    };
    let act = act(verb, subject, &args.reason)?;
    let revision = store.act(&act).await.context("nothing was written")?;
    writeln!(out, "{} {} {}: done, revision {revision}", verb.word(), args.kind, args.name)?;
    Ok(())
}

/// Runs `approve` or `deny`.
///
/// # Errors
/// If there is no such organization or country, or the store fails.
pub(crate) async fn decide(
    args: CountryArgs,
    verb: fn(Country) -> Verb,
    out: &mut impl Write,
) -> Result<()> {
    let store = args.place.open().await?;
    let known = store.provision().await?;
    let Some(subject) = provisioned("organization", &args.organization, &known) else {
        bail!("no organization is named {:?}: see the provisioning", args.organization);
    };
    let country = args.country.parse::<Country>().ok();
    let country = country.filter(|country| model::numbering::plan(*country).is_some());
    let Some(country) = country else {
        bail!("{:?} is not a country: write its two capital letters, like IT", args.country);
    };
    let act = act(verb(country), subject, &args.reason)?;
    let revision = store.act(&act).await.context("nothing was written")?;
    let (done, name) = (act.verb.word(), &args.organization);
    writeln!(out, "{done} for {name}: done, revision {revision}")?;
    Ok(())
}

/// Runs `suspended`.
///
/// # Errors
/// If the store fails.
pub(crate) async fn list(args: ListArgs, out: &mut impl Write) -> Result<()> {
    let store = args.place.open().await?;
    let known = store.provision().await?;
    let trunks = args.place.trunks()?;
    let name = |subject: Subject| {
        let trunk = trunks.iter().find(|trunk| Subject::Trunk(trunk.id) == subject);
        let trunk = trunk.map(|trunk| format!("trunk {}", trunk.name));
        trunk.or_else(|| named(subject, &known)).unwrap_or_else(|| subject.to_string())
    };
    for row in &known.guards.suspensions {
        let standing = match row.standing {
            Standing::Suspended => "suspended",
            Standing::Stopped => "stopped",
        };
        let (who, since) = (name(row.subject), iso(row.since));
        writeln!(out, "{who}: {standing} since {since}: {}", row.reason)?;
    }
    if known.guards.suspensions.is_empty() {
        writeln!(out, "nobody is suspended or stopped")?;
    }
    for act in store.acts(ACTS).await? {
        let (at, who) = (iso(act.at), name(act.subject));
        writeln!(out, "{at} {} {who} by {}: {}", act.verb.word(), act.actor, act.reason)?;
    }
    Ok(())
}

fn act(verb: Verb, subject: Subject, reason: &str) -> Result<Act> {
    let plain = !reason.chars().any(char::is_control);
    if !plain || reason.chars().count() > REASON_CHARACTERS {
        bail!("a reason has at most {REASON_CHARACTERS} characters on one line");
    }
    let at = clock::unix();
    let actor = "command line".to_owned();
    Ok(Act { at, actor, verb, subject, reason: reason.to_owned() })
}

fn provisioned(kind: &str, name: &str, known: &Provision) -> Option<Subject> {
    match kind {
        "organization" => {
            let id = OrganizationId::from_name(name);
            known.organizations.iter().any(|row| row.id == id).then_some(Subject::Organization(id))
        }
        "user" => {
            let id = UserId::from_name(name);
            known.users.iter().any(|row| row.id == id).then_some(Subject::User(id))
        }
        "number" => {
            let id = NumberId::from_name(&name.parse::<Did>().ok()?.full());
            known.numbers.iter().any(|row| row.id == id).then_some(Subject::Number(id))
        }
        _ => None,
    }
}

fn named(subject: Subject, known: &Provision) -> Option<String> {
    let name = match subject {
        Subject::Organization(id) => {
            known.organizations.iter().find(|row| row.id == id)?.name.clone()
        }
        Subject::User(id) => known.users.iter().find(|row| row.id == id)?.name.clone(),
        Subject::Number(id) => known.numbers.iter().find(|row| row.id == id)?.did.full(),
        Subject::Trunk(_) => return None,
    };
    Some(format!("{} {name}", subject.kind()))
}

#[cfg(test)]
mod tests {
    use store::Store;

    use super::*;

    #[tokio::test]
    async fn somebody_is_stopped_listed_and_resumed_and_every_act_stays() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("book.sqlite").display());
        let store = Store::open(&url).await.unwrap();
        let text = "[[organization]]\nname = \"acme\"\ncurrency = \"USD\"\n[[budget]]\n\
            organization = \"acme\"\nspend_day = \"20.00\"\nmax_minutes = 30\n";
        let plan =
            crate::provisioning::plan(text, &Provision::default(), Vec::new(), [1; 32]).unwrap();
        store.apply(&plan.change).await.unwrap();
        let place = Place { config: None, store: Some(url) };
        let args = |name: &str| Args {
            kind: "organization".into(),
            name: name.into(),
            reason: "calls to Latvia".into(),
            place: place.clone(),
        };
        let mut out = Vec::new();
        assert!(run(args("nobody"), Verb::Stop, &mut out).await.is_err());
        run(args("acme"), Verb::Stop, &mut out).await.unwrap();
        list(ListArgs { place: place.clone() }, &mut out).await.unwrap();
        run(args("acme"), Verb::Resume, &mut out).await.unwrap();
        list(ListArgs { place: place.clone() }, &mut out).await.unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(said.contains("organization acme: stopped since 20"), "{said}");
        assert!(said.contains("nobody is suspended or stopped"), "{said}");
        assert_eq!(said.matches("by command line: calls to Latvia").count(), 3, "{said}");
        let budget = &store.provision().await.unwrap().guards.budgets[0];
        assert_eq!(
            (budget.allowance.spend_day, budget.allowance.max_secs),
            ("20.00".parse().unwrap(), 1800)
        );
    }
}
