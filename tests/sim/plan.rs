//! One story: who calls when and does what, and what goes wrong.

use crate::dice::Dice;
use crate::model_price::PlainRate;

mod calling;

pub use calling::{
    Barred, BudgetPlan, CalleePlan, Calling, Carries, LISTED, Leave, OrderPlan, Reply, Whence,
    number,
};

/// Which number is dialled, and so who pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dial {
    /// A toll number bound to a pay-per-minute meeting: payer certain before answer.
    BoundPaid,
    /// A toll number bound to a subscription meeting: included.
    BoundIncluded,
    /// The shared toll number, then a pay-per-minute meeting's conference ID.
    SharedPaid,
    /// The shared toll-free number, then a subscription meeting's conference ID: credits.
    SharedTollFree,
    /// The shared toll number, then the conference ID of the other organization's meeting.
    OtherPaid,
    /// A number that nobody has.
    Unknown,
}

/// How a caller means to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// BYE after `talk_ms`.
    HangUp,
    /// Stops everything after `talk_ms`: no BYE, no RTP, no answers.
    Vanish,
    /// CANCEL this long after the INVITE.
    Cancel(u64),
    /// Never sends ACK; RTP or not.
    NoAck {
        /// Whether it sends RTP all the same.
        rtp: bool,
    },
    /// Talks until it is cut.
    UntilCut,
}

/// One caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerPlan {
    /// When the INVITE leaves, ms.
    pub at_ms: u64,
    /// What it dials.
    pub dial: Dial,
    /// Wrong conference IDs keyed first; 3 and more never get in.
    pub wrong_ids: u8,
    /// Talking time after answer, ms.
    pub talk_ms: u64,
    /// How it ends.
    pub end: End,
    /// Holds at this time after answer for that long, ms.
    pub hold: Option<(u64, u64)>,
    /// Repeats its INVITE, as a confused proxy does, after the ACK.
    pub echo_invite: bool,
}

/// A stretch of time in which the store answers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// From, ms.
    pub from_ms: u64,
    /// Until, ms.
    pub until_ms: u64,
}

/// The story of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where its chance comes from.
    pub seed: u64,
    /// The price of every charged leg.
    pub rate: PlainRate,
    /// First credit of the organization, millionths.
    pub credit: i64,
    /// Packets lost, per mille.
    pub loss: u64,
    /// Packets doubled, per mille.
    pub doubled: u64,
    /// Longest delay of a packet, ms.
    pub delay_ms: u64,
    /// Slowest answer of the store, ms.
    pub store_ms: u64,
    /// Store requests that fail, per mille.
    pub failing: u64,
    /// Store requests that are committed while their answer is lost, per mille.
    pub unanswered: u64,
    /// Times in which the store is down.
    pub outages: Vec<Outage>,
    /// When the node is killed and starts again, ms.
    pub crashes: Vec<u64>,
    /// When the calendar jumps and by how many seconds.
    pub jumps: Vec<(u64, i64)>,
    /// When credit is added, ms, and how much, millionths.
    pub top_ups: Vec<(u64, i64)>,
    /// The callers.
    pub callers: Vec<CallerPlan>,
    /// Whom the meetings call.
    pub calling: Calling,
    /// Workers of the media plane.
    pub shards: u8,
}

impl Plan {
    /// Draws the story of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let stormy = dice.chance(700);
        let calling = Calling::draw(seed);
        let callers = (0..dice.between(2, 9)).map(|_| draw_caller(&mut dice)).collect();
        Self {
            seed,
            rate: draw_rate(&mut dice),
            credit: i64::try_from(dice.between(0, 12) * 400_000).expect("small"),
            loss: if stormy { dice.between(0, 120) } else { 0 },
            doubled: if stormy { dice.between(0, 60) } else { 0 },
            delay_ms: dice.between(0, 60),
            store_ms: dice.between(1, 80),
            failing: if dice.chance(400) { dice.between(10, 150) } else { 0 },
            unanswered: if dice.chance(400) { dice.between(10, 150) } else { 0 },
            outages: (0..dice.below(2)).map(|_| draw_outage(&mut dice)).collect(),
            crashes: draw_crashes(&mut dice, &calling),
            jumps: (0..dice.below(3)).map(|_| draw_jump(&mut dice)).collect(),
            top_ups: (0..dice.below(3)).map(|_| draw_top_up(&mut dice)).collect(),
            callers,
            calling,
            shards: u8::try_from(Dice::new(seed, 2).between(1, 4)).expect("small"),
        }
    }

    /// Whether the node lives long enough between two crashes to tell whom the first one orphaned.
    #[must_use]
    pub fn crashes_apart(&self) -> bool {
        self.crashes.len() < 2
    }

    /// Whether the story leaves the node alone: no crash, so that audio and money meet exactly.
    #[must_use]
    pub fn is_crash_free(&self) -> bool {
        self.crashes.is_empty()
    }
}

fn draw_rate(dice: &mut Dice) -> PlainRate {
    let (initial, subsequent) = match dice.below(4) {
        0 => (1, 1),
        1 => (6, 6),
        2 => (30, 6),
        _ => (60, 60),
    };
    PlainRate {
        fee: i64::try_from(dice.below(3) * 50_000).expect("small"),
        per_minute: i64::try_from(dice.between(1, 900_000)).expect("small"),
        initial,
        subsequent,
        minimum: i64::try_from(dice.below(2) * 30_000).expect("small"),
    }
}

fn draw_caller(dice: &mut Dice) -> CallerPlan {
    let dial = match dice.below(11) {
        0..3 => Dial::BoundPaid,
        3 => Dial::BoundIncluded,
        4..7 => Dial::SharedPaid,
        7..9 => Dial::SharedTollFree,
        9 => Dial::OtherPaid,
        _ => Dial::Unknown,
    };
    let end = match dice.below(14) {
        0 => End::Vanish,
        1 => End::Cancel(dice.between(0, 900)),
        2 => End::NoAck { rtp: dice.chance(500) },
        3..8 => End::UntilCut,
        _ => End::HangUp,
    };
    CallerPlan {
        at_ms: dice.between(0, 40_000),
        dial,
        wrong_ids: if dice.chance(150) {
            u8::try_from(dice.between(1, 3)).expect("small")
        } else {
            0
        },
        talk_ms: dice.between(500, 100_000),
        end,
        hold: dice.chance(150).then(|| (dice.between(2_000, 20_000), dice.between(1_000, 20_000))),
        echo_invite: dice.chance(150),
    }
}

fn draw_crashes(dice: &mut Dice, calling: &Calling) -> Vec<u64> {
    let anywhere = (0..dice.below(3) / 2).map(|_| dice.between(5_000, 80_000));
    let mut crashes: Vec<_> = anywhere.chain(calling.crash_ms).collect();
    crashes.sort_unstable();
    crashes
}

fn draw_outage(dice: &mut Dice) -> Outage {
    let from_ms = dice.between(1_000, 70_000);
    Outage { from_ms, until_ms: from_ms + dice.between(500, 30_000) }
}

fn draw_jump(dice: &mut Dice) -> (u64, i64) {
    let by = if dice.chance(500) { 3_600 } else { -3_600 };
    (dice.between(1_000, 80_000), by)
}

fn draw_top_up(dice: &mut Dice) -> (u64, i64) {
    (dice.between(1_000, 90_000), i64::try_from(dice.between(1, 20) * 100_000).expect("small"))
}
