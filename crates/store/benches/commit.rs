//! How many charged calls a second a book commits, in a SQLite file and in a PostgreSQL database on
//! the same machine, and how many slices of live legs.
//!
//! A charged call is three commands: place, answered, close. A slice is a roll that holds the next
//! second and captures the last one; beside it stands the least that any store would have to do for
//! it, one column of one row. `cargo bench -p store --bench commit -- [CALLS] [FOLDER]`; the folder
//! should be on the disk that is to be judged, as the temporary folder should, where the database
//! is.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, prints, and stops at the first surprise"
)]

#[path = "../tests/world/cluster.rs"]
mod cluster;
#[path = "../tests/world/mod.rs"]
mod world;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use credits::{Answer, Command};
use model::CallId;
use sqlx::{Connection, PgConnection};
use store::Store;
use world::{answered, close, funded, now, place, release, roll, sound, top_up};

/// Organizations that the calls are spread over.
const PAYERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Commands in a transaction.
const BATCHES: [usize; 5] = [1, 4, 16, 48, 128];

/// Live legs whose slices are rolled, and how often each is.
const LEGS: u128 = 2_000;
const ROUNDS: u32 = 10;
/// Rolls in a transaction, as many as the storekeeper takes.
const ROLLS: usize = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let calls: u128 = arguments.next().map_or(3_000, |text| text.parse().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    println!("fsync of 4 KiB: {:?} (file)", fsync(folder.path()));
    println!("fsync of 4 KiB: {:?} (database)", fsync(&std::env::temp_dir()));
    let cluster = cluster::shared().await;
    let file = |name| format!("sqlite:{}", folder.path().join(format!("{name}.db")).display());
    for (batch, run) in BATCHES.into_iter().zip(0..) {
        let calls = if batch == 1 { calls.div_ceil(3) } else { calls };
        whole_calls("SQLite", &file(run), calls, batch).await;
        whole_calls("PostgreSQL", &cluster.database("template1"), calls, batch).await;
    }
    slices("SQLite", &file(99)).await;
    let url = cluster.database("template1");
    slices("PostgreSQL", &url).await;
    bare(&url).await;
    let _not_measured = release(0, "a");
}

async fn whole_calls(engine: &str, url: &str, calls: u128, batch: usize) {
    let store = Store::open(url).await.unwrap();
    funded(&store, &PAYERS).await;
    let (commands, before, cpu) = (story(calls), Instant::now(), cpu_time());
    let mut waits = Vec::new();
    for batch in commands.chunks(batch) {
        let begun = Instant::now();
        store.commit(batch, now()).await.unwrap();
        waits.push(begun.elapsed());
    }
    let (wall, cpu) = (before.elapsed(), cpu_time() - cpu);
    println!(
        "{engine:>10}, batches of {batch:>3}: {:>6} calls/s, {:>4} us CPU a call here, commits of \
         {:>5} us, p99 {:>5} us",
        calls * 1_000_000 / wall.as_micros(),
        cpu.as_micros() / calls,
        wall.as_micros() / (waits.len() as u128),
        p99(&mut waits).as_micros(),
    );
    sound(&store).await;
}

async fn slices(engine: &str, url: &str) {
    let store = Store::open(url).await.unwrap();
    funded(&store, &PAYERS).await;
    let payer = |call: u128| PAYERS[usize::try_from(call % 8).unwrap()];
    let mut begin: Vec<Command> =
        PAYERS.iter().map(|name| top_up(name, "more", "100000.00")).collect();
    for call in 0..LEGS {
        begin.extend([place(call, payer(call), 1), answered(call, Some(payer(call)), 5)]);
    }
    for batch in begin.chunks(ROLLS) {
        store.commit(batch, now()).await.unwrap();
    }
    let (before, cpu) = (Instant::now(), cpu_time());
    let mut waits = Vec::new();
    for round in 1..=ROUNDS {
        let rolls: Vec<_> = (0..LEGS).map(|call| roll(call, round, u64::from(round), 1)).collect();
        for batch in rolls.chunks(ROLLS) {
            let begun = Instant::now();
            for answer in store.commit(batch, now()).await.unwrap() {
                assert!(matches!(answer, Answer::Funded { .. }), "{answer:?}");
            }
            waits.push(begun.elapsed());
        }
    }
    let (wall, cpu) = (before.elapsed(), cpu_time() - cpu);
    let rolled = LEGS * u128::from(ROUNDS);
    println!(
        "{engine:>10}, slices of {ROLLS}: {:>6} slices/s, {:>4} us CPU a slice here, commits of \
         {:>5} us, p99 {:>5} us",
        rolled * 1_000_000 / wall.as_micros(),
        cpu.as_micros() / rolled,
        wall.as_micros() / (waits.len() as u128),
        p99(&mut waits).as_micros(),
    );
    sound(&store).await;
}

/// The least: one column of each leg's row, as many in a transaction, durable.
async fn bare(url: &str) {
    const BARE: &str = "
UPDATE leg SET funded_secs = funded_secs + 1 FROM unnest($1::text[]) AS own WHERE call = own";
    let mut connection = PgConnection::connect(url).await.unwrap();
    let calls: Vec<_> = (0..LEGS).map(|call| CallId(call).to_string()).collect();
    let before = Instant::now();
    for _ in 0..ROUNDS {
        for batch in calls.chunks(ROLLS) {
            sqlx::query(BARE).bind(batch).execute(&mut connection).await.unwrap();
        }
    }
    let rows = LEGS * u128::from(ROUNDS) * 1_000_000 / before.elapsed().as_micros();
    println!("PostgreSQL, the bare statement: {rows:>6} rows/s");
}

fn p99(waits: &mut [Duration]) -> Duration {
    waits.sort_unstable();
    waits[(waits.len() * 99 / 100).min(waits.len() - 1)]
}

/// Calls that overlap: each is placed, answered and closed a few hundred commands apart.
fn story(calls: u128) -> Vec<Command> {
    const LIVE: u128 = 100;
    let id = |call: u128| (call + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let payer = |call: u128| PAYERS[usize::try_from(call % 8).unwrap()];
    let mut commands = Vec::new();
    for turn in 0..calls + 2 * LIVE {
        if turn < calls {
            commands.push(place(id(turn), payer(turn), 1));
        }
        if let Some(call) = turn.checked_sub(LIVE).filter(|call| *call < calls) {
            commands.push(answered(id(call), Some(payer(call)), 5));
        }
        if let Some(call) = turn.checked_sub(2 * LIVE).filter(|call| *call < calls) {
            let mut close = close(id(call), payer(call), 0);
            if let Command::Close { used_micros, .. } = &mut close {
                *used_micros = 700_000;
            }
            commands.push(close);
        }
    }
    commands
}

fn fsync(folder: &Path) -> Duration {
    let mut file = File::create(folder.join("fsync")).unwrap();
    let before = Instant::now();
    for _ in 0..200 {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
    }
    before.elapsed() / 200
}

/// User and system time of the whole process, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
