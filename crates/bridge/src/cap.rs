//! What a meeting may cost (domain.md §7.11): what its charged legs have cost since it began, and
//! what the live ones were granted, is never more than its cap. Exact, and before the store is asked:
//! what a leg asks for counts from the question on, so that legs that ask at once cannot overrun it.

use credits::units;
use model::Money;

use crate::call::file::File;
use crate::directory::{Hosted, Price};
use crate::refusal::Guard;
use crate::turn::Turn;

/// Decides how many seconds a leg may ask for past the later of what it has and what it was served;
/// as many as are wanted if the meeting has no cap. What it asks for is noted in its file.
///
/// # Errors
/// [`Guard::MeetingSpend`] if the cap does not carry the next increment.
pub(crate) fn fits(
    file: &mut File,
    covers_secs: u32,
    wanted_secs: u32,
    turn: &Turn<'_>,
) -> Result<u32, Guard> {
    let (Some(host), Some(price)) = (file.host.clone(), file.price) else {
        return Ok(wanted_secs);
    };
    let served = file.funded_secs.max(covers_secs);
    let reaches = |secs: u32| granted_secs(&price, served, secs);
    let fitting = match left(&host, file, turn) {
        None => Some(wanted_secs),
        Some(left) => {
            let carried = |secs: &u32| reaches(*secs).is_some_and(|end| cost(&price, end) <= left);
            (1..=wanted_secs.max(1)).rev().find(carried)
        }
    };
    let secs = fitting.ok_or(Guard::MeetingSpend)?;
    file.asked_secs = file.asked_secs.max(reaches(secs).unwrap_or(u32::MAX));
    Ok(secs)
}

/// Decides whether a leg that was charged before it named the meeting may join it.
///
/// # Errors
/// [`Guard::MeetingSpend`].
pub(crate) fn joins(host: &Hosted, file: &File, turn: &Turn<'_>) -> Result<(), Guard> {
    match left(host, file, turn) {
        Some(left) if exposed(file) > left => Err(Guard::MeetingSpend),
        Some(_) | None => Ok(()),
    }
}

/// Returns the most that a live leg may have been granted, so far as anybody knows.
pub(crate) fn exposed(file: &File) -> Money {
    let secs = exposed_secs(file);
    match file.price {
        Some(price) if secs > 0 => cost(&price, secs),
        Some(_) | None => Money::ZERO,
    }
}

/// Returns how many seconds from answer that is.
pub(crate) fn exposed_secs(file: &File) -> u32 {
    file.funded_secs.max(file.asked_secs)
}

/// Returns what the cap leaves for this leg in all; nothing if there is no cap.
fn left(host: &Hosted, file: &File, turn: &Turn<'_>) -> Option<Money> {
    let meeting = host.meeting.id;
    // The cap may have been moved since the leg came.
    let cap = match turn.directory.meeting(meeting) {
        Some(known) => known.meeting.spend_cap,
        None => host.meeting.spend_cap,
    }?;
    let others = turn.conferences.spent_by_others(meeting, file.call);
    Some(cap.checked_sub(others).unwrap_or(Money::ZERO))
}

/// Returns the end of the longest slice that the book may grant: whole increments that reach what is
/// wanted, at least one.
fn granted_secs(price: &Price, served_secs: u32, wanted_secs: u32) -> Option<u32> {
    let reached = u64::from(served_secs) + u64::from(wanted_secs.max(1));
    u32::try_from(units(&price.rate, reached)?).ok()
}

/// A price that cannot be told is more than any cap.
fn cost(price: &Price, secs: u32) -> Money {
    let most = Money::from_micros(i64::MAX);
    credits::charge(&price.rate, secs.into()).unwrap_or(most)
}
