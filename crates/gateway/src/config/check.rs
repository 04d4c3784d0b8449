//! From the file as written to the configuration as used: every value checked, every error named.

mod abuse;
mod charging;
mod http;
mod presence;
mod privacy;
mod strangers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{TrunkId, limits};
use net::{PortRange, RangeError};

use super::places::Places;
use super::{
    Config, ConfigError, ConfigErrors, Log, LogFormat, Media, Node, Sip, TrunkTls, file, listener,
    trunk,
};

/// Collects what is wrong, with its place.
pub(super) struct Checker<'a> {
    path: &'a Path,
    places: Places,
    errors: Vec<ConfigError>,
}

/// Checks the text of a file.
pub(super) fn config(path: &Path, text: &str) -> Result<Config, ConfigErrors> {
    let mut checker = Checker::new(path, text);
    let written: file::File = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            checker.unreadable(&error);
            return Err(ConfigErrors(checker.errors));
        }
    };
    let config = checker.file(written);
    checker.finish()?;
    Ok(config.expect("a part is only missing if an error was noted"))
}

impl<'a> Checker<'a> {
    pub(super) fn new(path: &'a Path, text: &str) -> Self {
        Self { path, places: Places::of(text), errors: Vec::new() }
    }

    /// Returns what was noted, in the order of lines.
    pub(super) fn finish(mut self) -> Result<(), ConfigErrors> {
        self.errors.sort_by_key(|error| error.line);
        if self.errors.is_empty() { Ok(()) } else { Err(ConfigErrors(self.errors)) }
    }
}

impl Checker<'_> {
    /// Notes that a key is wrong.
    pub(super) fn bad(&mut self, key: &str, problem: impl Display) {
        self.errors.push(ConfigError {
            file: self.path.to_owned(),
            line: self.places.line_of(key),
            key: key.to_owned(),
            problem: problem.to_string(),
        });
    }

    /// Notes what the TOML reader or the types of the keys object to.
    fn unreadable(&mut self, error: &toml::de::Error) {
        let offset = error.span().map_or(0, |span| span.start);
        self.errors.push(ConfigError {
            file: self.path.to_owned(),
            line: self.places.line_at(offset),
            key: self.places.key_at(offset).unwrap_or_default().to_owned(),
            problem: plainer(error.message()),
        });
    }

    /// `None` only if an error was noted.
    fn file(&mut self, written: file::File) -> Option<Config> {
        let node = self.node(written.node);
        let store = self.store(written.store.url);
        let listeners = listener::listeners(self, &written.listener);
        let trunk_tls = self.trunk_tls(&written.trunk);
        let name_servers = self.name_servers(&written.dns.servers);
        let named = |listener: file::Listener| (listener.name, listener.transport == "tls");
        let names: Vec<_> = written.listener.into_iter().map(named).collect();
        let media = self.media(written.media);
        let trunks = trunk::trunks(self, written.trunk, &names);
        let charging = self.charging(&written.charging);
        let presence = self.presence(&written.presence);
        let abuse = self.abuse(&written.abuse);
        let http = self.http(written.http);
        let log = self.log(written.log);
        let drain_limit = self.secs("drain.limit_secs", written.drain.limit_secs, 0..=86_400);
        let sip = self.sip(written.sip);
        let patience = self.patience(&written.strangers);
        let keys = self.keys(written.privacy);
        Some(Config {
            node: node?,
            store: store?,
            listeners: listeners?,
            media: media?,
            trunks: trunks?,
            trunk_tls,
            name_servers,
            charging,
            presence,
            abuse,
            http: http?,
            log: log?,
            drain_limit,
            sip,
            patience,
            keys,
        })
    }

    fn node(&mut self, written: file::Node) -> Option<Node> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if written.name.is_empty() || written.name.len() > 64 || !written.name.chars().all(fits) {
            self.bad("node.name", "1 to 64 letters, digits and - _ . are allowed");
        }
        let most = u32::try_from(limits::CALLS).unwrap_or(u32::MAX);
        let calls_max = self.within("node.calls_max", written.calls_max, 1..=most);
        let seed = match written.seed.as_deref().map(seed) {
            Some(None) => {
                self.bad("node.seed", "64 hexadecimal digits are allowed; leave it out to serve");
                return None;
            }
            Some(Some(seed)) => Some(seed),
            None => None,
        };
        Some(Node { name: written.name, calls_max: usize::try_from(calls_max).ok()?, seed })
    }

    fn store(&mut self, url: String) -> Option<String> {
        if store::is_url(&url) {
            return Some(url);
        }
        self.bad("store.url", "sqlite:PATH, postgres://USER@HOST/NAME and memory: are allowed");
        None
    }

    fn trunk_tls(&mut self, written: &[file::Trunk]) -> BTreeMap<TrunkId, TrunkTls> {
        let mut all = BTreeMap::new();
        for (at, trunk) in written.iter().enumerate() {
            if let Some(tls) = &trunk.tls {
                let checked = listener::trunk(self, &format!("trunk[{at}]"), tls);
                all.insert(TrunkId::from_name(&trunk.name), checked);
            }
        }
        all
    }

    fn name_servers(&mut self, written: &[String]) -> Vec<SocketAddr> {
        let read = |(at, text): (usize, &String)| self.address(&format!("dns.servers[{at}]"), text);
        written.iter().enumerate().filter_map(read).collect()
    }

    fn media(&mut self, written: file::Media) -> Option<Media> {
        let bind = self.ip("media.bind", &written.bind);
        let told = written.advertised.as_deref();
        let told = told.map(|text| self.ip("media.advertised", text));
        let ports = PortRange::new(written.port_first, written.port_last);
        match ports {
            Err(RangeError::First) => {
                self.bad("media.port_first", "an even port from 1024 on is allowed");
            }
            Err(RangeError::Last) => {
                self.bad("media.port_last", "an odd port above media.port_first is allowed");
            }
            Ok(_) => {}
        }
        let prompts = written.prompts.map(PathBuf::from);
        if let Some(folder) = prompts.as_deref().filter(|folder| !folder.is_dir()) {
            let problem = format!(
                "{} is not a folder; leave it out for the built-in recordings",
                folder.display()
            );
            self.bad("media.prompts", problem);
        }
        let ours = net::system::processors().unwrap_or_default();
        let threads = self.threads(written.threads, &written.cpus, &ours);
        let (bind, advertised) = (bind?, told.unwrap_or(bind)?);
        self.advertisable("media.advertised", bind, advertised);
        Some(Media {
            bind,
            advertised,
            ports: ports.ok()?,
            prompts,
            announcements: written.announcements,
            threads,
            cpus: written.cpus,
            real_time: written.real_time,
        })
    }

    fn log(&mut self, written: file::Log) -> Option<Log> {
        let format = match written.format.as_str() {
            "readable" => Some(LogFormat::Readable),
            "json" => Some(LogFormat::Json),
            _ => {
                self.bad("log.format", "readable and json are allowed");
                None
            }
        };
        if let Err(error) = crate::logs::filter(&written.filter) {
            let problem = format!("{error}; a list like info,sip=debug is allowed");
            self.bad("log.filter", problem);
        }
        Some(Log { format: format?, filter: written.filter })
    }

    fn sip(&mut self, written: file::Sip) -> Sip {
        let session_secs = written.session_secs;
        if session_secs != 0 && !(limits::MIN_SE_SECS..=86_400).contains(&session_secs) {
            let problem = format!("0 (no timer) and {} to 86400 are allowed", limits::MIN_SE_SECS);
            self.bad("sip.session_secs", problem);
        }
        if written.banner.as_deref().is_some_and(|banner| !is_token(banner)) {
            self.bad("sip.banner", "1 to 64 letters, digits and - . / _ are allowed");
        }
        let retry_after_secs =
            self.within("sip.retry_after_secs", written.retry_after_secs, 1..=3_600);
        Sip { session_secs, banner: written.banner, retry_after_secs }
    }

    pub(super) fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.bad(
                key,
                "an address with a port is allowed: 192.0.2.1:5060 or [2001:db8::1]:5060",
            );
        }
        parsed
    }

    fn ip(&mut self, key: &str, text: &str) -> Option<IpAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.bad(key, "an IP address without a port is allowed");
        }
        parsed
    }

    pub(super) fn advertisable(&mut self, key: &str, bind: IpAddr, advertised: IpAddr) {
        if advertised.is_unspecified() {
            self.bad(key, "the address that peers reach is needed, since bind names none");
        } else if bind.is_ipv4() != advertised.is_ipv4() {
            self.bad(key, "an address of the same family as bind is allowed");
        }
    }

    fn secs(&mut self, key: &str, value: u32, allowed: RangeInclusive<u32>) -> Duration {
        Duration::from_secs(u64::from(self.within(key, value, allowed)))
    }

    /// Returns the value, noted as wrong if it is not allowed.
    pub(super) fn within<T: PartialOrd + Display>(
        &mut self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
    ) -> T {
        if !allowed.contains(&value) {
            self.bad(key, format!("{} to {} are allowed", allowed.start(), allowed.end()));
        }
        value
    }
}

/// Says in the file's words what the types of the keys say in their own.
fn plainer(message: &str) -> String {
    let mut plain = message.replace('\n', ", ");
    for integer in ["u8", "u16", "u32", "usize"] {
        plain = plain.replace(&format!("expected {integer}"), "expected a whole number");
    }
    plain
}

/// Reads 64 hexadecimal digits.
fn seed(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(seed)
}

fn is_token(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-./_".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}
