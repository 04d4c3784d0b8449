//! `tollgate demo`: the whole product in a minute, on loopback: a real gateway with an embedded
//! store, and callers of its own over real SIP and RTP. Then it stays up to be called.

mod caller;
mod curtain;
mod narrator;
mod proof;
mod report;
mod stage;
mod story;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use media::LibraryBuilder;
use model::{Money, UnixTime};
use tokio::runtime::Builder;
use tokio::time::timeout;

use self::curtain::{Awaited, Curtain, Fall};
use self::narrator::Narrator;
use self::proof::Evidence;
use self::stage::{BOUND, CREDIT, CURRENCY, ORGANIZATION, Stage, TOLL, TOLL_FREE, top_up};
use self::story::{Cast, Told};
use crate::serve::{self, Running};
use crate::{clock, logs};

/// Credit for those who call after the story.
const VISITORS: Money = Money::from_micros(5_000_000);
/// How long all may take with `--once`; it takes about 75 s.
const LIMIT: Duration = Duration::from_secs(110);
/// How long the gateway may take to end, its callers being here: less than the curtain's grace.
const ENDS: Duration = Duration::from_secs(4);

/// Shows the product in a minute: callers who talk, spend, are warned and are cut off
///
/// Needs nothing but this program. A gateway with an embedded store starts on loopback, and callers
/// of its own dial in over real SIP and RTP; then records, ledger and what the callers saw are shown
/// to agree. Afterwards it stays up, so that you can call it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Exit after the story; fail unless the proof holds
    #[arg(long)]
    once: bool,
    /// Write a summary for machines to the standard output, and the story to the standard error
    #[arg(long, requires = "once")]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// If something fails, or the proof does not hold.
pub(crate) fn run(args: &Args) -> Result<()> {
    let threads = Builder::new_multi_thread().enable_all().build().context("no threads")?;
    let performed = threads.block_on(perform(args));
    // What hangs in a thread of its own does not keep the demo from ending.
    threads.shutdown_background();
    performed
}

async fn perform(args: &Args) -> Result<()> {
    let narrator = Narrator::new(args.json);
    let token = u32::from_be_bytes(clock::seed()?[..4].try_into()?);
    let curtain = Curtain::raise(args.once.then_some(LIMIT), stage::folder(token))?;
    let awaited = Awaited::default();
    let opened = curtain.before(open(token, &awaited)).await;
    let (stage, mut gateway) = opened.unwrap_or_else(|fall| Err(interrupted(fall, &awaited)))?;
    let told = curtain.before(show(args, &stage, narrator, &awaited, token)).await;
    let told = told.unwrap_or_else(|fall| Err(interrupted(fall, &awaited)));
    if let Err(error) = &told {
        // Said at once, since ending in order may take its time too.
        narrator.say(format_args!("The story ends here: {error:#}."))?;
    }
    let stayed = match &told {
        Ok(_) if !args.once => stay(&stage, narrator, &curtain).await,
        Ok(_) | Err(_) => Ok(()),
    };
    let ended = end(&mut gateway).await;
    let holds = told?;
    stayed.and(ended)?;
    if !holds {
        bail!("the proof does not hold");
    }
    Ok(())
}

/// Sets the stage and starts the gateway.
async fn open(token: u32, awaited: &Awaited) -> Result<(Stage, Running)> {
    awaited.set("the store to be set up");
    let stage = Stage::set(token).await?;
    logs::start(&stage.config.log);
    awaited.set("the gateway to start");
    let gateway = serve::start_on(stage.config.clone(), stage.store.clone()).await?;
    Ok((stage, gateway))
}

/// Ends the gateway; one whose store never answers is left as it is, and goes with the process.
async fn end(gateway: &mut Running) -> Result<()> {
    let ending = async {
        gateway.stop().await;
        gateway.wait().await
    };
    let late = || anyhow!("the gateway did not end within {} s", ENDS.as_secs());
    timeout(ENDS, ending).await.unwrap_or_else(|_| Err(late()))
}

/// Says why there is no end to the story.
fn interrupted(fall: Fall, awaited: &Awaited) -> Error {
    match fall {
        Fall::Asked => anyhow!("stopped while waiting for {awaited}"),
        Fall::Late => anyhow!("{} s are over while waiting for {awaited}", LIMIT.as_secs()),
    }
}

/// Plays the story, shows what came of it and returns whether the proof holds.
async fn show(
    args: &Args,
    stage: &Stage,
    narrator: Narrator,
    awaited: &Awaited,
    token: u32,
) -> Result<bool> {
    introduce(stage, narrator)?;
    let cast = Cast {
        gateway: stage.gateway,
        conference_id: stage.conference_id.clone(),
        organization: stage.organization,
        store: stage.store.clone(),
        library: Arc::new(LibraryBuilder::embedded()?.build()?),
        narrator,
        awaited: awaited.clone(),
        token,
    };
    let told = story::play(&cast).await?;
    awaited.set("the store to be read");
    let evidence = gather(told, stage).await?;
    let checks = evidence.checks();
    report::show(narrator, &evidence, &checks)?;
    if args.json {
        writeln!(io::stdout(), "{:#}", report::summary(&evidence, &checks))?;
    }
    Ok(report::holds(&checks))
}

fn introduce(stage: &Stage, narrator: Narrator) -> io::Result<()> {
    narrator.show(format_args!(
        "The organization \"{ORGANIZATION}\" has {CREDIT} {CURRENCY} of prepaid credit and a meeting.\n\
         Toll minutes cost it 0.60 {CURRENCY}, toll-free ones 1.20 {CURRENCY}, charged by the second.\n\
         A gateway is up at {}: SIP and RTP over real sockets, the ledger in SQLite.\n\
         Three people will dial in. Each sounds a tone of their own and listens for the others'.\n",
        stage.gateway
    ))
}

/// Reads everything that the proof compares.
async fn gather(told: Told, stage: &Stage) -> Result<Evidence> {
    let store = &stage.store;
    let ever = UnixTime { micros: i64::MIN }..UnixTime { micros: i64::MAX };
    let account = store.account(stage.organization).await?;
    Ok(Evidence {
        told,
        cdrs: store.cdrs(100).await?,
        entries: store.entries(stage.organization.account(), ever.start, ever.end).await?,
        account: account.context("the organization has no account")?,
    })
}

/// Tells how to call, and waits to be stopped.
async fn stay(stage: &Stage, narrator: Narrator, curtain: &Curtain) -> Result<()> {
    let topped_up = top_up(&stage.store, stage.organization, "DEMO-VISITORS", VISITORS);
    curtain.before(topped_up).await.unwrap_or_else(|_| bail!("the store does not answer"))?;
    let (gateway, file) = (stage.gateway, stage.file.display());
    narrator.show(format_args!(
        "\nNow it is your turn: the account has {VISITORS} {CURRENCY} more. Call from this machine, without registering:\n\n  \
         softphone   sip:{TOLL}@{gateway}      then key in {id}#\n  \
         toll-free   sip:{TOLL_FREE}@{gateway}   then key in {id}#\n  \
         SIPp        sipp {gateway} -i 127.0.0.1 -sf sipp-scenarios/join.xml -s {BOUND} -d 10000 -m 1\n\n\
         In another terminal:\n\n  \
         tollgate calls live --config {file}\n  \
         tollgate calls cdr --config {file}\n  \
         tollgate credits statement {ORGANIZATION} --config {file}\n\n\
         Everything is kept in {folder}, and goes when you stop the demo with Ctrl-C.",
        id = stage.conference_id,
        folder = stage.folder().display(),
    ))?;
    curtain.fall().await;
    Ok(())
}
