//! The answered leg itself, whoever pays: what was agreed on for its media, whether the peer has
//! confirmed it, whether anybody is there.

use std::time::Duration;

use bytes::Bytes;
use media::sdp::{self, Agreed, Local, SdpError, Srtp};
use media::{Flow, Silence};
use model::{Instant, Protection};

use crate::call::file::File;
use crate::call::pulse::{Hope, Pulse};
use crate::output::Note;
use crate::ports::Port;
use crate::refusal::Refusal;
use crate::turn::Turn;

/// Our half of the first agreement, before the answer.
#[derive(Debug)]
pub(crate) struct Prepared {
    session: u64,
    version: u64,
    body: Bytes,
    /// `None` while the body is our offer and nothing has answered it.
    flow: Option<Flow>,
}

/// What the newest exchange of SDP is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exchange {
    /// Both sides agree.
    Done,
    /// Our offer is out; the answer comes with the ACK.
    Ours,
}

/// An answered leg.
#[derive(Debug)]
pub(crate) struct Line {
    session: u64,
    version: u64,
    exchange: Exchange,
    /// Whether the ACK of the 200 OK came.
    acknowledged: bool,
    /// Whether valid RTP came.
    heard: bool,
    /// Whether the peer put us on hold.
    held: bool,
    /// What both sides agreed on last; `None` before that.
    flow: Option<Flow>,
    pulse: Pulse,
}

/// What an ACK changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// The leg's media was opened by it.
    Opened,
    /// Nothing but the confirmation.
    Plain,
}

impl Prepared {
    /// Answers the offer of an INVITE, or makes ours.
    ///
    /// # Errors
    /// [`Refusal::MalformedSdp`], [`Refusal::MediaUnacceptable`].
    pub(crate) fn new(
        offer: Option<&Bytes>,
        port: Port,
        file: &File,
        session: u64,
    ) -> Result<Self, Refusal> {
        let local = local(port, file, (session, 1), false)?;
        match offer {
            None => Ok(Self { session, version: 1, body: sdp::offer(&local), flow: None }),
            Some(offer) => {
                let Agreed { body, flow } = sdp::answer(offer, &local).map_err(refused)?;
                Ok(Self { session, version: 1, body, flow: Some(flow) })
            }
        }
    }

    /// Makes our offer for a call that we place.
    ///
    /// # Errors
    /// [`Refusal::MediaUnacceptable`] if keys would be told in the clear.
    pub(crate) fn offer(port: Port, file: &File, session: u64) -> Result<Self, Refusal> {
        let body = sdp::offer(&local(port, file, (session, 1), false)?);
        Ok(Self { session, version: 1, body, flow: None })
    }

    /// Returns our SDP.
    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Tells a caller our SDP before the answer: the media path opens if that agrees on it.
    pub(crate) fn announce(&self, file: &mut File, turn: &mut Turn<'_>) {
        turn.sip(sip::Command::Announce { call: file.call, body: self.body() });
        if let Some(flow) = self.flow.clone() {
            agree(flow, file, turn);
        }
    }

    /// Takes an offer that comes before the answer to the call, after a first agreement. What cannot
    /// be agreed on leaves everything as it was.
    pub(crate) fn offered(&mut self, offer: Option<&Bytes>, file: &mut File, turn: &mut Turn<'_>) {
        let call = file.call;
        let versions = (self.session, self.version + 1);
        let agreed = offer.zip(file.port).and_then(|(offer, port)| {
            let local = local(port, file, versions, is_protected(self.flow.as_ref())).ok()?;
            sdp::answer(offer, &local).ok()
        });
        let Some(Agreed { body, flow }) = agreed else {
            let status = Refusal::MediaUnacceptable.row().status;
            return turn.sip(sip::Command::RejectOffer { call, status });
        };
        self.version += 1;
        self.flow = Some(flow.clone());
        turn.sip(sip::Command::AcceptOffer { call, body });
        agree(flow, file, turn);
    }

    /// Takes SDP that came before the answer to a call, and answers our offer: the media path opens,
    /// so that address translators and session borders let it through. Nobody else hears it (the leg
    /// is in no room). What cannot be used is left for the answer to say.
    pub(crate) fn early(&mut self, answer: &Bytes, file: &mut File, turn: &mut Turn<'_>) {
        if let Ok(flow) = self.reads(answer, file) {
            self.flow = Some(flow.clone());
            agree(flow, file, turn);
        }
    }

    /// Takes the answer to a call of ours, which is acknowledged already. Without SDP what came
    /// before it counts.
    ///
    /// # Errors
    /// The refusal of an answer that cannot be used; the call is then ended.
    pub(crate) fn connect(
        self,
        answer: Option<&Bytes>,
        silence: Option<Silence>,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> Result<Line, Refusal> {
        let flow = match answer {
            Some(answer) => self.reads(answer, file)?,
            None => self.flow.ok_or(Refusal::MalformedSdp)?,
        };
        let mut line = Line {
            session: self.session,
            version: self.version,
            exchange: Exchange::Done,
            acknowledged: true,
            heard: false,
            held: false,
            flow: None,
            pulse: Pulse::start(turn.now.mono),
        };
        if let Some(silence) = silence {
            line.pulse.media(silence, turn.now.mono);
        }
        line.agree(flow, file, turn);
        Ok(line)
    }

    fn reads(&self, answer: &Bytes, file: &File) -> Result<Flow, Refusal> {
        let port = file.port.ok_or(Refusal::MediaUnacceptable)?;
        let local = local(port, file, (self.session, 1), false)?;
        sdp::accept(answer, &local).map_err(refused)
    }

    /// Answers the call: 200 OK leaves, and a packet every ptime from the next tick on.
    pub(crate) fn answer(self, file: &mut File, turn: &mut Turn<'_>) -> Line {
        let now = turn.now;
        file.answered = Some(now);
        turn.sip(sip::Command::Answer { call: file.call, body: self.body });
        turn.note(Note::Answered { after: now.mono.since(file.invited.mono) });
        let mut line = Line {
            session: self.session,
            version: self.version,
            exchange: Exchange::Ours,
            acknowledged: false,
            heard: false,
            held: false,
            flow: None,
            pulse: Pulse::start(now.mono),
        };
        if let Some(flow) = self.flow {
            line.agree(flow, file, turn);
        }
        line
    }
}

impl Line {
    /// Whether the leg may be in a room: somebody confirmed it.
    pub(crate) const fn is_confirmed(&self) -> bool {
        self.acknowledged || self.heard
    }

    /// Whether the ACK of the answer came.
    pub(crate) const fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Takes the ACK of the answer or of a re-INVITE.
    ///
    /// # Errors
    /// The refusal of an answer to our offer that cannot be used; the call is then ended.
    pub(crate) fn confirmed(
        &mut self,
        answer: Option<&Bytes>,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> Result<Confirmed, Refusal> {
        self.acknowledged = true;
        self.pulse.beat(turn.now.mono);
        if self.exchange == Exchange::Done {
            return Ok(Confirmed::Plain);
        }
        let answer = answer.ok_or(Refusal::MalformedSdp)?;
        let port = file.port.ok_or(Refusal::MediaUnacceptable)?;
        let flow = self.reads(answer, port, file).map_err(refused)?;
        let was_open = file.open;
        self.agree(flow, file, turn);
        Ok(if was_open { Confirmed::Plain } else { Confirmed::Opened })
    }

    /// Takes the answer to our SDP, which a re-INVITE of ours repeated (RFC 3261 §14.1): the peer may
    /// have moved its media, or hold. What cannot be read says nothing of that, and changes nothing.
    ///
    /// # Errors
    /// The refusal of an answer that can be read and cannot be followed: the peer does now what we
    /// cannot, so that the call is ended (RFC 3261 §13.2.2.4).
    pub(crate) fn agreed(
        &mut self,
        answer: &Bytes,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> Result<Confirmed, Refusal> {
        let port = file.port.ok_or(Refusal::MediaUnacceptable)?;
        match self.reads(answer, port, file) {
            Ok(flow) if self.flow.as_ref() == Some(&flow) => {}
            Ok(flow) => self.agree(flow, file, turn),
            Err(SdpError::Malformed { .. }) => turn.note(Note::Sip(sip::Counted::NoAnswer)),
            Err(error) => return Err(refused(error)),
        }
        Ok(Confirmed::Plain)
    }

    /// Reads an answer to our SDP that stands.
    fn reads(&self, answer: &Bytes, port: Port, file: &File) -> Result<Flow, SdpError> {
        let versions = (self.session, self.version);
        let local = local(port, file, versions, is_protected(self.flow.as_ref()))
            .map_err(|_| SdpError::Unprotectable)?;
        sdp::accept(answer, &local)
    }

    /// Answers a re-INVITE or UPDATE: hold, resume, a new address, or a request for our offer. What
    /// cannot be agreed on leaves everything as it was.
    pub(crate) fn offered(&mut self, offer: Option<&Bytes>, file: &mut File, turn: &mut Turn<'_>) {
        self.pulse.beat(turn.now.mono);
        let call = file.call;
        let Some(port) = file.port else {
            return turn.sip(sip::Command::RejectOffer { call, status: 488 });
        };
        let versions = (self.session, self.version + 1);
        let Ok(local) = local(port, file, versions, is_protected(self.flow.as_ref())) else {
            return turn.sip(sip::Command::RejectOffer { call, status: 488 });
        };
        let Some(offer) = offer else {
            self.version += 1;
            self.exchange = Exchange::Ours;
            return turn.sip(sip::Command::AcceptOffer { call, body: sdp::offer(&local) });
        };
        match sdp::answer(offer, &local) {
            Ok(Agreed { body, flow }) => {
                self.version += 1;
                turn.sip(sip::Command::AcceptOffer { call, body });
                self.agree(flow, file, turn);
            }
            Err(error) => {
                let status = refused(error).row().status;
                turn.sip(sip::Command::RejectOffer { call, status });
            }
        }
    }

    /// Signalling proved life.
    pub(crate) fn alive(&mut self, now: Instant) {
        self.pulse.beat(now);
    }

    /// A question for life proved nothing.
    pub(crate) fn unproven(&mut self) -> Hope {
        self.pulse.unproven()
    }

    /// The first RTP came.
    pub(crate) fn hears(&mut self, at: Instant) {
        self.heard = true;
        self.pulse.beat(at);
    }

    /// Media began or ended to be silent. RTCP ends a silence too, so this confirms nothing: the
    /// first RTP is told by itself.
    pub(crate) fn life(&mut self, silence: Silence, now: Instant) {
        self.pulse.media(silence, now);
    }

    /// Returns when the leg is to be asked for life.
    pub(crate) fn due(&self, (plain, held): (Duration, Duration)) -> Option<Instant> {
        self.pulse.due(if self.held { held } else { plain })
    }

    /// Asks the leg for life if that is due.
    pub(crate) fn wake(&mut self, file: &File, turn: &mut Turn<'_>) {
        let limits = (turn.settings.life_limit, turn.settings.life_limit_held);
        if self.due(limits).is_some_and(|at| at <= turn.now.mono) {
            self.pulse.ask(turn.now.mono);
            turn.sip(sip::Command::Ping { call: file.call });
        }
    }

    /// Returns the last proof that somebody was there.
    pub(crate) fn last_proof(&self, now: Instant) -> Instant {
        self.pulse.last(now)
    }

    /// Returns until when service may be captured: until then somebody was certainly there. `None`
    /// while nobody has confirmed the call, which may yet turn out to cost nothing.
    pub(crate) fn certain(&self, now: Instant) -> Option<Instant> {
        self.is_confirmed().then(|| self.pulse.certain(now))
    }

    fn agree(&mut self, flow: Flow, file: &mut File, turn: &mut Turn<'_>) {
        self.exchange = Exchange::Done;
        self.held = flow.held;
        self.flow = Some(flow.clone());
        agree(flow, file, turn);
    }
}

/// Whether media is protected; then it stays so: nothing less is agreed on after that.
fn is_protected(flow: Option<&Flow>) -> bool {
    flow.is_some_and(|flow| flow.security.is_some())
}

/// Opens the leg's media, or changes it.
fn agree(flow: Flow, file: &mut File, turn: &mut Turn<'_>) {
    let call = file.call;
    if file.open {
        return turn.media(media::Command::Update { call, flow });
    }
    let Some(port) = file.port else { return };
    file.open = true;
    let (language, ssrc) = (file.language, turn.draw());
    turn.media(media::Command::Open { call, port: port.id, flow, language, ssrc });
}

/// Returns the named no for an SDP error.
const fn refused(error: SdpError) -> Refusal {
    match error {
        SdpError::Malformed { .. } => Refusal::MalformedSdp,
        SdpError::NoCommonCodec
        | SdpError::ForbiddenAddress
        | SdpError::Unprotected
        | SdpError::Unprotectable => Refusal::MediaUnacceptable,
    }
}

/// Says what we bring to an agreement. A leg that is protected is not talked down.
///
/// # Errors
/// [`Refusal::MediaUnacceptable`] if protection is demanded and the signalling is not encrypted.
fn local<'a>(
    port: Port,
    file: &'a File,
    (session, version): (u64, u64),
    protected: bool,
) -> Result<Local<'a>, Refusal> {
    let srtp = match (file.trunk.srtp, file.keys.as_deref()) {
        (Protection::Off, _) | (Protection::Optional, None) => Srtp::Off,
        (Protection::Optional, Some(keys)) if !protected => Srtp::Optional(keys),
        (Protection::Optional | Protection::Mandatory, Some(keys)) => Srtp::Mandatory(keys),
        (Protection::Mandatory, None) => return Err(Refusal::MediaUnacceptable),
    };
    Ok(Local {
        address: port.address,
        session,
        version,
        media: &file.trunk.media,
        events: file.trunk.dtmf.agrees_on_events(),
        loopback: file.trunk.loopback_media,
        srtp,
    })
}
