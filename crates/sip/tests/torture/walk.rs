//! Everything in any order: messages of one peer, orders of the bridge, time. A call ends once,
//! its end is its last news, and nothing is left of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use model::CallId;
use proptest::prelude::*;
use sip::{Command, Event};

use crate::node::Node;

/// One step of a walk.
#[derive(Debug, Clone)]
enum Step {
    /// An INVITE outside a dialog, of one of three calls, by one of two ways.
    Invite {
        call: u8,
        way: u8,
        late: bool,
        timed: bool,
    },
    /// A request inside the dialog that we answered last.
    Inside {
        method: &'static str,
        body: bool,
        repeated: bool,
    },
    /// An ACK or CANCEL of the INVITE sent last.
    Follow {
        method: &'static str,
    },
    /// An answer to our last request.
    Answer {
        status: u16,
    },
    Order {
        what: u8,
    },
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let inside = prop::sample::select(vec!["BYE", "UPDATE", "OPTIONS", "INVITE", "INFO"]);
    let follow = prop::sample::select(vec!["ACK", "ACK", "CANCEL"]);
    let status = prop::sample::select(vec![100_u16, 200, 200, 408, 422, 481, 500]);
    prop_oneof![
        3 => (0..3_u8, 0..2_u8, any::<bool>(), any::<bool>())
            .prop_map(|(call, way, late, timed)| Step::Invite { call, way, late, timed }),
        4 => (inside, any::<bool>(), any::<bool>())
            .prop_map(|(method, body, repeated)| Step::Inside { method, body, repeated }),
        4 => follow.prop_map(|method| Step::Follow { method }),
        2 => status.prop_map(|status| Step::Answer { status }),
        5 => (0..9_u8).prop_map(|what| Step::Order { what }),
        2 => (0..50_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// What the peer remembers.
#[derive(Default)]
struct Peer {
    call: u8,
    cseq: u32,
    invite: (u32, String),
    tags: BTreeMap<u8, String>,
}

impl Peer {
    fn walk(&mut self, node: &mut Node, step: &Step) {
        match step {
            Step::Invite { call, way, late, timed } => {
                self.call = *call;
                self.invite = (1, format!("z9hG4bKi{call}{way}"));
                let timer = "k: timer, 100rel\r\nAllow: UPDATE\r\nx: 90;refresher=uas\r\n";
                let extra = if *timed { timer } else { "" };
                let text = self.text("INVITE", "", extra, !late);
                node.hear(text.as_bytes());
                let tag = node.last.split_once("\r\nTo: ").and_then(|(_, to)| {
                    let (to, _) = to.split_once("\r\n")?;
                    Some(to.split_once(";tag=")?.1.to_owned())
                });
                if let Some(tag) = tag.filter(|_| node.last.starts_with("SIP/2.0 1")) {
                    self.tags.insert(*call, tag);
                }
            }
            Step::Inside { method, body, repeated } => {
                if !repeated {
                    self.cseq += 1;
                }
                let number = self.cseq + 10;
                if *method == "INVITE" {
                    self.invite = (number, format!("z9hG4bKr{number}"));
                }
                let tag = self.tag();
                let text = self.numbered(method, number, &format!("z9hG4bKr{number}"), &tag, *body);
                node.hear(text.as_bytes());
            }
            Step::Follow { method } => {
                let tag = if *method == "CANCEL" { String::new() } else { self.tag() };
                let text = self.text(method, &tag, "", *method == "ACK");
                node.hear(text.as_bytes());
            }
            Step::Answer { status } => {
                let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
                let lines = node.asked.lines();
                let echoed = lines.filter(|line| names.iter().any(|name| line.starts_with(name)));
                let head: String = echoed.map(|line| format!("{line}\r\n")).collect();
                let text = format!("SIP/2.0 {status} x\r\n{head}Min-SE: 120\r\n\r\n");
                node.hear(text.as_bytes());
            }
            Step::Order { what } => order(node, *what),
            Step::Wait { millis } => node.pass(Duration::from_millis(*millis)),
        }
    }

    fn tag(&self) -> String {
        self.tags.get(&self.call).map(|tag| format!(";tag={tag}")).unwrap_or_default()
    }

    fn text(&self, method: &str, tag: &str, extra: &str, body: bool) -> String {
        let (cseq, branch) = &self.invite;
        let text = self.numbered(method, *cseq, branch, tag, body);
        text.replacen("CSeq:", &format!("{extra}CSeq:"), 1)
    }

    fn numbered(&self, method: &str, cseq: u32, branch: &str, tag: &str, body: bool) -> String {
        let body = if body { "c: application/sdp\r\nl: 5\r\n\r\nv=0\r\n" } else { "l: 0\r\n\r\n" };
        format!(
            "{method} sip:1@198.51.100.1 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
             f: <sip:2@h>;tag=f\r\nt: <sip:1@h>{tag}\r\ni: call{}\r\nCSeq: {cseq} {method}\r\n\
             m: <sip:2@192.0.2.1>\r\n{body}",
            self.call
        )
    }
}

fn order(node: &mut Node, what: u8) {
    let Some(call) = node.calls.last().copied() else { return };
    let body = Bytes::from_static(b"v=0\r\n");
    node.order(match what {
        0 => Command::Ring { call },
        1 | 2 => Command::Answer { call, body },
        3 | 4 => Command::AcceptOffer { call, body },
        5 => Command::RejectOffer { call, status: 488 },
        6 => Command::Ping { call },
        7 => Command::Announce { call, body },
        _ => Command::Bye { call, q850: 16 },
    });
}

/// Checks each call's news: nothing follows its end, and no two ends.
fn check(events: &[Event]) -> Result<(), TestCaseError> {
    let mut ended: Vec<CallId> = Vec::new();
    for event in events {
        let (call, ends) = match event {
            Event::Invited(invitation) => (invitation.call, false),
            Event::Confirmed { call, .. }
            | Event::Acknowledged { call, .. }
            | Event::Offered { call, .. }
            | Event::Agreed { call, .. }
            | Event::Keyed { call, .. }
            | Event::Alive { call }
            | Event::Unproven { call } => (*call, false),
            Event::Cancelled { call } | Event::HungUp { call, .. } | Event::Lost { call, .. } => {
                (*call, true)
            }
            Event::Dialled { .. }
            | Event::Progress { .. }
            | Event::Accepted { .. }
            | Event::Failed { .. }
            | Event::Reachable { .. }
            | Event::Troubled { .. }
            | Event::Registered { .. }
            | Event::OrphanEnded { .. }
            | Event::Counted(_) => continue,
        };
        prop_assert!(!ended.contains(&call), "news of a call that is gone: {event:?}");
        if ends {
            ended.push(call);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_things_leaves_nothing_behind(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut node = Node::new();
        let mut peer = Peer::default();
        for step in &steps {
            peer.walk(&mut node, step);
        }
        node.refuse_all();
        node.hang_up_all();
        node.pass(Duration::from_secs(200));
        check(&node.events)?;
        prop_assert_eq!(node.endpoint.live(), (0, 0));
        prop_assert_eq!(node.endpoint.poll_timeout(), None);
    }
}
