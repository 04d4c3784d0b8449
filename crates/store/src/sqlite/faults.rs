//! What goes wrong outside, on purpose: every statement of every use case fails in turn
//! (reliability.md F2), the asker goes away, the disk fills, another process holds the lock.
//! Afterwards the book is sound, and the same request again gives what it would have given.

use std::sync::atomic::Ordering::SeqCst;

use credits::{Answer, Command};
use model::Instant;
use tempfile::TempDir;

use crate::sqlite::SqliteFile;
use crate::sqlite::writing::{Faults, Writing};
use crate::world::{answered, at, close, epoch, funded, leg, now, place, release, roll, top_up};
use crate::{Error, SqliteStore, Store};

/// Every statement of a transaction, begin and commit included, is among this many.
const STATEMENTS: u32 = 8;

#[tokio::test]
async fn a_commit_that_fails_at_any_statement_is_repaired_by_its_retry() {
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
        let (_folder, clean) = played(&before).await;
        let expected = clean.commit(&batch, now()).await.unwrap();
        let mut failures = 0;
        for statement in 1..=STATEMENTS {
            let (_folder, store) = played(&before).await;
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
#[tokio::test]
async fn a_commit_whose_write_to_any_table_fails_leaves_nothing_behind() {
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
        let (_folder, store) = played(&before).await;
        let Store::Sqlite(sqlite) = &store else { panic!("no tables in memory") };
        let fail = format!("CREATE TRIGGER fault {trigger} BEGIN SELECT RAISE(FAIL, 'x'); END");
        sqlx::query(sqlx::AssertSqlSafe(fail)).execute(&sqlite.0.writer).await.unwrap();
        let kept = (store.accounts().await.unwrap(), store.open_legs().await.unwrap());
        assert!(store.commit(&batch, now()).await.is_err(), "{trigger}");
        assert_eq!((store.accounts().await.unwrap(), store.open_legs().await.unwrap()), kept);
        sqlx::query("DROP TRIGGER fault").execute(&sqlite.0.writer).await.unwrap();
        for answer in store.commit(&batch, now()).await.unwrap() {
            assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
        }
        crate::world::sound(&store).await;
    }
}

#[tokio::test]
async fn a_settlement_that_fails_at_any_statement_is_repaired_by_its_retry() {
    for statement in 1..=STATEMENTS {
        let (_folder, store) = played(&[]).await;
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

#[tokio::test]
async fn a_request_dropped_at_any_moment_leaves_the_writer_usable() {
    let (_folder, store) = played(&[]).await;
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
async fn played(story: &[Command]) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let opened = SqliteFile::open(&folder.path().join("book.db")).await.unwrap();
    let store = Store::Sqlite(SqliteStore(opened.into()));
    funded(&store, &["acme"]).await;
    for answer in store.commit(story, now()).await.unwrap() {
        assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    (folder, store)
}

fn arm(store: &Store, statement: u32) {
    let Store::Sqlite(sqlite) = store else { panic!("no faults in memory") };
    sqlite.0.faults.left.store(statement, SeqCst);
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
    let (_folder, store) = played(&[place(1, "acme", 5)]).await;
    let Store::Sqlite(sqlite) = &store else { panic!("no disk in memory") };
    sqlx::query("PRAGMA max_page_count = 1").execute(&sqlite.0.writer).await.unwrap();
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
    sqlx::query("PRAGMA max_page_count = 1000000").execute(&sqlite.0.writer).await.unwrap();
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
    let (folder, store) = played(&[]).await;
    let other = SqliteFile::open(&folder.path().join("book.db")).await.unwrap();
    let held = Writing::begin(&other.writer, &Faults::default()).await.unwrap();
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

#[tokio::test]
async fn entries_ended_holds_and_records_cannot_be_changed_even_by_hand() {
    let (_folder, store) = played(&[place(1, "acme", 5), close(1, "acme", 4)]).await;
    let Store::Sqlite(sqlite) = &store else { panic!("no rows in memory") };
    for by_hand in [
        "UPDATE entry SET amount = 0",
        "DELETE FROM entry",
        "UPDATE hold SET state = 'open'",
        "UPDATE cdr SET charge = 0",
        "UPDATE account SET held = -1",
        "UPDATE account SET captured = granted + 1",
    ] {
        let done = sqlx::query(by_hand).execute(&sqlite.0.writer).await;
        assert!(done.is_err(), "{by_hand}");
    }
    crate::world::sound(&store).await;
}
