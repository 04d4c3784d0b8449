//! The visit: everything that is asked of a trunk, in one go that has an end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use model::record::Trunk;
use model::{Credentials, Instant, Outbound, Reliability, Transport};
use net::PortRange;
use net::tls::Client;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng as _};
use sip::Challenged;
use tokio::net::{TcpStream, UdpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::facts::{Asked, Facts, Opened};
use super::line::{Line, Stream};
use super::locate;
use super::message::Dialog;
use super::sdp::Ours;
use super::sound::Sound;
use crate::clock;

/// After which nothing new is begun: what is going on is ended, within the minute.
const LONGEST: Duration = Duration::from_secs(54);
/// How long names may take.
const NAMES: Duration = Duration::from_secs(5);
/// How long a connection may take to open.
const OPENING: Duration = Duration::from_secs(2);
/// How long an answer outside of a call may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// Methods that the doctor understands.
pub(super) const ALLOW: &str = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO\r\n";

/// What is to be examined, and from where.
pub(crate) struct Order {
    pub(crate) trunk: Trunk,
    pub(crate) outbound: Outbound,
    /// Whom to call: as the trunk wants it written, and as it may be shown. `None` calls nobody.
    pub(crate) called: Option<(String, String)>,
    /// Who calls, as the trunk wants it written.
    pub(crate) caller: String,
    /// Where our sockets for SIP and for RTP are bound.
    pub(crate) bind: (IpAddr, IpAddr),
    /// What the trunk is told of them, where that is another address.
    pub(crate) advertised: (Option<IpAddr>, Option<IpAddr>),
    pub(crate) ports: PortRange,
    /// The transports of our listeners.
    pub(crate) listeners: Vec<Transport>,
    pub(crate) tls: Option<Client>,
    pub(crate) name_servers: Vec<SocketAddr>,
    /// The session interval asked for, seconds; 0 asks for none.
    pub(crate) session_secs: u32,
    /// How long it may ring.
    pub(crate) ring: Duration,
    pub(crate) seed: [u8; 32],
}

/// A visit that has a line to the trunk.
pub(super) struct Visit<'a> {
    pub(super) order: &'a Order,
    pub(super) line: Line,
    pub(super) address: SocketAddr,
    pub(super) sound: Sound,
    pub(super) ours: Ours,
    pub(super) dialog: Dialog,
    pub(super) known: Option<(u16, Challenged)>,
    pub(super) chance: ChaCha12Rng,
    pub(super) facts: Facts,
    /// Until when something new may be begun.
    pub(super) until: Instant,
    /// The newest 2xx to an INVITE that was acknowledged, and how: it may come again.
    pub(super) acknowledged: Option<(u32, String)>,
    /// The number of the re-INVITE of ours that waits for its answer.
    pub(super) pending: Option<u32>,
    pub(super) ticks: Interval,
    pub(super) interrupted: Signal,
}

/// Examines a trunk: within a minute, with one call at most.
///
/// # Errors
/// If no socket can be bound here. What the trunk does is never an error.
pub(crate) async fn examine(order: &Order) -> Result<Facts> {
    let began = clock::mono();
    let mut facts = Facts {
        number: order.called.as_ref().map(|(_, shown)| shown.clone()),
        transport: order.outbound.transport.unwrap_or_default(),
        ..Facts::default()
    };
    let found = timeout(NAMES, locate::find(&order.outbound, &order.name_servers)).await;
    let found = found.unwrap_or_else(|_| Err(anyhow::anyhow!("name servers take too long")));
    match found {
        Ok(found) => {
            facts.transport = found.transport;
            facts.addresses = found.addresses;
        }
        Err(error) => {
            facts.nowhere = Some(format!("{error:#}"));
            return Ok(facts);
        }
    }
    let Some(address) = reachable(order, &facts.addresses) else {
        let problem = "it has no address of the family that our socket is bound to";
        facts.nowhere = Some(problem.to_owned());
        return Ok(facts);
    };
    facts.address = Some(address);
    let line = match open(order, &mut facts, address).await? {
        Some(line) => line,
        None => return Ok(facts),
    };
    let mut visit = Visit::new(order, line, address, facts).await?;
    visit.until = began + LONGEST;
    visit.go().await?;
    Ok(visit.facts)
}

/// The first address that our socket can reach, one that the trunk may use before others.
fn reachable(order: &Order, addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let family = |address: &&SocketAddr| address.is_ipv4() == order.bind.0.is_ipv4();
    let allowed =
        |address: &&SocketAddr| order.trunk.signalling.iter().any(|p| p.contains(address.ip()));
    let mut fitting = addresses.iter().filter(family);
    fitting.clone().find(allowed).or_else(|| fitting.next()).copied()
}

/// Tries the streams that we could use, and opens the line that is to be used.
async fn open(order: &Order, facts: &mut Facts, address: SocketAddr) -> Result<Option<Line>> {
    let own = facts.transport;
    let (mut tcp, mut tls) = (None, None);
    let speaks = |transport| order.listeners.contains(&transport) || own == transport;
    if speaks(Transport::Tcp) {
        // Beside TLS it has the port of its own.
        let port =
            if own == Transport::Tls { locate::usual_port(Transport::Tcp) } else { address.port() };
        (facts.tcp, tcp) = connected(order, SocketAddr::new(address.ip(), port), false).await;
    } else {
        facts.tcp = Opened::NoListener;
    }
    if speaks(Transport::Tls) {
        let port =
            if own == Transport::Tls { address.port() } else { locate::usual_port(Transport::Tls) };
        (facts.tls, tls) = connected(order, SocketAddr::new(address.ip(), port), true).await;
    } else {
        facts.tls = Opened::NoListener;
    }
    let stream = match own {
        Transport::Udp => {
            let socket = UdpSocket::bind(SocketAddr::new(order.bind.0, 0)).await;
            return Ok(Some(Line::datagrams(socket.context("a socket for SIP")?)));
        }
        Transport::Tcp => tcp,
        Transport::Tls => tls,
    };
    Ok(stream.map(Line::connection))
}

async fn connected(
    order: &Order,
    address: SocketAddr,
    protected: bool,
) -> (Opened, Option<Box<dyn Stream>>) {
    let opening = async {
        let stream = TcpStream::connect(address).await?;
        if !protected {
            return Ok(Box::new(stream) as Box<dyn Stream>);
        }
        let name = order.trunk.tls_peer.as_deref().unwrap_or(&order.outbound.host);
        let name = net::tls::server_name(name).map_err(std::io::Error::other)?;
        let client = order.tls.as_ref().ok_or(std::io::ErrorKind::Unsupported)?;
        Ok(Box::new(client.connect(name, stream).await?) as Box<dyn Stream>)
    };
    match timeout(OPENING, opening).await {
        Ok(Ok(stream)) => (Opened::Open(address), Some(stream)),
        Ok(Err(error)) => (Opened::Failed(address, std::io::Error::to_string(&error)), None),
        Err(_) => (Opened::Failed(address, "nothing answered in 2 s".to_owned()), None),
    }
}

impl<'a> Visit<'a> {
    async fn new(
        order: &'a Order,
        line: Line,
        address: SocketAddr,
        mut facts: Facts,
    ) -> Result<Self> {
        let mut chance = ChaCha12Rng::from_seed(order.seed);
        let (sip, media) = (local(order, &line, address).await?, media_ip(order, address).await?);
        let (rtp, rtcp, foreign) = sockets(order).await?;
        facts.foreign_port = foreign;
        let sound_at = SocketAddr::new(media, rtp.local_addr()?.port());
        let ours = Ours { address: sound_at, session: chance.next_u32(), version: 0 };
        let dialog = dialog(order, sip, facts.transport, &mut chance);
        let sound = Sound::new(rtp, rtcp, chance.next_u32(), clock::mono());
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Ok(Self {
            order,
            line,
            address,
            sound,
            ours,
            dialog,
            known: None,
            chance,
            facts,
            until: clock::mono(),
            acknowledged: None,
            pending: None,
            ticks,
            interrupted: signal(SignalKind::interrupt())?,
        })
    }

    /// Asks everything; a line that breaks ends it.
    async fn go(&mut self) -> Result<()> {
        if let Err(error) = self.questions().await {
            tracing::debug!(%error, "the line to the trunk broke");
            self.facts.cut_short.get_or_insert("the connection to the trunk broke");
        }
        self.facts.heard = self.sound.heard.clone();
        self.facts.sent = self.sound.sent;
        Ok(())
    }

    async fn questions(&mut self) -> std::io::Result<()> {
        let call = self.dialog.clone();
        self.dialog.call_id = format!("o{}", call.call_id);
        let more = format!("Accept: application/sdp\r\n{ALLOW}");
        self.facts.options = self.question("OPTIONS", &more, "", PATIENCE).await?.0;
        self.dialog = call;
        self.known = None;
        if self.order.called.is_none() || self.facts.cut_short.is_some() {
            return Ok(());
        }
        if self.invite().await? {
            self.talk().await?;
        }
        Ok(())
    }

    /// What the credentials of the configuration are.
    pub(super) fn credentials(&self) -> Option<&'a Credentials> {
        self.order.outbound.credentials.as_ref()
    }

    /// Whether provisional answers are to be reliable.
    pub(super) fn reliability(&self) -> Reliability {
        self.order.outbound.reliability
    }

    /// Returns a word that nobody can guess.
    pub(super) fn word(&mut self) -> String {
        format!("{:016x}", self.chance.next_u64())
    }

    /// Notes why the visit ends before its time.
    pub(super) fn cut(&mut self, why: &'static str) {
        self.facts.cut_short.get_or_insert(why);
    }

    /// Takes a question that is not worth putting.
    pub(super) const fn spared(why: &'static str) -> Asked {
        Asked::Spared(why)
    }
}

/// Our own address towards the trunk, as it is told.
async fn local(order: &Order, line: &Line, to: SocketAddr) -> Result<SocketAddr> {
    let port = match line {
        Line::Datagrams { socket, .. } => socket.local_addr()?.port(),
        // Nobody listens there: the trunk's requests come by the connection that is open.
        Line::Connection { .. } => locate::usual_port(Transport::Tcp),
    };
    let ip = match order.advertised.0 {
        Some(ip) => ip,
        None => towards(order.bind.0, to).await?,
    };
    Ok(SocketAddr::new(ip, port))
}

async fn media_ip(order: &Order, to: SocketAddr) -> Result<IpAddr> {
    match order.advertised.1 {
        Some(ip) => Ok(ip),
        None => towards(order.bind.1, to).await,
    }
}

/// The address that packets to somewhere leave from.
async fn towards(bind: IpAddr, to: SocketAddr) -> Result<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(bind, 0)).await.context("a socket")?;
    socket.connect(to).await.context("there is no way to the trunk's address")?;
    Ok(socket.local_addr()?.ip())
}

/// A pair of ports for RTP and RTCP, of the configured range if one is free there; whether not.
async fn sockets(order: &Order) -> Result<(UdpSocket, UdpSocket, bool)> {
    let pairs = order.ports.bind(order.bind.1, 1).context("RTP ports")?;
    if let Some(pair) = pairs.first() {
        let rtp = UdpSocket::from_std(pair.rtp.handle()?)?;
        return Ok((rtp, UdpSocket::from_std(pair.rtcp.handle()?)?, false));
    }
    // Two in a row are found soon; else reports come to nobody.
    for _ in 0..50 {
        let rtp = UdpSocket::bind(SocketAddr::new(order.bind.1, 0)).await?;
        let Some(above) = rtp.local_addr()?.port().checked_add(1) else { continue };
        if let Ok(rtcp) = UdpSocket::bind(SocketAddr::new(order.bind.1, above)).await {
            return Ok((rtp, rtcp, true));
        }
    }
    anyhow::bail!("no two ports in a row are free for RTP and RTCP")
}

fn dialog(
    order: &Order,
    local: SocketAddr,
    transport: Transport,
    chance: &mut ChaCha12Rng,
) -> Dialog {
    let (name, parameter) = match transport {
        Transport::Udp => ("UDP", ""),
        Transport::Tcp => ("TCP", ";transport=tcp"),
        Transport::Tls => ("TLS", ";transport=tls"),
    };
    let outbound = &order.outbound;
    let domain = if outbound.domain.is_empty() { &outbound.host } else { &outbound.domain };
    let domain = match domain.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(_)) | Err(_) => domain.clone(),
    };
    let to = match &order.called {
        Some((called, _)) => format!("sip:{called}@{domain}"),
        None => format!("sip:{domain}"),
    };
    Dialog {
        via: format!("SIP/2.0/{name} {local}"),
        contact: format!("<sip:doctor@{local}{parameter}>"),
        from: format!("<sip:{}@{domain}>;tag={:016x}", order.caller, chance.next_u64()),
        to: format!("<{to}>"),
        target: to,
        routes: Vec::new(),
        call_id: format!("{:016x}{:016x}", chance.next_u64(), chance.next_u64()),
        cseq: 0,
        token: chance.next_u32(),
    }
}
