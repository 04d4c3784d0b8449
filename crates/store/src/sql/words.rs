//! The words that closed sets are written as.

use credits::{Class, End, EntryKind, HoldState};
use model::record::{Capability, Licence, NumberType, Refusals, TariffKind};
use model::{NewCountries, SecondsRule, Standing};

pub(crate) const CAPABILITIES: &[(&str, Capability)] = &[
    ("included", Capability::Included),
    ("credits", Capability::Credits),
    ("unattributed", Capability::Unattributed),
];

pub(crate) const CLASSES: &[(&str, Class)] = &[
    ("dial_out", Class::DialOut),
    ("toll_free", Class::TollFree),
    ("toll", Class::Toll),
    ("organizer", Class::Organizer),
];

pub(crate) const ENDS: &[(&str, End)] =
    &[("closed", End::Closed), ("released", End::Released), ("settled", End::Settled)];

pub(crate) const ENTRY_KINDS: &[(&str, EntryKind)] =
    &[("top_up", EntryKind::TopUp), ("capture", EntryKind::Capture)];

pub(crate) const HOLD_STATES: &[(&str, HoldState)] = &[
    ("open", HoldState::Open),
    ("captured", HoldState::Captured),
    ("released", HoldState::Released),
];

pub(crate) const LICENCES: &[(&str, Licence)] = &[
    ("subscription", Licence::Subscription),
    ("pay_per_minute", Licence::PayPerMinute),
    ("credits", Licence::Credits),
];

pub(crate) const NEW_COUNTRIES: &[(&str, NewCountries)] =
    &[("open", NewCountries::Open), ("held", NewCountries::Held)];

pub(crate) const NUMBER_TYPES: &[(&str, NumberType)] =
    &[("toll", NumberType::Toll), ("toll_free", NumberType::TollFree)];

pub(crate) const REFUSALS: &[(&str, Refusals)] =
    &[("code", Refusals::Code), ("early_media", Refusals::EarlyMedia)];

pub(crate) const ROUNDINGS: &[(&str, SecondsRule)] =
    &[("nearest", SecondsRule::Nearest), ("up", SecondsRule::Up), ("down", SecondsRule::Down)];

pub(crate) const STANDINGS: &[(&str, Standing)] =
    &[("suspended", Standing::Suspended), ("stopped", Standing::Stopped)];

pub(crate) const TARIFF_KINDS: &[(&str, TariffKind)] = &[
    ("toll", TariffKind::Toll),
    ("toll_free", TariffKind::TollFree),
    ("dial_out", TariffKind::DialOut),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails to compile when a variant is added without a word.
    #[test]
    fn every_variant_has_its_word() {
        match Capability::Included {
            Capability::Included | Capability::Credits | Capability::Unattributed => {
                assert_eq!(CAPABILITIES.len(), 3);
            }
        }
        match Class::Toll {
            Class::DialOut | Class::TollFree | Class::Toll | Class::Organizer => {
                assert_eq!(CLASSES.len(), 4);
            }
        }
        match End::Closed {
            End::Closed | End::Released | End::Settled => assert_eq!(ENDS.len(), 3),
        }
        match EntryKind::TopUp {
            EntryKind::TopUp | EntryKind::Capture => assert_eq!(ENTRY_KINDS.len(), 2),
        }
        match HoldState::Open {
            HoldState::Open | HoldState::Captured | HoldState::Released => {
                assert_eq!(HOLD_STATES.len(), 3);
            }
        }
        match Licence::Credits {
            Licence::Subscription | Licence::PayPerMinute | Licence::Credits => {
                assert_eq!(LICENCES.len(), 3);
            }
        }
        match NumberType::Toll {
            NumberType::Toll | NumberType::TollFree => assert_eq!(NUMBER_TYPES.len(), 2),
        }
        match Refusals::Code {
            Refusals::Code | Refusals::EarlyMedia => assert_eq!(REFUSALS.len(), 2),
        }
        match TariffKind::Toll {
            TariffKind::Toll | TariffKind::TollFree | TariffKind::DialOut => {
                assert_eq!(TARIFF_KINDS.len(), 3);
            }
        }
        match SecondsRule::Up {
            SecondsRule::Nearest | SecondsRule::Up | SecondsRule::Down => {
                assert_eq!(ROUNDINGS.len(), 3);
            }
        }
    }
}
