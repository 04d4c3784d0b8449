//! The configuration file as it is written: names, types and defaults of its keys.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) node: Node,
    pub(super) store: Store,
    #[serde(default)]
    pub(super) listener: Vec<Listener>,
    pub(super) media: Media,
    #[serde(default)]
    pub(super) trunk: Vec<Trunk>,
    #[serde(default)]
    pub(super) charging: Charging,
    #[serde(default)]
    pub(super) presence: Presence,
    #[serde(default)]
    pub(super) abuse: Abuse,
    #[serde(default)]
    pub(super) http: Http,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) drain: Drain,
    #[serde(default)]
    pub(super) sip: Sip,
    #[serde(default)]
    pub(super) strangers: Strangers,
    #[serde(default)]
    pub(super) privacy: Privacy,
    #[serde(default)]
    pub(super) dns: Dns,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) calls_max: u32,
    pub(super) seed: Option<String>,
}

impl Default for Node {
    fn default() -> Self {
        Self { name: "tollgate".to_owned(), calls_max: 1_000, seed: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    pub(super) name: Option<String>,
    pub(super) bind: String,
    pub(super) advertised: Option<String>,
    #[serde(default = "udp")]
    pub(super) transport: String,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_authority: Option<String>,
    #[serde(default = "none")]
    pub(super) client_certificates: String,
    #[serde(default = "yes")]
    pub(super) keep_alive: bool,
}

fn udp() -> String {
    "udp".to_owned()
}

fn none() -> String {
    "none".to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    #[serde(default)]
    pub(super) servers: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Privacy {
    pub(super) keys_file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrunkTls {
    pub(super) peer: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Media {
    pub(super) bind: String,
    pub(super) advertised: Option<String>,
    #[serde(default = "first_port")]
    pub(super) port_first: u16,
    #[serde(default = "last_port")]
    pub(super) port_last: u16,
    pub(super) prompts: Option<String>,
    #[serde(default = "yes")]
    pub(super) announcements: bool,
    pub(super) threads: Option<u32>,
    #[serde(default)]
    pub(super) cpus: Vec<usize>,
    #[serde(default)]
    pub(super) real_time: bool,
}

fn first_port() -> u16 {
    20_000
}

fn last_port() -> u16 {
    29_999
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trunk {
    pub(super) name: String,
    pub(super) signalling: Vec<String>,
    pub(super) media: Vec<String>,
    pub(super) listener: Option<String>,
    pub(super) tls: Option<TrunkTls>,
    #[serde(default = "request_uri")]
    pub(super) called_from: String,
    #[serde(default)]
    pub(super) trusted: bool,
    #[serde(default)]
    pub(super) caller_rules: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) strip_prefix: String,
    #[serde(default)]
    pub(super) country_code: String,
    #[serde(default)]
    pub(super) national_prefix: String,
    #[serde(default)]
    pub(super) international_prefix: String,
    pub(super) calls_per_second: Option<u32>,
    pub(super) calls_max: Option<u32>,
    #[serde(default)]
    pub(super) loopback_media: bool,
    #[serde(default)]
    pub(super) refusal_codes: BTreeMap<String, u16>,
    #[serde(default = "auto")]
    pub(super) dtmf: String,
    #[serde(default = "off")]
    pub(super) srtp: String,
    pub(super) registers: Option<Registers>,
    pub(super) outbound: Option<Outbound>,
}

fn off() -> String {
    "off".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outbound {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) transport: Option<String>,
    #[serde(default)]
    pub(super) domain: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) register_secs: Option<u32>,
    #[serde(default = "options_secs")]
    pub(super) options_secs: u32,
    #[serde(default = "supported")]
    pub(super) prack: String,
    #[serde(default)]
    pub(super) redirect_hosts: Vec<String>,
    #[serde(default)]
    pub(super) group: String,
    #[serde(default)]
    pub(super) priority: u16,
    #[serde(default = "one")]
    pub(super) weight: u16,
    #[serde(default)]
    pub(super) prefixes: Vec<String>,
    #[serde(default)]
    pub(super) barred: Vec<String>,
    #[serde(default)]
    pub(super) costs: BTreeMap<String, String>,
    pub(super) costs_file: Option<String>,
    #[serde(default)]
    pub(super) organizations: Vec<String>,
    #[serde(default)]
    pub(super) callers: Vec<String>,
    #[serde(default = "plus")]
    pub(super) called_format: String,
    #[serde(default = "plus")]
    pub(super) caller_format: String,
    #[serde(default)]
    pub(super) strip: String,
    #[serde(default)]
    pub(super) add: String,
    pub(super) calls_per_second: Option<u32>,
    pub(super) calls_max: Option<u32>,
    #[serde(default)]
    pub(super) suspended: bool,
    #[serde(default)]
    pub(super) failover: Failover,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    pub(super) realm: String,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<String>,
    pub(super) password_variable: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registers {
    pub(super) credentials: Credentials,
    #[serde(default = "minute")]
    pub(super) expiry_min_secs: u32,
    #[serde(default = "hour")]
    pub(super) expiry_max_secs: u32,
}

fn minute() -> u32 {
    60
}

fn hour() -> u32 {
    3_600
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failover {
    pub(super) statuses: Option<Vec<u16>>,
    pub(super) causes: Option<Vec<u8>>,
    pub(super) never: Option<Vec<u16>>,
}

fn options_secs() -> u32 {
    30
}

fn supported() -> String {
    "supported".to_owned()
}

fn plus() -> String {
    "+e164".to_owned()
}

fn one() -> u16 {
    1
}

fn auto() -> String {
    "auto".to_owned()
}

fn request_uri() -> String {
    "request-uri".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Charging {
    pub(super) slice_secs: u32,
    pub(super) roll_ahead_secs: u32,
    pub(super) unpaid_secs: u32,
    pub(super) tries: u8,
    pub(super) digit_pause_secs: u32,
    pub(super) life_secs: u32,
    pub(super) life_held_secs: u32,
    pub(super) ring_secs: u32,
}

impl Default for Charging {
    fn default() -> Self {
        Self {
            slice_secs: 45,
            roll_ahead_secs: 15,
            unpaid_secs: 90,
            tries: 3,
            digit_pause_secs: 10,
            life_secs: 20,
            life_held_secs: 300,
            ring_secs: 8,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Presence {
    pub(super) alone_secs: u32,
    pub(super) all_silent_secs: u32,
    pub(super) silent_secs: u32,
    pub(super) stay_secs: u32,
    pub(super) leg_secs: u32,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            alone_secs: 900,
            all_silent_secs: 1_800,
            silent_secs: 0,
            stay_secs: 20,
            leg_secs: 86_400,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Abuse {
    pub(super) caller_minutes: u32,
    pub(super) caller_refuse_minutes: u32,
    pub(super) range_minutes: u32,
    pub(super) range_refuse_minutes: u32,
    pub(super) trunk_minutes: u32,
    pub(super) trunk_refuse_minutes: u32,
    pub(super) range_digits: u8,
    pub(super) unpaid_secs: u32,
    pub(super) wrong_per_hour_caller: u32,
    pub(super) wrong_per_minute_trunk: u32,
    pub(super) wrong_per_minute_node: u32,
}

impl Default for Abuse {
    fn default() -> Self {
        Self {
            caller_minutes: 10,
            caller_refuse_minutes: 30,
            range_minutes: 60,
            range_refuse_minutes: 180,
            trunk_minutes: 600,
            trunk_refuse_minutes: 1_800,
            range_digits: 4,
            unpaid_secs: 30,
            wrong_per_hour_caller: 12,
            wrong_per_minute_trunk: 60,
            wrong_per_minute_node: 120,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) bind: String,
    pub(super) token: Option<Secret>,
    pub(super) token_file: Option<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self { bind: "127.0.0.1:8060".to_owned(), token: None, token_file: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: String,
    pub(super) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: "readable".to_owned(), filter: "info".to_owned() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Drain {
    pub(super) limit_secs: u32,
}

impl Default for Drain {
    fn default() -> Self {
        Self { limit_secs: 300 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sip {
    pub(super) session_secs: u32,
    pub(super) banner: Option<String>,
    pub(super) retry_after_secs: u32,
}

impl Default for Sip {
    fn default() -> Self {
        Self { session_secs: 1_800, banner: None, retry_after_secs: 10 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Strangers {
    pub(super) requests: u32,
    pub(super) window_secs: u32,
    pub(super) ban_secs: u32,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { requests: 16, window_secs: 2, ban_secs: 300 }
    }
}
