//! Keys through the whole worker.

use media::{Command, Event, Prompt, Tones};

use crate::studio::{Studio, decibels, rtp, tone};

/// Sends one packet of a press, in the phone's own stream.
pub(crate) fn press(
    studio: &mut Studio,
    phone: usize,
    timestamp: u32,
    event: [u8; 2],
    duration: u16,
) {
    let sequence = studio.phones[phone].sequence;
    studio.phones[phone].sequence = sequence.wrapping_add(1);
    let [high, low] = duration.to_be_bytes();
    let packet =
        rtp(101, sequence, timestamp, studio.phones[phone].ssrc, &[event[0], event[1], high, low]);
    let from = studio.phones[phone].address.to_string();
    studio.inject(phone, false, &from, &packet);
}

/// A whole press of 100 ms, with a pause of 40 ms after it.
fn key(studio: &mut Studio, phone: usize, event: u8) {
    let timestamp = studio.phones[phone].timestamp;
    for packet in 1..=5 {
        press(studio, phone, timestamp, [event, 10], packet * 160);
        studio.tick();
    }
    for _ in 0..3 {
        press(studio, phone, timestamp, [event, 0x8a], 960);
    }
    studio.phones[phone].timestamp = timestamp.wrapping_add(960);
    for _ in 0..2 {
        studio.say(phone, &[0; 160]);
        studio.tick();
    }
}

#[test]
fn a_conference_id_is_told_key_by_key() {
    let mut studio = Studio::new();
    let phone = studio.open();
    studio.talk(10, &[phone], |_, _| vec![0; 160]);
    for event in [1, 1, 2, 9, 9, 0, 11] {
        key(&mut studio, phone, event);
    }
    assert_eq!(studio.keys(phone), "112990#");
}

#[test]
fn the_tone_of_a_key_is_not_heard_by_the_others() {
    let mut studio = Studio::new();
    let (phone, other) = (studio.join(1), studio.join(1));
    studio.talk(20, &[phone], |_, tick| tone(600, tick));
    studio.forget();
    // The sender leaks the tone in its audio, next to the events.
    let start = studio.phones[phone].timestamp;
    for packet in 1..=10_u16 {
        press(&mut studio, phone, start, [3, if packet == 10 { 0x8a } else { 10 }], packet * 160);
        studio.say(phone, &tone(1_477, usize::from(packet)));
        studio.tick();
    }
    assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
    studio.talk(10, &[phone], |_, tick| tone(600, tick));
    studio.forget();
    studio.talk(20, &[phone], |_, tick| tone(600, tick + 10));
    assert!(decibels(&studio.phones[other].heard, 600).abs() < 0.3);
}

#[test]
fn a_key_stops_a_prompt_that_allows_it_and_no_other() {
    for barge_in in [true, false] {
        let mut studio = Studio::new();
        let phone = studio.open();
        let prompts = vec![Prompt::Welcome; 16];
        let call = studio.call(phone);
        studio.command(Command::Play { call, prompts, token: 4, barge_in, over_room: false });
        studio.tick();
        studio.forget();
        key(&mut studio, phone, 7);
        for _ in 0..50 {
            studio.tick();
        }
        assert_eq!(studio.keys(phone), "7");
        let played = studio.events.iter().any(|event| matches!(event, Event::Played { .. }));
        assert_eq!(played, !barge_in);
        let quiet = studio.phones[phone].heard.iter().all(|&sample| sample == 0);
        assert_eq!(quiet, barge_in);
    }
}

#[test]
fn a_spray_of_events_is_capped() {
    let mut studio = Studio::new();
    let phone = studio.open();
    for second in 1..=3 {
        for _ in 0..50 {
            for _ in 0..10 {
                let timestamp = studio.phones[phone].timestamp;
                press(&mut studio, phone, timestamp, [1, 0x8a], 80);
                studio.phones[phone].timestamp = timestamp.wrapping_add(400);
            }
            studio.tick();
        }
        assert!(studio.keys(phone).len() <= 20 + 20 * second);
    }
}

#[test]
fn events_that_were_not_agreed_on_are_dropped() {
    let mut studio = Studio::new();
    let phone = studio.open_with(|flow| flow.digits_in = None);
    key(&mut studio, phone, 5);
    assert_eq!(studio.keys(phone), "");
}

/// A tick of a key's tone.
fn both(low: u32, high: u32, tick: usize) -> Vec<i16> {
    tone(low, tick).iter().zip(tone(high, tick)).map(|(low, high)| (low + high) / 2).collect()
}

#[test]
fn tones_are_keys_while_they_are_listened_to_and_until_an_event_shows_the_other_way() {
    let keyed = |tones, event| {
        let mut studio = Studio::new();
        let phone = studio.open();
        studio.talk(10, &[phone], |_, _| vec![0; 160]);
        let call = studio.call(phone);
        studio.command(Command::Listen { call, tones });
        if event {
            key(&mut studio, phone, 9);
        }
        studio.talk(5, &[phone], |_, tick| both(770, 1_336, tick));
        studio.talk(10, &[phone], |_, _| vec![0; 160]);
        studio.keys(phone)
    };
    assert_eq!(keyed(Tones::Off, false), "");
    assert_eq!(keyed(Tones::UntilEvent, false), "5");
    assert_eq!(keyed(Tones::UntilEvent, true), "9");
    assert_eq!(keyed(Tones::On, true), "95");
}

#[test]
fn a_fax_machine_is_told_once_and_not_heard_by_the_others() {
    let mut studio = Studio::new();
    let (fax, other) = (studio.join(1), studio.join(1));
    studio.talk(20, &[fax], |_, tick| tone(600, tick));
    for _ in 0..2 {
        studio.talk(25, &[fax], |_, tick| tone(1_100, tick));
        studio.talk(25, &[fax], |_, _| vec![0; 160]);
    }
    let call = studio.call(fax);
    let told = studio.events.iter().filter(|event| **event == Event::Fax { call }).count();
    assert_eq!(told, 1);
    studio.forget();
    studio.talk(25, &[fax], |_, tick| tone(600, tick));
    assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
}
