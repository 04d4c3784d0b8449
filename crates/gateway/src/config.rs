//! The configuration file: every key is read and checked before anything starts. The only file
//! that reads the environment.

mod check;
mod file;
mod listener;
mod outbound;
mod places;
mod surroundings;
mod threads;
mod trunk;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::record::Trunk;
use model::{Transport, TrunkId};
use net::PortRange;
use net::tls::{Identity, ServerFiles};

/// Holds the API's token where neither `http.token` nor `http.token_file` does.
const TOKEN_VARIABLE: &str = "TOLLGATE_HTTP_TOKEN";
/// Holds the keys of withheld numbers where `privacy.keys_file` does not.
const KEYS_VARIABLE: &str = "TOLLGATE_PRIVACY_KEYS";

/// Everything that the operator decides, valid.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) node: Node,
    /// URL of the store: `sqlite:PATH`, `postgres://USER@HOST/NAME` or `memory:`. May hold a
    /// password: shown by [`store::shown`] only.
    pub(crate) store: String,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) media: Media,
    pub(crate) trunks: Vec<Trunk>,
    /// What TLS shows to trunks, and asks of them.
    pub(crate) trunk_tls: BTreeMap<TrunkId, TrunkTls>,
    /// Who is asked for names; empty is whom the system asks.
    pub(crate) name_servers: Vec<SocketAddr>,
    pub(crate) charging: Charging,
    /// How long participants may stay where nobody seems to be.
    pub(crate) presence: bridge::Presence,
    /// What callers without a meeting may use up.
    pub(crate) abuse: bridge::Abuse,
    pub(crate) http: Http,
    pub(crate) log: Log,
    /// How long live calls may go on when the node drains.
    pub(crate) drain_limit: Duration,
    pub(crate) sip: Sip,
    /// When strangers are banned.
    pub(crate) patience: sip::Patience,
    /// For numbers that their owners withhold; without any they are not kept.
    pub(crate) keys: store::Keys,
}

/// Who we are.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Names the node in the store; two nodes never share it.
    pub(crate) name: String,
    /// Most live calls.
    pub(crate) calls_max: usize,
    /// Replaces the kernel's entropy, so that a run can be repeated. Tests only.
    pub(crate) seed: Option<[u8; 32]>,
}

/// A SIP socket.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    /// Where it is bound.
    pub(crate) bind: SocketAddr,
    /// What peers are told; port 0 stands for the port that was bound.
    pub(crate) advertised: SocketAddr,
    /// How messages travel there.
    pub(crate) transport: Transport,
    /// What it shows, TLS only.
    pub(crate) tls: Option<ServerFiles>,
    /// Whether silent connections with a call are kept alive.
    pub(crate) keep_alive: bool,
}

/// What TLS shows to a trunk, and who may have signed what the trunk shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrunkTls {
    /// Without it, the system's roots.
    pub(crate) authority: Option<PathBuf>,
    /// Shown to servers that ask.
    pub(crate) identity: Option<Identity>,
}

/// RTP, prompts and the media threads.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    /// Where RTP sockets are bound.
    pub(crate) bind: IpAddr,
    /// What peers are told.
    pub(crate) advertised: IpAddr,
    /// Their ports.
    pub(crate) ports: PortRange,
    /// A folder whose recordings replace the embedded ones.
    pub(crate) prompts: Option<PathBuf>,
    /// Whether callers are greeted and told what happens.
    pub(crate) announcements: bool,
    /// Media threads.
    pub(crate) threads: u8,
    /// Their processors, in order, at least as many; empty is those that the process may use, from
    /// the last on.
    pub(crate) cpus: Vec<usize>,
    /// Whether media threads ask for real-time priority.
    pub(crate) real_time: bool,
}

/// The limits of charging.md.
#[derive(Debug, Clone)]
pub(crate) struct Charging {
    /// Slice aimed at while credit is plenty, seconds.
    pub(crate) slice_secs: u32,
    /// How long before the end of paid time the next slice is asked for.
    pub(crate) roll_ahead: Duration,
    /// Unpaid time to identify oneself.
    pub(crate) unpaid_limit: Duration,
    /// Conference IDs a caller may try.
    pub(crate) tries: u8,
    /// Longest pause between two digits.
    pub(crate) digit_pause: Duration,
    /// Silence after which a leg is asked for life.
    pub(crate) life_limit: Duration,
    /// The same while on hold.
    pub(crate) life_limit_held: Duration,
    /// How long ringing may wait for the store.
    pub(crate) ring_limit: Duration,
}

/// The HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Where it is bound.
    pub(crate) bind: SocketAddr,
    /// What callers of `/v1` must show; `None` refuses them all.
    pub(crate) token: Option<api::Token>,
}

/// How logs are written.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    /// As in `RUST_LOG`: `info`, `info,sip=debug`.
    pub(crate) filter: String,
}

/// For whom logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Readable,
    /// One JSON object a line.
    Json,
}

/// For the SIP endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Sip {
    /// Session interval asked for, seconds; 0 asks for none.
    pub(crate) session_secs: u32,
    /// Shown in Server and User-Agent; `None` shows nothing.
    pub(crate) banner: Option<String>,
    /// Retry-After of a draining node, seconds.
    pub(crate) retry_after_secs: u32,
}

/// A text that is never shown (reliability.md S24).
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// One thing that is wrong with a configuration, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    pub(crate) file: PathBuf,
    /// 1 is the first; 0 when the file could not be read at all.
    pub(crate) line: usize,
    /// `media.port_first`, `trunk[1].name`; empty when it is the file as a whole.
    pub(crate) key: String,
    /// What is wrong and what is allowed.
    pub(crate) problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        match self.line {
            0 => f.write_str(" ")?,
            line => write!(f, "{line}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// All that is wrong with a configuration, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigErrors(vec![ConfigError {
                file: path.to_owned(),
                line: 0,
                key: String::new(),
                problem: format!("cannot be read: {error}"),
            }])
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file; `path` is for its errors.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        check::config(path, text)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn from_environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
