//! Streams, TCP and TLS, a task each: bytes in, bytes out, in order, both bounded. What they carry is
//! not read here, and who may stay is decided elsewhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::{self, Client, Fault, Server};

/// Most bytes told at once.
const CHUNK: usize = 4 << 10;
/// Chunks of one connection that may wait to be dealt with, so that none crowds out the others.
const CHUNKS: usize = 4;
/// Messages that may wait to be written.
const MESSAGES: usize = 1_024;
/// Bytes that may wait to be written: a peer that reads more slowly loses its connection.
const WAITING: usize = 1 << 20;
/// How long a peer may take to read what one write brings.
const READ_PATIENCE: Duration = Duration::from_secs(10);
/// How long an end may take to be said.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pause after a failed accept: no more files, mostly.
const PAUSE: Duration = Duration::from_millis(100);

/// Something happened to a connection.
#[derive(Debug)]
pub struct Told {
    /// The connection's number, its owner's to give.
    pub connection: u64,
    /// Whether we opened it.
    pub ours: bool,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// A peer opened it; nothing is read before it is admitted.
    Arrived {
        /// At which listener.
        listener: u8,
        /// From where.
        source: SocketAddr,
        /// How it is held.
        handle: Handle,
    },
    /// It is open, TLS included.
    Ready {
        /// Names of the peer's verified certificate.
        names: Vec<String>,
    },
    /// Bytes came.
    Received(Chunk),
    /// It is over.
    Closed(End),
}

/// Some bytes, and the right to have them wait.
#[derive(Debug)]
pub struct Chunk {
    /// The bytes.
    pub payload: Bytes,
    _turn: OwnedSemaphorePermit,
}

/// Why a connection is over.
#[derive(Debug)]
pub enum End {
    /// The peer or the network ended it.
    Ended,
    /// It could not be opened.
    Refused(io::Error),
    /// The handshake failed, or the peer told afterwards that it had.
    Handshake(Fault, io::Error),
    /// The peer does not read.
    Slow,
}

/// Holds a connection open: dropped, it is closed once everything sent is written.
#[derive(Debug)]
pub struct Handle {
    queue: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    admission: Option<oneshot::Sender<()>>,
    /// Its end is heard by the task.
    _held: oneshot::Sender<()>,
}

impl Handle {
    /// Lets an arrived connection be read.
    pub fn admit(&mut self) {
        if let Some(admission) = self.admission.take() {
            // A connection that is gone is told of as closed.
            let _ = admission.send(());
        }
    }

    /// Queues bytes to be written. Returns whether there was room; if not, the connection shall be
    /// dropped.
    #[must_use]
    pub fn send(&self, payload: Bytes) -> bool {
        let length = payload.len();
        if self.waiting.fetch_add(length, Ordering::Relaxed) + length > WAITING {
            return false;
        }
        self.queue.try_send(payload).is_ok()
    }
}

/// A task's end of a [`Handle`].
struct Held {
    queue: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    admission: oneshot::Receiver<()>,
    dropped: oneshot::Receiver<()>,
}

fn handle() -> (Handle, Held) {
    let (queue, queued) = mpsc::channel(MESSAGES);
    let (admission, admitted) = oneshot::channel();
    let (held, dropped) = oneshot::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let ours = Arc::clone(&waiting);
    (
        Handle { queue, waiting, admission: Some(admission), _held: held },
        Held { queue: queued, waiting: ours, admission: admitted, dropped },
    )
}

/// Accepts connections on one address.
#[derive(Debug)]
pub struct Listening {
    /// Its place among the listeners.
    pub listener: u8,
    /// The socket.
    pub socket: TcpListener,
    /// How it proves itself; plain TCP without.
    pub server: Option<Server>,
    /// How many sockets of all listeners may be open.
    pub room: Arc<Semaphore>,
    /// Numbers connections of all listeners.
    pub numbers: Arc<AtomicUsize>,
}

/// Binds a listening socket. IPv6 sockets carry IPv6 only.
///
/// # Errors
/// As `bind(2)` and `listen(2)`.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run that linger must not keep us from starting.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    TcpListener::from_std(socket.into())
}

impl Listening {
    /// Accepts for ever. Without room, nobody is accepted: the kernel's queue holds a few, and
    /// nothing of ours is spent on them.
    pub async fn run(self, news: mpsc::Sender<Told>) {
        loop {
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
            let (stream, source) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let number = self.numbers.fetch_add(1, Ordering::Relaxed) as u64;
            let (handle, held) = handle();
            let what = What::Arrived { listener: self.listener, source, handle };
            if news.send(Told { connection: number, ours: false, what }).await.is_err() {
                return;
            }
            let teller = Teller { connection: number, ours: false, news: news.clone() };
            let server = self.server.clone();
            tokio::spawn(async move {
                teller.welcome(stream, server, held).await;
                drop(room);
            });
        }
    }
}

/// Where a connection of ours leads.
#[derive(Debug)]
pub struct Call {
    /// Its number.
    pub connection: u64,
    /// The address that it leaves from; any port.
    pub local: SocketAddr,
    /// The address that it goes to.
    pub destination: SocketAddr,
    /// How the peer is checked, and by what name; plain TCP without.
    pub client: Option<(Client, ServerName<'static>)>,
}

impl Call {
    /// Opens it; what is sent meanwhile waits.
    #[must_use]
    pub fn open(self, news: mpsc::Sender<Told>) -> Handle {
        let (handle, held) = handle();
        let teller = Teller { connection: self.connection, ours: true, news };
        tokio::spawn(teller.call(self, held));
        handle
    }
}

/// Tells of one connection.
struct Teller {
    connection: u64,
    ours: bool,
    news: mpsc::Sender<Told>,
}

impl Teller {
    /// Returns whether anybody listens.
    async fn tell(&self, what: What) -> bool {
        let told = Told { connection: self.connection, ours: self.ours, what };
        self.news.send(told).await.is_ok()
    }

    async fn welcome(&self, stream: TcpStream, server: Option<Server>, mut held: Held) {
        if (&mut held.admission).await.is_err() {
            // Not admitted: it is closed without a byte.
            return;
        }
        drop(stream.set_nodelay(true));
        let Some(server) = server else { return self.carry(stream, Vec::new(), held).await };
        tokio::select! {
            shaken = server.accept(stream) => match shaken {
                Ok((stream, names)) => self.carry(stream, names, held).await,
                Err(error) => {
                    self.tell(What::Closed(handshake(error))).await;
                }
            },
            _ = &mut held.dropped => {}
        }
    }

    async fn call(self, call: Call, mut held: Held) {
        let connected = tokio::select! {
            connected = connect(call.local, call.destination) => connected,
            _ = &mut held.dropped => return,
        };
        let stream = match connected {
            Ok(stream) => stream,
            Err(error) => {
                self.tell(What::Closed(End::Refused(error))).await;
                return;
            }
        };
        let Some((client, name)) = call.client else {
            return self.carry(stream, Vec::new(), held).await;
        };
        let shown = tls::shown(&name);
        tokio::select! {
            shaken = client.connect(name, stream) => match shaken {
                Ok(stream) => self.carry(stream, vec![shown], held).await,
                Err(error) => {
                    self.tell(What::Closed(handshake(error))).await;
                }
            },
            _ = &mut held.dropped => {}
        }
    }

    /// Moves bytes both ways until one end has enough.
    async fn carry(&self, stream: impl AsyncRead + AsyncWrite, names: Vec<String>, held: Held) {
        let Held { queue, waiting, dropped: _dropped, .. } = held;
        if !self.tell(What::Ready { names }).await {
            return;
        }
        let (reader, writer) = tokio::io::split(stream);
        let end = tokio::select! {
            end = self.read(reader) => Some(end),
            end = write(writer, queue, &waiting) => end,
        };
        if let Some(end) = end {
            self.tell(What::Closed(end)).await;
        }
    }

    async fn read(&self, mut reader: impl AsyncRead + Unpin) -> End {
        let turns = Arc::new(Semaphore::new(CHUNKS));
        let mut buffer = vec![0; CHUNK];
        loop {
            let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return End::Ended };
            let count = match reader.read(&mut buffer).await {
                Ok(0) => return End::Ended,
                // Only what the peer says is about the handshake; all else is the stream's end.
                Err(error) if Fault::of(&error) == Some(Fault::Ours) => return handshake(error),
                Err(_) => return End::Ended,
                Ok(count) => count,
            };
            let payload = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
            if !self.tell(What::Received(Chunk { payload, _turn: turn })).await {
                return End::Ended;
            }
        }
    }
}

fn handshake(error: io::Error) -> End {
    End::Handshake(Fault::of(&error).unwrap_or(Fault::Other), error)
}

async fn connect(local: SocketAddr, destination: SocketAddr) -> io::Result<TcpStream> {
    let socket = if destination.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    let stream = socket.connect(destination).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes what is queued. `None` if the handle was dropped and everything is written.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Bytes>,
    waiting: &AtomicUsize,
) -> Option<End> {
    while let Some(payload) = queue.recv().await {
        let written = async {
            writer.write_all(&payload).await?;
            writer.flush().await
        };
        match timeout(READ_PATIENCE, written).await {
            Ok(Ok(())) => waiting.fetch_sub(payload.len(), Ordering::Relaxed),
            Ok(Err(_)) => return Some(End::Ended),
            Err(_) => return Some(End::Slow),
        };
    }
    drop(timeout(FAREWELL, writer.shutdown()).await);
    None
}
