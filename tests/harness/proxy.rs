//! A carrier's border before the gateway: Kamailio, which stays in the signalling's way, and
//! rtpengine, through which the audio goes.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::clock::{pause, secs, wait_for};
use super::ports;

/// Where the border is, as the trunk's settings say; callers behind it are elsewhere.
pub(crate) const BORDER: &str = "127.0.0.2";
/// Where callers behind the border are.
pub(crate) const BEHIND: &str = "127.0.0.3";
/// Names the path that calls of this run take.
pub(crate) const VARIABLE: &str = "TOLLGATE_TEST_PATH";

/// Ports: SIP, the relay's orders, audio.
const PORTS: u16 = 64;
const CONFIG: &str = include_str!("kamailio.cfg");
/// Neither outlives this, whatever becomes of the test.
const LIFE: &str = "240";

/// Both processes; ended when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    children: Vec<Child>,
    _folder: TempDir,
}

impl Proxy {
    /// Whether the calls of this run go through one.
    #[expect(clippy::disallowed_methods, reason = "a run of tests is told its path from outside")]
    pub(crate) fn is_wanted() -> bool {
        std::env::var(VARIABLE).is_ok_and(|path| path == "proxy")
    }

    /// Puts one before a listener.
    pub(crate) fn before(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let first = ports::row(PORTS);
        let [own, relay] = [first, first + 1].map(|port| format!("{BORDER}:{port}"));
        let config = folder.path().join("kamailio.cfg");
        let text = CONFIG.replace("OWN", &own).replace("RELAY", &relay);
        fs::write(&config, text.replace("TARGET", &target.to_string())).expect("it is writable");
        let path = folder.path().to_string_lossy().into_owned();
        let media = [
            // The machine's own one would have it open ports that all share.
            "--config-file=none".to_owned(),
            "--table=-1".to_owned(),
            "--foreground".to_owned(),
            "--log-stderr".to_owned(),
            "--num-threads=1".to_owned(),
            format!("--interface={BORDER}"),
            format!("--listen-ng={relay}"),
            format!("--port-min={}", first + 4),
            format!("--port-max={}", first + PORTS - 1),
            format!("--pidfile={path}/rtpengine.pid"),
        ];
        let config = config.to_string_lossy();
        let signalling =
            ["-f", &config, "-D", "-E", "-m", "16", "-M", "4", "-Y", &path, "-w", &path];
        let children = vec![
            bounded("rtpengine", &media.each_ref().map(String::as_str)),
            bounded("kamailio", &signalling),
        ];
        let address = own.parse().expect("an address");
        wait_for("rtpengine", secs(20), || asked(&relay, "t1 d7:command4:pinge", "pong"));
        wait_for("kamailio", secs(20), || asked(&own, &hopless(&own), "SIP/2.0 483"));
        Self { address, children, _folder: folder }
    }

    /// Returns where callers call.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for child in &mut self.children {
            // `timeout` hands the signal on; either may have ended by itself.
            drop(Command::new("kill").args(["-TERM", &child.id().to_string()]).status());
        }
        for child in &mut self.children {
            for _ in 0..100 {
                if child.try_wait().is_ok_and(|end| end.is_some()) {
                    break;
                }
                pause(Duration::from_millis(50));
            }
        }
    }
}

fn bounded(name: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LIFE, name]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("timeout is there (Debian: coreutils)")
}

/// Asks by a datagram and says whether the answer has something in it.
fn asked(address: &str, question: &str, wanted: &str) -> Option<()> {
    let socket = UdpSocket::bind((BEHIND, 0)).expect("loopback has free ports");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("sockets have timeouts");
    socket.send_to(question.as_bytes(), address).ok()?;
    let mut answer = [0; 2_048];
    let length = socket.recv(&mut answer).ok()?;
    String::from_utf8_lossy(&answer[..length]).contains(wanted).then_some(())
}

/// A request that a proxy refuses to carry on.
fn hopless(address: &str) -> String {
    format!(
        "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {BEHIND};branch=z9hG4bKready;rport\r\n\
         From: <sip:a@{BEHIND}>;tag=1\r\nTo: <sip:{address}>\r\nCall-ID: ready\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
    )
}
