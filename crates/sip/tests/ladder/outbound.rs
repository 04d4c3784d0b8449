//! Calls of ours: the trunk's settings and the orders that place them.

use std::time::Duration;

use bytes::Bytes;
use model::{CallId, Credentials, Outbound, Registrar, Reliability, Secret, TrunkId};
use sip::{Dial, Failure};

/// Reads a trunk's settings from a ladder's options.
pub(super) fn read(option: impl Fn(&str) -> Option<String>) -> Outbound {
    Outbound {
        domain: option("domain").unwrap_or_default(),
        credentials: option("realm").map(|realm| Credentials {
            realm,
            user: option("user").unwrap(),
            password: Secret::new(option("password").unwrap()),
        }),
        register_secs: option("register").map(|secs| secs.parse().unwrap()),
        options_secs: option("options").map(|secs| secs.parse().unwrap()),
        reliability: match option("100rel").as_deref() {
            None => Reliability::Off,
            Some("required") => Reliability::Required,
            Some(_) => Reliability::Supported,
        },
        redirect_hosts: option("redirect").into_iter().collect(),
        ..Outbound::to(option("host").unwrap_or_else(|| "192.0.2.1".to_owned()))
    }
}

/// Reads who must register with us.
pub(super) fn registrar(user: String) -> Registrar {
    let password = Secret::new("secret".to_owned());
    let credentials = Credentials { realm: "ours.example".to_owned(), user, password };
    Registrar { credentials, expiry_min_secs: 60, expiry_max_secs: 600 }
}

/// Reads `dial key=value…`.
pub(super) fn dial(call: CallId, trunk: TrunkId, words: &[String]) -> Dial {
    let option = |name: &str| {
        let start = format!("{name}=");
        words.iter().find_map(|word| word.strip_prefix(&start)).map(str::to_owned)
    };
    let number = |name: &str, default: u64| {
        option(name).map_or(default, |number| number.parse::<u64>().unwrap())
    };
    Dial {
        call,
        trunk,
        called: option("called").unwrap_or_else(|| "+390112345678".to_owned()),
        caller: option("caller").unwrap_or_else(|| "+14155550123".to_owned()),
        name: option("name"),
        withheld: option("withheld").is_some(),
        offer: Bytes::from_static(b"v=0\r\no=ours\r\n"),
        max_forwards: u8::try_from(number("hops", 70)).unwrap(),
        patience: Duration::from_secs(number("patience", 32)),
    }
}

/// Tells why a call of ours failed.
pub(super) fn told(failure: &Failure) -> String {
    let mut text = format!("failed {}", failure.status);
    text.push_str(if failure.answered { " answered" } else { " silent" });
    if failure.progressed {
        text.push_str(" progressed");
    }
    if let Some(cause) = failure.q850 {
        text.push_str(&format!(" q850={cause}"));
    }
    if let Some(secs) = failure.retry_after_secs {
        text.push_str(&format!(" retry={secs}"));
    }
    for contact in &failure.contacts {
        text.push_str(&format!(" to={contact}"));
    }
    text
}
