//! Whoever asks for calls: many connections to the control API that are kept open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::clock::{now, pause};
use crate::harness::site::TOKEN;

/// Rooms that call people in turn, by their conference IDs.
pub(crate) const MEETINGS: RangeInclusive<u32> = 5_000..=5_049;
/// Connections; the gateway takes 64.
const CONNECTIONS: u32 = 56;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The first call's number, so that no two calls of a gateway go to one person.
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// In a second.
    pub(crate) rate: u32,
}

/// One order, answered.
#[derive(Debug)]
pub(crate) struct Order {
    /// The dialled number.
    pub(crate) number: String,
    pub(crate) at: Instant,
    pub(crate) status: u16,
}

/// Places orders at a rate and returns them all.
pub(crate) fn place(http: SocketAddr, asked: Asked) -> Vec<Order> {
    let next = AtomicU32::new(0);
    let lines: Vec<_> = (0..CONNECTIONS).map(|_| Line::open(http)).collect();
    let began = now();
    thread::scope(|scope| {
        let work = |mut line: Line| {
            let next = &next;
            scope.spawn(move || {
                let mut orders = Vec::new();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= asked.count {
                        return orders;
                    }
                    let due = began + Duration::from_secs(1) * nth / asked.rate;
                    pause(due.saturating_duration_since(now()));
                    orders.push(line.order(asked.first + nth));
                }
            })
        };
        let threads: Vec<_> = lines.into_iter().map(work).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("no line breaks"));
        joined.flatten().collect()
    })
}

/// One connection.
struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    fn open(http: SocketAddr) -> Self {
        let stream = TcpStream::connect(http).expect("the gateway serves HTTP");
        stream.set_nodelay(true).expect("streams can hurry");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("streams have timeouts");
        Self { stream: BufReader::new(stream) }
    }

    fn order(&mut self, nth: u32) -> Order {
        let number = format!("+390117{nth:06}");
        let meeting = MEETINGS.start() + nth % (MEETINGS.end() - MEETINGS.start() + 1);
        let body =
            format!("{{\"number\":\"{number}\",\"by\":\"bob@bolt.example\",\"press_one\":false}}");
        let ask = format!(
            "POST /v1/meetings/room-{meeting}/dial-outs HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let at = now();
        self.stream.get_mut().write_all(ask.as_bytes()).expect("the gateway reads");
        Order { number, at, status: self.answer() }
    }

    fn answer(&mut self) -> u16 {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("the gateway answers");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap_or(0);
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the answer is whole");
        status
    }
}
