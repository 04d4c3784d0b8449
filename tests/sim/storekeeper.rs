//! A store that is slow, fails, loses answers and is down at times, around the plain book.

use std::collections::BTreeMap;

use bridge::{StoreOutcome, StoreRequest};
use credits::{Book, Command};
use model::UnixTime;

use crate::dice::Dice;
use crate::plan::Plan;

/// When the shell gives up waiting, µs (`limits::STORE_PATIENCE`).
const PATIENCE: u64 = 2_000_000;

/// What happens to a request, at a time of its own.
#[derive(Debug)]
enum Step {
    /// It is committed and answered.
    Commit { request: u64, command: Box<Command> },
    /// It is committed; the answer is lost.
    CommitSilently { command: Box<Command> },
    /// The bridge is told that nobody knows.
    GiveUp { request: u64 },
}

/// The book and what is on its way to it.
#[derive(Debug)]
pub struct Keeper {
    /// The book itself; what it holds is durable.
    pub book: Book,
    plan: Plan,
    dice: Dice,
    steps: BTreeMap<(u64, u64), Step>,
    asked: u64,
    last_commit: u64,
}

impl Keeper {
    /// Makes an empty book behind the plan's faults.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            book: Book::new(),
            plan: plan.clone(),
            dice: Dice::new(plan.seed, 3),
            steps: BTreeMap::new(),
            asked: 0,
            last_commit: 0,
        }
    }

    /// Whether the store is down at `now` (µs).
    #[must_use]
    pub fn is_down(&self, now: u64) -> bool {
        self.plan.outages.iter().any(|o| (o.from_ms * 1_000..o.until_ms * 1_000).contains(&now))
    }

    /// Takes a request at `now` (µs).
    pub fn ask(&mut self, asked: StoreRequest, now: u64) {
        let StoreRequest { id: request, command, may_wait: _ } = asked;
        let command = Box::new(command);
        if self.is_down(now) || self.dice.chance(self.plan.failing) {
            let at = now + self.dice_delay().min(PATIENCE);
            self.plan_step(at, Step::GiveUp { request });
            return;
        }
        // Commits happen in the order of the questions, whatever becomes of the answers.
        let ready = (now + self.dice_delay()).max(self.last_commit);
        if self.dice.chance(self.plan.unanswered) {
            let late = ready + self.dice.below(3_000_000);
            self.last_commit = late;
            self.plan_step(late, Step::CommitSilently { command });
            self.plan_step(now + PATIENCE, Step::GiveUp { request });
            return;
        }
        self.last_commit = ready;
        if ready > now + PATIENCE {
            self.plan_step(ready, Step::CommitSilently { command });
            self.plan_step(now + PATIENCE, Step::GiveUp { request });
        } else {
            self.plan_step(ready, Step::Commit { request, command });
        }
    }

    /// Returns when something happens next, µs.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.steps.keys().next().map(|(at, _)| *at)
    }

    /// Lets what is due at `now` happen; returns the answers, and what was committed.
    pub fn act(
        &mut self,
        now: u64,
        unix: UnixTime,
    ) -> Option<(Option<(u64, StoreOutcome)>, String)> {
        let first = self.steps.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        Some(match first.remove() {
            Step::Commit { request, command } => {
                let answer = self.commit(&command, unix);
                let line = format!("book: {} -> {answer:?}", brief(&command));
                (Some((request, StoreOutcome::Answered(answer))), line)
            }
            Step::CommitSilently { command } => {
                let answer = self.commit(&command, unix);
                (None, format!("book: {} -> {answer:?}, answer lost", brief(&command)))
            }
            Step::GiveUp { request } => {
                (Some((request, StoreOutcome::Unknown)), format!("store: {request} unknown"))
            }
        })
    }

    /// The node died: what was on its way is committed or lost, by chance; nobody hears of it.
    pub fn crash(&mut self, unix: UnixTime) {
        for step in std::mem::take(&mut self.steps).into_values() {
            match step {
                Step::Commit { command, .. } | Step::CommitSilently { command } => {
                    if self.dice.chance(500) {
                        self.commit(&command, unix);
                    } else {
                        return;
                    }
                }
                Step::GiveUp { .. } => {}
            }
        }
    }

    fn commit(&mut self, command: &Command, unix: UnixTime) -> credits::Answer {
        let mut answers = self.book.commit(std::slice::from_ref(command), unix);
        answers.pop().expect("the book answers each command")
    }

    fn dice_delay(&mut self) -> u64 {
        self.dice.between(200, self.plan.store_ms.max(1) * 1_000)
    }

    fn plan_step(&mut self, at: u64, step: Step) {
        self.asked += 1;
        self.steps.insert((at, self.asked), step);
    }
}

/// Says in one line what a command is.
#[must_use]
pub fn brief(command: &Command) -> String {
    match command {
        Command::Open { leg } => format!("open {}", leg.call),
        Command::Place { hold, covers_secs, wanted_secs, .. } => {
            format!("place {hold} covers {covers_secs} wanted {wanted_secs}")
        }
        Command::Answered { leg } => format!("answered {} {:?}", leg.call, leg.answered),
        Command::Roll { hold, used_micros, .. } => format!("roll {hold} used {used_micros}"),
        Command::Close { used_micros, cdr } => {
            format!("close {} used {used_micros} {}", cdr.call, cdr.ending.label)
        }
        Command::Release { cdr } => format!("release {} {}", cdr.call, cdr.ending.label),
        Command::TopUp { reference, amount, .. } => format!("top-up {reference} {amount}"),
        Command::Inquire { account } => format!("inquire {account}"),
    }
}
