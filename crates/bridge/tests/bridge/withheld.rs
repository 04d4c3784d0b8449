//! Callers who do not want to be shown, as carriers write it (reliability.md S25, S26).

use model::record::{CallType, Trunk, Withheld};

use crate::carrier::{Carrier, OFFER};
use crate::provision::{self, BOUND};
use crate::world::{World, secs};

/// What is asserted, and what From says.
const ASSERTED: &str = "+390119990001";
const FROM: &str = "+390119990002";

/// From, further lines; of a trusted trunk and of another: who is shown, who is withheld.
type Case = (&'static str, &'static str, [(Option<&'static str>, Option<&'static str>); 2]);

const NUMBER: &str = "\"Ann\" <sip:+390119990002@192.0.2.9>";
const NOBODY: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const PAI: &str = "P-Asserted-Identity: \"Ann\" <sip:+390119990001@carrier.example>\r\n";
const PAI_ID: &str = "P-Asserted-Identity: <tel:+390119990001>\r\nPrivacy: id\r\n";

const CASES: [Case; 10] = [
    (NUMBER, "", [(Some(FROM), None), (Some(FROM), None)]),
    (NUMBER, PAI, [(Some(ASSERTED), None), (Some(FROM), None)]),
    (NUMBER, PAI_ID, [(None, Some(ASSERTED)), (None, Some(FROM))]),
    (NUMBER, "Privacy: user;critical\r\n", [(None, Some(FROM)), (None, Some(FROM))]),
    (NUMBER, "Privacy: none\r\n", [(Some(FROM), None), (Some(FROM), None)]),
    (NUMBER, "Privacy: header\r\n", [(None, Some(FROM)), (None, Some(FROM))]),
    (
        NUMBER,
        "Remote-Party-ID: <sip:+390119990003@h>;party=calling;privacy=full\r\n",
        [(None, Some(FROM)), (None, Some(FROM))],
    ),
    (NOBODY, PAI_ID, [(None, Some(ASSERTED)), (None, None)]),
    (NOBODY, PAI, [(None, Some(ASSERTED)), (None, None)]),
    (
        NOBODY,
        "Remote-Party-ID: <sip:+390119990003@h>;privacy=off\r\n",
        [(None, None), (None, None)],
    ),
];

#[test]
fn who_is_withheld_is_shown_nowhere_and_recorded_apart() {
    for (from, lines, expected) in CASES {
        for (trusted, (shown, withheld)) in [true, false].into_iter().zip(expected) {
            let trunk = Trunk { trusted, ..provision::trunk() };
            let mut world = World::with(provision::standard(), trunk);
            world.top_up("5.00");
            let called = ("one", BOUND);
            let mut carrier = Carrier::invite_by(&mut world, called, (from, lines), Some(OFFER));
            carrier.establish(&mut world);
            let case = format!("{from} {lines:?} trusted: {trusted}");
            let live = world.bridge.live(world.now).pop().unwrap();
            assert_eq!(live.caller.map(|caller| caller.full()).as_deref(), shown, "{case}");
            let said = format!("{:?} {:?} {:?}", world.bridge, world.notes, world.media);
            for number in [ASSERTED, FROM].map(|number| &number[1..]) {
                assert!(!said.contains(number), "{case}");
            }
            world.pass(secs(3));
            carrier.bye(&mut world);
            let cdr = world.cdr();
            assert_eq!(cdr.caller.as_ref().map(model::Did::full).as_deref(), shown, "{case}");
            let kept = withheld.map(|number| Withheld::Plain(number.parse().unwrap()));
            assert_eq!(cdr.withheld, kept, "{case}");
            assert_eq!((cdr.call_type, cdr.vouched), (CallType::In, model::Vouched::Nothing));
            let told = format!("{cdr:?}");
            assert!(withheld.is_none_or(|number| !told.contains(&number[1..9])), "{told}");
        }
    }
}
