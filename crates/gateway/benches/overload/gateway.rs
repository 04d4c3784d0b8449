//! The gateway under load: configured, provisioned, with credit, on one processor.

use std::cell::Cell;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SIP: &str = "127.0.0.1:15060";
const HTTP: &str = "127.0.0.1:15061";

/// A running `tollgate serve`; killed when dropped.
pub(crate) struct Gateway {
    folder: TempDir,
    process: Child,
    last: Cell<(Instant, f64)>,
}

impl Gateway {
    /// Serves on a processor, and waits until it does.
    pub(crate) fn serve(cpu: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        let text = fs::read_to_string(config.join("bench.toml")).unwrap();
        let text = text.replace("127.0.0.1:5060", SIP).replace("127.0.0.1:8060", HTTP);
        fs::write(folder.path().join("bench.toml"), text).unwrap();
        let provision = config.join("bench-provision.toml").display().to_string();
        run(&folder, &["apply", &provision]);
        run(&folder, &["credits", "top-up", "bench", "1000000", "--reference", "bench"]);
        let process = Command::new("taskset")
            .args(["-c", &cpu.to_string(), env!("CARGO_BIN_EXE_tollgate")])
            .args(["serve", "--config", "bench.toml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(HTTP).is_err() {
            assert!(Instant::now() < until, "it does not serve");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_secs(1));
        Self { folder, process, last: Cell::new((Instant::now(), 0.0)) }
    }

    pub(crate) fn sip(&self) -> SocketAddr {
        assert!(self.folder.path().exists());
        SIP.parse().unwrap()
    }

    /// Returns its resident memory, MB.
    pub(crate) fn resident_mb(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Returns how much of a processor it has used since this was asked last, pauses included.
    pub(crate) fn busy_since_last(&self) -> f64 {
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        // In hundredths of a second, by the user and by the kernel for it.
        let used =
            [11, 12].map(|at| fields[at].parse::<f64>().unwrap()).iter().sum::<f64>() / 100.0;
        let now = Instant::now();
        let (since, before) = self.last.replace((now, used));
        (used - before) / (now - since).as_secs_f64()
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Binds this thread to a processor, if the machine has it.
pub(crate) fn pin(cpu: u64) {
    let cpu = usize::try_from(cpu).unwrap();
    if net::system::pin(cpu).is_err() {
        println!("the callers share the gateway's processor: figures are its alone no more");
    }
}

fn run(folder: &TempDir, arguments: &[&str]) {
    let mut tollgate = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    tollgate.args(arguments).args(["--config", "bench.toml"]).current_dir(folder.path());
    let output = tollgate.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
