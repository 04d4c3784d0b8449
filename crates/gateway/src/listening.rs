//! The sockets that SIP comes by, bound before anything is written, and their certificates.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use model::{Transport, TrunkId};
use net::Socket;
use net::tls::{Certificate, CertificateError, Client, ClientReloader, Identity, Reloader, Server};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::telemetry::TlsMeters;

/// Asked for on sockets of datagrams, bytes: a second of a busy trunk.
const BUFFER: usize = 4 << 20;

/// Every socket of SIP; each knows its place in the configuration.
pub(crate) struct Listening {
    /// Where they are bound, in the order of the configuration.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) datagrams: Vec<(u8, Socket)>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) clients: Clients,
    pub(crate) certificates: Certificates,
}

/// A listening socket.
pub(crate) struct Stream {
    pub(crate) listener: u8,
    pub(crate) socket: TcpListener,
    pub(crate) server: Option<Server>,
}

/// How peers are checked that we connect to.
pub(crate) struct Clients {
    trunks: BTreeMap<TrunkId, Client>,
    other: Option<Client>,
}

/// What listeners show, and what trunks are shown and believed by, to be loaded anew.
pub(crate) struct Certificates {
    listeners: Vec<(SocketAddr, Reloader)>,
    /// By name; the last, without one, is how any other peer is checked.
    trunks: Vec<(String, ClientReloader)>,
    meters: TlsMeters,
}

/// Binds what the configuration names.
///
/// # Errors
/// The address that cannot be bound, or the file that cannot be used.
pub(crate) fn bind(config: &Config, meters: TlsMeters) -> Result<Listening> {
    let (clients, trunks) = Clients::load(config)?;
    let certificates = Certificates { listeners: Vec::new(), trunks, meters };
    let mut all = Listening {
        addresses: Vec::new(),
        datagrams: Vec::new(),
        streams: Vec::new(),
        clients,
        certificates,
    };
    for (at, listener) in config.listeners.iter().enumerate() {
        let at = u8::try_from(at).expect("the configuration allows 16 listeners");
        let place = || format!("SIP on {}", listener.bind);
        if listener.transport == Transport::Udp {
            let socket = Socket::bind(listener.bind, Some(BUFFER)).with_context(place)?;
            all.addresses.push(socket.local());
            all.datagrams.push((at, socket));
            continue;
        }
        let socket = net::tcp::bind(listener.bind).with_context(place)?;
        let bound = socket.local_addr().with_context(place)?;
        let server = match listener.tls.clone() {
            None => None,
            Some(files) => {
                let (server, reloader) = Server::load(files).with_context(place)?;
                let shown = reloader.identity().describe().with_context(place)?;
                all.certificates.meters.shown(bound, shown.expires);
                all.certificates.listeners.push((bound, reloader));
                Some(server)
            }
        };
        all.addresses.push(bound);
        all.streams.push(Stream { listener: at, socket, server });
    }
    Ok(all)
}

impl Clients {
    /// Loads what trunks are shown, and who may have signed what they show. Without a TLS listener
    /// nothing is loaded.
    fn load(config: &Config) -> Result<(Self, Vec<(String, ClientReloader)>), CertificateError> {
        let mut clients = Self { trunks: BTreeMap::new(), other: None };
        let mut reloaders = Vec::new();
        if config.listeners.iter().all(|listener| listener.tls.is_none()) {
            return Ok((clients, reloaders));
        }
        for trunk in &config.trunks {
            let Some(tls) = config.trunk_tls.get(&trunk.id) else { continue };
            let (client, reloader) =
                Client::reloadable(tls.authority.clone(), tls.identity.clone())?;
            clients.trunks.insert(trunk.id, client);
            reloaders.push((trunk.name.clone(), reloader));
        }
        let (other, reloader) = Client::reloadable(None, None)?;
        clients.other = Some(other);
        reloaders.push((String::new(), reloader));
        Ok((clients, reloaders))
    }

    /// Returns how a trunk is checked.
    pub(crate) fn client(&self, trunk: Option<TrunkId>) -> Option<Client> {
        let own = trunk.and_then(|trunk| self.trunks.get(&trunk));
        own.or(self.other.as_ref()).cloned()
    }
}

impl Certificates {
    /// Loads every listener's files again, and every trunk's. Connections that are open go on with
    /// what they have; where the new files are wrong, the old ones hold.
    pub(crate) fn reload(&self) {
        for (trunk, reloader) in &self.trunks {
            match reloader.reload() {
                Ok(Some(Certificate { names, .. })) => {
                    tracing::info!(trunk, ?names, "a trunk's certificates were loaded");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(trunk, %error, "a trunk's certificates were not loaded: the old ones hold");
                }
            }
        }
        for (listener, reloader) in &self.listeners {
            match reloader.reload() {
                Ok(Certificate { names, expires, .. }) => {
                    tracing::info!(%listener, ?names, "a certificate was loaded");
                    self.meters.shown(*listener, expires);
                }
                Err(error) => {
                    tracing::error!(%listener, %error, "a certificate was not loaded: the old one holds");
                }
            }
        }
    }
}

/// Says what is wrong with the files of TLS, each with its key, and what will soon be, as remarks.
pub(crate) fn inspect(config: &Config, today: i64) -> (Vec<(String, String)>, Vec<String>) {
    let (mut wrong, mut remarks) = (Vec::new(), Vec::new());
    for (at, listener) in config.listeners.iter().enumerate() {
        let Some(files) = &listener.tls else { continue };
        let key = format!("listener[{at}].certificate");
        if let Err(error) = Server::load(files.clone()) {
            wrong.push((key.clone(), error.to_string()));
            continue;
        }
        age(&key, &files.identity, today, &mut wrong, &mut remarks);
    }
    for (at, trunk) in config.trunks.iter().enumerate() {
        let Some(tls) = config.trunk_tls.get(&trunk.id) else { continue };
        let key = format!("trunk[{at}].tls.certificate");
        if let Err(error) = Client::load(tls.authority.as_deref(), tls.identity.as_ref()) {
            wrong.push((format!("trunk[{at}].tls"), error.to_string()));
        } else if let Some(identity) = &tls.identity {
            age(&key, identity, today, &mut wrong, &mut remarks);
        }
    }
    (wrong, remarks)
}

fn age(
    key: &str,
    identity: &Identity,
    today: i64,
    wrong: &mut Vec<(String, String)>,
    remarks: &mut Vec<String>,
) {
    const DAY: i64 = 86_400;
    let file: &Path = &identity.certificate;
    let Ok(shown) = identity.describe() else { return };
    let days = (shown.expires - today).div_euclid(DAY);
    if shown.expires <= today {
        wrong.push((key.to_owned(), format!("{}: expired {} days ago", file.display(), -days)));
    } else if shown.begins > today {
        wrong.push((key.to_owned(), format!("{}: does not hold yet", file.display())));
    } else if days < 30 {
        remarks.push(format!("{key}: {} expires in {days} days", file.display()));
    }
}
