//! What another policy would have done to calls that are over.

use std::io::Write;

use anyhow::Result;
use bridge::Directory;
use bridge::policy::{self, Caller, Source, Verdict};
use model::record::{Cdr, Provision};
use model::{Did, Money, OutboundPolicy, UnixTime, UserId};
use serde_json::json;
use store::{Keys, Store};

use crate::cli::shown::{View, iso};
use crate::cli::table::Table;
use crate::clock;

/// How far back it looks where nothing is said.
const MICROS_BACK: i64 = 31 * 86_400 * 1_000_000;

/// What is asked.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) organization: String,
    pub(super) policy: OutboundPolicy,
    pub(super) user: Option<String>,
    pub(super) since: Option<UnixTime>,
    pub(super) full: bool,
    pub(super) json: bool,
}

/// A call that was placed, and would not be.
struct Lost<'a> {
    cdr: &'a Cdr,
    organizer: String,
    verdict: Verdict,
}

/// Reads the stored records and tells.
///
/// # Errors
/// If somebody named does not exist, or the store fails.
pub(super) async fn run(store: &Store, wanted: &Wanted, out: &mut impl Write) -> Result<()> {
    let provision = store.provision().await?;
    let cdrs = store.cdrs(u32::MAX).await?;
    let back = UnixTime { micros: clock::unix().micros.saturating_sub(MICROS_BACK) };
    let since = wanted.since.unwrap_or(back);
    let (seen, lost) = lost(&provision, &cdrs, since, wanted)?;
    tell(seen, &lost, wanted, out)
}

/// Returns how many calls were placed, and those that would not be.
fn lost<'a>(
    provision: &Provision,
    cdrs: &'a [Cdr],
    since: UnixTime,
    wanted: &Wanted,
) -> Result<(usize, Vec<Lost<'a>>)> {
    let owner = super::organization(provision, &wanted.organization)?;
    let only: Option<UserId> = match &wanted.user {
        Some(name) => Some(super::named(provision, &wanted.organization, name)?.1.id),
        None => None,
    };
    let directory = Directory::new(provision.clone(), Vec::new())?;
    let placed = cdrs.iter().filter(|cdr| {
        cdr.organization == Some(owner.id)
            && cdr.invited >= since
            && cdr.decision.as_ref().is_some_and(|decision| decision.allowed)
            && only.is_none_or(|only| cdr.organizer == Some(only))
    });
    let (mut seen, mut lost) = (0, Vec::new());
    for cdr in placed {
        let Some(Did::E164(number)) = &cdr.called else { continue };
        let Some(user) = provision.users.iter().find(|user| Some(user.id) == cdr.organizer) else {
            continue;
        };
        seen += 1;
        let mut terms = directory.outbound_terms(user, owner);
        let takes_it = match terms.source {
            Source::User | Source::Group(_) => only.is_some(),
            Source::Organization | Source::Default => true,
        };
        if takes_it {
            terms.policy = wanted.policy;
        }
        let verdict = policy::decide(number, directory.is_ours(number), Caller::Meeting, &terms);
        if !verdict.is_allowed() {
            lost.push(Lost { cdr, organizer: user.name.clone(), verdict });
        }
    }
    Ok((seen, lost))
}

fn tell(seen: usize, lost: &[Lost<'_>], wanted: &Wanted, out: &mut impl Write) -> Result<()> {
    let keys = Keys::default();
    let view = View::of(wanted.full, &keys);
    let total = |currency| {
        let mut own = lost.iter().filter(|lost| lost.cdr.currency == currency);
        own.try_fold(Money::ZERO, |sum, lost| sum.checked_add(lost.cdr.charge))
    };
    if wanted.json {
        let calls = lost.iter().map(|lost| {
            json!({
                "call": lost.cdr.call.to_string(),
                "invited": iso(lost.cdr.invited),
                "organizer": lost.organizer,
                "called": view.number(lost.cdr.called.as_ref()),
                "country": lost.verdict.place.country.map(|country| country.to_string()),
                "charge": lost.cdr.charge.to_string(),
                "refusal": lost.verdict.refused.map(bridge::Refusal::label),
                "rule": lost.verdict.rule,
            })
        });
        let calls: Vec<_> = calls.collect();
        let policy = wanted.policy.name();
        let answer = json!({ "policy": policy, "placed": seen, "would_be_refused": calls });
        return Ok(writeln!(out, "{answer:#}")?);
    }
    let mut table =
        Table::new(&["call", "invited", "organizer", "called", "country", "charge", "refusal"]);
    for Lost { cdr, organizer, verdict } in lost {
        let country = verdict.place.country.map(|country| country.to_string());
        table.push(vec![
            cdr.call.to_string(),
            iso(cdr.invited),
            organizer.clone(),
            view.number(cdr.called.as_ref()),
            country.unwrap_or_else(|| "-".to_owned()),
            cdr.charge.to_string(),
            verdict.refused.map_or("-", bridge::Refusal::label).to_owned(),
        ]);
    }
    if !table.is_empty() {
        table.write_text(out)?;
    }
    let refused = lost.len();
    writeln!(out, "{} would have refused {refused} of {seen} placed call(s)", wanted.policy)?;
    if let Some(currency) = lost.iter().find_map(|lost| lost.cdr.currency)
        && let Some(sum) = total(Some(currency))
    {
        writeln!(out, "together they cost {sum} {currency}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
