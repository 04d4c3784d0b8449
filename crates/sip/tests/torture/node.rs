//! An endpoint with one trunk, whose every message is looked at.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::record::{CalledFrom, Trunk};
use model::{CallId, Credentials, Instant, Now, Outbound, Reliability, Secret, UnixTime};
use sip::{Command, Endpoint, Event, Input, Listener, Output, Settings};

/// Where the trunk sends from.
pub(crate) const SOURCE: &str = "192.0.2.1:5060";

pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    now: Now,
    pub(crate) calls: Vec<CallId>,
    /// What happened, meters left out.
    pub(crate) events: Vec<Event>,
    /// Our last request.
    pub(crate) asked: String,
    /// All of our requests.
    pub(crate) requests: Vec<String>,
    pub(crate) last: String,
}

impl Node {
    pub(crate) fn new() -> Self {
        let listeners = vec![Listener {
            advertised: "198.51.100.1:5060".parse().unwrap(),
            transport: model::Transport::Udp,
            keep_alive: true,
        }];
        let settings = Settings {
            seed: [3; 32],
            listeners,
            session_secs: 90,
            banner: None,
            retry_after_secs: 5,
            patience: sip::Patience::default(),
        };
        let now = Now { mono: Instant::START, unix: UnixTime::default() };
        let mut node = Self {
            endpoint: Endpoint::new(settings),
            now,
            calls: Vec::new(),
            events: Vec::new(),
            asked: String::new(),
            requests: Vec::new(),
            last: String::new(),
        };
        node.order(Command::Trunks(vec![trunk()]));
        node
    }

    /// One whose trunk tells numbers in its own way.
    pub(crate) fn of(called_from: CalledFrom, trusted: bool) -> Self {
        let mut node = Self::new();
        node.order(Command::Trunks(vec![Trunk { called_from, trusted, ..trunk() }]));
        node
    }

    /// One that may place calls by the trunk.
    pub(crate) fn dialling() -> Self {
        let mut node = Self::new();
        let credentials = Credentials {
            realm: "r".to_owned(),
            user: "u".to_owned(),
            password: Secret::new("p".to_owned()),
        };
        let outbound = Outbound {
            credentials: Some(credentials),
            reliability: Reliability::Supported,
            redirect_hosts: vec!["ok".to_owned()],
            ..Outbound::to("192.0.2.1")
        };
        let trunk = Trunk { outbound: Some(outbound), ..trunk() };
        node.order(Command::Trunks(vec![trunk]));
        node
    }

    /// Takes a datagram of the trunk, and returns the statuses of the answers.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<u16> {
        self.hear_from(SOURCE.parse().unwrap(), bytes)
    }

    pub(crate) fn hear_from(&mut self, source: SocketAddr, bytes: &[u8]) -> Vec<u16> {
        let payload = Bytes::copy_from_slice(bytes);
        self.endpoint.handle_input(Input::Datagram { listener: 0, source, payload }, self.now);
        self.drain()
    }

    /// Lets a call be answered and confirmed; returns our tag.
    pub(crate) fn answered_call(&mut self, invite: &str) -> String {
        assert_eq!(self.hear(invite.as_bytes()), [100]);
        let (_, after) = self
            .last
            .split_once(";tag=")
            .map(|(_, after)| after)
            .unwrap()
            .split_once(";tag=")
            .unwrap();
        let tag = after.split_once("\r\n").unwrap().0.to_owned();
        let call = *self.calls.last().unwrap();
        self.order(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
        tag
    }

    /// Refuses whatever rings; answers that come too late are ignored.
    pub(crate) fn refuse_all(&mut self) {
        for call in self.calls.clone() {
            self.order(Command::Refuse {
                call,
                status: 480,
                q850: Some(41),
                retry_after_secs: None,
            });
            self.order(Command::RejectOffer { call, status: 488 });
        }
    }

    pub(crate) fn hang_up_all(&mut self) {
        for call in self.calls.clone() {
            self.order(Command::Bye { call, q850: 16 });
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) {
            self.now.mono = self.now.mono.max(due);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now.mono = end;
    }

    pub(crate) fn order(&mut self, command: Command) {
        self.endpoint.handle_input(Input::Command(command), self.now);
        self.drain();
    }

    fn drain(&mut self) -> Vec<u16> {
        let mut statuses = Vec::new();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Event(Event::Counted(_)) => {}
                Output::Connection { .. } | Output::Lookup { .. } => panic!("it is all UDP"),
                Output::Event(event) => {
                    if let Event::Invited(invitation) = &event {
                        self.calls.push(invitation.call);
                    }
                    self.events.push(event);
                }
                Output::Transmit(transmit) => {
                    assert!(transmit.destination.ip().to_string().starts_with("192.0.2."));
                    let text = String::from_utf8(transmit.payload.to_vec()).unwrap();
                    assert_well_formed(&text);
                    if let Some(rest) = text.strip_prefix("SIP/2.0 ") {
                        statuses.push(rest[..3].parse().unwrap());
                    } else {
                        self.asked.clone_from(&text);
                        self.requests.push(text.clone());
                    }
                    self.last = text;
                }
            }
        }
        statuses
    }
}

/// Every line of the head is a field with a name, and no other line end is in it.
fn assert_well_formed(text: &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut length = None;
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        assert!(!["Server", "User-Agent", "Organization"].contains(&name), "{line} (S2)");
        assert!(name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-'), "{line:?}");
        assert!(!value.contains(['\r', '\n', '\0']), "{line:?}");
        if name == "Content-Length" {
            length = Some(value.parse().unwrap());
        }
    }
    assert_eq!(length, Some(body.len()));
}

fn trunk() -> Trunk {
    Trunk {
        called_from: CalledFrom::HistoryInfo,
        trusted: true,
        ..Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
    }
}
