//! The world's numbering: which country a number belongs to, of which class it is, and how each
//! country's people write numbers (ITU-T E.164 and E.123; domain.md §8). Read once from the data
//! in `config/numbering`; a look-up allocates nothing.

mod tree;

use std::sync::LazyLock;

use crate::{Country, E164};
use tree::Tree;

/// What a call to a number is, as far as its beginning tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Geographic, mobile and whatever else is called at a country's usual prices.
    Ordinary,
    /// Paid by the one who is called.
    TollFree,
    /// The caller pays for more than the call.
    Premium,
    /// The price is shared, or set by the one who is called.
    SharedCost,
    /// Follows its owner anywhere, at the caller's expense.
    Personal,
    /// Satellites, ships and other networks that belong to no country.
    Satellite,
    /// Emergency services.
    Emergency,
    /// Directory enquiries and other codes of a country's own.
    Short,
    /// No country has given it out.
    Unassigned,
}

impl Class {
    /// Returns its name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::TollFree => "toll-free",
            Self::Premium => "premium",
            Self::SharedCost => "shared-cost",
            Self::Personal => "personal",
            Self::Satellite => "satellite",
            Self::Emergency => "emergency",
            Self::Short => "short",
            Self::Unassigned => "unassigned",
        }
    }
}

/// Where a number leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The country, by the longest known prefix; `None` where it belongs to none.
    pub country: Option<Country>,
    /// The class.
    pub class: Class,
}

/// How the people of a country write numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whose it is.
    pub country: Country,
    /// The country's English name.
    pub name: &'static str,
    /// Calling code, without the plus.
    pub code: &'static str,
    /// What is dialled before a foreign number, the usual one first; `x` is any digit of a
    /// carrier's choice.
    pub international: Vec<&'static str>,
    /// What is dialled before a national number; empty where there is none.
    pub national: &'static str,
    /// Whether numbers may begin with a 0 that is always dialled (Italy).
    pub keeps_zero: bool,
    /// Lengths of a national number without prefixes: bit n for n digits.
    lengths: u32,
    /// The same, of those that are also dialled without the national prefix.
    bare: u32,
    /// Whether it lies in Zone A (domain.md §2).
    pub zone_a: bool,
    /// Its emergency numbers.
    pub emergency: Vec<&'static str>,
}

impl Plan {
    /// Whether a national number may have so many digits.
    #[must_use]
    pub fn has_length(&self, digits: usize) -> bool {
        bit(self.lengths, digits)
    }

    /// Whether a national number of so many digits is dialled without the national prefix.
    #[must_use]
    pub fn is_bare(&self, digits: usize) -> bool {
        bit(self.bare, digits)
    }

    /// Returns the fewest digits of a national number.
    #[must_use]
    pub fn shortest(&self) -> usize {
        usize::try_from(self.lengths.trailing_zeros()).unwrap_or(0)
    }

    /// Returns the most digits of a national number.
    #[must_use]
    pub fn longest(&self) -> usize {
        usize::try_from(31 - self.lengths.leading_zeros().min(31)).unwrap_or(0)
    }
}

/// Finds where a number leads: the deepest known prefix names the country, and the deepest with a
/// class names that.
#[must_use]
pub fn place(number: &E164) -> Place {
    let world = &*WORLD;
    let found = world.tree.find(number.digits());
    let class = found.class.unwrap_or(match found.country {
        Some(_) => Class::Ordinary,
        None => Class::Unassigned,
    });
    let plan = found.country.and_then(plan);
    match plan {
        Some(plan) if is_emergency(plan, number) => {
            Place { country: found.country, class: Class::Emergency }
        }
        Some(_) | None => Place { country: found.country, class },
    }
}

/// Returns a country's plan; `None` if there is no such country.
#[must_use]
pub fn plan(country: Country) -> Option<&'static Plan> {
    let plans = &WORLD.plans;
    let at = plans.binary_search_by_key(&country, |plan| plan.country).ok()?;
    plans.get(at)
}

/// Returns every country's plan, in order of their codes.
pub fn plans() -> impl Iterator<Item = &'static Plan> {
    WORLD.plans.iter()
}

/// Returns which edition of the data this is: it changes with every change of the data.
#[must_use]
pub fn edition() -> &'static str {
    &WORLD.edition
}

fn is_emergency(plan: &Plan, number: &E164) -> bool {
    let national = number.digits().get(plan.code.len()..).unwrap_or_default();
    national.len() <= EMERGENCY_DIGITS && plan.emergency.contains(&national)
}

/// Most digits of an emergency number.
const EMERGENCY_DIGITS: usize = 6;

struct World {
    plans: Vec<Plan>,
    tree: Tree,
    edition: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut plans: Vec<Plan> = lines(PLANS).filter_map(plan_of).collect();
    plans.sort_by_key(|plan| plan.country);
    let tree = Tree::of(lines(RANGES));
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = PLANS.bytes().chain(RANGES.bytes()).fold(0x811c_9dc5, mix);
    World { plans, tree, edition: format!("{hash:08x}") }
});

const PLANS: &str = include_str!("../../../config/numbering/plans.txt");
const RANGES: &str = include_str!("../../../config/numbering/ranges.txt");

/// Lines with something on them, without comments.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty())
}

/// Columns: country, calling code, international prefixes, national prefix, lengths, lengths
/// without the national prefix, zone, emergency numbers, name. `-` is none.
fn plan_of(line: &'static str) -> Option<Plan> {
    let mut columns = line.split_whitespace();
    let mut next = || columns.next().map(|column| if column == "-" { "" } else { column });
    let (country, code, international) = (next()?.parse().ok()?, next()?, next()?);
    let (national, lengths, bare) = (next()?, next()?, next()?);
    let (zone, emergency, name) = (next()?, next()?, next()?);
    let (national, keeps_zero) = if national == "-0" { ("", true) } else { (national, false) };
    let lengths = bits(lengths)?;
    Some(Plan {
        country,
        name: line.get(line.rfind(name)?..)?,
        code,
        international: international.split(',').filter(|prefix| !prefix.is_empty()).collect(),
        national,
        keeps_zero,
        lengths,
        bare: if national.is_empty() { lengths } else { bits(bare)? },
        zone_a: zone == "A",
        emergency: emergency.split(',').filter(|number| !number.is_empty()).collect(),
    })
}

/// Reads `7-9,11` as bits.
fn bits(lengths: &str) -> Option<u32> {
    let mut bits = 0;
    for part in lengths.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        for length in first..=last.min(15) {
            bits |= 1 << length;
        }
    }
    Some(bits)
}

fn bit(bits: u32, at: usize) -> bool {
    u32::try_from(at).is_ok_and(|at| bits.checked_shr(at).unwrap_or(0) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_plans_is_read_and_every_country_is_there_once() {
        assert_eq!(lines(PLANS).count(), WORLD.plans.len());
        for pair in WORLD.plans.windows(2) {
            assert!(pair[0].country < pair[1].country, "{:?} is there twice", pair[0].country);
        }
        assert!(WORLD.plans.len() > 230);
        for plan in &WORLD.plans {
            assert!(plan.shortest() >= 3 && plan.longest() + plan.code.len() <= 15, "{plan:?}");
            assert!(plan.name.len() > 3, "{plan:?}");
        }
    }

    #[test]
    fn every_line_of_the_ranges_is_read_and_names_known_countries() {
        for line in lines(RANGES) {
            assert!(tree::is_sound(line), "{line}");
        }
        for country in WORLD.tree.countries() {
            assert!(plan(country).is_some(), "{country}");
        }
        for plan in plans() {
            assert!(WORLD.tree.countries().any(|known| known == plan.country), "{}", plan.country);
        }
    }

    #[test]
    fn zone_a_has_its_44_countries() {
        let listed = "AU AT BE BR BG CA CN HR CZ DK EE FI FR DE GR HK HU IN IE IT JP LU MY MX NL \
                      NZ NO PL PT PR RO RU SG SK SI ZA KR ES SE CH TW TH GB US";
        let mut listed: Vec<&str> = listed.split(' ').collect();
        listed.sort_unstable();
        let zone: Vec<&str> =
            WORLD.plans.iter().filter(|plan| plan.zone_a).map(|plan| plan.country.code()).collect();
        assert_eq!(zone, listed);
        assert_eq!(zone.len(), 44);
    }

    #[test]
    fn shared_calling_codes_are_told_apart() {
        for (number, country) in [
            ("14155550123", "US"),
            ("14165550123", "CA"),
            ("17875550123", "PR"),
            ("18765550123", "JM"),
            ("74951234567", "RU"),
            ("77271234567", "KZ"),
            ("441534123456", "JE"),
            ("441481123456", "GG"),
            ("441624123456", "IM"),
            ("442079460000", "GB"),
            ("390669812345", "VA"),
            ("390612345678", "IT"),
            ("35818123456", "AX"),
            ("4779123456", "SJ"),
            ("61891621234", "CC"),
            ("61891641234", "CX"),
            ("212528812345", "EH"),
            ("262639123456", "YT"),
            ("262262123456", "RE"),
        ] {
            let number = E164::from_digits(number).unwrap();
            let found = place(&number).country.map(|country| country.to_string());
            assert_eq!(found.as_deref(), Some(country), "{}", number.digits());
        }
    }

    #[test]
    fn what_is_no_country_has_its_class() {
        for (number, class) in [
            ("870773123456", Class::Satellite),
            ("881612345678", Class::Satellite),
            ("88213123456", Class::Satellite),
            ("883510012345", Class::Satellite),
            ("80012345678", Class::TollFree),
            ("80812345678", Class::SharedCost),
            ("87812345678", Class::Personal),
            ("97912345678", Class::Premium),
            ("21012345678", Class::Unassigned),
            ("1911", Class::Emergency),
            ("44999", Class::Emergency),
            ("19005550123", Class::Premium),
            ("12129761234", Class::Premium),
        ] {
            assert_eq!(place(&E164::from_digits(number).unwrap()).class, class, "{number}");
        }
    }
}
