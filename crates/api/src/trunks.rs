//! Trunks: how each does.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use bridge::TrunkView;
use bridge::routing::Figures;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::{LiveQuery, PATIENCE, State};

/// One trunk as JSON.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    group: Option<String>,
    state: &'static str,
    /// What kept us from reaching it, null if nothing does.
    trouble: Option<&'static str>,
    calls_in: u32,
    calls_out: u32,
    #[serde(rename = "in")]
    hour_in: Hour,
    #[serde(rename = "out")]
    hour_out: Hour,
}

/// The last hour in one direction. Ratios are whole percent, null without an attempt.
#[derive(Debug, Serialize)]
struct Hour {
    attempts: u64,
    asr_percent: Option<u64>,
    ner_percent: Option<u64>,
    acd_secs: Option<u64>,
    short: u64,
    one_way: u64,
}

/// `GET /v1/trunks`: every trunk by name.
pub(crate) async fn list(Shared(state): Shared<State>) -> Result<Response, Failure> {
    let (reply, answer) = oneshot::channel();
    state.live.try_send(LiveQuery::Trunks(reply)).map_err(|_| Failure::Busy)?;
    let trunks = match timeout(PATIENCE, answer).await {
        Ok(Ok(trunks)) => trunks,
        Ok(Err(_)) | Err(_) => return Err(Failure::Busy),
    };
    let shown: Vec<Shown> = trunks.into_iter().map(shown).collect();
    Ok(Json(shown).into_response())
}

fn shown(trunk: TrunkView) -> Shown {
    Shown {
        name: trunk.name,
        group: trunk.group,
        state: trunk.state,
        trouble: trunk.trouble,
        calls_in: trunk.calls_in,
        calls_out: trunk.calls_out,
        hour_in: hour(&trunk.hour_in),
        hour_out: hour(&trunk.hour_out),
    }
}

fn hour(figures: &Figures) -> Hour {
    Hour {
        attempts: figures.attempts,
        asr_percent: figures.asr_percent(),
        ner_percent: figures.ner_percent(),
        acd_secs: figures.acd_secs(),
        short: figures.short,
        one_way: figures.one_way,
    }
}
