//! Media: session descriptions, and packets to a worker with two legs in a room.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use media::command::Codec;
use media::sdp::{self as description, Local, OwnKeys, Srtp};
use media::srtp::{Keying, Security, Suite};
use media::{
    Batch, Command, Direction, Event, Flow, LegStats, Library, LibraryBuilder, PortId, Worker,
};
use model::{CallId, Instant, IpPrefix, MeetingId};

const TICK: Duration = Duration::from_millis(20);
const PEER: &str = "192.0.2.1:10000";
const CONTROL: &str = "192.0.2.1:10001";

/// # Panics
/// If an agreement leads where media may not go, or says what we do not speak.
pub fn sdp(bytes: &[u8]) {
    let keys = OwnKeys::new([[1; Keying::BYTES], [2; Keying::BYTES]]);
    let ranges = ["192.0.2.0/24".parse::<IpPrefix>().unwrap()];
    for srtp in [Srtp::Off, Srtp::Optional(&keys), Srtp::Mandatory(&keys)] {
        let local = Local {
            address: "198.51.100.1:20000".parse().unwrap(),
            session: 1,
            version: 1,
            media: &ranges,
            events: true,
            loopback: false,
            srtp,
        };
        if let Ok(agreed) = description::answer(bytes, &local) {
            sound(&agreed.flow, srtp);
            assert!(agreed.body.starts_with(b"v=0\r\n"));
            let text = std::str::from_utf8(&agreed.body).unwrap();
            assert!(text.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])), "{text:?}");
        }
        if let Ok(flow) = description::accept(bytes, &local) {
            sound(&flow, srtp);
        }
    }
}

fn sound(flow: &Flow, srtp: Srtp<'_>) {
    let address = flow.remote.ip().to_string();
    let allowed = address.starts_with("192.0.2.") && flow.remote.port() >= 1024;
    assert!(allowed || flow.held, "media to {}", flow.remote);
    assert!((10..=60).contains(&flow.ptime.as_millis()), "{:?}", flow.ptime);
    match srtp {
        Srtp::Off => assert!(flow.security.is_none()),
        Srtp::Optional(_) => {}
        Srtp::Mandatory(_) => assert!(flow.security.is_some(), "in clear"),
    }
}

/// # Panics
/// If a packet of the peer disturbs what anybody is sent.
pub fn rtp(bytes: &[u8]) {
    let mut pair = Pair::new(None);
    pair.play(false, bytes);
    pair.close();
}

/// # Panics
/// If a control packet of the peer disturbs what anybody is sent.
pub fn rtcp(bytes: &[u8]) {
    let mut pair = Pair::new(None);
    pair.play(true, bytes);
    pair.close();
}

/// # Panics
/// If a packet that nobody with the key has made counts as one.
pub fn srtp(bytes: &[u8]) {
    for suite in Suite::ALL {
        let mut pair = Pair::new(Some(security(suite, [3, 4])));
        pair.play(false, bytes);
        pair.play(true, bytes);
        assert_eq!(pair.close().received, 0, "forged");
    }
}

/// Packets that somebody with the key has made, for others to bend.
#[derive(Debug)]
pub struct Protected {
    suite: Suite,
    /// The packet, and whether it is RTCP.
    pub packets: Vec<(Vec<u8>, bool)>,
}

impl Protected {
    /// Makes packets of each suite.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Suite::ALL.into_iter().map(Self::of).collect()
    }

    fn of(suite: Suite) -> Self {
        let mut pair = Pair::new(Some(security(suite, [4, 3])));
        let mut packets = Vec::new();
        for _ in 0..300 {
            pair.tick();
            let own = pair.out.iter().filter(|packet| packet.port == PortId(0));
            packets.extend(own.map(|packet| (packet.payload.to_vec(), packet.rtcp)));
        }
        assert!(packets.iter().any(|(_, rtcp)| *rtcp) && packets.len() > 300);
        Self { suite, packets }
    }

    /// Checks that the packets are heard as they are.
    ///
    /// # Panics
    /// If they are not.
    pub fn is_heard(&self) {
        let mut pair = Pair::new(Some(security(self.suite, [3, 4])));
        let plain = self.packets.iter().filter(|(_, rtcp)| !rtcp);
        for (packet, _) in plain.clone().take(50) {
            pair.play(false, packet);
        }
        let stats = pair.close();
        assert!(stats.received >= 50 && stats.forged >= 100, "each came three times: {stats:?}");
    }

    /// Plays a bent packet.
    ///
    /// # Panics
    /// If it is taken for a sound one.
    pub fn is_refused(&self, bent: &[u8], rtcp: bool) {
        if self.packets.iter().any(|(packet, _)| packet == bent) {
            return;
        }
        let mut pair = Pair::new(Some(security(self.suite, [3, 4])));
        pair.play(rtcp, bent);
        let stats = pair.close();
        assert!(stats.received == 0 && stats.last_rtp.is_none(), "{stats:?}");
    }
}

/// Two legs in a room.
struct Pair {
    worker: Worker,
    now: Instant,
    out: Batch,
}

impl Pair {
    /// The first one is protected, if told so.
    fn new(security: Option<Security>) -> Self {
        static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
        let build = || Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap());
        let mut worker = Worker::new(LIBRARY.get_or_init(build).clone(), 2, 2, [7; 32]);
        let now = Instant { micros: 5_000_000 };
        for (leg, security) in [(0_u16, security), (1, None)] {
            let call = CallId(u128::from(leg));
            let flow = flow(security);
            worker.command(
                Command::Open { call, port: PortId(leg), flow, language: 0, ssrc: leg.into() },
                now,
            );
            worker.command(Command::Seat { call, room: MeetingId(1) }, now);
        }
        Self { worker, now, out: Batch::with_capacity(2) }
    }

    /// Lets the first leg hear a datagram three times.
    fn play(&mut self, rtcp: bool, bytes: &[u8]) {
        let source = if rtcp { CONTROL } else { PEER }.parse().unwrap();
        for _ in 0..3 {
            self.worker.receive(PortId(0), rtcp, source, bytes, self.now);
            self.tick();
            for port in [PortId(0), PortId(1)] {
                let sent = self.out.iter().filter(|packet| packet.port == port && !packet.rtcp);
                assert_eq!(sent.count(), 1, "each leg is sent to in each tick");
            }
        }
    }

    fn tick(&mut self) {
        self.now = self.now + TICK;
        self.out.clear();
        self.worker.tick(self.now, &mut self.out);
    }

    fn close(&mut self) -> LegStats {
        self.worker.command(Command::Close { call: CallId(0) }, self.now);
        self.tick();
        let mut events = std::iter::from_fn(|| self.worker.poll_event());
        let closed = events.find_map(|event| {
            let Event::Closed { call: CallId(0), stats, .. } = event else { return None };
            Some(stats)
        });
        closed.expect("a leg tells its end")
    }
}

fn security(suite: Suite, [inbound, outbound]: [u8; 2]) -> Security {
    let key = |seed: u8| Keying::new(suite, [seed; Keying::BYTES]);
    Security { inbound: key(inbound), outbound: key(outbound) }
}

fn flow(security: Option<Security>) -> Flow {
    Flow {
        codec: Codec::Pcmu,
        ptime: TICK,
        digits_in: Some(101),
        comfort_noise: true,
        remote: PEER.parse().unwrap(),
        remote_rtcp: Some(CONTROL.parse().unwrap()),
        direction: Direction::SendRecv,
        held: false,
        sources: vec!["192.0.2.0/24".parse().unwrap()],
        security,
    }
}
