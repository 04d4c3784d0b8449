//! Provisioning as rows.

use std::collections::BTreeSet;

use model::policy::{DestinationRule, Group, OrganizationOutbound, UserOutbound};
use model::record::{Licence, Meeting, Organization, Provision, ServiceNumber, TariffRow, User};
use model::{Currency, DialOutRules, GroupId, ListedCall, MeetingDialOut, Money, Pin};

use crate::Error;
use crate::provision::{merge, tariff_key};
use crate::sql::Database;
use crate::sql::guards;
use crate::sql::record::{maybe_currency, maybe_rate, pack_rate};
use crate::sql::row::{Fields, Packed, argument, corrupt, word_of};
use crate::sql::save::open_accounts;
use crate::sql::session::Session;
use crate::sql::words::{LICENCES, NUMBER_TYPES, REFUSALS, TARIFF_KINDS};
use crate::sql::writing::{Claim, Writing};

const READ_REVISION: &str = "SELECT json_array(number) FROM revision";

impl Database {
    pub(crate) async fn provision(&self) -> Result<Provision, Error> {
        read(&mut self.reading().await?).await
    }

    pub(crate) async fn revision(&self) -> Result<u64, Error> {
        revision(&mut self.reading().await?).await
    }

    pub(crate) async fn apply(&self, change: &Provision) -> Result<u64, Error> {
        let mut writing = self.begin(Claim::Provisioning).await?;
        let current = read(writing.next_statement()?).await?;
        let Some(merged) = merge(&current, change)? else {
            return Ok(current.revision);
        };
        write(&mut writing, change).await?;
        let revision = Packed::default().count(merged.revision);
        writing.write(WRITE_REVISION, std::iter::once(revision)).await?;
        writing.commit().await?;
        Ok(merged.revision)
    }
}

pub(super) const WRITE_REVISION: &str = "
UPDATE revision SET number = CAST(new.value ->> 0 AS BIGINT) FROM json_each($1) AS new";

const ORGANIZATIONS: &str = "
INSERT INTO organization (id, name, currency, payg_needs_credits_licence, country, policy,
    premium_allowed, satellite_allowed, destinations, dial_out_allowed, dial_out_press_one,
    dial_out_ring_secs, time_zone)
SELECT value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS BIGINT), value ->> 4, value ->> 5,
    CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), value ->> 8,
    CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), CAST(value ->> 11 AS BIGINT),
    value ->> 12
FROM json_each($1) WHERE true
ON CONFLICT (id) DO UPDATE SET name = excluded.name,
    payg_needs_credits_licence = excluded.payg_needs_credits_licence, country = excluded.country,
    policy = excluded.policy, premium_allowed = excluded.premium_allowed,
    satellite_allowed = excluded.satellite_allowed, destinations = excluded.destinations,
    dial_out_allowed = excluded.dial_out_allowed, dial_out_press_one = excluded.dial_out_press_one,
    dial_out_ring_secs = excluded.dial_out_ring_secs, time_zone = excluded.time_zone";

const GROUPS: &str = "
INSERT INTO user_group (id, name, organization, rank, policy)
SELECT value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS BIGINT), value ->> 4
FROM json_each($1) WHERE true
ON CONFLICT (id) DO UPDATE SET name = excluded.name, organization = excluded.organization,
    rank = excluded.rank, policy = excluded.policy";

const USERS: &str = "
INSERT INTO users (id, name, organization, licences, toll_free_allowed, country, policy, groups)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, CAST(value ->> 4 AS BIGINT), value ->> 5,
    value ->> 6, value ->> 7
FROM json_each($1) WHERE true
ON CONFLICT (id) DO UPDATE SET name = excluded.name, organization = excluded.organization,
    licences = excluded.licences, toll_free_allowed = excluded.toll_free_allowed,
    country = excluded.country, policy = excluded.policy, groups = excluded.groups";

const MEETINGS: &str = "
INSERT INTO meeting (id, name, organizer, conference_id, participants_max, announce,
    dial_out_allowed, dial_out_press_one, dial_out_ring_secs, dial_out_calls, spend_cap)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, CAST(value ->> 4 AS BIGINT),
    CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT),
    CAST(value ->> 8 AS BIGINT), value ->> 9, CAST(value ->> 10 AS BIGINT)
FROM json_each($1) WHERE true
ON CONFLICT (id) DO UPDATE SET name = excluded.name, organizer = excluded.organizer,
    conference_id = excluded.conference_id, participants_max = excluded.participants_max,
    announce = excluded.announce, dial_out_allowed = excluded.dial_out_allowed,
    dial_out_press_one = excluded.dial_out_press_one,
    dial_out_ring_secs = excluded.dial_out_ring_secs, dial_out_calls = excluded.dial_out_calls,
    spend_cap = excluded.spend_cap";

const NUMBERS: &str = "
INSERT INTO service_number (id, did, number_type, dedicated_to, bound_to, country, language,
    is_default, refusals)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
    CAST(value ->> 7 AS BIGINT), value ->> 8
FROM json_each($1) WHERE true
ON CONFLICT (id) DO UPDATE SET did = excluded.did, number_type = excluded.number_type,
    dedicated_to = excluded.dedicated_to, bound_to = excluded.bound_to,
    country = excluded.country, language = excluded.language,
    is_default = excluded.is_default, refusals = excluded.refusals";

const TARIFF_SCOPES_CLEARED: &str = "
DELETE FROM tariff
WHERE coalesce(organization, '') IN (SELECT coalesce(value ->> 0, '') FROM json_each($1))";

const TARIFFS: &str = "
INSERT INTO tariff (organization, currency, kind, number_prefix, caller_prefix,
    rate_version, rate_fee, rate_per_minute, rate_initial_secs, rate_subsequent_secs,
    rate_minimum, rate_rounding)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    CAST(value ->> 6 AS BIGINT), value ->> 7, CAST(value ->> 8 AS BIGINT),
    CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), value ->> 11
FROM json_each($1)";

async fn write(writing: &mut Writing, change: &Provision) -> Result<(), Error> {
    writing.write(ORGANIZATIONS, change.organizations.iter().map(pack_organization)).await?;
    open_accounts(writing, change.organizations.iter().map(|row| row.id.account())).await?;
    writing.write(GROUPS, change.groups.iter().map(pack_group)).await?;
    writing.write(USERS, change.users.iter().map(pack_user)).await?;
    writing.write(MEETINGS, change.meetings.iter().map(pack_meeting)).await?;
    writing.write(NUMBERS, change.numbers.iter().map(pack_number)).await?;
    let scopes: BTreeSet<_> = change.tariffs.iter().map(|row| row.organization).collect();
    let scopes = scopes.into_iter().map(|scope| Packed::default().maybe_text(scope));
    writing.write(TARIFF_SCOPES_CLEARED, scopes).await?;
    writing.write(TARIFFS, change.tariffs.iter().map(pack_tariff)).await?;
    guards::write(writing, &change.guards).await
}

async fn revision(session: &mut Session) -> Result<u64, Error> {
    let kept = session.read(READ_REVISION, &[], |row| row.int()).await?;
    kept.first().copied().ok_or_else(|| corrupt("the revision is missing"))
}

pub(super) async fn read(session: &mut Session) -> Result<Provision, Error> {
    const ORGANIZATIONS: &str = "
SELECT json_array(id, name, currency, payg_needs_credits_licence, country, policy, premium_allowed,
    satellite_allowed, destinations, dial_out_allowed, dial_out_press_one, dial_out_ring_secs,
    time_zone)
FROM organization ORDER BY id";
    const GROUPS: &str = "
SELECT json_array(id, name, organization, rank, policy) FROM user_group ORDER BY id";
    const USERS: &str = "
SELECT json_array(id, name, organization, licences, toll_free_allowed, country, policy, groups)
FROM users ORDER BY id";
    const NUMBERS: &str = "
SELECT json_array(id, did, number_type, dedicated_to, bound_to, country, language, is_default,
    refusals)
FROM service_number ORDER BY id";
    const MEETINGS: &str = "
SELECT json_array(id, name, organizer, conference_id, participants_max, announce,
    dial_out_allowed, dial_out_press_one, dial_out_ring_secs, dial_out_calls, spend_cap)
FROM meeting ORDER BY id";
    const TARIFFS: &str = "
SELECT json_array(organization, currency, kind, number_prefix, caller_prefix, rate_version,
    rate_fee, rate_per_minute, rate_initial_secs, rate_subsequent_secs, rate_minimum, rate_rounding)
FROM tariff";
    let revision = revision(session).await?;
    let mut tariffs = session.read(TARIFFS, &[], tariff).await?;
    tariffs.sort_by(|a, b| tariff_key(a).cmp(&tariff_key(b)));
    Ok(Provision {
        revision,
        organizations: session.read(ORGANIZATIONS, &[], organization).await?,
        groups: session.read(GROUPS, &[], group).await?,
        users: session.read(USERS, &[], user).await?,
        numbers: session.read(NUMBERS, &[], number).await?,
        meetings: session.read(MEETINGS, &[], meeting).await?,
        tariffs,
        guards: guards::read(session).await?,
    })
}

fn pack_organization(row: &Organization) -> Packed {
    let named = Packed::default().text(row.id).text(&row.name).text(row.currency);
    let outbound = &row.outbound;
    let rules = outbound.destinations.iter();
    let rules = rules.map(|rule| Packed::default().text(&rule.prefix).int(rule.allow));
    named
        .int(row.payg_needs_credits_licence)
        .maybe_text(outbound.country)
        .maybe_text(outbound.policy)
        .int(outbound.premium_allowed)
        .int(outbound.satellite_allowed)
        .text(argument(rules))
        .int(row.dial_out.enabled)
        .int(row.dial_out.press_one)
        .int(row.dial_out.ring_secs)
        .text(&row.time_zone)
}

fn organization(row: &mut Fields) -> Result<Organization, Error> {
    let mut organization = Organization {
        id: row.parse()?,
        name: row.text()?,
        currency: currency(row)?,
        time_zone: String::new(),
        dial_out: DialOutRules::default(),
        payg_needs_credits_licence: row.flag()?,
        outbound: OrganizationOutbound {
            country: row.maybe_parse()?,
            policy: row.maybe_parse()?,
            premium_allowed: row.flag()?,
            satellite_allowed: row.flag()?,
            destinations: row.rows()?.iter_mut().map(destination).collect::<Result<_, _>>()?,
        },
    };
    let (enabled, press_one, ring_secs) = (row.flag()?, row.flag()?, row.int()?);
    organization.dial_out = DialOutRules { enabled, press_one, ring_secs };
    organization.time_zone = row.text()?;
    Ok(organization)
}

fn destination(row: &mut Fields) -> Result<DestinationRule, Error> {
    Ok(DestinationRule { prefix: row.text()?, allow: row.flag()? })
}

fn pack_group(row: &Group) -> Packed {
    let named = Packed::default().text(row.id).text(&row.name).text(row.organization);
    named.int(row.rank).maybe_text(row.policy)
}

fn group(row: &mut Fields) -> Result<Group, Error> {
    Ok(Group {
        id: row.parse()?,
        name: row.text()?,
        organization: row.parse()?,
        rank: row.int()?,
        policy: row.maybe_parse()?,
    })
}

fn pack_user(row: &User) -> Packed {
    let licences: Vec<_> = row.licences.iter().map(|held| word_of(LICENCES, held)).collect();
    let named = Packed::default().text(row.id).text(&row.name).text(row.organization);
    let groups: Vec<_> = row.outbound.groups.iter().map(GroupId::to_string).collect();
    named
        .text(licences.join(" "))
        .int(row.toll_free_allowed)
        .maybe_text(row.outbound.country)
        .maybe_text(row.outbound.policy)
        .text(groups.join(" "))
}

fn user(row: &mut Fields) -> Result<User, Error> {
    Ok(User {
        id: row.parse()?,
        name: row.text()?,
        organization: row.parse()?,
        licences: row.text()?.split_whitespace().map(licence).collect::<Result<_, _>>()?,
        toll_free_allowed: row.flag()?,
        outbound: UserOutbound {
            country: row.maybe_parse()?,
            policy: row.maybe_parse()?,
            groups: groups_of(&row.text()?)?,
        },
    })
}

fn groups_of(ids: &str) -> Result<Vec<GroupId>, Error> {
    let read = ids.split_whitespace().map(str::parse).collect::<Result<_, _>>();
    read.map_err(|_| corrupt("a group's id is malformed"))
}

fn licence(word: &str) -> Result<Licence, Error> {
    let known = LICENCES.iter().find(|(known, _)| *known == word);
    known.map(|(_, licence)| *licence).ok_or_else(|| corrupt("a licence is unknown"))
}

fn pack_meeting(row: &Meeting) -> Packed {
    let named = Packed::default().text(row.id).text(&row.name).text(row.organizer);
    let named = named.text(row.conference_id.reveal()).int(row.participants_max).int(row.announce);
    let calls = row.dial_out.calls.iter().map(|listed| {
        let row = Packed::default().maybe_int(listed.press_one.map(Into::into));
        listed.numbers.iter().fold(row, |row, number| row.text(number))
    });
    named
        .maybe_int(row.dial_out.enabled.map(Into::into))
        .maybe_int(row.dial_out.press_one.map(Into::into))
        .maybe_int(row.dial_out.ring_secs.map(Into::into))
        .text(argument(calls))
        .maybe_int(row.spend_cap.map(Money::micros))
}

fn meeting(row: &mut Fields) -> Result<Meeting, Error> {
    let (id, name, organizer) = (row.parse()?, row.text()?, row.parse()?);
    let conference_id = Pin::parse(&row.text()?).map_err(|_| corrupt("a conference ID"))?;
    let (participants_max, announce) = (row.int()?, row.flag()?);
    let dial_out = MeetingDialOut {
        enabled: maybe_flag(row)?,
        press_one: maybe_flag(row)?,
        ring_secs: maybe_secs(row)?,
        calls: row.rows()?.iter_mut().map(listed).collect::<Result<_, _>>()?,
    };
    let spend_cap = row.maybe_int()?.map(Money::from_micros);
    Ok(Meeting {
        id,
        name,
        organizer,
        conference_id,
        participants_max,
        announce,
        spend_cap,
        dial_out,
    })
}

fn listed(row: &mut Fields) -> Result<ListedCall, Error> {
    let press_one = maybe_flag(row)?;
    let mut numbers = Vec::new();
    while !row.is_over() {
        numbers.push(row.text()?);
    }
    Ok(ListedCall { numbers, press_one })
}

fn maybe_flag(row: &mut Fields) -> Result<Option<bool>, Error> {
    Ok(row.maybe_int()?.map(|number| number != 0))
}

fn maybe_secs(row: &mut Fields) -> Result<Option<u16>, Error> {
    let secs = row.maybe_int()?.map(u16::try_from).transpose();
    secs.map_err(|_| corrupt("a number is out of range"))
}

fn pack_number(row: &ServiceNumber) -> Packed {
    Packed::default()
        .text(row.id)
        .text(row.did.full())
        .text(word_of(NUMBER_TYPES, &row.number_type))
        .maybe_text(row.dedicated_to)
        .maybe_text(row.bound_to)
        .text(&row.country)
        .text(&row.language)
        .int(row.is_default)
        .text(word_of(REFUSALS, &row.refusals))
}

fn number(row: &mut Fields) -> Result<ServiceNumber, Error> {
    Ok(ServiceNumber {
        id: row.parse()?,
        did: row.parse()?,
        number_type: row.word(NUMBER_TYPES)?,
        dedicated_to: row.maybe_parse()?,
        bound_to: row.maybe_parse()?,
        country: row.text()?,
        language: row.text()?,
        is_default: row.flag()?,
        refusals: row.word(REFUSALS)?,
    })
}

fn pack_tariff(row: &TariffRow) -> Packed {
    Packed::default()
        .maybe_text(row.organization)
        .text(row.currency)
        .text(word_of(TARIFF_KINDS, &row.kind))
        .text(&row.number_prefix)
        .text(&row.caller_prefix)
        .chain(pack_rate(&row.rate))
}

fn tariff(row: &mut Fields) -> Result<TariffRow, Error> {
    Ok(TariffRow {
        organization: row.maybe_parse()?,
        currency: currency(row)?,
        kind: row.word(TARIFF_KINDS)?,
        number_prefix: row.text()?,
        caller_prefix: row.text()?,
        rate: maybe_rate(row)?.ok_or_else(|| corrupt("a rate is missing"))?,
    })
}

fn currency(row: &mut Fields) -> Result<Currency, Error> {
    maybe_currency(row)?.ok_or_else(|| corrupt("a currency is missing"))
}
