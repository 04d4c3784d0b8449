//! A network that loses, repeats and reorders datagrams, by a seed.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::ports;

/// How bad the network is, in percent of the datagrams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) overtaken: u64,
}

/// Two sockets with bad weather between them: whatever the caller sends to the relay reaches the
/// target from the relay's other side, and back, or does not.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
    dropped: AtomicU64,
    caller: Mutex<Option<SocketAddr>>,
}

impl Relay {
    /// Opens a relay to `target`, which sees it as coming from `side`, an address of a trunk.
    pub(crate) fn open(target: SocketAddr, side: &str, weather: Weather, seed: u64) -> Self {
        let front = bound(&Ipv4Addr::LOCALHOST.to_string());
        Self::between(front, (side, target), weather, seed)
    }

    /// Opens a relay at a trunk's address, for calls to a target behind it.
    pub(crate) fn before(target: SocketAddr, weather: Weather, seed: u64) -> Self {
        let address = target.ip().to_string();
        Self::between(bound(&address), (&address, target), weather, seed)
    }

    fn between(
        front: UdpSocket,
        (side, target): (&str, SocketAddr),
        weather: Weather,
        seed: u64,
    ) -> Self {
        let back = bound(side);
        let address = front.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let way = |inlet: &UdpSocket, outlet: &UdpSocket, target, seed| Way {
            inlet: inlet.try_clone().expect("sockets can be shared"),
            outlet: outlet.try_clone().expect("sockets can be shared"),
            target,
            weather,
            dice: seed,
            state: Arc::clone(&state),
            held: None,
        };
        let there = way(&front, &back, Some(target), seed.wrapping_mul(2) | 1);
        let again = way(&back, &front, None, seed.wrapping_mul(2).wrapping_add(0x9e37_79b9) | 1);
        let threads = vec![thread::spawn(move || there.run()), thread::spawn(move || again.run())];
        Self { address, state, threads }
    }

    /// Returns where callers send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many datagrams were lost so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// One direction.
#[derive(Debug)]
struct Way {
    inlet: UdpSocket,
    outlet: UdpSocket,
    /// Where to; `None` is whoever called.
    target: Option<SocketAddr>,
    weather: Weather,
    dice: u64,
    state: Arc<State>,
    /// A datagram that the next one overtakes.
    held: Option<Vec<u8>>,
}

impl Way {
    fn run(mut self) {
        let mut buffer = [0; 65_535];
        while !self.state.over.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.inlet.recv_from(&mut buffer) else {
                if let Some(late) = self.held.take() {
                    self.carry(&late);
                }
                continue;
            };
            if self.target.is_some() {
                *self.caller() = Some(from);
            }
            self.weathered(buffer[..length].to_vec());
        }
    }

    fn weathered(&mut self, datagram: Vec<u8>) {
        if self.roll() < self.weather.lost {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.held.is_none() && self.roll() < self.weather.overtaken {
            self.held = Some(datagram);
            return;
        }
        self.carry(&datagram);
        if self.roll() < self.weather.repeated {
            self.carry(&datagram);
        }
        if let Some(late) = self.held.take() {
            self.carry(&late);
        }
    }

    fn carry(&self, datagram: &[u8]) {
        let target = self.target.or(*self.caller());
        if let Some(target) = target {
            // A side that is gone answers with an ICMP error: another loss.
            drop(self.outlet.send_to(datagram, target));
        }
    }

    fn caller(&self) -> std::sync::MutexGuard<'_, Option<SocketAddr>> {
        self.state.caller.lock().expect("no thread of the relay panics")
    }

    /// Returns 0 to 99 (xorshift).
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % 100
    }
}

fn bound(address: &str) -> UdpSocket {
    let (_, socket) = ports::row_with_socket(2, address, 0);
    let patience = Some(Duration::from_millis(40));
    socket.set_read_timeout(patience).expect("sockets have timeouts");
    socket
}
