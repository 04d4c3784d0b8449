//! What is provisioned in every story, and the recordings.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bridge::{Directory, Settings};
use credits::Epoch;
use media::{Library, LibraryBuilder, Prompt};
use model::record::{
    DtmfMode, Licence, Meeting, NumberType, Organization, Provision, ServiceNumber, TariffRow,
    Trunk, User,
};
use model::{
    Currency, MeetingId, Money, NumberId, OrganizationId, Pin, Rate, RateVersion, SecondsRule,
    TrunkId, UserId,
};

use crate::caller::{INCLUDED_ID, OTHER_ID, PAID_ID, dialled};
use crate::dice::seed_bytes;
use crate::plan::{Dial, Plan};

/// Where the gateway listens.
pub const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
/// First RTP port; the pairs follow.
pub const FIRST_PORT: u16 = 20_000;
/// RTP port pairs.
pub const PORTS: u16 = 64;

/// The organization whose credit the story is about.
#[must_use]
pub fn acme() -> OrganizationId {
    OrganizationId::from_name("acme")
}

/// Another one, whom nothing of it may touch.
#[must_use]
pub fn other() -> OrganizationId {
    OrganizationId::from_name("other")
}

/// Credit of the other organization: plenty.
pub const OTHER_CREDIT: i64 = 50_000_000;

/// Makes the settings of one life of the node.
#[must_use]
pub fn settings(plan: &Plan, epoch: Epoch, prompts: Arc<Library>) -> Settings {
    let epoch_number = epoch.number;
    Settings {
        seed: seed_bytes(plan.seed, 10 + epoch.number),
        epoch,
        sip: sip::Settings {
            seed: seed_bytes(plan.seed, 100_000 + epoch_number),
            listeners: vec![sip::Listener {
                advertised: GATEWAY,
                transport: model::Transport::Udp,
                keep_alive: true,
            }],
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
        },
        prompts,
        calls_max: 50,
        shards: plan.shards,
        slice_secs: 30,
        roll_ahead: Duration::from_secs(15),
        unpaid_limit: Duration::from_secs(30),
        tries: 3,
        digit_pause: Duration::from_secs(10),
        life_limit: Duration::from_secs(20),
        life_limit_held: Duration::from_secs(60),
        announcements: true,
        ring_limit: Duration::from_secs(5),
    }
}

/// Makes the provision with the plan's rate for everything that is charged.
#[must_use]
pub fn provision(plan: &Plan) -> Provision {
    let eur = Currency::parse("EUR").expect("three capitals");
    let organization = |id, name: &str| Organization {
        id,
        name: name.into(),
        currency: eur,
        dial_out: model::DialOutRules::default(),
        payg_needs_credits_licence: false,
        outbound: Default::default(),
    };
    let user = |name: &str, organization, licences| User {
        id: UserId::from_name(name),
        name: name.into(),
        organization,
        licences,
        toll_free_allowed: true,
        outbound: Default::default(),
    };
    let tariff = |number_type: NumberType| TariffRow {
        organization: None,
        currency: eur,
        kind: number_type.into(),
        number_prefix: String::new(),
        caller_prefix: String::new(),
        rate: rate(plan),
    };
    Provision {
        revision: 1,
        organizations: vec![organization(acme(), "acme"), organization(other(), "other")],
        groups: Vec::new(),
        users: vec![
            user("paid", acme(), vec![Licence::PayPerMinute]),
            user("included", acme(), vec![Licence::Subscription, Licence::Credits]),
            user("elsewhere", other(), vec![Licence::PayPerMinute]),
        ],
        numbers: vec![
            number(dialled(Dial::BoundPaid), NumberType::Toll, Some("paid")),
            number(dialled(Dial::BoundIncluded), NumberType::Toll, Some("included")),
            number(dialled(Dial::SharedPaid), NumberType::Toll, None),
            number(dialled(Dial::SharedTollFree), NumberType::TollFree, None),
        ],
        meetings: vec![
            meeting("paid", PAID_ID),
            meeting("included", INCLUDED_ID),
            meeting("elsewhere", OTHER_ID),
        ],
        tariffs: vec![tariff(NumberType::Toll), tariff(NumberType::TollFree)],
        guards: model::Guards::default(),
    }
}

/// Makes the directory of a provision.
#[must_use]
pub fn directory(plan: &Plan) -> Arc<Directory> {
    let everyone = "127.1.0.0/16".parse().expect("a range");
    let trunk = Trunk {
        id: TrunkId::from_name("sim"),
        name: "sim".into(),
        signalling: vec![everyone],
        media: vec![everyone],
        listener: None,
        tls_peer: None,
        called_from: model::record::CalledFrom::RequestUri,
        trusted: true,
        caller_rules: Default::default(),
        strip_prefix: String::new(),
        plan: model::record::NumberingPlan::default(),
        calls_per_second: None,
        calls_max: None,
        loopback_media: true,
        refusal_codes: Vec::new(),
        dtmf: DtmfMode::Auto,
        srtp: model::Protection::Off,
        registers: None,
        outbound: None,
    };
    Arc::new(Directory::new(provision(plan), vec![trunk]).expect("the scene is whole"))
}

/// Makes recordings: short noises, as WAV files.
#[must_use]
pub fn recordings() -> Arc<Library> {
    let mut builder = LibraryBuilder::default();
    for prompt in Prompt::ALL {
        let ms = match prompt {
            Prompt::EntryTone | Prompt::ExitTone => 300,
            Prompt::CreditUsedUp => 2_500,
            Prompt::Welcome
            | Prompt::EnterConferenceId
            | Prompt::UnknownConferenceId
            | Prompt::TooManyTries
            | Prompt::PressOne
            | Prompt::Joining
            | Prompt::FirstParticipant
            | Prompt::CreditSixtySeconds
            | Prompt::CreditTenSeconds
            | Prompt::CannotComplete
            | Prompt::MeetingFull
            | Prompt::TryLater
            | Prompt::Closing
            | Prompt::Goodbye => 1_200,
        };
        builder.add("en-US", prompt, &wav(ms)).expect("a WAV of the right kind");
    }
    Arc::new(builder.build().expect("every prompt is there"))
}

fn rate(plan: &Plan) -> Rate {
    Rate {
        version: RateVersion(7),
        fee: Money::from_micros(plan.rate.fee),
        per_minute: Money::from_micros(plan.rate.per_minute).to_decimal(),
        initial_secs: u32::try_from(plan.rate.initial).expect("small"),
        subsequent_secs: u32::try_from(plan.rate.subsequent).expect("small"),
        minimum: Money::from_micros(plan.rate.minimum),
        rounding: SecondsRule::Nearest,
    }
}

fn number(did: &str, number_type: NumberType, bound_to: Option<&str>) -> ServiceNumber {
    ServiceNumber {
        id: NumberId::from_name(did),
        did: did.parse().expect("a number"),
        number_type,
        dedicated_to: None,
        bound_to: bound_to.map(MeetingId::from_name),
        country: "IT".into(),
        language: "en-US".into(),
        is_default: false,
    }
}

fn meeting(name: &str, conference_id: &str) -> Meeting {
    Meeting {
        id: MeetingId::from_name(name),
        name: name.into(),
        organizer: UserId::from_name(name),
        conference_id: Pin::parse(conference_id).expect("digits"),
        participants_max: 100,
        announce: true,
        dial_out: model::MeetingDialOut::default(),
    }
}

fn wav(ms: u32) -> Vec<u8> {
    let samples = 8 * ms;
    let bytes = samples * 2;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    for half in [1_u16, 1] {
        file.extend(half.to_le_bytes());
    }
    for word in [8_000_u32, 16_000] {
        file.extend(word.to_le_bytes());
    }
    for half in [2_u16, 16] {
        file.extend(half.to_le_bytes());
    }
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    for at in 0..samples {
        let sample: i16 = if at & 4 == 0 { 3_000 } else { -3_000 };
        file.extend(sample.to_le_bytes());
    }
    file
}
