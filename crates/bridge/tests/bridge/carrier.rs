//! The carrier's side of one call, in bytes.

use crate::world::World;

/// An offer of PCMU and digits.
pub(crate) const OFFER: &str = "v=0\r\no=c 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// One dialog as the carrier sees it.
pub(crate) struct Carrier {
    id: String,
    from: String,
    called: String,
    to: String,
    target: String,
    cseq: u32,
    /// Further lines of its INVITEs and PRACKs.
    lines: String,
}

impl Carrier {
    /// Sends an INVITE with an offer.
    pub(crate) fn invite(world: &mut World, id: &str, called: &str) -> Self {
        Self::invite_with(world, id, called, Some(OFFER))
    }

    /// Sends an INVITE with this body, or none.
    pub(crate) fn invite_with(
        world: &mut World,
        id: &str,
        called: &str,
        body: Option<&str>,
    ) -> Self {
        Self::invite_as(world, (id, called), "", body)
    }

    /// Sends an INVITE of this caller.
    pub(crate) fn invite_from(
        world: &mut World,
        id: &str,
        called: &str,
        (from, body): (&str, Option<&str>),
    ) -> Self {
        Self::send_invite(world, (id, called, from), "", body)
    }

    /// Sends an INVITE with these further lines.
    pub(crate) fn invite_as(
        world: &mut World,
        dialled: (&str, &str),
        lines: &str,
        body: Option<&str>,
    ) -> Self {
        let (id, called) = dialled;
        Self::send_invite(world, (id, called, "+14155550123"), lines, body)
    }

    fn send_invite(
        world: &mut World,
        (id, called, from): (&str, &str, &str),
        lines: &str,
        body: Option<&str>,
    ) -> Self {
        let from = format!("<sip:{from}@192.0.2.9>");
        Self::invite_by(world, (id, called), (&from, lines), body)
    }

    /// Sends an INVITE from this address, with these further lines.
    pub(crate) fn invite_by(
        world: &mut World,
        (id, called): (&str, &str),
        (from, lines): (&str, &str),
        body: Option<&str>,
    ) -> Self {
        let carrier = Self {
            lines: lines.to_owned(),
            id: id.to_owned(),
            from: from.to_owned(),
            called: called.to_owned(),
            to: format!("<sip:{called}@198.51.100.1>"),
            target: format!("sip:{called}@198.51.100.1"),
            cseq: 1,
        };
        carrier.send(world, "INVITE", 1, body);
        carrier
    }

    /// Takes the 200 OK and sends the ACK.
    pub(crate) fn establish(&mut self, world: &mut World) -> String {
        let ok = self.answered(world);
        self.send(world, "ACK", 1, None);
        ok
    }

    /// Takes the 200 OK, with the dialog that it makes.
    pub(crate) fn answered(&mut self, world: &mut World) -> String {
        let ok = world.expect("SIP/2.0 200");
        self.to = field(&ok, "To").to_owned();
        self.target = field(&ok, "Contact").trim_matches(['<', '>']).to_owned();
        ok
    }

    /// Takes the next provisional answer with SDP.
    pub(crate) fn spoken_to(&mut self, world: &mut World) -> String {
        let progress = world.expect("SIP/2.0 183");
        self.to = field(&progress, "To").to_owned();
        self.target = field(&progress, "Contact").trim_matches(['<', '>']).to_owned();
        progress
    }

    /// Acknowledges a provisional answer.
    pub(crate) fn prack(&mut self, world: &mut World, answer: &str, body: Option<&str>) {
        self.cseq += 1;
        self.lines = format!("RAck: {} 1 INVITE\r\n", field(answer, "RSeq"));
        self.send(world, "PRACK", self.cseq, body);
        self.lines.clear();
    }

    /// Takes a final refusal and acknowledges it.
    pub(crate) fn refused(&mut self, world: &mut World) -> String {
        let final_response = loop {
            let response = world.expect("SIP/2.0 ");
            if !response.starts_with("SIP/2.0 1") {
                break response;
            }
        };
        self.to = field(&final_response, "To").to_owned();
        self.send(world, "ACK", 1, None);
        final_response
    }

    pub(crate) fn acknowledge(&self, world: &mut World, body: Option<&str>) {
        self.send(world, "ACK", self.cseq, body);
    }

    pub(crate) fn cancel(&self, world: &mut World) {
        self.send(world, "CANCEL", 1, None);
    }

    pub(crate) fn bye(&mut self, world: &mut World) {
        self.cseq += 1;
        self.send(world, "BYE", self.cseq, None);
    }

    /// Hangs up with a further line.
    pub(crate) fn bye_because(&mut self, world: &mut World, line: &str) {
        line.clone_into(&mut self.lines);
        self.bye(world);
    }

    pub(crate) fn reinvite(&mut self, world: &mut World, body: Option<&str>) {
        self.cseq += 1;
        self.send(world, "INVITE", self.cseq, body);
    }

    /// Answers a request of ours.
    pub(crate) fn reply(world: &mut World, request: &str, status: &str) {
        Self::reply_with(world, request, status, "");
    }

    /// Answers a request of ours with SDP.
    pub(crate) fn reply_with(world: &mut World, request: &str, status: &str, body: &str) {
        let head: Vec<&str> = request
            .lines()
            .filter(|line| {
                ["Via:", "From:", "To:", "Call-ID:", "CSeq:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .collect();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        world.datagram(format!(
            "SIP/2.0 {status}\r\n{}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            head.join("\r\n"),
            body.len()
        ));
    }

    fn send(&self, world: &mut World, method: &str, cseq: u32, body: Option<&str>) {
        let uri = if cseq == 1 && method != "ACK" {
            format!("sip:{}@198.51.100.1", self.called)
        } else {
            self.target.clone()
        };
        let branch = match method {
            "ACK" => format!("z9hG4bK-{}-{cseq}-ack", self.id),
            "CANCEL" => format!("z9hG4bK-{}-{cseq}", self.id),
            _ => format!("z9hG4bK-{}-{cseq}", self.id),
        };
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let lines =
            if matches!(method, "INVITE" | "PRACK" | "BYE") { self.lines.as_str() } else { "" };
        world.datagram(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: {};tag=c-{}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:c@192.0.2.9:5060>\r\n{lines}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.from,
            self.id,
            self.to,
            self.id,
            body.len()
        ));
    }
}

/// An offer with another direction.
pub(crate) fn offer(direction: &str) -> String {
    format!("{OFFER}a={direction}\r\n")
}

/// The value of a header field.
pub(crate) fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    let line = message.lines().find(|line| line.starts_with(&start));
    line.map(|line| &line[start.len()..]).unwrap_or_default()
}
