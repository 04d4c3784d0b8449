//! The story: three people dial in, talk, spend, are warned, rescued once, and cut off; a fourth
//! call finds no credit.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use media::{Library, Prompt};
use model::{Instant, Money, OrganizationId};
use store::{AccountView, Store};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use super::caller::{self, News, Script, What, Witness};
use super::curtain::Awaited;
use super::narrator::Narrator;
use super::stage::{CURRENCY, NAMES, TOLL, TOLL_FREE, top_up};
use crate::clock;

/// When each caller dials.
const DIALS_AT: [Duration; NAMES.len()] =
    [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(15)];
/// How much is added, so that there is a second end to come.
const RESCUE: Money = Money::from_micros(1_000_000);
/// How long after the last warning it is added: well inside the last ten seconds.
const RESCUE_AFTER: Duration = Duration::from_secs(4);
/// When it is added at the latest.
const RESCUE_BY: Duration = Duration::from_secs(45);
/// How long a caller listens to the greeting before keying, and after keying before speaking.
const LISTENS: Duration = Duration::from_millis(2_500);
/// When a caller whom nobody cuts off gives up; then the proof does not hold.
const PATIENCE: Duration = Duration::from_secs(75);
/// How often the account is read aloud.
const ALOUD: Duration = Duration::from_secs(10);
/// How long the records of the last call may take.
const BOOKED: Duration = Duration::from_secs(10);

/// What the story is told with.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    pub(super) gateway: SocketAddr,
    pub(super) conference_id: String,
    pub(super) organization: OrganizationId,
    pub(super) store: Store,
    pub(super) library: Arc<Library>,
    pub(super) narrator: Narrator,
    /// Told what the story waits for.
    pub(super) awaited: Awaited,
    /// Makes Call-IDs, tags and SSRCs.
    pub(super) token: u32,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Told {
    /// The three callers, in order.
    pub(super) witnesses: Vec<Witness>,
    /// The call that came too late.
    pub(super) late: Witness,
    /// When credit was added.
    pub(super) rescued: Option<Instant>,
}

/// Plays the story.
///
/// # Errors
/// If sockets or the store fail; a story that goes wrong is no error, its proof does not hold.
pub(super) async fn play(cast: &Cast) -> Result<Told> {
    let (listener, news) = unbounded_channel();
    let began = clock::mono();
    let mut scene = Scene {
        cast,
        began,
        news,
        listener,
        calls: BTreeMap::new(),
        rescue_at: began + RESCUE_BY,
        rescued: None,
    };
    scene.run().await?;
    let mut witnesses = Vec::new();
    for call in std::mem::take(&mut scene.calls).into_values() {
        witnesses.push(call.await.context("a caller was lost")??);
    }
    cast.narrator.say(format_args!("{} dials the toll-free number again.", NAMES[2]))?;
    cast.awaited.set(format!("the end of {}'s second call", NAMES[2]));
    let late = scene.dial(2, 3).await.context("a caller was lost")??;
    for news in &late.news {
        scene.narrate(news)?;
    }
    cast.awaited.set("the records of the calls");
    booked(cast, witnesses.len() + 1).await?;
    explain(cast, witnesses.iter().chain([&late])).await?;
    Ok(Told { witnesses, late, rescued: scene.rescued })
}

/// The story while it goes on.
struct Scene<'a> {
    cast: &'a Cast,
    began: Instant,
    news: UnboundedReceiver<News>,
    listener: UnboundedSender<News>,
    calls: BTreeMap<usize, JoinHandle<std::io::Result<Witness>>>,
    /// When credit will be added, if it was not yet.
    rescue_at: Instant,
    rescued: Option<Instant>,
}

impl Scene<'_> {
    async fn run(&mut self) -> Result<()> {
        let mut live: BTreeSet<_> = (0..NAMES.len()).collect();
        let mut ticks = interval(Duration::from_millis(100));
        let mut aloud_at = self.began + ALOUD;
        while !live.is_empty() {
            self.cast.awaited.set(ends_of(&live));
            tokio::select! {
                news = self.news.recv() => {
                    let Some(news) = news else { break };
                    let over = matches!(news.what, What::CutOff(_) | What::HungUp | What::Refused(_));
                    if over {
                        live.remove(&news.caller);
                    }
                    self.narrate(&news)?;
                    self.plan(&news);
                }
                _ = ticks.tick() => {
                    let now = clock::mono();
                    self.dial_those_due(now)?;
                    if self.rescued.is_none() && now >= self.rescue_at {
                        self.rescue(now).await?;
                    }
                    if now >= aloud_at {
                        aloud_at = aloud_at + ALOUD;
                        self.read_aloud().await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn dial_those_due(&mut self, now: Instant) -> Result<()> {
        let next = self.calls.len();
        if next < NAMES.len() && now.since(self.began) >= DIALS_AT[next] {
            let number = if next == 2 { "the toll-free number" } else { "the toll number" };
            self.cast.narrator.say(format_args!("{} dials {number}.", NAMES[next]))?;
            let call = self.dial(next, next as u32);
            self.calls.insert(next, call);
        }
        Ok(())
    }

    fn dial(&self, index: usize, call: u32) -> JoinHandle<std::io::Result<Witness>> {
        let script = Script {
            index,
            name: NAMES[index],
            number: ["+390655500101", "+390655500102", "+390655500103"][index],
            dials: if index == 2 { TOLL_FREE } else { TOLL },
            conference_id: self.cast.conference_id.clone(),
            gateway: self.cast.gateway,
            token: self.cast.token.wrapping_add(call),
            listens: LISTENS,
            patience: PATIENCE,
        };
        tokio::spawn(caller::play(script, Arc::clone(&self.cast.library), self.listener.clone()))
    }

    /// The first to hear that ten seconds remain has somebody add credit.
    fn plan(&mut self, news: &News) {
        if news.what == What::Told(Prompt::CreditTenSeconds) {
            self.rescue_at = self.rescue_at.min(news.at + RESCUE_AFTER);
        }
    }

    async fn rescue(&mut self, now: Instant) -> Result<()> {
        let Cast { store, organization, .. } = self.cast;
        top_up(store, *organization, "DEMO-RESCUE", RESCUE).await?;
        self.rescued = Some(now);
        let text = format!("The organization tops up {RESCUE} {CURRENCY}: everybody stays.");
        self.cast.narrator.say(text)?;
        Ok(())
    }

    async fn read_aloud(&self) -> Result<()> {
        let account = account(self.cast).await?;
        let (held, captured) = (account.held, account.captured);
        let available = account.available;
        let text = format!(
            "The account: {available} {CURRENCY} available, {held} set aside for the next seconds, {captured} used."
        );
        self.cast.narrator.say(text)?;
        Ok(())
    }

    fn narrate(&self, news: &News) -> Result<()> {
        let name = NAMES[news.caller];
        let text = match &news.what {
            What::Answered => format!("{name} is answered; from here on time is measured."),
            What::Keyed => format!("{name} has keyed in the conference ID."),
            What::Hears(other) => format!("{name} hears {}.", NAMES[*other]),
            What::Told(prompt) => format!("{name} is told: \"{}\"", sentence(*prompt)),
            What::Refused(status) => {
                format!("{name} is refused with {status}, unanswered.")
            }
            What::CutOff(_) => format!("{name} is cut off: the paid time is over."),
            What::HungUp => format!("{name} hangs up."),
        };
        self.cast.narrator.say_at(news.at, text)?;
        Ok(())
    }
}

/// Names the calls that live.
fn ends_of(live: &BTreeSet<usize>) -> String {
    let names: Vec<_> = live.iter().map(|index| NAMES[*index]).collect();
    format!("the end of the calls of {}", names.join(" and "))
}

/// What the callers of this story can be told.
fn sentence(prompt: Prompt) -> &'static str {
    if prompt == Prompt::CreditSixtySeconds {
        "One minute of credit remains."
    } else if prompt == Prompt::CreditTenSeconds {
        "Ten seconds of credit remain."
    } else {
        "The organization's credit is used up. Goodbye."
    }
}

/// Reads the organization's account.
///
/// # Errors
/// If the store fails.
pub(super) async fn account(cast: &Cast) -> Result<AccountView> {
    cast.store.account(cast.organization).await?.context("the organization has no account")
}

/// Says why calls were refused. The wire does not tell; the records do.
async fn explain(cast: &Cast, witnesses: impl Iterator<Item = &Witness>) -> Result<()> {
    let records = cast.store.cdrs(100).await?;
    for witness in witnesses {
        let refused = witness.news.iter().any(|news| matches!(news.what, What::Refused(_)));
        let record = records.iter().find(|cdr| cdr.sip_call_id == witness.sip_call_id);
        if let Some(cdr) = record.filter(|_| refused) {
            let (name, why, charge) = (witness.name, &cdr.ending.label, cdr.charge);
            let text = format!("The record of {name}'s refused call: {why}, {charge} {CURRENCY}.");
            cast.narrator.say(text)?;
        }
    }
    Ok(())
}

/// Waits until every call has its record and nothing is held.
async fn booked(cast: &Cast, calls: usize) -> Result<()> {
    let all = async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let records = cast.store.cdrs(100).await?.len();
            if records >= calls && account(cast).await?.held == Money::ZERO {
                return Ok(());
            }
        }
    };
    // What is missing then, the proof will say.
    timeout(BOOKED, all).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_that_live_are_named() {
        assert_eq!(ends_of(&BTreeSet::from([0, 2])), "the end of the calls of Ada and Cleo");
    }
}
