//! How many charged calls a second the SQLite book commits, and what each costs in CPU time.
//!
//! A charged call is three commands: place, answered, close. `cargo bench -p store --bench commit
//! -- [CALLS] [FOLDER]`; the folder should be on the disk that is to be judged.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, prints, and stops at the first surprise"
)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use credits::Command;
use store::Store;
use world::{answered, close, funded, now, place, release, roll, sound};

/// Organizations that the calls are spread over.
const PAYERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Commands in a transaction.
const BATCHES: [usize; 5] = [1, 4, 16, 48, 128];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let calls: u128 = arguments.next().map_or(3_000, |text| text.parse().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    println!("fsync of 4 KiB: {:?}", fsync(folder.path()));
    for (batch, run) in BATCHES.into_iter().zip(0..) {
        let calls = if batch == 1 { calls.div_ceil(3) } else { calls };
        let path = folder.path().join(format!("{run}.db"));
        let store = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
        funded(&store, &PAYERS).await;
        let (commands, before, cpu) = (story(calls), Instant::now(), cpu_time());
        for batch in commands.chunks(batch) {
            store.commit(batch, now()).await.unwrap();
        }
        let (wall, cpu) = (before.elapsed(), cpu_time() - cpu);
        let per_call = |time: Duration| time.as_micros() / calls;
        println!(
            "batches of {batch:>3}: {:>6} calls/s, {:>4} us CPU a call, {:>4} us wall a commit",
            calls * 1_000_000 / wall.as_micros(),
            per_call(cpu),
            wall.as_micros() / (commands.len().div_ceil(batch) as u128),
        );
        sound(&store).await;
    }
    let _not_measured = (release(0, "a"), roll(0, 0, 0, 0));
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
