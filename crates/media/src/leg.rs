//! One leg: what comes from its peer, and what it is sent.

use std::net::SocketAddr;
use std::time::Duration;

use model::{CallId, Instant, limits};

use crate::batch::Batch;
use crate::codec::g711;
use crate::command::{Codec, Direction, Event, Flow, LegStats, PortId, Silence, Tones, Way};
use crate::control::{Control, Route};
use crate::digits::Digits;
use crate::ear::Ear;
use crate::jitter::Playout;
use crate::mix::{self, Frame};
use crate::news::News;
use crate::playback::Playback;
use crate::prompt::Library;
use crate::reception::{Order, Reception};
use crate::room::Room;
use crate::sender::Sender;
use crate::source::{Source, Verdict};
use crate::srtp::Guard;
use crate::voice::Voice;
use crate::{rtcp, rtp, srtp};

/// Silence that is told (the bridge then asks the peer whether it lives).
const SILENCE: Duration = Duration::from_secs(5);

/// What an [`Command::Open`](crate::Command::Open) says, and chance for its RTCP.
pub(crate) struct Opening {
    pub(crate) call: CallId,
    pub(crate) port: PortId,
    pub(crate) flow: Flow,
    pub(crate) language: u8,
    pub(crate) ssrc: u32,
    pub(crate) chance: u128,
    /// When the mixer last ticked.
    pub(crate) ticked: Instant,
}

/// Everything about one leg but its room, which it names by its place.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) call: CallId,
    pub(crate) port: PortId,
    pub(crate) room: Option<usize>,
    pub(crate) closing: bool,
    flow: Flow,
    language: u8,
    source: Source,
    reception: Reception,
    playout: Playout,
    digits: Digits,
    ear: Ear,
    sender: Sender,
    control: Control,
    /// Seals and opens what is protected.
    guard: Option<Box<Guard>>,
    pub(crate) playback: Option<Playback>,
    funded: Option<Instant>,
    cut: bool,
    /// The last tick that another worker did for it.
    served: u64,
    /// Since when it was served by nobody, if ticks were missed on the way to this worker.
    unserved: Option<Instant>,
    /// The last sign of life, or the opening before there was one.
    alive: Instant,
    /// Whether a valid packet ever came, RTP or RTCP.
    lived: bool,
    /// Whether silence was told.
    silent: bool,
    last_rtp: Option<Instant>,
    dropped: u64,
    /// This tick of the peer's voice.
    voice: Frame,
    /// Whether the voice is in the room's sum.
    speaks: bool,
    /// When a voice was last told.
    spoke: Voice,
}

impl Leg {
    pub(crate) fn open(opening: Opening, now: Instant) -> Self {
        let guard = opening.flow.security.clone().map(|security| Box::new(Guard::new(security)));
        let sender = Sender::new(opening.ssrc, opening.flow.codec, opening.flow.ptime);
        Self {
            call: opening.call,
            port: opening.port,
            room: None,
            closing: false,
            flow: opening.flow,
            language: opening.language,
            source: Source::default(),
            reception: Reception::default(),
            playout: Playout::new(opening.ticked),
            digits: Digits::new(now),
            ear: Ear::default(),
            sender,
            control: Control::new(opening.chance, now),
            guard,
            playback: None,
            funded: None,
            cut: false,
            served: 0,
            unserved: None,
            alive: now,
            lived: false,
            silent: false,
            last_rtp: None,
            dropped: 0,
            voice: mix::QUIET,
            speaks: false,
            spoke: Voice::default(),
        }
    }

    /// Takes a new agreement.
    pub(crate) fn update(&mut self, flow: Flow) {
        self.source.renew(flow.remote == self.flow.remote, &flow.sources);
        self.control.renew();
        self.ear.renew();
        self.sender.agree(flow.codec, flow.ptime);
        match (&mut self.guard, flow.security.clone()) {
            (Some(guard), Some(security)) => guard.renew(security),
            (guard, security) => {
                *guard = security.map(|security| Box::new(Guard::new(security)));
            }
        }
        self.flow = flow;
    }

    /// Tells which tones in the peer's voice are taken for keys.
    pub(crate) fn listen(&mut self, tones: Tones) {
        self.ear.listen(tones);
    }

    /// Moves the end of paid time. A later one that crossed the news of the cut takes it back: the
    /// bridge lets that leg go on, and it pays.
    pub(crate) fn fund(&mut self, until: Instant) {
        self.cut &= self.funded.is_some_and(|before| until <= before);
        self.funded = Some(until);
    }

    /// Comes from another worker, which did the tick `served` for it as its last one, at `at`, to
    /// one that has done the tick `done`. Ticks that neither did pass unsent; those that this one
    /// has yet to do are not done twice.
    pub(crate) fn arrive(&mut self, (served, at): (u64, Instant), done: u64) {
        self.served = served;
        for _ in served..done {
            self.sender.skip();
        }
        if served < done {
            self.unserved = Some(at + limits::TICK);
        }
    }

    /// Whether another worker did that tick for it.
    pub(crate) const fn was_served(&self, tick: u64) -> bool {
        tick <= self.served
    }

    pub(crate) fn stats(&self) -> LegStats {
        LegStats {
            received: self.reception.received(),
            lost: self.reception.lost(),
            dropped: self.dropped,
            sent: self.sender.packets,
            jitter_micros: self.reception.jitter_micros(),
            last_rtp: self.last_rtp,
            forged: self.guard.as_ref().map_or(0, |guard| guard.refused),
        }
    }

    /// Takes a datagram from the RTP socket.
    pub(crate) fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
        news: &mut News,
    ) {
        if rtp::is_rtcp(datagram) {
            self.receive_control(
                Route { destination: from, own_socket: false },
                datagram,
                now,
                news,
            );
            return;
        }
        let mut space = [0; srtp::LONGEST];
        let datagram = self.opened(from, datagram, &mut space, Guard::open);
        let order = match datagram.and_then(rtp::parse).filter(|packet| self.takes(packet)) {
            Some(packet) => self.admit(&packet, from, now).map(|order| (packet, order)),
            None => None,
        };
        let Some((packet, order)) = order else {
            self.dropped += 1;
            return;
        };
        if self.last_rtp.replace(now).is_none() {
            news.answer(Event::Heard { call: self.call, at: now });
        }
        self.live(now, news);
        self.take(&packet, order, now, news);
    }

    /// Takes RTCP, from either socket.
    pub(crate) fn receive_control(
        &mut self,
        route: Route,
        datagram: &[u8],
        now: Instant,
        news: &mut News,
    ) {
        let mut space = [0; srtp::LONGEST];
        let incoming = self
            .opened(route.destination, datagram, &mut space, Guard::open_report)
            .filter(|_| {
                let place = (self.flow.sources.as_slice(), self.flow.remote);
                self.source.admits_control(route.destination, place)
            })
            .and_then(rtcp::parse)
            .filter(|_| self.control.follow(route, now));
        let Some(incoming) = incoming else {
            self.dropped += 1;
            return;
        };
        if let Some(middle) = incoming.report {
            self.control.note(middle, now);
        }
        self.live(now, news);
    }

    /// The first half of a tick: ends paid time, tells silence, and takes the peer's voice of this
    /// tick into its room.
    pub(crate) fn hear(&mut self, room: Option<&mut Room>, now: Instant, news: &mut News) {
        self.speaks = false;
        let silent_from = self.unserved.take().unwrap_or(now);
        if self.cut {
            return;
        }
        if let Some(until) = self.funded
            && now >= until
        {
            self.cut = true;
            self.playback = None;
            let overrun = silent_from.since(until);
            news.answer(Event::Cut { call: self.call, at: now, overrun });
            return;
        }
        if !self.silent && now.since(self.alive) >= SILENCE {
            self.silent = true;
            let last = self.lived.then_some(self.alive);
            let silence = Silence::Began { last };
            news.answer(Event::Life { call: self.call, silence });
        }
        let sound = self.playout.read(now, &mut self.voice);
        let sound = sound && !mix::is_idle(&self.voice, g711::IDLE);
        let heard = self.ear.hear(sound.then_some(&self.voice), room.is_some());
        if let Some(digit) = heard.key {
            self.key(digit, Way::Tone, news);
        }
        if heard.fax {
            news.answer(Event::Fax { call: self.call });
        }
        if let Some(room) = room
            && sound
            && self.is_heard()
            && !self.digits.mutes(now)
            && !self.ear.mutes()
        {
            room.add(&self.voice);
            self.speaks = true;
            if self.spoke.hear(&self.voice, now) {
                news.answer(Event::Spoke { call: self.call, at: now });
            }
        }
    }

    /// The second half of a tick: sends what the leg hears.
    pub(crate) fn speak(
        &mut self,
        room: Option<&mut Room>,
        library: &Library,
        now: Instant,
        out: &mut Batch,
        news: &mut News,
    ) {
        if self.cut {
            return self.sender.skip();
        }
        let mut prompt = mix::QUIET;
        let over_room = self.prompt(library, &mut prompt, news);
        if self.sends() {
            let mut codes = [0; mix::QUIET.len()];
            let room = room.filter(|_| !self.flow.held);
            self.compose((over_room, &prompt), room, &mut codes);
            let (port, to) = (self.port, self.source.destination(self.flow.remote));
            let guard = &mut self.guard;
            self.sender.push(&codes, |header, codes| {
                out.rtp((port, to), header, codes, guard.as_deref_mut());
            });
        } else {
            self.sender.skip();
        }
        if self.control.due(now) {
            self.report(false, now, out);
        }
    }

    /// Sends a report, or with `bye` the last one.
    pub(crate) fn report(&mut self, bye: bool, now: Instant, out: &mut Batch) {
        let Some(route) = self.control.route(self.flow.remote_rtcp) else { return };
        if !is_sendable(route.destination) {
            return;
        }
        let report = self.control.report(&mut self.reception, &self.sender, now, bye);
        out.rtcp(self.port, route, &report, self.guard.as_deref_mut());
    }

    /// Returns what a datagram says: itself on a plain leg; on a protected one, what is left in
    /// `space` when it was opened. Work is done for the trunk's addresses alone.
    fn opened<'a>(
        &mut self,
        from: SocketAddr,
        datagram: &'a [u8],
        space: &'a mut [u8; srtp::LONGEST],
        open: impl FnOnce(&mut Guard, &'a mut [u8]) -> Option<&'a [u8]>,
    ) -> Option<&'a [u8]> {
        let Some(guard) = &mut self.guard else { return Some(datagram) };
        if !self.flow.sources.iter().any(|prefix| prefix.contains(from.ip())) {
            return None;
        }
        let space = space.get_mut(..datagram.len())?;
        space.copy_from_slice(datagram);
        open(guard, space)
    }

    /// Whether a packet is of a kind that was agreed on.
    fn takes(&self, packet: &rtp::Packet<'_>) -> bool {
        if Codec::of_payload_type(packet.payload_type).is_some() {
            Playout::takes(packet.payload.len())
        } else {
            packet.payload_type == rtp::COMFORT_NOISE
                || Some(packet.payload_type) == self.flow.digits_in
        }
    }

    fn admit(&mut self, packet: &rtp::Packet<'_>, from: SocketAddr, now: Instant) -> Option<Order> {
        let place = (self.flow.sources.as_slice(), self.flow.remote);
        match self.source.judge((from, packet.ssrc), place, now) {
            Verdict::Known => {}
            Verdict::New => {
                self.reception.begin();
                self.playout.reset();
            }
            Verdict::Stranger => return None,
        }
        let order = self.reception.note(packet.ssrc, packet.sequence);
        (order != Order::Doubtful).then_some(order)
    }

    fn take(&mut self, packet: &rtp::Packet<'_>, order: Order, now: Instant, news: &mut News) {
        if let Some(codec) = Codec::of_payload_type(packet.payload_type) {
            self.reception.time(packet.timestamp, now);
            let newest = order == Order::Newest;
            self.playout.put(codec, packet.timestamp, packet.payload, newest, now);
        } else if packet.payload_type == rtp::COMFORT_NOISE {
            self.playout.pause();
        } else if let Some(digit) = self.digits.take(packet.timestamp, packet.payload, now)
            && !self.cut
        {
            self.ear.event();
            self.key(digit, Way::Event, news);
        }
    }

    /// Tells a key; it stops a prompt that allows it.
    fn key(&mut self, digit: u8, way: Way, news: &mut News) {
        if self.playback.as_ref().is_some_and(|playback| playback.barge_in) {
            self.playback = None;
        }
        news.tell(Event::Digit { call: self.call, digit, way });
    }

    fn live(&mut self, now: Instant, news: &mut News) {
        self.alive = now;
        self.lived = true;
        if self.silent {
            self.silent = false;
            news.answer(Event::Life { call: self.call, silence: Silence::Ended });
        }
    }

    /// Takes this tick of what is played; returns whether it lies over the room, `None` when nothing
    /// is played.
    fn prompt(&mut self, library: &Library, frame: &mut Frame, news: &mut News) -> Option<bool> {
        let playback = self.playback.as_mut()?;
        if playback.read(library, self.language, frame) {
            return Some(playback.over_room);
        }
        news.answer(Event::Played { call: self.call, token: playback.token });
        self.playback = None;
        None
    }

    /// Decides what the leg hears in this tick, and encodes it.
    fn compose(
        &self,
        (over_room, prompt): (Option<bool>, &Frame),
        room: Option<&mut Room>,
        codes: &mut [u8; mix::QUIET.len()],
    ) {
        let codec = self.sender.codec;
        let mut heard = mix::QUIET;
        let own = self.speaks.then_some(&self.voice);
        let audible = match (over_room, room) {
            (Some(false), _) => {
                heard = *prompt;
                true
            }
            (Some(true), room) => {
                if let Some(room) = room {
                    room.hear(own, &mut heard);
                }
                mix::over(&mut heard, prompt);
                true
            }
            (None, Some(room)) if own.is_none() => match room.shared(codec) {
                Some(shared) => {
                    *codes = *shared;
                    return;
                }
                None => false,
            },
            (None, Some(room)) => room.hear(own, &mut heard),
            (None, None) => false,
        };
        if audible {
            g711::encode(codec, &heard, codes);
        } else {
            codes.fill(codec.silence());
        }
    }

    /// Whether the peer's voice belongs into the mix.
    fn is_heard(&self) -> bool {
        let receives = match self.flow.direction {
            Direction::SendRecv | Direction::RecvOnly => true,
            Direction::SendOnly | Direction::Inactive => false,
        };
        receives && !self.flow.held
    }

    fn sends(&self) -> bool {
        let sends = match self.flow.direction {
            Direction::SendRecv | Direction::SendOnly => true,
            Direction::RecvOnly | Direction::Inactive => false,
        };
        sends && is_sendable(self.source.destination(self.flow.remote))
    }
}

/// A hold in the old style names 0.0.0.0, a refused stream port 0.
fn is_sendable(destination: SocketAddr) -> bool {
    !destination.ip().is_unspecified() && destination.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_takes_less_than_sixteen_kilobytes() {
        assert!(size_of::<Leg>() < 16 * 1024, "{}", size_of::<Leg>());
    }
}
