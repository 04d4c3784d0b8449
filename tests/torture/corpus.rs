//! What is bent: the corpora, and every message in the scenarios and in the tables of SIP's tests.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::fuzz::Protected;
use crate::pages::{self, Page};

/// Returns the files of a corpus.
pub(crate) fn kept(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Returns every SIP message that a test sends: of the corpus, of SIPp's scenarios, of the RFCs and
/// carriers.
pub(crate) fn messages() -> &'static [Vec<u8>] {
    static MESSAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        let mut messages = kept("sip");
        for name in ["rfc4475.txt", "rfc5118.txt", "carriers.txt"] {
            let read = Page::read(&pages::folder().join(name));
            // What an answer repeats of our request is put in later.
            messages.extend(read.iter().map(|page| page.bytes("")));
        }
        let mut scenarios: Vec<PathBuf> = fs::read_dir(root().join("sipp-scenarios"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "xml"))
            .collect();
        scenarios.sort();
        for scenario in scenarios {
            messages.extend(sent(&fs::read_to_string(scenario).unwrap()));
        }
        messages
    })
}

/// Returns every session description.
pub(crate) fn bodies() -> &'static [Vec<u8>] {
    static BODIES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BODIES.get_or_init(|| {
        let body = |message: &Vec<u8>| {
            let at = message.windows(8).position(|window| window == b"\r\n\r\nv=0\r")?;
            Some(message[at + 4..].to_vec())
        };
        let mut bodies = kept("sdp");
        bodies.extend(messages().iter().filter_map(body));
        bodies
    })
}

/// Returns dialled numbers.
pub(crate) fn numbers() -> &'static [Vec<u8>] {
    static NUMBERS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    NUMBERS.get_or_init(|| kept("e164"))
}

/// Returns packets that somebody with the key has made.
pub(crate) fn protected() -> &'static [Protected] {
    static PROTECTED: OnceLock<Vec<Protected>> = OnceLock::new();
    PROTECTED.get_or_init(Protected::all)
}

/// Reads what a scenario sends, as its caller would.
fn sent(scenario: &str) -> Vec<Vec<u8>> {
    let parts = scenario.split("<![CDATA[").skip(1);
    let texts = parts.filter_map(|part| part.split_once("]]>")).map(|(text, _)| text);
    texts
        .map(|text| {
            let mut message = String::new();
            for line in text.trim_matches('\n').lines().map(str::trim) {
                message.push_str(line);
                message.push_str("\r\n");
            }
            filled(&message).into_bytes()
        })
        .collect()
}

fn filled(message: &str) -> String {
    let mut text = message.replace("[peer_tag_param]", ";tag={tag}").replace("[routes]\r\n", "");
    for (placeholder, value) in [
        ("[local_ip]", "192.0.2.1"),
        ("[media_ip]", "192.0.2.1"),
        ("[remote_ip]", "198.51.100.1"),
        ("[local_port]", "5060"),
        ("[remote_port]", "5060"),
        ("[media_port+4]", "10000"),
        ("[service]", "+390110000003"),
        ("[pid]-[call_number]", "f1"),
        ("[call_id]", "live"),
        ("[next_url]", "sip:198.51.100.1"),
        ("[branch]", "z9hG4bKscenario"),
        ("[last_Via:]", "Via: {Via}"),
        ("[last_From:]", "From: {From}"),
        ("[last_To:]", "To: {To}"),
        ("[last_Call-ID:]", "Call-ID: {Call-ID}"),
        ("[last_CSeq:]", "CSeq: {CSeq}"),
    ] {
        text = text.replace(placeholder, value);
    }
    let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    text.replace("[len]", &body.to_string())
}

fn root() -> PathBuf {
    pages::folder().ancestors().nth(4).unwrap().to_owned()
}
