//! Line ends and worse in what strangers write, from the wire to the wire and to the record
//! (reliability.md S18).

use bridge::outbound::Options;
use model::record::{Cdr, Trunk};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::callee::{ANSWER, Callee};
use crate::carrier::{Carrier, OFFER};
use crate::provision::{self, BOUND};
use crate::world::{World, secs};

/// What a text may be made of, to be more than a text to somebody.
const PIECES: [&str; 22] = [
    "\r\nX-Evil: 1",
    "\r\n",
    "\r",
    "\n X-Evil: 1",
    "\0",
    "%0d%0aX-Evil: 1",
    "%0D%0A",
    "%00",
    "%250d%250a",
    "=1+1",
    "+39",
    "-",
    "@",
    "\t",
    "\"",
    "\\",
    "<",
    ">",
    ";x=",
    "\u{1b}[2J",
    "é",
    "anonymous",
];

/// Every header that we ever write.
const OURS: [&str; 33] = [
    "Accept",
    "Accept-Encoding",
    "Allow",
    "Allow-Events",
    "CSeq",
    "Call-ID",
    "Contact",
    "Content-Length",
    "Content-Type",
    "From",
    "Max-Forwards",
    "Min-SE",
    "P-Asserted-Identity",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "RAck",
    "RSeq",
    "Reason",
    "Record-Route",
    "Recv-Info",
    "Require",
    "Retry-After",
    "Route",
    "Server",
    "Session-Expires",
    "Supported",
    "Timestamp",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "Warning",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..4).prop_map(|all| all.concat())
}

/// Checks everything that was sent: one start line, headers of ours, nothing that ends a line.
fn is_clean(world: &World) -> Result<(), TestCaseError> {
    for message in &world.sent {
        let head = message.split("\r\n\r\n").next().unwrap_or_default();
        for line in head.split("\r\n").skip(1) {
            let name = line.split(':').next().unwrap_or_default();
            prop_assert!(OURS.contains(&name), "{line:?} in {message:?}");
        }
        let ends = |letter: char| matches!(letter, '\r' | '\n' | '\0');
        let bad = head.split("\r\n").find(|line| line.contains(ends));
        prop_assert_eq!(bad, None, "{:?}", message);
    }
    Ok(())
}

/// Checks every text of a record.
fn is_plain(cdr: &Cdr) -> Result<(), TestCaseError> {
    let texts = [&cdr.sip_call_id, &cdr.trunk].into_iter().chain(&cdr.reasons);
    let attempts = cdr.attempts.iter().map(|attempt| &attempt.sip_call_id);
    for text in texts.chain(attempts) {
        prop_assert!(!text.contains(char::is_control), "{text:?}");
    }
    for number in [&cdr.caller, &cdr.called].into_iter().flatten() {
        prop_assert!(number.full().chars().all(|c| c.is_ascii_graphic()), "{number:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_caller_writes_stays_in_its_place(
        (name, user, asserted, diverted) in (text(), text(), text(), text()),
        (id, other) in (text(), text()),
    ) {
        let trunk = Trunk { trusted: true, ..provision::trunk() };
        let mut world = World::with(provision::standard(), trunk);
        world.top_up("5.00");
        let from = format!("\"{name}\" <sip:+39011{user}@192.0.2.9>");
        let lines = format!(
            "P-Asserted-Identity: \"{name}\" <sip:+39012{asserted}@h>\r\n\
             Diversion: <sip:{diverted}@h>;reason=x\r\nX-Other: {other}\r\n"
        );
        let id = format!("one{id}");
        let mut carrier =
            Carrier::invite_by(&mut world, (&id, BOUND), (&from, &lines), Some(OFFER));
        is_clean(&world)?;
        if world.sent.iter().any(|message| message.starts_with("SIP/2.0 200")) {
            carrier.establish(&mut world);
            world.pass(secs(2));
            carrier.bye(&mut world);
        }
        world.pass(secs(200));
        is_clean(&world)?;
        for cdr in world.book.cdrs(9) {
            is_plain(&cdr)?;
        }
    }

    #[test]
    fn what_is_dialled_and_what_a_trunk_answers_stay_in_their_places(
        typed in text(),
        (contact, tag, reason, route) in (text(), text(), text(), text()),
        redirected in any::<bool>(),
    ) {
        let out = provision::way_out("main", 20, 0);
        let trunks = vec![provision::trunk_in(), out];
        let mut world = World::set_trunks(provision::standard(), trunks, |_| ());
        world.top_up("5.00");
        world.order(&[&format!("+3901123{typed}")], Options::default());
        is_clean(&world)?;
        world.order(&["+390112345678"], Options::default());
        while world.sent.len() > 1 {
            world.sent.pop_front();
        }
        let callee = Callee::rung(&mut world);
        prop_assert!(!callee.invite.contains("%0"), "{}", callee.invite);
        let status = if redirected { "302 Moved Temporarily" } else { "200 OK" };
        let lines = format!(
            "Contact: <sip:+39011{contact}@192.0.2.20>\r\nReason: Q.850;cause=1;text=\"{reason}\"\r\n\
             Record-Route: <sip:{route}@192.0.2.20;lr>\r\nX-Tag: {tag}\r\n"
        );
        callee.answer_with(&mut world, status, &lines, Some(ANSWER));
        world.pass(secs(60));
        is_clean(&world)?;
        for cdr in world.book.cdrs(9) {
            is_plain(&cdr)?;
        }
    }
}
