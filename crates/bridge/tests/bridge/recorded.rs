//! What a carrier's engineer finds in the record of a call of ours.

use bridge::outbound::Options;
use model::record::{CallType, Received};

use crate::callee::Callee;
use crate::carrier::{Carrier, field};
use crate::provision::{self, BOUND};
use crate::world::{World, secs};

const NUMBER: &str = "+390112345678";

#[test]
fn every_invite_of_ours_is_recorded_by_its_call_id_with_what_came_of_it() {
    let mut world = funded();
    world.order(&[NUMBER], Options { press_one: Some(false), ..Options::default() });
    let call = world.ordered();
    let first = Callee::rung(&mut world);
    let reason = "Reason: Q.850;cause=34\r\n";
    first.answer_with(&mut world, "503 Service Unavailable", reason, None);
    let second = Callee::rung(&mut world);
    let live = world.bridge.live(world.now).pop().unwrap();
    assert_eq!(live.sip_call_id, field(&second.invite, "Call-ID"), "an operator sees the wire's");
    second.ring(&mut world);
    second.pick_up(&mut world);
    let open = world.book.case(&call.to_string()).unwrap().open.unwrap();
    assert_eq!(open.cdr.sip_call_id, field(&second.invite, "Call-ID"), "a crash keeps it");
    world.pass(secs(5));
    let mut second = second;
    second.bye(&mut world);
    let cdr = world.cdr();
    assert_eq!((cdr.call_type, cdr.trunk.as_str()), (CallType::Out, "backup"));
    assert_eq!(cdr.sip_call_id, field(&second.invite, "Call-ID"));
    let told: Vec<_> = cdr
        .attempts
        .iter()
        .map(|attempt| (attempt.trunk.as_str(), attempt.sip_status, attempt.q850))
        .collect();
    assert_eq!(told, [("main", Some(503), Some(34)), ("backup", Some(200), None)]);
    let ids: Vec<_> = cdr.attempts.iter().map(|attempt| attempt.sip_call_id.as_str()).collect();
    assert_eq!(ids, [field(&first.invite, "Call-ID"), field(&second.invite, "Call-ID")]);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(cdr.received, Received { sip_status: Some(200), q850: None });
    assert_eq!(cdr.ending.released_by, "callee");
    for id in ids {
        assert_eq!(world.book.case(id).map(|case| case.call), Some(call), "{id}");
    }
    world.is_at_rest();
}

#[test]
fn a_trunk_that_stays_silent_leaves_its_call_id_and_no_answer() {
    let mut world = funded();
    world.order(&[NUMBER], Options::default());
    Callee::rung(&mut world);
    world.pass(secs(5));
    let second = loop {
        let sent = Callee::rung(&mut world);
        if sent.invite.contains("@192.0.2.21") {
            break sent;
        }
    };
    second.answer_with(&mut world, "486 Busy Here", "Reason: Q.850;cause=17\r\n", None);
    let cdr = world.cdr();
    let told: Vec<_> = cdr.attempts.iter().map(|attempt| attempt.sip_status).collect();
    assert_eq!(told, [None, Some(486)]);
    assert_eq!(cdr.received, Received { sip_status: Some(486), q850: Some(17) });
    assert_eq!((cdr.ending.label.as_ref(), cdr.ending.released_by.as_ref()), ("busy", "callee"));
}

#[test]
fn a_refused_number_has_no_call_id_but_our_own() {
    let mut world = funded();
    world.order(&["112"], Options::default());
    let cdr = world.cdr();
    assert_eq!((cdr.call_type, cdr.sip_call_id), (CallType::Out, cdr.call.to_string()));
    assert!(cdr.attempts.is_empty() && cdr.trunk.is_empty());
}

#[test]
fn a_caller_who_hangs_up_with_a_cause_is_recorded_with_it() {
    let mut world = World::new();
    world.top_up("5.00");
    let mut carrier = Carrier::invite(&mut world, "one", BOUND);
    carrier.establish(&mut world);
    world.pass(secs(3));
    carrier.bye_because(&mut world, "Reason: Q.850;cause=31;text=\"normal\"\r\n");
    let cdr = world.cdr();
    assert_eq!((cdr.call_type, cdr.sip_call_id.as_str()), (CallType::In, "one"));
    assert_eq!(cdr.received, Received { sip_status: None, q850: Some(31) });
    assert!(cdr.attempts.is_empty());
}

fn funded() -> World {
    let trunks = vec![
        provision::trunk_in(),
        provision::way_out("main", 20, 0),
        provision::way_out("backup", 21, 1),
    ];
    let mut world = World::set_trunks(provision::standard(), trunks, |_| ());
    world.top_up("5.00");
    world
}
