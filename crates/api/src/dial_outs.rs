//! Calling people into a meeting.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bridge::outbound::Options;
use bridge::{By, Denied, DialOut, Placed, Refusal};
use model::{MeetingId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::{OrderQuery, State};

/// How long an order waits for the bridge: it asks the store for the first hold.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is to be called, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// As it is dialled in the organizer's country, or `+…`.
    number: Option<String>,
    /// Several that ring at once, in place of `number`.
    #[serde(default)]
    numbers: Vec<String>,
    /// The user who asks; without one the operator does.
    by: Option<String>,
    press_one: Option<bool>,
    ring_secs: Option<u16>,
    #[serde(default)]
    call_me: bool,
    #[serde(default)]
    withheld: bool,
}

/// `POST /v1/meetings/{meeting}/dial-outs`: calls somebody. 202 once the call is decided, paid ahead
/// and on its way; else the refusal, with what to change.
pub(crate) async fn place(
    Shared(state): Shared<State>,
    Path(meeting): Path<String>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(asked) = asked.map_err(|_| Failure::MalformedBody)?;
    let (reply, answer) = oneshot::channel();
    let query = OrderQuery { order: order(&meeting, asked)?, reply };
    state.orders.try_send(query).map_err(|_| Failure::Busy)?;
    match timeout(PATIENCE, answer).await {
        Ok(Ok(placed)) => Ok(answered(&placed)),
        Ok(Err(_)) | Err(_) => Err(Failure::Busy),
    }
}

/// The loop gives the order its number.
fn order(meeting: &str, asked: Asked) -> Result<DialOut, Failure> {
    let mut numbers = asked.numbers;
    match (asked.number, numbers.is_empty()) {
        (Some(number), true) => numbers.push(number),
        (None, false) => {}
        (Some(_), false) | (None, true) => return Err(Failure::MalformedBody),
    }
    Ok(DialOut {
        request: 0,
        meeting: meeting_id(meeting),
        numbers,
        by: asked.by.map_or(By::Operator, |name| By::User(UserId::from_name(&name))),
        options: Options {
            press_one: asked.press_one,
            ring: asked.ring_secs.map(|secs| Duration::from_secs(secs.into())),
            call_me: asked.call_me,
            withheld: asked.withheld,
        },
    })
}

/// A meeting is named by its name, or by its id as `GET /v1/calls` shows it.
fn meeting_id(text: &str) -> MeetingId {
    let id = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let read = if id { text.parse().ok() } else { None };
    read.unwrap_or_else(|| MeetingId::from_name(text))
}

fn answered(placed: &Placed) -> Response {
    if let [one] = &placed.calls[..] {
        return match one {
            Ok(call) => (StatusCode::ACCEPTED, Json(json!({ "call": call.to_string() }))),
            Err(denied) => (status(denied.refusal), Json(told(denied))),
        }
        .into_response();
    }
    let refused = placed.calls.iter().find_map(|call| call.as_ref().err());
    let status = match refused.filter(|_| placed.calls.iter().all(Result::is_err)) {
        Some(denied) => status(denied.refusal),
        None => StatusCode::ACCEPTED,
    };
    let calls = placed.calls.iter().map(|call| match call {
        Ok(call) => json!({ "call": call.to_string() }),
        Err(denied) => told(denied),
    });
    (status, Json(json!({ "calls": calls.collect::<Vec<Value>>() }))).into_response()
}

fn told(denied: &Denied) -> Value {
    let error = "the call is refused";
    json!({ "error": error, "refusal": denied.refusal.label(), "hint": denied.message })
}

/// A refusal's status over HTTP, from what it means over SIP.
fn status(refusal: Refusal) -> StatusCode {
    if refusal == Refusal::InsufficientCredit {
        return StatusCode::PAYMENT_REQUIRED;
    }
    if refusal == Refusal::UnknownMeeting {
        return StatusCode::NOT_FOUND;
    }
    match refusal.row().status {
        503 => StatusCode::SERVICE_UNAVAILABLE,
        403 => StatusCode::FORBIDDEN,
        404 | 484 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_is_named_by_its_name_or_its_id() {
        let id = MeetingId::from_name("standup");
        assert_eq!(meeting_id("standup"), id);
        assert_eq!(meeting_id(&id.to_string()), id);
    }

    #[test]
    fn every_refusal_is_answered_by_name_with_what_to_do() {
        for refusal in Refusal::all() {
            let answer = told(&Denied::from(refusal));
            assert_eq!(answer["refusal"], refusal.label());
            assert_eq!(answer["hint"], refusal.advice());
            assert!(status(refusal).is_client_error() || status(refusal).is_server_error());
        }
    }

    #[test]
    fn what_a_person_can_change_has_a_status_of_its_own() {
        let statuses = [
            (Refusal::InsufficientCredit, 402),
            (Refusal::NotLicensed, 403),
            (Refusal::UnknownMeeting, 404),
            (Refusal::AlreadyCalled, 409),
            (Refusal::MalformedNumber, 422),
            (Refusal::NoRoute, 503),
        ];
        for (refusal, expected) in statuses {
            assert_eq!(status(refusal).as_u16(), expected, "{refusal:?}");
        }
    }
}
