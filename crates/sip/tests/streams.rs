//! SIP over streams: messages split and joined, keep-alives, limits, closed connections, addresses
//! of strangers, and the way of answers and of our own requests.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on should fail loudly, and looks for one event"
)]

#[path = "ladder/proof.rs"]
mod proof;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::record::Trunk;
use model::{
    CallId, Credentials, Instant, Now, Outbound, Registrar, Secret, Transport, TrunkId, UnixTime,
    limits,
};
use sip::{
    Closure, Command, ConnectionId, ConnectionInput, ConnectionOutput, Counted, Dial, Endpoint,
    Event, Input, Listener, Output, Settings, Transmit,
};

const CARRIER: &str = "192.0.2.1:40000";
const FIRST: ConnectionId = ConnectionId::Theirs(1);

#[test]
fn a_call_over_a_stream_is_answered_and_ended_on_its_own_connection() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let call = node.call(FIRST);
    let sent = node.order(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
    let [ok] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(ok.connection, Some(FIRST));
    assert!(ok.text.starts_with("SIP/2.0 200 "), "{}", ok.text);
    assert!(ok.text.contains("Contact: <sip:198.51.100.1:5060;transport=tcp>\r\n"), "{}", ok.text);
    assert!(ok.text.contains("Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKi"), "{}", ok.text);
    let tag = tag(&ok.text);
    node.say(FIRST, &request("ACK", "a", 1, &tag));
    let sent = node.order(Command::Bye { call, q850: 16 });
    let [bye] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(bye.connection, Some(FIRST), "peers behind NAT have no other way");
    assert!(bye.text.contains("\r\nVia: SIP/2.0/TCP 198.51.100.1:5060;branch="), "{}", bye.text);
    assert!(node.wait(Duration::from_secs(31)).is_empty(), "a stream repeats nothing");
}

#[test]
fn messages_may_be_split_and_joined() {
    let options = request("OPTIONS", "o", 1, "");
    let both = format!("{options}{}", options.replace("z9hG4bKo", "z9hG4bKp"));
    for size in [1, 7, 100, both.len()] {
        let mut node = Node::new();
        node.accept(FIRST, CARRIER);
        let mut sent = Vec::new();
        for piece in both.as_bytes().chunks(size) {
            sent.extend(node.bytes(FIRST, piece));
        }
        let oks = sent.iter().filter(|sent| sent.text.starts_with("SIP/2.0 200 ")).count();
        assert_eq!(oks, 2, "{size}");
    }
}

#[test]
fn a_refusal_is_sent_once_and_its_transaction_is_over_with_the_ack() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let call = node.call(FIRST);
    let refusal = Command::Refuse { call, status: 486, q850: None, retry_after_secs: None };
    let sent = node.order(refusal);
    assert!(sent[0].text.starts_with("SIP/2.0 486 "));
    assert!(node.wait(Duration::from_secs(9)).is_empty());
    node.say(FIRST, &request("ACK", "i", 1, &tag(&sent[0].text)));
    assert_eq!(node.endpoint.live(), (0, 0));
}

#[test]
fn a_ping_is_answered_by_a_pong() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let sent = node.bytes(FIRST, b"\r\n\r\n");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].text, "\r\n");
}

#[test]
fn strangers_are_closed_without_a_byte() {
    let mut node = Node::new();
    let arrived = ConnectionInput::Arrived { listener: 0, source: address("203.0.113.9:4000") };
    node.tell(FIRST, arrived);
    assert_eq!(node.orders(), [(FIRST, ConnectionOutput::Close)]);
    assert_eq!(node.counted(Counted::Stranger), 1);
    assert!(node.bytes(FIRST, request("OPTIONS", "o", 1, "").as_bytes()).is_empty());
}

#[test]
fn an_address_of_a_trunk_without_its_certificate_is_a_stranger() {
    let mut node = Node::with(Transport::Tls, Some("sbc.carrier.example"));
    let arrived = ConnectionInput::Arrived { listener: 0, source: address(CARRIER) };
    node.tell(FIRST, arrived);
    assert_eq!(node.orders(), [(FIRST, ConnectionOutput::Admit)]);
    node.tell(FIRST, ConnectionInput::Ready { names: vec!["other.example".to_owned()] });
    assert_eq!(node.orders(), [(FIRST, ConnectionOutput::Close)]);
    let second = ConnectionId::Theirs(2);
    node.tell(second, ConnectionInput::Arrived { listener: 0, source: address(CARRIER) });
    node.tell(second, ConnectionInput::Ready { names: vec!["sbc.carrier.example".to_owned()] });
    let sent = node.bytes(second, request("OPTIONS", "o", 1, "").as_bytes());
    assert!(sent[0].text.starts_with("SIP/2.0 200 "));
}

#[test]
fn a_trunk_that_needs_a_certificate_is_not_heard_as_datagrams() {
    let mut node = Node::with(Transport::Udp, Some("sbc.carrier.example"));
    let payload = Bytes::from(request("OPTIONS", "o", 1, ""));
    let input = Input::Datagram { listener: 0, source: address(CARRIER), payload };
    node.feed(input);
    assert!(node.sent().is_empty());
    assert_eq!(node.counted(Counted::Stranger), 1);
}

#[test]
fn a_connection_that_says_nothing_or_half_a_message_is_closed_after_ten_seconds() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let second = ConnectionId::Theirs(2);
    node.accept(second, CARRIER);
    node.bytes(second, request("OPTIONS", "o", 1, "").as_bytes());
    node.wait(Duration::from_secs(5));
    // One byte a second does not buy more time.
    for byte in request("OPTIONS", "p", 1, "").as_bytes().iter().take(9) {
        node.bytes(second, &[*byte]);
        node.wait(Duration::from_secs(1));
    }
    assert_eq!(node.orders(), [(FIRST, ConnectionOutput::Close)]);
    node.wait(Duration::from_secs(2));
    assert_eq!(node.orders(), [(second, ConnectionOutput::Close)]);
}

#[test]
fn a_silent_connection_is_closed_unless_a_dialog_lies_on_it() {
    let mut node = Node::new();
    for connection in [FIRST, ConnectionId::Theirs(2)] {
        node.accept(connection, CARRIER);
    }
    node.bytes(ConnectionId::Theirs(2), request("OPTIONS", "o", 1, "").as_bytes());
    let call = node.call(FIRST);
    let sent = node.order(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
    node.say(FIRST, &request("ACK", "a", 1, &tag(&sent[0].text)));
    let sent = node.wait(Duration::from_secs(125));
    assert_eq!(node.orders(), [(ConnectionId::Theirs(2), ConnectionOutput::Close)]);
    let pings = sent.iter().filter(|sent| sent.text == "\r\n\r\n").count();
    assert_eq!(pings, 1, "{sent:?}");
}

#[test]
fn what_cannot_be_cut_into_messages_is_answered_and_closed() {
    for (lie, answer) in [
        ("", "SIP/2.0 400 "),
        ("Content-Length: -3\r\n", "SIP/2.0 400 "),
        ("Content-Length: 1\r\nl: 2\r\n", "SIP/2.0 400 "),
        ("Content-Length: 70000\r\n", "SIP/2.0 513 "),
    ] {
        let mut node = Node::new();
        node.accept(FIRST, CARRIER);
        let text = request("OPTIONS", "o", 1, "").replace("Content-Length: 0\r\n", lie);
        let sent = node.bytes(FIRST, text.as_bytes());
        assert!(sent[0].text.starts_with(answer), "{lie}: {sent:?}");
        assert_eq!(node.orders(), [(FIRST, ConnectionOutput::Close)], "{lie}");
    }
}

#[test]
fn a_megabyte_of_header_is_dropped_at_64_kilobytes() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    node.bytes(FIRST, b"OPTIONS sip:h SIP/2.0\r\n");
    let mut taken = 0;
    while node.orders().is_empty() {
        node.bytes(FIRST, "X: yyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(32).as_bytes());
        taken += 1_000;
        assert!(taken < 70_000, "an endless header was read on");
    }
}

#[test]
fn one_address_cannot_have_all_connections() {
    let mut node = Node::new();
    let many = limits::CONNECTIONS_PER_SOURCE as u64;
    for number in 1..=many {
        node.accept(ConnectionId::Theirs(number), CARRIER);
    }
    let over = ConnectionId::Theirs(many + 1);
    node.tell(over, ConnectionInput::Arrived { listener: 0, source: address(CARRIER) });
    assert_eq!(node.orders(), [(over, ConnectionOutput::Close)]);
    node.accept(ConnectionId::Theirs(many + 2), "192.0.2.2:40000");
    node.tell(FIRST, ConnectionInput::Closed(Closure::Ended));
    node.accept(ConnectionId::Theirs(many + 3), CARRIER);
}

#[test]
fn an_answer_whose_connection_is_gone_goes_to_the_vias_address_on_a_new_one() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let call = node.call(FIRST);
    node.tell(FIRST, ConnectionInput::Closed(Closure::Ended));
    let sent = node.order(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
    let orders = node.orders();
    let [(opened, ConnectionOutput::Open { destination, .. })] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!(*destination, address("192.0.2.1:5060"));
    assert_eq!(sent[0].connection, Some(*opened));
}

#[test]
fn a_request_whose_connection_dies_is_sent_once_more_and_then_given_up() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let call = node.call(FIRST);
    let sent = node.order(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
    node.say(FIRST, &request("ACK", "a", 1, &tag(&sent[0].text)));
    let bye = node.order(Command::Bye { call, q850: 16 });
    node.tell(FIRST, ConnectionInput::Closed(Closure::Ended));
    let again = node.sent();
    assert_eq!(again[0].text, bye[0].text);
    let orders = node.orders();
    let [(opened, ConnectionOutput::Open { destination, .. })] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!(*destination, address("192.0.2.1:5070"), "the Contact's");
    node.tell(*opened, ConnectionInput::Closed(Closure::Refused));
    assert_eq!(node.endpoint.live(), (0, 1), "only the INVITE's transaction is left");
}

#[test]
fn a_connection_that_does_not_open_is_given_up_after_four_seconds() {
    let mut node = Node::new();
    node.accept(FIRST, CARRIER);
    let call = node.call(FIRST);
    node.tell(FIRST, ConnectionInput::Closed(Closure::Ended));
    node.order(Command::Answer { call, body: Bytes::new() });
    let opened = node.orders()[0].0;
    node.wait(limits::CONNECT);
    assert!(node.orders().contains(&(opened, ConnectionOutput::Close)));
}

#[test]
fn a_trunk_behind_nat_is_called_by_the_connection_that_it_registered_by_while_that_is_open() {
    let mut node = Node::new();
    node.order(Command::Trunks(vec![registering()]));
    node.accept(FIRST, CARRIER);
    node.register(FIRST);
    node.wait(limits::IDLE * 3);
    assert!(node.orders().is_empty(), "it is kept open");
    let sent = node.order(dial(1));
    let [invite] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(invite.connection, Some(FIRST));
    let expected = "INVITE sip:+390112345678@10.0.0.9:5060;transport=tcp SIP/2.0\r\n";
    assert!(invite.text.starts_with(expected), "{}", invite.text);
    node.order(Command::Abandon { call: CallId(1), q850: None });
    node.tell(FIRST, ConnectionInput::Closed(Closure::Ended));
    let trunk = TrunkId::from_name("carrier");
    let gone = Event::Registered { trunk, registered: false, status: 408 };
    assert!(node.events.contains(&gone), "{:?}", node.events);
    node.events.clear();
    node.order(dial(2));
    let failed = |event: &Event| matches!(event, Event::Failed { call: CallId(2), .. });
    assert!(node.events.iter().any(failed), "{:?}", node.events);
}

/// A call to a trunk.
fn dial(call: u128) -> Command {
    Command::Dial(Box::new(Dial {
        call: CallId(call),
        trunk: TrunkId::from_name("carrier"),
        called: "+390112345678".to_owned(),
        caller: "+14155550123".to_owned(),
        name: None,
        withheld: false,
        offer: Bytes::from_static(b"v=0\r\n"),
        max_forwards: 70,
        patience: Duration::from_secs(4),
    }))
}

/// A trunk that registers with us as alice.
fn registering() -> Trunk {
    let (realm, user) = ("ours.example".to_owned(), "alice".to_owned());
    let credentials = Credentials { realm, user, password: Secret::new("secret".to_owned()) };
    let outbound = Outbound::to("pbx.example");
    let registers = Registrar { credentials, expiry_min_secs: 60, expiry_max_secs: 3_600 };
    Trunk { registers: Some(registers), outbound: Some(outbound), ..trunk() }
}

#[test]
fn a_peer_of_datagrams_whose_contact_asks_for_tcp_gets_our_bye_by_tcp() {
    for (contact, streamed) in [(";transport=tcp", true), ("", false)] {
        let mut node = Node::hearing(&[Transport::Udp, Transport::Tcp], None);
        let say = |node: &mut Node, method: &str, tag: &str| {
            let text = request(method, "i", 1, tag).replace("SIP/2.0/TCP", "SIP/2.0/UDP");
            let payload = Bytes::from(text.replace(";transport=tcp", contact));
            node.feed(Input::Datagram { listener: 0, source: address(CARRIER), payload });
            node.sent()
        };
        say(&mut node, "INVITE", "");
        let call = node.invited();
        let sent = node.order(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
        say(&mut node, "ACK", &tag(&sent[0].text));
        let bye = node.order(Command::Bye { call, q850: 16 });
        assert_eq!(bye[0].connection.is_some(), streamed, "{bye:?}");
        assert_eq!(bye[0].text.contains("SIP/2.0/TCP"), streamed, "{bye:?}");
        let opened = node.orders();
        let there = |(_, order): &(ConnectionId, ConnectionOutput)| {
            matches!(order, ConnectionOutput::Open { destination, .. }
                if *destination == address("192.0.2.1:5070"))
        };
        assert_eq!(opened.iter().any(there), streamed, "{opened:?}");
    }
}

/// What left, and by which connection.
#[derive(Debug)]
struct Sent {
    connection: Option<ConnectionId>,
    text: String,
}

/// An endpoint with one listener and one trunk.
struct Node {
    endpoint: Endpoint,
    now: Instant,
    events: Vec<Event>,
    sent: Vec<Sent>,
    orders: Vec<(ConnectionId, ConnectionOutput)>,
}

impl Node {
    fn new() -> Self {
        Self::with(Transport::Tcp, None)
    }

    fn with(transport: Transport, tls_peer: Option<&str>) -> Self {
        Self::hearing(&[transport], tls_peer)
    }

    fn hearing(transports: &[Transport], tls_peer: Option<&str>) -> Self {
        let advertised = address("198.51.100.1:5060");
        let listener = |transport: &Transport| Listener {
            advertised,
            transport: *transport,
            keep_alive: true,
        };
        let endpoint = Endpoint::new(Settings {
            seed: [5; 32],
            listeners: transports.iter().map(listener).collect(),
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
            patience: sip::Patience::default(),
        });
        let now = Instant::START;
        let (events, sent, orders) = (Vec::new(), Vec::new(), Vec::new());
        let mut node = Self { endpoint, now, events, sent, orders };
        let tls_peer = tls_peer.map(str::to_owned);
        node.order(Command::Trunks(vec![Trunk { tls_peer, ..trunk() }]));
        node
    }

    fn accept(&mut self, connection: ConnectionId, source: &str) {
        let arrived = ConnectionInput::Arrived { listener: 0, source: address(source) };
        self.tell(connection, arrived);
        assert_eq!(self.orders(), [(connection, ConnectionOutput::Admit)]);
        self.tell(connection, ConnectionInput::Ready { names: Vec::new() });
    }

    fn call(&mut self, connection: ConnectionId) -> CallId {
        let sent = self.say(connection, &request("INVITE", "i", 1, ""));
        assert!(sent[0].text.starts_with("SIP/2.0 100 "), "{sent:?}");
        self.invited()
    }

    fn invited(&self) -> CallId {
        let invited = self.events.iter().rev().find_map(|event| match event {
            Event::Invited(invitation) => Some(invitation.call),
            _ => None,
        });
        invited.expect("an INVITE starts a call")
    }

    /// Registers a contact that nobody but the connection leads to.
    fn register(&mut self, connection: ConnectionId) {
        let uri = "sip:ours.example";
        let request = |branch: &str, proof: &str| {
            format!(
                "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.9:5060;branch=z9hG4bK{branch}\r\n\
                 From: <sip:alice@ours.example>;tag=f\r\nTo: <sip:alice@ours.example>\r\n\
                 Call-ID: r\r\nCSeq: 1 REGISTER\r\n\
                 Contact: <sip:alice@10.0.0.9:5060;transport=tcp>\r\n{proof}Content-Length: 0\r\n\r\n"
            )
        };
        let sent = self.say(connection, &request("r1", ""));
        let (_, rest) = sent[0].text.split_once("nonce=\"").expect("we challenge");
        let nonce = rest.split('"').next().unwrap();
        let proof = proof::written("SHA-256", ("REGISTER", uri, nonce), &|_| None);
        let sent = self.say(connection, &request("r2", &proof));
        assert!(sent[0].text.starts_with("SIP/2.0 200 "), "{}", sent[0].text);
    }

    fn say(&mut self, connection: ConnectionId, text: &str) -> Vec<Sent> {
        self.bytes(connection, text.as_bytes())
    }

    fn bytes(&mut self, connection: ConnectionId, bytes: &[u8]) -> Vec<Sent> {
        let payload = Bytes::copy_from_slice(bytes);
        self.tell(connection, ConnectionInput::Received { payload });
        self.sent()
    }

    fn tell(&mut self, connection: ConnectionId, input: ConnectionInput) {
        self.feed(Input::Connection { connection, input });
    }

    fn order(&mut self, command: Command) -> Vec<Sent> {
        self.feed(Input::Command(command));
        self.sent()
    }

    fn feed(&mut self, input: Input) {
        let now = self.moment();
        self.endpoint.handle_input(input, now);
        self.drain();
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

    fn orders(&mut self) -> Vec<(ConnectionId, ConnectionOutput)> {
        std::mem::take(&mut self.orders)
    }

    fn counted(&self, what: Counted) -> usize {
        self.events.iter().filter(|event| **event == Event::Counted(what)).count()
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(Transmit { connection, payload, .. }) => {
                    let text = String::from_utf8(payload.to_vec()).unwrap();
                    self.sent.push(Sent { connection, text });
                }
                Output::Connection { connection, output } => self.orders.push((connection, output)),
                Output::Lookup { .. } => panic!("nothing is asked"),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn moment(&self) -> Now {
        Now { mono: self.now, unix: UnixTime::default() }
    }
}

fn request(method: &str, branch: &str, cseq: u32, tag: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    format!(
        "{method} sip:+390110000001@198.51.100.1 SIP/2.0\r\n\
         Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:+14155550123@192.0.2.1>;tag=f\r\nTo: <sip:+390110000001@198.51.100.1>{tag}\r\n\
         Call-ID: c1\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:192.0.2.1:5070;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
}

fn tag(answer: &str) -> String {
    let to = answer.lines().find(|line| line.starts_with("To:")).expect("answers have a To");
    to.split_once(";tag=").expect("our answers have a tag").1.to_owned()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn trunk() -> Trunk {
    Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
}
