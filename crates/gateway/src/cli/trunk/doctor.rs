//! `tollgate trunk doctor`: calls a trunk and says in words what it does.

use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bridge::routing::format;
use model::numbering::{self, Class};
use model::record::Trunk;
use model::{Did, E164, Outbound, Transport, dialled};
use net::tls::Client;

use crate::cli::place::Place;
use crate::clock;
use crate::config::{Config, Listener};
use crate::doctor::{self, Configured, Order};

/// The exit status of a call that would cost and was not confirmed.
const UNCONFIRMED: u8 = 2;
/// What is shown as the caller where nobody may be; the trunk's answer tells what it thinks of that.
const NOBODY: &str = "anonymous";

/// Calls a trunk once and says in words what it does, and what to change
///
/// It takes a minute at most. With --number it places one real call, which the carrier may charge:
/// it says so first, and calls only with --yes. Without a number it asks what costs nothing. The
/// exit status is 0 if nothing is to be changed, 1 if something is, 2 if --yes was missing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The trunk's name in the configuration
    name: String,
    /// A test number that answers by itself: `+…`, or as the trunk wants it written
    #[arg(long)]
    number: Option<String>,
    /// Who is shown as the caller; the trunk's first authorized number, if left out
    #[arg(long, value_name = "NUMBER")]
    caller: Option<Did>,
    /// How long it may ring, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u8).range(5..=25))]
    ring: u8,
    /// Places the call
    #[arg(long)]
    yes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// If there is no such trunk, it takes no calls of ours, or nothing can be sent from here.
pub(crate) async fn run(place: &Place, args: &Args, out: &mut impl Write) -> Result<ExitCode> {
    let config = place.config()?;
    let trunk = config.trunks.iter().find(|trunk| trunk.name == args.name);
    let trunk = trunk.with_context(|| format!("no trunk {} is configured", args.name))?;
    let outbound = trunk.outbound.as_ref().with_context(|| {
        format!("trunk {} is dial-in only: it has no [trunk.outbound] to call by", trunk.name)
    })?;
    let called =
        args.number.as_deref().map(|number| called(number, trunk, outbound)).transpose()?;
    if let (Some((_, shown)), false) = (&called, args.yes) {
        plan(trunk, outbound, shown, args, out)?;
        return Ok(ExitCode::from(UNCONFIRMED));
    }
    let order = order(&config, trunk, outbound, (called, args))?;
    let facts = doctor::examine(&order).await?;
    let findings = doctor::judge(&facts, &configured(&config, trunk, outbound));
    if args.json {
        writeln!(out, "{:#}", doctor::value(&trunk.name, &facts, &findings))?;
    } else {
        doctor::write(&trunk.name, &findings, out)?;
    }
    Ok(ExitCode::from(u8::from(!doctor::is_healthy(&findings))))
}

/// Says what would be done.
fn plan(
    trunk: &Trunk,
    outbound: &Outbound,
    shown: &str,
    args: &Args,
    out: &mut impl Write,
) -> Result<()> {
    let digits = args.number.as_deref().unwrap_or_default().trim_start_matches('+');
    let costs = outbound.routing.costs.iter();
    let cost = costs.filter(|(prefix, _)| digits.starts_with(prefix.as_str()));
    let cost = match cost.max_by_key(|(prefix, _)| prefix.len()) {
        Some((_, cost)) => format!("A minute costs {cost} by the configuration."),
        None => "The configuration does not say what a minute costs.".to_owned(),
    };
    writeln!(
        out,
        "This would place one real call to {shown} by trunk {} ({}).\n\
         It rings for {} s at most and, once answered, lasts some 10 s, never more than 30: the carrier\n\
         may charge a minute, and whatever it asks for an answer. {cost}\n\
         No organization's credit is touched. Nothing was sent: say --yes to call, or leave --number\n\
         out to ask only what costs nothing.",
        trunk.name, outbound.host, args.ring
    )?;
    Ok(())
}

/// Reads the number to call: as it is written to the trunk, and as it is shown.
fn called(number: &str, trunk: &Trunk, outbound: &Outbound) -> Result<(String, String)> {
    if number.starts_with('+') {
        let number: E164 = dialled::read(number, None).context("the number cannot be called")?;
        let class = numbering::place(&number).class;
        if !matches!(class, Class::Ordinary | Class::TollFree) {
            bail!("a {} number is no test number", class.name());
        }
        let written = format::called(&number, &outbound.routing, &trunk.plan);
        let written = written.context("the trunk's called_format has no way to write it")?;
        return Ok((written, number.to_string()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "*#-._".contains(c);
    let digits = number.chars().all(|c| c.is_ascii_digit());
    if !number.chars().all(plain) || number.len() > 32 || (digits && number.len() < 4) {
        bail!("a number is +…, or an extension of the trunk: four digits or more, or a word");
    }
    Ok((number.replace('#', "%23"), number.to_owned()))
}

fn order(
    config: &Config,
    trunk: &Trunk,
    outbound: &Outbound,
    (called, args): (Option<(String, String)>, &Args),
) -> Result<Order> {
    let own = outbound.transport.unwrap_or_default();
    let fits = |listener: &&Listener| listener.transport == own;
    let chosen = trunk.listener.and_then(|at| config.listeners.get(usize::from(at)));
    let listener = chosen.or_else(|| config.listeners.iter().find(fits));
    let listener = listener.or(config.listeners.first()).context("no listener is configured")?;
    let elsewhere =
        |told: IpAddr, bound: IpAddr| (told != bound && !told.is_unspecified()).then_some(told);
    let (sip, media) = (listener.bind.ip(), config.media.bind);
    Ok(Order {
        trunk: trunk.clone(),
        outbound: outbound.clone(),
        called,
        caller: caller(args.caller.as_ref(), trunk, outbound)?,
        bind: (sip, media),
        advertised: (
            elsewhere(listener.advertised.ip(), sip),
            elsewhere(config.media.advertised, media),
        ),
        ports: config.media.ports,
        listeners: config.listeners.iter().map(|listener| listener.transport).collect(),
        tls: client(config, trunk, own)?,
        name_servers: config.name_servers.clone(),
        session_secs: config.sip.session_secs,
        ring: Duration::from_secs(u64::from(args.ring)),
        seed: clock::seed()?,
    })
}

/// How the trunk's certificate is checked, if any connection of ours may be under TLS.
fn client(config: &Config, trunk: &Trunk, own: Transport) -> Result<Option<Client>> {
    let listens = config.listeners.iter().any(|listener| listener.transport == Transport::Tls);
    if !listens && own != Transport::Tls {
        return Ok(None);
    }
    let tls = config.trunk_tls.get(&trunk.id).cloned().unwrap_or_default();
    Ok(Some(Client::load(tls.authority.as_deref(), tls.identity.as_ref())?))
}

/// Who calls, as the trunk wants it written.
fn caller(said: Option<&Did>, trunk: &Trunk, outbound: &Outbound) -> Result<String> {
    let first = outbound.routing.callers.iter().find(|range| !range.open);
    let authorized = first.and_then(|range| range.text.parse().ok());
    let Some(number) = said.cloned().or(authorized) else { return Ok(NOBODY.to_owned()) };
    let written = format::caller(&number, &outbound.routing, &trunk.plan);
    written.context("the trunk's caller_format has no way to write the caller")
}

fn configured<'a>(config: &Config, trunk: &'a Trunk, outbound: &'a Outbound) -> Configured<'a> {
    Configured {
        trunk,
        credentials: outbound.credentials.as_ref(),
        reliability: outbound.reliability,
        options_secs: outbound.options_secs,
        has_callers: !outbound.routing.callers.is_empty(),
        session_secs: config.sip.session_secs,
        life_secs: config.charging.life_limit.as_secs(),
    }
}
