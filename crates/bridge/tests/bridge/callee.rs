//! The side of whoever we call, in bytes.

use std::net::SocketAddr;

use bridge::Input;

use crate::carrier::field;
use crate::world::World;

/// An answer of PCMA and digits.
pub(crate) const ANSWER: &str = "v=0\r\no=c 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// One INVITE of ours, as its receiver sees it.
pub(crate) struct Callee {
    pub(crate) invite: String,
    source: SocketAddr,
    tag: String,
    cseq: u32,
}

impl Callee {
    /// Takes the next INVITE that was sent.
    pub(crate) fn rung(world: &mut World) -> Self {
        let invite = world.expect("INVITE");
        let uri = invite.split(' ').nth(1).unwrap();
        let host = uri.split('@').nth(1).unwrap().split([':', ';', '>']).next().unwrap();
        let source = SocketAddr::new(host.parse().unwrap(), 5060);
        Self { invite, source, tag: "callee".into(), cseq: 0 }
    }

    /// Another branch of the same INVITE.
    pub(crate) fn fork(&self, tag: &str) -> Self {
        Self { invite: self.invite.clone(), source: self.source, tag: tag.into(), cseq: 0 }
    }

    /// Whom it is for.
    pub(crate) fn user(&self) -> &str {
        let uri = self.invite.split(' ').nth(1).unwrap();
        uri.trim_start_matches("sip:").split('@').next().unwrap()
    }

    pub(crate) fn ring(&self, world: &mut World) {
        self.answer(world, "180 Ringing", None);
    }

    /// Answers with SDP, and takes the ACK.
    pub(crate) fn pick_up(&self, world: &mut World) -> String {
        self.answer(world, "200 OK", Some(ANSWER));
        world.expect("ACK")
    }

    /// Answers the INVITE.
    pub(crate) fn answer(&self, world: &mut World, status: &str, body: Option<&str>) {
        self.answer_with(world, status, "", body);
    }

    pub(crate) fn answer_with(
        &self,
        world: &mut World,
        status: &str,
        lines: &str,
        body: Option<&str>,
    ) {
        let own = format!("Contact: <sip:callee@{}>\r\n", self.source);
        let own = if lines.contains("Contact:") { String::new() } else { own };
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let to = format!("{};tag={}", field(&self.invite, "To"), self.tag);
        let [via, from, id, cseq] =
            ["Via", "From", "Call-ID", "CSeq"].map(|name| field(&self.invite, name));
        self.datagram(
            world,
            format!(
                "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
                 CSeq: {cseq}\r\n{own}{lines}{kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
    }

    /// Answers another request of ours.
    pub(crate) fn reply(&self, world: &mut World, request: &str, status: &str) {
        let named = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let head = request.lines().filter(|line| named.iter().any(|name| line.starts_with(name)));
        let head = head.collect::<Vec<_>>().join("\r\n");
        self.datagram(world, format!("SIP/2.0 {status}\r\n{head}\r\nContent-Length: 0\r\n\r\n"));
    }

    /// Takes the CANCEL, and gives the INVITE its 487.
    pub(crate) fn cancelled(&self, world: &mut World) {
        let cancel = world.expect("CANCEL");
        self.reply(world, &cancel, "200 OK");
        self.answer(world, "487 Request Terminated", None);
        world.expect("ACK");
    }

    /// Hangs up.
    pub(crate) fn bye(&mut self, world: &mut World) {
        self.ask(world, "BYE", "");
    }

    /// Offers other media.
    pub(crate) fn update(&mut self, world: &mut World, offer: &str) {
        self.ask(world, "UPDATE", offer);
    }

    /// Answers another request of ours with SDP.
    pub(crate) fn reply_with(&self, world: &mut World, request: &str, body: &str) {
        let named = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let head = request.lines().filter(|line| named.iter().any(|name| line.starts_with(name)));
        let head = head.collect::<Vec<_>>().join("\r\n");
        let length = body.len();
        self.datagram(
            world,
            format!(
                "SIP/2.0 200 OK\r\n{head}\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            ),
        );
    }

    fn ask(&mut self, world: &mut World, method: &str, body: &str) {
        self.cseq += 1;
        let contact = field(&self.invite, "Contact").trim_matches(['<', '>']).to_owned();
        let contact = contact.split('>').next().unwrap().to_owned();
        let (from, to) = (field(&self.invite, "To"), field(&self.invite, "From"));
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let message = format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{method}-{}-{}\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag={}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: {} {method}\r\nContact: <sip:callee@{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            self.source,
            self.tag,
            self.cseq,
            self.tag,
            field(&self.invite, "Call-ID"),
            self.cseq,
            self.source,
            body.len(),
        );
        self.datagram(world, message);
    }

    fn datagram(&self, world: &mut World, text: String) {
        let payload = text.into_bytes().into();
        world.input(Input::Datagram { listener: 0, source: self.source, payload });
    }
}
