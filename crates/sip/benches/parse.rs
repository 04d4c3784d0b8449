//! What one message and one call cost. Goals: a message at most 2 µs, a call at most 60 µs,
//! one of ours at most 50 µs.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use model::record::Trunk;
use model::{CallId, Instant, Now, Outbound, Reliability, TrunkId, UnixTime};
use sip::{Command, Dial, Endpoint, Event, Input, Listener, Output, Settings};

const SDP: &str = "v=0\r\no=- 3848 3848 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn parse(criterion: &mut Criterion) {
    let mut bench = Bench::new();
    let invite = invite(0);
    bench.call(&invite, 0);
    // A repeat is read whole, found and absorbed: reading is nearly all of it.
    criterion.bench_function(&format!("absorb a repeated INVITE of {} bytes", invite.len()), |b| {
        b.iter(|| bench.hear(black_box(&invite)));
    });
}

fn call(criterion: &mut Criterion) {
    let mut bench = Bench::new();
    let mut number = 0;
    criterion.bench_function("a call from INVITE to BYE", |b| {
        b.iter(|| {
            number += 1;
            bench.now.mono = bench.now.mono + Duration::from_millis(1);
            bench.endpoint.handle_timeout(bench.now);
            let invite = invite(number);
            let tag = bench.call(&invite, number);
            bench.hear(&request("BYE", number, 2, &format!(";tag={tag}"), "", ""));
        });
    });
}

fn dialled(criterion: &mut Criterion) {
    let mut bench = Bench::new();
    let mut number = 0;
    criterion.bench_function("a call of ours from Dial to BYE", |b| {
        b.iter(|| {
            number += 1;
            bench.now.mono = bench.now.mono + Duration::from_millis(1);
            bench.endpoint.handle_timeout(bench.now);
            bench.dial(number);
        });
    });
}

/// Answers a request of ours.
fn answer(request: &str, status: &str, body: &str) -> Bytes {
    let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().filter(|line| names.iter().any(|name| line.starts_with(name))) {
        text.push_str(line);
        if line.starts_with("To:") && !line.contains(";tag=") {
            text.push_str(";tag=theirs");
        }
        text.push_str("\r\n");
    }
    let length = body.len();
    Bytes::from(format!(
        "{text}Contact: <sip:theirs@192.0.2.1:5060>\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

struct Bench {
    endpoint: Endpoint,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        let listeners = vec![Listener {
            advertised: ([198, 51, 100, 1], 5060).into(),
            transport: model::Transport::Udp,
            keep_alive: true,
        }];
        let mut endpoint = Endpoint::new(Settings {
            seed: [1; 32],
            listeners,
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
            patience: sip::Patience::default(),
        });
        let now = Now { mono: Instant::START, unix: UnixTime::default() };
        let trunks = vec![trunk()];
        endpoint.handle_input(Input::Command(Command::Trunks(trunks)), now);
        Self { endpoint, now }
    }

    /// INVITE, 100, 200, ACK; returns our tag.
    fn call(&mut self, invite: &Bytes, number: u64) -> String {
        let source = ([192, 0, 2, 1], 5060).into();
        let input = Input::Datagram { listener: 0, source, payload: invite.clone() };
        self.endpoint.handle_input(input, self.now);
        let mut call = None;
        let mut tag = String::new();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Event(Event::Invited(invitation)) => call = Some(invitation.call),
                Output::Transmit(transmit) => {
                    let text = String::from_utf8_lossy(&transmit.payload);
                    let after = text.split_once("\r\nTo: ").map(|(_, after)| after);
                    let after = after.and_then(|after| after.split_once(";tag="));
                    let found = after.and_then(|(_, after)| after.split_once("\r\n"));
                    tag = found.map(|(tag, _)| tag.to_owned()).unwrap_or_default();
                }
                Output::Event(_) | Output::Connection { .. } | Output::Lookup { .. } => {}
            }
        }
        if let Some(call) = call {
            let body = Bytes::from_static(SDP.as_bytes());
            self.endpoint.handle_input(Input::Command(Command::Answer { call, body }), self.now);
            self.drain();
        }
        self.hear(&request("ACK", number, 1, &format!(";tag={tag}"), "", ""));
        tag
    }

    /// INVITE, 100, 180, 200, ACK, BYE, 200: seven messages.
    fn dial(&mut self, number: u64) {
        let call = CallId(u128::from(number));
        let dial = Dial {
            call,
            trunk: TrunkId::from_name("carrier"),
            called: "+390112345678".to_owned(),
            caller: "+14155550123".to_owned(),
            name: None,
            withheld: false,
            offer: Bytes::from_static(SDP.as_bytes()),
            max_forwards: 70,
            patience: Duration::from_secs(4),
        };
        let invite = self.request_of(Command::Dial(Box::new(dial)));
        for (status, body) in [("100 Trying", ""), ("180 Ringing", ""), ("200 OK", SDP)] {
            self.hear(&answer(&invite, status, body));
        }
        let bye = self.request_of(Command::Bye { call, q850: 16 });
        self.hear(&answer(&bye, "200 OK", ""));
    }

    /// Returns the request that a command makes.
    fn request_of(&mut self, command: Command) -> String {
        self.endpoint.handle_input(Input::Command(command), self.now);
        let mut request = String::new();
        while let Some(output) = self.endpoint.poll_output() {
            if let Output::Transmit(transmit) = output {
                request = String::from_utf8_lossy(&transmit.payload).into_owned();
            }
        }
        request
    }

    fn hear(&mut self, payload: &Bytes) {
        let source = ([192, 0, 2, 1], 5060).into();
        let input = Input::Datagram { listener: 0, source, payload: payload.clone() };
        self.endpoint.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            black_box(output);
        }
    }
}

fn invite(number: u64) -> Bytes {
    let fields = "Contact: <sip:+14155559999@192.0.2.1:5060;transport=udp>\r\n\
        P-Asserted-Identity: \"A Caller\" <sip:+14155559999;cpc=ordinary@192.0.2.1>\r\n\
        Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO\r\nSupported: timer, 100rel\r\n\
        Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n\
        Content-Type: application/sdp\r\n";
    request("INVITE", number, 1, "", fields, SDP)
}

fn request(method: &str, number: u64, cseq: u32, tag: &str, fields: &str, body: &str) -> Bytes {
    Bytes::from(format!(
        "{method} sip:+14155550123@198.51.100.1:5060;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+14155559999@192.0.2.1>;tag=f{number}\r\n\
         To: <sip:+14155550123@198.51.100.1>{tag}\r\nCall-ID: {number}-4fa1@192.0.2.1\r\n\
         CSeq: {cseq} {method}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn trunk() -> Trunk {
    Trunk {
        trusted: true,
        outbound: Some(Outbound {
            reliability: Reliability::Supported,
            ..Outbound::to("192.0.2.1")
        }),
        ..Trunk::new("carrier", &["192.0.2.0/24".parse().expect("it is a prefix")])
    }
}

criterion_group!(benches, parse, call, dialled);
criterion_main!(benches);
