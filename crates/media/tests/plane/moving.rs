//! Legs that move from one worker to another: whole, in order, each packet and key once.

use std::time::Duration;

use media::{Command, Event, Prompt};
use model::MeetingId;
use proptest::prelude::*;

use crate::digits::press;
use crate::law;
use crate::mix::{Speaker, draw, slow_mix};
use crate::studio::{Studio, TICK, decibels, level, tone};

/// Sequence number and timestamp of each packet that a phone got.
fn stream(studio: &Studio, phone: usize) -> Vec<(u16, u32)> {
    let packets = studio.phones[phone].packets.iter();
    let header = |packet: &Vec<u8>| {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        (sequence, u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
    };
    packets.map(|(_, packet)| header(packet)).collect()
}

/// Asserts that a phone got every packet once, in order, and returns how many samples were left out.
fn assert_whole(studio: &Studio, phone: usize) -> u32 {
    let stream = stream(studio, phone);
    let mut missed = 0;
    for pair in stream.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1), "{pair:?}");
        let step = pair[1].1.wrapping_sub(pair[0].1);
        assert!(step >= 160 && step.is_multiple_of(160), "{pair:?}");
        missed += step - 160;
    }
    missed
}

fn count(studio: &Studio, wanted: impl Fn(&Event) -> bool) -> usize {
    studio.events.iter().filter(|event| wanted(event)).count()
}

#[test]
fn a_leg_moves_without_a_gap_and_hears_the_conference_there() {
    let mut studio = Studio::new();
    let (newcomer, host) = (studio.open(), studio.open());
    studio.send_over(host, 1);
    studio.tick();
    studio.seat(host, 7);
    let voice = |phone: usize, tick| tone([950, 450][phone], tick);
    studio.talk(20, &[newcomer, host], voice);
    studio.forget();
    studio.send_over(newcomer, 1);
    studio.seat(newcomer, 7);
    studio.talk(60, &[newcomer, host], |phone, tick| voice(phone, tick + 20));
    for phone in [newcomer, host] {
        assert_eq!(assert_whole(&studio, phone), 0);
        let ticks: Vec<usize> =
            studio.phones[phone].packets.iter().map(|(tick, _)| *tick).collect();
        assert_eq!(ticks.len(), 60);
        assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "one each tick: {ticks:?}");
        let heard = &studio.phones[phone].heard[160..];
        let (own, other) = if phone == newcomer { (950, 450) } else { (450, 950) };
        assert!(decibels(heard, other).abs() < 0.3, "{}", decibels(heard, other));
        assert!(decibels(heard, own) < -45.0);
    }
    assert_eq!((studio.worker.legs(), studio.worker.rooms()), (0, 0));
    assert_eq!((studio.between.second.legs(), studio.between.second.rooms()), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn legs_that_move_hear_what_the_slow_mixer_says(seed in any::<u64>(), legs in 2..7_usize) {
        let mut state = seed;
        let mut studio = Studio::new();
        let mut speakers = Vec::new();
        for _ in 0..legs {
            studio.open();
            speakers.push(Speaker { room: None, said: Vec::new() });
        }
        for tick in 0..40 {
            let who = draw(&mut state) as usize % legs;
            let mut bound = None;
            if let room @ 1..=4 = draw(&mut state) % 9 {
                // Odd rooms are with the second worker.
                let (room, shard) = (u128::from(room), room as usize % 2);
                if studio.phones[who].shard != shard {
                    studio.send_over(who, shard);
                    bound = Some(room);
                }
                studio.seat(who, room);
                speakers[who].room = if bound.is_some() { None } else { Some(room) };
            }
            for (leg, speaker) in speakers.iter_mut().enumerate() {
                let codes: Vec<u8> = (0..160).map(|_| draw(&mut state) as u8).collect();
                let codec = studio.phones[leg].codec;
                speaker.said.extend(codes.iter().map(|&code| law::decode(codec, code)));
                studio.send(leg, &codes);
            }
            studio.tick();
            for leg in 0..legs {
                let expected = slow_mix(&speakers, leg, tick);
                let heard = &studio.phones[leg].heard[tick * 160..];
                prop_assert_eq!(heard.len(), 160);
                for (&heard, expected) in heard.iter().zip(expected) {
                    let error = (i32::from(heard) - expected).abs();
                    let clipped = expected.abs() > 32_000 && i32::from(heard).abs() > 32_000;
                    prop_assert!(clipped || error <= law::tolerance(expected), "{heard} for {expected}");
                }
            }
            if bound.is_some() {
                speakers[who].room = bound;
            }
        }
    }
}

#[test]
fn a_key_is_told_once_wherever_in_its_press_the_leg_moves() {
    for delay in 0..4 {
        for moved in 0..14 {
            let mut studio = Studio::new();
            let phone = studio.open();
            studio.between.delay = delay;
            studio.talk(5, &[phone], |_, _| vec![0; 160]);
            let start = studio.phones[phone].timestamp;
            for packet in 0..14_u16 {
                if packet == moved {
                    studio.send_over(phone, 1);
                }
                let end = if packet < 8 { 10 } else { 0x8a };
                press(&mut studio, phone, start, [5, end], packet.min(8) * 160 + 160);
                studio.tick();
            }
            studio.phones[phone].timestamp = start.wrapping_add(1_440);
            studio.talk(10, &[phone], |_, _| vec![0; 160]);
            assert_eq!(studio.keys(phone), "5", "moved at {moved}, {delay} ticks late");
        }
    }
}

#[test]
fn paid_time_that_ends_on_the_way_ends_it_within_a_tick() {
    for delay in 0..5 {
        for micros in (0..=140_000).step_by(4_000) {
            let mut studio = Studio::new();
            let phone = studio.join(1);
            studio.between.delay = delay;
            studio.talk(5, &[phone], |_, tick| tone(500, tick));
            let (before, until) = (studio.now, studio.now + Duration::from_micros(micros));
            studio.command(Command::Fund { call: studio.call(phone), until });
            studio.forget();
            studio.send_over(phone, 1);
            studio.seat(phone, 1);
            studio.talk(14, &[phone], |_, tick| tone(500, tick));
            // Nothing leaves after the end, and before it only what the way took is missing.
            let paid = (1..=14).filter(|&tick| before + TICK * tick < until).count();
            let sent = studio.phones[phone].packets.len();
            assert!((paid.saturating_sub(delay)..=paid).contains(&sent), "{sent} of {paid}");
            let cuts: Vec<_> = studio
                .events
                .iter()
                .filter_map(|event| match event {
                    Event::Cut { at, overrun, .. } => Some((*at, *overrun)),
                    Event::Digit { .. }
                    | Event::Fax { .. }
                    | Event::Spoke { .. }
                    | Event::Played { .. }
                    | Event::Heard { .. }
                    | Event::Life { .. }
                    | Event::Closed { .. } => None,
                })
                .collect();
            assert_eq!(cuts.len(), 1, "{delay} {micros}");
            assert!(cuts[0].0 >= until && cuts[0].1 <= TICK, "{delay} {micros}: {cuts:?}");
        }
    }
}

#[test]
fn a_later_end_that_overtakes_the_leg_is_kept_for_it() {
    let mut studio = Studio::new();
    let phone = studio.join(1);
    let call = studio.call(phone);
    studio.between.delay = 3;
    studio.command(Command::Fund { call, until: studio.now + TICK * 3 });
    studio.send_over(phone, 1);
    studio.command(Command::Fund { call, until: studio.now + Duration::from_secs(5) });
    for _ in 0..20 {
        studio.tick();
    }
    assert_eq!(count(&studio, |event| matches!(event, Event::Cut { .. })), 0);
    assert_eq!(assert_whole(&studio, phone), 3 * 160);
}

#[test]
fn what_is_said_of_a_leg_on_its_way_is_done_once_whoever_comes_first() {
    for (delay, deaf_ticks) in [(0, 0), (4, 0), (0, 4), (2, 2), (2, 3), (3, 2)] {
        let mut studio = Studio::new();
        let (phone, other) = (studio.open(), studio.open());
        studio.send_over(other, 1);
        studio.tick();
        studio.seat(other, 3);
        studio.forget();
        let call = studio.call(phone);
        studio.between.delay = delay;
        studio.between.deaf[1] = deaf_ticks > 0;
        studio.send_over(phone, 1);
        studio.seat(phone, 3);
        let prompts = vec![Prompt::ALL[0]];
        studio.command(Command::Play {
            call,
            prompts,
            token: 5,
            barge_in: false,
            over_room: false,
        });
        for tick in 0..30 {
            studio.between.deaf[1] &= tick < deaf_ticks;
            studio.say(other, &tone(900, tick));
            studio.tick();
        }
        let played = |event: &Event| matches!(event, Event::Played { token: 5, .. });
        assert_eq!(count(&studio, played), 1, "{delay} {deaf_ticks}");
        let heard = &studio.phones[phone].heard;
        let prompt = heard.iter().filter(|sample| (**sample - level(0)).abs() < 60).count();
        assert!((390..=480).contains(&prompt), "{prompt} samples of the prompt");
        assert!(decibels(&heard[heard.len() - 1_600..], 900).abs() < 0.3);
        studio.command(Command::Close { call });
        studio.tick();
        let closed =
            |event: &Event| matches!(event, Event::Closed { call: whose, .. } if *whose == call);
        assert_eq!(count(&studio, closed), 1);
        assert_eq!((studio.worker.legs(), studio.between.second.legs()), (0, 1));
    }
}

#[test]
fn a_leg_closed_on_its_way_is_closed_where_it_arrives() {
    let mut studio = Studio::new();
    let phone = studio.open();
    let call = studio.call(phone);
    studio.between.delay = 2;
    studio.send_over(phone, 1);
    studio.seat(phone, 3);
    studio.command(Command::Close { call });
    for _ in 0..6 {
        studio.tick();
    }
    assert_eq!(count(&studio, |event| matches!(event, Event::Closed { .. })), 1);
    assert_eq!((studio.worker.legs(), studio.between.second.legs()), (0, 0));
    assert_eq!(studio.between.second.rooms(), 0);
}

#[test]
fn a_leg_that_was_never_there_is_not_waited_for() {
    let mut studio = Studio::new();
    let phone = studio.open();
    let call = studio.call(phone);
    studio.command(Command::Close { call });
    studio.tick();
    for deaf in [false, true] {
        studio.phones[phone].shard = 0;
        studio.between.deaf[1] = deaf;
        studio.send_over(phone, 1);
        studio.seat(phone, 3);
        studio.tick();
        studio.tick();
        studio.between.deaf[1] = false;
        studio.tick();
        assert_eq!((studio.between.second.legs(), studio.between.second.rooms()), (0, 0));
    }
    // A new leg of that name opens there, and is obeyed at once.
    let open = Command::Open {
        call,
        port: studio.phones[phone].port,
        flow: crate::studio::flow(phone),
        language: 0,
        ssrc: 9,
    };
    studio.command(open);
    studio.command(Command::Seat { call, room: MeetingId(3) });
    assert_eq!((studio.between.second.legs(), studio.between.second.rooms()), (1, 1));
}

#[test]
fn a_leg_can_be_sent_on_before_it_has_come() {
    for delay in 0..3 {
        let mut studio = Studio::new();
        let phone = studio.open();
        studio.between.delay = delay;
        for _ in 0..2 {
            studio.send_over(phone, 1);
            studio.seat(phone, 4);
            studio.send_over(phone, 0);
            studio.seat(phone, 5);
        }
        studio.talk(30, &[phone], |_, tick| tone(500, tick));
        assert_eq!((studio.worker.legs(), studio.worker.rooms()), (1, 1));
        assert_eq!((studio.between.second.legs(), studio.between.second.rooms()), (0, 0));
        assert_eq!(assert_whole(&studio, phone), 160 * 4 * delay as u32);
    }
}

#[test]
fn a_worker_that_is_late_does_no_tick_twice_and_leaves_none_out() {
    for late in [[true, false], [false, true]] {
        let mut studio = Studio::new();
        let phones = [studio.open(), studio.open()];
        let voice = |_: usize, tick| tone(500, tick);
        studio.talk(5, &phones, voice);
        studio.forget();
        studio.send_over(phones[0], 1);
        studio.tick();
        studio.between.late = late;
        studio.tick();
        studio.tick();
        // One comes, the other goes, while a worker is two ticks behind.
        studio.send_over(phones[0], 0);
        studio.send_over(phones[1], 1);
        studio.tick();
        studio.between.late = [false; 2];
        studio.talk(20, &phones, voice);
        for phone in phones {
            let missed = assert_whole(&studio, phone) / 160;
            let packets = studio.phones[phone].packets.len() as u32;
            assert_eq!(packets + missed, 24, "{late:?}");
            assert!(missed <= 3, "{missed}");
        }
    }
}
