//! From the file as written to the configuration as used: every value checked, every error named.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::Token;
use bridge::settings::unproven_max;
use credits::{OPEN_HOLDS, UNSHRUNK_HOLDS};
use model::{TrunkId, limits};
use net::{PortRange, RangeError};

use super::places::Places;
use super::{
    Charging, Config, ConfigError, ConfigErrors, Http, Log, LogFormat, Media, Node, Sip,
    TOKEN_VARIABLE, TrunkTls, file, from_environment, listener, trunk,
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
        let http = self.http(written.http);
        let log = self.log(written.log);
        let drain_limit = self.secs("drain.limit_secs", written.drain.limit_secs, 0..=86_400);
        let sip = self.sip(written.sip);
        Some(Config {
            node: node?,
            store: store?,
            listeners: listeners?,
            media: media?,
            trunks: trunks?,
            trunk_tls,
            name_servers,
            charging,
            http: http?,
            log: log?,
            drain_limit,
            sip,
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
        let path = url.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty());
        if path || url == "memory:" {
            return Some(url);
        }
        self.bad("store.url", "sqlite:PATH and memory: are allowed");
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

    fn charging(&mut self, written: &file::Charging) -> Charging {
        let slice_secs = self.within("charging.slice_secs", written.slice_secs, 1..=600);
        if written.roll_ahead_secs >= written.slice_secs {
            let problem = format!("less than charging.slice_secs ({slice_secs}) is allowed");
            self.bad("charging.roll_ahead_secs", problem);
        }
        self.room_for_holds(written);
        Charging {
            slice_secs,
            roll_ahead: self.secs("charging.roll_ahead_secs", written.roll_ahead_secs, 1..=300),
            unpaid_limit: self.secs("charging.unpaid_secs", written.unpaid_secs, 5..=600),
            tries: self.within("charging.tries", written.tries, 1..=10),
            digit_pause: self.secs("charging.digit_pause_secs", written.digit_pause_secs, 1..=60),
            life_limit: self.secs("charging.life_secs", written.life_secs, 6..=3_600),
            life_limit_held: self.secs(
                "charging.life_held_secs",
                written.life_held_secs,
                6..=7_200,
            ),
            ring_limit: self.secs("charging.ring_secs", written.ring_secs, 1..=120),
        }
    }

    /// A leg that nobody proves to be there keeps its slices uncaptured until it is lost. The book
    /// keeps so many and no more; one that lives must not end for want of room.
    fn room_for_holds(&mut self, written: &file::Charging) {
        let (key, limit) = match written.life_held_secs > written.life_secs {
            true => ("charging.life_held_secs", written.life_held_secs),
            false => ("charging.life_secs", written.life_secs),
        };
        // Two are the slice in use and the next.
        let room = u32::try_from(OPEN_HOLDS - UNSHRUNK_HOLDS - 2).unwrap_or(u32::MAX);
        let unproven = unproven_max(Duration::from_secs(limit.into()));
        let least = unproven.as_secs().div_ceil(room.into());
        if u64::from(written.slice_secs) < least {
            let problem = format!(
                "at least {least} is allowed while {key} is {limit}: a silent leg keeps its slices \
                 until it has been asked for life three times"
            );
            self.bad("charging.slice_secs", problem);
        }
    }

    fn http(&mut self, written: file::Http) -> Option<Http> {
        let bind = self.address("http.bind", &written.bind);
        if written.token.is_some() && written.token_file.is_some() {
            self.bad("http.token_file", "either http.token or http.token_file is allowed");
        }
        let from_file = written.token_file.and_then(|path| self.secret("http.token_file", &path));
        let inline = written.token.map(|secret| secret.0);
        let secret = inline.or(from_file).or_else(|| from_environment(TOKEN_VARIABLE));
        let token = secret.as_deref().map(Token::parse);
        if let Some(None) = token {
            let least = Token::CHARACTERS_MIN;
            let problem = format!(
                "{least} or more visible characters without blanks are allowed (it comes from \
                 http.token, http.token_file or {TOKEN_VARIABLE})"
            );
            self.bad("http.token", problem);
        }
        Some(Http { bind: bind?, token: token.flatten() })
    }

    /// Reads a secret from a file of its own.
    pub(super) fn secret(&mut self, key: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                self.bad(key, format!("{path} cannot be read: {error}"));
                None
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[store]
url = "memory:"
[[listener]]
name = "inside"
bind = "127.0.0.1:5060"
[media]
bind = "127.0.0.1"
[[trunk]]
name = "carrier"
signalling = ["192.0.2.0/24"]
media = ["192.0.2.0/24"]
listener = "inside"
called_from = "p-called-party-id"
"#;

    #[test]
    fn a_short_file_is_filled_with_defaults() {
        let config = config(Path::new("t.toml"), GOOD).unwrap();
        assert_eq!(config.node.calls_max, 1_000);
        assert_eq!(config.listeners[0].advertised, "127.0.0.1:5060".parse().unwrap());
        assert_eq!(config.trunks[0].listener, Some(0));
        assert!(config.http.bind.ip().is_loopback());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_allowed_ones() {
        let told = errors(&GOOD.replace("name = \"carrier\"", "nam = \"carrier\""));
        assert!(told.starts_with("t.toml:10: trunk[0].nam: unknown field `nam`"), "{told}");
        assert!(told.contains("`strip_prefix`"), "{told}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_its_line() {
        let told = errors(&format!("{GOOD}trusted = 7\n"));
        assert!(told.starts_with("t.toml:15: trunk[0].trusted: invalid type"), "{told}");
        assert!(told.contains("expected a boolean"), "{told}");
    }

    #[test]
    fn a_missing_key_is_named_with_its_table() {
        let told = errors(&GOOD.replace("url = \"memory:\"\n", ""));
        assert!(told.starts_with("t.toml:2: store: missing field `url`"), "{told}");
    }

    #[test]
    fn text_that_is_not_toml_is_named_with_its_line() {
        let told = errors("[store]\nurl = memory\n");
        assert!(told.starts_with("t.toml:2: "), "{told}");
    }

    #[test]
    fn every_wrong_value_is_told_with_what_is_allowed() {
        let text = GOOD
            .replace("memory:", "mysql:")
            .replace("192.0.2.0/24\"]\nmedia", "192.0.2.0/33\"]\nmedia")
            .replace("p-called-party-id", "via")
            .replace("\"127.0.0.1\"", "\"127.0.0.1\"\nport_first = 10001");
        let told = errors(&text);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(lines[0].starts_with("t.toml:3: store.url: sqlite:PATH and memory:"), "{told}");
        assert!(lines[1].starts_with("t.toml:9: media.port_first: an even port"), "{told}");
        assert!(lines[2].starts_with("t.toml:12: trunk[0].signalling[0]: "), "{told}");
        assert!(lines[3].starts_with("t.toml:15: trunk[0].called_from: request-uri, "), "{told}");
    }

    #[test]
    fn slices_are_long_enough_for_a_leg_that_is_silent_on_hold() {
        let with = |slice: u32, held: u32| {
            format!("{GOOD}[charging]\nslice_secs = {slice}\nlife_held_secs = {held}\n")
        };
        for (slice, held) in [(45, 300), (26, 300), (476, 7_200)] {
            assert!(config(Path::new("t.toml"), &with(slice, held)).is_ok(), "{slice} {held}");
        }
        let told = errors(&with(25, 300));
        let expected = "t.toml:16: charging.slice_secs: at least 26 is allowed while \
                        charging.life_held_secs is 300: ";
        assert!(told.starts_with(expected), "{told}");
        assert!(errors(&with(475, 7_200)).contains("at least 476 is allowed"));
    }

    #[test]
    fn an_unspecified_address_needs_one_to_advertise() {
        let told = errors(&GOOD.replace("\"127.0.0.1\"", "\"0.0.0.0\""));
        assert!(told.starts_with("t.toml:7: media.advertised: the address that peers"), "{told}");
    }

    #[test]
    fn a_refusal_that_does_not_exist_is_told_with_those_that_do() {
        let told = errors(&format!("{GOOD}refusal_codes = {{ broke = 402 }}\n"));
        assert!(
            told.starts_with("t.toml:15: trunk[0].refusal_codes.broke: is no refusal"),
            "{told}"
        );
        assert!(told.contains("insufficient_credit"), "{told}");
    }

    #[test]
    fn the_way_of_keys_is_one_of_four_words() {
        let told = errors(&format!("{GOOD}dtmf = \"rtp\"\n"));
        let expected = "t.toml:15: trunk[0].dtmf: auto, event, tone, info are allowed";
        assert!(told.starts_with(expected), "{told}");
        for mode in ["auto", "event", "tone", "info"] {
            assert!(config(Path::new("t.toml"), &format!("{GOOD}dtmf = {mode:?}\n")).is_ok());
        }
    }

    #[test]
    fn keys_are_not_told_in_clear() {
        let told = errors(&format!("{GOOD}srtp = \"mandatory\"\n"));
        assert!(told.starts_with("t.toml:15: trunk[0].srtp: mandatory wants the trunk"), "{told}");
        let told = errors(&format!("{GOOD}srtp = \"yes\"\n"));
        assert_eq!(told, "t.toml:15: trunk[0].srtp: off, optional and mandatory are allowed");
        let config = config(Path::new("t.toml"), &format!("{GOOD}srtp = \"optional\"\n"));
        assert_eq!(config.unwrap().trunks[0].srtp, model::Protection::Optional);
    }

    #[test]
    fn a_token_is_never_shown() {
        let marker = "marker-0123456789";
        let text = format!("{GOOD}[http]\ntoken = \"{marker}\"\n");
        let config = config(Path::new("t.toml"), &text).unwrap();
        assert_eq!(config.http.token.as_ref().unwrap().reveal(), marker);
        assert!(!format!("{config:?}").contains(marker));
    }

    #[test]
    fn a_trunk_that_calls_leave_by_is_read_whole() {
        let text = format!(
            "{GOOD}country_code = \"39\"\ninternational_prefix = \"00\"\n[trunk.outbound]\n\
             host = \"sip.example.net\"\ntransport = \"tcp\"\nprefixes = [\"+39\", \"44\"]\n\
             callers = [\"+39 011 6543210\", \"+4420*\"]\ncalled_format = \"national\"\n\
             costs = {{ \"+39\" = \"0.004\" }}\nredirect_hosts = [\"192.0.2.4\"]\n\
             credentials = {{ realm = \"r\", user = \"u\", password = \"marker-98765\" }}\n\
             failover = {{ statuses = [403] }}\n"
        );
        let config = config(Path::new("t.toml"), &text).unwrap();
        assert!(!format!("{config:?}").contains("marker-98765"));
        let outbound = config.trunks[0].outbound.as_ref().unwrap();
        assert_eq!(outbound.credentials.as_ref().unwrap().password.reveal(), "marker-98765");
        assert_eq!(outbound.options_secs, Some(30));
        let routing = &outbound.routing;
        assert_eq!(routing.prefixes, ["39", "44"]);
        assert_eq!(routing.costs.get("39").map(|cost| cost.micros()), Some(4_000));
        assert!(routing.callers[0].holds(&"+390116543210".parse().unwrap()));
        assert!(routing.callers[1].holds(&"+442079460000".parse().unwrap()));
        assert_eq!(routing.failover.statuses, [403]);
        assert_eq!(routing.failover.causes, model::Failover::default().causes);
    }

    #[test]
    fn every_wrong_key_of_a_way_out_is_told_with_its_line_and_what_is_allowed() {
        let wrong = [
            ("host = \"a b\"", "outbound.host: a host name or an address"),
            ("transport = \"sctp\"", "outbound.transport: udp, tcp, tls are allowed"),
            ("prack = \"maybe\"", "outbound.prack: off, supported, required are allowed"),
            ("called_format = \"short\"", "outbound.called_format: +e164, e164, national"),
            ("caller_format = \"national\"", "outbound.caller_format: national needs the trunk's"),
            ("prefixes = [\"+39\", \"x\"]", "outbound.prefixes[1]: up to 15 digits"),
            ("callers = [\"+39*1\"]", "outbound.callers[0]: a number"),
            ("costs = { \"39\" = \"free\" }", "outbound.costs.39: an amount a minute"),
            ("costs_file = \"/nowhere.csv\"", "outbound.costs_file: /nowhere.csv cannot be read"),
            ("weight = 0", "outbound.weight: 1 to 1000 are allowed"),
            ("register_secs = 5", "outbound.register_secs: 60 to 86400"),
            ("options_secs = 2", "outbound.options_secs: 0 (never asked) and 5 to 3600"),
            ("add = \"a\"", "outbound.add: up to 16 of the characters 0-9 * # +"),
            ("calls_max = 0", "outbound.calls_max: 1 or more"),
            ("failover = { statuses = [200] }", "outbound.failover.statuses[0]: 300 to 699"),
            ("failover = { causes = [0] }", "outbound.failover.causes[0]: 1 to 127"),
            (
                "credentials = { realm = \"r\", user = \"u\" }",
                "outbound.credentials: one of password, password_file and password_variable",
            ),
        ];
        for (line, told) in wrong {
            let host = if line.starts_with("host") { "" } else { "host = \"192.0.2.1\"\n" };
            let text = format!("{GOOD}[trunk.outbound]\n{line}\n{host}");
            let said = errors(&text);
            assert!(said.starts_with(&format!("t.toml:16: trunk[0].{told}")), "{line}: {said}");
        }
    }

    #[test]
    fn a_trunk_that_registers_is_read_and_its_wrong_keys_are_told() {
        let own = "credentials = { realm = \"r\", user = \"u\", password = \"marker-98765\" }\n";
        let text = format!("{GOOD}[trunk.registers]\n{own}expiry_max_secs = 600\n");
        let read = config(Path::new("t.toml"), &text).unwrap();
        assert!(!format!("{read:?}").contains("marker-98765"));
        let registrar = read.trunks[0].registers.as_ref().unwrap();
        assert_eq!((registrar.expiry_min_secs, registrar.expiry_max_secs), (60, 600));
        let wrong = [
            (text.replace("600", "40"), "registers.expiry_max_secs: expiry_min_secs or more"),
            (text.replace("600", "90000"), "registers.expiry_max_secs: 30 to 86400 are"),
            (text.replace("\"u\"", "\"u v\""), "registers.credentials.user: letters, digits"),
            (text.replace(own, ""), "registers: missing field `credentials`"),
            (
                format!("{text}[trunk.outbound]\nhost = \"192.0.2.1\"\nregister_secs = 600\n"),
                "registers: a trunk that registers with us is not registered with",
            ),
        ];
        for (text, told) in wrong {
            let said = errors(&text);
            assert!(said.contains(&format!("trunk[0].{told}")), "{said}");
        }
    }

    #[test]
    fn rules_about_callers_are_read_and_an_untrusted_diversion_is_not_believed() {
        let text = format!("{GOOD}caller_rules = {{ failed = \"refuse\", anonymous = \"tag\" }}\n");
        let rules = config(Path::new("t.toml"), &text).unwrap().trunks[0].caller_rules.clone();
        assert_eq!(rules.about(model::Vouched::Failed), model::CallerRule::Refuse);
        assert_eq!(rules.about(model::Vouched::Nothing), model::CallerRule::Allow);
        assert_eq!(rules.anonymous, model::CallerRule::Tag);
        let said = errors(&text.replace("failed", "forged").replace("tag", "mark"));
        assert!(said.contains("trunk[0].caller_rules.anonymous: allow, tag, refuse are"), "{said}");
        assert!(said.contains("caller_rules.forged: anonymous, passed_a, passed_b,"), "{said}");
        let said = errors(&GOOD.replace("p-called-party-id", "diversion"));
        assert!(said.starts_with("t.toml:14: trunk[0].called_from: diversion and his"), "{said}");
    }

    #[test]
    fn the_trunks_of_a_group_share_its_priority() {
        let out = |n: u8| {
            format!("[trunk.outbound]\nhost = \"192.0.2.{n}\"\ngroup = \"g\"\npriority = {n}\n")
        };
        let second =
            "[[trunk]]\nname = \"b\"\nsignalling = [\"192.0.3.1\"]\nmedia = [\"192.0.3.1\"]\n";
        let said = errors(&format!("{GOOD}{}{second}{}", out(1), out(2)));
        assert!(
            said.starts_with(
                "t.toml:26: trunk[1].outbound.priority: group g has priority 1 at trunk carrier"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_rate_card_is_read_and_its_mistakes_are_told_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.csv");
        let text = format!(
            "{GOOD}[trunk.outbound]\nhost = \"192.0.2.1\"\ncosts_file = \"{}\"\n",
            path.display()
        );
        std::fs::write(&path, "# prefix,cost\n+39,0.004\n\n39011,0.003\n").unwrap();
        let read = config(Path::new("t.toml"), &text).unwrap();
        let costs = &read.trunks[0].outbound.as_ref().unwrap().routing.costs;
        assert_eq!(costs.get("39011").map(|cost| cost.micros()), Some(3_000));
        std::fs::write(&path, "39,0.004\n39011;0.003\n39,-1\n").unwrap();
        let said = errors(&text);
        assert!(said.contains(":2: PREFIX,COST is allowed, like 39011,0.004"), "{said}");
        assert!(said.contains(":3: "), "{said}");
    }

    #[test]
    fn the_example_is_valid() {
        let text = include_str!("../../../../config/tollgate.toml");
        assert!(config(Path::new("config/tollgate.toml"), text).is_ok());
        // Its ways out too, once the files that they name are there.
        let kept = |line: &&str| !line.contains("_file =");
        let uncommented = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with("[trunk.") || rest.contains(" = ") => rest.to_owned(),
            Some(_) | None => line.to_owned(),
        };
        let all = text.split_once("# [trunk.outbound]").and_then(|(_, rest)| {
            rest.split_once("[charging]").map(|(way_out, _)| format!("# [trunk.outbound]{way_out}"))
        });
        let way_out: Vec<_> = all.unwrap().lines().filter(kept).map(uncommented).collect();
        let text = format!("{GOOD}{}\npassword = \"x\"\n", way_out.join("\n"));
        let outbound = config(Path::new("t.toml"), &text).unwrap().trunks[0].outbound.clone();
        let outbound = outbound.unwrap();
        assert_eq!(outbound.routing.failover, model::Failover::default());
        assert_eq!(outbound.routing.calls_max, Some(200));
    }

    fn errors(text: &str) -> String {
        config(Path::new("t.toml"), text).unwrap_err().to_string()
    }
}
