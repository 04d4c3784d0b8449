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
use super::telephone::{Telephone, Way};
use super::wave::{self, RATE};

/// Where it is.
const HOME: &str = "127.0.0.2";
/// Ports: SIP, control, audio.
const PORTS: u16 = 20;

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
        let transport = way.transport();
        let media = match way {
            Way::Plain => "",
            Way::Secured(_) => ";mediaenc=srtp-mand",
        };
        write(
            "accounts",
            format!(
                "<sip:+390119876543@{HOME};transport={transport}>;regint=0\
                 ;audio_codecs=PCMU/8000;dtmfmode=rtpevent{media}\n"
            ),
        );
        write("contacts", String::new());
        wave::write_tone(&home.join("tone.wav"), hertz);
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

impl Telephone for Baresip {
    fn dial(&mut self, number: &str, target: SocketAddr) {
        self.order("dial", &format!("sip:{number}@{target};transport={}", self.transport));
    }

    fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.order("sndcode", &key.to_string());
            pause(Duration::from_millis(250));
        }
    }

    fn hang_up(&mut self) {
        self.order("hangup", "");
    }

    fn heard(&self) -> Sound {
        let files = fs::read_dir(self.folder.path()).expect("the folder is readable");
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        let mut dumps = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav"));
        let dump = dumps.next().unwrap_or_else(|| panic!("nothing was heard:\n{}", self.log()));
        wave::read(&dump)
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
