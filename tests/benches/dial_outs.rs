//! How many calls of ours the gateway places: orders by HTTP, each decided by policy, paid ahead by a
//! hold that is on disk, and sent to somebody who answers and hangs up at once. On a quiet machine:
//!
//! ```sh
//! cargo bench -p tollgate-tests --bench dial_outs            # rates of 250 to 1 500 a second
//! cargo bench -p tollgate-tests --bench dial_outs -- 800 4   # one rate, seconds
//! ```
//!
//! The release binary has the first processor, this program the second one: callers' side, called
//! people's side and the clock. A line is a rate: dial-outs asked for and done in a second, what was
//! refused, CPU of the gateway for one of them from the order to the record, the time from the order's
//! first byte to the INVITE, and the bound under which 99 of 100 lie by the gateway's own meter. The
//! last line is the time from an order to the INVITE at the second carrier when the first one is
//! silent. Every call must have its record, and the book must balance, or the bench fails.

#[path = "dial_outs/callee.rs"]
mod callee;
#[path = "dial_outs/figures.rs"]
mod figures;
#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "the tests of the binary use the rest")]
mod harness;
#[path = "dial_outs/orders.rs"]
mod orders;

use std::env;
use std::io::{Write, stdout};
use std::net::UdpSocket;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use callee::Callee;
use figures::{Figures, cpu_millis, meter_bound};
use harness::clock::{pause, secs, wait_for};
use harness::site::{BOLT, Site};
use harness::tollgate::Tollgate;
use orders::{Asked, MEETINGS};

/// Ports of the gateway: RTP pairs that rest for ten seconds after a call.
const PORTS: u16 = 16_100;
/// Calls in one run at most, so that no pair is missing.
const CALLS: u32 = 7_500;
const SECONDS: u32 = 5;
const RATES: [u32; 5] = [250, 500, 1_000, 1_250, 1_500];
/// Calls by way of a silent carrier, in a second.
const FAILOVERS: u32 = 20;
const ANSWERING: &str = "127.0.0.2";
const SILENT: &str = "127.0.0.11";

fn main() {
    let numbers: Vec<u32> = env::args().filter_map(|word| word.parse().ok()).collect();
    let runs: Vec<(u32, u32)> = match numbers[..] {
        [rate] => vec![(rate, SECONDS)],
        [rate, seconds, ..] => vec![(rate, seconds)],
        [] => RATES.iter().map(|rate| (*rate, SECONDS)).collect(),
    };
    say("    asked/s    done/s  refused  CPU ms  p50 ms  p99 ms  max ms  meter p99");
    placed(&runs);
    failed_over();
}

/// Runs one rate after the other against one gateway.
fn placed(runs: &[(u32, u32)]) {
    let mut callee = Callee::at(ANSWERING);
    let tollgate = serve(&[trunk("callee", ANSWERING, callee.port(), 1)]);
    let mut first = 0;
    for (rate, seconds) in runs {
        let count = (rate * seconds).min(CALLS);
        let asked = Asked { first, count, rate: *rate };
        let before = (cpu_millis(tollgate.pid()), tollgate.get("/metrics"));
        let orders = orders::place(tollgate.http(), asked);
        tollgate.wait_idle(secs(40));
        let used = cpu_millis(tollgate.pid()) - before.0;
        let meter = meter_bound(before.1.as_ref(), tollgate.get("/metrics").as_ref());
        let figures = Figures::of(&orders, &callee.take());
        say(&figures.line(*rate, used, meter));
        first += count;
        settled(&tollgate, first);
        // The ports of this run rest.
        pause(secs(11));
    }
}

/// Places calls while the first carrier is silent.
fn failed_over() {
    let silent = UdpSocket::bind((SILENT, 0)).expect("loopback has free ports");
    let port = silent.local_addr().expect("it is bound").port();
    let mut callee = Callee::at(ANSWERING);
    let trunks = [trunk("silent", SILENT, port, 1), trunk("callee", ANSWERING, callee.port(), 2)];
    let tollgate = serve(&trunks);
    let asked = Asked { first: 0, count: FAILOVERS, rate: FAILOVERS };
    // An order is answered as soon as its INVITE has left for the first carrier.
    let orders = orders::place(tollgate.http(), asked);
    wait_for("INVITEs at the second carrier", secs(10), || {
        (callee.called() == orders.len()).then_some(())
    });
    tollgate.wait_idle(secs(10));
    let figures = Figures::of(&orders, &callee.take());
    say(&format!("failover: {}", figures.spread()));
    settled(&tollgate, FAILOVERS);
}

fn settled(tollgate: &Tollgate, calls: u32) {
    let book = tollgate.book();
    wait_for("a record of each call", secs(20), || {
        (book.records() == i64::from(calls)).then_some(())
    });
    let charged = "SELECT COUNT(*) FROM cdr WHERE capability = 'credits' AND charge > 0";
    assert_eq!(book.number(charged), i64::from(calls), "each was answered and charged");
    book.assert_settled();
}

/// Serves on the first processor; everything else is on the second one.
fn serve(trunks: &[String]) -> Tollgate {
    let mut site = Site::default()
        .with("[media]", "announcements", "false")
        .with("[node]", "calls_max", "5000")
        .with("[log]", "filter", "\"warn\"")
        .and(&trunks.concat());
    site.ports = PORTS;
    let (own, default) = ("\"+390110000001\"\ntype", "\"+390110000001\"\ndefault = true\ntype");
    site.provision = site.provision.replace(own, default);
    site.provision.push_str(&format!(
        "\n[[meeting]]\nname = \"room-{{}}\"\nconference_ids = \"{}-{}\"\n\
         organizer = \"bob@bolt.example\"\nannounce = false\n\n\
         [[budget]]\norganization = \"bolt\"\nconcurrent = 100000\nper_minute = 1000000\n\
         spend_hour = \"900000.00\"\nspend_day = \"900000.00\"\ncountry_day = \"900000.00\"\n",
        MEETINGS.start(),
        MEETINGS.end(),
    ));
    pin("0");
    let tollgate = Tollgate::funded(&site, BOLT, "900000.00");
    pin("1");
    tollgate
}

fn trunk(name: &str, address: &str, port: u16, priority: u32) -> String {
    format!(
        "\n[[trunk]]\nname = \"{name}\"\nsignalling = [\"{address}\"]\nmedia = [\"{address}\"]\n\
         loopback_media = true\n[trunk.outbound]\nhost = \"{address}\"\nport = {port}\n\
         priority = {priority}\ncallers = [\"+390110000001\"]\noptions_secs = 0\n"
    )
}

/// Puts this thread, and what it starts from here on, on a processor; where there is one only,
/// nothing changes.
fn pin(processor: &str) {
    let own = process::id().to_string();
    let mut taskset = Command::new("taskset");
    taskset.args(["-cp", processor, &own]).stdout(Stdio::null()).stderr(Stdio::null());
    taskset.status().expect("taskset is there (Debian: util-linux)");
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("somebody reads");
}

/// A time in milliseconds.
fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
