//! What is provisioned in every story, and the recordings.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bridge::{Directory, Settings};
use credits::Epoch;
use media::{Library, LibraryBuilder, Prompt};
use model::outbound::{CallerRange, Outbound, Reliability, Routing};
use model::record::{
    Licence, Meeting, NumberType, Organization, Provision, ServiceNumber, TariffKind, TariffRow,
    Trunk, User,
};
use model::{
    Allowance, Budget, Currency, Guards, IpPrefix, ListedCall, MeetingId, Money, NumberId,
    OrganizationId, Pin, Rate, RateVersion, SecondsRule, Subject, UserId,
};

use crate::callee;
use crate::caller::{INCLUDED_ID, OTHER_ID, PAID_ID, UNLICENSED_ID, dialled};
use crate::dice::seed_bytes;
use crate::model_price::PlainRate;
use crate::plan::{Dial, LISTED, Plan, Whence, number as number_of};

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

/// What is held at once, seconds.
const SLICE_SECS: u32 = 30;

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
            patience: sip::Patience::default(),
        },
        prompts,
        calls_max: 50,
        shards: plan.shards,
        slice_secs: SLICE_SECS,
        roll_ahead: Duration::from_secs(15),
        unpaid_limit: Duration::from_secs(30),
        tries: 3,
        digit_pause: Duration::from_secs(10),
        life_limit: Duration::from_secs(20),
        life_limit_held: Duration::from_secs(60),
        announcements: true,
        ring_limit: Duration::from_secs(5),
        presence: presence(plan),
        abuse: bridge::Abuse::default(),
    }
}

/// In every fourth story nobody stays alone for long: nobody ever presses a 1.
fn presence(plan: &Plan) -> bridge::Presence {
    let secs = Duration::from_secs;
    let usual = bridge::Presence::default();
    match plan.seed % 4 {
        0 => bridge::Presence { alone: Some(secs(15)), stay: secs(3), ..usual },
        _ => usual,
    }
}

/// Makes the provision with the plan's rate for everything that is charged.
#[must_use]
pub fn provision(plan: &Plan) -> Provision {
    let eur = Currency::parse("EUR").expect("three capitals");
    let user = |name: &str, organization, licences| User {
        id: UserId::from_name(name),
        name: name.into(),
        organization,
        licences,
        toll_free_allowed: true,
        outbound: Default::default(),
    };
    let tariff = |kind: TariffKind, plain: PlainRate| TariffRow {
        organization: None,
        currency: eur,
        kind,
        number_prefix: String::new(),
        caller_prefix: String::new(),
        rate: rate(plain),
    };
    let mut provision = Provision {
        revision: 1,
        organizations: vec![organization(acme(), "acme", eur), organization(other(), "other", eur)],
        groups: Vec::new(),
        users: vec![
            user("paid", acme(), vec![Licence::PayPerMinute]),
            user("included", acme(), vec![Licence::Subscription, Licence::Credits]),
            user("elsewhere", other(), vec![Licence::PayPerMinute]),
            user("unlicensed", acme(), vec![Licence::Subscription]),
        ],
        numbers: vec![
            number(dialled(Dial::BoundPaid), NumberType::Toll, Some("paid")),
            number(dialled(Dial::BoundIncluded), NumberType::Toll, Some("included")),
            ServiceNumber {
                is_default: true,
                ..number(dialled(Dial::SharedPaid), NumberType::Toll, None)
            },
            number(dialled(Dial::SharedTollFree), NumberType::TollFree, None),
        ],
        meetings: vec![
            meeting("paid", PAID_ID),
            meeting("included", INCLUDED_ID),
            meeting("elsewhere", OTHER_ID),
            meeting("unlicensed", UNLICENSED_ID),
        ],
        tariffs: vec![
            tariff(NumberType::Toll.into(), plan.rate),
            tariff(NumberType::TollFree.into(), plan.rate),
            tariff(TariffKind::DialOut, plan.rate.of_dial_out()),
        ],
        guards: Guards::default(),
    };
    if let Some(allowance) = allowance(plan) {
        let budget = Budget { allowance, ..Budget::of(Subject::Organization(acme())) };
        provision.guards.budgets.push(budget);
    }
    provision.users[1].outbound.policy =
        Some("DialoutCPCandPSTNDomestic".parse().expect("one of the twelve"));
    provision.meetings[0].dial_out.calls = listed(plan);
    if plan.seed % 4 == 2 {
        // In another fourth the meeting that is paid for may cost a minute or two.
        let cap = plan.rate.fee + plan.rate.per_minute.max(plan.rate.minimum);
        provision.meetings[0].spend_cap = Some(Money::from_micros(cap));
    }
    provision
}

fn organization(id: OrganizationId, name: &str, currency: Currency) -> Organization {
    Organization {
        id,
        name: name.into(),
        currency,
        time_zone: String::new(),
        dial_out: model::DialOutRules::default(),
        payg_needs_credits_licence: false,
        outbound: model::policy::OrganizationOutbound {
            country: Some("IT".parse().expect("a country")),
            ..Default::default()
        },
    }
}

/// What the organization's calls out may be, if the story says so.
#[must_use]
pub fn allowance(plan: &Plan) -> Option<Allowance> {
    let budget = plan.calling.budget?;
    let slice = plan.rate.of_dial_out().charge(SLICE_SECS.into());
    let spend_hour = Money::from_micros(slice * budget.slices + budget.more);
    let (concurrent, per_minute) = (budget.concurrent, budget.per_minute);
    Some(Allowance { concurrent, per_minute, spend_hour, ..Allowance::default() })
}

fn listed(plan: &Plan) -> Vec<ListedCall> {
    let numbers = (0..plan.calling.listed.len()).map(|at| vec![number_of(LISTED, at)]);
    numbers.map(|numbers| ListedCall { numbers, press_one: None }).collect()
}

/// The meeting that an order is for.
#[must_use]
pub fn whence(whence: Whence) -> MeetingId {
    MeetingId::from_name(match whence {
        Whence::Paid => "paid",
        Whence::Included => "included",
        Whence::Elsewhere => "elsewhere",
        Whence::Unlicensed => "unlicensed",
    })
}

/// Makes the directory of a provision.
#[must_use]
pub fn directory(plan: &Plan) -> Arc<Directory> {
    let everyone = "127.1.0.0/16".parse().expect("a range");
    let way_in = trunk("sim", everyone, None);
    let ways_out = ["first", "second"].into_iter().zip(0_u8..).map(|(name, place)| {
        let host = callee::host(place).to_string();
        let range = format!("{host}/32").parse().expect("a range");
        trunk(name, range, Some(outbound(host, u16::from(place))))
    });
    let trunks = [way_in].into_iter().chain(ways_out).collect();
    Arc::new(Directory::new(provision(plan), trunks).expect("the scene is whole"))
}

fn outbound(host: String, priority: u16) -> Outbound {
    let callers = vec![CallerRange { text: "+".into(), open: true }];
    Outbound {
        port: Some(5060),
        reliability: Reliability::Supported,
        routing: Routing { priority, callers, ..Routing::default() },
        ..Outbound::to(host)
    }
}

fn trunk(name: &str, range: IpPrefix, outbound: Option<Outbound>) -> Trunk {
    Trunk { trusted: true, loopback_media: true, outbound, ..Trunk::new(name, &[range]) }
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
            | Prompt::StillThere
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

fn rate(plain: PlainRate) -> Rate {
    Rate {
        version: RateVersion(7),
        fee: Money::from_micros(plain.fee),
        per_minute: Money::from_micros(plain.per_minute).to_decimal(),
        initial_secs: u32::try_from(plain.initial).expect("small"),
        subsequent_secs: u32::try_from(plain.subsequent).expect("small"),
        minimum: Money::from_micros(plain.minimum),
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
        refusals: Default::default(),
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
        spend_cap: None,
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
