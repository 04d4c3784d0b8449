//! How much is paid ahead on a charged leg: when to ask for more, warn, say goodbye, cut
//! (charging.md, "On the leg").

use std::time::Duration;

use credits::{Answer, Command, CreditRefusal};
use media::Prompt;
use model::{HoldId, Instant};

use crate::call::file::{File, micros};
use crate::cap;
use crate::desk::Errand;
use crate::ending::Cause;
use crate::input::StoreOutcome;
use crate::outbound::Denied;
use crate::output::Note;
use crate::refusal::{Guard, Refusal};
use crate::turn::Turn;

/// How often a refused roll is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// After this a store that owes a roll counts as silent.
const PATIENCE: Duration = model::limits::STORE_PATIENCE;
/// When a cut that the media plane has not told of is taken for granted.
const OVERDUE: Duration = Duration::from_millis(250);
/// How much later than the goodbye's beginning the end must move for it to be taken back.
const SLACK: Duration = Duration::from_secs(1);
/// The two warnings: how far off the end is, seconds, and the most at which a warning given counts
/// as past because the end has moved away.
const SIXTY: (u64, u64) = (60, 90);
const TEN: (u64, u64) = (10, 15);

/// Whether more time is being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roll {
    /// It is asked then.
    Due(Instant),
    /// It was asked then; the answer is owed.
    Asked(Instant),
}

/// What the book last said about more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlook {
    /// There was more.
    Open,
    /// There was none: the leg ends with its paid time, unless a retry is granted.
    Final,
    /// A guard lets it have no more: likewise.
    Capped(Refusal),
}

/// Whether the goodbye is being said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    /// Not yet.
    Unsaid,
    /// It has begun.
    Said,
}

/// Whom the caller's warnings reach: nobody is warned before being seated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Still identifying.
    Busy,
    /// In the meeting.
    Seated,
}

/// What a store answer means for the leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Goes,
    /// The epoch is settled: the leg must end now.
    Fenced,
}

/// The meter of one charged leg.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Where the newest slice starts, seconds from answer. Credit is set aside one slice ahead: the
    /// next roll must wait until this one is in use.
    from_secs: u32,
    next: u32,
    roll: Roll,
    outlook: Outlook,
    goodbye: Goodbye,
    warned_sixty: bool,
    warned_ten: bool,
    look_again: Option<Instant>,
}

impl Meter {
    /// Starts with the first slice, held and the leg answered; media learns the end of paid time.
    pub(crate) fn start(file: &File, turn: &mut Turn<'_>) -> Self {
        let mut meter = Self {
            from_secs: 0,
            next: 1,
            roll: Roll::Due(turn.now.mono),
            outlook: Outlook::Open,
            goodbye: Goodbye::Unsaid,
            warned_sixty: false,
            warned_ten: false,
            look_again: None,
        };
        meter.fund(file, turn);
        meter
    }

    /// Tells media the end of paid time (again, once it knows the leg).
    pub(crate) fn tell(&self, file: &File, turn: &mut Turn<'_>) {
        turn.media(media::Command::Fund { call: file.call, until: file.funded_until() });
    }

    /// Takes the outcome of a roll.
    pub(crate) fn rolled(
        &mut self,
        outcome: &StoreOutcome,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> Verdict {
        let now = turn.now.mono;
        match outcome {
            StoreOutcome::Answered(Answer::Funded { hold, funded_secs, .. }) => {
                self.from_secs = file.funded_secs;
                (file.funded_secs, file.asked_secs) = (*funded_secs, 0);
                file.asking_secs = None;
                self.next = hold.sequence + 1;
                self.rescue(turn);
                self.fund(file, turn);
            }
            StoreOutcome::Answered(Answer::Refused { refusal, .. }) => match refusal {
                CreditRefusal::Fenced => return Verdict::Fenced,
                CreditRefusal::InsufficientCredit
                | CreditRefusal::UnknownAccount
                | CreditRefusal::UnknownLeg
                | CreditRefusal::Conflict
                | CreditRefusal::BadAmount => {
                    file.asking_secs = None;
                    if *refusal != CreditRefusal::InsufficientCredit {
                        tracing::error!(call = %file.call, ?refusal, "the book refused a roll");
                    }
                    self.outlook = Outlook::Final;
                    self.roll = Roll::Due(now + RETRY);
                    file.asked_secs = 0;
                }
            },
            StoreOutcome::Unknown
            | StoreOutcome::Answered(Answer::Closed { .. } | Answer::Noted | Answer::Stands(_)) => {
                self.roll = Roll::Due(now + RETRY);
            }
        }
        Verdict::Goes
    }

    /// Does what is due: asks for more, warns, says goodbye. `certain` is until when service was
    /// certainly given, if anybody has confirmed the call: only that is captured by a roll.
    pub(crate) fn wake(
        &mut self,
        (audience, certain): (Audience, Option<Instant>),
        file: &mut File,
        turn: &mut Turn<'_>,
    ) {
        self.ask(certain, file, turn);
        match audience {
            Audience::Busy => self.look_again = None,
            Audience::Seated => self.look(file, turn),
        }
    }

    /// Returns when [`Self::wake`] is next needed.
    pub(crate) fn due(&self, file: &File) -> Instant {
        let overdue = file.funded_until() + OVERDUE;
        let roll = match self.roll {
            Roll::Due(at) if at < file.funded_until() => at,
            Roll::Due(_) | Roll::Asked(_) => overdue,
        };
        roll.min(self.look_again.unwrap_or(overdue)).min(overdue)
    }

    /// Whether the paid time ended so long ago that the media plane must have cut the leg.
    pub(crate) fn is_overdue(file: &File, now: Instant) -> bool {
        now >= file.funded_until() + OVERDUE
    }

    /// Returns why the paid time ended.
    pub(crate) const fn cause(&self) -> Cause {
        match self.outlook {
            Outlook::Final => Cause::CreditExhausted,
            Outlook::Capped(refusal) => Cause::Refused(refusal),
            Outlook::Open => Cause::StoreLost,
        }
    }

    fn ask(&mut self, certain: Option<Instant>, file: &mut File, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        match self.roll {
            Roll::Due(at) if at <= now && now < file.funded_until() => {
                let slice = turn.settings.slice_secs;
                let allowed = match file.asking_secs {
                    Some(asked) => Ok(asked),
                    None => allowed(slice, file, turn),
                };
                let wanted_secs = match allowed {
                    Ok(wanted) => wanted,
                    Err(denied) => return self.cap(&denied, file, turn),
                };
                file.asking_secs = Some(wanted_secs);
                self.roll = Roll::Asked(now);
                let command = Command::Roll {
                    hold: HoldId { leg: file.call, sequence: self.next },
                    epoch: turn.settings.epoch.clone(),
                    used_micros: certain.map_or(0, |until| micros(until.since(file.started()))),
                    wanted_secs,
                };
                turn.ask((file.call, Errand::Roll), command, Some(file.funded_until()));
            }
            Roll::Due(_) | Roll::Asked(_) => {}
        }
    }

    /// A guard says no: the leg ends with what it was granted, unless the guard changes its mind.
    fn cap(&mut self, denied: &Denied, file: &mut File, turn: &mut Turn<'_>) {
        let refusal = denied.refusal;
        if self.outlook != Outlook::Capped(refusal) {
            let guard = refusal.label();
            tracing::warn!(call = %file.call, guard, "a leg gets no more time");
            file.because(format!("no more time: {guard}: {}", denied.message));
            turn.note(Note::Refused(refusal));
            self.outlook = Outlook::Capped(refusal);
        }
        self.roll = Roll::Due(turn.now.mono + RETRY);
    }

    /// A new slice stands: media learns it, the next is asked for ahead of its end.
    fn fund(&mut self, file: &File, turn: &mut Turn<'_>) {
        self.tell(file, turn);
        let most = turn.settings.roll_ahead;
        // Up to a fifth later, so that legs that began together do not roll together.
        let ahead = most - most / 5 / 256 * (turn.draw() & 0xff);
        let in_use = file.started() + Duration::from_secs(self.from_secs.into());
        self.roll = Roll::Due(file.funded_until().minus(ahead).max(in_use).max(turn.now.mono));
    }

    fn rescue(&mut self, turn: &mut Turn<'_>) {
        if self.outlook != Outlook::Open {
            self.outlook = Outlook::Open;
            if self.goodbye == Goodbye::Unsaid {
                turn.note(Note::Rescued);
            }
        }
    }

    /// Looks at the projected end: warns at 60 and 10 s, says goodbye inside the paid time.
    fn look(&mut self, file: &mut File, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let farewell = match (self.is_store_silent(now), self.outlook) {
            (true, _) => Prompt::TryLater,
            (
                false,
                Outlook::Open
                | Outlook::Final
                | Outlook::Capped(Refusal::Guard(Guard::MeetingSpend)),
            ) => Prompt::CreditUsedUp,
            (false, Outlook::Capped(_)) => Prompt::Goodbye,
        };
        let end = self.projected_end(file, turn);
        let goodbye_at = end.minus(turn.length(file, &[farewell]));
        if self.goodbye == Goodbye::Unsaid && goodbye_at <= now && turn.settings.announcements {
            self.goodbye = Goodbye::Said;
            turn.say(file, &[farewell], false);
        }
        if self.goodbye == Goodbye::Said && goodbye_at > now + SLACK {
            self.goodbye = Goodbye::Unsaid;
            turn.note(Note::Rescued);
            turn.media(media::Command::Hush { call: file.call });
        }
        if self.goodbye == Goodbye::Unsaid && farewell == Prompt::CreditUsedUp {
            self.warn(end.since(now), file, turn);
        }
        let away = [SIXTY, TEN].map(|(secs, _)| end.minus(Duration::from_secs(secs)));
        let silent_at = match self.roll {
            Roll::Asked(since) => since + PATIENCE,
            Roll::Due(_) => end,
        };
        let moments = away.into_iter().chain([goodbye_at, silent_at]);
        self.look_again = moments.filter(|at| *at > now).min();
    }

    fn warn(&mut self, left: Duration, file: &mut File, turn: &mut Turn<'_>) {
        let within = |secs: u64| left <= Duration::from_secs(secs);
        self.warned_sixty = self.warned_sixty && within(SIXTY.1);
        self.warned_ten = self.warned_ten && within(TEN.1);
        let (seconds, prompt) = if within(TEN.0) && !self.warned_ten {
            (self.warned_sixty, self.warned_ten) = (true, true);
            (10, Prompt::CreditTenSeconds)
        } else if within(SIXTY.0) && !self.warned_sixty {
            self.warned_sixty = true;
            (60, Prompt::CreditSixtySeconds)
        } else {
            return;
        };
        if turn.whisper(file, prompt).is_some() {
            turn.note(Note::Warned { seconds });
        }
    }

    /// Returns when the leg will end as far as is known: what is paid for, and, unless the book has
    /// said no, what the account still carries in whole increments.
    fn projected_end(&self, file: &File, turn: &Turn<'_>) -> Instant {
        let until = file.funded_until();
        if self.outlook != Outlook::Open || self.is_store_silent(turn.now.mono) {
            return until;
        }
        let far = Duration::from_secs(24 * 3600);
        let Some(terms) = file.terms() else { return until };
        let meeting = file.host.as_ref().and_then(|host| turn.directory.meeting(host.meeting.id));
        let capped = meeting
            .and_then(|host| turn.conferences.runway(host.meeting.id, host.meeting.spend_cap?));
        let runway = turn.accounts.runway(terms.account).unwrap_or(far).min(far);
        let runway = runway.min(capped.unwrap_or(far));
        let increment = u64::from(terms.rate.subsequent_secs.max(1));
        until + Duration::from_secs(runway.as_secs() / increment * increment)
    }

    fn is_store_silent(&self, now: Instant) -> bool {
        match self.roll {
            Roll::Asked(since) => now >= since + PATIENCE,
            Roll::Due(_) => false,
        }
    }
}

/// How many more seconds the budgets of whoever pays, and the meeting's cap, let a leg ask for.
fn allowed(slice: u32, file: &mut File, turn: &Turn<'_>) -> Result<u32, Denied> {
    let most = turn.budgets.extension(file, turn.directory, slice, turn.now)?;
    cap::fits(file, 0, most, turn).map_err(|guard| Refusal::Guard(guard).into())
}
