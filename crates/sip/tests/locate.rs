//! Trunks found by name (RFC 3263): what is asked, in which order addresses are tried, what is kept
//! and for how long.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on should fail loudly, and looks for some outputs only"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{CallId, Instant, Now, Outbound, Transport, TrunkId, UnixTime};
use sip::{
    Command, Dial, Endpoint, Event, Input, Listener, Output, Record, RecordData, RecordKind,
    Settings, Unfound,
};

#[test]
fn names_are_asked_for_before_a_call_and_the_call_leaves_at_once() {
    let mut node = Node::new(None, None);
    node.answer("carrier.example", RecordKind::Naptr, Err(NOTHING));
    node.answer(
        "_sip._udp.carrier.example",
        RecordKind::Srv,
        Ok(vec![srv(10, 0, 5070, "a.example")]),
    );
    node.answer("_sip._tcp.carrier.example", RecordKind::Srv, Err(NOTHING));
    node.answer("a.example", RecordKind::A, Ok(vec![host("192.0.2.7")]));
    node.answer("a.example", RecordKind::Aaaa, Err(NOTHING));
    assert_eq!(node.asked(), []);
    assert_eq!(node.dial(1), [to("192.0.2.7:5070", false)]);
    assert_eq!(node.asked(), [], "nobody is asked while a call waits");
}

#[test]
fn a_call_that_comes_before_the_answer_waits_for_it() {
    let mut node = Node::new(Some(5061), Some(Transport::Udp));
    assert_eq!(node.dial(1), []);
    node.answer("carrier.example", RecordKind::A, Ok(vec![host("192.0.2.7")]));
    node.answer("carrier.example", RecordKind::Aaaa, Err(NOTHING));
    assert_eq!(node.sent(), [to("192.0.2.7:5061", false)]);
}

#[test]
fn naptr_chooses_the_transport() {
    let mut node = Node::new(None, None);
    let naptr = vec![
        naptr(20, "SIP+D2U", "_sip._udp.other.example"),
        naptr(10, "SIP+D2T", "_sip._tcp.other.example"),
        naptr(5, "SIPS+D2T", "_sips._tcp.other.example"),
    ];
    node.answer("carrier.example", RecordKind::Naptr, Ok(naptr));
    // We have no TLS listener here: that service is not asked for.
    node.answer("_sip._tcp.other.example", RecordKind::Srv, Ok(vec![srv(1, 0, 5080, "t.example")]));
    node.answer("_sip._udp.other.example", RecordKind::Srv, Ok(vec![srv(1, 0, 5090, "u.example")]));
    node.answer("t.example", RecordKind::A, Ok(vec![host("192.0.2.8")]));
    node.answer("u.example", RecordKind::A, Ok(vec![host("192.0.2.9")]));
    node.answer("t.example", RecordKind::Aaaa, Err(NOTHING));
    node.answer("u.example", RecordKind::Aaaa, Err(NOTHING));
    assert_eq!(node.dial(1), [to("192.0.2.8:5080", true)]);
}

#[test]
fn weights_share_calls_and_priorities_come_first() {
    let mut node = Node::new(None, Some(Transport::Udp));
    let records =
        vec![srv(1, 75, 1, "a.example"), srv(1, 25, 2, "a.example"), srv(2, 100, 3, "a.example")];
    node.answer("_sip._udp.carrier.example", RecordKind::Srv, Ok(records));
    for _ in 0..3 {
        node.answer("a.example", RecordKind::A, Ok(vec![host("192.0.2.7")]));
        node.answer("a.example", RecordKind::Aaaa, Err(NOTHING));
    }
    let mut shares = BTreeMap::new();
    for call in 0..400 {
        let sent = node.dial(call);
        *shares.entry(sent[0].0.port()).or_insert(0) += 1;
    }
    assert!((260..340).contains(&shares[&1]) && (60..140).contains(&shares[&2]), "{shares:?}");
    assert_eq!(shares.get(&3), None);
}

#[test]
fn an_address_that_stays_silent_is_followed_by_the_next() {
    let mut node = Node::new(None, Some(Transport::Udp));
    let records = vec![srv(1, 0, 1, "a.example"), srv(2, 0, 2, "a.example")];
    node.answer("_sip._udp.carrier.example", RecordKind::Srv, Ok(records));
    for _ in 0..2 {
        node.answer("a.example", RecordKind::A, Ok(vec![host("192.0.2.7")]));
        node.answer("a.example", RecordKind::Aaaa, Err(NOTHING));
    }
    assert_eq!(node.dial(1), [to("192.0.2.7:1", false)]);
    let sent = node.wait(Duration::from_millis(4_100));
    assert!(sent.contains(&to("192.0.2.7:2", false)), "{sent:?}");
}

#[test]
fn what_is_known_is_asked_again_before_it_is_old_and_serves_while_nobody_answers() {
    let mut node = Node::new(Some(5060), Some(Transport::Udp));
    node.answer("carrier.example", RecordKind::A, Ok(vec![host("192.0.2.7")]));
    node.answer("carrier.example", RecordKind::Aaaa, Err(NOTHING));
    node.wait(Duration::from_secs(47));
    assert_eq!(node.asked(), []);
    node.wait(Duration::from_secs(2));
    node.answer("carrier.example", RecordKind::A, Err(Unfound::Failed));
    node.answer("carrier.example", RecordKind::Aaaa, Err(Unfound::Failed));
    node.wait(Duration::from_secs(3_600));
    assert_eq!(node.dial(1), [to("192.0.2.7:5060", false)]);
}

#[test]
fn a_name_that_leads_nowhere_fails_at_once_for_as_long_as_that_holds() {
    let mut node = Node::new(Some(5060), Some(Transport::Udp));
    node.answer("carrier.example", RecordKind::A, Err(NOTHING));
    node.answer("carrier.example", RecordKind::Aaaa, Err(NOTHING));
    assert_eq!(node.dial(1), []);
    assert_eq!((node.failed, node.asked()), (1, vec![]));
    node.wait(Duration::from_secs(61));
    node.dial(2);
    assert_eq!(node.asked().len(), 2);
}

#[test]
fn an_address_outside_the_allow_list_is_not_called() {
    let mut node = Node::new(Some(5060), Some(Transport::Udp));
    let found = vec![host("203.0.113.9"), host("192.0.2.7")];
    node.answer("carrier.example", RecordKind::A, Ok(found));
    node.answer("carrier.example", RecordKind::Aaaa, Err(NOTHING));
    assert_eq!(node.dial(1), [to("192.0.2.7:5060", false)]);
}

const NOTHING: Unfound = Unfound::Nothing { ttl_secs: Some(60) };

/// An INVITE that left: to where, and whether by a stream.
type Sent = (SocketAddr, bool);

fn to(address: &str, stream: bool) -> Sent {
    (address.parse().unwrap(), stream)
}

struct Node {
    endpoint: Endpoint,
    now: Instant,
    questions: Vec<(u64, String, RecordKind)>,
    sent: Vec<Sent>,
    failed: usize,
}

impl Node {
    fn new(port: Option<u16>, transport: Option<Transport>) -> Self {
        let listener = |transport| {
            let advertised = "198.51.100.1:5060".parse().unwrap();
            Listener { advertised, transport, keep_alive: true }
        };
        let endpoint = Endpoint::new(Settings {
            seed: [9; 32],
            listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
            patience: sip::Patience::default(),
        });
        let (questions, sent) = (Vec::new(), Vec::new());
        let mut node = Self { endpoint, now: Instant::START, questions, sent, failed: 0 };
        node.feed(Input::Command(Command::Trunks(vec![trunk(port, transport)])));
        node
    }

    fn asked(&self) -> Vec<(String, RecordKind)> {
        self.questions.iter().map(|(_, name, kind)| (name.clone(), *kind)).collect()
    }

    fn answer(&mut self, name: &str, kind: RecordKind, answer: Result<Vec<Record>, Unfound>) {
        let at = self.questions.iter().position(|(_, asked, of)| asked == name && *of == kind);
        let at = at.unwrap_or_else(|| panic!("{name} {kind:?} was not asked: {:?}", self.asked()));
        let (id, ..) = self.questions.remove(at);
        self.feed(Input::Found { id, answer });
    }

    fn dial(&mut self, call: u128) -> Vec<Sent> {
        self.feed(Input::Command(Command::Dial(Box::new(Dial {
            call: CallId(call),
            trunk: TrunkId::from_name("carrier"),
            called: "+390116543210".to_owned(),
            caller: "+390110000001".to_owned(),
            name: None,
            withheld: false,
            offer: Bytes::from_static(b"v=0\r\n"),
            max_forwards: 70,
            patience: Duration::from_secs(4),
        }))));
        self.sent()
    }

    fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            let now = self.moment();
            self.endpoint.handle_timeout(now);
            self.drain();
        }
        self.now = end;
        self.sent()
    }

    fn sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    fn feed(&mut self, input: Input) {
        let now = self.moment();
        self.endpoint.handle_input(input, now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) if transmit.payload.starts_with(b"INVITE ") => {
                    self.sent.push((transmit.destination, transmit.connection.is_some()));
                }
                Output::Lookup { id, name, kind } => self.questions.push((id, name, kind)),
                Output::Event(Event::Failed { .. }) => self.failed += 1,
                _ => {}
            }
        }
    }

    fn moment(&self) -> Now {
        Now { mono: self.now, unix: UnixTime::default() }
    }
}

fn record(data: RecordData) -> Record {
    Record { ttl_secs: 60, data }
}

fn host(address: &str) -> Record {
    record(RecordData::Address(address.parse().unwrap()))
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    record(RecordData::Srv { priority, weight, port, target: target.to_owned() })
}

fn naptr(order: u16, services: &str, replacement: &str) -> Record {
    record(RecordData::Naptr {
        order,
        preference: 0,
        flags: "s".to_owned(),
        services: services.to_owned(),
        replacement: replacement.to_owned(),
    })
}

fn trunk(port: Option<u16>, transport: Option<Transport>) -> Trunk {
    Trunk {
        outbound: Some(Outbound { port, transport, ..Outbound::to("carrier.example") }),
        ..Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
    }
}
