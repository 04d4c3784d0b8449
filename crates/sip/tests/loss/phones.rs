//! Phones that we call: they ring, are answered, and wait for ACK and BYE.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Instant, TrunkId};
use sip::{Command, Dial, Event};

use crate::world::{CALLS, Far, RELEASE, TALK, Wire, answer, field};

/// All phones of a world, and what the bridge knows of its calls.
#[derive(Default)]
pub(crate) struct Phones {
    phones: BTreeMap<String, Phone>,
    accepted: BTreeMap<CallId, u32>,
    failed: BTreeMap<CallId, u32>,
    hung_up: BTreeMap<CallId, Instant>,
}

/// One phone.
#[derive(Default)]
struct Phone {
    invite: String,
    sent: u32,
    acknowledged: bool,
    ended: Option<Instant>,
}

#[derive(Clone)]
pub(crate) enum Turn {
    /// A phone's own timer: it repeats its 200.
    Tick(String),
    /// The bridge dials.
    Dial(u64),
    /// The bridge has talked enough.
    HangUp(CallId),
}

impl Phones {
    /// Returns how many of our calls were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.accepted.len() as u64
    }

    /// Sends the 200 until its ACK, for 32 s.
    fn tick(&mut self, id: String, wire: &mut Wire<Turn>) {
        let phone = self.phones.get_mut(&id).unwrap();
        if phone.acknowledged || phone.ended.is_some() || phone.sent > 10 {
            return;
        }
        let wait = Duration::from_millis(500 << phone.sent.min(3));
        phone.sent += 1;
        wire.send(answer(&phone.invite, "200 OK"));
        wire.post(wait, Turn::Tick(id));
    }
}

impl Far for Phones {
    type Turn = Turn;

    fn begin(&mut self, wire: &mut Wire<Turn>) {
        for number in 1..=CALLS {
            wire.post(Duration::from_millis(number * 37), Turn::Dial(number));
        }
    }

    fn hear(&mut self, text: &str, wire: &mut Wire<Turn>) {
        let id = field(text, "Call-ID").to_owned();
        let phone = self.phones.entry(id.clone()).or_default();
        if text.starts_with("INVITE") {
            let first = phone.invite.is_empty();
            text.clone_into(&mut phone.invite);
            if first {
                wire.post(Duration::from_millis(50), Turn::Tick(id));
            }
            wire.send(answer(text, "180 Ringing"));
        } else if text.starts_with("ACK") {
            phone.acknowledged = true;
        } else if text.starts_with("BYE") {
            phone.ended = phone.ended.or(Some(wire.now));
            wire.send(answer(text, "200 OK"));
        }
    }

    fn act(&mut self, turn: Turn, wire: &mut Wire<Turn>) -> Option<Command> {
        match turn {
            Turn::Tick(id) => {
                self.tick(id, wire);
                None
            }
            Turn::Dial(number) => Some(Command::Dial(Box::new(Dial {
                call: CallId(u128::from(number)),
                trunk: TrunkId::from_name("carrier"),
                called: format!("+39011{number}"),
                caller: "+3902".to_owned(),
                name: None,
                withheld: false,
                offer: Bytes::from_static(b"v=0\r\n"),
                max_forwards: 70,
                patience: Duration::from_secs(32),
            }))),
            Turn::HangUp(call) => {
                self.hung_up.insert(call, wire.now);
                Some(Command::Bye { call, q850: 16 })
            }
        }
    }

    fn learn(&mut self, event: Event, wire: &mut Wire<Turn>) {
        if let Event::Accepted { call, .. } = event {
            *self.accepted.entry(call).or_insert(0) += 1;
            wire.post(TALK, Turn::HangUp(call));
        } else if let Event::Failed { call, .. } = event {
            *self.failed.entry(call).or_insert(0) += 1;
        }
    }

    fn check(&self) {
        for call in (1..=CALLS).map(|number| CallId(u128::from(number))) {
            let count =
                |outcomes: &BTreeMap<CallId, u32>| outcomes.get(&call).copied().unwrap_or(0);
            let outcomes = count(&self.accepted) + count(&self.failed);
            assert_eq!(outcomes, 1, "exactly one outcome");
        }
        for phone in self.phones.values().filter(|phone| !phone.invite.is_empty()) {
            let called = phone.invite.split_once("sip:+39011").unwrap().1.split_once('@').unwrap();
            let call = CallId(called.0.parse().unwrap());
            let Some(hung_up) = self.hung_up.get(&call) else { continue };
            let ended = phone.ended.expect("the phone hears of the end");
            assert!(ended.since(*hung_up) <= RELEASE, "released in time");
        }
    }
}
