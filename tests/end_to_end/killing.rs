//! Killed again and again: the book must be right after every death, whenever it comes.
//!
//! `TOLLGATE_KILLS=50` kills that often; without it a few deaths must do.

use std::env;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tollgate_tests::dice::Dice;

use crate::harness::book::Book;
use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::database;
use crate::harness::sipp::{Call, Sipp};
use crate::harness::site::{BOLT, MICROS_PER_SEC, Site, TOLL_TO_METERED};
use crate::harness::tollgate::{Tollgate, expect_success};

const KILLS: u64 = 6;
const SEED: u64 = 20_261_120;
const SECOND: i64 = 1_000_000;
/// How far from the death a leg's end may lie, microseconds.
const ERROR_MAX: i64 = 2 * SECOND;
/// Within which a started gateway has settled and answers a new call.
const ANSWER_MAX: Duration = Duration::from_secs(5);

#[test]
fn whenever_it_is_killed_every_leg_is_settled_to_within_two_seconds() {
    lived(&Site::default());
}

#[test]
fn whenever_it_is_killed_a_database_too_is_settled_to_within_two_seconds() {
    lived(&Site::default().on(&database()));
}

fn lived(site: &Site) {
    let mut story = Story::begin(site);
    for _ in 0..kills() {
        let death = story.live_and_die();
        story.start_again();
        story.assert_settled(&death);
    }
    story.end();
}

/// A gateway of many lives, its callers, and the worst that was seen.
#[derive(Debug)]
struct Story {
    tollgate: Tollgate,
    dice: Dice,
    callers: Vec<Sipp>,
    worst: Worst,
}

/// The figures of the experiment.
#[derive(Debug, Default)]
struct Worst {
    deaths: u64,
    crashed: usize,
    earliest_micros: i64,
    latest_micros: i64,
    settled: Duration,
    answered: Duration,
}

/// One death: between which moments (Unix microseconds), which calls were open just before, and
/// when the last record was written.
#[derive(Debug)]
struct Death {
    after: i64,
    before: i64,
    open: Vec<String>,
    over: i64,
}

impl Story {
    fn begin(site: &Site) -> Self {
        let tollgate = Tollgate::funded(site, BOLT, "1000.00");
        let dice = Dice::new(SEED, 0);
        Self { tollgate, dice, callers: Vec::new(), worst: Worst::default() }
    }

    /// Lets calls come and go until a moment that nobody expects.
    fn live_and_die(&mut self) -> Death {
        let longest = if self.dice.chance(100) { 7_000 } else { 2_600 };
        let life = self.dice.between(200, longest);
        let legs = self.dice.between(2, 5);
        for _ in 0..legs {
            let stays = self.dice.chance(600);
            let scenario = if stays { "settled-after-a-crash.xml" } else { "join.xml" };
            let stay = Duration::from_millis(self.dice.between(100, 1_200));
            let call = Call::new(scenario, TOLL_TO_METERED, self.tollgate.sip());
            self.callers.push(call.stay(stay).dial_without_phone());
            pause(Duration::from_millis(self.dice.below(2 * life / legs)));
        }
        let book = self.tollgate.book();
        let over = book.number("SELECT COALESCE(MAX(written), 0) FROM cdr");
        let open = texts(&book.rows("SELECT call FROM leg"), "call");
        let after = unix_micros();
        self.tollgate.kill();
        let before = unix_micros();
        // What their carriers hear after a crash is another test's story; here nobody may send an
        // INVITE of the old life into the new one.
        self.callers.clear();
        Death { after, before, open, over }
    }

    /// Starts it again, and sees it settle the dead life and answer a call.
    fn start_again(&mut self) {
        let started = now();
        self.tollgate.start();
        let book = self.tollgate.book();
        wait_for("the settlement", secs(10), || (dead_rows(&book) == 0).then_some(()));
        self.worst.settled = self.worst.settled.max(now() - started);
        let call = Call::new("settled-after-a-crash.xml", TOLL_TO_METERED, self.tollgate.sip());
        self.callers.push(call.dial_without_phone());
        self.tollgate.wait_seated(1);
        let answered = now() - started;
        assert!(answered <= ANSWER_MAX, "a new call was answered only after {answered:?}");
        self.worst.answered = self.worst.answered.max(answered);
        self.worst.deaths += 1;
    }

    /// Asserts that every call of the dead life has one right record, and that the books balance.
    fn assert_settled(&mut self, death: &Death) {
        let book = self.tollgate.book();
        for call in &death.open {
            let records = format!("SELECT COUNT(*) FROM cdr WHERE call = '{call}'");
            assert_eq!(book.number(&records), 1, "{call} was open when it died");
        }
        let crashed =
            format!("SELECT * FROM cdr WHERE label = 'node_crashed' AND written > {}", death.over);
        for record in book.rows(&crashed) {
            self.assert_right(&record, death);
        }
        book.assert_sound();
        assert_balanced(&self.tollgate);
    }

    /// Asserts that a record of a leg that died ends when it died, and charges just that.
    fn assert_right(&mut self, record: &Value, death: &Death) {
        let connected = record["connected_micros"].as_i64().expect("it is never NULL");
        let charge = record["charge"].as_i64().expect("it is never NULL");
        self.worst.crashed += 1;
        let Some(answered) = record["answered"].as_i64() else {
            assert_eq!((connected, charge), (0, 0), "nobody answered: {record:#}");
            return;
        };
        let end = answered + connected;
        let (early, late) = (end - death.before, end - death.after);
        assert!(early >= -ERROR_MAX, "{early} µs before the death: {record:#}");
        assert!(late <= ERROR_MAX, "{late} µs after the death: {record:#}");
        self.worst.earliest_micros = self.worst.earliest_micros.min(early);
        self.worst.latest_micros = self.worst.latest_micros.max(late);
        // To the nearest second, the initial one at least.
        let price = ((connected + SECOND / 2) / SECOND).max(1) * MICROS_PER_SEC;
        assert_eq!(charge, price, "{record:#}");
    }

    /// Ends the last life in order, and asserts the same of the whole book.
    fn end(mut self) {
        self.tollgate.kill();
        self.callers.clear();
        self.tollgate.start();
        let call = Call::new("join.xml", TOLL_TO_METERED, self.tollgate.sip()).stay(secs(1));
        call.dial_without_phone().succeed();
        self.tollgate.wait_idle(secs(5));
        let book = self.tollgate.book();
        book.assert_settled();
        assert_balanced(&self.tollgate);
        let charges = book.number("SELECT SUM(charge) FROM cdr WHERE capability = 'credits'");
        assert_eq!(book.account(BOLT, "captured"), charges);
        assert!(self.worst.crashed > 0, "no call was ever hit");
        self.tollgate.stop();
        eprintln!("{:#?} of {} records", self.worst, book.records());
    }
}

/// Asserts that what was granted is available, held or captured, as the command line tells it, and
/// that the entries of calls that are over are what their records charge.
fn assert_balanced(tollgate: &Tollgate) {
    let book = tollgate.book();
    let entries =
        "SELECT -SUM(amount) FROM entry JOIN cdr ON call = hold_leg WHERE kind = 'capture'";
    let charges = "SELECT SUM(charge) FROM cdr WHERE capability = 'credits'";
    assert_eq!(book.number(entries), book.number(charges));
    // A hold may be placed between two looks at a living gateway, so look until they agree.
    wait_for("a balance that adds up", secs(5), || {
        let shown = expect_success(&tollgate.command(&["credits", "show", BOLT, "--json"]));
        let shown: Value = serde_json::from_str(&shown).expect("the command writes JSON");
        let available = micros(shown["available"].as_str().expect("an amount is text"));
        (book.account(BOLT, "granted - held - captured") == available).then_some(())
    });
}

/// Counts the open legs of lives that are over, and open holds without an open leg.
fn dead_rows(book: &Book) -> i64 {
    book.number(
        "SELECT (SELECT COUNT(*) FROM leg JOIN node ON name = node WHERE leg.epoch < node.epoch)
         + (SELECT COUNT(*) FROM hold WHERE state = 'open'
            AND leg NOT IN (SELECT call FROM leg JOIN node ON name = node
                            WHERE leg.epoch = node.epoch))",
    )
}

/// Reads an amount as it is written, in millionths.
fn micros(amount: &str) -> i64 {
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{decimals:0<6}").parse().expect("an amount is a number")
}

fn texts(rows: &[Value], column: &str) -> Vec<String> {
    rows.iter().filter_map(|row| Some(row[column].as_str()?.to_owned())).collect()
}

#[expect(clippy::disallowed_methods, reason = "records are compared with the clock on the wall")]
fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("it is later than 1970").as_micros();
    i64::try_from(since).expect("it is long before the year 294 000")
}

#[expect(clippy::disallowed_methods, reason = "a long run is asked for from outside")]
fn kills() -> u64 {
    let asked = env::var("TOLLGATE_KILLS").ok();
    asked.map_or(KILLS, |count| count.parse().expect("TOLLGATE_KILLS is a number"))
}
