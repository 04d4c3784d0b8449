//! The end of paid time: no frame that begins at or after it, and none left out before it.

use std::time::Duration;

use media::{Command, Event, Prompt};
use model::Instant;

use crate::studio::{Studio, TICK, tone};

fn cuts(studio: &Studio) -> Vec<(Instant, Duration)> {
    let told = studio.events.iter().filter_map(|event| {
        let Event::Cut { at, overrun, .. } = event else { return None };
        Some((*at, *overrun))
    });
    told.collect()
}

#[test]
fn the_last_frame_begins_inside_the_paid_time_whatever_its_phase() {
    for micros in (0..=40_000).step_by(1_000) {
        let mut studio = Studio::new();
        let (paying, listening) = (studio.join(1), studio.join(1));
        studio.talk(20, &[paying, listening], |_, tick| tone(500, tick));
        let until = studio.now + Duration::from_micros(micros);
        studio.command(Command::Fund { call: studio.call(paying), until });
        studio.forget();
        let before = studio.now;
        studio.talk(10, &[paying, listening], |_, tick| tone(500, tick + 20));
        let paid = (1..=10).filter(|&tick| before + TICK * tick < until).count();
        assert_eq!(studio.phones[paying].packets.len(), paid, "{micros}");
        let cut = cuts(&studio);
        assert_eq!(cut.len(), 1);
        assert!(cut[0].0 >= until && cut[0].1 < TICK || micros == 0, "{micros}: {cut:?}");
        assert_eq!(cut[0].1, cut[0].0.since(until));
        // The other one hears nothing of it from then on, and goes on being sent to.
        let heard = &studio.phones[listening].heard;
        assert_eq!(heard.len(), 10 * 160);
        assert!(heard[..paid * 160].iter().any(|&sample| sample != 0) || paid == 0);
        assert!(heard[paid * 160..].iter().all(|&sample| sample == 0), "{micros}");
    }
}

#[test]
fn a_later_end_rescues_without_a_gap_and_one_that_crossed_the_cut_still_does() {
    let mut studio = Studio::new();
    let phone = studio.join(1);
    let call = studio.call(phone);
    let started = studio.now;
    for tick in 0..100 {
        // Each time 21 ms before the end.
        if tick % 10 == 0 {
            studio.command(Command::Fund { call, until: started + TICK * (tick + 11) });
        }
        studio.tick();
    }
    assert_eq!(studio.phones[phone].packets.len(), 100);
    for _ in 0..10 {
        studio.tick();
    }
    assert_eq!(studio.phones[phone].packets.len(), 100);
    assert_eq!(cuts(&studio), [(started + TICK * 101, Duration::ZERO)]);
    // The same end once more is none that was paid for since.
    studio.command(Command::Fund { call, until: started + TICK * 101 });
    studio.tick();
    assert_eq!(studio.phones[phone].packets.len(), 100);
    studio.command(Command::Fund { call, until: studio.now + Duration::from_secs(60) });
    for _ in 0..10 {
        studio.tick();
    }
    assert_eq!(studio.phones[phone].packets.len(), 110, "paid time is served");
    assert_eq!(cuts(&studio).len(), 1);
}

#[test]
fn a_cut_leg_neither_plays_nor_tells_digits() {
    let mut studio = Studio::new();
    let phone = studio.join(1);
    let call = studio.call(phone);
    let prompts = vec![Prompt::Goodbye];
    studio.command(Command::Play { call, prompts, token: 1, barge_in: false, over_room: false });
    studio.command(Command::Fund { call, until: studio.now });
    for _ in 0..20 {
        studio.tick();
    }
    let event = crate::studio::rtp(101, 1, 0, 9, &[5, 0x8a, 0, 160]);
    studio.inject(phone, false, "192.0.2.1:10000", &event);
    studio.tick();
    assert!(studio.phones[phone].packets.is_empty());
    assert!(!studio.events.iter().any(|e| matches!(e, Event::Played { .. } | Event::Digit { .. })));
}

#[test]
fn a_leg_without_an_end_is_never_cut() {
    let mut studio = Studio::new();
    let phone = studio.join(1);
    for _ in 0..5_000 {
        studio.tick();
    }
    assert_eq!(studio.phones[phone].packets.len(), 5_000);
    assert!(cuts(&studio).is_empty());
}

#[test]
fn a_process_that_was_stopped_mixes_nothing_beyond_the_end() {
    let mut studio = Studio::new();
    let (paying, listening) = (studio.join(1), studio.join(1));
    studio.talk(20, &[paying, listening], |_, tick| tone(500, tick));
    let until = studio.now + Duration::from_secs(2);
    studio.command(Command::Fund { call: studio.call(paying), until });
    studio.forget();
    studio.now = studio.now + Duration::from_secs(10);
    studio.talk(5, &[paying, listening], |_, tick| tone(500, tick));
    assert!(studio.phones[paying].packets.is_empty());
    assert!(studio.phones[listening].heard.iter().all(|&sample| sample == 0));
    assert_eq!(cuts(&studio).len(), 1);
}

#[test]
fn nothing_of_a_long_packet_leaves_after_the_end() {
    let mut studio = Studio::new();
    let phone = studio.open_with(|flow| flow.ptime = Duration::from_millis(60));
    let until = studio.now + TICK * 5;
    studio.command(Command::Fund { call: studio.call(phone), until });
    for _ in 0..10 {
        studio.tick();
    }
    assert_eq!(studio.phones[phone].packets.len(), 1);
}
