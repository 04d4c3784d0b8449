//! What is known of a stream that we receive: its order, losses and jitter (RFC 3550 §6.4, A.1,
//! A.3, A.8).

use model::Instant;

/// A gap in sequence numbers that is still the same stream.
const DROPOUT: u16 = 3000;
/// How old a packet may be to be a late one of the same stream.
const MISORDER: u16 = 100;

/// Where a packet stands among those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// None came that is later.
    Newest,
    /// A later one came before; or the same one did.
    Older,
    /// Its number is far off; a second one in line with it will be believed.
    Doubtful,
}

/// Counts over the life of one leg; a new source begins a new series of numbers.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    series: Option<Series>,
    /// Lost in the series before this one.
    lost_before: u64,
    received: u64,
    /// Sixteen times the jitter, in samples.
    jitter: u32,
    transit: Option<u32>,
}

#[derive(Debug)]
struct Series {
    ssrc: u32,
    base: u64,
    /// Highest sequence number, extended by the count of its cycles.
    highest: u64,
    received: u64,
    expected_at_report: u64,
    received_at_report: u64,
    doubtful: Option<u16>,
}

/// What goes into a report block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quality {
    pub(crate) ssrc: u32,
    pub(crate) fraction_lost: u8,
    pub(crate) lost: u32,
    pub(crate) highest: u32,
    pub(crate) jitter: u32,
}

impl Reception {
    /// Forgets the series, keeps the counts: another source sends.
    pub(crate) fn begin(&mut self) {
        self.lost_before = self.lost();
        self.series = None;
        self.transit = None;
    }

    /// Notes a packet's arrival.
    pub(crate) fn note(&mut self, ssrc: u32, sequence: u16) -> Order {
        let Some(series) = &mut self.series else {
            self.series = Some(Series::starting(ssrc, sequence));
            self.received += 1;
            return Order::Newest;
        };
        let step = sequence.wrapping_sub(series.highest as u16);
        let order = if step == 0 {
            Order::Older
        } else if step < DROPOUT {
            series.highest += u64::from(step);
            Order::Newest
        } else if step > u16::MAX - MISORDER {
            Order::Older
        } else if series.doubtful == Some(sequence) {
            self.begin();
            return self.note(ssrc, sequence);
        } else {
            series.doubtful = Some(sequence.wrapping_add(1));
            return Order::Doubtful;
        };
        series.doubtful = None;
        series.received += 1;
        self.received += 1;
        order
    }

    /// Takes the interarrival jitter of an audio packet (A.8).
    pub(crate) fn time(&mut self, timestamp: u32, now: Instant) {
        let arrival = (now.micros / 125) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            // A pause or a jump of the sender's clock is not the network's jitter.
            let change = (transit.wrapping_sub(before) as i32).unsigned_abs().min(8_000);
            self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Lost over the whole life; a duplicate makes up for a loss, as in RFC 3550.
    pub(crate) fn lost(&self) -> u64 {
        let now = self.series.as_ref().map_or(0, |s| s.expected().saturating_sub(s.received));
        self.lost_before + now
    }

    pub(crate) fn jitter_micros(&self) -> u32 {
        (self.jitter >> 4) * 125
    }

    /// Closes an interval between reports.
    pub(crate) fn report(&mut self) -> Option<Quality> {
        let jitter = self.jitter >> 4;
        let series = self.series.as_mut()?;
        let expected = series.expected();
        let interval = expected - series.expected_at_report;
        let arrived = series.received - series.received_at_report;
        series.expected_at_report = expected;
        series.received_at_report = series.received;
        let lost = interval.saturating_sub(arrived);
        let fraction = (lost * 256).checked_div(interval).unwrap_or(0);
        Some(Quality {
            ssrc: series.ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: expected.saturating_sub(series.received).min(0x7f_ffff) as u32,
            highest: series.highest as u32,
            jitter,
        })
    }
}

impl Series {
    fn starting(ssrc: u32, sequence: u16) -> Self {
        let first = u64::from(sequence);
        Self {
            ssrc,
            base: first,
            highest: first,
            received: 1,
            expected_at_report: 0,
            received_at_report: 0,
            doubtful: None,
        }
    }

    fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn numbers_wrap_without_loss() {
        let mut reception = Reception::default();
        for step in 0..70_000_u32 {
            assert_eq!(reception.note(1, 65_000_u16.wrapping_add(step as u16)), Order::Newest);
        }
        assert_eq!((reception.received(), reception.lost()), (70_000, 0));
    }

    #[test]
    fn gaps_are_lost_and_late_packets_are_not() {
        let mut reception = Reception::default();
        let orders: Vec<_> = [10, 11, 13, 12, 13, 16].map(|n| reception.note(1, n)).into();
        use Order::{Newest, Older};
        assert_eq!(orders, [Newest, Newest, Newest, Older, Older, Newest]);
        // 14 and 15 are missing; the second 13 makes up for one of them.
        assert_eq!(reception.lost(), 1);
        assert_eq!(reception.report().unwrap().fraction_lost, 36);
    }

    #[test]
    fn a_jump_is_believed_when_it_is_repeated() {
        let mut reception = Reception::default();
        reception.note(1, 10);
        assert_eq!(reception.note(1, 40_000), Order::Doubtful);
        assert_eq!(reception.note(1, 11), Order::Newest);
        assert_eq!(reception.note(1, 40_000), Order::Doubtful);
        assert_eq!(reception.note(1, 40_001), Order::Newest);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn jitter_is_zero_on_an_even_stream_and_follows_an_uneven_one() {
        let mut reception = Reception::default();
        let mut now = Instant::START;
        for packet in 0..100 {
            reception.time(packet * 160, now);
            now = now + Duration::from_millis(20);
        }
        assert_eq!(reception.jitter_micros(), 0);
        for packet in 100..400 {
            reception.time(packet * 160, now);
            now = now + Duration::from_millis(if packet % 2 == 0 { 15 } else { 25 });
        }
        assert!(
            (4_500..=5_500).contains(&reception.jitter_micros()),
            "{}",
            reception.jitter_micros()
        );
    }
}
