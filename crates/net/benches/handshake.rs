//! What a new connection costs until its first answer is there: TLS, with a full handshake and a
//! resumed one, beside TCP, and beside a datagram that needs none. Both ends run on one thread on
//! loopback, so that the time is the processor time of both together. The listening end is ours, as
//! it serves; certificates are of P-256.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use net::tcp::{Handle, Listening, Told, What};
use net::tls::{Client, ClientCertificates, Identity, Server, ServerFiles};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::rustls::HandshakeKind;

const NAME: &str = "sip.tollgate.example";
/// A question of the size of an OPTIONS.
const QUESTION: [u8; 400] = [0x55; 400];

/// Certificates, and one thread for both ends.
struct Stage {
    runtime: Runtime,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]);
        let made = made.expect("certificates can be made");
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("the folder is writable");
        };
        write("own.pem", made.cert.pem());
        write("own.key", made.signing_key.serialize_pem());
        let runtime = Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime can be built"), folder }
    }

    fn identity(&self) -> Identity {
        let file = |name: &str| self.folder.path().join(name);
        Identity { certificate: file("own.pem"), key: file("own.key") }
    }

    /// A client that has met nobody yet.
    fn client(&self, shown: bool) -> Client {
        let own = self.identity();
        let authority: &Path = &own.certificate;
        Client::load(Some(authority), shown.then_some(&own)).expect("the files are sound")
    }

    /// Serves connections that answer what they are asked.
    fn serve(&self, clients: Option<ClientCertificates>) -> SocketAddr {
        let server = clients.map(|clients| {
            let identity = self.identity();
            let authority = Some(identity.certificate.clone());
            let files = ServerFiles { identity, authority, clients };
            Server::load(files).expect("the files are sound").0
        });
        let _inside = self.runtime.enter();
        let socket = net::tcp::bind("127.0.0.1:0".parse().expect("an address"));
        let socket = socket.expect("loopback has free ports");
        let address = socket.local_addr().expect("it is bound");
        let (news, told) = mpsc::channel(64);
        let (room, numbers) = (Arc::new(Semaphore::new(64)), Arc::new(AtomicUsize::new(1)));
        let listening = Listening { listener: 0, socket, server, room, numbers };
        self.runtime.spawn(listening.run(news));
        self.runtime.spawn(echo(told));
        address
    }
}

/// Admits whoever comes and sends back what they say.
async fn echo(mut told: mpsc::Receiver<Told>) {
    let mut open = std::collections::BTreeMap::<u64, Handle>::new();
    while let Some(Told { connection, what, .. }) = told.recv().await {
        match what {
            What::Arrived { mut handle, .. } => {
                handle.admit();
                open.insert(connection, handle);
            }
            What::Received(chunk) => {
                let handle = open.get(&connection).expect("it arrived");
                assert!(handle.send(chunk.payload), "there is room");
            }
            What::Ready { .. } => {}
            What::Closed(_) => drop(open.remove(&connection)),
        }
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.write_all(&QUESTION).await.expect("the peer reads");
    stream.flush().await.expect("the peer reads");
    let mut answer = [0; QUESTION.len()];
    stream.read_exact(&mut answer).await.expect("the peer answers");
    black_box(answer);
}

async fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("the listener accepts");
    stream.set_nodelay(true).expect("it is open");
    stream
}

/// Asks over TLS; returns how the handshake went.
async fn ask_securely(client: &Client, address: SocketAddr) -> Option<HandshakeKind> {
    let name = net::tls::server_name(NAME).expect("a name of a host");
    let stream = client.connect(name, connected(address).await).await;
    let mut stream = stream.expect("the certificate is sound");
    ask(&mut stream).await;
    stream.get_ref().1.handshake_kind()
}

fn opening(criterion: &mut Criterion) {
    let stage = Stage::new();
    let mut group = criterion.benchmark_group("a connection until its first answer");
    group.throughput(Throughput::Elements(1));
    group.bench_function("udp, no connection", |bencher| {
        let (asks, answers) = stage.runtime.block_on(async {
            let asks = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has free ports");
            let answers = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has free ports");
            (asks, answers)
        });
        let address = answers.local_addr().expect("it is bound");
        bencher.iter(|| {
            stage.runtime.block_on(async {
                let mut space = [0; 2_048];
                asks.send_to(&QUESTION, address).await.expect("loopback takes datagrams");
                let (length, source) = answers.recv_from(&mut space).await.expect("it came");
                answers.send_to(&space[..length], source).await.expect("loopback takes datagrams");
                black_box(asks.recv(&mut space).await.expect("it came"))
            })
        });
    });
    group.bench_function("tcp", |bencher| {
        let address = stage.serve(None);
        bencher.iter(|| stage.runtime.block_on(async { ask(connected(address).await).await }));
    });
    for (name, shown, clients) in [
        ("tls", false, ClientCertificates::None),
        ("mutual tls", true, ClientCertificates::Required),
    ] {
        let address = stage.serve(Some(clients));
        group.bench_function(format!("{name}, full handshake"), |bencher| {
            bencher.iter_batched(
                || stage.client(shown),
                |client| {
                    let kind = stage.runtime.block_on(ask_securely(&client, address));
                    assert_eq!(kind, Some(HandshakeKind::Full));
                },
                BatchSize::PerIteration,
            );
        });
        let client = stage.client(shown);
        stage.runtime.block_on(ask_securely(&client, address));
        group.bench_function(format!("{name}, resumed"), |bencher| {
            bencher.iter(|| {
                let kind = stage.runtime.block_on(ask_securely(&client, address));
                assert_eq!(kind, Some(HandshakeKind::Resumed));
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = opening
}
criterion_main!(benches);
