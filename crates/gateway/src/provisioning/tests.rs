//! What a file may say, against what is stored.

use model::record::{Licence, NumberType, Provision};

use super::*;

const BASE: &str = r#"
[[organization]]
name = "acme"
currency = "USD"

[[user]]
name = "ada@acme.example"
organization = "acme"
licences = ["MCOMEETADV", "MCOPSTNPP", "ENTERPRISEPREMIUM"]

[[meeting]]
name = "standup"
organizer = "ada@acme.example"

[[number]]
number = "tel:+1 (425) 555-0100"
type = "toll"
country = "US"
meeting = "standup"

[[tariff]]
currency = "USD"
type = "toll-free"
per_minute = "0.06"
"#;

fn planned(text: &str, stored: &Provision) -> Plan {
    plan(text, stored, Vec::new(), [9; 32]).unwrap()
}

/// What is stored once the file is applied to an empty store.
fn stored(text: &str) -> Provision {
    planned(text, &Provision::default()).change
}

/// The problems of `addition` after the base file, which has 24 lines.
fn problems(addition: &str) -> Vec<String> {
    let text = format!("{BASE}{addition}");
    let found = plan(&text, &Provision::default(), Vec::new(), [9; 32]).unwrap_err();
    found.iter().map(|problem| problem.located("f.toml")).collect()
}

#[test]
fn a_file_becomes_records() {
    let change = stored(BASE);
    let user = &change.users[0];
    assert_eq!(user.licences, [Licence::Subscription, Licence::Credits]);
    assert_eq!(user.organization, change.organizations[0].id);
    let number = &change.numbers[0];
    assert_eq!(
        (number.did.full().as_str(), number.number_type),
        ("+14255550100", NumberType::Toll)
    );
    assert_eq!(number.bound_to, Some(change.meetings[0].id));
    let rate = change.tariffs[0].rate;
    assert_eq!((rate.initial_secs, rate.subsequent_secs), (60, 60));
}

#[test]
fn the_same_file_twice_changes_nothing_and_keeps_the_drawn_id() {
    let before = stored(BASE);
    let again = plan(BASE, &before, Vec::new(), [77; 32]).unwrap();
    assert_eq!(again.news, Vec::<String>::new());
    assert_eq!(again.drawn, Vec::<String>::new());
    assert_eq!(again.change.meetings[0].conference_id, before.meetings[0].conference_id);
}

#[test]
fn what_changed_is_told_by_key() {
    let before = stored(BASE);
    let text = BASE
        .replace("\"MCOPSTNPP\", ", "")
        .replace("country = \"US\"", "country = \"CA\"")
        .replace("\"0.06\"", "\"0.07\"");
    assert_eq!(
        planned(&text, &before).news,
        [
            "changed user ada@acme.example: licences",
            "changed number +14255550100: country",
            "replaced tariffs of the list price: 1 row(s), 1 before",
        ]
    );
}

#[test]
fn a_file_may_refer_to_what_is_stored() {
    let before = stored(BASE);
    let text = "[[meeting]]\nname = \"retro\"\norganizer = \"ada@acme.example\"\n";
    assert_eq!(planned(text, &before).news, ["added meeting retro"]);
}

#[test]
fn every_problem_is_told_with_line_key_and_what_is_allowed() {
    let said = problems(
        "[[user]]\nname = \"bob\"\norganization = \"acne\"\nlicences = [\"MCO\"]\n\
         [[tariff]]\ncurrency = \"usd\"\ntype = \"free\"\nper_minute = \"-1\"\ninitial_secs = 0\n",
    );
    let start = |at: usize| said[at].split("; ").next().unwrap_or_default();
    assert_eq!(start(0), "f.toml:27: user.organization: \"acne\" is no organization");
    assert_eq!(start(1), "f.toml:28: user.licences: \"MCO\" is not a licence");
    assert_eq!(start(2), "f.toml:30: tariff.currency: \"usd\" is not a currency");
    assert_eq!(start(3), "f.toml:31: tariff.type: \"free\" is not a type");
    assert_eq!(start(4), "f.toml:32: tariff.per_minute: \"-1\" is not a price");
    assert_eq!(start(5), "f.toml:33: tariff.initial_secs: 0 is out of range");
    assert_eq!(said.len(), 6, "{said:#?}");
}

#[test]
fn a_name_declared_twice_names_the_first_line() {
    let said = problems("[[organization]]\nname = \"acme\"\ncurrency = \"USD\"\n");
    assert_eq!(said, ["f.toml:26: organization.name: \"acme\" is declared twice, first in line 3"]);
}

#[test]
fn a_conference_id_is_unique() {
    let meeting = "[[meeting]]\norganizer = \"ada@acme.example\"\nconference_id = \"123456789\"\n";
    let said = problems(&format!("{meeting}name = \"one\"\n{meeting}name = \"two\"\n"));
    assert_eq!(
        said,
        ["f.toml:31: meeting.conference_id: 123456789 is the conference ID of one already; each \
          is unique"]
    );
}

#[test]
fn two_meetings_may_swap_their_ids() {
    let file = |one: &str, two: &str| {
        let meeting = |name: &str, id: &str| {
            format!(
                "[[meeting]]\nname = \"{name}\"\norganizer = \"ada@acme.example\"\n\
                 conference_id = \"{id}\"\n"
            )
        };
        format!("{BASE}{}{}", meeting("one", one), meeting("two", two))
    };
    let before = stored(&file("111111111", "222222222"));
    let news = planned(&file("222222222", "111111111"), &before).news;
    assert_eq!(news, ["changed meeting one: conference_id", "changed meeting two: conference_id"]);
}

#[test]
fn a_dedicated_number_joins_only_meetings_of_its_organization() {
    let said = problems(
        "[[organization]]\nname = \"globex\"\ncurrency = \"EUR\"\n\
         [[number]]\nnumber = \"+390612345\"\ntype = \"toll\"\ncountry = \"IT\"\n\
         organization = \"globex\"\nmeeting = \"standup\"\n",
    );
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("f.toml:33: number.meeting: standup belongs to another"),
        "{said:?}"
    );
}

#[test]
fn an_accounts_currency_cannot_change() {
    let before = stored(BASE);
    let text = BASE.replacen("\"USD\"", "\"EUR\"", 1);
    let found = plan(&text, &before, Vec::new(), [9; 32]).unwrap_err();
    assert_eq!((found[0].line, found[0].key.as_str()), (4, "organization.currency"));
}

#[test]
fn digits_without_a_plus_are_no_number_unless_local() {
    let number = "[[number]]\nnumber = \"7000\"\ntype = \"toll\"\ncountry = \"US\"\n";
    assert!(problems(number)[0].contains("or add local = true"), "{:?}", problems(number));
    let change = stored(&format!("{BASE}{number}local = true\n"));
    assert_eq!(change.numbers[1].did.full(), "7000");
}

#[test]
fn ranges_make_a_record_for_each_member() {
    let text = format!(
        "{BASE}[[meeting]]\nname = \"room-{{}}\"\nconference_ids = \"1000-1002\"\n\
         organizer = \"ada@acme.example\"\n\
         [[number]]\nnumbers = \"1000-1002\"\nlocal = true\ntype = \"toll\"\ncountry = \"US\"\n\
         meeting = \"room-{{}}\"\n"
    );
    let change = stored(&text);
    let last = change.meetings.last().unwrap();
    assert_eq!((last.name.as_str(), last.conference_id.reveal()), ("room-1002", "1002"));
    assert_eq!(change.numbers.last().unwrap().bound_to, Some(last.id));
    assert_eq!(change.numbers.len(), 4);
}

#[test]
fn an_organizer_without_a_licence_is_warned_about() {
    let text = BASE.replace("[\"MCOMEETADV\", \"MCOPSTNPP\", \"ENTERPRISEPREMIUM\"]", "[]");
    let warnings = planned(&text, &Provision::default()).warnings;
    assert!(warnings[0].starts_with("meeting standup: its organizer ada@acme.example holds"));
}

#[test]
fn the_files_that_come_with_the_product_are_valid() {
    let files = [
        include_str!("../../../../config/example-provision.toml"),
        include_str!("../../../../config/bench-provision.toml"),
    ];
    for text in files {
        let before = stored(text);
        assert_eq!(planned(text, &before).news, Vec::<String>::new());
    }
}

#[test]
fn a_number_in_a_language_without_recordings_is_told_with_the_one_played_instead() {
    let change = stored(&BASE.replace("country", "language = \"fr-FR\"\ncountry"));
    let recorded = ["en-US".to_owned()];
    let told = unrecorded(&change, &recorded).unwrap();
    assert!(told.starts_with("1 number(s) in fr-FR, ") && told.contains("hear en-US"), "{told}");
    assert_eq!(unrecorded(&stored(BASE), &recorded), None);
    assert_eq!(unrecorded(&change, &[]), None);
}

#[test]
fn a_number_says_how_its_callers_are_refused() {
    use model::record::Refusals;
    let refused = |line: &str| {
        stored(&BASE.replace("country", &format!("{line}country"))).numbers[0].refusals
    };
    assert_eq!(refused(""), Refusals::Code);
    assert_eq!(refused("refusals = \"early-media\"\n"), Refusals::EarlyMedia);
    let said = problems(
        "[[number]]\nnumber = \"+14255550199\"\ntype = \"toll\"\ncountry = \"US\"\n\
         refusals = \"politely\"\n",
    );
    assert!(said[0].contains("\"politely\" is no way to refuse a caller"), "{said:?}");
}

#[test]
fn policies_groups_and_lists_become_records() {
    let text = BASE
        .replace(
            "currency = \"USD\"\n\n[[user]]",
            "currency = \"USD\"\ncountry = \"US\"\noutbound_policy = \"tag:DialoutCPCandPSTNDomestic\"\n\
             allow = [\"+1 900 555\"]\ndeny = [\"+\", \"+1900555\"]\nsatellite_allowed = true\n\n\
             [[group]]\nname = \"sales\"\norganization = \"acme\"\nrank = 1\n\n[[user]]",
        )
        .replace("licences = [", "groups = [\"sales\"]\ncountry = \"CA\"\nlicences = [");
    let change = stored(&text);
    let outbound = &change.organizations[0].outbound;
    assert_eq!(outbound.country, "US".parse().ok());
    assert_eq!(outbound.policy.map(|policy| policy.name()), Some("DialoutCPCandPSTNDomestic"));
    assert!(outbound.satellite_allowed && !outbound.premium_allowed);
    let lines: Vec<_> =
        outbound.destinations.iter().map(|rule| (rule.prefix.as_str(), rule.allow)).collect();
    assert_eq!(lines, [("", false), ("1900555", false), ("1900555", true)]);
    assert_eq!(change.users[0].outbound.groups, [change.groups[0].id]);
    assert_eq!(change.users[0].outbound.country, "CA".parse().ok());
    assert_eq!(planned(&text, &change).news, Vec::<String>::new());
    let less = text.replace("deny = [\"+\", ", "deny = [");
    assert_eq!(planned(&less, &change).news, ["changed organization acme: allow or deny"]);
}

#[test]
fn wrong_policies_groups_and_prefixes_are_named_with_their_lines() {
    let said = problems(
        "[[group]]\nname = \"a\"\norganization = \"acme\"\nrank = 1\noutbound_policy = \"none\"\n\
         [[group]]\nname = \"b\"\norganization = \"acme\"\nrank = 1\n\
         [[user]]\nname = \"eve\"\norganization = \"acme\"\nlicences = []\ngroups = [\"c\"]\n\
         country = \"XX\"\n\
         [[organization]]\nname = \"globex\"\ncurrency = \"EUR\"\nallow = [\"39\"]\n\
         [[tariff]]\ncurrency = \"USD\"\ntype = \"dial-out\"\nnumber_prefix = \"7000\"\n\
         caller_prefix = \"+1\"\nper_minute = \"1\"\n",
    );
    let starts = [
        "f.toml:29: group.outbound_policy: \"none\" is not one of the twelve outbound policies",
        "f.toml:33: group.rank: a second group of acme with the rank 1",
        "f.toml:38: user.groups: \"c\" is no group of acme",
        "f.toml:39: user.country: \"XX\" is not a country",
        "f.toml:43: organization.allow: \"39\" is not a prefix",
        "f.toml:47: tariff.number_prefix: \"7000\" is not a prefix",
        "f.toml:48: tariff.caller_prefix: a dial-out is priced by its destination alone",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}\n{start}");
    }
}

#[test]
fn a_night_has_lower_limits_by_the_organizations_clock() {
    let text = BASE
        .replace("\"USD\"\n\n[[user]]", "\"USD\"\ntime_zone = \"Europe/Rome\"\n\n[[user]]")
        + "[[budget]]\norganization = \"acme\"\nspend_hour = \"20.00\"\n[budget.night]\n\
           hours = \"20:00-07:30\"\ndays = [\"sun\", \"sat\"]\nconcurrent = 2\nspend_hour = \"1.50\"\n";
    let change = stored(&text);
    assert_eq!(change.organizations[0].time_zone, "Europe/Rome");
    let budget = &change.guards.budgets[0];
    let night = budget.night.as_ref().unwrap();
    assert_eq!((night.hours, &night.days[..]), (Some((1200, 450)), &[5, 6][..]));
    assert_eq!(night.allowance.spend_hour, "1.50".parse().unwrap());
    assert_eq!(night.allowance.concurrent, 2);
    assert_eq!(night.allowance.per_minute, budget.allowance.per_minute, "else as by day");
}

#[test]
fn a_night_that_is_wrong_is_told_what_to_change() {
    let with = |night: &str| {
        problems(&format!("[[budget]]\norganization = \"acme\"\n[budget.night]\n{night}"))
    };
    assert_eq!(
        with("hours = \"20-7\"\nconcurrent = 1\n"),
        ["f.toml:28: budget.night.hours: \"20-7\" is no time of the day; write it like \
          \"20:00-07:00\", from and until not the same; whole days go into days"]
    );
    assert_eq!(
        with("days = [\"Samstag\"]\nspend_hour = \"500.00\"\n"),
        [
            "f.toml:28: budget.night.days: \"Samstag\" is no day; write one of \"mon\", \"tue\", \
             \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"",
            "f.toml:29: budget.night.spend_hour: 500.00 is above the day's 100.00; a night's limits \
             are lower"
        ]
    );
    assert!(with("concurrent = 1\n")[0].contains("it says no time; write hours ="));
    assert!(with("days = [\"sat\"]\n")[0].contains("no limit of it is lower than the day's"));
    assert!(
        with("days = [\"sat\"]\nmax_minutes = 241\n")[0].contains("241 is above the day's 240")
    );
    let zone =
        problems("[[organization]]\nname = \"o\"\ncurrency = \"USD\"\ntime_zone = \"Rome\"\n");
    assert!(zone[0].contains("\"Rome\" is no time zone; write its name"), "{zone:?}");
}

#[test]
fn what_people_decided_about_countries_survives_the_file() {
    let text = format!("{BASE}[[budget]]\norganization = \"acme\"\ncountries = [\"IT\", \"LV\"]\n");
    let mut known = stored(&text);
    let budget = &mut known.guards.budgets[0];
    budget.approved = vec!["CH".parse().unwrap(), "IT".parse().unwrap()];
    budget.denied = vec!["LV".parse().unwrap()];
    let again = planned(&text, &known).change.guards.budgets.remove(0);
    assert_eq!(again.approved, known.guards.budgets[0].approved);
    assert_eq!(again.denied, known.guards.budgets[0].denied);
}
