//! The far end of a ladder: writes requests and answers, and remembers what dialogs need.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::proof;

const SDP: &str = "v=0\r\no=theirs\r\n";

/// What the far end knows.
#[derive(Default)]
pub(super) struct Peer {
    branches: u32,
    /// By Call-ID.
    calls: BTreeMap<String, Known>,
    /// Our last request, to be answered.
    asked: String,
    /// Our last request of each method.
    asked_by: BTreeMap<String, String>,
    /// Call-ID of the last INVITE of ours.
    ours: String,
    /// The nonce of our last challenge, and the last answer to one.
    nonce: String,
    proof: String,
    /// The last message sent, to be sent `again`.
    last: (String, String),
}

#[derive(Default, Clone)]
struct Known {
    tag: String,
    cseq: u32,
    invite_cseq: u32,
    invite_branch: String,
}

impl Peer {
    /// Learns tags from our answers and keeps our requests.
    pub(super) fn learn(&mut self, text: String) {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        if !text.starts_with("SIP/2.0") {
            let method = text.split(' ').next().unwrap().to_owned();
            if method == "INVITE" {
                self.ours = field("Call-ID: ").unwrap().to_owned();
                let from = field("From: ").unwrap();
                let tag = from.split_once(";tag=").unwrap().1.to_owned();
                let known = self.calls.entry(self.ours.clone()).or_default();
                known.tag = tag;
            }
            self.asked_by.insert(method.clone(), text.clone());
            if method != "ACK" {
                self.asked = text;
            }
            return;
        }
        if let Some((_, rest)) = field("WWW-Authenticate: ").and_then(|c| c.split_once("nonce=\""))
        {
            self.nonce = rest.split('"').next().unwrap().to_owned();
        }
        let call_id = field("Call-ID: ").unwrap_or("").to_owned();
        let tag = field("To: ").and_then(|to| to.split_once(";tag=")).map(|(_, tag)| tag);
        let known = self.calls.entry(call_id).or_default();
        if let Some(tag) = tag.filter(|_| text.contains("INVITE\r\n")) {
            known.tag = tag.to_owned();
        }
    }

    /// Writes a message: `METHOD key=value…` or a status; returns whence it comes, too.
    pub(super) fn write(&mut self, words: &[String], more: &[String]) -> (SocketAddr, String) {
        let option = |name: &str| {
            let start = format!("{name}=");
            words.iter().find_map(|word| word.strip_prefix(&start)).map(str::to_owned)
        };
        let source = option("source").unwrap_or_else(|| "192.0.2.1:5060".to_owned());
        let address = source.parse().unwrap();
        if words[0] == "again" {
            let method = words.get(1).unwrap_or(&self.last.0).clone();
            assert_eq!(method, self.last.0, "only the last message can be sent again");
            return (address, self.last.1.clone());
        }
        if words[0].parse::<u16>().is_ok() {
            let text = self.answer(&words[0], &option, more);
            self.last = (words[0].clone(), text.clone());
            return (address, text);
        }
        let text = self.request(&words[0], &option, &source, more);
        self.last = (words[0].clone(), text.clone());
        (address, text)
    }

    fn request(
        &mut self,
        method: &str,
        option: &impl Fn(&str) -> Option<String>,
        source: &str,
        more: &[String],
    ) -> String {
        self.branches += 1;
        let call_id = option("call").unwrap_or_else(|| "c1".to_owned());
        let call_id = if call_id == "ours" { self.ours.clone() } else { call_id };
        let known = self.calls.entry(call_id.clone()).or_default();
        let chosen = option("cseq").map(|cseq| cseq.parse().unwrap());
        let cseq = match method {
            "ACK" | "CANCEL" => chosen.unwrap_or(known.invite_cseq),
            _ => chosen.unwrap_or(known.cseq + 1),
        };
        known.cseq = known.cseq.max(cseq);
        let fresh = format!("z9hG4bK{}", self.branches);
        let inherited = known.invite_branch.clone();
        // `hop` marks the ACK of a refusal: it has the INVITE's branch.
        let hop = option("hop").is_some() || method == "CANCEL";
        let branch = option("branch").unwrap_or(if hop { inherited } else { fresh });
        if method == "INVITE" {
            known.invite_cseq = cseq;
            known.invite_branch.clone_from(&branch);
        }
        let begins = known.tag.is_empty() || method == "CANCEL";
        let tag = match option("to") {
            Some(tag) if tag == "none" => String::new(),
            Some(tag) => format!(";tag={tag}"),
            None if begins => String::new(),
            None => format!(";tag={}", known.tag),
        };
        let from = option("from").unwrap_or_else(|| "theirs".to_owned());
        let uri = option("uri").unwrap_or_else(|| "sip:+14155550123@198.51.100.1".to_owned());
        let default = if method == "INVITE" { "sdp" } else { "none" };
        let (kind, body) = match option("body").as_deref().unwrap_or(default) {
            "sdp" => ("Content-Type: application/sdp\r\n", SDP),
            "text" => ("Content-Type: text/plain\r\n", "hello"),
            "relay" => ("Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n"),
            "dtmf" => ("Content-Type: application/dtmf\r\n", "#"),
            "nokey" => ("Content-Type: application/dtmf\r\n", "hello"),
            _ => ("", ""),
        };
        let own = |name: &str| more.iter().any(|line| line.starts_with(name));
        let contact = if own("Contact:") { "" } else { "Contact: <sip:theirs@192.0.2.1:5060>\r\n" };
        let contact = if option("contact").is_some() { "" } else { contact };
        let mut extra: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        if let Some(algorithm) = option("auth") {
            if algorithm != "again" {
                self.proof = proof::written(&algorithm, (method, &uri, &self.nonce), option);
            }
            extra.push_str(&self.proof);
        }
        let party = option("as").unwrap_or_else(|| uri.clone());
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch={branch}\r\n\
             From: <sip:+14155559999@192.0.2.1>;tag={from}\r\nTo: <{party}>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}{extra}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Answers our last request, or our last one of a method: `of=INVITE`; `to` is the tag.
    fn answer(
        &self,
        status: &str,
        option: &impl Fn(&str) -> Option<String>,
        more: &[String],
    ) -> String {
        let asked = option("of").map_or(&self.asked, |method| &self.asked_by[&method]);
        let mut text = format!("SIP/2.0 {status} Whatever\r\n");
        for line in asked.lines() {
            if ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|n| line.starts_with(n)) {
                text.push_str(line);
                if let Some(tag) = option("to").filter(|_| line.starts_with("To:")) {
                    text.push_str(&format!(";tag={tag}"));
                }
                text.push_str("\r\n");
            }
        }
        for line in more {
            text.push_str(line);
            text.push_str("\r\n");
        }
        let own = |name: &str| more.iter().any(|line| line.starts_with(name));
        if option("to").is_some() && !own("Contact:") {
            text.push_str("Contact: <sip:theirs@192.0.2.1:5060>\r\n");
        }
        if option("body").is_some() {
            let length = SDP.len();
            return format!(
                "{text}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP}"
            );
        }
        text + "Content-Length: 0\r\n\r\n"
    }
}
