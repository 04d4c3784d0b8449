//! What was measured.

use std::fs;
use std::time::Duration;

use crate::callee::Arrivals;
use crate::harness::tollgate::Answer;
use crate::millis;
use crate::orders::Order;

const METER: &str = "tollgate_bridge_dial_seconds_bucket{le=\"";
/// Of CPU time in `/proc` (`man 5 proc`).
const TICK_MILLIS: f64 = 10.0;

/// One run.
#[derive(Debug)]
pub(crate) struct Figures {
    /// From the order to the INVITE, sorted.
    waits: Vec<Duration>,
    refused: usize,
    /// From the first order to the last INVITE.
    took: Duration,
}

impl Figures {
    /// Puts orders and INVITEs together.
    pub(crate) fn of(orders: &[Order], arrivals: &Arrivals) -> Self {
        let first = orders.iter().map(|order| order.at).min().expect("there are orders");
        let last = arrivals.values().max().copied().unwrap_or(first);
        let wait = |order: &Order| Some(arrivals.get(&order.number)?.duration_since(order.at));
        let mut waits: Vec<Duration> = orders.iter().filter_map(wait).collect();
        waits.sort_unstable();
        let refused = orders.iter().filter(|order| order.status != 202).count();
        Self { waits, refused, took: last - first }
    }

    /// Writes a line; `used` is CPU in milliseconds.
    pub(crate) fn line(&self, rate: u32, used: f64, meter: Option<f64>) -> String {
        let done = f64::from(u32::try_from(self.waits.len()).unwrap_or(u32::MAX));
        let a_second = done / self.took.as_secs_f64().max(0.001);
        let [p50, p99, max] = self.points().map(millis);
        let meter = meter.map_or_else(|| "-".to_owned(), |bound| format!("{:.1}", bound * 1e3));
        format!(
            "{rate:>11} {a_second:>9.0} {:>8} {:>7.2} {p50:>7.1} {p99:>7.1} {max:>7.1}  <= {meter}",
            self.refused,
            used / done.max(1.0),
        )
    }

    /// Writes the times alone.
    pub(crate) fn spread(&self) -> String {
        let [p50, p99, max] = self.points().map(millis);
        let count = self.waits.len();
        format!("{count} calls, p50 {p50:.0} ms, p99 {p99:.0} ms, max {max:.0} ms")
    }

    fn points(&self) -> [Duration; 3] {
        let last = self.waits.len().saturating_sub(1);
        [last / 2, last * 99 / 100, last].map(|at| self.waits.get(at).copied().unwrap_or_default())
    }
}

/// CPU that a process has used, milliseconds.
pub(crate) fn cpu_millis(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may hold blanks; it ends with the last bracket.
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() * TICK_MILLIS
}

/// The bound in seconds under which the gateway itself counted 99 of 100 between two looks.
pub(crate) fn meter_bound(before: Option<&Answer>, after: Option<&Answer>) -> Option<f64> {
    let before = before.map(buckets).unwrap_or_default();
    let more: Vec<(f64, f64)> = buckets(after?)
        .into_iter()
        .map(|(bound, count)| {
            let earlier = before.iter().find(|(own, _)| *own == bound);
            (bound, count - earlier.map_or(0.0, |(_, count)| *count))
        })
        .collect();
    let all = more.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    more.into_iter().find(|(_, count)| *count >= all * 0.99).map(|(bound, _)| bound)
}

fn buckets(page: &Answer) -> Vec<(f64, f64)> {
    let lines = page.body.lines().filter_map(|line| line.strip_prefix(METER));
    let read = |line: &str| {
        let (bound, count) = line.split_once("\"} ")?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, count.parse().ok()?))
    };
    lines.filter_map(read).collect()
}
