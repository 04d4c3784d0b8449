//! What a valid configuration names outside of itself: addresses of this machine, free ports,
//! folders, recordings.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use model::Transport;
use net::Socket;

use super::check::Checker;
use super::{Config, ConfigErrors};
use crate::{clock, listening, prompts, serve};

impl Config {
    /// Checks what the configuration names on this machine, and returns remarks: ports in use are
    /// one, since a gateway that is running uses them.
    ///
    /// # Errors
    /// What a start would fail on.
    pub(crate) fn surroundings(
        &self,
        path: &Path,
        text: &str,
    ) -> Result<Vec<String>, ConfigErrors> {
        let mut checker = Checker::new(path, text);
        let mut remarks = Vec::new();
        for (at, listener) in self.listeners.iter().enumerate() {
            let bound = match listener.transport {
                Transport::Udp => Socket::bind(listener.bind, None).map(drop),
                Transport::Tcp | Transport::Tls => TcpListener::bind(listener.bind).map(drop),
            };
            let key = format!("listener[{at}].bind");
            remarks.extend(bindable(&mut checker, &key, listener.bind, bound));
        }
        let today = clock::unix().micros / 1_000_000;
        let (wrong, soon) = listening::inspect(self, today);
        for (key, problem) in wrong {
            checker.bad(&key, problem);
        }
        remarks.extend(soon);
        let bound = TcpListener::bind(self.http.bind).map(drop);
        remarks.extend(bindable(&mut checker, "http.bind", self.http.bind, bound));
        remarks.extend(exposed(self.http.bind));
        remarks.extend(self.media_ports(&mut checker));
        let processors = net::system::processors().map_or(usize::MAX, |ours| ours.len());
        remarks.extend(shared(self.media.threads, processors));
        if let Err(error) = prompts::load(self.media.prompts.as_deref()) {
            checker.bad("media.prompts", error);
        }
        if let Some(folder) = self.store_folder().filter(|folder| !folder.is_dir()) {
            checker.bad("store.url", format!("{} is not a folder", folder.display()));
        }
        checker.finish().map(|()| remarks)
    }

    fn media_ports(&self, checker: &mut Checker<'_>) -> Option<String> {
        let wanted = self.media.ports.pairs();
        match self.media.ports.bind(self.media.bind, 16) {
            Err(error) => {
                checker.bad("media.bind", format!("{} cannot be bound: {error}", self.media.bind));
                None
            }
            Ok(pairs) if pairs.is_empty() => {
                checker.bad("media.port_first", format!("none of the {wanted} pairs is free"));
                None
            }
            Ok(_) => self.port_remark(),
        }
    }

    /// Says why fewer calls fit than are configured.
    fn port_remark(&self) -> Option<String> {
        let (calls, wanted) = (self.node.calls_max, self.media.ports.pairs());
        let others = serve::other_files(self);
        let files = net::system::allow_files(others + 2 * wanted).ok()?;
        let pairs = serve::pairs_within(files, others, wanted);
        if pairs < wanted {
            return Some(format!(
                "media: {files} open files allow for {pairs} of {wanted} port pairs, {others} files \
                 being kept for connections and the store; raise the limit"
            ));
        }
        (pairs < calls).then(|| {
            format!("media: {pairs} port pairs for {calls} calls: those beyond are refused")
        })
    }

    fn store_folder(&self) -> Option<&Path> {
        let path = Path::new(self.store.strip_prefix("sqlite:")?);
        path.parent().filter(|folder| !folder.as_os_str().is_empty())
    }
}

/// Media threads that share a processor keep each other from ticking on time.
fn shared(threads: u8, processors: usize) -> Option<String> {
    (usize::from(threads) > processors).then(|| {
        format!(
            "media.threads: {threads} threads share {processors} processors: audio may be late; \
             leave the key out for as many threads as fit"
        )
    })
}

/// The API speaks plain HTTP.
fn exposed(http: SocketAddr) -> Option<String> {
    (!http.ip().is_loopback()).then(|| {
        format!(
            "http.bind: {http} is not a loopback address: /metrics is open to whoever reaches it, \
             and the token of /v1 travels unencrypted; keep strangers out"
        )
    })
}

fn bindable(
    checker: &mut Checker<'_>,
    key: &str,
    address: SocketAddr,
    bound: io::Result<()>,
) -> Option<String> {
    match bound {
        Ok(()) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Some(format!("{key}: {address} is in use, by a running gateway perhaps"))
        }
        Err(error) => {
            let problem = format!(
                "{address} cannot be bound: {error}; an address of this machine is allowed"
            );
            checker.bad(key, problem);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[store]\nurl = \"sqlite:/nowhere/at/all.sqlite\"\n[[listener]]\n\
                        bind = \"192.0.2.1:5060\"\n[media]\nbind = \"127.0.0.1\"\n\
                        [http]\nbind = \"127.0.0.1:0\"\n";

    #[test]
    fn an_address_that_is_not_ours_and_a_folder_that_is_not_there_are_told() {
        let path = Path::new("t.toml");
        let config = Config::parse(path, TEXT).unwrap();
        let told = config.surroundings(path, TEXT).unwrap_err().to_string();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].starts_with("t.toml:2: store.url: /nowhere/at is not a folder"), "{told}");
        assert!(
            lines[1].starts_with("t.toml:4: listener[0].bind: 192.0.2.1:5060 cannot"),
            "{told}"
        );
    }

    #[test]
    fn an_api_beyond_loopback_is_a_remark() {
        assert!(exposed("0.0.0.0:8060".parse().unwrap()).unwrap().starts_with("http.bind: "));
        assert_eq!(exposed("[::1]:8060".parse().unwrap()), None);
    }

    #[test]
    fn threads_that_share_a_processor_are_a_remark() {
        assert!(shared(3, 2).unwrap().starts_with("media.threads: 3 threads share 2"));
        assert_eq!(shared(2, 2), None);
    }

    #[test]
    fn a_port_in_use_is_a_remark() {
        let busy = Socket::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let text = TEXT
            .replace("192.0.2.1:5060", &busy.local().to_string())
            .replace("sqlite:/nowhere/at/all.sqlite", "memory:");
        let path = Path::new("t.toml");
        let config = Config::parse(path, &text).unwrap();
        let remarks = config.surroundings(path, &text).unwrap();
        assert!(remarks.iter().any(|remark| remark.contains("is in use")), "{remarks:?}");
    }
}
