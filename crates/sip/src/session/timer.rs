//! Session timers (RFC 4028), and the requests that keep a session alive.

use std::time::Duration;

use model::{CallId, Instant, limits};

use crate::answer::Question;
use crate::endpoint::{Endpoint, Event, Loss};
use crate::message::wire::{Lines, Value};
use crate::message::{Message, Method, Name, Request, header};
use crate::session::Phase;
use crate::session::life::Sign;
use crate::timers::Alarm;
use crate::transaction::client::Purpose;
use crate::transaction::client_invite::Why;
use crate::trunk::identity;

/// Who keeps the session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresher {
    Peer,
    Us,
}

/// What an answer agrees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terms {
    /// No timer.
    Open,
    /// The session ends unless it is refreshed in time.
    Timed {
        interval: u32,
        refresher: Refresher,
        /// Whether the peer knows the extension.
        supported: bool,
    },
}

/// The interval is below [`limits::MIN_SE_SECS`]: 422.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSmall;

impl Terms {
    /// Negotiates by RFC 4028 §9. `wanted` is our own interval, 0 for none; `updates` tells whether
    /// the peer takes UPDATE: nobody is troubled with re-INVITEs who asked for no timer.
    ///
    /// # Errors
    /// [`TooSmall`] if the peer would understand that answer.
    pub(crate) fn negotiate(
        request: &Request<'_>,
        wanted: u32,
        updates: bool,
    ) -> Result<Self, TooSmall> {
        let supported = identity::lists(request, Name::Supported, "timer")
            || identity::lists(request, Name::Require, "timer");
        let asked = request.message.first(Name::SessionExpires).and_then(header::seconds);
        let least = request.message.first(Name::MinSe).and_then(header::seconds);
        let least = least.map_or(0, |(secs, _)| secs).max(limits::MIN_SE_SECS);
        let interval = match asked {
            Some((secs, _)) if secs < limits::MIN_SE_SECS && supported => return Err(TooSmall),
            Some((secs, _)) => secs.max(least),
            None if wanted == 0 => return Ok(Self::Open),
            None => wanted.max(least),
        };
        let named = asked.and_then(|(_, rest)| header::parameter(rest, "refresher"));
        let ours = !supported || named.is_some_and(|who| who.eq_ignore_ascii_case("uas"));
        if ours && !updates && asked.is_none() {
            return Ok(Self::Open);
        }
        let refresher = if ours { Refresher::Us } else { Refresher::Peer };
        Ok(Self::Timed { interval, refresher, supported })
    }

    /// Writes the fields of the 2xx.
    pub(crate) fn write(self, lines: &mut Lines) {
        let Self::Timed { interval, refresher, supported } = self else { return };
        let who = match refresher {
            Refresher::Peer => "uac",
            Refresher::Us => "uas",
        };
        lines.append(&session_expires(interval, who));
        if supported && refresher == Refresher::Peer {
            lines.push("Require", &Value::fixed("timer"));
        }
    }

    /// Starts the clock, if there is one.
    pub(crate) fn start(self, now: Instant) -> Option<Clock> {
        match self {
            Self::Open => None,
            Self::Timed { interval, refresher, .. } => Some(Clock::new(interval, refresher, now)),
        }
    }
}

fn session_expires(interval: u32, refresher: &str) -> Lines {
    let value = Value::shown(format_args!("{interval};refresher={refresher}"));
    Lines::default().with("Session-Expires", &value)
}

/// The `Min-SE` line of a 422.
pub(crate) fn min_se() -> Lines {
    Lines::new().with("Min-SE", &Value::shown(limits::MIN_SE_SECS))
}

/// A running session timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clock {
    interval: u32,
    refresher: Refresher,
    /// When we ask again; `None` while a refresh is on its way, or the peer does it.
    refresh: Option<Instant>,
    expires: Instant,
}

impl Clock {
    fn new(interval: u32, refresher: Refresher, now: Instant) -> Self {
        let whole = Duration::from_secs(u64::from(interval));
        // The side that does not refresh gives up a little early (RFC 4028 §10).
        let early = (whole / 3).min(Duration::from_secs(32));
        match refresher {
            Refresher::Peer => {
                Self { interval, refresher, refresh: None, expires: now + (whole - early) }
            }
            Refresher::Us => {
                Self { interval, refresher, refresh: Some(now + whole / 2), expires: now + whole }
            }
        }
    }

    /// Returns the field with which a request of ours keeps it.
    pub(crate) fn line(&self) -> Lines {
        let who = match self.refresher {
            Refresher::Us => "uac",
            Refresher::Peer => "uas",
        };
        session_expires(self.interval, who)
    }

    fn due(&self) -> Instant {
        self.refresh.map_or(self.expires, |refresh| refresh.min(self.expires))
    }
}

impl Endpoint {
    /// Sets or stops a call's session timer.
    pub(crate) fn wind(&mut self, call: CallId, clock: Option<Clock>) {
        let due = clock.as_ref().map(Clock::due);
        let Some(live) = self.live_mut(call) else { return };
        let before = std::mem::replace(&mut live.clock, clock);
        self.timers.shift(Alarm::Session(call), before.as_ref().map(Clock::due), due);
    }

    /// The session timer is due: to refresh, or to end.
    pub(crate) fn session_due(&mut self, call: CallId, now: Instant) {
        let Some(mut clock) = self.live_mut(call).and_then(|live| live.clock.clone()) else {
            return;
        };
        if now >= clock.expires {
            return self.lose(call, Loss::SessionExpired, now);
        }
        if clock.refresh.is_some_and(|refresh| now >= refresh) {
            clock.refresh = None;
            self.wind(call, Some(clock));
            self.refresh(call, now);
        }
    }

    /// Refreshes the session; returns whether that left.
    pub(crate) fn refresh(&mut self, call: CallId, now: Instant) -> bool {
        let Some(clock) = self.live_mut(call).and_then(|live| live.clock.clone()) else {
            return false;
        };
        let Some(flow) = self.calls.get(&call).map(|call| call.dialog.flow) else { return false };
        if self.calls.get(&call).is_some_and(|call| !call.updates) {
            let left = self.renew(call, Why::Refresh, now);
            if !left {
                // Another change is under way, and may refresh the session itself.
                let refresh = Some(now + self.glare(call));
                self.wind(call, Some(Clock { refresh, ..clock }));
            }
            return left;
        }
        let mut extra = self.words.offer(flow.listener);
        extra.append(&session_expires(clock.interval, "uac"));
        self.ask_inside(call, Method::Update, Purpose::Refresh(call), &extra, now)
    }

    /// Sends a request in a call's dialog; returns whether it left.
    pub(crate) fn ask_inside(
        &mut self,
        id: CallId,
        method: Method,
        purpose: Purpose,
        extra: &Lines,
        now: Instant,
    ) -> bool {
        let Some(mut call) = self.calls.remove(&id) else { return false };
        let flow = self.onward(call.trunk, &call.dialog);
        let question = Question { method, purpose, trunk: Some(call.trunk), flow };
        let draft = call.dialog.draft(method.name());
        let leaves = draft.is_some();
        if let Some(draft) = draft {
            let about = (method.name(), draft.uri.text());
            let mut extra = extra.clone();
            extra.append(&self.vouch(call.trunk, call.known.as_deref_mut(), about));
            self.ask(question, &draft, &extra, now);
        }
        self.calls.insert(id, call);
        leaves
    }

    /// The answer to our UPDATE or re-INVITE. One that is about the request alone is tried again.
    pub(crate) fn refreshed(
        &mut self,
        (call, method): (CallId, Method),
        status: u16,
        answer: Option<&Message<'_>>,
        now: Instant,
    ) {
        self.learn_update(call, (method, status), answer);
        let Some(clock) = self.live_mut(call).and_then(|live| live.clock.clone()) else { return };
        let least = answer.and_then(|answer| answer.first(Name::MinSe)).and_then(header::seconds);
        let least = least.map_or(0, |(secs, _)| secs);
        match Sign::read(status) {
            Sign::Gone => self.lose_peer(call, status, now),
            Sign::Alive => {
                self.rewind(call, answer, now);
                self.emit(Event::Alive { call });
            }
            Sign::Nothing if status == 491 => {
                let refresh = Some(now + self.glare(call));
                self.wind(call, Some(Clock { refresh, ..clock }));
            }
            Sign::Nothing if status == 422 && least > clock.interval => {
                self.wind(call, Some(Clock { interval: least, refresh: Some(now), ..clock }));
            }
            Sign::Nothing => {
                let rest = clock.expires.since(now) / 2;
                let refresh = (rest > Duration::from_secs(1)).then_some(now + rest);
                self.wind(call, Some(Clock { refresh, ..clock }));
            }
        }
    }

    /// Winds the session timer by the 2xx to an UPDATE of ours (RFC 4028 §7.2).
    pub(crate) fn rewind(&mut self, call: CallId, answer: Option<&Message<'_>>, now: Instant) {
        let before = self.live_mut(call).and_then(|live| live.clock.as_ref());
        let before = before.map(|clock| (clock.interval, ""));
        let agreed = answer.and_then(|answer| answer.first(Name::SessionExpires));
        let Some((interval, rest)) = agreed.and_then(header::seconds).or(before) else { return };
        let interval = interval.max(limits::MIN_SE_SECS);
        let who = header::parameter(rest, "refresher");
        let theirs = who.is_some_and(|who| who.eq_ignore_ascii_case("uas"));
        let refresher = if theirs { Refresher::Peer } else { Refresher::Us };
        self.wind(call, Some(Clock::new(interval, refresher, now)));
    }

    /// Returns the field of an UPDATE that leaves the session timer as it is; `None` while a refresh
    /// is on its way, which a second UPDATE must not meet (RFC 3311 §5.2).
    pub(crate) fn kept_terms(&self, call: CallId) -> Option<Lines> {
        let Phase::Live(live) = &self.calls.get(&call)?.phase else { return None };
        match &live.clock {
            None => Some(Lines::default()),
            Some(Clock { refresher: Refresher::Us, refresh: None, .. }) => None,
            Some(clock) => Some(clock.line()),
        }
    }

    /// Ends a call whose peer has said, or by its silence shown, that it is gone.
    pub(crate) fn lose_peer(&mut self, call: CallId, status: u16, now: Instant) {
        if status == 481 {
            // It has no dialog that a BYE could end.
            if let Some(gone) = self.remove(call) {
                self.dismiss(&gone, now);
            }
            return self.emit(Event::Lost { call, loss: Loss::PeerGone });
        }
        self.lose(call, Loss::PeerGone, now);
    }

    /// Ends a call that its peer did not end: a BYE leaves, in case it is only half gone.
    pub(crate) fn lose(&mut self, call: CallId, loss: Loss, now: Instant) {
        self.send_bye(call, None, now);
        self.emit(Event::Lost { call, loss });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMED: fn(u32, Refresher, bool) -> Result<Terms, TooSmall> =
        |interval, refresher, supported| Ok(Terms::Timed { interval, refresher, supported });

    #[test]
    fn the_refresher_is_chosen_by_rfc_4028() {
        use Refresher::{Peer, Us};
        let timer = "Supported: timer\r\n";
        let cases = [
            (format!("{timer}Session-Expires: 1800\r\n"), 0, TIMED(1800, Peer, true)),
            (format!("{timer}x: 1800;refresher=uas\r\n"), 0, TIMED(1800, Us, true)),
            (format!("{timer}x: 1800;refresher=uac\r\n"), 0, TIMED(1800, Peer, true)),
            (format!("{timer}x: 60\r\n"), 0, Err(TooSmall)),
            (format!("{timer}x: 100\r\nMin-SE: 300\r\n"), 0, TIMED(300, Peer, true)),
            ("x: 60\r\n".to_owned(), 0, TIMED(90, Us, false)),
            (timer.to_owned(), 0, Ok(Terms::Open)),
            (timer.to_owned(), 600, TIMED(600, Peer, true)),
            (String::new(), 600, TIMED(600, Us, false)),
        ];
        for (fields, wanted, expected) in cases {
            assert_eq!(negotiate(&fields, wanted, true), expected, "{fields:?}");
        }
    }

    #[test]
    fn who_asked_for_no_timer_is_not_troubled_with_invites() {
        assert_eq!(negotiate("", 600, false), Ok(Terms::Open));
        let asked = negotiate("k: timer\r\nx: 1800;refresher=uas\r\n", 0, false);
        assert_eq!(asked, TIMED(1800, Refresher::Us, true));
    }

    fn negotiate(fields: &str, wanted: u32, updates: bool) -> Result<Terms, TooSmall> {
        let text = format!(
            "INVITE sip:1@h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:f@h>;tag=1\r\n\
             t: <sip:1@h>\r\ni: 1\r\nCSeq: 1 INVITE\r\n{fields}\r\n"
        );
        let message = Message::lex(text.as_bytes()).unwrap();
        Terms::negotiate(&Request::read(&message).unwrap(), wanted, updates)
    }
}
