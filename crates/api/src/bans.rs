//! Bans: sources off the allow-list that are not heard for a while.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use bridge::Ban;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::{LiveQuery, PATIENCE, State};

/// One banned source as JSON.
#[derive(Debug, Serialize)]
struct Shown {
    /// An address, or of IPv6 a network.
    source: String,
    left_secs: u64,
    dropped: u64,
}

/// `GET /v1/bans`: every banned source, in the order of addresses.
pub(crate) async fn list(Shared(state): Shared<State>) -> Result<Response, Failure> {
    let (reply, answer) = oneshot::channel();
    state.live.try_send(LiveQuery::Bans(reply)).map_err(|_| Failure::Busy)?;
    let bans = match timeout(PATIENCE, answer).await {
        Ok(Ok(bans)) => bans,
        Ok(Err(_)) | Err(_) => return Err(Failure::Busy),
    };
    let shown: Vec<Shown> = bans.into_iter().map(shown).collect();
    Ok(Json(shown).into_response())
}

fn shown(ban: Ban) -> Shown {
    let network = if ban.source.is_ipv6() { "/64" } else { "" };
    Shown {
        source: format!("{}{network}", ban.source),
        left_secs: ban.left.as_secs(),
        dropped: ban.dropped,
    }
}
