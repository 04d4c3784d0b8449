//! INVITEs of carriers' shapes: the called number in E.164, the caller, the number's parameters.

use std::collections::BTreeSet;

use model::record::{CalledFrom, NumberingPlan, normalize};
use sip::{Event, Invitation};

use crate::node::Node;
use crate::pages::{Page, folder};

#[test]
fn the_invites_of_carriers_name_whom_they_call_and_who_calls() {
    let pages = Page::read(&folder().join("carriers.txt"));
    let mut documented = BTreeSet::new();
    for page in pages {
        let told_by = page.expected.get(2).and_then(|line| line.strip_prefix("told by "));
        documented.extend(told_by.and_then(|line| line.split(',').next()).map(str::to_owned));
        let mut words = page.expected[0].split(' ').skip(1);
        let called_from = match words.next() {
            Some("to") => CalledFrom::To,
            Some(_) | None => CalledFrom::RequestUri,
        };
        let trusted = words.next() == Some("trusted");
        let plan = words.next().and_then(|word| word.strip_prefix("plan=")).map(plan);
        let plan = plan.unwrap_or_default();
        let mut node = Node::of(called_from, trusted);
        assert_eq!(node.hear(&page.bytes("")), [100], "{}", page.title);
        let Some(Event::Invited(invitation)) = node.events.first() else {
            panic!("{}: {:?}", page.title, node.events)
        };
        assert_eq!(told(invitation, &plan), page.expected[1], "{}", page.title);
    }
    assert!(documented.len() >= 10, "{documented:?}");
}

/// `49,0,00`: country code, national and international prefix.
fn plan(text: &str) -> NumberingPlan {
    let mut pieces = text.split(',').map(str::to_owned);
    let mut next = || pieces.next().unwrap_or_default();
    NumberingPlan { country_code: next(), national_prefix: next(), international_prefix: next() }
}

fn told(invitation: &Invitation, plan: &NumberingPlan) -> String {
    let called = normalize(&invitation.called, plan).map(|number| number.digits().to_owned());
    let caller = invitation.caller.as_deref().unwrap_or("nobody");
    let mut text = format!("+{} from {caller}", called.unwrap_or_default());
    for (name, value) in &invitation.parameters {
        text.push_str(&format!(" {name}={value}"));
    }
    text
}
