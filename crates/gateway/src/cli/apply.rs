//! `tollgate apply`: provisioning from a file, all of it or none.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::place::Place;
use crate::clock;
use crate::provisioning::{self, Plan, Problem};

/// Most changes told one by one.
const NEWS: usize = 100;

/// Applies a provisioning file: organizations, users, numbers, meetings and tariffs
///
/// Applying the same file again changes nothing. Records that the file does not name stay as they
/// are; the tariffs of an organization that it names are replaced whole. A running gateway takes
/// the change up within seconds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The provisioning file (TOML)
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Also print the conference ID of every meeting in the file
    #[arg(long)]
    show_ids: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// Every problem of the file, with line and key; nothing was written then. Or the store's error.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let name = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("{name} cannot be read as UTF-8 text"))?;
    let trunks = args.place.trunks()?;
    let store = match args.dry_run {
        true => args.place.open_or_imagine().await?,
        false => args.place.open_or_make().await?,
    };
    let stored = store.provision().await?;
    let seed = clock::seed().context("no entropy for conference IDs")?;
    let mut plan = match provisioning::plan(&text, &stored, trunks, seed) {
        Ok(plan) => plan,
        Err(problems) => bail!(told(&name, &problems)),
    };
    plan.warnings.extend(provisioning::unrecorded(&plan.change, &args.place.languages()?));
    if args.dry_run {
        tell(&plan, &args, out)?;
        return Ok(writeln!(out, "dry run: nothing was written")?);
    }
    let revision = match plan.news.is_empty() {
        true => stored.revision,
        false => store.apply(&plan.change).await.context("nothing was written")?,
    };
    tell(&plan, &args, out)?;
    writeln!(out, "revision {revision}")?;
    Ok(())
}

fn told(file: &str, problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().map(|problem| problem.located(file)).collect();
    lines.push(format!("{} problem(s); nothing was written", problems.len()));
    lines.join("\n")
}

fn tell(plan: &Plan, args: &Args, out: &mut impl Write) -> Result<()> {
    for warning in &plan.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for news in plan.news.iter().take(NEWS) {
        writeln!(out, "{news}")?;
    }
    if let Some(more) = plan.news.len().checked_sub(NEWS + 1) {
        writeln!(out, "and {} more change(s)", more + 1)?;
    }
    if plan.news.is_empty() {
        writeln!(out, "nothing changed")?;
    }
    for (meeting, id) in &plan.conference_ids {
        let drawn = plan.drawn.contains(meeting);
        if drawn && args.dry_run {
            writeln!(out, "meeting {meeting}: a conference ID will be drawn")?;
        } else if drawn || args.show_ids {
            writeln!(out, "meeting {meeting}: conference ID {}", id.reveal())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use store::Store;

    use super::*;

    const FILE: &str = "[[organization]]\nname = \"acme\"\ncurrency = \"USD\"\n\
        [[user]]\nname = \"ada\"\norganization = \"acme\"\nlicences = [\"MCOMEETACPEA\"]\n\
        [[meeting]]\nname = \"standup\"\norganizer = \"ada\"\n";

    fn url(folder: &Path) -> String {
        format!("sqlite:{}", folder.join("book.sqlite").display())
    }

    async fn applied(folder: &Path, text: &str, dry_run: bool) -> Result<String> {
        let file = folder.join("provision.toml");
        std::fs::write(&file, text)?;
        let place = Place { config: None, store: Some(url(folder)) };
        let mut out = Vec::new();
        run(Args { file, place, dry_run, show_ids: false }, &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    #[tokio::test]
    async fn a_file_is_applied_once_and_its_drawn_id_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = applied(folder.path(), FILE, false).await.unwrap();
        assert!(first.contains("added organization acme\n"), "{first}");
        assert!(first.contains("meeting standup: conference ID "), "{first}");
        let store = Store::open(&url(folder.path())).await.unwrap();
        let before = store.provision().await.unwrap();
        let again = applied(folder.path(), FILE, false).await.unwrap();
        assert!(again.contains("nothing changed\nrevision 1\n"), "{again}");
        assert_eq!(store.provision().await.unwrap(), before);
    }

    #[tokio::test]
    async fn a_dry_run_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let said = applied(folder.path(), FILE, true).await.unwrap();
        assert!(said.ends_with("dry run: nothing was written\n"), "{said}");
        assert!(!folder.path().join("book.sqlite").exists());
    }

    #[tokio::test]
    async fn a_wrong_file_writes_nothing_and_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let wrong =
            format!("{FILE}[[user]]\nname = \"bob\"\norganization = \"x\"\nlicences = []\n");
        let error = applied(folder.path(), &wrong, false).await.unwrap_err().to_string();
        assert!(error.contains("provision.toml:13: user.organization: \"x\" is no"), "{error}");
        assert!(error.ends_with("1 problem(s); nothing was written"), "{error}");
        let store = Store::open(&url(folder.path())).await.unwrap();
        assert!(store.provision().await.unwrap().organizations.is_empty());
    }
}
