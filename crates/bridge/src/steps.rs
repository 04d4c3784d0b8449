//! One call's step at a time: guarded, its effects carried out, its changes of standing noted.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use credits::{Answer, Command, Standing};
use media::Prompt;
use model::record::{Trunk, normalize};
use model::{AccountId, CallId, Did, Instant, LocalNumber, Money, Now, Transport, limits};
use rand_chacha::rand_core::Rng;

use crate::call::file::{File, Payer};
use crate::call::keys::{Presses, Way};
use crate::call::leaving::{self, Wire};
use crate::call::{Call, Key, Signal, State, Withdrawal, arriving};
use crate::cap;
use crate::desk::{Errand, Owner, Question};
use crate::directory::Hosted;
use crate::ending::Cause;
use crate::input::StoreOutcome;
use crate::output::{Note, Output};
use crate::placing::Stage;
use crate::refusal::Refusal;
use crate::turn::{Effect, Turn};
use crate::{Alarm, Bridge};

/// Most open questions at which an INVITE refused at the door still gets a record.
const RECORDED: usize = 1024;

/// Least time to a call's next alarm.
const SOON: Duration = Duration::from_millis(1);

/// What others know of a call; compared before and after a step.
struct Known {
    live: bool,
    announcing: bool,
    placed: bool,
    account: Option<AccountId>,
    stage: Stage,
    bespoken_secs: u32,
    /// Seconds that may have been granted, as the meeting's cap counts them.
    exposed_secs: u32,
}

impl Bridge {
    /// Gives a signal to a call; to one that is gone it is nothing.
    pub(crate) fn step(&mut self, id: CallId, signal: Signal, now: Now) {
        self.run(id, now, |state, file, turn| state.step(signal, file, turn));
    }

    /// Takes a press of a key that began then, told by one of the ways in which it can be told.
    pub(crate) fn keyed(&mut self, id: CallId, press: (Key, Way, Instant), now: Now) {
        let (key, way, began) = press;
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.file.presses.counts(key, way, began, call.file.trunk.dtmf) {
            self.step(id, Signal::Digit(key), now);
        }
    }

    /// Notes that a fax machine calls. It is out of the mix by media's doing; the call goes on until
    /// the machine gives up, and costs what it costs.
    pub(crate) fn fax(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.file.because("a fax tone was heard: taken out of the mix");
            self.outputs.push_back(Output::Note(Note::Fax));
        }
    }

    /// Somebody in a room showed life.
    pub(crate) fn sign(&mut self, id: CallId, at: Instant) {
        let host = self.calls.get(&id).and_then(|call| call.file.host.as_ref());
        if let Some(host) = host {
            self.conferences.sign(host.meeting.id, id, at);
        }
    }

    /// Begins a call with an INVITE, or refuses it at the door.
    pub(crate) fn invited(&mut self, invitation: sip::Invitation, now: Now) {
        let id = invitation.call;
        let Some(trunk) = self.directory.trunk(invitation.trunk) else {
            return self.refuse_at_door(id, Refusal::NodeFull, &[], now);
        };
        let door = self.door(&trunk, now);
        let unrecorded = self.calls.len() >= limits::CALLS || self.desk.owed() >= RECORDED;
        if let (Err(refusal), true) = (door, unrecorded) {
            return self.refuse_at_door(id, refusal, &trunk.refusal_codes, now);
        }
        let file = self.open_file(&invitation, trunk, now);
        tracing::info!(
            call = %id,
            trunk = %file.trunk.name,
            caller = file.caller.as_ref().map(tracing::field::display),
            called = file.called.as_ref().map(tracing::field::display),
            "a call began"
        );
        self.outputs.push_back(Output::Note(Note::CallBegan { call: id }));
        let trunk = file.trunk.id;
        self.calls.insert(id, Call { file, state: State::Over, alarm: None });
        let offer = invitation.offer;
        self.run(id, now, |_, file, turn| match door {
            Ok(()) => arriving::enter(offer.as_ref(), file, turn),
            Err(refusal) => leaving::refuse(refusal, file, turn),
        });
        match self.calls.get(&id) {
            Some(call) if call.state.is_live() => self.live += 1,
            Some(_) | None if door.is_ok() => self.gate.leave(trunk),
            Some(_) | None => {}
        }
    }

    /// Takes the outcome of a store request to who asked.
    pub(crate) fn stored(&mut self, request: u64, outcome: StoreOutcome, now: Now) {
        self.door.heard(!matches!(outcome, StoreOutcome::Unknown));
        let Some(flight) = self.desk.land(request) else {
            tracing::warn!(request, "the store answered what was not asked");
            return;
        };
        while let Some(request) = self.desk.next() {
            self.outputs.push_back(Output::Store(request));
        }
        let Question { owner, errand, .. } = flight.question;
        let wanted = match owner {
            Owner::Call(call) => {
                errand == Errand::End || self.calls.get(&call).is_some_and(|c| c.state.is_live())
            }
            Owner::Account(_) => false,
        };
        if outcome == StoreOutcome::Unknown && wanted && flight.may_repeat(now.mono) {
            let jitter = self.chance.next_u32();
            let (number, at) = self.desk.rest(flight, now.mono, jitter);
            self.alarms.insert((at, Alarm::Repeat(number)));
            return;
        }
        let standing = standing(&outcome);
        self.learn(standing, now);
        match owner {
            Owner::Account(account) => self.inquired(account, now),
            Owner::Call(call) => {
                self.step(call, Signal::Stored(errand, outcome), now);
                if errand == Errand::Place {
                    // The leg may be its account's first: the account takes note of it now.
                    self.learn(standing, now);
                    self.step(call, Signal::Standing, now);
                }
            }
        }
    }

    /// Reads an account that is running short.
    pub(crate) fn inquire(&mut self, account: AccountId, now: Now) {
        if self.accounts.ask(account, now.mono) {
            let question = Question {
                owner: Owner::Account(account),
                errand: Errand::Inquire,
                command: Command::Inquire { account },
                may_wait: true,
                patience: Some(now.mono),
            };
            let request = self.desk.ask(question);
            self.outputs.extend(request.map(Output::Store));
        }
    }

    /// Tells the endpoint something and hears what it says.
    pub(crate) fn tell(&mut self, input: sip::Input, now: Now) {
        self.endpoint.handle_input(input, now);
        self.hear();
    }

    /// Gives the endpoint an order.
    pub(crate) fn order(&mut self, command: sip::Command, now: Now) {
        self.tell(sip::Input::Command(command), now);
    }

    /// Takes what the endpoint has to say.
    pub(crate) fn hear(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                sip::Output::Transmit(transmit) => {
                    self.outputs.push_back(Output::Transmit(transmit));
                }
                sip::Output::Connection { connection, output } => {
                    self.outputs.push_back(Output::Connection { connection, output });
                }
                sip::Output::Lookup { id, name, kind } => {
                    self.outputs.push_back(Output::Lookup { id, name, kind });
                }
                sip::Output::Event(event) => self.news.push_back(event),
            }
        }
    }

    /// Runs one step. The state is consumed by it and its effects are discarded if it panics; the
    /// file survives, so that the call can still be ended and settled. Unwind safety: the step
    /// writes to nothing shared but the free list of ports, the counts of trunks and the generator,
    /// all sound between any two statements.
    pub(crate) fn run(
        &mut self,
        id: CallId,
        now: Now,
        step: impl FnOnce(State, &mut File, &mut Turn<'_>) -> State,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let before = known(call);
        let state = mem::replace(&mut call.state, State::Over);
        let mut turn = Turn {
            now,
            settings: &self.settings,
            directory: &self.directory,
            conferences: &self.conferences,
            accounts: &self.accounts,
            budgets: &self.budgets,
            announcing: self.announcing,
            shield: &self.shield,
            ports: &mut self.ports,
            health: &mut self.health,
            chance: &mut self.chance,
            effects: Vec::new(),
        };
        #[cfg(test)]
        let trapped = self.trap == Some(id);
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            let next = step(state, &mut call.file, &mut turn);
            #[cfg(test)]
            assert!(!mem::take(&mut self.trap).is_some_and(|_| trapped), "the trap");
            next
        }));
        call.state = stepped.unwrap_or_else(|_| {
            turn.effects.clear();
            mend(&mut call.file, &mut turn)
        });
        let effects = mem::take(&mut turn.effects);
        let listen = call.listen();
        self.settle_change(id, &before, now);
        for effect in effects {
            self.carry_out(id, effect, now);
        }
        if let Some(command) = listen {
            self.address(id, command);
        }
    }

    /// Notes what a step changed for others: places, accounts, limits, ports, the alarm.
    fn settle_change(&mut self, id: CallId, before: &Known, now: Now) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let after = known(call);
        let host = call.file.host.clone();
        if !after.live && !call.file.open {
            self.ports.put_back(call.file.port.take());
        }
        // A moment that has passed is looked at again a little later: no call can spin the loop.
        let soonest = now.mono + SOON;
        let due = call.state.due(&call.file, &self.settings).map(|at| at.max(soonest));
        if due != call.alarm {
            if let Some(old) = mem::replace(&mut call.alarm, due) {
                self.alarms.remove(&(old, Alarm::Call(id)));
            }
            self.alarms.extend(due.map(|at| (at, Alarm::Call(id))));
        }
        let trunk = call.file.trunk.id;
        let incoming = call.file.outgoing.is_none();
        let over = matches!(call.state, State::Over);
        let price = call.file.price;
        let cost = if after.live { Money::ZERO } else { call.file.cost(now.mono) };
        let moved = before.exposed_secs != after.exposed_secs || !before.placed;
        let exposed = if moved { cap::exposed(&call.file) } else { Money::ZERO };
        if !incoming {
            self.spend(id, before.bespoken_secs != after.bespoken_secs, now);
            self.follow(id, (before.stage, after.stage));
        }
        if over {
            self.calls.remove(&id);
            self.shards.forget(id);
        }
        match (before.announcing, after.announcing) {
            (false, true) => self.announcing += 1,
            (true, false) => self.announcing = self.announcing.saturating_sub(1),
            (false, false) | (true, true) => {}
        }
        if let (true, false, Some(host)) = (after.placed, before.placed, &host) {
            self.conferences.keep(host.meeting.id, id);
        }
        if let (true, Some(price), Some(host)) = (after.placed, price, &host)
            && moved
        {
            let per_sec = credits::price_per_sec(&price.rate).unwrap_or(Money::ZERO);
            let per_sec = if exposed > Money::ZERO { per_sec } else { Money::ZERO };
            self.conferences.granted(host.meeting.id, id, (exposed, per_sec));
        }
        if let (true, None, Some(account)) = (after.live, before.account, after.account) {
            self.accounts.join(account, id);
        }
        if before.live && !after.live {
            self.live = self.live.saturating_sub(1);
            if incoming {
                self.gate.leave(trunk);
            }
            if let Some(account) = after.account {
                self.accounts.leave(account, id);
            }
        }
        if let (true, false, Some(host)) = (before.placed, after.placed, host) {
            self.conferences.cost(host.meeting.id, id, cost);
            self.left(&host, id, now);
        }
    }

    fn carry_out(&mut self, id: CallId, effect: Effect, now: Now) {
        match effect {
            Effect::Sip(command) => self.order(command, now),
            Effect::Media(command) => self.address(id, command),
            Effect::Note(note) => {
                self.take_note(&note, now);
                self.outputs.push_back(Output::Note(note));
            }
            Effect::Sign => self.sign(id, now.mono),
            Effect::Shield(fact) => self.shielded(id, fact, now),
            Effect::Enter => {
                let host = self.calls.get(&id).and_then(|call| call.file.host.clone());
                if let Some(host) = host {
                    let (others, began) = self.conferences.enter(host.meeting.id, id, now.mono);
                    self.sound(host.meeting.announce.then_some(Prompt::EntryTone), others);
                    if began {
                        self.call_list(&host, now);
                    }
                }
            }
            Effect::Ask(mut question) => {
                match &mut question.command {
                    Command::Open { leg }
                    | Command::Place { leg, .. }
                    | Command::Answered { leg } => {
                        leg.dialog = self.endpoint.dialog_record(id).unwrap_or_default();
                    }
                    Command::Roll { .. }
                    | Command::Close { .. }
                    | Command::Release { .. }
                    | Command::TopUp { .. }
                    | Command::Inquire { .. } => {}
                }
                let request = self.desk.ask(*question);
                self.outputs.extend(request.map(Output::Store));
            }
        }
    }

    /// Keeps what is shown of trunks up to date.
    fn take_note(&mut self, note: &Note, now: Now) {
        if let Note::Attempted { trunk, attempt } = note {
            self.statistics.note(trunk.id, attempt, now.mono);
        } else if let Note::OneWay { trunk, direction } = note {
            self.statistics.one_way(trunk.id, *direction, now.mono);
        }
    }

    /// Sends a command to the worker that serves the leg, or is to serve it.
    fn address(&mut self, id: CallId, command: media::Command) {
        let host = self.calls.get(&id).and_then(|call| call.file.host.as_ref());
        let meeting = host.map(|host| host.meeting.id);
        let routed = self.shards.route(command, meeting).into_iter();
        self.outputs.extend(routed.map(|(shard, command)| Output::Media { shard, command }));
    }

    /// A call is out of its meeting. Nobody is called into one that is over.
    fn left(&mut self, host: &Hosted, id: CallId, now: Now) {
        let meeting = host.meeting.id;
        let was_present = self.conferences.is_present(meeting, id);
        let left = self.conferences.leave(meeting, id, now.mono);
        if was_present && left.is_empty() {
            let kept = self.conferences.kept(meeting).into_iter();
            let over = || Signal::Withdrawn(Withdrawal::MeetingOver);
            self.signals.extend(kept.map(|call| (call, over())));
        }
        self.sound(host.meeting.announce.then_some(Prompt::ExitTone), left);
    }

    fn sound(&mut self, tone: Option<Prompt>, to: Vec<CallId>) {
        if let Some(tone) = tone {
            self.signals.extend(to.into_iter().map(|call| (call, Signal::Tone(tone))));
        }
    }

    fn learn(&mut self, standing: Option<Standing>, now: Now) {
        if let Some(standing) = standing
            && let Some(at) = self.accounts.learn(standing, now.mono)
        {
            self.alarms.insert((at, Alarm::Account(standing.account)));
        }
    }

    fn inquired(&mut self, account: AccountId, now: Now) {
        if let Some(at) = self.accounts.answered(account, now.mono) {
            self.alarms.insert((at, Alarm::Account(account)));
        }
        for leg in self.accounts.legs(account) {
            self.step(leg, Signal::Standing, now);
        }
    }

    fn door(&mut self, trunk: &Trunk, now: Now) -> Result<(), Refusal> {
        if self.closing.is_closing() {
            return Err(Refusal::Draining);
        }
        if self.live >= self.settings.calls_max || self.calls.len() >= limits::CALLS {
            return Err(Refusal::NodeFull);
        }
        self.gate.enter(trunk, now.mono)
    }

    fn refuse_at_door(
        &mut self,
        call: CallId,
        refusal: Refusal,
        codes: &[(String, u16)],
        now: Now,
    ) {
        let row = refusal.row();
        let wait = self.settings.sip.retry_after_secs;
        self.outputs.push_back(Output::Note(Note::Refused(refusal)));
        let (status, q850) = (refusal.status(codes), Some(row.q850));
        let retry_after_secs = row.retry_after.then_some(wait);
        self.order(sip::Command::Refuse { call, status, q850, retry_after_secs }, now);
    }

    /// Whether what comes to a listener was encrypted.
    fn is_private(&self, listener: u8) -> bool {
        let listener = self.settings.sip.listeners.get(usize::from(listener));
        listener.is_some_and(|listener| listener.transport == Transport::Tls)
    }

    fn open_file(&self, invitation: &sip::Invitation, trunk: Arc<Trunk>, now: Now) -> File {
        let number = self.directory.number(&invitation.called, &trunk.plan);
        let language = number.as_ref().map_or(0, |n| self.settings.prompts.language(&n.language));
        let called = number.as_ref().map(|number| number.did.clone());
        File {
            call: invitation.call,
            sip_call_id: invitation.sip_call_id.clone(),
            caller: invitation.caller.as_deref().and_then(|caller| read(caller, &trunk)),
            withheld: invitation.withheld.as_deref().and_then(|caller| read(caller, &trunk)),
            vouched: invitation.vouched,
            lines: lines(invitation),
            called: called.or_else(|| read(&invitation.called, &trunk)),
            private: self.is_private(invitation.listener),
            keys: None,
            trunk,
            number,
            language,
            invited: now,
            answered: None,
            port: None,
            speaks_early: invitation.offer.is_some() || invitation.acknowledges,
            open: false,
            host: None,
            outgoing: None,
            payer: Payer::Nobody,
            held: false,
            funded_secs: 0,
            asked_secs: 0,
            asking_secs: None,
            price: None,
            reasons: Vec::new(),
            decision: None,
            token: 0,
            speaking_until: now.mono,
            presses: Presses::default(),
            listening: false,
        }
    }
}

/// Returns what is told of the class of the caller's line (RFC 4694 and its use by carriers).
fn lines(invitation: &sip::Invitation) -> Vec<String> {
    let told = invitation.parameters.iter();
    let told = told.filter(|(name, _)| matches!(name.as_str(), "isup-oli" | "cpc"));
    told.map(|(_, value)| value.clone()).collect()
}

/// Ends a call whose step panicked; it is counted by its ending, `panicked`.
fn mend(file: &mut File, turn: &mut Turn<'_>) -> State {
    tracing::error!(call = %file.call, "a step panicked; the call is ended");
    match file.answered {
        Some(_) => leaving::end(Cause::Panicked, turn.now.mono, Wire::Bye, file, turn),
        None => leaving::turn_away(Cause::Panicked, file, turn),
    }
}

fn known(call: &Call) -> Known {
    let (live, announcing) = (call.state.is_live(), call.state.is_announcing());
    Known {
        live,
        announcing,
        // Whoever is refused has no place.
        placed: live && !announcing && call.file.host.is_some(),
        account: call.file.terms().map(|terms| terms.account),
        stage: call.state.stage(),
        bespoken_secs: call.file.bespoken_secs(),
        exposed_secs: cap::exposed_secs(&call.file),
    }
}

fn standing(outcome: &StoreOutcome) -> Option<Standing> {
    match outcome {
        StoreOutcome::Answered(Answer::Funded { standing, .. } | Answer::Stands(standing)) => {
            Some(*standing)
        }
        StoreOutcome::Answered(
            Answer::Closed { standing, .. } | Answer::Refused { standing, .. },
        ) => *standing,
        StoreOutcome::Answered(Answer::Noted) | StoreOutcome::Unknown => None,
    }
}

/// Reads a number as it came by the trunk's plan; `None` if it is no number.
fn read(digits: &str, trunk: &Trunk) -> Option<Did> {
    let international = normalize(digits, &trunk.plan).map(Did::E164);
    international.or_else(|| LocalNumber::parse(digits).ok().map(Did::Local))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use media::PortId;
    use model::UnixTime;

    use super::*;
    use crate::Input;
    use crate::sample;

    #[test]
    fn a_panic_in_one_call_ends_that_call_and_no_other() {
        let mut bridge = bridge();
        let (one, _) = call(&mut bridge, "one");
        let (other, _) = call(&mut bridge, "other");
        bridge.trap = Some(one);
        let outputs = feed(&mut bridge, Input::HangUp(one));
        let ended = |output: &Output| matches!(output, Output::Note(Note::CallEnded { label, .. }) if *label == "panicked");
        assert!(outputs.iter().any(ended), "{outputs:?}");
        let settled = |output: &Output| matches!(output, Output::Store(request) if matches!(request.command, Command::Release { .. }));
        assert!(outputs.iter().any(settled), "the call is settled");
        let closed = |output: &Output| matches!(output, Output::Media { command: media::Command::Close { call }, .. } if *call == one);
        assert!(outputs.iter().any(closed), "its media is closed");
        let live: Vec<CallId> = bridge.live(now()).iter().map(|live| live.call).collect();
        assert_eq!(live, [other]);
    }

    #[test]
    fn digits_are_not_shown_by_a_call_that_holds_them() {
        let mut bridge = bridge();
        let (id, _) = call(&mut bridge, "one");
        let way = media::Way::Event;
        for digit in *b"7391" {
            feed(&mut bridge, Input::Media(media::Event::Digit { call: id, digit, way }));
        }
        let state = format!("{:?}", bridge.calls[&id].state);
        assert!(!state.contains("7391") && state.contains("****"), "{state}");
    }

    fn bridge() -> Bridge {
        let mut bridge = Bridge::new(sample::settings());
        feed(&mut bridge, Input::Directory(sample::directory()));
        let port = |n: u16| (PortId(n), SocketAddr::from(([198, 51, 100, 1], 4000 + 2 * n)));
        feed(&mut bridge, Input::PortsAdded(vec![port(0), port(1)]));
        bridge
    }

    /// An answered call to the shared number.
    fn call(bridge: &mut Bridge, name: &str) -> (CallId, Vec<Output>) {
        let sdp = "v=0\r\no=c 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n";
        let invite = format!(
            "INVITE sip:+390116543210@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{name}\r\n\
             From: <sip:c@192.0.2.9>;tag=c\r\nTo: <sip:b@198.51.100.1>\r\nCall-ID: {name}\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContact: <sip:c@192.0.2.9>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        let source = SocketAddr::from(([192, 0, 2, 9], 5060));
        let payload = invite.into_bytes().into();
        let outputs = feed(bridge, Input::Datagram { listener: 0, source, payload });
        let began = outputs.iter().find_map(|output| match output {
            Output::Note(Note::CallBegan { call }) => Some(*call),
            Output::Note(_)
            | Output::Transmit(_)
            | Output::Connection { .. }
            | Output::Lookup { .. }
            | Output::Store(_)
            | Output::Media { .. }
            | Output::Placed(_)
            | Output::Told(_)
            | Output::Drained => None,
        });
        (began.expect("a call began"), outputs)
    }

    fn feed(bridge: &mut Bridge, input: Input) -> Vec<Output> {
        bridge.handle_input(input, now());
        std::iter::from_fn(|| bridge.poll_output()).collect()
    }

    fn now() -> Now {
        Now { mono: Instant::START + Duration::from_secs(9), unix: UnixTime { micros: 9 } }
    }
}
