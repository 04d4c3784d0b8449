//! `tollgate explain`: why a call was admitted, refused or cut, and that its charge is right.

mod proof;
mod words;

use std::io::Write;

use anyhow::{Result, bail};
use model::Money;
use model::record::{CallType, Capability, Cdr, Provision};
use serde_json::{Value, json};
use store::{Case, Entry, HoldState, HoldView};

use super::calls::{cdr_json, ended};
use super::place::Place;
use super::shown::{View, iso, json_text, number_type, payer, rate, seconds};
use super::table::{Table, printable};
use proof::Proof;

/// Explains one call: why it was admitted, refused or cut, and that its charge is right
///
/// It tells the licence, the rule and the rate, each hold and entry, and how the call ended; then
/// it proves that the charge is the sum of the entries and what the price function gives, computed
/// anew. It fails if that does not hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Our id (32 hexadecimal digits) or the carrier's SIP Call-ID
    call: String,
    #[command(flatten)]
    place: Place,
    /// Billing view: numbers are not masked
    #[arg(long)]
    full: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// If the call is unknown, its charge does not add up, or the store fails.
pub(crate) async fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let store = args.place.open().await?;
    let Some(case) = store.case(&args.call).await? else {
        bail!(
            "no call {:?} is known: give our id (32 hexadecimal digits) or the whole SIP Call-ID; \
             `tollgate calls cdr` lists the newest",
            args.call
        );
    };
    let provision = store.provision().await?;
    let proof = Proof::of(&case);
    let keys = args.place.keys(args.full)?;
    let view = View::of(args.full, &keys);
    if args.json {
        writeln!(out, "{}", json_text(&told_json(&case, &proof, view)))?;
    } else {
        out.write_all(told(&case, &provision, &proof, view)?.as_bytes())?;
    }
    if !proof.holds() {
        bail!("the charge of call {} does not add up; a person must look", case.call);
    }
    Ok(())
}

/// The whole explanation as text.
fn told(case: &Case, provision: &Provision, proof: &Proof, view: View<'_>) -> Result<String> {
    let mut out = Vec::new();
    let cdr = case.cdr.as_ref().or(case.open.as_ref().map(|open| open.cdr.as_ref()));
    match cdr {
        Some(cdr) => {
            came(case, cdr, view, &mut out)?;
            why(cdr, provision, &mut out)?;
            price(case, cdr, &mut out)?;
        }
        None => writeln!(out, "call {}: nothing was recorded of it", case.call)?,
    }
    holds(&case.holds, &mut out)?;
    entries(&case.entries, &mut out)?;
    match &case.cdr {
        Some(cdr) => ending(cdr, &mut out)?,
        None => writeln!(out, "\nending\n  the call is live, or not yet settled")?,
    }
    proved(proof, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn came(case: &Case, cdr: &Cdr, view: View<'_>, out: &mut impl Write) -> Result<()> {
    writeln!(out, "call {}", case.call)?;
    writeln!(out, "  SIP Call-ID  {}", printable(&cdr.sip_call_id))?;
    let (at, trunk) = (iso(cdr.invited), printable(&cdr.trunk));
    match (is_ours(cdr), cdr.trunk.is_empty()) {
        (false, _) => writeln!(out, "  came         {at} on trunk {trunk}")?,
        (true, false) => writeln!(out, "  asked for    {at}, placed by trunk {trunk}")?,
        (true, true) => writeln!(out, "  asked for    {at}, never placed")?,
    }
    writeln!(out, "  caller       {}", view.number(cdr.caller.as_ref()))?;
    if let Some(withheld) = view.withheld(cdr) {
        writeln!(out, "  withheld     {withheld}")?;
    }
    if cdr.vouched != model::Vouched::Nothing {
        writeln!(out, "  vouched for  {}", cdr.vouched.word())?;
    }
    let kind = if is_ours(cdr) { "called by us" } else { "not one of ours" };
    let kind = cdr.number_type.map_or(kind, number_type);
    writeln!(out, "  dialled      {} ({kind})", view.number(cdr.called.as_ref()))?;
    attempts(cdr, out)?;
    let Some(answered) = cdr.answered else {
        return Ok(writeln!(out, "  answered     never")?);
    };
    writeln!(out, "  answered     {}", iso(answered))?;
    if case.cdr.is_some() {
        let until = iso(ended(answered, cdr.connected_micros));
        writeln!(out, "  connected    {} s, until {until}", seconds(cdr.connected_micros))?;
    }
    Ok(())
}

/// Whether we placed the call, or were to.
fn is_ours(cdr: &Cdr) -> bool {
    cdr.call_type == CallType::Out
}

/// Each INVITE of ours, by the name that the carrier finds it by.
fn attempts(cdr: &Cdr, out: &mut impl Write) -> Result<()> {
    for attempt in &cdr.attempts {
        let cause = attempt.q850.map_or_else(String::new, |cause| format!(", cause {cause}"));
        let told = attempt.sip_status.map_or_else(
            || "no final answer".to_owned(),
            |status| format!("answered {status}{cause}"),
        );
        let (trunk, name) = (printable(&attempt.trunk), printable(&attempt.sip_call_id));
        writeln!(out, "  tried        trunk {trunk}: {told}; its Call-ID {name}")?;
    }
    Ok(())
}

fn why(cdr: &Cdr, provision: &Provision, out: &mut impl Write) -> Result<()> {
    writeln!(out, "\nwhy")?;
    for reason in &cdr.reasons {
        writeln!(out, "  {}", printable(reason))?;
    }
    if cdr.reasons.is_empty() {
        writeln!(out, "  no reason was recorded")?;
    }
    if let Some(decision) = &cdr.decision {
        let verdict = if decision.allowed { "allowed" } else { "refused" };
        let (rule, version) = (printable(&decision.rule), printable(&decision.version));
        writeln!(out, "  decision     {verdict}: {rule}; by {version}{}", rate_version(cdr))?;
    }
    let meeting = provision.meetings.iter().find(|m| Some(m.id) == cdr.meeting);
    if let Some(meeting) = meeting {
        writeln!(out, "  meeting      {}", meeting.name)?;
    }
    let organizer = provision.users.iter().find(|user| Some(user.id) == cdr.organizer);
    if let Some(organizer) = organizer {
        writeln!(out, "  organizer    {}", organizer.name)?;
    }
    let mut organizations = provision.organizations.iter();
    if let Some(organization) = organizations.find(|o| Some(o.id) == cdr.organization) {
        writeln!(out, "  organization {}", organization.name)?;
    }
    Ok(())
}

fn rate_version(cdr: &Cdr) -> String {
    let version = cdr.rate_version();
    version.map_or_else(String::new, |version| format!(", rate version {:016x}", version.0))
}

/// What a person can do about a refusal.
fn advice(label: &str) -> Option<&'static str> {
    bridge::Refusal::all().find(|refusal| refusal.label() == label).map(bridge::Refusal::advice)
}

fn price(case: &Case, cdr: &Cdr, out: &mut impl Write) -> Result<()> {
    writeln!(out, "\nprice")?;
    let who = match cdr.capability {
        Capability::Included => "included in the organizer's subscription: nothing is charged",
        Capability::Credits => "the organization's credits pay",
        Capability::Unattributed => {
            "nobody pays: the caller was not identified or was refused; the operator bears the time"
        }
    };
    writeln!(out, "  {}: {who}", payer(cdr.capability))?;
    let currency = cdr.currency.map_or_else(String::new, |currency| format!("{currency} "));
    let live = case.open.as_ref().and_then(|open| open.terms.as_ref()).map(|terms| terms.rate);
    match cdr.rate.or(live) {
        Some(pinned) => writeln!(out, "  {}", rate(&pinned, currency.trim_end()))?,
        None => writeln!(out, "  no rate was pinned")?,
    }
    if case.cdr.is_some() {
        let (fee, secs) = (cdr.fee, cdr.billed_secs);
        writeln!(out, "  billed {secs} s, charge {} {currency}(fee {fee} of it)", cdr.charge)?;
    }
    Ok(())
}

fn holds(holds: &[HoldView], out: &mut impl Write) -> Result<()> {
    writeln!(out, "\nholds")?;
    if holds.is_empty() {
        return Ok(writeln!(out, "  none: no credit was set aside")?);
    }
    let mut table = Table::new(&["  slice", "seconds", "placed", "amount", "fate", "captured"]);
    for hold in holds {
        table.push(vec![
            format!("  {}", hold.hold.sequence),
            format!("{}-{}", hold.from_secs, hold.until_secs),
            iso(hold.placed),
            hold.amount.to_string(),
            fate(hold.state).to_owned(),
            hold.captured.to_string(),
        ]);
    }
    Ok(table.write_text(out)?)
}

fn fate(state: HoldState) -> &'static str {
    match state {
        HoldState::Open => "open",
        HoldState::Captured => "captured",
        HoldState::Released => "released",
    }
}

fn entries(entries: &[Entry], out: &mut impl Write) -> Result<()> {
    writeln!(out, "\nentries")?;
    if entries.is_empty() {
        return Ok(writeln!(out, "  none: the account was not charged")?);
    }
    let mut table = Table::new(&["  number", "time", "amount", "balance", "slice"]);
    for entry in entries {
        table.push(vec![
            format!("  {}", entry.number),
            iso(entry.at),
            entry.amount.to_string(),
            entry.balance.to_string(),
            entry.hold.map_or_else(String::new, |hold| hold.sequence.to_string()),
        ]);
    }
    Ok(table.write_text(out)?)
}

fn ending(cdr: &Cdr, out: &mut impl Write) -> Result<()> {
    let ending = &cdr.ending;
    writeln!(out, "\nending")?;
    writeln!(out, "  {}: {}", ending.label, words::of(&ending.label))?;
    if let Some(advice) = advice(&ending.label) {
        writeln!(out, "  what to do: {advice}")?;
    }
    let (by, status, cause) = (&ending.released_by, ending.sip_status, ending.q850);
    writeln!(out, "  released by {by}; SIP status {status}, Q.850 cause {cause}")?;
    let named = |code: Option<String>| code.unwrap_or_else(|| "none".to_owned());
    let status = named(cdr.received.sip_status.map(|status| status.to_string()));
    let cause = named(cdr.received.q850.map(|cause| cause.to_string()));
    writeln!(out, "  heard from the other side: SIP status {status}, Q.850 cause {cause}")?;
    Ok(())
}

fn proved(proof: &Proof, out: &mut impl Write) -> Result<()> {
    writeln!(out, "\nproof")?;
    for check in &proof.checks {
        let verdict = if check.holds { "yes" } else { "NO " };
        writeln!(out, "  {verdict}  {}", check.claim)?;
    }
    Ok(())
}

fn told_json(case: &Case, proof: &Proof, view: View<'_>) -> Value {
    let holds = case.holds.iter().map(|hold| {
        json!({
            "slice": hold.hold.sequence,
            "from_secs": hold.from_secs,
            "until_secs": hold.until_secs,
            "placed": iso(hold.placed),
            "amount": hold.amount.to_string(),
            "fate": fate(hold.state),
            "captured": hold.captured.to_string(),
        })
    });
    let entries = case.entries.iter().map(|entry| {
        json!({
            "number": entry.number,
            "at": iso(entry.at),
            "amount": entry.amount.to_string(),
            "balance": entry.balance.to_string(),
            "slice": entry.hold.map(|hold| hold.sequence),
        })
    });
    let checks =
        proof.checks.iter().map(|check| json!({ "claim": check.claim, "holds": check.holds }));
    let captured = case.open.as_ref().map_or(Money::ZERO, |open| open.captured);
    json!({
        "call": case.call.to_string(),
        "live": case.open.is_some(),
        "captured_so_far": case.open.is_some().then(|| captured.to_string()),
        "cdr": case.cdr.as_ref().map(|cdr| cdr_json(cdr, view)),
        "holds": holds.collect::<Vec<Value>>(),
        "entries": entries.collect::<Vec<Value>>(),
        "proof": checks.collect::<Vec<Value>>(),
        "adds_up": proof.holds(),
    })
}

#[cfg(test)]
mod tests;
