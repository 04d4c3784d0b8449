//! The doctor's offers and answers, and what it reads of the trunk's.

use std::net::{IpAddr, SocketAddr};

use super::facts::Described;

/// The payload type of our telephone-events.
pub(super) const EVENTS: u8 = 101;

/// Our side of the session.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    pub(super) address: SocketAddr,
    pub(super) session: u32,
    pub(super) version: u32,
}

impl Ours {
    /// Writes an offer: both laws and events; each is a new version.
    pub(super) fn offer(&mut self, direction: &str) -> String {
        self.write(&[(0, "PCMU"), (8, "PCMA"), (EVENTS, "telephone-event")], direction)
    }

    /// Writes an answer to their offer: what of it we know, under their numbers.
    pub(super) fn answer(&mut self, theirs: &Described) -> String {
        let known = ["PCMU", "PCMA", "telephone-event"];
        let name = |offered: &str| known.into_iter().find(|one| one.eq_ignore_ascii_case(offered));
        let kept =
            theirs.formats.iter().filter_map(|(number, offered)| Some((*number, name(offered)?)));
        let kept: Vec<_> = kept.collect();
        let direction = match theirs.direction.as_str() {
            "sendonly" => "recvonly",
            "recvonly" => "sendonly",
            "inactive" => "inactive",
            _ => "sendrecv",
        };
        self.write(&kept, direction)
    }

    fn write(&mut self, formats: &[(u8, &str)], direction: &str) -> String {
        self.version += 1;
        let (ip, port) = (self.address.ip(), self.address.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let numbers: String = formats.iter().map(|(number, _)| format!(" {number}")).collect();
        let port = if formats.is_empty() { 0 } else { port };
        let mut text = format!(
            "v=0\r\no=- {} {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP{numbers}\r\n",
            self.session, self.version
        );
        for (number, name) in formats {
            text.push_str(&format!("a=rtpmap:{number} {name}/8000\r\n"));
            if *name == "telephone-event" {
                text.push_str(&format!("a=fmtp:{number} 0-15\r\n"));
            }
        }
        text.push_str(&format!("a=ptime:20\r\na={direction}\r\n"));
        text
    }
}

/// Reads a description; `None` if it has no audio.
pub(super) fn read(body: &str) -> Option<Described> {
    let line = |start: &str| body.lines().find_map(|line| line.trim().strip_prefix(start));
    let mut words = line("m=audio ")?.split_whitespace();
    let port: u16 = words.next()?.split('/').next()?.parse().ok()?;
    let profile = words.next()?.to_owned();
    let numbers: Vec<u8> = words.filter_map(|word| word.parse().ok()).collect();
    // The one of the audio counts before that of the session.
    let audio = body.split_once("m=audio ").map_or("", |(_, after)| after);
    let audio = audio.split("\nm=").next().unwrap_or(audio);
    let own = audio.lines().find_map(|line| line.trim().strip_prefix("c="));
    let ip = own.or_else(|| line("c=")).and_then(|c| c.split(' ').nth(2));
    let ip: Option<IpAddr> = ip.and_then(|ip| ip.split('/').next()?.parse().ok());
    let has = |wanted: &str| audio.lines().any(|line| line.trim() == wanted);
    let direction = ["sendonly", "recvonly", "inactive"];
    let direction = direction.into_iter().find(|one| has(&format!("a={one}")));
    let formats = numbers.iter().map(|number| (*number, format(audio, *number))).collect();
    let rtcp = audio.lines().find_map(|line| line.trim().strip_prefix("a=rtcp:"));
    Some(Described {
        address: ip.filter(|_| port != 0).map(|ip| SocketAddr::new(ip, port)),
        profile,
        formats,
        direction: direction.unwrap_or("sendrecv").to_owned(),
        rtcp_mux: has("a=rtcp-mux"),
        rtcp_port: rtcp.and_then(|rtcp| rtcp.split(' ').next()?.parse().ok()),
    })
}

/// The name of a format: said, or static (RFC 3551 §6).
fn format(audio: &str, number: u8) -> String {
    let start = format!("a=rtpmap:{number} ");
    let said = audio.lines().find_map(|line| line.trim().strip_prefix(&start));
    let said = said.and_then(|said| said.split('/').next());
    let usual = match number {
        0 => "PCMU",
        3 => "GSM",
        8 => "PCMA",
        9 => "G722",
        18 => "G729",
        _ => "unnamed",
    };
    said.unwrap_or(usual).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Ours {
        Ours { address: "192.0.2.1:20000".parse().unwrap(), session: 7, version: 0 }
    }

    #[test]
    fn our_own_offer_is_read_as_it_is_meant() {
        let mut ours = ours();
        let described = read(&ours.offer("sendonly")).unwrap();
        assert_eq!(described.address, Some(ours.address));
        assert_eq!(described.direction, "sendonly");
        assert!(described.has("pcma") && described.has("telephone-event"));
        assert!(ours.offer("sendrecv").contains("o=- 7 2 IN IP4 192.0.2.1"));
    }

    #[test]
    fn the_audio_has_its_own_address_and_static_formats_their_names() {
        let text = "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 8 18 96\r\nc=IN IP4 192.0.2.8\r\n\
                    a=rtpmap:96 telephone-event/8000\r\na=inactive\r\na=rtcp:4009\r\na=rtcp-mux\r\n";
        let described = read(text).unwrap();
        assert_eq!(described.address, "192.0.2.8:4000".parse().ok());
        let names: Vec<_> = described.formats.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["PCMA", "G729", "telephone-event"]);
        assert_eq!((described.direction.as_str(), described.rtcp_port), ("inactive", Some(4009)));
        assert!(described.rtcp_mux);
        let answer = read(&ours().answer(&described)).unwrap();
        assert_eq!(answer.formats, [(8, "PCMA".into()), (96, "telephone-event".into())]);
        assert_eq!(answer.direction, "inactive");
    }

    #[test]
    fn no_audio_and_a_refused_one_have_no_address() {
        assert_eq!(read("v=0\r\n"), None);
        let refused = read("c=IN IP4 192.0.2.9\r\nm=audio 0 RTP/AVP 0\r\n").unwrap();
        assert_eq!(refused.address, None);
    }
}
