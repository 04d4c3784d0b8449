//! Callers, who ask until they are answered (RFC 3261 §17.1), talk, and hang up.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant};
use sip::{Command, Event};

use crate::world::{CALLS, Far, RELEASE, TALK, Wire, answer, field};

/// All callers of a world, and what the bridge knows of them.
pub(crate) struct Callers {
    callers: Vec<Caller>,
    /// By Call-ID of the caller.
    invited: BTreeMap<String, CallId>,
    ended: BTreeMap<CallId, Instant>,
    confirmed: BTreeMap<CallId, u32>,
}

/// One caller.
#[derive(Clone)]
struct Caller {
    stage: Stage,
    tag: String,
    sent: u32,
    hung_up: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Inviting,
    Ringing,
    Talking,
    Leaving,
    Gone,
}

#[derive(Clone)]
pub(crate) enum Turn {
    /// A caller's own timer.
    Tick(usize),
    /// A caller has talked enough.
    HangUp(usize),
    /// The bridge answers.
    Answer(CallId),
}

impl Callers {
    pub(crate) fn new() -> Self {
        let caller = Caller { stage: Stage::Inviting, tag: String::new(), sent: 0, hung_up: None };
        Self {
            callers: vec![caller; usize::try_from(CALLS).unwrap()],
            invited: BTreeMap::new(),
            ended: BTreeMap::new(),
            confirmed: BTreeMap::new(),
        }
    }

    /// Returns how many got through.
    pub(crate) fn answered(&self) -> u64 {
        self.callers.iter().filter(|caller| !caller.tag.is_empty()).count() as u64
    }

    /// Sends again what is unanswered, or takes the next step.
    fn tick(&mut self, number: usize, wire: &mut Wire<Turn>) {
        let caller = &mut self.callers[number];
        caller.sent += 1;
        let wait = Duration::from_millis(500 << caller.sent.min(4).saturating_sub(1));
        let (method, cseq) = match caller.stage {
            Stage::Inviting if caller.sent <= 7 => ("INVITE", 1),
            Stage::Leaving if caller.sent <= 10 => ("BYE", 2),
            Stage::Inviting | Stage::Leaving => {
                caller.stage = Stage::Gone;
                return;
            }
            Stage::Ringing | Stage::Talking | Stage::Gone => return,
        };
        wire.send(self.request(number, method, cseq));
        wire.post(wait, Turn::Tick(number));
    }

    fn request(&self, number: usize, method: &str, cseq: u32) -> Bytes {
        let tag = &self.callers[number].tag;
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        Bytes::from(format!(
            "{method} sip:1@198.51.100.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{method}{number}\r\n\
             From: <sip:2@192.0.2.1>;tag=f{number}\r\nTo: <sip:1@198.51.100.1>{tag}\r\n\
             Call-ID: {number}\r\nCSeq: {cseq} {method}\r\nContact: <sip:2@192.0.2.1>\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    }
}

impl Far for Callers {
    type Turn = Turn;

    fn begin(&mut self, wire: &mut Wire<Turn>) {
        for number in 0..self.callers.len() {
            wire.post(Duration::from_millis(number as u64 * 37), Turn::Tick(number));
        }
    }

    fn hear(&mut self, text: &str, wire: &mut Wire<Turn>) {
        let number: usize = field(text, "Call-ID").parse().unwrap();
        let caller = &mut self.callers[number];
        if let Some(rest) = text.strip_prefix("BYE ") {
            assert!(rest.starts_with("sip:"));
            caller.stage = Stage::Gone;
            return wire.send(answer(text, "200 OK"));
        }
        if field(text, "CSeq").ends_with("BYE") {
            caller.stage = Stage::Gone;
            return;
        }
        let status: u16 = text[8..11].parse().unwrap();
        assert!(status <= 200, "{text}");
        if status == 200 {
            caller.tag = field(text, "To").split_once(";tag=").unwrap().1.to_owned();
            if matches!(caller.stage, Stage::Inviting | Stage::Ringing) {
                caller.stage = Stage::Talking;
                wire.post(TALK, Turn::HangUp(number));
            }
            wire.send(self.request(number, "ACK", 1));
        } else if caller.stage == Stage::Inviting {
            caller.stage = Stage::Ringing;
        }
    }

    fn act(&mut self, turn: Turn, wire: &mut Wire<Turn>) -> Option<Command> {
        match turn {
            Turn::Tick(number) => self.tick(number, wire),
            Turn::HangUp(number) => {
                let caller = &mut self.callers[number];
                if caller.stage == Stage::Talking {
                    (caller.stage, caller.sent) = (Stage::Leaving, 0);
                    caller.hung_up = Some(wire.now);
                    self.tick(number, wire);
                }
            }
            Turn::Answer(call) => {
                return Some(Command::Answer { call, body: Bytes::from_static(b"v=0\r\n") });
            }
        }
        None
    }

    fn learn(&mut self, event: Event, wire: &mut Wire<Turn>) {
        if let Event::Invited(invitation) = event {
            let earlier = self.invited.insert(invitation.sip_call_id, invitation.call);
            assert_eq!(earlier, None, "an INVITE made a second call");
            wire.post(Duration::from_millis(50), Turn::Answer(invitation.call));
        } else if let Event::Confirmed { call, .. } = event {
            *self.confirmed.entry(call).or_insert(0) += 1;
        } else if let Event::HungUp { call, .. }
        | Event::Lost { call, .. }
        | Event::Cancelled { call } = event
        {
            assert_eq!(self.ended.insert(call, wire.now), None, "every call ends once");
        }
    }

    fn check(&self) {
        for (id, call) in &self.invited {
            let ended = self.ended.get(call).expect("every call ends");
            assert!(self.confirmed.get(call).copied().unwrap_or(0) <= 1);
            let caller = &self.callers[id.parse::<usize>().unwrap()];
            if let Some(hung_up) = caller.hung_up.filter(|at| at <= ended) {
                assert!(ended.since(hung_up) <= RELEASE, "released in time");
            }
        }
    }
}
