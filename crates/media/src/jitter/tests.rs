//! A simulated sender with its own clock, and a mixer that ticks.

use super::*;

/// A tone that G.711 carries well and that has no two equal frames in a row.
fn codes(timestamp: u32, length: usize) -> Vec<u8> {
    let samples: Vec<i16> = (0..length as u32)
        .map(|offset| {
            let phase = f64::from(timestamp.wrapping_add(offset) % 8_000) / 8_000.0;
            ((phase * 440.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16
        })
        .collect();
    let mut codes = vec![0; length];
    g711::encode(Codec::Pcmu, &samples, &mut codes);
    codes
}

fn at_micros(micros: u64) -> Instant {
    Instant { micros: 10_000_000 + micros }
}

/// The mixer has ticked 20 ms before the first packet.
fn started() -> Playout {
    Playout::new(Instant { micros: 10_000_000 - 20_000 })
}

/// Packet `n` of a stream: when it arrives in microseconds; `None` when it is lost.
type Arrival<'a> = &'a dyn Fn(u64) -> Option<u64>;

struct Outcome {
    playout: Playout,
    /// Ticks that played samples made up, or nothing, after the first second.
    holes: usize,
    /// Largest number of samples that waited, after the first ten seconds.
    deepest: i32,
}

/// Plays a stream of packets of `length` samples for `seconds`.
fn play(length: usize, first_timestamp: u32, seconds: u64, arrival: Arrival<'_>) -> Outcome {
    let mut playout = started();
    let (mut holes, mut deepest, mut sent) = (0, 0, 0_u64);
    let mut pending: Vec<(u64, u64)> = Vec::new();
    let mut newest = None;
    for tick in 0..seconds * 50 {
        let now = tick * 20_000 + 7_000;
        while sent * length as u64 * 125 < now + 1_000_000 {
            pending.extend(arrival(sent).map(|micros| (micros, sent)));
            sent += 1;
        }
        pending.sort_unstable();
        while pending.first().is_some_and(|(micros, _)| *micros <= now) {
            let (micros, n) = pending.remove(0);
            let timestamp = first_timestamp.wrapping_add((n * length as u64) as u32);
            let is_newest = newest.is_none_or(|newest| n > newest);
            newest = newest.max(Some(n));
            let sound = codes(timestamp, length);
            playout.put(Codec::Pcmu, timestamp, &sound, is_newest, at_micros(micros));
        }
        let mut frame = [0; 160];
        let heard = playout.read(at_micros(now), &mut frame);
        if tick > 50 && (!heard || playout.concealed > 0) {
            holes += 1;
        }
        if tick > 500 {
            deepest = deepest.max(playout.buffered());
        }
    }
    Outcome { playout, holes, deepest }
}

fn drifting(ppm: i64) -> Outcome {
    play(160, 5_000, 1_800, &move |n| {
        let nominal = n as i64 * 20_000;
        Some((nominal + nominal * ppm / 1_000_000) as u64)
    })
}

#[test]
fn a_sender_faster_than_we_are_is_followed_for_half_an_hour() {
    let outcome = drifting(-100);
    assert!(outcome.deepest <= 3 * 160, "{}", outcome.deepest);
    assert_eq!((outcome.holes, outcome.playout.margin), (0, CALM), "a hole, or a late packet");
}

#[test]
fn a_sender_slower_than_we_are_is_followed_for_half_an_hour() {
    let outcome = drifting(100);
    assert!(outcome.deepest <= 3 * 160, "{}", outcome.deepest);
    assert_eq!((outcome.holes, outcome.playout.margin), (0, CALM), "a hole, or a late packet");
}

#[test]
fn packets_of_every_length_play_without_a_hole_or_a_growing_delay() {
    for length in [80, 160, 240, 320, 400, 480] {
        let outcome = play(length, u32::MAX - 20_000, 30, &|n| Some(n * length as u64 * 125));
        assert_eq!(outcome.holes, 0, "{length}");
        assert!(outcome.deepest <= 240 + length as i32, "{length}: {}", outcome.deepest);
    }
}

#[test]
fn what_is_played_is_what_was_sent() {
    let mut playout = started();
    let mut played = Vec::new();
    for n in 0..50_u32 {
        let now = at_micros(u64::from(n) * 20_000);
        playout.put(Codec::Pcmu, n * 160, &codes(n * 160, 160), true, now);
        let mut frame = [0; 160];
        playout.read(now, &mut frame);
        played.extend(frame);
    }
    let mut sent = vec![0; 50 * 160];
    g711::decode(Codec::Pcmu, &codes(0, 50 * 160), &mut sent);
    // The packet came just before its tick: the margin, and a tick.
    let delay = CALM as usize + 160;
    assert!(played[..delay].iter().all(|&sample| sample == 0));
    assert!(played[delay..] == sent[..sent.len() - delay]);
}

#[test]
fn jitter_of_thirty_milliseconds_is_learned() {
    let outcome = play(160, 0, 120, &|n| Some(n * 20_000 + (n * 7_919 % 31) * 1_000));
    assert!(outcome.playout.margin <= CALM + 8 * LATE, "{}", outcome.playout.margin);
    assert!(outcome.deepest <= 7 * 160, "{}", outcome.deepest);
}

#[test]
fn reordered_and_repeated_packets_leave_no_hole() {
    // Every fourth packet comes 25 ms late, after its follower.
    let outcome = play(160, 0, 60, &|n| Some(n * 20_000 + if n % 4 == 0 { 25_000 } else { 0 }));
    assert!(outcome.holes <= 4, "{}", outcome.holes);
    let mut playout = started();
    for n in 0..3 {
        playout.put(Codec::Pcmu, 0, &codes(0, 160), n == 0, at_micros(0));
    }
    assert_eq!(playout.buffered(), 160 + CALM + 160);
}

#[test]
fn a_lost_packet_is_concealed_and_a_long_loss_fades_to_silence() {
    let mut playout = started();
    let mut loudest = Vec::new();
    for tick in 0..20_u32 {
        let now = at_micros(u64::from(tick) * 20_000);
        if tick < 6 {
            playout.put(Codec::Pcmu, tick * 160, &codes(tick * 160, 160), true, now);
        }
        let mut frame = [0; 160];
        playout.read(now, &mut frame);
        loudest.push(frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap());
    }
    assert!(loudest[5] > 7_000);
    assert!((4_000..7_000).contains(&loudest[8]), "{loudest:?}");
    assert!(loudest[9] < loudest[8] && loudest[10] < loudest[9], "{loudest:?}");
    assert_eq!(loudest[11..], [0; 9]);
}

#[test]
fn silence_that_was_announced_is_not_concealed() {
    let mut playout = started();
    playout.put(Codec::Pcmu, 0, &codes(0, 160), true, at_micros(0));
    let mut frame = [0; 160];
    playout.read(at_micros(0), &mut frame);
    playout.pause();
    assert!(playout.read(at_micros(20_000), &mut frame));
    assert!(playout.read(at_micros(40_000), &mut frame));
    assert!(frame[79] != 0 && frame[80..] == [0; 80]);
    assert!(!playout.read(at_micros(60_000), &mut frame));
}

#[test]
fn speech_after_a_pause_begins_afresh() {
    // One second of speech, ten of silence: the timestamps go on, or they do not.
    for step in [80_000_u32, 160] {
        let mut playout = started();
        let mut timestamp = 0;
        let mut heard_again = 0;
        for tick in 0..600_u32 {
            let now = at_micros(u64::from(tick) * 20_000);
            if !(50..550).contains(&tick) {
                playout.put(Codec::Pcmu, timestamp, &codes(timestamp, 160), true, now);
                timestamp += if tick == 49 { step } else { 160 };
            }
            let mut frame = [0; 160];
            let heard = playout.read(now, &mut frame) && !frame.contains(&NEVER);
            heard_again += u32::from(tick >= 550 && heard);
        }
        assert_eq!(heard_again, 50, "{step}");
        assert!(playout.buffered() <= 240);
    }
}

#[test]
fn a_jump_of_the_senders_timestamps_is_followed_at_once() {
    for jump in [1_000_000_u32, 3_000, 500_u32.wrapping_neg(), 1_000_000_u32.wrapping_neg()] {
        let mut playout = started();
        let mut loud = 0;
        for tick in 0..100_u32 {
            let now = at_micros(u64::from(tick) * 20_000);
            let timestamp = (tick * 160).wrapping_add(if tick < 50 { 0 } else { jump });
            playout.put(Codec::Pcmu, timestamp, &codes(timestamp, 160), true, now);
            let mut frame = [0; 160];
            playout.read(now, &mut frame);
            loud += u32::from(tick >= 50 && frame.iter().any(|sample| sample.abs() > 5_000));
        }
        assert!(loud >= 47, "{jump}: {loud}");
        assert!(playout.buffered() <= 3 * 160, "{jump}: {}", playout.buffered());
    }
}

#[test]
fn a_burst_after_an_outage_does_not_leave_a_delay() {
    // Nothing for 300 ms, then everything at once.
    let outcome = play(160, 0, 60, &|n| {
        Some(if (500..515).contains(&n) { 515 * 20_000 } else { n * 20_000 })
    });
    assert!(outcome.playout.buffered() <= 3 * 160, "{}", outcome.playout.buffered());
}

#[test]
fn the_stretch_and_the_fade_keep_a_tone_a_tone() {
    let mut playout = started();
    let tone = codes(0, 1_280);
    playout.put(Codec::Pcmu, 0, &tone, true, at_micros(0));
    let mut frame = [0; 160];
    playout.read(at_micros(0), &mut frame);
    for bend in [BEND, -BEND] {
        playout.bend = bend;
        let mut before = i32::from(frame[159]);
        let buffered = playout.buffered();
        playout.read(at_micros(20_000), &mut frame);
        assert_eq!(buffered - playout.buffered(), 160 + bend);
        for sample in frame {
            // 440 Hz at 8000: no step of a continuous tone is larger than 2 760.
            assert!((i32::from(sample) - before).abs() < 3_500);
            before = i32::from(sample);
        }
    }
}

#[test]
fn nothing_that_a_peer_sends_breaks_the_ring() {
    use proptest::prelude::*;
    let packet = (any::<u32>(), 1..=PACKET, any::<bool>(), 0..100_u64);
    proptest!(ProptestConfig::with_cases(64), |(packets in prop::collection::vec(packet, 1..200))| {
        let mut playout = started();
        let mut now = 0;
        let mut frame = [0; 160];
        for (timestamp, length, newest, wait) in packets {
            // Near or far from the last one.
            let timestamp = if timestamp % 2 == 0 { timestamp % 9_000 } else { timestamp };
            playout.put(Codec::Pcma, timestamp, &vec![0x55; length], newest, at_micros(now));
            now += wait * 1_000;
            if wait % 3 != 0 {
                let heard = playout.read(at_micros(now), &mut frame);
                prop_assert!(!heard || !frame.contains(&NEVER));
                prop_assert!(playout.buffered() <= RING as i32);
            }
        }
    });
}
