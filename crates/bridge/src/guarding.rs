//! Who is out of service, and which callers a number takes.

use model::record::{NumberType, ServiceNumber};
use model::{CallId, Did, Now, Standing, Subject};

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
        let found: Vec<(CallId, Guard)> = found.collect();
        for (call, guard) in found {
            self.run(call, now, |state, file, turn| bar(state, guard, file, turn));
        }
    }
}

/// Decides by its trunk, its number and their callers whether a call may come in at all.
///
/// # Errors
/// The refusal.
pub(crate) fn enters(
    number: &ServiceNumber,
    file: &File,
    directory: &Directory,
) -> Result<(), Refusal> {
    if directory.standing(Subject::Trunk(file.trunk.id)).is_some() {
        return Err(Refusal::Guard(Guard::TrunkSuspended));
    }
    let this = Subject::Number(number.id);
    if directory.standing(this).is_some() {
        return Err(Refusal::Guard(Guard::NumberSuspended));
    }
    screened(this, file, directory)?;
    match number.dedicated_to.map(Subject::Organization) {
        Some(owner) if directory.standing(owner).is_some() => {
            Err(Refusal::Guard(Guard::OrganizationSuspended))
        }
        Some(owner) => screened(owner, file, directory),
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

/// Decides whether a caller may join a meeting, as far as it concerns those who answer for it.
///
/// # Errors
/// The refusal.
pub(crate) fn joins(host: &Hosted, file: &File, directory: &Directory) -> Result<(), Refusal> {
    match directory.closed(host) {
        Some((guard, _)) => Err(Refusal::Guard(guard)),
        None => screened(Subject::Organization(host.organization.id), file, directory),
    }
}

fn screened(subject: Subject, file: &File, directory: &Directory) -> Result<(), Refusal> {
    let Some(screen) = directory.screen(subject) else { return Ok(()) };
    if file.lines.iter().any(|line| screen.lines_refused.contains(line)) {
        return Err(Refusal::Guard(Guard::LineDenied));
    }
    if file.caller.is_none() && screen.anonymous_refused {
        return Err(Refusal::CallerAnonymous);
    }
    match file.caller.as_ref().or(file.withheld.as_ref()) {
        Some(Did::E164(caller)) if screen.denies(caller.digits()) => {
            Err(Refusal::Guard(Guard::CallerDenied))
        }
        Some(Did::E164(_) | Did::Local(_)) | None => Ok(()),
    }
}

/// Who stops a live call, if anybody.
fn stop(directory: &Directory, file: &File) -> Option<Guard> {
    let stopped = |subject| directory.standing(subject) == Some(Standing::Stopped);
    let closed = file.host.as_ref().and_then(|host| directory.closed(host));
    if let Some((guard, Standing::Stopped)) = closed {
        return Some(guard);
    }
    if stopped(Subject::Trunk(file.trunk.id)) {
        return Some(Guard::TrunkSuspended);
    }
    let number = file.number.as_ref();
    if number.is_some_and(|number| stopped(Subject::Number(number.id))) {
        return Some(Guard::NumberSuspended);
    }
    let owner = number.and_then(|number| number.dedicated_to);
    owner.filter(|id| stopped(Subject::Organization(*id))).map(|_| Guard::OrganizationSuspended)
}

/// Ends a live call at once.
fn bar(state: State, guard: Guard, file: &mut File, turn: &mut Turn<'_>) -> State {
    if !state.is_live() {
        return state;
    }
    let refusal = Refusal::Guard(guard);
    if file.answered.is_none() {
        return leaving::refuse(refusal, file, turn);
    }
    turn.note(Note::Refused(refusal));
    file.because(format!("ended: {}", refusal.label()));
    leaving::end(Cause::Refused(refusal), turn.now.mono, Wire::Bye, file, turn)
}
