//! A store between processes: killed, shared, locked, damaged; and all kinds compared.
#![expect(clippy::unwrap_used, reason = "a failed store call fails the test")]

#[path = "world/cluster.rs"]
mod cluster;
mod world;

use std::io::{BufRead, BufReader};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use credits::{Answer, Command};
use model::record::Cdr;
use model::{CallId, Instant};
use store::{Error, Store};
use tempfile::TempDir;

use world::{
    answered, at, close, funded, leg, money, now, one, organization, place, release, roll, sound,
    top_up,
};

/// Names the database to the copy of this test that is to be killed.
const DATABASE: &str = "TOLLGATE_TEST_DATABASE";

#[tokio::test]
async fn what_a_file_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    what_was_acknowledged_survives_a_kill(url(&folder)).await;
}

#[tokio::test]
async fn what_a_database_acknowledged_survives_a_kill() {
    what_was_acknowledged_survives_a_kill(database().await).await;
}

async fn what_was_acknowledged_survives_a_kill(url: String) {
    let store = Store::open(&url).await.unwrap();
    funded(&store, &["acme"]).await;
    drop(store);
    let mut writer = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_until_killed", "--nocapture"])
        .env(DATABASE, &url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let committed = lines.map(|line| line.unwrap()).filter_map(|line| {
        line.strip_prefix("committed ").and_then(|call| call.parse::<u128>().ok())
    });
    let seen: Vec<u128> = committed.take(40).collect();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(seen.len(), 40);
    let store = Store::open(&url).await.unwrap();
    sound(&store).await;
    for call in seen {
        let case = store.case(&CallId(call).to_string()).await.unwrap().unwrap();
        let cdr = case.cdr.unwrap();
        assert_eq!(cdr.charge, money("0.01"), "call {call} was closed before the kill");
    }
    let next = store.begin_epoch("n1").await.unwrap();
    assert_eq!(next.number, 2);
    store.settle(&next, now()).await.unwrap();
    assert_eq!(store.open_legs().await.unwrap(), []);
    sound(&store).await;
}

/// The other half of the tests above; alone it has nothing to do.
#[tokio::test]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it is a child process")]
async fn writes_until_killed() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let store = Store::open(&url).await.unwrap();
    let epoch = store.begin_epoch("n1").await.unwrap();
    for call in 1..=900_u128 {
        store.commit(&[place(call, "acme", 1)], now()).await.unwrap();
        store.commit(&[answered(call, Some("acme"), 5)], now()).await.unwrap();
        store.beat(&epoch, Instant { micros: 6_000_000 }).await.unwrap();
        one(&store, close(call, "acme", 1)).await;
        println!("committed {call}");
    }
}

#[tokio::test]
async fn a_second_serve_is_refused_and_tools_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Store::open(&url(&folder)).await.unwrap();
    let lock = serving.lock_for_serving().await.unwrap();
    let tool = Store::open(&url(&folder)).await.unwrap();
    funded(&tool, &["acme"]).await;
    let Err(Error::Unavailable(told)) = tool.lock_for_serving().await else {
        panic!("two may serve");
    };
    assert!(told.contains("book.db.lock is held by another serve"), "{told}");
    drop(lock);
    // A child that another test forks holds the lock until it has become another program.
    let mut again = tool.lock_for_serving().await;
    for _ in 0..100 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = tool.lock_for_serving().await;
    }
    again.unwrap();
}

#[tokio::test]
async fn a_second_serve_of_a_database_is_refused_until_the_first_is_gone() {
    let url = database().await;
    let (serving, tool) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    let lock = serving.lock_for_serving().await.unwrap();
    let Err(Error::Unavailable(told)) = tool.lock_for_serving().await else {
        panic!("two may serve");
    };
    assert!(told.contains("another serve holds the database"), "{told}");
    funded(&tool, &["acme"]).await;
    drop(lock);
    let mut again = tool.lock_for_serving().await;
    for _ in 0..100 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = tool.lock_for_serving().await;
    }
    again.unwrap();
}

#[tokio::test]
async fn a_tool_and_a_serve_share_a_file_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    a_tool_and_a_serve_write_side_by_side_and_nothing_is_lost(url(&folder)).await;
}

#[tokio::test]
async fn a_tool_and_a_serve_share_a_database_and_nothing_is_lost() {
    a_tool_and_a_serve_write_side_by_side_and_nothing_is_lost(database().await).await;
}

async fn a_tool_and_a_serve_write_side_by_side_and_nothing_is_lost(url: String) {
    let (serving, tool) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    funded(&serving, &["acme"]).await;
    let serve = async {
        for call in 1..=60 {
            serving.commit(&[place(call, "acme", 1)], now()).await.unwrap();
            serving.commit(&[close(call, "acme", 1)], now()).await.unwrap();
        }
    };
    let top_ups = async {
        for count in 0..60 {
            let reference = format!("wire {count}");
            let answer = one(&tool, top_up("acme", &reference, "1.00")).await;
            assert!(matches!(answer, Answer::Stands(_)), "{answer:?}");
        }
    };
    tokio::join!(serve, top_ups);
    let view = serving.account(organization("acme").id).await.unwrap().unwrap();
    assert_eq!((view.granted, view.captured), (money("70.00"), money("0.60")));
    sound(&tool).await;
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("book.db"), [b'x'; 8_192]).unwrap();
    let damaged = Store::open(&url(&folder)).await;
    assert!(matches!(damaged, Err(Error::Corrupt(_))), "{damaged:?}");
    let absent = Store::open("sqlite:/nowhere/at/all/book.db").await;
    assert!(matches!(absent, Err(Error::Unavailable(_))), "{absent:?}");
    for nonsense in ["book.db", "sqlite:", "postgres://a b"] {
        let wrong = Store::open(nonsense).await;
        assert!(matches!(wrong, Err(Error::Invalid(_))), "{wrong:?}");
    }
}

#[tokio::test]
async fn all_kinds_agree_on_any_story() {
    for seed in 1..=12 {
        let folder = tempfile::tempdir().unwrap();
        let stores = [
            Store::open("memory:").await.unwrap(),
            Store::open(&url(&folder)).await.unwrap(),
            postgres().await,
        ];
        let mut dice = Dice(seed);
        for store in &stores {
            funded(store, &["acme", "bear"]).await;
            store.begin_epoch("n1").await.unwrap();
        }
        for turn in 0..40_i64 {
            let batch: Vec<Command> = (0..dice.upto(6)).map(|_| dice.command()).collect();
            let moment = at(1_800_000_000 + turn);
            let mut answers = Vec::new();
            for store in &stores {
                answers.push(store.commit(&batch, moment).await.unwrap());
            }
            assert_eq!(answers[0], answers[1], "seed {seed}, {batch:?}");
            assert_eq!(answers[0], answers[2], "seed {seed}, {batch:?}");
        }
        same_readings(&stores).await;
        for store in &stores {
            let epoch = world::epoch();
            store.beat(&epoch, Instant { micros: 25_000_000 }).await.unwrap();
            let next = store.begin_epoch("n1").await.unwrap();
            store.settle(&next, at(1_800_000_099)).await.unwrap();
            sound(store).await;
        }
        same_readings(&stores).await;
    }
}

async fn same_readings([memory, file, database]: &[Store; 3]) {
    alike(memory, file).await;
    alike(memory, database).await;
}

async fn alike(one: &Store, other: &Store) {
    assert_eq!(one.accounts().await.unwrap(), other.accounts().await.unwrap());
    assert_eq!(one.open_legs().await.unwrap(), other.open_legs().await.unwrap());
    assert_eq!(one.cdrs(99).await.unwrap(), other.cdrs(99).await.unwrap());
    for name in ["acme", "bear"] {
        let (from, until) = (at(1_800_000_003), at(1_800_000_050));
        let entries = one.entries(world::payer(name), from, until).await.unwrap();
        let others = other.entries(world::payer(name), from, until).await.unwrap();
        assert_eq!(entries, others);
    }
    for call in 0..8 {
        for key in [CallId(call).to_string(), format!("{call}@carrier.example")] {
            assert_eq!(one.case(&key).await.unwrap(), other.case(&key).await.unwrap());
        }
    }
}

async fn postgres() -> Store {
    Store::open(&database().await).await.unwrap()
}

async fn database() -> String {
    cluster::shared().await.database("template1")
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("book.db").display())
}

/// A seeded generator (xorshift), so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn upto(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % (most + 1)
    }

    fn command(&mut self) -> Command {
        let call = u128::from(self.upto(7));
        let name = if call.is_multiple_of(3) { "bear" } else { "acme" };
        let secs = self.upto(40);
        let wanted = 5 * u32::try_from(self.upto(40)).unwrap();
        match self.upto(9) {
            0 => top_up(name, &format!("wire {call}"), "0.50"),
            1 => Command::Open { leg: Box::new(leg(call, None)) },
            2 => answered(call, Some(name), 5),
            3 | 4 => place(call, name, wanted),
            5 | 6 => roll(call, u32::try_from(self.upto(3)).unwrap(), secs, wanted),
            7 => close(call, name, secs),
            8 => release(call, name),
            _ => {
                let Command::Release { cdr } = release(call, name) else { panic!("a release") };
                let used_micros = secs * 1_000_000;
                let cdr = Box::new(Cdr { connected_micros: used_micros, ..*cdr });
                Command::Close { used_micros, cdr }
            }
        }
    }
}
