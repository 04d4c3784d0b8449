//! Each rule of routing alone, and the failover table.

use std::collections::BTreeMap;

use model::TrunkId;
use model::outbound::{CallerRange, Failover, NumberStyle};
use model::record::{NumberType, ServiceNumber};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sip::endpoint::Failure;

use super::*;
use crate::sample;

#[test]
fn the_longest_prefix_comes_first_then_priority_then_cost() {
    let trunks = vec![
        way("anywhere", |r| r.priority = 0),
        way("italy-dear", |r| (r.prefixes, r.costs) = (prefixes(&["39"]), costs(&[("39", 9)]))),
        way("italy-cheap", |r| {
            (r.prefixes, r.costs) = (prefixes(&["39"]), costs(&[("", 9), ("39", 9), ("39011", 2)]));
        }),
        way("italy-later", |r| {
            (r.prefixes, r.priority, r.costs) = (prefixes(&["39"]), 1, costs(&[("", 1)]));
        }),
        way("italy-unpriced", |r| r.prefixes = prefixes(&["39"])),
        way("turin", |r| (r.prefixes, r.priority) = (prefixes(&["44", "39011"]), 7)),
    ];
    assert_eq!(
        order(trunks),
        ["turin", "italy-cheap", "italy-dear", "italy-unpriced", "italy-later", "anywhere"]
    );
}

#[test]
fn equals_are_drawn_by_their_weights() {
    let trunks: Vec<Trunk> = [("one", 1), ("three", 3), ("six", 6)]
        .map(|(name, weight)| way(name, |r| r.weight = weight))
        .into();
    let directory = directory(trunks);
    let (mut first, mut second) = (BTreeMap::new(), BTreeMap::new());
    for seed in 0..4_000 {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let plan = plan(&directory, &Health::default(), &wanted(), at(0), &mut chance).unwrap();
        let names: Vec<&str> = plan.routes.iter().map(|r| r.trunk.name.as_str()).collect();
        *first.entry(names[0].to_owned()).or_insert(0) += 1;
        *second.entry(names[1].to_owned()).or_insert(0) += 1;
        assert_eq!(names.len(), 3);
    }
    // Of ten tickets one, three and six are theirs: 400, 1200 and 2400, within six deviations.
    let near = |count: u32, mean: u32| count.abs_diff(mean) < 200;
    assert!(near(first["one"], 400) && near(first["three"], 1_200), "{first:?}");
    assert!(near(first["six"], 2_400), "{first:?}");
    // The second place is drawn among those that are left: 3/10 · 6/7 + 1/10 · 6/9 for the six.
    assert!(near(second["six"], 1_295), "{second:?}");
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let trunks = || (0..9).map(|n| way(&format!("t{n}"), |_| ())).collect::<Vec<_>>();
    assert_eq!(order(trunks()), order(trunks()));
}

#[test]
fn each_trunk_that_is_passed_over_is_told_with_its_reason() {
    let other = OrganizationId::from_name("other");
    let trunks = vec![
        way("a-abroad", |r| r.prefixes = prefixes(&["44"])),
        way("b-barred", |r| {
            (r.prefixes, r.barred) = (prefixes(&["39"]), prefixes(&["3", "39011"]));
        }),
        way("c-theirs", |r| r.organizations = vec![other]),
        way("d-suspended", |r| r.suspended = true),
        way("e-nobody", |r| r.callers = Vec::new()),
        way("f-national", |r| r.called_style = NumberStyle::National),
        sample::trunk(),
    ];
    let directory = directory(trunks);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let refused = plan(&directory, &Health::default(), &wanted(), at(0), &mut chance).unwrap_err();
    let reasons: Vec<Skip> = refused.skipped.iter().map(|skipped| skipped.why).collect();
    assert_eq!(
        reasons,
        [
            Skip::Destination,
            Skip::Destination,
            Skip::Organization,
            Skip::Suspended,
            Skip::Caller,
            Skip::Format,
        ]
    );
    let told = refused.to_string();
    assert!(told.starts_with("no route; a-abroad does not take this destination"), "{told}");
    assert!(told.contains("d-suspended is suspended"), "{told}");
    assert!(!refused.is_passing());
}

#[test]
fn a_dial_in_trunk_alone_is_no_route_without_names() {
    let directory = directory(vec![sample::trunk()]);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let refused = plan(&directory, &Health::default(), &wanted(), at(0), &mut chance).unwrap_err();
    assert_eq!(refused.to_string(), "no route: no trunk is configured for calls out");
}

#[test]
fn a_shorter_bar_leaves_a_longer_prefix_open() {
    let open = way("turin", |r| {
        (r.prefixes, r.barred) = (prefixes(&["39011"]), prefixes(&["39"]));
    });
    assert_eq!(order(vec![open]), ["turin"]);
}

#[test]
fn a_resting_trunk_is_skipped_while_the_others_carry() {
    let (tired, fresh) = (way("tired", |_| ()), way("fresh", |r| r.priority = 9));
    let mut health = Health::default();
    health.failed(tired.id, &failed(503, None, "", Some(30)), at(0));
    let directory = directory(vec![tired, fresh]);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let found = plan(&directory, &health, &wanted(), at(1), &mut chance).unwrap();
    assert_eq!(
        found.to_string(),
        "route: fresh; tired asked to be left alone: 503 with Retry-After"
    );
    let found = plan(&directory, &health, &wanted(), at(31), &mut chance).unwrap();
    assert_eq!(found.to_string(), "route: tired, then fresh");
}

#[test]
fn the_default_number_calls_and_the_organizations_own_where_it_may_not() {
    let own = ServiceNumber {
        did: "+390116999999".parse().unwrap(),
        dedicated_to: Some(sample::organization().id),
        is_default: false,
        refusals: Default::default(),
        ..sample::number(NumberType::Toll)
    };
    let free = ServiceNumber {
        did: "+39800999999".parse().unwrap(),
        ..ServiceNumber { number_type: NumberType::TollFree, ..own.clone() }
    };
    let range = |text: &str| vec![CallerRange { text: text.into(), open: true }];
    let trunks = vec![
        way("a-all", |_| ()),
        way("b-own", |r| (r.callers, r.priority) = (range("+390116999"), 1)),
        way("c-free", |r| r.callers = range("+39800")),
    ];
    let mut provision = sample::provision();
    provision.numbers.extend([own, free]);
    let directory = Directory::new(provision, trunks).unwrap();
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let found = plan(&directory, &Health::default(), &wanted(), at(0), &mut chance).unwrap();
    let shown: Vec<&str> = found.routes.iter().map(|route| route.caller.as_str()).collect();
    assert_eq!(shown, ["+390116543210", "+390116999999"]);
    assert_eq!(found.skipped, [Skipped { trunk: "c-free".into(), why: Skip::Caller }]);
    let stranger = Wanted { organization: OrganizationId::from_name("x"), ..wanted() };
    let found = plan(&directory, &Health::default(), &stranger, at(0), &mut chance).unwrap();
    assert_eq!(found.routes.len(), 1, "another organization's number is not shown");
}

#[test]
fn a_route_shows_no_whole_number_in_a_log() {
    let directory = directory(vec![way("a", |_| ())]);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let found = plan(&directory, &Health::default(), &wanted(), at(0), &mut chance).unwrap();
    assert_eq!(found.routes[0].called, "+390119876543");
    let shown = format!("{found:?}");
    assert!(!shown.contains("9876543") && !shown.contains("6543210"), "{shown}");
}

/// Status, what came before (`-` nothing, `180`), Q.850 cause, whether the next trunk is tried.
const FAILOVER: &str = "
    408 -    -   yes
    408 180  -   no
    480 -    -   no
    480 -    34  yes
    480 -    38  yes
    480 -    41  yes
    480 -    42  yes
    480 -    44  yes
    480 -    47  yes
    480 -    16  no
    480 180  34  no
    500 -    -   yes
    501 -    -   no
    502 -    -   yes
    503 -    -   yes
    503 180  -   no
    503 183  -   no
    504 -    -   yes
    505 -    -   no
    302 -    -   no
    400 -    -   no
    401 -    -   no
    403 -    -   no
    403 -    21  no
    404 -    -   no
    404 -    34  no
    410 -    41  no
    484 -    -   no
    484 -    42  no
    486 -    -   no
    486 -    34  no
    487 -    -   no
    487 -    38  no
    600 -    -   no
    603 -    41  no
    604 -    34  no
    606 -    -   no
";

#[test]
fn the_failover_table_holds() {
    let trunk = way("a", |_| ());
    let mut rows = 0;
    for line in FAILOVER.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let failure = failed(words[0].parse().unwrap(), words[2].parse().ok(), words[1], None);
        assert_eq!(moves_on(&failure, &trunk), words[3] == "yes", "{line}");
        rows += 1;
    }
    assert_eq!(rows, 37);
}

#[test]
fn silence_and_a_trunk_that_cannot_be_reached_are_always_left() {
    let stubborn = way("a", |r| {
        r.failover = Failover { statuses: vec![], causes: vec![], never: vec![408, 503] };
    });
    for status in [408, 503] {
        let silent = Failure { answered: false, ..failed(status, None, "-", None) };
        assert!(moves_on(&silent, &stubborn), "{status}");
        assert!(!moves_on(&failed(status, None, "-", None), &stubborn), "{status}");
        let rang = Failure { progressed: true, ..silent };
        assert!(!moves_on(&rang, &stubborn), "somebody may have heard it ring");
    }
}

#[test]
fn a_trunks_own_lists_decide() {
    let own = way("a", |r| {
        r.failover = Failover { statuses: vec![403, 603], causes: vec![16], never: vec![503] };
    });
    let moves = |status, cause| moves_on(&failed(status, cause, "-", None), &own);
    assert!(moves(403, None) && moves(603, None) && moves(480, Some(16)));
    assert!(!moves(503, Some(16)) && !moves(500, None) && !moves(480, Some(34)));
    assert!(!moves_on(&failed(503, None, "-", None), &sample::trunk()), "it is dial-in only");
}

fn way(name: &str, change: impl FnOnce(&mut Routing)) -> Trunk {
    let mut trunk = sample::way_out(name);
    if let Some(outbound) = &mut trunk.outbound {
        change(&mut outbound.routing);
    }
    Trunk { id: TrunkId::from_name(name), ..trunk }
}

fn directory(trunks: Vec<Trunk>) -> Directory {
    Directory::new(sample::provision(), trunks).unwrap()
}

fn order(trunks: Vec<Trunk>) -> Vec<String> {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let directory = directory(trunks);
    let found = plan(&directory, &Health::default(), &wanted(), at(0), &mut chance).unwrap();
    found.routes.iter().map(|route| route.trunk.name.clone()).collect()
}

fn wanted() -> Wanted {
    Wanted {
        called: E164::from_digits("390119876543").unwrap(),
        organization: sample::organization().id,
        withheld: false,
    }
}

fn failed(status: u16, q850: Option<u8>, before: &str, retry_after: Option<u32>) -> Failure {
    Failure {
        trouble: None,
        status,
        answered: true,
        progressed: before.starts_with('1'),
        q850,
        retry_after_secs: retry_after,
        contacts: Vec::new(),
    }
}

fn prefixes(all: &[&str]) -> Vec<String> {
    all.iter().map(|prefix| (*prefix).to_owned()).collect()
}

fn costs(all: &[(&str, i64)]) -> Arc<BTreeMap<String, Money>> {
    let each = all.iter().map(|(prefix, micros)| ((*prefix).into(), Money::from_micros(*micros)));
    Arc::new(each.collect())
}

fn at(secs: u64) -> Instant {
    Instant::START + Duration::from_secs(secs)
}
