//! Protected legs: two workers are each other's peer.

use media::Event;
use media::srtp::{Keying, Security, Suite};

use crate::studio::{Studio, decibels, tone};

/// Two studios, each with a plain phone and a leg to the other studio in one room.
struct Line {
    sides: [Studio; 2],
    /// The leg to the other side, and how many of its packets have been passed on.
    legs: [usize; 2],
    passed: [usize; 2],
    plain: [usize; 2],
}

impl Line {
    fn new(keys: [Security; 2]) -> Self {
        let mut sides = [Studio::new(), Studio::new()];
        let [mut legs, mut plain] = [[0; 2]; 2];
        for (side, keys) in keys.into_iter().enumerate() {
            let studio = &mut sides[side];
            plain[side] = studio.join(1);
            legs[side] = studio.open_with(|flow| flow.security = Some(keys));
            studio.seat(legs[side], 1);
        }
        Self { sides, legs, passed: [0; 2], plain }
    }

    /// Lets the plain phone of the first side speak for some ticks.
    fn talk(&mut self, ticks: usize) {
        for tick in 0..ticks {
            self.sides[0].say(self.plain[0], &tone(950, tick));
            for side in 0..2 {
                self.sides[side].tick();
                for packet in self.new_packets(side) {
                    let from = self.address(1 - side);
                    self.sides[1 - side].inject(self.legs[1 - side], false, &from, &packet);
                }
            }
        }
    }

    fn new_packets(&mut self, side: usize) -> Vec<Vec<u8>> {
        let sent = &self.sides[side].phones[self.legs[side]].packets;
        let new = sent[self.passed[side]..].iter().map(|(_, packet)| packet.clone()).collect();
        self.passed[side] = sent.len();
        new
    }

    /// Where the peer of a side's leg is.
    fn address(&self, side: usize) -> String {
        self.sides[side].phones[self.legs[side]].address.to_string()
    }

    /// How loud the other side's plain phone hears the tone.
    fn heard(&self) -> f64 {
        let heard = &self.sides[1].phones[self.plain[1]].heard;
        decibels(&heard[heard.len() - 8_000..], 950)
    }
}

fn keying(suite: Suite, seed: u8) -> Keying {
    Keying::new(suite, [seed; Keying::BYTES])
}

fn mirrored(suite: Suite) -> [Security; 2] {
    let (one, other) = (keying(suite, 1), keying(suite, 2));
    [
        Security { inbound: one.clone(), outbound: other.clone() },
        Security { inbound: other, outbound: one },
    ]
}

#[test]
fn a_protected_leg_hears_and_is_heard_and_the_wire_says_nothing() {
    for suite in Suite::ALL {
        let mut line = Line::new(mirrored(suite));
        line.talk(60);
        let level = line.heard();
        assert!(level.abs() < 0.3, "{suite:?}: {level} dB");
        let wire = &line.sides[0].phones[line.legs[0]].heard;
        assert!(decibels(&wire[wire.len() - 8_000..], 950) < -25.0);
    }
}

#[test]
fn packets_under_another_key_are_dropped_and_the_leg_lives_on() {
    let mut keys = mirrored(Suite::AesCm128HmacSha1Tag80);
    keys[0].outbound = keying(Suite::AesCm128HmacSha1Tag80, 77);
    let mut line = Line::new(keys);
    line.talk(200);
    assert!(line.heard() < -60.0);
    let call = line.sides[1].call(line.legs[1]);
    let heard = |event: &Event| matches!(event, Event::Heard { call: of, .. } if *of == call);
    assert!(!line.sides[1].events.iter().any(heard));
    line.sides[1].command(media::Command::Close { call });
    line.sides[1].tick();
    let Some(Event::Closed { stats, .. }) = line.sides[1].events.last() else { panic!("closed") };
    assert_eq!((stats.received, stats.forged, stats.dropped), (0, 200, 200));
}

#[test]
fn a_replay_and_a_forgery_from_elsewhere_move_no_destination() {
    let mut line = Line::new(mirrored(Suite::AeadAes128Gcm));
    line.talk(20);
    let mut forged = line.sides[0].phones[line.legs[0]].packets.last().unwrap().1.clone();
    for n in 0..200_u8 {
        forged[3] = forged[3].wrapping_add(1);
        forged[20] = n;
        line.sides[1].inject(line.legs[1], false, "192.0.2.66:6666", &forged);
        if n % 4 == 3 {
            line.talk(1);
        }
    }
    line.talk(60);
    assert!(line.sides[1].strayed.is_empty());
    assert!(line.heard().abs() < 0.3);
}
