//! A carrier that is written by hand: it answers one call by its manners, good or bad, sends audio
//! while it may, and notes what it was asked.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::now;
use super::ports;

/// How long a carrier waits in all.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a carrier does with what it is asked: the status of each answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// To OPTIONS outside of the call; 0 is silence.
    pub(crate) options: u16,
    /// Whether its 183 is reliable, and described.
    pub(crate) reliable: bool,
    /// Whether telephone-events are agreed on.
    pub(crate) events: bool,
    /// To INFO.
    pub(crate) info: u16,
    /// To OPTIONS and UPDATE in the call.
    pub(crate) life: u16,
    /// To a re-INVITE with SDP, and to one without.
    pub(crate) changes: [u16; 2],
    /// Whether it sends audio.
    pub(crate) speaks: bool,
}

/// The good ones.
pub(crate) const POLITE: Manners = Manners {
    options: 200,
    reliable: true,
    events: true,
    info: 200,
    life: 200,
    changes: [200, 200],
    speaks: true,
};

/// A carrier on an address, until dropped.
#[derive(Debug)]
pub(crate) struct Carrier {
    address: SocketAddr,
    end: Sender<()>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Carrier {
    /// Waits for a call.
    pub(crate) fn with(manners: Manners) -> Self {
        let (first, sip) = ports::row_with_socket(4, "127.0.0.2", 0);
        let rtp = UdpSocket::bind(("127.0.0.2", first + 2)).expect("the row is free");
        let address = sip.local_addr().expect("it is bound");
        let (end, ended) = channel();
        let desk = Desk { manners, sip, rtp, hears: None, held: false, log: Vec::new() };
        let thread = Some(thread::spawn(move || desk.run(&ended)));
        Self { address, end, thread }
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends it, and returns the first lines of what it was asked, each with its body's direction.
    pub(crate) fn asked(mut self) -> Vec<String> {
        self.end.send(()).unwrap_or_default();
        let thread = self.thread.take().expect("it is taken here alone");
        thread.join().expect("the carrier does not panic")
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.end.send(()).unwrap_or_default();
    }
}

/// The carrier's thread.
struct Desk {
    manners: Manners,
    sip: UdpSocket,
    rtp: UdpSocket,
    hears: Option<SocketAddr>,
    held: bool,
    log: Vec<String>,
}

impl Desk {
    fn run(mut self, ended: &Receiver<()>) -> Vec<String> {
        let pause = Duration::from_millis(20);
        self.sip.set_read_timeout(Some(pause)).expect("sockets have timeouts");
        let (began, mut buffer) = (now(), vec![0; 65_535]);
        let mut sequence = 0_u16;
        while ended.try_recv() == Err(TryRecvError::Empty) && now() - began < PATIENCE {
            if let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                self.serve(&text, from);
            }
            if let Some(hears) = self.hears.filter(|_| self.manners.speaks && !self.held) {
                sequence = sequence.wrapping_add(1);
                let mut packet = vec![0x80, 8];
                packet.extend(sequence.to_be_bytes());
                packet.extend((u32::from(sequence) * 160).to_be_bytes());
                packet.extend([1, 2, 3, 4]);
                packet.extend([0x55; 160]);
                drop(self.rtp.send_to(&packet, hears));
            }
        }
        self.log
    }

    fn serve(&mut self, text: &str, from: SocketAddr) {
        let method = text.split(' ').next().unwrap_or("").to_owned();
        let inside = header(text, "To").contains("tag=");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let direction = body.lines().find(|line| line.starts_with("a=send")).unwrap_or("-");
        self.log.push(format!("{method} {direction}"));
        match (method.as_str(), inside) {
            ("INVITE", false) => {
                let media = body.lines().find_map(|line| line.strip_prefix("m=audio "));
                let port = media.and_then(|rest| rest.split(' ').next()?.parse().ok());
                self.hears = port.map(|port: u16| SocketAddr::new(from.ip(), port));
                self.say(head, from, "100 Trying", "", "");
                if self.manners.reliable {
                    let more = "Require: 100rel\r\nRSeq: 7\r\n";
                    let described = self.described("sendrecv");
                    self.say(head, from, "183 Session Progress", more, &described);
                } else {
                    self.say(head, from, "180 Ringing", "", "");
                    self.answer(head, from);
                }
            }
            ("PRACK", _) => {
                self.say(head, from, "200 OK", "", "");
                let invite = self.log.iter().find(|line| line.starts_with("head ")).cloned();
                if let Some(invite) = invite {
                    self.answer(&invite["head ".len()..], from);
                }
            }
            ("INVITE", true) => self.change(head, from, direction, body.is_empty()),
            ("OPTIONS", false) if self.manners.options == 0 => {}
            ("OPTIONS", false) => self.plainly(head, from, self.manners.options),
            ("OPTIONS" | "UPDATE", true) => self.plainly(head, from, self.manners.life),
            ("INFO", _) => self.plainly(head, from, self.manners.info),
            ("BYE", _) => {
                self.hears = None;
                self.plainly(head, from, 200);
            }
            _ => {}
        }
        if method == "INVITE" && !inside {
            self.log.push(format!("head {head}"));
        }
    }

    fn answer(&self, head: &str, from: SocketAddr) {
        let allow = if self.manners.life == 200 { ", UPDATE" } else { "" };
        let timer = "Session-Expires: 1800;refresher=uas\r\n";
        let more = format!("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS{allow}\r\n{timer}");
        self.say(head, from, "200 OK", &more, &self.described("sendrecv"));
    }

    fn change(&mut self, head: &str, from: SocketAddr, direction: &str, late: bool) {
        let status = self.manners.changes[usize::from(late)];
        if status != 200 {
            return self.plainly(head, from, status);
        }
        self.held = direction == "a=sendonly";
        let own = if self.held { "recvonly" } else { "sendrecv" };
        self.say(head, from, "200 OK", "", &self.described(own));
    }

    fn described(&self, direction: &str) -> String {
        let port = self.rtp.local_addr().expect("it is bound").port();
        let (number, event) = match self.manners.events {
            true => (" 101", "a=rtpmap:101 telephone-event/8000\r\n"),
            false => ("", ""),
        };
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8{number}\r\na=rtpmap:8 PCMA/8000\r\n{event}a={direction}\r\n"
        )
    }

    fn plainly(&self, head: &str, to: SocketAddr, status: u16) {
        self.say(head, to, &format!("{status} Answer"), "", "");
    }

    fn say(&self, head: &str, to: SocketAddr, status: &str, more: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text.push_str(&format!("{name}: {}\r\n", header(head, name)));
        }
        let tag = if header(head, "To").contains("tag=") { "" } else { ";tag=carrier" };
        let own = self.sip.local_addr().expect("it is bound");
        let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        text.push_str(&format!(
            "To: {}{tag}\r\nContact: <sip:{own}>\r\n{more}{typed}Content-Length: {}\r\n\r\n{body}",
            header(head, "To"),
            body.len()
        ));
        // Whoever asked may be gone.
        drop(self.sip.send_to(text.as_bytes(), to));
    }
}

/// The first header of a name.
fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let named = |line: &'a str| line.split_once(": ").filter(|(found, _)| *found == name);
    text.lines().find_map(named).map_or("", |(_, value)| value)
}
