//! Who calls, as the shield tells callers apart.

use model::{Did, TrunkId};

use crate::call::file::File;

/// The front of a number, which all numbers of its range share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range(String);

/// Who calls: by number, by the range of the number, and by trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The number; all whose number nobody knows share one place.
    pub(crate) number: Option<Did>,
    /// Its range; none if nobody knows the number, or it is too short to have one.
    pub(crate) range: Option<Range>,
    /// The trunk.
    pub(crate) trunk: TrunkId,
}

impl Caller {
    /// Reads it off a call's file. A number that is withheld from others, but told to us by a trusted
    /// trunk, counts like any other.
    pub(crate) fn of(file: &File, range_digits: u8) -> Self {
        let number = file.caller.as_ref().or(file.withheld.as_ref()).cloned();
        Self::new(number, file.trunk.id, range_digits)
    }

    /// Names a caller; so many digits are cut off a number to name its range.
    pub(crate) fn new(number: Option<Did>, trunk: TrunkId, range_digits: u8) -> Self {
        let range = number.as_ref().and_then(|number| {
            let full = number.full();
            let end = full.len().checked_sub(usize::from(range_digits))?;
            full.get(..end).filter(|front| front.len() > 1).map(|front| Range(front.to_owned()))
        });
        Self { number, range, trunk }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_front_of_a_number() {
        let range = |number: &str| {
            Caller::new(Some(number.parse().unwrap()), TrunkId(1), 4).range.map(|range| range.0)
        };
        let full = |number: &str| number.parse::<Did>().unwrap().full().to_string();
        assert_eq!(
            range("+14155550123").unwrap(),
            full("+14155550123")[..full("+14155550123").len() - 4]
        );
        assert_eq!(range("+14155550123"), range("+14155559999"));
        assert_ne!(range("+14155550123"), range("+14155540123"));
        assert_eq!(range("101"), None, "a short extension");
    }
}
