//! Whatever comes in: the corpora of `fuzz` and every message of the scenarios, as they are and bent
//! (reliability: S32, F19). Each is given to what `fuzz` asserts, on a stable compiler.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail loudly")]

#[path = "../crates/sip/tests/torture/change.rs"]
mod change;
#[path = "torture/corpus.rs"]
mod corpus;
#[path = "fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "for `fuzz` it is a library")]
mod fuzz;
#[path = "../crates/sip/tests/torture/pages.rs"]
#[expect(dead_code, reason = "what is expected of the messages is judged there")]
mod pages;

use change::{Change, change};
use corpus::{kept, messages, numbers};
use proptest::prelude::*;

/// Changes to one message.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..6)
}

fn bent(whole: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for change in changes {
        change.apply(&mut bytes);
    }
    bytes
}

#[test]
fn the_corpora_hold_what_fuzzing_asserts() {
    type Target = fn(&[u8]);
    let targets: [(&str, Target); 6] = [
        ("sip", fuzz::sip),
        ("sdp", fuzz::sdp),
        ("rtp", fuzz::rtp),
        ("rtcp", fuzz::rtcp),
        ("srtp", fuzz::srtp),
        ("e164", fuzz::e164),
    ];
    for (name, target) in targets {
        let files = kept(name);
        assert!(files.len() >= 3, "{name}");
        files.iter().for_each(|bytes| target(bytes));
    }
}

#[test]
fn every_message_of_the_scenarios_holds_what_fuzzing_asserts() {
    let messages = messages();
    assert!(messages.len() > 150, "{}", messages.len());
    messages.iter().for_each(|bytes| fuzz::sip(bytes));
}

#[test]
fn protected_packets_are_heard_as_they_are() {
    fuzz::Protected::all().iter().for_each(fuzz::Protected::is_heard);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bent_message_does_harm(which in any::<prop::sample::Index>(), changes in changes()) {
        let messages = messages();
        fuzz::sip(&bent(&messages[which.index(messages.len())], &changes));
    }

    #[test]
    fn no_bent_session_description_does_harm(
        which in any::<prop::sample::Index>(),
        changes in changes(),
    ) {
        let bodies = corpus::bodies();
        fuzz::sdp(&bent(&bodies[which.index(bodies.len())], &changes));
    }

    #[test]
    fn no_bent_packet_does_harm(which in any::<prop::sample::Index>(), changes in changes()) {
        for (name, target) in [("rtp", fuzz::rtp as fn(&[u8])), ("rtcp", fuzz::rtcp)] {
            let packets = kept(name);
            target(&bent(&packets[which.index(packets.len())], &changes));
        }
    }

    #[test]
    fn no_bent_number_is_taken_for_one(
        which in any::<prop::sample::Index>(),
        changes in changes(),
        junk in any::<String>(),
    ) {
        let numbers = numbers();
        fuzz::e164(&bent(&numbers[which.index(numbers.len())], &changes));
        fuzz::e164(junk.as_bytes());
    }

    #[test]
    fn junk_does_no_harm(junk in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::sip(&junk);
        fuzz::sdp(&junk);
        fuzz::rtp(&junk);
        fuzz::rtcp(&junk);
        fuzz::srtp(&junk);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bent_protected_packet_is_heard(
        which in any::<prop::sample::Index>(),
        changes in changes(),
    ) {
        for protected in corpus::protected() {
            let (packet, rtcp) = &protected.packets[which.index(protected.packets.len())];
            protected.is_refused(&bent(packet, &changes), *rtcp);
        }
    }
}
