//! Keys by RFC 4733 telephone-events: each press exactly once.
//!
//! A press is told at the first packet that shows it, whichever that is: prompts stop at once, and
//! nothing depends on a marker bit or on end packets, which get lost. What makes a press one press
//! is its RTP timestamp, which all of its packets share; several recent ones are remembered, so that
//! repeated and overtaken packets tell nothing new. In two shapes one press shows more than one
//! timestamp: a long press split into segments (§2.5.1.3), and a sender that moves the timestamp
//! along with the duration. Both are recognised as the press going on.

use std::time::Duration;

use model::Instant;

/// Presses remembered.
const REMEMBERED: usize = 8;
/// Keys that one leg can press in a second; more is noise or an attack (reliability.md S17).
const PER_SECOND: u32 = 20;
/// Microseconds that earn one more key.
const REFILL: u64 = 1_000_000 / PER_SECOND as u64;
/// After this time without a packet a press is over.
const OVER: Duration = Duration::from_millis(200);
/// Samples that a timestamp moves at most when it goes along with one press: less than the shortest
/// key and pause of ITU-T Q.24, 40 ms each.
const ALONG: u32 = 640;
/// How long the audio stays muted after the end of a press: what the playout still holds.
const TAIL: Duration = Duration::from_millis(60);

/// The receiver of one leg.
#[derive(Debug)]
pub(crate) struct Digits {
    /// The press whose packets came last.
    current: Option<Press>,
    /// Timestamp and event of recent presses.
    seen: [Option<(u32, u8)>; REMEMBERED],
    next: usize,
    muted_until: Instant,
    /// Keys that may still be told, and since when.
    allowance: u32,
    refilled: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    event: u8,
    timestamp: u32,
    duration: u16,
    ended: bool,
    last: Instant,
}

/// The four bytes of RFC 4733 §2.3.
#[derive(Debug, Clone, Copy)]
struct Report {
    event: u8,
    end: bool,
    duration: u16,
}

impl Digits {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            current: None,
            seen: [None; REMEMBERED],
            next: 0,
            muted_until: Instant::START,
            allowance: PER_SECOND,
            refilled: now,
        }
    }

    /// Takes a packet; returns the key in ASCII if it shows a new press. `None` from a malformed
    /// payload too.
    pub(crate) fn take(&mut self, timestamp: u32, payload: &[u8], now: Instant) -> Option<u8> {
        let report = read(payload)?;
        let known = self.seen.contains(&Some((timestamp, report.event)));
        let goes_on = self.goes_on(timestamp, report, now);
        self.mute(report, now);
        if !known {
            self.seen[self.next] = Some((timestamp, report.event));
            self.next = (self.next + 1) % REMEMBERED;
        }
        self.follow(timestamp, report, now);
        if known || goes_on {
            return None;
        }
        key(report.event).filter(|_| self.allows(now))
    }

    /// Whether the leg's audio is to be kept from the others: it carries the tone.
    pub(crate) fn mutes(&self, now: Instant) -> bool {
        now < self.muted_until
    }

    /// Whether a timestamp not seen before is the current press in another shape.
    fn goes_on(&self, timestamp: u32, report: Report, now: Instant) -> bool {
        let Some(press) = self.current else { return false };
        if press.ended || press.event != report.event || now.since(press.last) >= OVER {
            return false;
        }
        let step = timestamp.wrapping_sub(press.timestamp);
        let segment = step == u32::from(u16::MAX) || step == u32::from(press.duration);
        let grown = u32::from(report.duration).wrapping_sub(u32::from(press.duration));
        segment || (step == grown && step < ALONG)
    }

    fn follow(&mut self, timestamp: u32, report: Report, now: Instant) {
        let press = match self.current {
            Some(press) if (timestamp.wrapping_sub(press.timestamp) as i32) < 0 => return,
            Some(press) if press.timestamp == timestamp => Press {
                duration: press.duration.max(report.duration),
                ended: press.ended || report.end,
                last: now,
                ..press
            },
            Some(_) | None => Press {
                event: report.event,
                timestamp,
                duration: report.duration,
                ended: report.end,
                last: now,
            },
        };
        self.current = Some(press);
    }

    fn mute(&mut self, report: Report, now: Instant) {
        let after = if report.end { TAIL } else { OVER };
        self.muted_until = now + after;
    }

    fn allows(&mut self, now: Instant) -> bool {
        let earned = now.since(self.refilled).as_micros() as u64 / REFILL;
        self.refilled = self.refilled + Duration::from_micros(earned * REFILL);
        self.allowance =
            PER_SECOND.min(self.allowance.saturating_add(earned.min(u64::from(PER_SECOND)) as u32));
        let allowed = self.allowance > 0;
        self.allowance -= u32::from(allowed);
        allowed
    }
}

fn read(payload: &[u8]) -> Option<Report> {
    let &[event, flags, high, low, ..] = payload else { return None };
    Some(Report { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
}

/// The DTMF events of RFC 4733 table 7.
const fn key(event: u8) -> Option<u8> {
    match event {
        0..=9 => Some(b'0' + event),
        10 => Some(b'*'),
        11 => Some(b'#'),
        12..=15 => Some(b'A' + event - 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One packet of a telephone-event: when it arrives (ms), RTP timestamp, event, end, duration.
    type Row = (u64, u32, u8, bool, u16);

    fn keyed(rows: &[Row]) -> String {
        let mut digits = Digits::new(Instant::START);
        let told = rows.iter().filter_map(|&(millis, timestamp, event, end, duration)| {
            let [high, low] = duration.to_be_bytes();
            let payload = [event, if end { 0x8a } else { 0x0a }, high, low];
            digits.take(timestamp, &payload, Instant::START + Duration::from_millis(millis))
        });
        String::from_utf8(told.collect()).unwrap()
    }

    /// A press as most senders make it: a packet every 20 ms, the last one three times.
    fn press(millis: u64, event: u8, packets: u16) -> Vec<Row> {
        let timestamp = millis as u32 * 8;
        let mut rows: Vec<Row> = (1..packets)
            .map(|n| (millis + u64::from(n) * 20, timestamp, event, false, n * 160))
            .collect();
        rows.extend(
            (0..3)
                .map(|_| (millis + u64::from(packets) * 20, timestamp, event, true, packets * 160)),
        );
        rows
    }

    #[test]
    fn every_key_has_its_letter() {
        let rows: Vec<Row> =
            (0..=16).flat_map(|event| press(u64::from(event) * 200, event, 5)).collect();
        assert_eq!(keyed(&rows), "0123456789*#ABCD");
    }

    #[test]
    fn the_same_key_twice_is_two_presses() {
        assert_eq!(keyed(&[press(0, 1, 4), press(120, 1, 4)].concat()), "11");
    }

    #[test]
    fn any_one_packet_of_a_press_is_enough() {
        let whole = press(0, 7, 5);
        for row in &whole {
            assert_eq!(keyed(&[*row]), "7");
        }
    }

    #[test]
    fn lost_ends_do_not_join_two_presses_of_one_key() {
        let without_ends =
            |at| press(at, 5, 4).into_iter().filter(|row| !row.3).collect::<Vec<_>>();
        assert_eq!(keyed(&[without_ends(0), without_ends(130)].concat()), "55");
        assert_eq!(keyed(&[without_ends(0), without_ends(2_000)].concat()), "55");
    }

    #[test]
    fn ends_repeated_for_ever_are_one_press() {
        let mut rows = press(0, 3, 4);
        rows.extend((0..6).map(|n| (100 + n * 20, 0, 3, true, 640)));
        rows.push((5_000, 0, 3, true, 640));
        assert_eq!(keyed(&rows), "3");
    }

    #[test]
    fn a_packet_overtaken_by_the_next_press_tells_nothing() {
        let mut rows = press(0, 1, 4);
        rows.extend(press(120, 2, 4));
        let late = rows.remove(2);
        rows.insert(8, (170, late.1, late.2, late.3, late.4));
        assert_eq!(keyed(&rows), "12");
    }

    #[test]
    fn any_order_of_packets_tells_each_press_once() {
        let rows = press(0, 9, 5);
        for first in 0..rows.len() {
            let mut turned = rows.clone();
            turned.rotate_left(first);
            assert_eq!(keyed(&turned), "9");
            turned.reverse();
            assert_eq!(keyed(&turned), "9");
        }
    }

    #[test]
    fn a_long_press_in_segments_is_one() {
        let mut rows = Vec::new();
        for packet in 1..=1_000_u32 {
            let sample = packet * 160;
            let segment = (sample - 1) / 0xffff;
            let duration = (sample - segment * 0xffff) as u16;
            rows.push((u64::from(packet) * 20, segment * 0xffff, 8, packet == 1_000, duration));
        }
        assert_eq!(keyed(&rows), "8");
        // The same with half of its packets lost.
        let mut odd = false;
        rows.retain(|_| {
            odd = !odd;
            odd
        });
        assert_eq!(keyed(&rows), "8");
    }

    #[test]
    fn a_timestamp_that_moves_along_is_one_press() {
        let rows: Vec<Row> =
            (1..20).map(|n| (u64::from(n) * 20, u32::from(n) * 160, 4, false, n * 160)).collect();
        assert_eq!(keyed(&rows), "4");
    }

    #[test]
    fn whatever_is_lost_repeated_or_swapped_each_press_is_told_once() {
        use proptest::prelude::*;
        // Key, packets of 20 ms, pause in 20 ms, and for each packet: 0 lost, 1 comes, 2 comes twice.
        let press = (0..12_u8, 2..12_u16, 2..30_u64, prop::collection::vec(0..3_u8, 14));
        let swaps = prop::collection::vec(any::<bool>(), 400);
        proptest!(|(presses in prop::collection::vec(press, 1..12), swaps in swaps)| {
            let (mut rows, mut expected, mut millis) = (Vec::new(), String::new(), 0);
            for (event, packets, pause, fates) in presses {
                let sent = self::press(millis, event, packets);
                millis += (u64::from(packets) + pause) * 20;
                let before = rows.len();
                for (row, fate) in sent.into_iter().zip(fates) {
                    rows.extend((0..fate).map(|_| row));
                }
                if rows.len() > before {
                    expected.push(char::from(key(event).unwrap()));
                    // Neighbours of one press overtake each other.
                    for place in before + 1..rows.len() {
                        if swaps[place % swaps.len()] {
                            let (early, late) = (rows[place - 1].0, rows[place].0);
                            rows.swap(place - 1, place);
                            (rows[place - 1].0, rows[place].0) = (early, late);
                        }
                    }
                }
            }
            prop_assert_eq!(keyed(&rows), expected);
        });
    }

    #[test]
    fn timestamps_wrap() {
        let mut rows: Vec<Row> =
            vec![(0, u32::MAX - 100, 1, false, 160), (20, u32::MAX - 100, 1, true, 320)];
        rows.extend([(200, 1_400, 2, false, 160), (220, 1_400, 2, true, 320)]);
        assert_eq!(keyed(&rows), "12");
    }

    #[test]
    fn a_flood_of_keys_is_capped() {
        let rows: Vec<Row> =
            (0..1_000).map(|n| (n, n as u32 * 8, (n % 10) as u8, true, 8)).collect();
        assert!(keyed(&rows).len() <= 40);
    }

    #[test]
    fn audio_is_muted_during_a_press_and_shortly_after() {
        let mut digits = Digits::new(Instant::START);
        let at = |millis| Instant::START + Duration::from_millis(millis);
        assert!(!digits.mutes(at(0)));
        digits.take(0, &[1, 10, 0, 160], at(20));
        assert!(digits.mutes(at(100)) && !digits.mutes(at(220)));
        digits.take(0, &[1, 0x8a, 3, 0], at(120));
        assert!(digits.mutes(at(170)) && !digits.mutes(at(180)));
    }

    #[test]
    fn short_payloads_and_other_events_are_no_keys() {
        let mut digits = Digits::new(Instant::START);
        assert_eq!(digits.take(0, &[1, 0, 0], Instant::START), None);
        assert_eq!(digits.take(0, &[36, 0x80, 0, 0], Instant::START), None);
    }
}
