//! A caller: a SIP user agent and an RTP sender written without the house's own `sip` and `media`,
//! so that it is a second opinion on the wire.

use std::net::{Ipv4Addr, SocketAddr};

use crate::network::Packet;
use crate::plan::{CallerPlan, Dial, End};

pub(crate) mod message;
pub(crate) mod speech;

pub use message::{header, is_request, method_of, status_of};

const T1: u64 = 500_000;
const T2: u64 = 4_000_000;
const GIVE_UP: u64 = 32_000_000;
/// Keyed by callers of pay-per-minute meetings.
pub const PAID_ID: &str = "4711";
/// Keyed by callers of subscription meetings.
pub const INCLUDED_ID: &str = "4712";
/// Keyed by callers of the other organization's meeting.
pub const OTHER_ID: &str = "4713";
/// Of a meeting that nobody calls in to.
pub const UNLICENSED_ID: &str = "4714";

/// A request that is sent again until it is answered.
#[derive(Debug, Clone)]
struct Pending {
    packet: Packet,
    next: u64,
    interval: u64,
    until: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Waiting,
    Inviting,
    Talking { since: u64 },
    Hanging,
    Gone,
}

/// One caller and all that it remembers.
#[derive(Debug)]
pub struct Caller {
    /// What it means to do.
    pub plan: CallerPlan,
    /// Its Call-ID.
    pub call_id: String,
    /// The status that ended or answered its INVITE.
    pub outcome: Option<u16>,
    /// When it heard BYE, µs.
    pub hung_up_on: Option<u64>,
    /// Packets with audio that it heard, and when the last one came.
    pub heard: u64,
    sip: SocketAddr,
    rtp: SocketAddr,
    gateway: SocketAddr,
    phase: Phase,
    pending: Option<Pending>,
    peer_tag: String,
    cseq: u32,
    media: Option<SocketAddr>,
    next_rtp: Option<u64>,
    speech: speech::Speech,
    held: bool,
    hold_steps: Vec<(u64, bool)>,
    cancelled: bool,
    echo_at: Option<u64>,
}

impl Caller {
    /// Makes the caller with its own address.
    #[must_use]
    pub fn new(index: u8, plan: CallerPlan, gateway: SocketAddr) -> Self {
        let host = Ipv4Addr::new(127, 1, 0, index + 1);
        let keyed = keyed_digits(&plan);
        Self {
            call_id: format!("story-{index}@sim.invalid"),
            outcome: None,
            hung_up_on: None,
            heard: 0,
            sip: SocketAddr::from((host, 5060)),
            rtp: SocketAddr::from((host, 10_000)),
            gateway,
            phase: Phase::Waiting,
            pending: None,
            peer_tag: String::new(),
            cseq: 1,
            media: None,
            next_rtp: None,
            speech: speech::Speech::new(u32::from(index) + 1, keyed),
            held: false,
            hold_steps: Vec::new(),
            cancelled: false,
            echo_at: None,
            plan,
        }
    }

    /// Whether the address is one of this caller's.
    #[must_use]
    pub fn owns(&self, address: SocketAddr) -> bool {
        address == self.sip || address == self.rtp
    }

    /// Whether the caller has nothing left to do.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Returns when it wants to act next, µs.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        if self.phase == Phase::Gone {
            return None;
        }
        let pending = self.pending.as_ref().map(|p| p.next);
        let step = match &self.phase {
            Phase::Waiting => Some(self.plan.at_ms * 1_000),
            Phase::Inviting => match self.plan.end {
                End::Cancel(after) if !self.cancelled => Some((self.plan.at_ms + after) * 1_000),
                End::Cancel(_) | End::HangUp | End::Vanish | End::NoAck { .. } | End::UntilCut => {
                    None
                }
            },
            Phase::Talking { since } => self.end_at(*since),
            Phase::Hanging | Phase::Gone => None,
        };
        let hold = self.hold_steps.first().map(|(at, _)| *at);
        [pending, step, hold, self.next_rtp, self.echo_at].into_iter().flatten().min()
    }

    /// Does what is due at `now` (µs).
    pub fn act(&mut self, now: u64, out: &mut Vec<Packet>) {
        self.resend(now, out);
        match self.phase.clone() {
            Phase::Waiting if self.plan.at_ms * 1_000 <= now => self.invite(now, out),
            Phase::Inviting => self.maybe_cancel(now, out),
            Phase::Talking { since } => {
                if self.end_at(since).is_some_and(|at| at <= now) {
                    self.finish(now, out);
                }
                self.hold_step(now, out);
                self.echo(now, out);
            }
            Phase::Waiting | Phase::Hanging | Phase::Gone => {}
        }
        while self.next_rtp.is_some_and(|at| at <= now) {
            self.speak(out);
        }
    }

    /// Takes what came from the network.
    pub fn receive(&mut self, packet: &Packet, now: u64, out: &mut Vec<Packet>) {
        if packet.destination == self.rtp {
            if packet.payload.len() > 12
                && packet.payload[12..].iter().any(|b| *b != 0xff && *b != 0x7f)
            {
                self.heard += 1;
            }
            return;
        }
        if self.vanished() {
            return;
        }
        let text = String::from_utf8_lossy(&packet.payload).into_owned();
        if is_request(&text) {
            self.take_request(&text, now, out);
        } else {
            self.take_response(&text, now, out);
        }
    }

    fn vanished(&self) -> bool {
        self.plan.end == End::Vanish && self.phase == Phase::Gone
    }

    fn end_at(&self, since: u64) -> Option<u64> {
        match self.plan.end {
            End::HangUp | End::Vanish => Some(since + self.plan.talk_ms * 1_000),
            End::Cancel(_) => Some(since + 300_000),
            // A caller who never acknowledges, or waits for the cut, leaves the end to the gateway,
            // but not for ever: the story must end.
            End::NoAck { .. } => Some(since + 60_000_000),
            End::UntilCut => Some(since + 150_000_000),
        }
    }

    fn finish(&mut self, now: u64, out: &mut Vec<Packet>) {
        self.next_rtp = None;
        self.hold_steps.clear();
        self.echo_at = None;
        match self.plan.end {
            End::Vanish | End::NoAck { .. } => {
                self.phase = Phase::Gone;
                self.pending = None;
            }
            End::HangUp | End::Cancel(_) | End::UntilCut => {
                self.cseq += 1;
                let bye = self.request("BYE", self.cseq, "");
                self.send_until_answered(bye, now, out);
                self.phase = Phase::Hanging;
            }
        }
    }

    fn invite(&mut self, now: u64, out: &mut Vec<Packet>) {
        self.phase = Phase::Inviting;
        let sdp = self.sdp("sendrecv");
        let invite = self.request("INVITE", 1, &sdp);
        self.send_until_answered(invite, now, out);
    }

    fn maybe_cancel(&mut self, now: u64, out: &mut Vec<Packet>) {
        if let End::Cancel(after) = self.plan.end
            && !self.cancelled
            && (self.plan.at_ms + after) * 1_000 <= now
        {
            self.cancelled = true;
            let cancel = self.request("CANCEL", 1, "");
            out.push(cancel);
        }
    }

    fn take_response(&mut self, text: &str, now: u64, out: &mut Vec<Packet>) {
        let (Some(status), Some(cseq)) = (status_of(text), header(text, "CSeq")) else { return };
        if header(text, "Call-ID").as_deref() != Some(self.call_id.as_str()) {
            return;
        }
        if cseq.ends_with("CANCEL") {
            return;
        }
        if status < 200 {
            // A provisional answer stops INVITE retransmissions (RFC 3261 §17.1.1.2).
            if let Some(pending) = self.pending.as_mut()
                && cseq.ends_with("INVITE")
            {
                pending.next = pending.until;
            }
            return;
        }
        if cseq.ends_with("INVITE") {
            self.take_invite_final(text, status, now, out);
        } else if cseq.ends_with("BYE") && self.phase == Phase::Hanging {
            self.pending = None;
            self.phase = Phase::Gone;
        }
    }

    fn take_invite_final(&mut self, text: &str, status: u16, now: u64, out: &mut Vec<Packet>) {
        let number: u32 = header(text, "CSeq")
            .and_then(|c| c.split(' ').next().and_then(|n| n.parse().ok()))
            .unwrap_or(1);
        if self.phase == Phase::Inviting || number > 1 {
            self.pending = self.pending.take().filter(|_| self.phase == Phase::Hanging);
        }
        if status >= 300 {
            out.push(self.ack_refusal(number, text));
            if number == 1 && self.phase == Phase::Inviting {
                self.outcome = Some(status);
                self.phase = Phase::Gone;
            }
            return;
        }
        if number == 1 && self.phase == Phase::Inviting {
            self.outcome = Some(status);
            self.peer_tag = message::tag(&header(text, "To").unwrap_or_default());
            self.media = message::media_address(text);
            self.begin_talk(now);
        }
        if !matches!(self.plan.end, End::NoAck { .. }) {
            let ack = self.request("ACK", number, "");
            out.push(ack);
        }
    }

    fn begin_talk(&mut self, now: u64) {
        self.phase = Phase::Talking { since: now };
        if !matches!(self.plan.end, End::NoAck { rtp: false }) {
            self.next_rtp = Some(now);
        }
        if let Some((after, length)) = self.plan.hold {
            let begin = now + after * 1_000;
            self.hold_steps = vec![(begin, true), (begin + length * 1_000, false)];
        }
        if self.plan.echo_invite {
            self.echo_at = Some(now + 700_000);
        }
    }

    fn take_request(&mut self, text: &str, now: u64, out: &mut Vec<Packet>) {
        let method = method_of(text);
        if method == "ACK" {
            return;
        }
        let known = header(text, "Call-ID").as_deref() == Some(self.call_id.as_str())
            && self.phase != Phase::Waiting;
        let status = if known { "200 OK" } else { "481 Call/Transaction Does Not Exist" };
        out.push(self.packet(message::response(text, status)));
        if known && method == "BYE" {
            self.hung_up_on.get_or_insert(now);
            self.phase = Phase::Gone;
            self.pending = None;
            self.next_rtp = None;
        }
    }

    fn hold_step(&mut self, now: u64, out: &mut Vec<Packet>) {
        if let Some((at, hold)) = self.hold_steps.first().copied()
            && at <= now
        {
            self.hold_steps.remove(0);
            self.held = hold;
            self.cseq += 1;
            let sdp = self.sdp(if hold { "sendonly" } else { "sendrecv" });
            let reinvite = self.request("INVITE", self.cseq, &sdp);
            self.send_until_answered(reinvite, now, out);
        }
    }

    fn echo(&mut self, now: u64, out: &mut Vec<Packet>) {
        if self.echo_at.is_some_and(|at| at <= now) {
            self.echo_at = None;
            let sdp = self.sdp("sendrecv");
            let tag = std::mem::take(&mut self.peer_tag);
            let invite = self.request("INVITE", 1, &sdp);
            self.peer_tag = tag;
            out.push(invite);
        }
    }

    fn speak(&mut self, out: &mut Vec<Packet>) {
        let at = self.next_rtp.unwrap_or(0);
        self.next_rtp = Some(at + 20_000);
        let payload = self.speech.packet();
        if let (Some(destination), false) = (self.media, self.held) {
            out.push(Packet { source: self.rtp, destination, payload });
        }
    }

    fn send_until_answered(&mut self, packet: Packet, now: u64, out: &mut Vec<Packet>) {
        out.push(packet.clone());
        self.pending = Some(Pending { packet, next: now + T1, interval: T1, until: now + GIVE_UP });
    }

    fn resend(&mut self, now: u64, out: &mut Vec<Packet>) {
        let Some(pending) = self.pending.as_mut() else { return };
        if pending.next > now {
            return;
        }
        if now >= pending.until {
            self.pending = None;
            if matches!(self.phase, Phase::Inviting | Phase::Hanging) {
                self.phase = Phase::Gone;
                self.next_rtp = None;
            }
            return;
        }
        pending.interval = (pending.interval * 2).min(T2);
        pending.next = (now + pending.interval).min(pending.until);
        out.push(pending.packet.clone());
    }

    fn sdp(&self, direction: &str) -> String {
        message::sdp(self.rtp, direction)
    }

    fn packet(&self, text: String) -> Packet {
        Packet { source: self.sip, destination: self.gateway, payload: text.into_bytes() }
    }

    fn request(&self, method: &str, cseq: u32, body: &str) -> Packet {
        let dialled = dialled(self.plan.dial);
        self.packet(message::request(&message::Request {
            method,
            cseq,
            body,
            dialled,
            call_id: &self.call_id,
            peer_tag: &self.peer_tag,
            from: self.sip,
            gateway: self.gateway,
        }))
    }

    fn ack_refusal(&self, cseq: u32, response: &str) -> Packet {
        let mut ack = String::from_utf8(self.request("ACK", cseq, "").payload).unwrap_or_default();
        // The ACK of a refusal belongs to the INVITE's transaction: same branch, the answer's To.
        ack = ack.replace(&format!("-ACK-{cseq}"), &format!("-INVITE-{cseq}"));
        let to = header(response, "To").unwrap_or_default();
        let old = header(&ack, "To").unwrap_or_default();
        self.packet(ack.replace(&format!("To: {old}"), &format!("To: {to}")))
    }
}

/// Returns the number that a plan dials.
#[must_use]
pub fn dialled(dial: Dial) -> &'static str {
    match dial {
        Dial::BoundPaid => "+390110001",
        Dial::BoundIncluded => "+390110002",
        Dial::SharedPaid | Dial::OtherPaid => "+390110003",
        Dial::SharedTollFree => "+39800000",
        Dial::Unknown => "+390119999",
    }
}

fn keyed_digits(plan: &CallerPlan) -> Vec<String> {
    let id = match plan.dial {
        Dial::BoundPaid | Dial::BoundIncluded | Dial::Unknown => return Vec::new(),
        Dial::SharedPaid => PAID_ID,
        Dial::SharedTollFree => INCLUDED_ID,
        Dial::OtherPaid => OTHER_ID,
    };
    let mut keyed: Vec<_> = (0..plan.wrong_ids).map(|_| "9999#".to_owned()).collect();
    if plan.wrong_ids < 3 {
        keyed.push(format!("{id}#"));
    }
    keyed
}
