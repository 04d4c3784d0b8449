//! Anything from anybody.

use media::{Command, Event};
use proptest::prelude::*;

use crate::studio::{Studio, rtp, tone};

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    let kinds = prop::sample::select(vec![0_u8, 8, 13, 18, 101, 0x80, 0xe5]);
    let plausible = (kinds, any::<u16>(), any::<u32>(), 0..4_u32, noise.clone()).prop_map(
        |(kind, sequence, timestamp, ssrc, payload)| rtp(kind, sequence, timestamp, ssrc, &payload),
    );
    let rtcp = (200..=207_u8, 0..32_u8, 0..12_u8, noise.clone())
        .prop_map(|(kind, count, words, rest)| [vec![0x80 | count, kind, 0, words], rest].concat());
    prop_oneof![noise, plausible, rtcp]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stranger_leaves_no_trace(datagrams in prop::collection::vec((datagram(), any::<bool>()), 1..60)) {
        let mut studio = Studio::new();
        let (victim, other) = (studio.join(1), studio.join(1));
        let sent = datagrams.len() as u64;
        for (datagram, rtcp) in datagrams {
            studio.inject(victim, rtcp, "203.0.113.1:4000", &datagram);
            studio.tick();
        }
        prop_assert!(studio.events.is_empty());
        prop_assert!(studio.strayed.is_empty());
        prop_assert!(studio.phones[other].heard.iter().all(|&sample| sample == 0));
        studio.command(Command::Close { call: studio.call(victim) });
        studio.tick();
        let stats = crate::life::closed(&studio, victim);
        prop_assert_eq!((stats.received, stats.dropped), (0, sent));
    }

    #[test]
    fn a_peer_may_send_anything_and_everybody_is_still_sent_to(
        datagrams in prop::collection::vec((datagram(), any::<bool>(), 0..3_u8), 1..200)
    ) {
        let mut studio = Studio::new();
        let (phone, other) = (studio.join(1), studio.join(1));
        for (tick, (datagram, rtcp, host)) in datagrams.iter().enumerate() {
            let from = format!("192.0.2.{host}:10000");
            studio.inject(phone, *rtcp, &from, datagram);
            studio.say(other, &tone(600, tick));
            studio.tick();
        }
        prop_assert_eq!(studio.phones[other].packets.len(), datagrams.len());
        let digits = studio.events.iter().filter(|event| matches!(event, Event::Digit { .. })).count();
        prop_assert!(digits <= 20 + datagrams.len());
    }
}
