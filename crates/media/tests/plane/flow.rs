//! What was agreed: laws, packet lengths, direction and hold.

use std::time::Duration;

use media::command::Codec;
use media::{Command, Direction};

use crate::studio::{Studio, decibels, rtp, tone};

#[test]
fn a_packet_leaves_every_ptime_from_open_to_close() {
    for (millis, packets) in [(10, 300), (20, 150), (30, 100), (40, 75), (50, 60), (60, 50)] {
        let mut studio = Studio::new();
        let phone = studio.open_with(|flow| flow.ptime = Duration::from_millis(millis));
        for step in 0..150 {
            match step {
                50 => studio.seat(phone, 1),
                100 => studio.command(Command::Unseat { call: studio.call(phone) }),
                _ => {}
            }
            studio.tick();
        }
        let sent = &studio.phones[phone].packets;
        assert_eq!(sent.len(), packets, "{millis} ms");
        assert!(sent.iter().all(|(_, packet)| packet.len() == 12 + millis as usize * 8));
        let field = |packet: &[u8], at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        for pair in sent.windows(2) {
            assert_eq!(field(&pair[1].1, 2), field(&pair[0].1, 2).wrapping_add(1));
        }
        assert_eq!(sent[0].1[1], 0x80, "only the first is marked");
        assert!(sent[1..].iter().all(|(_, packet)| packet[1] == 0));
        studio.command(Command::Close { call: studio.call(phone) });
        studio.tick();
        assert_eq!(studio.phones[phone].packets.len(), packets);
    }
}

#[test]
fn what_phones_with_other_packet_lengths_say_is_heard_whole() {
    for samples in [80, 240, 320, 480] {
        let mut studio = Studio::new();
        let (talking, listening) = (studio.join(1), studio.join(1));
        let mut said: Vec<i16> = Vec::new();
        for tick in 0..120 {
            said.extend(tone(700, tick));
            while said.len() >= samples {
                let packet: Vec<i16> = said.drain(..samples).collect();
                studio.say(talking, &packet);
            }
            studio.tick();
        }
        let level = decibels(&studio.phones[listening].heard[20 * 160..], 700);
        assert!(level.abs() < 0.3, "{samples}: {level}");
    }
}

#[test]
fn either_law_is_taken_whichever_was_agreed() {
    let mut studio = Studio::new();
    let (talking, listening) = (studio.join(1), studio.join(1));
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::Pcma] {
        studio.phones[talking].codec = codec;
        studio.talk(50, &[talking], |_, tick| tone(700, tick));
    }
    let level = decibels(&studio.phones[listening].heard[20 * 160..], 700);
    assert!(level.abs() < 0.3, "{level}");
}

#[test]
fn an_unknown_payload_type_is_dropped_and_counted() {
    let mut studio = Studio::new();
    let (phone, other) = (studio.join(1), studio.join(1));
    for sequence in 0..50 {
        let packet = rtp(18, sequence, u32::from(sequence) * 160, 1, &[0x42; 160]);
        studio.inject(phone, false, "192.0.2.1:10000", &packet);
        studio.tick();
    }
    assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
    studio.command(Command::Close { call: studio.call(phone) });
    studio.tick();
    let stats = crate::life::closed(&studio, phone);
    assert_eq!((stats.received, stats.dropped), (0, 50));
}

#[test]
fn direction_decides_who_sends_and_who_is_heard() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
        let mut studio = Studio::new();
        let one = studio.open_with(|flow| flow.direction = direction);
        studio.seat(one, 1);
        let other = studio.join(1);
        studio.talk(100, &[one, other], |phone, tick| tone([600, 1_500][phone], tick));
        let sent = studio.phones[one].packets.len();
        assert_eq!(sent, if matches!(direction, SendRecv | SendOnly) { 100 } else { 0 });
        let heard = decibels(&studio.phones[other].heard[10 * 160..], 600) > -1.0;
        assert_eq!(heard, matches!(direction, SendRecv | RecvOnly), "{direction:?}");
    }
}

#[test]
fn hold_takes_a_leg_out_of_the_mix_and_resume_brings_it_back() {
    let mut studio = Studio::new();
    let (holding, other) = (studio.join(1), studio.join(1));
    let voice = |phone: usize, tick| tone([600, 1_500][phone], tick);
    studio.talk(50, &[holding, other], voice);
    // Music on hold from the peer: sendonly of theirs, recvonly of ours.
    studio.update(holding, |flow| (flow.held, flow.direction) = (true, Direction::RecvOnly));
    studio.forget();
    studio.talk(50, &[holding, other], |phone, tick| voice(phone, tick + 50));
    assert!(studio.phones[holding].packets.is_empty());
    assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
    studio.update(holding, |_| ());
    studio.talk(10, &[holding, other], |phone, tick| voice(phone, tick + 100));
    studio.forget();
    studio.talk(50, &[holding, other], |phone, tick| voice(phone, tick + 110));
    assert!(decibels(&studio.phones[other].heard, 600).abs() < 0.3);
    assert!(decibels(&studio.phones[holding].heard, 1_500).abs() < 0.3);
    assert_eq!(studio.phones[holding].packets[0].1[1], 0, "marked long ago, at the resume");
}

#[test]
fn a_held_leg_that_is_still_sent_to_hears_silence() {
    let mut studio = Studio::new();
    let (holding, other) = (studio.join(1), studio.join(1));
    studio.update(holding, |flow| flow.held = true);
    studio.talk(50, &[holding, other], |_, tick| tone(600, tick));
    assert_eq!(studio.phones[holding].packets.len(), 50);
    assert!(studio.phones[holding].heard.iter().all(|&sample| sample == 0));
    assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
}

#[test]
fn nothing_is_sent_to_nowhere() {
    for remote in ["0.0.0.0:10000", "192.0.2.1:0", "[::]:4000"] {
        let mut studio = Studio::new();
        let phone = studio.open_with(|flow| {
            flow.remote = remote.parse().unwrap();
            flow.remote_rtcp = Some(remote.parse().unwrap());
        });
        for _ in 0..600 {
            studio.tick();
        }
        assert!(studio.phones[phone].packets.is_empty() && studio.phones[phone].reports.is_empty());
        assert!(studio.strayed.is_empty());
    }
}
