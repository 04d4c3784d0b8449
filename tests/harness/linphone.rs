//! linphonec, a telephone that others wrote, told what to do at its prompt. It calls only where it
//! finds a network beside loopback: see `network`.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::clock::{secs, wait_for};
use super::phone::Sound;
use super::telephone::{Telephone, Way};
use super::{network, ports, wave};

/// Ports: SIP, audio.
const PORTS: u16 = 8;

/// One telephone; off when dropped.
#[derive(Debug)]
pub(crate) struct Linphone {
    child: Child,
    prompt: ChildStdin,
    folder: TempDir,
    transport: &'static str,
}

impl Linphone {
    /// Switches one on that speaks a tone as long as it is in a call.
    pub(crate) fn on(way: Way<'_>, hertz: f64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let home = folder.path();
        wave::write_tone(&home.join("tone.wav"), hertz);
        // Its list of calls is a file here.
        fs::create_dir_all(home.join(".local/share/linphone")).expect("the folder is writable");
        let settings = settings(way, ports::row(PORTS));
        fs::write(home.join("settings"), settings).expect("the folder is writable");
        let said = File::create(home.join("said")).expect("the folder is writable");
        let mut child = Command::new("timeout")
            .args(["--kill-after=5", "60", "linphonec", "-d", "5", "-c", "settings", "-l", "log"])
            .current_dir(home)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(said.try_clone().expect("a file can be opened twice"))
            .stderr(said)
            .spawn()
            .expect("timeout is there (Debian: coreutils)");
        let prompt = child.stdin.take().expect("it was asked for");
        let mut phone = Self { child, prompt, folder, transport: way.transport() };
        phone.wait_for("network reachability state is now [UP]");
        phone.order("soundcard use files");
        phone.order("play tone.wav");
        phone.order("record heard.wav");
        phone
    }

    fn order(&mut self, command: &str) {
        writeln!(self.prompt, "{command}").expect("linphonec reads");
    }

    fn wait_for(&self, words: &str) {
        let heard = || (self.said() + &self.log()).contains(words).then_some(());
        wait_for(&format!("linphonec (Debian: linphone-cli): {words}"), secs(15), heard);
    }

    /// Returns what it said at its prompt.
    pub(crate) fn said(&self) -> String {
        self.read("said")
    }

    fn log(&self) -> String {
        self.read("log")
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Telephone for Linphone {
    fn dial(&mut self, number: &str, target: SocketAddr) {
        self.order(&format!("call sip:{number}@{target};transport={}", self.transport));
        self.wait_for("Media streams established");
    }

    fn press(&mut self, keys: &str) {
        self.order(keys);
    }

    fn hang_up(&mut self) {
        self.order("terminate");
        self.wait_for(" ended (");
    }

    fn heard(&self) -> Sound {
        wave::read(&self.folder.path().join("heard.wav"))
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        // `timeout` hands the signal on; it may have ended by itself.
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(120)..].join("\n");
            eprintln!("linphonec said:\n{}\n{last}", self.said());
        }
    }
}

fn settings(way: Way<'_>, first: u16) -> String {
    // It looks for names in certificates, never for addresses: the signature alone is verified.
    let (ports, media) = match way {
        Way::Plain => (format!("sip_port={first}\nsip_tcp_port=0\nsip_tls_port=0\n"), ""),
        Way::Secured(authority) => (
            format!(
                "sip_port=0\nsip_tcp_port=0\nsip_tls_port=-1\n\
                 verify_server_cn=0\nroot_ca={}\n",
                authority.display()
            ),
            "media_encryption=srtp\nmedia_encryption_mandatory=1\n",
        ),
    };
    format!(
        "[sip]\n{ports}{media}guess_hostname=1\n\
         contact=sip:+390119876543@{}\nuse_info=0\nuse_rfc2833=1\n\
         [net]\nfirewall_policy=0\n[rtp]\naudio_rtp_port={}\n[sound]\nechocancellation=0\n",
        network::ADDRESS,
        first + 4,
    )
}
