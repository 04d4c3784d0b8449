//! A place to run Tollgate: the configuration and what is provisioned, as text, with the keys that
//! a test wants to be different.

use std::collections::BTreeMap;
use std::path::Path;

/// Ports of one instance: SIP, HTTP, RTP pairs.
const PORTS: u16 = 100;

/// Section of a listener beside the first one.
pub(crate) const SECOND: &str = "[[listener]] # second";

/// A shared toll number.
pub(crate) const TOLL: &str = "+390110000001";
/// A shared toll-free number.
pub(crate) const TOLL_FREE: &str = "+39800000001";
/// A toll number bound to the meeting of the subscription.
pub(crate) const TOLL_TO_SUBSCRIBED: &str = "+390110000002";
/// A toll number bound to the pay-per-minute meeting.
pub(crate) const TOLL_TO_METERED: &str = "+390110000003";
/// A toll-free number bound to the meeting of the subscription.
pub(crate) const TOLL_FREE_TO_SUBSCRIBED: &str = "+39800000002";
/// A number that nobody answers.
pub(crate) const NOBODY: &str = "+390119999999";

/// Conference ID of the subscription's meeting; its organization may use credits.
pub(crate) const SUBSCRIBED: &str = "200300401";
/// Conference ID of the pay-per-minute meeting.
pub(crate) const METERED: &str = "200300402";
/// Conference ID of nothing.
pub(crate) const WRONG: &str = "999888777";

/// Organization with a subscription and the right to credits.
pub(crate) const ACME: &str = "acme";
/// Organization that pays by the minute.
pub(crate) const BOLT: &str = "bolt";

/// Price of a second in every tariff here, in millionths.
pub(crate) const MICROS_PER_SEC: i64 = 10_000;

/// Token of the control API.
pub(crate) const TOKEN: &str = "end-to-end-token-0123456789";

const PROVISION: &str = r#"
[[organization]]
name = "acme"
currency = "EUR"

[[organization]]
name = "bolt"
currency = "EUR"

[[user]]
name = "ada@acme.example"
organization = "acme"
licences = ["MCOMEETADV", "MCOPSTNPP"]

[[user]]
name = "bob@bolt.example"
organization = "bolt"
licences = ["MCOMEETACPEA"]

[[meeting]]
name = "subscribed"
organizer = "ada@acme.example"
conference_id = "200300401"

[[meeting]]
name = "metered"
organizer = "bob@bolt.example"
conference_id = "200300402"

[[number]]
number = "+390110000001"
type = "toll"
country = "IT"

[[number]]
number = "+39800000001"
type = "toll-free"
country = "IT"

[[number]]
number = "+390110000002"
type = "toll"
country = "IT"
meeting = "subscribed"

[[number]]
number = "+390110000003"
type = "toll"
country = "IT"
meeting = "metered"

[[number]]
number = "+39800000002"
type = "toll-free"
country = "IT"
meeting = "subscribed"

[[tariff]]
currency = "EUR"
type = "dial-out"
per_minute = "0.60"
initial_secs = 1
subsequent_secs = 1

[[tariff]]
currency = "EUR"
type = "toll"
per_minute = "0.60"
initial_secs = 1
subsequent_secs = 1

[[tariff]]
currency = "EUR"
type = "toll-free"
per_minute = "0.60"
initial_secs = 1
subsequent_secs = 1
"#;

/// The configuration, by section and key.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    keys: BTreeMap<(&'static str, &'static str), String>,
    /// Further sections, as TOML.
    more: String,
    /// Whether the second listener is at the IPv6 loopback address.
    six: bool,
    /// Ports of an instance: SIP, HTTP, RTP pairs.
    pub(crate) ports: u16,
    /// TOML in the form of `tollgate apply`.
    pub(crate) provision: String,
}

impl Default for Site {
    fn default() -> Self {
        let mut site = Self {
            keys: BTreeMap::new(),
            more: String::new(),
            six: false,
            ports: PORTS,
            provision: PROVISION.to_owned(),
        };
        for (section, key, value) in [
            ("[node]", "name", "\"test\""),
            ("[[trunk]]", "name", "\"carrier\""),
            ("[[trunk]]", "signalling", "[\"127.0.0.2/32\"]"),
            ("[[trunk]]", "media", "[\"127.0.0.2/32\"]"),
            ("[[trunk]]", "loopback_media", "true"),
            ("[media]", "bind", "\"127.0.0.1\""),
            ("[log]", "filter", "\"debug,sqlx=warn\""),
        ] {
            site.set(section, key, value);
        }
        site
    }
}

impl Site {
    /// Sets a key of a section, written with its brackets, to a TOML value.
    pub(crate) fn with(mut self, section: &'static str, key: &'static str, value: &str) -> Self {
        self.set(section, key, value);
        self
    }

    /// Keeps the book in a database.
    pub(crate) fn on(self, url: &str) -> Self {
        self.with("[store]", "url", &format!("\"{url}\""))
    }

    /// Returns the database that the book is in, if it is in one.
    pub(crate) fn database(&self) -> Option<&str> {
        self.keys.get(&("[store]", "url")).map(|url| url.trim_matches('"'))
    }

    /// Puts the second listener at the IPv6 loopback address.
    pub(crate) fn six(mut self) -> Self {
        self.six = true;
        self
    }

    /// Adds sections of TOML, after all others.
    pub(crate) fn and(mut self, sections: &str) -> Self {
        self.more.push_str(sections);
        self
    }

    /// Returns the configuration file for ports `first` and up, with the book in `folder` if it
    /// is in no database.
    pub(crate) fn config(&self, first: u16, folder: &Path) -> String {
        let mut site = self.clone();
        let file = format!("\"sqlite:{}\"", folder.join("book.sqlite").display());
        site.keys.entry(("[store]", "url")).or_insert(file);
        site.set("[[listener]]", "bind", &format!("\"127.0.0.1:{first}\""));
        if site.keys.keys().any(|(section, _)| *section == SECOND) {
            site.set(
                SECOND,
                "bind",
                &format!("\"{}:{}\"", if self.six { "[::1]" } else { "127.0.0.1" }, first + 2),
            );
        }
        site.set("[http]", "bind", &format!("\"127.0.0.1:{}\"", first + 1));
        site.set("[http]", "token", &format!("\"{TOKEN}\""));
        site.set("[media]", "port_first", &(first + 4).to_string());
        site.set("[media]", "port_last", &(first + self.ports - 1).to_string());
        let mut text = String::new();
        let mut last = "";
        for ((section, key), value) in &site.keys {
            if *section != last {
                text.push_str(&format!("\n{section}\n"));
                last = section;
            }
            text.push_str(&format!("{key} = {value}\n"));
        }
        text.push_str(&self.more);
        text
    }

    fn set(&mut self, section: &'static str, key: &'static str, value: &str) {
        self.keys.insert((section, key), value.to_owned());
    }
}
