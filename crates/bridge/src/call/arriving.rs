//! A new INVITE: which number, which media, who pays, and so which state it begins in.

use std::sync::Arc;

use bytes::Bytes;
use credits::{Class, Terms};
use model::record::{NumberType, ServiceNumber};
use model::{CallerRule, Vouched};

use crate::admission::{self, Admitted, Facts, Seat};
use crate::call::State;
use crate::call::announcing;
use crate::call::file::{File, Payer};
use crate::call::identifying::Identifying;
use crate::call::line::Prepared;
use crate::call::ringing::{Ringing, note_open};
use crate::call::seated::{Seated, WELCOME};
use crate::directory::{Hosted, Price};
use crate::guarding;
use crate::refusal::Refusal;
use crate::turn::Turn;

/// Decides a new call as far as it can be decided before the answer.
pub(crate) fn enter(offer: Option<&Bytes>, file: &mut File, turn: &mut Turn<'_>) -> State {
    match decide(offer, file, turn) {
        Ok(state) => state,
        Err(refusal) => announcing::refuse(refusal, offer, file, turn),
    }
}

fn decide(offer: Option<&Bytes>, file: &mut File, turn: &mut Turn<'_>) -> Result<State, Refusal> {
    let number = file.number.clone().ok_or(Refusal::UnknownNumber)?;
    guarding::enters(&number, file, turn.directory)?;
    guarding::unpumped(&number, file, turn)?;
    let prepared = prepare(offer, file, turn)?;
    file.because(describe(&number));
    screen(file)?;
    if let Some(meeting) = number.bound_to {
        let host = turn.directory.meeting(meeting).ok_or(Refusal::UnknownNumber)?;
        return bound(prepared, &host, file, turn);
    }
    match (number.number_type, number.dedicated_to) {
        (NumberType::TollFree, Some(_)) => own_toll_free(prepared, &number, file, turn),
        (NumberType::Toll, owner) | (NumberType::TollFree, owner @ None) => {
            let owner = owner.and_then(|owner| turn.directory.organization(owner));
            file.price = turn.directory.price(owner, &number, file.caller.as_ref());
            let line = prepared.answer(file, turn);
            note_open(file, turn);
            Ok(Identifying::begin(line, None, file, turn))
        }
    }
}

/// Asks the trunk's rules about this caller.
fn screen(file: &mut File) -> Result<(), Refusal> {
    let rules = &file.trunk.caller_rules;
    let word = file.vouched.word();
    match rules.about(file.vouched) {
        CallerRule::Allow => {}
        CallerRule::Tag => file.because(format!("tagged: caller {word}")),
        CallerRule::Refuse if file.vouched == Vouched::Failed => return Err(Refusal::CallerForged),
        CallerRule::Refuse => return Err(Refusal::CallerUnvouched),
    }
    match file.trunk.caller_rules.anonymous {
        CallerRule::Tag if file.caller.is_none() => file.because("tagged: caller anonymous"),
        CallerRule::Refuse if file.caller.is_none() => return Err(Refusal::CallerAnonymous),
        CallerRule::Allow | CallerRule::Tag | CallerRule::Refuse => {}
    }
    Ok(())
}

/// Decides whether a caller may join a meeting, and who pays at what price; says why.
pub(crate) fn admit(
    host: &Arc<Hosted>,
    file: &mut File,
    turn: &Turn<'_>,
) -> Result<(Seat, Option<Price>), Refusal> {
    let number = file.number.clone().ok_or(Refusal::UnknownNumber)?;
    let meeting = &host.meeting;
    guarding::joins(host, file, turn.directory)?;
    let has_place = turn.conferences.has_place(meeting.id, meeting.participants_max);
    let (Admitted { seat, rule }, price) = licensed(host, &number, has_place, file, turn)?;
    file.because(format!("allowed: {rule}; organizer {}", host.organizer.name));
    if let (Seat::Credits(_), Some(price)) = (seat, price) {
        file.because(price.to_string());
    }
    Ok((seat, price))
}

fn licensed(
    host: &Hosted,
    number: &ServiceNumber,
    has_place: bool,
    file: &File,
    turn: &Turn<'_>,
) -> Result<(Admitted, Option<Price>), Refusal> {
    let price = turn.directory.price(Some(&host.organization), number, file.caller.as_ref());
    let admitted = admission::admit(&Facts {
        licences: &host.organizer.licences,
        payg_needs_credits_licence: host.organization.payg_needs_credits_licence,
        toll_free_allowed: host.organizer.toll_free_allowed,
        number_type: number.number_type,
        priced: price.is_some(),
        has_place,
    })?;
    Ok((admitted, price))
}

/// Takes a port, unless the call has one, and prepares our half of the media.
pub(crate) fn prepare(
    offer: Option<&Bytes>,
    file: &mut File,
    turn: &mut Turn<'_>,
) -> Result<Prepared, Refusal> {
    let port = match file.port {
        Some(port) => port,
        None => turn.ports.take(turn.now.mono).ok_or(Refusal::NodeFull)?,
    };
    file.port = Some(port);
    let session = u64::from(turn.draw());
    file.key(turn);
    Prepared::new(offer, port, file, session)
}

/// The number is bound to a meeting: the payer is certain.
fn bound(
    prepared: Prepared,
    host: &Arc<Hosted>,
    file: &mut File,
    turn: &mut Turn<'_>,
) -> Result<State, Refusal> {
    let (seat, price) = admit(host, file, turn)?;
    file.host = Some(Arc::clone(host));
    match (seat, price) {
        (Seat::Credits(class), Some(price)) => {
            file.price = Some(price);
            let account = host.organization.id.account();
            let terms = Terms { account, rate: price.rate, class };
            Ok(Ringing::begin(prepared, terms, file, turn))
        }
        (Seat::Included, _) | (Seat::Credits(_), None) => {
            file.payer = Payer::Included;
            let line = prepared.answer(file, turn);
            note_open(file, turn);
            Ok(Seated::sit(line, None, &WELCOME, file, turn))
        }
    }
}

/// A toll-free number of one organization: it pays from the answer on, whichever meeting the
/// caller then names. Some meeting of it must be one that its credits may pay for.
fn own_toll_free(
    prepared: Prepared,
    number: &ServiceNumber,
    file: &mut File,
    turn: &mut Turn<'_>,
) -> Result<State, Refusal> {
    let owner = number.dedicated_to.ok_or(Refusal::UnknownNumber)?;
    let mut refusal = Refusal::NotLicensed;
    for host in turn.directory.hosted_by(owner) {
        match licensed(host, number, true, file, turn) {
            Ok((Admitted { rule, .. }, Some(price))) => {
                file.because(format!("allowed: {rule}; the number is the organization's own"));
                file.because(price.to_string());
                file.price = Some(price);
                let class = Class::TollFree;
                let terms = Terms { account: owner.account(), rate: price.rate, class };
                return Ok(Ringing::begin(prepared, terms, file, turn));
            }
            Ok((_, None)) => refusal = Refusal::NoTariff,
            Err(no) => refusal = no,
        }
    }
    Err(refusal)
}

fn describe(number: &ServiceNumber) -> String {
    let kind = match number.number_type {
        NumberType::Toll => "toll",
        NumberType::TollFree => "toll-free",
    };
    let whose = match (number.bound_to, number.dedicated_to) {
        (Some(_), _) => "bound to a meeting",
        (None, Some(_)) => "of one organization",
        (None, None) => "shared",
    };
    format!("dialled a {kind} number, {whose}")
}
