//! Whose packets a leg believes (reliability.md S16): the source is learned inside the trunk's media
//! prefixes in the first packets, and from then on nobody takes its place while it sends.

use std::net::SocketAddr;
use std::time::Duration;

use model::{Instant, IpPrefix};

/// Packets after which a learned source no longer yields to the address of the SDP.
const FIRM: u8 = 5;
/// Silence after which any other source inside the prefixes is learned.
const GAP: Duration = Duration::from_secs(2);
/// Silence after which another address with another SSRC is learned, once it sent [`RIVAL`] packets.
const LULL: Duration = Duration::from_millis(500);
/// Packets in a row from another address with another SSRC.
const RIVAL: u8 = 10;
/// Packets in a row with another SSRC from the same address.
const RENEWED: u8 = 2;

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// From the source.
    Known,
    /// From a source that is now the one: a new stream begins.
    New,
    /// From somebody else.
    Stranger,
}

/// The source of one leg's RTP.
#[derive(Debug, Default)]
pub(crate) struct Source {
    current: Option<Current>,
    rival: Option<Rival>,
    /// Where to send until a source is learned, if better known than from the SDP.
    fallback: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    address: SocketAddr,
    ssrc: u32,
    last: Instant,
    /// Up to [`FIRM`].
    packets: u8,
    /// Learned under an agreement that was replaced since: whoever comes first is learned.
    stale: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rival {
    address: SocketAddr,
    ssrc: u32,
    packets: u8,
}

impl Source {
    /// Judges a valid packet. `remote` is the address of the SDP.
    pub(crate) fn judge(
        &mut self,
        (from, ssrc): (SocketAddr, u32),
        (prefixes, remote): (&[IpPrefix], SocketAddr),
        now: Instant,
    ) -> Verdict {
        let inside = || prefixes.iter().any(|prefix| prefix.contains(from.ip()));
        if let Some(current) = &mut self.current
            && (current.address, current.ssrc) == (from, ssrc)
            && (!current.stale || inside())
        {
            current.last = now;
            current.packets = (current.packets + 1).min(FIRM);
            current.stale = false;
            self.rival = None;
            return Verdict::Known;
        }
        if !inside() {
            return Verdict::Stranger;
        }
        if self.yields_to((from, ssrc), remote, now) {
            self.current =
                Some(Current { address: from, ssrc, last: now, packets: 1, stale: false });
            self.rival = None;
            return Verdict::New;
        }
        Verdict::Stranger
    }

    /// Where our packets go.
    pub(crate) fn destination(&self, remote: SocketAddr) -> SocketAddr {
        let current = self.current.filter(|current| !current.stale);
        current.map(|current| current.address).or(self.fallback).unwrap_or(remote)
    }

    /// Whether RTCP may come from there: inside the prefixes, and from the host that sends the RTP
    /// or, before any came, that ours goes to.
    pub(crate) fn admits_control(
        &self,
        from: SocketAddr,
        (prefixes, remote): (&[IpPrefix], SocketAddr),
    ) -> bool {
        from.ip() == self.destination(remote).ip()
            && prefixes.iter().any(|prefix| prefix.contains(from.ip()))
    }

    /// Learns anew under a new agreement. While the SDP names the same address, packets go on to
    /// where they went; a stream that simply goes on is not a new one.
    pub(crate) fn renew(&mut self, same_remote: bool, prefixes: &[IpPrefix]) {
        let known = self.current.filter(|current| !current.stale);
        let known = known.map(|current| current.address).or(self.fallback);
        self.fallback = known.filter(|known| {
            same_remote && prefixes.iter().any(|prefix| prefix.contains(known.ip()))
        });
        if let Some(current) = &mut self.current {
            (current.stale, current.packets) = (true, 0);
        }
        self.rival = None;
    }

    fn yields_to(
        &mut self,
        (from, ssrc): (SocketAddr, u32),
        remote: SocketAddr,
        now: Instant,
    ) -> bool {
        let Some(current) = self.current else { return true };
        let favoured = from == remote && current.address != remote && current.packets < FIRM;
        if current.stale || favoured {
            return true;
        }
        let packets = match self.rival {
            Some(rival) if rival.address == from && rival.ssrc == ssrc => {
                (rival.packets + 1).min(RIVAL)
            }
            Some(_) | None => 1,
        };
        self.rival = Some(Rival { address: from, ssrc, packets });
        let quiet = now.since(current.last);
        if from == current.address {
            packets >= RENEWED
        } else {
            quiet >= GAP || (ssrc != current.ssrc && quiet >= LULL && packets >= RIVAL)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: &str = "192.0.2.10:4000";
    const OTHER: &str = "192.0.2.66:4000";
    const OUTSIDE: &str = "203.0.113.5:4000";
    const REMOTE: &str = "192.0.2.9:5000";

    struct Bench {
        source: Source,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { source: Source::default(), now: Instant::START }
        }

        fn wait(&mut self, millis: u64) {
            self.now = self.now + Duration::from_millis(millis);
        }

        fn from(&mut self, address: &str, ssrc: u32) -> Verdict {
            let prefixes = ["192.0.2.0/24".parse().unwrap()];
            let remote = REMOTE.parse().unwrap();
            self.source.judge((address.parse().unwrap(), ssrc), (&prefixes, remote), self.now)
        }

        fn destination(&self) -> String {
            self.source.destination(REMOTE.parse().unwrap()).to_string()
        }
    }

    #[test]
    fn the_first_source_inside_the_prefixes_is_learned() {
        let mut bench = Bench::new();
        assert_eq!(bench.from(OUTSIDE, 1), Verdict::Stranger);
        assert_eq!(bench.destination(), REMOTE);
        assert_eq!(bench.from(INSIDE, 1), Verdict::New);
        assert_eq!(bench.from(INSIDE, 1), Verdict::Known);
        assert_eq!(bench.destination(), INSIDE);
    }

    #[test]
    fn the_address_of_the_sdp_wins_during_the_first_packets_only() {
        let mut bench = Bench::new();
        bench.from(OTHER, 1);
        assert_eq!(bench.from(REMOTE, 2), Verdict::New);
        let mut bench = Bench::new();
        for _ in 0..5 {
            bench.from(OTHER, 1);
        }
        assert_eq!(bench.from(REMOTE, 2), Verdict::Stranger);
    }

    #[test]
    fn nobody_displaces_a_source_that_sends() {
        let mut bench = Bench::new();
        bench.from(INSIDE, 1);
        for _ in 0..1_000 {
            bench.wait(20);
            assert_eq!(bench.from(INSIDE, 1), Verdict::Known);
            for ssrc in [1, 2] {
                assert_eq!(bench.from(OTHER, ssrc), Verdict::Stranger);
                assert_eq!(bench.from(OUTSIDE, ssrc), Verdict::Stranger);
            }
        }
    }

    #[test]
    fn another_source_is_learned_after_a_gap() {
        let mut bench = Bench::new();
        bench.from(INSIDE, 1);
        bench.wait(1_999);
        assert_eq!(bench.from(OTHER, 1), Verdict::Stranger);
        bench.wait(1);
        assert_eq!(bench.from(OUTSIDE, 1), Verdict::Stranger);
        assert_eq!(bench.from(OTHER, 1), Verdict::New);
    }

    #[test]
    fn a_new_ssrc_of_the_same_address_is_believed_at_its_second_packet() {
        let mut bench = Bench::new();
        bench.from(INSIDE, 1);
        assert_eq!(bench.from(INSIDE, 2), Verdict::Stranger);
        assert_eq!(bench.from(INSIDE, 2), Verdict::New);
        assert_eq!(bench.from(INSIDE, 2), Verdict::Known);
    }

    #[test]
    fn a_new_ssrc_of_another_address_is_believed_when_the_source_stopped() {
        let mut bench = Bench::new();
        bench.from(INSIDE, 1);
        let mut verdict = Verdict::Stranger;
        let mut packets = 0;
        while verdict == Verdict::Stranger {
            bench.wait(20);
            packets += 1;
            verdict = bench.from(OTHER, 2);
        }
        assert_eq!((verdict, packets), (Verdict::New, 25));
    }

    #[test]
    fn a_stream_that_goes_on_under_a_new_agreement_is_the_same_stream() {
        let mut bench = Bench::new();
        bench.from(INSIDE, 1);
        let elsewhere = ["198.51.100.0/24".parse().unwrap()];
        bench.source.renew(true, &["192.0.2.0/24".parse().unwrap()]);
        assert_eq!(bench.from(INSIDE, 1), Verdict::Known);
        bench.source.renew(true, &elsewhere);
        assert_eq!(bench.destination(), REMOTE);
        let place = (&elsewhere[..], REMOTE.parse().unwrap());
        let known = (INSIDE.parse().unwrap(), 1);
        assert_eq!(bench.source.judge(known, place, bench.now), Verdict::Stranger);
    }

    #[test]
    fn control_packets_come_from_the_host_of_the_stream() {
        let mut bench = Bench::new();
        let prefixes = ["192.0.2.0/24".parse().unwrap()];
        let admits = |bench: &Bench, from: &str| {
            let place = (&prefixes[..], REMOTE.parse().unwrap());
            bench.source.admits_control(from.parse().unwrap(), place)
        };
        assert!(admits(&bench, "192.0.2.9:5001") && !admits(&bench, "192.0.2.10:4001"));
        bench.from(INSIDE, 1);
        assert!(!admits(&bench, "192.0.2.9:5001") && admits(&bench, "192.0.2.10:4001"));
        bench.source.renew(false, &[]);
        let outside = (&[][..], INSIDE.parse().unwrap());
        assert!(!bench.source.admits_control(INSIDE.parse().unwrap(), outside));
    }

    #[test]
    fn a_new_agreement_learns_anew_and_keeps_sending_where_it_did() {
        let mut bench = Bench::new();
        bench.from(INSIDE, 1);
        let prefixes = ["192.0.2.0/24".parse().unwrap()];
        bench.source.renew(true, &prefixes);
        assert_eq!(bench.destination(), INSIDE);
        assert_eq!(bench.from(OTHER, 7), Verdict::New);
        bench.source.renew(false, &prefixes);
        assert_eq!(bench.destination(), REMOTE);
    }
}
