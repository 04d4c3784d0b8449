//! Who asks us must prove to know a password (RFC 3261 §22, RFC 7616, RFC 8760): challenges of ours,
//! SHA-256 before MD5, and the answers to them.

use model::record::Trunk;
use model::{Credentials, Instant};
use subtle::ConstantTimeEq;

use crate::endpoint::Endpoint;
use crate::message::wire::{Lines, Value};
use crate::message::{Name, Request};
use crate::trunk::digest::{Algorithm, Proof, challenges, parameter};

/// What an `Authorization` claims.
struct Claim<'a> {
    user: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: Algorithm,
    /// Nonce count as written, and what it is.
    count: (&'a str, u32),
    own: &'a str,
}

impl Endpoint {
    /// Checks that a request bears the proof of a password, freshly made.
    ///
    /// # Errors
    /// 401 with our challenges, 400 if the proof is of another request.
    pub(crate) fn authenticate(
        &mut self,
        request: &Request<'_>,
        (trunk, own): (&Trunk, &Credentials),
        now: Instant,
    ) -> Result<(), (u16, Lines)> {
        let fields = request.message.all(Name::Authorization).flat_map(challenges);
        let mut fields = fields.filter(|f| parameter(f, "realm") == Some(&own.realm));
        let fields = fields.next();
        let Some(claim) = fields.as_deref().and_then(Claim::read) else {
            return Err((401, self.challenge((trunk, own), false, now)));
        };
        if !claim.holds(own, request.method.name()) {
            return Err((401, self.challenge((trunk, own), false, now)));
        }
        if claim.uri != request.uri {
            return Err((400, Lines::new()));
        }
        if !self.nonces.take(claim.nonce, trunk.id.0, claim.count.1, now) {
            // The password is right: only the nonce is not (RFC 7616 §3.3).
            return Err((401, self.challenge((trunk, own), true, now)));
        }
        Ok(())
    }

    fn challenge(
        &mut self,
        (trunk, own): (&Trunk, &Credentials),
        stale: bool,
        now: Instant,
    ) -> Lines {
        let nonce = self.nonces.issue(trunk.id.0, self.chance.number(), now);
        let stale = if stale { ", stale=true" } else { "" };
        let mut lines = Lines::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
            let (realm, name) = (&own.realm, algorithm.name());
            let challenge = format_args!(
                "Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\", algorithm={name}{stale}"
            );
            lines.push("WWW-Authenticate", &Value::shown(challenge));
        }
        lines
    }
}

impl<'a> Claim<'a> {
    /// Reads one; `None` if something is missing. Without a count nothing could be told from its
    /// repetition: `qop=auth` is a must.
    fn read(fields: &[(&'a str, &'a str)]) -> Option<Self> {
        let field = |name| parameter(fields, name);
        let is_protected = field("qop")?.eq_ignore_ascii_case("auth");
        let count = field("nc").filter(|count| is_protected && count.len() == 8)?;
        Some(Self {
            user: field("username")?,
            nonce: field("nonce")?,
            uri: field("uri")?,
            response: field("response")?,
            algorithm: Algorithm::read(field("algorithm"))?,
            count: (count, u32::from_str_radix(count, 16).ok()?),
            own: field("cnonce").filter(|own| !own.is_empty())?,
        })
    }

    /// Whether it proves the password. Takes as long whatever is wrong with it.
    fn holds(&self, credentials: &Credentials, method: &str) -> bool {
        let counted = Some((self.count.0, self.own));
        let Self { algorithm, nonce, uri, .. } = *self;
        let right = Proof { algorithm, method, uri, nonce, counted }.response(credentials);
        let given = self.response.to_ascii_lowercase();
        let proved = right.as_bytes().ct_eq(given.as_bytes());
        bool::from(proved & self.user.as_bytes().ct_eq(credentials.user.as_bytes()))
    }
}
