//! The token that guards `/v1`.

use std::fmt;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::State;
use crate::failure::Failure;

/// The operator's secret. Never shown.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// Fewest characters: 16 of them cannot be guessed over a network.
    pub const CHARACTERS_MIN: usize = 16;

    /// Takes a secret of at least [`Self::CHARACTERS_MIN`] visible ASCII characters; `None` if it
    /// is shorter or could not stand in a header.
    #[must_use]
    pub fn parse(secret: &str) -> Option<Self> {
        let visible = secret.bytes().all(|b| b.is_ascii_graphic());
        (visible && secret.len() >= Self::CHARACTERS_MIN).then(|| Self(secret.into()))
    }

    /// Returns the secret, for the header of a request.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares without telling by its time how much was right; only the length can leak.
    fn is(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Lets a request pass if it carries the token.
pub(crate) async fn demand_token(
    Shared(state): Shared<State>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = &state.token else {
        return Failure::NoTokenConfigured.into_response();
    };
    match bearer(request.headers()) {
        Some(offered) if token.is(offered) => next.run(request).await,
        Some(_) | None => Failure::WrongToken.into_response(),
    }
}

/// Reads `Authorization: Bearer …`; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_or_unprintable_token_is_refused() {
        assert!(Token::parse("short").is_none());
        assert!(Token::parse("sixteen letters!").is_none());
        assert!(Token::parse("sixteen-letters!").is_some());
    }

    #[test]
    fn a_token_is_never_shown() {
        assert_eq!(format!("{:?}", Token::parse("sixteen-letters!").unwrap()), "****");
    }

    #[test]
    fn only_the_same_token_is_right() {
        let token = Token::parse("sixteen-letters!").unwrap();
        assert!(token.is("sixteen-letters!"));
        assert!(!token.is("sixteen-letters?"));
        assert!(!token.is("sixteen-letters!!"));
        assert!(!token.is(""));
    }
}
