//! Numbers that people and programs write, and those that carriers send.

use model::record::{NumberingPlan, normalize};
use model::{Country, Did, E164, LocalNumber, dialled};

/// Countries with plans of every kind.
const HOMES: [&str; 8] = ["IT", "US", "DE", "GB", "RU", "AR", "BR", "MX"];

/// # Panics
/// If a number is taken that is none, is shown in full, or is not read again as itself.
pub fn e164(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for home in HOMES.into_iter().map(|code| code.parse::<Country>().ok()).chain([None]) {
        if let Ok(number) = dialled::read(&text, home) {
            sound(&number);
            let again = dialled::read(&format!("+{}", number.digits()), home);
            assert_eq!(again.as_ref(), Ok(&number), "{} is not itself", number.digits());
        }
    }
    for (code, national, international) in [("", "", ""), ("39", "", "00"), ("1", "1", "011")] {
        let plan = NumberingPlan {
            country_code: code.to_owned(),
            national_prefix: national.to_owned(),
            international_prefix: international.to_owned(),
        };
        normalize(&text, &plan).iter().for_each(sound);
    }
    E164::from_digits(&text).iter().for_each(sound);
    if let Ok(local) = LocalNumber::parse(&text) {
        assert!(!local.text().chars().any(char::is_control));
    }
    if let Ok(did) = text.parse::<Did>() {
        assert!(!did.full().chars().any(char::is_control));
    }
}

fn sound(number: &E164) {
    let digits = number.digits();
    assert!((1..=15).contains(&digits.len()) && !digits.starts_with('0'), "{digits}");
    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
    let shown = format!("{number}{number:?}");
    assert!(digits.len() < 5 || !shown.contains(digits), "{digits} is shown in full");
}
