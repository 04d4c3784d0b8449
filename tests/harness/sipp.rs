//! SIPp, one call at a time, with a scenario of `sipp-scenarios/`.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::clock::{secs, wait_for};
use super::phone::Phone;
use super::{ports, proxy};

/// Returns a row of ports for a call that is awaited at an address, and the socket of its phone.
pub(crate) fn row_to_be_called_on(address: &str) -> (u16, UdpSocket) {
    ports::row_with_socket(PORTS, address, PHONE)
}

/// Where SIPp's own media sockets lie above its SIP port, and the phone's above those.
const MEDIA: u16 = 10;
const PHONE: u16 = MEDIA + 4;
const PORTS: u16 = 20;

/// A call that SIPp is to make.
#[derive(Debug)]
pub(crate) struct Call {
    scenario: &'static str,
    /// `None` waits to be called.
    target: Option<SocketAddr>,
    from: &'static str,
    number: &'static str,
    stay: Duration,
    limit: Duration,
    tolerant: bool,
    stream: bool,
    /// What Contact says in place of SIPp's own address.
    contact: Option<String>,
    times: u32,
}

impl Call {
    /// Plans a call from the trunk's address, or from behind what stands there.
    pub(crate) fn new(scenario: &'static str, number: &'static str, target: SocketAddr) -> Self {
        let behind = target.ip().to_string() == proxy::BORDER;
        let from = if behind { proxy::BEHIND } else { proxy::BORDER };
        Self { target: Some(target), from, number, ..Self::awaited(scenario) }
    }

    /// Plans to be called, at the trunk's address.
    pub(crate) fn awaited(scenario: &'static str) -> Self {
        Self {
            scenario,
            target: None,
            from: "127.0.0.2",
            number: "",
            stay: secs(1),
            limit: secs(60),
            tolerant: false,
            stream: false,
            contact: None,
            times: 1,
        }
    }

    /// Waits to be called on the first port of a row.
    pub(crate) fn wait_on(self, first: u16, phone: UdpSocket) -> Dialled {
        let stream = self.stream;
        let sipp = self.start(first);
        // Whoever is called before SIPp listens is refused, or hears the INVITE late.
        wait_for("SIPp's socket", secs(10), || is_bound(first, stream).then_some(()));
        Dialled { phone: Phone::on(phone), sipp }
    }

    /// Plans what `[service]` of the scenario stands for.
    pub(crate) fn number(mut self, number: &'static str) -> Self {
        self.number = number;
        self
    }

    /// Plans how long the caller stays.
    pub(crate) fn stay(mut self, stay: Duration) -> Self {
        self.stay = stay;
        self
    }

    /// Plans when to give up.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Plans to call from another address.
    pub(crate) fn from(mut self, address: &'static str) -> Self {
        self.from = address;
        self
    }

    /// Plans to overlook what the network brings too late or twice.
    pub(crate) fn tolerant(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// Plans to speak TCP: the same scenario, its Via and Contact rewritten.
    pub(crate) fn over_tcp(mut self) -> Self {
        self.stream = true;
        self
    }

    /// Plans to be reached by a relay: what it forwards comes back through it.
    pub(crate) fn behind(mut self, relay: SocketAddr, transport: &str) -> Self {
        self.contact = Some(format!("{relay};transport={transport}"));
        self
    }

    /// Plans to be called so many times.
    pub(crate) fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Dials, with a phone on the media port.
    pub(crate) fn dial(self) -> Dialled {
        let (first, socket) = ports::row_with_socket(PORTS, self.from, PHONE);
        Dialled { phone: Phone::on(socket), sipp: self.start(first) }
    }

    /// Dials, with nobody on the media port: no RTP is ever sent.
    pub(crate) fn dial_without_phone(self) -> Sipp {
        let first = ports::row(PORTS);
        self.start(first)
    }

    fn start(self, first: u16) -> Sipp {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sipp-scenarios");
        let errors = folder.path().join("errors.log");
        let messages = folder.path().join("messages.log");
        let behaviour = if self.tolerant { "all,-abortunexp" } else { "all" };
        let text = fs::read_to_string(scenarios.join(self.scenario));
        let text = self.adapted(text.expect("the scenario is there"));
        let scenario = folder.path().join(self.scenario);
        fs::write(&scenario, text).expect("the folder is writable");
        let child = Command::new("sipp")
            .args(self.target.map(|target| target.to_string()))
            .arg("-sf")
            .arg(scenario)
            .args(["-t", if self.stream { "t1" } else { "u1" }])
            .args(["-s", if self.number.is_empty() { "called" } else { self.number }])
            .args(["-i", self.from, "-m", &self.times.to_string(), "-nostdin"])
            .args(["-p", &first.to_string(), "-mp", &(first + MEDIA).to_string()])
            .args(["-cp", &(first + 2).to_string()])
            .args(["-d", &self.stay.as_millis().to_string()])
            .args(["-timeout", &format!("{}s", self.limit.as_secs()), "-timeout_error"])
            .args(["-cid_str", &format!("%u-{first}@%s")])
            .args(["-default_behaviors", behaviour])
            .arg("-trace_err")
            .arg("-error_file")
            .arg(&errors)
            .arg("-trace_msg")
            .arg("-message_file")
            .arg(&messages)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp is installed (Debian: sip-tester)");
        let call_id = format!("1-{first}@{}", self.from);
        Sipp { child, folder, call_id, scenario: self.scenario, limit: self.limit }
    }

    /// Rewrites a scenario for the transport, the address family and the place in the network.
    fn adapted(&self, mut text: String) -> String {
        if let Some(contact) = &self.contact {
            let own = "Contact: <sip:[local_ip]:[local_port]>";
            text = text.replace(own, &format!("Contact: <sip:{contact}>"));
        }
        if self.stream {
            text = text.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
            text = text.replace("[local_port]>\n", "[local_port];transport=tcp>\n");
        }
        if self.from.contains(':') {
            text = text.replace("IN IP4 [media_ip]", "IN IP6 [media_ip]");
        }
        text
    }
}

/// Whether somebody listens on a port.
fn is_bound(port: u16, stream: bool) -> bool {
    let tables = if stream { ["tcp", "tcp6"] } else { ["udp", "udp6"] };
    let place = format!(":{port:04X}");
    let listens = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().is_some_and(|local| local.ends_with(&place));
        local && (!stream || columns.nth(1) == Some("0A"))
    };
    tables.iter().any(|table| {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        text.lines().any(listens)
    })
}

/// A call being made, with the phone that talks and listens in it.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) phone: Phone,
    pub(crate) sipp: Sipp,
}

/// SIPp at work.
#[derive(Debug)]
pub(crate) struct Sipp {
    child: Child,
    folder: TempDir,
    /// The Call-ID of its call.
    pub(crate) call_id: String,
    scenario: &'static str,
    limit: Duration,
}

impl Sipp {
    /// Waits for its end and asserts that everything went as the scenario says.
    pub(crate) fn succeed(mut self) -> Trace {
        let status = self.wait();
        let (messages, errors) = (self.read("messages.log"), self.read("errors.log"));
        assert!(status.success(), "{}: {status}\n{errors}\n{messages}", self.scenario);
        Trace::of(&messages)
    }

    /// Waits for its end; `None` if something went otherwise than the scenario says.
    pub(crate) fn ended(mut self) -> Option<Trace> {
        let status = self.wait();
        status.success().then(|| Trace::of(&self.read("messages.log")))
    }

    /// Returns what went over the wire so far.
    pub(crate) fn so_far(&self) -> Trace {
        Trace::of(&self.read("messages.log"))
    }

    fn wait(&mut self) -> ExitStatus {
        let limit = self.limit + secs(10);
        wait_for("SIPp", limit, || self.child.try_wait().expect("it is a child"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What went over the wire, in order.
#[derive(Debug)]
pub(crate) struct Trace(Vec<Message>);

/// One message with the second of the day at which SIPp saw it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) at: f64,
    pub(crate) sent: bool,
    pub(crate) text: String,
}

impl Trace {
    fn of(log: &str) -> Self {
        let parts = log.split("-----------------------------------------------").skip(1);
        Self(parts.filter_map(message).collect())
    }

    /// Returns the first message received that starts so.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn received(&self, start: &str) -> &Message {
        let mut received = self.0.iter().filter(|message| !message.sent);
        let found = received.find(|message| message.text.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} never came: {self:#?}"))
    }

    /// Returns the first message sent that starts so.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn sent(&self, start: &str) -> &Message {
        let mut sent = self.0.iter().filter(|message| message.sent);
        let found = sent.find(|message| message.text.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} was never sent: {self:#?}"))
    }

    /// Returns the seconds from the first 200 sent to the first BYE, whoever sent it.
    pub(crate) fn talked(&self) -> f64 {
        let bye = self.0.iter().find(|message| message.text.starts_with("BYE "));
        bye.expect("the call ended").at - self.sent("SIP/2.0 200").at
    }

    /// Returns how many messages received start so.
    pub(crate) fn count(&self, start: &str) -> usize {
        let received = self.0.iter().filter(|message| !message.sent);
        received.filter(|message| message.text.starts_with(start)).count()
    }

    /// Returns the seconds from our 200 to the first BYE, whoever sent it.
    pub(crate) fn connected(&self) -> f64 {
        let bye = self.0.iter().find(|message| message.text.starts_with("BYE "));
        let end = bye.expect("the call ended").at;
        end - self.received("SIP/2.0 200").at
    }
}

/// Reads one part of SIPp's log: a date and time, a line about it, the message.
fn message(part: &str) -> Option<Message> {
    let mut lines = part.trim_start().splitn(3, '\n');
    let time = lines.next()?.split_whitespace().nth(1)?;
    let sent = lines.next()?.contains("sent");
    let text = lines.next()?.trim_start().to_owned();
    let mut units = time.split(':').map(|unit| unit.parse::<f64>().ok());
    let at = units.next()?? * 3600.0 + units.next()?? * 60.0 + units.next()??;
    Some(Message { at, sent, text })
}
