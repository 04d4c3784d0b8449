//! Every message of RFC 4475 and RFC 5118, with the class that their texts give it.

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, TrunkId};
use sip::{Command, Dial, Event};

use crate::node::Node;
use crate::pages::{Page, folder};

#[test]
fn messages_of_rfc_4475_get_what_the_rfc_gives_them() {
    assert_eq!(judged("rfc4475.txt"), 70);
}

#[test]
fn messages_of_rfc_5118_get_what_the_rfc_gives_them() {
    assert_eq!(judged("rfc5118.txt"), 24);
}

/// Plays the pages of a file and returns how many expectations were met.
fn judged(file: &str) -> usize {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in Page::read(&folder().join(file)) {
        assert!(!page.expected.is_empty(), "{} expects nothing", page.title);
        for wanted in &page.expected {
            count += 1;
            let (page, wanted) = match wanted.strip_prefix("as ").and_then(|w| w.split_once(' ')) {
                Some((method, wanted)) => (page.with_method(method), wanted),
                None => (page.clone(), wanted.as_str()),
            };
            let told = told(&page);
            if told != filled(wanted) {
                wrong.push(format!("{}: {wanted:?} was {told:?}", page.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    count
}

/// `{times N X}` stands in what is expected, too.
fn filled(wanted: &str) -> String {
    let Some((before, rest)) = wanted.split_once("{times ") else { return wanted.to_owned() };
    let (inside, after) = rest.split_once('}').unwrap();
    let (count, piece) = inside.split_once(' ').unwrap();
    format!("{before}{}{after}", piece.repeat(count.parse().unwrap()))
}

/// Says what a message came to: our statuses, then the news; nothing may be left of it.
fn told(page: &Page) -> String {
    let mut node = Node::dialling();
    if page.bytes("").starts_with(b"SIP/") {
        node.order(Command::Dial(Box::new(dial())));
        let asked = node.asked.clone();
        let requests = node.requests.len();
        let statuses = node.hear(&page.bytes(&asked));
        assert!(statuses.is_empty(), "{} was answered", page.title);
        let said = news(&node.events);
        // An answer is acknowledged, or makes us say nothing.
        let sent = node.requests.len() - requests;
        assert!(sent <= 1 && (said != "nothing" || sent == 0), "{}: {said}", page.title);
        node.order(Command::Bye { call: CallId(1), q850: 16 });
        node.pass(Duration::from_secs(200));
        assert_eq!(node.endpoint.live(), (0, 0), "{}", page.title);
        return said;
    }
    let mut words: Vec<_> = node.hear(&page.bytes("")).iter().map(u16::to_string).collect();
    let said = news(&node.events);
    if said != "nothing" || words.is_empty() {
        words.push(said);
    }
    node.refuse_all();
    node.pass(Duration::from_secs(200));
    assert_eq!(node.endpoint.live(), (0, 0), "{}", page.title);
    words.join(" ").trim_end().to_owned()
}

fn news(events: &[Event]) -> String {
    // That our own INVITE leaves is no news of the page.
    let told = events.iter().filter(|event| !matches!(event, Event::Dialled { .. }));
    let words: Vec<_> = told.map(word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

fn word(event: &Event) -> String {
    if let Event::Invited(invitation) = event {
        format!("invited {}", invitation.called)
    } else if let Event::Failed { failure, .. } = event {
        format!("failed {}", failure.status)
    } else if matches!(event, Event::Accepted { .. }) {
        "accepted".to_owned()
    } else if matches!(event, Event::Progress { .. }) {
        "progress".to_owned()
    } else {
        format!("{event:?}")
    }
}

fn dial() -> Dial {
    Dial {
        call: CallId(1),
        trunk: TrunkId::from_name("carrier"),
        called: "+390112345678".to_owned(),
        caller: "+390110000001".to_owned(),
        name: None,
        withheld: false,
        offer: Bytes::from_static(b"v=0\r\n"),
        max_forwards: 70,
        patience: Duration::from_secs(4),
    }
}
