//! What goes wrong outside, on purpose: every statement of every use case fails in turn
//! (reliability.md F2), the asker goes away, the disk fills, another process holds the lock.
//! Afterwards the book is sound, and the same request again gives what it would have given.

use std::sync::atomic::Ordering::SeqCst;

use credits::{Answer, Command};
use model::Instant;
use tempfile::TempDir;

use crate::cluster;
use crate::sql::writing::Claim;
use crate::sql::{Database, Engine};
use crate::world::{answered, at, close, epoch, funded, leg, now, place, release, roll, top_up};
use crate::{Error, PostgresStore, SqliteStore, Store};

/// Runs each story on a store of each kind that keeps anything.
macro_rules! stories {
    ($($name:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Kind::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Kind::Postgres).await;
            })*
        }
    };
}

stories! {
    a_commit_that_fails_at_any_statement_is_repaired_by_its_retry,
    a_commit_whose_write_to_any_table_fails_leaves_nothing_behind,
    a_settlement_that_fails_at_any_statement_is_repaired_by_its_retry,
    a_request_dropped_at_any_moment_leaves_the_writer_usable,
    entries_ended_holds_and_records_cannot_be_changed_even_by_hand,
}

#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Every statement of a transaction, begin and commit included, is among this many.
const STATEMENTS: u32 = 8;

async fn a_commit_that_fails_at_any_statement_is_repaired_by_its_retry(kind: Kind) {
    let before = [place(1, "acme", 30), answered(1, Some("acme"), 5), roll(1, 1, 15, 30)];
    let cases = [
        vec![place(2, "acme", 30)],
        vec![roll(1, 2, 31, 30)],
        vec![close(1, "acme", 33)],
        vec![release(1, "acme")],
        vec![top_up("acme", "wire 9", "3.00")],
        vec![place(2, "acme", 30), roll(1, 2, 45, 30), top_up("acme", "wire 9", "3.00")],
        vec![close(1, "acme", 33), place(2, "acme", 30), release(2, "acme")],
    ];
    for batch in cases {
        let (_folder, clean) = played(kind, &before).await;
        let expected = clean.commit(&batch, now()).await.unwrap();
        let mut failures = 0;
        for statement in 1..=STATEMENTS {
            let (_folder, store) = played(kind, &before).await;
            arm(&store, statement);
            let answers = match store.commit(&batch, now()).await {
                Ok(answers) => answers,
                Err(Error::Unavailable(_)) => {
                    failures += 1;
                    disarm(&store);
                    crate::world::sound(&store).await;
                    store.commit(&batch, now()).await.unwrap()
                }
                Err(other) => panic!("{other}"),
            };
            disarm(&store);
            assert_same(&answers, &expected);
            crate::world::sound(&store).await;
            let kept = (store.accounts().await.unwrap(), store.cdrs(9).await.unwrap());
            assert_eq!(kept, (clean.accounts().await.unwrap(), clean.cdrs(9).await.unwrap()));
        }
        assert!((5..STATEMENTS).contains(&failures), "{failures} statements of {batch:?}");
    }
}

/// The writes of a batch travel together: each is made to fail inside the database.
async fn a_commit_whose_write_to_any_table_fails_leaves_nothing_behind(kind: Kind) {
    let before = [place(1, "acme", 30), answered(1, Some("acme"), 5), roll(1, 1, 15, 30)];
    let batch = [place(2, "acme", 30), close(1, "acme", 33), top_up("acme", "wire 9", "3.00")];
    for trigger in [
        "BEFORE UPDATE ON account",
        "BEFORE INSERT ON lot",
        "BEFORE INSERT ON leg",
        "BEFORE DELETE ON leg",
        "BEFORE INSERT ON hold",
        "AFTER UPDATE ON hold",
        "AFTER INSERT ON entry",
        "AFTER INSERT ON cdr",
    ] {
        let (_folder, store) = played(kind, &before).await;
        let fail = match kind {
            Kind::Sqlite => "BEGIN SELECT RAISE(FAIL, 'x'); END",
            Kind::Postgres => "FOR EACH ROW EXECUTE FUNCTION refuse('x')",
        };
        let table = trigger.rsplit(' ').next().unwrap();
        by_hand(&store, &format!("CREATE TRIGGER fault {trigger} {fail}")).await.unwrap();
        let kept = (store.accounts().await.unwrap(), store.open_legs().await.unwrap());
        assert!(store.commit(&batch, now()).await.is_err(), "{trigger}");
        assert_eq!((store.accounts().await.unwrap(), store.open_legs().await.unwrap()), kept);
        let on =
            if matches!(kind, Kind::Postgres) { format!(" ON {table}") } else { String::new() };
        by_hand(&store, &format!("DROP TRIGGER fault{on}")).await.unwrap();
        for answer in store.commit(&batch, now()).await.unwrap() {
            assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
        }
        crate::world::sound(&store).await;
    }
}

async fn a_settlement_that_fails_at_any_statement_is_repaired_by_its_retry(kind: Kind) {
    for statement in 1..=STATEMENTS {
        let (_folder, store) = played(kind, &[]).await;
        let first = store.begin_epoch("n1").await.unwrap();
        assert_eq!(first, epoch());
        let open = Command::Open { leg: Box::new(leg(3, None)) };
        let batch =
            [place(1, "acme", 30), answered(1, Some("acme"), 5), place(2, "acme", 30), open];
        store.commit(&batch, now()).await.unwrap();
        store.beat(&first, Instant { micros: 12_000_000 }).await.unwrap();
        let second = store.begin_epoch("n1").await.unwrap();
        arm(&store, statement);
        let settled = store.settle(&second, at(1_800_000_009)).await;
        disarm(&store);
        crate::world::sound(&store).await;
        let open = store.open_legs().await.unwrap().len();
        assert!(open == 3 || open == 0, "all or nothing");
        drop(settled);
        assert_eq!(store.farewells().await.unwrap().len(), 3 - open, "with the settlement or not");
        store.settle(&second, at(1_800_000_010)).await.unwrap();
        assert_eq!(store.farewells().await.unwrap().len(), 3, "all carriers are told");
        let charges: Vec<_> = store.cdrs(9).await.unwrap();
        let charges: Vec<_> = charges.iter().map(|cdr| (cdr.call.0, cdr.charge.micros())).collect();
        assert_eq!(charges, [(3, 0), (2, 0), (1, 70_000)]);
        crate::world::sound(&store).await;
    }
}

async fn a_request_dropped_at_any_moment_leaves_the_writer_usable(kind: Kind) {
    let (_folder, store) = played(kind, &[]).await;
    for call in 1..40_u64 {
        let batch = [place(call.into(), "acme", 2)];
        let commit = store.commit(&batch, now());
        let patience = std::time::Duration::from_micros(call * 40);
        let outcome = tokio::time::timeout(patience, commit).await;
        let retried = store.commit(&batch, now()).await.unwrap();
        if let Ok(answers) = outcome {
            assert_same(&answers.unwrap(), &retried);
        }
        crate::world::sound(&store).await;
    }
    assert_eq!(store.open_legs().await.unwrap().len(), 39);
}

/// A store on which a story has been told.
async fn played(kind: Kind, story: &[Command]) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = match kind {
        Kind::Sqlite => opened(&folder).await,
        Kind::Postgres => postgres().await,
    };
    funded(&store, &["acme"]).await;
    for answer in store.commit(story, now()).await.unwrap() {
        assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    (folder, store)
}

async fn postgres() -> Store {
    let url = cluster::shared().await.database("template1");
    Store::open(&url).await.unwrap()
}

async fn opened(folder: &TempDir) -> Store {
    Store::open(&format!("sqlite:{}", folder.path().join("book.db").display())).await.unwrap()
}

fn database(store: &Store) -> &Database {
    let (Store::Sqlite(SqliteStore(database)) | Store::Postgres(PostgresStore(database))) = store
    else {
        panic!("no rows in memory")
    };
    database
}

async fn by_hand(store: &Store, sql: &str) -> Result<(), sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match &database(store).engine {
        Engine::Sqlite(file) => sqlx::query(sql).execute(file.writer()).await.map(|_| ()),
        Engine::Postgres(server) => sqlx::query(sql).execute(server.writers()).await.map(|_| ()),
    }
}

fn arm(store: &Store, statement: u32) {
    database(store).faults.left.store(statement, SeqCst);
}

fn disarm(store: &Store) {
    arm(store, 0);
}

/// A replay after a commit whose reply was lost gives the stored answers; a hold that a later
/// command of the same batch ended, or an account that it moved, shows as it is by then.
fn assert_same(answers: &[Answer], expected: &[Answer]) {
    assert_eq!(answers.len(), expected.len());
    for (answer, expected) in answers.iter().zip(expected) {
        match (answer, expected) {
            (
                Answer::Funded { hold, funded_secs, amount, .. },
                Answer::Funded { hold: as_hold, funded_secs: as_secs, amount: as_amount, .. },
            ) => assert_eq!((hold, funded_secs, amount), (as_hold, as_secs, as_amount)),
            (
                Answer::Closed { call, charge, .. },
                Answer::Closed { call: as_call, charge: as_charge, .. },
            ) => assert_eq!((call, charge), (as_call, as_charge)),
            (Answer::Stands(_), Answer::Stands(_)) | (Answer::Noted, Answer::Noted) => {}
            (Answer::Refused { .. }, Answer::Funded { .. }) => {}
            (other, expected) => panic!("{other:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let (_folder, store) = played(Kind::Sqlite, &[place(1, "acme", 5)]).await;
    by_hand(&store, "PRAGMA max_page_count = 1").await.unwrap();
    let mut refused = 0;
    for call in 100..400 {
        match store.commit(&[place(call, "acme", 0), release(call, "acme")], now()).await {
            Ok(_) => {}
            Err(Error::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0, "the disk was never full");
    crate::world::sound(&store).await;
    by_hand(&store, "PRAGMA max_page_count = 1000000").await.unwrap();
    for call in 100..400 {
        let batch = [place(call, "acme", 0), release(call, "acme")];
        store.commit(&batch, now()).await.unwrap();
    }
    store.commit(&[close(1, "acme", 4)], now()).await.unwrap();
    crate::world::sound(&store).await;
    assert_eq!(store.cdrs(1_000).await.unwrap().len(), 301);
}

#[tokio::test]
async fn a_locked_database_refuses_in_time_and_works_afterwards() {
    let (folder, store) = played(Kind::Sqlite, &[]).await;
    let other = opened(&folder).await;
    let held = database(&other).begin(Claim::Rows).await.unwrap();
    let patience = std::time::Duration::from_secs(2);
    let batch = [place(1, "acme", 5)];
    let commit = store.commit(&batch, now());
    let refused = tokio::time::timeout(patience, commit).await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(store.open_legs().await.unwrap(), []);
    drop(held);
    let answers = store.commit(&[place(1, "acme", 5)], now()).await.unwrap();
    assert!(matches!(answers[0], Answer::Funded { funded_secs: 5, .. }));
    crate::world::sound(&store).await;
}

async fn entries_ended_holds_and_records_cannot_be_changed_even_by_hand(kind: Kind) {
    let (_folder, store) = played(kind, &[place(1, "acme", 5), close(1, "acme", 4)]).await;
    for change in [
        "UPDATE entry SET amount = 0",
        "DELETE FROM entry",
        "UPDATE hold SET state = 'open'",
        "UPDATE cdr SET charge = 0",
        "UPDATE account SET held = -1",
        "UPDATE account SET captured = granted + 1",
    ] {
        assert!(by_hand(&store, change).await.is_err(), "{change}");
    }
    crate::world::sound(&store).await;
}
