//! What a flood of RTP at one leg does to the others and to SIP (reliability.md F17).
//!
//! Ten rooms of two phones; for some seconds each nothing floods, then 200 000 packets a second come
//! to the first phone's port from an address that is not its peer's, then from the peer itself. Tells
//! how soon OPTIONS are answered, the gaps in what the phones of the other rooms hear, what the
//! gateway used, and how many packets were dropped as they came.
//!
//! `cargo bench -p gateway --bench flood -- [SECONDS] [CPU]`: of each step (5), and the processor of
//! the gateway (0; phones and flood take the next one).
//!
//! It holds if p99 of SIP stays below 100 ms and no other leg waits 60 ms for a packet more often
//! than without a flood.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, prints, and stops at the first surprise"
)]

#[path = "overload/gateway.rs"]
mod gateway;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gateway::Gateway;
use net::{Datagram, Inbox, Socket};

const PHONES: usize = 20;
const PER_SECOND: u64 = 200_000;
const TICK: Duration = Duration::from_millis(20);
const PROBE: Duration = Duration::from_millis(10);
/// From so much on a gap is heard (reliability.md I7).
const GAP: Duration = Duration::from_millis(60);

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(5));
    let cpu = numbers.get(1).copied().unwrap_or(0);
    let gateway = Gateway::serve(cpu);
    gateway::pin(cpu + 1);
    let mut hall = Hall::open(gateway.sip());
    hall.listen(Duration::from_secs(2));
    gateway.busy_since_last();
    let target = hall.phones[0].peer;
    let foreign = Socket::bind("127.0.0.9:0".parse().unwrap(), None).unwrap();
    let own = hall.phones[0].socket.try_clone().unwrap();
    for (name, source) in [
        ("no flood", None),
        ("flood from a stranger", Some(Source::Foreign(&foreign))),
        ("flood from the peer", Some(Source::Own(&own))),
    ] {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = AtomicU64::new(0);
        let heard = std::thread::scope(|scope| {
            if let Some(source) = source {
                let (stop, sent) = (Arc::clone(&stop), &sent);
                scope.spawn(move || flood(&source, target, &stop, sent));
            }
            let heard = hall.listen(time);
            stop.store(true, Ordering::Relaxed);
            heard
        });
        println!(
            "{name}: {:.0} packets/s sent, SIP p50 {:.2} p99 {:.2} max {:.2} ms, {} of {} probes unanswered, \
             other legs: longest gap {:.0} ms, {} gaps of 60 ms and more in {} packets, gateway {:.0} % of a processor, RSS {} MB",
            sent.load(Ordering::Relaxed) as f64 / time.as_secs_f64(),
            heard.quantile(0.5),
            heard.quantile(0.99),
            heard.quantile(1.0),
            heard.probes - heard.answers.len(),
            heard.probes,
            heard.longest.as_secs_f64() * 1_000.0,
            heard.gaps,
            heard.packets,
            gateway.busy_since_last() * 100.0,
            gateway.resident_mb(),
        );
    }
}

enum Source<'a> {
    Foreign(&'a Socket),
    Own(&'a UdpSocket),
}

fn flood(source: &Source<'_>, target: SocketAddr, stop: &AtomicBool, sent: &AtomicU64) {
    let mut packet = [0x55_u8; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    let begun = Instant::now();
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * PER_SECOND as f64) as u64;
        let batch = due.saturating_sub(count).min(64) as usize;
        if batch == 0 {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        count = if due > count + 20_000 { due } else { count + batch as u64 };
        match source {
            Source::Foreign(socket) => {
                let datagram = Datagram { destination: target, payload: &packet };
                sent.fetch_add(
                    socket.send_all(&vec![datagram; batch]).sent as u64,
                    Ordering::Relaxed,
                );
            }
            Source::Own(socket) => {
                for _ in 0..batch {
                    sent.fetch_add(
                        u64::from(socket.send_to(&packet, target).is_ok()),
                        Ordering::Relaxed,
                    );
                }
            }
        }
    }
}

struct Phone {
    socket: UdpSocket,
    peer: SocketAddr,
    sequence: u16,
    last: Option<Instant>,
}

/// Every phone, and who asks for OPTIONS.
struct Hall {
    prober: Socket,
    target: SocketAddr,
    phones: Vec<Phone>,
    probe: u64,
}

#[derive(Default)]
struct Heard {
    answers: Vec<f64>,
    probes: usize,
    longest: Duration,
    gaps: u64,
    packets: u64,
}

impl Heard {
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.answers.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }
}

impl Hall {
    /// Calls from every phone, two a room.
    fn open(target: SocketAddr) -> Self {
        let prober = Socket::bind("127.0.0.2:15071".parse().unwrap(), None).unwrap();
        let mut hall = Self { prober, target, phones: Vec::new(), probe: 0 };
        for number in 0..PHONES {
            let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let peer = hall.call(number, &socket);
            hall.phones.push(Phone { socket, peer, sequence: 0, last: None });
        }
        hall
    }

    /// Calls a room; returns where its RTP goes.
    fn call(&mut self, number: usize, socket: &UdpSocket) -> SocketAddr {
        let (room, target) = (1_000 + number / 2, self.target);
        let port = socket.local_addr().unwrap().port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=ptime:20\r\n"
        );
        let ask = |method: &str, cseq: &str, to: &str, body: &str| {
            let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
            format!(
                "{method} sip:{room}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:15071;branch=z9hG4bK{method}{number}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:phone@127.0.0.2>;tag=p{number}\r\nTo: {to}\r\nCall-ID: {number}-phone\r\n\
                 CSeq: {cseq}\r\nContact: <sip:phone@127.0.0.2:15071>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let to = format!("<sip:{room}@{target}>");
        self.prober.send(ask("INVITE", "1 INVITE", &to, &sdp).as_bytes(), target).unwrap();
        let answer = self.answer(&format!("{number}-phone"), "SIP/2.0 200");
        let field = |name: &str, end: &str| {
            let (_, rest) = answer.split_once(name).unwrap();
            rest.split_once(end).unwrap().0.to_owned()
        };
        self.prober
            .send(ask("ACK", "1 ACK", &field("To: ", "\r\n"), "").as_bytes(), target)
            .unwrap();
        format!("127.0.0.1:{}", field("m=audio ", " ")).parse().unwrap()
    }

    fn answer(&self, call: &str, start: &str) -> String {
        let until = Instant::now() + Duration::from_secs(5);
        let mut inbox = Box::new(Inbox::<16>::new(4_096));
        while Instant::now() < until {
            self.prober.receive(&mut inbox).unwrap();
            for received in inbox.iter() {
                let text = std::str::from_utf8(received.payload).unwrap();
                if text.starts_with(start) && text.contains(call) {
                    return text.to_owned();
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no {start} came for {call}")
    }

    /// Talks, listens and asks for a while.
    fn listen(&mut self, time: Duration) -> Heard {
        let mut heard = Heard::default();
        let begun = Instant::now();
        let (mut tick, mut probe) = (begun, begun);
        let mut asked = std::collections::BTreeMap::new();
        let mut inbox = Box::new(Inbox::<16>::new(4_096));
        self.phones.iter_mut().for_each(|phone| phone.last = None);
        while begun.elapsed() < time {
            let now = Instant::now();
            if now >= tick {
                tick += TICK;
                self.phones.iter_mut().for_each(Phone::say);
            }
            if now >= probe {
                probe += PROBE;
                self.probe += 1;
                heard.probes += 1;
                asked.insert(self.probe, now);
                self.prober.send(options(self.probe, self.target).as_bytes(), self.target).unwrap();
            }
            self.prober.receive(&mut inbox).unwrap();
            for received in inbox.iter() {
                let text = std::str::from_utf8(received.payload).unwrap();
                let id =
                    text.split_once("Call-ID: o").and_then(|(_, rest)| rest.split_once("\r\n"));
                let id = id.and_then(|(id, _)| id.parse::<u64>().ok());
                if let Some(since) = id.and_then(|id| asked.remove(&id)) {
                    heard.answers.push(since.elapsed().as_secs_f64() * 1_000.0);
                }
            }
            // The flooded room is left out.
            for (number, phone) in self.phones.iter_mut().enumerate() {
                phone.hear((number >= 2).then_some(&mut heard));
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        heard
    }
}

impl Phone {
    fn say(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [0xff_u8; 172];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
        drop(self.socket.send_to(&packet, self.peer));
    }

    fn hear(&mut self, mut heard: Option<&mut Heard>) {
        let mut packet = [0; 2_048];
        while self.socket.recv_from(&mut packet).is_ok() {
            let now = Instant::now();
            let gap = self.last.replace(now).map_or(Duration::ZERO, |last| now - last);
            if let Some(heard) = heard.as_deref_mut() {
                heard.packets += 1;
                heard.longest = heard.longest.max(gap);
                heard.gaps += u64::from(gap >= GAP);
            }
        }
    }
}

fn options(number: u64, target: SocketAddr) -> String {
    format!(
        "OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:15071;branch=z9hG4bKo{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@127.0.0.2>;tag=o\r\nTo: <sip:{target}>\r\nCall-ID: o{number}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}
