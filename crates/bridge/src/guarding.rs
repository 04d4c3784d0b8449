//! Who is out of service, and which callers a number takes.

use model::record::{NumberType, ServiceNumber};
use model::{CallId, Did, Now, Screen, Standing, Subject};

use crate::Bridge;
use crate::call::file::File;
use crate::call::leaving::{self, Wire};
use crate::call::{Call, State};
use crate::directory::{Directory, Hosted};
use crate::ending::Cause;
use crate::output::Note;
use crate::refusal::{Guard, Refusal};
use crate::turn::Turn;

impl Bridge {
    /// Ends the live calls of whoever was stopped; they are charged as far as they came.
    pub(crate) fn end_stopped(&mut self, now: Now) {
        if !self.directory.stops_anybody() {
            return;
        }
        let stopped = |call: &Call| call.state.is_live().then(|| stop(&self.directory, &call.file));
        let found = self.calls.iter().filter_map(|(id, call)| Some((*id, stopped(call)??)));
        let found: Vec<(CallId, (Guard, Subject))> = found.collect();
        for (call, (guard, subject)) in found {
            let why = self.directory.told(subject);
            self.run(call, now, |state, file, turn| bar(state, (guard, why), file, turn));
        }
    }
}

/// Decides by its trunk, its number and their callers whether a call may come in at all; says why
/// not.
///
/// # Errors
/// The refusal.
pub(crate) fn enters(
    number: &ServiceNumber,
    file: &mut File,
    directory: &Directory,
) -> Result<(), Refusal> {
    let this = Subject::Number(number.id);
    serves(Subject::Trunk(file.trunk.id), Guard::TrunkSuspended, file, directory)?;
    serves(this, Guard::NumberSuspended, file, directory)?;
    screened(this, file, directory)?;
    match number.dedicated_to.map(Subject::Organization) {
        Some(owner) => {
            serves(owner, Guard::OrganizationSuspended, file, directory)?;
            screened(owner, file, directory)
        }
        None => Ok(()),
    }
}

/// Decides whether a toll-free call may come in, by what callers like this one have used up.
///
/// # Errors
/// The refusal.
pub(crate) fn unpumped(
    number: &ServiceNumber,
    file: &mut File,
    turn: &Turn<'_>,
) -> Result<(), Refusal> {
    match number.number_type {
        NumberType::Toll => Ok(()),
        NumberType::TollFree => {
            let answers = turn.shield.answers(file, &turn.settings.abuse, turn.now.mono);
            answers.map_err(|scope| {
                file.because(format!("unidentified time is used up: {}", scope.label()));
                Refusal::Guard(Guard::Unidentified)
            })
        }
    }
}

/// Decides whether a caller may join a meeting, as far as it concerns those who answer for it; says
/// why not.
///
/// # Errors
/// The refusal.
pub(crate) fn joins(host: &Hosted, file: &mut File, directory: &Directory) -> Result<(), Refusal> {
    if let Some((guard, subject, _)) = directory.closed(host) {
        file.because(directory.told(subject));
        return Err(Refusal::Guard(guard));
    }
    screened(Subject::Organization(host.organization.id), file, directory)
}

fn serves(
    subject: Subject,
    guard: Guard,
    file: &mut File,
    directory: &Directory,
) -> Result<(), Refusal> {
    if directory.standing(subject).is_none() {
        return Ok(());
    }
    file.because(directory.told(subject));
    Err(Refusal::Guard(guard))
}

fn screened(subject: Subject, file: &mut File, directory: &Directory) -> Result<(), Refusal> {
    let Some(screen) = directory.screen(subject) else { return Ok(()) };
    let Some((refusal, key)) = unwanted(screen, file) else { return Ok(()) };
    let name = directory.name_of(subject);
    file.because(format!("{key} in the [[screen]] of {name} turns the caller away"));
    Err(refusal)
}

/// Why a screen does not take the caller, and by which of its keys.
fn unwanted(screen: &Screen, file: &File) -> Option<(Refusal, &'static str)> {
    if file.lines.iter().any(|line| screen.lines_refused.contains(line)) {
        return Some((Refusal::Guard(Guard::LineDenied), "deny_lines"));
    }
    if file.caller.is_none() && screen.anonymous_refused {
        return Some((Refusal::CallerAnonymous, "anonymous"));
    }
    match file.caller.as_ref().or(file.withheld.as_ref()) {
        Some(Did::E164(caller)) if screen.denies(caller.digits()) => {
            Some((Refusal::Guard(Guard::CallerDenied), "deny_callers"))
        }
        Some(Did::E164(_) | Did::Local(_)) | None => None,
    }
}

/// Who stops a live call, if anybody.
fn stop(directory: &Directory, file: &File) -> Option<(Guard, Subject)> {
    let stopped = |subject| directory.standing(subject) == Some(Standing::Stopped);
    let closed = file.host.as_ref().and_then(|host| directory.closed(host));
    if let Some((guard, subject, Standing::Stopped)) = closed {
        return Some((guard, subject));
    }
    let number = file.number.as_ref();
    let owner = number.and_then(|number| number.dedicated_to).map(Subject::Organization);
    let number = number.map(|number| Subject::Number(number.id));
    let may_stop = [
        Some(Subject::Trunk(file.trunk.id)).map(|trunk| (Guard::TrunkSuspended, trunk)),
        number.map(|number| (Guard::NumberSuspended, number)),
        owner.map(|owner| (Guard::OrganizationSuspended, owner)),
    ];
    may_stop.into_iter().flatten().find(|(_, subject)| stopped(*subject))
}

/// Ends a live call at once.
fn bar(state: State, (guard, why): (Guard, String), file: &mut File, turn: &mut Turn<'_>) -> State {
    if !state.is_live() {
        return state;
    }
    file.because(why);
    let refusal = Refusal::Guard(guard);
    if file.answered.is_none() {
        return leaving::refuse(refusal, file, turn);
    }
    turn.note(Note::Refused(refusal));
    file.because(format!("ended: {}", refusal.label()));
    leaving::end(Cause::Refused(refusal), turn.now.mono, Wire::Bye, file, turn)
}
