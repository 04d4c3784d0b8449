//! What is written beside the code: the top level, the map, the metric page, the schema, the
//! scenarios and the README.

use std::collections::BTreeSet;

use super::tree::{Breach, File, Tree};

/// All that may lie in the root, beside dotfiles.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "crates",
    "config",
    "sipp-scenarios",
    "deploy",
    "tests",
];

/// Where alone metrics are named, a file and its folder, and the page that explains each.
const TELEMETRY: &str = "crates/gateway/src/telemetry";
const METRICS_PAGE: &str = "deploy/metrics.md";

/// Longest README, lines.
const README_LINES_MAX: usize = 150;

/// What a schema may not hold: the database invents nothing, and money has no fractions.
const NOT_IN_SCHEMAS: &[&str] = &[
    "AUTOINCREMENT",
    "DEFAULT NOW",
    "DEFAULT (NOW",
    "DEFAULT CURRENT_",
    "DEFAULT (CURRENT_",
    "DEFAULT (DATETIME",
    "DEFAULT (STRFTIME",
    "DEFAULT (UNIXEPOCH",
    "DEFAULT (RANDOM",
    "CURRENT_TIMESTAMP",
    "SERIAL",
    " REAL",
    " FLOAT",
    " DOUBLE",
    " NUMERIC",
];

/// Tests that break the schema on purpose; our own texts in the other engine's words; and what moves
/// every table, by the names that the database itself gives.
const SQL_PUT_TOGETHER_IN: &[&str] = &[
    "crates/store/src/sql/faults.rs",
    "crates/store/src/postgres/session.rs",
    "crates/store/src/postgres/schema.rs",
    "crates/store/src/copy.rs",
];

/// Checks that the root holds what was agreed and nothing else.
pub(crate) fn the_top_level_is_fixed(present: &BTreeSet<String>) -> Vec<Breach> {
    let agreed: BTreeSet<_> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
    let shown: BTreeSet<_> =
        present.iter().filter(|name| !name.starts_with('.')).cloned().collect();
    let extra = shown.difference(&agreed).map(|name| format!("{name} has no place at the top"));
    let missing = agreed.difference(&shown).map(|name| format!("{name} is missing at the top"));
    extra.chain(missing).map(Breach::of).collect()
}

/// Checks that the map of `crates/` names every crate, with what it must never do, and no other.
pub(crate) fn the_map_names_every_crate(tree: &Tree) -> Vec<Breach> {
    let Some(map) = tree.file("crates/README.md") else {
        return vec![Breach::of("crates/README.md is missing")];
    };
    let present: BTreeSet<_> =
        tree.under("crates/").filter_map(|file| file.path.split('/').nth(1)).collect();
    let present = present.into_iter().filter(|name| !name.contains('.'));
    let headings =
        map.text.lines().filter_map(|line| line.strip_prefix("### `")?.split('`').next());
    let (present, named): (BTreeSet<_>, BTreeSet<_>) = (present.collect(), headings.collect());
    let mut breaches = Vec::new();
    for name in present.symmetric_difference(&named) {
        breaches.push(Breach::of(format!("the map and the folder disagree about {name}")));
    }
    for section in map.text.split("\n### `").skip(1) {
        if !section.contains("Must never:") {
            let name = section.split('`').next().unwrap_or_default();
            breaches.push(Breach::of(format!("the map does not say what {name} must never do")));
        }
    }
    breaches
}

/// Checks that paths named in the map exist.
pub(crate) fn the_map_points_at_what_exists(tree: &Tree) -> Vec<Breach> {
    let Some(map) = tree.file("crates/README.md") else {
        return vec![Breach::of("crates/README.md is missing")];
    };
    let mut breaches = Vec::new();
    for (number, line) in map.text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let path = quoted.contains('/') && quoted.ends_with(".rs") && !quoted.contains('<');
            let there = [quoted.to_owned(), format!("crates/{quoted}")];
            if path && !there.iter().any(|path| tree.file(path).is_some()) {
                breaches.push(Breach::at(map, number, format!("{quoted} does not exist")));
            }
        }
    }
    breaches
}

/// Checks that only telemetry names metrics.
pub(crate) fn one_place_names_metrics(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let sources = tree.under("crates/").filter(|file| file.path.ends_with(".rs"));
    for file in
        sources.filter(|file| !file.path.starts_with(TELEMETRY) && file.path.contains("/src/"))
    {
        for (line, literal) in file.literals() {
            if is_metric(literal) {
                breaches.push(Breach::at(file, line, format!("{literal} is named here")));
            }
        }
    }
    breaches
}

/// Checks that each metric has a row on the page and each row a metric.
pub(crate) fn every_metric_is_explained(tree: &Tree) -> Vec<Breach> {
    let named = metrics_in(tree);
    let page = tree.file(METRICS_PAGE).map(|page| page.text.as_str()).unwrap_or_default();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    let explained: BTreeSet<_> = rows.filter(|name| is_metric(name)).collect();
    let silent = named.difference(&explained).map(|name| format!("{name} has no row"));
    let stale = explained.difference(&named).map(|name| format!("{name} has a row but no code"));
    silent.chain(stale).map(|what| Breach::of(format!("{METRICS_PAGE}: {what}"))).collect()
}

/// Checks that alerts and dashboards ask for metrics that exist.
pub(crate) fn alerts_ask_for_metrics_that_exist(tree: &Tree) -> Vec<Breach> {
    let named = metrics_in(tree);
    let mut breaches = Vec::new();
    for file in tree.under("deploy/").filter(|file| file.path != METRICS_PAGE) {
        for (number, line) in file.text.lines().enumerate() {
            for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let bare = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|ending| word.strip_suffix(ending))
                    .unwrap_or(word);
                let known = named.contains(word) || named.contains(bare);
                // Every metric's name has three parts; other names of ours may have fewer.
                if is_metric(word) && word.split('_').count() > 2 && !known {
                    breaches.push(Breach::at(file, number, format!("{word} is no metric of ours")));
                }
            }
        }
    }
    breaches
}

/// Checks the form of metric names: `tollgate_<room>_<noun>[_<unit>][_total]`.
pub(crate) fn metric_names_have_rooms(tree: &Tree) -> Vec<Breach> {
    let named = metrics_in(tree);
    let short = named.into_iter().filter(|name| name.split('_').count() < 3);
    short.map(|name| Breach::of(format!("{name} names no room and noun"))).collect()
}

/// Checks that the database invents nothing.
pub(crate) fn the_database_invents_nothing(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".sql")) {
        for (number, line) in file.text.lines().enumerate() {
            let said = line.split("--").next().unwrap_or_default().to_uppercase();
            if let Some(word) = NOT_IN_SCHEMAS.iter().find(|word| said.contains(**word)) {
                breaches.push(Breach::at(
                    file,
                    number,
                    format!("a schema without {}", word.trim()),
                ));
            }
        }
    }
    breaches
}

/// Checks that SQL is never put together from text.
pub(crate) fn sql_is_never_put_together(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust().filter(|file| !SQL_PUT_TOGETHER_IN.contains(&file.path.as_str())) {
        let flat: String = file.code.split_whitespace().collect();
        let built = ["query", "query_as", "query_scalar", "execute", "raw_sql"].iter();
        let built = built.flat_map(|verb| [format!("{verb}(format!"), format!("{verb}(&format!")]);
        let generic = [">(format!", ">(&format!"].map(str::to_owned);
        let sql = file.path.starts_with("crates/store/");
        let generic = generic.into_iter().filter(|_| sql);
        for form in built.chain(generic).chain(["AssertSqlSafe".to_owned()]) {
            if flat.contains(&form) {
                breaches.push(Breach::of(format!("{}: SQL put together: {form}", file.path)));
            }
        }
    }
    breaches
}

/// Checks that each SIPp scenario is run by a test, and that each one run exists.
pub(crate) fn every_scenario_is_run(tree: &Tree) -> Vec<Breach> {
    let scenarios = tree.under("sipp-scenarios/").filter(|file| file.path.ends_with(".xml"));
    let present: BTreeSet<_> = scenarios.filter_map(|file| file.path.split('/').nth(1)).collect();
    let tests = tree.under("tests/").filter(|file| file.path.ends_with(".rs"));
    let tests: Vec<_> = tests.filter(|file| !file.path.starts_with("tests/tidy")).collect();
    let literals = tests.iter().flat_map(|file| file.literals());
    let run: BTreeSet<_> =
        literals.map(|(_, text)| text).filter(|text| text.ends_with(".xml")).collect();
    let idle = present.difference(&run).map(|name| format!("no test runs {name}"));
    let absent = run.difference(&present).map(|name| format!("{name} does not exist"));
    idle.chain(absent).map(Breach::of).collect()
}

/// Checks that the README fits on a few screens.
pub(crate) fn the_readme_is_short(tree: &Tree) -> Vec<Breach> {
    let long = tree.file("README.md").filter(|file| file.text.lines().count() > README_LINES_MAX);
    long.map(|file| Breach::at(file, README_LINES_MAX, "the README is too long"))
        .into_iter()
        .collect()
}

/// Checks that relative links between pages lead somewhere.
pub(crate) fn links_lead_somewhere(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for page in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in page.text.lines().enumerate() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for target in targets.filter(|target| !target.contains(':')) {
                let target = target.split('#').next().unwrap_or_default().trim_end_matches('/');
                let path = resolved(folder, target);
                let beneath = format!("{path}/");
                let there = target.is_empty()
                    || tree.files.iter().any(|f| f.path == path || f.path.starts_with(&beneath));
                if !there {
                    breaches.push(Breach::at(page, number, format!("{target} leads nowhere")));
                }
            }
        }
    }
    breaches
}

/// Checks that no path of the machine it was written on stands in the tree.
pub(crate) fn the_tree_knows_no_other_place(tree: &Tree) -> Vec<Breach> {
    let strange = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut breaches = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(path) = strange.iter().find(|path| line.contains(**path)) {
                breaches.push(Breach::at(file, number, format!("{path} is a place of its own")));
            }
        }
    }
    breaches
}

fn is_metric(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.strip_prefix("tollgate_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain))
}

fn metrics_in(tree: &Tree) -> BTreeSet<&str> {
    let literals = tree.under(TELEMETRY).flat_map(File::literals).map(|(_, text)| text);
    literals.filter(|text| is_metric(text)).collect()
}

/// Joins a link to the folder of its page, walking up for each `..`.
fn resolved(folder: &str, target: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Tree) -> Vec<Breach>, files: &[(&str, &str)]) -> usize {
        rule(&Tree::of(files)).len()
    }

    #[test]
    fn a_stray_or_missing_name_at_the_top_is_seen() {
        let mut present: BTreeSet<_> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
        present.insert(".github".to_owned());
        assert_eq!(the_top_level_is_fixed(&present), []);
        present.insert("scripts".to_owned());
        present.remove("LICENSE");
        assert_eq!(the_top_level_is_fixed(&present).len(), 2);
    }

    #[test]
    fn a_map_that_is_not_true_is_seen() {
        let map = ("crates/README.md", "\n### `sip`\nMust never: wait. See `sip/src/lib.rs`.\n");
        assert_eq!(count(the_map_names_every_crate, &[map, ("crates/sip/Cargo.toml", "")]), 0);
        assert_eq!(count(the_map_names_every_crate, &[map, ("crates/net/Cargo.toml", "")]), 2);
        let mute = ("crates/README.md", "\n### `sip`\nDoes things.\n");
        assert_eq!(count(the_map_names_every_crate, &[mute, ("crates/sip/Cargo.toml", "")]), 1);
        assert_eq!(count(the_map_points_at_what_exists, &[map]), 1);
        assert_eq!(count(the_map_points_at_what_exists, &[map, ("crates/sip/src/lib.rs", "")]), 0);
    }

    #[test]
    fn metrics_out_of_place_or_unexplained_are_seen() {
        const NAMED: &str = "crates/gateway/src/telemetry.rs";
        let code =
            ("crates/gateway/src/telemetry/sip.rs", "counter!(\"tollgate_sip_requests_total\")");
        let page = (METRICS_PAGE, "| `tollgate_sip_requests_total` | requests |\n");
        assert_eq!(count(every_metric_is_explained, &[code, page]), 0);
        assert_eq!(count(every_metric_is_explained, &[code]), 1);
        assert_eq!(count(every_metric_is_explained, &[(NAMED, ""), page]), 1);
        let stray = ("crates/api/src/lib.rs", "counter!(\"tollgate_sip_requests_total\")");
        assert_eq!(count(one_place_names_metrics, &[code, stray]), 1);
        assert_eq!(count(metric_names_have_rooms, &[(NAMED, "\"tollgate_calls\"")]), 1);
        let alert = ("deploy/alerts.yml", "rate(tollgate_sip_requests_total[5m])");
        assert_eq!(count(alerts_ask_for_metrics_that_exist, &[code, alert]), 0);
        assert_eq!(count(alerts_ask_for_metrics_that_exist, &[(NAMED, ""), alert]), 1);
    }

    #[test]
    fn an_inventive_database_is_seen() {
        let schema = |text| count(the_database_invents_nothing, &[("a/1.sql", text)]);
        assert_eq!(schema("id INTEGER PRIMARY KEY AUTOINCREMENT"), 1);
        assert_eq!(schema("at BIGINT NOT NULL DEFAULT (unixepoch())"), 1);
        assert_eq!(schema("amount REAL"), 1);
        assert_eq!(schema("state INTEGER NOT NULL DEFAULT 0 -- not DEFAULT now()"), 0);
    }

    #[test]
    fn sql_made_of_text_is_seen() {
        let sql = |text| count(sql_is_never_put_together, &[("crates/store/src/a.rs", text)]);
        assert_eq!(sql("sqlx::query(\n  &format!(\"SELECT {a}\"))"), 1);
        assert_eq!(sql("sqlx::query_scalar::<_, i64>(&format!(\"SELECT {a}\"))"), 1);
        assert_eq!(sql("sqlx::query(\"SELECT 1\")"), 0);
    }

    #[test]
    fn an_idle_or_absent_scenario_is_seen() {
        let scenario = ("sipp-scenarios/cancel.xml", "");
        let test = ("tests/end_to_end.rs", "sipp(\"cancel.xml\")");
        assert_eq!(count(every_scenario_is_run, &[scenario, test]), 0);
        assert_eq!(count(every_scenario_is_run, &[scenario]), 1);
        assert_eq!(count(every_scenario_is_run, &[test]), 1);
    }

    #[test]
    fn a_long_readme_a_dead_link_and_a_strange_place_are_seen() {
        assert_eq!(count(the_readme_is_short, &[("README.md", &"\n".repeat(151))]), 1);
        let page = ("crates/README.md", "[the tests](../tests/run) and [docs](https://docs.rs)");
        assert_eq!(count(links_lead_somewhere, &[page]), 1);
        assert_eq!(count(links_lead_somewhere, &[page, ("tests/run", "")]), 0);
        let strange = ("deploy/a.service", concat!("ExecStart=/wo", "rk/tollgate"));
        assert_eq!(count(the_tree_knows_no_other_place, &[strange]), 1);
    }
}
