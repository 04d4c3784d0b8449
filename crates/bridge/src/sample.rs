//! A small world for tests: one organization, one organizer, one meeting, one trunk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use credits::Epoch;
use media::LibraryBuilder;

use model::record::{
    Licence, Meeting, NumberType, Organization, Provision, ServiceNumber, TariffRow, Trunk, User,
};
use model::{
    CallerRange, Currency, MeetingId, Money, NumberId, OrganizationId, Outbound, Pin, Rate,
    RateVersion, Reliability, Routing, SecondsRule, TrunkId, UserId,
};

use crate::directory::Directory;
use crate::settings::{Abuse, Presence, Settings};

pub(crate) fn trunk() -> Trunk {
    Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
}

/// A trunk that calls may leave by, to anywhere and as anybody.
pub(crate) fn way_out(name: &str) -> Trunk {
    let any = CallerRange { text: String::new(), open: true };
    let outbound = Outbound {
        reliability: Reliability::Supported,
        routing: Routing { callers: vec![any], ..Routing::default() },
        ..Outbound::to("192.0.2.1")
    };
    Trunk { id: TrunkId::from_name(name), name: name.into(), outbound: Some(outbound), ..trunk() }
}

pub(crate) fn currency() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub(crate) fn conference_id() -> Pin {
    Pin::parse("123456789").unwrap()
}

pub(crate) fn organization() -> Organization {
    Organization {
        id: OrganizationId::from_name("acme"),
        name: "acme".into(),
        currency: currency(),
        time_zone: String::new(),
        dial_out: model::DialOutRules::default(),
        payg_needs_credits_licence: false,
        outbound: Default::default(),
    }
}

pub(crate) fn number(number_type: NumberType) -> ServiceNumber {
    let did = match number_type {
        NumberType::Toll => "+390116543210",
        NumberType::TollFree => "+39800123456",
    };
    ServiceNumber {
        id: NumberId::from_name(did),
        did: did.parse().unwrap(),
        number_type,
        dedicated_to: None,
        bound_to: None,
        country: "IT".into(),
        language: "en-US".into(),
        is_default: number_type == NumberType::Toll,
        refusals: Default::default(),
    }
}

/// 0.60 a minute by the second.
pub(crate) fn rate() -> Rate {
    Rate {
        version: RateVersion(1),
        fee: Money::ZERO,
        per_minute: "0.60".parse::<Money>().unwrap().to_decimal(),
        initial_secs: 1,
        subsequent_secs: 1,
        minimum: Money::ZERO,
        rounding: SecondsRule::Nearest,
    }
}

pub(crate) fn provision() -> Provision {
    let tariff = |number_type: NumberType| TariffRow {
        organization: None,
        currency: currency(),
        kind: number_type.into(),
        number_prefix: String::new(),
        caller_prefix: String::new(),
        rate: rate(),
    };
    Provision {
        revision: 1,
        organizations: vec![organization()],
        groups: Vec::new(),
        users: vec![User {
            id: UserId::from_name("ada@acme.example"),
            name: "ada@acme.example".into(),
            organization: organization().id,
            licences: vec![Licence::PayPerMinute],
            toll_free_allowed: true,
            outbound: Default::default(),
        }],
        numbers: vec![number(NumberType::Toll), number(NumberType::TollFree)],
        meetings: vec![Meeting {
            id: MeetingId::from_name("standup"),
            name: "standup".into(),
            organizer: UserId::from_name("ada@acme.example"),
            conference_id: conference_id(),
            participants_max: 3,
            announce: true,
            spend_cap: None,
            dial_out: model::MeetingDialOut::default(),
        }],
        tariffs: vec![tariff(NumberType::Toll), tariff(NumberType::TollFree)],
        guards: model::Guards::default(),
    }
}

pub(crate) fn directory() -> Arc<Directory> {
    Arc::new(Directory::new(provision(), vec![trunk()]).unwrap())
}

pub(crate) fn settings() -> Settings {
    let secs = Duration::from_secs;
    Settings {
        seed: [1; 32],
        epoch: Epoch { node: "node".into(), number: 1 },
        sip: sip::Settings {
            seed: [2; 32],
            listeners: vec![sip::Listener {
                advertised: SocketAddr::from(([198, 51, 100, 1], 5060)),
                transport: model::Transport::Udp,
                keep_alive: true,
            }],
            session_secs: 0,
            banner: None,
            retry_after_secs: 10,
            patience: sip::Patience::default(),
        },
        prompts: Arc::new(LibraryBuilder::embedded().unwrap().build().unwrap()),
        calls_max: 10,
        shards: 1,
        slice_secs: 30,
        roll_ahead: secs(15),
        unpaid_limit: secs(90),
        tries: 3,
        digit_pause: secs(10),
        life_limit: secs(20),
        life_limit_held: secs(300),
        announcements: true,
        ring_limit: secs(4),
        presence: Presence::default(),
        abuse: Abuse::default(),
    }
}
