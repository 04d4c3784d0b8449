//! What calls out cost, and which countries wait, as budgets read it.

use credits::Command;
use model::policy::Decision;
use model::{CallId, Outlay, UnixTime, UserId};
use store::Store;

use crate::world::{answered, close, funded, money, now, one, organization, place, release};

pub(crate) async fn what_calls_out_cost_is_read_in_pages_and_dial_in_is_no_part_of_it(
    store: Store,
) {
    funded(&store, &["acme"]).await;
    for number in 1..=5_u64 {
        let call = number.into();
        one(&store, place(call, "acme", 30)).await;
        one(&store, answered(call, Some("acme"), 100)).await;
        let mut end = close(call, "acme", number);
        if let Command::Close { cdr, .. } = &mut end {
            cdr.called = Some("+37120000001".parse().unwrap());
            cdr.organizer = Some(UserId(9));
            cdr.decision = (number > 2).then(|| Decision {
                allowed: true,
                rule: "any".into(),
                version: "1".into(),
            });
        }
        one(&store, end).await;
    }
    let mut held = release(9, "acme");
    if let Command::Release { cdr } = &mut held {
        cdr.called = Some("+37120000009".parse().unwrap());
        cdr.organization = Some(organization("acme").id);
        cdr.trunk = String::new();
        cdr.ending.label = "country_unapproved".into();
        cdr.decision = Some(Decision { allowed: true, rule: "any".into(), version: "1".into() });
    }
    one(&store, held).await;
    let start = (UnixTime { micros: i64::MIN }, CallId(0));
    let first = store.outlays(start, 2).await.unwrap();
    let charges = |page: &[Outlay]| page.iter().map(|row| row.charge).collect::<Vec<_>>();
    assert_eq!(charges(&first), [money("0.03"), money("0.04")]);
    let row = first[1];
    assert_eq!((row.organizer, row.organization), (UserId(9), organization("acme").id));
    assert_eq!(row.called, "+37120000001".parse().unwrap());
    assert_eq!(row.ended.since(row.begun), std::time::Duration::from_secs(4));
    let rest = store.outlays((row.written, row.call), 2).await.unwrap();
    assert_eq!(charges(&rest), [money("0.05")]);
    let waiting = store.unapproved(start.0, 9).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].called, "+37120000009".parse().unwrap());
    assert_eq!(store.unapproved(now().after(1), 9).await.unwrap(), []);
}
