//! Playout: a ring of samples placed by RTP timestamp and read by the mixer's tick.
//!
//! The only clock is the tick. Every packet in order tells how much earlier it came than it was
//! needed (its *slack*); the smallest slack of a while steers the delay: too large, and a few
//! samples are faded away; nearly none, and a few are stretched. That follows a sender whose clock
//! differs from ours, and the jitter of the network, by the same rule.

use model::Instant;
use model::limits::TICK_SAMPLES;

use crate::codec::g711::{self, NEVER};
use crate::command::Codec;
use crate::mix::Frame;

/// Samples in the ring: 512 ms.
const RING: usize = 4096;
/// Played samples kept to conceal a loss from.
const HISTORY: usize = TICK_SAMPLES;
/// How far from the playout position a packet may lie.
const REACH: i32 = (RING - 2 * TICK_SAMPLES) as i32;
/// Most samples in one packet: 160 ms.
const PACKET: usize = 1280;
/// Slack aimed at on a calm network: 10 ms.
const CALM: i32 = 80;
/// Slack aimed at on the worst one: 120 ms.
const ROUGH: i32 = 960;
/// How much a late packet adds to the slack aimed at: 5 ms.
const LATE: i32 = 40;
/// Slack below which a few samples are stretched, before a packet comes too late: 2 ms.
const NARROW: i32 = 16;
/// Excess over the slack aimed at that is worth shortening: 10 ms.
const EXCESS: i32 = 80;
/// Most samples faded away or stretched in one tick: 5 ms.
const BEND: i32 = 40;
/// Excess that is skipped in one go: 50 ms.
const SKIP: i32 = 400;
/// Slack at which the sender's timestamps have jumped, or an outage's backlog comes: 200 ms.
const JUMP: i32 = 1_600;
/// Packets over which the smallest slack is taken.
const WINDOW: u32 = 50;
/// Ticks without a sample after which the next packet starts afresh.
const PAUSE: u32 = 5;
/// Concealed samples after which a loss is silence: 60 ms.
const CONCEAL: u32 = 480;

/// One leg's received audio.
#[derive(Debug)]
pub(crate) struct Playout {
    ring: [i16; RING],
    /// Whether the positions below mean anything.
    live: bool,
    /// Timestamp of the next sample to play.
    play: u32,
    /// Timestamp after the newest sample.
    end: u32,
    /// Every sample before it is `NEVER` again.
    cleared: u32,
    /// When the last tick read.
    ticked: Instant,
    /// Slack aimed at, in samples.
    margin: i32,
    /// Smallest slack since the window began.
    lowest: i32,
    /// Packets in the window.
    measured: u32,
    /// Samples to drop (above zero) or to stretch by (below).
    bend: i32,
    /// Ticks in a row that found nothing.
    empty: u32,
    /// Concealed samples in a row.
    concealed: u32,
    /// Whether the peer said that it is silent.
    paused: bool,
}

impl Playout {
    /// Starts with nothing; `ticked` is when the mixer last ticked.
    pub(crate) const fn new(ticked: Instant) -> Self {
        Self {
            ring: [NEVER; RING],
            live: false,
            play: 0,
            end: 0,
            cleared: 0,
            ticked,
            margin: CALM,
            lowest: i32::MAX,
            measured: 0,
            bend: 0,
            empty: 0,
            concealed: 0,
            paused: false,
        }
    }

    /// Forgets the stream: another begins.
    pub(crate) fn reset(&mut self) {
        self.live = false;
        self.margin = CALM;
    }

    /// Whether a payload of that many samples is one we take.
    pub(crate) const fn takes(samples: usize) -> bool {
        samples > 0 && samples <= PACKET
    }

    /// Places a packet. `newest` tells that no later one came before it.
    pub(crate) fn put(
        &mut self,
        codec: Codec,
        timestamp: u32,
        codes: &[u8],
        newest: bool,
        now: Instant,
    ) {
        let elapsed = self.elapsed(now);
        if newest {
            self.paused = false;
            self.steer(timestamp, elapsed);
        } else if !self.live {
            return;
        }
        let ahead = timestamp.wrapping_sub(self.play) as i32;
        if ahead.saturating_add(codes.len() as i32) > REACH || ahead < -REACH {
            return;
        }
        let gone = ((-ahead).max(0) as usize).min(codes.len());
        self.write(codec, timestamp.wrapping_add(gone as u32), &codes[gone..]);
        let end = timestamp.wrapping_add(codes.len() as u32);
        if (end.wrapping_sub(self.end) as i32) > 0 {
            self.end = end;
        }
    }

    /// The peer says that it is silent (RFC 3389): what is missing from here on was never said.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// Reads one tick; false when there is nothing to hear and `frame` was left alone.
    pub(crate) fn read(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.ticked = now;
        if !self.live {
            return false;
        }
        if self.buffered() > 0 {
            self.empty = 0;
        } else {
            self.empty += 1;
            if self.paused || self.concealed >= CONCEAL {
                self.live = self.empty < PAUSE;
                self.advance(TICK_SAMPLES as u32);
                return false;
            }
        }
        let step = self.bent_step();
        self.mend(TICK_SAMPLES.max(step));
        self.copy(self.play, frame);
        if step != TICK_SAMPLES {
            self.fade(step, frame);
        }
        self.advance(step as u32);
        true
    }

    /// Samples that wait to be played.
    pub(crate) fn buffered(&self) -> i32 {
        if self.live { self.end.wrapping_sub(self.play) as i32 } else { 0 }
    }

    /// Samples since the last tick, at most a tick.
    fn elapsed(&self, now: Instant) -> i32 {
        let samples = now.since(self.ticked).as_micros() / 125;
        samples.min(TICK_SAMPLES as u128) as i32
    }

    /// Learns from the arrival of a packet in order, and moves the playout position when it lies
    /// where this packet cannot be played.
    fn steer(&mut self, timestamp: u32, elapsed: i32) {
        let ahead = timestamp.wrapping_sub(self.play) as i32;
        let overlap = self.end.wrapping_sub(timestamp) as i32;
        if !self.live || self.empty >= PAUSE || ahead.saturating_sub(elapsed) > JUMP {
            self.start(timestamp, elapsed);
        } else if ahead < 0 {
            self.margin = (self.margin + LATE).min(ROUGH);
            self.start(timestamp, elapsed);
        } else if overlap > CALM {
            // A newer packet with an older timestamp: the sender's clock jumped.
            self.start(timestamp, elapsed);
        } else {
            self.measure(ahead - elapsed);
        }
    }

    fn measure(&mut self, slack: i32) {
        self.lowest = self.lowest.min(slack);
        self.measured += 1;
        if slack < NARROW {
            self.bend = -BEND;
            self.begin_window();
        } else if self.bend != 0 {
            self.begin_window();
        } else if self.measured >= WINDOW {
            if self.lowest > self.margin + EXCESS {
                self.bend = self.lowest - self.margin;
            }
            self.margin = (self.margin - 1).max(CALM);
            self.begin_window();
        }
    }

    fn begin_window(&mut self) {
        self.lowest = i32::MAX;
        self.measured = 0;
    }

    /// Starts to play `margin` before a packet's first sample.
    fn start(&mut self, timestamp: u32, elapsed: i32) {
        self.ring.fill(NEVER);
        self.live = true;
        self.play = timestamp.wrapping_sub((self.margin + elapsed) as u32);
        self.end = timestamp;
        self.cleared = self.play.wrapping_sub(HISTORY as u32);
        self.bend = 0;
        self.empty = 0;
        self.concealed = CONCEAL;
        self.begin_window();
    }

    /// Decides how many samples this tick consumes.
    fn bent_step(&mut self) -> usize {
        if self.bend > SKIP {
            let skipped = self.bend.min(self.buffered() - 2 * TICK_SAMPLES as i32).max(0);
            self.bend = 0;
            self.advance(skipped as u32);
            return TICK_SAMPLES;
        }
        let bend = self.bend.clamp(-BEND, BEND);
        if bend > 0 && self.buffered() < TICK_SAMPLES as i32 + bend {
            return TICK_SAMPLES;
        }
        self.bend -= bend;
        (TICK_SAMPLES as i32 + bend) as usize
    }

    /// Fades from the samples at the playout position to those that let `step` be consumed.
    fn fade(&self, step: usize, frame: &mut Frame) {
        let shift = step as i32 - TICK_SAMPLES as i32;
        for (index, sample) in frame.iter_mut().enumerate() {
            let from = index as i32 + shift;
            if from < 0 {
                continue;
            }
            let other = i32::from(self.ring[at(self.play.wrapping_add(from as u32))]);
            let weight = index as i32;
            let span = TICK_SAMPLES as i32;
            *sample = ((i32::from(*sample) * (span - weight) + other * weight) / span) as i16;
        }
    }

    /// Fills what is missing in the next `length` samples by what was heard a tick before, ever
    /// quieter.
    fn mend(&mut self, length: usize) {
        let first = at(self.play);
        let whole = if first + length <= RING {
            !self.ring[first..first + length].contains(&NEVER)
        } else {
            false
        };
        if whole {
            self.concealed = 0;
            return;
        }
        for offset in 0..length {
            let here = self.play.wrapping_add(offset as u32);
            if self.ring[at(here)] != NEVER {
                self.concealed = 0;
                continue;
            }
            let before = self.ring[at(here.wrapping_sub(HISTORY as u32))];
            self.concealed = (self.concealed + 1).min(CONCEAL);
            let mended = if before == NEVER || self.paused || self.concealed == CONCEAL {
                0
            } else {
                (i32::from(before) * 3 / 4) as i16
            };
            self.ring[at(here)] = mended;
        }
    }

    fn copy(&self, from: u32, frame: &mut Frame) {
        let first = at(from);
        let front = (RING - first).min(TICK_SAMPLES);
        frame[..front].copy_from_slice(&self.ring[first..first + front]);
        frame[front..].copy_from_slice(&self.ring[..TICK_SAMPLES - front]);
    }

    fn write(&mut self, codec: Codec, timestamp: u32, codes: &[u8]) {
        let first = at(timestamp);
        let front = (RING - first).min(codes.len());
        g711::decode(codec, &codes[..front], &mut self.ring[first..first + front]);
        g711::decode(codec, &codes[front..], &mut self.ring[..codes.len() - front]);
    }

    /// Moves the playout position and clears what is older than the history.
    fn advance(&mut self, samples: u32) {
        self.play = self.play.wrapping_add(samples);
        let until = self.play.wrapping_sub(HISTORY as u32);
        let length = (until.wrapping_sub(self.cleared) as i32).clamp(0, RING as i32) as usize;
        let first = at(self.cleared);
        let front = (RING - first).min(length);
        self.ring[first..first + front].fill(NEVER);
        self.ring[..length - front].fill(NEVER);
        self.cleared = until;
    }
}

const fn at(timestamp: u32) -> usize {
    timestamp as usize % RING
}

#[cfg(test)]
mod tests;
