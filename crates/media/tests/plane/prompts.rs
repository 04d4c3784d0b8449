//! What a leg is told, alone or over its room.

use media::{Command, Event, Prompt};

use crate::law::tolerance;
use crate::studio::{Studio, level};

fn play(studio: &mut Studio, phone: usize, prompts: &[Prompt], over_room: bool) {
    let (call, prompts) = (studio.call(phone), prompts.to_vec());
    studio.command(Command::Play { call, prompts, token: 42, barge_in: false, over_room });
}

fn near(heard: i16, expected: i16) -> bool {
    (i32::from(heard) - i32::from(expected)).abs() <= tolerance(i32::from(expected))
}

fn played(studio: &Studio) -> usize {
    studio.events.iter().filter(|event| matches!(event, Event::Played { token: 42, .. })).count()
}

#[test]
fn prompts_follow_one_another_without_a_gap_seated_or_not() {
    for seated in [false, true] {
        let mut studio = Studio::new();
        let phone = if seated { studio.join(1) } else { studio.open() };
        play(&mut studio, phone, &[Prompt::ALL[0], Prompt::ALL[3], Prompt::ALL[9]], false);
        for _ in 0..8 {
            studio.tick();
            assert_eq!(played(&studio), 0);
        }
        studio.tick();
        assert_eq!(played(&studio), 1);
        let heard = &studio.phones[phone].heard;
        for (part, place) in [(0, 0), (400, 3), (800, 9)] {
            assert!(heard[part..part + 400].iter().all(|&sample| near(sample, level(place))));
        }
        assert!(heard[1_200..].iter().all(|&sample| sample == 0));
    }
}

#[test]
fn the_room_is_replaced_or_turned_down() {
    for over_room in [false, true] {
        let mut studio = Studio::new();
        let (phone, other) = (studio.join(1), studio.join(1));
        let loud = |_, _| vec![8_000; 160];
        studio.talk(20, &[other], loud);
        play(&mut studio, phone, &[Prompt::ALL[0]], over_room);
        studio.forget();
        studio.talk(2, &[other], loud);
        let expected = level(0) + if over_room { 2_000 } else { 0 };
        assert!(studio.phones[phone].heard.iter().all(|&sample| near(sample, expected)));
        assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
        studio.talk(2, &[other], loud);
        assert!(near(*studio.phones[phone].heard.last().unwrap(), 8_000));
    }
}

#[test]
fn a_new_play_replaces_the_old_and_hush_stops_it() {
    let mut studio = Studio::new();
    let phone = studio.open();
    let call = studio.call(phone);
    let prompts = vec![Prompt::ALL[1]; 16];
    studio.command(Command::Play { call, prompts, token: 7, barge_in: false, over_room: false });
    studio.tick();
    play(&mut studio, phone, &[Prompt::ALL[2]; 16], false);
    studio.tick();
    assert!(near(*studio.phones[phone].heard.last().unwrap(), level(2)));
    studio.command(Command::Hush { call });
    for _ in 0..60 {
        studio.tick();
    }
    assert_eq!(studio.phones[phone].heard[320..], [0; 60 * 160]);
    assert!(!studio.events.iter().any(|event| matches!(event, Event::Played { .. })));
}

#[test]
fn time_passes_for_prompts_that_cannot_be_sent_and_for_empty_ones() {
    let mut studio = Studio::new();
    let phone = studio.open_with(|flow| flow.direction = media::Direction::RecvOnly);
    play(&mut studio, phone, &[Prompt::ALL[0]], false);
    for _ in 0..4 {
        studio.tick();
    }
    assert_eq!(played(&studio), 1);
    play(&mut studio, phone, &[], false);
    studio.tick();
    assert_eq!(played(&studio), 2);
}
