//! The table of numbers under all twelve policies, against the obvious rule: whatever is written, no
//! number is called that the rule does not allow (reliability.md S9).

use bridge::policy::{self, Caller, Source, Terms};
use model::policy::{MeetingReach, OrganizationOutbound};
use model::{Country, OutboundPolicy, dialled};

/// Numbers as they are written: `written | home | E.164 or reason | country | class`.
const TABLE: &str = include_str!("../../model/tests/dialled.txt");

/// The countries of Zone A, as domain.md §2 lists them.
const ZONE_A: &str = "AU AT BE BR BG CA CN HR CZ DK EE FI FR DE GR HK HU IN IE IT JP LU MY MX NL NZ \
                      NO PL PT PR RO RU SG SK SI ZA KR ES SE CH TW TH GB US";

#[test]
fn no_number_of_the_table_is_called_that_the_rule_does_not_allow() {
    let (mut allowed, mut refused) = (0, 0);
    for line in TABLE.lines().filter(|line| !line.starts_with('#') && line.contains(" | ")) {
        let mut columns = line.split(" | ");
        let mut next = || columns.next().unwrap_or("-");
        let [written, home, expected, country, class] = [next(), next(), next(), next(), next()];
        let home: Option<Country> = home.parse().ok();
        for organizer in [home, Some("IT".parse().expect("a country")), None] {
            for policy in OutboundPolicy::all() {
                let reached = match policy.meetings {
                    MeetingReach::International => true,
                    MeetingReach::ZoneA => ZONE_A.split(' ').any(|zone| zone == country),
                    MeetingReach::Domestic => {
                        organizer.is_some_and(|organizer| organizer.code() == country)
                    }
                    MeetingReach::Disabled => false,
                };
                let right = expected.starts_with('+')
                    && ["ordinary", "toll-free"].contains(&class)
                    && reached;
                let may = may_call(written, home, organizer, policy);
                assert_eq!(may, right, "{line}: {policy} for an organizer of {organizer:?}");
                *(if may { &mut allowed } else { &mut refused }) += 1;
            }
        }
    }
    assert!(allowed > 3_000 && refused > 3_000, "{allowed} allowed, {refused} refused");
}

fn may_call(
    written: &str,
    home: Option<Country>,
    organizer: Option<Country>,
    policy: OutboundPolicy,
) -> bool {
    let organization = OrganizationOutbound::default();
    let terms = Terms {
        policy,
        source: Source::Default,
        country: organizer,
        organization: &organization,
        revision: 1,
    };
    let Ok(number) = dialled::read(&unescaped(written), home) else { return false };
    policy::decide(&number, false, Caller::Meeting, &terms).is_allowed()
}

/// Characters that the table cannot hold as they are.
fn unescaped(written: &str) -> String {
    let mut text = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let (character, length) = match after.as_bytes() {
            [b'r', ..] => ('\r', 1),
            [b'n', ..] => ('\n', 1),
            [b't', ..] => ('\t', 1),
            _ => {
                let code = after.strip_prefix("u{").and_then(|code| code.split_once('}'));
                let (code, _) = code.expect("\\u{…}");
                let value = u32::from_str_radix(code, 16).expect("hexadecimal digits");
                (char::from_u32(value).expect("a character"), code.len() + 3)
            }
        };
        text.push(character);
        rest = &after[length..];
    }
    text + rest
}
