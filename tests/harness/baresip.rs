//! baresip, a telephone that others wrote, told what to do over its control connection.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::clock::{pause, secs, wait_for};
use super::phone::Sound;
use super::ports;

/// Where it is.
const HOME: &str = "127.0.0.2";
/// Ports: SIP, control, audio.
const PORTS: u16 = 20;
/// Samples of a second, as everything here has.
const RATE: u32 = 8_000;

/// How it calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    /// By datagrams, audio in clear.
    Plain,
    /// By TLS, audio by SRTP or not at all; with the authority that signs the gateway.
    Secured(&'a Path),
}

/// One telephone; off when dropped.
#[derive(Debug)]
pub(crate) struct Baresip {
    child: Child,
    control: TcpStream,
    folder: TempDir,
    transport: &'static str,
}

impl Baresip {
    /// Switches one on that speaks a tone as long as it is in a call.
    pub(crate) fn on(way: Way<'_>, hertz: f64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let first = ports::row(PORTS);
        let home = folder.path();
        let write = |name: &str, text: String| {
            fs::write(home.join(name), text).expect("the folder is writable");
        };
        write("config", config(way, first, home));
        let (transport, media) = match way {
            Way::Plain => ("udp", ""),
            Way::Secured(_) => ("tls", ";mediaenc=srtp-mand"),
        };
        write(
            "accounts",
            format!(
                "<sip:+390119876543@{HOME};transport={transport}>;regint=0\
                 ;audio_codecs=PCMU/8000;dtmfmode=rtpevent{media}\n"
            ),
        );
        write("contacts", String::new());
        fs::write(home.join("tone.wav"), tone(hertz)).expect("the folder is writable");
        let log = File::create(home.join("log")).expect("the folder is writable");
        let child = Command::new("timeout")
            .args(["--kill-after=5", "120", "baresip", "-4", "-s", "-n", HOME, "-f"])
            .arg(home)
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("timeout is there (Debian: coreutils)");
        let control = wait_for("baresip (Debian: baresip-core)", secs(20), || {
            TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], first + 1))).ok()
        });
        control.set_read_timeout(Some(secs(3))).expect("sockets have timeouts");
        Self { child, control, folder, transport }
    }

    /// Calls a number at a listener.
    pub(crate) fn dial(&mut self, number: &str, target: SocketAddr) {
        self.order("dial", &format!("sip:{number}@{target};transport={}", self.transport));
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.order("sndcode", &key.to_string());
            pause(Duration::from_millis(250));
        }
    }

    /// Ends the call.
    pub(crate) fn hang_up(&mut self) {
        self.order("hangup", "");
    }

    /// Returns what it has heard in its call, which is over.
    pub(crate) fn heard(&self) -> Sound {
        let files = fs::read_dir(self.folder.path()).expect("the folder is readable");
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        let mut dumps = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav"));
        let dump = dumps.next().unwrap_or_else(|| panic!("nothing was heard:\n{}", self.log()));
        let bytes = fs::read(dump).expect("the file is readable");
        let words = bytes.get(44..).unwrap_or_default().chunks_exact(2);
        let samples = words.map(|word| f64::from(i16::from_le_bytes([word[0], word[1]])));
        Sound::of(samples.collect())
    }

    /// Returns what it said, messages and all.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn order(&mut self, command: &str, parameter: &str) {
        let text = format!(r#"{{"command":"{command}","params":"{parameter}","token":"t"}}"#);
        let netstring = format!("{}:{text},", text.len());
        self.control.write_all(netstring.as_bytes()).expect("baresip listens");
        let mut said = Vec::new();
        let mut piece = [0; 4_096];
        // Events come between; the answer bears the token.
        while !String::from_utf8_lossy(&said).contains(r#""token":"t""#) {
            let count = self.control.read(&mut piece).unwrap_or(0);
            assert!(count > 0, "baresip does not answer:\n{}", self.log());
            said.extend(&piece[..count]);
        }
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // `timeout` hands the signal on; it may have ended by itself.
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("baresip said:\n{}", self.log());
        }
    }
}

fn config(way: Way<'_>, first: u16, home: &Path) -> String {
    let home = home.display();
    let trust = match way {
        Way::Plain => String::new(),
        Way::Secured(authority) => {
            format!("sip_cafile {}\nsip_verify_server yes\n", authority.display())
        }
    };
    format!(
        "sip_listen {HOME}:{first}\n{trust}call_local_timeout 60\ncall_max_calls 1\n\
         audio_source aufile,{home}/tone.wav\naudio_player aubridge,none\n\
         audio_alert aubridge,none\nausrc_srate {RATE}\nauplay_srate {RATE}\n\
         ausrc_channels 1\nauplay_channels 1\nrtp_ports {}-{}\nmodule_path \
         /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\n\
         module sndfile.so\nmodule srtp.so\nmodule_tmp account.so\nmodule_app menu.so\n\
         module ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{}\nsnd_path {home}\n",
        first + 4,
        first + PORTS - 1,
        first + 1,
    )
}

/// A WAV file of a minute's tone.
fn tone(hertz: f64) -> Vec<u8> {
    let samples = RATE * 60;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + samples * 2).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend((samples * 2).to_le_bytes());
    for at in 0..samples {
        let turn = std::f64::consts::TAU * hertz * f64::from(at) / f64::from(RATE);
        #[expect(clippy::cast_possible_truncation, reason = "it lies within ±8 000")]
        file.extend(((8_000.0 * turn.sin()) as i16).to_le_bytes());
    }
    file
}
