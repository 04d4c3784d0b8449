//! Every no of the API, in one table.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `/v1` is off.
    NoTokenConfigured,
    /// The token is missing or wrong.
    WrongToken,
    /// No such path.
    NoSuchRoute,
    /// The path is there, the method is not.
    NoSuchMethod,
    /// The body does not say who is to be called.
    MalformedBody,
    /// The id in the path is not one of ours.
    MalformedCallId,
    /// The call is not live.
    NoSuchCall,
    /// No organization has the name.
    NoSuchOrganization,
    /// No user has the name.
    NoSuchUser,
    /// No service number is dialled so.
    NoSuchNumber,
    /// No trunk has the name.
    NoSuchTrunk,
    /// No country has the two letters.
    NoSuchCountry,
    /// The body does not say who acts, and why.
    MalformedAct,
    /// The loop does not answer, or its queue is full.
    Busy,
    /// The store does not answer.
    StoreUnavailable,
}

/// What the client reads.
#[derive(Serialize)]
struct Body {
    error: &'static str,
    hint: &'static str,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoTokenConfigured => StatusCode::FORBIDDEN,
            Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::NoSuchRoute
            | Self::NoSuchCall
            | Self::NoSuchOrganization
            | Self::NoSuchUser
            | Self::NoSuchNumber
            | Self::NoSuchTrunk
            | Self::NoSuchCountry => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::MalformedCallId | Self::MalformedBody | Self::MalformedAct => {
                StatusCode::BAD_REQUEST
            }
            Self::Busy | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn body(&self) -> Body {
        let (error, hint) = match self {
            Self::NoTokenConfigured => (
                "the control API is off: no token is configured",
                "set a token of at least 16 characters in the configuration file and restart",
            ),
            Self::WrongToken => (
                "the token is missing or wrong",
                "send the configured token as `Authorization: Bearer TOKEN`",
            ),
            Self::NoSuchRoute => (
                "no such path",
                "there are /metrics, /healthz, /readyz, GET /v1/calls, GET and DELETE \
                 /v1/calls/{id}, POST /v1/meetings/{meeting}/dial-outs, GET \
                 /v1/organizations/{name}/credits and /budgets, GET /v1/trunks, /v1/bans, \
                 /v1/budgets, /v1/approvals, /v1/suspensions and /v1/acts; POST suspend, stop or \
                 resume under /v1/organizations/{name}, /v1/users/{name}, /v1/numbers/{number} and \
                 /v1/trunks/{name}; POST approve or deny under \
                 /v1/organizations/{name}/countries/{country}",
            ),
            Self::NoSuchMethod => {
                ("the path does not take this method", "the Allow header names those it takes")
            }
            Self::MalformedBody => (
                "the body does not say who is to be called",
                "send JSON (Content-Type: application/json) with `number`, or `numbers` for several \
                 that ring at once, and, as you need them, `by`, `press_one`, `ring_secs`, `call_me`, \
                 `withheld`",
            ),
            Self::MalformedCallId => (
                "not a call id",
                "write the 32 hexadecimal digits that GET /v1/calls shows as `call`",
            ),
            Self::NoSuchCall => (
                "no call has this id",
                "GET /v1/calls lists the live ones; `tollgate calls cdr` those that are over",
            ),
            Self::NoSuchOrganization => (
                "no organization has this name",
                "names are those of the provisioning file; `tollgate apply` adds one",
            ),
            Self::NoSuchUser => (
                "no user has this name",
                "names are those of the provisioning file; `tollgate apply` adds one",
            ),
            Self::NoSuchNumber => (
                "no service number is dialled so",
                "write it as in [[number]] of the provisioning file, like +390116543210",
            ),
            Self::NoSuchTrunk => (
                "no trunk has this name",
                "GET /v1/trunks lists them; the configuration names them",
            ),
            Self::NoSuchCountry => (
                "no country has these letters",
                "write its two capital letters, like IT (ISO 3166-1)",
            ),
            Self::MalformedAct => (
                "the body does not say who acts, and why",
                "send JSON (Content-Type: application/json) with `by` and `reason`, each one line of at \
                 most 200 characters",
            ),
            Self::Busy => ("the gateway is too busy to answer", "try again in a second"),
            Self::StoreUnavailable => (
                "the store does not answer",
                "see the log for its error; calls that are paid for go on",
            ),
        };
        Body { error, hint }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        let scheme = header::HeaderValue::from_static("Bearer");
        if self == Self::WrongToken {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Answers what no route matches.
pub(crate) async fn no_such_route() -> Failure {
    Failure::NoSuchRoute
}

/// Answers a route asked with a method that it does not have.
pub(crate) async fn no_such_method() -> Failure {
    Failure::NoSuchMethod
}
