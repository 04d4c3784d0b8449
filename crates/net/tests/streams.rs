//! Streams and TLS over loopback: admission, order, slow readers, names, both sides' certificates,
//! reload.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use net::tcp::{Call, End, Handle, Listening, Told, What};
use net::tls::{Client, ClientCertificates, Fault, Identity, Server, ServerFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

#[tokio::test]
async fn nothing_is_read_before_a_connection_is_admitted() {
    let mut site = Site::plain();
    let (ours, peer) = site.opened(None).await;
    assert!(ours.send(Bytes::from_static(b"hello")));
    // The other side waits for its admission, so that no bytes are told.
    let Told { what: What::Arrived { handle: mut theirs, .. }, .. } = peer else { panic!() };
    assert!(timeout(Duration::from_millis(200), site.news.recv()).await.is_err());
    theirs.admit();
    assert!(matches!(site.next().await.what, What::Ready { .. }));
    let What::Received(chunk) = site.next().await.what else { panic!() };
    assert_eq!(chunk.payload, "hello");
    drop(theirs);
    assert!(matches!(site.next().await, Told { ours: true, what: What::Closed(End::Ended), .. }));
}

#[tokio::test]
async fn a_connection_that_is_not_admitted_is_closed_without_a_byte() {
    let mut site = Site::plain();
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let Told { what: What::Arrived { handle, .. }, .. } = site.next().await else { panic!() };
    drop(handle);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn what_is_sent_before_the_end_arrives() {
    let mut site = Site::plain();
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let Told { what: What::Arrived { mut handle, .. }, .. } = site.next().await else { panic!() };
    handle.admit();
    assert!(handle.send(Bytes::from_static(b"last words")));
    drop(handle);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"last words");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up_after_a_megabyte() {
    let mut site = Site::plain();
    let _stream = TcpStream::connect(site.address).await.unwrap();
    let Told { what: What::Arrived { mut handle, .. }, .. } = site.next().await else { panic!() };
    handle.admit();
    assert!(matches!(site.next().await.what, What::Ready { .. }));
    let message = Bytes::from(vec![b'x'; 60_000]);
    let taken = (0..1_000).take_while(|_| handle.send(message.clone())).count();
    assert!((10..200).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_connection_that_is_refused_says_so() {
    let mut site = Site::plain();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let call = Call { connection: 7, local: site.address, destination: nobody, client: None };
    let _handle = call.open(site.sender.clone());
    let told = site.next().await;
    assert!(matches!(told, Told { connection: 7, what: What::Closed(End::Refused(_)), .. }));
}

#[tokio::test]
async fn tls_carries_bytes_between_those_who_know_each_other() {
    let papers = Papers::new();
    let (own, theirs) = (papers.sign("gate", "sip.example"), papers.sign("sbc", "sbc.example"));
    let mut site = Site::tls(&papers, &own, ClientCertificates::Required);
    let client = Client::load(Some(&papers.authority), Some(&theirs)).unwrap();
    let (ours, peer) = site.opened(Some((client, "sip.example"))).await;
    let Told { what: What::Arrived { handle: mut held, .. }, .. } = peer else { panic!() };
    held.admit();
    let mut names = Vec::new();
    for _ in 0..2 {
        let What::Ready { names: shown } = site.next().await.what else { panic!() };
        names.extend(shown);
    }
    names.sort();
    assert_eq!(names, ["sbc.example", "sip.example"]);
    assert!(ours.send(Bytes::from_static(b"secret")));
    let What::Received(chunk) = site.next().await.what else { panic!() };
    assert_eq!(chunk.payload, "secret");
}

#[tokio::test]
async fn a_wrong_name_a_foreign_authority_and_no_certificate_are_refused() {
    let (papers, foreign) = (Papers::new(), Papers::new());
    let own = papers.sign("gate", "sip.example");
    let known = Client::load(Some(&papers.authority), None).unwrap();
    let other = Client::load(Some(&foreign.authority), None).unwrap();
    for (client, name, clients, wanted) in [
        (known.clone(), "sip.other.example", ClientCertificates::None, Fault::Name),
        (other, "sip.example", ClientCertificates::None, Fault::Authority),
        (known, "sip.example", ClientCertificates::Required, Fault::Ours),
    ] {
        let mut site = Site::tls(&papers, &own, clients);
        let (_ours, peer) = site.opened(Some((client, name))).await;
        let Told { what: What::Arrived { handle: mut held, .. }, .. } = peer else { panic!() };
        held.admit();
        let failed = async {
            loop {
                let Told { ours, what, .. } = site.next().await;
                if let (true, What::Closed(End::Handshake(fault, error))) = (ours, what) {
                    return (fault, error.to_string());
                }
            }
        };
        let (fault, told) = timeout(Duration::from_secs(5), failed).await.unwrap();
        assert_eq!(fault, wanted, "{told}");
        assert!(told.to_lowercase().contains("certificate"), "{told}");
        let names = fault != Fault::Name
            || told.contains("other.example") && told.contains("\"sip.example\"");
        assert!(names, "which name was wanted and which came: {told}");
    }
}

#[tokio::test]
async fn what_a_peer_is_shown_is_loaded_anew_for_new_connections() {
    let (papers, foreign) = (Papers::new(), Papers::new());
    let own = papers.sign("gate", "sip.example");
    let theirs = foreign.sign("sbc", "sbc.example");
    let (client, reloader) =
        Client::reloadable(Some(papers.authority.clone()), Some(theirs.clone())).unwrap();
    let mut site = Site::tls(&papers, &own, ClientCertificates::Required);
    assert_eq!(shown(&mut site, &client).await, None, "a foreign authority signed it");
    let right = papers.sign("sbc", "sbc.example");
    fs::copy(&right.certificate, &theirs.certificate).unwrap();
    fs::copy(&right.key, &theirs.key).unwrap();
    assert_eq!(shown(&mut site, &client).await, None, "it is not loaded yet");
    assert_eq!(reloader.reload().unwrap().unwrap().names, ["sbc.example"]);
    assert_eq!(shown(&mut site, &client).await.unwrap(), ["sbc.example"]);
    fs::write(&theirs.key, "no key").unwrap();
    assert!(reloader.reload().is_err());
    assert_eq!(shown(&mut site, &client).await.unwrap(), ["sbc.example"], "the old one holds");
}

/// Opens a connection; returns the names that the listener sees, if it takes them.
async fn shown(site: &mut Site, client: &Client) -> Option<Vec<String>> {
    let (_ours, peer) = site.opened(Some((client.clone(), "sip.example"))).await;
    let Told { connection, what: What::Arrived { handle: mut held, .. }, .. } = peer else {
        panic!()
    };
    held.admit();
    loop {
        let told = timeout(Duration::from_secs(5), site.next()).await.unwrap();
        if told.ours || told.connection != connection {
            continue;
        }
        match told.what {
            What::Ready { names } => return Some(names),
            What::Closed(_) => return None,
            What::Arrived { .. } | What::Received(_) => {}
        }
    }
}

#[tokio::test]
async fn a_new_certificate_holds_for_new_connections_only() {
    let papers = Papers::new();
    let own = papers.sign("gate", "sip.example");
    let files =
        ServerFiles { identity: own.clone(), authority: None, clients: ClientCertificates::None };
    let (_server, reloader) = Server::load(files).unwrap();
    papers.sign("gate", "sip.new.example");
    assert_eq!(reloader.reload().unwrap().names, ["sip.new.example"]);
    fs::write(&own.key, "no key").unwrap();
    let refused = reloader.reload().unwrap_err().to_string();
    assert!(refused.contains("gate.key: no private key"), "{refused}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_with_its_file() {
    let papers = Papers::new();
    let own = papers.sign("gate", "sip.example");
    let other = papers.sign("other", "sip.example");
    let mixed = Identity { certificate: own.certificate.clone(), key: other.key };
    let load = |identity| {
        let clients = ClientCertificates::None;
        let wrong = Server::load(ServerFiles { identity, authority: None, clients }).unwrap_err();
        wrong.to_string()
    };
    assert!(load(mixed).contains("gate.pem: "));
    let missing = Identity { certificate: "/nowhere/x.pem".into(), key: own.key.clone() };
    assert!(load(missing).contains("/nowhere/x.pem: no certificate"));
    let described = own.describe().unwrap();
    assert_eq!(described.names, ["sip.example"]);
    assert!(described.begins < described.expires);
}

/// A listener and the news of all connections.
struct Site {
    address: SocketAddr,
    news: mpsc::Receiver<Told>,
    sender: mpsc::Sender<Told>,
}

impl Site {
    fn plain() -> Self {
        Self::with(None)
    }

    fn tls(papers: &Papers, own: &Identity, clients: ClientCertificates) -> Self {
        let authority = Some(papers.authority.clone());
        let files = ServerFiles { identity: own.clone(), authority, clients };
        Self::with(Some(Server::load(files).unwrap().0))
    }

    fn with(server: Option<Server>) -> Self {
        let socket = net::tcp::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, news) = mpsc::channel(64);
        let (room, numbers) = (Arc::new(Semaphore::new(16)), Arc::new(AtomicUsize::new(1)));
        tokio::spawn(Listening { listener: 0, socket, server, room, numbers }.run(sender.clone()));
        Self { address, news, sender }
    }

    /// Opens a connection to itself; returns our end and the other's arrival. On plain TCP our end
    /// is ready by then.
    async fn opened(&mut self, client: Option<(Client, &str)>) -> (Handle, Told) {
        let plain = client.is_none();
        let client = client.map(|(client, name)| (client, net::tls::server_name(name).unwrap()));
        let (local, destination) = (self.address, self.address);
        let call = Call { connection: 9, local, destination, client };
        let handle = call.open(self.sender.clone());
        let (mut arrival, mut heard) = (None, 0);
        while arrival.is_none() || plain && heard < 2 {
            heard += 1;
            let told = self.next().await;
            if matches!(told.what, What::Arrived { .. }) {
                arrival = Some(told);
            }
        }
        (handle, arrival.unwrap())
    }

    async fn next(&mut self) -> Told {
        timeout(Duration::from_secs(5), self.news.recv()).await.unwrap().unwrap()
    }
}

/// An authority and what it signed.
struct Papers {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    authority: PathBuf,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = folder.path().join("authority.pem");
        fs::write(&authority, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key), authority }
    }

    fn sign(&self, title: &str, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let at = |end: &str| Path::new(self.folder.path()).join(format!("{title}.{end}"));
        fs::write(at("pem"), signed.pem()).unwrap();
        fs::write(at("key"), key.serialize_pem()).unwrap();
        Identity { certificate: at("pem"), key: at("key") }
    }
}
