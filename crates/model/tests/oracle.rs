//! The numbering data against another's: numbers of every country and type that `rlibphonenumber`
//! calls valid lead to the country that it names, and none that costs more than a call passes for an
//! ordinary one. Each known difference is listed with its reason.

use std::collections::BTreeMap;

use model::E164;
use model::numbering::{self, Class};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberType, Region};

/// Numbers that are made of each example, its last digits changed.
const VARIANTS: u64 = 40;

/// Types whose calls cost more than a call, or are none. Universal access numbers are companies'
/// own; a call to one costs what its prefix says.
const DEAR: [PhoneNumberType; 4] = [
    PhoneNumberType::PremiumRate,
    PhoneNumberType::SharedCost,
    PhoneNumberType::PersonalNumber,
    PhoneNumberType::Pager,
];

const TYPES: [PhoneNumberType; 10] = [
    PhoneNumberType::FixedLine,
    PhoneNumberType::Mobile,
    PhoneNumberType::TollFree,
    PhoneNumberType::PremiumRate,
    PhoneNumberType::SharedCost,
    PhoneNumberType::VoIP,
    PhoneNumberType::PersonalNumber,
    PhoneNumberType::Pager,
    PhoneNumberType::UAN,
    PhoneNumberType::VoiceMail,
];

/// Where the countries differ: theirs, ours, and why.
const COUNTRIES: &[(&str, &str, &str)] = &[
    ("CA", "", "area code 600 is no place; refused as unassigned"),
    ("CA", "US", "310 is California's area code; Canada's 310-XXXX has seven digits"),
    ("MA", "EH", "+212 528 is told by its next digits"),
    ("US", "", "area codes 500, 521 and their like follow a person; refused as personal"),
];

/// Dear types that we let pass as ordinary: country, type, and why.
const ORDINARY: &[(&str, PhoneNumberType, &str)] = &[
    ("AG", PhoneNumberType::Pager, "priced as the mobile numbers around it"),
    ("AI", PhoneNumberType::Pager, "priced as the mobile numbers around it"),
];

#[test]
fn valid_numbers_lead_to_the_country_that_the_other_names() {
    let mut wrong = BTreeMap::new();
    each_number(|region, number, _| {
        let ours = numbering::place(&number).country.map(|country| country.code().to_owned());
        let ours = ours.unwrap_or_default();
        let known = |(theirs, other, _): &&(&str, &str, &str)| *theirs == region && *other == ours;
        if ours != region && !COUNTRIES.iter().any(|row| known(&row)) {
            *wrong.entry((region.to_owned(), ours, prefix(&number))).or_insert(0) += 1;
        }
    });
    assert!(wrong.is_empty(), "{} kinds: {wrong:#?}", wrong.len());
}

#[test]
fn no_number_that_costs_more_passes_for_an_ordinary_one() {
    let mut wrong = BTreeMap::new();
    each_number(|region, number, kind| {
        let class = numbering::place(&number).class;
        let known = ORDINARY.iter().any(|(country, of, _)| *country == region && *of == kind);
        if DEAR.contains(&kind) && class == Class::Ordinary && !known {
            let kind = format!("{kind:?}");
            *wrong.entry((region.to_owned(), kind, prefix(&number))).or_insert(0) += 1;
        }
    });
    assert!(wrong.is_empty(), "{} kinds: {wrong:#?}", wrong.len());
}

#[test]
fn ordinary_numbers_are_not_taken_for_something_dearer() {
    let (mut all, mut wrong) = (0, BTreeMap::new());
    each_number(|region, number, kind| {
        let ordinary = [PhoneNumberType::FixedLine, PhoneNumberType::Mobile];
        if !ordinary.contains(&kind) && kind != PhoneNumberType::FixedLineOrMobile {
            return;
        }
        all += 1;
        let class = numbering::place(&number).class;
        if class != Class::Ordinary {
            let class = class.name();
            *wrong.entry((region.to_owned(), class, prefix(&number))).or_insert(0) += 1;
        }
    });
    // Refused by mistake is a nuisance, not a loss: a few in a thousand of made-up numbers.
    let refused: u32 = wrong.values().sum();
    assert!(refused * 200 < all, "{refused} of {all}: {wrong:#?}");
}

/// Calls back with region, number and type of valid numbers: of each region and type the example,
/// and what is valid among its variants.
fn each_number(mut found: impl FnMut(&str, E164, PhoneNumberType)) {
    let util = &*PHONE_NUMBER_UTIL;
    let mut count = 0;
    let mut regions: Vec<Region> = util.get_supported_regions().collect();
    regions.sort_by_key(|region| region.to_string());
    for region in regions {
        for kind in TYPES {
            let Ok(example) = util.get_example_number_for_type_and_region(region, kind) else {
                continue;
            };
            let zeros = "0".repeat(if example.italian_leading_zero.unwrap_or(false) {
                example.number_of_leading_zeros.unwrap_or(1) as usize
            } else {
                0
            });
            let national = format!("{zeros}{}", example.national_number);
            for variant in 0..VARIANTS {
                let digits = vary(&national, variant);
                let text = format!("+{}{digits}", example.country_code);
                let Ok(number) = util.parse(&text, None) else { continue };
                let Some(at) = util.get_region_for_number(&number) else { continue };
                let kind = util.get_number_type(&number);
                if kind == PhoneNumberType::Unknown {
                    continue;
                }
                let Ok(number) = text.parse::<E164>() else { continue };
                count += 1;
                found(&at.to_string(), number, kind);
            }
        }
    }
    assert!(count > 20_000, "{count} numbers");
}

/// Changes the last digits: the more, the later the variant.
fn vary(national: &str, variant: u64) -> String {
    let changed = (variant as usize * national.len() / VARIANTS as usize).min(national.len());
    let mut state = variant.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ national.len() as u64;
    let kept = national.len() - changed;
    let mut digits = national[..kept].to_owned();
    for _ in 0..changed {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        digits.push(char::from(b'0' + (state >> 33) as u8 % 10));
    }
    digits
}

fn prefix(number: &E164) -> String {
    number.digits().chars().take(6).collect()
}
