//! One organization, one organizer with a pay-per-minute licence, one meeting; a shared toll and a
//! shared toll-free number, a bound one of each, and a toll-free one of the organization's own.

use model::record::{
    Licence, Meeting, NumberType, Organization, Provision, ServiceNumber, TariffKind, TariffRow,
    Trunk, User,
};
use model::{
    CallerRange, Currency, MeetingId, Money, NumberId, OrganizationId, Outbound, Pin, Rate,
    RateVersion, Routing, SecondsRule, TrunkId, UserId,
};

/// The shared toll number.
pub(crate) const SHARED: &str = "+390110001";
/// Bound to the meeting, toll.
pub(crate) const BOUND: &str = "+390110002";
/// Bound to the meeting, toll-free.
pub(crate) const BOUND_FREE: &str = "+398000003";
/// Toll-free, the organization's own.
pub(crate) const OWN_FREE: &str = "+398000004";
/// The conference ID.
pub(crate) const ID: &str = "123456789";

pub(crate) fn trunk() -> Trunk {
    Trunk::new("carrier", &["192.0.2.0/24".parse().unwrap()])
}

/// The carrier that calls come from, at 192.0.2.9 alone.
pub(crate) fn trunk_in() -> Trunk {
    Trunk { signalling: vec!["192.0.2.9/32".parse().unwrap()], ..trunk() }
}

/// A trunk that calls leave by, at 192.0.2.`host`.
pub(crate) fn way_out(name: &str, host: u8, priority: u16) -> Trunk {
    let range = CallerRange { text: "+".into(), open: true };
    Trunk {
        id: TrunkId::from_name(name),
        name: name.into(),
        signalling: vec![format!("192.0.2.{host}/32").parse().unwrap()],
        outbound: Some(Outbound {
            port: Some(5060),
            routing: Routing { priority, callers: vec![range], ..Routing::default() },
            ..Outbound::to(format!("192.0.2.{host}"))
        }),
        ..trunk()
    }
}

pub(crate) fn organization() -> Organization {
    Organization {
        id: OrganizationId::from_name("acme"),
        name: "acme".into(),
        currency: Currency::parse("EUR").unwrap(),
        time_zone: String::new(),
        dial_out: model::DialOutRules::default(),
        payg_needs_credits_licence: false,
        outbound: Default::default(),
    }
}

pub(crate) fn standard() -> Provision {
    let meeting = Meeting {
        id: MeetingId::from_name("standup"),
        name: "standup".into(),
        organizer: UserId::from_name("ada"),
        conference_id: Pin::parse(ID).unwrap(),
        participants_max: 3,
        announce: true,
        spend_cap: None,
        dial_out: model::MeetingDialOut::default(),
    };
    let bound = Some(meeting.id);
    Provision {
        revision: 1,
        organizations: vec![organization()],
        groups: Vec::new(),
        users: vec![User {
            id: meeting.organizer,
            name: "ada".into(),
            organization: organization().id,
            licences: vec![Licence::PayPerMinute],
            toll_free_allowed: true,
            outbound: Default::default(),
        }],
        numbers: vec![
            number(SHARED, NumberType::Toll, None, None),
            number(BOUND, NumberType::Toll, None, bound),
            number(BOUND_FREE, NumberType::TollFree, None, bound),
            number(OWN_FREE, NumberType::TollFree, Some(organization().id), None),
        ],
        meetings: vec![meeting],
        tariffs: [TariffKind::Toll, TariffKind::TollFree, TariffKind::DialOut].map(tariff).into(),
        guards: model::Guards::default(),
    }
}

/// The same, but the organizer holds a subscription.
pub(crate) fn subscribed(licences: &[Licence]) -> Provision {
    let mut provision = standard();
    provision.users[0].licences = licences.to_vec();
    provision
}

fn number(
    did: &str,
    number_type: NumberType,
    dedicated_to: Option<OrganizationId>,
    bound_to: Option<MeetingId>,
) -> ServiceNumber {
    ServiceNumber {
        id: NumberId::from_name(did),
        did: did.parse().unwrap(),
        number_type,
        dedicated_to,
        bound_to,
        country: "IT".into(),
        language: "en-US".into(),
        is_default: did == SHARED,
        refusals: Default::default(),
    }
}

/// 0.60 a minute by the second: a cent a second.
fn tariff(kind: TariffKind) -> TariffRow {
    TariffRow {
        organization: None,
        currency: organization().currency,
        kind,
        number_prefix: String::new(),
        caller_prefix: String::new(),
        rate: Rate {
            version: RateVersion(1),
            fee: Money::ZERO,
            per_minute: "0.60".parse::<Money>().unwrap().to_decimal(),
            initial_secs: 1,
            subsequent_secs: 1,
            minimum: Money::ZERO,
            rounding: SecondsRule::Nearest,
        },
    }
}
