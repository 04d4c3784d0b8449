//! Just enough SIP and SDP text for one caller.

use std::net::{IpAddr, SocketAddr};

/// What a request is made of.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) cseq: u32,
    pub(crate) body: &'a str,
    pub(crate) dialled: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) peer_tag: &'a str,
    pub(crate) from: SocketAddr,
    pub(crate) gateway: SocketAddr,
}

pub(crate) fn request(r: &Request<'_>) -> String {
    let Request { method, cseq, dialled, call_id, from, gateway, body, peer_tag } = r;
    // CANCEL shares the branch of the INVITE that it cancels (RFC 3261 §9.1).
    let branch = if *method == "CANCEL" { "INVITE" } else { method };
    let tag = if peer_tag.is_empty() { String::new() } else { format!(";tag={peer_tag}") };
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let length = body.len();
    format!(
        "{method} sip:{dialled}@{gateway} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bK{call_id}-{branch}-{cseq}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:+447700900123@{from}>;tag=caller\r\n\
         To: <sip:{dialled}@{gateway}>{tag}\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\n\
         Contact: <sip:caller@{from}>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n\
         {content}Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn response(request: &str, status: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or("").trim();
        if ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|n| n.eq_ignore_ascii_case(name)) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    text
}

pub(crate) fn sdp(rtp: SocketAddr, direction: &str) -> String {
    let (host, port) = (rtp.ip(), rtp.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na={direction}\r\n"
    )
}

/// Whether the text is a request.
#[must_use]
pub fn is_request(text: &str) -> bool {
    !text.starts_with("SIP/2.0 ")
}

/// Returns the method of a request.
#[must_use]
pub fn method_of(text: &str) -> &str {
    text.split(' ').next().unwrap_or("")
}

/// Returns the status of a response.
#[must_use]
pub fn status_of(text: &str) -> Option<u16> {
    text.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
}

/// Returns the first value of a header.
#[must_use]
pub fn header(text: &str, name: &str) -> Option<String> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

pub(crate) fn tag(address: &str) -> String {
    let after = address.split(";tag=").nth(1).unwrap_or("");
    after.split(';').next().unwrap_or("").to_owned()
}

pub(crate) fn media_address(text: &str) -> Option<SocketAddr> {
    let mut host: Option<IpAddr> = None;
    let mut port: Option<u16> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("c=IN IP4 ") {
            host = rest.trim().parse().ok();
        }
        if let Some(rest) = line.strip_prefix("m=audio ") {
            port = rest.split(' ').next().and_then(|p| p.parse().ok());
        }
    }
    Some(SocketAddr::new(host?, port?))
}
