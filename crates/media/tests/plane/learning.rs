//! Whose packets count, and who gets ours (reliability.md S16, S17).

use media::Command;

use crate::law;
use crate::studio::{Studio, decibels, rtp, tone};

const STRANGER: &str = "203.0.113.9:10000";
const NEIGHBOUR: &str = "192.0.2.77:6000";

/// A packet of a 2 000 Hz tone, of a stream of its own.
fn intrusion(ssrc: u32, tick: usize) -> Vec<u8> {
    let codes: Vec<u8> = tone(2_000, tick)
        .into_iter()
        .map(|sample| law::encode(media::command::Codec::Pcmu, sample))
        .collect();
    rtp(0, tick as u16, tick as u32 * 160, ssrc, &codes)
}

#[test]
fn a_strangers_voice_is_not_heard_and_gets_nothing() {
    let mut studio = Studio::new();
    let (victim, other) = (studio.join(1), studio.join(1));
    let ssrc = studio.phones[victim].ssrc;
    for tick in 0..200 {
        for guess in [ssrc, 7] {
            studio.inject(victim, false, STRANGER, &intrusion(guess, tick));
            if tick >= 50 {
                studio.inject(victim, false, NEIGHBOUR, &intrusion(guess, tick));
            }
        }
        if tick >= 40 {
            studio.say(victim, &tone(600, tick));
        }
        studio.tick();
        let heard = &studio.phones[other].heard;
        assert!(tick >= 40 || heard.iter().all(|&sample| sample == 0));
    }
    let heard = &studio.phones[other].heard[60 * 160..];
    assert!(decibels(heard, 2_000) < -60.0, "{}", decibels(heard, 2_000));
    assert!(decibels(heard, 600).abs() < 0.3);
    assert!(studio.strayed.is_empty(), "{:?}", studio.strayed);
    studio.command(Command::Close { call: studio.call(victim) });
    studio.tick();
    assert_eq!(crate::life::closed(&studio, victim).dropped, 400 + 300);
}

#[test]
fn a_strangers_keys_are_not_told() {
    let mut studio = Studio::new();
    let victim = studio.join(1);
    for n in 0..100_u16 {
        let event = rtp(101, n, u32::from(n) * 800, 5, &[1, 0x8a, 0, 160]);
        studio.inject(victim, false, STRANGER, &event);
        if n > 50 {
            studio.inject(victim, false, NEIGHBOUR, &event);
        }
        studio.say(victim, &tone(600, usize::from(n)));
        studio.tick();
    }
    assert_eq!(studio.keys(victim), "");
}

#[test]
fn packets_go_to_where_they_come_from() {
    let mut studio = Studio::new();
    let phone = studio.open();
    studio.phones[phone].address = NEIGHBOUR.parse().unwrap();
    studio.tick();
    assert_eq!(studio.strayed, ["192.0.2.1:10000".parse().unwrap()]);
    studio.forget();
    studio.talk(10, &[phone], |_, tick| tone(600, tick));
    assert_eq!((studio.phones[phone].packets.len(), studio.strayed.len()), (10, 0));
    // A refresh that changes nothing changes nothing here either.
    studio.update(phone, |_| ());
    studio.tick();
    assert_eq!((studio.phones[phone].packets.len(), studio.strayed.len()), (11, 0));
    // A new address in a new agreement is used at once.
    studio.update(phone, |flow| flow.remote = "192.0.2.5:7000".parse().unwrap());
    studio.tick();
    assert_eq!(studio.strayed, ["192.0.2.5:7000".parse().unwrap()]);
}

#[test]
fn a_peer_that_moved_is_followed_after_a_gap() {
    let mut studio = Studio::new();
    let (phone, other) = (studio.join(1), studio.join(1));
    studio.talk(50, &[phone], |_, tick| tone(600, tick));
    for _ in 0..105 {
        studio.tick();
    }
    studio.phones[phone].address = NEIGHBOUR.parse().unwrap();
    studio.forget();
    studio.talk(50, &[phone], |_, tick| tone(600, tick));
    assert_eq!(studio.phones[phone].packets.len(), 50);
    assert!(decibels(&studio.phones[other].heard[5 * 160..], 600).abs() < 0.3);
}

#[test]
fn a_new_stream_of_the_same_peer_is_heard_at_once() {
    for ahead in [0x7000_0000, 1_500, 0, 700_u32.wrapping_neg()] {
        let mut studio = Studio::new();
        let (phone, other) = (studio.join(1), studio.join(1));
        studio.talk(50, &[phone], |_, tick| tone(600, tick));
        (studio.phones[phone].ssrc, studio.phones[phone].sequence) = (99, 1);
        studio.phones[phone].timestamp = studio.phones[phone].timestamp.wrapping_add(ahead);
        studio.talk(5, &[phone], |_, tick| tone(600, tick));
        studio.forget();
        studio.talk(50, &[phone], |_, tick| tone(600, tick + 5));
        assert!(decibels(&studio.phones[other].heard, 600).abs() < 0.3, "{ahead}");
    }
}

#[test]
fn reports_follow_the_peers_and_a_new_agreement() {
    let mut studio = Studio::new();
    let phone = studio.open_with(|flow| flow.remote_rtcp = None);
    let route_after = |studio: &mut Studio| {
        (0..500).for_each(|_| studio.tick());
        studio.phones[phone].report_route.map(|(to, own)| (to.to_string(), own))
    };
    assert_eq!(route_after(&mut studio), None);
    for (rtcp, from) in [(false, "192.0.2.1:10000"), (true, "192.0.2.1:10007")] {
        studio.inject(phone, rtcp, from, &[0x80, 201, 0, 1, 0, 0, 0, 9]);
        assert_eq!(route_after(&mut studio), Some((from.to_owned(), rtcp)));
    }
    studio.update(phone, |flow| {
        flow.remote = "192.0.2.5:7000".parse().expect("an address");
        flow.remote_rtcp = Some("192.0.2.5:7001".parse().expect("an address"));
    });
    assert_eq!(route_after(&mut studio), Some(("192.0.2.5:7001".to_owned(), true)));
}

#[test]
fn rtcp_of_a_stranger_is_no_sign_of_life_and_not_answered() {
    let mut studio = Studio::new();
    let phone = studio.open_with(|flow| flow.remote_rtcp = None);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    for _ in 0..300 {
        studio.inject(phone, true, STRANGER, &report);
        studio.tick();
    }
    assert!(studio.phones[phone].reports.is_empty());
    assert!(crate::life::silences(&studio, phone).len() == 1);
    studio.inject(phone, true, "192.0.2.1:10001", &report);
    for _ in 0..500 {
        studio.tick();
    }
    assert!(!studio.phones[phone].reports.is_empty());
}
