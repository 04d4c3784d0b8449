//! The file as it is written: which keys there are and of which type. What the values mean is
//! checked afterwards, with the place of each still known.

use serde::Deserialize;
use toml::Spanned;

use super::Problem;

/// A text with its place in the file.
pub(super) type Text = Spanned<String>;

/// The whole file. Unknown keys are errors everywhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "organization")]
    pub(super) organizations: Vec<Organization>,
    #[serde(default, rename = "group")]
    pub(super) groups: Vec<Group>,
    #[serde(default, rename = "user")]
    pub(super) users: Vec<User>,
    #[serde(default, rename = "number")]
    pub(super) numbers: Vec<Number>,
    #[serde(default, rename = "meeting")]
    pub(super) meetings: Vec<Meeting>,
    #[serde(default, rename = "tariff")]
    pub(super) tariffs: Vec<Tariff>,
    #[serde(default, rename = "budget")]
    pub(super) budgets: Vec<Budget>,
    #[serde(default, rename = "screen")]
    pub(super) screens: Vec<Screen>,
}

/// `[[budget]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    /// Either this or `user`.
    pub(super) organization: Option<Text>,
    pub(super) user: Option<Text>,
    pub(super) concurrent: Option<u32>,
    pub(super) per_minute: Option<u32>,
    pub(super) spend_hour: Option<Text>,
    pub(super) spend_day: Option<Text>,
    pub(super) country_day: Option<Text>,
    pub(super) max_minutes: Option<Spanned<u32>>,
    /// Whether a first call to a country waits for an approval.
    #[serde(default)]
    pub(super) hold_new_countries: bool,
    /// Countries that are approved.
    #[serde(default)]
    pub(super) countries: Vec<Text>,
    pub(super) night: Option<Spanned<Night>>,
}

/// `[budget.night]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Night {
    /// `20:00-07:00`
    pub(super) hours: Option<Text>,
    /// `sat`, `sun`
    #[serde(default)]
    pub(super) days: Vec<Text>,
    pub(super) concurrent: Option<Spanned<u32>>,
    pub(super) per_minute: Option<Spanned<u32>>,
    pub(super) spend_hour: Option<Text>,
    pub(super) spend_day: Option<Text>,
    pub(super) country_day: Option<Text>,
    pub(super) max_minutes: Option<Spanned<u32>>,
}

/// `[[screen]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Screen {
    /// Either this or `number`.
    pub(super) organization: Option<Text>,
    pub(super) number: Option<Text>,
    /// Prefixes of callers.
    #[serde(default)]
    pub(super) allow_callers: Vec<Text>,
    /// Prefixes of callers.
    #[serde(default)]
    pub(super) deny_callers: Vec<Text>,
    #[serde(default = "yes")]
    pub(super) anonymous: bool,
    /// `isup-oli` values and `cpc` words.
    #[serde(default)]
    pub(super) deny_lines: Vec<Text>,
}

/// `[[organization]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organization {
    pub(super) name: Text,
    pub(super) currency: Text,
    pub(super) time_zone: Option<Text>,
    #[serde(default)]
    pub(super) payg_needs_credits_licence: bool,
    pub(super) dial_out_allowed: Option<bool>,
    pub(super) dial_out_press_one: Option<bool>,
    pub(super) dial_out_ring_secs: Option<Spanned<u16>>,
    pub(super) country: Option<Text>,
    pub(super) outbound_policy: Option<Text>,
    #[serde(default)]
    pub(super) premium_allowed: bool,
    #[serde(default)]
    pub(super) satellite_allowed: bool,
    /// Prefixes of destinations.
    #[serde(default)]
    pub(super) allow: Vec<Text>,
    /// Prefixes of destinations.
    #[serde(default)]
    pub(super) deny: Vec<Text>,
}

/// `[[group]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: Text,
    pub(super) organization: Text,
    pub(super) rank: Spanned<u32>,
    pub(super) outbound_policy: Option<Text>,
}

/// `[[user]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) name: Text,
    pub(super) organization: Text,
    pub(super) licences: Vec<Text>,
    #[serde(default = "yes")]
    pub(super) toll_free_allowed: bool,
    pub(super) country: Option<Text>,
    pub(super) outbound_policy: Option<Text>,
    #[serde(default)]
    pub(super) groups: Vec<Text>,
}

/// `[[number]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Number {
    /// One number.
    pub(super) number: Option<Text>,
    /// A range of local numbers, `2000-2999`, in place of `number`.
    pub(super) numbers: Option<Text>,
    #[serde(default)]
    pub(super) local: bool,
    #[serde(rename = "type")]
    pub(super) number_type: Text,
    pub(super) country: Text,
    pub(super) language: Option<Text>,
    pub(super) organization: Option<Text>,
    pub(super) meeting: Option<Text>,
    /// Whether it is shown as the caller of calls that we place.
    #[serde(default)]
    pub(super) default: bool,
    /// `code` or `early-media`.
    pub(super) refusals: Option<Text>,
}

/// `[[meeting]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meeting {
    pub(super) name: Text,
    pub(super) organizer: Text,
    pub(super) conference_id: Option<Text>,
    /// A range, `1000-1399`: one meeting for each.
    pub(super) conference_ids: Option<Text>,
    pub(super) participants_max: Option<Spanned<u32>>,
    #[serde(default = "yes")]
    pub(super) announce: bool,
    /// An amount like `"20.00"`.
    pub(super) spend_cap: Option<Text>,
    pub(super) dial_out_allowed: Option<bool>,
    pub(super) dial_out_press_one: Option<bool>,
    pub(super) dial_out_ring_secs: Option<Spanned<u16>>,
    /// Who is called when the meeting begins.
    #[serde(default)]
    pub(super) dial_out: Vec<Listed>,
}

/// `[[meeting.dial_out]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// All ring; the first that joins ends the others.
    pub(super) numbers: Spanned<Vec<Text>>,
    pub(super) press_one: Option<bool>,
}

/// `[[tariff]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tariff {
    pub(super) organization: Option<Text>,
    pub(super) currency: Option<Text>,
    #[serde(rename = "type")]
    pub(super) number_type: Text,
    pub(super) number_prefix: Option<Text>,
    pub(super) caller_prefix: Option<Text>,
    pub(super) per_minute: Text,
    pub(super) fee: Option<Text>,
    pub(super) minimum: Option<Text>,
    pub(super) initial_secs: Option<Spanned<u32>>,
    pub(super) subsequent_secs: Option<Spanned<u32>>,
    pub(super) rounding: Option<Text>,
}

fn yes() -> bool {
    true
}

/// Reads the file's form.
///
/// # Errors
/// The first place that is not TOML, names an unknown key, lacks one or has one of another type.
pub(super) fn parse(text: &str) -> Result<File, Problem> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map(|span| span.start);
        let line = at.map_or(0, |at| line_of(text, at));
        Problem { line, key: key_on(text, at), message: plainer(error.message()) }
    })
}

/// Returns the line, from 1, that holds the byte at `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Returns what stands before the equals sign on the line of `at`, or the table's header.
fn key_on(text: &str, at: Option<usize>) -> String {
    let line = at.and_then(|at| text.lines().nth(line_of(text, at) - 1)).unwrap_or_default();
    let key = line.split(['=', '#']).next().unwrap_or_default().trim();
    key.trim_matches(['[', ']']).to_owned()
}

/// Says in the file's words what serde says in its own.
fn plainer(message: &str) -> String {
    message
        .replace("expected a string", "expected text in double quotes")
        .replace("expected a boolean", "expected true or false")
        .replace("expected u32", "expected a whole number")
        .replace("expected a sequence", "expected a list in brackets")
        .replace("unknown field", "unknown key")
        .replace("missing field", "missing key")
        .trim()
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text).unwrap_err().located("f.toml")
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
        let text = "\n[[organization]]\nname = \"acme\"\ncurency = \"USD\"\n";
        assert_eq!(
            problem(text),
            "f.toml:4: curency: unknown key `curency`, expected one of `name`, `currency`, \
             `time_zone`, `payg_needs_credits_licence`, `dial_out_allowed`, `dial_out_press_one`, \
             `dial_out_ring_secs`, `country`, `outbound_policy`, `premium_allowed`, \
             `satellite_allowed`, `allow`, `deny`"
        );
    }

    #[test]
    fn an_unknown_table_is_an_error() {
        let said = problem("[[organisation]]\nname = \"acme\"\n");
        assert!(said.starts_with("f.toml:1: organisation: unknown key `organisation`"), "{said}");
        assert!(said.contains("`meeting`"), "{said}");
    }

    #[test]
    fn a_missing_key_is_named_with_the_line_of_its_table() {
        let said = problem("# one\n[[organization]]\nname = \"acme\"\n");
        assert_eq!(said, "f.toml:2: organization: missing key `currency`");
    }

    #[test]
    fn a_price_without_quotes_is_told_to_use_them() {
        let said = problem("[[tariff]]\ntype = \"toll\"\nper_minute = 0.06\n");
        assert_eq!(
            said,
            "f.toml:3: per_minute: invalid type: floating point `0.06`, expected text in double \
             quotes"
        );
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        let said = problem("[[organization]]\nname = \n");
        assert!(said.starts_with("f.toml:2: name: "), "{said}");
    }
}
