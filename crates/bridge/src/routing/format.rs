//! Numbers as trunks want them on the wire.

use model::outbound::Routing;
use model::record::NumberingPlan;
use model::{Did, E164, NumberStyle};

/// Writes the called number; `None` if the trunk's plan has no way to.
#[must_use]
pub fn called(number: &E164, routing: &Routing, plan: &NumberingPlan) -> Option<String> {
    let written = write(number, routing.called_style, plan)?;
    let rest = written.strip_prefix(routing.strip.as_str()).unwrap_or(&written);
    (!rest.is_empty()).then(|| format!("{}{rest}", routing.add))
}

/// Writes the calling number; a local string stays as it is.
#[must_use]
pub fn caller(number: &Did, routing: &Routing, plan: &NumberingPlan) -> Option<String> {
    match number {
        Did::E164(number) => write(number, routing.caller_style, plan),
        Did::Local(local) => Some(local.text().to_owned()),
    }
}

fn write(number: &E164, style: NumberStyle, plan: &NumberingPlan) -> Option<String> {
    let digits = number.digits();
    match style {
        NumberStyle::Plus => Some(format!("+{digits}")),
        NumberStyle::Digits => Some(digits.to_owned()),
        NumberStyle::National => {
            let own = Some(plan.country_code.as_str()).filter(|code| !code.is_empty());
            match own.and_then(|code| digits.strip_prefix(code)) {
                Some("") => None,
                Some(rest) => Some(format!("{}{rest}", plan.national_prefix)),
                None if plan.international_prefix.is_empty() => None,
                None => Some(format!("{}{digits}", plan.international_prefix)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::record::normalize;

    use super::*;

    #[test]
    fn every_style_writes_what_its_trunk_reads_back_as_the_same_number() {
        let plans = [plan("39", "", "00"), plan("49", "0", "00"), plan("1", "1", "011")];
        let numbers = ["390116543210", "4930123456", "14155550123", "442079460000", "3906123"];
        for (plan, digits) in plans.iter().flat_map(|p| numbers.map(|n| (p, n))) {
            let number = E164::from_digits(digits).unwrap();
            for style in [NumberStyle::Plus, NumberStyle::National] {
                let written = write(&number, style, plan).unwrap();
                assert_eq!(normalize(&written, plan), Some(number), "{style:?} {written}");
            }
        }
    }

    #[test]
    fn italy_keeps_its_zero_and_germany_gets_one() {
        let national = |digits, plan: &NumberingPlan| {
            write(&E164::from_digits(digits).unwrap(), NumberStyle::National, plan)
        };
        let italy = plan("39", "", "00");
        assert_eq!(national("390116543210", &italy).as_deref(), Some("0116543210"));
        assert_eq!(national("14155550123", &italy).as_deref(), Some("0014155550123"));
        let germany = plan("49", "0", "00");
        assert_eq!(national("4930123456", &germany).as_deref(), Some("030123456"));
        let without = plan("49", "0", "");
        assert_eq!(national("14155550123", &without), None, "there is no way to write it");
        assert_eq!(national("49", &germany), None, "nothing is left of it");
    }

    #[test]
    fn a_prefix_of_the_trunk_is_put_before_what_is_left_after_stripping() {
        let number = E164::from_digits("390116543210").unwrap();
        let routing = Routing {
            called_style: NumberStyle::Digits,
            strip: "39".into(),
            add: "9991#".into(),
            ..Routing::default()
        };
        let none = NumberingPlan::default();
        assert_eq!(called(&number, &routing, &none).as_deref(), Some("9991#0116543210"));
        let other = E164::from_digits("442079460000").unwrap();
        assert_eq!(called(&other, &routing, &none).as_deref(), Some("9991#442079460000"));
    }

    #[test]
    fn a_local_caller_is_written_as_it_is() {
        let routing = Routing { caller_style: NumberStyle::National, ..Routing::default() };
        let written = caller(&"7042".parse().unwrap(), &routing, &NumberingPlan::default());
        assert_eq!(written.as_deref(), Some("7042"));
    }

    fn plan(code: &str, national: &str, international: &str) -> NumberingPlan {
        NumberingPlan {
            country_code: code.into(),
            national_prefix: national.into(),
            international_prefix: international.into(),
        }
    }
}
