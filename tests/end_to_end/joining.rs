//! Coming in: identified by digits or by the number, heard by the others.

use std::time::Duration;

use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::phone::Sound;
use crate::harness::sipp::Call;
use crate::harness::site::{SUBSCRIBED, Site, TOLL, TOLL_TO_SUBSCRIBED, WRONG};
use crate::harness::tollgate::Tollgate;

/// Amplitude from which a tone counts as heard; phones speak with 8 000.
const HEARD: f64 = 2_000.0;
/// Amplitude up to which it counts as silence.
const SILENT: f64 = 200.0;

#[test]
fn callers_with_the_conference_id_hear_each_other() {
    let mut tollgate = Tollgate::serve(&Site::default());
    let dial = || Call::new("join.xml", TOLL, tollgate.sip()).stay(secs(14)).dial();
    let (first, second) = (dial(), dial());
    first.phone.identify(SUBSCRIBED);
    second.phone.identify(SUBSCRIBED);
    tollgate.wait_seated(2);
    first.phone.speak(440.0);
    second.phone.speak(700.0);
    pause(secs(1));
    let heard = first.phone.listen(secs(2));
    assert_hears(&heard, &[700.0], &[440.0]);
    assert_hears(&second.phone.listen(secs(1)), &[440.0], &[700.0]);
    let calls = [first.sipp.call_id.clone(), second.sipp.call_id.clone()];
    first.sipp.succeed();
    second.sipp.succeed();
    let book = tollgate.book();
    for call in calls {
        let record = book.record(&call);
        record.assert_ended("included", "caller_hung_up", 200);
        assert_eq!(record.number("charge"), 0);
        assert!((record.connected() - 14.0).abs() < 1.0, "{record:?}");
    }
    assert!(tollgate.metric("tollgate_bridge_digits_total", &[]) >= 20.0);
    book.assert_settled();
    tollgate.stop();
}

#[test]
fn callers_of_different_media_threads_meet_in_one_conference() {
    let site = Site::default().with("[media]", "threads", "2");
    let mut tollgate = Tollgate::serve(&site);
    let dial = || Call::new("join.xml", TOLL, tollgate.sip()).stay(secs(16)).dial();
    let legs_of = |shard: &str| tollgate.metric("tollgate_media_legs", &[shard]);
    let tones = [440.0, 700.0, 1_300.0];
    let legs: Vec<_> = tones
        .iter()
        .map(|_| {
            let leg = dial();
            leg.phone.wait_answered();
            leg
        })
        .collect();
    // In the lobby they are spread.
    wait_for("legs on both threads", secs(3), || {
        (legs_of("shard=\"0\"") > 0.5 && legs_of("shard=\"1\"") > 0.5).then_some(())
    });
    for leg in &legs {
        leg.phone.identify(SUBSCRIBED);
    }
    tollgate.wait_seated(tones.len());
    for (leg, tone) in legs.iter().zip(tones) {
        leg.phone.speak(tone);
    }
    pause(secs(1));
    for (leg, own) in legs.iter().zip(tones) {
        let others: Vec<_> =
            tones.iter().copied().filter(|tone| (tone - own).abs() > 1.0).collect();
        assert_hears(&leg.phone.listen(Duration::from_millis(800)), &others, &[own]);
    }
    let (first, second) = (legs_of("shard=\"0\""), legs_of("shard=\"1\""));
    assert!((first + second - 3.0).abs() < 0.5 && first * second < 0.5, "{first} and {second}");
    let adopted = |shard| tollgate.metric("tollgate_media_legs_adopted_total", &[shard]);
    assert!(adopted("shard=\"0\"") + adopted("shard=\"1\"") > 0.5);
    for leg in legs {
        let id = leg.sipp.call_id.clone();
        leg.sipp.succeed();
        tollgate.book().record(&id).assert_ended("included", "caller_hung_up", 200);
    }
    assert!(tollgate.metric("tollgate_bridge_digits_total", &[]) >= 30.0);
    tollgate.book().assert_settled();
    tollgate.stop();
}

#[test]
fn several_legs_hear_everybody_but_themselves() {
    let tollgate = Tollgate::serve(&Site::default().with("[media]", "announcements", "false"));
    let tones = [440.0, 700.0, 1_300.0];
    let dial = |_| {
        let call = Call::new("several-legs.xml", TOLL_TO_SUBSCRIBED, tollgate.sip());
        call.stay(secs(8)).dial()
    };
    let legs: Vec<_> = tones.iter().map(dial).collect();
    tollgate.wait_seated(tones.len());
    for (leg, tone) in legs.iter().zip(tones) {
        leg.phone.speak(tone);
    }
    pause(secs(1));
    for (leg, own) in legs.iter().zip(tones) {
        let others: Vec<_> =
            tones.iter().copied().filter(|tone| (tone - own).abs() > 1.0).collect();
        assert_hears(&leg.phone.listen(Duration::from_millis(800)), &others, &[own]);
    }
    for leg in legs {
        let id = leg.sipp.call_id.clone();
        leg.sipp.succeed();
        tollgate.book().record(&id).assert_ended("included", "caller_hung_up", 200);
    }
    tollgate.book().assert_settled();
}

#[test]
fn a_caller_with_three_wrong_ids_is_sent_off() {
    let tollgate = Tollgate::serve(&Site::default());
    let call = Call::new("three-wrong-ids.xml", TOLL, tollgate.sip()).dial();
    call.phone.wait_answered();
    for _ in 0..3 {
        pause(secs(1));
        call.phone.press(&format!("{WRONG}#"));
        pause(secs(3));
    }
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    let book = tollgate.book();
    let record = book.record(&id);
    record.assert_ended("unattributed", "unknown_conference_id", 200);
    assert_eq!(book.number("SELECT COUNT(*) FROM entry"), 0);
    let refused = ["reason=\"unknown_conference_id\""];
    assert!(tollgate.metric("tollgate_bridge_refusals_total", &refused) > 0.0);
    book.assert_settled();
}

#[test]
fn a_caller_who_keys_in_nothing_is_sent_off_when_the_unpaid_time_is_over() {
    let site = Site::default().with("[charging]", "unpaid_secs", "5");
    let tollgate = Tollgate::serve(&site);
    let call = Call::new("never-identified.xml", TOLL, tollgate.sip()).dial();
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    assert!(trace.connected() < 25.0, "{trace:?}");
    let record = tollgate.book().record(&id);
    record.assert_ended("unattributed", "identification_timeout", 200);
    assert!(record.number("charge") > 0, "valued at list price: {record:?}");
    tollgate.book().assert_settled();
}

/// Asserts that a packet came every 20 ms and which tones were in them.
fn assert_hears(sound: &Sound, heard: &[f64], silent: &[f64]) {
    for tone in heard {
        assert!(sound.level(*tone) > HEARD, "{tone} Hz is not heard: {}", sound.level(*tone));
    }
    for tone in silent {
        assert!(sound.level(*tone) < SILENT, "{tone} Hz is heard: {}", sound.level(*tone));
    }
    assert!(sound.longest_gap < Duration::from_millis(500), "{:?}", sound.longest_gap);
}
