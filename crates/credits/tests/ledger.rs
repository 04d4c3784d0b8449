//! The ledger as tables of text: what is asked → what the book says. Cases of charging.md, and
//! the mistakes of others, each a story.
#![expect(clippy::unwrap_used, reason = "a broken story fails the test")]

mod world;

use std::collections::BTreeMap;
use std::fmt::Write;

use credits::{Answer, Book, Command, Epoch, OpenLeg, Standing};
use model::{AccountId, HoldId, Instant, Money, Rate, SecondsRule};

use world::{NOW, cdr, currency, leg, organization, rate};

#[test]
fn a_leg_is_paid_slice_by_slice_and_never_ahead_of_its_use() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 10.00 by wire → available 10.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 30 → placed 0.30 until 30, available 9.70
        answer L1 at 100 → noted
        show A1 → granted 10.00, captured 0.00, held 0.30, available 9.70, burn 0.01
        roll L1/1 used 15 wanted 30 → placed 0.30 until 60, available 9.40
        show A1 → granted 10.00, captured 0.00, held 0.60, available 9.40, burn 0.01
        roll L1/2 used 45 wanted 30 → placed 0.30 until 90, available 9.10
        show A1 → granted 10.00, captured 0.30, held 0.60, available 9.10, burn 0.01
        close L1 used 61.4 → charged 0.61, fee 0.00, billed 61, available 9.39
        show A1 → granted 10.00, captured 0.61, held 0.00, available 9.39, burn 0.00
        entries A1 → 10.00 -0.30 -0.30 -0.01
        ",
    );
}

#[test]
fn exact_prices_stay_exact() {
    tells(
        "
        rate R 0.50 60/60
        top-up A1 500.00 by wire → available 500.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 60 → placed 0.50 until 60, available 499.50
        close L1 used 60 → charged 0.50, fee 0.00, billed 60, available 499.50
        rate R25 25.00 60/60
        hold L2/0 A1 R25 wanted 60 → placed 25.00 until 60, available 474.50
        close L2 used 3 → charged 25.00, fee 0.00, billed 60, available 474.50
        rate S 0.50 1/1
        hold L3/0 A1 S wanted 7 → placed 0.058333 until 7, available 474.441667
        roll L3/1 used 7 wanted 13 → placed 0.108334 until 20, available 474.333333
        roll L3/2 used 20 wanted 40 → placed 0.333333 until 60, available 474.00
        close L3 used 60 → charged 0.50, fee 0.00, billed 60, available 474.00
        ",
    );
}

#[test]
fn simultaneous_calls_share_one_balance_and_none_passes_unheld() {
    tells(
        "
        rate R 0.30 60/60
        top-up A1 0.70 by wire → available 0.70, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 60 → placed 0.30 until 60, available 0.40
        hold L2/0 A1 R wanted 60 → placed 0.30 until 60, available 0.10
        hold L3/0 A1 R wanted 60 → refused InsufficientCredit, available 0.10
        hold L4/0 A1 R wanted 60 → refused InsufficientCredit, available 0.10
        show A1 → granted 0.70, captured 0.00, held 0.60, available 0.10, burn 0.01
        release L1 → released 0.00, available 0.40
        hold L3/0 A1 R wanted 60 → placed 0.30 until 60, available 0.10
        ",
    );
}

#[test]
fn a_refused_extension_leaves_the_leg_its_paid_time_and_a_top_up_rescues_it() {
    tells(
        "
        rate R 0.60 6/6
        top-up A1 0.09 by wire → available 0.09, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 60 → placed 0.06 until 6, available 0.03
        roll L1/1 used 1 wanted 60 → refused InsufficientCredit, available 0.03
        roll L1/1 used 2 wanted 60 → refused InsufficientCredit, available 0.03
        show A1 → granted 0.09, captured 0.00, held 0.06, available 0.03, burn 0.01
        top-up A1 1.00 by card → available 1.03, held 0.06, burn 0.01
        roll L1/1 used 3 wanted 60 → placed 0.30 until 36, available 0.73
        close L1 used 36 → charged 0.36, fee 0.00, billed 36, available 0.73
        ",
    );
}

#[test]
fn slices_shrink_so_that_nobody_starves_the_others() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 4.00 by wire → available 4.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 60 → placed 0.60 until 60, available 3.40
        hold L2/0 A1 R wanted 60 → placed 0.42 until 42, available 2.98
        hold L3/0 A1 R wanted 60 → placed 0.24 until 24, available 2.74
        roll L3/1 used 24 wanted 60 → placed 0.22 until 46, available 2.52
        release L1 → released 0.00, available 3.12
        roll L2/1 used 30 wanted 60 → placed 0.39 until 81, available 2.73
        ",
    );
}

#[test]
fn a_place_or_roll_takes_what_credit_carries_down_to_one_increment() {
    tells(
        "
        rate R 0.60 6/6
        rate DEAR 6.00 60/60
        top-up A1 0.20 by wire → available 0.20, held 0.00, burn 0.00
        hold L1/0 A1 DEAR wanted 60 → refused InsufficientCredit, available 0.20
        hold L1/0 A1 R covers 14 wanted 60 → placed 0.18 until 18, available 0.02
        roll L1/1 used 14 wanted 60 → refused InsufficientCredit, available 0.02
        top-up A1 0.04 by coin → available 0.06, held 0.18, burn 0.01
        roll L1/1 used 15 wanted 60 → placed 0.06 until 24, available 0.00
        close L1 used 99 → charged 0.24, fee 0.00, billed 24, available 0.00
        ",
    );
}

#[test]
fn time_already_served_is_covered_or_the_leg_is_refused() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 0.45 by wire → available 0.45, held 0.00, burn 0.00
        hold L1/0 A1 R covers 46 wanted 30 → refused InsufficientCredit, available 0.45
        hold L2/0 A1 R covers 40 wanted 30 → placed 0.45 until 45, available 0.00
        close L2 used 44 → charged 0.44, fee 0.00, billed 44, available 0.01
        ",
    );
}

#[test]
fn whoever_never_was_answered_pays_nothing_and_leaves_no_phantom() {
    tells(
        "
        rate R 0.60 60/60 fee 0.25
        top-up A1 5.00 by wire → available 5.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 60 → placed 0.85 until 60, available 4.15
        release L1 → released 0.00, available 5.00
        release L1 → released 0.00, available 5.00
        roll L1/1 used 1 wanted 60 → refused UnknownLeg, available 5.00
        hold L1/0 A1 R wanted 60 → refused UnknownLeg, available 5.00
        close L1 used 60 → refused Conflict, available 5.00
        release L9 → released 0.00
        hold L9/0 A1 R wanted 60 → refused UnknownLeg, available 5.00
        show A1 → granted 5.00, captured 0.00, held 0.00, available 5.00, burn 0.00
        ",
    );
}

#[test]
fn an_answered_leg_pays_its_fee_its_initial_increment_and_the_minimum() {
    tells(
        "
        rate R 0.60 60/6 fee 0.25
        rate M 0.60 60/6 fee 0.25 minimum 1.00
        top-up A1 9.00 by wire → available 9.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 30 → placed 0.85 until 60, available 8.15
        close L1 used 0 → charged 0.85, fee 0.25, billed 60, available 8.15
        hold L2/0 A1 R wanted 70 → placed 0.97 until 72, available 7.18
        close L2 used 60.5 → charged 0.91, fee 0.25, billed 66, available 7.24
        hold L3/0 A1 M wanted 60 → placed 1.00 until 60, available 6.24
        roll L3/1 used 60 wanted 6 → placed 0.00 until 66, available 6.24
        roll L3/2 used 66 wanted 18 → placed 0.09 until 84, available 6.15
        close L3 used 84 → charged 1.09, fee 0.25, billed 84, available 6.15
        entries A1 → 9.00 -0.85 -0.91 -1.00 -0.09
        ",
    );
}

#[test]
fn seconds_follow_the_tariff_but_never_past_what_is_funded() {
    tells(
        "
        rate UP 0.60 1/1 up
        rate DOWN 0.60 1/1 down
        top-up A1 9.00 by wire → available 9.00, held 0.00, burn 0.00
        hold L1/0 A1 UP wanted 10 → placed 0.10 until 10, available 8.90
        close L1 used 9.000001 → charged 0.10, fee 0.00, billed 10, available 8.90
        hold L2/0 A1 UP wanted 10 → placed 0.10 until 10, available 8.80
        close L2 used 10.02 → charged 0.10, fee 0.00, billed 10, available 8.80
        hold L3/0 A1 DOWN wanted 10 → placed 0.10 until 10, available 8.70
        close L3 used 9.999999 → charged 0.09, fee 0.00, billed 9, available 8.71
        ",
    );
}

#[test]
fn everything_counts_once_by_its_id() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 1.00 by wire → available 1.00, held 0.00, burn 0.00
        top-up A1 1.00 by wire → available 1.00, held 0.00, burn 0.00
        top-up A1 2.00 by wire → refused Conflict, available 1.00
        top-up A1 0.00 by zero → refused BadAmount, available 1.00
        top-up A1 -5.00 by debt → refused BadAmount, available 1.00
        top-up A9 5.00 by wire → refused UnknownAccount
        hold L1/0 A1 R wanted 10 → placed 0.10 until 10, available 0.90
        hold L1/0 A1 R wanted 10 → placed 0.10 until 10, available 0.90
        hold L1/0 A1 R wanted 11 → refused Conflict, available 0.90
        hold L1/1 A1 R wanted 10 → refused Conflict, available 0.90
        roll L1/1 used 5 wanted 10 → placed 0.10 until 20, available 0.80
        roll L1/0 used 6 wanted 10 → placed 0.10 until 10, available 0.80
        roll L1/1 used 15 wanted 10 → placed 0.10 until 20, available 0.80
        roll L1/1 used 15 wanted 12 → refused Conflict, available 0.80
        roll L1/3 used 15 wanted 10 → refused Conflict, available 0.80
        roll L1/2 used 9 wanted 10 → placed 0.10 until 30, available 0.70
        close L1 used 12 → charged 0.12, fee 0.00, billed 12, available 0.88
        close L1 used 12 → charged 0.12, fee 0.00, billed 12, available 0.88
        close L1 used 13 → refused Conflict, available 0.88
        ",
    );
}

#[test]
fn legs_that_need_no_credit_touch_no_account() {
    tells(
        "
        top-up A1 1.00 by wire → available 1.00, held 0.00, burn 0.00
        open L1 → noted
        open L1 → noted
        answer L1 at 7 → noted
        answer L1 at 8 → refused Conflict
        roll L1/1 used 5 wanted 10 → refused Conflict
        close L1 used 600 → charged 0.00, fee 0.00, billed 0
        show A1 → granted 1.00, captured 0.00, held 0.00, available 1.00, burn 0.00
        ",
    );
}

#[test]
fn a_caller_opened_unpaid_gets_terms_once_identified() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 1.00 by wire → available 1.00, held 0.00, burn 0.00
        open L1 → noted
        answer L1 at 7 → noted
        hold L1/0 A1 R covers 20 wanted 10 → placed 0.30 until 30, available 0.70
        close L1 used 25 → charged 0.25, fee 0.00, billed 25, available 0.75
        ",
    );
}

#[test]
fn a_crash_costs_what_the_heartbeat_saw() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 5.00 by wire → available 5.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 30 → placed 0.30 until 30, available 4.70
        hold L2/0 A1 R wanted 30 → placed 0.30 until 30, available 4.40
        hold L3/0 A1 R wanted 5 → placed 0.05 until 5, available 4.35
        open L4 → noted
        answer L1 at 100 → noted
        answer L3 at 100 → noted
        crash at 112.4 → settled L1 0.12, L2 0.00, L3 0.05, L4 0.00
        show A1 → granted 5.00, captured 0.17, held 0.00, available 4.83, burn 0.00
        roll L1/1 used 20 wanted 30 → refused Fenced, available 4.83
        hold L5/0 A1 R wanted 30 → refused Fenced, available 4.83
        close L1 used 20 → refused Conflict, available 4.83
        crash at 113 → settled nobody
        show A1 → granted 5.00, captured 0.17, held 0.00, available 4.83, burn 0.00
        ",
    );
}

#[test]
fn accounts_do_not_see_each_other() {
    tells(
        "
        rate R 0.60 1/1
        top-up A1 1.00 by wire → available 1.00, held 0.00, burn 0.00
        top-up A2 1.00 by wire → available 1.00, held 0.00, burn 0.00
        hold L1/0 A1 R wanted 100 → placed 0.25 until 25, available 0.75
        show A2 → granted 1.00, captured 0.00, held 0.00, available 1.00, burn 0.00
        hold L2/0 A2 R wanted 100 → placed 0.25 until 25, available 0.75
        close L1 used 5 → charged 0.05, fee 0.00, billed 5, available 0.95
        hold L2/0 A1 R wanted 100 → refused Conflict, available 0.95
        show A2 → granted 1.00, captured 0.00, held 0.25, available 0.75, burn 0.01
        ",
    );
}

/// Runs a story and compares every line's ending with what the book said.
fn tells(story: &str) {
    let mut stage = Stage::new();
    let (mut expected, mut told) = (String::new(), String::new());
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(" → ") {
            None => stage.define(line),
            Some((asked, _)) => {
                writeln!(expected, "{line}").unwrap();
                writeln!(told, "{asked} → {}", stage.ask(asked)).unwrap();
            }
        }
    }
    assert_eq!(expected, told, "\nexpected:\n{expected}\ntold:\n{told}");
}

struct Stage {
    book: Book,
    epoch: Epoch,
    rates: BTreeMap<String, Rate>,
    legs: BTreeMap<u128, OpenLeg>,
}

impl Stage {
    fn new() -> Self {
        let mut book = Book::new();
        book.open_account(organization(1), "first", currency());
        book.open_account(organization(2), "second", currency());
        let epoch = book.begin_epoch("n1");
        Self { book, epoch, rates: BTreeMap::new(), legs: BTreeMap::new() }
    }

    /// `rate R 0.60 60/6 fee 0.25 minimum 1.00 up`
    fn define(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (initial, subsequent) = words[3].split_once('/').unwrap();
        let (initial, subsequent) = (initial.parse().unwrap(), subsequent.parse().unwrap());
        let mut made = rate(words[2], initial, subsequent);
        made.fee = after(&words, "fee").map_or(Money::ZERO, |text| text.parse().unwrap());
        made.minimum = after(&words, "minimum").map_or(Money::ZERO, |text| text.parse().unwrap());
        made.rounding = match words.last() {
            Some(&"up") => SecondsRule::Up,
            Some(&"down") => SecondsRule::Down,
            Some(_) | None => SecondsRule::Nearest,
        };
        self.rates.insert(words[1].to_owned(), made);
    }

    fn ask(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let who = words[1];
        match words[0] {
            "show" => return self.show(number(who)),
            "entries" => return self.entries(number(who)),
            "crash" => return self.crash(micros(words[2])),
            _ => {}
        }
        let command = match words[0] {
            "top-up" => Command::TopUp {
                account: AccountId(number(who)),
                reference: words[4].to_owned(),
                amount: words[2].parse().unwrap(),
                at: NOW,
            },
            "hold" => {
                let rate = self.rates[words[3]];
                let leg = leg(hold(who).leg.0, self.epoch.number, Some((number(words[2]), rate)));
                self.legs.insert(leg.call.0, leg.clone());
                let covers_secs = after(&words, "covers").map_or(0, |text| text.parse().unwrap());
                let wanted_secs = after(&words, "wanted").unwrap().parse().unwrap();
                Command::Place { hold: hold(who), leg: Box::new(leg), covers_secs, wanted_secs }
            }
            "roll" => Command::Roll {
                hold: hold(who),
                epoch: self.epoch.clone(),
                used_micros: micros(after(&words, "used").unwrap()),
                wanted_secs: after(&words, "wanted").unwrap().parse().unwrap(),
            },
            "open" => {
                let leg = leg(number(who), self.epoch.number, None);
                self.legs.insert(leg.call.0, leg.clone());
                Command::Open { leg: Box::new(leg) }
            }
            "answer" => {
                let answered = Some(Instant { micros: micros(words[3]) });
                Command::Answered {
                    leg: Box::new(OpenLeg { answered, ..self.legs[&number(who)].clone() }),
                }
            }
            "close" => Command::Close {
                used_micros: micros(after(&words, "used").unwrap()),
                cdr: Box::new(self.record(number(who))),
            },
            "release" => Command::Release { cdr: Box::new(self.record(number(who))) },
            other => panic!("nobody asks {other}"),
        };
        let answer = self.book.commit(std::slice::from_ref(&command), NOW).remove(0);
        self.tell(&answer, words[0])
    }

    fn record(&self, call: u128) -> model::record::Cdr {
        cdr(call, self.legs.get(&call).and_then(|leg| leg.terms.as_ref()))
    }

    fn tell(&self, answer: &Answer, verb: &str) -> String {
        match answer {
            Answer::Funded { funded_secs, amount, standing, .. } => {
                format!("placed {amount} until {funded_secs}{}", available(Some(standing)))
            }
            Answer::Closed { charge, standing, .. } if verb == "release" => {
                format!("released {charge}{}", available(standing.as_ref()))
            }
            Answer::Closed { call, charge, standing } => {
                let case = self.book.case(&call.to_string()).unwrap();
                let cdr = case.cdr.unwrap();
                assert_eq!(cdr.charge, *charge);
                let (fee, billed) = (cdr.fee, cdr.billed_secs);
                let rest = available(standing.as_ref());
                format!("charged {charge}, fee {fee}, billed {billed}{rest}")
            }
            Answer::Noted => "noted".to_owned(),
            Answer::Stands(Standing { available, held, burn_per_sec, .. }) => {
                format!("available {available}, held {held}, burn {burn_per_sec}")
            }
            Answer::Refused { refusal, standing } => {
                format!("refused {refusal:?}{}", available(standing.as_ref()))
            }
        }
    }

    fn show(&self, account: u128) -> String {
        let view = self.book.account(organization(account)).unwrap();
        format!(
            "granted {}, captured {}, held {}, available {}, burn {}",
            view.granted, view.captured, view.held, view.available, view.burn_per_sec
        )
    }

    fn entries(&self, account: u128) -> String {
        let until = model::UnixTime { micros: i64::MAX };
        let entries = self.book.entries(AccountId(account), NOW, until);
        let amounts: Vec<_> = entries.iter().map(|entry| entry.amount.to_string()).collect();
        amounts.join(" ")
    }

    /// The node dies; its next life settles.
    fn crash(&mut self, at: u64) -> String {
        self.book.beat(&self.epoch, Instant { micros: at });
        let next = self.book.begin_epoch("n1");
        let settled = self.book.settle(&next, NOW);
        if settled.is_empty() {
            return "settled nobody".to_owned();
        }
        let told = settled.iter().map(|leg| {
            let cdr = self.book.case(&leg.call.to_string()).unwrap().cdr.unwrap();
            assert_eq!(cdr.ending.label, "node_crashed");
            format!("L{} {}", leg.call.0, cdr.charge)
        });
        format!("settled {}", told.collect::<Vec<_>>().join(", "))
    }
}

fn available(standing: Option<&Standing>) -> String {
    standing.map_or_else(String::new, |standing| format!(", available {}", standing.available))
}

fn after<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == name).map(|at| words[at + 1])
}

fn number(name: &str) -> u128 {
    name[1..].parse().unwrap()
}

fn hold(name: &str) -> HoldId {
    let (leg, sequence) = name.split_once('/').unwrap();
    HoldId { leg: model::CallId(number(leg)), sequence: sequence.parse().unwrap() }
}

/// Seconds with a fraction, as microseconds.
fn micros(text: &str) -> u64 {
    let seconds: Money = text.parse().unwrap();
    u64::try_from(seconds.micros()).unwrap()
}
