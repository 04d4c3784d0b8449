//! A name server on loopback that knows a few names (RFC 1035, RFC 2782, RFC 3403).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long its answers hold, seconds.
const TTL: u32 = 60;
const HEADER: usize = 12;
const IN: u16 = 1;
const SOA: u16 = 6;

/// What a name has.
#[derive(Debug, Clone)]
pub(crate) enum Has {
    /// An address.
    Address(Ipv4Addr),
    /// Priority, port, host.
    Host(u16, u16, &'static str),
    /// Order, service, next name.
    Service(u16, &'static str, &'static str),
}

/// The server; stops when dropped.
#[derive(Debug)]
pub(crate) struct Names {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// Answers for these names, and says of all others that they do not exist.
    pub(crate) fn serve(records: Vec<(&'static str, Has)>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let patience = Some(Duration::from_millis(40));
        socket.set_read_timeout(patience).expect("sockets have timeouts");
        let address = socket.local_addr().expect("a bound socket has an address");
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut question = [0; 512];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                if let Some(answer) = answered(&question[..length], &records) {
                    // Whoever asked may be gone.
                    drop(socket.send_to(&answer, from));
                }
            }
        });
        Self { address, over, thread: Some(thread) }
    }

    /// Returns the section of the configuration that has it asked.
    pub(crate) fn section(&self) -> String {
        format!("\n[dns]\nservers = [\"{}\"]\n", self.address)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answered(question: &[u8], records: &[(&str, Has)]) -> Option<Vec<u8>> {
    let (name, end) = asked(question)?;
    let kind = question.get(end..end + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))?;
    let known: Vec<_> = records.iter().filter(|(own, _)| *own == name).collect();
    let fitting: Vec<_> = known.iter().filter(|(_, has)| has.kind() == kind).collect();
    let missing = if known.is_empty() { 3 } else { 0 };
    let authority = u16::from(fitting.is_empty());
    let mut answer = question.get(..2)?.to_vec();
    // An answer with authority, to a question that wanted recursion, which there is.
    answer.extend([0x85, 0x80 | missing]);
    let answers = u16::try_from(fitting.len()).ok()?;
    answer.extend([1, answers, authority, 0].into_iter().flat_map(u16::to_be_bytes));
    answer.extend(question.get(HEADER..end + 4)?);
    for (_, has) in fitting {
        record(&mut answer, has.kind(), &has.data());
    }
    if authority > 0 {
        let mut data = [labels("ns.test"), labels("root.test")].concat();
        data.extend([1, TTL, TTL, TTL, TTL].into_iter().flat_map(u32::to_be_bytes));
        record(&mut answer, SOA, &data);
    }
    Some(answer)
}

/// Reads the name that is asked for, and where it ends.
fn asked(question: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), HEADER);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if !name.is_empty() {
            name.push('.');
        }
        let label = question.get(at..at + length)?.to_ascii_lowercase();
        name.push_str(&String::from_utf8(label).ok()?);
        at += length;
    }
}

/// Writes a record of the name in question.
fn record(answer: &mut Vec<u8>, kind: u16, data: &[u8]) {
    let length = u16::try_from(data.len()).expect("records are short");
    // The name is a pointer to the question.
    answer.extend([0xc0, 0x0c]);
    answer.extend([kind, IN].into_iter().flat_map(u16::to_be_bytes));
    answer.extend(TTL.to_be_bytes());
    answer.extend(length.to_be_bytes());
    answer.extend(data);
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.split('.').flat_map(text).collect();
    bytes.push(0);
    bytes
}

/// A length and as many bytes.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("names are short");
    [&[length], text.as_bytes()].concat()
}

impl Has {
    const fn kind(&self) -> u16 {
        match self {
            Self::Address(_) => 1,
            Self::Host(..) => 33,
            Self::Service(..) => 35,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::Address(address) => address.octets().to_vec(),
            Self::Host(priority, port, host) => {
                let numbers = [*priority, 0, *port].into_iter().flat_map(u16::to_be_bytes);
                numbers.chain(labels(host)).collect()
            }
            Self::Service(order, service, next) => {
                let numbers = [*order, 0].into_iter().flat_map(u16::to_be_bytes);
                let words = ["s", *service, ""].into_iter().flat_map(text);
                numbers.chain(words).chain(labels(next)).collect()
            }
        }
    }
}
