//! Random orders of commands against a second, simpler opinion: plain integers and loops. The
//! numbers are those of charging.md, "Invariants".
#![expect(clippy::unwrap_used, reason = "a broken expectation fails the test")]

mod world;

use std::collections::BTreeMap;

use credits::{Answer, Book, Command, CreditRefusal, Epoch, HoldState, OpenLeg};
use model::{AccountId, CallId, HoldId, Instant, Money, Rate, RateVersion, SecondsRule, UnixTime};
use proptest::prelude::*;

use world::{NOW, cdr, currency, leg, organization, rate};

const SECOND: u64 = 1_000_000;
const CALLS: u128 = 6;
const PAYERS: u128 = 2;

/// What may be asked, in small numbers.
#[derive(Debug, Clone)]
enum Step {
    TopUp { payer: u128, reference: u8, micros: i64 },
    Place { call: u128, payer: u128, rate: usize, covers: u32, wanted: u32 },
    Answered { call: u128 },
    Roll { call: u128, skip: u32, used: u64, wanted: u32 },
    Close { call: u128, used: u64 },
    Release { call: u128 },
    Crash { after: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (call, payer) = (0..CALLS, 0..PAYERS);
    let used = prop_oneof![0..200 * SECOND, (0..200_u64).prop_map(|secs| secs * SECOND)];
    prop_oneof![
        2 => (payer.clone(), 0..12_u8, -10_i64..3_000_000)
            .prop_map(|(payer, reference, micros)| Step::TopUp { payer, reference, micros }),
        4 => (call.clone(), payer, 0..RATES, 0..90_u32, 0..90_u32).prop_map(
            |(call, payer, rate, covers, wanted)| {
                Step::Place { call, payer, rate, covers: covers.saturating_sub(60), wanted }
            }
        ),
        1 => call.clone().prop_map(|call| Step::Answered { call }),
        6 => (call.clone(), 0..8_u32, used.clone(), 0..90_u32).prop_map(
            |(call, skip, used, wanted)| {
                Step::Roll { call, skip: skip.saturating_sub(6), used, wanted }
            }
        ),
        3 => (call.clone(), used).prop_map(|(call, used)| Step::Close { call, used }),
        1 => call.prop_map(|call| Step::Release { call }),
        1 => (0..100 * SECOND).prop_map(|after| Step::Crash { after }),
    ]
}

const RATES: usize = 5;

/// The rates as integers: price per minute, fee, minimum (millionths), initial, subsequent.
const PLAIN: [(i64, i64, i64, u32, u32); RATES] = [
    (600_000, 0, 0, 1, 1),
    (500_000, 0, 0, 60, 60),
    (123_457, 10_000, 0, 30, 6),
    (700_001, 50_000, 400_000, 7, 3),
    (0, 0, 0, 60, 1),
];
const ROUNDINGS: [SecondsRule; RATES] = [
    SecondsRule::Nearest,
    SecondsRule::Up,
    SecondsRule::Down,
    SecondsRule::Nearest,
    SecondsRule::Up,
];

fn rate_of(index: usize) -> Rate {
    let (per_minute, fee, minimum, initial, subsequent) = PLAIN[index];
    let text = Money::from_micros(per_minute).to_string();
    Rate {
        version: RateVersion(index as u64),
        fee: Money::from_micros(fee),
        minimum: Money::from_micros(minimum),
        rounding: ROUNDINGS[index],
        ..rate(&text, initial, subsequent)
    }
}

/// The second opinion on a price, in millionths.
fn price(index: usize, secs: u32) -> i64 {
    let (per_minute, fee, minimum, initial, subsequent) = PLAIN[index];
    let mut paid = initial;
    while paid < secs {
        paid += subsequent;
    }
    let twice = 2 * per_minute * i64::from(paid);
    (fee + (twice + 60) / 120).max(minimum)
}

fn whole_secs(index: usize, micros: u64) -> u32 {
    let secs = match ROUNDINGS[index] {
        SecondsRule::Nearest => (micros + SECOND / 2) / SECOND,
        SecondsRule::Up => micros.div_ceil(SECOND),
        SecondsRule::Down => micros / SECOND,
    };
    u32::try_from(secs).unwrap()
}

/// What the second opinion expects to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Funded { until: u32, amount: i64, left: i64 },
    Closed { charge: i64 },
    Stands { left: i64 },
    Noted,
    Refused(CreditRefusal),
}

#[derive(Debug, Clone, Default)]
struct Purse {
    granted: i64,
    captured: i64,
    held: i64,
    bought: BTreeMap<u8, i64>,
}

impl Purse {
    fn left(&self) -> i64 {
        self.granted - self.captured - self.held
    }
}

#[derive(Debug, Clone)]
struct Slice {
    until: u32,
    amount: i64,
    asked: (u32, u32),
    open: bool,
}

#[derive(Debug, Clone)]
struct Life {
    payer: u128,
    rate: usize,
    slices: Vec<Slice>,
    captured: i64,
    epoch: u64,
    answered: bool,
    end: Option<(&'static str, u64, i64)>,
}

#[derive(Debug, Clone)]
struct Plain {
    purses: [Purse; PAYERS as usize],
    lives: BTreeMap<u128, Life>,
    epoch: u64,
}

impl Plain {
    fn purse(&mut self, payer: u128) -> &mut Purse {
        &mut self.purses[usize::try_from(payer).unwrap()]
    }

    fn burn(&self, payer: u128) -> i64 {
        let live = self.lives.values().filter(|life| life.payer == payer && life.end.is_none());
        live.map(|life| (PLAIN[life.rate].0 + 59) / 60).sum()
    }

    fn top_up(&mut self, payer: u128, reference: u8, micros: i64) -> Heard {
        let purse = self.purse(payer);
        match purse.bought.get(&reference) {
            Some(before) if *before == micros => {}
            Some(_) => return Heard::Refused(CreditRefusal::Conflict),
            None if micros <= 0 => return Heard::Refused(CreditRefusal::BadAmount),
            None => {
                purse.bought.insert(reference, micros);
                purse.granted += micros;
            }
        }
        Heard::Stands { left: purse.left() }
    }

    fn place(&mut self, call: u128, (payer, rate): (u128, usize), asked: (u32, u32)) -> Heard {
        if let Some(life) = self.lives.get(&call) {
            if life.end.is_some() {
                return Heard::Refused(CreditRefusal::UnknownLeg);
            }
            if (life.payer, life.rate) != (payer, rate) || life.slices[0].asked != asked {
                return Heard::Refused(CreditRefusal::Conflict);
            }
            return self.stored(call, 0);
        }
        let (epoch, slices) = (self.epoch, Vec::new());
        let life = Life { payer, rate, slices, captured: 0, epoch, answered: false, end: None };
        self.lives.insert(call, life);
        let heard = self.fund(call, asked, 0);
        if matches!(heard, Heard::Refused(_)) {
            self.lives.remove(&call);
        }
        heard
    }

    fn roll(&mut self, call: u128, sequence: usize, used: u64, wanted: u32) -> Heard {
        let Some(life) = self.lives.get(&call).filter(|life| life.end.is_none()) else {
            return Heard::Refused(CreditRefusal::UnknownLeg);
        };
        if sequence < life.slices.len() {
            let same = life.slices[sequence].asked == (0, wanted);
            let refused = Heard::Refused(CreditRefusal::Conflict);
            return if same { self.stored(call, sequence) } else { refused };
        }
        let running = |slice: &&Slice| slice.open && u64::from(slice.until) * SECOND > used;
        let open = life.slices.iter().filter(running).count();
        if sequence > life.slices.len() || open >= credits::OPEN_HOLDS {
            return Heard::Refused(CreditRefusal::Conflict);
        }
        let heard = self.fund(call, (0, wanted), open);
        if let Heard::Funded { until, amount, .. } = heard {
            let life = self.lives.get_mut(&call).unwrap();
            let (payer, mut used_up) = (life.payer, 0);
            let last = life.slices.len() - 1;
            for slice in life.slices[..last].iter_mut().filter(|slice| slice.open) {
                if u64::from(slice.until) * SECOND <= used {
                    slice.open = false;
                    used_up += slice.amount;
                }
            }
            life.captured += used_up;
            self.purse(payer).captured += used_up;
            self.purse(payer).held -= used_up;
            return Heard::Funded { until, amount, left: self.purse(payer).left() };
        }
        heard
    }

    /// Tries whole increments, the wanted ones first, one fewer each time.
    fn fund(&mut self, call: u128, (covers, wanted): (u32, u32), open: usize) -> Heard {
        let life = self.lives[&call].clone();
        let (_, _, _, initial, subsequent) = PLAIN[life.rate];
        let from = life.slices.last().map_or(0, |slice| slice.until);
        let spent = if from == 0 { 0 } else { price(life.rate, from) };
        let (left, burn) = (self.purse(life.payer).left(), self.burn(life.payer));
        let spread = burn > 0 && open < credits::UNSHRUNK_HOLDS;
        let fair = if !spread { wanted.into() } else { (left / (4 * burn)).min(wanted.into()) };
        let aim = from.max(covers) + u32::try_from(fair).unwrap();
        let mut ends = vec![if from == 0 { initial } else { from + subsequent }];
        while *ends.last().unwrap() < covers {
            ends = vec![ends[0] + subsequent];
        }
        while *ends.last().unwrap() < aim {
            ends.push(ends.last().unwrap() + subsequent);
        }
        let carried = |end: &&u32| price(life.rate, **end) - spent <= left;
        let Some(until) = ends.iter().rev().find(carried).copied() else {
            return Heard::Refused(CreditRefusal::InsufficientCredit);
        };
        let amount = price(life.rate, until) - spent;
        self.purse(life.payer).held += amount;
        let slice = Slice { until, amount, asked: (covers, wanted), open: true };
        self.lives.get_mut(&call).unwrap().slices.push(slice);
        Heard::Funded { until, amount, left: self.purse(life.payer).left() }
    }

    fn stored(&mut self, call: u128, sequence: usize) -> Heard {
        let life = self.lives[&call].clone();
        let Slice { until, amount, .. } = life.slices[sequence];
        Heard::Funded { until, amount, left: self.purse(life.payer).left() }
    }

    fn end(&mut self, call: u128, how: &'static str, used: u64) -> Heard {
        let Some(life) = self.lives.get(&call).cloned() else {
            let (slices, end) = (Vec::new(), Some((how, used, 0)));
            let epoch = self.epoch;
            let life = Life { payer: 0, rate: 4, slices, captured: 0, epoch, answered: false, end };
            self.lives.insert(call, life);
            return Heard::Closed { charge: 0 };
        };
        if let Some((before, with, charge)) = life.end {
            let same = before == how && with == used;
            let refused = Heard::Refused(CreditRefusal::Conflict);
            return if same { Heard::Closed { charge } } else { refused };
        }
        let held: i64 = life.slices.iter().filter(|s| s.open).map(|s| s.amount).sum();
        let funded = life.slices.last().unwrap().until;
        let secs = whole_secs(life.rate, used.min(u64::from(funded) * SECOND));
        let charge = match how {
            "released" => life.captured,
            _ => price(life.rate, secs).max(life.captured),
        };
        self.purse(life.payer).held -= held;
        self.purse(life.payer).captured += charge - life.captured;
        let life = self.lives.get_mut(&call).unwrap();
        life.end = Some((how, used, charge));
        for slice in &mut life.slices {
            slice.open = false;
        }
        Heard::Closed { charge }
    }

    /// Settles everybody: each was answered at 0, if at all.
    fn crash(&mut self, heartbeat: u64) {
        self.epoch += 1;
        let live: Vec<u128> =
            self.lives.iter().filter(|l| l.1.end.is_none()).map(|l| *l.0).collect();
        for call in live {
            let life = &self.lives[&call];
            let funded = u64::from(life.slices.last().unwrap().until) * SECOND;
            let (how, used) = if life.answered { ("closed", heartbeat) } else { ("released", 0) };
            self.end(call, how, used.min(funded));
            if let Some(end) = &mut self.lives.get_mut(&call).unwrap().end {
                end.0 = "settled";
            }
        }
    }
}

/// Both opinions, asked the same.
struct Both {
    book: Book,
    epoch: Epoch,
    plain: Plain,
    now: UnixTime,
}

impl Both {
    fn new() -> Self {
        let mut book = Book::new();
        for payer in 0..PAYERS {
            book.open_account(organization(payer), "payer", currency());
        }
        let epoch = book.begin_epoch("n1");
        let plain = Plain { purses: Default::default(), lives: BTreeMap::new(), epoch: 1 };
        Self { book, epoch, plain, now: NOW }
    }

    fn run(&mut self, step: &Step) {
        let Some((command, expected)) = self.ask(step) else { return };
        let before = self.book.clone();
        let answer = self.book.commit(std::slice::from_ref(&command), self.now).remove(0);
        assert_eq!(heard(&answer), expected, "{step:?}: {answer:?}");
        self.replay(&command, &answer);
        self.isolated(&before, &answer);
        richer_is_never_worse(&before, &command, &answer, self.now);
        self.invariants();
        self.now.micros +=
            [3_600_000_000, -3_600_000_000, 1][usize::try_from(self.now.micros % 3).unwrap()];
    }

    fn ask(&mut self, step: &Step) -> Option<(Command, Heard)> {
        let plain = &mut self.plain;
        Some(match *step {
            Step::TopUp { payer, reference, micros } => {
                let (account, amount) = (AccountId(payer), Money::from_micros(micros));
                let text = reference.to_string();
                let command = Command::TopUp { account, reference: text, amount, at: self.now };
                (command, plain.top_up(payer, reference, micros))
            }
            Step::Place { call, payer, rate, covers, wanted } => {
                let expected = plain.place(call, (payer, rate), (covers, wanted));
                let epoch = plain.lives.get(&call).map_or(plain.epoch, |life| life.epoch);
                if epoch != plain.epoch {
                    return None;
                }
                let leg = Box::new(leg(call, epoch, Some((payer, rate_of(rate)))));
                let hold = HoldId { leg: CallId(call), sequence: 0 };
                (Command::Place { hold, leg, covers_secs: covers, wanted_secs: wanted }, expected)
            }
            Step::Answered { call } => {
                let life = plain.lives.get_mut(&call).filter(|life| life.end.is_none())?;
                life.answered = true;
                let terms = (life.payer, rate_of(life.rate));
                let answered = Some(Instant { micros: 0 });
                let leg = OpenLeg { answered, ..leg(call, plain.epoch, Some(terms)) };
                (Command::Answered { leg: Box::new(leg) }, Heard::Noted)
            }
            Step::Roll { call, skip, used, wanted } => {
                let next = plain.lives.get(&call).map_or(0, |life| life.slices.len());
                let sequence = u32::try_from(next).unwrap() + skip;
                let sequence = if skip == 1 { sequence.saturating_sub(2) } else { sequence };
                if sequence == 0 {
                    return None;
                }
                let hold = HoldId { leg: CallId(call), sequence };
                let epoch = self.epoch.clone();
                let command = Command::Roll { hold, epoch, used_micros: used, wanted_secs: wanted };
                (command, plain.roll(call, sequence as usize, used, wanted))
            }
            Step::Close { call, used } => {
                let cdr = Box::new(cdr(call, None));
                (Command::Close { used_micros: used, cdr }, plain.end(call, "closed", used))
            }
            Step::Release { call } => {
                let cdr = Box::new(cdr(call, None));
                (Command::Release { cdr }, plain.end(call, "released", 0))
            }
            Step::Crash { after } => {
                self.book.beat(&self.epoch, Instant { micros: after });
                let next = self.book.begin_epoch("n1");
                let old = std::mem::replace(&mut self.epoch, next);
                plain.crash(after);
                self.book.settle(&self.epoch, self.now);
                self.fenced(old);
                self.invariants();
                return None;
            }
        })
    }

    /// 4: a replay is once.
    fn replay(&mut self, command: &Command, answer: &Answer) {
        let before = self.book.accounts();
        let again = self.book.commit(std::slice::from_ref(command), self.now).remove(0);
        assert_eq!(again, *answer);
        assert_eq!(self.book.accounts(), before);
    }

    /// 10: after a settlement, nothing by the old epoch succeeds.
    fn fenced(&mut self, epoch: Epoch) {
        let hold = HoldId { leg: CallId(1), sequence: 1 };
        let roll = Command::Roll { hold, epoch: epoch.clone(), used_micros: 1, wanted_secs: 1 };
        let hold = HoldId { leg: CallId(77), sequence: 0 };
        let leg = Box::new(leg(77, epoch.number, Some((0, rate_of(0)))));
        let place = Command::Place { hold, leg, covers_secs: 0, wanted_secs: 1 };
        for answer in self.book.commit(&[roll, place], self.now) {
            assert_eq!(heard(&answer), Heard::Refused(CreditRefusal::Fenced));
        }
    }

    /// 12: what is done on one account changes no other.
    fn isolated(&self, before: &Book, answer: &Answer) {
        let own = match answer {
            Answer::Funded { standing, .. } | Answer::Stands(standing) => Some(standing.account),
            Answer::Closed { standing, .. } => standing.map(|standing| standing.account),
            Answer::Noted | Answer::Refused { .. } => None,
        };
        for (old, new) in before.accounts().iter().zip(self.book.accounts()) {
            assert!(own == Some(old.organization.account()) || *old == new);
        }
    }

    /// 1, 2, 3, 6 and 15.
    fn invariants(&self) {
        for (view, purse) in self.book.accounts().iter().zip(&self.plain.purses) {
            let sums = [view.granted, view.captured, view.held].map(Money::micros);
            assert_eq!(sums, [purse.granted, purse.captured, purse.held]);
            assert_eq!(view.available.micros(), purse.left());
            assert!(purse.left() >= 0, "no overdraft");
            let burn = self.plain.burn(view.organization.account().0);
            assert_eq!(view.burn_per_sec.micros(), burn);
        }
        let (mut held, mut captured) = (0, 0);
        for (call, life) in &self.plain.lives {
            let case = self.book.case(&CallId(*call).to_string()).unwrap();
            for (hold, slice) in case.holds.iter().zip(&life.slices) {
                assert_eq!(hold.state == HoldState::Open, slice.open);
                assert!(hold.captured <= hold.amount);
                held += if slice.open { slice.amount } else { 0 };
            }
            let entries: i64 = case.entries.iter().map(|entry| -entry.amount.micros()).sum();
            captured += entries;
            if let Some((_, _, charge)) = life.end {
                assert_eq!(entries, charge);
                let cdr = case.cdr.unwrap();
                assert_eq!(cdr.charge.micros(), charge);
                if charge > 0 {
                    let billed = u32::try_from(cdr.billed_secs).unwrap();
                    assert_eq!(price(life.rate, billed), charge, "the record tells the charge");
                }
            }
        }
        assert_eq!(held, self.plain.purses.iter().map(|purse| purse.held).sum::<i64>());
        assert_eq!(captured, self.plain.purses.iter().map(|purse| purse.captured).sum::<i64>());
    }
}

/// 11: with more credit on the same state, a yes stays a yes and reaches at least as far.
fn richer_is_never_worse(before: &Book, command: &Command, answer: &Answer, now: UnixTime) {
    let Answer::Funded { funded_secs, standing, .. } = answer else { return };
    let mut richer = before.clone();
    let (account, reference) = (standing.account, "gift".to_owned());
    let gift = Command::TopUp { account, reference, amount: Money::from_micros(777_777), at: now };
    let answers = richer.commit(&[gift, command.clone()], now);
    let Answer::Funded { funded_secs: further, .. } = answers[1] else {
        panic!("a top-up turned a yes into {:?}", answers[1]);
    };
    assert!(further >= *funded_secs);
}

fn heard(answer: &Answer) -> Heard {
    match answer {
        Answer::Funded { funded_secs, amount, standing, .. } => Heard::Funded {
            until: *funded_secs,
            amount: amount.micros(),
            left: standing.available.micros(),
        },
        Answer::Closed { charge, .. } => Heard::Closed { charge: charge.micros() },
        Answer::Noted => Heard::Noted,
        Answer::Stands(standing) => Heard::Stands { left: standing.available.micros() },
        Answer::Refused { refusal, .. } => Heard::Refused(*refusal),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_book_agrees_with_plain_integers_step_by_step(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut both = Both::new();
        for step in &steps {
            both.run(step);
        }
        for call in 0..CALLS {
            both.run(&Step::Release { call });
        }
        for view in both.book.accounts() {
            prop_assert_eq!((view.held, view.burn_per_sec), (Money::ZERO, Money::ZERO));
        }
        prop_assert_eq!(both.book.open_legs().len(), 0);
    }

    #[test]
    fn slicing_never_changes_the_price(
        index in 0..RATES,
        cuts in prop::collection::vec(0..90_u32, 0..12),
        used in 0..400 * SECOND,
    ) {
        let mut both = Both::new();
        both.run(&Step::TopUp { payer: 0, reference: 1, micros: 900_000_000 });
        let place = |wanted| Step::Place { call: 0, payer: 0, rate: index, covers: 0, wanted };
        both.run(&place(cuts.first().copied().unwrap_or(30)));
        for wanted in cuts.iter().skip(1) {
            let used = u64::from(both.plain.lives[&0].slices.last().unwrap().until) * SECOND;
            both.run(&Step::Roll { call: 0, skip: 0, used, wanted: *wanted });
        }
        let slices = &both.plain.lives[&0].slices;
        let funded = u64::from(slices.last().unwrap().until) * SECOND;
        let least = slices.iter().rev().nth(1).map_or(0, |slice| u64::from(slice.until) * SECOND);
        let used = used.clamp(least, funded);
        both.run(&Step::Close { call: 0, used });
        let charged = both.book.cdrs(1)[0].charge.micros();
        prop_assert_eq!(charged, price(index, whole_secs(index, used)));
    }

    #[test]
    fn k_simultaneous_holds_never_pass_more_than_the_balance_carries(
        index in 0..4_usize,
        micros in 1..5_000_000_i64,
        asked in 1..20_u128,
    ) {
        let mut both = Both::new();
        both.run(&Step::TopUp { payer: 0, reference: 1, micros });
        let place = |call| {
            let leg = Box::new(leg(call, 1, Some((0, rate_of(index)))));
            let hold = HoldId { leg: CallId(call), sequence: 0 };
            Command::Place { hold, leg, covers_secs: 0, wanted_secs: 0 }
        };
        let batch: Vec<Command> = (100..100 + asked).map(place).collect();
        let answers = both.book.commit(&batch, NOW);
        let passed = answers.iter().filter(|answer| matches!(answer, Answer::Funded { .. }));
        let most = i128::from(micros / price(index, 0)).min(i128::try_from(asked).unwrap());
        prop_assert_eq!(i128::try_from(passed.count()).unwrap(), most);
    }
}
