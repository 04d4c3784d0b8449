//! The far end's answer to a challenge of ours, worked out apart from the endpoint's own way.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

/// Writes an `Authorization`. Options: `realm`, `user`, `password`, `nonce`, `nc`, `digest` (its URI).
pub(super) fn written(
    algorithm: &str,
    (method, uri, nonce): (&str, &str, &str),
    option: &impl Fn(&str) -> Option<String>,
) -> String {
    let own = |name: &str, default: &str| option(name).unwrap_or_else(|| default.to_owned());
    let (realm, user) = (own("realm", "ours.example"), own("user", "alice"));
    let (password, nonce) = (own("password", "secret"), own("nonce", nonce));
    let (uri, count) = (own("digest", uri), own("nc", "00000001"));
    let hash = |text: String| match algorithm {
        "MD5" => hex(&Md5::digest(text)),
        "SHA-256" => hex(&Sha256::digest(text)),
        other => panic!("no such algorithm: {other}"),
    };
    let secret = hash(format!("{user}:{realm}:{password}"));
    let what = hash(format!("{method}:{uri}"));
    let response = hash(format!("{secret}:{nonce}:{count}:mine:auth:{what}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", \
         uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}, cnonce=\"mine\", \
         qop=auth, nc={count}\r\n"
    )
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
