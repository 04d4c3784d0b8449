//! Who may come in, and who pays: the licence table of domain.md §2 for dial-in. Pure.
//!
//! Money is asked afterwards, of the book: a seat that credits pay for is taken only once its
//! first hold stands. [`unfunded`] names the refusal when it does not.

use credits::{Class, CreditRefusal, Standing};
use model::Money;
use model::record::{Licence, NumberType};

use crate::refusal::Refusal;

/// What decides, whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts<'a> {
    /// What the organizer holds.
    pub(crate) licences: &'a [Licence],
    /// Whether pay-per-minute needs the credits licence too in this organization.
    pub(crate) payg_needs_credits_licence: bool,
    /// Whether the organizer lets toll-free callers in.
    pub(crate) toll_free_allowed: bool,
    /// Which kind of number was dialled.
    pub(crate) number_type: NumberType,
    /// Whether a tariff row covers the call.
    pub(crate) priced: bool,
    /// Whether the meeting has a place left.
    pub(crate) has_place: bool,
}

/// Who pays for an admitted leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// The subscription.
    Included,
    /// The organization's credits, if the book holds the first increment.
    Credits(Class),
}

/// An admitted leg: who pays, and the rule that said so, for `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) seat: Seat,
    pub(crate) rule: &'static str,
}

/// Decides by licence, price and place. The organizer's rights come first, then the meeting's.
pub(crate) fn admit(facts: &Facts<'_>) -> Result<Admitted, Refusal> {
    let admitted = licensed(facts)?;
    match admitted.seat {
        Seat::Credits(_) if !facts.priced => Err(Refusal::NoTariff),
        Seat::Included | Seat::Credits(_) if !facts.has_place => Err(Refusal::MeetingFull),
        Seat::Included | Seat::Credits(_) => Ok(admitted),
    }
}

/// Decides by licence whether a meeting may call somebody: the dial-out columns of domain.md §2.
/// The pool of subscriptions counts as spent, for destinations of Zone A too: pools are not built
/// yet, and until then credits pay where the organizer may use them.
pub(crate) fn dial_out(
    licences: &[Licence],
    payg_needs_credits: bool,
) -> Result<Admitted, Refusal> {
    let holds = |licence| licences.contains(&licence);
    let credits = holds(Licence::Credits);
    let rule = if holds(Licence::Subscription) && credits {
        "dial-out by the organizer's communications credits licence"
    } else if holds(Licence::PayPerMinute) && (credits || !payg_needs_credits) {
        "dial-out by the organizer's pay-per-minute licence"
    } else {
        return Err(Refusal::NotLicensed);
    };
    Ok(Admitted { seat: Seat::Credits(Class::DialOut), rule })
}

/// Returns the refusal of a first hold that the book refused.
pub(crate) const fn unfunded(refusal: CreditRefusal) -> Refusal {
    match refusal {
        CreditRefusal::InsufficientCredit | CreditRefusal::UnknownAccount => {
            Refusal::InsufficientCredit
        }
        CreditRefusal::BadAmount => Refusal::NoTariff,
        CreditRefusal::UnknownLeg | CreditRefusal::Conflict | CreditRefusal::Fenced => {
            Refusal::StoreUnavailable
        }
    }
}

/// Whether the book's answer carries the leg: a toll-free call needs a positive balance even where
/// its price is nothing (domain.md §2).
pub(crate) fn carries(class: Class, standing: &Standing) -> bool {
    match class {
        Class::TollFree => {
            standing.available.checked_add(standing.held).is_none_or(|all| all > Money::ZERO)
        }
        Class::Toll | Class::Organizer | Class::DialOut => true,
    }
}

fn licensed(facts: &Facts<'_>) -> Result<Admitted, Refusal> {
    let holds = |licence| facts.licences.contains(&licence);
    let (subscription, credits) = (holds(Licence::Subscription), holds(Licence::Credits));
    let pay_per_minute =
        holds(Licence::PayPerMinute) && (credits || !facts.payg_needs_credits_licence);
    if facts.number_type == NumberType::TollFree && !facts.toll_free_allowed {
        return Err(Refusal::TollFreeDisabled);
    }
    let (seat, rule) = match facts.number_type {
        NumberType::Toll if subscription => {
            (Seat::Included, "toll dial-in is included in the organizer's subscription")
        }
        NumberType::Toll if pay_per_minute => {
            (Seat::Credits(Class::Toll), "toll dial-in by the organizer's pay-per-minute licence")
        }
        NumberType::TollFree if subscription && credits => (
            Seat::Credits(Class::TollFree),
            "toll-free dial-in by the organizer's communications credits licence",
        ),
        NumberType::TollFree if pay_per_minute => (
            Seat::Credits(Class::TollFree),
            "toll-free dial-in by the organizer's pay-per-minute licence",
        ),
        NumberType::Toll | NumberType::TollFree => return Err(Refusal::NotLicensed),
    };
    Ok(Admitted { seat, rule })
}

#[cfg(test)]
mod tests {
    use model::AccountId;
    use model::record::Licence::{Credits, PayPerMinute, Subscription};
    use model::record::NumberType::{Toll, TollFree};

    use super::*;

    /// What becomes of a call when the book is asked as well.
    #[derive(Debug, PartialEq, Eq)]
    enum Fate {
        Included,
        Charged,
        Refused(Refusal),
    }

    use Fate::{Charged, Included, Refused};

    const NO_LICENCE: Fate = Refused(Refusal::NotLicensed);
    const NO_CREDIT: Fate = Refused(Refusal::InsufficientCredit);

    #[test]
    fn subscription_with_credits_gets_toll_included_and_toll_free_on_credits() {
        assert_eq!(row(&[Subscription, Credits]), [Included, Charged, Included, NO_CREDIT]);
    }

    #[test]
    fn subscription_alone_gets_toll_only() {
        assert_eq!(row(&[Subscription]), [Included, NO_LICENCE, Included, NO_LICENCE]);
    }

    #[test]
    fn pay_per_minute_is_charged_for_both_and_refused_unfunded() {
        assert_eq!(row(&[PayPerMinute]), [Charged, Charged, NO_CREDIT, NO_CREDIT]);
        assert_eq!(row(&[PayPerMinute, Credits]), [Charged, Charged, NO_CREDIT, NO_CREDIT]);
    }

    #[test]
    fn both_licences_use_the_subscription_first() {
        assert_eq!(row(&[Subscription, PayPerMinute]), [Included, Charged, Included, NO_CREDIT]);
        let all = [Subscription, PayPerMinute, Credits];
        assert_eq!(row(&all), [Included, Charged, Included, NO_CREDIT]);
    }

    #[test]
    fn no_licence_or_credits_alone_gets_nothing() {
        let none = || [NO_LICENCE, NO_LICENCE, NO_LICENCE, NO_LICENCE];
        assert_eq!(row(&[]), none());
        assert_eq!(row(&[Credits]), none());
    }

    #[test]
    fn the_switch_makes_pay_per_minute_need_the_credits_licence() {
        let strict = |licences| facts(licences, Toll, |f| f.payg_needs_credits_licence = true);
        assert_eq!(fate(&strict(&[PayPerMinute]), true), NO_LICENCE);
        assert_eq!(fate(&strict(&[PayPerMinute, Credits]), true), Charged);
        let both = facts(&[Subscription, PayPerMinute], TollFree, |f| {
            f.payg_needs_credits_licence = true;
        });
        assert_eq!(fate(&both, true), NO_LICENCE);
    }

    #[test]
    fn toll_free_disabled_turns_away_toll_free_callers_only() {
        let shut =
            |number_type| facts(&[PayPerMinute], number_type, |f| f.toll_free_allowed = false);
        assert_eq!(fate(&shut(TollFree), true), Refused(Refusal::TollFreeDisabled));
        assert_eq!(fate(&shut(Toll), true), Charged);
    }

    #[test]
    fn a_charged_leg_needs_a_price_and_every_leg_a_place() {
        let unpriced = |licences| facts(licences, Toll, |f| f.priced = false);
        assert_eq!(fate(&unpriced(&[PayPerMinute]), true), Refused(Refusal::NoTariff));
        assert_eq!(fate(&unpriced(&[Subscription]), true), Included);
        let full = facts(&[Subscription], Toll, |f| f.has_place = false);
        assert_eq!(fate(&full, true), Refused(Refusal::MeetingFull));
    }

    #[test]
    fn dial_out_draws_on_credits_where_the_organizer_may_use_them() {
        let may = |licences: &[Licence], needs| dial_out(licences, needs).is_ok();
        assert!(may(&[Subscription, Credits], false));
        assert!(!may(&[Subscription], false), "the pool counts as spent");
        assert!(may(&[PayPerMinute], false) && may(&[Subscription, PayPerMinute], false));
        assert!(!may(&[PayPerMinute], true) && may(&[PayPerMinute, Credits], true));
        assert!(!may(&[Credits], false) && !may(&[], false));
    }

    #[test]
    fn a_free_toll_free_call_still_needs_a_positive_balance() {
        let standing = |available, held| Standing {
            account: AccountId(1),
            available: Money::from_micros(available),
            held: Money::from_micros(held),
            burn_per_sec: Money::ZERO,
            version: 1,
        };
        assert!(!carries(Class::TollFree, &standing(0, 0)));
        assert!(carries(Class::TollFree, &standing(0, 1)));
        assert!(carries(Class::Toll, &standing(0, 0)));
    }

    /// Toll funded, toll-free funded, toll unfunded, toll-free unfunded.
    fn row(licences: &[Licence]) -> [Fate; 4] {
        [(Toll, true), (TollFree, true), (Toll, false), (TollFree, false)]
            .map(|(number_type, funded)| fate(&facts(licences, number_type, |_| ()), funded))
    }

    fn facts(
        licences: &[Licence],
        number_type: NumberType,
        change: impl FnOnce(&mut Facts<'_>),
    ) -> Facts<'_> {
        let mut facts = Facts {
            licences,
            payg_needs_credits_licence: false,
            toll_free_allowed: true,
            number_type,
            priced: true,
            has_place: true,
        };
        change(&mut facts);
        facts
    }

    fn fate(facts: &Facts<'_>, funded: bool) -> Fate {
        match admit(facts) {
            Ok(Admitted { seat: Seat::Included, .. }) => Included,
            Ok(Admitted { seat: Seat::Credits(_), .. }) if funded => Charged,
            Ok(Admitted { seat: Seat::Credits(_), .. }) => {
                Refused(unfunded(CreditRefusal::InsufficientCredit))
            }
            Err(refusal) => Refused(refusal),
        }
    }
}
