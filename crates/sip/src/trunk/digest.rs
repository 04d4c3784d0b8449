//! Digest authentication of our requests (RFC 3261 §22, RFC 7616, RFC 8760): MD5 and SHA-256, with
//! quality of protection `auth` or none. Credentials answer their own realm alone (S14).

use std::fmt::Write as _;

use md5::Md5;
use model::Credentials;
use sha2::{Digest as _, Sha256};

use crate::message::wire::{Lines, Value};
use crate::message::{Message, Name, header};

/// Most challenges answered in one dialog.
const ANSWERS: u8 = 16;

/// A hash that both sides know. The better one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    /// Reads its registered name; none is the first that there was.
    pub(crate) fn read(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    /// Returns its registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hash(self, pieces: &[&str]) -> String {
        let text = pieces.join(":");
        let mut hex = String::with_capacity(64);
        let mut write = |bytes: &[u8]| {
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(hex, "{byte:02x}");
            }
        };
        match self {
            Self::Md5 => write(&Md5::digest(text)),
            Self::Sha256 => write(&Sha256::digest(text)),
        }
        hex
    }
}

/// What is proved, by hashes of these (RFC 7616 §3.4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) nonce: &'a str,
    /// Nonce count in eight hexadecimal digits, and client nonce; `None` without protection.
    pub(crate) counted: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    /// Returns the `response`.
    pub(crate) fn response(&self, credentials: &Credentials) -> String {
        let Credentials { realm, user, password } = credentials;
        let secret = self.algorithm.hash(&[user, realm, password.reveal()]);
        let what = self.algorithm.hash(&[self.method, self.uri]);
        match self.counted {
            Some((count, own)) => {
                self.algorithm.hash(&[&secret, self.nonce, count, own, "auth", &what])
            }
            None => self.algorithm.hash(&[&secret, self.nonce, &what]),
        }
    }
}

/// Who challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The called side: 401.
    Server,
    /// A proxy on the way: 407.
    Proxy,
}

/// A challenge that we can answer, and how often we did.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Challenge {
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    protected: bool,
    stale: bool,
    count: u32,
}

/// What came of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learnt {
    /// Asking again is worth it.
    Anew,
    /// Our answer was wrong, or the challenge cannot be answered.
    Useless,
    /// The realm is not the trunk's.
    Foreign,
}

/// The challenges of one dialog. A dialog that the peer began has none: it is never answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Authentication {
    server: Option<Challenge>,
    proxy: Option<Challenge>,
    answered: u8,
}

impl Authentication {
    /// Takes a 401 or 407. A first challenge is worth an answer, and so is one whose nonce only
    /// went stale; `proved` tells that the credentials were right before.
    pub(crate) fn learn(
        &mut self,
        status: u16,
        answer: &Message<'_>,
        credentials: Option<&Credentials>,
        proved: bool,
    ) -> Learnt {
        let (slot, name) = match side(status) {
            Side::Server => (&mut self.server, Name::WwwAuthenticate),
            Side::Proxy => (&mut self.proxy, Name::ProxyAuthenticate),
        };
        let Some(credentials) = credentials else { return Learnt::Foreign };
        let best = match best(answer.all(name), &credentials.realm) {
            Ok(best) => best,
            Err(Unanswerable::Foreign) => return Learnt::Foreign,
            Err(Unanswerable::Unknown) => return Learnt::Useless,
        };
        let worth = slot.is_none() || best.stale || proved;
        if !worth || self.answered == ANSWERS {
            return Learnt::Useless;
        }
        self.answered += 1;
        *slot = Some(best);
        Learnt::Anew
    }

    /// Writes the answers to what was challenged so far; `own` is a client nonce.
    pub(crate) fn lines(
        &mut self,
        credentials: Option<&Credentials>,
        (method, uri): (&str, &str),
        own: &str,
    ) -> Lines {
        let mut lines = Lines::new();
        let Some(credentials) = credentials else { return lines };
        let slots = [("Authorization", &mut self.server), ("Proxy-Authorization", &mut self.proxy)];
        for (name, slot) in slots {
            let Some(challenge) = slot else { continue };
            if let Some(value) = Value::new(challenge.answer(credentials, (method, uri), own)) {
                lines.push(name, &value);
            }
        }
        lines
    }
}

/// A challenge, for a client that keeps its own transactions: `tollgate trunk doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenged(Challenge);

/// Why a challenge has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswerable {
    /// No challenge is of the credentials' realm.
    Foreign,
    /// Its hash or its protection is not known to us.
    Unknown,
}

impl Challenged {
    /// Reads the values of `WWW-Authenticate` or `Proxy-Authenticate` and chooses the best challenge
    /// of a realm.
    ///
    /// # Errors
    /// [`Unanswerable`].
    pub fn read<'a>(
        values: impl IntoIterator<Item = &'a str>,
        realm: &str,
    ) -> Result<Self, Unanswerable> {
        best(values, realm).map(Self)
    }

    /// Returns the name of its hash: `MD5`, `SHA-256`.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        self.0.algorithm.name()
    }

    /// Whether only the nonce of an earlier answer was too old.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.0.stale
    }

    /// Writes the value of `Authorization` or `Proxy-Authorization` for a method and a Request-URI;
    /// `own` is a client nonce.
    pub fn answer(&mut self, credentials: &Credentials, about: (&str, &str), own: &str) -> String {
        self.0.answer(credentials, about, own)
    }
}

/// Chooses the challenge of a realm with the best hash that we know.
fn best<'a>(
    values: impl IntoIterator<Item = &'a str>,
    realm: &str,
) -> Result<Challenge, Unanswerable> {
    let mut ours = false;
    let mut best: Option<Challenge> = None;
    for fields in values.into_iter().flat_map(challenges) {
        if parameter(&fields, "realm") != Some(realm) {
            continue;
        }
        ours = true;
        let better =
            |found: &Challenge| best.as_ref().is_none_or(|best| best.algorithm < found.algorithm);
        if let Some(found) = Challenge::read(&fields).filter(better) {
            best = Some(found);
        }
    }
    best.ok_or(if ours { Unanswerable::Unknown } else { Unanswerable::Foreign })
}

const fn side(status: u16) -> Side {
    if status == 407 { Side::Proxy } else { Side::Server }
}

impl Challenge {
    fn read(fields: &[(&str, &str)]) -> Option<Self> {
        let protection = parameter(fields, "qop");
        let offered = |qop: &str| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        let protected = protection.is_some_and(offered);
        if protection.is_some() && !protected {
            // Protection of the body alone: not ours.
            return None;
        }
        let is_true = |text: &str| text.eq_ignore_ascii_case("true");
        Some(Self {
            nonce: parameter(fields, "nonce")?.to_owned(),
            opaque: parameter(fields, "opaque").map(str::to_owned),
            algorithm: Algorithm::read(parameter(fields, "algorithm"))?,
            protected,
            stale: parameter(fields, "stale").is_some_and(is_true),
            count: 0,
        })
    }

    fn answer(
        &mut self,
        credentials: &Credentials,
        (method, uri): (&str, &str),
        own: &str,
    ) -> String {
        self.count = self.count.saturating_add(1);
        let count = format!("{:08x}", self.count);
        let counted = self.protected.then_some((count.as_str(), own));
        let (algorithm, nonce) = (self.algorithm, self.nonce.as_str());
        let proof = Proof { algorithm, method, uri, nonce, counted };
        let mut text = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{}\", algorithm={}",
            escaped(&credentials.user),
            credentials.realm,
            proof.response(credentials),
            algorithm.name(),
        );
        if self.protected {
            text.push_str(&format!(", cnonce=\"{own}\", qop=auth, nc={count}"));
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(&format!(", opaque=\"{opaque}\""));
        }
        text
    }
}

fn escaped(user: &str) -> String {
    user.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Returns the fields of every digest challenge, or of credentials, in a header value: several may
/// stand in one, separated by commas as their own fields are.
pub(crate) fn challenges(value: &str) -> Vec<Vec<(&str, &str)>> {
    let mut all: Vec<Vec<(&str, &str)>> = Vec::new();
    let mut digest = false;
    for piece in header::elements(value) {
        let (first, rest) = piece.split_once([' ', '\t']).unwrap_or((piece, ""));
        let begins = !first.contains('=') && !rest.trim_start().starts_with('=');
        let field = if begins {
            digest = first.eq_ignore_ascii_case("Digest");
            if digest {
                all.push(Vec::new());
            }
            rest
        } else {
            piece
        };
        let Some(fields) = all.last_mut().filter(|_| digest) else { continue };
        fields.extend(header::named(field));
    }
    all
}

/// Looks a field up; the first one wins.
pub(crate) fn parameter<'a>(fields: &[(&'a str, &'a str)], wanted: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    fn credentials(realm: &str, user: &str, password: &str) -> Credentials {
        let password = Secret::new(password.to_owned());
        Credentials { realm: realm.to_owned(), user: user.to_owned(), password }
    }

    fn learn(fields: &str, own: &Credentials) -> (Learnt, Authentication) {
        let text = format!("SIP/2.0 401 x\r\n{fields}\r\n");
        let mut known = Authentication::default();
        let learnt = known.learn(401, &Message::lex(text.as_bytes()).unwrap(), Some(own), false);
        (learnt, known)
    }

    #[test]
    fn the_examples_of_rfc_7616_are_met() {
        let own = credentials("http-auth@example.org", "Mufasa", "Circle of Life");
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let counted = Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"));
        let proof = |algorithm| {
            let (method, uri) = ("GET", "/dir/index.html");
            Proof { algorithm, method, uri, nonce, counted }.response(&own)
        };
        assert_eq!(proof(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(proof(Algorithm::Sha256), sha);
    }

    #[test]
    fn a_client_of_its_own_answers_its_realm_alone() {
        let own = credentials("r", "u", "p");
        let values = ["Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\""];
        let mut challenged = Challenged::read(values, &own.realm).unwrap();
        assert_eq!((challenged.algorithm(), challenged.is_stale()), ("SHA-256", false));
        let answer = challenged.answer(&own, ("INVITE", "sip:1@h"), "c");
        assert!(answer.contains("nc=00000001") && answer.contains("uri=\"sip:1@h\""), "{answer}");
        assert_eq!(Challenged::read(values, "other"), Err(Unanswerable::Foreign));
        let odd = ["Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256"];
        assert_eq!(Challenged::read(odd, &own.realm), Err(Unanswerable::Unknown));
    }

    #[test]
    fn the_better_hash_is_chosen_and_the_nonce_is_counted() {
        let own = credentials("r", "u", "p");
        let (learnt, mut known) = learn(
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=MD5, qop=\"auth\",\
             Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth-int,auth\", opaque=\"o\"\r\n\
             WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", algorithm=SHA-512-256\r\n",
            &own,
        );
        assert_eq!(learnt, Learnt::Anew);
        let first = format!("{:?}", known.lines(Some(&own), ("INVITE", "sip:1@h"), "c"));
        assert!(
            first.contains("nonce=\\\"n2\\\"") && first.contains("opaque=\\\"o\\\""),
            "{first}"
        );
        assert!(first.contains("qop=auth, nc=00000001") && first.contains("algorithm=SHA-256"));
        let second = format!("{:?}", known.lines(Some(&own), ("BYE", "sip:1@h"), "d"));
        assert!(second.contains("nc=00000002"), "{second}");
    }

    #[test]
    fn no_protection_means_no_count() {
        let own = credentials("r", "u", "p");
        let (_, mut known) = learn("WWW-Authenticate: Digest nonce=\"n\",realm=\"r\"\r\n", &own);
        let line = format!("{:?}", known.lines(Some(&own), ("INVITE", "sip:1@h"), "c"));
        assert!(!line.contains("nc=") && !line.contains("cnonce"), "{line}");
    }

    #[test]
    fn another_realm_gets_nothing() {
        let own = credentials("carrier.example", "u", "p");
        for realm in ["evil.example", "Carrier.example", "carrier.example.evil"] {
            let field = format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\"\r\n");
            let (learnt, mut known) = learn(&field, &own);
            assert_eq!(learnt, Learnt::Foreign, "{realm}");
            assert_eq!(known.lines(Some(&own), ("INVITE", "sip:1@h"), "c"), Lines::new());
        }
    }

    #[test]
    fn a_second_challenge_is_answered_only_if_stale_or_proved_before() {
        let own = credentials("r", "u", "p");
        let fresh = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\"\r\n";
        let stale = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", stale=TRUE\r\n";
        let (_, known) = learn(fresh, &own);
        let again = |field: &str, proved| {
            let text = format!("SIP/2.0 401 x\r\n{field}\r\n");
            let message = Message::lex(text.as_bytes()).unwrap();
            known.clone().learn(401, &message, Some(&own), proved)
        };
        assert_eq!(again(fresh, false), Learnt::Useless);
        assert_eq!(again(stale, false), Learnt::Anew);
        assert_eq!(again(fresh, true), Learnt::Anew);
    }

    #[test]
    fn what_we_cannot_do_is_not_answered() {
        let own = credentials("r", "u", "p");
        for field in
            ["qop=\"auth-int\", nonce=\"n\"", "algorithm=MD5-sess, nonce=\"n\"", "qop=auth"]
        {
            let field = format!("WWW-Authenticate: Digest realm=\"r\", {field}\r\n");
            assert_eq!(learn(&field, &own).0, Learnt::Useless, "{field}");
        }
        assert_eq!(learn("WWW-Authenticate: Basic realm=\"r\"\r\n", &own).0, Learnt::Foreign);
    }
}
