//! The running gateway's API, asked by a subcommand.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use api::Token;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::place::Place;

/// How long the gateway may take to answer: a call that is placed waits for its first hold.
const PATIENCE: Duration = Duration::from_secs(12);

/// Largest answer read, bytes: 20 000 calls of some 400 bytes, and room to spare.
const ANSWER_BYTES: u64 = 32 * 1024 * 1024;

/// Where it is, and what it wants.
pub(super) struct Gateway {
    address: SocketAddr,
    token: Token,
}

impl Gateway {
    /// Finds the gateway of an installation.
    ///
    /// # Errors
    /// If its configuration is wrong, or its API is off.
    pub(super) fn of(place: &Place) -> Result<Self> {
        let http = place.config()?.http;
        let Some(token) = http.token else {
            bail!(
                "the gateway's API is off: set http.token or http.token_file in its file, or \
                 TOLLGATE_HTTP_TOKEN for it and for this command"
            );
        };
        Ok(Self { address: http.bind, token })
    }

    /// Asks it something and returns its answer.
    ///
    /// # Errors
    /// If it does not answer, or says no.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let Self { address, .. } = self;
        let asked = timeout(PATIENCE, self.exchange(method, path, body)).await;
        let answer = asked
            .map_err(|_| anyhow!("no answer within {} s", PATIENCE.as_secs()))
            .and_then(|answered| answered.map_err(Into::into))
            .with_context(|| format!("cannot reach the gateway at {address}; is it running?"))?;
        let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        let body: Value = serde_json::from_str(body).with_context(|| {
            format!("{address} answered {status} without JSON; is it Tollgate?")
        })?;
        if !status.starts_with('2') {
            let said = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
            let name = body.get("refusal").and_then(Value::as_str);
            let name = name.map_or_else(String::new, |name| format!(" ({name})"));
            bail!("the gateway answered {status}: {}{name}; {}", said("error"), said("hint"));
        }
        Ok(body)
    }

    /// One request of HTTP/1.0, so that the answer is neither chunked nor followed by another.
    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let body = body.map_or_else(String::new, ToString::to_string);
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{content}\r\n{body}",
            self.address,
            self.token.reveal()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES).read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_gateways_no_is_told_with_its_hint() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let error = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let answer = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap();
                let body = r#"{"error":"the token is wrong","hint":"send the right one"}"#;
                let said = format!("HTTP/1.0 401 Unauthorized\r\n\r\n{body}");
                stream.write_all(said.as_bytes()).await.unwrap();
                String::from_utf8_lossy(&asked[..read]).into_owned()
            });
            let token = Token::parse("sixteen-letters!").unwrap();
            let error = Gateway { address, token }.ask("GET", "/v1/calls", None).await.unwrap_err();
            assert!(answer.await.unwrap().contains("Authorization: Bearer sixteen-letters!\r\n"));
            error
        });
        assert_eq!(
            error.to_string(),
            "the gateway answered 401: the token is wrong; send the right one"
        );
    }
}
