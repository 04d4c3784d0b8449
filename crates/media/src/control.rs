//! The RTCP side of one leg: when to report, to whom, and what was reported to us.

use std::net::SocketAddr;
use std::time::Duration;

use model::Instant;

use crate::reception::Reception;
use crate::rtcp::{Block, CNAME, Report, Sent};
use crate::sender::Sender;

/// The mean time between two reports (RFC 3550 §6.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// Silence after which RTCP from another host is followed: it comes every 5 s or so.
const GAP: Duration = Duration::from_secs(12);

/// Where RTCP goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: SocketAddr,
    /// From our RTCP socket; else it travels with the RTP.
    pub(crate) own_socket: bool,
}

/// Timing and memory of one leg's RTCP.
#[derive(Debug)]
pub(crate) struct Control {
    cname: [u8; CNAME],
    next: Instant,
    /// Chance, for the spread of intervals.
    chance: u32,
    learned: Option<(Route, Instant)>,
    /// The last sender report's NTP middle, and when it came.
    heard: Option<(u32, Instant)>,
    /// Packets sent at the last report and at the one before.
    sent_at_reports: [u64; 2],
}

impl Control {
    /// Draws the name from 128 bits of chance.
    pub(crate) fn new(chance: u128, now: Instant) -> Self {
        let mut cname = [0; CNAME];
        for (place, letter) in cname.iter_mut().enumerate() {
            *letter = b"0123456789abcdef"[(chance >> (4 * place)) as usize & 15];
        }
        let mut control = Self {
            cname,
            next: now,
            chance: (chance >> 96) as u32 | 1,
            learned: None,
            heard: None,
            sent_at_reports: [0; 2],
        };
        control.next = now + control.interval() / 2;
        control
    }

    /// Whether RTCP on that route is followed; if so its address is where ours goes.
    pub(crate) fn follow(&mut self, route: Route, now: Instant) -> bool {
        let follows = self.learned.is_none_or(|(known, last)| {
            known.destination.ip() == route.destination.ip() || now.since(last) >= GAP
        });
        if follows {
            self.learned = Some((route, now));
        }
        follows
    }

    /// Forgets whom we heard: a new agreement.
    pub(crate) fn renew(&mut self) {
        self.learned = None;
        self.heard = None;
    }

    /// Notes a sender report.
    pub(crate) fn note(&mut self, middle: u32, now: Instant) {
        self.heard = Some((middle, now));
    }

    /// Where our RTCP goes, if anywhere. `stated` is from the SDP.
    pub(crate) fn route(&self, stated: Option<SocketAddr>) -> Option<Route> {
        let stated = stated.map(|destination| Route { destination, own_socket: true });
        self.learned.map(|(route, _)| route).or(stated)
    }

    /// Whether a report is due; if so the next one is timed.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.interval();
        }
        due
    }

    /// Makes a report: a sender's if something was sent since the report before the last one.
    pub(crate) fn report(
        &mut self,
        reception: &mut Reception,
        sender: &Sender,
        now: Instant,
        bye: bool,
    ) -> Report<'_> {
        let sends = sender.packets > self.sent_at_reports[0];
        self.sent_at_reports = [self.sent_at_reports[1], sender.packets];
        let sent = Sent {
            ntp: ntp(now),
            rtp: sender.present(),
            packets: sender.packets as u32,
            octets: sender.octets as u32,
        };
        let (last_report, delay) = self.heard.map_or((0, 0), |(middle, at)| {
            let micros = now.since(at).as_micros() as u64;
            (middle, (micros * 65_536 / 1_000_000) as u32)
        });
        Report {
            ssrc: sender.ssrc,
            sent: sends.then_some(sent),
            block: reception.report().map(|quality| Block { quality, last_report, delay }),
            cname: &self.cname,
            bye,
        }
    }

    /// Half to one and a half times the mean, so that reports do not march in step.
    fn interval(&mut self) -> Duration {
        // xorshift32: spread is all that is asked of it.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 17;
        self.chance ^= self.chance << 5;
        INTERVAL / 2 + INTERVAL * (self.chance >> 16) / 65_536
    }
}

fn ntp(now: Instant) -> u64 {
    let (seconds, micros) = (now.micros / 1_000_000, now.micros % 1_000_000);
    (seconds << 32) | ((micros << 32) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Codec;

    #[test]
    fn reports_come_every_five_seconds_in_the_mean_and_not_in_step() {
        let mut control = Control::new(0x1234_5678_9abc_def0_1234_5678_9abc_def0, Instant::START);
        let mut reports = 0;
        for tick in 0..50 * 1_000 {
            let now = Instant::START + Duration::from_millis(20) * tick;
            reports += u32::from(control.due(now));
        }
        assert!((180..=220).contains(&reports), "{reports}");
    }

    #[test]
    fn who_stops_sending_reports_as_a_receiver() {
        let mut control = Control::new(7, Instant::START);
        let mut reception = Reception::default();
        let mut sender = Sender::new(1, Codec::Pcmu, Duration::from_millis(20));
        sender.push(&[0; 160], |_, _| ());
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let report = control.report(&mut reception, &sender, Instant::START, false);
            kinds.push(report.sent.is_some());
        }
        assert_eq!(kinds, [true, true, false]);
    }

    #[test]
    fn another_host_is_followed_after_a_gap_only() {
        let mut control = Control::new(7, Instant::START);
        let route =
            |address: &str| Route { destination: address.parse().unwrap(), own_socket: true };
        assert!(control.follow(route("192.0.2.1:5001"), Instant::START));
        assert!(control.follow(route("192.0.2.1:6001"), Instant::START));
        assert!(!control.follow(route("192.0.2.7:5001"), Instant::START + Duration::from_secs(11)));
        assert!(control.follow(route("192.0.2.7:5001"), Instant::START + Duration::from_secs(12)));
    }

    #[test]
    fn half_a_second_is_half_of_the_fraction() {
        assert_eq!(ntp(Instant { micros: 3_500_000 }), (3 << 32) | (1 << 31));
    }
}
