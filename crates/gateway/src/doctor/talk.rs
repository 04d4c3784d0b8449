//! What is asked in the doctor's call while it lasts, and its end.

use std::io;
use std::time::Duration;

use super::exchange::T1;
use super::facts::{Asked, Changed};
use super::message::{Kind, Message};
use super::sdp;
use super::visit::Visit;
use crate::clock;

/// How long is listened to the call as it is.
const FIRST: Duration = Duration::from_secs(4);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Packets that were on their way are let pass before a change is listened to.
const GRACE: Duration = Duration::from_millis(400);
const LISTENING: Duration = Duration::from_secs(1);
/// How long a key lasts that is told by INFO, milliseconds.
const KEY: &str = "Signal=1\r\nDuration=160\r\n";

impl Visit<'_> {
    /// Talks: asks one thing after the other, and hangs up whatever happens.
    pub(super) async fn talk(&mut self) -> io::Result<()> {
        let asked = self.inquire().await;
        if self.facts.hung_up {
            self.facts.bye = Asked::Spared("the trunk had hung up");
        } else {
            self.facts.bye = self.question("BYE", "", "", PATIENCE).await?.0;
        }
        self.sound.hush();
        asked
    }

    async fn inquire(&mut self) -> io::Result<()> {
        self.listen(FIRST).await?;
        self.facts.ping = self.unless_over("OPTIONS", "").await?;
        let allow = &self.facts.accepted.allow;
        self.facts.update = match allow.iter().any(|method| method == "UPDATE") {
            true => self.unless_over("UPDATE", "").await?,
            false => Self::spared("its Allow does not list UPDATE"),
        };
        self.facts.info = self.unless_over("INFO", KEY).await?;
        self.facts.hold = self.change("sendonly").await?;
        self.facts.resume = self.change("sendrecv").await?;
        self.facts.late_offer = self.change("").await?;
        self.listen(T1).await
    }

    async fn unless_over(&mut self, method: &'static str, body: &str) -> io::Result<Asked> {
        if self.is_over() {
            return Ok(Asked::Never);
        }
        let more = match body {
            "" => "",
            _ => "Content-Type: application/dtmf-relay\r\n",
        };
        Ok(self.question(method, more, body, PATIENCE).await?.0)
    }

    /// Offers another direction, or nothing, so that the trunk has to offer; listens to what follows.
    async fn change(&mut self, direction: &str) -> io::Result<Changed> {
        if self.is_over() {
            return Ok(Changed::default());
        }
        let (more, body) = match direction {
            "" => ("", String::new()),
            _ => ("Content-Type: application/sdp\r\n", self.ours.offer(direction)),
        };
        let (asked, answer) = self.question("INVITE", more, &body, PATIENCE).await?;
        if asked == Asked::Silent {
            // It would be answered too late, and stay without an acknowledgement.
            return Ok(Changed { asked, ..Changed::default() });
        }
        let described = answer.as_ref().and_then(|answer| sdp::read(answer.body()));
        self.listen(GRACE).await?;
        let before = self.sound.heard.packets;
        let began = clock::mono();
        self.listen(LISTENING).await?;
        let whole = clock::mono().since(began) >= LISTENING;
        let packets = self.sound.heard.packets - before;
        Ok(Changed { asked, described, packets: if whole { packets } else { 0 } })
    }

    /// Ends what another branch of the INVITE has answered (RFC 3261 §13.2.2.4).
    pub(super) async fn fork(&mut self, message: &Message) -> io::Result<()> {
        let Some(Kind::Response(_, cseq, _)) = message.kind() else { return Ok(()) };
        self.facts.accepted.forks += 1;
        let mut other = self.dialog.clone();
        other.learn(message);
        let ack = other.ack(cseq, "");
        let bye = other.request("BYE", "", "");
        self.dialog.cseq = other.cseq;
        let own = std::mem::replace(&mut self.dialog, other);
        self.send(&ack).await?;
        let sent = self.send(&bye.text).await;
        self.dialog = own;
        sent
    }
}
