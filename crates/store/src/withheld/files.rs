//! A number that its owner withholds lies nowhere in the files of a store (reliability.md S25).
use std::fs;
use std::path::Path;

use credits::{Answer, Command, OpenLeg};
use model::record::{Cdr, Withheld};
use model::{CallId, Instant};

use crate::world::{answered, cdr, close, funded, now, place};
use crate::{Keys, Store, Unopened};

const NUMBER: &str = "+14155550199";
/// What of it would give it away, however it is written.
const END: &str = "5550199";

#[tokio::test]
async fn with_a_key_the_number_is_sealed_and_only_the_key_opens_it() {
    let keys = Keys::parse(&"5a".repeat(32)).unwrap();
    let (sealed, dialogs) = lived(&keys).await;
    for cdr in &sealed {
        let withheld = cdr.withheld.as_ref().unwrap();
        assert_eq!(keys.open(cdr.call, withheld).unwrap().full(), NUMBER);
        let other = Keys::parse(&"5b".repeat(32)).unwrap();
        assert!(matches!(other.open(cdr.call, withheld), Err(Unopened::NoSuchKey(_))));
    }
    let opened: Vec<String> = dialogs.iter().map(|(call, text)| keys.dialog(*call, text)).collect();
    assert_eq!(opened, [dialog()], "a carrier can still be told that the call is over");
}

#[tokio::test]
async fn without_a_key_the_number_is_not_kept_at_all() {
    let (forgotten, dialogs) = lived(&Keys::default()).await;
    assert!(forgotten.iter().all(|cdr| cdr.withheld == Some(Withheld::NotKept)));
    assert_eq!(dialogs, [], "a dialog that names it is not kept either");
}

#[tokio::test]
async fn what_nobody_sealed_is_not_written_either() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    funded(&store, &["acme"]).await;
    let record = Box::new(withheld(cdr(9, Some("acme"))));
    store.commit(&[Command::Release { cdr: record }], now()).await.unwrap();
    assert_eq!(store.cdrs(9).await.unwrap()[0].withheld, Some(Withheld::NotKept));
    assert!(!is_in_files(folder.path()));
}

/// One call that is over, and one that a crash left behind; their records and farewells.
async fn lived(keys: &Keys) -> (Vec<Cdr>, Vec<(CallId, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    funded(&store, &["acme"]).await;
    let before = store.begin_epoch("n1").await.unwrap();
    for call in [1, 2] {
        let hidden = |leg: &mut OpenLeg| {
            leg.dialog = dialog();
            *leg.cdr = withheld((*leg.cdr).clone());
        };
        let mut batch = vec![place(call, "acme", 60), answered(call, Some("acme"), 1)];
        for command in &mut batch {
            if let Command::Place { leg, .. } | Command::Answered { leg } = command {
                hidden(leg);
            }
        }
        commit(&store, keys, batch).await;
        assert!(!is_in_files(folder.path()), "while the call lives");
    }
    let mut ending = close(1, "acme", 20);
    if let Command::Close { cdr, .. } = &mut ending {
        **cdr = withheld((**cdr).clone());
    }
    commit(&store, keys, vec![ending]).await;
    store.beat(&before, Instant { micros: 9_000_000 }).await.unwrap();
    let after = store.begin_epoch("n1").await.unwrap();
    store.settle(&after, now()).await.unwrap();
    assert!(!is_in_files(folder.path()), "when all is over");
    let owed = store.farewells().await.unwrap();
    let dialogs = owed.into_iter().map(|farewell| (farewell.call, farewell.dialog)).collect();
    let cdrs = store.cdrs(9).await.unwrap();
    assert_eq!(cdrs.len(), 2);
    (cdrs, dialogs)
}

async fn commit(store: &Store, keys: &Keys, mut batch: Vec<Command>) {
    keys.seal(&mut batch);
    for answer in store.commit(&batch, now()).await.unwrap() {
        assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
}

fn withheld(cdr: Cdr) -> Cdr {
    Cdr { withheld: Some(Withheld::Plain(NUMBER.parse().unwrap())), ..cdr }
}

fn dialog() -> String {
    format!("To: <sip:{NUMBER}@carrier.example>;tag=1")
}

async fn open(folder: &Path) -> Store {
    let path = folder.join("book.sqlite");
    Store::open(&format!("sqlite:{}", path.display())).await.unwrap()
}

/// Whether the number can be read in the database, its log or any file beside them.
fn is_in_files(folder: &Path) -> bool {
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 1, "the log lies beside the database: {files:?}");
    let holds = |text: &str| {
        let is = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|at| at == text.as_bytes());
        files.iter().map(|file| fs::read(file).unwrap()).any(|bytes| is(&bytes))
    };
    assert!(holds("carrier"), "what is not withheld can be read");
    holds(END)
}
