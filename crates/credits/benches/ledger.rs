//! What the ledger costs beside a bare sum: a whole charged call, and one price.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

#[path = "../tests/world/mod.rs"]
mod world;

use std::hint::black_box;

use credits::{Answer, Book, Command, charge};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use model::{CallId, HoldId, Instant, Money};

use world::{NOW, cdr, currency, leg, organization, rate};

fn calls(criterion: &mut Criterion) {
    let rate = rate("0.60", 1, 1);
    criterion.bench_function("bare sum of 60 slices", |bencher| {
        bencher.iter(|| (0..60_i64).fold(0, |sum, slice| black_box(sum + slice)));
    });
    criterion.bench_function("charge of 3600 s", |bencher| {
        bencher.iter(|| charge(black_box(&rate), black_box(3_600)));
    });
    criterion.bench_function("place, answered, roll, close", |bencher| {
        bencher.iter_batched(
            funded,
            |mut book| {
                for answer in book.commit(&story(), NOW) {
                    assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
                }
                book
            },
            BatchSize::SmallInput,
        );
    });
}

fn funded() -> Book {
    let mut book = Book::new();
    book.open_account(organization(1), "payer", currency());
    let (account, reference) = (organization(1).account(), "wire".to_owned());
    let amount = Money::from_micros(10_000_000);
    book.commit(&[Command::TopUp { account, reference, amount, at: NOW }], NOW);
    book
}

fn story() -> [Command; 4] {
    let mut leg = leg(1, 1, Some((1, rate("0.60", 1, 1))));
    let hold = |sequence| HoldId { leg: CallId(1), sequence };
    let place = Command::Place {
        hold: hold(0),
        leg: Box::new(leg.clone()),
        covers_secs: 0,
        wanted_secs: 30,
    };
    leg.answered = Some(Instant { micros: 5 });
    let (epoch, used_micros) = (leg.epoch.clone(), 15_000_000);
    let record = Box::new(cdr(1, leg.terms.as_ref()));
    [
        place,
        Command::Answered { leg: Box::new(leg) },
        Command::Roll { hold: hold(1), epoch, used_micros, wanted_secs: 30 },
        Command::Close { used_micros: 42_000_000, cdr: record },
    ]
}

criterion_group!(benches, calls);
criterion_main!(benches);
