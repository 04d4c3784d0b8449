//! A running `tollgate serve` with a folder and ports of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::book::Book;
use super::clock::{now, pause, secs, wait_for};
use super::proxy::Proxy;
use super::site::{Site, TOKEN};
use super::{binary, ports};

/// How long the demo may take; it gives up by itself well before.
const DEMO: Duration = Duration::from_secs(150);

/// The binary, configured, provisioned and serving; killed when dropped.
#[derive(Debug)]
pub(crate) struct Tollgate {
    site: Site,
    folder: TempDir,
    first_port: u16,
    process: Option<Child>,
    /// What stands before it, if this run's calls go through something.
    proxy: Option<Proxy>,
}

impl Tollgate {
    /// Writes the site's files, provisions, and serves until ready.
    pub(crate) fn serve(site: &Site) -> Self {
        let mut tollgate = Self::prepare(site);
        tollgate.start();
        tollgate
    }

    /// Provisions, adds credit to an organization, and serves until ready.
    pub(crate) fn funded(site: &Site, organization: &str, amount: &str) -> Self {
        let mut tollgate = Self::prepare(site);
        tollgate.top_up(organization, amount, "first");
        tollgate.start();
        tollgate
    }

    /// Writes the site's files and provisions.
    pub(crate) fn prepare(site: &Site) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let first_port = ports::row(site.ports);
        let own = (Ipv4Addr::LOCALHOST, first_port).into();
        let proxy = Proxy::is_wanted().then(|| Proxy::before(own));
        let tollgate = Self { site: site.clone(), folder, first_port, process: None, proxy };
        let config = site.config(first_port, tollgate.folder.path());
        fs::write(tollgate.config(), config).expect("the folder is writable");
        tollgate.provision(&site.provision);
        tollgate
    }

    /// Applies what is provisioned.
    pub(crate) fn provision(&self, text: &str) {
        let file = self.folder.path().join("provision.toml");
        fs::write(&file, text).expect("the folder is writable");
        let file = file.to_string_lossy().into_owned();
        expect_success(&self.command(&["apply", &file]));
    }

    /// Adds credit to an organization: an amount as text, a reference.
    pub(crate) fn top_up(&self, organization: &str, amount: &str, reference: &str) {
        let order = ["credits", "top-up", organization, amount, "--reference", reference];
        expect_success(&self.command(&order));
    }

    /// Serves, and waits until ready.
    pub(crate) fn start(&mut self) {
        let mut child = self.spawn(&self.config());
        wait_for("readiness", secs(30), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("tollgate ended: {status}\n{}", self.log());
            }
            self.get("/readyz").filter(|answer| answer.status == 200)
        });
        self.process = Some(child);
    }

    /// Starts another process on the same book, with ports of its own; it belongs to the caller.
    pub(crate) fn spawn_beside(&self) -> Child {
        let config = self.folder.path().join("beside.toml");
        let text = self.site.config(ports::row(self.site.ports), self.folder.path());
        fs::write(&config, text).expect("the folder is writable");
        self.spawn(&config)
    }

    fn spawn(&self, config: &Path) -> Child {
        let log = File::options().create(true).append(true).open(self.log_file());
        let log = log.expect("the folder is writable");
        let errors = log.try_clone().expect("a file can be opened twice");
        Command::new(binary::tollgate())
            .args(["serve", "--config"])
            .arg(config)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("tollgate starts")
    }

    /// Runs a subcommand to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let config = self.config().to_string_lossy().into_owned();
        run(&[arguments, &["--config", &config]].concat(), self.folder.path())
    }

    /// Checks a configuration file.
    pub(crate) fn check(&self, config: &Path) -> Output {
        run(&["check", "--config", &config.to_string_lossy()], self.folder.path())
    }

    /// Runs the demo and returns its summary; its exit status says what the summary says. One that
    /// does not end is killed, and fails with all that it said.
    pub(crate) fn demonstrate() -> serde_json::Value {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let [summary, story] = ["summary", "story"].map(|name| folder.path().join(name));
        let create = |path: &Path| File::create(path).expect("the folder is writable");
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let mut demo = Command::new(binary::tollgate())
            .args(["demo", "--once", "--json"])
            .current_dir(folder.path())
            // Its own folder goes with ours, even if it is killed.
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(create(&summary))
            .stderr(create(&story))
            .spawn()
            .expect("tollgate starts");
        let Some(status) = ended_within(&mut demo, DEMO) else {
            panic!("the demo did not end in {DEMO:?}:\n{}{}", read(&story), read(&summary));
        };
        let told: serde_json::Value = serde_json::from_str(&read(&summary)).unwrap_or_else(|_| {
            panic!("no summary alone on stdout, {status}:\n{}{}", read(&story), read(&summary))
        });
        assert_eq!(told["holds"] == true, status.success(), "{told:#}\n{}", read(&story));
        told
    }

    /// Kills it as a crash would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        let mut child = self.process.take().expect("it is running");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Asks it to drain (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Has it load its certificates again (SIGHUP).
    pub(crate) fn reload(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let child = self.process.as_ref().expect("it is running");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.process.take().expect("it is running");
        wait_for("the end of tollgate", limit, || child.try_wait().expect("it is a child"))
    }

    /// Ends it in order: drained, charged, exit status 0.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        let status = self.ended(secs(20));
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Whether it is running.
    pub(crate) fn alive(&mut self) -> bool {
        self.process.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|end| end.is_none()))
    }

    /// Returns where to call it: its SIP listener, or what stands before it.
    pub(crate) fn sip(&self) -> SocketAddr {
        let own = (Ipv4Addr::LOCALHOST, self.first_port).into();
        self.proxy.as_ref().map_or(own, Proxy::address)
    }

    /// Returns the address of its second SIP listener, if the site has one.
    pub(crate) fn second(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.first_port + 2).into()
    }

    /// Returns the address of its second SIP listener, if that is at the IPv6 loopback address.
    pub(crate) fn six(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.first_port + 2).into()
    }

    /// Returns the address of its HTTP listener.
    pub(crate) fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.first_port + 1).into()
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it is running").id()
    }

    /// Asks its HTTP listener, token and all; `None` if nobody listens.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        self.ask(&format!("GET {path}"), "")
    }

    fn ask(&self, request: &str, body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.http(), secs(2)).ok()?;
        stream.set_read_timeout(Some(secs(5))).ok()?;
        let ask = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.http(),
            body.len()
        );
        stream.write_all(ask.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.split_whitespace().nth(1)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())?;
        Some(Answer { status, body })
    }

    /// Orders a call into a meeting, and returns the answer of the API.
    pub(crate) fn order(&self, meeting: &str, body: &str) -> Answer {
        self.ask(&format!("POST /v1/meetings/{meeting}/dial-outs"), body)
            .expect("the API is served")
    }

    /// Orders a call and returns its id.
    pub(crate) fn dial(&self, meeting: &str, body: &str) -> String {
        let answer = self.order(meeting, body);
        assert_eq!(answer.status, 202, "{}", answer.body);
        let told: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        told["call"].as_str().expect("a call").to_owned()
    }

    /// Ends a call.
    pub(crate) fn hang_up(&self, call: &str) {
        let answer = self.ask(&format!("DELETE /v1/calls/{call}"), "").expect("the API is served");
        assert_eq!(answer.status, 202, "{}", answer.body);
    }

    /// Waits until a call is in a state and returns what is shown of it.
    pub(crate) fn wait_for_call(&self, call: &str, state: &str) -> serde_json::Value {
        wait_for(state, secs(30), || {
            let answer = self.get(&format!("/v1/calls/{call}"))?;
            let shown: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
            (shown["state"] == state).then_some(shown)
        })
    }

    /// Returns the sum of a metric over the series that carry all of `labels` (`name="value"`); 0
    /// if there is none.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.get("/metrics").expect("metrics are served").body;
        let series = page.lines().filter_map(|line| line.strip_prefix(name));
        let named = series.filter(|rest| rest.starts_with(['{', ' ']));
        let labelled = named.filter(|rest| labels.iter().all(|label| rest.contains(label)));
        labelled.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Returns the live calls as `/v1/calls` shows them.
    pub(crate) fn live(&self) -> Vec<serde_json::Value> {
        let answer = self.get("/v1/calls").expect("the API is served");
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).expect("the API writes JSON")
    }

    /// Returns the state names of the live calls, sorted.
    pub(crate) fn states(&self) -> Vec<String> {
        let live = self.live();
        let mut states: Vec<_> =
            live.iter().map(|call| call["state"].as_str().unwrap_or_default().to_owned()).collect();
        states.sort();
        states
    }

    /// Waits until so many calls are seated.
    pub(crate) fn wait_seated(&self, count: usize) {
        wait_for("seats", secs(20), || {
            let seated = self.states().iter().filter(|state| *state == "seated").count();
            (seated == count).then_some(())
        });
    }

    /// Waits until no call lives.
    pub(crate) fn wait_idle(&self, limit: Duration) {
        wait_for("the end of all calls", limit, || self.live().is_empty().then_some(()));
    }

    /// Returns the book, to read.
    pub(crate) fn book(&self) -> Book {
        let file = || Book::at(&self.folder.path().join("book.sqlite"));
        self.site.database().map_or_else(file, Book::on)
    }

    /// Returns all that was logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Returns the folder that holds everything.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("tollgate.toml")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("tollgate.log")
    }
}

impl Drop for Tollgate {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.len().saturating_sub(60);
            eprintln!("the last lines of tollgate:\n{}", lines[last..].join("\n"));
        }
    }
}

/// Runs a subcommand to its end; one that hangs is killed, and fails.
fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new("timeout")
        .args(["--kill-after=5", "150"])
        .arg(binary::tollgate())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("timeout is there (Debian: coreutils)")
}

/// Waits for the end of a child; one that does not end in time is killed.
fn ended_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let until = now() + limit;
    while now() < until {
        if let Some(status) = child.try_wait().expect("it is a child") {
            return Some(status);
        }
        pause(Duration::from_millis(100));
    }
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    None
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asserts that a command ended well, and returns what it printed.
pub(crate) fn expect_success(output: &Output) -> String {
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{said}{complained}", output.status);
    said.into_owned()
}
