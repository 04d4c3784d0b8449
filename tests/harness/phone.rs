//! A phone's audio: it talks PCMU, keys digits by RFC 4733 or by tones, and listens to who is heard.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::clock::{now, pause, secs, wait_for};
use super::ports;

const TICK: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;
/// Samples of 50 ms, in which tones that are multiples of 20 Hz do not disturb each other.
const PIECE: usize = 400;
const RATE: f64 = 8_000.0;

/// A phone on a port, lifted when the first packet comes.
#[derive(Debug)]
pub(crate) struct Phone {
    orders: Sender<Order>,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

/// What a phone is told to do.
#[derive(Debug)]
enum Order {
    Speak(f64),
    Hush,
    Press(String),
    Sing(String),
    Intrude(SocketAddr),
    HangUp,
}

/// What a phone has heard.
#[derive(Debug, Default)]
struct Heard {
    packets: u64,
    samples: Vec<f64>,
    longest_gap: Duration,
    last: Option<Instant>,
    peer: Option<SocketAddr>,
}

impl Phone {
    /// Puts a phone on a socket; it speaks silence until told otherwise.
    pub(crate) fn on(socket: UdpSocket) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("sockets have timeouts");
        let (orders, inbox) = channel();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let line = Line::new(socket, inbox, Arc::clone(&heard));
        let thread = Some(thread::spawn(move || line.run()));
        Self { orders, heard, thread }
    }

    /// Puts a phone on an address that speaks to `peer` without being called.
    pub(crate) fn intruding(address: &str, peer: SocketAddr) -> Self {
        let phone = Self::on(ports::row_with_socket(2, address, 0).1);
        phone.order(Order::Intrude(peer));
        phone
    }

    /// Sends to an address before anything came from there.
    pub(crate) fn speak_to(&self, peer: SocketAddr) {
        self.order(Order::Intrude(peer));
    }

    /// Speaks a tone.
    pub(crate) fn speak(&self, hertz: f64) {
        self.order(Order::Speak(hertz));
    }

    /// Sends no packet any more.
    pub(crate) fn hush(&self) {
        self.order(Order::Hush);
    }

    /// Keys digits in.
    pub(crate) fn press(&self, digits: &str) {
        self.order(Order::Press(digits.to_owned()));
    }

    /// Keys digits in by tones in the audio (ITU-T Q.23).
    pub(crate) fn sing(&self, digits: &str) {
        self.order(Order::Sing(digits.to_owned()));
    }

    /// Waits for the first packet: the call is answered.
    pub(crate) fn wait_answered(&self) {
        wait_for("audio", secs(20), || (self.packets() > 0).then_some(()));
    }

    /// Waits for the answer and keys in a conference ID.
    pub(crate) fn identify(&self, id: &str) {
        self.wait_answered();
        pause(Duration::from_millis(400));
        self.press(&format!("{id}#"));
    }

    /// Returns how many packets came.
    pub(crate) fn packets(&self) -> u64 {
        self.ear().packets
    }

    /// Returns where its audio comes from.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.wait_answered();
        self.ear().peer.expect("a packet has come")
    }

    /// Listens for a while and returns what was heard in it.
    pub(crate) fn listen(&self, time: Duration) -> Sound {
        self.ear().samples.clear();
        self.ear().longest_gap = Duration::ZERO;
        pause(time);
        let heard = self.ear();
        Sound { samples: heard.samples.clone(), longest_gap: heard.longest_gap }
    }

    fn ear(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("the phone's thread does not panic")
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the phone is on until dropped");
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // The thread ends on the order, or has ended.
        drop(self.orders.send(Order::HangUp));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A stretch of audio.
#[derive(Debug)]
pub(crate) struct Sound {
    samples: Vec<f64>,
    pub(crate) longest_gap: Duration,
}

impl Sound {
    /// Takes samples that something else has heard.
    pub(crate) fn of(samples: Vec<f64>) -> Self {
        Self { samples, longest_gap: Duration::ZERO }
    }

    /// Returns its last seconds.
    pub(crate) fn last(&self, seconds: usize) -> Self {
        let from = self.samples.len().saturating_sub(seconds * PIECE * 20);
        Self::of(self.samples[from..].to_vec())
    }

    /// Returns the amplitude of a tone, of 32 768 at most: the median over pieces of 50 ms, so that
    /// a packet that came too late, here or there, makes no difference.
    pub(crate) fn level(&self, hertz: f64) -> f64 {
        let mut levels: Vec<_> =
            self.samples.chunks_exact(PIECE).map(|piece| amplitude(piece, hertz)).collect();
        levels.sort_by(f64::total_cmp);
        levels.get(levels.len() / 2).copied().unwrap_or(0.0)
    }
}

/// Goertzel's filter.
fn amplitude(samples: &[f64], hertz: f64) -> f64 {
    let turn = 2.0 * (TAU * hertz / RATE).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = sample + turn * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - turn * last * before;
    let count = u32::try_from(samples.len().max(1)).unwrap_or(u32::MAX);
    2.0 * power.max(0.0).sqrt() / f64::from(count)
}

/// The phone's thread.
#[derive(Debug)]
struct Line {
    socket: UdpSocket,
    inbox: Receiver<Order>,
    heard: Arc<Mutex<Heard>>,
    peer: Option<SocketAddr>,
    voice: Option<f64>,
    hushed: bool,
    keys: VecDeque<Key>,
    sequence: u16,
    stamp: u32,
    key_began: u32,
    phase: f64,
}

/// One packet's worth of a pressed key.
#[derive(Debug, Clone, Copy)]
enum Key {
    Event { code: u8, nth: u16, end: bool },
    Tones { low: f64, high: f64 },
    Pause,
}

impl Line {
    fn new(socket: UdpSocket, inbox: Receiver<Order>, heard: Arc<Mutex<Heard>>) -> Self {
        Self {
            socket,
            inbox,
            heard,
            peer: None,
            voice: None,
            hushed: false,
            keys: VecDeque::new(),
            sequence: 7_000,
            stamp: 90_000,
            key_began: 0,
            phase: 0.0,
        }
    }

    fn run(mut self) {
        let mut next = now();
        loop {
            loop {
                match self.inbox.try_recv() {
                    Ok(Order::Speak(hertz)) => self.voice = Some(hertz),
                    Ok(Order::Hush) => self.hushed = true,
                    Ok(Order::Press(digits)) => self.plan(&digits),
                    Ok(Order::Sing(digits)) => self.plan_tones(&digits),
                    Ok(Order::Intrude(peer)) => self.peer = Some(peer),
                    Ok(Order::HangUp) | Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => break,
                }
            }
            while now() < next {
                self.receive();
            }
            next += TICK;
            self.send();
        }
    }

    fn plan(&mut self, digits: &str) {
        for digit in digits.chars() {
            let code = "0123456789*#".find(digit).and_then(|at| u8::try_from(at).ok());
            let code = code.expect("phones have twelve keys");
            self.keys.extend((0..5).map(|nth| Key::Event { code, nth, end: false }));
            self.keys.extend([Key::Event { code, nth: 4, end: true }; 3]);
            self.keys.extend([Key::Pause; 4]);
        }
    }

    /// Plans 100 ms of two tones and 100 ms of silence for each digit.
    fn plan_tones(&mut self, digits: &str) {
        for digit in digits.chars() {
            let at = "123456789*0#".find(digit).expect("phones have twelve keys");
            let (low, high) =
                ([697.0, 770.0, 852.0, 941.0][at / 3], [1_209.0, 1_336.0, 1_477.0][at % 3]);
            self.keys.extend([Key::Tones { low, high }; 5]);
            self.keys.extend([Key::Pause; 5]);
        }
    }

    fn receive(&mut self) {
        let mut packet = [0; 2_048];
        let Ok((length, from)) = self.socket.recv_from(&mut packet) else { return };
        let Some(payload) = packet.get(12..length) else { return };
        let (version, kind) = (packet[0] >> 6, packet[1] & 0x7f);
        if version != 2 || kind != 0 {
            return;
        }
        self.peer = Some(from);
        let at = now();
        let mut heard = self.heard.lock().expect("the test does not panic while listening");
        let gap = heard.last.map_or(Duration::ZERO, |last| at - last);
        heard.longest_gap = heard.longest_gap.max(gap);
        heard.last = Some(at);
        heard.peer = Some(from);
        heard.packets += 1;
        heard.samples.extend(payload.iter().map(|byte| expanded(*byte)));
    }

    fn send(&mut self) {
        self.stamp = self.stamp.wrapping_add(160);
        let Some(peer) = self.peer.filter(|_| !self.hushed) else { return };
        let packet = match self.keys.pop_front() {
            Some(Key::Event { code, nth, end }) => {
                if nth == 0 {
                    self.key_began = self.stamp;
                }
                let ending = if end { 0x80 } else { 0 };
                let length = (nth + 1) * 160;
                let [high, low] = length.to_be_bytes();
                self.packet(101, nth == 0, self.key_began, &[code, ending | 10, high, low])
            }
            Some(Key::Tones { low, high }) => {
                let frame = self.chord(low, high);
                self.packet(0, false, self.stamp, &frame)
            }
            Some(Key::Pause) | None => {
                let frame = self.frame();
                self.packet(0, false, self.stamp, &frame)
            }
        };
        // A peer that is gone answers with an ICMP error, which is no news to a phone.
        drop(self.socket.send_to(&packet, peer));
    }

    fn packet(&mut self, kind: u8, marker: bool, stamp: u32, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, kind | u8::from(marker) << 7];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend(0x00c0_ffee_u32.to_be_bytes());
        packet.extend(payload);
        packet
    }

    /// A frame of two tones, which go on from the frame before by the time stamp.
    fn chord(&self, low: f64, high: f64) -> Vec<u8> {
        let tone = |hertz: f64, at: u32| 6_000.0 * (TAU * hertz * f64::from(at) / RATE).sin();
        let first = self.stamp % 80_000;
        (first..first + 160).map(|at| compressed(tone(low, at) + tone(high, at))).collect()
    }

    fn frame(&mut self) -> Vec<u8> {
        let step = self.voice.map_or(0.0, |hertz| TAU * hertz / RATE);
        let loud = if self.voice.is_some() { 8_000.0 } else { 0.0 };
        let mut frame = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            frame.push(compressed(loud * self.phase.sin()));
            self.phase = (self.phase + step) % TAU;
        }
        frame
    }
}

/// µ-law as G.711 defines it: the value of a byte.
fn expanded(byte: u8) -> f64 {
    let byte = !byte;
    let exponent = (byte >> 4) & 7;
    let mantissa = i32::from(byte & 15);
    let magnitude = ((mantissa * 2 + 33) << exponent) - 33;
    let value = f64::from(magnitude * 4);
    if byte & 0x80 == 0 { value } else { -value }
}

/// The byte whose value is nearest: a search, slow and obvious.
fn compressed(sample: f64) -> u8 {
    let sign = if sample < 0.0 { 0x80 } else { 0 };
    let mut low = 0_u8;
    for bit in [64, 32, 16, 8, 4, 2, 1] {
        if expanded(!(low | bit)) <= sample.abs() {
            low |= bit;
        }
    }
    !(low | sign)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_spoken_tone_is_heard_as_loud_as_spoken() {
        use super::*;

        let samples: Vec<_> = (0..8_000)
            .map(|at| 8_000.0 * (TAU * 440.0 * f64::from(at) / RATE).sin())
            .map(|sample| expanded(compressed(sample)))
            .collect();
        let sound = Sound { samples, longest_gap: Duration::ZERO };
        assert!((sound.level(440.0) - 8_000.0).abs() < 300.0, "{}", sound.level(440.0));
        assert!(sound.level(700.0) < 100.0);
    }
}
