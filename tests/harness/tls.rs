//! TLS for SIPp, which has none of its own here: plain TCP on one side, TLS on the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use net::tls::{Client, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::certificates::Files;

/// A relay that ends TLS; stops when dropped.
#[derive(Debug)]
pub(crate) struct TlsRelay {
    address: SocketAddr,
    failure: Arc<Mutex<Option<String>>>,
    _stop: oneshot::Sender<()>,
}

/// Whom the relay speaks to, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Where TLS is spoken.
    pub(crate) target: SocketAddr,
    /// The name that its certificate must have.
    pub(crate) name: &'static str,
    /// Where the relay's connections come from.
    pub(crate) side: &'static str,
}

impl TlsRelay {
    /// Opens a relay that trusts an authority and shows a certificate of its own, if it has one.
    pub(crate) fn open(peer: Peer, authority: &Path, own: Option<&Files>) -> Self {
        let client = client(authority, own);
        let failure = Arc::new(Mutex::new(None));
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let told = Arc::clone(&failure);
        thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, peer, client, told) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, failure, _stop: stop }
    }

    /// Returns where plain TCP is spoken.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns why a connection could not be opened, if one could not.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().expect("no thread of the relay panics").clone()
    }
}

/// A relay that takes TLS and forwards plain TCP; stops when dropped.
#[derive(Debug)]
pub(crate) struct TlsFront {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl TlsFront {
    /// Opens a relay at the target's address that shows a certificate.
    pub(crate) fn open(target: SocketAddr, own: &Files) -> Self {
        Self::opened(target, own, None)
    }

    /// The same, and whoever comes must show one that the authority has signed.
    pub(crate) fn guarded(target: SocketAddr, own: &Files, authority: &Path) -> Self {
        Self::opened(target, own, Some(authority))
    }

    fn opened(target: SocketAddr, own: &Files, authority: Option<&Path>) -> Self {
        let chain = CertificateDer::pem_file_iter(&own.certificate).expect("the file is there");
        let chain: Vec<_> = chain.map(|one| one.expect("the file is sound")).collect();
        let key = PrivateKeyDer::from_pem_file(&own.key).expect("the file is sound");
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("these versions are known");
        let config = match authority {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let read = CertificateDer::from_pem_file(authority).expect("the file is there");
                roots.add(read).expect("the file is sound");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().expect("there is a root"))
            }
        };
        let config =
            config.with_single_cert(chain, key).expect("key and certificate belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind((target.ip(), 0)));
        let listener = listener.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = forward(listener, acceptor, target) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, _stop: stop }
    }

    /// Returns where TLS is spoken.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn forward(listener: TcpListener, acceptor: TlsAcceptor, target: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut secure) = acceptor.accept(stream).await else { return };
            let Ok(mut plain) = TcpStream::connect(target).await else { return };
            // Either side may end it as it likes.
            drop(copy_bidirectional(&mut secure, &mut plain).await);
        });
    }
}

/// Says something over TLS and returns what comes back first.
///
/// # Errors
/// Why there is no connection.
pub(crate) fn say(
    peer: &Peer,
    authority: &Path,
    own: Option<&Files>,
    text: &str,
) -> std::io::Result<String> {
    let client = client(authority, own);
    runtime().block_on(async {
        let mut stream = connect(peer, &client).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; 4_096];
        let count = stream.read(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
    })
}

async fn accept(
    listener: TcpListener,
    peer: Peer,
    client: Client,
    failure: Arc<Mutex<Option<String>>>,
) {
    while let Ok((mut plain, _)) = listener.accept().await {
        let (peer, client, failure) = (peer.clone(), client.clone(), Arc::clone(&failure));
        tokio::spawn(async move {
            match connect(&peer, &client).await {
                // Either side may end it as it likes.
                Ok(mut secure) => drop(copy_bidirectional(&mut plain, &mut secure).await),
                Err(error) => {
                    *failure.lock().expect("no thread of the relay panics") =
                        Some(error.to_string());
                }
            }
        });
    }
}

async fn connect(peer: &Peer, client: &Client) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((peer.side.parse::<Ipv4Addr>().expect("an IPv4 address"), 0).into())?;
    let stream = socket.connect(peer.target).await?;
    let name = net::tls::server_name(peer.name).expect("a name of a host");
    client.connect(name, stream).await
}

fn client(authority: &Path, own: Option<&Files>) -> Client {
    let own =
        own.map(|own| Identity { certificate: own.certificate.clone(), key: own.key.clone() });
    Client::load(Some(authority), own.as_ref()).expect("the files are sound")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}
