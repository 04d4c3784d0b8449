//! What only a database server does: promise too little, go away, keep roles apart, let many write
//! at once; and how a file becomes a database.
#![expect(clippy::unwrap_used, reason = "a failed store call fails the test")]

#[path = "world/cluster.rs"]
mod cluster;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::Cluster;
use credits::{Answer, Command, CreditRefusal};
use model::{Instant, Money};
use store::{Error, Store};

use world::{
    answered, at, close, funded, leg, money, now, one, organization, payer, place, release, roll,
    sound, top_up,
};

/// Grants as they are deployed.
const ROLES: &str = include_str!("../../../deploy/postgres-roles.sql");

#[tokio::test]
async fn a_server_that_may_forget_is_refused_and_one_that_comes_back_is_found() {
    let cluster = Cluster::start();
    Store::migrate(&cluster.url("postgres", "template1")).await.unwrap();
    let url = cluster.database("template1");
    let store = Store::open(&url).await.unwrap();
    funded(&store, &["acme"]).await;
    let _lock = store.lock_for_serving().await.unwrap();
    one(&store, place(1, "acme", 30)).await;
    cluster.order("INT");
    let patience = Duration::from_secs(3);
    let gone = tokio::time::timeout(patience, store.commit(&[place(2, "acme", 30)], now())).await;
    assert!(matches!(gone, Ok(Err(Error::Unavailable(_)))), "{gone:?}");
    cluster.order("start");
    let answer = one(&store, place(2, "acme", 30)).await;
    assert!(matches!(answer, Answer::Funded { .. }), "{answer:?}");
    sound(&store).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let second = Store::open(&url).await.unwrap().lock_for_serving().await;
    assert!(second.is_err(), "the right to serve was not taken again");

    for (setting, reset, told) in [
        (
            "ALTER DATABASE book0 SET synchronous_commit = off",
            "ALTER DATABASE book0 RESET ALL",
            "synchronous_commit",
        ),
        ("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM RESET fsync", "fsync = on"),
        (
            "ALTER SYSTEM SET full_page_writes = off",
            "ALTER SYSTEM RESET full_page_writes",
            "full_page_writes = on",
        ),
    ] {
        cluster.sql("postgres", setting);
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        let mut refused = Store::open(&url).await;
        for _ in 0..50 {
            if refused.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            refused = Store::open(&url).await;
        }
        let Err(Error::Invalid(text)) = refused else { panic!("{setting}: {refused:?}") };
        assert!(text.contains(told), "{text}");
        cluster.sql("postgres", reset);
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        while Store::open(&url).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_database_without_its_schema_is_refused_and_says_what_to_run() {
    let url = cluster::shared().await.database("template0");
    let Err(Error::Invalid(told)) = Store::open(&url).await else { panic!("no schema") };
    assert!(told.contains("tollgate migrate"), "{told}");
    let applied = Store::migrate(&url).await.unwrap();
    assert!(applied.len() > 7 && applied[0] == 0, "{applied:?}");
    assert!(Store::migrate(&url).await.unwrap().is_empty(), "twice is once");
    funded(&Store::open(&url).await.unwrap(), &["acme"]).await;
}

#[tokio::test]
async fn the_serving_role_needs_no_more_than_its_grants_and_cannot_unwrite_the_book() {
    let cluster = cluster::shared().await;
    let database = cluster.database("template0");
    let name = database.split(['/', '?']).nth(3).unwrap().to_owned();
    cluster.sql(&name, ROLES);
    Store::migrate(&cluster.url("tollgate_owner", &name)).await.unwrap();
    cluster.sql(&name, ROLES);
    let store = Store::open(&cluster.url("tollgate", &name)).await.unwrap();
    let _lock = store.lock_for_serving().await.unwrap();
    funded(&store, &["acme"]).await;
    let first = store.begin_epoch("n1").await.unwrap();
    store.beat(&first, Instant { micros: 109_000_000 }).await.unwrap();
    one(&store, place(1, "acme", 30)).await;
    one(&store, answered(1, Some("acme"), 100)).await;
    one(&store, roll(1, 1, 15, 30)).await;
    one(&store, place(2, "acme", 30)).await;
    one(&store, release(2, "acme")).await;
    one(&store, place(3, "acme", 30)).await;
    one(&store, close(1, "acme", 33)).await;
    let second = store.begin_epoch("n1").await.unwrap();
    store.settle(&second, at(1_800_000_100)).await.unwrap();
    let owed: Vec<_> = store.farewells().await.unwrap().iter().map(|owed| owed.call).collect();
    store.forget_farewells(&owed).await.unwrap();
    sound(&store).await;
    for denied in [
        "DELETE FROM entry",
        "UPDATE entry SET amount = 0",
        "UPDATE cdr SET charge = 0",
        "DELETE FROM cdr",
        "DELETE FROM hold",
        "DELETE FROM account",
        "UPDATE lot SET amount = 1",
        "TRUNCATE entry",
        "CREATE TABLE mine (id TEXT)",
        "ALTER TABLE entry DISABLE TRIGGER ALL",
        "DROP TABLE entry",
        "UPDATE _sqlx_migrations SET success = false",
    ] {
        let attempt = format!(
            "SET ROLE tollgate; DO $$ BEGIN {denied}; RAISE EXCEPTION 'it was done'; EXCEPTION \
             WHEN insufficient_privilege THEN NULL; END $$"
        );
        cluster.sql(&name, &attempt);
    }
    let refused = Store::migrate(&cluster.url("tollgate", &name)).await;
    assert!(refused.is_err(), "the serving role may not migrate");
}

#[tokio::test]
async fn a_migration_goes_by_while_calls_are_charged() {
    let cluster = cluster::shared().await;
    let url = cluster.database("template1");
    let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
    let store = Store::open(&url).await.unwrap();
    funded(&store, &["acme"]).await;
    let over = Arc::new(AtomicBool::new(false));
    let (busy, ends) = (store.clone(), Arc::clone(&over));
    let load = tokio::spawn(async move {
        let mut calls = 0;
        while !ends.load(Ordering::Relaxed) {
            calls += 1;
            for command in [place(calls, "acme", 1), close(calls, "acme", 0)] {
                // A lock that a migration holds for too long, or a connection that it cost, is an
                // outage to a node: it asks again under the same id.
                while busy.commit(std::slice::from_ref(&command), now()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        calls
    });
    for step in 0..8 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        // What an expanding migration of a later build does.
        for grow in [
            format!("ALTER TABLE cdr ADD COLUMN later{step} TEXT"),
            format!("ALTER TABLE account ADD COLUMN later{step} BIGINT NOT NULL DEFAULT 0"),
            format!("INSERT INTO _sqlx_migrations VALUES (9{step}, 'later', now(), true, '', 0)"),
        ] {
            cluster.sql(&name, &grow);
        }
        assert!(Store::migrate(&url).await.unwrap().is_empty(), "what is newer is left alone");
    }
    over.store(true, Ordering::Relaxed);
    let calls = load.await.unwrap();
    assert!(calls > 5, "{calls} calls");
    sound(&store).await;
    sound(&Store::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn many_writers_never_overdraw_an_account() {
    let url = cluster::shared().await.database("template1");
    let store = Store::open(&url).await.unwrap();
    funded(&store, &["acme", "bear"]).await;
    let mut askers = tokio::task::JoinSet::new();
    for asker in 0..4_u128 {
        let store = Store::open(&url).await.unwrap();
        askers.spawn(async move {
            let mut funded_calls = 0;
            for turn in 0..12_u128 {
                let call = asker * 100 + turn;
                // The accounts in either order: whoever locked them so would deadlock.
                let (first, second) =
                    if asker % 2 == 0 { ("acme", "bear") } else { ("bear", "acme") };
                let batch = [place(2 * call, first, 40), place(2 * call + 1, second, 40)];
                let answers = store.commit(&batch, now()).await.unwrap();
                funded_calls += answers
                    .iter()
                    .filter(|answer| matches!(answer, Answer::Funded { funded_secs: 40, .. }))
                    .count();
            }
            funded_calls
        });
    }
    let funded_calls: usize = askers.join_all().await.into_iter().sum();
    assert!(funded_calls <= 50, "{funded_calls} calls of 0.40 on 20.00");
    for view in store.accounts().await.unwrap() {
        assert!(!view.available.is_negative(), "{view:?}");
    }
    sound(&store).await;
}

#[tokio::test]
async fn a_settlement_waits_for_a_batch_and_fences_the_next() {
    let url = cluster::shared().await.database("template1");
    let store = Store::open(&url).await.unwrap();
    funded(&store, &["acme"]).await;
    let first = store.begin_epoch("n1").await.unwrap();
    store.commit(&[place(1, "acme", 5), answered(1, Some("acme"), 100)], now()).await.unwrap();
    store.beat(&first, Instant { micros: 103_000_000 }).await.unwrap();
    let zombie = store.clone();
    let rolls = tokio::spawn(async move {
        for sequence in 1..5_000 {
            let answer = zombie.commit(&[roll(1, sequence, 3, 1)], now()).await.unwrap().remove(0);
            if matches!(answer, Answer::Refused { refusal: CreditRefusal::Fenced, .. }) {
                return true;
            }
        }
        false
    });
    let other = Store::open(&url).await.unwrap();
    let second = other.begin_epoch("n2").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    other.settle(&second, at(1_800_000_100)).await.unwrap();
    assert!(rolls.await.unwrap(), "a dead epoch was never told");
    sound(&other).await;
    assert_eq!(other.cdrs(1).await.unwrap()[0].charge, money("0.03"));
    let view = other.account(organization("acme").id).await.unwrap().unwrap();
    assert_eq!(view.held, Money::ZERO);
}

#[tokio::test]
async fn a_text_that_the_server_cannot_keep_stops_nobody() {
    let store = Store::open(&cluster::shared().await.database("template1")).await.unwrap();
    funded(&store, &["acme"]).await;
    let mut odd = leg(1, None);
    odd.dialog = "a\0b".to_owned();
    odd.cdr.sip_call_id = "1\0@carrier.example".to_owned();
    let open = Command::Open { leg: Box::new(odd) };
    assert_eq!(one(&store, open).await, Answer::Noted);
    assert_eq!(store.case("1\0@carrier.example").await.unwrap().unwrap().call.0, 1);
}

#[tokio::test]
async fn a_file_becomes_a_database_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let from = format!("sqlite:{}", folder.path().join("book.db").display());
    let cluster = cluster::shared().await;
    let to = cluster.database("template1");
    assert!(store::copy(&from, &to).await.is_err(), "there is no file yet");
    let file = Store::open(&from).await.unwrap();
    funded(&file, &["acme", "bear"]).await;
    file.begin_epoch("n1").await.unwrap();
    for call in 1..60 {
        let name = if call % 3 == 0 { "bear" } else { "acme" };
        file.commit(&[place(call, name, 2), answered(call, Some(name), 5)], now()).await.unwrap();
        if call % 4 != 0 {
            one(&file, close(call, name, 1)).await;
        }
    }
    let serving = file.lock_for_serving().await.unwrap();
    assert!(store::copy(&from, &to).await.is_err(), "somebody serves from the file");
    drop(serving);
    // A child that another test forks holds the lock until it has become another program.
    let mut copied = store::copy(&from, &to).await;
    for _ in 0..100 {
        if copied.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        copied = store::copy(&from, &to).await;
    }
    let copied = copied.unwrap();
    let rows = |table: &str| copied.iter().find(|copied| copied.table == table).unwrap().rows;
    assert_eq!((rows("organization"), rows("leg"), rows("cdr")), (2, 14, 45));
    let database = Store::open(&to).await.unwrap();
    assert_eq!(database.accounts().await.unwrap(), file.accounts().await.unwrap());
    assert_eq!(database.open_legs().await.unwrap(), file.open_legs().await.unwrap());
    assert_eq!(database.cdrs(99).await.unwrap(), file.cdrs(99).await.unwrap());
    assert_eq!(database.provision().await.unwrap(), file.provision().await.unwrap());
    let entries = |store: Store| async move {
        store.entries(payer("acme"), at(0), at(9_000_000_000)).await.unwrap()
    };
    assert_eq!(entries(database.clone()).await, entries(file).await);
    sound(&database).await;
    one(&database, top_up("acme", "wire 9", "1.00")).await;
    let Err(Error::Invalid(told)) = store::copy(&from, &to).await else {
        panic!("it is not empty")
    };
    assert!(told.contains("has rows in"), "{told}");
}
