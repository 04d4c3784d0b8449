//! The book as SQL sees it, read beside the running gateway.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::clock::{now, pause, secs, wait_for};
use super::site::MICROS_PER_SEC;

/// What must hold in every committed state (charging.md, invariants 1-4, 6 and 15), each as a
/// question for what breaks it.
const ALWAYS: &[(&str, &str)] = &[
    (
        "what is granted is the sum of the top-ups",
        "SELECT id FROM account WHERE granted <>
         (SELECT COALESCE(SUM(amount), 0) FROM entry WHERE account = id AND kind = 'top_up')",
    ),
    (
        "what is captured is the sum of the captures",
        "SELECT id FROM account WHERE captured <>
         (SELECT COALESCE(-SUM(amount), 0) FROM entry WHERE account = id AND kind = 'capture')",
    ),
    (
        "what is held is the sum of the open holds",
        "SELECT id FROM account WHERE held <>
         (SELECT COALESCE(SUM(amount), 0) FROM hold WHERE account = id AND state = 'open')",
    ),
    (
        "nothing is spent that was not granted",
        "SELECT id FROM account WHERE captured + expired + held > granted + credit_limit",
    ),
    (
        "entries count up without a gap and carry their balance",
        "SELECT account, number FROM entry AS this WHERE balance <>
         (SELECT SUM(amount) FROM entry WHERE account = this.account AND number <= this.number)
         OR number <> (SELECT COUNT(*) FROM entry
                       WHERE account = this.account AND number <= this.number)",
    ),
    (
        "a hold's capture is its entry",
        "SELECT leg, sequence FROM hold WHERE captured <>
         (SELECT COALESCE(-SUM(amount), 0) FROM entry
          WHERE hold_leg = leg AND hold_sequence = sequence)",
    ),
    (
        "a record's charge is the sum of its entries",
        "SELECT call, charge FROM cdr WHERE capability <> 'unattributed' AND charge <>
         (SELECT COALESCE(-SUM(amount), 0) FROM entry WHERE hold_leg = call)",
    ),
    (
        "what nobody pays for has no entry",
        "SELECT call FROM cdr WHERE capability <> 'credits' AND EXISTS
         (SELECT 1 FROM entry WHERE hold_leg = call)",
    ),
    (
        "a charged record can be priced again",
        "SELECT call, charge, billed_secs FROM cdr
         WHERE capability = 'credits' AND charge <> billed_secs * 10000",
    ),
    (
        "one call, one record",
        "SELECT sip_call_id FROM cdr GROUP BY sip_call_id HAVING COUNT(*) > 1",
    ),
];

/// What must hold when no call lives (invariant 9).
const AT_REST: &[(&str, &str)] = &[
    ("no hold is open", "SELECT * FROM hold WHERE state = 'open'"),
    ("no leg is open", "SELECT * FROM leg"),
    ("nothing burns", "SELECT id FROM account WHERE burn_per_sec <> 0 OR held <> 0"),
    (
        "every entry belongs to a record or a top-up",
        "SELECT account, number FROM entry WHERE kind = 'capture' AND NOT EXISTS
         (SELECT 1 FROM cdr WHERE call = hold_leg)",
    ),
];

/// A lock on the book, held by another process.
#[derive(Debug)]
pub(crate) struct Lock {
    holder: Child,
    _orders: ChildStdin,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Its transaction is rolled back with it.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// One row of `cdr`.
#[derive(Debug)]
pub(crate) struct Record(Value);

impl Record {
    /// Returns a column of text, empty for NULL.
    pub(crate) fn text(&self, column: &str) -> &str {
        self.0[column].as_str().unwrap_or_default()
    }

    /// Returns a column of numbers, 0 for NULL.
    pub(crate) fn number(&self, column: &str) -> i64 {
        self.0[column].as_i64().unwrap_or(0)
    }

    /// Returns the connected time in seconds.
    pub(crate) fn connected(&self) -> f64 {
        Duration::from_micros(u64::try_from(self.number("connected_micros")).unwrap_or(0))
            .as_secs_f64()
    }

    /// Asserts who paid, how it ended, and the SIP status.
    pub(crate) fn assert_ended(&self, capability: &str, label: &str, status: i64) {
        let found = (self.text("capability"), self.text("label"), self.number("sip_status"));
        assert_eq!(found, (capability, label, status), "{:#}", self.0);
    }

    /// Asserts that it was connected and charged for so many seconds, give or take one.
    pub(crate) fn assert_charged(&self, seconds: f64) {
        let charged = self.number("charge");
        let billed = self.number("billed_secs");
        assert_eq!(charged, billed * MICROS_PER_SEC, "{:#}", self.0);
        let connected = self.connected();
        assert!((connected - seconds).abs() <= 1.0, "{connected} s, not {seconds}: {:#}", self.0);
        let billed = Duration::from_secs(u64::try_from(billed).unwrap_or(0)).as_secs_f64();
        assert!((billed - connected).abs() <= 1.0, "{:#}", self.0);
    }
}

/// A SQLite file, or a PostgreSQL database by its URL, to read.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    is_file: bool,
}

impl Book {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), is_file: true }
    }

    pub(crate) fn on(url: &str) -> Self {
        Self { path: url.into(), is_file: false }
    }

    /// Returns the rows of a question, each an object by column.
    ///
    /// # Panics
    /// If it cannot be asked.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Value> {
        let mut complaint = String::new();
        for _ in 0..40 {
            let asked = self.asked(sql);
            if asked.status.success() {
                let text = String::from_utf8_lossy(&asked.stdout).into_owned();
                if text.trim().is_empty() {
                    return Vec::new();
                }
                return serde_json::from_str(&text).expect("databases write JSON");
            }
            complaint = String::from_utf8_lossy(&asked.stderr).into_owned();
            pause(Duration::from_millis(100));
        }
        panic!("{sql}: {complaint}");
    }

    fn asked(&self, sql: &str) -> Output {
        if self.is_file {
            let mut sqlite = Command::new("sqlite3");
            sqlite.args(["-json", "-cmd", ".timeout 4000"]).arg(&self.path).arg(sql);
            return sqlite.output().expect("sqlite3 is installed (Debian: sqlite3)");
        }
        let sql = format!("SELECT coalesce(json_agg(rows), '[]') FROM ({sql}) AS rows");
        let mut psql = Command::new("psql");
        psql.args(["-X", "-A", "-t", "-c", &sql]).arg(&self.path);
        psql.output().expect("psql is installed (Debian: postgresql)")
    }

    /// Returns the record of a call by its SIP Call-ID or our own id, once it is written.
    pub(crate) fn record(&self, id: &str) -> Record {
        wait_for("a record", secs(8), || {
            let sql = format!("SELECT * FROM cdr WHERE sip_call_id = '{id}' OR call = '{id}'");
            let mut rows = self.rows(&sql);
            assert!(rows.len() < 2, "{id} has two records");
            rows.pop().map(Record)
        })
    }

    /// Returns how many records there are.
    pub(crate) fn records(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM cdr")
    }

    /// Returns a column of an organization's account.
    pub(crate) fn account(&self, organization: &str, column: &str) -> i64 {
        self.number(&format!(
            "SELECT {column} FROM account JOIN organization USING (id) WHERE name = '{organization}'"
        ))
    }

    /// Asserts what must hold at every moment, and that nothing stays open.
    pub(crate) fn assert_settled(&self) {
        let until = now() + secs(5);
        for (what, sql) in AT_REST {
            let mut rows = self.rows(sql);
            while !rows.is_empty() && now() < until {
                pause(Duration::from_millis(100));
                rows = self.rows(sql);
            }
            assert!(rows.is_empty(), "{what}: {rows:#?}");
        }
        self.assert_sound();
    }

    /// Asserts what must hold at every moment.
    pub(crate) fn assert_sound(&self) {
        for (what, sql) in ALWAYS {
            let rows = self.rows(sql);
            assert!(rows.is_empty(), "{what}: {rows:#?}");
        }
    }

    /// Locks it against writers until the lock is dropped.
    pub(crate) fn lock(&self) -> Lock {
        let mut holder = Command::new("sqlite3")
            .arg(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 is installed (Debian: sqlite3)");
        let mut orders = holder.stdin.take().expect("it was asked for");
        orders
            .write_all(b".timeout 4000\nBEGIN IMMEDIATE;\nSELECT 'locked';\n")
            .expect("sqlite3 reads");
        let mut said = [0; 6];
        let answer = holder.stdout.as_mut().expect("it was asked for").read_exact(&mut said);
        answer.expect("sqlite3 answers");
        Lock { holder, _orders: orders }
    }

    /// Returns the one number that answers a question; 0 for NULL.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        let row = rows.first().and_then(Value::as_object);
        row.and_then(|row| row.values().next()).and_then(Value::as_i64).unwrap_or(0)
    }
}
