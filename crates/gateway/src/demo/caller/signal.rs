//! The few SIP messages of a built-in caller, written and read by hand: the callers do not lean on
//! the code they test.

use std::net::SocketAddr;

/// One call as its caller sees it.
#[derive(Debug)]
pub(super) struct Dialog {
    /// Our SIP socket.
    local: SocketAddr,
    gateway: SocketAddr,
    /// The number dialled.
    dials: String,
    /// `"Ada" <sip:…>;tag=…`.
    from: String,
    /// `<sip:…>`, with a tag once there is one.
    to: String,
    /// Where requests within the dialog go.
    target: String,
    /// Names the call, unique.
    pub(super) call_id: String,
    /// Makes branches unique.
    token: u32,
}

/// A message that came.
#[derive(Debug)]
pub(super) struct Message<'a> {
    text: &'a str,
}

/// What the first line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A response to a request of the method named in its CSeq.
    Response(u16, &'a str),
    /// A request of that method.
    Request(&'a str),
}

impl Dialog {
    /// Makes a call that is not placed yet.
    pub(super) fn new(
        name: &str,
        number: &str,
        dials: &str,
        local: SocketAddr,
        gateway: SocketAddr,
        token: u32,
    ) -> Self {
        Self {
            local,
            gateway,
            dials: dials.to_owned(),
            from: format!("\"{name}\" <sip:{number}@{local}>;tag={token:08x}"),
            to: format!("<sip:{dials}@{gateway}>"),
            target: format!("sip:{dials}@{gateway}"),
            call_id: format!("{token:08x}-{}@{}", name.to_lowercase(), local.ip()),
            token,
        }
    }

    /// Writes the INVITE with our offer: audio to that port.
    pub(super) fn invite(&self, rtp_port: u16) -> String {
        let ip = self.local.ip();
        let offer = format!(
            "v=0\r\no=- {token} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {rtp_port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
            token = self.token
        );
        let contact = format!("Contact: <sip:caller@{}>\r\n", self.local);
        let typed = "Content-Type: application/sdp\r\n";
        self.request("INVITE", &self.dialled(), 1, &format!("{contact}{typed}"), &offer)
    }

    /// Writes the ACK of an answer, which is a transaction of its own, or of a refusal, which is
    /// not (RFC 3261 §13.2.2.4, §17.1.1.3).
    pub(super) fn ack(&self, of_answer: bool) -> String {
        if of_answer {
            return self.request("ACK", &self.target, 1, "", "");
        }
        self.request("ACK", &self.dialled(), 1, "", "").replace("-ACK\r\n", "-INVITE\r\n")
    }

    /// Writes the BYE with which we hang up.
    pub(super) fn bye(&self) -> String {
        self.request("BYE", &self.target, 2, "", "")
    }

    /// Learns the peer's tag and contact from its response to our INVITE.
    pub(super) fn learn(&mut self, response: &Message<'_>) {
        if let Some(to) = response.header("To") {
            to.clone_into(&mut self.to);
        }
        if let Some(contact) = response.header("Contact") {
            let uri = contact.split(['<', '>']).nth(1).unwrap_or(contact);
            uri.clone_into(&mut self.target);
        }
    }

    fn dialled(&self) -> String {
        format!("sip:{}@{}", self.dials, self.gateway)
    }

    fn request(&self, method: &str, uri: &str, cseq: u32, more: &str, body: &str) -> String {
        let (local, token, from, to) = (self.local, self.token, &self.from, &self.to);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{token:08x}-{method}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             {more}Content-Length: {length}\r\n\r\n{body}",
            call_id = self.call_id,
            length = body.len()
        )
    }
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None` if it is no text.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(datagram).ok().map(|text| Self { text })
    }

    /// Returns what it is.
    pub(super) fn kind(&self) -> Option<Kind<'a>> {
        let mut words = self.text.lines().next()?.split(' ');
        let first = words.next()?;
        if first != "SIP/2.0" {
            return Some(Kind::Request(first));
        }
        let status = words.next()?.parse().ok()?;
        Some(Kind::Response(status, self.header("CSeq")?.split(' ').nth(1)?))
    }

    /// Returns the first header of a name.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// Writes our 200 OK to a request.
    pub(super) fn ok(&self, local: SocketAddr) -> String {
        let mut text = String::from("SIP/2.0 200 OK\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in self.headers(name) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str(&format!("Contact: <sip:caller@{local}>\r\nContent-Length: 0\r\n\r\n"));
        text
    }

    /// Returns the address and port of the audio in its SDP.
    pub(super) fn media(&self) -> Option<SocketAddr> {
        let body = self.text.split_once("\r\n\r\n")?.1;
        let line = |start: &str| body.lines().find_map(|line| line.strip_prefix(start));
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }

    fn headers(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or("");
        head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Dialog {
        let [local, gateway] = ["127.0.0.1:6000", "127.0.0.1:5060"].map(|a| a.parse().unwrap());
        Dialog::new("Ada", "+390655500101", "+390110001", local, gateway, 0xabc)
    }

    #[test]
    fn an_invite_announces_its_length_and_where_its_audio_is() {
        let text = dialog().invite(7_000);
        let message = Message::read(text.as_bytes()).unwrap();
        assert_eq!(message.kind(), Some(Kind::Request("INVITE")));
        let body = text.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(message.header("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(message.media(), Some("127.0.0.1:7000".parse().unwrap()));
    }

    #[test]
    fn an_answer_is_acknowledged_where_its_contact_says_and_a_refusal_under_its_own_branch() {
        let mut dialog = dialog();
        let answer = "SIP/2.0 200 OK\r\nTo: <sip:x@y>;tag=9\r\nCSeq: 1 INVITE\r\nContact: <sip:z@127.0.0.1:5099>\r\n\r\n";
        let answer = Message::read(answer.as_bytes()).unwrap();
        assert_eq!(answer.kind(), Some(Kind::Response(200, "INVITE")));
        dialog.learn(&answer);
        let ack = dialog.ack(true);
        assert!(ack.starts_with("ACK sip:z@127.0.0.1:5099 SIP/2.0\r\n"), "{ack}");
        assert!(ack.contains("To: <sip:x@y>;tag=9\r\n") && ack.contains("-ACK\r\n"), "{ack}");
        assert!(dialog.ack(false).contains("branch=z9hG4bK00000abc-INVITE\r\n"));
        assert!(dialog.bye().contains("CSeq: 2 BYE\r\n"));
    }

    #[test]
    fn a_request_of_theirs_is_answered_with_all_its_vias() {
        let bye = "BYE sip:caller@h SIP/2.0\r\nVia: a\r\nVia: b\r\nCSeq: 9 BYE\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\n\r\n";
        let ok = Message::read(bye.as_bytes()).unwrap().ok("127.0.0.1:6000".parse().unwrap());
        assert!(
            ok.starts_with("SIP/2.0 200 OK\r\nVia: a\r\nVia: b\r\nFrom: f\r\nTo: t\r\n"),
            "{ok}"
        );
    }
}
