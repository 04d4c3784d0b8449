//! What each mistake in a configuration is answered with.

use super::*;

const GOOD: &str = r#"
[store]
url = "memory:"
[[listener]]
name = "inside"
bind = "127.0.0.1:5060"
[media]
bind = "127.0.0.1"
[[trunk]]
name = "carrier"
signalling = ["192.0.2.0/24"]
media = ["192.0.2.0/24"]
listener = "inside"
called_from = "p-called-party-id"
"#;

#[test]
fn a_short_file_is_filled_with_defaults() {
    let config = config(Path::new("t.toml"), GOOD).unwrap();
    assert_eq!(config.node.calls_max, 1_000);
    assert_eq!(config.listeners[0].advertised, "127.0.0.1:5060".parse().unwrap());
    assert_eq!(config.trunks[0].listener, Some(0));
    assert!(config.http.bind.ip().is_loopback());
}

#[test]
fn strangers_have_a_patience_of_their_own() {
    let config = config(Path::new("t.toml"), GOOD).unwrap();
    assert_eq!(config.patience, sip::Patience::default());
    let told = errors(&format!("{GOOD}[strangers]\nban_secs = 0\n"));
    assert!(told.starts_with("t.toml:16: strangers.ban_secs: "), "{told}");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_allowed_ones() {
    let told = errors(&GOOD.replace("name = \"carrier\"", "nam = \"carrier\""));
    assert!(told.starts_with("t.toml:10: trunk[0].nam: unknown field `nam`"), "{told}");
    assert!(told.contains("`strip_prefix`"), "{told}");
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    let told = errors(&format!("{GOOD}trusted = 7\n"));
    assert!(told.starts_with("t.toml:15: trunk[0].trusted: invalid type"), "{told}");
    assert!(told.contains("expected a boolean"), "{told}");
}

#[test]
fn a_missing_key_is_named_with_its_table() {
    let told = errors(&GOOD.replace("url = \"memory:\"\n", ""));
    assert!(told.starts_with("t.toml:2: store: missing field `url`"), "{told}");
}

#[test]
fn text_that_is_not_toml_is_named_with_its_line() {
    let told = errors("[store]\nurl = memory\n");
    assert!(told.starts_with("t.toml:2: "), "{told}");
}

#[test]
fn every_wrong_value_is_told_with_what_is_allowed() {
    let text = GOOD
        .replace("memory:", "mysql:")
        .replace("192.0.2.0/24\"]\nmedia", "192.0.2.0/33\"]\nmedia")
        .replace("p-called-party-id", "via")
        .replace("\"127.0.0.1\"", "\"127.0.0.1\"\nport_first = 10001");
    let told = errors(&text);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert!(lines[0].starts_with("t.toml:3: store.url: sqlite:PATH, postgres://"), "{told}");
    assert!(lines[1].starts_with("t.toml:9: media.port_first: an even port"), "{told}");
    assert!(lines[2].starts_with("t.toml:12: trunk[0].signalling[0]: "), "{told}");
    assert!(lines[3].starts_with("t.toml:15: trunk[0].called_from: request-uri, "), "{told}");
}

#[test]
fn slices_are_long_enough_for_a_leg_that_is_silent_on_hold() {
    let with = |slice: u32, held: u32| {
        format!("{GOOD}[charging]\nslice_secs = {slice}\nlife_held_secs = {held}\n")
    };
    for (slice, held) in [(45, 300), (26, 300), (476, 7_200)] {
        assert!(config(Path::new("t.toml"), &with(slice, held)).is_ok(), "{slice} {held}");
    }
    let told = errors(&with(25, 300));
    let expected = "t.toml:16: charging.slice_secs: at least 26 is allowed while \
                    charging.life_held_secs is 300: ";
    assert!(told.starts_with(expected), "{told}");
    assert!(errors(&with(475, 7_200)).contains("at least 476 is allowed"));
}

#[test]
fn an_unspecified_address_needs_one_to_advertise() {
    let told = errors(&GOOD.replace("\"127.0.0.1\"", "\"0.0.0.0\""));
    assert!(told.starts_with("t.toml:7: media.advertised: the address that peers"), "{told}");
}

#[test]
fn a_refusal_that_does_not_exist_is_told_with_those_that_do() {
    let told = errors(&format!("{GOOD}refusal_codes = {{ broke = 402 }}\n"));
    assert!(told.starts_with("t.toml:15: trunk[0].refusal_codes.broke: is no refusal"), "{told}");
    assert!(told.contains("insufficient_credit"), "{told}");
}

#[test]
fn the_way_of_keys_is_one_of_four_words() {
    let told = errors(&format!("{GOOD}dtmf = \"rtp\"\n"));
    let expected = "t.toml:15: trunk[0].dtmf: auto, event, tone, info are allowed";
    assert!(told.starts_with(expected), "{told}");
    for mode in ["auto", "event", "tone", "info"] {
        assert!(config(Path::new("t.toml"), &format!("{GOOD}dtmf = {mode:?}\n")).is_ok());
    }
}

#[test]
fn keys_are_not_told_in_clear() {
    let told = errors(&format!("{GOOD}srtp = \"mandatory\"\n"));
    assert!(told.starts_with("t.toml:15: trunk[0].srtp: mandatory wants the trunk"), "{told}");
    let told = errors(&format!("{GOOD}srtp = \"yes\"\n"));
    assert_eq!(told, "t.toml:15: trunk[0].srtp: off, optional and mandatory are allowed");
    let config = config(Path::new("t.toml"), &format!("{GOOD}srtp = \"optional\"\n"));
    assert_eq!(config.unwrap().trunks[0].srtp, model::Protection::Optional);
}

#[test]
fn a_token_is_never_shown() {
    let marker = "marker-0123456789";
    let text = format!("{GOOD}[http]\ntoken = \"{marker}\"\n");
    let config = config(Path::new("t.toml"), &text).unwrap();
    assert_eq!(config.http.token.as_ref().unwrap().reveal(), marker);
    assert!(!format!("{config:?}").contains(marker));
}

#[test]
fn a_trunk_that_calls_leave_by_is_read_whole() {
    let text = format!(
        "{GOOD}country_code = \"39\"\ninternational_prefix = \"00\"\n[trunk.outbound]\n\
         host = \"sip.example.net\"\ntransport = \"tcp\"\nprefixes = [\"+39\", \"44\"]\n\
         callers = [\"+39 011 6543210\", \"+4420*\"]\ncalled_format = \"national\"\n\
         costs = {{ \"+39\" = \"0.004\" }}\nredirect_hosts = [\"192.0.2.4\"]\n\
         credentials = {{ realm = \"r\", user = \"u\", password = \"marker-98765\" }}\n\
         failover = {{ statuses = [403] }}\n"
    );
    let config = config(Path::new("t.toml"), &text).unwrap();
    assert!(!format!("{config:?}").contains("marker-98765"));
    let outbound = config.trunks[0].outbound.as_ref().unwrap();
    assert_eq!(outbound.credentials.as_ref().unwrap().password.reveal(), "marker-98765");
    assert_eq!(outbound.options_secs, Some(30));
    let routing = &outbound.routing;
    assert_eq!(routing.prefixes, ["39", "44"]);
    assert_eq!(routing.costs.get("39").map(|cost| cost.micros()), Some(4_000));
    assert!(routing.callers[0].holds(&"+390116543210".parse().unwrap()));
    assert!(routing.callers[1].holds(&"+442079460000".parse().unwrap()));
    assert_eq!(routing.failover.statuses, [403]);
    assert_eq!(routing.failover.causes, model::Failover::default().causes);
}

#[test]
fn every_wrong_key_of_a_way_out_is_told_with_its_line_and_what_is_allowed() {
    let wrong = [
        ("host = \"a b\"", "outbound.host: a host name or an address"),
        ("transport = \"sctp\"", "outbound.transport: udp, tcp, tls are allowed"),
        ("prack = \"maybe\"", "outbound.prack: off, supported, required are allowed"),
        ("called_format = \"short\"", "outbound.called_format: +e164, e164, national"),
        ("caller_format = \"national\"", "outbound.caller_format: national needs the trunk's"),
        ("prefixes = [\"+39\", \"x\"]", "outbound.prefixes[1]: up to 15 digits"),
        ("callers = [\"+39*1\"]", "outbound.callers[0]: a number"),
        ("costs = { \"39\" = \"free\" }", "outbound.costs.39: an amount a minute"),
        ("costs_file = \"/nowhere.csv\"", "outbound.costs_file: /nowhere.csv cannot be read"),
        ("weight = 0", "outbound.weight: 1 to 1000 are allowed"),
        ("register_secs = 5", "outbound.register_secs: 60 to 86400"),
        ("options_secs = 2", "outbound.options_secs: 0 (never asked) and 5 to 3600"),
        ("add = \"a\"", "outbound.add: up to 16 of the characters 0-9 * # +"),
        ("calls_max = 0", "outbound.calls_max: 1 or more"),
        ("failover = { statuses = [200] }", "outbound.failover.statuses[0]: 300 to 699"),
        ("failover = { causes = [0] }", "outbound.failover.causes[0]: 1 to 127"),
        (
            "credentials = { realm = \"r\", user = \"u\" }",
            "outbound.credentials: one of password, password_file and password_variable",
        ),
    ];
    for (line, told) in wrong {
        let host = if line.starts_with("host") { "" } else { "host = \"192.0.2.1\"\n" };
        let text = format!("{GOOD}[trunk.outbound]\n{line}\n{host}");
        let said = errors(&text);
        assert!(said.starts_with(&format!("t.toml:16: trunk[0].{told}")), "{line}: {said}");
    }
}

#[test]
fn a_trunk_that_registers_is_read_and_its_wrong_keys_are_told() {
    let own = "credentials = { realm = \"r\", user = \"u\", password = \"marker-98765\" }\n";
    let text = format!("{GOOD}[trunk.registers]\n{own}expiry_max_secs = 600\n");
    let read = config(Path::new("t.toml"), &text).unwrap();
    assert!(!format!("{read:?}").contains("marker-98765"));
    let registrar = read.trunks[0].registers.as_ref().unwrap();
    assert_eq!((registrar.expiry_min_secs, registrar.expiry_max_secs), (60, 600));
    let wrong = [
        (text.replace("600", "40"), "registers.expiry_max_secs: expiry_min_secs or more"),
        (text.replace("600", "90000"), "registers.expiry_max_secs: 30 to 86400 are"),
        (text.replace("\"u\"", "\"u v\""), "registers.credentials.user: letters, digits"),
        (text.replace(own, ""), "registers: missing field `credentials`"),
        (
            format!("{text}[trunk.outbound]\nhost = \"192.0.2.1\"\nregister_secs = 600\n"),
            "registers: a trunk that registers with us is not registered with",
        ),
    ];
    for (text, told) in wrong {
        let said = errors(&text);
        assert!(said.contains(&format!("trunk[0].{told}")), "{said}");
    }
}

#[test]
fn rules_about_callers_are_read_and_an_untrusted_diversion_is_not_believed() {
    let text = format!("{GOOD}caller_rules = {{ failed = \"refuse\", anonymous = \"tag\" }}\n");
    let rules = config(Path::new("t.toml"), &text).unwrap().trunks[0].caller_rules.clone();
    assert_eq!(rules.about(model::Vouched::Failed), model::CallerRule::Refuse);
    assert_eq!(rules.about(model::Vouched::Nothing), model::CallerRule::Allow);
    assert_eq!(rules.anonymous, model::CallerRule::Tag);
    let said = errors(&text.replace("failed", "forged").replace("tag", "mark"));
    assert!(said.contains("trunk[0].caller_rules.anonymous: allow, tag, refuse are"), "{said}");
    assert!(said.contains("caller_rules.forged: anonymous, passed_a, passed_b,"), "{said}");
    let said = errors(&GOOD.replace("p-called-party-id", "diversion"));
    assert!(said.starts_with("t.toml:14: trunk[0].called_from: diversion and his"), "{said}");
}

#[test]
fn the_trunks_of_a_group_share_its_priority() {
    let out = |n: u8| {
        format!("[trunk.outbound]\nhost = \"192.0.2.{n}\"\ngroup = \"g\"\npriority = {n}\n")
    };
    let second = "[[trunk]]\nname = \"b\"\nsignalling = [\"192.0.3.1\"]\nmedia = [\"192.0.3.1\"]\n";
    let said = errors(&format!("{GOOD}{}{second}{}", out(1), out(2)));
    assert!(
        said.starts_with(
            "t.toml:26: trunk[1].outbound.priority: group g has priority 1 at trunk carrier"
        ),
        "{said}"
    );
}

#[test]
fn a_rate_card_is_read_and_its_mistakes_are_told_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.csv");
    let text = format!(
        "{GOOD}[trunk.outbound]\nhost = \"192.0.2.1\"\ncosts_file = \"{}\"\n",
        path.display()
    );
    std::fs::write(&path, "# prefix,cost\n+39,0.004\n\n39011,0.003\n").unwrap();
    let read = config(Path::new("t.toml"), &text).unwrap();
    let costs = &read.trunks[0].outbound.as_ref().unwrap().routing.costs;
    assert_eq!(costs.get("39011").map(|cost| cost.micros()), Some(3_000));
    std::fs::write(&path, "39,0.004\n39011;0.003\n39,-1\n").unwrap();
    let said = errors(&text);
    assert!(said.contains(":2: PREFIX,COST is allowed, like 39011,0.004"), "{said}");
    assert!(said.contains(":3: "), "{said}");
}

#[test]
fn the_example_is_valid() {
    let text = include_str!("../../../../../config/tollgate.toml");
    assert!(config(Path::new("config/tollgate.toml"), text).is_ok());
    // Its ways out too, once the files that they name are there.
    let kept = |line: &&str| !line.contains("_file =");
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with("[trunk.") || rest.contains(" = ") => rest.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    let all = text.split_once("# [trunk.outbound]").and_then(|(_, rest)| {
        rest.split_once("[charging]").map(|(way_out, _)| format!("# [trunk.outbound]{way_out}"))
    });
    let way_out: Vec<_> = all.unwrap().lines().filter(kept).map(uncommented).collect();
    let text = format!("{GOOD}{}\npassword = \"x\"\n", way_out.join("\n"));
    let outbound = config(Path::new("t.toml"), &text).unwrap().trunks[0].outbound.clone();
    let outbound = outbound.unwrap();
    assert_eq!(outbound.routing.failover, model::Failover::default());
    assert_eq!(outbound.routing.calls_max, Some(200));
}

fn errors(text: &str) -> String {
    config(Path::new("t.toml"), text).unwrap_err().to_string()
}
