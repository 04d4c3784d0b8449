//! A built-in caller: a small telephone over real UDP that dials in, keys in the conference ID,
//! sounds a tone of its own and listens.

mod ears;
mod signal;
mod voice;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media::{Library, Prompt};
use model::Instant;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::ears::Ears;
pub(super) use self::ears::{Impression, TONES};
use self::signal::{Dialog, Kind, Message};
use self::voice::Voice;
use crate::clock;

/// First interval between repetitions of an INVITE (RFC 3261 §17.1.1.2).
const T1: Duration = Duration::from_millis(500);
/// How long a repeated BYE is still answered.
const LINGER: Duration = Duration::from_millis(300);

/// Who calls, and what they do.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Place among the callers; their tone is that of [`TONES`].
    pub(super) index: usize,
    /// `Ada`.
    pub(super) name: &'static str,
    /// Their own number.
    pub(super) number: &'static str,
    /// The number they dial.
    pub(super) dials: &'static str,
    /// What they key in.
    pub(super) conference_id: String,
    /// The gateway's SIP socket.
    pub(super) gateway: SocketAddr,
    /// Makes Call-ID, tag and SSRC; unique.
    pub(super) token: u32,
    /// How long they listen to the greeting before keying, and after keying before speaking.
    pub(super) listens: Duration,
    /// After how long they hang up by themselves, whatever happens.
    pub(super) patience: Duration,
}

/// Something that happened to a caller.
#[derive(Debug, Clone)]
pub(super) struct News {
    /// Whose.
    pub(super) caller: usize,
    pub(super) at: Instant,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The 200 OK came.
    Answered,
    /// The conference ID is keyed in.
    Keyed,
    /// Another caller's tone is heard for the first time.
    Hears(usize),
    /// A prompt is heard.
    Told(Prompt),
    /// The call was refused before answer.
    Refused(u16),
    /// BYE came, with its Reason.
    CutOff(String),
    /// The caller hung up.
    HungUp,
}

/// What a caller can testify to, from their own end of the line.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    pub(super) name: &'static str,
    pub(super) sip_call_id: String,
    /// Everything in order.
    pub(super) news: Vec<News>,
    pub(super) heard: Impression,
    /// Longest time between two packets from the gateway.
    pub(super) longest_gap: Duration,
    /// When the last packet came.
    pub(super) last_packet: Option<Instant>,
}

impl Witness {
    /// Returns when the call was answered and when it ended.
    pub(super) fn connected(&self) -> Option<(Instant, Instant)> {
        let at =
            |wanted: fn(&What) -> bool| self.news.iter().find(|n| wanted(&n.what)).map(|n| n.at);
        let ended = at(|what| matches!(what, What::CutOff(_) | What::HungUp));
        Some((at(|what| *what == What::Answered)?, ended?))
    }

    /// Returns when each hearing of a prompt was complete enough to be known.
    pub(super) fn told(&self, prompt: Prompt) -> impl Iterator<Item = Instant> {
        self.news.iter().filter(move |news| news.what == What::Told(prompt)).map(|news| news.at)
    }
}

/// Plays a caller's part to its end.
///
/// # Errors
/// If a socket fails.
pub(super) async fn play(
    script: Script,
    library: Arc<Library>,
    news: UnboundedSender<News>,
) -> io::Result<Witness> {
    let mut caller = Caller::new(script, &library, news).await?;
    caller.call().await?;
    Ok(caller.testify())
}

/// A call in progress.
struct Caller {
    script: Script,
    sip: UdpSocket,
    rtp: UdpSocket,
    dialog: Dialog,
    voice: Voice,
    ears: Ears,
    /// Where our audio goes, once answered.
    remote: Option<SocketAddr>,
    began: Instant,
    answered: Option<Instant>,
    keyed: Option<Instant>,
    /// Something came in answer to the INVITE: it is not repeated any more.
    proceeding: bool,
    over: Option<Instant>,
    /// Sequence number and arrival of the newest packet.
    newest: Option<(u16, Instant)>,
    longest_gap: Duration,
    news: Vec<News>,
    listener: UnboundedSender<News>,
}

impl Caller {
    async fn new(
        script: Script,
        library: &Library,
        listener: UnboundedSender<News>,
    ) -> io::Result<Self> {
        let sip = UdpSocket::bind("127.0.0.1:0").await?;
        let rtp = UdpSocket::bind("127.0.0.1:0").await?;
        let local = sip.local_addr()?;
        let Script { name, number, dials, gateway, token, index, .. } = script;
        Ok(Self {
            dialog: Dialog::new(name, number, dials, local, gateway, token),
            voice: Voice::new(token, TONES[index]),
            ears: Ears::new(index, library),
            remote: None,
            began: clock::mono(),
            answered: None,
            keyed: None,
            proceeding: false,
            over: None,
            newest: None,
            longest_gap: Duration::ZERO,
            news: Vec::new(),
            listener,
            sip,
            rtp,
            script,
        })
    }

    async fn call(&mut self) -> io::Result<()> {
        let invite = self.dialog.invite(self.rtp.local_addr()?.port());
        self.send(&invite).await?;
        let mut repeat_at = self.began + T1;
        let mut repeat_after = T1;
        let mut ticks = ticks();
        let (mut signal, mut packet, mut ours) = (vec![0; 65_535], vec![0; 2_048], Vec::new());
        while self.over.is_none_or(|over| clock::mono().since(over) < LINGER) {
            tokio::select! {
                received = self.sip.recv_from(&mut signal) => {
                    let length = received?.0;
                    self.on_signal(&signal[..length]).await?;
                }
                received = self.rtp.recv_from(&mut packet) => {
                    let length = received?.0;
                    self.on_packet(&packet[..length]);
                }
                _ = ticks.tick() => {
                    if !self.proceeding && clock::mono() >= repeat_at {
                        self.send(&invite).await?;
                        repeat_after *= 2;
                        repeat_at = repeat_at + repeat_after;
                    }
                    self.on_tick(&mut ours).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends 20 ms of voice; decides when to key, to speak and to give up.
    async fn on_tick(&mut self, packet: &mut Vec<u8>) -> io::Result<()> {
        let now = clock::mono();
        if self.over.is_some() {
            return Ok(());
        }
        if now.since(self.began) > self.script.patience {
            let bye = self.dialog.bye();
            self.send(&bye).await?;
            self.end(What::HungUp, now);
            return Ok(());
        }
        let Some((remote, answered)) = self.remote.zip(self.answered) else { return Ok(()) };
        match self.keyed {
            None if now.since(answered) > self.script.listens => {
                self.voice.press(&format!("{}#", self.script.conference_id));
                self.keyed = Some(now);
            }
            Some(keyed) if now.since(keyed) > self.script.listens && !self.voice.is_pressing() => {
                self.voice.speak();
            }
            None | Some(_) => {}
        }
        let was_pressing = self.voice.is_pressing();
        self.voice.packet(packet);
        if was_pressing && !self.voice.is_pressing() {
            self.tell(What::Keyed, now);
        }
        self.rtp.send_to(packet, remote).await.map(drop)
    }

    async fn on_signal(&mut self, datagram: &[u8]) -> io::Result<()> {
        let Some(message) = Message::read(datagram) else { return Ok(()) };
        let now = clock::mono();
        match message.kind() {
            Some(Kind::Response(status, "INVITE")) => {
                self.proceeding = true;
                self.on_response(status, &message, now).await
            }
            Some(Kind::Request("BYE")) => {
                let ok = message.ok(self.sip.local_addr()?);
                self.send(&ok).await?;
                let reason = message.header("Reason").unwrap_or("").to_owned();
                self.end(What::CutOff(reason), now);
                Ok(())
            }
            Some(Kind::Request("ACK")) | Some(Kind::Response(..)) | None => Ok(()),
            // OPTIONS and UPDATE ask whether we are still there.
            Some(Kind::Request(_)) => {
                let ok = message.ok(self.sip.local_addr()?);
                self.send(&ok).await
            }
        }
    }

    async fn on_response(
        &mut self,
        status: u16,
        response: &Message<'_>,
        now: Instant,
    ) -> io::Result<()> {
        if status < 200 {
            return Ok(());
        }
        self.dialog.learn(response);
        let ack = self.dialog.ack(status < 300);
        self.send(&ack).await?;
        if status >= 300 {
            self.end(What::Refused(status), now);
        } else if self.answered.is_none() {
            self.remote = response.media();
            self.answered = Some(now);
            self.tell(What::Answered, now);
        }
        Ok(())
    }

    fn on_packet(&mut self, packet: &[u8]) {
        let (Some(header), Some(payload)) = (packet.get(..12), packet.get(12..)) else { return };
        let sequence = u16::from_be_bytes([header[2], header[3]]);
        let now = clock::mono();
        if header[0] != 0x80 || header[1] & 0x7f != 0 || self.over.is_some() {
            return;
        }
        if let Some((before, at)) = self.newest {
            self.longest_gap = self.longest_gap.max(now.since(at));
            // What is lost is heard as silence, so that the rest stays in its place.
            let lost = sequence.wrapping_sub(before).wrapping_sub(1);
            for _ in 0..if lost < 50 { lost } else { 0 } {
                self.ears.hear(&[0xff; voice::PACKET]);
            }
        }
        self.newest = Some((sequence, now));
        let before = self.ears.impression().windows;
        if let Some(prompt) = self.ears.hear(payload) {
            self.tell(What::Told(prompt), now);
        }
        let after = self.ears.impression().windows;
        for other in 0..TONES.len() {
            if other != self.script.index && before[other] == 0 && after[other] > 0 {
                self.tell(What::Hears(other), now);
            }
        }
    }

    /// Ends the call, once: an end that is repeated on the wire is no second one.
    fn end(&mut self, what: What, now: Instant) {
        if self.over.is_none() {
            self.over = Some(now);
            self.tell(what, now);
        }
    }

    fn tell(&mut self, what: What, at: Instant) {
        let news = News { caller: self.script.index, at, what };
        self.news.push(news.clone());
        // The story may be over before the caller is.
        drop(self.listener.send(news));
    }

    async fn send(&self, text: &str) -> io::Result<()> {
        self.sip.send_to(text.as_bytes(), self.script.gateway).await.map(drop)
    }

    fn testify(self) -> Witness {
        Witness {
            name: self.script.name,
            sip_call_id: self.dialog.call_id,
            heard: self.ears.impression().clone(),
            longest_gap: self.longest_gap,
            last_packet: self.newest.map(|(_, at)| at),
            news: self.news,
        }
    }
}

/// A packet's rhythm; a late one is made up for, as a telephone's clock would.
fn ticks() -> Interval {
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}

#[cfg(test)]
mod tests {
    use media::LibraryBuilder;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// A gateway that answers, speaks and hangs up as it is told.
    struct Peer {
        sip: UdpSocket,
        rtp: UdpSocket,
        caller: SocketAddr,
        caller_rtp: SocketAddr,
        invite: String,
    }

    impl Peer {
        async fn called(sip: UdpSocket) -> Self {
            let mut buffer = [0; 4_096];
            let (length, caller) = sip.recv_from(&mut buffer).await.unwrap();
            let message = Message::read(&buffer[..length]).unwrap();
            let (invite, caller_rtp) = (message.ok(caller), message.media().unwrap());
            let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            Self { sip, rtp, caller, caller_rtp, invite }
        }

        async fn answer(&self) {
            let port = self.rtp.local_addr().unwrap().port();
            let body = format!("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 0\r\n");
            let headers = self.invite.split("\r\n\r\n").next().unwrap();
            self.send(&format!("{headers}\r\n\r\n{body}")).await;
        }

        async fn send(&self, text: &str) {
            self.sip.send_to(text.as_bytes(), self.caller).await.unwrap();
        }

        /// Returns the keys of the events that come until a tone does.
        async fn keys(&self) -> Vec<u8> {
            let (mut keys, mut packet) = (Vec::new(), [0; 512]);
            loop {
                let length = self.rtp.recv(&mut packet).await.unwrap();
                match packet[1] {
                    0 if packet[12..length].iter().any(|code| *code < 0xc0) => return keys,
                    marked if marked == 0x80 | voice::DIGITS => keys.push(packet[12]),
                    _ => {}
                }
            }
        }

        /// Says a prompt over another caller's tone, at once.
        async fn say(&self, codes: &[u8]) {
            for (sequence, codes) in (0_u16..).zip(codes.chunks(voice::PACKET)) {
                let mut packet = vec![0x80, 0];
                packet.extend(sequence.to_be_bytes());
                packet.extend([0; 8]);
                packet.extend(codes);
                self.rtp.send_to(&packet, self.caller_rtp).await.unwrap();
            }
        }
    }

    fn script(gateway: SocketAddr) -> Script {
        Script {
            index: 0,
            name: "Ada",
            number: "+390655500101",
            dials: "+390110001",
            conference_id: "907".to_owned(),
            gateway,
            token: 7,
            listens: Duration::from_millis(50),
            patience: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn a_caller_keys_in_the_id_speaks_listens_and_testifies() {
        let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let library = Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap());
        let (news, mut told) = unbounded_channel();
        let script = script(sip.local_addr().unwrap());
        let playing = tokio::spawn(play(script, Arc::clone(&library), news));
        let peer = Peer::called(sip).await;
        peer.answer().await;
        assert_eq!(peer.keys().await, [9, 0, 7, 11]);
        peer.say(&ears::encoded(library.samples(0, Prompt::CreditTenSeconds))).await;
        while told.recv().await.unwrap().what != What::Told(Prompt::CreditTenSeconds) {}
        let bye = "BYE sip:caller@h SIP/2.0\r\nReason: Q.850;cause=16\r\nCSeq: 1 BYE\r\n\r\n";
        peer.send(bye).await;
        let witness = playing.await.unwrap().unwrap();
        let (answered, ended) = witness.connected().unwrap();
        assert!(ended > answered && witness.last_packet.is_some());
        let last = &witness.news.last().unwrap().what;
        assert_eq!(*last, What::CutOff("Q.850;cause=16".to_owned()));
    }

    #[tokio::test]
    async fn a_refusal_ends_the_call_unanswered() {
        let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let library = Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap());
        let (news, _told) = unbounded_channel();
        let playing = tokio::spawn(play(script(sip.local_addr().unwrap()), library, news));
        let peer = Peer::called(sip).await;
        peer.send(&peer.invite.replace("200 OK", "403 Forbidden")).await;
        let witness = playing.await.unwrap().unwrap();
        assert_eq!(witness.news.len(), 1);
        assert_eq!(witness.news[0].what, What::Refused(403));
        assert!(witness.connected().is_none());
    }
}
