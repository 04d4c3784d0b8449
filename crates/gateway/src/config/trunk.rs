//! Trunks: the allow-list, and how each writes numbers.

use std::collections::BTreeMap;

use bridge::Refusal;
use model::record::{CalledFrom, DtmfMode, NumberingPlan, Trunk};
use model::{
    CallerRule, CallerRules, IpPrefix, Outbound, Protection, Registrar, Transport, TrunkId, Vouched,
};

use super::check::Checker;
use super::{file, outbound};

/// The words of `called_from`.
const CALLED_FROM: [(&str, CalledFrom); 5] = [
    ("request-uri", CalledFrom::RequestUri),
    ("to", CalledFrom::To),
    ("p-called-party-id", CalledFrom::PCalledPartyId),
    ("diversion", CalledFrom::Diversion),
    ("history-info", CalledFrom::HistoryInfo),
];

/// The words of `dtmf`.
const DTMF: [(&str, DtmfMode); 4] = [
    ("auto", DtmfMode::Auto),
    ("event", DtmfMode::Event),
    ("tone", DtmfMode::Tone),
    ("info", DtmfMode::Info),
];

/// The words of `srtp`.
const PROTECTIONS: [(&str, Protection); 3] = [
    ("off", Protection::Off),
    ("optional", Protection::Optional),
    ("mandatory", Protection::Mandatory),
];

/// A listener's name, and whether it speaks TLS.
pub(super) type Named = (Option<String>, bool);

/// The words of `caller_rules`.
const RULES: [(&str, CallerRule); 3] =
    [("allow", CallerRule::Allow), ("tag", CallerRule::Tag), ("refuse", CallerRule::Refuse)];

/// Checks every trunk. `None` only if an error was noted.
pub(super) fn trunks(
    checker: &mut Checker<'_>,
    written: Vec<file::Trunk>,
    listeners: &[Named],
) -> Option<Vec<Trunk>> {
    let mut trunks: Vec<Trunk> = Vec::new();
    let count = written.len();
    for (at, one) in written.into_iter().enumerate() {
        let key = format!("trunk[{at}]");
        if trunks.iter().any(|other| other.name == one.name) {
            checker.bad(&format!("{key}.name"), "is there twice; names of trunks are unique");
        }
        trunks.extend(trunk(checker, &key, one, listeners));
    }
    outbound::groups(checker, &trunks);
    (trunks.len() == count).then_some(trunks)
}

fn trunk(
    checker: &mut Checker<'_>,
    key: &str,
    written: file::Trunk,
    listeners: &[Named],
) -> Option<Trunk> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if written.name.is_empty() || written.name.len() > 64 || !written.name.chars().all(fits) {
        checker.bad(&format!("{key}.name"), "1 to 64 letters, digits and - _ . are allowed");
    }
    let signalling = prefixes(checker, &format!("{key}.signalling"), &written.signalling);
    let media = prefixes(checker, &format!("{key}.media"), &written.media);
    let listener = match written.listener {
        Some(name) => Some(listener(checker, key, &name, listeners)?),
        None => None,
    };
    let called_from =
        word(checker, &format!("{key}.called_from"), &written.called_from, &CALLED_FROM);
    let dtmf = word(checker, &format!("{key}.dtmf"), &written.dtmf, &DTMF);
    if matches!(called_from, Some(CalledFrom::Diversion | CalledFrom::HistoryInfo))
        && !written.trusted
    {
        let problem = "diversion and history-info are believed of trusted trunks alone: \
                       set trusted = true";
        checker.bad(&format!("{key}.called_from"), problem);
    }
    let plan = NumberingPlan {
        country_code: written.country_code,
        national_prefix: written.national_prefix,
        international_prefix: written.international_prefix,
    };
    digits(checker, key, &plan);
    for (name, limit) in
        [("calls_per_second", written.calls_per_second), ("calls_max", written.calls_max)]
    {
        if limit == Some(0) {
            checker
                .bad(&format!("{key}.{name}"), "1 or more is allowed; leave it out for no limit");
        }
    }
    for (label, code) in &written.refusal_codes {
        refusal_code(checker, &format!("{key}.refusal_codes.{label}"), label, *code);
    }
    let outbound = match written.outbound {
        Some(out) => Some(outbound::outbound(checker, &format!("{key}.outbound"), out, &plan)?),
        None => None,
    };
    let registers = match &written.registers {
        Some(own) => Some(registrar(checker, &format!("{key}.registers"), own, outbound.as_ref())?),
        None => None,
    };
    let private = listener.and_then(|at| listeners.get(usize::from(at))).map(|(_, tls)| *tls);
    let srtp = protection(checker, key, &written.srtp, (private, outbound.as_ref()))?;
    Some(Trunk {
        id: TrunkId::from_name(&written.name),
        name: written.name,
        signalling: signalling?,
        media: media?,
        listener,
        tls_peer: written.tls.and_then(|tls| tls.peer),
        called_from: called_from?,
        trusted: written.trusted,
        caller_rules: caller_rules(checker, &format!("{key}.caller_rules"), &written.caller_rules),
        strip_prefix: written.strip_prefix,
        plan,
        calls_per_second: written.calls_per_second,
        calls_max: written.calls_max,
        loopback_media: written.loopback_media,
        refusal_codes: written.refusal_codes.into_iter().collect(),
        dtmf: dtmf?,
        srtp,
        registers,
        outbound,
    })
}

fn digits(checker: &mut Checker<'_>, key: &str, plan: &NumberingPlan) {
    for (name, digits) in [
        ("country_code", &plan.country_code),
        ("national_prefix", &plan.national_prefix),
        ("international_prefix", &plan.international_prefix),
    ] {
        if !digits.bytes().all(|b| b.is_ascii_digit()) || digits.len() > 6 {
            checker.bad(&format!("{key}.{name}"), "up to 6 digits are allowed");
        }
    }
}

/// Checks how a trunk registers with us.
fn registrar(
    checker: &mut Checker<'_>,
    key: &str,
    written: &file::Registers,
    outbound: Option<&Outbound>,
) -> Option<Registrar> {
    let under = |name: &str| format!("{key}.{name}");
    let (least, most) = (written.expiry_min_secs, written.expiry_max_secs);
    // RFC 3261 §10.3: an hour is always long enough.
    checker.within(&under("expiry_min_secs"), least, 30..=3_600);
    checker.within(&under("expiry_max_secs"), most, 30..=86_400);
    if most < least {
        checker.bad(&under("expiry_max_secs"), "expiry_min_secs or more is allowed");
    }
    if outbound.is_some_and(|outbound| outbound.register_secs.is_some()) {
        let problem = "a trunk that registers with us is not registered with: \
                       leave out outbound.register_secs";
        checker.bad(key, problem);
    }
    let place = under("credentials");
    let credentials = outbound::credentials(checker, &place, &written.credentials)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "+*-_.".contains(c);
    if !credentials.user.chars().all(fits) {
        let problem =
            "letters, digits and + * - _ . are allowed: it is the user of its address too";
        checker.bad(&format!("{place}.user"), problem);
    }
    Some(Registrar { credentials, expiry_min_secs: least, expiry_max_secs: most })
}

/// Checks that keys are told only where they are not overheard (reliability.md S21).
fn protection(
    checker: &mut Checker<'_>,
    key: &str,
    name: &str,
    (private, outbound): (Option<bool>, Option<&Outbound>),
) -> Option<Protection> {
    let place = format!("{key}.srtp");
    let Some((_, protection)) = PROTECTIONS.iter().find(|(known, _)| *known == name) else {
        checker.bad(&place, "off, optional and mandatory are allowed");
        return None;
    };
    let told_in_clear = outbound.is_some_and(|out| out.transport != Some(Transport::Tls));
    if *protection == Protection::Mandatory && (private != Some(true) || told_in_clear) {
        let problem = "mandatory wants the trunk on a listener with transport = \"tls\", and \
                       outbound.transport = \"tls\": keys are told over TLS only";
        checker.bad(&place, problem);
    }
    Some(*protection)
}

fn refusal_code(checker: &mut Checker<'_>, key: &str, label: &str, code: u16) {
    if !Refusal::all().any(|refusal| refusal.label() == label) {
        let labels: Vec<&str> = Refusal::all().map(Refusal::label).collect();
        checker.bad(key, format!("is no refusal; {} are allowed", labels.join(", ")));
    }
    checker.within(key, code, 300..=699);
}

fn prefixes(checker: &mut Checker<'_>, key: &str, written: &[String]) -> Option<Vec<IpPrefix>> {
    if written.is_empty() {
        checker.bad(key, "at least one prefix is needed, like 192.0.2.0/24");
    }
    let mut all = Vec::new();
    for (at, text) in written.iter().enumerate() {
        match text.parse() {
            Ok(prefix) => all.push(prefix),
            Err(_) => checker.bad(
                &format!("{key}[{at}]"),
                "an address or a prefix is allowed, like 192.0.2.7 or 2001:db8::/32",
            ),
        }
    }
    (all.len() == written.len()).then_some(all)
}

fn listener(checker: &mut Checker<'_>, key: &str, name: &str, listeners: &[Named]) -> Option<u8> {
    let at = listeners.iter().position(|(listener, _)| listener.as_deref() == Some(name));
    if at.is_none() {
        let known: Vec<&str> = listeners.iter().filter_map(|(name, _)| name.as_deref()).collect();
        let problem = format!("a listener's name is allowed, one of {known:?}");
        checker.bad(&format!("{key}.listener"), problem);
    }
    u8::try_from(at?).ok()
}

/// Reads rules about callers: by what is known of the number's truth, and `anonymous`.
fn caller_rules(
    checker: &mut Checker<'_>,
    key: &str,
    written: &BTreeMap<String, String>,
) -> CallerRules {
    let mut rules = CallerRules::default();
    for (kind, word) in written {
        let under = format!("{key}.{kind}");
        let known = RULES.iter().find(|(name, _)| name == word);
        if known.is_none() {
            checker.bad(&under, "allow, tag, refuse are allowed");
        }
        let rule = known.map(|(_, rule)| *rule).unwrap_or_default();
        match Vouched::WORDS.iter().find(|(name, _)| name == kind) {
            Some((_, vouched)) => rules.vouched.push((*vouched, rule)),
            None if kind == "anonymous" => rules.anonymous = rule,
            None => {
                let kinds: Vec<&str> = Vouched::WORDS.iter().map(|(name, _)| *name).collect();
                checker.bad(&under, format!("anonymous, {} are allowed", kinds.join(", ")));
            }
        }
    }
    rules
}

/// Reads one of a key's words.
fn word<T: Copy>(
    checker: &mut Checker<'_>,
    key: &str,
    written: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let known = words.iter().find(|(name, _)| *name == written);
    if known.is_none() {
        let words: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        checker.bad(key, format!("{} are allowed", words.join(", ")));
    }
    known.map(|(_, value)| *value)
}
