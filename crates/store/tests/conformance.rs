//! One suite for every kind of store.
#![expect(clippy::unwrap_used, reason = "a failed store call fails the test")]

#[path = "world/cluster.rs"]
mod cluster;
mod outlays;
mod world;

use credits::{Answer, Command, CreditRefusal, HoldState, OpenLeg};
use model::policy::DestinationRule;
use model::record::{Attempted, CallType, Capability, Cdr, Provision};
use model::{
    Allowance, Budget, CallId, Guards, HoldId, Instant, Money, NewCountries, Night, NumberId,
    OrganizationId, Screen, Subject, UserId,
};
use store::{Act, EntryKind, Error, Store, Verb};
use tempfile::TempDir;

use outlays::what_calls_out_cost_is_read_in_pages_and_dial_in_is_no_part_of_it;
use world::{
    answered, at, cdr, close, funded, leg, money, now, one, organization, payer, place, release,
    roll, sound, top_up,
};

/// Runs each story on a fresh store of each kind.
macro_rules! stories {
    ($($name:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Store::open("memory:").await.unwrap()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::postgres().await).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let (_folder, store) = super::sqlite().await;
                super::$name(store).await;
            })*
        }
    };
}

stories! {
    a_call_is_held_rolled_and_closed_to_the_second,
    slices_that_are_not_certainly_served_stay_held_until_the_end,
    a_batch_is_answered_in_its_order_and_a_refused_command_leaves_no_row,
    a_replay_gives_the_stored_answer_and_changes_nothing,
    a_released_call_costs_nothing_and_its_late_place_is_refused,
    an_included_leg_has_a_record_and_no_account,
    a_top_up_counts_once_by_its_reference,
    a_dead_epoch_is_settled_by_its_heartbeat_and_fenced,
    a_settled_leg_is_owed_a_farewell_until_it_was_said,
    a_node_under_another_name_settles_what_the_old_name_left,
    a_call_is_explained_by_either_id,
    a_call_of_ours_is_found_by_each_of_its_invites,
    every_reading_of_nothing_is_empty,
    applying_twice_changes_nothing,
    tariffs_are_replaced_by_scope,
    a_contradiction_is_refused_whole,
    guards_are_kept_and_every_act_leaves_a_line,
    what_calls_out_cost_is_read_in_pages_and_dial_in_is_no_part_of_it,
}

async fn guards_are_kept_and_every_act_leaves_a_line(store: Store) {
    let who = Subject::Organization(OrganizationId(7));
    let mut budget = Budget::of(who);
    budget.allowance.spend_day = money("12.50");
    budget.denied = vec!["LV".parse().unwrap()];
    let allowance = Allowance { concurrent: 2, ..Allowance::default() };
    budget.night = Some(Night { hours: Some((1200, 420)), days: vec![5, 6], allowance });
    let rule = |prefix: &str, allow| DestinationRule { prefix: prefix.into(), allow };
    let screen = Screen {
        subject: Subject::Number(NumberId(8)),
        callers: vec![rule("39", true), rule("", false)],
        anonymous_refused: true,
        lines_refused: vec!["payphone".into(), "27".into()],
    };
    let guards = Guards { budgets: vec![budget], screens: vec![screen], suspensions: Vec::new() };
    let change = Provision { guards: guards.clone(), ..Provision::default() };
    assert_eq!(store.apply(&change).await.unwrap(), 1);
    assert_eq!(store.apply(&change).await.unwrap(), 1, "twice is once");
    assert_eq!(store.provision().await.unwrap().guards, guards);
    let act = |verb, subject| Act {
        at: at(5),
        actor: "eve".into(),
        verb,
        subject,
        reason: "too many calls to one country".into(),
    };
    let user = Subject::User(UserId(9));
    let acts = [
        act(Verb::Stop, user),
        act(Verb::Approve("LV".parse().unwrap()), who),
        act(Verb::Resume, user),
        act(Verb::Resume, user),
    ];
    let mut revisions = Vec::new();
    for act in &acts {
        revisions.push(store.act(act).await.unwrap());
        let stopped = store.provision().await.unwrap().guards.suspensions;
        assert_eq!(stopped.len(), usize::from(revisions.len() < 3));
    }
    assert_eq!(revisions, [2, 3, 4, 4], "what changes nothing is written down all the same");
    let kept = store.provision().await.unwrap().guards.budgets;
    assert_eq!(kept[0].new_countries, NewCountries::Held);
    assert_eq!(kept[0].allowance, guards.budgets[0].allowance);
    let mut newest = store.acts(9).await.unwrap();
    newest.reverse();
    assert_eq!(newest, acts);
}

pub(crate) async fn postgres() -> Store {
    let url = cluster::shared().await.database("template1");
    Store::open(&url).await.unwrap()
}

pub(crate) async fn sqlite() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&url(&folder)).await.unwrap();
    (folder, store)
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("book.db").display())
}

async fn a_call_is_held_rolled_and_closed_to_the_second(store: Store) {
    funded(&store, &["acme"]).await;
    let Answer::Funded { funded_secs, amount, standing, .. } =
        one(&store, place(1, "acme", 30)).await
    else {
        panic!("not funded");
    };
    assert_eq!((funded_secs, amount, standing.available), (30, money("0.30"), money("9.70")));
    assert_eq!(standing.burn_per_sec, money("0.01"));
    assert_eq!(one(&store, answered(1, Some("acme"), 100)).await, Answer::Noted);
    let Answer::Funded { funded_secs, .. } = one(&store, roll(1, 1, 15, 30)).await else {
        panic!("not rolled");
    };
    assert_eq!(funded_secs, 60);
    sound(&store).await;
    let Answer::Funded { standing, .. } = one(&store, roll(1, 2, 45, 30)).await else {
        panic!("not rolled");
    };
    assert_eq!((standing.available, standing.held), (money("9.10"), money("0.60")));
    sound(&store).await;
    let Answer::Closed { charge, standing, .. } = one(&store, close(1, "acme", 61)).await else {
        panic!("not closed");
    };
    assert_eq!((charge, standing.unwrap().available), (money("0.61"), money("9.39")));
    sound(&store).await;
    let written = store.cdrs(5).await.unwrap().remove(0);
    assert_eq!((written.charge, written.billed_secs), (money("0.61"), 61));
    assert_eq!(store.open_legs().await.unwrap(), []);
}

async fn slices_that_are_not_certainly_served_stay_held_until_the_end(store: Store) {
    funded(&store, &["acme"]).await;
    one(&store, place(1, "acme", 5)).await;
    one(&store, answered(1, Some("acme"), 100)).await;
    for sequence in 1..=8 {
        let answer = one(&store, roll(1, sequence, 0, 5)).await;
        assert!(matches!(answer, Answer::Funded { .. }), "{sequence}: {answer:?}");
        sound(&store).await;
    }
    let Answer::Funded { funded_secs, standing, .. } = one(&store, roll(1, 9, 22, 5)).await else {
        panic!("not rolled");
    };
    assert_eq!((funded_secs, standing.held), (50, money("0.30")));
    sound(&store).await;
    let Answer::Closed { charge, standing, .. } = one(&store, close(1, "acme", 44)).await else {
        panic!("not closed");
    };
    assert_eq!((charge, standing.unwrap().held), (money("0.44"), Money::ZERO));
    sound(&store).await;
}

async fn a_batch_is_answered_in_its_order_and_a_refused_command_leaves_no_row(store: Store) {
    funded(&store, &["acme", "bear"]).await;
    let batch = [
        place(1, "acme", 600),
        place(2, "acme", 600),
        place(3, "nobody", 60),
        place(4, "bear", 60),
        roll(9, 1, 0, 60),
        answered(4, Some("bear"), 7),
        close(4, "bear", 10),
        Command::Inquire { account: payer("bear") },
    ];
    let answers = store.commit(&batch, now()).await.unwrap();
    assert!(matches!(answers[0], Answer::Funded { funded_secs: 250, .. }), "{:?}", answers[0]);
    assert!(matches!(answers[1], Answer::Funded { funded_secs: 93, .. }), "{:?}", answers[1]);
    let no = |refusal| Answer::Refused { refusal, standing: None };
    assert_eq!(answers[2], no(CreditRefusal::UnknownAccount));
    assert_eq!(answers[4], no(CreditRefusal::UnknownLeg));
    let Answer::Stands(standing) = answers[7] else { panic!("{:?}", answers[7]) };
    assert_eq!((standing.available, standing.held), (money("9.90"), Money::ZERO));
    assert_eq!(store.open_legs().await.unwrap().len(), 2);
    assert_eq!(store.case(&CallId(3).to_string()).await.unwrap(), None);
    sound(&store).await;
}

async fn a_replay_gives_the_stored_answer_and_changes_nothing(store: Store) {
    funded(&store, &["acme"]).await;
    let story = [
        place(1, "acme", 30),
        answered(1, Some("acme"), 0),
        roll(1, 1, 15, 30),
        roll(1, 2, 31, 30),
    ];
    for command in &story {
        let first = one(&store, command.clone()).await;
        let before = store.account(organization("acme").id).await.unwrap();
        assert_eq!(one(&store, command.clone()).await, first);
        assert_eq!(store.account(organization("acme").id).await.unwrap(), before);
    }
    let first = one(&store, roll(1, 1, 99, 30)).await;
    assert!(matches!(first, Answer::Funded { funded_secs: 60, .. }), "{first:?}");
    for other in [place(1, "acme", 31), roll(1, 1, 15, 29), roll(1, 9, 45, 30)] {
        let Answer::Refused { refusal, .. } = one(&store, other.clone()).await else {
            panic!("{other:?}");
        };
        assert_eq!(refusal, CreditRefusal::Conflict, "{other:?}");
    }
    let first = one(&store, close(1, "acme", 33)).await;
    assert_eq!(one(&store, close(1, "acme", 33)).await, first);
    for (late, refusal) in [
        (close(1, "acme", 34), CreditRefusal::Conflict),
        (release(1, "acme"), CreditRefusal::Conflict),
        (place(1, "acme", 30), CreditRefusal::UnknownLeg),
        (roll(1, 3, 33, 30), CreditRefusal::UnknownLeg),
        (answered(1, Some("acme"), 0), CreditRefusal::UnknownLeg),
    ] {
        let answer = one(&store, late).await;
        assert!(matches!(answer, Answer::Refused { refusal: is, .. } if is == refusal));
    }
    sound(&store).await;
}

async fn a_released_call_costs_nothing_and_its_late_place_is_refused(store: Store) {
    funded(&store, &["acme"]).await;
    one(&store, place(1, "acme", 30)).await;
    let first = one(&store, release(1, "acme")).await;
    assert!(matches!(first, Answer::Closed { charge: Money::ZERO, standing: Some(_), .. }));
    assert_eq!(one(&store, release(1, "acme")).await, first);
    let tombstone = one(&store, release(2, "acme")).await;
    assert!(matches!(tombstone, Answer::Closed { charge: Money::ZERO, standing: None, .. }));
    for call in [1, 2] {
        let late = one(&store, place(call, "acme", 30)).await;
        assert!(
            matches!(late, Answer::Refused { refusal: CreditRefusal::UnknownLeg, .. }),
            "{late:?}"
        );
    }
    let view = store.account(organization("acme").id).await.unwrap().unwrap();
    assert_eq!((view.available, view.held), (money("10.00"), Money::ZERO));
    let case = store.case("1@carrier.example").await.unwrap().unwrap();
    assert_eq!(case.holds[0].state, HoldState::Released);
    sound(&store).await;
}

async fn an_included_leg_has_a_record_and_no_account(store: Store) {
    funded(&store, &["acme"]).await;
    let open = Command::Open { leg: Box::new(leg(1, None)) };
    assert_eq!(one(&store, open.clone()).await, Answer::Noted);
    assert_eq!(one(&store, open).await, Answer::Noted);
    assert_eq!(one(&store, answered(1, None, 5)).await, Answer::Noted);
    assert_eq!(store.open_legs().await.unwrap()[0].answered, Some(Instant { micros: 5_000_000 }));
    let close = Command::Close { used_micros: 9_000_000, cdr: Box::new(cdr(1, None)) };
    let call = CallId(1);
    let free = Answer::Closed { call, charge: Money::ZERO, standing: None };
    assert_eq!(one(&store, close.clone()).await, free);
    assert_eq!(one(&store, close).await, free);
    let mut unattributed = cdr(2, None);
    unattributed.capability = Capability::Unattributed;
    unattributed.charge = money("0.07");
    one(&store, Command::Release { cdr: Box::new(unattributed.clone()) }).await;
    assert_eq!(store.cdrs(1).await.unwrap(), [unattributed]);
}

async fn a_top_up_counts_once_by_its_reference(store: Store) {
    funded(&store, &["acme", "bear"]).await;
    let batch = [
        top_up("acme", "wire 7", "5.00"),
        top_up("acme", "wire 7", "5.00"),
        top_up("acme", "wire 7", "6.00"),
        top_up("acme", "wire 8", "0.00"),
        top_up("bear", "wire 7", "1.00"),
    ];
    let answers = store.commit(&batch, now()).await.unwrap();
    assert_eq!(answers[0], answers[1]);
    let refusal = |answer: &Answer| match answer {
        Answer::Refused { refusal, .. } => Some(*refusal),
        Answer::Funded { .. } | Answer::Closed { .. } | Answer::Noted | Answer::Stands(_) => None,
    };
    assert_eq!(refusal(&answers[2]), Some(CreditRefusal::Conflict));
    assert_eq!(refusal(&answers[3]), Some(CreditRefusal::BadAmount));
    let view = store.account(organization("acme").id).await.unwrap().unwrap();
    assert_eq!((view.granted, view.lots.len()), (money("15.00"), 2));
    let entries = store.entries(payer("acme"), now(), at(1_800_000_001)).await.unwrap();
    assert_eq!(entries[1].kind, EntryKind::TopUp);
    assert_eq!(entries[1].reference.as_deref(), Some("wire 7"));
    assert_eq!(store.entries(payer("acme"), at(0), now()).await.unwrap(), []);
    sound(&store).await;
}

async fn a_dead_epoch_is_settled_by_its_heartbeat_and_fenced(store: Store) {
    funded(&store, &["acme"]).await;
    let first = store.begin_epoch("n1").await.unwrap();
    assert_eq!(first, world::epoch());
    let batch = [
        place(1, "acme", 30),
        answered(1, Some("acme"), 100),
        place(2, "acme", 30),
        place(3, "acme", 5),
        answered(3, Some("acme"), 90),
        Command::Open { leg: Box::new(leg(4, None)) },
        answered(4, None, 95),
    ];
    store.commit(&batch, now()).await.unwrap();
    store.beat(&first, Instant { micros: 109_000_000 }).await.unwrap();
    store.beat(&first, Instant { micros: 110_000_000 }).await.unwrap();
    let second = store.begin_epoch("n1").await.unwrap();
    assert_eq!(second.number, 2);
    let orphans = store.settle(&second, at(1_800_000_100)).await.unwrap();
    let dialogs: Vec<_> = orphans.iter().map(|leg| leg.dialog.as_str()).collect();
    assert_eq!(dialogs, ["dialog-1", "dialog-2", "dialog-3", "dialog-4"]);
    assert_eq!(store.settle(&second, at(1_800_000_101)).await.unwrap(), []);
    let mut cdrs = store.cdrs(9).await.unwrap();
    cdrs.sort_by_key(|cdr| cdr.call);
    let told: Vec<_> = cdrs.iter().map(|cdr| (cdr.connected_micros, cdr.charge)).collect();
    let charges = ["0.10", "0.00", "0.05", "0.00"].map(money);
    let micros = [10_000_000, 0, 5_000_000, 15_000_000];
    assert_eq!(told, micros.into_iter().zip(charges).collect::<Vec<_>>());
    assert!(cdrs.iter().all(|cdr| cdr.ending.label == "node_crashed"));
    for zombie in [roll(1, 1, 20, 30), place(9, "acme", 30), answered(3, Some("acme"), 90)] {
        let answer = one(&store, zombie).await;
        assert!(
            matches!(answer, Answer::Refused { refusal: CreditRefusal::Fenced, .. }),
            "{answer:?}"
        );
    }
    let late = one(&store, close(1, "acme", 25)).await;
    assert!(matches!(late, Answer::Refused { refusal: CreditRefusal::Conflict, .. }));
    sound(&store).await;
}

async fn a_settled_leg_is_owed_a_farewell_until_it_was_said(store: Store) {
    funded(&store, &["acme"]).await;
    store.begin_epoch("n1").await.unwrap();
    let mute = OpenLeg { dialog: String::new(), ..leg(5, None) };
    let batch = [
        place(1, "acme", 30),
        Command::Open { leg: Box::new(leg(2, None)) },
        Command::Open { leg: Box::new(mute) },
        Command::Open { leg: Box::new(leg(3, None)) },
        close(3, "acme", 1),
    ];
    store.commit(&batch, now()).await.unwrap();
    assert_eq!(store.farewells().await.unwrap(), [], "nobody is dead");
    let second = store.begin_epoch("n1").await.unwrap();
    store.settle(&second, at(1_800_000_100)).await.unwrap();
    let owed = store.farewells().await.unwrap();
    let told: Vec<_> = owed.iter().map(|owed| (owed.call.0, owed.dialog.as_str())).collect();
    assert_eq!(told, [(1, "dialog-1"), (2, "dialog-2")], "no dialog, no farewell");
    assert!(owed.iter().all(|owed| owed.since == at(1_800_000_100)));
    // Killed again before any BYE: the next life still knows.
    let third = store.begin_epoch("n1").await.unwrap();
    assert_eq!(store.settle(&third, at(1_800_000_200)).await.unwrap(), []);
    assert_eq!(store.farewells().await.unwrap(), owed);
    store.forget_farewells(&[CallId(1), CallId(77)]).await.unwrap();
    assert_eq!(store.farewells().await.unwrap(), owed[1..]);
    store.forget_farewells(&[CallId(2)]).await.unwrap();
    store.forget_farewells(&[]).await.unwrap();
    assert_eq!(store.farewells().await.unwrap(), []);
}

async fn a_node_under_another_name_settles_what_the_old_name_left(store: Store) {
    funded(&store, &["acme"]).await;
    let first = store.begin_epoch("n1").await.unwrap();
    let batch = [place(1, "acme", 30), answered(1, Some("acme"), 100)];
    store.commit(&batch, now()).await.unwrap();
    store.beat(&first, Instant { micros: 107_000_000 }).await.unwrap();
    let renamed = store.begin_epoch("n2").await.unwrap();
    assert_eq!(renamed.number, 1);
    let orphans = store.settle(&renamed, at(1_800_000_100)).await.unwrap();
    assert_eq!(orphans.iter().map(|leg| leg.call.0).collect::<Vec<_>>(), [1]);
    assert_eq!(store.cdrs(1).await.unwrap()[0].charge, money("0.07"));
    for zombie in [roll(1, 1, 20, 30), place(9, "acme", 30)] {
        let answer = one(&store, zombie).await;
        let fenced = matches!(answer, Answer::Refused { refusal: CreditRefusal::Fenced, .. });
        assert!(fenced, "{answer:?}");
    }
    // The old name may live again, and the new one is not fenced by its own settlement.
    let back = store.begin_epoch("n1").await.unwrap();
    store.settle(&back, at(1_800_000_200)).await.unwrap();
    let leg = Box::new(OpenLeg { epoch: back, ..leg(2, None) });
    assert_eq!(one(&store, Command::Open { leg }).await, Answer::Noted);
    sound(&store).await;
}

async fn a_call_is_explained_by_either_id(store: Store) {
    funded(&store, &["acme"]).await;
    let batch = [place(7, "acme", 30), roll(7, 1, 0, 30), roll(7, 2, 31, 30)];
    store.commit(&batch, now()).await.unwrap();
    let live = store.case("7@carrier.example").await.unwrap().unwrap();
    assert_eq!(live.open.as_ref().map(|leg| leg.captured), Some(money("0.30")));
    assert_eq!(live.holds.len(), 3);
    one(&store, close(7, "acme", 33)).await;
    let over = store.case(&CallId(7).to_string()).await.unwrap().unwrap();
    assert_eq!(store.case("7@carrier.example").await.unwrap().as_ref(), Some(&over));
    assert_eq!(over.cdr.as_ref().map(|cdr| cdr.charge), Some(money("0.33")));
    assert_eq!(over.open, None);
    let fates: Vec<_> = over.holds.iter().map(|hold| (hold.state, hold.captured)).collect();
    let captured = |amount| (HoldState::Captured, money(amount));
    let released = (HoldState::Released, Money::ZERO);
    assert_eq!(fates, [captured("0.30"), captured("0.03"), released]);
    let charged: Vec<_> = over.entries.iter().map(|entry| entry.amount).collect();
    assert_eq!(charged, [money("-0.30"), money("-0.03")]);
}

async fn a_call_of_ours_is_found_by_each_of_its_invites(store: Store) {
    funded(&store, &["acme"]).await;
    let attempt = |id: &str, sip_status, q850| Attempted {
        trunk: id.to_owned(),
        sip_call_id: format!("{id}@gateway.example"),
        sip_status,
        q850,
    };
    let record = |call| Cdr {
        call_type: CallType::Out,
        sip_call_id: "last@gateway.example".to_owned(),
        trunk: "last".to_owned(),
        attempts: vec![
            attempt("first", None, None),
            attempt("second", Some(503), Some(34)),
            attempt("last", Some(200), None),
        ],
        ..cdr(call, Some("acme"))
    };
    let dialled = || {
        let mut leg = leg(7, Some("acme"));
        leg.cdr = Box::new(Cdr { sip_call_id: "7".to_owned(), attempts: Vec::new(), ..record(7) });
        leg
    };
    let hold = HoldId { leg: CallId(7), sequence: 0 };
    let leg = Box::new(dialled());
    let place = Command::Place { hold, leg, covers_secs: 0, wanted_secs: 60 };
    let heard = OpenLeg { answered: Some(Instant::START), ..dialled() };
    let answered =
        Command::Answered { leg: Box::new(OpenLeg { cdr: Box::new(record(7)), ..heard }) };
    for command in [place, answered] {
        let answer = one(&store, command).await;
        assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    let live = store.case("last@gateway.example").await.unwrap().unwrap();
    assert_eq!(live.open.map(|leg| *leg.cdr), Some(record(7)));
    one(&store, Command::Close { used_micros: 9_000_000, cdr: Box::new(record(7)) }).await;
    one(&store, Command::Release { cdr: Box::new(cdr(8, None)) }).await;
    let over = store.case(&CallId(7).to_string()).await.unwrap();
    assert_eq!(
        over.as_ref().and_then(|case| case.cdr.clone()).map(|cdr| cdr.attempts.len()),
        Some(3)
    );
    for name in ["first", "second", "last"] {
        assert_eq!(store.case(&format!("{name}@gateway.example")).await.unwrap(), over, "{name}");
    }
}

async fn every_reading_of_nothing_is_empty(store: Store) {
    assert_eq!(store.revision().await.unwrap(), 0);
    assert_eq!(store.provision().await.unwrap(), Provision::default());
    assert_eq!(store.cdrs(3).await.unwrap(), []);
    assert_eq!(store.accounts().await.unwrap(), []);
    assert_eq!(store.account(organization("acme").id).await.unwrap(), None);
    assert_eq!(store.case("nothing").await.unwrap(), None);
    assert_eq!(store.commit(&[], now()).await.unwrap(), []);
    let unknown = one(&store, Command::Inquire { account: payer("acme") }).await;
    assert!(
        matches!(unknown, Answer::Refused { refusal: CreditRefusal::UnknownAccount, .. }),
        "{unknown:?}"
    );
}

async fn applying_twice_changes_nothing(store: Store) {
    let change = world_of_acme();
    assert_eq!(store.apply(&change).await.unwrap(), 1);
    assert_eq!(store.apply(&change).await.unwrap(), 1);
    let kept = store.provision().await.unwrap();
    assert_eq!((kept.revision, store.revision().await.unwrap()), (1, 1));
    assert_eq!(store.apply(&kept).await.unwrap(), 1);
    assert_eq!(kept.meetings, change.meetings);
    assert_eq!(kept.users, change.users);
    assert_eq!(kept.numbers, change.numbers);
    let mut other = change.clone();
    other.meetings[0].announce = false;
    other.users[0].licences.clear();
    assert_eq!(store.apply(&other).await.unwrap(), 2);
    let kept = store.provision().await.unwrap();
    assert_eq!((kept.meetings, kept.users), (other.meetings, other.users));
    let view = store.account(organization("acme").id).await.unwrap().unwrap();
    assert_eq!((view.name.as_str(), view.available), ("acme", Money::ZERO));
}

async fn tariffs_are_replaced_by_scope(store: Store) {
    let mut change = world_of_acme();
    store.apply(&change).await.unwrap();
    let list = change.tariffs[0].clone();
    change.tariffs.truncate(1);
    change.tariffs[0].number_prefix = "+39".to_owned();
    store.apply(&change).await.unwrap();
    let kept = store.provision().await.unwrap().tariffs;
    assert_eq!(kept.iter().filter(|row| row.organization.is_none()).count(), 1);
    assert_eq!(kept.iter().filter(|row| row.organization.is_some()).count(), 1);
    assert!(!kept.contains(&list));
}

async fn a_contradiction_is_refused_whole(store: Store) {
    let good = world_of_acme();
    store.apply(&good).await.unwrap();
    let before = store.provision().await.unwrap();
    let mut wrong = Vec::new();
    let mut change = good.clone();
    change.organizations[0].currency = model::Currency::parse("USD").unwrap();
    wrong.push((change, "currency"));
    let mut change = good.clone();
    change.meetings.push(change.meetings[0].clone());
    change.meetings[1].id = model::MeetingId(9);
    change.meetings[1].name = "weekly".to_owned();
    wrong.push((change, "conference ID"));
    let mut change = good.clone();
    change.users.push(change.users[0].clone());
    change.users[1].id = UserId(9);
    wrong.push((change, "ada@acme.example"));
    let mut change = good.clone();
    let twin = model::record::ServiceNumber { id: NumberId(9), ..change.numbers[0].clone() };
    change.numbers.push(twin);
    wrong.push((change, "is there twice"));
    let mut change = good.clone();
    change.numbers.iter_mut().for_each(|number| number.is_default = true);
    wrong.push((change, "are both the default"));
    let mut change = good.clone();
    change.numbers.iter_mut().for_each(|number| number.is_default = number.bound_to.is_some());
    wrong.push((change, "must be toll, and no organization's alone"));
    let mut change = good.clone();
    change.meetings[0].organizer = UserId(404);
    wrong.push((change, "does not exist"));
    let mut change = good.clone();
    change.tariffs.push(change.tariffs[0].clone());
    wrong.push((change, "list price"));
    for (change, told) in wrong {
        let Err(Error::Invalid(text)) = store.apply(&change).await else {
            panic!("{told} passed");
        };
        assert!(text.contains(told), "{text}");
        assert_eq!(store.provision().await.unwrap(), before);
    }
}

fn world_of_acme() -> Provision {
    use model::policy::{DestinationRule, Group, OrganizationOutbound, UserOutbound};
    use model::record::{Licence, NumberType, ServiceNumber, TariffKind, TariffRow, User};
    let mut organization = organization("acme");
    organization.outbound = OrganizationOutbound {
        country: "IT".parse().ok(),
        policy: "DialoutCPCZoneAPSTNDomestic".parse().ok(),
        premium_allowed: true,
        satellite_allowed: false,
        destinations: vec![
            DestinationRule { prefix: String::new(), allow: false },
            DestinationRule { prefix: "39".to_owned(), allow: true },
        ],
    };
    let group = Group {
        id: model::GroupId::from_name("acme/sales"),
        name: "sales".to_owned(),
        organization: organization.id,
        rank: 1,
        policy: "DialoutCPCandPSTNDisabled".parse().ok(),
    };
    let user = User {
        id: UserId::from_name("ada@acme.example"),
        name: "ada@acme.example".to_owned(),
        organization: organization.id,
        licences: vec![Licence::PayPerMinute, Licence::Credits],
        toll_free_allowed: true,
        outbound: UserOutbound { country: "CH".parse().ok(), policy: None, groups: vec![group.id] },
    };
    let meeting = daily(user.id);
    let number = ServiceNumber {
        id: NumberId::from_name("+390116543210"),
        did: "+390116543210".parse().unwrap(),
        number_type: NumberType::Toll,
        dedicated_to: Some(organization.id),
        bound_to: Some(meeting.id),
        country: "IT".to_owned(),
        language: "en-US".to_owned(),
        is_default: false,
        refusals: model::record::Refusals::EarlyMedia,
    };
    let default = ServiceNumber {
        id: NumberId::from_name("+390116543211"),
        did: "+390116543211".parse().unwrap(),
        dedicated_to: None,
        bound_to: None,
        is_default: true,
        ..number.clone()
    };
    let mut numbers = vec![number, default];
    numbers.sort_by_key(|number| number.id);
    let list = TariffRow {
        organization: None,
        currency: organization.currency,
        kind: TariffKind::Toll,
        number_prefix: String::new(),
        caller_prefix: String::new(),
        rate: world::rate(),
    };
    let own = TariffRow { organization: Some(organization.id), ..list.clone() };
    let out = TariffRow { kind: TariffKind::DialOut, ..list.clone() };
    Provision {
        revision: 0,
        organizations: vec![organization],
        groups: vec![group],
        users: vec![user],
        numbers,
        meetings: vec![meeting],
        tariffs: vec![list, out, own],
        guards: Guards::default(),
    }
}

fn daily(organizer: UserId) -> model::record::Meeting {
    model::record::Meeting {
        id: model::MeetingId::from_name("daily"),
        name: "daily".to_owned(),
        organizer,
        conference_id: model::Pin::parse("123456789").unwrap(),
        participants_max: 50,
        announce: true,
        spend_cap: Some(money("20.00")),
        dial_out: model::MeetingDialOut {
            enabled: Some(false),
            press_one: None,
            ring_secs: Some(20),
            calls: vec![
                model::ListedCall {
                    numbers: vec!["+390116543210".into(), "011 6543211".into()],
                    press_one: Some(true),
                },
                model::ListedCall { numbers: vec!["+390116543212".into()], press_one: None },
            ],
        },
    }
}
