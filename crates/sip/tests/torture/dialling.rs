//! Calls of ours in any order of things: what the called side answers, whole or bent, what the
//! bridge wants, time. Each has one outcome, its end is its last news, and nothing is left of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::{CallId, TrunkId};
use proptest::prelude::*;
use sip::{Command, Dial, Event};

use crate::change::{Change, change};
use crate::node::Node;

/// One step of a walk.
#[derive(Debug, Clone)]
enum Step {
    /// One of three calls is placed.
    Dial {
        call: u8,
        patience: u8,
    },
    /// An answer to one of our last requests, perhaps bent.
    Answer {
        back: usize,
        status: u16,
        tag: &'static str,
        extra: &'static str,
        bent: Option<Change>,
    },
    /// A request in the dialog of our last INVITE.
    Inside {
        method: &'static str,
        tag: &'static str,
    },
    Order {
        call: u8,
        what: u8,
    },
    Wait {
        millis: u64,
    },
}

const EXTRAS: &[&str] = &[
    "",
    "",
    "Require: 100rel\r\nRSeq: 1\r\n",
    "Require: 100rel\r\nRSeq: 2\r\n",
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
    "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", stale=true, algorithm=SHA-256\r\n",
    "Min-SE: 200\r\n",
    "Session-Expires: 90;refresher=uac\r\nAllow: UPDATE\r\n",
    "Session-Expires: 90;refresher=uac\r\n",
    "Session-Expires: 90;refresher=uas\r\n",
    "Record-Route: <sip:192.0.2.9;lr>, <sip:192.0.2.8>\r\n",
    "Contact: <sip:+1@ok>;q=0.5, <tel:+2>\r\nRetry-After: 9\r\n",
];

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(vec![
        100_u16, 180, 183, 200, 200, 200, 202, 302, 401, 407, 408, 422, 481, 486, 487, 491, 500,
        503, 603,
    ]);
    let tag = prop::sample::select(vec!["a", "a", "b", ""]);
    let bent = prop_oneof![4 => Just(None), 1 => change().prop_map(Some)];
    let extra = prop::sample::select(EXTRAS.to_vec());
    let inside = prop::sample::select(vec!["BYE", "UPDATE", "OPTIONS", "INVITE", "ACK", "PRACK"]);
    prop_oneof![
        3 => (0..3_u8, 0..40_u8).prop_map(|(call, patience)| Step::Dial { call, patience }),
        8 => (0..4_usize, status, tag.clone(), extra, bent).prop_map(
            |(back, status, tag, extra, bent)| Step::Answer { back, status, tag, extra, bent }
        ),
        2 => (inside, tag).prop_map(|(method, tag)| Step::Inside { method, tag }),
        3 => (0..3_u8, 0..6_u8).prop_map(|(call, what)| Step::Order { call, what }),
        2 => (0..50_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// What is known of each call.
#[derive(Default)]
struct Book {
    /// Calls that wait for their outcome.
    open: BTreeMap<u8, bool>,
    seen: usize,
    cseq: u32,
}

impl Book {
    fn walk(&mut self, node: &mut Node, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Dial { call, patience } => {
                self.open.entry(*call).or_insert(true);
                node.order(Command::Dial(Box::new(dial(*call, *patience))));
            }
            Step::Answer { back, status, tag, extra, bent } => {
                let at = node.requests.len().checked_sub(back + 1);
                let Some(request) = at.and_then(|at| node.requests.get(at)) else { return Ok(()) };
                let mut text = answer(request, *status, tag, extra).into_bytes();
                if let Some(bent) = bent {
                    bent.apply(&mut text);
                }
                node.hear(&text);
            }
            Step::Inside { method, tag } => {
                self.cseq += 1;
                let invite = node.requests.iter().rfind(|text| text.starts_with("INVITE"));
                let Some(text) = invite.map(|invite| inside(invite, method, tag, self.cseq)) else {
                    return Ok(());
                };
                node.hear(text.as_bytes());
            }
            Step::Order { call, what } => self.order(node, *call, *what),
            Step::Wait { millis } => node.pass(Duration::from_millis(*millis)),
        }
        self.check(node)
    }

    fn order(&mut self, node: &mut Node, number: u8, what: u8) {
        let call = CallId(u128::from(number));
        let body = Bytes::from_static(b"v=0\r\n");
        node.order(match what {
            0 => Command::Abandon { call, q850: Some(16) },
            1 => Command::Bye { call, q850: 16 },
            2 => Command::AcceptOffer { call, body },
            3 => Command::RejectOffer { call, status: 488 },
            _ => Command::Ping { call },
        });
        let ends = match what {
            0 => self.open.get(&number) == Some(&true),
            1 => true,
            _ => false,
        };
        if ends {
            self.open.remove(&number);
        }
    }

    /// Each outcome belongs to a call that waits for one, other news to a call that is answered.
    fn check(&mut self, node: &Node) -> Result<(), TestCaseError> {
        for event in &node.events[self.seen..] {
            let (call, before, after) = match event {
                Event::Dialled { call, .. } | Event::Progress { call, .. } => {
                    (call, true, Some(true))
                }
                Event::Accepted { call, .. } => (call, true, Some(false)),
                Event::Failed { call, .. } => (call, true, None),
                Event::Confirmed { call, .. }
                | Event::Agreed { call, .. }
                | Event::Keyed { call, .. }
                | Event::Alive { call }
                | Event::Unproven { call } => (call, false, Some(false)),
                Event::HungUp { call, .. } | Event::Lost { call, .. } => (call, false, None),
                Event::Offered { call, .. } => {
                    // Before the answer as well as after it.
                    let known = self.open.contains_key(&u8::try_from(call.0).unwrap());
                    prop_assert!(known, "{:?}", event);
                    continue;
                }
                Event::Invited(_)
                | Event::Acknowledged { .. }
                | Event::Cancelled { .. }
                | Event::Reachable { .. }
                | Event::Troubled { .. }
                | Event::Registered { .. }
                | Event::OrphanEnded { .. }
                | Event::Counted(_) => continue,
            };
            let number = u8::try_from(call.0).unwrap();
            let known = self.open.get(&number).copied();
            prop_assert_eq!(known, Some(before), "{:?}", event);
            match after {
                Some(open) => self.open.insert(number, open),
                None => self.open.remove(&number),
            };
        }
        self.seen = node.events.len();
        Ok(())
    }
}

fn dial(call: u8, patience: u8) -> Dial {
    Dial {
        call: CallId(u128::from(call)),
        trunk: TrunkId::from_name("carrier"),
        called: "+390112345678".to_owned(),
        caller: "+3902".to_owned(),
        name: None,
        withheld: false,
        offer: Bytes::from_static(b"v=0\r\n"),
        max_forwards: 70,
        patience: Duration::from_secs(u64::from(patience)),
    }
}

fn answer(request: &str, status: u16, tag: &str, extra: &str) -> String {
    let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let mut text = format!("SIP/2.0 {status} x\r\n");
    for line in request.lines().filter(|line| names.iter().any(|name| line.starts_with(name))) {
        text.push_str(line);
        if line.starts_with("To:") && !line.contains(";tag=") && !tag.is_empty() {
            text.push_str(&format!(";tag={tag}"));
        }
        text.push_str("\r\n");
    }
    text + extra + "Contact: <sip:them@192.0.2.1>\r\nc: application/sdp\r\nl: 5\r\n\r\nv=0\r\n"
}

fn inside(invite: &str, method: &str, tag: &str, cseq: u32) -> String {
    let field = |name: &str| invite.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    format!(
        "{method} sip:us@198.51.100.1 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{method}{cseq}\r\n\
         f: <sip:them@192.0.2.1>;tag={tag}\r\nt: {}\r\ni: {}\r\nCSeq: {cseq} {method}\r\n\
         m: <sip:them@192.0.2.1>\r\nc: application/sdp\r\nl: 5\r\n\r\nv=0\r\n",
        field("From: "),
        field("Call-ID: "),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_things_leaves_nothing_of_our_calls(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut node = Node::dialling();
        let mut book = Book::default();
        for step in &steps {
            book.walk(&mut node, step)?;
        }
        for call in 0..3_u8 {
            node.order(Command::Bye { call: CallId(u128::from(call)), q850: 16 });
        }
        book.check(&node)?;
        node.pass(Duration::from_secs(200));
        prop_assert_eq!(node.endpoint.live(), (0, 0));
        prop_assert_eq!(node.endpoint.poll_timeout(), None);
    }
}
