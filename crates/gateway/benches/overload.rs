//! What a flood of new calls leaves of the work that the gateway can do (reliability.md F18).
//!
//! Measures its capacity (calls set up, held durably and ended, 64 at a time), then offers 1, 2, 5
//! and 10 times as many, evenly spread, and tells of each: calls that were served from INVITE to the
//! BYE's 200, refusals and how soon they came, BYEs that were answered, memory. Callers repeat what
//! is not answered as RFC 3261 has them.
//!
//! `cargo bench -p gateway --bench overload -- [SECONDS] [CPU]`: seconds of each step (5), the
//! processor of the gateway (0; the callers take the next one). Ports of RTP rest for 10 s after a
//! call: above some 1 600 calls a second, longer steps meet their end. Between steps they come back.
//!
//! It holds if goodput at 10 times is 90 % of capacity or more, every refusal came within 100 ms
//! (p99) and every BYE was answered.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, prints, and stops at the first surprise"
)]

#[path = "overload/callers.rs"]
mod callers;
#[path = "overload/gateway.rs"]
mod gateway;

use std::time::Duration;

use callers::{Callers, Outcome, Pace};
use gateway::Gateway;

/// Calls at once while capacity is measured: fewer than the gateway lets wait.
const AT_ONCE: usize = 64;
const TIMES: [u32; 4] = [1, 2, 5, 10];
/// What a freed pair of ports rests, and what calls need to end.
const REST: Duration = Duration::from_secs(12);

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(5));
    let cpu = numbers.get(1).copied().unwrap_or(0);
    let gateway = Gateway::serve(cpu);
    gateway::pin(cpu + 1);
    let mut callers = Callers::facing(gateway.sip());
    // Warm: pages, files, the first rows.
    callers.call(Pace::AtOnce(8), Duration::from_secs(1));
    std::thread::sleep(REST);
    let alone = callers.call(Pace::AtOnce(AT_ONCE), time);
    let capacity = alone.goodput();
    println!("capacity {capacity:.0} calls/s, {AT_ONCE} at once; {}", told(&alone, &gateway));
    for times in TIMES {
        std::thread::sleep(REST);
        let outcome = callers.call(Pace::Rate(capacity * f64::from(times)), time);
        let share = outcome.goodput() / capacity * 100.0;
        println!("{times:>2} x offered: goodput {share:.0} %; {}", told(&outcome, &gateway));
    }
}

fn told(outcome: &Outcome, gateway: &Gateway) -> String {
    let Outcome {
        offered, served, refused, others, unanswered, byes, byes_answered, repeats, ..
    } = outcome;
    format!(
        "offered {:.0}/s, served {:.0}/s, refused {:.0}/s (and {others} otherwise) in p50 {:.1} p99 {:.1} max {:.1} ms, answered \
         in p50 {:.1} p99 {:.1} ms, BYEs {byes_answered} of {byes}, unanswered {unanswered}, repeats {repeats}, \
         RSS {} MB, gateway {:.0} % of a processor",
        outcome.rate(*offered),
        outcome.rate(*served),
        outcome.rate(*refused),
        outcome.refusals.at(0.5),
        outcome.refusals.at(0.99),
        outcome.refusals.at(1.0),
        outcome.answers.at(0.5),
        outcome.answers.at(0.99),
        gateway.resident_mb(),
        gateway.busy_since_last() * 100.0,
    )
}
