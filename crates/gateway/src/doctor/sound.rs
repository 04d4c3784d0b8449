//! The doctor's audio: a quiet tone out, a count of what comes in, and reports both ways.

use std::f32::consts::TAU;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use model::Instant;
use tokio::net::UdpSocket;

use super::facts::{Described, Heard};

/// Samples of a packet of 20 ms.
const PACKET: usize = 160;
/// Hertz, and how loud of 32 768: a person who answers hears that the line is alive.
const TONE: f32 = 425.0;
const LOUDNESS: f32 = 1_000.0;
/// Between two reports.
const REPORTS: Duration = Duration::from_secs(2);
/// Most sources that are kept.
const SOURCES: usize = 4;
/// Sender and receiver reports (RFC 3550 §6.4).
const REPORT_TYPES: [u8; 2] = [200, 201];

/// The two sockets and what has passed through them.
pub(super) struct Sound {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    ssrc: u32,
    /// Where ours goes; `None` is silent.
    remote: Option<(SocketAddr, SocketAddr)>,
    /// 0 is PCMU, 8 PCMA.
    payload_type: u8,
    sequence: u16,
    stamp: u32,
    pub(super) sent: u32,
    report_at: Instant,
    pub(super) heard: Heard,
}

impl Sound {
    /// Takes a pair of ports.
    pub(super) fn new(rtp: UdpSocket, rtcp: UdpSocket, ssrc: u32, now: Instant) -> Self {
        Self {
            rtp,
            rtcp,
            ssrc,
            remote: None,
            payload_type: 0,
            sequence: 1,
            stamp: 0,
            sent: 0,
            report_at: now,
            heard: Heard::default(),
        }
    }

    /// Sends to where a description says, if it wants to hear.
    pub(super) fn follow(&mut self, theirs: &Described) {
        let hears = matches!(theirs.direction.as_str(), "sendrecv" | "recvonly");
        let laws = [0, 8].into_iter().find(|law| theirs.formats.iter().any(|(n, _)| n == law));
        let Some(law) = laws else { return };
        self.payload_type = law;
        let plain = theirs.profile == "RTP/AVP" || theirs.profile == "RTP/AVPF";
        self.remote = theirs.address.filter(|_| hears && plain).map(|rtp| {
            let above = theirs.rtcp_port.unwrap_or(rtp.port().saturating_add(1));
            (rtp, SocketAddr::new(rtp.ip(), above))
        });
    }

    /// Falls silent.
    pub(super) fn hush(&mut self) {
        self.remote = None;
    }

    /// Hears what has come, and sends what is due each 20 ms.
    pub(super) fn tick(&mut self, now: Instant) {
        let mut packet = [0; 2_048];
        // Errors tell of ports that are closed at the other end: silence tells as much.
        while let Ok((length, from)) = received(&self.rtp, &mut packet) {
            self.packet(&packet[..length], from);
        }
        while let Ok((length, _)) = received(&self.rtcp, &mut packet) {
            self.report(&packet[..length]);
        }
        let Some((rtp, rtcp)) = self.remote else { return };
        let ours = self.ours();
        self.sent += u32::from(self.rtp.try_send_to(&ours, rtp).is_ok());
        if now >= self.report_at {
            self.report_at = now + REPORTS;
            drop(self.rtcp.try_send_to(&self.our_report(), rtcp));
        }
    }

    fn packet(&mut self, packet: &[u8], from: SocketAddr) {
        let [first, second, ..] = packet else { return };
        if packet.len() < 12 || first >> 6 != 2 {
            return;
        }
        if (192..=223).contains(second) {
            // Reports share the port (RFC 5761 §4).
            return self.report(packet);
        }
        self.heard.packets += 1;
        let kind = second & 0x7f;
        if let Err(at) = self.heard.payload_types.binary_search(&kind) {
            self.heard.payload_types.insert(at, kind);
        }
        let sources = &mut self.heard.sources;
        if sources.len() < SOURCES && !sources.contains(&from.ip()) {
            sources.push(from.ip());
        }
    }

    /// Takes a compound of reports; looks for blocks about our stream.
    fn report(&mut self, mut compound: &[u8]) {
        if compound.first().is_none_or(|first| first >> 6 != 2) {
            return;
        }
        self.heard.reports += 1;
        while let [first, kind, high, low, ..] = compound {
            let length = (usize::from(u16::from_be_bytes([*high, *low])) + 1) * 4;
            let Some(one) = compound.get(..length) else { return };
            let start = if *kind == REPORT_TYPES[0] { 28 } else { 8 };
            if REPORT_TYPES.contains(kind) {
                let blocks = one.get(start..).unwrap_or_default().chunks_exact(24);
                let ours = |block: &&[u8]| block[..4] == self.ssrc.to_be_bytes();
                let about = blocks.take(usize::from(first & 0x1f)).find(ours);
                if let Some(block) = about {
                    self.heard.about_us += 1;
                    self.heard.our_loss = Some(block[4]);
                }
            }
            compound = &compound[length..];
        }
    }

    fn ours(&mut self) -> Vec<u8> {
        let mut packet = vec![0x80, self.payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.stamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        for at in 0..PACKET as u32 {
            let turn = (self.stamp.wrapping_add(at) % 8_000) as f32 * TONE / 8_000.0;
            let sample = (LOUDNESS * (turn.fract() * TAU).sin()) as i16;
            packet.push(if self.payload_type == 0 { mu_law(sample) } else { a_law(sample) });
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.stamp = self.stamp.wrapping_add(PACKET as u32);
        packet
    }

    /// A sender report without blocks, and our name (RFC 3550 §6.4.1, §6.5).
    fn our_report(&self) -> Vec<u8> {
        let mut report = vec![0x80, REPORT_TYPES[0], 0, 6];
        report.extend(self.ssrc.to_be_bytes());
        report.extend([0; 8]);
        report.extend(self.stamp.to_be_bytes());
        report.extend(self.sent.to_be_bytes());
        report.extend((self.sent * PACKET as u32).to_be_bytes());
        report.extend([0x81, 202, 0, 4]);
        report.extend(self.ssrc.to_be_bytes());
        report.extend([1, 8]);
        report.extend(format!("{:08x}", self.ssrc).bytes());
        report.extend([0; 2]);
        report
    }
}

fn received(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    socket.try_recv_from(packet)
}

/// ITU-T G.711, µ-law.
fn mu_law(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let segment = 8 - magnitude.leading_zeros() as u16;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !((sign | (segment << 4) | step) as u8)
}

/// ITU-T G.711, A-law.
fn a_law(sample: i16) -> u8 {
    let sign: u8 = if sample >= 0 { 0x80 } else { 0 };
    let magnitude = (if sample >= 0 { sample } else { -1 - sample.max(-32_767) }) as u16 >> 3;
    let segment = 11_u16.saturating_sub(magnitude.leading_zeros() as u16);
    let step = (magnitude >> segment.max(1)) & 0x0f;
    (sign | ((segment << 4) | step) as u8) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sound() -> Sound {
        let [rtp, rtcp] = [bound().await, bound().await];
        Sound::new(rtp, rtcp, 0xaabb_ccdd, Instant::START)
    }

    async fn bound() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    #[tokio::test]
    async fn packets_are_counted_by_kind_and_source() {
        let mut sound = sound().await;
        let mut packet = [0_u8; 172];
        packet[0] = 0x80;
        for kind in [8, 101, 8] {
            packet[1] = kind;
            sound.packet(&packet, "192.0.2.4:4000".parse().unwrap());
        }
        assert_eq!(sound.heard.packets, 3);
        assert_eq!(sound.heard.payload_types, [8, 101]);
        assert_eq!(sound.heard.sources, ["192.0.2.4".parse::<std::net::IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn a_report_about_our_stream_proves_that_it_is_heard() {
        let mut sound = sound().await;
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        report.extend(0xaabb_ccdd_u32.to_be_bytes());
        report.push(64);
        report.extend([0; 19]);
        sound.report(&report);
        assert_eq!((sound.heard.reports, sound.heard.about_us), (1, 1));
        assert_eq!(sound.heard.our_loss, Some(64));
        report[8] = 0;
        sound.report(&report);
        sound.report(&report[..20]);
        assert_eq!((sound.heard.reports, sound.heard.about_us), (3, 1));
    }

    #[tokio::test]
    async fn our_report_has_whole_words_and_our_name() {
        let report = sound().await.our_report();
        assert_eq!(report.len(), 28 + 20);
        assert_eq!(report[28..32], [0x81, 202, 0, 4]);
    }

    #[test]
    fn the_laws_meet_their_tables() {
        assert_eq!((mu_law(0), mu_law(32_124), mu_law(-32_124)), (0xff, 0x80, 0x00));
        assert_eq!((a_law(0), a_law(32_256), a_law(-32_256)), (0xd5, 0xaa, 0x2a));
        assert_eq!((a_law(1_008), a_law(-8)), (0xfa, 0x55));
    }

    #[tokio::test]
    async fn a_hold_is_silent_and_srtp_is_never_answered_in_clear() {
        let mut sound = sound().await;
        let address = "192.0.2.4:4000".parse().ok();
        let formats = vec![(0, "PCMU".to_owned())];
        let said = |direction: &str, profile: &str| Described {
            address,
            profile: profile.to_owned(),
            formats: formats.clone(),
            direction: direction.to_owned(),
            ..Described::default()
        };
        sound.follow(&said("sendrecv", "RTP/AVP"));
        assert!(sound.remote.is_some());
        sound.follow(&said("sendonly", "RTP/AVP"));
        assert!(sound.remote.is_none());
        sound.follow(&said("sendrecv", "RTP/SAVP"));
        assert!(sound.remote.is_none());
    }
}
