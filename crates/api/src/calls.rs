//! Calls: list the live ones, look at one, end one.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bridge::{Input, LiveCall};
use jiff::Timestamp;
use model::CallId;
use model::record::{Attempted, Capability, Cdr};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::{LiveQuery, PATIENCE, State};

/// One live call as JSON. Numbers are masked, money is exact text, times are ISO 8601 UTC.
#[derive(Debug, Serialize)]
struct CallView {
    call: String,
    sip_call_id: String,
    trunk: String,
    state: &'static str,
    caller: Option<String>,
    called: Option<String>,
    meeting: Option<String>,
    invited: String,
    connected_secs: u64,
    capability: Option<&'static str>,
    funded_left_secs: Option<u64>,
    held: Option<String>,
}

/// `GET /v1/calls`: every live call, in the bridge's order.
pub(crate) async fn list(Shared(state): Shared<State>) -> Result<Response, Failure> {
    let calls: Vec<CallView> = live(&state).await?.iter().map(view).collect();
    Ok(Json(calls).into_response())
}

/// `GET /v1/calls/{id}`: one call, live or over; of one that is over, why.
pub(crate) async fn one(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let call = call_id(&id).ok_or(Failure::MalformedCallId)?;
    if let Some(live) = live(&state).await?.iter().find(|live| live.call == call) {
        return Ok(Json(view(live)).into_response());
    }
    let id = call.to_string();
    let case = match timeout(PATIENCE, state.store.case(&id)).await {
        Ok(Ok(case)) => case.ok_or(Failure::NoSuchCall)?,
        Ok(Err(_)) | Err(_) => return Err(Failure::StoreUnavailable),
    };
    let Some(cdr) = case.cdr else {
        // It has left the bridge; its record is on its way.
        return Ok(Json(serde_json::json!({ "call": id, "state": "leaving" })).into_response());
    };
    Ok(Json(over(&cdr)).into_response())
}

/// A call that is over. Numbers are masked, money is exact text, times are ISO 8601 UTC.
fn over(cdr: &Cdr) -> serde_json::Value {
    serde_json::json!({
        "call": cdr.call.to_string(),
        "call_type": cdr.call_type.word(),
        "sip_call_id": cdr.sip_call_id,
        "trunk": cdr.trunk,
        "attempts": cdr.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "state": "over",
        "caller": cdr.caller.as_ref().map(ToString::to_string),
        "called": cdr.called.as_ref().map(ToString::to_string),
        "meeting": cdr.meeting.map(|meeting| meeting.to_string()),
        "invited": iso(cdr.invited.micros),
        "answered": cdr.answered.map(|answered| iso(answered.micros)),
        "connected_secs": cdr.connected_micros / 1_000_000,
        "capability": payer(cdr.capability),
        "charge": cdr.charge.to_string(),
        "currency": cdr.currency.map(|currency| currency.to_string()),
        "ending": cdr.ending.label,
        "released_by": cdr.ending.released_by,
        "sip_status": cdr.ending.sip_status,
        "q850": cdr.ending.q850,
        "received": { "sip_status": cdr.received.sip_status, "q850": cdr.received.q850 },
        "reasons": cdr.reasons,
        "advice": advice(&cdr.ending.label),
        "decision": cdr.decision.as_ref().map(|decision| serde_json::json!({
            "allowed": decision.allowed,
            "rule": decision.rule,
            "version": decision.version,
        })),
    })
}

/// What a person can do, if the call was refused.
fn advice(label: &str) -> Option<&'static str> {
    bridge::Refusal::all().find(|refusal| refusal.label() == label).map(bridge::Refusal::advice)
}

/// One INVITE of ours, as the carrier's engineer looks for it.
fn attempt(attempt: &Attempted) -> serde_json::Value {
    serde_json::json!({
        "trunk": attempt.trunk,
        "sip_call_id": attempt.sip_call_id,
        "sip_status": attempt.sip_status,
        "q850": attempt.q850,
    })
}

/// `DELETE /v1/calls/{id}`: ends one call, which is charged for its time. 202: the BYE follows.
pub(crate) async fn hang_up(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let call = call_id(&id).ok_or(Failure::MalformedCallId)?;
    if !live(&state).await?.iter().any(|live| live.call == call) {
        return Err(Failure::NoSuchCall);
    }
    state.inputs.try_send(Input::HangUp(call)).map_err(|_| Failure::Busy)?;
    let told = serde_json::json!({ "call": call.to_string(), "state": "hanging up" });
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

/// Reads exactly 32 hexadecimal digits; `None` for anything else.
#[must_use]
pub fn call_id(text: &str) -> Option<CallId> {
    let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if plain { text.parse().ok() } else { None }
}

/// Asks the loop. A full queue, a loop that is gone and one that is late are all [`Failure::Busy`].
async fn live(state: &State) -> Result<Vec<LiveCall>, Failure> {
    let (reply, answer) = oneshot::channel();
    state.live.try_send(LiveQuery::Calls(reply)).map_err(|_| Failure::Busy)?;
    match timeout(PATIENCE, answer).await {
        Ok(Ok(calls)) => Ok(calls),
        Ok(Err(_)) | Err(_) => Err(Failure::Busy),
    }
}

fn view(call: &LiveCall) -> CallView {
    CallView {
        call: call.call.to_string(),
        sip_call_id: call.sip_call_id.clone(),
        trunk: call.trunk.clone(),
        state: call.state,
        caller: call.caller.as_ref().map(ToString::to_string),
        called: call.called.as_ref().map(ToString::to_string),
        meeting: call.meeting.map(|meeting| meeting.to_string()),
        invited: iso(call.invited.micros),
        connected_secs: call.connected_secs,
        capability: call.capability.map(payer),
        funded_left_secs: call.funded_left_secs,
        held: call.held.map(|held| held.to_string()),
    }
}

fn payer(capability: Capability) -> &'static str {
    match capability {
        Capability::Included => "included",
        Capability::Credits => "credits",
        Capability::Unattributed => "unattributed",
    }
}

/// ISO 8601 in UTC with milliseconds; moments outside the calendar are clamped to its edges.
pub(crate) fn iso(micros: i64) -> String {
    let edge = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_microsecond(micros).unwrap_or(edge))
}

#[cfg(test)]
mod tests {
    use model::record::{CallType, Withheld};
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_32_hexadecimal_digits_are_a_call_id() {
        assert_eq!(call_id("0000000000000000000000000000002a"), Some(CallId(42)));
        for text in ["2a", "+000000000000000000000000000002a", "0000000000000000000000000000002g"] {
            assert_eq!(call_id(text), None, "{text}");
        }
    }

    #[test]
    fn a_call_that_was_refused_is_shown_with_what_to_do_and_no_withheld_number() {
        for refusal in bridge::Refusal::all() {
            let mut cdr = Cdr::begun(CallId(42), CallType::In, model::UnixTime::default());
            cdr.ending.label = refusal.label().into();
            cdr.withheld = Some(Withheld::Plain("+14155550199".parse().unwrap()));
            let shown = over(&cdr);
            assert_eq!(shown["advice"], refusal.advice());
            assert_eq!((&shown["caller"], &shown["call_type"]), (&Value::Null, &"conf_in".into()));
            assert!(!shown.to_string().contains("1415555"), "{shown}");
        }
    }

    #[test]
    fn a_moment_is_shown_in_utc() {
        assert_eq!(iso(1_795_000_000_250_000), "2026-11-18T11:06:40.250Z");
    }
}
