//! Our own descriptions. They name no product (reliability.md S2), and nothing of the peer's is
//! repeated but numbers and short graphic tokens.

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;

use super::parse::{Description, Line};
use super::{Local, Srtp};
use crate::command::{Codec, Direction, Flow};
use crate::srtp::{Crypto, Keying, Suite};

/// Writes the answer that takes one line of the offer and declines the others.
pub(super) fn answer(offer: &Description, chosen: usize, flow: &Flow, local: &Local<'_>) -> Bytes {
    let mut text = session(offer.time, local);
    for (index, line) in offer.lines.iter().enumerate() {
        if index == chosen {
            let audio = Audio {
                codecs: &line.codecs,
                digits: line.digits.filter(|_| local.events),
                comfort_noise: line.comfort_noise,
            };
            audio.write(&mut text, &line.transport, local.address.port());
            if let (Some(security), Some(theirs)) = (&flow.security, line.cryptos.first()) {
                key(&mut text, theirs.tag, &security.outbound);
            }
            put(&mut text, format_args!("a=ptime:{}", flow.ptime.as_millis()));
            put(&mut text, format_args!("a={}", name(flow.direction)));
        } else {
            decline(&mut text, line);
        }
    }
    Bytes::from(text)
}

/// Writes our offer: one audio line with all that we speak. Comfort noise is not asked for: packets
/// that keep coming are proof of life.
pub(super) fn offer(local: &Local<'_>) -> Bytes {
    let mut text = session((0, 0), local);
    let audio = Audio {
        codecs: &[Codec::Pcmu, Codec::Pcma],
        digits: local.events.then_some(Local::DIGITS),
        comfort_noise: false,
    };
    let transport = match local.srtp {
        Srtp::Off | Srtp::Optional(_) => "RTP/AVP",
        Srtp::Mandatory(_) => "RTP/SAVP",
    };
    audio.write(&mut text, transport, local.address.port());
    if let Some(keys) = local.srtp.keys() {
        for suite in Suite::ALL {
            key(&mut text, tag(suite), keys.of(suite));
        }
    }
    put(&mut text, format_args!("a=ptime:20"));
    put(&mut text, format_args!("a=maxptime:60"));
    put(&mut text, format_args!("a={}", name(Direction::SendRecv)));
    Bytes::from(text)
}

/// The formats of an audio line of ours.
struct Audio<'a> {
    codecs: &'a [Codec],
    digits: Option<u8>,
    comfort_noise: bool,
}

impl Audio<'_> {
    /// Writes the m-line and what its numbers mean.
    fn write(&self, text: &mut String, transport: &str, port: u16) {
        let mut formats: Vec<(u8, &str)> = self.codecs.iter().map(|&codec| format(codec)).collect();
        formats.extend(self.digits.map(|payload| (payload, "telephone-event/8000")));
        formats.extend(self.comfort_noise.then_some((13, "CN/8000")));
        let numbers: String = formats.iter().map(|(payload, _)| format!(" {payload}")).collect();
        put(text, format_args!("m=audio {port} {transport}{numbers}"));
        for (payload, map) in formats {
            put(text, format_args!("a=rtpmap:{payload} {map}"));
        }
        if let Some(payload) = self.digits {
            put(text, format_args!("a=fmtp:{payload} 0-15"));
        }
    }
}

/// The tag of a key in our own offers.
pub(super) const fn tag(suite: Suite) -> u32 {
    match suite {
        Suite::AeadAes128Gcm => 1,
        Suite::AesCm128HmacSha1Tag80 => 2,
    }
}

fn key(text: &mut String, tag: u32, keying: &Keying) {
    let crypto = Crypto { tag, keying: keying.clone() };
    put(text, format_args!("a=crypto:{}", crypto.write()));
}

/// Writes everything before the first m-line.
fn session(time: (u64, u64), local: &Local<'_>) -> String {
    let ip = local.address.ip();
    let family = match ip {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let mut text = String::with_capacity(512);
    put(&mut text, format_args!("v=0"));
    put(&mut text, format_args!("o=- {} {} IN {family} {ip}", local.session, local.version));
    put(&mut text, format_args!("s=-"));
    put(&mut text, format_args!("c=IN {family} {ip}"));
    // The answer's time equals the offer's (RFC 3264 §6).
    put(&mut text, format_args!("t={} {}", time.0, time.1));
    text
}

/// Declines a line in its place (RFC 3264 §6); one of its formats must stand, and means nothing.
fn decline(text: &mut String, line: &Line) {
    put(text, format_args!("m={} 0 {} {}", line.media, line.transport, line.format));
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes all that fits in memory");
    text.push_str("\r\n");
}

fn format(codec: Codec) -> (u8, &'static str) {
    match codec {
        Codec::Pcmu => (0, "PCMU/8000"),
        Codec::Pcma => (8, "PCMA/8000"),
    }
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}
