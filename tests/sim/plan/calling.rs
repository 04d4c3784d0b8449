//! Whom the meetings of a story call, by which trunks, and what becomes of it there.

use crate::dice::Dice;

/// What a trunk does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// It carries them.
    Well,
    /// It carries them, and says nothing before the final answer.
    Mute,
    /// It says nothing at all.
    Silent,
    /// It refuses all: 503.
    Unavailable,
}

/// What a called person's network answers in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 200.
    Answer,
    /// Nothing: it rings on.
    Rings,
    /// This status.
    Fails(u16),
}

/// How a called person's leg ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// BYE after `talk_ms`.
    HangUp,
    /// Stops everything after `talk_ms`.
    Vanish,
    /// Stays until it is ended.
    Stay,
}

/// One number that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalleePlan {
    /// From the INVITE to 180 or 183, ms.
    pub rings_ms: u64,
    /// Whether it is 183 with SDP, and RTP from then on.
    pub early_media: bool,
    /// Whether that is sent reliably (RFC 3262).
    pub reliable: bool,
    /// From the INVITE to the final answer, ms.
    pub answers_ms: u64,
    /// The final answer.
    pub reply: Reply,
    /// Whether CANCEL is crossed by 200.
    pub crosses: bool,
    /// Another 200 from elsewhere, this long after the first, ms.
    pub fork: Option<u64>,
    /// Keys, one after the other.
    pub keys: Vec<u8>,
    /// From ACK to the end, ms.
    pub talk_ms: u64,
    /// How it ends.
    pub leave: Leave,
}

/// Which meeting calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// That of the pay-per-minute organizer.
    Paid,
    /// That of the subscriber, who may call their own country only.
    Included,
    /// That of the other organization.
    Elsewhere,
    /// That of an organizer without a licence to call.
    Unlicensed,
}

/// Something else than a number that may be called, as the first of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// A premium-rate number.
    Premium,
    /// Another country, where the organizer may call their own only.
    Abroad,
    /// No number at all.
    Nonsense,
}

impl Barred {
    /// What is typed.
    #[must_use]
    pub fn typed(self) -> &'static str {
        match self {
            Self::Premium => "+39899123456",
            Self::Abroad => "+442079460123",
            Self::Nonsense => "12",
        }
    }
}

/// One order to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPlan {
    /// When, ms.
    pub at_ms: u64,
    /// From which meeting.
    pub whence: Whence,
    /// Put before the numbers.
    pub barred: Option<Barred>,
    /// Whom.
    pub callees: Vec<CalleePlan>,
    /// Whether they must press 1.
    pub press_one: bool,
    /// How long it may ring, seconds.
    pub ring_secs: u64,
    /// Whether it is the organizer.
    pub call_me: bool,
    /// The operator hangs up what was placed, this long after, ms.
    pub hung_up_ms: Option<u64>,
}

/// All calls out of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calling {
    /// The trunks, first and second.
    pub trunks: [Carries; 2],
    /// When the node is killed because it calls just then, ms.
    pub crash_ms: Option<u64>,
    /// The orders.
    pub orders: Vec<OrderPlan>,
    /// Who is on the pay-per-minute meeting's own list.
    pub listed: Vec<CalleePlan>,
    /// What the organization's calls out may be, if it has a budget of its own.
    pub budget: Option<BudgetPlan>,
}

/// A budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetPlan {
    /// Calls at once.
    pub concurrent: u32,
    /// Calls in a minute.
    pub per_minute: u32,
    /// Spending in an hour: the price of so many first slices.
    pub slices: i64,
    /// And so much more, millionths.
    pub more: i64,
}

impl Calling {
    /// Draws the calls of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 4);
        let trunks = [draw_trunk(&mut dice, 700), draw_trunk(&mut dice, 900)];
        let mut orders: Vec<_> = (0..dice.below(6)).map(|_| draw_order(&mut dice)).collect();
        orders.sort_by_key(|order| order.at_ms);
        let listed = if dice.chance(150) { vec![draw_callee(&mut dice)] } else { Vec::new() };
        let first = orders.first().filter(|_| dice.chance(150)).map(|order| order.at_ms);
        let crash_ms = first.map(|at| at + dice.between(0, 200) * dice.between(0, 200));
        Self { trunks, crash_ms, orders, listed, budget: draw_budget(seed) }
    }

    /// Every number that can be reached, with its plan.
    pub fn numbers(&self) -> impl Iterator<Item = (String, &CalleePlan)> {
        let ordered = self.orders.iter().enumerate().flat_map(|(order, plan)| {
            plan.callees.iter().enumerate().map(move |(at, callee)| (number(order, at), callee))
        });
        let listed = self.listed.iter().enumerate();
        ordered.chain(listed.map(|(at, callee)| (number(LISTED, at), callee)))
    }
}

/// The place of the meeting's own list among the orders.
pub const LISTED: usize = 90;

/// The number at a place of an order.
#[must_use]
pub fn number(order: usize, at: usize) -> String {
    format!("+39011234{order:02}{at:02}")
}

/// Drawn apart, so that the rest of a story is the same with and without.
fn draw_budget(seed: u64) -> Option<BudgetPlan> {
    let mut dice = Dice::new(seed, 7);
    let small = |dice: &mut Dice, most| u32::try_from(dice.between(1, most)).expect("small");
    dice.chance(500).then(|| BudgetPlan {
        concurrent: small(&mut dice, 5),
        per_minute: small(&mut dice, 6),
        slices: small(&mut dice, 8).into(),
        more: i64::from(small(&mut dice, 400)) * 1_000,
    })
}

fn draw_trunk(dice: &mut Dice, well: u64) -> Carries {
    if dice.chance(well) {
        return Carries::Well;
    }
    match dice.below(3) {
        0 => Carries::Mute,
        1 => Carries::Silent,
        _ => Carries::Unavailable,
    }
}

fn draw_order(dice: &mut Dice) -> OrderPlan {
    let whence = match dice.below(20) {
        0..9 => Whence::Paid,
        9..14 => Whence::Included,
        14..19 => Whence::Elsewhere,
        _ => Whence::Unlicensed,
    };
    let barred = match dice.below(20) {
        0 => Some(Barred::Premium),
        1 => Some(Barred::Nonsense),
        2 | 3 if whence == Whence::Included => Some(Barred::Abroad),
        _ => None,
    };
    let count = if dice.chance(700) { 1 } else { dice.between(2, 4) };
    OrderPlan {
        at_ms: dice.between(0, 60_000),
        whence,
        barred,
        callees: (0..count).map(|_| draw_callee(dice)).collect(),
        press_one: dice.chance(500),
        ring_secs: dice.between(5, 25),
        call_me: dice.chance(100),
        hung_up_ms: dice.chance(120).then(|| dice.between(0, 40_000)),
    }
}

fn draw_callee(dice: &mut Dice) -> CalleePlan {
    let reply = match dice.below(12) {
        0..7 => Reply::Answer,
        7 | 8 => Reply::Rings,
        9 => Reply::Fails(486),
        10 => Reply::Fails(503),
        _ => Reply::Fails(603),
    };
    let leave = match dice.below(10) {
        0..6 => Leave::HangUp,
        6 => Leave::Vanish,
        _ => Leave::Stay,
    };
    let keys = match dice.below(5) {
        0..3 => b"1".to_vec(),
        3 => b"9*1".to_vec(),
        _ => Vec::new(),
    };
    let rings_ms = dice.between(0, 1_500);
    CalleePlan {
        rings_ms,
        early_media: dice.chance(300),
        reliable: dice.chance(200),
        answers_ms: rings_ms + dice.between(0, 12_000),
        reply,
        crosses: dice.chance(400),
        fork: dice.chance(120).then(|| dice.between(0, 3_000)),
        keys,
        talk_ms: dice.between(500, 90_000),
        leave,
    }
}
