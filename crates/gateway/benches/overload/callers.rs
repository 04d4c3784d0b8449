//! Callers: they call, are answered or refused, hang up at once, and repeat what is not answered.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use net::{Datagram, Inbox, Socket};

const SIDE: &str = "127.0.0.2:15070";
/// Charged rooms of the provisioning: 5000 to 5999.
const ROOMS: (u64, u64) = (5_000, 1_000);
const T1: Duration = Duration::from_millis(500);
/// How long an answer is waited for after the last INVITE.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often they call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many at once; one that is over makes room for the next.
    AtOnce(usize),
    /// So many a second, whatever becomes of them.
    Rate(f64),
}

/// What became of the calls of a step.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    time: Duration,
    pub(crate) offered: u64,
    /// From INVITE to the BYE's 200, within the step's time.
    pub(crate) served: u64,
    pub(crate) refused: u64,
    /// Refused by another status: the store was late, say.
    pub(crate) others: u64,
    pub(crate) unanswered: u64,
    pub(crate) byes: u64,
    pub(crate) byes_answered: u64,
    pub(crate) repeats: u64,
    pub(crate) refusals: Times,
    pub(crate) answers: Times,
}

impl Outcome {
    pub(crate) fn goodput(&self) -> f64 {
        self.rate(self.served)
    }

    pub(crate) fn rate(&self, count: u64) -> f64 {
        f64::from(u32::try_from(count).unwrap()) / self.time.as_secs_f64()
    }
}

/// How long something took, milliseconds each.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1_000.0);
    }

    /// Returns a quantile.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        sorted.get(at).copied().unwrap_or(0.0)
    }
}

/// One call.
struct Call {
    begun: Instant,
    /// What waits for an answer, when it is sent again, and how long after that.
    asked: String,
    again: Instant,
    interval: Duration,
    leaving: bool,
}

/// All callers, on one socket.
pub(crate) struct Callers {
    socket: Socket,
    target: SocketAddr,
    number: u64,
    calls: BTreeMap<u64, Call>,
    /// Calls in the order in which they repeat, about.
    repeats: VecDeque<(Instant, u64)>,
    outbox: Vec<String>,
}

impl Callers {
    pub(crate) fn facing(target: SocketAddr) -> Self {
        let socket = Socket::bind(SIDE.parse().unwrap(), Some(8 << 20)).unwrap();
        let (calls, repeats) = (BTreeMap::new(), VecDeque::new());
        Self { socket, target, number: 0, calls, repeats, outbox: Vec::new() }
    }

    /// Calls for a while, and sees every call to its end.
    pub(crate) fn call(&mut self, pace: Pace, time: Duration) -> Outcome {
        let mut outcome = Outcome { time, ..Outcome::default() };
        let mut inbox = Box::new(Inbox::<64>::new(4_096));
        let begun = Instant::now();
        loop {
            let now = Instant::now();
            let passed = now - begun;
            if passed < time {
                self.invite(pace, passed, &mut outcome);
            } else if self.calls.is_empty() || passed > time + PATIENCE {
                break;
            }
            self.flush();
            while self.socket.receive(&mut inbox).unwrap() > 0 {
                let now = Instant::now();
                let within = now - begun <= time;
                for received in inbox.iter() {
                    let text = std::str::from_utf8(received.payload).unwrap();
                    self.hear(text, (now, within), &mut outcome);
                }
                self.flush();
            }
            self.repeat(now, &mut outcome);
            std::thread::sleep(Duration::from_micros(200));
        }
        outcome.unanswered = u64::try_from(self.calls.len()).unwrap();
        self.calls.clear();
        self.repeats.clear();
        outcome
    }

    fn invite(&mut self, pace: Pace, passed: Duration, outcome: &mut Outcome) {
        let due = match pace {
            Pace::AtOnce(most) => most.saturating_sub(self.calls.len()),
            Pace::Rate(rate) => {
                let due = (passed.as_secs_f64() * rate) as u64;
                usize::try_from(due.saturating_sub(outcome.offered)).unwrap()
            }
        };
        for _ in 0..due {
            self.number += 1;
            outcome.offered += 1;
            let invite = invite(self.number, self.target);
            self.outbox.push(invite.clone());
            self.wait(self.number, Instant::now(), invite, false);
        }
    }

    fn wait(&mut self, number: u64, now: Instant, asked: String, leaving: bool) {
        let begun = self.calls.get(&number).map_or(now, |call| call.begun);
        let again = now + T1;
        self.calls.insert(number, Call { begun, asked, again, interval: T1, leaving });
        self.repeats.push_back((again, number));
    }

    fn hear(&mut self, text: &str, (now, within): (Instant, bool), outcome: &mut Outcome) {
        let field = |name| {
            let (_, rest) = text.split_once(name)?;
            rest.split_once("\r\n").map(|(value, _)| value)
        };
        let number = field("Call-ID: ").and_then(|id| id.split_once('-'));
        let number: u64 = number.and_then(|(number, _)| number.parse().ok()).unwrap();
        let (Some(status), Some(to)) = (text.get(8..11), field("To: ")) else { return };
        let bye = field("CSeq: ").is_some_and(|cseq| cseq.ends_with("BYE"));
        let Some(call) = self.calls.get_mut(&number) else {
            // A refusal that came twice wants its ACK twice.
            return;
        };
        match (status, bye) {
            ("100" | "180" | "183", _) => call.again = now + Duration::from_secs(60),
            ("200", true) => {
                outcome.byes_answered += 1;
                outcome.served += u64::from(within);
                self.calls.remove(&number);
            }
            ("200", false) if call.leaving => {}
            ("200", false) => {
                outcome.answers.add(now - call.begun);
                outcome.byes += 1;
                self.outbox.push(within_dialog("ACK", (number, 1), to, self.target));
                let bye = within_dialog("BYE", (number, 2), to, self.target);
                self.outbox.push(bye.clone());
                self.wait(number, now, bye, true);
            }
            _ => {
                if status == "503" {
                    outcome.refused += 1;
                    outcome.refusals.add(now - call.begun);
                } else {
                    outcome.others += 1;
                }
                self.outbox.push(refusal_ack(number, to, self.target));
                self.calls.remove(&number);
            }
        }
    }

    fn repeat(&mut self, now: Instant, outcome: &mut Outcome) {
        while let Some((at, number)) = self.repeats.front().copied()
            && at <= now
        {
            self.repeats.pop_front();
            let Some(call) = self.calls.get_mut(&number) else { continue };
            if call.again > now {
                if call.again < now + Duration::from_secs(10) {
                    self.repeats.push_back((call.again, number));
                }
                continue;
            }
            call.interval *= 2;
            call.again = now + call.interval;
            self.outbox.push(call.asked.clone());
            self.repeats.push_back((call.again, number));
            outcome.repeats += 1;
        }
    }

    fn flush(&mut self) {
        let target = self.target;
        let datagrams: Vec<Datagram<'_>> = self
            .outbox
            .iter()
            .map(|text| Datagram { destination: target, payload: text.as_bytes() })
            .collect();
        self.socket.send_all(&datagrams);
        self.outbox.clear();
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite(number: u64, target: SocketAddr) -> String {
    let room = room(number);
    format!(
        "INVITE sip:{room}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {SIDE};branch=z9hG4bKi{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:load@{SIDE}>;tag=f{number}\r\nTo: <sip:{room}@{target}>\r\n\
         Call-ID: {number}-load\r\nCSeq: 1 INVITE\r\nContact: <sip:load@{SIDE}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn refusal_ack(number: u64, to: &str, target: SocketAddr) -> String {
    let room = room(number);
    format!(
        "ACK sip:{room}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {SIDE};branch=z9hG4bKi{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:load@{SIDE}>;tag=f{number}\r\nTo: {to}\r\n\
         Call-ID: {number}-load\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
    )
}

fn within_dialog(method: &str, (number, cseq): (u64, u32), to: &str, target: SocketAddr) -> String {
    format!(
        "{method} sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP {SIDE};branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:load@{SIDE}>;tag=f{number}\r\nTo: {to}\r\n\
         Call-ID: {number}-load\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn room(number: u64) -> u64 {
    ROOMS.0 + number % ROOMS.1
}
