//! The proof: what the callers saw, what the records say and what the ledger says agree.

use std::time::Duration;

use credits::{AccountView, Entry, EntryKind};
use media::Prompt;
use model::record::{Capability, Cdr};
use model::{Instant, Money};

use super::caller::{What, Witness};
use super::story::Told;

/// How far the callers' own clock and the charge may lie apart.
const TOLERANCE_SECS: f64 = 1.0;
/// Longest silence on the line that is no gap: packets that came late on a busy machine. Whoever was
/// cut off and taken back would have missed more.
const NO_GAP: Duration = Duration::from_millis(500);
/// Loudest echo of oneself that is none: -34 dB.
const NO_ECHO: f32 = 0.02;
/// How long before BYE the last packet may have come.
const TO_THE_END: Duration = Duration::from_millis(500);

/// All that is compared.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) told: Told,
    pub(super) cdrs: Vec<Cdr>,
    pub(super) entries: Vec<Entry>,
    pub(super) account: AccountView,
}

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// A name for machines.
    pub(super) name: &'static str,
    /// What must be so, in words, with the figures.
    pub(super) claim: String,
    pub(super) holds: bool,
}

impl Evidence {
    /// Returns the record of a call, by the caller's own Call-ID.
    pub(super) fn cdr(&self, witness: &Witness) -> Option<&Cdr> {
        self.cdrs.iter().find(|cdr| cdr.sip_call_id == witness.sip_call_id)
    }

    /// Makes every check.
    pub(super) fn checks(&self) -> Vec<Check> {
        let mut checks = vec![
            self.everybody_hears_the_others(),
            self.nobody_hears_themselves(),
            self.everybody_was_warned(),
            self.the_top_up_rescued_everybody(),
            self.the_end_came_for_all(),
        ];
        checks.extend(self.told.witnesses.iter().map(|witness| self.seconds_agree(witness)));
        checks.push(self.charges_are_the_ledgers());
        checks.push(self.charges_can_be_recomputed());
        checks.push(self.the_account_adds_up());
        checks.push(self.the_late_call_cost_nothing());
        checks
    }

    fn everybody_hears_the_others(&self) -> Check {
        let hears = |(own, witness): (usize, &Witness)| {
            let windows = witness.heard.windows.iter().enumerate();
            windows.filter(|(other, _)| *other != own).all(|(_, windows)| *windows >= 10)
        };
        let holds = self.told.witnesses.iter().enumerate().all(hears);
        Check::new("heard_others", "every caller heard each other caller's tone", holds)
    }

    fn nobody_hears_themselves(&self) -> Check {
        let loudest = self.told.witnesses.iter().map(|w| w.heard.echo).fold(0.0, f32::max);
        let claim = format!("nobody heard themselves (loudest echo {:.1} %)", loudest * 100.0);
        Check::new("no_echo", claim, loudest < NO_ECHO)
    }

    fn everybody_was_warned(&self) -> Check {
        let each = [Prompt::CreditSixtySeconds, Prompt::CreditTenSeconds, Prompt::CreditUsedUp];
        let told = |witness: &Witness| each.iter().all(|p| witness.told(*p).next().is_some());
        let holds = self.told.witnesses.iter().all(told);
        let claim = "every caller heard the warnings of 60 and 10 seconds and the goodbye";
        Check::new("warned", claim, holds)
    }

    fn the_top_up_rescued_everybody(&self) -> Check {
        let lasted = |witness: &Witness, at: Instant| {
            let ended =
                witness.connected().is_some_and(|(_, ended)| ended > at + Duration::from_secs(15));
            ended && witness.longest_gap < NO_GAP
        };
        let all = |at| self.told.witnesses.iter().all(|witness| lasted(witness, at));
        let gaps = self.told.witnesses.iter().map(|witness| witness.longest_gap);
        let longest = gaps.max().unwrap_or_default().as_millis();
        let claim = format!("the top-up kept everybody in without a gap (longest {longest} ms)");
        Check::new("rescued", claim, self.told.rescued.is_some_and(all))
    }

    fn the_end_came_for_all(&self) -> Check {
        let cut = |witness: &Witness| {
            let bye = witness.news.iter().find(
                |news| matches!(&news.what, What::CutOff(reason) if reason.contains("cause=16")),
            );
            let heard = bye.zip(witness.last_packet);
            heard.is_some_and(|(bye, last)| bye.at.since(last) < TO_THE_END)
        };
        let holds = self.told.witnesses.iter().all(cut);
        let claim =
            "every caller was served to the end of the paid time, then got BYE (Q.850 cause 16)";
        Check::new("cut_off", claim, holds)
    }

    fn seconds_agree(&self, witness: &Witness) -> Check {
        let seen = witness.connected().map(|(from, until)| until.since(from).as_secs_f64());
        let billed = self.cdr(witness).map(|cdr| cdr.billed_secs);
        let (holds, claim) = match seen.zip(billed) {
            Some((seen, billed)) => (
                (seen - billed as f64).abs() <= TOLERANCE_SECS,
                format!(
                    "{} counted {seen:.2} s on the line and is charged {billed} s",
                    witness.name
                ),
            ),
            None => (false, format!("{} was connected and has a record", witness.name)),
        };
        Check::new("seconds_agree", claim, holds)
    }

    /// Each record's charge is the sum of its entries, and no entry is without a record.
    fn charges_are_the_ledgers(&self) -> Check {
        let mut holds = true;
        for cdr in self.cdrs.iter().filter(|cdr| cdr.capability == Capability::Credits) {
            let own = self.captures().filter(|e| e.hold.is_some_and(|hold| hold.leg == cdr.call));
            holds &= sum(own.map(|entry| entry.amount)).and_then(negated) == Some(cdr.charge);
        }
        let (booked, charged) = (self.captured(), self.charged());
        holds &= charged.is_some() && booked == charged;
        let claim = format!(
            "records charge {}, the ledger's entries sum to {}",
            shown(charged),
            shown(booked)
        );
        Check::new("cdr_is_ledger", claim, holds)
    }

    fn charges_can_be_recomputed(&self) -> Check {
        let recomputed = |cdr: &Cdr| match &cdr.rate {
            Some(rate) => {
                let secs = credits::billed_secs(rate.rounding, cdr.connected_micros);
                credits::charge(rate, secs).is_some_and(|charge| charge == cdr.charge)
            }
            None => cdr.charge == Money::ZERO,
        };
        let answered = self.cdrs.iter().filter(|cdr| cdr.answered.is_some());
        let holds = answered.clone().count() > 0 && answered.clone().all(recomputed);
        let claim = "every charge is the price function of the record's own seconds and rate";
        Check::new("recomputed", claim, holds)
    }

    fn the_account_adds_up(&self) -> Check {
        let account = &self.account;
        let granted =
            sum(self.entries.iter().filter(|e| e.kind == EntryKind::TopUp).map(|e| e.amount));
        let left = account.granted.checked_sub(account.captured);
        let holds = granted == Some(account.granted)
            && self.captured() == Some(account.captured)
            && account.held == Money::ZERO
            && left == Some(account.available)
            && !account.available.is_negative()
            && self.entries.last().map(|entry| entry.balance) == left;
        let claim = format!(
            "granted {} - captured {} = balance {}, not below nothing; held {}",
            account.granted, account.captured, account.available, account.held
        );
        Check::new("account", claim, holds)
    }

    fn the_late_call_cost_nothing(&self) -> Check {
        let late = &self.told.late;
        let refused = late.news.iter().any(|news| matches!(news.what, What::Refused(_)));
        let free =
            self.cdr(late).is_some_and(|cdr| cdr.charge == Money::ZERO && cdr.answered.is_none());
        let claim = "the call after the end was refused before answer and cost nothing";
        Check::new("late_call_refused", claim, refused && free)
    }

    fn captures(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind == EntryKind::Capture)
    }

    /// Returns the sum of the ledger's captures, positive.
    fn captured(&self) -> Option<Money> {
        sum(self.captures().map(|entry| entry.amount)).and_then(negated)
    }

    fn charged(&self) -> Option<Money> {
        let paid = self.cdrs.iter().filter(|cdr| cdr.capability == Capability::Credits);
        sum(paid.map(|cdr| cdr.charge))
    }
}

impl Check {
    fn new(name: &'static str, claim: impl Into<String>, holds: bool) -> Self {
        Self { name, claim: claim.into(), holds }
    }
}

fn sum(amounts: impl Iterator<Item = Money>) -> Option<Money> {
    amounts.into_iter().try_fold(Money::ZERO, Money::checked_add)
}

fn negated(amount: Money) -> Option<Money> {
    Money::ZERO.checked_sub(amount)
}

fn shown(amount: Option<Money>) -> String {
    amount.map_or_else(|| "more than can be counted".to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use model::record::{CallType, Ending, NumberType};
    use model::{
        AccountId, CallId, Currency, HoldId, OrganizationId, Rate, RateVersion, SecondsRule,
        UnixTime,
    };

    use super::*;
    use crate::demo::caller::{Impression, News};

    const SECOND: Duration = Duration::from_secs(1);

    fn at(secs: u32) -> Instant {
        Instant::START + secs * SECOND
    }

    /// A caller who was connected for 40 s, as all should be.
    fn witness(index: usize, name: &'static str) -> Witness {
        let told = |prompt, secs| (What::Told(prompt), secs);
        let news = [
            (What::Answered, 100),
            told(Prompt::CreditSixtySeconds, 101),
            told(Prompt::CreditTenSeconds, 110),
            told(Prompt::CreditUsedUp, 138),
            (What::CutOff("Q.850;cause=16".to_owned()), 140),
        ];
        let news = news.map(|(what, secs)| News { caller: index, at: at(secs), what });
        let mut windows = [50; 3];
        windows[index] = 0;
        Witness {
            name,
            sip_call_id: name.to_owned(),
            news: news.to_vec(),
            heard: Impression { windows, echo: 0.001 },
            longest_gap: Duration::from_millis(30),
            last_packet: Some(at(140)),
        }
    }

    fn late() -> Witness {
        let refused = News { caller: 2, at: at(150), what: What::Refused(403) };
        Witness { news: vec![refused], sip_call_id: "late".to_owned(), ..witness(2, "Cleo") }
    }

    fn rate() -> Rate {
        Rate {
            version: RateVersion(1),
            fee: Money::ZERO,
            per_minute: "0.60".parse::<Money>().unwrap().to_decimal(),
            initial_secs: 1,
            subsequent_secs: 1,
            minimum: Money::ZERO,
            rounding: SecondsRule::Nearest,
        }
    }

    fn cdr(call: u128, sip_call_id: &str) -> Cdr {
        let time = |secs: i64| UnixTime { micros: secs * 1_000_000 };
        Cdr {
            sip_call_id: sip_call_id.to_owned(),
            trunk: "demo".to_owned(),
            number_type: Some(NumberType::Toll),
            capability: Capability::Credits,
            account: Some(AccountId(1)),
            answered: Some(time(0)),
            connected_micros: 40_000_000,
            billed_secs: 40,
            rate: Some(rate()),
            charge: Money::from_micros(400_000),
            currency: Currency::parse("EUR"),
            ending: Ending {
                label: Cow::Borrowed("credit_exhausted"),
                released_by: Cow::Borrowed("tollgate"),
                sip_status: 200,
                q850: 16,
            },
            ..Cdr::begun(CallId(call), CallType::In, time(0))
        }
    }

    fn entry(number: u64, kind: EntryKind, micros: i64, balance: i64) -> Entry {
        let leg = CallId(u128::from(number));
        Entry {
            account: AccountId(1),
            number,
            at: UnixTime::default(),
            kind,
            amount: Money::from_micros(micros),
            balance: Money::from_micros(balance),
            hold: (kind == EntryKind::Capture).then_some(HoldId { leg, sequence: 0 }),
            reference: None,
        }
    }

    /// What the callers, the records and the ledger say when all is well.
    fn evidence() -> Evidence {
        let refused = Cdr {
            answered: None,
            connected_micros: 0,
            billed_secs: 0,
            charge: Money::ZERO,
            ..cdr(9, "late")
        };
        let late_cdr = Cdr { capability: Capability::Unattributed, rate: None, ..refused };
        Evidence {
            told: Told {
                witnesses: vec![witness(0, "Ada"), witness(1, "Bo"), witness(2, "Cleo")],
                late: late(),
                rescued: Some(at(114)),
            },
            cdrs: vec![cdr(1, "Ada"), cdr(2, "Bo"), cdr(3, "Cleo"), late_cdr],
            entries: vec![
                entry(0, EntryKind::TopUp, 1_200_000, 1_200_000),
                entry(1, EntryKind::Capture, -400_000, 800_000),
                entry(2, EntryKind::Capture, -400_000, 400_000),
                entry(3, EntryKind::Capture, -400_000, 0),
            ],
            account: AccountView {
                organization: OrganizationId(1),
                name: "demo".to_owned(),
                currency: Currency::parse("EUR").unwrap(),
                granted: Money::from_micros(1_200_000),
                captured: Money::from_micros(1_200_000),
                expired: Money::ZERO,
                held: Money::ZERO,
                available: Money::ZERO,
                burn_per_sec: Money::ZERO,
                lots: Vec::new(),
            },
        }
    }

    fn broken(evidence: &Evidence) -> Vec<&'static str> {
        evidence.checks().iter().filter(|check| !check.holds).map(|check| check.name).collect()
    }

    #[test]
    fn what_agrees_is_proven() {
        assert_eq!(broken(&evidence()), [""; 0]);
    }

    #[test]
    fn a_millionth_between_record_and_ledger_is_found() {
        let mut evidence = evidence();
        evidence.cdrs[1].charge = Money::from_micros(400_001);
        assert_eq!(broken(&evidence), ["cdr_is_ledger", "recomputed"]);
    }

    #[test]
    fn an_entry_that_belongs_to_no_record_is_found() {
        let mut evidence = evidence();
        evidence.entries[2].hold = Some(HoldId { leg: CallId(77), sequence: 0 });
        assert_eq!(broken(&evidence), ["cdr_is_ledger"]);
    }

    #[test]
    fn a_hold_that_is_left_is_found() {
        let mut evidence = evidence();
        evidence.account.held = Money::from_micros(1);
        assert_eq!(broken(&evidence), ["account"]);
    }

    #[test]
    fn more_than_a_second_between_the_line_and_the_charge_is_found() {
        let mut evidence = evidence();
        evidence.told.witnesses[0].news[0].at = at(98);
        assert_eq!(broken(&evidence), ["seconds_agree"]);
    }

    #[test]
    fn an_echo_a_gap_and_a_missing_warning_are_found() {
        let mut evidence = evidence();
        evidence.told.witnesses[0].heard.echo = 0.5;
        evidence.told.witnesses[1].longest_gap = SECOND;
        evidence.told.witnesses[2].news.remove(2);
        assert_eq!(broken(&evidence), ["no_echo", "warned", "rescued"]);
    }
}
