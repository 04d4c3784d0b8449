//! `[http]` and secrets that lie in files of their own.

use api::Token;

use super::super::{Http, TOKEN_VARIABLE, file, from_environment};
use super::Checker;

impl Checker<'_> {
    pub(super) fn http(&mut self, written: file::Http) -> Option<Http> {
        let bind = self.address("http.bind", &written.bind);
        if written.token.is_some() && written.token_file.is_some() {
            self.bad("http.token_file", "either http.token or http.token_file is allowed");
        }
        let from_file = written.token_file.and_then(|path| self.secret("http.token_file", &path));
        let inline = written.token.map(|secret| secret.0);
        let secret = inline.or(from_file).or_else(|| from_environment(TOKEN_VARIABLE));
        let token = secret.as_deref().map(Token::parse);
        if let Some(None) = token {
            let least = Token::CHARACTERS_MIN;
            let problem = format!(
                "{least} or more visible characters without blanks are allowed (it comes from \
                 http.token, http.token_file or {TOKEN_VARIABLE})"
            );
            self.bad("http.token", problem);
        }
        Some(Http { bind: bind?, token: token.flatten() })
    }

    /// Reads a secret from a file of its own.
    pub(in crate::config) fn secret(&mut self, key: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                self.bad(key, format!("{path} cannot be read: {error}"));
                None
            }
        }
    }
}
