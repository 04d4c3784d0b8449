//! From bytes to the few facts that a negotiation needs. Whatever cannot matter to audio (names,
//! mail addresses, unknown lines and attributes) is not read, so it cannot be wrong.

use std::net::IpAddr;

use model::limits::{SDP_FORMATS, SDP_MEDIA, SIP_MESSAGE_BYTES};
use sdp_types::{Attribute, Connection, Media, NetType, ParserError, Session};

use super::SdpError;
use crate::command::{Codec, Direction};
use crate::srtp::Crypto;

/// Most keys that are read of one line.
const CRYPTOS: usize = 16;
/// Longest media name, transport or format that a declined line repeats, bytes.
const TOKEN: usize = 64;

/// A session description, as far as it concerns us.
#[derive(Debug)]
pub(super) struct Description {
    /// Start and stop of its first `t=` line, to be repeated in the answer.
    pub(super) time: (u64, u64),
    /// Its m-lines in order, at most [`SDP_MEDIA`].
    pub(super) lines: Vec<Line>,
}

/// One m-line with what its attributes and those of the session say.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it stands in the body.
    pub(super) offset: usize,
    /// `audio`, `video`, `image`, …
    pub(super) media: String,
    /// `RTP/AVP`, `udptl`, …
    pub(super) transport: String,
    /// Its first format, as written.
    pub(super) format: String,
    /// 0 means declined or given up.
    pub(super) port: u16,
    /// How many ports; anything but one is none of ours.
    pub(super) ports: u16,
    /// Codecs that we speak, in their order of preference.
    pub(super) codecs: Vec<Codec>,
    /// Payload type of telephone-event at 8 000 Hz.
    pub(super) digits: Option<u8>,
    /// Whether comfort noise (payload type 13) is among the formats.
    pub(super) comfort_noise: bool,
    /// Where media for it goes.
    pub(super) address: Address,
    /// Which way, as its sender sees it.
    pub(super) direction: Direction,
    /// `a=ptime`, milliseconds.
    pub(super) ptime: Option<u32>,
    /// `a=maxptime`, milliseconds.
    pub(super) maxptime: Option<u32>,
    /// `a=rtcp` (RFC 3605): a port, and an address if it is another one.
    pub(super) rtcp: Option<(u16, Option<Address>)>,
    /// Keys that we can use, in their order of preference.
    pub(super) cryptos: Vec<Crypto>,
}

/// A connection address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// No `c=` line holds for this m-line.
    Absent,
    /// A host name or another network's address: nothing that we would send to.
    Foreign,
    /// An IP address; one mapped into IPv6 is given as IPv4.
    Ip(IpAddr),
}

/// Reads a session description.
///
/// # Errors
/// [`SdpError::Malformed`].
pub(super) fn description(body: &[u8]) -> Result<Description, SdpError> {
    if body.len() > SIP_MESSAGE_BYTES {
        return Err(SdpError::Malformed { offset: SIP_MESSAGE_BYTES });
    }
    let sifted = sift(body)?;
    let session = Session::parse(&sifted.text)
        .map_err(|error| SdpError::Malformed { offset: sifted.offset(line_of(&error)) })?;
    let lines = session.medias.iter().zip(&sifted.media);
    let lines = lines.map(|(media, &offset)| line(media, &session, offset));
    Ok(Description {
        time: session.times.first().map_or((0, 0), |time| (time.start_time, time.stop_time)),
        lines: lines.collect::<Result<_, _>>()?,
    })
}

/// The lines of a body that matter.
#[derive(Default)]
struct Sifted {
    text: Vec<u8>,
    /// Where each line of `text` stands in the body.
    offsets: Vec<usize>,
    /// Where each m-line stands in the body.
    media: Vec<usize>,
}

impl Sifted {
    /// Returns where a line of the text, counted from 1, stands in the body.
    fn offset(&self, line: usize) -> usize {
        self.offsets.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// Keeps the lines that matter to us.
fn sift(body: &[u8]) -> Result<Sifted, SdpError> {
    let mut sifted = Sifted::default();
    let mut next = 0;
    for raw in body.split(|&byte| byte == b'\n') {
        let offset = next;
        next += raw.len() + 1;
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        let [key, b'=', ..] = line else {
            if line.is_empty() {
                continue;
            }
            return Err(SdpError::Malformed { offset });
        };
        if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(SdpError::Malformed { offset });
        }
        match key {
            b'v' | b'c' | b't' => {}
            b'm' if sifted.media.len() < SDP_MEDIA => sifted.media.push(offset),
            b'm' => return Err(SdpError::Malformed { offset }),
            // What is not text is no attribute that we know.
            b'a' if line.is_ascii() => {}
            _ => continue,
        }
        sifted.offsets.push(offset);
        sifted.text.extend_from_slice(line);
        sifted.text.extend_from_slice(b"\r\n");
    }
    Ok(sifted)
}

/// Returns the line, counted from 1, that an error speaks of.
#[expect(deprecated, reason = "the match must name every variant of the library's enum")]
fn line_of(error: &ParserError) -> usize {
    match *error {
        ParserError::NoVersion | ParserError::NoOrigin | ParserError::NoSessionName => 1,
        ParserError::UnexpectedLine(line, _)
        | ParserError::InvalidLineFormat(line, _)
        | ParserError::InvalidFieldEncoding(line, _)
        | ParserError::InvalidFieldFormat(line, _)
        | ParserError::MissingField(line, _)
        | ParserError::FieldTrailingData(line, _)
        | ParserError::InvalidVersion(line, _)
        | ParserError::MultipleVersions(line)
        | ParserError::MultipleOrigins(line)
        | ParserError::MultipleSessionNames(line)
        | ParserError::MultipleSessionDescription(line)
        | ParserError::MultipleUris(line)
        | ParserError::MultipleConnections(line)
        | ParserError::MultipleTimeZones(line)
        | ParserError::MultipleMediaTitles(line)
        | ParserError::MultipleKeys(line)
        | ParserError::RepeatWithoutTime(line) => line,
    }
}

/// Reads one m-line.
fn line(media: &Media, session: &Session, offset: usize) -> Result<Line, SdpError> {
    let formats: Vec<&str> = media.fmt.split_ascii_whitespace().collect();
    let first = formats.first().copied().unwrap_or("");
    let repeated = [media.media.as_str(), media.proto.as_str(), first];
    if formats.len() > SDP_FORMATS || !repeated.into_iter().all(is_token) {
        return Err(SdpError::Malformed { offset });
    }
    let said = Said::by(&media.attributes).or(Said::by(&session.attributes));
    let connection = media.connections.first().or(session.connection.as_ref());
    let mut line = Line {
        offset,
        media: media.media.clone(),
        transport: media.proto.clone(),
        format: first.to_owned(),
        port: media.port,
        ports: media.num_ports.unwrap_or(1),
        codecs: Vec::new(),
        digits: None,
        comfort_noise: false,
        address: connection.map_or(Address::Absent, address),
        direction: said.direction.unwrap_or(Direction::SendRecv),
        ptime: said.ptime,
        maxptime: said.maxptime,
        rtcp: said.rtcp,
        cryptos: cryptos(&media.attributes),
    };
    let maps = maps(&media.attributes);
    for format in formats {
        // Formats of other transports (`t38`, `*`) are no payload types.
        let Ok(payload) = format.parse::<u8>() else { continue };
        line.take(payload, maps.get(usize::from(payload)).copied().flatten());
    }
    Ok(line)
}

/// Reads the keys of one line. Those of the whole session would not be standard (RFC 4568 §4).
fn cryptos(attributes: &[Attribute]) -> Vec<Crypto> {
    let keys = attributes.iter().filter(|attribute| attribute.attribute == "crypto");
    keys.filter_map(|key| Crypto::read(key.value.as_deref()?)).take(CRYPTOS).collect()
}

impl Line {
    /// Takes one payload type with its rtpmap. A map that redefines a static type hides it.
    fn take(&mut self, payload: u8, map: Option<&str>) {
        let is = |name: &str| map.is_some_and(|map| maps_to(map, name));
        match payload {
            0 if map.is_none() || is("PCMU/8000") => self.speak(Codec::Pcmu),
            8 if map.is_none() || is("PCMA/8000") => self.speak(Codec::Pcma),
            13 if map.is_none() || is("CN/8000") => self.comfort_noise = true,
            96..=127 if is("telephone-event/8000") => {
                self.digits = self.digits.or(Some(payload));
            }
            _ => {}
        }
    }

    fn speak(&mut self, codec: Codec) {
        if !self.codecs.contains(&codec) {
            self.codecs.push(codec);
        }
    }
}

/// What attributes of one level say; the first of a kind counts.
#[derive(Debug, Default)]
struct Said {
    direction: Option<Direction>,
    ptime: Option<u32>,
    maxptime: Option<u32>,
    rtcp: Option<(u16, Option<Address>)>,
}

impl Said {
    fn by(attributes: &[Attribute]) -> Self {
        let mut said = Self::default();
        for attribute in attributes {
            let value = attribute.value.as_deref().unwrap_or("");
            match attribute.attribute.as_str() {
                "sendrecv" => said.goes(Direction::SendRecv),
                "sendonly" => said.goes(Direction::SendOnly),
                "recvonly" => said.goes(Direction::RecvOnly),
                "inactive" => said.goes(Direction::Inactive),
                "ptime" => said.ptime = said.ptime.or_else(|| value.trim().parse().ok()),
                "maxptime" => said.maxptime = said.maxptime.or_else(|| value.trim().parse().ok()),
                "rtcp" => said.rtcp = said.rtcp.or_else(|| rtcp(value)),
                _ => {}
            }
        }
        said
    }

    fn goes(&mut self, direction: Direction) {
        self.direction = self.direction.or(Some(direction));
    }

    /// What the session says holds where the m-line is silent.
    fn or(self, session: Self) -> Self {
        Self {
            direction: self.direction.or(session.direction),
            ptime: self.ptime.or(session.ptime),
            maxptime: self.maxptime.or(session.maxptime),
            rtcp: self.rtcp,
        }
    }
}

/// Reads `53020` or `53020 IN IP4 192.0.2.9`.
fn rtcp(value: &str) -> Option<(u16, Option<Address>)> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok()?;
    let elsewhere = match (words.next(), words.next(), words.next()) {
        (None, _, _) => None,
        (Some("IN"), Some("IP4" | "IP6"), Some(text)) => Some(ip(text)),
        _ => Some(Address::Foreign),
    };
    Some((port, elsewhere))
}

/// Collects the rtpmaps by payload type, the first of each.
fn maps(attributes: &[Attribute]) -> [Option<&str>; 128] {
    let mut maps = [None; 128];
    for attribute in attributes.iter().filter(|attribute| attribute.attribute == "rtpmap") {
        let Some((payload, map)) = attribute.value.as_deref().and_then(|v| v.split_once(' '))
        else {
            continue;
        };
        let slot = payload.trim().parse().ok().and_then(|payload: usize| maps.get_mut(payload));
        if let Some(slot) = slot {
            *slot = slot.or(Some(map.trim()));
        }
    }
    maps
}

/// Whether `map` is `name`, in any case, with at most the channel count of mono added.
fn maps_to(map: &str, name: &str) -> bool {
    map.strip_suffix("/1").unwrap_or(map).eq_ignore_ascii_case(name)
}

fn address(connection: &Connection) -> Address {
    match connection.nettype {
        NetType::In => ip(&connection.connection_address),
        NetType::Tn | NetType::Atm | NetType::Pstn | NetType::Other(_) => Address::Foreign,
    }
}

/// Reads an address with or without a time to live.
fn ip(text: &str) -> Address {
    let text = text.split('/').next().unwrap_or(text);
    text.parse().map_or(Address::Foreign, |ip: IpAddr| Address::Ip(ip.to_canonical()))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed_at(body: &[u8]) -> usize {
        match description(body) {
            Err(SdpError::Malformed { offset }) => offset,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_names_the_byte_at_which_its_line_begins() {
        assert_eq!(malformed_at(b""), 0);
        assert_eq!(malformed_at(b"v=1\r\n"), 0);
        assert_eq!(malformed_at(b"v=0\r\ns=x\r\nrubbish\r\n"), 10);
        assert_eq!(malformed_at(b"v=0\r\ns=x\r\nm=audio x RTP/AVP 0\r\n"), 10);
        assert_eq!(malformed_at(b"v=0\r\ns=\0\r\n"), 5);
    }

    #[test]
    fn limits_are_those_of_the_house() {
        let lines = "m=audio 0 RTP/AVP 0\r\n";
        let fits = format!("v=0\r\n{}", lines.repeat(SDP_MEDIA));
        assert_eq!(description(fits.as_bytes()).unwrap().lines.len(), SDP_MEDIA);
        assert_eq!(malformed_at(format!("{fits}{lines}").as_bytes()), fits.len());

        let fits = format!("v=0\r\nm=audio 4000 RTP/AVP{}", " 0".repeat(SDP_FORMATS));
        assert_eq!(description(fits.as_bytes()).unwrap().lines[0].codecs, [Codec::Pcmu]);
        assert_eq!(malformed_at(format!("{fits} 8").as_bytes()), 5);
        assert_eq!(malformed_at(&vec![b'x'; SIP_MESSAGE_BYTES + 1]), SIP_MESSAGE_BYTES);
    }

    #[test]
    fn names_in_other_alphabets_and_lines_of_no_concern_are_not_read() {
        let body =
            b"v=0\no=nonsense\ns=\xe9t\xe9\nb=AS:many\nx=y\na=caf\xc3\xa9\nm=audio 4000 RTP/AVP 8";
        assert_eq!(description(body).unwrap().lines[0].codecs, [Codec::Pcma]);
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_that_it_maps() {
        assert_eq!(ip("::ffff:127.0.0.1"), Address::Ip("127.0.0.1".parse().unwrap()));
        assert_eq!(ip("224.2.1.1/127"), Address::Ip("224.2.1.1".parse().unwrap()));
        assert_eq!(ip("media.example.com"), Address::Foreign);
    }
}
