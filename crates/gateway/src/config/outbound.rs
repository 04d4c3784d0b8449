//! How calls of ours leave by a trunk.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::outbound::Routing;
use model::record::{NumberingPlan, Trunk};
use model::{
    CallerRange, Credentials, Did, Failover, Money, NumberStyle, OrganizationId, Outbound,
    Reliability, Secret, Transport,
};

use super::check::Checker;
use super::{file, from_environment};

/// The words of `transport`.
const TRANSPORTS: [(&str, Transport); 3] =
    [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];

/// The words of `prack`.
const RELIABILITIES: [(&str, Reliability); 3] = [
    ("off", Reliability::Off),
    ("supported", Reliability::Supported),
    ("required", Reliability::Required),
];

/// The words of `called_format` and `caller_format`.
const STYLES: [(&str, NumberStyle); 3] = [
    ("+e164", NumberStyle::Plus),
    ("e164", NumberStyle::Digits),
    ("national", NumberStyle::National),
];

/// Checks how calls leave by a trunk. `None` only if an error was noted.
pub(super) fn outbound(
    checker: &mut Checker<'_>,
    key: &str,
    written: file::Outbound,
    plan: &NumberingPlan,
) -> Option<Outbound> {
    let under = |name: &str| format!("{key}.{name}");
    hosts(checker, key, &written);
    if let Some(secs) = written.register_secs {
        checker.within(&under("register_secs"), secs, 60..=86_400);
    }
    if written.options_secs != 0 && !(5..=3_600).contains(&written.options_secs) {
        checker.bad(&under("options_secs"), "0 (never asked) and 5 to 3600 are allowed");
    }
    let transport = match written.transport.as_deref() {
        Some(name) => Some(word(checker, &under("transport"), &TRANSPORTS, name)?),
        None => None,
    };
    let reliability = word(checker, &under("prack"), &RELIABILITIES, &written.prack)?;
    let credentials = match &written.credentials {
        Some(own) => Some(credentials(checker, &under("credentials"), own)?),
        None => None,
    };
    let routing = routing(checker, key, &written, plan)?;
    Some(Outbound {
        host: written.host,
        port: written.port,
        transport,
        domain: written.domain,
        credentials,
        register_secs: written.register_secs,
        options_secs: Some(written.options_secs).filter(|secs| *secs != 0),
        reliability,
        redirect_hosts: written.redirect_hosts,
        routing,
    })
}

/// Checks that a group is one: its trunks have its priority.
pub(super) fn groups(checker: &mut Checker<'_>, trunks: &[Trunk]) {
    let mut known: BTreeMap<&str, (&Trunk, u16)> = BTreeMap::new();
    for (at, trunk) in trunks.iter().enumerate() {
        let Some(routing) = trunk.outbound.as_ref().map(|outbound| &outbound.routing) else {
            continue;
        };
        if routing.group.is_empty() {
            continue;
        }
        let (first, priority) = known.entry(&routing.group).or_insert((trunk, routing.priority));
        if *priority != routing.priority {
            let problem = format!(
                "group {} has priority {priority} at trunk {}; all of a group have the same",
                routing.group, first.name
            );
            checker.bad(&format!("trunk[{at}].outbound.priority"), problem);
        }
    }
}

fn routing(
    checker: &mut Checker<'_>,
    key: &str,
    written: &file::Outbound,
    plan: &NumberingPlan,
) -> Option<Routing> {
    let under = |name: &str| format!("{key}.{name}");
    for (name, text) in [("strip", &written.strip), ("add", &written.add)] {
        if text.len() > 16 || !text.bytes().all(|b| b.is_ascii_digit() || b"*#+".contains(&b)) {
            checker.bad(&under(name), "up to 16 of the characters 0-9 * # + are allowed");
        }
    }
    for (name, limit) in
        [("calls_per_second", written.calls_per_second), ("calls_max", written.calls_max)]
    {
        if limit == Some(0) {
            checker.bad(&under(name), "1 or more is allowed; leave it out for no limit");
        }
    }
    Some(Routing {
        group: written.group.clone(),
        priority: written.priority,
        weight: checker.within(&under("weight"), written.weight, 1..=1_000),
        prefixes: prefixes(checker, &under("prefixes"), &written.prefixes),
        barred: prefixes(checker, &under("barred"), &written.barred),
        costs: Arc::new(costs(checker, key, written)),
        organizations: written.organizations.iter().map(|n| OrganizationId::from_name(n)).collect(),
        callers: callers(checker, &under("callers"), &written.callers),
        called_style: style(checker, &under("called_format"), &written.called_format, plan)?,
        caller_style: style(checker, &under("caller_format"), &written.caller_format, plan)?,
        strip: written.strip.clone(),
        add: written.add.clone(),
        failover: failover(checker, &under("failover"), &written.failover),
        calls_per_second: written.calls_per_second,
        calls_max: written.calls_max,
        suspended: written.suspended,
    })
}

fn hosts(checker: &mut Checker<'_>, key: &str, written: &file::Outbound) {
    let allowed = "a host name or an address without a port is allowed";
    if !is_host(&written.host) {
        checker.bad(&format!("{key}.host"), allowed);
    }
    if !written.domain.is_empty() && !is_host(&written.domain) {
        checker.bad(&format!("{key}.domain"), allowed);
    }
    for (at, host) in written.redirect_hosts.iter().enumerate() {
        if !is_host(host) {
            checker.bad(&format!("{key}.redirect_hosts[{at}]"), allowed);
        }
    }
}

/// Letters, digits, dots and hyphens, or an IPv6 address with or without its brackets.
fn is_host(text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = inside.parse::<std::net::IpAddr>().is_ok();
    address || (!text.is_empty() && text.len() <= 253 && text.chars().all(name))
}

pub(super) fn credentials(
    checker: &mut Checker<'_>,
    key: &str,
    written: &file::Credentials,
) -> Option<Credentials> {
    for (name, text) in [("realm", &written.realm), ("user", &written.user)] {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
            let problem = "text without quotes, backslashes and control characters is allowed";
            checker.bad(&format!("{key}.{name}"), problem);
        }
    }
    let password = match (&written.password, &written.password_file, &written.password_variable) {
        (Some(inline), None, None) => Some(inline.0.clone()),
        (None, Some(path), None) => checker.secret(&format!("{key}.password_file"), path),
        (None, None, Some(variable)) => {
            let found = from_environment(variable);
            if found.is_none() {
                let problem = format!("the variable {variable} is not set, or empty");
                checker.bad(&format!("{key}.password_variable"), problem);
            }
            found
        }
        _ => {
            let problem = "one of password, password_file and password_variable is needed";
            checker.bad(key, problem);
            None
        }
    };
    let password = Secret::new(password?);
    Some(Credentials { realm: written.realm.clone(), user: written.user.clone(), password })
}

fn prefixes(checker: &mut Checker<'_>, key: &str, written: &[String]) -> Vec<String> {
    let read = |(at, text): (usize, &String)| {
        let prefix = prefix(text);
        if prefix.is_none() {
            checker.bad(&format!("{key}[{at}]"), "up to 15 digits are allowed, like +39");
        }
        prefix
    };
    written.iter().enumerate().filter_map(read).collect()
}

/// Reads the beginning of an international number, with or without its plus.
fn prefix(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let fits = digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.to_owned())
}

fn callers(checker: &mut Checker<'_>, key: &str, written: &[String]) -> Vec<CallerRange> {
    let read = |(at, text): (usize, &String)| {
        let range = caller_range(text);
        if range.is_none() {
            let problem = "a number is allowed, like +390116543210, or a beginning, like +39011*";
            checker.bad(&format!("{key}[{at}]"), problem);
        }
        range
    };
    written.iter().enumerate().filter_map(read).collect()
}

fn caller_range(text: &str) -> Option<CallerRange> {
    match text.strip_suffix('*') {
        None => {
            let number: Did = text.parse().ok()?;
            (!text.contains('*')).then(|| CallerRange { text: number.full(), open: false })
        }
        Some(beginning) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "+-._#".contains(c);
            let open = CallerRange { text: beginning.to_owned(), open: true };
            (beginning.len() <= 32 && beginning.chars().all(fits)).then_some(open)
        }
    }
}

fn costs(
    checker: &mut Checker<'_>,
    key: &str,
    written: &file::Outbound,
) -> BTreeMap<String, Money> {
    let mut costs = BTreeMap::new();
    let own = format!("{key}.costs_file");
    let card = written.costs_file.as_deref().and_then(|path| checker.secret(&own, path));
    let path = written.costs_file.as_deref().unwrap_or_default();
    for (at, line) in card.iter().flat_map(|text| text.lines().enumerate()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let read = line
            .split_once(',')
            .and_then(|(beginning, cost)| Some((prefix(beginning.trim())?, amount(cost)?)));
        let problem = match read.map(|(beginning, cost)| costs.insert(beginning, cost)) {
            Some(None) => continue,
            Some(Some(_)) => "its prefix is there twice",
            None => "PREFIX,COST is allowed, like 39011,0.004",
        };
        checker.bad(&own, format!("{path}:{}: {problem}", at + 1));
    }
    for (beginning, cost) in &written.costs {
        match (prefix(beginning), amount(cost)) {
            (Some(beginning), Some(cost)) => {
                costs.insert(beginning, cost);
            }
            (None, _) | (_, None) => {
                let problem =
                    "an amount a minute by a beginning is allowed, like \"39\" = \"0.004\"";
                checker.bad(&format!("{key}.costs.{beginning}"), problem);
            }
        }
    }
    costs
}

fn amount(text: &str) -> Option<Money> {
    text.parse().ok().filter(|amount| *amount >= Money::ZERO)
}

fn style(
    checker: &mut Checker<'_>,
    key: &str,
    written: &str,
    plan: &NumberingPlan,
) -> Option<NumberStyle> {
    let style = word(checker, key, &STYLES, written)?;
    if style == NumberStyle::National && plan.country_code.is_empty() {
        checker.bad(key, "national needs the trunk's country_code");
    }
    Some(style)
}

fn failover(checker: &mut Checker<'_>, key: &str, written: &file::Failover) -> Failover {
    let usual = Failover::default();
    for (name, list) in [("statuses", &written.statuses), ("never", &written.never)] {
        for (at, status) in list.iter().flatten().enumerate() {
            checker.within(&format!("{key}.{name}[{at}]"), *status, 300..=699);
        }
    }
    for (at, cause) in written.causes.iter().flatten().enumerate() {
        checker.within(&format!("{key}.causes[{at}]"), *cause, 1..=127);
    }
    Failover {
        statuses: written.statuses.clone().unwrap_or(usual.statuses),
        causes: written.causes.clone().unwrap_or(usual.causes),
        never: written.never.clone().unwrap_or(usual.never),
    }
}

/// Reads one of a closed set of words.
fn word<T: Copy>(
    checker: &mut Checker<'_>,
    key: &str,
    words: &[(&str, T)],
    written: &str,
) -> Option<T> {
    let known = words.iter().find(|(word, _)| *word == written);
    if known.is_none() {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        checker.bad(key, format!("{} are allowed", words.join(", ")));
    }
    known.map(|(_, value)| *value)
}
