//! Records as plain data: what is provisioned, and what is written once when a call is over.

use std::borrow::Cow;
use std::fmt;

use crate::dial_out::{DialOutRules, MeetingDialOut};
use crate::guard::Guards;
use crate::policy::{Decision, Group, OrganizationOutbound, UserOutbound};
use crate::{
    AccountId, CallId, CallerRules, Currency, Did, E164, IpPrefix, MeetingId, Money, NumberId,
    OrganizationId, Outbound, Pin, Protection, Rate, RateVersion, Registrar, TrunkId, UnixTime,
    UserId, Vouched,
};

/// Everything that is provisioned: handed whole to `bridge`, replaced whole when it changes. Money
/// is never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provision {
    /// Grows by one with every applied change.
    pub revision: u64,
    /// Customers.
    pub organizations: Vec<Organization>,
    /// Groups of users that policies are given to.
    pub groups: Vec<Group>,
    /// People with licences.
    pub users: Vec<User>,
    /// DIDs of the bridge.
    pub numbers: Vec<ServiceNumber>,
    /// Durable meetings.
    pub meetings: Vec<Meeting>,
    /// Prices of dialling in and out.
    pub tariffs: Vec<TariffRow>,
    /// Guards against fraud and abuse.
    pub guards: Guards,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Derived from `name`.
    pub id: OrganizationId,
    /// Short name, unique: `acme`.
    pub name: String,
    /// The one currency of its account.
    pub currency: Currency,
    /// Where its days and hours are, by the name of the IANA database: `Europe/Rome`. Empty is UTC.
    pub time_zone: String,
    /// How its meetings call people.
    pub dial_out: DialOutRules,
    /// Whether pay-per-minute organizers need [`Licence::Credits`] too (domain.md §2; default no).
    pub payg_needs_credits_licence: bool,
    /// What it says of calls out.
    pub outbound: OrganizationOutbound,
}

/// What an organizer is licensed for (domain.md §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Licence {
    /// `MCOMEETADV` (also `MCOMEETADD`, `ENTERPRISEPREMIUM`): toll dial-in included.
    Subscription,
    /// `MCOMEETACPEA`: every minute of every leg is charged to credits.
    PayPerMinute,
    /// `MCOPSTNPP`: the right to draw on the organization's balance.
    Credits,
}

/// A person of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Derived from `name`.
    pub id: UserId,
    /// User principal name, unique: `ada@acme.example`.
    pub name: String,
    /// Who they belong to.
    pub organization: OrganizationId,
    /// What they hold.
    pub licences: Vec<Licence>,
    /// Whether toll-free callers may join their meetings (domain.md §3; default yes).
    pub toll_free_allowed: bool,
    /// What is said of their calls out.
    pub outbound: UserOutbound,
}

/// Who pays the carrier for a call to the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NumberType {
    /// The caller.
    Toll,
    /// We do, and the meeting's organization pays us.
    TollFree,
}

/// How callers of a number are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusals {
    /// By a code alone.
    #[default]
    Code,
    /// They are told why before the answer, at nobody's cost; then the code.
    EarlyMedia,
}

/// A DID on the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNumber {
    /// Derived from the number.
    pub id: NumberId,
    /// What is dialled.
    pub did: Did,
    /// Toll or toll-free.
    pub number_type: NumberType,
    /// The only organization whose meetings it joins; `None` is a shared number.
    pub dedicated_to: Option<OrganizationId>,
    /// The meeting that every call to it joins without a conference ID.
    pub bound_to: Option<MeetingId>,
    /// ISO 3166-1 alpha-2 country.
    pub country: String,
    /// Language of its prompts: `en-US`.
    pub language: String,
    /// Whether it is the bridge's default number: shown as the caller of calls that we place
    /// (domain.md §7.9). At most one is; it is shared and toll.
    pub is_default: bool,
    /// How its callers are refused.
    pub refusals: Refusals,
}

/// A durable meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// Derived from `name`.
    pub id: MeetingId,
    /// Short name, unique.
    pub name: String,
    /// Who rules it; their organization pays.
    pub organizer: UserId,
    /// What callers key in; unique.
    pub conference_id: Pin,
    /// Most participants at once.
    pub participants_max: u32,
    /// Whether entry and exit are announced by tones.
    pub announce: bool,
    /// The most that its charged calls may cost from its beginning to its end; no limit if none.
    pub spend_cap: Option<Money>,
    /// Whom it calls, and how.
    pub dial_out: MeetingDialOut,
}

/// Which of the three tariffs a price belongs to (domain.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TariffKind {
    /// Dialling in to a toll number.
    Toll,
    /// Dialling in to a toll-free number.
    TollFree,
    /// Calling out, by destination alone.
    DialOut,
}

impl From<NumberType> for TariffKind {
    fn from(dialled: NumberType) -> Self {
        match dialled {
            NumberType::Toll => Self::Toll,
            NumberType::TollFree => Self::TollFree,
        }
    }
}

/// One price: longest number prefix wins, then longest caller prefix (domain.md §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TariffRow {
    /// The organization it is for; `None` is the list price.
    pub organization: Option<OrganizationId>,
    /// Its currency.
    pub currency: Currency,
    /// Which tariff.
    pub kind: TariffKind,
    /// Prefix of the service number as stored (`+39`, or a local string), or of the destination
    /// when calling out; empty matches all.
    pub number_prefix: String,
    /// Prefix of the caller's number (`+4477`); empty matches all, unknown origin included. Always
    /// empty when calling out.
    pub caller_prefix: String,
    /// The price.
    pub rate: Rate,
}

/// Which header of an INVITE holds the dialled number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CalledFrom {
    /// The Request-URI.
    #[default]
    RequestUri,
    /// The To header.
    To,
    /// P-Called-Party-ID (RFC 7315).
    PCalledPartyId,
    /// The topmost Diversion (RFC 5806).
    Diversion,
    /// The first History-Info entry (RFC 7044).
    HistoryInfo,
}

/// A carrier or PBX, from the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Derived from `name`.
    pub id: TrunkId,
    /// Short name, unique; a metric label.
    pub name: String,
    /// Where its signalling may come from.
    pub signalling: Vec<IpPrefix>,
    /// Where its media may come from and go to.
    pub media: Vec<IpPrefix>,
    /// The listener (by its index) it must use; `None` is any.
    pub listener: Option<u8>,
    /// The name that its certificate must have, as its client and as our server (TLS); `None`
    /// asks for no certificate of a client, and for the name that was dialled of a server.
    pub tls_peer: Option<String>,
    /// Which header holds the dialled number.
    pub called_from: CalledFrom,
    /// Whether its word about callers counts: P-Asserted-Identity, Diversion, what it verified; else
    /// From names the caller.
    pub trusted: bool,
    /// Who of its callers is refused or tagged.
    pub caller_rules: CallerRules,
    /// Removed from the front of dialled numbers that start with it.
    pub strip_prefix: String,
    /// How digits without a plus are read.
    pub plan: NumberingPlan,
    /// Most new calls a second; `None` is no limit.
    pub calls_per_second: Option<u32>,
    /// Most live calls; `None` is no limit.
    pub calls_max: Option<u32>,
    /// Whether loopback media addresses are allowed in its SDP (reliability.md S33; tests only).
    pub loopback_media: bool,
    /// SIP codes that replace the refusal table's, by the refusal's label.
    pub refusal_codes: Vec<(String, u16)>,
    /// By which way its callers' keys come.
    pub dtmf: DtmfMode,
    /// Whether its media is protected.
    pub srtp: Protection,
    /// How it registers with us: then calls of ours go where it registered last, and nowhere else;
    /// `None` takes no registration.
    pub registers: Option<Registrar>,
    /// How calls of ours leave by it; `None` is dial-in only.
    pub outbound: Option<Outbound>,
}

impl Trunk {
    /// Returns a trunk that calls come from, and none leave by, with nothing of its own said: whose
    /// signalling and media come from these addresses.
    #[must_use]
    pub fn new(name: &str, addresses: &[IpPrefix]) -> Self {
        Self {
            id: TrunkId::from_name(name),
            name: name.to_owned(),
            signalling: addresses.to_vec(),
            media: addresses.to_vec(),
            listener: None,
            tls_peer: None,
            called_from: CalledFrom::RequestUri,
            trusted: false,
            caller_rules: CallerRules::default(),
            strip_prefix: String::new(),
            plan: NumberingPlan::default(),
            calls_per_second: None,
            calls_max: None,
            loopback_media: false,
            refusal_codes: Vec::new(),
            dtmf: DtmfMode::Auto,
            srtp: Protection::Off,
            registers: None,
            outbound: None,
        }
    }
}

/// By which way the keys that are pressed on a trunk's calls come. One way is for carriers whose other
/// ways are broken; what comes by another way is then nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DtmfMode {
    /// By whichever they come; a press that comes by several counts once.
    #[default]
    Auto,
    /// Telephone-events (RFC 4733).
    Event,
    /// Tones in the audio; telephone-events are not agreed on, so that nobody takes the tones out.
    Tone,
    /// SIP INFO (`application/dtmf-relay`); telephone-events are not agreed on.
    Info,
}

impl DtmfMode {
    /// Whether SDP agrees on telephone-events.
    #[must_use]
    pub const fn agrees_on_events(self) -> bool {
        matches!(self, Self::Auto | Self::Event)
    }
}

/// How a country's people write numbers without a plus (domain.md §8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberingPlan {
    /// Calling code, `39`; empty means that digits without a plus are already E.164.
    pub country_code: String,
    /// National (trunk) prefix, `0`; empty where there is none (Italy keeps its leading 0).
    pub national_prefix: String,
    /// International prefix, `00`; empty where numbers never carry one.
    pub international_prefix: String,
}

/// Who a call's time is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// The subscription: nothing is charged.
    Included,
    /// The organization's credits.
    Credits,
    /// Nobody: never identified, or refused. The operator bears it, valued at list price.
    Unattributed,
}

/// Which way a call went (domain.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallType {
    /// Somebody called us.
    In,
    /// We called somebody, or were asked to.
    Out,
}

impl CallType {
    /// Every value with its word in records and reports.
    pub const WORDS: [(&'static str, Self); 2] = [("conf_in", Self::In), ("conf_out", Self::Out)];

    /// Returns its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::In => "conf_in",
            Self::Out => "conf_out",
        }
    }
}

/// One INVITE of ours, so that the carrier it went to can find it in its own records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The trunk's name.
    pub trunk: String,
    /// Its Call-ID on the wire.
    pub sip_call_id: String,
    /// The final answer that came over the wire, if one was told of.
    pub sip_status: Option<u16>,
    /// The Q.850 cause of its Reason header.
    pub q850: Option<u8>,
}

/// What the other side said at the end, as it said it. What we make of that is [`Ending`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// The final answer to the last INVITE of ours; `None` if none came, or the call was not ours.
    pub sip_status: Option<u16>,
    /// The cause in the Reason header of that answer, or of the BYE (ITU-T Q.850).
    pub q850: Option<u8>,
}

/// A caller's number that its owner withholds (reliability.md S25). It is shown in the billing view
/// alone, and never stored as it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Withheld {
    /// As it came: only in the memory of the node that serves the call.
    Plain(Did),
    /// Encrypted.
    Sealed {
        /// Names the key.
        key: String,
        /// The number under it, in hexadecimal digits.
        text: String,
    },
    /// It was withheld, and is not kept: there is no key for such numbers.
    NotKept,
}

/// The number is not shown, not even masked.
impl fmt::Debug for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "withheld",
            Self::Sealed { .. } => "withheld, sealed",
            Self::NotKept => "withheld, not kept",
        })
    }
}

/// How a call ended, one closed set for CDR, metrics and `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// `caller_hung_up`, `credit_exhausted`, `unknown_number`, …: a refusal's label or a cause's.
    pub label: Cow<'static, str>,
    /// Who released: `caller`, `callee`, `tollgate` or `network`.
    pub released_by: Cow<'static, str>,
    /// The final SIP status of the INVITE, 200 when answered.
    pub sip_status: u16,
    /// ITU-T Q.850 cause.
    pub q850: u8,
}

/// What happened in one call, written once. The charge can be recomputed from it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cdr {
    /// Our id.
    pub call: CallId,
    /// Which way it went.
    pub call_type: CallType,
    /// The Call-ID on the wire: the carrier's, or of the last INVITE of ours; our own id where no
    /// INVITE left.
    pub sip_call_id: String,
    /// The trunk's name: it came in there, or was placed by it last; empty where none was chosen.
    pub trunk: String,
    /// The INVITEs of ours in their order, at most [`crate::limits::ATTEMPTS`].
    pub attempts: Vec<Attempted>,
    /// Who called, if known, a number, and not withheld.
    pub caller: Option<Did>,
    /// Who called, where they want it withheld.
    pub withheld: Option<Withheld>,
    /// Who vouched for the caller's number.
    pub vouched: Vouched,
    /// What was dialled.
    pub called: Option<Did>,
    /// The called number's type, if it is ours.
    pub number_type: Option<NumberType>,
    /// The meeting joined, if any.
    pub meeting: Option<MeetingId>,
    /// Its organizer.
    pub organizer: Option<UserId>,
    /// The organization.
    pub organization: Option<OrganizationId>,
    /// Who paid.
    pub capability: Capability,
    /// The account charged, when `capability` is credits.
    pub account: Option<AccountId>,
    /// When the INVITE came.
    pub invited: UnixTime,
    /// When the 200 OK left; `None` if never answered.
    pub answered: Option<UnixTime>,
    /// Answer to end on the monotonic clock, microseconds. End time = `answered` + this.
    pub connected_micros: u64,
    /// Whole seconds after the tariff's rule and increments.
    pub billed_secs: u64,
    /// The pinned rate, whole, so that the charge can be recomputed.
    pub rate: Option<Rate>,
    /// Fee part of the charge.
    pub fee: Money,
    /// The charge, fee included; list price when unattributed.
    pub charge: Money,
    /// Currency of `charge`.
    pub currency: Option<Currency>,
    /// How it ended.
    pub ending: Ending,
    /// What the other side said at the end.
    pub received: Received,
    /// Why it was admitted or refused, in words for `explain`: licence, rule, rate.
    pub reasons: Vec<String>,
    /// What was decided about the number, when we were to call it.
    pub decision: Option<Decision>,
}

impl Cdr {
    /// Returns the record of a call of which nothing more is known: no trunk, no answer, no price.
    #[must_use]
    pub fn begun(call: CallId, call_type: CallType, invited: UnixTime) -> Self {
        Self {
            call,
            call_type,
            sip_call_id: call.to_string(),
            trunk: String::new(),
            attempts: Vec::new(),
            caller: None,
            withheld: None,
            vouched: Vouched::Nothing,
            called: None,
            number_type: None,
            meeting: None,
            organizer: None,
            organization: None,
            capability: Capability::Unattributed,
            account: None,
            invited,
            answered: None,
            connected_micros: 0,
            billed_secs: 0,
            rate: None,
            fee: Money::ZERO,
            charge: Money::ZERO,
            currency: None,
            ending: Ending {
                label: "live".into(),
                released_by: "tollgate".into(),
                sip_status: 0,
                q850: 0,
            },
            received: Received::default(),
            reasons: Vec::new(),
            decision: None,
        }
    }

    /// Whether this is its Call-ID on the wire, or that of an INVITE that came to nothing.
    #[must_use]
    pub fn is_named(&self, sip_call_id: &str) -> bool {
        let attempted = || self.attempts.iter().any(|attempt| attempt.sip_call_id == sip_call_id);
        self.sip_call_id == sip_call_id || attempted()
    }

    /// Returns the version of the pinned rate.
    #[must_use]
    pub fn rate_version(&self) -> Option<RateVersion> {
        self.rate.map(|rate| rate.version)
    }
}

/// Who an anonymous or unreadable caller is shown as.
pub const ANONYMOUS: &str = "anonymous";

/// Reads dialled or calling digits by a trunk's numbering plan (domain.md §8): `+…` and `00…`
/// (where that is the plan's prefix) are international, a leading national prefix is dropped,
/// everything else is national, or already E.164 where the plan names no country.
#[must_use]
pub fn normalize(digits: &str, plan: &NumberingPlan) -> Option<E164> {
    if let Some(rest) = digits.strip_prefix('+') {
        return E164::from_digits(rest).ok();
    }
    let international = plan.international_prefix.as_str();
    if !international.is_empty()
        && let Some(rest) = digits.strip_prefix(international)
    {
        return E164::from_digits(rest).ok();
    }
    if plan.country_code.is_empty() {
        return E164::from_digits(digits).ok();
    }
    let national = plan.national_prefix.as_str();
    let rest = match digits.strip_prefix(national) {
        Some(rest) if !national.is_empty() => rest,
        Some(_) | None => digits,
    };
    E164::from_digits(&format!("{}{rest}", plan.country_code)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_by_the_plan_of_their_country() {
        let italy = plan("39", "", "00");
        let read =
            |digits, plan: &NumberingPlan| normalize(digits, plan).map(|n| n.digits().to_owned());
        assert_eq!(read("0116543210", &italy).as_deref(), Some("390116543210"));
        assert_eq!(read("0044207", &italy).as_deref(), Some("44207"));
        let germany = plan("49", "0", "00");
        assert_eq!(read("030123456", &germany).as_deref(), Some("4930123456"));
        let america = plan("1", "1", "011");
        assert_eq!(read("14155550123", &america).as_deref(), Some("14155550123"));
        assert_eq!(read("4155550123", &america).as_deref(), Some("14155550123"));
        assert_eq!(read("011390116543210", &america).as_deref(), Some("390116543210"));
        assert_eq!(
            read("390116543210", &NumberingPlan::default()).as_deref(),
            Some("390116543210")
        );
        assert_eq!(read("+390116", &america).as_deref(), Some("390116"));
        assert_eq!(read("anonymous", &america), None);
    }

    #[test]
    fn a_withheld_number_is_not_shown_even_masked() {
        let plain = Withheld::Plain("+14155550199".parse().unwrap());
        assert_eq!(format!("{plain:?}"), "withheld");
        let sealed = Withheld::Sealed { key: "1f".into(), text: "00".into() };
        assert_eq!(format!("{sealed:?}"), "withheld, sealed");
    }

    #[test]
    fn every_call_type_has_its_word() {
        for (word, value) in CallType::WORDS {
            assert_eq!(value.word(), word);
        }
    }

    fn plan(code: &str, national: &str, international: &str) -> NumberingPlan {
        NumberingPlan {
            country_code: code.into(),
            national_prefix: national.into(),
            international_prefix: international.into(),
        }
    }
}
