//! People who are called: all behind one socket, they answer at once and hang up as soon as the
//! answer is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::harness::clock::now;

/// After how long a BYE that nobody answers is said again.
const AGAIN: Duration = Duration::from_millis(500);
/// Room for bursts, bytes.
const BUFFER: usize = 8 << 20;

/// When each number's INVITE came.
pub(crate) type Arrivals = BTreeMap<String, Instant>;

/// A socket with a thread; over when dropped.
#[derive(Debug)]
pub(crate) struct Callee {
    port: u16,
    arrivals: Arc<Mutex<Arrivals>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Callee {
    /// Waits to be called at an address.
    pub(crate) fn at(address: &str) -> Self {
        let bound = |()| UdpSocket::bind((address, 0)).expect("loopback has free ports");
        let (sip, audio) = (bound(()), bound(()));
        SockRef::from(&sip).set_recv_buffer_size(BUFFER).expect("sockets have buffers");
        sip.set_read_timeout(Some(Duration::from_millis(20))).expect("sockets have timeouts");
        let port = sip.local_addr().expect("it is bound").port();
        let (arrivals, over) =
            (Arc::<Mutex<Arrivals>>::default(), Arc::new(AtomicBool::new(false)));
        let desk = Desk {
            sip,
            audio,
            arrivals: Arc::clone(&arrivals),
            over: Arc::clone(&over),
            answered: BTreeMap::new(),
            leaving: VecDeque::new(),
        };
        let thread = Some(thread::spawn(move || desk.run()));
        Self { port, arrivals, over, thread }
    }

    /// Returns where SIP is awaited.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many people were called.
    pub(crate) fn called(&self) -> usize {
        self.seen().len()
    }

    /// Returns when they were, and forgets them.
    pub(crate) fn take(&mut self) -> Arrivals {
        std::mem::take(&mut self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().expect("the thread does not panic")
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The thread.
struct Desk {
    sip: UdpSocket,
    /// Takes what is said to them, and leaves it there.
    audio: UdpSocket,
    arrivals: Arc<Mutex<Arrivals>>,
    over: Arc<AtomicBool>,
    /// Their BYEs, by Call-ID, until they are answered.
    answered: BTreeMap<String, (SocketAddr, String)>,
    leaving: VecDeque<(Instant, String)>,
}

impl Desk {
    fn run(mut self) {
        let mut buffer = [0; 8_192];
        while !self.over.load(Ordering::Relaxed) {
            if let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
                let at = now();
                if let Ok(text) = std::str::from_utf8(&buffer[..length]) {
                    self.hear(text, from, at);
                }
            }
            self.repeat();
        }
    }

    fn hear(&mut self, text: &str, from: SocketAddr, at: Instant) {
        if text.starts_with("INVITE ") {
            self.answer(text, from, at);
        } else if text.starts_with("ACK ") {
            let id = header(text, "Call-ID").to_owned();
            self.hang_up(&id);
            self.leaving.push_back((at + AGAIN, id));
        } else if text.starts_with("BYE ") {
            self.say(&format!("SIP/2.0 200 OK\r\n{}\r\n", echoed(text)), from);
        } else if header(text, "CSeq").ends_with("BYE") {
            self.answered.remove(header(text, "Call-ID"));
        }
    }

    fn answer(&mut self, invite: &str, from: SocketAddr, at: Instant) {
        let number = invite.split(['@', ':']).nth(1).unwrap_or_default();
        let mut arrivals = self.arrivals.lock().expect("nobody panics with it");
        arrivals.entry(number.to_owned()).or_insert(at);
        drop(arrivals);
        let here = self.sip.local_addr().expect("it is bound");
        let port = self.audio.local_addr().expect("it is bound").port();
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\n",
            here.ip()
        );
        let id = header(invite, "Call-ID");
        let ok = format!(
            "SIP/2.0 200 OK\r\n{}Contact: <sip:{here}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            echoed(invite),
            body.len()
        );
        self.say(&ok, from);
        let bye = format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
             From: {};tag=callee\r\nTo: {}\r\nCall-ID: {id}\r\nCSeq: 1 BYE\r\n\
             Content-Length: 0\r\n\r\n",
            header(invite, "Contact").trim_matches(['<', '>']),
            header(invite, "To"),
            header(invite, "From"),
        );
        self.answered.insert(id.to_owned(), (from, bye));
    }

    fn hang_up(&self, id: &str) {
        if let Some((to, bye)) = self.answered.get(id) {
            self.say(bye, *to);
        }
    }

    fn repeat(&mut self) {
        let at = now();
        while self.leaving.front().is_some_and(|(due, _)| *due <= at) {
            let Some((_, id)) = self.leaving.pop_front() else { return };
            if self.answered.contains_key(&id) {
                self.hang_up(&id);
                self.leaving.push_back((at + AGAIN, id));
            }
        }
    }

    fn say(&self, text: &str, to: SocketAddr) {
        // What is lost is said again.
        drop(self.sip.send_to(text.as_bytes(), to));
    }
}

/// The header fields that an answer repeats, with a tag in To.
fn echoed(request: &str) -> String {
    let mut text = String::new();
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let value = header(request, name);
        let tag = if name == "To" && !value.contains(";tag=") { ";tag=callee" } else { "" };
        text.push_str(&format!("{name}: {value}{tag}\r\n"));
    }
    text
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let named = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    text.lines().find_map(named).unwrap_or_default()
}
