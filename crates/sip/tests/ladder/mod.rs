//! Reads and climbs ladders.

mod outbound;
mod peer;
mod proof;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use model::record::{CalledFrom, Trunk};
use model::{CallId, Instant, Now, UnixTime};
use peer::Peer;
use sip::{Command, Counted, Endpoint, Event, Input, Listener, Output, Settings};

/// One conversation.
pub(crate) struct Ladder {
    pub(crate) name: String,
    options: Vec<String>,
    rungs: Vec<Rung>,
}

struct Rung {
    line: usize,
    at: Instant,
    kind: char,
    words: Vec<String>,
    more: Vec<String>,
}

/// Something that left the endpoint.
struct News {
    at: Instant,
    output: Output,
}

impl Ladder {
    /// Reads every ladder of a file.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        let mut ladders: Vec<Self> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if let Some(title) = line.strip_prefix("# ") {
                let (name, options) = title.split_once('|').unwrap_or((title, ""));
                let options = options.split_whitespace().map(str::to_owned).collect();
                ladders.push(Self { name: name.trim().to_owned(), options, rungs: Vec::new() });
                continue;
            }
            let Some(ladder) = ladders.last_mut() else { continue };
            if let Some(more) = line.strip_prefix("    ") {
                ladder.rungs.last_mut().unwrap().more.push(more.to_owned());
            } else if line.starts_with(|letter: char| letter.is_ascii_digit()) {
                ladder.rungs.push(Rung::read(number + 1, line));
            }
        }
        ladders
    }

    /// Plays it against a new endpoint.
    pub(crate) fn climb(&self) -> Result<(), String> {
        let mut climber = Climber::new(&self.options);
        for rung in &self.rungs {
            climber.step(rung).map_err(|what| format!("line {}: {what}", rung.line))?;
        }
        climber.nothing_more()
    }
}

impl Rung {
    fn read(line: usize, text: &str) -> Self {
        let mut words = text.split_whitespace().map(str::to_owned);
        let seconds: f64 = words.next().unwrap().parse().unwrap();
        let at = Instant::START + Duration::from_secs_f64(seconds);
        let kind = words.next().unwrap().chars().next().unwrap();
        Self { line, at, kind, words: words.collect(), more: Vec::new() }
    }
}

struct Climber {
    endpoint: Endpoint,
    settings: Settings,
    trunks: Vec<Trunk>,
    peer: Peer,
    news: VecDeque<News>,
    counts: BTreeMap<String, usize>,
    call: CallId,
    record: String,
    now: Instant,
}

impl Climber {
    fn new(options: &[String]) -> Self {
        let option = |name: &str| {
            let start = format!("{name}=");
            options.iter().find_map(|option| option.strip_prefix(&start)).map(str::to_owned)
        };
        let settings = Settings {
            seed: [7; 32],
            listeners: vec![Listener {
                advertised: "198.51.100.1:5060".parse().unwrap(),
                transport: model::Transport::Udp,
                keep_alive: true,
            }],
            session_secs: option("session").map_or(0, |secs| secs.parse().unwrap()),
            banner: option("banner"),
            retry_after_secs: 10,
            patience: sip::Patience::default(),
        };
        let trunk = Trunk {
            called_from: if option("called").is_some_and(|from| from == "diversion") {
                CalledFrom::Diversion
            } else {
                CalledFrom::RequestUri
            },
            trusted: option("trusted").is_some(),
            strip_prefix: option("strip").unwrap_or_default(),
            registers: option("registers").map(outbound::registrar),
            outbound: Some(outbound::read(option)),
            ..trunk("carrier", "192.0.2.0/24")
        };
        let trunks = vec![trunk, trunk_of_another_carrier()];
        let mut climber = Self {
            endpoint: Endpoint::new(settings.clone()),
            settings,
            trunks,
            peer: Peer::default(),
            news: VecDeque::new(),
            counts: BTreeMap::new(),
            call: CallId(0),
            record: String::new(),
            now: Instant::START,
        };
        climber.command(Command::Trunks(climber.trunks.clone()));
        climber
    }

    fn step(&mut self, rung: &Rung) -> Result<(), String> {
        self.advance(rung.at);
        match rung.kind {
            '>' => {
                self.quiet_before(rung.at)?;
                self.hear(rung);
                Ok(())
            }
            ':' => self.quiet_before(rung.at).map(|()| self.order(&rung.words)),
            '<' => self.expect_message(rung),
            '!' => self.expect_event(rung),
            '=' => self.check(rung),
            other => Err(format!("no rung begins with {other}")),
        }
    }

    /// Lets time pass, alarm by alarm.
    fn advance(&mut self, to: Instant) {
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= to) {
            self.now = self.now.max(due);
            self.endpoint.handle_timeout(now(self.now));
            self.drain();
        }
        self.now = to;
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Event(Event::Counted(what)) => {
                    let name = match what {
                        Counted::Request(method) => format!("request-{method}"),
                        Counted::Response(status) => format!("response-{status}"),
                        Counted::Stranger
                        | Counted::Banned
                        | Counted::Shunned
                        | Counted::Malformed
                        | Counted::Retransmission
                        | Counted::Shed
                        | Counted::Resent
                        | Counted::LateAnswer
                        | Counted::ForkedAnswer
                        | Counted::NoAnswer
                        | Counted::ForeignContact
                        | Counted::ForeignRealm
                        | Counted::Connected(_)
                        | Counted::Crowded
                        | Counted::Disconnected(_) => format!("{what:?}").to_lowercase(),
                    };
                    *self.counts.entry(name).or_insert(0) += 1;
                }
                // It is told by the INVITE itself.
                Output::Event(Event::Dialled { .. }) => {}
                Output::Event(_)
                | Output::Transmit(_)
                | Output::Connection { .. }
                | Output::Lookup { .. } => {
                    self.news.push_back(News { at: self.now, output });
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.endpoint.handle_input(Input::Command(command), now(self.now));
        self.drain();
    }

    /// Sends one of the peer's messages.
    fn hear(&mut self, rung: &Rung) {
        let (source, payload) = self.peer.write(&rung.words, &rung.more);
        let payload = Bytes::from(payload);
        let input = Input::Datagram { listener: 0, source, payload };
        self.endpoint.handle_input(input, now(self.now));
        self.drain();
    }

    fn order(&mut self, words: &[String]) {
        let call = self.call;
        let number = |at: usize| words.get(at).map(|word| word.parse::<u16>().unwrap());
        let body = Bytes::from_static(b"v=0\r\no=ours\r\n");
        match words[0].as_str() {
            "ring" => self.command(Command::Ring { call }),
            "announce" => self.command(Command::Announce { call, body }),
            "answer" => self.command(Command::Answer { call, body }),
            "accept" => self.command(Command::AcceptOffer { call, body }),
            "reject" => self.command(Command::RejectOffer { call, status: number(1).unwrap() }),
            "refuse" => self.command(Command::Refuse {
                call,
                status: number(1).unwrap(),
                q850: number(2).map(|cause| u8::try_from(cause).unwrap()),
                retry_after_secs: number(3).map(u32::from),
            }),
            "dial" => {
                if words.get(1).is_none_or(|word| word != "again") {
                    self.call = CallId(self.call.0 + 1);
                }
                let dial = outbound::dial(self.call, self.trunks[0].id, words);
                self.command(Command::Dial(Box::new(dial)));
            }
            "abandon" => self.command(Command::Abandon {
                call,
                q850: number(1).map(|cause| u8::try_from(cause).unwrap()),
            }),
            "bye" => self.command(Command::Bye { call, q850: 16 }),
            "ping" => self.command(Command::Ping { call }),
            "drain" => self.command(Command::Drain),
            "untrunk" => self.command(Command::Trunks(Vec::new())),
            "record" => self.record = self.endpoint.dialog_record(call).unwrap(),
            "restart" => {
                self.endpoint = Endpoint::new(self.settings.clone());
                self.command(Command::Trunks(self.trunks.clone()));
            }
            "orphan" => {
                self.command(Command::EndOrphan { call, dialog: self.record.clone() });
            }
            other => panic!("no such order: {other}"),
        }
    }

    fn expect_message(&mut self, rung: &Rung) -> Result<(), String> {
        let news = self.news.pop_front().ok_or("nothing left us")?;
        let Output::Transmit(transmit) = &news.output else {
            return Err(format!("instead of a message: {}", told(&news)));
        };
        let text = String::from_utf8_lossy(&transmit.payload).into_owned();
        let start = text.lines().next().unwrap();
        let word = start.strip_prefix("SIP/2.0 ").unwrap_or(start);
        let right = word.split(' ').next() == Some(&rung.words[0]) && news.at == rung.at;
        let to = rung.words.get(1).and_then(|to| to.strip_prefix('@'));
        let aimed = to.is_none_or(|to| transmit.destination.to_string() == to);
        if !right || !aimed {
            return Err(format!("instead: {}", told(&news)));
        }
        for more in &rung.more {
            let held = match more.strip_prefix("- ") {
                Some(absent) => !text.lines().any(|line| line.starts_with(absent)),
                None => match more.strip_prefix("+ ") {
                    Some(start) => text.lines().any(|line| line.starts_with(start)),
                    None => text.lines().any(|line| line == more),
                },
            };
            if !held {
                return Err(format!("{more:?} does not hold in\n{text}"));
            }
        }
        self.peer.learn(text);
        Ok(())
    }

    fn expect_event(&mut self, rung: &Rung) -> Result<(), String> {
        let news = self.news.pop_front().ok_or("nothing happened")?;
        let Output::Event(event) = &news.output else {
            return Err(format!("instead of an event: {}", told(&news)));
        };
        if let Event::Invited(invitation) = event {
            self.call = invitation.call;
        }
        let shown = shown(event);
        let mut words = shown.split(' ');
        let same = words.next() == Some(&rung.words[0]) && news.at == rung.at;
        let rest: Vec<_> = words.collect();
        if same && rung.words[1..].iter().all(|word| rest.contains(&word.as_str())) {
            return Ok(());
        }
        Err(format!("instead: {}", told(&news)))
    }

    fn check(&mut self, rung: &Rung) -> Result<(), String> {
        self.quiet_before(rung.at)?;
        let expected = |at: usize| rung.words[at].parse::<usize>().unwrap();
        let found = match rung.words[0].as_str() {
            "live" => {
                let live = self.endpoint.live();
                let right = live == (expected(1), expected(2));
                return if right { Ok(()) } else { Err(format!("live {live:?}")) };
            }
            name => self.counts.get(name).copied().unwrap_or(0),
        };
        if found == expected(1) { Ok(()) } else { Err(format!("counted {found}")) }
    }

    fn quiet_before(&self, _at: Instant) -> Result<(), String> {
        self.nothing_more()
    }

    fn nothing_more(&self) -> Result<(), String> {
        match self.news.front() {
            Some(news) => Err(format!("unmentioned: {}", told(news))),
            None => Ok(()),
        }
    }
}

fn shown(event: &Event) -> String {
    match event {
        Event::Invited(invitation) => {
            let caller = invitation.caller.as_deref().unwrap_or("nobody");
            let offer = if invitation.offer.is_some() { "offer" } else { "late" };
            let mut text = format!("invited {} by={caller} {offer}", invitation.called);
            if invitation.withheld.is_some() {
                text.push_str(" withheld");
            }
            for (name, value) in &invitation.parameters {
                text.push_str(&format!(" {name}={value}"));
            }
            text
        }
        Event::Cancelled { .. } => "cancelled".to_owned(),
        Event::Confirmed { answer, .. } => {
            if answer.is_some() { "confirmed answer" } else { "confirmed nothing" }.to_owned()
        }
        Event::Acknowledged { answer, .. } => {
            if answer.is_some() { "acknowledged answer" } else { "acknowledged nothing" }.to_owned()
        }
        Event::Agreed { .. } => "agreed".to_owned(),
        Event::Offered { offer, .. } => {
            if offer.is_some() { "offered offer" } else { "offered late" }.to_owned()
        }
        Event::Alive { .. } => "alive".to_owned(),
        Event::Unproven { .. } => "unproven".to_owned(),
        Event::Keyed { key, lasted, .. } => {
            format!("keyed {} {}", char::from(key.0), lasted.as_millis())
        }
        Event::HungUp { q850, .. } => format!("hung-up {}", q850.unwrap_or(0)),
        Event::Lost { loss, .. } => format!("lost {loss:?}"),
        Event::Progress { status, body, .. } => {
            format!("progress {status}{}", if body.is_some() { " early" } else { "" })
        }
        Event::Accepted { answer, .. } => {
            format!("accepted{}", if answer.is_some() { " answer" } else { "" })
        }
        Event::Failed { failure, .. } => outbound::told(failure),
        Event::Reachable { up, .. } => format!("reachable {up}"),
        Event::Registered { registered, status, .. } => {
            format!("registered {registered} {status}")
        }
        Event::OrphanEnded { answered, .. } => format!("orphan-ended {answered}"),
        Event::Dialled { .. } | Event::Troubled { .. } | Event::Counted(_) => String::new(),
    }
}

fn told(news: &News) -> String {
    let at = Duration::from_micros(news.at.micros).as_secs_f64();
    match &news.output {
        Output::Event(event) => format!("{at:.3} ! {}", shown(event)),
        Output::Transmit(transmit) => {
            let text = String::from_utf8_lossy(&transmit.payload);
            format!("{at:.3} < @{}\n{text}", transmit.destination)
        }
        other @ (Output::Connection { .. } | Output::Lookup { .. }) => format!("{at:.3} {other:?}"),
    }
}

fn now(mono: Instant) -> Now {
    Now { mono, unix: UnixTime::default() }
}

fn trunk(name: &str, prefix: &str) -> Trunk {
    Trunk::new(name, &[prefix.parse().unwrap()])
}

fn trunk_of_another_carrier() -> Trunk {
    trunk("other", "198.18.0.0/24")
}
